//! What the model promises, from drawn seeds.

use llm_sre_domain::Timestamp;
use proptest::prelude::*;

use super::operation::Order;
use super::*;

/// All that can be done to a service.
fn orders(service: &Service) -> [(&'static str, Order); 9] {
    [
        ("restart", Order::Restart { instance: String::new() }),
        ("rollback_deployment", Order::RollBack),
        ("raise_pool", Order::RaisePool { percent: 100 }),
        ("revert_configuration", Order::Revert { key: service.flag_key(), value: "off".to_owned() }),
        ("clear_disk", Order::ClearDisk { instance: String::new() }),
        ("scale_out", Order::ScaleOut { percent: 100 }),
        ("shed_load", Order::Shed { percent: 30, duration_s: 90 }),
        ("renew_certificate", Order::RenewCertificate { valid_days: 90 }),
        ("fail_over", Order::FailOver { dependency: service.address(service.outside.is_on_standby) }),
    ]
}

fn shop(seed: u64) -> World {
    opened(seed, false)
}

fn opened(seed: u64, is_renamed: bool) -> World {
    let mut world = World::new(seed, Timestamp::from_secs(1_700_000_000), is_renamed);
    run(&mut world, 300);
    world
}

fn run(world: &mut World, secs: u64) {
    for _ in 0..secs / STEP.as_secs() {
        world.step();
    }
}

fn broken(seed: u64, kind: Kind) -> (World, Fault) {
    let mut world = shop(seed);
    let fault = world.inject(&Injection { kind: Some(kind), seed, ..Injection::default() }, false).unwrap();
    (world, fault)
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::FAULTS.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_same_seed_and_calls_are_the_same_shop(seed in 1..u64::MAX, kind in kinds()) {
        let go = || {
            let (mut world, fault) = broken(seed, kind);
            run(&mut world, 600);
            (format!("{fault:?}"), format!("{world:?}"))
        };
        prop_assert_eq!(go(), go());
    }

    #[test]
    fn a_shop_without_faults_answers_well(seed in 1..u64::MAX) {
        let mut world = shop(seed);
        for _ in 0..200 {
            world.step();
            for service in &world.services {
                let name = service.blueprint.name;
                prop_assert!(service.error_ratio < 0.01, "{name}: {service:?}");
                prop_assert!(service.latency_s < 0.5, "{name}: {service:?}");
            }
        }
    }

    #[test]
    fn a_fault_shows_at_its_service_and_yields_to_its_action_only(seed in 1..u64::MAX, kind in kinds()) {
        let (mut world, fault) = broken(seed, kind);
        let name = SHOP[fault.service].name;
        let (before, asked) = (world.services[fault.service].latency_s, world.services[fault.service].arrivals);
        let (mut worst, mut least) = ((0.0_f64, 0.0_f64), f64::INFINITY);
        for _ in 0..180 {
            world.step();
            let service = &world.services[fault.service];
            let slowest = service.instances.iter().map(|instance| instance.latency_s).fold(0.0, f64::max);
            worst = (worst.0.max(slowest), worst.1.max(service.error_ratio));
            least = least.min(service.arrivals);
        }
        let is_shown = worst.0 > 1.3 * before || worst.1 > 0.02 || least < 0.2 * asked;
        prop_assert!(is_shown, "{kind:?} at {name}: {before} {worst:?}, {asked} {least}");
        let orders = orders(&world.services[fault.service]);
        for ((action, order), token) in orders.iter().zip((1..).step_by(2)) {
            // Nobody has changed a setting, or put another certificate in place, where something else is wrong.
            let is_possible = !["revert_configuration", "renew_certificate"].contains(action);
            if *action != kind.cure() && !is_possible {
                let refused = world.execute(action, token, name, order);
                prop_assert!(matches!(refused, Err(Refusal::NeverChanged(_) | Refusal::NotDue { .. })), "{refused:?}");
            } else if *action != kind.cure() {
                world.execute(action, token, name, order).unwrap();
                run(&mut world, 120);
                prop_assert_eq!(world.faults[0].state, State::Active, "{} at {} after {}", action, name, kind.cure());
                if let Ok(undone) = world.undo(&format!("undo-{action}"), token + 1, action) {
                    run(&mut world, 120);
                    prop_assert!(world.runs.get(&undone.request_id).unwrap().is_done);
                }
            }
        }
        let Some((cure, order)) = orders.into_iter().find(|(action, _)| *action == kind.cure()) else {
            prop_assert_eq!(kind, Kind::SlowNetwork, "nothing cures it");
            prop_assert_eq!(world.clear(fault.number).unwrap().state, State::Cleared);
            run(&mut world, 60);
            prop_assert!(world.services[fault.service].latency_s < 1.3 * before, "{:?}", world.services[fault.service]);
            return Ok(());
        };
        world.execute(cure, 19, name, &order).unwrap();
        run(&mut world, 120);
        prop_assert_eq!(world.faults[0].state, State::Cured);
        let after = &world.services[fault.service];
        prop_assert!(after.latency_s < 1.3 * before && after.error_ratio < 0.01, "{kind:?} at {name}: {after:?}");
    }

    #[test]
    fn a_peak_breaks_nothing_and_passes(seed in 1..u64::MAX) {
        let (mut world, fault) = broken(seed, Kind::Control(Control::TrafficPeak));
        let before = world.services[0].arrivals;
        let mut most = 0.0_f64;
        while world.faults[0].state == State::Active {
            world.step();
            most = most.max(world.services[0].arrivals);
            prop_assert!(world.services.iter().all(|service| service.error_ratio < 0.01), "{fault:?}");
        }
        prop_assert!(most > 1.2 * before);
        prop_assert_eq!(world.faults[0].state, State::Cleared);
    }

    #[test]
    fn a_renamed_shop_is_the_same_one_by_other_names(seed in 1..u64::MAX) {
        let (own, renamed) = (shop(seed), opened(seed, true));
        for (own, renamed) in own.services.iter().zip(&renamed.services) {
            prop_assert_eq!(own.latency_s, renamed.latency_s);
            prop_assert!(SHOP.iter().all(|blueprint| blueprint.name != renamed.name()), "{}", renamed.name());
        }
        let names: std::collections::BTreeSet<_> = renamed.services.iter().map(Service::name).collect();
        prop_assert_eq!(names.len(), SHOP.len());
    }

    #[test]
    fn a_control_is_felt_by_nobody_and_passes(seed in 1..u64::MAX, control in prop::sample::select(Control::ALL.to_vec())) {
        let (mut world, fault) = broken(seed, Kind::Control(control));
        let calm = world.services[fault.service].latency_s;
        for _ in 0..240 {
            world.step();
            prop_assert!(world.services.iter().all(|service| service.error_ratio < 0.01), "{fault:?}");
            prop_assert!(world.services[fault.service].latency_s < 1.5 * calm, "{fault:?}");
        }
        prop_assert_eq!(world.faults[0].state, State::Cleared);
        prop_assert_eq!(fault.kind.cure(), "");
        let service = &world.services[fault.service];
        prop_assert!(service.noise.is_none() && !service.telling.is_paused, "{service:?}");
        prop_assert_eq!(service.telling.stamp(world.now), world.now);
    }

    #[test]
    fn a_noisy_process_wanders_and_its_siblings_do_not(seed in 1..u64::MAX) {
        let (mut world, fault) = broken(seed, Kind::Control(Control::NoisyInstance));
        let mut has_wandered = false;
        for _ in 0..120 {
            world.step();
            let instances = &world.services[fault.service].instances;
            let mut latencies: Vec<f64> = instances.iter().map(|instance| instance.latency_s).collect();
            latencies.sort_by(f64::total_cmp);
            let last = latencies.len() - 1;
            prop_assert!(latencies[0] == latencies[last - 1] || latencies[1] == latencies[last], "{latencies:?}");
            has_wandered |= latencies[0] < latencies[last];
        }
        prop_assert!(has_wandered, "{fault:?}");
    }

    #[test]
    fn a_call_is_carried_out_once(seed in 1..u64::MAX) {
        let mut world = shop(seed);
        let order = Order::RaisePool { percent: 50 };
        let first = world.execute("a", 5, "cart", &order).unwrap();
        prop_assert_eq!(&world.execute("a", 5, "cart", &order).unwrap(), &first);
        prop_assert_eq!(world.execute("a", 5, "cart", &Order::RollBack), Err(Refusal::Reused("a".to_owned())));
        prop_assert_eq!(world.execute("b", 5, "cart", &order), Err(Refusal::Busy("cart")));
        run(&mut world, 60);
        prop_assert!(world.execute("a", 5, "cart", &order).unwrap().is_done);
        prop_assert_eq!(world.services[world.index("cart").unwrap()].pool, 18);
        let stale = Refusal::Stale { service: "cart", given: 4, seen: 5 };
        prop_assert_eq!(world.execute("c", 4, "cart", &order), Err(stale));
        world.undo("d", 6, "a").unwrap();
        run(&mut world, 60);
        prop_assert_eq!(world.services[world.index("cart").unwrap()].pool, 12);
    }
}

#[test]
fn a_check_changes_nothing() {
    let mut world = shop(7);
    let before = format!("{world:?}");
    world.inject(&Injection { seed: 9, ..Injection::default() }, true).unwrap();
    for (_, order) in orders(&world.services[world.index("cart").unwrap()]) {
        let checked = world.check("cart", &order);
        let is_refused = matches!(checked, Err(Refusal::NeverChanged(_) | Refusal::NotDue { .. }));
        assert!(checked.is_ok() || is_refused, "{checked:?}");
    }
    assert_eq!(format!("{world:?}"), before);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut world = shop(7);
    let out = |percent| Order::ScaleOut { percent };
    assert!(world.check("cart", &out(200)).is_ok());
    let crowded = Refusal::TooManyInstances { service: "cart", wanted: 15, max: 12 };
    assert_eq!(world.check("cart", &out(400)), Err(crowded));
    let unknown = Refusal::UnknownDependency { service: "cart", dependency: "bank.example".to_owned() };
    assert_eq!(world.check("cart", &Order::FailOver { dependency: "bank.example".to_owned() }), Err(unknown));
    let renewal = world.check("cart", &Order::RenewCertificate { valid_days: 90 });
    assert!(matches!(renewal, Err(Refusal::NotDue { service: "cart", days: 30.. })), "{renewal:?}");

    let before = world.check("cart", &Order::RollBack).unwrap();
    world.execute("a", 1, "cart", &Order::FailOver { dependency: before["dependency"].clone() }).unwrap();
    run(&mut world, 60);
    let after = world.check("cart", &Order::RollBack).unwrap();
    assert_eq!((&after["dependency"], &after["standby"]), (&before["standby"], &before["dependency"]));
    world.undo("b", 2, "a").unwrap();
    run(&mut world, 60);
    assert_eq!(world.check("cart", &Order::RollBack).unwrap()["dependency"], before["dependency"]);
}

#[test]
fn load_is_turned_away_for_a_while_and_then_let_in() {
    let mut world = shop(7);
    let index = world.index("cart").unwrap();
    world.execute("a", 1, "cart", &Order::Shed { percent: 40, duration_s: 90 }).unwrap();
    run(&mut world, 60);
    assert!(world.services[index].error_ratio > 0.35, "{}", world.services[index].error_ratio);
    assert!(!world.runs.get("a").unwrap().is_done, "it lasts");
    run(&mut world, 60);
    assert!(world.services[index].error_ratio < 0.01, "{}", world.services[index].error_ratio);
    assert!(world.runs.get("a").unwrap().is_done);
    assert_eq!(world.undo("b", 2, "a"), Err(Refusal::NotUndoable("a".to_owned())));
}
