//! Season: what a day, and a week, adds to a series and takes from it, worked out from its past as a whole.
//!
//! Of each value the mean of the day about it is taken away, so that no trend is left; what remains is put together by the time of
//! the day, and of each time the median counts, so that a step, a gap or a bad day shows in none. The same goes for weeks, of what
//! days have left.
//!
//! What days have in common is believed as far as every second day agrees with the others: the halves' correlation `r` gives the
//! share of the profile that is no chance, `2r / (1 + r)` (Spearman and Brown), by which it is scaled. So noise is no season.
//!
//! What is worked out from few periods follows their noise as well: it is known how much of that a profile takes with it.
//!
//! Costs some tens of nanoseconds for a value.

use super::sums::Sums;

/// A day, and a week (seconds).
pub(in crate::detect) const DAY_S: i64 = 86_400;
pub(in crate::detect) const WEEK_S: i64 = 7 * DAY_S;

/// Share of a period about a value that has to be known for its mean to be.
const KNOWN_SHARE: f64 = 0.75;
/// Agreement of halves below which there is no season.
const AGREEMENT_LEAST: f64 = 0.25;
/// Periods that make a season; as its means need half a period on either side, it takes one more.
const PERIODS_LEAST: usize = 3;
/// Times of the period, out of all, that need so many values.
const SLOTS_KNOWN: f64 = 0.8;

/// What a period adds to the values, by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::detect) struct Profile {
    added: Vec<f64>,
    /// See [`Self::taken`].
    taken: f64,
}

/// Buffers to work with.
#[derive(Debug, Default)]
pub(in crate::detect) struct Scratch {
    sums: Sums,
    /// The rests, by slot: one half, the other.
    rests: Vec<[Vec<f64>; 2]>,
}

impl Profile {
    /// What is added at the time `slot`; 0 where there is no season.
    pub(in crate::detect) fn at(&self, slot: usize) -> f64 {
        self.added.get(slot).copied().unwrap_or_default()
    }

    /// Is there no season?
    pub(in crate::detect) fn is_none(&self) -> bool {
        self.added.is_empty()
    }

    /// What it took of the freedom of the values it was worked out from (0 to 1): one of those at each time of the period. So far
    /// as these differ by chance, they do so too little without it, and this part of their variance is that of a mean of
    /// each time.
    pub(in crate::detect) fn taken(&self) -> f64 {
        self.taken
    }

    /// That of `values` (NaN where there is none), with periods of `slots` values. `slot` is the time of each: which of the
    /// period, and of which period.
    pub(in crate::detect) fn of(
        values: &[f64],
        slots: usize,
        slot: impl Fn(usize) -> (usize, i64),
        scratch: &mut Scratch,
    ) -> Self {
        let Scratch { sums, rests } = scratch;
        sums.of(values);
        rests.resize_with(slots.max(rests.len()), Default::default);
        for halves in &mut *rests {
            halves.iter_mut().for_each(Vec::clear);
        }
        for begin in 0..(values.len() + 1).saturating_sub(slots) {
            let place = begin + slots / 2;
            let known = sums.known(begin + slots, slots);
            #[expect(clippy::cast_precision_loss, reason = "there are few slots")]
            let enough = f64::from(known) >= KNOWN_SHARE * slots as f64;
            if let Some(mean) = sums
                .mean(begin + slots, slots)
                .filter(|_| enough && !values[place].is_nan())
            {
                let (slot, period) = slot(place);
                rests[slot][usize::from(period.rem_euclid(2) == 1)].push(values[place] - mean);
            }
        }
        Self::from_rests(&mut rests[..slots]).unwrap_or_default()
    }

    fn from_rests(rests: &mut [[Vec<f64>; 2]]) -> Option<Self> {
        let visits: Vec<usize> = rests.iter().map(|halves| halves[0].len() + halves[1].len()).collect();
        let halves: Vec<[Option<f64>; 2]> = rests
            .iter_mut()
            .map(|halves| halves.each_mut().map(|half| median(half)))
            .collect();
        let both: Vec<(f64, f64)> = halves
            .iter()
            .zip(&visits)
            .filter(|(_, visits)| **visits >= PERIODS_LEAST)
            .filter_map(|(&[one, other], _)| Some((one?, other?)))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "there are few slots")]
        let known = both.len() as f64 / rests.len() as f64;
        if known < SLOTS_KNOWN {
            return None;
        }
        let agreement = correlation(&both);
        if agreement < AGREEMENT_LEAST {
            return None;
        }
        let believed = 2.0 * agreement / (1.0 + agreement);
        let medians: Vec<f64> = rests
            .iter_mut()
            .map(|[one, other]| {
                one.append(other);
                median(one).unwrap_or_default()
            })
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "there are few slots")]
        let mean = medians.iter().sum::<f64>() / medians.len() as f64;
        let seen = visits.iter().filter(|visits| **visits > 0);
        #[expect(clippy::cast_precision_loss, reason = "there are few periods")]
        let (slots, taken) = seen.fold((0.0, 0.0), |(slots, taken), visits| {
            (slots + 1.0, taken + 1.0 / *visits as f64)
        });
        Some(Self {
            added: medians.into_iter().map(|median| believed * (median - mean)).collect(),
            taken: taken / slots,
        })
    }
}

/// Takes day and week away from `values`, of which each step begins at a local time.
pub(in crate::detect) fn take_season(
    values: &mut [f64],
    step_s: i64,
    mut local: impl FnMut(usize) -> i64,
    scratch: &mut Scratch,
) -> (Profile, Profile) {
    let locals: Vec<i64> = (0..values.len()).map(&mut local).collect();
    let mut take = |period_s: i64| {
        let slots = usize::try_from(period_s / step_s).unwrap_or_default();
        let slot = |place: usize| slot(locals[place], step_s, period_s);
        let profile = Profile::of(values, slots, slot, scratch);
        if !profile.is_none() {
            for (place, value) in values.iter_mut().enumerate() {
                *value -= profile.at(slot(place).0);
            }
        }
        profile
    };
    (take(DAY_S), take(WEEK_S))
}

/// Which step of a period begins at a local time, and of which period.
pub(in crate::detect) fn slot(local: i64, step_s: i64, period_s: i64) -> (usize, i64) {
    let slot = local.rem_euclid(period_s) / step_s;
    (usize::try_from(slot).unwrap_or_default(), local.div_euclid(period_s))
}

/// The middle value; `None` of nothing. Puts the values in another order.
pub(in crate::detect) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    let even = values.len().is_multiple_of(2);
    let (_, &mut low, above) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let high = above.iter().copied().reduce(f64::min).filter(|_| even);
    Some(high.map_or(low, |high| low + (high - low) / 2.0))
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are few pairs")]
    let count = pairs.len() as f64;
    let (sum_x, sum_y) = pairs
        .iter()
        .fold((0.0, 0.0), |(sum_x, sum_y), (x, y)| (sum_x + x, sum_y + y));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    let size = (xx * yy).sqrt();
    if size > 0.0 { xy / size } else { 0.0 }
}
