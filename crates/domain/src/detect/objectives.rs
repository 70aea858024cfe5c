//! What services are held to.

use crate::ServiceId;
use crate::remedy::ServicePattern;

/// What a service is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// The share of requests that must be good, above 0 and below 1.
    pub availability: f64,
    /// How long a good request may take, in seconds; `None` lets it take any time.
    pub latency_threshold_s: Option<f64>,
    /// The period that the objective is for, in days.
    pub period_days: f64,
}

impl Default for Objective {
    /// 99.9 % of requests succeed over 30 days, however long they take.
    fn default() -> Self {
        Self { availability: 0.999, latency_threshold_s: None, period_days: 30.0 }
    }
}

impl Objective {
    /// The share of requests that may be bad.
    pub(crate) fn allowed(&self) -> f64 {
        (1.0 - self.availability).max(1e-6)
    }
}

/// The objectives of services; the first that matches counts, and the default without one.
#[derive(Clone, Debug, Default)]
pub struct Objectives {
    /// Services, and what they are held to.
    pub services: Vec<(ServicePattern, Objective)>,
}

impl Objectives {
    /// What a service is held to.
    pub fn of(&self, service: &ServiceId) -> Objective {
        let given = self.services.iter().find(|(pattern, _)| pattern.matches(service));
        given.map(|(_, objective)| *objective).unwrap_or_default()
    }
}
