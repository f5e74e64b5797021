//! When a line, with its season on top, reaches a value: at its own pace, at the earliest, and at the latest.
//!
//! The interval is of the times at which some line that is believed reaches the value: its ends are where the ends of the interval
//! about the line do (Fieller). The latest may be never, although the line itself arrives some day. With a season they are whole steps,
//! and often the same hour of another day: such an interval holds the true time more often than it has to.
//!
//! Times are in steps from now. About a microsecond, and a look at each time of a season.

use super::line::Line;

/// Times at which the value is reached; `None`: never, or too far away to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reach {
    /// At the pace of the line.
    pub(super) expected: Option<f64>,
    /// At the earliest.
    pub(super) earliest: Option<f64>,
    /// At the latest.
    pub(super) latest: Option<f64>,
}

/// What is to be reached, and what comes on top of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// The value.
    pub(super) value: f64,
    /// Does it lie above the line?
    pub(super) upwards: bool,
    /// What the season adds in so many steps from now, over all times that differ; none: nothing.
    pub(super) added: &'a [f64],
    /// Further away than this (steps) is never.
    pub(super) limit: f64,
}

/// Halvings of the time in which a crossing lies.
const HALVINGS: usize = 50;

impl Reach {
    /// When `line` reaches `target`. `beyond`: half of what the interval lacks of all probability.
    pub(super) fn of(line: &Line, target: Target<'_>, beyond: f64) -> Self {
        let margin = line.margin(beyond);
        let towards = if target.upwards { 1.0 } else { -1.0 };
        let first = |times: f64| target.first(|time| towards * line.at(time) + times * margin.with_season(time));
        Self {
            expected: first(0.0),
            earliest: first(1.0),
            latest: first(-1.0),
        }
    }
}

impl Target<'_> {
    /// When `curve`, which points towards the value, first reaches it with the season on top.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times are bounded by the limit"
    )]
    fn first(&self, curve: impl Fn(f64) -> f64) -> Option<f64> {
        let towards = if self.upwards { 1.0 } else { -1.0 };
        let most = self.added.iter().map(|added| towards * added).fold(0.0, f64::max);
        let goal = towards * self.value;
        // Before this it is out of reach whatever the season.
        let soonest = crossing(|time| curve(time) + most - goal, self.limit)?;
        if self.added.is_empty() {
            return Some(soonest);
        }
        let first = soonest.ceil() as usize;
        let mut times = first..=first + self.added.len();
        let reaches = |time: &usize| curve(*time as f64) + towards * self.added[time % self.added.len()] >= goal;
        times
            .find(reaches)
            .map(|time| time as f64)
            .filter(|&time| time <= self.limit)
    }
}

/// Where `curve` rises through 0, from 0 up to `limit`; 0 when it is there already.
fn crossing(curve: impl Fn(f64) -> f64, limit: f64) -> Option<f64> {
    if curve(0.0) >= 0.0 {
        return Some(0.0);
    }
    let (mut before, mut after) = (0.0, 1.0);
    while curve(after) < 0.0 {
        if after >= limit {
            return None;
        }
        (before, after) = (after, (2.0 * after).min(limit));
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(before, after);
        if curve(middle) < 0.0 {
            before = middle;
        } else {
            after = middle;
        }
    }
    Some(after)
}
