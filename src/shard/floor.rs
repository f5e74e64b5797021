//! Floors: what people have said is no anomaly is not told, for a time.
//!
//! A floor lies under one detector's view of one series. While it does, an anomaly that is the like of what was said (on the
//! same side, and no further away) does not open; one that goes beyond it does, also if it only grows there.
//!
//! * It costs series without a floor nothing but a look at an empty table when an anomaly opens. While something is held down,
//!   each sample of that series is explained, to see how far it goes.
//! * A floor ends with the first sample from [`Floor::until`] on, by the samples' own time. If the series is still anomalous
//!   then, that is told.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{Change, Event, Shard, judge::Judge, series::Analysis};
use crate::{
    detect::{Context, Engine, Observation, Verdict},
    line::Timestamp,
};

/// What is not told of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// How high it lies.
    pub height: Height,
    /// When it ends (seconds since 1970, by the samples' own time).
    pub until: Timestamp,
}

/// How far out of the ordinary a series may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Height {
    /// So far above what is expected (units of the metric).
    Above(f64),
    /// So far below it.
    Below(f64),
    /// Up to this score, of a detector that expects nothing in particular.
    Score(f64),
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Above(apart) => write!(f, "{apart} above the expected"),
            Self::Below(apart) => write!(f, "{apart} below the expected"),
            Self::Score(score) => write!(f, "a score of {score}"),
        }
    }
}

/// The floors of a shard's series, by name and detector.
#[derive(Debug, Default)]
pub(super) struct Floors(HashMap<Arc<str>, Vec<(Arc<str>, Floor)>>);

impl Floor {
    /// The floor under which all of `verdicts` would be, with so much to spare (a part of the whole, 0 or more). `None`: there
    /// are none, or numbers that are none.
    pub fn over<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>, margin: f64, until: Timestamp) -> Option<Self> {
        let heights = verdicts.into_iter().map(Height::of);
        let highest = heights.reduce(Height::higher)?;
        let height = highest.times(1.0 + margin);
        height.number().is_finite().then_some(Self { height, until })
    }

    /// Does a verdict like this stay below it?
    pub fn covers(&self, verdict: &Verdict) -> bool {
        match (self.height, Height::of(verdict)) {
            (Height::Above(floor), Height::Above(is)) | (Height::Below(floor), Height::Below(is)) => is <= floor,
            (Height::Score(floor), _) => verdict.score <= floor,
            _ => false,
        }
    }
}

impl Height {
    fn of(verdict: &Verdict) -> Self {
        match verdict.expected {
            Some(expected) if verdict.value > expected => Self::Above(verdict.value - expected),
            Some(expected) if verdict.value < expected => Self::Below(expected - verdict.value),
            _ => Self::Score(verdict.score),
        }
    }

    /// The higher of the two; where they are of different kinds, the first.
    fn higher(self, other: Self) -> Self {
        match (self, other) {
            (Self::Above(one), Self::Above(other)) => Self::Above(one.max(other)),
            (Self::Below(one), Self::Below(other)) => Self::Below(one.max(other)),
            (Self::Score(one), Self::Score(other)) => Self::Score(one.max(other)),
            _ => self,
        }
    }

    fn times(self, factor: f64) -> Self {
        match self {
            Self::Above(height) => Self::Above(height * factor),
            Self::Below(height) => Self::Below(height * factor),
            Self::Score(height) => Self::Score(height * factor),
        }
    }

    /// How high it is, in its own units.
    pub fn number(self) -> f64 {
        let (Self::Above(height) | Self::Below(height) | Self::Score(height)) = self;
        height
    }
}

