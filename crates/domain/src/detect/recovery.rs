//! Whether what was abnormal is usual again.

mod judge;

use std::collections::BTreeSet;

use judge::{Look, Told, judge, named};

use super::Detector;
use super::findings::{BAD_RATIO, BURN_OF_DAYS};
use super::present::Present;
use super::table::{Seen, SeriesKey};
use crate::incident::Verdict;
use crate::{Anomaly, AnomalyId, ServiceId, Signal, Timestamp};

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    /// What it says.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub reason: String,
    /// Event time up to which this was measured. Of what recovered, the earliest of the signals' newest samples, so that
    /// one that fell silent is not covered by others; of what did not, the newest sample of a signal outside.
    pub measured_at: Timestamp,
    /// Event time since which all signals were heard and none was outside: of the newest sample that was outside, or that
    /// followed a silence, and where there was none of these among those kept, the asked time.
    pub well_since: Timestamp,
    /// How many signals took part.
    pub samples: u32,
    /// What was measured, signal by signal.
    pub signals: Vec<Measured>,
}

/// What was measured of one signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The anomaly that showed it.
    pub anomaly: AnomalyId,
    /// What its own samples say.
    pub verdict: Verdict,
    /// How many samples came since the asked time, of those kept.
    pub samples: u32,
    /// The newest value, in the anomaly's unit; zero without samples.
    pub value: f64,
    /// The usual value, in the anomaly's unit.
    pub expected: f64,
}

impl Detector {
    /// Measures these anomalies on samples after `since`. Silence, and too few samples, are inconclusive: they never
    /// close an incident.
    pub fn recovery(&self, anomalies: &[Anomaly], since: Timestamp) -> Recovery {
        let measured = anomalies.iter().filter(|anomaly| is_measured(anomaly.signal));
        // A budget that burns for days, and a little, says nothing of trouble that came to it meanwhile.
        let is_all_of_days = measured.clone().all(is_of_days);
        let counted = measured.filter(|anomaly| is_all_of_days || !is_of_days(anomaly));
        let mut until: Option<Timestamp> = None;
        let (mut unwell_at, mut well_since) = (None, since);
        let (mut inside, mut outside, mut missing) = (0_u32, Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        let mut signals = Vec::new();
        let present = Present::of(self);
        for anomaly in counted.filter(|anomaly| seen.insert(identity(anomaly))) {
            let look = self.look(anomaly, since, &present);
            signals.extend(self.measured(anomaly, since, &look, &present));
            match look {
                Look::Inside(time, well) => {
                    inside += 1;
                    until = Some(until.map_or(time, |until: Timestamp| until.min(time)));
                    well_since = well_since.max(well);
                }
                Look::Outside(time, what) => {
                    outside.push(what);
                    unwell_at = unwell_at.max(Some(time));
                    well_since = well_since.max(time);
                }
                Look::TooFew(what) => missing.push(what),
                Look::Gone => {}
            }
        }
        let (verdict, reason) = match (inside, outside.first(), missing.first()) {
            (_, Some(what), _) => (Verdict::NotRecovered, format!("{what}, and {} more", outside.len() - 1)),
            (_, None, Some(what)) => (Verdict::Inconclusive, format!("{what}, and {} more", missing.len() - 1)),
            (0, None, None) => (Verdict::Inconclusive, "nothing can be measured".to_owned()),
            (count, None, None) => (Verdict::Recovered, format!("all {count} signals are within their usual ranges")),
        };
        Recovery {
            verdict,
            reason,
            measured_at: unwell_at.or(until).unwrap_or_default(),
            well_since,
            samples: inside + u32::try_from(outside.len()).unwrap_or(0),
            signals,
        }
    }

    /// Whether these anomalies tell of a burn of days that is not known to be over: trouble that came to it and is gone is
    /// no reason to end an incident about both.
    pub fn burns_on(&self, anomalies: &[Anomaly], since: Timestamp) -> bool {
        let days: Vec<Anomaly> = anomalies.iter().filter(|anomaly| is_of_days(anomaly)).cloned().collect();
        !days.is_empty() && self.recovery(&days, since).verdict != Verdict::Recovered
    }

    fn measured<'a>(
        &'a self,
        anomaly: &Anomaly,
        since: Timestamp,
        look: &Look,
        present: &Present<'a>,
    ) -> Option<Measured> {
        let verdict = match look {
            Look::Inside(..) => Verdict::Recovered,
            Look::Outside(..) => Verdict::NotRecovered,
            Look::TooFew(_) => Verdict::Inconclusive,
            Look::Gone => return None,
        };
        let seen = match anomaly.signal {
            Signal::BudgetBurn => self.errors_of(&anomaly.service),
            _ => self.speaker(anomaly, |seen| present.speaks(*seen, since)),
        };
        let newest = seen.and_then(|seen| seen.series.after(since).next());
        let samples = seen.map_or(0, |seen| seen.series.after(since).count());
        Some(Measured {
            anomaly: anomaly.id.clone(),
            verdict,
            samples: u32::try_from(samples).unwrap_or(u32::MAX),
            value: newest.map_or(0.0, |sample| sample.value),
            expected: seen.map_or(anomaly.expected, |seen| seen.series.baseline.median()),
        })
    }

