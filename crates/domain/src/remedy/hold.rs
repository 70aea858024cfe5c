//! What people order while it lasts: that nothing is done at all, or nothing to some services for some time, or nothing
//! to services that are in maintenance and on account of incidents about those.
//!
//! Holds are no part of the policy, and so of no digest: an approval outlives them.

use super::{Block, BlockReason, ServicePattern};
use crate::{ServiceId, Timestamp};

/// Characters of a note that a block repeats.
const NOTE_SHOWN: usize = 200;

/// A time in which no target of some services is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Which services.
    pub services: Vec<ServicePattern>,
    /// From this time on; `None` from when it was ordered, whatever a clock says that is behind.
    pub start: Option<Timestamp>,
    /// Until just before this time.
    pub end: Timestamp,
    /// What the person who ordered it wrote.
    pub note: String,
}

impl Freeze {
    /// Whether it has begun and is not over.
    pub fn stands(&self, now: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= now) && now < self.end
    }

    fn covers(&self, service: &ServiceId, now: Timestamp) -> bool {
        self.stands(now) && self.services.iter().any(|pattern| pattern.matches(service))
    }
}

/// A maintenance window, as far as it holds the targets that it covers. What cannot be read of it holds more, not less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceHold {
    /// The window's name.
    pub window: String,
    /// Which services; `None` where that cannot be read, so that it may be any.
    pub services: Option<Vec<ServicePattern>>,
    /// From this time on; `None` from when it was ordered, whatever a clock says that is behind.
    pub start: Option<Timestamp>,
    /// Until just before this time; `None` where it does not say, so that it is not over.
    pub end: Option<Timestamp>,
}

impl MaintenanceHold {
    /// Whether it has begun and is not over.
    pub fn stands(&self, now: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now < end)
    }

    fn covers(&self, service: &ServiceId, now: Timestamp) -> bool {
        let services = self.services.as_ref();
        self.stands(now) && services.is_none_or(|services| services.iter().any(|pattern| pattern.matches(service)))
    }
}

/// Everything that is on hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// Why nothing may be done at all; `None` while the kill switch is released.
    pub kill_switch: Option<String>,
    /// Freezes that are not over, in any order.
    pub freezes: Vec<Freeze>,
    /// The maintenance window that covers the incident on whose account something is to be done, by its name; `None`
    /// where none does. The incident's owner says so, by its clock.
    pub maintenance: Option<String>,
    /// Maintenance windows that are not over, of whatever services, in any order.
    pub windows: Vec<MaintenanceHold>,
}

impl Holds {
    /// The holds that forbid to call the target of a service now, on account of the incident that `maintenance` speaks
    /// of; of freezes and windows the last to end. Empty where none does.
    pub fn blocks(&self, service: &ServiceId, now: Timestamp) -> Vec<Block> {
        let block = |reason, fact: String, note: &str| {
            let note: String = note.chars().take(NOTE_SHOWN).collect();
            let detail = if note.is_empty() { fact } else { format!("{fact}: {note}") };
            Block { reason, detail }
        };
        let killed = self.kill_switch.iter();
        let killed = killed.map(|note| block(BlockReason::KillSwitch, "the kill switch is engaged".to_owned(), note));
        let freezes = self.freezes.iter().filter(|freeze| freeze.covers(service, now));
        let frozen = freezes.max_by_key(|freeze| freeze.end).into_iter().map(|freeze| {
            block(BlockReason::Freeze, format!("{service} is frozen until {}", freeze.end), &freeze.note)
        });
        let maintained = self.maintained(service, now).map(|fact| block(BlockReason::Maintenance, fact, ""));
        killed.chain(frozen).chain(maintained).collect()
    }

    /// Whether a freeze or a window holds a service now, on whichever incident's account something is to be done to it.
    pub(super) fn holds_target(&self, service: &ServiceId, now: Timestamp) -> bool {
        self.freezes.iter().any(|freeze| freeze.covers(service, now))
            || self.windows.iter().any(|window| window.covers(service, now))
    }

