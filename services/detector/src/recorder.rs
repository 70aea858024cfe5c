//! What is recorded of the signals of incidents that live: in memory, as far as samples are kept there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use llm_sre_domain::detect::Detector;
use llm_sre_domain::incident::IncidentId;
use llm_sre_domain::{Anomaly, AnomalyId, ServiceId, Timestamp};

use crate::brain::Living;
use crate::recording::{RECORDINGS_MAX, Recording};

/// How often an incident's signals are looked at, in event time: of each series the newest 48 samples are kept.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A signal takes the place of the weakest where it is so many times as strong: scores of what goes on still grow.
const STRONGER: f64 = 2.0;
/// Incidents that ended and wait to be written. An instance that stands by writes none.
const ENDED_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    incidents: BTreeMap<IncidentId, Recorded>,
}

/// The signals of an incident.
#[derive(Debug, Default)]
struct Recorded {
    recordings: Vec<Recording>,
    looked_at: Timestamp,
    has_ended: bool,
    /// Counts changes, and which of them was written last.
    change: u64,
    written: u64,
}

/// What is to be written of an incident.
pub(crate) struct Due {
    pub(crate) recordings: Vec<Recording>,
    pub(crate) change: u64,
}

impl Recorder {
    /// Takes what is new of the incidents that live.
    pub(crate) fn advance(&mut self, detector: &Detector, living: &BTreeMap<IncidentId, Living>) {
        let now = detector.watermark();
        for (incident, recorded) in &mut self.incidents {
            let has_ended = !living.contains_key(incident);
            if has_ended && !recorded.has_ended {
                // Up to its end, and written whatever came of it since.
                recorded.look(detector, now, &[]);
                recorded.change += 1;
            }
            recorded.has_ended = has_ended;
        }
        self.incidents.retain(|_, recorded| !(recorded.has_ended && recorded.recordings.is_empty()));
        // What is read again from before an incident was opened is not about it.
        for (incident, living) in living.iter().filter(|(_, living)| living.opened_at <= now) {
            let recorded = self.incidents.entry(*incident).or_default();
            if now.since(recorded.looked_at) >= LOOK_EVERY {
                recorded.look(detector, now, &strongest(&living.anomalies));
            }
        }
        self.let_go();
    }

    /// What is recorded of an incident.
    pub(crate) fn of(&self, incident: IncidentId) -> Vec<Recording> {
        self.incidents.get(&incident).map(|recorded| recorded.recordings.clone()).unwrap_or_default()
    }

    /// The incidents of which something is to be written; first those that ended.
    pub(crate) fn due(&self) -> Vec<IncidentId> {
        let due = self.incidents.iter().filter(|(_, recorded)| recorded.change > recorded.written);
        let mut due: Vec<_> = due.map(|(incident, recorded)| (!recorded.has_ended, *incident)).collect();
        due.sort();
        due.into_iter().map(|(_, incident)| incident).collect()
    }

    /// What is to be written of an incident; `None` where nothing is.
    pub(crate) fn take(&self, incident: IncidentId) -> Option<Due> {
        let recorded = self.incidents.get(&incident).filter(|recorded| recorded.change > recorded.written)?;
        Some(Due { recordings: recorded.recordings.clone(), change: recorded.change })
    }

    /// Notes that an incident's signals were written as of a change. Once it ended, they are let go.
    pub(crate) fn written(&mut self, incident: IncidentId, change: u64) {
        let Some(recorded) = self.incidents.get_mut(&incident) else { return };
        recorded.written = recorded.written.max(change);
        if recorded.has_ended && recorded.written == recorded.change {
            self.incidents.remove(&incident);
        }
    }

    /// Gives up those that ended first, where too many wait to be written.
    fn let_go(&mut self) {
        let ended = self.incidents.iter().filter(|(_, recorded)| recorded.has_ended);
        let mut ended: Vec<_> = ended.map(|(incident, recorded)| (recorded.looked_at, *incident)).collect();
        ended.sort();
        for (_, incident) in ended.iter().rev().skip(ENDED_MAX) {
            self.incidents.remove(incident);
        }
    }
}

