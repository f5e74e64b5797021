//! Medians and other quantiles of values that come and go, exact to the bit.
//!
//! Nobody asks for all ranks, so not all values are kept: only those about the ranks that are asked for, in short *runs* (`ordered`),
//! and of the rest how many lie between two of these. While values wander, ranks stay among the runs: where there are too many, what
//! is farthest from the ranks that are asked for is let go of, and only counted. When a rank has left them all values are read
//! again.
//!
//! * A value that comes, or goes, changes one run, found by the first values of all.
//! * Who asks for a rank remembers the run that it is in, and how many values lie before that run.
//! * [`REACH`] values on either side of a rank are kept, in some 12 bytes each: 1.5 KB. Where they have to be read again too soon for
//!   that to cost little, twice and again, more are kept from then on, up to [`REACH_MAX`]: 13 to 22 KB, and an hour at 10 seconds as
//!   a whole, in 5.5 KB. What comes among them stays, up to a quarter more. Where a rank has gone, on the side to which it went, half
//!   as many more are kept, and half as many less on the other: most often it goes on.
//! * A median of a day at 10 seconds moves little through its ranks: 1 to 8 KB, now and then 14.
//! * The median distance takes three such places: six hours at 10 seconds as a whole, in 33 KB, and 10 to 57 KB of a day.
//! * Longer runs are fewer, which is no gain: to move values costs more than to find where. Nor is it one to count first values in
//!   blocks of fixed length, to search them without a branch (values wander, so it is foreseen), nor, when a rank lies just beyond a
//!   run, to read the one beside it before the rank is looked for.
//! * It is not saved: sorted again, it comes out the same.

mod nearest;

use nearest::{Nearest, Side, nearest_below};

use super::ordered::{LEN_MAX, Ordered};

/// Ranks on either side of one that is asked for, at first and at most.
const REACH: usize = 48;
const REACH_MAX: usize = 512;

/// Values of a run that is new: there is room for those to come.
const FILLED: usize = LEN_MAX * 7 / 8;
/// Values of a run from which on it is joined to another.
const FEW: u32 = 9;

/// So many first values are counted, which waits for nothing; of more it is searched for these.
const COUNTED: usize = 32;

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
    /// None: the values have to be read again. Each holds a value at least.
    #[expect(clippy::vec_box, reason = "runs come and go between others, and are long")]
    runs: Vec<Box<Ordered>>,
    /// The first value of each run.
    firsts: Vec<f64>,
    /// Of each run.
    counts: Vec<Counts>,
    /// How many values lie behind the last run, and are no smaller.
    behind: u32,
    total: u32,
    /// Where each question was answered last: one for each quantile, then three for the median distance.
    finds: Vec<Find>,
    /// How many values are in runs, and how many are enough.
    kept: u32,
    kept_max: u32,
    /// Where the rank has gone for which the values have to be read again.
    gone: Option<Side>,
    /// Ranks on either side of one that is asked for, and how many values have come since runs were made; `None`: there were
    /// none yet.
    reach: usize,
    age: Option<u32>,
    /// The same of the runs before these, if they reached as far.
    age_before: Option<u32>,
    /// Of the values nearest to the median, how many lay below it when it was last asked: most often it is near that again.
    nearest_below: usize,
}

/// How many values there are.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Before a run and behind the one before it: no larger than the first of it, and no smaller than the last of that.
    gap: u32,
    /// In it.
    run: u32,
}

/// A run, and how many values lie before it.
#[derive(Clone, Copy, Debug, Default)]
struct Find {
    run: usize,
    before: u32,
}

/// Where a value belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Run(usize),
    /// Before the run of that number, or behind the last.
    Gap(usize),
}

impl Ranks {
    /// Adds a value.
    pub(super) fn add(&mut self, value: f64) {
        if self.runs.is_empty() {
            return;
        }
        self.age = self.age.map(|age| age.saturating_add(1));
        self.total += 1;
        match self.place(value) {
            Place::Run(run) => self.put(run, value),
            Place::Gap(number) => {
                let gap = self.gap(number);
                if *gap > 0 {
                    *gap += 1;
                    self.shift(|run| run >= number, 1);
                } else {
                    // Where nothing lies between, a run may grow.
                    self.put(number.saturating_sub(1), value);
                }
            }
        }
    }

