//! Medians and other quantiles of values that come and go, exact to the bit.
//!
//! Nobody asks for all ranks, so not all values are kept in order: only those about the ranks that are asked for, in a
//! *region* each, and of the rest how many lie between. While values wander, ranks stay within their regions; when one has
//! left, or a region has grown too long, all values are read and sorted again.
//!
//! * A region takes 16 bytes for each of [`REACH`] values on either side of a rank, and has room for [`REACH`] more: 2.3 KB.
//! * Values that only rise or fall move a rank by one each time. Where they have to be read again too soon for that to cost
//!   little, regions reach farther from then on, up to [`REACH_MAX`]: 12 KB, and an hour at 10 seconds as a whole.
//! * A value that comes or goes costs a search in a region.
//! * It is not saved: sorted again, it comes out the same.

use std::cell::Cell;

/// Ranks on either side of one that is asked for, at first and at most.
const REACH: usize = 48;
const REACH_MAX: usize = 256;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wishes<'a> {
    /// Shares of the values that are no larger (0 to 1).
    pub(super) quantiles: &'a [f64],
    /// The median distance from the median?
    pub(super) median_deviation: bool,
}

/// Values about some ranks, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranks {
    /// In ascending order; none: the values have to be read again.
    regions: Vec<Region>,
    /// How many values lie before each region, and behind the last.
    gaps: Vec<u32>,
    total: u32,
    /// Ranks on either side of one that is asked for, and how many values have come since regions were made; `None`: there
    /// were none yet.
    reach: usize,
    age: Option<u32>,
    /// Of the values nearest to the median, how many lay below it when it was last asked: most often it is near that again.
    nearest_below: usize,
}

/// All values between two of them.
#[derive(Clone, Debug, Default)]
struct Region {
    /// In ascending order, each once.
    values: Vec<Copies>,
    /// Sum of their counts.
    total: u32,
    /// Different values for which there is room.
    len_max: usize,
    /// Where the last answer was found: most often the next is near.
    finger: Cell<Finger>,
}

/// A value, and how often it is there.
#[derive(Clone, Copy, Debug)]
struct Copies {
    value: f64,
    count: u32,
}

/// A place in a region, and the sum of counts before it.
#[derive(Clone, Copy, Debug, Default)]
struct Finger {
    place: usize,
    before: u32,
}

/// Where a value belongs.
enum Place {
    Region(usize),
    /// Before the region of that number, or behind the last.
    Gap(usize),
}

impl Region {
    fn of(sorted: &[f64], reach: usize) -> Self {
        let mut region = Self::default();
        for same in sorted.chunk_by(f64::eq) {
            region.values.push(Copies {
                value: same[0],
                count: count(same.len()),
            });
        }
        region.total = count(sorted.len());
        region.len_max = region.values.len() + reach;
        region
    }

    fn first(&self) -> f64 {
        self.values.first().map_or(f64::NAN, |first| first.value)
    }

    fn last(&self) -> f64 {
        self.values.last().map_or(f64::NAN, |last| last.value)
    }

    /// Adds one more, if there is room.
    fn add(&mut self, value: f64) -> bool {
        let place = self.values.partition_point(|other| other.value < value);
        #[expect(clippy::float_cmp, reason = "copies are the same")]
        let is_there = self.values.get(place).is_some_and(|other| other.value == value);
        let finger = self.finger.get_mut();
        if is_there {
            self.values[place].count += 1;
            finger.before += u32::from(place < finger.place);
        } else if self.values.len() < self.len_max {
            self.values.insert(place, Copies { value, count: 1 });
            if place <= finger.place {
                finger.place += 1;
                finger.before += 1;
            }
        } else {
            return false;
        }
        self.total += 1;
        true
    }

    /// Takes one away, if it is there.
    fn remove(&mut self, value: f64) -> bool {
        let place = self.values.partition_point(|other| other.value < value);
        #[expect(clippy::float_cmp, reason = "copies are the same")]
        if self.values.get(place).is_none_or(|other| other.value != value) {
            return false;
        }
        self.values[place].count -= 1;
        self.total -= 1;
        let finger = self.finger.get_mut();
        finger.before -= u32::from(place < finger.place);
        if self.values[place].count == 0 {
            self.values.remove(place);
            finger.place -= usize::from(place < finger.place);
        }
        true
    }

