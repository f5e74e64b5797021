//! What a shard tells.

use std::sync::Arc;

use super::{floor::Floors, judge::Judge};
use crate::{
    detect::{Context, Definition, Engine, Observation, Outlook, Standing, Verdict},
    line::Timestamp,
    window::{self, Point},
};

/// A detector's verdict on a series, worth telling.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Name of the series.
    pub series: Arc<str>,
    /// Name of the detector.
    pub detector: Arc<str>,
    /// What it means for the anomaly; `None` of a sample that is told of only because every sample is.
    pub change: Option<Change>,
    /// The verdict.
    pub verdict: Verdict,
}

/// What a verdict means for an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It begins.
    Opened,
    /// It goes on, and people are told of it again: it has got worse, or has lasted.
    Again,
    /// It is over.
    Closed,
}

impl Event {
    /// The end of an anomaly that no verdict ends, when `last` was the newest sample.
    pub(super) fn closing(series: &Arc<str>, detector: &Arc<str>, last: Point, reason: &str) -> Self {
        Self {
            series: Arc::clone(series),
            detector: Arc::clone(detector),
            change: Some(Change::Closed),
            verdict: Verdict {
                timestamp: last.timestamp,
                value: last.value,
                reason: reason.to_owned(),
                ..Verdict::default()
            },
        }
    }
}

/// Where what is seen of a series goes.
pub(super) struct Reporter<'a> {
    pub(super) series: &'a Arc<str>,
    pub(super) detectors: &'a [Definition],
    pub(super) floors: &'a mut Floors,
    /// Is every sample told?
    pub(super) every_sample: bool,
    pub(super) events: &'a mut Vec<Event>,
}

impl Reporter<'_> {
    /// What `engine` has `seen` of a sample: told if it changes something, and explained.
    #[inline]
    pub(super) fn hear(&mut self, judge: &mut Judge, engine: &mut Engine, sample: &Context<'_>, seen: Observation) {
        let mut change = Change::of(seen);
        let mut verdict = None;
        if judge.held || (change == Some(Change::Opened) && !self.floors.is_empty()) {
            let detector = &self.detectors[judge.detector].name;
            (change, verdict) = self.floors.weigh((self.series, detector), judge, engine, sample, seen);
        }
        if change.is_some() || self.every_sample {
            self.events.push(Event {
                series: Arc::clone(self.series),
                detector: Arc::clone(&self.detectors[judge.detector].name),
                change,
                verdict: verdict.unwrap_or_else(|| engine.explain(&mut judge.state, sample, seen)),
            });
        }
        // Only now: an explanation that panics has told nobody.
        judge.open = seen.anomalous && !judge.held;
    }
}

impl Change {
    pub(super) fn of(seen: Observation) -> Option<Self> {
        match (seen.changed, seen.anomalous) {
            (true, true) => Some(Self::Opened),
            (true, false) => Some(Self::Closed),
            (false, true) if seen.alert => Some(Self::Again),
            (false, _) => None,
        }
    }
}

/// What a shard knows of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesReport {
    /// Its name.
    pub name: Arc<str>,
    /// When its last line arrived, by the clock of the relay.
    pub received: Timestamp,
    /// Whether it is judged, and why not.
    pub state: SeriesState,
}

/// Where the memory of a series goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Of its window.
    pub window: window::Memory,
    /// What its detectors remember.
    pub detectors_bytes: usize,
    /// Its name, and its place in the table.
    pub name_bytes: usize,
}

impl Memory {
    /// All of it.
    pub fn bytes(&self) -> usize {
        let window::Memory {
            sealed_bytes,
            open_bytes,
            statistics_bytes,
        } = self.window;
        sealed_bytes + open_bytes + statistics_bytes + self.detectors_bytes + self.name_bytes
    }
}

/// Whether a series is judged, and why not.
#[derive(Clone, Debug, PartialEq)]
pub enum SeriesState {
    /// Its detectors look at it.
    Watched {
        /// Samples in its window.
        samples: usize,
        /// Where its memory goes.
        memory: Memory,
        /// Its newest sample.
        last: Option<Point>,
        /// Its detectors, each behind those that it goes by.
        detectors: Vec<JudgeReport>,
    },
    /// No watch gives it a detector.
    Unwatched,
    /// A detector has panicked over it.
    Paused,
}

/// What is done with a series, in a word: what its detectors that are heard have in common, or the first of them says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A detector judges its samples.
    Analysed,
    /// They are learnt.
    WarmingUp,
    /// There are too few yet.
    TooShort,
    /// They are all equal.
    Boring,
    /// No watch gives it a detector.
    Unwatched,
    /// A detector has panicked over it.
    Paused,
}

impl Condition {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Analysed,
        Self::WarmingUp,
        Self::TooShort,
        Self::Boring,
        Self::Unwatched,
        Self::Paused,
    ];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Analysed => "analysed",
            Self::WarmingUp => "warming_up",
            Self::TooShort => "too_short",
            Self::Boring => "boring",
            Self::Unwatched => "unwatched",
            Self::Paused => "paused",
        }
    }

    /// That of a series whose detectors stand like this.
    pub(super) fn of(standings: impl Iterator<Item = Standing>) -> Self {
        let mut first = None;
        for standing in standings {
            match standing {
                Standing::Analysed => return Self::Analysed,
                Standing::WarmingUp { .. } => first = first.or(Some(Self::WarmingUp)),
                Standing::TooShort { .. } => first = first.or(Some(Self::TooShort)),
                Standing::Boring { .. } => first = first.or(Some(Self::Boring)),
            }
        }
        first.unwrap_or(Self::Analysed)
    }
}

impl SeriesReport {
    /// What is done with it, in a word.
    pub fn condition(&self) -> Condition {
        match &self.state {
            SeriesState::Unwatched => Condition::Unwatched,
            SeriesState::Paused => Condition::Paused,
            SeriesState::Watched { detectors, .. } => {
                let heard = detectors.iter().filter(|detector| detector.heard);
                Condition::of(heard.map(|detector| detector.standing))
            }
        }
    }
}

/// A detector's part in a series.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeReport {
    /// Its name.
    pub detector: Arc<str>,
    /// Does it judge the series, and why not?
    pub standing: Standing,
    /// Is the anomaly that it has told of open?
    pub open: bool,
    /// Does it tell people, rather than only other detectors?
    pub heard: bool,
    /// What is to come, where one series was asked for and the detector looks ahead.
    pub outlook: Option<Outlook>,
}
