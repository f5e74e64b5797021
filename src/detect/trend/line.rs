//! The line through a past: where it stands now, how fast it goes, and how sure that is.
//!
//! The values are those of equal steps of time, without season. What is done with them:
//!
//! 1. *Jumps* part them. A few are one-offs: each part has a level of its own, and all have one slope, so that a step neither
//!    tilts the line nor leaves it where it was. Many that go back while the parts go forth are a sawtooth: the line through the
//!    ends of its teeth is the one to go by, unless the last tooth has outgrown the others (`saw`).
//! 2. *Slope*: that of Theil's incomplete method (the weighted median of the slopes between places half a part apart, which a
//!    quarter of wild values does not move), improved by Huber's weights, so that normal noise costs no more than 5 %.
//! 3. *Present*: where the last half, or quarter, of the time has another pace than all of it, it is the one that counts; and
//!    where the last steps have left the line, theirs (`recent`).
//! 4. *Uncertainty*: from the means of some forty blocks of residuals, with what these have in common from one to the next
//!    (corrected for the bias of short series) taken into account: noise that lasts makes a line less certain. A season that was
//!    taken away took some of the noise with it: the fewer days (weeks) it was worked out from, the less certain is the line, and the
//!    season itself.
//!
//! Knows no clock and no step: time is counted in steps.

mod recent;
mod saw;

use super::super::{past::median, statistics::student_t::upper_quantile};

/// Fewest values that make a line.
pub(super) const VALUES_LEAST: usize = 12;
/// Values on either side of a jump.
const SIDE: usize = 5;
/// A jump is so many usual differences between sides.
const JUMP: f64 = 6.0;
/// Jumps up to this number are one-offs.
const ONE_OFFS_MAX: usize = 2;
/// Residuals beyond so many deviations weigh less.
const HUBER: f64 = 1.5;
/// Residuals beyond so many deviations do not count.
const WILD: f64 = 5.0;
/// Residuals beyond so many deviations count as if they were at these.
const HELD: f64 = 3.0;
/// Rounds that find the slope.
const ROUNDS: usize = 6;
/// Parts of the time that are looked at for the present pace, the last first.
const PRESENT: [f64; 3] = [0.25, 0.5, 1.0];
/// Fewest values that show another pace: noise that lasts looks like one in fewer.
const PRESENT_LEAST: usize = 48;
/// Chance that a pace is taken for another than before although it is not.
const CHANCE_OF_CHANGE: f64 = 0.002;
/// A longer line is none of the present if squares about it are so many times those about the shorter.
const NEARER: f64 = 10.0;
/// Blocks of residuals, about.
const BLOCKS: usize = 24;
/// A median is less sure than a mean by this (of its variance): half of pi, where noise is normal.
const OF_A_MEDIAN: f64 = std::f64::consts::FRAC_PI_2;
/// So many degrees of freedom are as good as any number.
const DEGREES_MANY: f64 = 1e5;
/// A season takes this part of the noise at most, as each of its times was seen more than twice.
const TAKEN_MAX: f64 = 0.5;
/// What blocks may have in common at most.
const LASTING_MAX: f64 = 0.9;

/// A value at a time.
pub(super) type Place = (f64, f64);

/// A straight line, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// Value at time 0.
    pub(super) level: f64,
    /// Change in a step.
    pub(super) slope: f64,
    /// Time at which the error of the level is least, and independent of that of the slope.
    centre: f64,
    /// Variance of the level there.
    level_variance: f64,
    /// Variance of the slope.
    slope_variance: f64,
    /// Degrees of freedom of both.
    degrees: f64,
    /// Variance of what the season adds to it.
    season_variance: f64,
    /// How far values usually are from the line (a standard deviation).
    pub(super) noise: f64,
    /// What part of the change the line explains, 0 to 1, without steps.
    pub(super) fit: f64,
    /// When the last of its parts began.
    since: f64,
    /// What was made of jumps.
    pub(super) shape: Shape,
}

/// What a series does besides going its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing, or so many steps.
    Steps(usize),
    /// It goes back again and again, and the line is that of the ends of its teeth.
    Saw,
    /// It has left its line, and goes another way since so many steps.
    Recent(usize),
}

/// Buffers to work with.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    buffer: Vec<f64>,
    jumps: Vec<f64>,
    slopes: Vec<(f64, f64)>,
    /// Where each part begins and ends.
    parts: Vec<(usize, usize)>,
    residuals: Vec<f64>,
    blocks: Vec<Block>,
    /// What a season has taken of the freedom of values.
    taken: f64,
    sums: Vec<recent::Sums>,
    slopes_of_stretches: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    residual: f64,
    values: f64,
    part: usize,
}

impl Line {
    /// The line at a time.
    pub(super) fn at(&self, time: f64) -> f64 {
        self.level + self.slope * time
    }