    /// The value that `rank` of the region come before.
    fn get(&self, rank: u32) -> Option<f64> {
        if self.values.len() == self.total as usize {
            return self.values.get(rank as usize).map(|copies| copies.value);
        }
        let Finger { mut place, mut before } = self.finger.get();
        while rank < before {
            place -= 1;
            before -= self.values[place].count;
        }
        loop {
            let Copies { value, count } = *self.values.get(place)?;
            if rank - before < count {
                self.finger.set(Finger { place, before });
                return Some(value);
            }
            before += count;
            place += 1;
        }
    }
}

impl Ranks {
    pub(super) fn add(&mut self, value: f64) {
        match self.place(value) {
            None => return,
            Some(Place::Region(number)) => {
                if !self.regions[number].add(value) {
                    return self.forget();
                }
            }
            Some(Place::Gap(number)) => {
                // Where nothing lies between, a region may grow.
                let beside = if number < self.regions.len() {
                    number
                } else {
                    number - 1
                };
                if self.gaps[number] > 0 || !self.regions[beside].add(value) {
                    self.gaps[number] += 1;
                }
            }
        }
        self.total += 1;
        self.age = self.age.map(|age| age.saturating_add(1));
    }

    /// Takes away a value that is there.
    pub(super) fn remove(&mut self, value: f64) {
        match self.place(value) {
            None => return,
            Some(Place::Gap(number)) => {
                let Some(fewer) = self.gaps[number].checked_sub(1) else {
                    return self.forget();
                };
                self.gaps[number] = fewer;
            }
            Some(Place::Region(number)) => {
                if !self.regions[number].remove(value) {
                    return self.forget();
                }
                if self.regions[number].values.is_empty() {
                    self.regions.remove(number);
                    let gap = self.gaps.remove(number);
                    self.gaps[number] += gap;
                }
            }
        }
        self.total -= 1;
    }

    /// Takes in all `values`, which are left in order.
    pub(super) fn set(&mut self, values: &mut [f64], wishes: Wishes<'_>) {
        values.sort_unstable_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else {
            return self.forget();
        };
        self.choose_reach(count(values.len()));
        let reach = self.reach;
        let mut wanted: Vec<usize> = wishes
            .quantiles
            .iter()
            .map(|&share| rank(share, values.len()).0)
            .collect();
        if wishes.median_deviation {
            let at = |rank: usize| values.get(rank).copied();
            let nearest =
                median(values.len(), at).and_then(|median| Nearest::find(values.len(), median, values.len() / 4, at));
            let middle = values.len() / 2;
            wanted.push(middle);
            if let Some(nearest) = nearest {
                self.nearest_below = nearest.below;
                wanted.extend([middle - nearest.below, (middle + nearest.above).min(last)]);
            }
        }
        wanted.sort_unstable();
        self.regions.clear();
        self.gaps.clear();
        let mut ends = 0;
        let mut wanted = wanted.into_iter().peekable();
        while let Some(first) = wanted.next() {
            let mut begin = first.saturating_sub(reach);
            let mut end = (first + reach).min(values.len());
            while let Some(next) = wanted.next_if(|next| next.saturating_sub(reach) <= end) {
                end = (next + reach).min(values.len());
            }
            // All copies of a value are in a region, or none.
            begin = values[..begin]
                .partition_point(|other| *other < values[begin])
                .max(ends);
            end += values[end..].partition_point(|other| *other <= values[end - 1]);
            if begin < end {
                self.gaps.push(count(begin - ends));
                self.regions.push(Region::of(&values[begin..end], reach));
                ends = end;
            }
        }
        self.gaps.push(count(values.len() - ends));
        self.total = count(values.len());
    }

    /// How far regions of so many values are to reach, by how long those before them were good for. To read and sort a value
    /// costs some 20 ns: twice for each sample that comes is little, and more is not.
    fn choose_reach(&mut self, total: u32) {
        self.reach = match self.age {
            Some(age) if age < total / 2 => (2 * self.reach).min(REACH_MAX),
            Some(age) if age / 8 > total => (self.reach / 2).max(REACH),
            Some(_) => self.reach,
            None => REACH,
        };
        self.age = Some(0);
    }

