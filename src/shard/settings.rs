//! Settings of the shards: what a series is given, and when it is given up.

use crate::{detect, glob::Glob};

/// Settings of a shard, and of all its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What windows reach back to, by the samples' own time (seconds, 60 or more).
    pub span_s: i64,
    /// Series over all shards, dormant ones as far as there is room; one more is forwarded but not analysed, and counted.
    pub max_series: usize,
    /// Silence after which a series is given up with its window, by the clock of the relay (seconds, 60 or more).
    pub expire_after_s: i64,
    /// Silence after which what was learnt of it is forgotten as well (seconds). No longer than the other: at once.
    pub forget_after_s: i64,
    /// Which samples are too far from the clock to be analysed.
    pub limits: Limits,
    /// The detectors that the watches name.
    pub detectors: Vec<detect::Definition>,
    /// Which series is judged by which detectors; the first that matches wins.
    pub watches: Vec<Watch>,
}

/// How far a timestamp may be from the clock of the relay. One wrong clock must not wreck a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Oldest timestamp that is analysed (seconds before now); `None`: any.
    pub max_age_s: Option<i64>,
    /// Newest timestamp that is analysed (seconds after now); `None`: any. What comes after such a sample and is before it is
    /// late.
    pub max_ahead_s: Option<i64>,
}

/// Series, and the detectors that judge them.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// Patterns of which a series' name matches at least one.
    pub globs: Vec<Glob>,
    /// Places in `Settings::detectors`; none: the series is forwarded and not analysed.
    pub detectors: Vec<usize>,
    /// What its samples are taken for.
    pub reading: Reading,
}

/// What the samples of a series are taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// What is to be judged.
    #[default]
    Value,
    /// Totals of a counter, whose rate (per second) is to be judged, and kept in the window.
    Rate,
}

impl Watch {
    /// Does this watch look at the series called `name`?
    pub fn matches(&self, name: &str) -> bool {
        self.globs.iter().any(|glob| glob.matches(name))
    }
}

impl Settings {
    /// Is there a series that could be judged, or a pattern of which something has to be heard?
    pub fn watches_anything(&self) -> bool {
        let is_expected = |detector: &detect::Definition| !detector.kind.globs().is_empty();
        self.watches.iter().any(|watch| !watch.detectors.is_empty()) || self.detectors.iter().any(is_expected)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_age_s: None,
            max_ahead_s: Some(300),
        }
    }
}

impl Default for Settings {
    /// Every series, a day back, judged by the default detector.
    fn default() -> Self {
        Self {
            span_s: 24 * 3600,
            max_series: 1_000_000,
            expire_after_s: 24 * 3600,
            forget_after_s: 28 * 24 * 3600,
            limits: Limits::default(),
            detectors: vec![detect::Definition::default()],
            watches: vec![Watch {
                globs: vec![Glob::everything()],
                detectors: vec![0],
                reading: Reading::Value,
            }],
        }
    }
}