    /// Which window holds, in words: mostly an incident is about its target, and one word of that is enough.
    fn maintained(&self, service: &ServiceId, now: Timestamp) -> Option<String> {
        if let Some(window) = &self.maintenance {
            return Some(format!("the incident is in maintenance, {window}"));
        }
        let covering = self.windows.iter().filter(|window| window.covers(service, now));
        // One that does not say when it ends is the last.
        let last = covering.max_by_key(|window| (window.end.is_none(), window.end))?;
        Some(format!("{service} is in maintenance, {}", last.window))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    proptest! {
        #[test]
        fn a_freeze_holds_its_services_from_its_start_until_its_end(
            start in 0_i64..100,
            length in 0_i64..100,
            now in 0_i64..250,
            is_meant in any::<bool>(),
            is_at_once in any::<bool>(),
        ) {
            let pattern = ServicePattern::parse("shop/c*@production").unwrap();
            let (services, end) = (vec![pattern], at(start + length));
            let begun = (!is_at_once).then(|| at(start));
            let freeze = Freeze { services, start: begun, end, note: String::new() };
            let holds = Holds { freezes: vec![freeze.clone(), freeze], ..Holds::default() };
            let service = ServiceId::new("shop", if is_meant { "cart" } else { "web" }, "production");
            // Its first and last second, and those around them, are seldom drawn.
            for now in [now, start - 1, start, start + length - 1, start + length] {
                let is_held = is_meant && (is_at_once || start <= now) && now < start + length;
                prop_assert!(holds.blocks(&service, at(now)).len() <= 1);
                prop_assert_eq!(!holds.blocks(&service, at(now)).is_empty(), is_held);
            }
        }

        #[test]
        fn the_kill_switch_holds_everything(name in "[a-z]{1,8}", now in 0_i64..250) {
            let holds = Holds { kill_switch: Some("migration".to_owned()), ..Holds::default() };
            let blocks = holds.blocks(&ServiceId::named(&name), at(now));
            prop_assert_eq!(blocks.len(), 1);
            prop_assert_eq!(blocks[0].reason, BlockReason::KillSwitch);
            prop_assert!(blocks[0].detail.contains("migration"));
        }

        #[test]
        fn a_maintenance_window_holds_the_targets_that_it_covers_while_it_stands(
            start in 0_i64..100,
            length in 0_i64..100,
            now in 0_i64..250,
            is_meant in any::<bool>(),
            is_at_once in any::<bool>(),
            is_readable in any::<bool>(),
            has_end in any::<bool>(),
        ) {
            let services = is_readable.then(|| vec![ServicePattern::parse("shop/c*@production").unwrap()]);
            let begun = (!is_at_once).then(|| at(start));
            let end = has_end.then(|| at(start + length));
            let window = MaintenanceHold { window: "maintenanceWindows/1".to_owned(), services, start: begun, end };
            let longer = MaintenanceHold {
                window: "maintenanceWindows/2".to_owned(),
                end: end.map(|end| end + std::time::Duration::from_secs(1)),
                ..window.clone()
            };
            let holds = Holds { windows: vec![longer, window], ..Holds::default() };
            let service = ServiceId::new("shop", if is_meant { "cart" } else { "web" }, "production");
            let blocks = holds.blocks(&service, at(now));
            let is_covered = is_meant || !is_readable;
            let is_held = is_covered && (is_at_once || start <= now) && (!has_end || now <= start + length);
            prop_assert_eq!(blocks.len(), usize::from(is_held));
            for block in blocks {
                prop_assert_eq!(block.reason, BlockReason::Maintenance);
                prop_assert!(block.reason.is_passing());
                let last = if has_end { "maintenanceWindows/2" } else { "maintenanceWindows/" };
                prop_assert!(block.detail.contains(last) && block.detail.contains(&service.to_string()));
            }
        }

        #[test]
        fn maintenance_holds_whatever_the_target_and_names_its_window(name in "[a-z]{1,8}", now in 0_i64..250) {
            let window = "maintenanceWindows/1".to_owned();
            let of_target =
                MaintenanceHold { window: "maintenanceWindows/2".to_owned(), services: None, start: None, end: None };
            let windows = vec![of_target];
            let holds = Holds { maintenance: Some(window.clone()), windows, ..Holds::default() };
            let blocks = holds.blocks(&ServiceId::named(&name), at(now));
            prop_assert_eq!(blocks.len(), 1);
            prop_assert_eq!(blocks[0].reason, BlockReason::Maintenance);
            prop_assert!(blocks[0].reason.is_passing() && blocks[0].detail.contains(&window));
        }
    }
}
