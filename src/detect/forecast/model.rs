//! What the hours to come will be like, by those that were.
//!
//! 1. What a day, and a week, adds is taken away (`past::Profile`).
//!    Up to five hours that were far off the day before tell nothing of those to come; six that agree are a new level, to which the past
//!    is moved (`settle`).
//! 2. The rest of an hour to come is foretold from what is known by then: the last hour, the mean of the last six, of the last day, of the
//!    last week, and the same hour of the day before, all as differences from the mean of the last day. How much each is worth is learnt
//!    from the past itself, for some horizons from an hour to a day (least squares, with Huber's weights, and drawn towards the
//!    mean of the last day where there is little to learn from). Between these it is interpolated.
//! 3. The band about it is that of the errors which the past would have had, by horizon, wider at the hours of the day at which
//!    errors are larger, and wider for a short past, which knows its season less well than it seems.
//!
//! Knows no clock: hours are counted. Costs a quarter of a millisecond for six weeks.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of hours are small"
)]

use super::super::past::{SeasonScratch, Sums, median, take_season};

/// Hours of a day, and of a week.
pub(super) const DAY: usize = 24;
const WEEK: usize = 168;
/// Hours ahead for which weights are learnt.
const HORIZONS: [usize; 6] = [1, 2, 4, 8, 16, 24];
/// What is known beforehand.
const KNOWN: usize = 4;
/// Rounds that find the weights.
const ROUNDS: usize = 3;
/// Errors beyond so many deviations weigh less.
const HUBER: f64 = 1.5;
/// What draws weights towards nothing: so many hours of the past.
const RIDGE: f64 = 24.0;
/// Hours are off the day before beyond so many usual differences.
const OFF: f64 = 5.0;
/// So many of them, one after the other, are a new level if they are as far from each other at most.
const NEW_LEVEL: usize = 6;
/// Fewest hours to learn from.
const HOURS_LEAST: usize = 48;

/// What is expected of an hour to come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Hour {
    pub(super) expected: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

/// Buffers to work with.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    season: SeasonScratch,
    rest: Vec<f64>,
    usual: Vec<f64>,
    held: Vec<f64>,
    sums: Sums,
    usual_sums: Sums,
    rows: Vec<Row>,
    sorted: Vec<f64>,
}

/// What was known of an hour, and what it was: differences from the mean of the day before.
#[derive(Clone, Copy, Debug)]
struct Row {
    known: [f64; KNOWN],
    came: f64,
    error: f64,
    /// Hour of the day.
    slot: usize,
}

/// The past without its season, to be asked for means.
struct Rest<'a> {
    sums: &'a Sums,
    /// The same but for hours that were off and are over.
    usual: &'a [f64],
    usual_sums: &'a Sums,
}

impl Rest<'_> {
    /// What is known, when `now` hours are, of the one `ahead` hours ahead (1 for the next), and the mean that all is relative to.
    fn known(&self, now: usize, ahead: usize) -> Option<([f64; KNOWN], f64)> {
        let day = self.usual_sums.mean(now, DAY)?;
        let or_day = |value: Option<f64>| value.filter(|value| !value.is_nan()).map_or(0.0, |value| value - day);
        let same = (now + ahead).checked_sub(DAY + 1).filter(|&same| same < now);
        Some((
            [
                or_day(self.sums.mean(now, 1)),
                or_day(self.sums.mean(now, 6)),
                or_day(same.map(|same| self.usual[same])),
                or_day(self.usual_sums.mean(now, WEEK)),
            ],
            day,
        ))
    }
}

