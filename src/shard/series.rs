//! One series: its name, its window, and what its detectors remember.

use std::sync::Arc;

use super::{
    counter::Counter,
    judge::{Judge, Judges},
    plan::Plan,
    settings::Reading,
    table::Named,
    tally::Unanalysed,
};
use crate::{
    detect::{Context, Engine, Latest, Listening, Observation, Opinion, Subject, Wanted},
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
    /// No watch gives it a detector. Where its samples go all the same, for detectors of other series.
    Unwatched(Option<Arc<Latest>>),
    /// A detector has panicked over it.
    Paused,
}

/// How far [`Series::touch`] goes.
pub(super) const DEPTH_MAX: usize = 3;

/// A window, and the detectors that look at it.
///
/// One allocation for each series, whose size is worth a look: with more than 217 bytes it takes 256 instead of 224, as mimalloc
/// asks for seven bytes more wherever Rust asks for a size that is no power of two to be aligned to eight.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) window: Window,
    pub(super) judges: Judges,
    /// Of series that are read as rates. These are few: elsewhere it is to take no room.
    pub(super) counter: Option<Box<Counter>>,
    /// Where its samples go, for detectors of other series.
    pub(super) read_by: Option<Arc<Latest>>,
    /// Is there a detector that tells of silence?
    pub(super) hears_silence: bool,
}

/// What judging a sample takes besides the series: one serves any number of them.
#[derive(Debug)]
pub(super) struct Court {
    pub(super) engines: Vec<Engine>,
    /// What detectors made of the sample that is being judged, by place, where another one goes by it.
    said: Vec<Opinion>,
    scratch: Scratch,
}

impl Court {
    pub(super) fn new(engines: Vec<Engine>) -> Self {
        Self {
            said: vec![Opinion::default(); engines.len()],
            engines,
            scratch: Scratch::default(),
        }
    }
}

impl Named for Series {
    fn hash(&self) -> u64 {
        self.hash
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Series {
    /// Reads a little of what judging a sample reads, so that it is there by then: at 0 of what this points at, at 1 of what that
    /// points at, and so on, up to [`DEPTH_MAX`].
    pub(super) fn touch(&self, depth: usize) -> u64 {
        let Analysis::Watched(watched) = &self.analysis else {
            return 0;
        };
        match depth {
            0 => watched.judges.len() as u64,
            1 => watched.window.touch() ^ watched.judges.touch(0),
            depth => watched.judges.touch(depth - 1),
        }
    }
}

impl Watched {
    pub(super) fn new(span_s: i64, plan: &Plan, subject: Subject<'_>, engines: &[Engine]) -> Self {
        let judges = plan.asked.iter().map(|asked| Judge {
            detector: asked.detector,
            state: engines[asked.detector].new_state(subject),
            open: false,
            heard: asked.heard,
            held: false,
            wanted: asked.wanted,
        });
        let window = if plan.needs_statistics {
            Window::with_statistics(span_s)
        } else {
            Window::new(span_s)
        };
        Self {
            window,
            judges: judges.collect(),
            counter: (plan.reading == Reading::Rate).then(Box::default),
            read_by: None,
            hears_silence: plan.hears_silence,
        }
    }

    /// Takes in a sample that nobody is to be told of.
    pub(super) fn learn(&mut self, point: Point, court: &mut Court) -> Result<(), OutOfOrder> {
        self.push_window(point, court)?;
        let sample = Context {
            window: &self.window,
            now: point.timestamp,
            said: &[],
        };
        for judge in &mut self.judges {
            court.engines[judge.detector].learn(&mut judge.state, &sample);
        }
        Ok(())
    }

    /// Takes in a sample that has arrived `now`, and has it judged. `each` is called with every observation of a detector
    /// that is to be heard.
    pub(super) fn push(
        &mut self,
        point: Point,
        now: Timestamp,
        court: &mut Court,
        mut each: impl FnMut(&mut Judge, &mut Engine, &Context<'_>, Observation),
    ) -> Result<(), Unanalysed> {
        let point = match &mut self.counter {
            Some(counter) => counter.rate(point)?,
            None => point,
        };
        self.push_window(point, court)?;
        if let Some(latest) = &self.read_by {
            latest.put(point);
        }
        let Court { engines, said, .. } = court;
        for judge in &mut self.judges {
            let engine = &mut engines[judge.detector];
            let sample = Context {
                window: &self.window,
                now,
                said,
            };
            let observation = engine.observe(&mut judge.state, &sample);
            let opinion = match judge.wanted {
                Wanted::Nothing => None,
                wanted => Some(engine.opinion(&mut judge.state, &sample, observation, wanted == Wanted::Band)),
            };
            if judge.heard {
                each(judge, engine, &sample, observation);
            }
            if let Some(opinion) = opinion {
                said[judge.detector] = opinion;
            }
        }
        Ok(())
    }

    /// Nothing has come until `now`. `each` is called with the observations that change something.
    pub(super) fn hear_silence(
        &mut self,
        now: Timestamp,
        listening: &Listening,
        court: &mut Court,
        mut each: impl FnMut(&mut Judge, &mut Engine, &Context<'_>, Observation),
    ) {
        // A series without a sample has only begun: nobody has missed it yet.
        if self.window.is_empty() {
            return;
        }
        let sample = Context {
            window: &self.window,
            now,
            said: &[],
        };
        for judge in &mut self.judges {
            let engine = &mut court.engines[judge.detector];
            if engine.least_silence_s().is_some() {
                let seen = engine.silence(&mut judge.state, now, listening);
                if seen.changed && judge.heard {
                    each(judge, engine, &sample, seen);
                }
            }
        }
    }

    fn push_window(&mut self, point: Point, court: &mut Court) -> Result<(), OutOfOrder> {
        let judges = &mut self.judges;
        let Court { engines, scratch, .. } = court;
        self.window.push(point, scratch, |old| {
            for judge in &mut *judges {
                engines[judge.detector].expire(&mut judge.state, old);
            }
        })
    }
}
