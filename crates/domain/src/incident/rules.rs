//! How long an incident waits, and for what.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The times of an incident's life, in seconds of the product's clock. What happens at each deadline:
///
/// | state | deadline | then |
/// |---|---|---|
/// | OPEN | `open_s` | ESCALATED: nobody began to explain it |
/// | DIAGNOSING | `diagnosing_s`; after the diagnosis `planning_s` | ESCALATED; a plan that waits may still go ahead |
/// | AWAITING_APPROVAL | when the offer expires, and `planning_s` for word of it | ESCALATED, the action is cancelled |
/// | REMEDIATING | `remediating_s` | ESCALATED: a timeout is never success, the outcome is unknown |
/// | VERIFYING | `verifying_s` | as INCONCLUSIVE: ROLLING_BACK |
/// | ROLLING_BACK | `rolling_back_s` | ESCALATED |
/// | ESCALATED | `reminder_s` | a reminder, unless somebody acknowledged it; then it waits again |
///
/// While a maintenance window covers an incident no deadline passes; they count anew from the window's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// How long an incident may be open before somebody begins to explain it. Five minutes: a killed process is
    /// back, and reconciliation has found the incident, well within it.
    pub open_s: u64,
    /// How long a diagnosis may take. Five minutes: a model may be asked more than once.
    pub diagnosing_s: u64,
    /// How long a plan may take once there is a diagnosis. Planning itself is quick; three minutes outlast a
    /// restart of the remediation service.
    pub planning_s: u64,
    /// How long an action may take. Ten minutes: a rollout of a large deployment.
    pub remediating_s: u64,
    /// How long measuring recovery may take. Longer than every recipe in the catalogue, and an hour in which a detector
    /// may be away or behind.
    pub verifying_s: u64,
    /// How long undoing an action may take, as `remediating_s`.
    pub rolling_back_s: u64,
    /// How often an escalated incident that nobody acknowledged reminds people.
    pub reminder_s: u64,
    /// A recurrence so soon after the end reopens the incident; a later one opens the next ordinal.
    pub reopen_window_s: u64,
    /// At most one routine notification in so long, and one urgent one.
    pub notification_cooldown_s: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            open_s: 300,
            diagnosing_s: 300,
            planning_s: 180,
            remediating_s: 600,
            verifying_s: 4_800,
            rolling_back_s: 600,
            reminder_s: 4 * 3_600,
            reopen_window_s: 900,
            notification_cooldown_s: 300,
        }
    }
}

impl Rules {
    pub(super) fn open(&self) -> Duration {
        Duration::from_secs(self.open_s)
    }

    pub(super) fn diagnosing(&self) -> Duration {
        Duration::from_secs(self.diagnosing_s)
    }

    pub(super) fn planning(&self) -> Duration {
        Duration::from_secs(self.planning_s)
    }

    pub(super) fn remediating(&self) -> Duration {
        Duration::from_secs(self.remediating_s)
    }

    pub(super) fn verifying(&self) -> Duration {
        Duration::from_secs(self.verifying_s)
    }

    pub(super) fn rolling_back(&self) -> Duration {
        Duration::from_secs(self.rolling_back_s)
    }

    pub(super) fn reminder(&self) -> Duration {
        Duration::from_secs(self.reminder_s)
    }

    pub(super) fn reopen_window(&self) -> Duration {
        Duration::from_secs(self.reopen_window_s)
    }

    pub(super) fn notification_cooldown(&self) -> Duration {
        Duration::from_secs(self.notification_cooldown_s)
    }
}
