//! What was spent on the model, kept in the store, so that all processes share one budget and a restart forgets nothing.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_mesh::records::{Attributes, Records, Write};
use llm_sre_mesh::status;
use serde::{Deserialize, Serialize};
use tonic::Status;
use uuid::Uuid;

use super::limits::Budget;

/// How often a sum is added to that others add to at the same time.
const WRITES_MAX: u32 = 16;
/// The pause before the second try; each is longer by as much.
const PAUSE: Duration = Duration::from_millis(5);

/// The collection of sums, and its two budgets.
pub(super) struct Ledger {
    records: Records<Spent>,
    incident: Budget,
    day: Budget,
}

/// What was spent, or is set aside for a call under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spent {
    /// Tokens.
    pub(super) tokens: u64,
    /// Money, in millionths.
    pub(super) micros: u64,
}

/// Whose budgets a call is paid from.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    incident: String,
    day: String,
}

impl Accounts {
    pub(super) fn of(incident: Uuid, now: Timestamp) -> Self {
        let day = now.as_nanos().div_euclid(86_400_000_000_000);
        Self { incident: format!("incident/{incident}"), day: format!("day/{day}") }
    }
}

/// Why a call cannot be paid.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A budget is spent.
    OverBudget(String),
    /// The store cannot say; nothing is spent on credit.
    Store(Status),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Store(status)
    }
}

impl Ledger {
    pub(super) fn new(records: Records<Spent>, incident: Budget, day: Budget) -> Self {
        Self { records, incident, day }
    }

    /// Sets aside what a call may cost, in both accounts or in none. A process that ends before it settles has spent it.
    pub(super) async fn reserve(&self, accounts: &Accounts, cost: Spent) -> Result<(), Refusal> {
        self.add(&accounts.incident, cost, Some(("the incident", self.incident))).await?;
        let day = self.add(&accounts.day, cost, Some(("the day", self.day))).await;
        if day.is_err() {
            self.take(&accounts.incident, cost, Spent::default()).await?;
        }
        day
    }

    /// Puts what a call did cost in the place of what was set aside for it.
    pub(super) async fn settle(&self, accounts: &Accounts, reserved: Spent, cost: Spent) -> Result<(), Status> {
        self.take(&accounts.incident, reserved, cost).await?;
        self.take(&accounts.day, reserved, cost).await
    }

    async fn add(&self, account: &str, cost: Spent, within: Option<(&str, Budget)>) -> Result<(), Refusal> {
        let change = |spent: Spent| {
            let sum = spent.plus(cost);
            match within {
                Some((whose, budget)) if sum.tokens > budget.tokens_max => {
                    let left = budget.tokens_max.saturating_sub(spent.tokens);
                    Err(format!("{} more tokens would be needed, and {whose} has {left} left", cost.tokens))
                }
                Some((whose, budget)) if sum.micros > budget.micros_max => {
                    let left = budget.micros_max.saturating_sub(spent.micros);
                    Err(format!("{} millionths more would be needed, and {whose} has {left} left", cost.micros))
                }
                _ => Ok(sum),
            }
        };
        self.change(account, change).await
    }

    async fn take(&self, account: &str, reserved: Spent, cost: Spent) -> Result<(), Status> {
        let changed = self.change(account, |spent| Ok(spent.minus(reserved).plus(cost))).await;
        changed.map_err(|refusal| match refusal {
            Refusal::Store(status) => status,
            Refusal::OverBudget(reason) => status::internal(reason),
        })
    }

    async fn change(&self, id: &str, change: impl Fn(Spent) -> Result<Spent, String>) -> Result<(), Refusal> {
        for attempt in 0..WRITES_MAX {
            tokio::time::sleep(PAUSE * attempt).await;
            let written = match self.records.get(id).await? {
                None => {
                    let sum = change(Spent::default()).map_err(Refusal::OverBudget)?;
                    self.records.create(id, &sum, Attributes::new()).await?
                }
                Some(stored) => {
                    let sum = change(stored.message).map_err(Refusal::OverBudget)?;
                    self.records.replace(&stored, &sum, Attributes::new()).await?
                }
            };
            if let Write::Done(_) = written {
                return Ok(());
            }
        }
        Err(Refusal::Store(status::etag_mismatch(id)))
    }
}

impl Spent {
    fn plus(self, other: Self) -> Self {
        Self { tokens: self.tokens.saturating_add(other.tokens), micros: self.micros.saturating_add(other.micros) }
    }

    fn minus(self, other: Self) -> Self {
        Self { tokens: self.tokens.saturating_sub(other.tokens), micros: self.micros.saturating_sub(other.micros) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llm_sre_ports::memory::MemoryDocuments;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn ledger(incident: u64, day: u64) -> Arc<Ledger> {
        let budget = |tokens_max| Budget { tokens_max, micros_max: 1_000 };
        let records = Records::new(Arc::new(MemoryDocuments::default()), "model_spend");
        Arc::new(Ledger::new(records, budget(incident), budget(day)))
    }

    fn tokens(tokens: u64) -> Spent {
        Spent { tokens, micros: 0 }
    }

    #[tokio::test]
    async fn what_is_set_aside_is_spent_until_it_is_settled() {
        let ledger = ledger(100, 1_000);
        let accounts = Accounts::of(Uuid::from_u128(1), NOW);
        ledger.reserve(&accounts, tokens(80)).await.unwrap();
        assert!(matches!(ledger.reserve(&accounts, tokens(30)).await, Err(Refusal::OverBudget(_))));
        ledger.settle(&accounts, tokens(80), tokens(20)).await.unwrap();
        ledger.reserve(&accounts, tokens(80)).await.unwrap();
        let dear = Spent { tokens: 0, micros: 1_001 };
        assert!(matches!(ledger.reserve(&accounts, dear).await, Err(Refusal::OverBudget(_))));
    }

    #[tokio::test]
    async fn a_day_that_is_spent_costs_an_incident_nothing_and_ends() {
        let ledger = ledger(100, 100);
        let (first, second) = (Accounts::of(Uuid::from_u128(1), NOW), Accounts::of(Uuid::from_u128(2), NOW));
        ledger.reserve(&first, tokens(90)).await.unwrap();
        let Err(Refusal::OverBudget(reason)) = ledger.reserve(&second, tokens(20)).await else {
            panic!("it was spent")
        };
        assert!(reason.contains("the day has 10 left"), "{reason}");
        let tomorrow = Accounts::of(Uuid::from_u128(2), NOW + std::time::Duration::from_secs(86_400));
        ledger.reserve(&tomorrow, tokens(100)).await.unwrap();
    }

    #[tokio::test]
    async fn callers_at_the_same_time_never_spend_more_than_there_is() {
        let ledger = ledger(50, 1_000);
        let accounts = Accounts::of(Uuid::from_u128(1), NOW);
        let calls = (0..12).map(|_| {
            let (ledger, accounts) = (Arc::clone(&ledger), accounts.clone());
            tokio::spawn(async move { ledger.reserve(&accounts, tokens(10)).await.is_ok() })
        });
        let mut paid = 0;
        for call in calls.collect::<Vec<_>>() {
            paid += usize::from(call.await.unwrap());
        }
        assert_eq!(paid, 5);
    }
}
