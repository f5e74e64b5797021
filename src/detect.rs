//! Detectors: what is thought of a series, sample by sample.
//!
//! Knows nothing of sockets or configuration files, and of names only what a kind asks for that lets people write about them.
//! A [`Definition`] says what a detector does; an [`Engine`] does it, with what all series can share (tables, buffers); a
//! [`State`] is what one series needs. A detector may go by what others make of the same sample: these are its inputs, and
//! are asked before it (`inputs`, `context`).
//!
//! To add a kind of detector is to add a line to `kinds!`, a variant to [`Kind`], and let the compiler find the places.

pub mod absence;
pub mod adaptive;
#[cfg(test)]
mod bench;
mod context;
pub mod ensemble;
pub mod expression;
pub mod forecast;
mod inputs;
mod local_time;
mod outlook;
mod past;
mod patience;
#[cfg(test)]
pub(crate) mod scripted;
mod single;
pub mod skyline;
mod statistics;
pub mod threshold;
pub mod trend;
mod verdict;
mod words;

use std::sync::Arc;

pub use context::{Context, Elsewhere, Latest, Listening, Opinion, Subject};
pub use inputs::{Asked, DEPTH_MAX, Input, Orders, Unordered, Wanted};
pub use outlook::{Ahead, Outlook};
pub use patience::{Patience, SAMPLES_MAX as PATIENCE_SAMPLES_MAX, Waiting};
pub use verdict::{Finding, Observation, Outcome, Severity, Standing, Verdict, Vote};
pub(crate) use words::duration;

use crate::{
    glob::Glob,
    line::Timestamp,
    save::{Damaged, Save, Saved, fields},
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
    /// Values that the series is not to have.
    Threshold(threshold::Settings),
    /// Nothing comes any more.
    Absence(absence::Settings),
    /// Several detectors, of which so many have to agree.
    Ensemble(ensemble::Settings),
    /// A model of one's own.
    Expression(expression::Settings),
    /// A value that a series may be on its way to.
    Trend(trend::Settings),
    /// What was not expected hours before.
    Forecast(forecast::Settings),
}

/// Under which settings a state was made, as far as it matters to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// What it has learnt by. Where this differs, all begins anew.
    pub learns: String,
    /// What it has made of that. Where only this differs, that is made again: see [`Engine::reconsider`].
    pub makes: String,
}
fields!(Fingerprint { learns, makes });

/// What each kind of detector does at work, for any number of series.
trait Detect {
    /// What it remembers of one series.
    type State: Remember;

