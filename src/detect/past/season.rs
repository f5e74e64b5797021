//! Season: what a day, and a week, adds to a series and takes from it, worked out from its past as a whole.
//!
//! Of each value the mean of the day about it is taken away, so that no trend is left; what remains is put together by the time of
//! the day, and of each time the median counts, so that a step, a gap or a bad day shows in none. The same goes for weeks, of what
//! days have left.
//!
//! What days have in common is believed as far as every second day agrees with the others: the halves' correlation `r` gives the
//! share of the profile that is no chance, `2r / (1 + r)` (Spearman and Brown), by which it is scaled. So noise is no season.
//!
//! A week that was seen twice, and not four times, is believed where its days agree closely (`take_week_seen_twice`): the pace is that
//! from one week to the next, which no week moves, and each day has one level.
//!
//! What is worked out from few periods follows their noise as well: it is known how much of that a profile takes with it.
//!
//! Costs some tens of nanoseconds for a value.

use super::sums::Sums;
use crate::window::{LineSums, Moments, Point};

/// A day, and a week (seconds).
pub(in crate::detect) const DAY_S: i64 = 86_400;
pub(in crate::detect) const WEEK_S: i64 = 7 * DAY_S;

/// Share of a period about a value that has to be known for its mean to be.
const KNOWN_SHARE: f64 = 0.75;
/// Agreement of halves below which there is no season.
const AGREEMENT_LEAST: f64 = 0.25;
/// Periods that make a season; as its means need half a period on either side, it takes one more.
const PERIODS_LEAST: usize = 3;
/// Agreement of the days of two weeks below which these have nothing in common: of noise that lasts two weeks may agree better by
/// chance than many.
const AGREEMENT_OF_TWO: f64 = 0.9;
/// Days of a week.
const DAYS: usize = 7;
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

/// Takes away what each day of the week adds to the last two weeks of `values`, where there are no more than three and the days of
/// both agree.
pub(in crate::detect) fn take_week_seen_twice(
    values: &mut [f64],
    step_s: i64,
    mut local: impl FnMut(usize) -> i64,
) -> Profile {
    let slots = usize::try_from(WEEK_S / step_s).unwrap_or_default();
    let Some(begin) = values.len().checked_sub(2 * slots).filter(|begin| *begin < 2 * slots) else {
        return Profile::default();
    };
    let slot_of = |local: i64| slot(local, step_s, WEEK_S).0;
    let day_of = |slot: usize| slot * DAYS / slots;
    let places: Vec<usize> = (0..values.len()).map(|place| slot_of(local(place))).collect();
    let Some(levels) = levels_of_days(&values[begin..], &places[begin..], day_of) else {
        return Profile::default();
    };
    for (value, &slot) in values.iter_mut().zip(&places) {
        *value -= levels[day_of(slot)];
    }
    Profile {
        added: (0..slots).map(|slot| levels[day_of(slot)]).collect(),
        // Each day has a level, and was seen twice.
        taken: 0.5,
    }
}

/// What each day adds to two weeks of `values` of which `places` are the times in the week; `None`: nothing that both agree on.
#[expect(clippy::cast_precision_loss, reason = "weeks have few steps")]
fn levels_of_days(values: &[f64], places: &[usize], day_of: impl Fn(usize) -> usize) -> Option<[f64; DAYS]> {
    let slots = values.len() / 2;
    let (early, late) = values.split_at(slots);
    let mut changes: Vec<f64> = early.iter().zip(late).map(|(early, late)| late - early).collect();
    changes.retain(|change| !change.is_nan());
    if (changes.len() as f64) < KNOWN_SHARE * slots as f64 {
        return None;
    }
    // A pace that changes lets weeks go apart by that of both. By its own, what a straight line explains of each is left out: it may
    // as well be a step from one to the other, which nobody has seen twice.
    let (pace, own) = (median(&mut changes)? / slots as f64, [slope(early), slope(late)]);
    let by_pace = days(values, places, &day_of, |_| pace)?;
    let by_own = days(values, places, &day_of, |week| own[week])?;
    let agreement = correlation(&by_pace).min(correlation(&by_own));
    if agreement < AGREEMENT_OF_TWO {
        return None;
    }
    let believed = 2.0 * agreement / (1.0 + agreement);
    let means = by_pace.map(|(early, late)| f64::midpoint(early, late));
    let mean = means.iter().sum::<f64>() / DAYS as f64;
    Some(means.map(|level| believed * (level - mean)))
}

