//! Numbers in three bytes: five digits are as many as what a series has been is asked for.

use crate::save::{Damaged, Save, Saved, hold};

/// The upper 24 bits of a number in single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Short([u8; 3]);

impl Save for Short {
    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let short = Self(Save::load(from)?);
        hold(short.get().is_finite(), "a number is infinite, or none").map(|()| short)
    }
}

impl Short {
    /// `value` (finite) with as many digits as there is room for: no number becomes infinite, and none changes its order.
    pub(super) fn new(value: f32) -> Self {
        let [a, b, c, _] = value.to_bits().to_be_bytes();
        Self([a, b, c])
    }

    pub(super) fn get(self) -> f32 {
        let Self([a, b, c]) = self;
        f32::from_bits(u32::from_be_bytes([a, b, c, 0]))
    }

    /// Reads a little of it.
    pub(super) fn touch(self) -> u64 {
        u64::from(self.0[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_five_digits_and_its_order() {
        let values = [
            f32::MIN,
            -1e10,
            -93.917_15,
            -1e-30,
            0.0,
            1e-30,
            1.0,
            93.917_15,
            93.92,
            1e10,
            f32::MAX,
        ];
        let kept = values.map(|value| Short::new(value).get());
        assert!(kept.is_sorted());
        for (kept, value) in kept.into_iter().zip(values) {
            assert!((kept - value).abs() <= value.abs() / 30_000.0, "{kept} for {value}");
        }
    }
}
