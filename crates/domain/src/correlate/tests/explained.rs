//! What was told apart, and is known to be of one cause later.

use super::*;

/// Numbers by root: `cart` and `payment` of a shop where nobody knows yet that one calls the other.
fn told_apart(correlator: &mut Correlator, found: &[Abnormal]) -> (u64, u64) {
    let told = World::new(&["web cart", "gift payment"]).play(correlator, 0, found);
    assert_eq!(roots(&told), set(&[&["cart"], &["payment"]]));
    let number = |root: &str| told.iter().find(|case| case.roots().any(|named| &*named.name == root)).unwrap().number;
    (number("cart"), number("payment"))
}

/// By whom a case is explained as of a minute from the last look.
fn look(world: &World, correlator: &mut Correlator, found: &[Abnormal], number: u64) -> Option<u64> {
    let from = correlator.asked_at + Duration::from_secs(STEP_S.unsigned_abs());
    world.play(correlator, i64::try_from(from.since(at(0)).as_secs()).unwrap(), found);
    let sick = found.iter().map(|found| found.anomaly.service.clone()).collect();
    correlator.explained(&Kin::new(world, &sick), number, |_| true)
}

#[test]
fn a_case_is_explained_once_it_is_known_that_its_root_calls_anothers() {
    let found = [failing("cart", 0, 5), failing("payment", 0, 5)];
    let mut correlator = Correlator::default();
    let (cart, payment) = told_apart(&mut correlator, &found);
    let before = World::new(&["web cart", "gift payment"]);
    assert_eq!(look(&before, &mut correlator, &found, cart), None, "neither is known to call the other");
    let known = World::new(&["web cart", "gift payment", "cart payment"]);
    assert_eq!(look(&known, &mut correlator, &found, cart), Some(payment));
    assert_eq!(look(&known, &mut correlator, &found, payment), None, "effects explain no cause");
}

#[test]
fn of_two_that_explain_each_other_one_stays() {
    let found = [failing("cart", 0, 5), failing("payment", 0, 5)];
    let mut correlator = Correlator::default();
    let (cart, payment) = told_apart(&mut correlator, &found);
    let known = World::new(&["web cart", "gift payment", "cart payment", "payment cart"]);
    assert_eq!(look(&known, &mut correlator, &found, cart), Some(payment));
    correlator.hand_over(cart, payment, at(130));
    let taker = correlator.cases().iter().find(|case| case.number == payment).unwrap();
    assert!(found.iter().all(|found| taker.anomalies.contains_key(&found.anomaly.id)), "{taker:?}");
    let sick = found.iter().map(|found| found.anomaly.service.clone()).collect();
    assert_eq!(
        correlator.explained(&Kin::new(&known, &sick), payment, |_| true),
        None,
        "what was let go explains nothing"
    );
}

#[test]
fn what_has_a_cause_of_its_own_or_lies_behind_one_that_is_well_is_not_explained() {
    // It fails long before payment does, right after it was changed itself.
    let found = [failing("cart", 0, 5), failing("payment", 400, 405)];
    let mut correlator = Correlator::default();
    let (cart, _) = told_apart(&mut correlator, &found);
    let known = World::new(&["web cart", "gift payment", "cart payment"]).changed("cart", -60);
    assert_eq!(look(&known, &mut correlator, &found, cart), None);

    let found = [failing("cart", 0, 5), failing("payment", 0, 5)];
    let mut correlator = Correlator::default();
    let (cart, _) = told_apart(&mut correlator, &found);
    let known = World::new(&["web cart", "gift payment", "cart ledger", "ledger payment"]);
    assert_eq!(look(&known, &mut correlator, &found, cart), None);
}

#[test]
fn what_shows_no_more_explains_nothing() {
    let found = [failing("cart", 0, 5), failing("payment", 0, 5)];
    let mut correlator = Correlator::default();
    let (cart, _) = told_apart(&mut correlator, &found);
    let known = World::new(&["web cart", "gift payment", "cart payment"]);
    assert_eq!(look(&known, &mut correlator, &found[..1], cart), None);
}

/// What is measured rarely has no root, and what was changed may be why it fails.
#[test]
fn what_was_changed_is_not_explained_where_the_call_graph_could_not_tell() {
    let rare = |found: Abnormal| Abnormal { stands_alone: false, ..found };
    let found = [rare(failing("cart", 300, 305)), failing("payment", 0, 5)];
    for (changes, expected) in [(false, true), (true, false)] {
        let mut correlator = Correlator::default();
        let mut apart = World::new(&["web cart", "gift payment"]);
        let mut known = World::new(&["web cart", "gift payment", "cart payment"]);
        if changes {
            (apart, known) = (apart.changed("cart", 240), known.changed("cart", 240));
        }
        let told = apart.play(&mut correlator, 0, &found);
        let cart = told.iter().find(|case| case.services.contains(&named("cart"))).unwrap();
        assert!(cart.roots().next().is_none(), "{cart:?}");
        let number = cart.number;
        assert_eq!(look(&known, &mut correlator, &found, number).is_some(), expected);
    }
}

#[test]
fn only_who_is_told_may_take() {
    let found = [failing("cart", 0, 5), failing("payment", 0, 5)];
    let mut correlator = Correlator::default();
    let (cart, payment) = told_apart(&mut correlator, &found);
    let known = World::new(&["web cart", "gift payment", "cart payment"]);
    assert_eq!(look(&known, &mut correlator, &found, cart), Some(payment));
    let sick = found.iter().map(|found| found.anomaly.service.clone()).collect();
    assert_eq!(correlator.explained(&Kin::new(&known, &sick), cart, |number| number != payment), None);
}
