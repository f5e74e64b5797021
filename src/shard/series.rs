//! One series: its name, its window, and what its detectors remember.

use std::sync::Arc;

use super::{
    counter::Counter,
    settings::{Reading, Watch},
    tally::Unanalysed,
};
use crate::{
    detect::{Engine, Observation, State},
    line::Timestamp,
    window::{OutOfOrder, Point, Scratch, Window},
};

/// One series.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) hash: u64,
    pub(super) name: Arc<str>,
    /// When its last line arrived, by the clock of the relay.
    pub(super) received: Timestamp,
    pub(super) analysis: Analysis,
}

/// What is done with the samples of a series.
#[derive(Debug)]
pub(super) enum Analysis {
    /// They are judged.
    Watched(Box<Watched>),
    /// No watch gives it a detector.
    Unwatched,
    /// A detector has panicked over it.
    Paused,
}

/// A window, and the detectors that look at it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) window: Window,
    pub(super) judges: Box<[Judge]>,
    /// Of series that are read as rates.
    pub(super) counter: Option<Counter>,
}

/// A detector's view of one series.
#[derive(Debug)]
pub(super) struct Judge {
    /// Place among the engines.
    pub(super) detector: usize,
    pub(super) state: State,
    /// Is the anomaly it has told of still open?
    pub(super) open: bool,
}

impl Series {
    /// Reads a little of each cache line that judging a sample reads, so that it is there by then.
    pub(super) fn touch(&self) -> u64 {
        match &self.analysis {
            Analysis::Watched(watched) => watched
                .judges
                .iter()
                .fold(watched.window.touch(), |touched, judge| touched ^ judge.state.touch()),
            Analysis::Unwatched | Analysis::Paused => 0,
        }
    }
}

impl Watched {
    pub(super) fn new(span_s: i64, watch: &Watch, engines: &[Engine]) -> Self {
        let detectors = &watch.detectors;
        let judge = |&detector: &usize| Judge {
            detector,
            state: engines[detector].new_state(),
            open: false,
        };
        let needs_statistics = detectors.iter().any(|&detector| engines[detector].needs_statistics());
        let window = if needs_statistics {
            Window::with_statistics(span_s)
        } else {
            Window::new(span_s)
        };
        Self {
            window,
            judges: detectors.iter().map(judge).collect(),
            counter: (watch.reading == Reading::Rate).then(Counter::default),
        }
    }

    /// Memory of the detectors' views (bytes).
    pub(super) fn judges_bytes(&self) -> usize {
        let judge = |judge: &Judge| size_of::<Judge>() + judge.state.heap_bytes();
        self.judges.iter().map(judge).sum()
    }

    /// Takes in a sample that nobody is to be told of.
    pub(super) fn learn(
        &mut self,
        point: Point,
        engines: &mut [Engine],
        scratch: &mut Scratch,
    ) -> Result<(), OutOfOrder> {
        self.push_window(point, engines, scratch)?;
        for judge in &mut self.judges {
            engines[judge.detector].learn(&mut judge.state, &self.window);
        }
        Ok(())
    }

    /// Takes in a sample and has it judged; `each` is called with every detector's observation.
    pub(super) fn push(
        &mut self,
        point: Point,
        engines: &mut [Engine],
        scratch: &mut Scratch,
        mut each: impl FnMut(&mut Judge, &mut Engine, &Window, Observation),
    ) -> Result<(), Unanalysed> {
        let point = match &mut self.counter {
            Some(counter) => counter.rate(point)?,
            None => point,
        };
        self.push_window(point, engines, scratch)?;
        for judge in &mut self.judges {
            let engine = &mut engines[judge.detector];
            let observation = engine.observe(&mut judge.state, &self.window);
            each(judge, engine, &self.window, observation);
        }
        Ok(())
    }

    fn push_window(&mut self, point: Point, engines: &mut [Engine], scratch: &mut Scratch) -> Result<(), OutOfOrder> {
        let judges = &mut self.judges;
        self.window.push(point, scratch, |old| {
            for judge in &mut *judges {
                engines[judge.detector].expire(&mut judge.state, old);
            }
        })
    }
}
