//! Maintenance windows: what nothing is called for, and who is told when they are over.

use llm_sre_proto::incident::v1::{Maintenance, MaintenanceWindow, Notification};

use super::*;

/// A window that ends then, from a time or from when it is ordered.
fn window(pattern: &str, start: Option<i64>, end: i64) -> MaintenanceWindow {
    let time = |second| to_proto_time(at(second));
    let (name, services) = ("maintenanceWindows/1".to_owned(), vec![pattern.to_owned()]);
    let (start_time, end_time) = (start.map(time), Some(time(end)));
    MaintenanceWindow { name, services, start_time, end_time, ..MaintenanceWindow::default() }
}

/// An incident about `web`, for which something is done to `cart`; and a window, ordered at 150.
fn under(pattern: &'static str, start: Option<i64>, end: i64) -> impl FnOnce(&mut Seen) {
    move |seen: &mut Seen| {
        let service = Some(ServiceIdentity { name: "web".to_owned(), ..ServiceIdentity::default() });
        put(seen, "incidents", &Incident { service, ..incident(INCIDENT, State::Open) }, 102);
        put(seen, "maintenance_windows", &window(pattern, start, end), 150);
    }
}

#[test]
fn nothing_is_called_for_what_is_in_maintenance_but_what_could_not_be_known() {
    for (pattern, start, end, is_held) in [
        ("shop/web@demo", None, 300, true),
        ("shop/cart@demo", None, 300, true),
        ("shop/*@demo", None, 300, true),
        ("shop/search@demo", None, 300, false),
        ("shop/web@demo", Some(140), 300, true),
        ("shop/web@demo", Some(157), 300, true),
        ("shop/web@demo", Some(158), 300, false),
        ("shop/cart@demo", Some(158), 300, false),
        ("shop/web@demo", None, 200, false),
        ("shop/cart@demo", None, 200, false),
    ] {
        let rules: &[Rule] = if is_held { &[Rule::Holds] } else { &[] };
        assert_eq!(called(Standing::Auto, under(pattern, start, end)), rules, "{pattern} {start:?} {end}");
        assert_eq!(taken_back(Standing::Auto, under(pattern, start, end)), rules, "{pattern} {start:?} {end}");
    }
}

#[test]
fn a_window_that_is_written_again_was_known_before_and_one_that_is_ended_is_over() {
    let again = |end: i64| {
        move |seen: &mut Seen| {
            under("shop/web@demo", None, 300)(seen);
            assert_eq!(seen.maintained(at(190)).len(), 1);
            put(seen, "maintenance_windows", &window("shop/web@demo", None, end), 190);
            assert_eq!(seen.maintained(at(190)).len(), usize::from(end > 190));
        }
    };
    assert_eq!(called(Standing::Auto, again(300)), [Rule::Holds]);
    assert_eq!(called(Standing::Auto, again(190)), []);
}

#[test]
fn people_are_told_once_of_what_outlived_maintenance() {
    let time = |second| to_proto_time(at(second));
    let marked = |window: &str, over: Option<i64>, told: Option<i64>| {
        let window = format!("maintenanceWindows/{window}");
        let maintenance = Some(Maintenance { window, over_time: over.map(time), ..Maintenance::default() });
        let last_notification = told.map(|second| Notification { time: Some(time(second)), urgent: false });
        Incident { maintenance, last_notification, ..incident(INCIDENT, State::Escalated) }
    };
    let lived = |lives: &[Incident]| {
        let mut seen = Seen::default();
        put(&mut seen, "incidents", &incident(INCIDENT, State::Open), 100);
        lives.iter().for_each(|life| put(&mut seen, "incidents", life, 200));
        seen
    };
    let rules = |lives: &[Incident]| broken(&lived(lives));
    let (covered, over) = (marked("1", None, Some(90)), marked("1", Some(200), Some(200)));
    assert_eq!(rules(&[covered.clone(), over.clone()]), []);
    assert_eq!(rules(&[covered.clone(), over.clone(), over.clone(), marked("2", None, Some(200))]), []);
    assert_eq!(rules(&[covered.clone(), marked("1", Some(200), Some(90))]), [Rule::Lives], "nobody was told");
    assert_eq!(rules(&[covered.clone(), marked("1", Some(200), None)]), [Rule::Lives], "nobody was ever told");
    assert_eq!(rules(&[covered.clone(), over.clone(), covered.clone()]), [Rule::Lives], "it begins again");
    let twice = marked("1", Some(210), Some(210));
    assert_eq!(rules(&[covered.clone(), over.clone(), twice]), [Rule::Lives], "they were told twice");

    assert_eq!(lived(&[covered.clone(), over]).open(), None);
    let mut seen = lived(std::slice::from_ref(&covered));
    assert_eq!(broken(&seen), []);
    seen.end();
    assert_eq!(broken(&seen), [Rule::InTime], "nobody was told of it since");
    let ended = Incident { state: State::Duplicate.into(), ..covered.clone() };
    assert_eq!(lived(&[covered, ended]).open(), None, "what ended in maintenance stays silent");
}