    /// Takes away a value that is there.
    pub(super) fn remove(&mut self, value: f64) {
        if self.runs.is_empty() {
            return;
        }
        self.total -= 1;
        match self.place(value) {
            Place::Run(run) => {
                self.runs[run].remove(value);
                self.read_first(run);
                self.shift(|other| other > run, 1_u32.wrapping_neg());
                self.kept -= 1;
                let counts = &mut self.counts[run];
                counts.run -= 1;
                if counts.run <= FEW {
                    self.join(run);
                }
            }
            Place::Gap(number) => {
                let gap = self.gap(number);
                match gap.checked_sub(1) {
                    Some(fewer) => {
                        *gap = fewer;
                        self.shift(|run| run >= number, 1_u32.wrapping_neg());
                    }
                    None => self.forget(),
                }
            }
        }
    }

    /// Where a value belongs. There is a run.
    fn place(&self, value: f64) -> Place {
        let (mut begin, mut len) = (0, self.firsts.len());
        while len > COUNTED {
            let half = len / 2;
            begin += half * usize::from(self.firsts[begin + half - 1] <= value);
            len -= half;
        }
        let near = self.firsts[begin..begin + len].iter();
        let below: usize = near.map(|first| usize::from(*first <= value)).sum();
        let Some(run) = (begin + below).checked_sub(1) else {
            return Place::Gap(0);
        };
        let has_gap = self.counts.get(run + 1).map_or(self.behind, |next| next.gap) > 0;
        if has_gap && value > self.runs[run].get(self.counts[run].run as usize - 1) {
            Place::Gap(run + 1)
        } else {
            Place::Run(run)
        }
    }

    /// Values that lie before a run, or behind the last.
    fn gap(&mut self, number: usize) -> &mut u32 {
        match self.counts.get_mut(number) {
            Some(counts) => &mut counts.gap,
            None => &mut self.behind,
        }
    }

    /// A run has changed.
    #[expect(clippy::float_cmp, reason = "whether it is another is what is asked")]
    fn read_first(&mut self, run: usize) {
        let first = self.runs[run].get(0);
        // What was written just now would be waited for where it is counted.
        if self.firsts[run] != first {
            self.firsts[run] = first;
        }
    }

    /// So many more, or less, lie before some runs.
    fn shift(&mut self, is_behind: impl Fn(usize) -> bool, more: u32) {
        for find in &mut self.finds {
            find.before = find.before.wrapping_add(if is_behind(find.run) { more } else { 0 });
        }
    }

    /// Adds a value to a run.
    fn put(&mut self, run: usize, value: f64) {
        let run = if self.counts[run].run as usize == LEN_MAX {
            self.split(run, value)
        } else {
            run
        };
        self.runs[run].add(value);
        self.read_first(run);
        self.counts[run].run += 1;
        self.kept += 1;
        self.shift(|other| other > run, 1);
    }

    /// Cuts a full run in two; gives the one to which `value` belongs.
    #[cold]
    fn split(&mut self, run: usize, value: f64) -> usize {
        let run = self.make_room(run);
        // What only rises, or only falls, leaves full runs behind.
        let at = if run + 1 == self.runs.len() && value > self.runs[run].get(LEN_MAX - 1) {
            LEN_MAX - 1
        } else if run == 0 && value < self.firsts[0] {
            1
        } else {
            LEN_MAX / 2
        };
        let upper = self.runs[run].split_off(at);
        let first = upper.get(0);
        self.firsts.insert(run + 1, first);
        self.runs.insert(run + 1, Box::new(upper));
        self.counts[run].run = count(at);
        let above = Counts {
            gap: 0,
            run: count(LEN_MAX - at),
        };
        self.counts.insert(run + 1, above);
        for find in &mut self.finds {
            find.run += usize::from(find.run > run);
        }
        run + usize::from(value > first)
    }

    /// Lets go of the run that is farthest from what is asked for, if there are enough. Gives the place at which `run` is then.
    fn make_room(&mut self, run: usize) -> usize {
        if self.kept < self.kept_max {
            return run;
        }
        let finds = &self.finds;
        let away = |other: &usize| finds.iter().map(|find| other.abs_diff(find.run)).min();
        let others = (0..self.runs.len()).filter(|other| *other != run);
        let Some(farthest) = others.max_by_key(away) else {
            return run;
        };
        self.let_go(farthest);
        run - usize::from(farthest < run)
    }

    /// Takes a run that has become short together with one beside it, if it fits.
    #[cold]
    fn join(&mut self, run: usize) {
        if self.counts[run].run == 0 {
            return self.let_go(run);
        }
        let fits = |upper: &usize| match (self.counts.get(upper.wrapping_sub(1)), self.counts.get(*upper)) {
            (Some(lower), Some(upper)) => upper.gap == 0 && (lower.run + upper.run) as usize <= FILLED,
            _ => false,
        };
        let Some(upper) = [run, run + 1].into_iter().find(fits) else {
            return;
        };
        let (lower, len) = (upper - 1, self.counts[upper - 1].run);
        let values = self.runs.remove(upper);
        self.runs[lower].append(len as usize, &values);
        self.counts[lower].run += self.counts.remove(upper).run;
        self.firsts.remove(upper);
        for find in &mut self.finds {
            if find.run == upper {
                find.before -= len;
            }
            find.run -= usize::from(find.run >= upper);
        }
    }

