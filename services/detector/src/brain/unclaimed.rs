//! Cases that somebody came upon before this instance may open incidents, and that are no incident's.
//!
//! What is read again is sure at a slightly other time: a case that is sure by what was handled before may not have been
//! when that was handled, and whoever did was killed before it was.

use std::collections::BTreeSet;

use llm_sre_domain::diagnose::rank;

use super::{Brain, Finding, Opened};

impl Brain {
    /// Notes that nobody may have opened an incident of a case yet.
    pub(crate) fn leave_unclaimed(&mut self, case: u64) {
        self.unclaimed.insert(case);
    }

    /// What is to be told of unclaimed cases, by whoever may do so from now on: whoever came upon one before may have
    /// been killed before it was told. What shows no more is let go. What another case explains by now goes to that: what
    /// was read again before its cause was sure, or before it was known who calls whom, is no incident of its own.
    pub(crate) fn claim(&mut self) -> Vec<Finding> {
        let mut found = Vec::new();
        let unclaimed = std::mem::take(&mut self.unclaimed);
        for number in unclaimed.iter().copied() {
            let has_incident = |case: u64| {
                let followed = self.followed.get(&case);
                followed.is_some_and(|followed| followed.incident.is_some() && !followed.is_over)
            };
            // To one that is told by nobody nothing is given.
            let may_take = |case: u64| unclaimed.contains(&case) || has_incident(case);
            if let Some(cause) = self.correlator.explained_by(&self.detector, number, may_take) {
                tracing::info!(case = number, cause, "a case that nobody told is explained by another");
                self.followed.entry(number).or_default().is_over = true;
                self.correlator.hand_over(number, cause, self.detector.watermark());
                continue;
            }
            let case = self.correlator.showing(number).cloned();
            let evidence = self.correlator.evidence(&self.detector, &BTreeSet::from([number]));
            let (Some(case), Some(evidence)) = (case, evidence) else {
                self.let_go(number);
                continue;
            };
            if let Some(followed) = self.followed.get_mut(&number) {
                followed.told.extend(case.anomalies.keys().cloned());
            }
            let (argument, impact) = (rank(&evidence), self.impact(&case));
            found.push(Finding::Opened(Box::new(Opened { case, evidence, argument, impact })));
        }
        found
    }
}
