//! Medians and other quantiles of values that come and go, exact to the bit.
//!
//! Nobody asks for all ranks, so not all values are kept in order: only those about the ranks that are asked for, in a
//! *region* each, and of the rest how many lie between. While values wander, ranks stay within their regions: one that is full
//! lets go of what is farthest from the ranks that are asked for. When a rank has left its region all values are read again.
//!
//! * A region takes 12 bytes for each of [`REACH`] values on either side of a rank, and has room for [`REACH`] more: 2.4 KB.
//! * Values that only rise or fall move a rank by one each time. Where they have to be read again too soon for that to cost
//!   little, regions reach farther from then on, up to [`REACH_MAX`]: 14 KB, and an hour at 10 seconds as a whole.
//! * A value that comes waits for the one that goes, so that both change a region at once (`ordered`).
//! * It is not saved: sorted again, it comes out the same.

mod nearest;

use std::cell::Cell;

use nearest::{Nearest, nearest_below};

use super::ordered::Ordered;

/// Ranks on either side of one that is asked for, at first and at most.
const REACH: usize = 48;
const REACH_MAX: usize = 384;

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
    /// How many values lie before each region, and behind the last: no larger than what follows, and no smaller than what is
    /// before.
    gaps: Vec<u32>,
    total: u32,
    /// A value that has come, and counts, but has no place yet.
    arrived: Option<f64>,
    /// Ranks on either side of one that is asked for, and how many values have come since regions were made; `None`: there
    /// were none yet.
    reach: usize,
    age: Option<u32>,
    /// Of the values nearest to the median, how many lay below it when it was last asked: most often it is near that again.
    nearest_below: usize,
}

/// Values that follow each other in the order of all.
#[derive(Clone, Debug)]
struct Region {
    values: Ordered,
    /// The lowest and the highest place that was asked for since something was let go.
    asked: Cell<(usize, usize)>,
}

/// What [`Region::asked`] is when nothing was.
const NOTHING_ASKED: (usize, usize) = (usize::MAX, 0);

/// Where a value belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Region(usize),
    /// Before the region of that number, or behind the last.
    Gap(usize),
}

/// On which side of a region something was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shed {
    Nothing,
    First,
    Last,
}

impl Region {
    fn of(sorted: &[f64], reach: usize) -> Self {
        Self {
            values: Ordered::new(sorted, sorted.len() + reach),
            asked: Cell::new(NOTHING_ASKED),
        }
    }

    fn first(&self) -> f64 {
        self.values.get(0).unwrap_or(f64::NAN)
    }

    fn last(&self) -> f64 {
        self.values.get(self.values.len().wrapping_sub(1)).unwrap_or(f64::NAN)
    }

    /// Adds one more; where there is no room, lets go of the first or the last, which may be itself.
    fn add(&mut self, value: f64) -> Shed {
        let place = self.values.count_below(value);
        if !self.values.is_full() {
            self.values.insert(place, value);
            return Shed::Nothing;
        }
        let end = self.values.len() - 1;
        let (low, high) = match self.asked.replace(NOTHING_ASKED) {
            NOTHING_ASKED => (place, place),
            asked => asked,
        };
        if low > end.saturating_sub(high) {
            if let Some(before) = place.checked_sub(1) {
                self.values.replace(0, before, value);
            }
            Shed::First
        } else {
            if place <= end {
                self.values.replace(end, place, value);
            }
            Shed::Last
        }
    }

    /// Takes one away, if it is there.
    fn remove(&mut self, value: f64) -> bool {
        let place = self.values.count_below(value);
        let is_there = self.is_at(place, value);
        if is_there {
            self.values.remove(place);
        }
        is_there
    }

    /// Takes `gone` away, if it is there, and adds `come`, which is another.
    fn replace(&mut self, gone: f64, come: f64) -> bool {
        let (from, to) = (self.values.count_below(gone), self.values.count_below(come));
        let is_there = self.is_at(from, gone);
        if is_there {
            self.values.replace(from, to - usize::from(from < to), come);
        }
        is_there
    }

    #[expect(clippy::float_cmp, reason = "copies are the same")]
    fn is_at(&self, place: usize, value: f64) -> bool {
        self.values.get(place).is_some_and(|other| other == value)
    }

    /// The value at a place.
    fn get(&self, place: usize) -> Option<f64> {
        let (low, high) = self.asked.get();
        self.asked.set((low.min(place), high.max(place)));
        self.values.get(place)
    }
}

impl Ranks {
    /// Adds a value.
    pub(super) fn add(&mut self, value: f64) {
        self.settle();
        if self.regions.is_empty() {
            return;
        }
        self.arrived = Some(value);
        self.total += 1;
        self.age = self.age.map(|age| age.saturating_add(1));
    }

    /// Takes away a value that is there.
    pub(super) fn remove(&mut self, value: f64) {
        let Some(gone) = self.place(value) else { return };
        self.total -= 1;
        let Some(arrived) = self.arrived.take() else {
            return self.take_away(value, gone);
        };
        #[expect(clippy::float_cmp, reason = "copies are the same")]
        if arrived == value {
            return;
        }
        let Some(come) = self.place(arrived) else { return };
        match (gone, come) {
            (Place::Region(number), Place::Region(other)) if number == other => {
                if !self.regions[number].replace(value, arrived) {
                    self.forget();
                }
            }
            // Before anything is let go, as it may be this.
            _ => {
                self.put(arrived, come);
                if let Some(gone) = self.place(value) {
                    self.take_away(value, gone);
                }
            }
        }
    }