/// The hours after `values` (NaN where nothing is known), of which `hours` begins one for each local time (seconds): `ahead` of them, DAY
/// at most. `outside`: how many hours of 1 may lie outside of the band. `None`: too little is known.
pub(super) fn forecast(
    values: &[f64],
    ahead: usize,
    outside: f64,
    local: impl Fn(usize) -> i64,
    scratch: &mut Scratch,
) -> Option<Vec<Hour>> {
    let Scratch {
        season,
        rest,
        usual,
        held,
        sums,
        usual_sums,
        rows,
        sorted,
    } = scratch;
    rest.clear();
    rest.extend_from_slice(values);
    let (day, week) = take_season(rest, 3600, &local, season);
    let season = |place: usize| {
        let hour = usize::try_from(local(place).div_euclid(3600).rem_euclid(168)).unwrap_or_default();
        day.at(hour % DAY) + week.at(hour)
    };
    settle(rest, usual, held, sorted);
    sums.of(held);
    usual_sums.of(usual);
    let past = Rest {
        sums,
        usual,
        usual_sums,
    };
    let count = values.len();
    let slot = |place: usize| usize::try_from(local(place).div_euclid(3600).rem_euclid(24)).unwrap_or_default();
    let mut learnt = Vec::new();
    for horizon in HORIZONS {
        rows.clear();
        for now in DAY..(count + 1).saturating_sub(horizon) {
            let place = now + horizon - 1;
            if rest[place].is_nan() {
                continue;
            }
            if let Some((known, day)) = past.known(now, horizon) {
                rows.push(Row {
                    known,
                    came: rest[place] - day,
                    error: 0.0,
                    slot: slot(place),
                });
            }
        }
        if rows.len() < HOURS_LEAST {
            return None;
        }
        let weights = learn(rows, sorted);
        learnt.push((weights, Errors::of(rows, outside, sorted)));
    }
    let known = sums.known(count, count);
    let visits = f64::from(known) / DAY as f64;
    // Medians of so many days, and weeks, are off by a part of the noise; and what was learnt knows what it has learnt from.
    let unsure = (1.4 + 3.0 / visits + if week.is_none() { 0.0 } else { 7.0 / visits }).sqrt();
    let hours = (1..=ahead.min(DAY)).map(|ahead| {
        let after = HORIZONS
            .iter()
            .position(|&horizon| horizon >= ahead)
            .unwrap_or(HORIZONS.len() - 1);
        let from = after.saturating_sub(1);
        let way = if from == after {
            0.0
        } else {
            (ahead - HORIZONS[from]) as f64 / (HORIZONS[after] - HORIZONS[from]) as f64
        };
        let (known, day) = past.known(count, ahead)?;
        let (one, other) = (&learnt[from], &learnt[after]);
        let foretold = |weights: &[f64; KNOWN]| {
            weights
                .iter()
                .zip(&known)
                .map(|(weight, known)| weight * known)
                .sum::<f64>()
        };
        let between = |one: f64, other: f64| one + way * (other - one);
        let place = count + ahead - 1;
        let expected = day + between(foretold(&one.0), foretold(&other.0)) + season(place);
        let slot = slot(place);
        Some(Hour {
            expected,
            lower: expected - unsure * between(one.1.lower(slot), other.1.lower(slot)),
            upper: expected + unsure * between(one.1.upper(slot), other.1.upper(slot)),
        })
    });
    hours.collect()
}

/// Moves what came before a new level to it, in `rest`, and leaves hours that were off out of `usual`, and near it in `held`.
fn settle(rest: &mut [f64], usual: &mut Vec<f64>, held: &mut Vec<f64>, sorted: &mut Vec<f64>) {
    usual.clear();
    usual.extend_from_slice(rest);
    held.clear();
    held.extend_from_slice(rest);
    let level = |usual: &[f64], at: usize, sorted: &mut Vec<f64>| {
        sorted.clear();
        sorted.extend(usual[at.saturating_sub(DAY)..at].iter().filter(|value| !value.is_nan()));
        median(sorted)
    };
    let offs = (DAY..rest.len()).filter_map(|at| Some((rest[at] - level(usual, at, sorted)?).abs()));
    let mut offs: Vec<f64> = offs.filter(|off| !off.is_nan()).collect();
    let far = OFF * 1.4826 * median(&mut offs).unwrap_or_default();
    if far <= 0.0 {
        return;
    }
    // Hours that are off one after the other, since when, and the level before.
    let mut run: Option<(usize, usize, f64)> = None;
    for at in DAY..rest.len() {
        let value = rest[at];
        let Some(before) = run.map(|(.., before)| before).or_else(|| level(usual, at, sorted)) else {
            continue;
        };
        if value.is_nan() || (value - before).abs() <= far {
            run = run.filter(|_| value.is_nan());
            continue;
        }
        let (since, hours, _) = run.unwrap_or((at, 0, before));
        usual[at] = f64::NAN;
        held[at] = value.clamp(before - far, before + far);
        run = Some((since, hours + 1, before));
        if hours + 1 == NEW_LEVEL {
            usual[since..=at].copy_from_slice(&rest[since..=at]);
            held[since..=at].copy_from_slice(&rest[since..=at]);
            run = None;
            move_to_level([rest, usual, held], since..at + 1, before, far, sorted);
        }
    }
}

