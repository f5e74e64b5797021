//! Thresholds: values that a series is not to have, as people know them beforehand.
//!
//! * A value is odd when it lies *beyond* a bound; the bound itself is allowed.
//! * How often and how long is a matter of [`Patience`]; what is over and what is not, of the level to come back through.
//! * The score is 1 on the bound, and one more or less for each *size* beyond or before it, 0 at least. The size of a single
//!   bound is its distance from 0 (1 where it is 0), so that for a positive one that values are to stay below the score is
//!   value over bound. Between two bounds it is half of their distance: the middle scores 0 outside of which, and 2 inside
//!   of which is odd.
//!
//! Values that are none, or infinite, never get here: they are forwarded and not analysed.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::{
    Context, Detect, Observation, Opinion, Patience, Remember, Severity, Verdict, Waiting,
    words::{duration, number},
};
use crate::save::fields;

/// To be raised when a [`State`] is saved in another form, or has another meaning.
pub(super) const STATE_FORM: u32 = 1;

/// What is not to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Values that are odd.
    pub odd: Bounds,
    /// Values that are not back yet; at least all that are odd.
    pub not_back: Bounds,
    /// How often and how long.
    pub patience: Patience,
    /// How much an anomaly matters.
    pub severity: Severity,
}

/// Which values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bounds {
    /// Those above it.
    Above(f64),
    /// Those below it.
    Below(f64),
    /// Those below the first or above the second, which is greater.
    Outside(f64, f64),
    /// Those above the first and below the second, which is greater.
    Inside(f64, f64),
}

/// Thresholds at work, for any number of series.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
}

/// What is remembered of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    waiting: Waiting,
    /// When the last anomaly began, or the one that is open.
    began: i64,
}
fields!(State { waiting, began });

impl Remember for State {
    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }

    fn touch(&self) -> u64 {
        self.began.unsigned_abs()
    }
}

impl Settings {
    /// These values are odd, and every one is an anomaly until a value is not.
    pub fn new(odd: Bounds) -> Self {
        Self {
            odd,
            not_back: odd,
            patience: Patience::default(),
            severity: Severity::Warning,
        }
    }

    /// All that matters to what is remembered.
    pub(super) fn for_state(&self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self.clone()
        }
    }
}

impl Bounds {
    /// Is `value` one of them?
    fn hold(self, value: f64) -> bool {
        match self {
            Self::Above(bound) => value > bound,
            Self::Below(bound) => value < bound,
            Self::Outside(low, high) => value < low || value > high,
            Self::Inside(low, high) => low < value && value < high,
        }
    }

    /// Do they hold all that `other` holds? Only those of the same sort are compared.
    pub fn include(self, other: Self) -> bool {
        match (self, other) {
            (Self::Above(bound), Self::Above(other)) => bound <= other,
            (Self::Below(bound), Self::Below(other)) => bound >= other,
            (Self::Outside(low, high), Self::Outside(other_low, other_high)) => low >= other_low && high <= other_high,
            (Self::Inside(low, high), Self::Inside(other_low, other_high)) => low <= other_low && high >= other_high,
            _ => false,
        }
    }

    /// How far `value` is towards them, or within them: 1 on the bound.
    fn score(self, value: f64) -> f64 {
        let size = |bound: f64| if bound == 0.0 { 1.0 } else { bound.abs() };
        // Halves, as the distance of two numbers may be more than there are numbers.
        let from_middle = |low: f64, high: f64| {
            let middle = f64::midpoint(low, high);
            (value / 2.0 - middle / 2.0).abs() / (high / 4.0 - low / 4.0)
        };
        let score = match self {
            Self::Above(bound) => 1.0 + (value - bound) / size(bound),
            Self::Below(bound) => 1.0 + (bound - value) / size(bound),
            Self::Outside(low, high) => from_middle(low, high),
            Self::Inside(low, high) => 2.0 - from_middle(low, high),
        };
        score.clamp(0.0, f64::MAX)
    }

