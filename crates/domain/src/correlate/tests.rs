//! Shops by hand: who calls whom, how each stands, and what each shows from when on.

use proptest::prelude::*;

mod bounds;
mod ended;
mod explained;
mod loose;

use super::*;
use crate::detect::{Hurt, Standing};
use crate::evidence::{EvidenceId, Fact, Observation};
use crate::telemetry::Origin;
use crate::{Direction, Signal};

/// How long after the last that shows a shop is looked at, and how often, in seconds.
const AFTER_S: i64 = 60;
const STEP_S: i64 = 5;

struct World {
    topology: Topology,
    /// How services stand that are not named here.
    usual: Standing,
    standings: BTreeMap<ServiceId, Standing>,
    excess_s: BTreeMap<ServiceId, f64>,
    loads: BTreeSet<ServiceId>,
    changes: Vec<(ServiceId, Timestamp)>,
    /// What is known of services though it calls for nothing.
    hints: Vec<Anomaly>,
}

impl Look for World {
    fn topology(&self) -> &Topology {
        &self.topology
    }
    fn standing(&self, service: &ServiceId, _: Timestamp) -> Standing {
        self.standings.get(service).copied().unwrap_or(self.usual)
    }
    fn hurt(&self, service: &ServiceId, _: Timestamp) -> Hurt {
        Hurt { excess_s: self.excess_s.get(service).copied().unwrap_or(0.0), failing: 0.0 }
    }
    fn is_load(&self, service: &ServiceId) -> bool {
        self.loads.contains(service)
    }
    fn is_changed(&self, service: &ServiceId, from: Timestamp, until: Timestamp) -> bool {
        self.changes.iter().any(|(changed, time)| changed == service && (from..=until).contains(time))
    }
    fn evidence(&self, anomalies: &[Anomaly], _: &BTreeSet<ServiceId>, _: Timestamp) -> Evidence {
        let fact = |anomaly: &Anomaly| Fact {
            id: EvidenceId(anomaly.id.0.to_string()),
            observation: Observation::Anomaly(anomaly.clone()),
        };
        let facts = anomalies.iter().chain(&self.hints).map(fact).collect();
        Evidence { facts, topology: self.topology.clone(), ..Evidence::default() }
    }
}

fn named(service: &str) -> ServiceId {
    ServiceId::named(service)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(100_000 + second)
}

/// Errors of a service from a second on, which are sure at another.
fn failing(service: &str, onset: i64, sure: i64) -> Abnormal {
    shown(service, Signal::Errors, "requests.error_ratio", onset, sure)
}

fn shown(service: &str, signal: Signal, metric: &str, onset: i64, sure: i64) -> Abnormal {
    let anomaly = Anomaly {
        id: AnomalyId(format!("{service} {metric} {onset}").into()),
        service: named(service),
        origin: Origin::default(),
        signal,
        metric: metric.into(),
        dimension: "".into(),
        unit: "".into(),
        onset: at(onset),
        detected_at: at(sure),
        last_seen: at(sure),
        direction: Direction::Up,
        score: 20.0,
        expected: 0.0,
        observed: 0.5,
        exemplar: String::new(),
        requests_per_s: None,
    };
    Abnormal { anomaly, is_worthy: true, stands_alone: true, every: Duration::from_secs(10) }
}

impl World {
    /// All are well but for what shows; `web` calls `cart`, say, by `"web cart"`.
    fn new(calls: &[&str]) -> Self {
        let mut world = Self {
            topology: Topology::default(),
            usual: Standing::Well,
            standings: BTreeMap::new(),
            excess_s: BTreeMap::new(),
            loads: BTreeSet::new(),
            changes: Vec::new(),
            hints: Vec::new(),
        };
        for call in calls {
            let (client, server) = call.split_once(' ').unwrap();
            world.topology.observe(&named(client), &named(server), at(0));
        }
        world
    }

    fn stands(mut self, service: &str, standing: Standing) -> Self {
        self.standings.insert(named(service), standing);
        self
    }

    fn hurts(mut self, service: &str, excess_s: f64) -> Self {
        self.excess_s.insert(named(service), excess_s);
        self
    }

    fn loaded(mut self, service: &str) -> Self {
        self.loads.insert(named(service));
        self
    }

    fn changed(mut self, service: &str, second: i64) -> Self {
        self.changes.push((named(service), at(second)));
        self
    }