    /// Lets a run go: its values are counted from then on.
    fn let_go(&mut self, run: usize) {
        let counts = self.counts.remove(run);
        self.runs.remove(run);
        self.firsts.remove(run);
        self.kept -= counts.run;
        let next = self.counts.get(run).map(|next| next.gap);
        let Some(last) = self.counts.len().checked_sub(1) else {
            return self.forget();
        };
        let last_len = self.counts[last].run;
        for find in &mut self.finds {
            if find.run > run {
                find.run -= 1;
            } else if find.run == run {
                *find = match next {
                    Some(gap) => Find {
                        run,
                        before: find.before + counts.run + gap,
                    },
                    None => Find {
                        run: last,
                        before: find.before - counts.gap - last_len,
                    },
                };
            }
        }
        *self.gap(run) += counts.gap + counts.run;
    }

    /// Takes in all `values`, whose order is changed.
    pub(super) fn set(&mut self, values: &mut [f64], wishes: Wishes<'_>) {
        let gone = self.gone;
        self.forget();
        let Some(last) = values.len().checked_sub(1) else {
            return;
        };
        self.choose_reach(count(values.len()));
        // What only rises, or falls, has all been read again often, and is in order with little work.
        if values.is_sorted_by(|one, other| one >= other) {
            values.reverse();
        }
        let (down, up) = match gone {
            None => (self.reach, self.reach),
            Some(Side::Low) => (self.reach * 3 / 2, self.reach / 2),
            Some(Side::High) => (self.reach / 2, self.reach * 3 / 2),
        };
        let ranks = wishes.quantiles.iter().map(|&share| rank(share, values.len()).0);
        let mut wanted: Vec<usize> = ranks.collect();
        if wishes.median_deviation {
            let middle = values.len() / 2;
            let below = nearest_below(values);
            self.nearest_below = below;
            wanted.extend([middle, middle - below, (middle + last / 2 + 1 - below).min(last)]);
        }
        self.finds = vec![Find::default(); wanted.len()];
        wanted.sort_unstable();
        let mut ends = 0;
        let mut wanted = wanted.into_iter().peekable();
        while let Some(first) = wanted.next() {
            let begin = first.saturating_sub(down).max(ends);
            let mut end = (first + up).min(values.len());
            while let Some(next) = wanted.next_if(|next| next.saturating_sub(down) <= end) {
                end = (next + up).min(values.len());
            }
            let mut gap = begin.saturating_sub(ends);
            for run in sorted(values, ends, begin..end.max(begin)).chunks(FILLED) {
                self.firsts.push(run[0]);
                self.runs.push(Box::new(Ordered::of(run)));
                let counts = Counts {
                    gap: count(gap),
                    run: count(run.len()),
                };
                self.counts.push(counts);
                gap = 0;
            }
            ends = ends.max(end);
        }
        self.behind = count(values.len() - ends);
        self.total = count(values.len());
        self.kept = self.counts.iter().map(|counts| counts.run).sum();
        self.kept_max = self.kept * 5 / 4 + count(LEN_MAX);
        let before = self.counts.first().map_or(0, |counts| counts.gap);
        self.finds.fill(Find { run: 0, before });
    }

    /// How far runs of so many values are to reach, by how long the last two that reached as far were good for: one may have been
    /// unlucky. To read a value and put it on its side of a run costs some 10 ns: twice for each sample that comes is little, and
    /// more is not.
    fn choose_reach(&mut self, total: u32) {
        let ages = self.age.map(|age| (age, self.age_before.replace(age)));
        if let Some((age, Some(before))) = ages {
            let both = age.saturating_add(before);
            let reach = match both / total.max(1) {
                0 => (2 * self.reach).min(REACH_MAX),
                1..4 => self.reach,
                _ => (self.reach / 2).max(REACH),
            };
            if reach != self.reach {
                (self.reach, self.age_before) = (reach, None);
            }
        } else if self.age.is_none() {
            self.reach = REACH;
        }
        self.age = Some(0);
    }

    /// The quantile of that number among those that are wished for, between two values by their distance; `None`: forgotten,
    /// or not among the runs.
    pub(super) fn quantile(&mut self, number: usize, share: f64) -> Option<f64> {
        let (rank, beyond) = rank(share, self.total as usize);
        if beyond == 0.0 {
            return self.get(number, rank);
        }
        let (low, high) = self.around(number, rank + 1)?;
        Some(low + (high - low) * beyond)
    }

