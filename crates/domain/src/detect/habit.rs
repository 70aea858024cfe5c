//! How a series moves over longer than its samples are kept: whether it stands still though it never did, and whether it
//! creeps. Six bytes of each series, which its alignment leaves free.

use std::cmp::Ordering;

use super::short::Short;

/// Equal samples in a row that are a standstill, and so many times as many as there ever were.
pub(crate) const STILL_MIN: u8 = 30;
const STILL_TIMES: u8 = 5;
/// Times that the median has to have risen, less what it fell, to creep. It is looked at after every eight samples: by
/// chance it rises every other time.
pub(crate) const RISES_MIN: u8 = 60;
/// How many rises are remembered: so few more that a median which falls soon creeps no more.
const RISES_MAX: u8 = 80;
/// Looks in a row without a rise that end it: as many as renew the whole baseline.
const PAUSES_MAX: u8 = 30;
/// How many rises a fall outweighs. The median of noise falls as often as it rises.
const FALL: u8 = 4;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habit {
    /// The median that it rises from.
    from: Short,
    rises: u8,
    pauses: u8,
    /// Samples in a row, up to the newest, that equal the one before.
    same: u8,
    /// The most of them that were usual.
    same_most: u8,
}

impl Habit {
    /// Of a series that takes the place of another.
    pub(crate) fn heir(of: Self) -> Self {
        Self { same_most: of.same_most, ..Self::default() }
    }

    /// Whether neither is to be thought of: nearly always.
    pub(crate) fn is_plain(self) -> bool {
        self.same < STILL_MIN && self.rises < RISES_MIN
    }

    /// Samples in a row, up to the newest, that equal the one before.
    pub(crate) fn repeated(self) -> u8 {
        self.same
    }

    /// Whether it repeats one value for much longer than it ever did.
    pub(crate) fn stands_still(self) -> bool {
        self.same >= STILL_MIN.max(self.same_most.saturating_mul(STILL_TIMES))
    }

    /// The median that it has risen from, for long and hardly with a pause.
    pub(crate) fn risen_from(self) -> Option<f64> {
        (self.rises >= RISES_MIN).then(|| self.from.get())
    }

    /// A sample equals the one before.
    pub(crate) fn repeats(&mut self) {
        self.same = self.same.saturating_add(1);
    }

    /// A sample differs from the one before. How long they were equal is usual, unless that was called a standstill.
    pub(crate) fn varies(&mut self, is_usual: bool) {
        if is_usual {
            self.same_most = self.same_most.max(self.same);
        }
        self.same = 0;
    }

    /// The median was looked at again.
    pub(crate) fn moves(&mut self, before: Short, now: Short) {
        let way = now.order().cmp(&before.order());
        if way == Ordering::Greater {
            if self.rises == 0 {
                self.from = before;
            }
            self.rises = (self.rises + 1).min(RISES_MAX);
            self.pauses = 0;
            return;
        }
        self.pauses = (self.pauses + 1).min(PAUSES_MAX);
        if self.pauses == PAUSES_MAX {
            self.rises = 0;
        } else if way == Ordering::Less {
            self.rises = self.rises.saturating_sub(FALL);
        }
    }

    /// The median begins anew.
    pub(crate) fn begins_anew(&mut self) {
        (self.rises, self.pauses) = (0, 0);
    }
}