    /// What is told, where all that shows goes on.
    fn told(&self, found: &[Abnormal]) -> Vec<Case> {
        let mut correlator = Correlator::default();
        self.play(&mut correlator, 0, found)
    }

    /// What is told from a second on, of what shows then.
    fn play(&self, correlator: &mut Correlator, from: i64, found: &[Abnormal]) -> Vec<Case> {
        let last = found.iter().map(|found| found.anomaly.detected_at).max().unwrap_or(at(from)).max(at(from));
        let mut numbers = BTreeSet::new();
        let mut now = at(from);
        while now <= last + Duration::from_secs(AFTER_S.unsigned_abs()) {
            let seen = found.iter().filter(|found| found.anomaly.detected_at <= now).cloned();
            let news = correlator.follow(self, now, seen.collect());
            numbers.extend(news.into_iter().filter_map(|news| match news {
                News::Opened(case, ..) => Some(case.number),
                News::Cleared(_) => None,
            }));
            now = now + Duration::from_secs(STEP_S.unsigned_abs());
        }
        correlator.cases().iter().filter(|case| numbers.contains(&case.number)).cloned().collect()
    }
}

fn set(names: &[&[&str]]) -> BTreeSet<Vec<String>> {
    names.iter().map(|names| names.iter().map(ToString::to_string).collect()).collect()
}

fn roots(cases: &[Case]) -> BTreeSet<Vec<String>> {
    cases.iter().map(|case| case.roots().map(ToString::to_string).collect()).collect()
}

fn services(case: &Case) -> Vec<String> {
    case.services.iter().map(ToString::to_string).collect()
}

const SHOP: [&str; 3] = ["web cart", "web payment", "cart session"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_root_is_one_case_whoever_suffers_from_it_and_whatever_is_sure_first(
        calls in prop::collection::vec(any::<bool>(), 45),
        root in 0_usize..10,
        sick in prop::collection::vec(any::<bool>(), 10),
        offsets in prop::collection::vec(0_i64..500, 10),
        delays in prop::collection::vec(0_i64..15, 10),
    ) {
        let name = |index: usize| format!("s{index}");
        let mut world = World::new(&[]);
        world.usual = Standing::Unknown;
        let mut calls = calls.into_iter();
        for callee in 1..10 {
            for caller in 0..callee {
                if calls.next() == Some(true) {
                    world.topology.observe(&named(&name(caller)), &named(&name(callee)), at(0));
                }
            }
        }
        let cause = named(&name(root));
        let mut found = vec![failing(&name(root), 0, delays[root])];
        for index in (0..10).filter(|index| sick[*index] && world.topology.reaches(&named(&name(*index)), &cause)) {
            found.push(failing(&name(index), offsets[index], offsets[index] + delays[index]));
        }
        let told = world.told(&found);
        prop_assert_eq!(told.len(), 1, "{:?}", told);
        prop_assert_eq!(told[0].services.len(), found.len());
        prop_assert!(told[0].roots().all(|root| *root == cause), "{:?}", told);
    }

    #[test]
    fn two_causes_are_two_cases_whatever_is_sure_first(
        second in 0_i64..300, delays in prop::collection::vec(0_i64..100, 3),
    ) {
        let found = [
            failing("cart", 0, delays[0]),
            failing("web", 0, delays[1]),
            failing("payment", second, second + delays[2]),
        ];
        let told = World::new(&SHOP).told(&found);
        prop_assert_eq!(told.len(), 2, "{:?}", told);
        prop_assert_eq!(roots(&told), set(&[&["cart"], &["payment"]]));
        let of_both = told.iter().filter(|case| case.services.contains(&named("web"))).count();
        prop_assert!(of_both >= 1, "{:?}", told);
    }

    #[test]
    fn what_waits_is_grouped_the_same_in_any_order(delays in prop::collection::vec(0_i64..15, 4)) {
        let names = ["cart", "payment", "session", "web"];
        let found: Vec<Abnormal> = names.iter().zip(&delays).map(|(name, delay)| failing(name, 0, *delay)).collect();
        let told = World::new(&SHOP).told(&found);
        prop_assert_eq!(roots(&told), set(&[&["payment"], &["session"]]));
        let shown: BTreeSet<Vec<String>> = told.iter().map(services).collect();
        prop_assert_eq!(shown, set(&[&["payment", "web"], &["cart", "session", "web"]]));
    }
}

/// How many cases come of this.
fn count(world: World, found: &[Abnormal]) -> usize {
    world.told(found).len()
}

