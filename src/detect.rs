//! Detectors: what is thought of a series, sample by sample.
//!
//! Knows nothing of names, sockets or configuration files. A [`Definition`] says what a detector does; an [`Engine`] does
//! it, with what all series can share (tables, buffers); a [`State`] is what one series needs. To add a kind of detector
//! is to add a variant to [`Kind`] and let the compiler find the places.

pub mod adaptive;
#[cfg(test)]
pub(crate) mod scripted;
pub mod skyline;
mod statistics;
mod verdict;
mod words;

use std::sync::Arc;

pub use verdict::{Finding, Observation, Outcome, Severity, Standing, Verdict, Vote};

use crate::{
    save::{Damaged, Save, Saved},
    window::{Point, Window},
};

/// A detector as configured: a name, and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Name in watches, verdicts and metrics.
    pub name: Arc<str>,
    /// What it does.
    pub kind: Kind,
}

/// What a detector does.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// What is usual for the series, by all that was seen of it.
    Adaptive(adaptive::Settings),
    /// Skyline's nine algorithms and their vote.
    Skyline(skyline::Settings),
}

/// A detector at work, for any number of series.
#[derive(Debug)]
pub enum Engine {
    /// What is usual for the series, by all that was seen of it.
    Adaptive(adaptive::Engine),
    /// Skyline's nine algorithms and their vote.
    Skyline(skyline::Engine),
    /// A bound, and a defect, for tests.
    #[cfg(test)]
    Scripted,
}

/// What a detector remembers of one series.
#[derive(Debug)]
pub enum State {
    /// Of kind `adaptive`.
    Adaptive(Box<adaptive::State>),
    /// Of kind `skyline`.
    Skyline(Box<skyline::State>),
    /// Of the one for tests.
    #[cfg(test)]
    Scripted(scripted::State),
}

/// Why an engine never meets the state of another kind.
const OWN_STATE: &str = "an engine is handed the states that it has made";

impl Default for Definition {
    fn default() -> Self {
        Self {
            name: "default".into(),
            kind: Kind::Adaptive(adaptive::Settings::default()),
        }
    }
}

impl Definition {
    /// What a state that was saved has to have been made by, to be good for this detector over windows of `span_s` seconds.
    pub fn fingerprint(&self, span_s: i64) -> String {
        match &self.kind {
            Kind::Adaptive(settings) => {
                let settings = settings.for_learning();
                format!("adaptive {}, {settings:?}", adaptive::BYTES_VERSION)
            }
            Kind::Skyline(settings) => {
                format!("skyline {}, {span_s} s, {settings:?}", skyline::STATE_FORM)
            }
        }
    }
}

impl State {
    /// Heap memory in use (bytes).
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Adaptive(state) => state.memory_bytes(),
            Self::Skyline(state) => state.memory_bytes(),
            #[cfg(test)]
            Self::Scripted(_) => 0,
        }
    }

    /// Saves it, to the bit.
    pub fn save(&self, out: &mut Vec<u8>) {
        match self {
            Self::Adaptive(state) => state.save(out),
            Self::Skyline(state) => state.save(out),
            #[cfg(test)]
            Self::Scripted(state) => state.save(out),
        }
    }

    /// Makes it a state of a series with `window`, which holds the same samples as the one that it was made over, and has
    /// held more.
    pub fn move_to(&mut self, window: &Window) {
        match self {
            Self::Adaptive(_) => {}
            Self::Skyline(state) => state.move_to(window),
            #[cfg(test)]
            Self::Scripted(_) => {}
        }
    }

    /// Reads a little of each cache line that judging a sample reads.
    pub(crate) fn touch(&self) -> u64 {
        match self {
            Self::Adaptive(state) => state.touch(),
            Self::Skyline(state) => state.touch(),
            #[cfg(test)]
            Self::Scripted(_) => 0,
        }
    }
}

impl Engine {
    /// An engine that does what `kind` says.
    pub fn new(kind: &Kind) -> Self {
        match kind {
            Kind::Adaptive(settings) => Self::Adaptive(adaptive::Engine::new(settings.clone())),
            Kind::Skyline(settings) => Self::Skyline(skyline::Engine::new(settings.clone())),
        }
    }

