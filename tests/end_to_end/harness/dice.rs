//! Random numbers that come out the same in every run.

/// Xorshift with 64 bits of state: enough to cut a stream at odd places.
pub(crate) struct Dice(u64);

impl Dice {
    /// The same `seed` gives the same numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number from `range`, which is not empty.
    pub(crate) fn roll(&mut self, range: std::ops::Range<usize>) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let spread = u64::try_from(range.len()).expect("a usize fits");
        range.start + usize::try_from((self.0 >> 11) % spread).expect("smaller than the range")
    }

    /// A number from 0 up to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        let thousandths = u32::try_from(self.roll(0..1_000_000)).expect("below a million");
        f64::from(thousandths) / 1e6
    }
}
