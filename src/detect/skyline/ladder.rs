//! A ladder through the values of a window: how many lie between each of its rungs and the next.
//!
//! What only order can tell (medians, ranks, counts between two values) would need all values in order, 8 bytes each and
//! moved about with every sample. Most questions are decided by far less: some sixty counts that are exact, and with them
//! the least and the most that an answer can be. Where that is not enough, whoever asks reads the values themselves and
//! sets the rungs anew.
//!
//! * 800 bytes, whatever the window; a value that comes or goes costs a search among 63 rungs.
//! * Rungs are close where values are: a thirty-second of them apart, near both ends a few. A value that many share has
//!   a place to itself.
//! * The smallest and the largest value are known exactly, until the last of that size leaves.

/// Rungs, which part one place more. One less than a power of two, for the search.
const RUNGS: usize = 63;
/// Values looked at to set the rungs between the ends.
const SAMPLE: usize = 512;
/// Parts of all values that rungs part, away from the ends.
const PARTS: usize = 32;
/// Places from either end at which there is a rung.
const END_RANKS: [usize; 8] = [4, 8, 12, 16, 20, 28, 44, 76];
/// Most rungs of those that whoever asks would like.
pub(super) const WISHES_MAX: usize = 16;
const _: () = assert!(
    PARTS - 1 + 2 * END_RANKS.len() + WISHES_MAX <= RUNGS,
    "there is room for all rungs"
);

/// Counts of values by place.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    /// In ascending order; behind those there are, infinity.
    rungs: [f64; RUNGS],
    /// Values that reach so many rungs and no more.
    counts: [u32; RUNGS + 1],
    total: u32,
    smallest: Extreme,
    largest: Extreme,
}

/// No value of the window is further out than `value`.
#[derive(Clone, Copy, Debug)]
struct Extreme {
    value: f64,
    /// Values as far out as that; 0: there is none any more.
    copies: u32,
}

/// The least and the most that a number can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Between {
    pub(super) least: u32,
    pub(super) most: u32,
}

impl Between {
    /// The number, where it is known.
    pub(super) fn exactly(self) -> Option<u32> {
        (self.least == self.most).then_some(self.least)
    }
}

impl Ladder {
    /// Counts `values`, with rungs at `wishes` too, of which [`WISHES_MAX`] count.
    pub(super) fn new(values: &[f64], wishes: impl IntoIterator<Item = f64>) -> Self {
        let mut rungs = [f64::INFINITY; RUNGS];
        let mut set = set_rungs(values);
        set.extend(wishes.into_iter().take(WISHES_MAX));
        set.sort_unstable_by(f64::total_cmp);
        set.dedup();
        for (place, rung) in rungs.iter_mut().zip(set) {
            *place = rung;
        }
        let mut ladder = Self {
            rungs,
            counts: [0; RUNGS + 1],
            total: 0,
            smallest: Extreme {
                value: f64::INFINITY,
                copies: 0,
            },
            largest: Extreme {
                value: f64::NEG_INFINITY,
                copies: 0,
            },
        };
        for &value in values {
            ladder.add(value);
        }
        ladder
    }

    pub(super) fn add(&mut self, value: f64) {
        self.counts[self.place(value)] += 1;
        self.total += 1;
        self.smallest.add(value, value < self.smallest.value);
        self.largest.add(value, value > self.largest.value);
    }

    /// Takes away a value that is there.
    pub(super) fn remove(&mut self, value: f64) {
        self.counts[self.place(value)] -= 1;
        self.total -= 1;
        self.smallest.remove(value);
        self.largest.remove(value);
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.total
    }

