//! One part of what a page follows: it is asked for again and again, said where it changed, and where it cannot be had
//! that is said once.

use std::future::Future;
use std::time::Duration;

use llm_sre_proto::dashboard::v1::watch_response::News;
use llm_sre_proto::dashboard::v1::{Part, Problem};
use tokio::sync::mpsc;
use tonic::Status;

/// The reader went away.
#[derive(Debug)]
pub(crate) struct Gone;

/// News for one reader.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) resume_token: String,
    pub(crate) news: News,
}

/// Where news for one reader goes.
#[derive(Clone)]
pub(crate) struct Reader(pub(crate) mpsc::Sender<Said>);

impl Reader {
    /// Says something. Waits where the reader is slow.
    pub(crate) async fn say(&self, resume_token: String, news: News) -> Result<(), Gone> {
        self.0.send(Said { resume_token, news }).await.map_err(|_| Gone)
    }
}

/// What was found, and why nothing was; empty where something was.
pub(crate) fn outcome<T>(found: Result<T, Status>) -> (Option<T>, String) {
    match found {
        Ok(found) => (Some(found), String::new()),
        // A status may lack words, and no reason means no problem.
        Err(status) if status.message().is_empty() => (None, status.code().to_string()),
        Err(status) => (None, status.message().to_owned()),
    }
}

/// A part, and whether it could be had when it was asked for last.
pub(crate) struct Followed {
    reader: Reader,
    part: Part,
    /// Why it cannot be had, as far as it was said; empty where it can.
    problem: Option<String>,
}

impl Followed {
    pub(crate) fn new(reader: &Reader, part: Part) -> Self {
        Self { reader: reader.clone(), part, problem: None }
    }

    /// Says of a part that it can be had, or why not, where that is news: always at first, since whoever reads may have
    /// heard otherwise before. Gives what was found.
    pub(crate) async fn found<T>(&mut self, found: Result<T, Status>) -> Result<Option<T>, Gone> {
        let (found, reason) = outcome(found);
        if self.problem.as_ref() != Some(&reason) {
            self.problem = Some(reason.clone());
            let problem = Problem { part: self.part.into(), reason };
            self.reader.say(String::new(), News::Problem(problem)).await?;
        }
        Ok(found)
    }

    /// Asks for a part for ever, and says each answer that is not the one before.
    pub(crate) async fn poll<T, F>(
        mut self,
        every: Duration,
        mut ask: impl FnMut() -> F,
        mut news: impl FnMut(T) -> Vec<News>,
    ) -> Result<(), Gone>
    where
        T: PartialEq + Clone,
        F: Future<Output = Result<T, Status>>,
    {
        let mut said: Option<T> = None;
        loop {
            if let Some(found) = self.found(ask().await).await?
                && said.as_ref() != Some(&found)
            {
                for one in news(found.clone()) {
                    self.reader.say(String::new(), one).await?;
                }
                said = Some(found);
            }
            tokio::time::sleep(every).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_outcome_of_a_part_is_said_and_then_each_other_one() {
        let (sender, mut receiver) = mpsc::channel(8);
        let reader = Reader(sender);
        let mut followed = Followed::new(&reader, Part::Fleet);
        let outcomes = [Ok(1), Ok(2), Err(Status::unavailable("away")), Err(Status::unavailable("away")), Ok(3)];
        for outcome in outcomes {
            let is_there = outcome.is_ok();
            assert_eq!(followed.found(outcome).await.unwrap().is_some(), is_there);
        }
        drop((followed, reader));
        let mut said = Vec::new();
        while let Some(message) = receiver.recv().await {
            let News::Problem(problem) = message.news else { panic!("nothing but problems was said") };
            assert_eq!(problem.part(), Part::Fleet);
            said.push(problem.reason);
        }
        assert_eq!(said, ["", "away", ""], "who reads may have heard otherwise before");
    }

    #[tokio::test]
    async fn a_refusal_without_words_is_a_problem_all_the_same() {
        let (sender, mut receiver) = mpsc::channel(8);
        let reader = Reader(sender);
        Followed::new(&reader, Part::Calls).found::<()>(Err(Status::internal(""))).await.unwrap();
        let News::Problem(problem) = receiver.recv().await.unwrap().news else { panic!("no problem") };
        assert!(!problem.reason.is_empty());
    }
}
