//! The one stream that a page follows.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use llm_sre_mesh::{names, status};
use llm_sre_proto::dashboard::v1::dashboard_service_server::DashboardService;
use llm_sre_proto::dashboard::v1::watch_response::News;
use llm_sre_proto::dashboard::v1::{Caught, Part, WatchRequest, WatchResponse};
use llm_sre_proto::diagnosis::v1::Diagnosis;
use llm_sre_proto::incident::v1::WatchIncidentsRequest;
use llm_sre_proto::remediation::v1::Action;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use crate::Service;
use crate::part::{Followed, Gone, Reader};
use crate::voice::Voice;

/// How often diagnoses and actions of the incident that is looked at are read.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(500);
const RECORDINGS_EVERY: Duration = Duration::from_secs(2);
/// The wait before a stream that broke is begun again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Messages that are chosen and not sent yet. One: what is chosen later is newer.
const CHOSEN_MAX: usize = 1;
/// News of incidents and of the one that is looked at that waits for a slow reader; then the parts themselves wait.
const WAITING_MAX: usize = 2;

type Watch = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

#[tonic::async_trait]
impl DashboardService for Service {
    type WatchStream = Watch;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Watch>, Status> {
        let WatchRequest { incident, resume_token } = request.into_inner();
        if !incident.is_empty() {
            names::parse_incident("incident", &incident)?;
        }
        let permit = self.watches.clone().try_acquire_owned().map_err(|_| {
            status::exhausted("TOO_MANY_WATCHES", "as many pages are open as this process serves", RETRY_AFTER)
        })?;
        let (sender, receiver) = mpsc::channel(CHOSEN_MAX);
        let (news, first) = mpsc::channel(WAITING_MAX);
        let voice = Voice::new(self.clock.clone(), first, self.shared.subscribe(&self.asked));
        let (service, reader) = (self.clone(), Reader(news));
        tokio::spawn(async move {
            let _held_while_it_is_followed = permit;
            let listening = sender.clone();
            tokio::select! {
                biased;
                () = listening.closed() => {}
                _ = voice.speak(sender) => {}
                _ = service.follow(&reader, incident, resume_token) => {}
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

impl Service {
    /// Follows what is this reader's own until the reader goes away.
    async fn follow(&self, reader: &Reader, incident: String, resume_token: String) -> Result<(), Gone> {
        tokio::try_join!(Box::pin(self.incidents(reader, resume_token)), Box::pin(self.looked_at(reader, incident)),)
            .map(|_| ())
    }

    /// Incidents, as their owner tells of them.
    async fn incidents(&self, reader: &Reader, mut resume_token: String) -> Result<(), Gone> {
        let mut followed = Followed::new(reader, Part::Incidents);
        loop {
            if let Err(status) = self.incidents_once(reader, &mut followed, &mut resume_token).await? {
                // Another store, perhaps: what it has is told from the beginning.
                if status.code() == Code::InvalidArgument && !resume_token.is_empty() {
                    resume_token.clear();
                    continue;
                }
                followed.found::<()>(Err(status)).await?;
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    async fn incidents_once(
        &self,
        reader: &Reader,
        followed: &mut Followed,
        resume_token: &mut String,
    ) -> Result<Result<(), Status>, Gone> {
        let complete = resume_token.is_empty();
        let mut living = BTreeSet::new();
        let request =
            WatchIncidentsRequest { name: String::new(), resume_token: resume_token.clone(), skip_ended: complete };
        let mut stream = match self.asked.incidents(request).await {
            Ok(stream) => stream,
            Err(status) => return Ok(Err(status)),
        };
        loop {
            let message = match stream.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Err(Status::unavailable("the owner of incidents ended its stream"))),
                Err(status) => return Ok(Err(status)),
            };
            followed.found(Ok(())).await?;
            resume_token.clone_from(&message.resume_token);
            if let Some(incident) = message.incident {
                // One may end between its first mention and the last.
                if incident.end_time.is_none() {
                    living.insert(incident.name.clone());
                } else {
                    living.remove(&incident.name);
                }
                reader.say(message.resume_token, News::Incident(incident)).await?;
            }
            if message.caught_up {
                let living = std::mem::take(&mut living).into_iter().filter(|_| complete).collect();
                reader.say(resume_token.clone(), News::Caught(Caught { living, complete })).await?;
            }
        }
    }

    /// What belongs to the incident that is looked at.
    async fn looked_at(&self, reader: &Reader, incident: String) -> Result<(), Gone> {
        if incident.is_empty() {
            return Ok(());
        }
        let diagnosing = Followed::new(reader, Part::Diagnoses).poll(
            LOOKED_AT_EVERY,
            || self.asked.diagnoses_of(incident.clone()),
            changed(|one: &Diagnosis| (one.name.clone(), one.etag.clone()), News::Diagnosis),
        );
        let acting = Followed::new(reader, Part::Actions).poll(
            LOOKED_AT_EVERY,
            || self.asked.actions_of(incident.clone()),
            changed(|one: &Action| (one.name.clone(), one.etag.clone()), News::Action),
        );
        let recording = Followed::new(reader, Part::Recordings).poll(
            RECORDINGS_EVERY,
            || self.asked.recordings_of(incident.clone()),
            |recordings| vec![News::Recordings(recordings)],
        );
        tokio::try_join!(Box::pin(diagnosing), Box::pin(acting), Box::pin(recording)).map(|_| ())
    }
}

/// Of resources those that were not said yet as they are.
fn changed<T>(state: impl Fn(&T) -> (String, String), news: impl Fn(T) -> News) -> impl FnMut(Vec<T>) -> Vec<News> {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    move |found| {
        let is_new = |one: &T| {
            let (name, etag) = state(one);
            said.insert(name, etag.clone()).as_ref() != Some(&etag)
        };
        let new: Vec<T> = found.into_iter().filter(is_new).collect();
        new.into_iter().map(&news).collect()
    }
}