    /// Gives the value that has come its place.
    fn settle(&mut self) {
        if let Some(arrived) = self.arrived.take()
            && let Some(place) = self.place(arrived)
        {
            self.put(arrived, place);
        }
    }

    fn put(&mut self, value: f64, place: Place) {
        match place {
            Place::Region(number) => match self.regions[number].add(value) {
                Shed::Nothing => {}
                Shed::First => self.gaps[number] += 1,
                Shed::Last => self.gaps[number + 1] += 1,
            },
            Place::Gap(number) => {
                // Where nothing lies between, a region may grow.
                let beside = &mut self.regions[number.saturating_sub(usize::from(number == self.gaps.len() - 1))];
                if self.gaps[number] == 0 && !beside.values.is_full() {
                    beside.add(value);
                } else {
                    self.gaps[number] += 1;
                }
            }
        }
    }

    fn take_away(&mut self, value: f64, place: Place) {
        match place {
            Place::Gap(number) => match self.gaps[number].checked_sub(1) {
                Some(fewer) => self.gaps[number] = fewer,
                None => self.forget(),
            },
            Place::Region(number) => {
                if !self.regions[number].remove(value) {
                    return self.forget();
                }
                if self.regions[number].values.len() == 0 {
                    self.regions.remove(number);
                    let gap = self.gaps.remove(number);
                    self.gaps[number] += gap;
                }
            }
        }
    }

    /// Takes in all `values`, whose order is changed.
    pub(super) fn set(&mut self, values: &mut [f64], wishes: Wishes<'_>) {
        self.forget();
        let Some(last) = values.len().checked_sub(1) else {
            return;
        };
        self.choose_reach(count(values.len()));
        // What only rises, or falls, has all been read again often, and is in order with little work.
        if values.is_sorted_by(|one, other| one >= other) {
            values.reverse();
        }
        let reach = self.reach;
        let ranks = wishes.quantiles.iter().map(|&share| rank(share, values.len()).0);
        let mut wanted: Vec<usize> = ranks.collect();
        if wishes.median_deviation {
            let middle = values.len() / 2;
            let below = nearest_below(values);
            self.nearest_below = below;
            wanted.extend([middle, middle - below, (middle + last / 2 + 1 - below).min(last)]);
        }
        wanted.sort_unstable();
        let mut ends = 0;
        let mut wanted = wanted.into_iter().peekable();
        while let Some(first) = wanted.next() {
            let begin = first.saturating_sub(reach).max(ends);
            let mut end = (first + reach).min(values.len());
            while let Some(next) = wanted.next_if(|next| next.saturating_sub(reach) <= end) {
                end = (next + reach).min(values.len());
            }
            if begin < end {
                self.gaps.push(count(begin - ends));
                self.regions.push(Region::of(sorted(values, ends, begin..end), reach));
                ends = end;
            }
        }
        self.gaps.push(count(values.len() - ends));
        self.total = count(values.len());
    }

    /// How far regions of so many values are to reach, by how long those before them were good for. To read a value and put it
    /// on its side of a region costs some 10 ns: twice for each sample that comes is little, and more is not.
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
    pub(super) fn quantile(&mut self, share: f64) -> Option<f64> {
        self.settle();
        let (rank, beyond) = rank(share, self.total as usize);
        let low = self.get(rank)?;
        if beyond == 0.0 {
            return Some(low);
        }
        let high = self.get(rank + 1)?;
        Some(low + (high - low) * beyond)
    }

    /// The mean of the two in the middle.
    pub(super) fn median(&mut self) -> Option<f64> {
        self.settle();
        median(self.total as usize, |rank| self.get(rank))
    }

    /// The median distance from the median.
    pub(super) fn median_deviation(&mut self) -> Option<f64> {
        let median = self.median()?;
        let nearest = Nearest::find(self.total as usize, median, self.nearest_below, |rank| self.get(rank))?;
        self.nearest_below = nearest.below;
        Some(nearest.middle)
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        let region = |region: &Region| region.values.heap_bytes();
        let lists = self.regions.capacity() * size_of::<Region>() + self.gaps.capacity() * size_of::<u32>();
        lists + self.regions.iter().map(region).sum::<usize>()
    }

    /// Lets everything go, so that it is read again.
    pub(super) fn forget(&mut self) {
        self.regions.clear();
        self.gaps.clear();
        self.arrived = None;
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
    fn get(&self, mut rank: usize) -> Option<f64> {
        for (region, gap) in self.regions.iter().zip(&self.gaps) {
            rank = rank.checked_sub(*gap as usize)?;
            if rank < region.values.len() {
                return region.get(rank);
            }
            rank -= region.values.len();
        }
        None
    }
}

/// The values with the ranks of `region`, in order, when those before `from` have their places.
fn sorted(values: &mut [f64], from: usize, region: std::ops::Range<usize>) -> &[f64] {
    let mut put = |from: usize, rank: usize| {
        let rests = &mut values[from..];
        if from < rank && rank - from < rests.len() && !rests.is_sorted() {
            rests.select_nth_unstable_by(rank - from, f64::total_cmp);
        }
    };
    put(from, region.start);
    put(region.start, region.end);
    let region = &mut values[region];
    region.sort_unstable_by(f64::total_cmp);
    region
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
mod tests;