    fn look<'a>(&'a self, anomaly: &Anomaly, since: Timestamp, present: &Present<'a>) -> Look {
        let what = format!("{} of {}", anomaly.metric, anomaly.service);
        match anomaly.signal {
            Signal::BudgetBurn if &*anomaly.dimension == BURN_OF_DAYS => {
                return self.look_at_budget(&anomaly.service, since);
            }
            Signal::BudgetBurn => {
                let what = format!("the share of bad requests of {}", anomaly.service);
                return named(self.look_at_errors(anomaly, since), &what);
            }
            Signal::Silence => {
                let heard = self.pulses.get(&anomaly.service).filter(|pulse| pulse.last > since);
                let silent = || Look::TooFew(format!("{} is silent", anomaly.service));
                return heard.map_or_else(silent, |pulse| Look::Inside(pulse.last, since.max(pulse.resumed)));
            }
            _ => {}
        }
        let key = series_key(anomaly);
        let own = self.table.get(&key);
        let speaks = own.is_some_and(|seen| present.speaks(seen, since));
        // A process that goes on, and says nothing more of its resource, is not one that others took over from.
        let is_mute = anomaly.signal == Signal::Saturation
            && !speaks
            && own.is_none_or(|seen| !present.has_left(seen))
            && present.is_heard(&key, since);
        let look = match own {
            Some(seen) if speaks || key.instance.is_empty() => {
                judge(seen, seen, Told::by(anomaly, seen.tuning().leave), since)
            }
            _ if !key.instance.is_empty() && !is_mute => self.look_at_others(anomaly, since, present),
            _ => Look::TooFew(String::new()),
        };
        named(look, &what)
    }

    /// What took over from a process that is gone: the same signal of the service's other processes, each by what is
    /// usual for it, or, where it is too young to know, for the one that is gone.
    fn look_at_others<'a>(&'a self, anomaly: &Anomaly, since: Timestamp, present: &Present<'a>) -> Look {
        let key = &series_key(anomaly);
        let gone = self.table.get(key);
        let is_other = |seen: &Seen<'a>| seen.origin.instance != key.instance && present.speaks(*seen, since);
        let mut well: Option<(Timestamp, Timestamp)> = None;
        for seen in self.table.alike(key).filter(is_other) {
            let usual = if seen.is_warm() { seen } else { gone.unwrap_or(seen) };
            let told = Told::by(anomaly, seen.tuning().leave);
            // Processes differ: one that was there before has a usual level of its own.
            let told = if seen.series.began() < anomaly.onset { told.of_another() } else { told };
            match judge(seen, usual, told, since) {
                Look::Inside(time, from) => {
                    well = Some(well.map_or((time, from), |well| (well.0.min(time), well.1.max(from))));
                }
                other => return other,
            }
        }
        match well {
            Some((time, from)) => Look::Inside(time, from),
            None if present.has_others(key, since) => Look::Gone,
            None => Look::TooFew(String::new()),
        }
    }

    /// The anomaly's own series, or once that is silent, one that took over.
    fn speaker<'a>(&'a self, anomaly: &Anomaly, speaks: impl Fn(&Seen<'a>) -> bool) -> Option<Seen<'a>> {
        let key = series_key(anomaly);
        let took_over = || self.table.alike(&key).find(|seen| !key.instance.is_empty() && speaks(seen));
        self.table.get(&key).filter(&speaks).or_else(took_over)
    }

    /// The share of requests that use the budget up.
    fn errors_of(&self, service: &ServiceId) -> Option<Seen<'_>> {
        let named = |metric: &str| {
            let empty: std::sync::Arc<str> = "".into();
            let (instance, dimension) = (empty.clone(), empty);
            self.table.get(&SeriesKey { service: service.clone(), instance, metric: metric.into(), dimension })
        };
        named(BAD_RATIO).or_else(|| named("requests.error_ratio"))
    }

    /// A budget burns on for up to half an hour after the last failure; what counts is whether requests still fail.
    fn look_at_errors(&self, anomaly: &Anomaly, since: Timestamp) -> Look {
        let told = Told::by_burn(anomaly, self.objective(&anomaly.service).allowed());
        match self.errors_of(&anomaly.service) {
            Some(seen) => judge(seen, seen, told, since),
            None => Look::TooFew(String::new()),
        }
    }

    /// What burns for days is within the usual range of errors: what counts is whether the budget lasts at the pace since.
    fn look_at_budget(&self, service: &ServiceId, since: Timestamp) -> Look {
        let objective = self.objective(service);
        match self.budgets.get(service).and_then(|budget| budget.lasts_after(since, &objective)) {
            Some((until, true)) => Look::Inside(until.min(self.watermark), since),
            Some((until, false)) => {
                Look::Outside(until.min(self.watermark), format!("the budget of {service} does not last"))
            }
            None => Look::TooFew(format!("{service} answered too few requests to tell whether its budget lasts")),
        }
    }
}

/// Whether being usual again means anything: load may be anything, and what stands still or crept was usual all the time.
fn is_measured(signal: Signal) -> bool {
    use Signal::{Drift, FlatLine, NewLogTemplate, Other, Traffic};
    !matches!(signal, Traffic | Other | NewLogTemplate | FlatLine | Drift)
}

fn is_of_days(anomaly: &Anomaly) -> bool {
    &*anomaly.dimension == BURN_OF_DAYS && anomaly.signal == Signal::BudgetBurn
}

pub(super) fn series_key(anomaly: &Anomaly) -> SeriesKey {
    SeriesKey {
        service: anomaly.service.clone(),
        instance: anomaly.origin.instance.clone(),
        metric: anomaly.metric.clone(),
        dimension: anomaly.dimension.clone(),
    }
}

fn identity(anomaly: &Anomaly) -> (ServiceId, std::sync::Arc<str>, std::sync::Arc<str>, std::sync::Arc<str>) {
    (anomaly.service.clone(), anomaly.origin.instance.clone(), anomaly.metric.clone(), anomaly.dimension.clone())
}
