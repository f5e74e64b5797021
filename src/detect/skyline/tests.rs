//! The nine on random series: live against in full, and running against from scratch.

mod cheaply;
mod plainly;
mod series;

use proptest::prelude::*;

use super::*;
use crate::window::Scratch;

/// The nine over a window that they follow from its first sample on.
struct Followed {
    engine: Engine,
    state: State,
    window: Window,
    scratch: Scratch,
}

impl Followed {
    fn new(settings: &Settings, span_s: i64) -> Self {
        Self {
            engine: Engine::new(settings.clone()),
            state: State::default(),
            window: Window::with_statistics(span_s),
            scratch: Scratch::default(),
        }
    }

    /// Takes in a sample that is newer than all before, and judges it as a shard does.
    fn observe(&mut self, point: Point) -> Observation {
        let Self {
            engine,
            state,
            window,
            scratch,
        } = self;
        window
            .push(point, scratch, |old| engine.expire(state, old))
            .expect("time goes on in these series");
        engine.observe(state, window)
    }

    fn explain(&mut self, observation: Observation) -> Verdict {
        self.engine.explain(&mut self.state, &self.window, observation)
    }
}

/// So many random cases; one that fails is kept where `proptest!` would keep it.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    }
}

/// The nine with their hours cut to minutes, so that a window of some hundred samples has all that a day has.
fn in_minutes(span_s: i64) -> Settings {
    Settings {
        boring_samples: 25,
        first_hour_average: FirstHourAverage {
            older_than_s: span_s - 300,
            ..Settings::default().first_hour_average
        },
        histogram_bins: HistogramBins {
            max_members: 4,
            ..Settings::default().histogram_bins
        },
        ks_test: KsTest {
            reference_s: 900,
            probe_s: 150,
            min_samples: 12,
            adf_max_lag: 3,
            ..Settings::default().ks_test
        },
        ..Settings::default()
    }
}