    /// The smallest and the largest value, as long as both are known.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        (self.smallest.copies > 0 && self.largest.copies > 0).then_some((self.smallest.value, self.largest.value))
    }

    /// Values from `low` on and below `high`.
    pub(super) fn count(&self, low: f64, high: f64) -> Between {
        let (below_low, below_high) = (self.count_below(low), self.count_below(high));
        Between {
            least: below_high.least.saturating_sub(below_low.most),
            most: below_high.most.saturating_sub(below_low.least),
        }
    }

    /// Two values between which the median is, or at; `None` of nothing.
    pub(super) fn median_range(&self) -> Option<(f64, f64)> {
        let last = self.total.checked_sub(1)?;
        let (low, _) = self.range_of_rank(last / 2);
        let (_, high) = self.range_of_rank(self.total / 2);
        Some((low, high))
    }

    /// Two distances between which the median distance from `centre` is, but for rounding.
    pub(super) fn median_distance_range(&self, centre: f64) -> (f64, f64) {
        let mut distances = self.rungs.map(|rung| (rung - centre).abs());
        distances.sort_unstable_by(f64::total_cmp);
        let within = |distance: f64| self.count(centre - distance, (centre + distance).next_up());
        let too_near = distances.partition_point(|&distance| within(distance).most <= self.total.saturating_sub(1) / 2);
        let not_far = distances.partition_point(|&distance| within(distance).least <= self.total / 2);
        let low = too_near.checked_sub(1).map_or(0.0, |place| distances[place]);
        (low, distances.get(not_far).copied().unwrap_or(f64::INFINITY))
    }

    /// Two values between which the value is that `rank` others come before.
    fn range_of_rank(&self, rank: u32) -> (f64, f64) {
        let mut before = 0;
        let mut place = 0;
        while place < RUNGS && before + self.counts[place] <= rank {
            before += self.counts[place];
            place += 1;
        }
        let low = if place == 0 {
            f64::NEG_INFINITY
        } else {
            self.rungs[place - 1]
        };
        let high = self.rungs.get(place).map_or(f64::INFINITY, |rung| rung.next_down());
        (low.max(self.smallest.value), high.min(self.largest.value))
    }

    fn count_below(&self, bound: f64) -> Between {
        if bound <= self.smallest.value {
            return Between { least: 0, most: 0 };
        }
        if bound > self.largest.value {
            return Between {
                least: self.total,
                most: self.total,
            };
        }
        let place = self.place(bound);
        let least = self.counts[..place].iter().sum();
        #[expect(clippy::float_cmp, reason = "a rung is reached or not")]
        let begins_there = place > 0 && self.rungs[place - 1] == bound;
        Between {
            least,
            most: if begins_there {
                least
            } else {
                least + self.counts[place]
            },
        }
    }

    /// How many rungs `value` reaches.
    fn place(&self, value: f64) -> usize {
        let mut place = 0;
        let mut step = RUNGS.div_ceil(2);
        while step > 0 {
            place += if self.rungs[place + step - 1] <= value { step } else { 0 };
            step /= 2;
        }
        place
    }
}

impl Extreme {
    fn add(&mut self, value: f64, further: bool) {
        #[expect(clippy::float_cmp, reason = "copies are the same")]
        if further {
            *self = Self { value, copies: 1 };
        } else if value == self.value {
            self.copies += 1;
        }
    }

    fn remove(&mut self, value: f64) {
        #[expect(clippy::float_cmp, reason = "copies are the same")]
        if value == self.value {
            self.copies -= 1;
        }
    }
}