    /// The state of a series of which nothing has been seen.
    pub fn new_state(&self) -> State {
        match self {
            Self::Adaptive(_) => State::Adaptive(Box::default()),
            Self::Skyline(_) => State::Skyline(Box::default()),
            #[cfg(test)]
            Self::Scripted => State::Scripted(scripted::State::default()),
        }
    }

    /// Takes back the state of a series with `window` from what an engine with the same fingerprint has saved.
    ///
    /// # Errors
    /// When it is no such thing.
    pub fn load_state(&mut self, from: &mut Saved<'_>, window: &Window) -> Result<State, Damaged> {
        match self {
            Self::Adaptive(_) => Save::load(from).map(State::Adaptive),
            Self::Skyline(engine) => {
                let state = engine.load_state(from, window)?;
                Ok(State::Skyline(Box::new(state)))
            }
            #[cfg(test)]
            Self::Scripted => scripted::State::load(from).map(State::Scripted),
        }
    }

    /// Do its detectors read a window's running statistics? Then [`Self::expire`] is called as well.
    pub fn needs_statistics(&self) -> bool {
        match self {
            Self::Adaptive(_) => false,
            Self::Skyline(_) => true,
            #[cfg(test)]
            Self::Scripted => false,
        }
    }

    /// `point` is about to leave the window: the oldest there is.
    pub fn expire(&mut self, state: &mut State, point: Point) {
        match (self, state) {
            (Self::Adaptive(_), State::Adaptive(_)) => {}
            (Self::Skyline(engine), State::Skyline(state)) => engine.expire(state, point),
            #[cfg(test)]
            (Self::Scripted, State::Scripted(_)) => {}
            _ => unreachable!("{OWN_STATE}"),
        }
    }

    /// Judges the newest sample of `window`, once for each sample.
    pub fn observe(&mut self, state: &mut State, window: &Window) -> Observation {
        match (self, state) {
            (Self::Adaptive(engine), State::Adaptive(state)) => {
                engine.observe(state, window.last().unwrap_or_default())
            }
            (Self::Skyline(engine), State::Skyline(state)) => engine.observe(state, window),
            #[cfg(test)]
            (Self::Scripted, State::Scripted(state)) => scripted::observe(state, window),
            _ => unreachable!("{OWN_STATE}"),
        }
    }

    /// Takes in the newest sample of `window`, which nobody is to be told of.
    pub fn learn(&mut self, state: &mut State, window: &Window) {
        match (self, state) {
            (Self::Adaptive(engine), State::Adaptive(state)) => {
                engine.observe(state, window.last().unwrap_or_default());
            }
            (Self::Skyline(engine), State::Skyline(state)) => engine.learn(state, window),
            #[cfg(test)]
            (Self::Scripted, State::Scripted(state)) => {
                scripted::observe(state, window);
            }
            _ => unreachable!("{OWN_STATE}"),
        }
    }

    /// The verdict that [`Self::observe`] has just come to, with all reasons.
    pub fn explain(&mut self, state: &mut State, window: &Window, observation: Observation) -> Verdict {
        match (self, state) {
            (Self::Adaptive(engine), State::Adaptive(state)) => engine.explain(state, window, observation),
            (Self::Skyline(engine), State::Skyline(state)) => engine.explain(state, window, observation),
            #[cfg(test)]
            (Self::Scripted, State::Scripted(_)) => scripted::explain(window, observation),
            _ => unreachable!("{OWN_STATE}"),
        }
    }

    /// Why the series is judged or not.
    pub fn standing(&self, state: &State, window: &Window) -> Standing {
        match (self, state) {
            (Self::Adaptive(engine), State::Adaptive(state)) => engine.standing(state),
            (Self::Skyline(engine), State::Skyline(_)) => engine.standing(window),
            #[cfg(test)]
            (Self::Scripted, State::Scripted(_)) => Standing::Analysed,
            _ => unreachable!("{OWN_STATE}"),
        }
    }
}
