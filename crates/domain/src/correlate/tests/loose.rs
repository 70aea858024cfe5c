//! What holds where the call graph or the samples cannot carry a decision.

use super::*;

#[test]
fn what_is_rare_in_two_callees_of_one_service_is_argued_from_together() {
    let rare = |service: &str| Abnormal { stands_alone: false, ..failing(service, 0, 5) };
    let found = [rare("a"), rare("b")];
    let mut world = World::new(&["web a", "web b"]);
    world.hints.extend(found.iter().map(|found| found.anomaly.clone()));
    let mut correlator = Correlator::default();
    let news: Vec<News> =
        (5..60).step_by(5).flat_map(|second| correlator.follow(&world, at(second), found.to_vec())).collect();
    let argued = |news: &News| match news {
        News::Opened(_, evidence, argument) => (evidence.apart.len(), argument.hypotheses[0].service.clone()),
        News::Cleared(_) => panic!("{news:?}"),
    };
    let argued: Vec<(usize, ServiceId)> = news.iter().map(argued).collect();
    assert_eq!(argued, [(0, named("a")), (0, named("a"))], "which makes one incident of both");
}
