//! What a report shows: which series, and of each what there is to draw.
//!
//! A backtest is gone through twice. The first time tells where anomalies are; the second time every sample of the series
//! that are to be seen is told, with its band. So memory is bounded by what is shown, whatever the backtest reads.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use crate::{
    detect::Severity,
    line::Timestamp,
    plot::{Mark, Sample, Track},
    shard::{Change, Event},
};

/// Series that are shown.
pub(super) const SERIES_MAX: usize = 100;

/// Columns of a track: about as many as a plot has pixels.
const COLUMNS: usize = 800;

/// Anomalies of a series that are kept, of each side.
const MARKS_MAX: usize = 2000;

/// Anomalies of a series that are seen from close by, of each side.
pub(super) const CLOSE_UPS_MAX: usize = 12;

/// Samples of a close-up: before the anomaly opens, at most from then on, and at most once it is over.
const BEFORE: usize = 50;
const SINCE_MAX: usize = 100;
const AFTER_MAX: usize = 30;

/// Anomalies by series, of each side.
#[derive(Debug, Default)]
pub(super) struct Found {
    opened: HashMap<Arc<str>, [u64; 2]>,
}

/// What is to be drawn.
#[derive(Debug)]
pub(super) struct Gallery {
    /// The most interesting first.
    pub(super) series: Vec<Arc<str>>,
    /// Series with anomalies that are not among them.
    pub(super) anomalous_left_out: usize,
    /// Series without anomalies that are not among them.
    pub(super) calm_left_out: usize,
    seen: HashMap<Arc<str>, [Seen; 2]>,
}

/// What one side has seen of a series.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By detector: its samples are the same, the band is its own.
    tracks: BTreeMap<Arc<str>, Track>,
    pub(super) marks: Vec<Mark>,
    /// Detectors of the marks that are open.
    open: HashMap<Arc<str>, usize>,
    /// Anomalies that have opened.
    pub(super) opened: u64,
    /// The last samples, by detector.
    recent: HashMap<Arc<str>, VecDeque<Sample>>,
    pub(super) close_ups: Vec<CloseUp>,
}

/// An anomaly from close by: what its detector made of the samples about its beginning.
#[derive(Debug)]
pub(super) struct CloseUp {
    /// Its place among the marks.
    pub(super) mark: usize,
    pub(super) detector: Arc<str>,
    track: Track,
    /// Samples that are still to come.
    wanted: usize,
}

impl Found {
    pub(super) fn hear(&mut self, side: usize, event: &Event) {
        if event.change == Some(Change::Opened) {
            self.opened.entry(Arc::clone(&event.series)).or_default()[side] += 1;
        }
    }

    /// Series with anomalies.
    pub(super) fn anomalous(&self) -> usize {
        self.opened.len()
    }

    /// Chooses what is shown out of those that have been found and `all` series: first those of which the sides differ, then
    /// those with the most anomalies, then those without any.
    pub(super) fn choose(self, sides: usize, mut all: Vec<Arc<str>>) -> Gallery {
        let anomalous = self.opened.len();
        all.retain(|name| !self.opened.contains_key(name));
        all.sort_unstable();
        let mut found: Vec<_> = self.opened.into_iter().collect();
        found.sort_by_key(|(name, [one, other])| {
            let differ = if sides == 2 { one.abs_diff(*other) } else { 0 };
            (u64::MAX - differ, u64::MAX - (one + other), Arc::clone(name))
        });
        let calm = all.len();
        let names = found.into_iter().map(|(name, _)| name);
        let series: Vec<_> = names.chain(all).take(SERIES_MAX).collect();
        let anomalous_shown = series.len().min(anomalous);
        Gallery {
            anomalous_left_out: anomalous - anomalous_shown,
            calm_left_out: calm - (series.len() - anomalous_shown),
            seen: series
                .iter()
                .map(|name| (Arc::clone(name), Default::default()))
                .collect(),
            series,
        }
    }
}

impl CloseUp {
    pub(super) fn track(&self) -> &Track {
        &self.track
    }

    /// Times of the first sample and of the last.
    pub(super) fn times(&self) -> Option<(Timestamp, Timestamp)> {
        times(&self.track)
    }
}

impl Gallery {
    /// The series that are shown.
    pub(super) fn names(&self) -> HashSet<Arc<str>> {
        self.series.iter().cloned().collect()
    }

    pub(super) fn hear(&mut self, side: usize, event: &Event) {
        if let Some(sides) = self.seen.get_mut(&event.series) {
            sides[side].hear(event);
        }
    }

    pub(super) fn seen(&self, series: &str, side: usize) -> Option<&Seen> {
        self.seen.get(series).map(|sides| &sides[side])
    }
}