    /// The lowest and the highest value that is not among them.
    pub fn allowed(self) -> (Option<f64>, Option<f64>) {
        match self {
            Self::Above(bound) => (None, Some(bound)),
            Self::Below(bound) => (Some(bound), None),
            Self::Outside(low, high) => (Some(low), Some(high)),
            // What is allowed lies on both sides.
            Self::Inside(..) => (None, None),
        }
    }

    /// How `value` lies to the bounds, in words.
    fn place(self, value: f64) -> String {
        match (self, self.hold(value)) {
            (Self::Above(bound), true) => format!("above {}", number(bound)),
            (Self::Above(bound), false) => format!("not above {}", number(bound)),
            (Self::Below(bound), true) => format!("below {}", number(bound)),
            (Self::Below(bound), false) => format!("not below {}", number(bound)),
            (Self::Outside(low, _), true) if value < low => format!("below {}", number(low)),
            (Self::Outside(_, high), true) => format!("above {}", number(high)),
            (Self::Outside(low, high), false) | (Self::Inside(low, high), true) => {
                format!("between {} and {}", number(low), number(high))
            }
            (Self::Inside(low, high), false) => format!("not between {} and {}", number(low), number(high)),
        }
    }
}

impl Engine {
    /// Thresholds as `settings` have them.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn reason(&self, state: &State, sample: &Context<'_>, observation: Observation) -> String {
        let Settings {
            odd,
            not_back,
            patience,
            ..
        } = self.settings;
        let point = sample.point();
        let lasted = |since: i64| duration(point.timestamp.saturating_sub(since));
        let value = number(point.value);
        if observation.changed && !observation.anomalous {
            return format!(
                "{value} is {}, after {}",
                not_back.place(point.value),
                lasted(state.began)
            );
        }
        let mut text = format!("{value} is {}", odd.place(point.value));
        if !odd.hold(point.value) && not_back.hold(point.value) && observation.anomalous {
            let _ = write!(text, ", but {} as well", not_back.place(point.value));
        }
        if patience.of > 1 {
            let count = state.waiting.odd_of_last(patience.of);
            let _ = write!(text, "; {count} of the last {} samples were odd", patience.of);
            if count < patience.needed {
                let _ = write!(text, ", {} needed", patience.needed);
            }
        }
        let since = state.waiting.since();
        if let Some(since) = since.filter(|&since| since < point.timestamp || patience.for_s > 0) {
            let _ = write!(text, ", for {}", lasted(since));
            if !observation.anomalous {
                let _ = write!(text, " of {}", duration(patience.for_s));
            }
        }
        text
    }
}

impl Detect for Engine {
    type State = State;

    fn observe(&mut self, state: &mut State, sample: &Context<'_>) -> Observation {
        let (point, settings) = (sample.point(), &self.settings);
        let (odd, back) = (settings.odd.hold(point.value), !settings.not_back.hold(point.value));
        let seen = state.waiting.follow(settings.patience, point.timestamp, odd, back);
        if seen.changed && seen.anomalous {
            state.began = point.timestamp;
        }
        seen
    }

    fn learn(&mut self, state: &mut State, sample: &Context<'_>) {
        let (point, settings) = (sample.point(), &self.settings);
        let (odd, back) = (settings.odd.hold(point.value), !settings.not_back.hold(point.value));
        state.waiting.learn(settings.patience, point.timestamp, odd, back);
    }

    fn opinion(&mut self, _: &mut State, sample: &Context<'_>, observation: Observation, _band: bool) -> Opinion {
        let (lower, upper) = self.settings.odd.allowed();
        Opinion {
            score: self.settings.odd.score(sample.point().value),
            severity: observation.anomalous.then_some(self.settings.severity),
            lower,
            upper,
            ..Opinion::of(observation)
        }
    }

    fn explain(&mut self, state: &mut State, sample: &Context<'_>, observation: Observation) -> Verdict {
        let (lower, upper) = self.settings.odd.allowed();
        let lasts = observation.anomalous || observation.changed;
        Verdict {
            score: self.settings.odd.score(sample.point().value),
            severity: lasts.then_some(self.settings.severity),
            lower,
            upper,
            reason: self.reason(state, sample, observation),
            ..Verdict::of(sample, observation)
        }
    }
}