    /// Half the width of the interval that holds the true line at a time with a probability: `beyond` is half of what is left
    /// to 1.
    pub(super) fn margin(&self, beyond: f64) -> Margin {
        Margin {
            centre: self.centre,
            quantile: upper_quantile(beyond, self.degrees),
            level_variance: self.level_variance,
            slope_variance: self.slope_variance,
            season: upper_quantile(beyond, DEGREES_MANY) * self.season_variance.sqrt(),
        }
    }

    /// The line that `places`, in the order of their times, are on at present; they hold no season, which has `taken` some of
    /// their freedom (see `Profile::taken`). It goes through all of them, or through those of the last half or quarter of the time
    /// if their pace is another. `None`: they are too few.
    pub(super) fn present(places: &[Place], taken: f64, scratch: &mut Scratch) -> Option<Self> {
        let &(first, _) = places.first()?;
        scratch.taken = taken.min(TAKEN_MAX);
        let mut lines: Vec<Self> = Vec::new();
        for part in PRESENT {
            let begin = places.partition_point(|(time, _)| *time < first * part);
            let Some(line) = Self::through(&places[begin..], scratch) else {
                continue;
            };
            if part < 1.0 && places.len() - begin < PRESENT_LEAST {
                continue;
            }
            if !lines
                .iter()
                .all(|shorter| shorter.agrees(&line) && !shorter.outdoes(&line, places))
            {
                break;
            }
            lines.push(line);
        }
        lines.pop()
    }

    /// May `longer` be the same line?
    fn agrees(&self, longer: &Self) -> bool {
        let margin = self.margin(CHANCE_OF_CHANGE / 2.0);
        (self.slope - longer.slope).abs() <= margin.of_slope() && (self.level - longer.level).abs() <= margin.at(0.0)
    }

    /// Are `places` since its last step far nearer to it than to `longer`? Where a pace grows steadily that tells more than the
    /// margins, which are wide as if noise lasted.
    fn outdoes(&self, longer: &Self, places: &[Place]) -> bool {
        let since = self.since.max(longer.since);
        let last = &places[places.partition_point(|(time, _)| *time < since)..];
        let about = |line: &Self| last.iter().map(|(x, y)| (y - line.at(*x)).powi(2)).sum::<f64>();
        last.len() >= VALUES_LEAST && about(longer) > NEARER * about(self)
    }

    /// The line through `places`, in the order of their times, which hold no season; `None`: they are too few.
    fn through(places: &[Place], scratch: &mut Scratch) -> Option<Self> {
        if places.len() < VALUES_LEAST {
            return None;
        }
        scratch.part(places);
        if scratch.parts.len() > ONE_OFFS_MAX + 1 {
            scratch.parts.clear();
            scratch.parts.push((0, places.len()));
        }
        scratch.pooled(places)
    }

    /// The line through the ends of the teeth of `places`, season or not; `None`: they are no saw. `upwards`: the value to reach
    /// lies above them.
    pub(super) fn of_saw(places: &[Place], upwards: bool, scratch: &mut Scratch) -> Option<Self> {
        if places.len() < VALUES_LEAST {
            return None;
        }
        scratch.taken = 0.0;
        scratch.part(places);
        scratch.saw(places, upwards)
    }
}

/// Half the width of an interval about a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margin {
    centre: f64,
    quantile: f64,
    level_variance: f64,
    slope_variance: f64,
    season: f64,
}

impl Margin {
    /// That at a time.
    pub(super) fn at(&self, time: f64) -> f64 {
        let away = time - self.centre;
        self.quantile * (self.level_variance + away * away * self.slope_variance).sqrt()
    }

    /// That of the line with its season on top.
    pub(super) fn with_season(&self, time: f64) -> f64 {
        self.at(time).hypot(self.season)
    }

    /// That of the slope.
    pub(super) fn of_slope(&self) -> f64 {
        self.quantile * self.slope_variance.sqrt()
    }
}