    /// Judges the newest sample of the window, once for each sample.
    fn observe(&mut self, state: &mut Self::State, sample: &Context<'_>) -> Observation;

    /// Takes in the newest sample of the window, which nobody is to be told of.
    fn learn(&mut self, state: &mut Self::State, sample: &Context<'_>) {
        self.observe(state, sample);
    }

    /// Nothing has come until `now`.
    fn silence(&mut self, _state: &mut Self::State, _now: Timestamp, _listening: &Listening) -> Observation {
        Observation::default()
    }

    /// The shortest silence that it may tell of (seconds); `None`: of none, and [`Self::silence`] is not called.
    fn least_silence_s(&self) -> Option<i64> {
        None
    }

    /// How long it has been silent `now` (seconds); `None`: it does not listen.
    fn silent_s(&self, _state: &Self::State, _now: Timestamp, _listening: &Listening) -> Option<i64> {
        None
    }

    /// The relay is started again `now`; when it stopped, it had been silent for so long.
    fn resume_silence(&mut self, _state: &mut Self::State, _silent_s: i64, _now: Timestamp) {}

    /// What [`Self::observe`] has just found, for those that go by it. `band`: with the ends of the band.
    fn opinion(
        &mut self,
        state: &mut Self::State,
        sample: &Context<'_>,
        observation: Observation,
        band: bool,
    ) -> Opinion;

    /// The verdict that [`Self::observe`] has just come to, with all reasons.
    fn explain(&mut self, state: &mut Self::State, sample: &Context<'_>, observation: Observation) -> Verdict;

    /// The verdict on the newest sample of `window` once more, at any time after it, of a series whose anomaly is `open` or not;
    /// for kinds that remember so much more than a window that a fresh copy over it would say something else.
    fn recall(&self, _state: &Self::State, _window: &Window, _open: bool) -> Option<Verdict> {
        None
    }

    /// Why the series is judged or not.
    fn standing(&self, _state: &Self::State, _window: &Window) -> Standing {
        Standing::Analysed
    }

    /// What is to come of the series with `window`, for detectors that tell.
    fn outlook(&self, _state: &Self::State, _window: &Window) -> Option<Outlook> {
        None
    }

    /// Does it read a window's running statistics? Then [`Self::expire`] is called as well.
    fn needs_statistics(&self) -> bool {
        false
    }

    /// `point` is about to leave the window: the oldest there is.
    fn expire(&mut self, _state: &mut Self::State, _point: Point) {}

    /// What has been made of the past was made under other settings, by which people are told: it is to be made again, with the
    /// next sample. The past is what it was.
    fn reconsider(&mut self, _state: &mut Self::State) {}

    /// The series has fallen silent, and its window goes: nothing of it is open any more. Gives whether what is left is worth
    /// keeping, for when it comes back.
    fn outlive_window(&self, _state: &mut Self::State) -> bool {
        false
    }

    /// The state of a series of which nothing has been seen.
    fn new_state(&self, _subject: Subject<'_>) -> Self::State {
        Self::State::default()
    }

    /// Takes back the state of a series with `window` from what an engine that learns the same has saved.
    fn load_state(
        &mut self,
        from: &mut Saved<'_>,
        _subject: Subject<'_>,
        _window: &Window,
    ) -> Result<Self::State, Damaged> {
        Save::load(from)
    }
}

/// What each kind of state is: it is made, saved to the bit, and loaded again.
trait Remember: Save + Default {
    /// Memory in use, the struct included (bytes).
    fn memory_bytes(&self) -> usize;

    /// Makes it a state of a series with `window`, which holds the same samples as the one that it was made over, and has
    /// held more.
    fn move_to(&mut self, _window: &Window) {}

    /// Reads a little of each cache line that judging a sample reads.
    fn touch(&self) -> u64 {
        0
    }

    /// The same of what it points at, once it has been touched itself.
    fn touch_behind(&self) -> u64 {
        0
    }
}

/// Engines and states of all kinds: each a module with an `Engine` and its `State`.
macro_rules! kinds {
    ($($(#[$attribute:meta])* $kind:ident($module:ident): $does:literal;)*) => {
        /// A detector at work, for any number of series.
        #[derive(Debug)]
        pub enum Engine {
            $(#[doc = $does] $(#[$attribute])* $kind($module::Engine),)*
        }

        /// What a detector remembers of one series.
        #[derive(Debug)]
        pub enum State {
            $(#[doc = $does] $(#[$attribute])* $kind(Box<$module::State>),)*
        }

        impl State {
            /// Heap memory in use (bytes).
            pub(crate) fn heap_bytes(&self) -> usize {
                match self { $($(#[$attribute])* Self::$kind(state) => Remember::memory_bytes(&**state),)* }
            }

            /// Saves it, to the bit.
            pub fn save(&self, out: &mut Vec<u8>) {
                match self { $($(#[$attribute])* Self::$kind(state) => Save::save(&**state, out),)* }
            }

            /// Makes it a state of a series with `window`, which holds the same samples as the one that it was made over,
            /// and has held more.
            pub fn move_to(&mut self, window: &Window) {
                match self { $($(#[$attribute])* Self::$kind(state) => Remember::move_to(&mut **state, window),)* }
            }

            /// Reads a little of each cache line that judging a sample reads.
            pub(crate) fn touch(&self) -> u64 {
                match self { $($(#[$attribute])* Self::$kind(state) => Remember::touch(&**state),)* }
            }

            /// The same of what it points at, once it has been touched itself.
            pub(crate) fn touch_behind(&self) -> u64 {
                match self { $($(#[$attribute])* Self::$kind(state) => Remember::touch_behind(&**state),)* }
            }
        }

        impl Engine {
            /// The state of a series of which nothing has been seen.
            pub fn new_state(&self, subject: Subject<'_>) -> State {
                match self {
                    $($(#[$attribute])* Self::$kind(engine) => State::$kind(Box::new(Detect::new_state(engine, subject))),)*
                }
            }

            /// What has been made of the past was made under other settings: it is to be made again, with the next sample.
            pub fn reconsider(&mut self, state: &mut State) {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => Detect::reconsider(engine, state),)*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// Takes back the state of a series with `window` from what an engine that learns the same has saved.
            ///
            /// # Errors
            /// When it is no such thing.
            pub fn load_state(
                &mut self,
                from: &mut Saved<'_>,
                subject: Subject<'_>,
                window: &Window,
            ) -> Result<State, Damaged> {
                match self {
                    $($(#[$attribute])* Self::$kind(engine) => {
                        let state = Detect::load_state(engine, from, subject, window)?;
                        Ok(State::$kind(Box::new(state)))
                    })*
                }
            }

            /// The series has fallen silent, and its window goes: nothing of it is open any more. Gives whether what is left
            /// is worth keeping, for when it comes back.
            pub fn outlive_window(&self, state: &mut State) -> bool {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => Detect::outlive_window(engine, state),)*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// Does it read a window's running statistics? Then [`Self::expire`] is called as well.
            pub fn needs_statistics(&self) -> bool {
                match self { $($(#[$attribute])* Self::$kind(engine) => Detect::needs_statistics(engine),)* }
            }

            /// `point` is about to leave the window: the oldest there is.
            pub fn expire(&mut self, state: &mut State, point: Point) {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => Detect::expire(engine, state, point),)*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// Judges the newest sample of the window, once for each sample.
            pub fn observe(&mut self, state: &mut State, sample: &Context<'_>) -> Observation {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => Detect::observe(engine, state, sample),)*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// Takes in the newest sample of the window, which nobody is to be told of.
            pub fn learn(&mut self, state: &mut State, sample: &Context<'_>) {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => Detect::learn(engine, state, sample),)*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// Nothing has come until `now`.
            pub fn silence(&mut self, state: &mut State, now: Timestamp, listening: &Listening) -> Observation {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => {
                        Detect::silence(engine, state, now, listening)
                    })*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// The shortest silence that it may tell of (seconds); `None`: of none, and [`Self::silence`] is not called.
            pub fn least_silence_s(&self) -> Option<i64> {
                match self { $($(#[$attribute])* Self::$kind(engine) => Detect::least_silence_s(engine),)* }
            }

            /// How long it has been silent `now` (seconds); `None`: it does not listen.
            pub fn silent_s(&self, state: &State, now: Timestamp, listening: &Listening) -> Option<i64> {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => {
                        Detect::silent_s(engine, state, now, listening)
                    })*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// The relay is started again `now`; when it stopped, it had been silent for so long. What is silent has half of
            /// its time left.
            pub fn resume_silence(&mut self, state: &mut State, silent_s: i64, now: Timestamp) {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => {
                        Detect::resume_silence(engine, state, silent_s, now);
                    })*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// What [`Self::observe`] has just found, for those that go by it. `band`: with the ends of the band.
            pub fn opinion(
                &mut self,
                state: &mut State,
                sample: &Context<'_>,
                observation: Observation,
                band: bool,
            ) -> Opinion {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => {
                        Detect::opinion(engine, state, sample, observation, band)
                    })*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// The verdict that [`Self::observe`] has just come to, with all reasons.
            pub fn explain(
                &mut self,
                state: &mut State,
                sample: &Context<'_>,
                observation: Observation,
            ) -> Verdict {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => {
                        Detect::explain(engine, state, sample, observation)
                    })*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// The verdict on the newest sample of `window` once more, of a series whose anomaly is `open` or not, by kinds that
            /// remember much more than the window.
            pub fn recall(&self, state: &State, window: &Window, open: bool) -> Option<Verdict> {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => {
                        Detect::recall(engine, state, window, open)
                    })*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// Why the series is judged or not.
            pub fn standing(&self, state: &State, window: &Window) -> Standing {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => {
                        Detect::standing(engine, state, window)
                    })*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }

            /// What is to come of the series with `window`, for detectors that tell.
            pub fn outlook(&self, state: &State, window: &Window) -> Option<Outlook> {
                match (self, state) {
                    $($(#[$attribute])* (Self::$kind(engine), State::$kind(state)) => {
                        Detect::outlook(engine, state, window)
                    })*
                    _ => unreachable!("{OWN_STATE}"),
                }
            }
        }
    };
}

kinds! {
    Adaptive(adaptive): "What is usual for the series, by all that was seen of it.";
    Skyline(skyline): "Skyline's nine algorithms and their vote.";
    Threshold(threshold): "Values that the series is not to have.";
    Absence(absence): "Nothing comes any more.";
    Ensemble(ensemble): "Several detectors, of which so many have to agree.";
    Expression(expression): "A model of one's own.";
    Trend(trend): "A value that a series may be on its way to.";
    Forecast(forecast): "What was not expected hours before.";
    #[cfg(test)] Scripted(scripted): "A bound, and a defect, for tests.";
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
    /// What a state that was saved has to have been learnt by, to be good for this detector over windows of `span_s` seconds.
    pub fn fingerprint(&self, span_s: i64) -> Fingerprint {
        let learns = match &self.kind {
            // Whom what is told, and when, is no matter to what is usual.
            Kind::Adaptive(settings) => format!("adaptive {}, {:?}", adaptive::BYTES_VERSION, settings.timezone),
            Kind::Skyline(settings) => {
                format!("skyline {}, {span_s} s, {settings:?}", skyline::STATE_FORM)
            }
            Kind::Threshold(settings) => {
                let settings = settings.for_state();
                format!("threshold {}, {settings:?}", threshold::STATE_FORM)
            }
            // What is learnt is the same, whatever is set.
            Kind::Absence(_) => format!("absence {}", absence::STATE_FORM),
            Kind::Ensemble(settings) => format!("ensemble {}, {settings:?}", ensemble::STATE_FORM),
            Kind::Expression(settings) => settings.fingerprint(span_s),
            Kind::Trend(settings) => format!("trend {}, {:?}", trend::STATE_FORM, settings.steps()),
            Kind::Forecast(_) => format!("forecast {}", forecast::STATE_FORM),
        };
        let makes = match &self.kind {
            Kind::Trend(settings) => format!("{settings:?}"),
            Kind::Forecast(settings) => format!("{settings:?}"),
            _ => String::new(),
        };
        Fingerprint { learns, makes }
    }
}

impl Kind {
    /// Patterns that it looks at by itself; none: it looks at the series that watches give it.
    pub fn globs(&self) -> &[Glob] {
        match self {
            Self::Absence(settings) => &settings.of,
            _ => &[],
        }
    }

    /// What it is called in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Adaptive(_) => "adaptive",
            Self::Skyline(_) => "skyline",
            Self::Threshold(_) => "threshold",
            Self::Ensemble(_) => "ensemble",
            Self::Expression(_) => "expression",
            Self::Absence(_) => "absence",
            Self::Trend(_) => "trend",
            Self::Forecast(_) => "forecast",
        }
    }

    /// The detectors that it goes by, which are asked before it.
    pub fn inputs(&self) -> Vec<Input> {
        match self {
            Self::Adaptive(_)
            | Self::Skyline(_)
            | Self::Threshold(_)
            | Self::Absence(_)
            | Self::Trend(_)
            | Self::Forecast(_) => Vec::new(),
            Self::Ensemble(settings) => settings.inputs(),
            Self::Expression(settings) => settings.inputs(),
        }
    }
}

impl Engine {
    /// An engine for each of `definitions`. Other series that they name are followed in `elsewhere`.
    ///
    /// # Panics
    /// When an input is not among them.
    pub fn all(definitions: &[Definition], elsewhere: &Elsewhere) -> Vec<Self> {
        let orders = Orders::new(definitions);
        let place = |name: &Arc<str>| {
            let place = orders.place(name);
            place.expect("the configuration has looked for all that it names")
        };
        definitions
            .iter()
            .map(|definition| Self::new(&definition.kind, place, elsewhere))
            .collect()
    }

    /// What it believes of a series, of kinds that can be asked about any time.
    pub fn belief(&self, state: &State) -> Option<adaptive::Belief> {
        match (self, state) {
            (Self::Adaptive(engine), State::Adaptive(state)) => Some(engine.belief(state)),
            _ => None,
        }
    }

    fn new(kind: &Kind, place: impl Fn(&Arc<str>) -> usize, elsewhere: &Elsewhere) -> Self {
        match kind {
            Kind::Adaptive(settings) => Self::Adaptive(adaptive::Engine::new(settings.clone())),
            Kind::Skyline(settings) => Self::Skyline(skyline::Engine::new(settings.clone())),
            Kind::Threshold(settings) => Self::Threshold(threshold::Engine::new(settings.clone())),
            Kind::Absence(settings) => Self::Absence(absence::Engine::new(settings.clone())),
            Kind::Trend(settings) => Self::Trend(trend::Engine::new(settings.clone())),
            Kind::Forecast(settings) => Self::Forecast(forecast::Engine::new(settings.clone())),
            Kind::Ensemble(settings) => {
                let members = settings.of.iter().map(place).collect();
                Self::Ensemble(ensemble::Engine::new(settings.clone(), members))
            }
            Kind::Expression(settings) => {
                let detectors = settings.model.detectors().iter().map(place).collect();
                Self::Expression(expression::Engine::new(settings.clone(), detectors, elsewhere))
            }
        }
    }
}
