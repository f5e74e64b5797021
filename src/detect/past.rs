//! The longer past of one series: means of equal steps of time, for much longer than windows reach back.
//!
//! For detectors that look far back and need not look closely. A step begins at a multiple of its length since 1970, and is known
//! once a sample of a later one has come; steps without samples are kept as such, so that a gap stays one.
//!
//! Means are kept in single precision as differences from the first, 4 bytes each: what they lose is a ten-millionth of how
//! far the series has gone. A sample costs an addition, a step its 4 bytes.

mod season;
mod sums;

use std::collections::VecDeque;

pub(super) use season::{
    DAY_S, Profile, Scratch as SeasonScratch, WEEK_S, median, slot, take_season, take_week_seen_twice,
};
pub(super) use sums::Sums;

use super::{Standing, single::single};
use crate::{
    save::{Damaged, Save, Saved, fields, hold},
    window::Point,
};

/// Steps that memory is taken for at a time.
const GROWTH: usize = 48;

/// The means of the last steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Past {
    /// What means are differences from.
    origin: f64,
    /// The step that is not over yet.
    open: Step,
    /// Those that are, the last being the one before `open`; NaN where there was no sample.
    means: VecDeque<f32>,
}

/// A step of time, and its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Step {
    /// Its number, counted from 1970.
    number: i64,
    /// Of differences from the origin.
    sum: f64,
    samples: u32,
}

/// How long steps are, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// Length (seconds, 1 or more).
    pub(super) step_s: i64,
    /// Most that are kept.
    pub(super) kept: usize,
}

fields!(Step { number, sum, samples });

impl Save for Past {
    fn save(&self, out: &mut Vec<u8>) {
        let Self { origin, open, means } = self;
        origin.save(out);
        open.save(out);
        u32::try_from(means.len()).expect("few steps are kept").save(out);
        for mean in means {
            mean.save(out);
        }
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let (origin, open) = (f64::load(from)?, Step::load(from)?);
        let count = u32::load(from)? as usize;
        let mut bytes = Saved::new(from.take(count.saturating_mul(size_of::<f32>()))?);
        let mut means = VecDeque::with_capacity(count.next_multiple_of(GROWTH));
        for _ in 0..count {
            let mean = f32::load(&mut bytes)?;
            hold(!mean.is_infinite(), "the mean of a step is infinite")?;
            means.push_back(mean);
        }
        hold(origin.is_finite() && open.sum.is_finite(), "a sum is infinite, or none")?;
        hold(open.samples > 0 || means.is_empty(), "a step without samples is open")?;
        hold(open.number.unsigned_abs() < 1 << 60, "a step is of no time")?;
        Ok(Self { origin, open, means })
    }
}

impl Past {
    /// Takes in a sample, later than all others. Gives whether a step is over by it.
    pub(super) fn push(&mut self, point: Point, steps: Steps) -> bool {
        let number = point.timestamp.div_euclid(steps.step_s);
        let is_first = self.open.samples == 0;
        if is_first {
            self.origin = point.value;
        }
        let ends = !is_first && number != self.open.number;
        if ends {
            self.end(number, steps.kept);
        }
        if is_first || ends {
            self.open = Step {
                number,
                ..Step::default()
            };
        }
        // Held, as the differences of the largest numbers have no room.
        self.open.sum = (self.open.sum + (point.value - self.origin)).clamp(f64::MIN, f64::MAX);
        self.open.samples = self.open.samples.saturating_add(1);
        ends
    }

    /// Ends the open step, as a sample of the step `next` has come.
    fn end(&mut self, next: i64, kept: usize) {
        let missing = usize::try_from(next - self.open.number - 1).unwrap_or_default();
        if missing >= kept {
            self.means.clear();
            return;
        }
        let mean = single(self.open.sum / f64::from(self.open.samples));
        for mean in std::iter::once(mean).chain(std::iter::repeat_n(f32::NAN, missing)) {
            if self.means.len() >= kept {
                self.means.pop_front();
            } else if self.means.len() == self.means.capacity() {
                self.means.reserve_exact(GROWTH.min(kept - self.means.len()));
            }
            self.means.push_back(mean);
        }
    }

    /// Number of the step that is open, counted from 1970.
    pub(super) fn open_number(&self) -> i64 {
        self.open.number
    }