impl Scratch {
    /// Finds jumps, and the parts between them. The value in which a jump happens belongs to neither part.
    fn part(&mut self, places: &[Place]) {
        let Self {
            buffer, jumps, parts, ..
        } = self;
        parts.clear();
        let count = places.len();
        buffer.clear();
        buffer.extend(
            places
                .windows(2)
                .map(|pair| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0)),
        );
        let pace = median(buffer).unwrap_or_default();
        let middle = |range: std::ops::Range<usize>| {
            let mut values = [0.0; SIDE];
            for (value, &(_, y)) in values.iter_mut().zip(&places[range]) {
                *value = y;
            }
            median(&mut values).unwrap_or_default()
        };
        jumps.clear();
        jumps.resize(count, 0.0);
        for at in SIDE..count - SIDE {
            let time = places[at + SIDE / 2 + 1].0 - places[at - SIDE / 2 - 1].0;
            jumps[at] = middle(at + 1..at + 1 + SIDE) - middle(at - SIDE..at) - pace * time;
        }
        // The lower quarter says what is usual, as a saw with short teeth has jumps nearly everywhere.
        buffer.clear();
        buffer.extend(jumps[SIDE..count - SIDE].iter().map(|jump| jump.abs()));
        let quarter = buffer.len() / 4;
        let (_, &mut usual, _) = buffer.select_nth_unstable_by(quarter, f64::total_cmp);
        let usual = usual / 0.3186;
        let mut begin = 0;
        for at in SIDE..count - SIDE {
            let size = jumps[at].abs();
            let around = &jumps[at.saturating_sub(SIDE)..count.min(at + SIDE + 1)];
            let is_peak = around.iter().all(|other| other.abs() <= size);
            if size > JUMP * usual && size > 0.0 && is_peak && at >= begin + SIDE {
                parts.push((begin, at));
                begin = at + 1;
            }
        }
        parts.push((begin, count));
    }

    /// The line with one slope over all parts, and the level of the last.
    fn pooled(&mut self, places: &[Place]) -> Option<Line> {
        let mut slope = self.first_slope(places)?;
        let mut scale = self.residuals_of(places, slope);
        let mut fit = 0.0;
        for round in 0..ROUNDS {
            let (mut xy, mut xx, mut spread) = (0.0, 0.0, 0.0);
            for &(begin, end) in &self.parts {
                let (mut weights, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
                let (places, residuals) = (&places[begin..end], &self.residuals[begin..end]);
                for (&(x, y), residual) in places.iter().zip(residuals) {
                    let weight = weight(*residual, scale);
                    weights += weight;
                    sum_x += weight * x;
                    sum_y += weight * y;
                }
                // Two kinds of values, equally many and far apart, are all too far from their middle.
                if weights == 0.0 {
                    continue;
                }
                let (mean_x, mean_y) = (sum_x / weights, sum_y / weights);
                for (&(x, y), residual) in places.iter().zip(residuals) {
                    let weight = weight(*residual, scale);
                    let (x, y) = (x - mean_x, y - mean_y);
                    xy += weight * x * y;
                    xx += weight * x * x;
                    spread += weight * y * y;
                }
            }
            if xx > 0.0 {
                slope = xy / xx;
            }
            fit = if spread > 0.0 {
                (slope * slope * xx / spread).min(1.0)
            } else {
                0.0
            };
            let anew = self.residuals_of(places, slope);
            // Once the scale is settled the weights shall be.
            if round < 2 {
                scale = anew;
            }
        }
        let &(begin, end) = self.parts.last().expect("there is one at least");
        // By Huber's weights once more, for the level.
        let level = self.level(&places[begin..end], begin, slope, scale);
        Some(self.with_uncertainty(places, slope, level, scale, fit))
    }

    /// Level at time 0 of the last part.
    fn level(&self, last: &[Place], begin: usize, slope: f64, scale: f64) -> f64 {
        let (mut weights, mut sum) = (0.0, 0.0);
        for (&(x, y), residual) in last.iter().zip(&self.residuals[begin..]) {
            let weight = weight(*residual, scale);
            weights += weight;
            sum += weight * (y - slope * x);
        }
        if weights == 0.0 {
            // The middle from which residuals are counted.
            let (x, y) = last[0];
            return y - slope * x - self.residuals[begin];
        }
        sum / weights
    }

    /// Slopes between values half a part apart: their median, the further apart the more they weigh.
    fn first_slope(&mut self, places: &[Place]) -> Option<f64> {
        self.slopes.clear();
        for &(begin, end) in &self.parts {
            let half = (end - begin) / 2;
            let places = &places[begin..end];
            if half == 0 {
                continue;
            }
            for (before, after) in places.iter().zip(&places[half..]) {
                let time = after.0 - before.0;
                self.slopes.push(((after.1 - before.1) / time, time));
            }
        }
        self.slopes.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
        let half = self.slopes.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
        let mut sum = 0.0;
        let slope = self.slopes.iter().find(|(_, weight)| {
            sum += weight;
            sum >= half
        });
        slope.map(|(slope, _)| *slope)
    }

    /// Works out the residuals from lines with `slope` through the parts; gives their scale.
    fn residuals_of(&mut self, places: &[Place], slope: f64) -> f64 {
        self.residuals.clear();
        self.residuals.resize(places.len(), 0.0);
        for &(begin, end) in &self.parts {
            self.buffer.clear();
            self.buffer
                .extend(places[begin..end].iter().map(|(x, y)| y - slope * x));
            let level = median(&mut self.buffer).unwrap_or_default();
            for (residual, (x, y)) in self.residuals[begin..end].iter_mut().zip(&places[begin..end]) {
                *residual = y - slope * x - level;
            }
        }
        self.buffer.clear();
        for &(begin, end) in &self.parts {
            self.buffer
                .extend(self.residuals[begin..end].iter().map(|residual| residual.abs()));
        }
        1.4826 * median(&mut self.buffer).unwrap_or_default()
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few values")]
    fn with_uncertainty(&mut self, places: &[Place], slope: f64, level: f64, scale: f64, fit: f64) -> Line {
        let count: usize = self.parts.iter().map(|(begin, end)| end - begin).sum();
        let size = (count / BLOCKS).max(1);
        self.blocks.clear();
        let held = HELD * scale;
        let mut squares = 0.0;
        for (part, &(begin, end)) in self.parts.iter().enumerate() {
            let residuals = &mut self.residuals[begin..end];
            // Held, and about their own mean.
            let mut sum = 0.0;
            for residual in &mut *residuals {
                *residual = if held > 0.0 {
                    residual.clamp(-held, held)
                } else {
                    *residual
                };
                sum += *residual;
            }
            let mean = sum / (end - begin) as f64;
            for residuals in residuals.chunks(size) {
                let values = residuals.len() as f64;
                squares += residuals.iter().map(|residual| (residual - mean).powi(2)).sum::<f64>();
                self.blocks.push(Block {
                    residual: residuals.iter().sum::<f64>() / values - mean,
                    values,
                    part,
                });
            }
        }
        let blocks = self.blocks.len() as f64;
        let parts = self.parts.len() as f64;
        let free = ((blocks - parts - 1.0) * (1.0 - self.taken)).max(1.0);
        let values = count as f64;
        let noise = (squares / (values - parts - 1.0).max(1.0)).sqrt();
        // Variance of a block of full size.
        let block_variance = self
            .blocks
            .iter()
            .map(|block| block.residual * block.residual * block.values)
            .sum::<f64>()
            / free
            / size as f64;
        let (mut products, mut own) = (0.0, 0.0);
        for pair in self.blocks.windows(2) {
            let [before, after] = [pair[0], pair[1]];
            if before.part == after.part {
                products += before.residual * after.residual;
                own += f64::midpoint(before.residual.powi(2), after.residual.powi(2));
            }
        }
        let common = if own > 0.0 { products / own } else { 0.0 };
        let common = ((blocks * common + 1.0 + parts) / (blocks - 2.0 - 2.0 * parts).max(1.0)).clamp(0.0, LASTING_MAX);
        let lasting = (1.0 + common) / (1.0 - common);
        // Of the sum of residuals, for each value.
        let long_run = block_variance * size as f64 * lasting;
        let degrees = (free / lasting).max(2.0);
        let mut xx = 0.0;
        for &(begin, end) in &self.parts {
            let places = &places[begin..end];
            let mean = places.iter().map(|(x, _)| x).sum::<f64>() / (end - begin) as f64;
            xx += places.iter().map(|(x, _)| (x - mean).powi(2)).sum::<f64>();
        }
        let &(begin, end) = self.parts.last().expect("there is one at least");
        let last = (end - begin) as f64;
        let centre = places[begin..end].iter().map(|(x, _)| x).sum::<f64>() / last;
        Line {
            level,
            slope,
            centre,
            level_variance: (long_run / last).min(noise * noise),
            slope_variance: if xx > 0.0 { long_run / xx } else { 0.0 },
            degrees,
            season_variance: OF_A_MEDIAN * self.taken * noise * noise,
            noise,
            fit,
            since: places[begin].0,
            shape: Shape::Steps(self.parts.len() - 1),
        }
    }
}

/// Huber's weight of a residual, and none of one that is too far away to say anything.
fn weight(residual: f64, scale: f64) -> f64 {
    let size = residual.abs();
    if size <= HUBER * scale {
        1.0
    } else if size <= WILD * scale {
        HUBER * scale / size
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_two_kinds_of_values_says_nothing_of_the_slope_and_has_a_level() {
        let wobble = |time: f64| (time * 0.7).sin() / 10.0;
        let mut places: Vec<Place> = (0..47)
            .map(f64::from)
            .map(|time| (time, 20.0 + time / 20.0 + wobble(time)))
            .collect();
        // Three of six are wild.
        for place in (42..47).step_by(2) {
            places[place].1 += 30.0;
        }
        let mut scratch = Scratch {
            parts: vec![(0, 40), (41, 47)],
            ..Scratch::default()
        };
        let line = scratch.pooled(&places).unwrap();
        assert!((line.slope - 0.05).abs() < 0.01, "{line:?}");
        let numbers = [line.noise, line.fit, line.level_variance, line.slope_variance];
        assert!(numbers.iter().all(|number| number.is_finite()), "{line:?}");
        assert!((20.0..50.0).contains(&line.level), "{line:?}");
    }
}
