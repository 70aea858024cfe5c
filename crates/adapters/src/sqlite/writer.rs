//! The one thread that writes, and what it makes of many writes at once.
//!
//! To be on disk costs a transaction a few milliseconds, however much is in it. So whatever waits while one is being
//! made goes into the next together, each in a savepoint of its own.

use std::io;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failure::{Answer, Failure, Fault};

/// Writes that may wait; whoever brings more waits to be let in.
const WAITING_MAX: usize = 256;
/// The most writes in one transaction, so that the first of them does not wait long for the last.
const GROUP_MAX: usize = 64;

/// A handle on the thread, which ends when the last one is dropped and everything that waited is written.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Starts the thread on its connection.
    pub(super) fn start(connection: Connection) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || serve(&connection, waiting))?;
        Ok(Self { jobs })
    }

    /// Has `work` done in a transaction, and answers when that is on disk.
    pub(super) async fn write<T, E, W>(&self, work: W) -> Answer<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        W: FnMut(&Connection) -> Answer<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let ended = || Failure::Unavailable("the writing thread has ended".to_owned());
        self.jobs.send(Box::new(Pending { work, result: None, reply })).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended().into()))
    }
}

/// What became of a job within the transaction.
enum Outcome {
    Keep,
    /// Nothing of it stays: it was refused, or it failed.
    Undo,
}

trait Job: Send {
    fn run(&mut self, connection: &Connection) -> Outcome;
    /// Says what came of it, once that is on disk.
    fn answer(self: Box<Self>);
    /// Says that nothing came of it.
    fn fail(self: Box<Self>, failure: Failure);
}

struct Pending<T, E, W> {
    work: W,
    result: Option<Answer<T, E>>,
    reply: oneshot::Sender<Answer<T, E>>,
}

impl<T, E, W> Job for Pending<T, E, W>
where
    T: Send,
    E: Send,
    W: FnMut(&Connection) -> Answer<T, E> + Send,
{
    fn run(&mut self, connection: &Connection) -> Outcome {
        let result = (self.work)(connection);
        let outcome = if result.is_ok() { Outcome::Keep } else { Outcome::Undo };
        self.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>) {
        let nothing = || Err(Fault::Failed(Failure::Unavailable("the write was not made".to_owned())));
        // Who went away does not want to know.
        let _is_heard = self.reply.send(self.result.unwrap_or_else(nothing)).is_ok();
    }

    fn fail(self: Box<Self>, failure: Failure) {
        let _is_heard = self.reply.send(Err(failure.into())).is_ok();
    }
}

fn serve(connection: &Connection, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
    let mut group = Vec::new();
    while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        settle(connection, std::mem::take(&mut group));
    }
}

/// Makes a group's transaction; where that fails as a whole, each job is tried by itself, so that none suffers for
/// another.
fn settle(connection: &Connection, mut group: Vec<Box<dyn Job>>) {
    match together(connection, &mut group) {
        Ok(()) => group.into_iter().for_each(|job| job.answer()),
        Err(Unmade::NotBegun(failure)) => group.into_iter().for_each(|job| job.fail(failure.clone())),
        Err(_) if group.len() > 1 => {
            tracing::debug!(jobs = group.len(), "a transaction failed; trying its jobs one by one");
            for job in group {
                settle(connection, vec![job]);
            }
        }
        // The job knows better than the transaction why.
        Err(Unmade::EndedByJob) => group.into_iter().for_each(|job| job.answer()),
        Err(Unmade::Failed(failure)) => group.into_iter().for_each(|job| job.fail(failure.clone())),
    }
}

/// Why a transaction left no trace.
enum Unmade {
    /// No job was run.
    NotBegun(Failure),
    /// A job failed in such a way that SQLite gave the whole transaction up, as it may where the disk is full.
    EndedByJob,
    Failed(Failure),
}

impl From<rusqlite::Error> for Unmade {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

fn together(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), Unmade> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| Unmade::NotBegun(error.into()))?;
    let made = run_all(connection, group).and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if made.is_err()
        && !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "failed to roll back");
    }
    made
}

fn run_all(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), Unmade> {
    for job in group {
        connection.execute_batch("SAVEPOINT job")?;
        match job.run(connection) {
            Outcome::Keep => connection.execute_batch("RELEASE job")?,
            Outcome::Undo if connection.is_autocommit() => return Err(Unmade::EndedByJob),
            Outcome::Undo => connection.execute_batch("ROLLBACK TO job; RELEASE job")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reply = oneshot::Receiver<Answer<(), ()>>;

    fn job(sql: &'static str, is_refused: bool) -> (Box<dyn Job>, Reply) {
        let (reply, answer) = oneshot::channel();
        let work = move |connection: &Connection| -> Answer<(), ()> {
            connection.execute_batch(sql)?;
            if is_refused { Err(Fault::Refused(())) } else { Ok(()) }
        };
        (Box::new(Pending { work, result: None, reply }), answer)
    }

    #[test]
    fn jobs_of_a_group_do_not_suffer_for_each_other() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY)").unwrap();
        let jobs = [
            job("INSERT INTO t VALUES (1)", false),
            job("INSERT INTO t VALUES (2)", true),
            // Ends the whole transaction, as a full disk can.
            job("ROLLBACK", false),
            job("INSERT INTO t VALUES (1)", false),
            job("INSERT INTO t VALUES (3)", false),
        ];
        let (jobs, replies): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        settle(&connection, jobs);
        let mut replies = replies.into_iter().map(|mut reply| reply.try_recv().unwrap());
        assert!(matches!(replies.next(), Some(Ok(()))));
        assert!(matches!(replies.next(), Some(Err(Fault::Refused(())))));
        assert!(matches!(replies.next(), Some(Err(Fault::Failed(_)))));
        assert!(matches!(replies.next(), Some(Err(Fault::Failed(_)))), "1 is there already");
        assert!(matches!(replies.next(), Some(Ok(()))));
        let kept: Vec<i64> = connection
            .prepare("SELECT x FROM t ORDER BY x")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(kept, [1, 3]);
    }
}
