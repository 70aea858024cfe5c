//! What holds however much is sick at once.

use super::*;

/// More services than can be judged by the call graph and followed as cases.
const MANY: usize = 300;

#[test]
fn whatever_is_sick_at_once_there_are_no_more_cases_than_can_be_followed_and_nothing_is_lost() {
    let lines: Vec<String> = (0..MANY).map(|index| format!("w{index} r{index}")).collect();
    let world = World::new(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let found: Vec<Abnormal> = (0..MANY).map(|index| failing(&format!("r{index}"), 0, 5)).collect();
    let mut correlator = Correlator::default();
    let mut opened = 0;
    for second in (5..120).step_by(5) {
        let news = correlator.follow(&world, at(second), found.clone());
        opened += news.iter().filter(|news| matches!(news, News::Opened(..))).count();
    }
    assert!(opened <= CASES_MAX, "{opened}");
    let shown: BTreeSet<&ServiceId> = correlator.cases().iter().flat_map(|case| &case.services).collect();
    assert_eq!(shown.len(), MANY, "each is of a case");
}

#[test]
fn a_case_shows_a_signal_of_what_it_is_about_however_much_else_it_shows() {
    let mut world = World::new(&["web db"]).stands("db", Standing::Stirs(at(0)));
    let hint = shown("db", Signal::Errors, "requests.error_ratio", 0, 5).anomaly;
    world.hints.push(Anomaly { score: 1e6, ..hint });
    let metric = |index: usize| format!("requests.error_ratio.{index}");
    let found: Vec<Abnormal> =
        (0..case::ANOMALIES_MAX + 10).map(|index| shown("web", Signal::Errors, &metric(index), 0, 5)).collect();
    let mut correlator = Correlator::default();
    let told = (5..60).step_by(5).find_map(|second| correlator.follow(&world, at(second), found.clone()).pop());
    let Some(News::Opened(case, _, argument)) = told else { panic!("{told:?}") };
    assert_eq!(argument.hypotheses[0].service, named("db"));
    assert_eq!(case.subject(&argument), Some((named("db"), Signal::Errors)));
}