    /// The mean of the two in the middle, which is the quantile of that number.
    pub(super) fn median(&mut self, number: usize) -> Option<f64> {
        let total = self.total as usize;
        if total.is_multiple_of(2) {
            let (low, high) = self.around(number, total / 2)?;
            Some(mean(low, high))
        } else {
            self.get(number, total / 2)
        }
    }

    /// The median distance from the median.
    pub(super) fn median_deviation(&mut self) -> Option<f64> {
        // Behind those of the quantiles.
        let first = self.finds.len().checked_sub(3)?;
        let median = self.median(first)?;
        let (total, guess) = (self.total as usize, self.nearest_below);
        let nearest = Nearest::find(total, median, guess, |side, upper| match side {
            Side::Low => self.around(first + 1, upper),
            Side::High => self.around(first + 2, upper),
        })?;
        self.nearest_below = nearest.below;
        Some(nearest.middle)
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        self.runs.len() * size_of::<Ordered>()
            + self.runs.capacity() * size_of::<Box<Ordered>>()
            + self.firsts.capacity() * size_of::<f64>()
            + self.counts.capacity() * size_of::<Counts>()
            + self.finds.capacity() * size_of::<Find>()
    }

    /// Lets everything go, so that it is read again.
    pub(super) fn forget(&mut self) {
        self.runs.clear();
        self.firsts.clear();
        self.counts.clear();
        self.finds.clear();
        self.gone = None;
        (self.total, self.kept) = (0, 0);
    }

    /// The value that `rank` others come before, for the question of that number.
    fn get(&mut self, number: usize, rank: usize) -> Option<f64> {
        let (run, place) = self.find(number, rank)?;
        Some(self.runs[run].get(place))
    }

    /// The values on either side of an edge that `upper` others lie before; infinite where there is none.
    fn around(&mut self, number: usize, upper: usize) -> Option<(f64, f64)> {
        let find = self.finds.get(number)?;
        let place = upper.wrapping_sub(1).wrapping_sub(find.before as usize);
        let (run, counts) = (self.runs.get(find.run)?, self.counts.get(find.run)?);
        if place < counts.run as usize - 1 {
            Some((run.get(place), run.get(place + 1)))
        } else {
            self.look_around(number, upper)
        }
    }

    /// The same where both are not in the run in which they were.
    #[cold]
    fn look_around(&mut self, number: usize, upper: usize) -> Option<(f64, f64)> {
        let high = if upper == self.total as usize {
            f64::INFINITY
        } else {
            self.get(number, upper)?
        };
        let low = match upper.checked_sub(1) {
            Some(lower) => self.get(number, lower)?,
            None => f64::NEG_INFINITY,
        };
        Some((low, high))
    }

    /// The run of a rank, and its place there.
    fn find(&mut self, number: usize, rank: usize) -> Option<(usize, usize)> {
        let rank = u32::try_from(rank).ok()?;
        let find = self.finds.get(number)?;
        let place = rank.wrapping_sub(find.before);
        if place < self.counts[find.run].run {
            Some((find.run, place as usize))
        } else {
            self.seek(number, rank)
        }
    }

    /// The same by going from run to run; where the rank has left them, says where it is.
    #[cold]
    fn seek(&mut self, number: usize, rank: u32) -> Option<(usize, usize)> {
        let Find { mut run, mut before } = *self.finds.get(number)?;
        while rank < before {
            let gap = self.counts[run].gap;
            if run == 0 || before - rank <= gap {
                self.gone = Some(Side::Low);
                return None;
            }
            run -= 1;
            before -= gap + self.counts[run].run;
        }
        while rank - before >= self.counts.get(run)?.run {
            let end = before + self.counts[run].run;
            let gap = self.counts.get(run + 1).map(|counts| counts.gap);
            let Some(gap) = gap.filter(|gap| rank - end >= *gap) else {
                self.gone = Some(Side::High);
                return None;
            };
            run += 1;
            before = end + gap;
        }
        self.finds[number] = Find { run, before };
        Some((run, (rank - before) as usize))
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

/// That of values in order.
fn median(total: usize, at: impl Fn(usize) -> Option<f64>) -> Option<f64> {
    let low = at(total.checked_sub(1)? / 2)?;
    Some(if total.is_multiple_of(2) {
        mean(low, at(total / 2)?)
    } else {
        low
    })
}

fn mean(left: f64, right: f64) -> f64 {
    // `f64::midpoint` asks for the size of both, which takes as long as to find them; this is the same but for numbers below 1e-307.
    0.5 * left + 0.5 * right
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