/// Moves what came before the hours `new`, when the level was `before`, to their level, unless they differ by more than `far`.
fn move_to_level(all: [&mut [f64]; 3], new: std::ops::Range<usize>, before: f64, far: f64, sorted: &mut Vec<f64>) {
    sorted.clear();
    sorted.extend(all[0][new.clone()].iter().filter(|value| !value.is_nan()));
    let (least, most) = sorted.iter().fold((f64::MAX, f64::MIN), |(least, most), value| {
        (least.min(*value), most.max(*value))
    });
    let Some(level) = median(sorted).filter(|_| most - least <= far) else {
        return;
    };
    for values in all {
        values[..new.start]
            .iter_mut()
            .for_each(|value| *value += level - before);
    }
}

/// Weights with which what was known foretells what came; leaves the errors in `rows`.
fn learn(rows: &mut [Row], sorted: &mut Vec<f64>) -> [f64; KNOWN] {
    let mut weights = [0.0; KNOWN];
    let mut scale = f64::INFINITY;
    for _ in 0..ROUNDS {
        let mut matrix = [[0.0; KNOWN + 1]; KNOWN];
        for row in &*rows {
            let size = row.error.abs();
            let weight = if size <= HUBER * scale {
                1.0
            } else {
                HUBER * scale / size
            };
            for (at, line) in matrix.iter_mut().enumerate() {
                for (other, cell) in line.iter_mut().enumerate() {
                    let by = if other < KNOWN { row.known[other] } else { row.came };
                    *cell += weight * row.known[at] * by;
                }
            }
        }
        let rows_count = rows.len() as f64;
        for (at, line) in matrix.iter_mut().enumerate() {
            line[at] *= 1.0 + RIDGE / rows_count;
        }
        weights = solve(matrix);
        sorted.clear();
        for row in &mut *rows {
            row.error = row.came
                - row
                    .known
                    .iter()
                    .zip(&weights)
                    .map(|(known, weight)| known * weight)
                    .sum::<f64>();
            sorted.push(row.error.abs());
        }
        scale = 1.4826 * median(sorted).unwrap_or_default();
    }
    weights
}

/// Solves linear equations by Cholesky-like elimination, as the matrix is symmetric and positive; what is not determined is 0.
fn solve(mut matrix: [[f64; KNOWN + 1]; KNOWN]) -> [f64; KNOWN] {
    for pivot in 0..KNOWN {
        if matrix[pivot][pivot].is_nan() || matrix[pivot][pivot] <= 1e-300 {
            continue;
        }
        let line = matrix[pivot];
        for (at, other) in matrix.iter_mut().enumerate() {
            if at != pivot {
                let factor = other[pivot] / line[pivot];
                for (cell, by) in other.iter_mut().zip(&line) {
                    *cell -= factor * by;
                }
            }
        }
    }
    std::array::from_fn(|at| {
        let weight = matrix[at][KNOWN] / matrix[at][at];
        if weight.is_finite() {
            weight.clamp(-2.0, 2.0)
        } else {
            0.0
        }
    })
}

/// How far what came was from what was foretold.
struct Errors {
    /// Ends of the band, in terms of the usual size at that hour of the day.
    below: f64,
    above: f64,
    sizes: [f64; DAY],
}

impl Errors {
    fn of(rows: &[Row], outside: f64, sorted: &mut Vec<f64>) -> Self {
        let (mut sums, mut counts) = ([0.0; DAY], [0.0; DAY]);
        let mut total = 0.0;
        for row in rows {
            for near in [DAY - 1, 0, 1] {
                let slot = (row.slot + near) % DAY;
                sums[slot] += row.error.abs();
                counts[slot] += 1.0;
            }
            total += row.error.abs();
        }
        let mean = total / rows.len() as f64;
        // As if each hour of the day had come half a week before, with usual errors.
        let sizes: [f64; DAY] = std::array::from_fn(|slot| (sums[slot] + 10.0 * mean) / (counts[slot] + 10.0));
        sorted.clear();
        sorted.extend(rows.iter().map(|row| {
            if sizes[row.slot] > 0.0 {
                row.error / sizes[row.slot]
            } else {
                0.0
            }
        }));
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (sorted.len() - 1) as f64;
            sorted[place.round() as usize]
        };
        Self {
            below: -at(outside / 2.0),
            above: at(1.0 - outside / 2.0),
            sizes,
        }
    }

    fn lower(&self, slot: usize) -> f64 {
        self.below.max(0.0) * self.sizes[slot]
    }

    fn upper(&self, slot: usize) -> f64 {
        self.above.max(0.0) * self.sizes[slot]
    }
}
