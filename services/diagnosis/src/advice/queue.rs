//! Which diagnoses are being asked about by this process, and which it leaves alone for a moment.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_mesh::records::Stored;
use llm_sre_proto::diagnosis::v1;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// How long a diagnosis rests that could not be advised on: another process is at it, or something does not answer.
/// Meanwhile it is the others' turn.
const REST: Duration = Duration::from_secs(10);

/// What is under way, by the ids of the diagnoses.
#[derive(Default)]
pub(super) struct Queue {
    /// Each says whether nothing is left to do.
    pub(super) under_way: JoinSet<bool>,
    ids: BTreeMap<Id, String>,
    resting: BTreeMap<String, Instant>,
}

impl Queue {
    /// Those whose turn it is, of what waits, in its order.
    pub(super) fn next(&mut self, waiting: Vec<Stored<v1::Diagnosis>>, room: usize) -> Vec<Stored<v1::Diagnosis>> {
        self.resting.retain(|_, since| since.elapsed() < REST);
        let is_free =
            |id: &String| !self.resting.contains_key(id) && !self.ids.values().any(|under_way| under_way == id);
        waiting.into_iter().filter(|stored| is_free(&stored.id)).take(room).collect()
    }

    pub(super) fn start(&mut self, id: String, work: impl Future<Output = bool> + Send + 'static) {
        let task = self.under_way.spawn(work);
        self.ids.insert(task.id(), id);
    }

    /// Notes that one has ended.
    pub(super) fn end(&mut self, ended: Result<(Id, bool), JoinError>) {
        let (task, is_done) = ended.unwrap_or_else(|error| (error.id(), false));
        if let Some(id) = self.ids.remove(&task).filter(|_| !is_done) {
            self.resting.insert(id, Instant::now());
        }
    }
}