/// Rungs close where values are.
fn set_rungs(values: &[f64]) -> Vec<f64> {
    let stride = values.len().div_ceil(SAMPLE).max(1);
    let mut sample: Vec<f64> = values.iter().copied().step_by(stride).collect();
    sample.sort_unstable_by(f64::total_cmp);
    let mut rungs = Vec::with_capacity(2 * RUNGS);
    // Values that many share: two rungs around each. They lie at two parts or more, so this adds none to the rest.
    let many = sample.len() / (PARTS / 2) + 1;
    for same in sample.chunk_by(f64::eq).filter(|same| same.len() >= many) {
        rungs.extend([same[0], same[0].next_up()]);
    }
    rungs.extend((1..PARTS).filter_map(|part| sample.get(part * sample.len() / PARTS)));
    // The ends: of all values, those beyond what few of the sample are beyond.
    if let (Some(&low), Some(&high)) = (
        sample.get(sample.len() / 64),
        sample.get(sample.len() - 1 - sample.len() / 64),
    ) {
        let mut end: Vec<f64> = values.iter().copied().filter(|&value| value <= low).collect();
        end.sort_unstable_by(f64::total_cmp);
        rungs.extend(END_RANKS.iter().filter_map(|&rank| end.get(rank)));
        end.clear();
        end.extend(values.iter().copied().filter(|&value| value >= high));
        end.sort_unstable_by(|left, right| right.total_cmp(left));
        rungs.extend(END_RANKS.iter().filter_map(|&rank| end.get(rank)));
    }
    rungs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values that wander, some of them many times, some far out.
    fn values() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![8 => -50..50_i32, 4 => Just(7), 1 => -5000..5000_i32];
        (prop::collection::vec(value, 40..900), prop_oneof![Just(0.0), -0.5..0.5]).prop_map(|(values, slope)| {
            let rise = |place: usize| slope * f64::from(u32::try_from(place).unwrap());
            let values = values.into_iter().map(f64::from).enumerate();
            values.map(|(place, value)| value + rise(place)).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_counted_is_there_while_values_come_and_go(
            values in values(),
            share in 0.05..0.9_f64,
            bounds in prop::collection::vec(-80..80_i32, 2..6),
        ) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share")]
            let capacity = (share * values.len() as f64) as usize;
            let mut ladder = Ladder::new(&values[..capacity], [0.0, 10.0]);
            for place in capacity..values.len() {
                ladder.remove(values[place - capacity]);
                ladder.add(values[place]);
                let window = &values[place + 1 - capacity..=place];
                let mut sorted = window.to_vec();
                sorted.sort_by(f64::total_cmp);
                prop_assert_eq!(ladder.len() as usize, capacity);
                if let Some(range) = ladder.range() {
                    prop_assert_eq!(range, (sorted[0], sorted[capacity - 1]));
                }
                let (low, high) = ladder.median_range().unwrap();
                prop_assert!(low <= sorted[(capacity - 1) / 2] && sorted[capacity / 2] <= high);
                let centre = f64::from(bounds[0]);
                let mut distances: Vec<f64> = window.iter().map(|value| (value - centre).abs()).collect();
                distances.sort_by(f64::total_cmp);
                let (near, far) = ladder.median_distance_range(centre);
                prop_assert!(near <= distances[(capacity - 1) / 2] + 1e-9 && distances[capacity / 2] <= far + 1e-9);
                for pair in bounds.windows(2) {
                    let (low, high) = (f64::from(pair[0].min(pair[1])), f64::from(pair[0].max(pair[1])));
                    let plainly = window.iter().filter(|&&value| low <= value && value < high).count();
                    let Between { least, most } = ladder.count(low, high);
                    prop_assert!((least as usize..=most as usize).contains(&plainly), "{} of {}..{}", plainly, least, most);
                }
                let Between { least, most } = ladder.count(0.0, 10.0);
                prop_assert_eq!(least, most, "rungs were wished for");
            }
        }
    }

    #[test]
    fn a_value_that_many_share_has_a_place_to_itself() {
        let values: Vec<f64> = (0..600_u32)
            .map(|place| if place % 3 == 0 { f64::from(place) } else { 0.1 })
            .collect();
        let ladder = Ladder::new(&values, []);
        assert_eq!(ladder.count(0.1, 0.1_f64.next_up()), Between { least: 400, most: 400 });
        assert_eq!(ladder.median_range(), Some((0.1, 0.1)));
    }

    #[test]
    fn an_end_that_leaves_is_not_known_until_a_farther_value_comes() {
        let mut ladder = Ladder::new(&[1.0, 2.0, 3.0, 3.0], []);
        ladder.remove(3.0);
        assert_eq!(ladder.range(), Some((1.0, 3.0)));
        ladder.remove(3.0);
        assert_eq!(ladder.range(), None);
        ladder.add(4.0);
        assert_eq!(ladder.range(), Some((1.0, 4.0)));
    }
}