    /// The quantile, between two values by their distance; `None`: forgotten, or beyond its region.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let (rank, beyond) = rank(share, self.total as usize);
        let low = self.get(rank)?;
        if beyond == 0.0 {
            return Some(low);
        }
        let high = self.get(rank + 1)?;
        Some(low + (high - low) * beyond)
    }

    /// The mean of the two in the middle.
    pub(super) fn median(&self) -> Option<f64> {
        median(self.total as usize, |rank| self.get(rank))
    }

    /// The median distance from the median.
    pub(super) fn median_deviation(&mut self) -> Option<f64> {
        let total = self.total as usize;
        let median = self.median()?;
        let nearest = Nearest::find(total, median, self.nearest_below, |rank| self.get(rank))?;
        self.nearest_below = nearest.below;
        Some(nearest.middle)
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        let region = |region: &Region| region.values.capacity() * size_of::<Copies>();
        let lists = self.regions.capacity() * size_of::<Region>() + self.gaps.capacity() * size_of::<u32>();
        lists + self.regions.iter().map(region).sum::<usize>()
    }

    /// Lets everything go, so that it is read again.
    pub(super) fn forget(&mut self) {
        self.regions.clear();
        self.gaps.clear();
        self.total = 0;
    }

    fn place(&self, value: f64) -> Option<Place> {
        if self.regions.is_empty() {
            return None;
        }
        for (number, region) in self.regions.iter().enumerate() {
            if value < region.first() {
                return Some(Place::Gap(number));
            }
            if value <= region.last() {
                return Some(Place::Region(number));
            }
        }
        Some(Place::Gap(self.regions.len()))
    }

    /// The value that `rank` others come before.
    fn get(&self, rank: usize) -> Option<f64> {
        let mut rank = count(rank);
        for (region, gap) in self.regions.iter().zip(&self.gaps) {
            rank = rank.checked_sub(*gap)?;
            if rank < region.total {
                return region.get(rank);
            }
            rank -= region.total;
        }
        None
    }
}

/// The half of all values that is nearest to the median.
struct Nearest {
    /// How many of it lie below the median, and above.
    below: usize,
    above: usize,
    /// The median distance.
    middle: f64,
}

impl Nearest {
    /// Looks for it from `guess` on. `at` gives the value of a rank.
    fn find(total: usize, median: f64, guess: usize, at: impl Fn(usize) -> Option<f64>) -> Option<Self> {
        // Ranks below the middle are no larger than the median, the others no smaller.
        let middle = total / 2;
        let (below_max, above_max) = (middle, total - middle);
        let wanted = total.checked_sub(1)? / 2 + 1;
        // The distance of the nearest but so many.
        let below_at = |place: usize| Some(median - at(middle - 1 - place)?);
        let above_at = |place: usize| Some(at(middle + place)? - median);
        let mut below = guess.clamp(wanted.saturating_sub(above_max), wanted.min(below_max));
        loop {
            let above = wanted - below;
            if below > 0 && above < above_max && below_at(below - 1)? > above_at(above)? {
                below -= 1;
            } else if above > 0 && below < below_max && above_at(above - 1)? > below_at(below)? {
                below += 1;
            } else {
                break;
            }
        }
        let above = wanted - below;
        let mut farthest = f64::NEG_INFINITY;
        let mut next = f64::INFINITY;
        if below > 0 {
            farthest = farthest.max(below_at(below - 1)?);
        }
        if above > 0 {
            farthest = farthest.max(above_at(above - 1)?);
        }
        if total.is_multiple_of(2) {
            if below < below_max {
                next = next.min(below_at(below)?);
            }
            if above < above_max {
                next = next.min(above_at(above)?);
            }
        } else {
            next = farthest;
        }
        Some(Self {
            below,
            above,
            middle: mean(farthest, next),
        })
    }
}

fn median(total: usize, at: impl Fn(usize) -> Option<f64>) -> Option<f64> {
    let low = at(total.checked_sub(1)? / 2)?;
    Some(if total.is_multiple_of(2) {
        mean(low, at(total / 2)?)
    } else {
        low
    })
}

fn mean(left: f64, right: f64) -> f64 {
    f64::midpoint(left, right)
}

/// The rank at or before a quantile of so many values, and how far beyond it is the quantile (0 or more, below 1).
fn rank(share: f64, total: usize) -> (usize, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^53 values")]
    let place = share * total.saturating_sub(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the number of values"
    )]
    let rank = place as usize;
    (rank, place.fract())
}

fn count(values: usize) -> u32 {
    u32::try_from(values).expect("a window holds fewer than 2^32 samples")
}

