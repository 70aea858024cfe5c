//! Following incidents: what there is, and then each change, for readers that may go away and come back.

use std::time::Duration;

use llm_sre_mesh::records::Stored;
use llm_sre_mesh::{names, status};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::incident::v1::{WatchIncidentsRequest, WatchIncidentsResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::Service;
use crate::book::shown;
use crate::kept::Kept;

/// How often a watch looks for changes, and how many it takes at once.
const WATCH_EVERY: Duration = Duration::from_millis(250);
const WATCH_BATCH: usize = 100;
/// Incidents that wait for a slow reader; then the watch itself waits.
const WATCH_WAITING_MAX: usize = 16;
/// The field that a reader's place comes in.
const TOKEN_FIELD: &str = "resume_token";

type Answer = Result<WatchIncidentsResponse, Status>;

/// How far a reader is.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    /// The store's.
    cursor: String,
    /// What was read last: where it is another's, or is not there, the store is not the one that the cursor is of.
    last: String,
    opened_unix_nano: u64,
}

impl Place {
    fn token(&self) -> String {
        let Self { cursor, last, opened_unix_nano } = self;
        format!("{opened_unix_nano}.{last}.{cursor}")
    }

    /// What a reader gives back; `None` where it is no token.
    fn parse(token: &str) -> Option<Self> {
        let mut parts = token.splitn(3, '.');
        let opened_unix_nano = parts.next()?.parse().ok()?;
        let (last, cursor) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        (!last.is_empty() && !cursor.is_empty()).then_some(Self { cursor, last, opened_unix_nano })
    }
}

/// One reader's watch.
struct Watch {
    /// Only this incident; empty is all.
    name: String,
    /// Whether what lives is told first, and of what had ended nothing but what changes.
    skips_ended: bool,
    /// Up to where it has read, and since the last that was read of all.
    place: Option<Place>,
    cursor: Option<String>,
    /// Whether it is to be told that all was said, and was not yet.
    is_catching_up: bool,
}

impl Service {
    /// What there is and each change, until the reader goes away or the store fails.
    pub(crate) async fn begin_watch(&self, request: WatchIncidentsRequest) -> Result<ReceiverStream<Answer>, Status> {
        let WatchIncidentsRequest { name, resume_token, skip_ended } = request;
        if !name.is_empty() {
            self.find(&name).await?;
        }
        let place = match resume_token.as_str() {
            "" => None,
            token => Some(self.place(token).await?),
        };
        let is_catching_up = skip_ended || place.is_some();
        let skips_ended = skip_ended && place.is_none();
        let cursor = place.as_ref().map(|place| place.cursor.clone());
        let watch = Watch { name, skips_ended, place, cursor, is_catching_up };
        let (sender, receiver) = mpsc::channel(WATCH_WAITING_MAX);
        let service = self.clone();
        tokio::spawn(async move {
            if let Err(Some(error)) = service.watch(watch, &sender).await {
                // Whether the reader still listens does not matter: the watch ends either way.
                let _is_heard = sender.send(Err(error)).await.is_ok();
            }
        });
        Ok(ReceiverStream::new(receiver))
    }

    /// Where a token says that its reader is.
    async fn place(&self, token: &str) -> Result<Place, Status> {
        let refused = |why: &str| status::invalid_argument(TOKEN_FIELD, why);
        let place = Place::parse(token).ok_or_else(|| refused("is not from an answer of this method"))?;
        let last = match self.records.get(&place.last).await {
            Err(error) if error.code() != Code::Internal => return Err(error),
            found => found.ok().flatten(),
        };
        if last.is_none_or(|last| last.message.opened_unix_nano != place.opened_unix_nano) {
            return Err(refused("is of incidents that are not these: begin without one"));
        }
        match self.records.changes(Some(place.cursor.clone()), 1).await {
            Err(error) if error.code() == Code::InvalidArgument => Err(refused("is not one of this store's")),
            Err(error) => Err(error),
            Ok(_) => Ok(place),
        }
    }

    /// Ends with the store's error, or without one where the reader went away.
    async fn watch(&self, mut watch: Watch, sender: &mpsc::Sender<Answer>) -> Result<(), Option<Status>> {
        if watch.skips_ended {
            self.tell_living(&mut watch, sender).await?;
            // Whatever changes meanwhile is told as it changes.
            if let Some(caught_up) = watch.catch_up() {
                sender.send(Ok(caught_up)).await.map_err(|_| None)?;
            }
        }
        loop {
            let (changed, next) = self.records.changes(watch.cursor.clone(), WATCH_BATCH).await.map_err(Some)?;
            let is_short = changed.len() < WATCH_BATCH;
            // What cannot be read makes a batch shorter than it was: that one is short says little.
            let is_all = changed.is_empty();
            for answer in watch.take(changed, next) {
                sender.send(Ok(answer)).await.map_err(|_| None)?;
            }
            if is_all && let Some(caught_up) = watch.catch_up() {
                sender.send(Ok(caught_up)).await.map_err(|_| None)?;
            }
            if is_all || (is_short && !watch.is_catching_up) {
                tokio::select! {
                    biased;
                    () = sender.closed() => return Err(None),
                    () = tokio::time::sleep(WATCH_EVERY) => {}
                }
            }
        }
    }