impl Seen {
    fn hear(&mut self, event: &Event) {
        let Event {
            detector,
            change,
            verdict,
            ..
        } = event;
        let track = match self.tracks.get_mut(detector) {
            Some(track) => track,
            None => self
                .tracks
                .entry(Arc::clone(detector))
                .or_insert_with(|| Track::new(COLUMNS)),
        };
        let sample = Sample {
            timestamp: verdict.timestamp,
            value: verdict.value,
            expected: verdict.expected,
            lower: verdict.lower,
            upper: verdict.upper,
        };
        track.push(sample);
        for close_up in &mut self.close_ups {
            if close_up.wanted > 0 && close_up.detector == *detector {
                close_up.track.push(sample);
                close_up.wanted -= 1;
            }
        }
        let recent = self.recent.entry(Arc::clone(detector)).or_default();
        if recent.len() > BEFORE {
            recent.pop_front();
        }
        recent.push_back(sample);
        match change {
            Some(Change::Opened) => {
                self.opened += 1;
                if self.marks.len() < MARKS_MAX {
                    if self.close_ups.len() < CLOSE_UPS_MAX {
                        let mut track = Track::new(BEFORE + SINCE_MAX + 1);
                        for sample in &*recent {
                            track.push(*sample);
                        }
                        self.close_ups.push(CloseUp {
                            mark: self.marks.len(),
                            detector: Arc::clone(detector),
                            track,
                            wanted: SINCE_MAX,
                        });
                    }
                    self.open.insert(Arc::clone(detector), self.marks.len());
                    self.marks.push(Mark {
                        from: verdict.timestamp,
                        until: None,
                        value: verdict.value,
                        severity: verdict.severity.unwrap_or(Severity::Warning),
                        text: format!("{detector}: {}", verdict.reason),
                    });
                }
            }
            Some(Change::Closed) => {
                if let Some(place) = self.open.remove(detector) {
                    self.marks[place].until = Some(verdict.timestamp);
                    let close_up = self.close_ups.iter_mut().find(|close_up| close_up.mark == place);
                    if let Some(close_up) = close_up {
                        close_up.wanted = close_up.wanted.min(AFTER_MAX);
                    }
                }
            }
            Some(Change::Again) | None => {}
        }
    }

    /// The detector that says most of what is usual, and the samples with its band.
    pub(super) fn best(&self) -> Option<(&str, &Track)> {
        let told = |track: &Track| {
            let says = |column: &&crate::plot::Column| column.lower().is_some() || column.upper().is_some();
            track.columns().iter().filter(says).count()
        };
        // Among equals the first by name.
        let best = self.tracks.iter().rev().max_by_key(|(_, track)| told(track));
        best.map(|(detector, track)| (&**detector, track))
    }

    /// Times of the first sample and of the last.
    pub(super) fn times(&self) -> Option<(Timestamp, Timestamp)> {
        let (_, track) = self.best()?;
        times(track)
    }
}

fn times(track: &Track) -> Option<(Timestamp, Timestamp)> {
    Some((track.columns().first()?.from, track.columns().last()?.until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Verdict;

    fn opening(series: &str) -> Event {
        Event {
            series: series.into(),
            detector: "default".into(),
            change: Some(Change::Opened),
            verdict: Verdict::default(),
        }
    }

    #[test]
    fn what_differs_comes_first_and_the_rest_is_counted() {
        let mut found = Found::default();
        for (side, series, count) in [(0, "both", 5), (1, "both", 5), (0, "gone", 1), (1, "new", 3)] {
            (0..count).for_each(|_| found.hear(side, &opening(series)));
        }
        let all: Vec<Arc<str>> = (0..SERIES_MAX + 7)
            .map(|number| format!("calm{number:03}").into())
            .collect();
        let gallery = found.choose(2, all.into_iter().chain(["both".into()]).collect());
        let first: Vec<_> = gallery.series.iter().take(4).map(|name| &**name).collect();
        assert_eq!(first, ["new", "gone", "both", "calm000"]);
        assert_eq!(gallery.series.len(), SERIES_MAX);
        assert_eq!((gallery.anomalous_left_out, gallery.calm_left_out), (0, 10));
    }

    #[test]
    fn anomalies_end_where_their_detector_closes_them() {
        let mut seen = Seen::default();
        let mut hear = |timestamp, detector: &str, change, upper| {
            seen.hear(&Event {
                detector: detector.into(),
                change,
                verdict: Verdict {
                    timestamp,
                    upper,
                    ..Verdict::default()
                },
                ..opening("a")
            });
        };
        hear(1, "one", Some(Change::Opened), None);
        hear(1, "two", Some(Change::Opened), Some(5.0));
        hear(2, "two", Some(Change::Closed), Some(5.0));
        hear(3, "one", None, None);
        let ends: Vec<_> = seen.marks.iter().map(|mark| mark.until).collect();
        assert_eq!(ends, [None, Some(2)]);
        assert_eq!(seen.best().unwrap().0, "two", "it says what is usual");
    }

    #[test]
    fn a_close_up_begins_before_its_anomaly_and_ends_after_it_at_some_distance() {
        let mut seen = Seen::default();
        let mut hear = |timestamp, detector: &str, change| {
            seen.hear(&Event {
                detector: detector.into(),
                change,
                verdict: Verdict {
                    timestamp,
                    ..Verdict::default()
                },
                ..opening("a")
            });
        };
        for timestamp in 0..5000 {
            let change = match timestamp {
                1000 | 2000 => Some(Change::Opened),
                1010 => Some(Change::Closed),
                _ => None,
            };
            hear(timestamp, "one", change);
            // Of its own samples, not of another's.
            hear(timestamp, "two", None);
        }
        for timestamp in 5000..5100 {
            hear(
                timestamp,
                "one",
                Some([Change::Closed, Change::Opened][usize::from(timestamp % 2 == 1)]),
            );
        }
        let times: Vec<_> = seen
            .close_ups
            .iter()
            .map(|close_up| close_up.times().unwrap())
            .collect();
        assert_eq!(times[0], (1000 - 50, 1010 + 30));
        assert_eq!(times[1], (2000 - 50, 2000 + 100), "a long one is seen where it begins");
        assert_eq!(times.len(), CLOSE_UPS_MAX);
        assert!(
            seen.close_ups
                .iter()
                .all(|close_up| close_up.track.columns().len() <= 151)
        );
    }
}