/// The level of each day in either of two weeks, in which values rise by `pace` at a step.
#[expect(clippy::cast_precision_loss, reason = "weeks have few steps")]
fn days(
    values: &[f64],
    places: &[usize],
    day_of: impl Fn(usize) -> usize,
    pace: impl Fn(usize) -> f64,
) -> Option<[(f64, f64); DAYS]> {
    let slots = values.len() / 2;
    let mut rests: [[Vec<f64>; 2]; DAYS] = Default::default();
    for (at, (value, slot)) in values.iter().zip(places).enumerate() {
        let week = at / slots;
        if !value.is_nan() {
            rests[day_of(*slot)][week].push(value - pace(week) * at as f64);
        }
    }
    let mut days = [(0.0, 0.0); DAYS];
    for (day, [early, late]) in days.iter_mut().zip(&mut rests) {
        *day = (median(early)?, median(late)?);
    }
    Some(days)
}

/// How much the straight line through values rises at a step.
fn slope(values: &[f64]) -> f64 {
    let (mut moments, mut sums) = (Moments::default(), LineSums::default());
    for (timestamp, &value) in (0..).zip(values).filter(|(_, value)| !value.is_nan()) {
        moments.add(value);
        sums.add(Point { timestamp, value }, &moments);
    }
    sums.fit(&moments).map_or(0.0, |line| line.slope)
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

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: usize = 168;

    /// Two weeks of hours which rise, with what `more` adds to each.
    fn weeks(more: impl Fn(usize) -> f64) -> Vec<f64> {
        let hours = (0_u32..).take(2 * WEEK).zip(0..);
        hours
            .map(|(hour, place)| f64::from(hour) / 20.0 + more(place))
            .collect()
    }

    fn taken(mut values: Vec<f64>) -> (Vec<f64>, Profile) {
        // The first hour of 1970 was that of a Thursday.
        let local = |place: usize| i64::try_from(place).unwrap() * 3600;
        let week = take_week_seen_twice(&mut values, 3600, local);
        (values, week)
    }

    fn weekend(place: usize) -> f64 {
        if (48..96).contains(&(place % WEEK)) { -7.0 } else { 0.0 }
    }

    #[test]
    fn a_weekend_that_was_seen_twice_is_taken_away() {
        let (values, week) = taken(weeks(weekend));
        assert!(!week.is_none());
        for (place, (value, rest)) in weeks(weekend).into_iter().zip(values).enumerate() {
            assert!((value - week.at(place % WEEK) - rest).abs() < 1e-9);
            let rise = f64::from(u32::try_from(place).unwrap()) / 20.0;
            assert!((rest - rise + 2.0).abs() < 0.1, "at {place}: {rest}");
        }
    }

    #[test]
    fn what_one_week_shows_alone_is_no_season() {
        let once = |range: std::ops::Range<usize>| weeks(move |place| if range.contains(&place) { -7.0 } else { 0.0 });
        for values in [
            once(48..96),
            once(100..2 * WEEK),
            once(WEEK..2 * WEEK),
            once(240..2 * WEEK),
        ] {
            let (rests, week) = taken(values.clone());
            assert!(week.is_none());
            assert_eq!(rests, values);
        }
    }

    #[test]
    fn a_pace_that_grows_is_no_season() {
        let square = |place: usize| f64::from(u32::try_from(place * place).unwrap()) / 1000.0;
        assert!(taken(weeks(square)).1.is_none());
        assert!(taken(weeks(|place| -square(2 * WEEK - place))).1.is_none());
    }

    #[test]
    fn less_than_two_weeks_and_more_than_gaps_show_nothing() {
        assert!(taken(weeks(weekend).split_off(1)).1.is_none());
        let gap = |place: usize| if place % WEEK < 60 { f64::NAN } else { weekend(place) };
        assert!(taken(weeks(gap)).1.is_none());
        let gap = |place: usize| if place % 10 == 3 { f64::NAN } else { weekend(place) };
        assert!(!taken(weeks(gap)).1.is_none());
    }
}
