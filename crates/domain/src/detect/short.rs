//! Numbers in two bytes: a sign, seven bits of exponent and eight of mantissa.
//!
//! They are right to a part in a thousand between 10⁻¹⁹ and 10¹⁹; what is smaller is zero, what is larger the largest.
//! Nothing is called abnormal by less than a twentieth, and each series keeps hundreds of them.

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Short(u16);

const SIGN: u16 = 0x8000;
/// Between the exponent's zero of 32-bit floats and that of these, at the place where those keep it.
const REBIAS: u32 = (127 - 63) << 23;
/// Bits of a mantissa of 32-bit floats that are given up.
const GIVEN_UP: u32 = 15;

impl Short {
    /// The nearest one.
    pub(crate) fn nearest(value: f64) -> Self {
        Self::of(value, 1 << (GIVEN_UP - 1))
    }

    /// The nearest one that is not further from zero.
    pub(crate) fn towards_zero(value: f64) -> Self {
        Self::of(value, 0)
    }

    fn of(value: f64, round: u32) -> Self {
        let bits = (value as f32).to_bits();
        let magnitude = (bits & 0x7fff_ffff).saturating_sub(REBIAS);
        let short = u16::try_from((magnitude + round) >> GIVEN_UP).map_or(!SIGN, |short| short.min(!SIGN));
        Self(if bits >> 31 == 1 && short > 0 { short | SIGN } else { short })
    }

    pub(crate) fn get(self) -> f64 {
        let magnitude = u32::from(self.0 & !SIGN) << GIVEN_UP;
        let value = if magnitude == 0 { 0.0 } else { f64::from(f32::from_bits(magnitude + REBIAS)) };
        if self.0 & SIGN == 0 { value } else { -value }
    }

    /// A number that orders them.
    pub(crate) fn order(self) -> u16 {
        if self.0 & SIGN == 0 { self.0 | SIGN } else { !self.0 }
    }

    /// The one that has this order.
    pub(crate) fn from_order(order: u16) -> Self {
        Self(if order & SIGN == 0 { !order } else { order & !SIGN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_round_stays_what_it_is() {
        for value in [0.0, 1.0, -1.0, 3.0, 4.0, 8.0, 100.0, 0.5, 256.0, -0.25] {
            assert_eq!(Short::nearest(value).get(), value);
            assert_eq!(Short::towards_zero(value).get(), value);
        }
        assert_eq!(Short::nearest(1e-30).get(), 0.0);
        assert!(Short::nearest(1e30).get() > 1e19 && Short::nearest(f64::MAX) == Short::nearest(1e30));
        assert!(Short::nearest(-1e30).get() < -1e19);
    }

    proptest! {
        #[test]
        fn they_are_near_and_in_order(a in prop::num::f64::NORMAL, b in -1e6_f64..1e6) {
            let (short, other) = (Short::nearest(a), Short::nearest(b));
            prop_assert_eq!(Short::from_order(short.order()), short);
            prop_assert_eq!(short.order().cmp(&other.order()), short.get().total_cmp(&other.get()));
            if (1e-18..1e18).contains(&a.abs()) {
                prop_assert!((short.get() - a).abs() <= a.abs() / 500.0, "{a} is {}", short.get());
                prop_assert!(Short::towards_zero(a).get().abs() <= a.abs() * (1.0 + 1e-7));
            }
        }
    }
}