#[test]
fn a_cause_of_each_is_named_though_callers_suffer_from_both() {
    let found = [failing("cart", 0, 5), failing("payment", 0, 5), failing("web", 0, 5)];
    let world = World::new(&SHOP);
    let mut correlator = Correlator::default();
    let mut named_first = BTreeSet::new();
    for second in [5, 15, 25, 35] {
        for news in correlator.follow(&world, at(second), found.to_vec()) {
            let News::Opened(case, evidence, argument) = news else { panic!("{news:?}") };
            assert!(!evidence.apart.is_empty(), "{case:?}");
            named_first.insert(argument.hypotheses[0].service.to_string());
            assert!(case.services.contains(&named("web")), "{case:?}");
        }
    }
    assert_eq!(named_first, BTreeSet::from(["cart".to_owned(), "payment".to_owned()]));
}

#[test]
fn what_waits_to_be_told_is_known_to_wait() {
    let world = World::new(&SHOP);
    let mut correlator = Correlator::default();
    let (cart, web) = (failing("cart", 0, 5), failing("web", 0, 5));
    let shown = [cart.anomaly.clone(), web.anomaly.clone()];
    let is_waiting = |correlator: &Correlator, shown: &[Anomaly], about: &str| {
        correlator.is_waiting_behind(shown, &BTreeSet::from([named(about)]), &world.topology)
    };
    world.play(&mut correlator, 0, &[cart.clone(), web.clone()]);
    assert!(!is_waiting(&correlator, &shown, "cart"), "it is told");
    let all = [cart, web, failing("payment", 100, 105)];
    correlator.follow(&world, at(105), all.to_vec());
    assert!(is_waiting(&correlator, &shown, "cart"), "web calls it");
    assert!(!is_waiting(&correlator, &shown[..1], "cart"), "cart does not call it");
    assert!(!is_waiting(&correlator, &shown, "payment"), "it is what this is about");
    assert_eq!(world.play(&mut correlator, 110, &all).len(), 1);
    assert!(!is_waiting(&correlator, &shown, "cart"), "it is told, too");
}

#[test]
fn what_is_well_lets_nothing_through_and_what_is_unknown_does() {
    let chain = || World::new(&["top middle", "middle base"]);
    let found = [failing("base", 0, 5), failing("top", 0, 5)];
    assert_eq!(count(chain(), &found), 2, "the middle is well");
    assert_eq!(count(chain().stands("middle", Standing::Unknown), &found), 1);
    assert_eq!(count(chain().stands("middle", Standing::Stirs(at(0))), &found), 1);
    let circle = World::new(&["a b", "b c", "c a"]);
    assert_eq!(count(circle, &[failing("a", 0, 5), failing("b", 0, 15), failing("c", 0, 10)]), 1);
}

#[test]
fn effects_come_in_time() {
    let chain = || World::new(&["web cart"]);
    let effect = |onset: i64| [failing("cart", 0, 5), failing("web", onset, onset + 10)];
    let told = [(599, true, 1), (601, true, 2), (601, false, 1), (1_799, false, 1), (1_801, false, 2)];
    for (onset, is_changed, expected) in told {
        let world = if is_changed { chain().changed("web", onset - 100) } else { chain() };
        assert_eq!(count(world, &effect(onset)), expected, "{onset} s later, changed: {is_changed}");
    }
    // Who is sensitive shows it first, and is no cause by itself unless something was done to it.
    let early = [failing("web", 0, 100), failing("cart", 90, 100)];
    assert_eq!(count(chain(), &early), 1);
    assert_eq!(count(chain().changed("web", -10), &early), 2);
}

#[test]
fn a_cause_further_down_takes_over_unless_it_is_another() {
    let chain = || World::new(&["web cart"]);
    let later = |onset: i64| [failing("web", 0, 5), failing("cart", onset, onset + 10)];
    let told = chain().told(&later(40));
    assert_eq!(roots(&told), set(&[&["cart"]]), "{told:?}");
    assert_eq!(count(chain(), &later(599)), 1);
    assert_eq!(count(chain(), &later(601)), 2);
    assert_eq!(count(chain().changed("web", -100), &later(300)), 2, "web has a cause of its own");
    assert_eq!(count(chain().changed("web", -301), &later(300)), 1);
}