    /// The standing of a series of which `needed_s` seconds have to be known, in steps of `step_s`. Steps without samples do not
    /// count: where a gap has made it that long, it is not known.
    pub(super) fn warming_up(&self, step_s: i64, needed_s: i64) -> Standing {
        let known = self.means.iter().filter(|mean| !mean.is_nan()).count();
        let known_s = i64::try_from(known).unwrap_or(i64::MAX).saturating_mul(step_s);
        Standing::WarmingUp {
            samples: 0,
            samples_needed: 0,
            age_s: known_s.min(needed_s),
            age_needed_s: needed_s,
        }
    }

    /// The steps that are kept, oldest first; NaN where there was no sample.
    pub(super) fn values(&self, values: &mut Vec<f64>) {
        values.clear();
        values.extend(self.means.iter().map(|mean| self.origin + f64::from(*mean)));
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        self.means.capacity() * size_of::<f32>()
    }

    /// Reads a little of what the next sample changes.
    pub(super) fn touch(&self) -> u64 {
        self.open.sum.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: Steps = Steps { step_s: 60, kept: 50 };

    fn of(samples: &[(i64, f64)]) -> Past {
        let mut past = Past::default();
        for &(timestamp, value) in samples {
            past.push(Point { timestamp, value }, STEPS);
        }
        past
    }

    fn values(past: &Past) -> Vec<f64> {
        let mut values = Vec::new();
        past.values(&mut values);
        values
    }

    #[test]
    fn a_step_is_known_by_its_mean_once_it_is_over() {
        let mut past = of(&[(0, 1.0), (30, 2.0)]);
        assert!(values(&past).is_empty());
        assert!(past.push(
            Point {
                timestamp: 60,
                value: 9.0
            },
            STEPS
        ));
        assert!(!past.push(
            Point {
                timestamp: 119,
                value: 9.0
            },
            STEPS
        ));
        assert_eq!((values(&past), past.open_number()), (vec![1.5], 1));
    }

    #[test]
    fn a_gap_stays_one_and_a_long_one_ends_all() {
        let past = of(&[(0, 1.0), (180, 2.0), (240, 2.0)]);
        let known = values(&past);
        assert_eq!((known[0], known[3]), (1.0, 2.0));
        assert!(known[1].is_nan() && known[2].is_nan());
        assert!(values(&of(&[(0, 1.0), (60, 1.0), (60 * 60, 2.0)])).is_empty());
    }

    #[test]
    fn no_number_is_too_large() {
        let past = of(&[(0, f64::MAX), (60, f64::MIN), (61, f64::MIN), (120, 0.0)]);
        assert!(
            values(&past).iter().all(|value| value.is_finite()),
            "{:?}",
            values(&past)
        );
    }

    proptest! {
        #[test]
        fn the_last_steps_are_kept_and_come_back_to_the_bit(
            samples in proptest::collection::vec((1_i64..200, -1000_i32..1000), 1..300),
        ) {
            let mut timestamp = 1_700_000_000;
            let mut plain = std::collections::BTreeMap::<i64, Vec<f64>>::new();
            let mut past = Past::default();
            for (after, value) in samples {
                timestamp += after;
                let value = f64::from(value);
                past.push(Point { timestamp, value }, STEPS);
                plain.entry(timestamp / 60).or_default().push(value);
            }
            let known = values(&past);
            let open = timestamp / 60;
            let first = *plain.keys().next().unwrap();
            prop_assert_eq!(i64::try_from(known.len()).unwrap(), (open - first).min(50));
            for (number, known) in (1..=i64::try_from(known.len()).unwrap()).zip(known.iter().rev()) {
                match plain.get(&(open - number)) {
                    None => prop_assert!(known.is_nan()),
                    Some(values) => {
                        let mean = values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).unwrap());
                        prop_assert!((known - mean).abs() < 1e-3, "{} is not {}", known, mean);
                    }
                }
            }
            let mut bytes = Vec::new();
            past.save(&mut bytes);
            let mut from = Saved::new(&bytes);
            let loaded = Past::load(&mut from).unwrap();
            from.end().unwrap();
            let mut again = Vec::new();
            loaded.save(&mut again);
            prop_assert_eq!(bytes, again);
        }
    }
}
