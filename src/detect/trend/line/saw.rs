//! The line through the ends of teeth: of what falls back again and again, as a disk does whose logs are rotated.
//!
//! A fall happens within a step, whose mean is of both sides: how much of each says when it fell, and so how high the tooth went.
//! The ends are judged by how they differ from each other: as long as they may be level they are not thought to go on rising.

use super::{Line, Place, SIDE, Scratch, Shape, VALUES_LEAST, median, upper_quantile};

/// Teeth that make a saw.
const TEETH_LEAST: usize = 3;
/// Values before a fall that say how high it was, at the pace of the teeth.
const TOP: usize = 3;
/// Chance that ends are thought to rise, or fall, although they are level.
const CHANCE_OF_RISE: f64 = 0.02;
/// Chance that a tooth is thought to have outgrown the others although it has not.
const CHANCE_OF_OUTGROWN: f64 = 0.01;

impl Scratch {
    /// The line through the ends of teeth; `None`: it is no saw.
    #[expect(clippy::cast_precision_loss, reason = "there are few teeth")]
    pub(super) fn saw(&mut self, places: &[Place], upwards: bool) -> Option<Line> {
        let towards = if upwards { 1.0 } else { -1.0 };
        // Nearly all jumps go one way, and what lies between them the other.
        let all = self.parts.len() - 1;
        let is_fall = |jumps: &[f64], end: usize| jumps[end] * towards < 0.0;
        let backs = self.parts[..all]
            .iter()
            .filter(|(_, end)| is_fall(&self.jumps, *end))
            .count();
        if backs < TEETH_LEAST || backs * 4 < all * 3 {
            return None;
        }
        let pace = self.first_slope(places)?;
        if pace * towards <= 0.0 {
            return None;
        }
        let falls = self.parts[..all]
            .iter()
            .map(|(_, end)| *end)
            .filter(|end| is_fall(&self.jumps, *end));
        let mut ends: Vec<Place> = falls.filter_map(|at| top(places, at, pace, towards)).collect();
        // Near the first value a fall may be found twice.
        ends.dedup_by(|after, before| after.0 - before.0 < 1.0);
        if ends.len() < TEETH_LEAST {
            return None;
        }
        let count = ends.len() as f64;
        let mean_x = ends.iter().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = ends.iter().map(|(_, y)| y).sum::<f64>() / count;
        let xx: f64 = ends.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let xy: f64 = ends.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let slope = xy / xx;
        let unexplained: f64 = ends
            .iter()
            .map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2))
            .sum();
        let degrees = (count - 2.0).max(1.0);
        let variance = unexplained / degrees;
        let noise = variance.sqrt();
        let &(begin, end) = self.parts.last().expect("there is one at least");
        // A tooth that has outgrown the others has no end in sight.
        let &(x, y) = places[begin..end].last()?;
        let usual = mean_y + slope * (x - mean_x);
        let unsure = (variance * (1.0 + 1.0 / count + (x - mean_x).powi(2) / xx)).sqrt();
        if (y - usual) * towards > upper_quantile(CHANCE_OF_OUTGROWN, degrees) * unsure.max(pace.abs()) {
            let only = self.parts.len() - 1;
            self.parts.drain(..only);
            return (end - begin >= VALUES_LEAST).then(|| self.pooled(places)).flatten();
        }
        let explained = slope * slope * xx;
        let (slope_variance, mut level_variance) = (variance / xx, variance / count);
        let mut level = mean_y - slope * mean_x;
        // Ends that may be level have not risen since the last one.
        let rises = slope.abs() > upper_quantile(CHANCE_OF_RISE / 2.0, degrees) * slope_variance.sqrt();
        if !rises && (level - mean_y) * towards > 0.0 {
            level_variance += (level - mean_y).powi(2);
            level = mean_y;
        }
        Some(Line {
            level,
            slope,
            centre: mean_x,
            level_variance,
            slope_variance,
            degrees,
            season_variance: 0.0,
            noise,
            fit: if explained > 0.0 {
                explained / (explained + unexplained)
            } else {
                0.0
            },
            since: places[begin].0,
            shape: Shape::Saw,
        })
    }
}

/// Where a tooth ended that falls about `at`, and when.
fn top(places: &[Place], at: usize, pace: f64, towards: f64) -> Option<Place> {
    let fall = |last: usize| (places[last].1 - places[last + 2].1) * towards;
    let near = at.saturating_sub(SIDE)..(at + SIDE).min(places.len().checked_sub(2)?);
    let last = near.max_by(|one, other| fall(*one).total_cmp(&fall(*other)))?;
    let (time, value) = places[last];
    let mut tops = [value; TOP];
    let mut known = 1;
    for &(x, y) in places[..last].iter().rev().take(TOP - 1) {
        let top = y + pace * (time - x);
        // What is nearer to the foot of the tooth belongs to the one before.
        if (value - top).abs() * 2.0 < fall(last).abs() {
            tops[known] = top;
            known += 1;
        }
    }
    let value = median(&mut tops[..known])?;
    let (mixed, (_, foot)) = (places[last + 1].1, places[last + 2]);
    // Of each side what it comes to in the middle of its part of the step.
    let (before, after) = (value + 0.75 * pace, foot - 0.75 * pace);
    let share = ((mixed - after) / (before - after)).clamp(0.0, 1.0);
    let rest = 0.5 + if share.is_nan() { 0.5 } else { share };
    Some((time + rest, value + rest * pace))
}
