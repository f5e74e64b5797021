//! One series, its window, and a detector that judges it: what tests of detectors have in common.

use super::{Context, Detect, Observation, Subject, Verdict};
use crate::window::{Point, Scratch, Window};

const HOUR_S: i64 = 3600;

/// A Monday.
pub(super) const BEGIN: i64 = 1_699_833_600;

/// A detector over a series.
pub(super) struct Bench<D: Detect> {
    pub(super) engine: D,
    pub(super) state: D::State,
    pub(super) window: Window,
    pub(super) scratch: Scratch,
}

impl<D: Detect> Bench<D> {
    pub(super) fn new(engine: D) -> Self {
        Self {
            state: engine.new_state(Subject::new("a")),
            engine,
            window: Window::new(86_400),
            scratch: Scratch::default(),
        }
    }

    pub(super) fn push(&mut self, timestamp: i64, value: f64) -> (Observation, Verdict) {
        let point = Point { timestamp, value };
        self.window.push(point, &mut self.scratch, |_| {}).unwrap();
        let sample = Context {
            window: &self.window,
            now: timestamp,
            said: &[],
        };
        let seen = self.engine.observe(&mut self.state, &sample);
        let opinion = self.engine.opinion(&mut self.state, &sample, seen, true);
        let verdict = self.engine.explain(&mut self.state, &sample, seen);
        assert_eq!(opinion.score.to_bits(), verdict.score.to_bits());
        assert_eq!((verdict.anomalous, verdict.alert), (seen.anomalous, seen.alert));
        (seen, verdict)
    }

    /// A sample every ten minutes: the value at each. Gives the hours at which it opens and closes, with the reasons.
    pub(super) fn run(&mut self, hours: std::ops::Range<i64>, value: impl Fn(f64) -> f64) -> Vec<(f64, bool, String)> {
        let mut turns = Vec::new();
        for timestamp in (BEGIN + HOUR_S * hours.start..BEGIN + HOUR_S * hours.end).step_by(600) {
            #[expect(clippy::cast_precision_loss, reason = "hours are few")]
            let hour = (timestamp - BEGIN) as f64 / 3600.0;
            let (seen, verdict) = self.push(timestamp, value(hour));
            if seen.changed {
                turns.push((hour, seen.anomalous, verdict.reason));
            }
        }
        turns
    }
}