impl Recorded {
    fn look(&mut self, detector: &Detector, now: Timestamp, anomalies: &[&Anomaly]) {
        self.looked_at = now;
        let mut has_changed = false;
        for recording in &mut self.recordings {
            has_changed |= recording.follow(detector);
        }
        for anomaly in anomalies {
            if let Some(recording) = self.recordings.iter_mut().find(|recording| recording.is_of(anomaly)) {
                recording.note(anomaly);
            } else {
                has_changed |= self.begin(detector, anomaly);
            }
        }
        self.change += u64::from(has_changed);
    }

    /// Begins to record a signal, if there is room for it.
    fn begin(&mut self, detector: &Detector, anomaly: &Anomaly) -> bool {
        if self.recordings.len() >= RECORDINGS_MAX {
            let weakest = (0..self.recordings.len())
                .min_by(|a, b| self.recordings[*a].score().total_cmp(&self.recordings[*b].score()));
            let Some(weakest) = weakest.filter(|weakest| self.recordings[*weakest].score() * STRONGER < anomaly.score)
            else {
                return false;
            };
            let Some(recording) = Recording::begin(detector, anomaly) else { return false };
            self.recordings[weakest] = recording;
            return true;
        }
        let begun = Recording::begin(detector, anomaly);
        let has_begun = begun.is_some();
        self.recordings.extend(begun);
        has_begun
    }
}