impl Floors {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&mut self, series: &str, detector: &str, at: Timestamp) -> Option<Floor> {
        let (_, floor) = *self.0.get(series)?.iter().find(|(name, _)| **name == *detector)?;
        if at < floor.until {
            return Some(floor);
        }
        self.remove(series, detector);
        None
    }

    fn put(&mut self, series: &Arc<str>, detector: &Arc<str>, floor: Floor) {
        self.remove(series, detector);
        let of_series = self.0.entry(Arc::clone(series)).or_default();
        of_series.push((Arc::clone(detector), floor));
    }

    fn remove(&mut self, series: &str, detector: &str) {
        if let Some(of_series) = self.0.get_mut(series) {
            of_series.retain(|(name, _)| **name != *detector);
            if of_series.is_empty() {
                self.0.remove(series);
            }
        }
    }

    /// What an observation means where there may be a floor: what it is for the anomaly, and the verdict if that had to be
    /// looked at. Marks what is held down.
    pub(super) fn weigh(
        &mut self,
        (series, detector): (&str, &str),
        judge: &mut Judge,
        engine: &mut Engine,
        sample: &Context<'_>,
        seen: Observation,
    ) -> (Option<Change>, Option<Verdict>) {
        let change = Change::of(seen);
        judge.held = false;
        if !seen.anomalous {
            return (change.filter(|_| judge.open), None);
        }
        let change = if judge.open { change } else { Some(Change::Opened) };
        let point = sample.point();
        let Some(floor) = self.find(series, detector, point.timestamp) else {
            return (change, None);
        };
        let verdict = engine.explain(&mut judge.state, sample, seen);
        if !floor.covers(&verdict) {
            let alert = verdict.alert || change == Some(Change::Opened);
            return (change, Some(Verdict { alert, ..verdict }));
        }
        judge.held = true;
        let closing = Verdict {
            timestamp: point.timestamp,
            value: point.value,
            reason: "people have said that it is no anomaly".to_owned(),
            ..Verdict::default()
        };
        if judge.open {
            (Some(Change::Closed), Some(closing))
        } else {
            (None, None)
        }
    }
}

impl Shard {
    /// Lays a floor under `detector` of `series`, in place of the one that is there. Closes what is open of the two for the
    /// reason `close`, if one is given; without one, what is open is looked at again with the next sample.
    pub fn raise_floor(
        &mut self,
        hash: u64,
        (series, detector): (&Arc<str>, &Arc<str>),
        floor: Floor,
        close: Option<&str>,
        events: &mut Vec<Event>,
    ) {
        self.floors.put(series, detector, floor);
        let Some(slot) = self.table.find(hash, series.as_bytes()) else {
            return;
        };
        let place = self.detectors(slot).iter().position(|other| other.name == *detector);
        let Some(Analysis::Watched(watched)) = self.table.get_mut(slot).map(|series| &mut series.analysis) else {
            return;
        };
        let last = watched.window.last().unwrap_or_default();
        let judges = watched.judges.iter_mut();
        for judge in judges.filter(|judge| judge.heard && Some(judge.detector) == place) {
            judge.held = true;
            if let Some(reason) = close
                && judge.open
            {
                judge.open = false;
                events.push(Event::closing(series, detector, last, reason));
            }
        }
    }

    /// Takes the floor under `detector` of `series` away. What it holds down is told with the next sample.
    pub fn lower_floor(&mut self, series: &str, detector: &str) {
        self.floors.remove(series, detector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(value: f64, expected: Option<f64>, score: f64) -> Verdict {
        Verdict {
            value,
            expected,
            score,
            anomalous: true,
            ..Verdict::default()
        }
    }

    #[test]
    fn the_like_is_on_the_same_side_and_no_further_away() {
        let floor = Floor::over(
            &[verdict(30.0, Some(10.0), 3.0), verdict(26.0, Some(10.0), 9.0)],
            0.25,
            100,
        )
        .unwrap();
        assert_eq!(floor.height, Height::Above(25.0));
        for (value, expected, covers) in [
            (35.0, Some(10.0), true),
            (35.1, Some(10.0), false),
            (-15.0, Some(10.0), false),
            (135.0, Some(110.0), true),
            (30.0, None, false),
            (10.0, Some(10.0), false),
        ] {
            assert_eq!(
                floor.covers(&verdict(value, expected, 1e9)),
                covers,
                "{value} {expected:?}"
            );
        }
        let below = Floor::over(&[verdict(2.0, Some(10.0), 3.0)], 0.0, 100).unwrap();
        assert!(below.covers(&verdict(2.0, Some(10.0), 99.0)) && !below.covers(&verdict(18.0, Some(10.0), 1.0)));
        let score = Floor::over(&[verdict(2.0, None, 3.0)], 0.5, 100).unwrap();
        assert!(score.covers(&verdict(1e9, None, 4.5)) && !score.covers(&verdict(0.0, None, 4.6)));
        assert_eq!(Floor::over(&[], 0.25, 100), None);
        assert_eq!(Floor::over(&[verdict(1.0, None, f64::MAX)], 0.25, 100), None);
    }
}