#[test]
fn something_below_that_does_not_show_joins_those_who_call_it() {
    let shop = || World::new(&["a base", "b base", "top a"]);
    let both = |apart: i64| [failing("a", 0, 5), failing("b", apart, apart + 5)];
    let unknown = || shop().stands("base", Standing::Unknown);
    assert_eq!(count(unknown(), &both(30)), 1);
    assert_eq!(count(unknown(), &both(31)), 2, "too far apart");
    assert_eq!(count(unknown().changed("b", -100), &both(10)), 2, "b has a cause of its own");
    let third = World::new(&["a base", "b base", "c base"]).stands("base", Standing::Unknown);
    assert_eq!(count(third, &both(10)), 2, "another caller is well");
    let mute = || shop().stands("base", Standing::Mute);
    assert_eq!(count(mute(), &both(50)), 1, "that it says nothing tells");
    // What stirs has to be enough for what they show.
    let stirring = |began: i64| shop().stands("base", Standing::Stirs(at(began))).hurts("a", 3.0).hurts("b", 2.0);
    assert_eq!(count(stirring(20).hurts("base", 1.0), &both(50)), 1);
    assert_eq!(count(stirring(20).hurts("base", 0.9), &both(50)), 2, "too little");
    assert_eq!(count(stirring(20).hurts("base", 1.0).loaded("base"), &both(50)), 2, "it is their doing");
    assert_eq!(count(stirring(80).hurts("base", 1.0), &both(10)), 2, "too late");
}

#[test]
fn who_is_overloaded_by_one_caller_is_no_cause() {
    let shop = || World::new(&["web a", "web b"]);
    let found = [failing("web", 0, 5), failing("a", 0, 5), failing("b", 40, 45)];
    assert_eq!(count(shop(), &found), 2);
    assert_eq!(count(shop().loaded("b"), &found), 1);
    assert_eq!(count(shop().loaded("b").changed("b", 35), &found), 2, "it was changed right before");
    let full = shown("b", Signal::Saturation, "db.client.connection.count", 40, 45);
    let both = [found.as_slice(), &[full]].concat();
    assert_eq!(count(shop().loaded("b"), &both), 2, "a pool is full for which its requests are no reason");
}

#[test]
fn a_collector_that_is_away_is_one_cause_and_so_is_a_storm() {
    let lines = ["w0 r0", "w1 r1", "w2 r2", "w3 r3", "w4 r4"];
    let silent = |service: &str, onset| shown(service, Signal::Silence, "telemetry", onset, onset + 60);
    assert_eq!(count(World::new(&lines), &[silent("r0", 0), silent("r1", 60)]), 1);
    assert_eq!(count(World::new(&lines), &[silent("r0", 0), silent("r1", 61)]), 2);
    let many = |within: i64| -> Vec<Abnormal> {
        (0..5).map(|index| failing(&format!("r{index}"), index * within / 4, index * within / 4 + 5)).collect()
    };
    assert_eq!(count(World::new(&lines), &many(0)), 4);
    assert_eq!(count(World::new(&lines), &many(60)), 4);
    assert_eq!(count(World::new(&lines), &many(400)), 5);
}

#[test]
fn what_the_graph_or_the_samples_cannot_carry_is_together_where_it_is_next_to_each_other() {
    let rare = |service: &str| Abnormal { stands_alone: false, ..failing(service, 0, 5) };
    let found = [rare("cart"), rare("web"), rare("payment")];
    assert_eq!(count(World::new(&SHOP), &found), 1, "callers that feel it are all that is sure");
    assert_eq!(count(World::new(&SHOP), &[rare("cart"), rare("payment")]), 2, "they are no neighbours");
    let seldom = |service: &str| Abnormal { every: Duration::from_secs(300), ..failing(service, 0, 5) };
    let both = ["cart", "web", "payment"].map(seldom);
    assert_eq!(count(World::new(&SHOP), &both), 1, "a sample every five minutes does not tell which was first");
    let other = [failing("payment", 0, 5), failing("web", 5, 10), rare("cart")];
    assert_eq!(count(World::new(&SHOP), &other), 1, "what web suffers from may be what cart shows");
    assert_eq!(count(World::new(&SHOP).changed("cart", -20), &other), 2, "cart was changed");
    assert_eq!(count(World::new(&[]), &[failing("a", 0, 5), failing("b", 599, 605)]), 1, "one place");
    assert_eq!(count(World::new(&[]), &[failing("a", 0, 5), failing("b", 601, 605)]), 2);
    let mut elsewhere = failing("b", 0, 5);
    elsewhere.anomaly.service = ServiceId::new("other", "b", "");
    assert_eq!(count(World::new(&[]), &[failing("a", 0, 5), elsewhere]), 2);
}
