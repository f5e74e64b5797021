//! The half of some values that is nearest to their median: from its edges follows the median distance.

use super::{
    super::ordered::{larger, smaller},
    mean, median,
};

/// The half of all values that is nearest to the median.
pub(super) struct Nearest {
    /// How many of it lie below the median.
    pub(super) below: usize,
    /// The median distance.
    pub(super) middle: f64,
}

/// An edge of the half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Low,
    High,
}

impl Nearest {
    /// Looks for it from `guess` on. `values_at` gives the values on either side of an edge that so many lie before: infinite
    /// ones, where there are none.
    pub(super) fn find(
        total: usize,
        median: f64,
        guess: usize,
        mut values_at: impl FnMut(Side, usize) -> Option<(f64, f64)>,
    ) -> Option<Self> {
        // Ranks below the middle are no larger than the median, the others no smaller.
        let middle = total / 2;
        let wanted = total.checked_sub(1)? / 2 + 1;
        let mut below = guess.clamp((wanted + middle).saturating_sub(total), wanted.min(middle));
        loop {
            // Of a side on which none of the half lies, the last is not away, but beyond the median: nobody is nearer.
            let (below_beyond, below_last) = values_at(Side::Low, middle - below)?;
            let (above_last, above_beyond) = values_at(Side::High, middle + wanted - below)?;
            let (below_last, below_next) = (median - below_last, median - below_beyond);
            let (above_last, above_next) = (above_last - median, above_beyond - median);
            // One of both at most. To ask for either at once is to be wrong about one thing less.
            let (fewer, more) = (below_last > above_next, above_last > below_next);
            if !(fewer | more) {
                let farthest = larger(below_last, above_last);
                let next = if total.is_multiple_of(2) {
                    smaller(below_next, above_next)
                } else {
                    farthest
                };
                let middle = mean(farthest, next);
                return Some(Self { below, middle });
            }
            below = below + usize::from(more) - usize::from(fewer);
        }
    }
}

/// How many values of the half that is nearest to their median lie below it. There is one value at least.
pub(super) fn nearest_below(values: &mut [f64]) -> usize {
    let middle = values.len() / 2;
    if values.is_sorted() {
        let at = |rank: usize| values.get(rank).copied();
        let edge = |_, upper: usize| {
            let lower = upper.checked_sub(1).and_then(at).unwrap_or(f64::NEG_INFINITY);
            Some((lower, at(upper).unwrap_or(f64::INFINITY)))
        };
        let nearest = median(values.len(), at).and_then(|median| Nearest::find(values.len(), median, middle / 2, edge));
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
