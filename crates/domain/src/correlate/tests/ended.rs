//! What is left of a case whose incident ended, and what of a service is new.

use super::*;

#[test]
fn an_ended_case_keeps_what_is_left_of_it_and_no_other_cause() {
    let world = World::new(&SHOP);
    let mut correlator = Correlator::default();
    let first = [failing("cart", 0, 5), failing("web", 0, 5)];
    assert_eq!(world.play(&mut correlator, 0, &first).len(), 1);
    let number = correlator.cases()[0].number;
    correlator.end(number, at(65));
    // They began before the end and are sure after it: an effect that is left, and a cause of its own.
    let left = shown("web", Signal::Latency, "http.server.request.duration", 40, 70);
    let found = [first[1].clone(), left, failing("payment", 50, 70)];
    let told = world.play(&mut correlator, 70, &found[..2]);
    assert!(told.is_empty(), "{told:?}");
    let told = world.play(&mut correlator, 140, &found[2..]);
    assert_eq!(roots(&told), set(&[&["payment"]]));
    // What comes back after the end is new.
    let again = world.play(&mut correlator, 210, &[failing("cart", 205, 210)]);
    assert_eq!(roots(&again), set(&[&["cart"]]));
}

#[test]
fn a_shared_caller_shows_what_is_new_for_what_is_new() {
    let world = World::new(&SHOP);
    let late = shown("web", Signal::Latency, "http.server.request.duration", 410, 440);
    let found = [failing("cart", 0, 5), failing("web", 0, 5), failing("payment", 400, 405), late];
    let told = world.told(&found);
    let of = |root: &str| told.iter().find(|case| case.roots().any(|named| &*named.name == root)).unwrap();
    let latency = |case: &Case| case.anomalies.values().any(|anomaly| anomaly.signal == Signal::Latency);
    assert_eq!((latency(of("cart")), latency(of("payment"))), (false, true), "{told:?}");
}

#[test]
fn what_goes_on_when_its_incident_ends_is_left_to_whose_cause_explains_it() {
    let world = World::new(&SHOP);
    let mut correlator = Correlator::default();
    let found = [failing("cart", 0, 5), failing("web", 0, 5), failing("payment", 1_200, 1_205)];
    assert_eq!(world.play(&mut correlator, 0, &found).len(), 2);
    let shown = |correlator: &Correlator, root: &str| {
        let case = correlator.cases().iter().find(|case| case.roots().any(|named| &*named.name == root));
        case.is_some_and(|case| case.anomalies.contains_key(&found[1].anomaly.id))
    };
    assert!(shown(&correlator, "cart") && !shown(&correlator, "payment"), "it began long before payment did");
    let number = correlator.cases().iter().find(|case| case.roots().any(|root| &*root.name == "cart")).unwrap().number;
    correlator.end(number, at(1_300));
    world.play(&mut correlator, 1_310, &found[1..]);
    assert!(shown(&correlator, "payment"), "web fails still, and payment is why");
}
