//! A few connections that read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::failure::{Answer, Failure};
use super::{Options, open};

/// Reads at a time. Most are short, and more of them than processors gain nothing.
const READERS: usize = 4;

/// Connections by turns, opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    options: Options,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: &Path, options: &Options) -> Self {
        Self {
            path: path.to_owned(),
            options: options.clone(),
            turns: Arc::new(Semaphore::new(READERS)),
            idle: Arc::default(),
        }
    }

    /// Runs `work` on one snapshot of the file, off the async threads.
    pub(super) async fn read<T, E, W>(&self, work: W) -> Answer<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        W: FnOnce(&Connection) -> Answer<T, E> + Send + 'static,
    {
        let gone = |reason: String| Failure::Unavailable(reason);
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|error| gone(error.to_string()))?;
        let (path, options, idle) = (self.path.clone(), self.options.clone(), Arc::clone(&self.idle));
        let reading = tokio::task::spawn_blocking(move || {
            let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = lock().pop();
            let connection = match waiting {
                Some(connection) => connection,
                None => open::reading(&path, &options)?,
            };
            let result = snapshot(&connection, work);
            lock().push(connection);
            drop(turn);
            result
        });
        reading.await.unwrap_or_else(|error| Err(gone(error.to_string()).into()))
    }
}

fn snapshot<T, E>(connection: &Connection, work: impl FnOnce(&Connection) -> Answer<T, E>) -> Answer<T, E> {
    let transaction = connection.unchecked_transaction()?;
    let result = work(&transaction);
    // Nothing was written: how it ends does not matter, so long as the snapshot is given up.
    transaction.rollback()?;
    result
}
