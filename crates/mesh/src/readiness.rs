//! Whether services can do their work: they can while what they depend on answers.
//!
//! Each dependency is asked every few seconds. It is taken for gone once it has not answered for `GONE_AFTER`, and for
//! back once it answered `ANSWERS_MIN` times in a row, so that one lost answer moves nothing. A service is SERVING while
//! none of its dependencies is gone; before their first answers it is not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::server::Health;

/// Between an answer and the next question.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long without an answer until a dependency is gone: longer than a broker takes to hand a partition over.
const GONE_AFTER: Duration = Duration::from_secs(5);
/// How many answers in a row say that it is back.
const ANSWERS_MIN: u32 = 2;
/// When a question is given up that neither succeeded nor failed. Longer than any client's own time-out: each question
/// may hold a thread until then, so there is never a second one beside it.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Question = Arc<dyn Fn() -> Answer + Send + Sync>;

/// Something that services cannot work without.
struct Dependency {
    name: &'static str,
    ask: Question,
    is_here: watch::Sender<bool>,
}

/// What a port says about one of its services.
struct Served {
    health: Health,
    service: &'static str,
    needs: Vec<&'static str>,
}

/// See the module.
#[derive(Default)]
pub struct Readiness {
    dependencies: Vec<Dependency>,
    served: Vec<Served>,
}

impl Readiness {
    /// Names something that services depend on, and how it is asked whether it is there. The question should be cheap.
    pub fn dependency<F>(&mut self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let ask: Question = Arc::new(move || Box::pin(ask()));
        self.dependencies.push(Dependency { name, ask, is_here: watch::Sender::new(false) });
    }

    /// Lets a port say whether this service can do its work, which takes all that it needs. What it needs is named before
    /// or after this; a name that nobody gives is never there.
    pub fn serve(&mut self, health: Health, service: &'static str, needs: &[&'static str]) {
        self.served.push(Served { health, service, needs: needs.to_vec() });
    }

    /// Asks and says until `shutdown`; then nothing is SERVING.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { dependencies, served } = self;
        let asking = dependencies.iter().map(|dependency| dependency.follow());
        let saying = served.iter().map(|served| served.follow(&dependencies));
        // Where nobody needs anything, all is said at once, and stays so.
        let both = async {
            futures::future::join(join_all(asking), join_all(saying)).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = both => {}
        }
        for Served { health, service, .. } in &served {
            health.set_serving(service, false).await;
        }
    }
}

impl Dependency {
    /// Asks for ever.
    async fn follow(&self) {
        let mut answered = Instant::now();
        // The first answer counts by itself: there was no trouble before it.
        let mut answers = ANSWERS_MIN - 1;
        metrics::instruments().dependency_up.set(&[("llm_sre.dependency", self.name.into())], 0.0);
        loop {
            let asked = Instant::now();
            let failure = self.answer(answered).await;
            match failure {
                None => {
                    answered = Instant::now();
                    answers = answers.saturating_add(1);
                    if answers >= ANSWERS_MIN {
                        self.say(true, "");
                    }
                }
                Some(failure) => {
                    answers = 0;
                    if answered.elapsed() >= GONE_AFTER {
                        self.say(false, &failure);
                    }
                }
            }
            tokio::time::sleep_until(asked + ASK_EVERY).await;
        }
    }

    /// Why there was no answer, if there was none. Says meanwhile that it takes too long.
    async fn answer(&self, answered: Instant) -> Option<String> {
        let mut asking = (self.ask)();
        let is_late = tokio::time::sleep_until(answered + GONE_AFTER);
        let mut is_waited = false;
        tokio::pin!(is_late);
        let given_up = tokio::time::sleep(GIVE_UP_AFTER);
        tokio::pin!(given_up);
        loop {
            tokio::select! {
                biased;
                answer = &mut asking => return answer.err(),
                () = &mut is_late, if !is_waited => {
                    is_waited = true;
                    self.say(false, "it does not answer");
                }
                () = &mut given_up => return Some(format!("no answer within {} s", GIVE_UP_AFTER.as_secs())),
            }
        }
    }

    fn say(&self, is_here: bool, failure: &str) {
        let is_news = self.is_here.send_if_modified(|known| std::mem::replace(known, is_here) != is_here);
        if !is_news {
            return;
        }
        let up = if is_here { 1.0 } else { 0.0 };
        metrics::instruments().dependency_up.set(&[("llm_sre.dependency", self.name.into())], up);
        if is_here {
            tracing::info!(dependency = self.name, "it answers");
        } else {
            tracing::warn!(dependency = self.name, failure, "it is gone; what depends on it is not ready");
        }
    }
}

impl Served {
    /// Says for ever what its dependencies amount to.
    async fn follow(&self, dependencies: &[Dependency]) {
        let mut needs: Vec<watch::Receiver<bool>> = Vec::new();
        for need in &self.needs {
            match dependencies.iter().find(|dependency| dependency.name == *need) {
                Some(dependency) => needs.push(dependency.is_here.subscribe()),
                None => return,
            }
        }
        loop {
            // Every one is looked at: what is not seen to have changed would wake this again at once, for ever.
            let seen: Vec<bool> = needs.iter_mut().map(|need| *need.borrow_and_update()).collect();
            let is_ready = seen.iter().all(|is_here| *is_here);
            self.health.set_serving(self.service, is_ready).await;
            if needs.is_empty() {
                return;
            }
            let changes = needs.iter_mut().map(|need| Box::pin(need.changed()));
            if futures::future::select_all(changes).await.0.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