/// The plain way, by sorting all: what the fast way is held against.
#[cfg(test)]
pub(super) mod plain {
    use super::{median as median_of, rank};

    pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    }

    pub(crate) fn quantile(values: &[f64], share: f64) -> Option<f64> {
        let values = sorted(values);
        let (rank, beyond) = rank(share, values.len());
        let low = *values.get(rank)?;
        let high = values.get(rank + 1).copied().unwrap_or(low);
        Some(low + (high - low) * beyond)
    }

    pub(crate) fn median(values: &[f64]) -> Option<f64> {
        let values = sorted(values);
        median_of(values.len(), |rank| values.get(rank).copied())
    }

    pub(crate) fn median_deviation(values: &[f64]) -> Option<f64> {
        let median_value = median(values)?;
        let distances: Vec<f64> = values.iter().map(|value| (value - median_value).abs()).collect();
        median(&distances)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUANTILES: [f64; 3] = [0.5, 0.99, 0.0];
    const WISHES: Wishes<'_> = Wishes {
        quantiles: &QUANTILES,
        median_deviation: true,
    };

    /// Asks, and has the values read again where that is needed.
    fn ask(ranks: &mut Ranks, values: &[f64], read: &mut usize) -> [Option<f64>; 5] {
        let mut answer = |ranks: &mut Ranks, question: &dyn Fn(&mut Ranks) -> Option<f64>| {
            question(ranks).or_else(|| {
                *read += 1;
                ranks.set(&mut values.to_vec(), WISHES);
                question(ranks)
            })
        };
        [
            answer(ranks, &|ranks| ranks.quantile(0.5)),
            answer(ranks, &|ranks| ranks.quantile(0.99)),
            answer(ranks, &|ranks| ranks.quantile(0.0)),
            answer(ranks, &|ranks| ranks.median()),
            answer(ranks, &|ranks| ranks.median_deviation()),
        ]
    }

    fn plainly(values: &[f64]) -> [Option<f64>; 5] {
        [
            plain::quantile(values, 0.5),
            plain::quantile(values, 0.99),
            plain::quantile(values, 0.0),
            plain::median(values),
            plain::median_deviation(values),
        ]
    }

    /// Values that wander, with copies or without.
    fn values() -> impl Strategy<Value = Vec<f64>> {
        let step = prop_oneof![8 => -50..50_i32, 4 => Just(7), 1 => -5000..5000_i32];
        (
            prop::collection::vec(step, 1..600),
            -3.0..3.0_f64,
            prop_oneof![Just(1.0), Just(0.013)],
        )
            .prop_map(|(values, slope, grain)| {
                let values = values.into_iter().map(f64::from).enumerate();
                let rise = |place: usize| (slope * f64::from(u32::try_from(place).unwrap())).floor();
                values.map(|(place, value)| (value + rise(place)) * grain).collect()
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn ranks_are_those_of_the_sorted_values(values in values(), capacity in 1_usize..400) {
            let mut ranks = Ranks::default();
            let mut read = 0;
            for place in 0..values.len() {
                ranks.add(values[place]);
                let begin = (place + 1).saturating_sub(capacity);
                if place >= capacity {
                    ranks.remove(values[place - capacity]);
                }
                let window = &values[begin..=place];
                let (answers, plainly) = (ask(&mut ranks, window, &mut read), plainly(window));
                prop_assert_eq!(answers, plainly, "at {}", place);
                prop_assert_eq!(ranks.total as usize, window.len());
            }
            // Four questions may each wander off once in REACH samples, or a region grow.
            prop_assert!(read <= 2 + values.len() / 4, "{} of {}", read, values.len());
        }
    }

    #[test]
    fn values_that_only_rise_are_read_once_in_a_while() {
        let values: Vec<f64> = (0..5000_u32).map(f64::from).collect();
        let (mut ranks, mut read) = (Ranks::default(), 0);
        for place in 0..values.len() {
            ranks.add(values[place]);
            if place >= 1000 {
                ranks.remove(values[place - 1000]);
            }
            let window = &values[(place + 1).saturating_sub(1000)..=place];
            assert_eq!(ask(&mut ranks, window, &mut read), plainly(window));
        }
        assert!(read < 5000 / 60, "{read}");
        assert!(ranks.heap_bytes() < 48 << 10, "{}", ranks.heap_bytes());
    }
}
