//! The half of some values that is nearest to their median: from its edge follows the median distance.

use super::{mean, median};

/// The half of all values that is nearest to the median.
pub(super) struct Nearest {
    /// How many of it lie below the median.
    pub(super) below: usize,
    /// The median distance.
    pub(super) middle: f64,
}

impl Nearest {
    /// Looks for it from `guess` on. `at` gives the value of a rank.
    pub(super) fn find(total: usize, median: f64, guess: usize, at: impl Fn(usize) -> Option<f64>) -> Option<Self> {
        // Ranks below the middle are no larger than the median, the others no smaller.
        let middle = total / 2;
        let (below_max, above_max) = (middle, total - middle);
        let wanted = total.checked_sub(1)? / 2 + 1;
        // The farthest of those that are among so many below, or above, and the nearest that is not.
        let below_within = |count: usize| match count.checked_sub(1) {
            Some(place) => Some(median - at(middle - 1 - place)?),
            None => Some(f64::NEG_INFINITY),
        };
        let below_beyond = |count: usize| match middle.checked_sub(1 + count) {
            Some(rank) => Some(median - at(rank)?),
            None => Some(f64::INFINITY),
        };
        let above_within = |count: usize| match count.checked_sub(1) {
            Some(place) => Some(at(middle + place)? - median),
            None => Some(f64::NEG_INFINITY),
        };
        let above_beyond = |count: usize| {
            if count < above_max {
                Some(at(middle + count)? - median)
            } else {
                Some(f64::INFINITY)
            }
        };
        let mut below = guess.clamp(wanted.saturating_sub(above_max), wanted.min(below_max));
        let (mut below_last, mut below_next) = (below_within(below)?, below_beyond(below)?);
        let (mut above_last, mut above_next) = (above_within(wanted - below)?, above_beyond(wanted - below)?);
        loop {
            if below_last > above_next {
                below -= 1;
                (below_last, below_next) = (below_within(below)?, below_last);
                (above_last, above_next) = (above_next, above_beyond(wanted - below)?);
            } else if above_last > below_next {
                below += 1;
                (below_last, below_next) = (below_next, below_beyond(below)?);
                (above_last, above_next) = (above_within(wanted - below)?, above_last);
            } else {
                break;
            }
        }
        let farthest = below_last.max(above_last);
        let next = if total.is_multiple_of(2) {
            below_next.min(above_next)
        } else {
            farthest
        };
        Some(Self {
            below,
            middle: mean(farthest, next),
        })
    }
}

/// How many values of the half that is nearest to their median lie below it. There is one value at least.
pub(super) fn nearest_below(values: &mut [f64]) -> usize {
    let middle = values.len() / 2;
    if values.is_sorted() {
        let at = |rank: usize| values.get(rank).copied();
        let nearest = median(values.len(), at).and_then(|median| Nearest::find(values.len(), median, middle / 2, at));
        return nearest.map_or(0, |nearest| nearest.below);
    }
    let (below, &mut median, above) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let mut distances: Vec<f64> = below.iter().map(|value| median - value).collect();
    distances.extend(above.iter().map(|value| value - median).chain([0.0]));
    let half = (distances.len() - 1) / 2;
    let (nearer, &mut farthest, _) = distances.select_nth_unstable_by(half, f64::total_cmp);
    let nearer = nearer.iter().filter(|distance| **distance < farthest).count();
    let nearer_below = below.iter().filter(|value| median - **value < farthest).count();
    let as_far_below = below.iter().filter(|value| median - **value <= farthest).count() - nearer_below;
    nearer_below + as_far_below.min(half + 1 - nearer)
}