    /// Those that live, without a look at the many that ended. Changes are followed from where they were before: what is
    /// written while this lists is told by them, whether it was listed or not.
    async fn tell_living(&self, watch: &mut Watch, sender: &mpsc::Sender<Answer>) -> Result<(), Option<Status>> {
        let end = self.records.end_of_changes().await.map_err(Some)?;
        let (mut last, mut page) = (None, None);
        loop {
            let (living, next) = self.living_page(&watch.name, page).await.map_err(Some)?;
            for stored in living {
                last = Some((stored.id.clone(), stored.message.opened_unix_nano));
                // Whoever goes away before all was said begins anew.
                let answer = WatchIncidentsResponse { incident: Some(shown(stored)), ..Default::default() };
                sender.send(Ok(answer)).await.map_err(|_| None)?;
            }
            page = next;
            if page.is_none() {
                break;
            }
        }
        // Any incident tells this store from others.
        if last.is_none() {
            let (any, _) = self.records.list_readable(Filter::default(), None, 1).await.map_err(Some)?;
            last = any.first().map(|stored| (stored.id.clone(), stored.message.opened_unix_nano));
        }
        watch.place = last.map(|(last, opened_unix_nano)| Place { cursor: end.clone(), last, opened_unix_nano });
        watch.cursor = Some(end);
        Ok(())
    }

    /// A page of the incidents that live; of one that is named only that, where it does.
    async fn living_page(
        &self,
        name: &str,
        page: Option<String>,
    ) -> Result<(Vec<Stored<Kept>>, Option<String>), Status> {
        if name.is_empty() {
            return self.records.list_readable(Filter::default().with("living", "yes"), page, WATCH_BATCH).await;
        }
        let id = names::parse_incident("name", name)?;
        let found = self.records.get(&id.to_string()).await?;
        Ok((found.into_iter().filter(|stored| stored.message.is_living()).collect(), None))
    }
}

impl Watch {
    /// What is to be said of a batch. Its place is behind the batch only in the last: whoever goes away before gets the
    /// others again.
    fn take(&mut self, changed: Vec<Stored<Kept>>, next: Option<String>) -> Vec<WatchIncidentsResponse> {
        let before = self.token();
        let newest = changed.last().map(|last| (last.id.clone(), last.message.opened_unix_nano));
        let told: Vec<Stored<Kept>> = changed.into_iter().filter(|stored| self.is_told(&stored.message)).collect();
        if let Some(cursor) = next {
            self.cursor = Some(cursor.clone());
            let last = newest.or_else(|| self.place.take().map(|place| (place.last, place.opened_unix_nano)));
            self.place = last.map(|(last, opened_unix_nano)| Place { cursor, last, opened_unix_nano });
        }
        let (after, count) = (self.token(), told.len());
        let answer = |(index, stored): (usize, Stored<Kept>)| WatchIncidentsResponse {
            incident: Some(shown(stored)),
            resume_token: if index + 1 == count { after.clone() } else { before.clone() },
            caught_up: false,
        };
        told.into_iter().enumerate().map(answer).collect()
    }

    fn is_told(&self, kept: &Kept) -> bool {
        self.name.is_empty() || kept.incident.name == self.name
    }

    /// That all was said, where that was not said yet.
    fn catch_up(&mut self) -> Option<WatchIncidentsResponse> {
        if !std::mem::take(&mut self.is_catching_up) {
            return None;
        }
        Some(WatchIncidentsResponse { incident: None, resume_token: self.token(), caught_up: true })
    }

    fn token(&self) -> String {
        self.place.as_ref().map(Place::token).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_is_read_as_it_was_given(
            cursor in "[0-9./a-z]{1,20}", last in "[0-9a-f-]{36}", opened_unix_nano in any::<u64>(),
        ) {
            let place = Place { cursor, last, opened_unix_nano };
            prop_assert_eq!(Place::parse(&place.token()), Some(place));
        }

        #[test]
        fn what_is_no_token_is_none(text in "[^.]{0,20}(\\.[^.]{0,9}){0,1}") {
            prop_assert_eq!(Place::parse(&text), None);
        }
    }
}