/// The strongest of these, at first one of each service, metric and dimension: of the whole service rather than of a
/// process.
fn strongest(anomalies: &BTreeMap<AnomalyId, Anomaly>) -> Vec<&Anomaly> {
    let mut all: Vec<&Anomaly> = anomalies.values().collect();
    let is_process = |anomaly: &Anomaly| !anomaly.origin.instance.is_empty();
    all.sort_by(|a, b| {
        is_process(a).cmp(&is_process(b)).then(b.score.total_cmp(&a.score)).then_with(|| a.id.cmp(&b.id))
    });
    let mut kinds: BTreeSet<(&ServiceId, &Arc<str>, &Arc<str>)> = BTreeSet::new();
    let (mut firsts, mut others): (Vec<&Anomaly>, Vec<&Anomaly>) =
        all.into_iter().partition(|anomaly| kinds.insert((&anomaly.service, &anomaly.metric, &anomaly.dimension)));
    let order = |a: &&Anomaly, b: &&Anomaly| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id));
    firsts.sort_by(order);
    others.sort_by(order);
    firsts.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use llm_sre_domain::detect::Objectives;
    use llm_sre_domain::telemetry::{MetricPoint, Origin, PointValue};
    use llm_sre_domain::{Direction, Signal};

    use super::*;

    const DURATION: &str = "http.server.duration.mean";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(100_000 + second)
    }

    fn anomaly(instance: &str, metric: &str, score: f64) -> Anomaly {
        Anomaly {
            id: AnomalyId(format!("{instance}/{metric}").into()),
            service: ServiceId::named("cart"),
            origin: Origin { instance: instance.into(), version: "".into() },
            signal: Signal::Latency,
            metric: metric.into(),
            dimension: "".into(),
            unit: "s".into(),
            onset: at(0),
            detected_at: at(0),
            last_seen: at(0),
            direction: Direction::Up,
            score,
            expected: 0.1,
            observed: 2.0,
            exemplar: String::new(),
            requests_per_s: None,
        }
    }

    fn incident(number: u32) -> IncidentId {
        format!("00000000-0000-5000-8000-{number:012}").parse().unwrap()
    }

    /// A detector that has heard these processes of `cart` once a second, and an incident about them.
    struct World {
        detector: Detector,
        recorder: Recorder,
        living: BTreeMap<IncidentId, Living>,
        heard: i64,
    }

    impl World {
        fn new() -> Self {
            let detector = Detector::new(Objectives::default());
            Self { detector, recorder: Recorder::default(), living: BTreeMap::new(), heard: 0 }
        }

        fn hear(&mut self, seconds: i64, instances: &[&str]) {
            for second in self.heard..self.heard + seconds {
                for instance in instances {
                    self.detector.metric(&MetricPoint {
                        service: ServiceId::named("cart"),
                        origin: Origin { instance: (*instance).into(), version: "".into() },
                        metric: DURATION.into(),
                        unit: "s".into(),
                        attributes: Default::default(),
                        time: at(second),
                        start: None,
                        value: PointValue::Gauge(0.1),
                    });
                }
                self.detector.advance(at(second));
                self.recorder.advance(&self.detector, &self.living);
            }
            self.heard += seconds;
        }

        fn open(&mut self, number: u32, anomalies: &[Anomaly]) {
            let anomalies = anomalies.iter().map(|anomaly| (anomaly.id.clone(), anomaly.clone())).collect();
            let opened_at = self.detector.watermark();
            let mut living = Living::default();
            (living.anomalies, living.opened_at) = (anomalies, opened_at);
            self.living.insert(incident(number), living);
        }

        fn recorded(&self, number: u32) -> usize {
            self.recorder.of(incident(number)).len()
        }

        fn write_all(&mut self) {
            for incident in self.recorder.due() {
                let due = self.recorder.take(incident).unwrap();
                self.recorder.written(incident, due.change);
            }
        }
    }

    #[test]
    fn each_kind_comes_before_a_second_process_of_one() {
        let all = [anomaly("a", "m", 9.0), anomaly("b", "m", 8.0), anomaly("", "m", 2.0), anomaly("a", "n", 1.0)];
        let all = all.map(|anomaly| (anomaly.id.clone(), anomaly)).into();
        let named: Vec<&str> = strongest(&all).into_iter().map(|anomaly| &*anomaly.id.0).collect();
        assert_eq!(named, ["/m", "a/n", "a/m", "b/m"]);
    }

    #[test]
    fn what_is_new_is_written_once_and_let_go_after_the_end() {
        let mut world = World::new();
        world.hear(60, &["a"]);
        world.open(1, &[anomaly("a", DURATION, 9.0), anomaly("a", "of no series", 10.0)]);
        world.hear(10, &["a"]);
        assert_eq!((world.recorded(1), world.recorder.due()), (1, vec![incident(1)]));
        world.hear(10, &[]);
        world.write_all();
        assert!(world.recorder.due().is_empty());
        world.hear(10, &[]);
        assert!(world.recorder.due().is_empty(), "nothing came");
        world.living.clear();
        world.hear(10, &["a"]);
        assert_eq!(world.recorder.due(), [incident(1)], "what came up to its end");
        world.write_all();
        assert_eq!(world.recorded(1), 0);
    }

    #[test]
    fn an_incident_has_twelve_recordings_and_what_is_much_stronger_takes_a_place() {
        let names: Vec<String> = (0..20).map(|number| format!("p{number:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut world = World::new();
        world.hear(10, &names);
        let weak: Vec<Anomaly> = names.iter().map(|name| anomaly(name, DURATION, 10.0)).collect();
        world.open(1, &weak);
        world.hear(10, &names);
        assert_eq!(world.recorded(1), RECORDINGS_MAX);
        let is_recorded = |world: &World, strong: &Anomaly| {
            world.recorder.of(incident(1)).iter().any(|recording| recording.is_of(strong))
        };
        let mut stronger = weak.clone();
        stronger[19].score = 15.0;
        world.open(1, &stronger);
        world.hear(10, &names);
        assert!(!is_recorded(&world, &stronger[19]), "little stronger is no reason to begin anew");
        stronger[19].score = 30.0;
        world.open(1, &stronger);
        world.hear(10, &names);
        assert!(is_recorded(&world, &stronger[19]));
        assert_eq!(world.recorded(1), RECORDINGS_MAX);
    }

    /// An instance that stands by writes nothing.
    #[test]
    fn of_incidents_that_ended_some_wait_to_be_written() {
        let mut world = World::new();
        world.hear(10, &["a"]);
        for number in 0..200 {
            world.open(number, &[anomaly("a", DURATION, 9.0)]);
        }
        world.hear(10, &["a"]);
        assert_eq!(world.recorder.incidents.len(), 200);
        world.living.clear();
        world.hear(10, &["a"]);
        assert_eq!(world.recorder.incidents.len(), ENDED_MAX);
    }
}
