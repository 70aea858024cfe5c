//! How bad an incident is.

use std::fmt;

/// SEV1 is the worst and the greatest, so that `max` is "the worse of both".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a look.
    Sev5,
    /// One service suffers and users hardly do.
    Sev4,
    /// Some users suffer, or several services do.
    Sev3,
    /// Many users suffer.
    Sev2,
    /// Most users suffer.
    Sev1,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sev5 => "SEV5",
            Self::Sev4 => "SEV4",
            Self::Sev3 => "SEV3",
            Self::Sev2 => "SEV2",
            Self::Sev1 => "SEV1",
        })
    }
}

/// What severity is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SeverityInputs {
    /// The fastest error-budget burn among the services affected, as a multiple of the rate that uses the budget up
    /// exactly at the period's end. `None` where no service has an objective; NaN counts as `None`.
    pub burn_rate: Option<f64>,
    /// How many services are affected, the incident's own included.
    pub services_affected: usize,
    /// Which share of the traffic that users send meets an affected service, from 0 to 1. `None` where unknown.
    pub traffic_share: Option<f64>,
    /// Whether users meet one of the services affected.
    pub is_user_facing: bool,
}

/// The burn that uses 2 % of a 30-day budget in an hour; Google's SRE workbook pages at it ("Alerting on SLOs").
const BURN_FAST: f64 = 14.4;
/// The burn that uses 5 % of a 30-day budget in six hours; the workbook's second paging threshold.
const BURN_MODERATE: f64 = 6.0;
/// The burn that uses the budget up at the period's end.
const BURN_SLOW: f64 = 1.0;
/// From this share of traffic on, "most users" is a fair word.
const SHARE_MOST: f64 = 0.5;
/// From this share of traffic on, "many users" is a fair word.
const SHARE_MANY: f64 = 0.2;
/// From so many services on, more than one team is busy.
const SERVICES_SEVERAL: usize = 3;

/// Judges severity. Monotone: more burn, more services, more traffic or users who meet it never make it milder.
pub fn severity(inputs: SeverityInputs) -> Severity {
    let burn = |threshold: f64| inputs.burn_rate.is_some_and(|burn| burn >= threshold);
    let share = |threshold: f64| inputs.traffic_share.is_some_and(|share| share >= threshold);
    let users = inputs.is_user_facing;
    if users && burn(BURN_FAST) && share(SHARE_MOST) {
        Severity::Sev1
    } else if users && (burn(BURN_FAST) || (burn(BURN_MODERATE) && share(SHARE_MANY))) {
        Severity::Sev2
    } else if (users && burn(BURN_SLOW)) || burn(BURN_MODERATE) || inputs.services_affected >= SERVICES_SEVERAL {
        Severity::Sev3
    } else if users || burn(BURN_SLOW) || inputs.services_affected >= 2 {
        Severity::Sev4
    } else {
        Severity::Sev5
    }
}
