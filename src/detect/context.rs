//! What a detector is shown of a sample besides the past of its series: the time, what other detectors of the series made of
//! the sample, and the newest samples of other series.
//!
//! A detector that asks for nothing of this pays nothing for it: opinions are gathered from detectors that another one
//! goes by, and newest samples of series that some detector names.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{Observation, Severity};
use crate::{
    line::Timestamp,
    window::{Point, Window},
};

/// A sample as a detector sees it: the newest of a window.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The recent past of the series, the sample included.
    pub window: &'a Window,
    /// When the sample arrived; where that is not known (in backtests, and when the past is learnt), its own time.
    pub now: Timestamp,
    /// What the detectors before this one made of the sample, by their places. Only that of a detector's inputs is of
    /// this sample.
    pub said: &'a [Opinion],
}

/// What a detector made of a sample, for others that go by it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Opinion {
    /// Does it judge the series, rather than only learn it? Otherwise nothing below means much.
    pub judged: bool,
    /// How far the sample is out of the ordinary: 1.0 is the boundary. May be rough, but is on the right side of 1.0.
    pub score: f64,
    /// Is the series anomalous, and would people be told?
    pub seen: Observation,
    /// How much it matters, while the series is anomalous, for detectors that tell.
    pub severity: Option<Severity>,
    /// The value that was expected, for detectors that predict.
    pub expected: Option<f64>,
    /// The lowest usual value, for inputs with a band; `None`: however low, or the detector cannot tell.
    pub lower: Option<f64>,
    /// The highest usual value, for inputs with a band; `None`: however high, or the detector cannot tell.
    pub upper: Option<f64>,
}

/// Whose samples are to be judged. A detector knows no names: this is for kinds that let people write about them.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a>(&'a str);

impl<'a> Context<'a> {
    /// The newest sample of `window`, by itself.
    pub(crate) fn alone(window: &'a Window) -> Self {
        Self {
            window,
            now: window.last().unwrap_or_default().timestamp,
            said: &[],
        }
    }

    /// The sample.
    pub fn point(&self) -> Point {
        self.window.last().unwrap_or_default()
    }
}

impl Opinion {
    /// That of a detector that judges, and has observed this.
    pub fn of(seen: Observation) -> Self {
        Self {
            judged: true,
            seen,
            ..Self::default()
        }
    }
}

impl<'a> Subject<'a> {
    /// The series called `name`.
    pub fn new(name: &'a str) -> Self {
        Self(name)
    }

    /// The whole name.
    pub fn name(self) -> &'a str {
        self.0
    }

    /// A part of the name between dots, counted from 0; tags belong to the last.
    pub fn node(self, place: usize) -> Option<&'a str> {
        let dotted = self.0.find(';').unwrap_or(self.0.len());
        let mut begin = 0;
        for _ in 0..place {
            begin += self.0[begin..dotted].find('.')? + 1;
        }
        let end = self.0[begin..dotted].find('.').map_or(self.0.len(), |end| begin + end);
        Some(&self.0[begin..end])
    }
}

/// Since when silence can be heard: the relay may not have been there, or have got nothing at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    began: Timestamp,
    /// Pauses of everything, and when they ended: each is longer than those after it.
    pauses: Vec<(i64, Timestamp)>,
}

/// Pauses of everything that are kept. Of more, each shorter than the one before, the shortest is left out.
const PAUSES_MAX: usize = 16;

impl Default for Listening {
    fn default() -> Self {
        Self {
            began: Timestamp::MIN,
            pauses: Vec::new(),
        }
    }
}

impl Listening {
    /// From when on a silence of `after_s` seconds means something: since the relay listens, and since the last time when
    /// everything was silent for longer. To somebody who went on from before when the relay was started again, at `resumed`,
    /// its beginning means nothing.
    pub fn since(&self, after_s: i64, resumed: Option<Timestamp>) -> Timestamp {
        let began = if resumed >= Some(self.began) {
            Timestamp::MIN
        } else {
            self.began
        };
        let longer = self.pauses.iter().rev().find(|(pause_s, _)| *pause_s > after_s);
        longer.map_or(began, |&(_, ended)| ended.max(began))
    }

    /// What was before it was not heard.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// What was before `at` was not heard.
    pub fn begin(&mut self, at: Timestamp) {
        self.began = self.began.max(at);
    }

    /// The same, if everything had never paused.
    #[must_use]
    pub fn without_pauses(&self) -> Self {
        Self {
            began: self.began,
            pauses: Vec::new(),
        }
    }

    /// Has it begun?
    pub fn has_begun(&self) -> bool {
        self.began > Timestamp::MIN
    }

    /// Nothing at all has come in the `pause_s` seconds before `ended`.
    pub fn paused(&mut self, pause_s: i64, ended: Timestamp) {
        self.pauses.retain(|&(before_s, _)| before_s > pause_s);
        if self.pauses.len() < PAUSES_MAX {
            self.pauses.push((pause_s, ended));
        }
    }
}

/// The newest sample of a series that some detector of another names.
#[derive(Debug, Default)]
pub struct Latest(Mutex<Option<Point>>);

impl Latest {
    /// The newest sample, if there has been one. The shard that reads may be ahead of the one that writes, or behind it,
    /// by what waits in their queues; within a shard samples come in the order of their lines.
    pub fn get(&self) -> Option<Point> {
        *self.lock()
    }

    /// This is the newest sample.
    pub fn put(&self, point: Point) {
        *self.lock() = Some(point);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Point>> {
        self.0.lock().expect("nobody panics with the lock held")
    }
}

/// The series that some detector of another names. One for all shards.
#[derive(Debug, Default)]
pub struct Elsewhere(Mutex<HashMap<Arc<str>, Arc<Latest>>>);

impl Elsewhere {
    /// The newest sample of the series called `name`, from now on.
    pub fn follow(&self, name: &str) -> Arc<Latest> {
        let mut followed = self.lock();
        if let Some(latest) = followed.get(name) {
            return Arc::clone(latest);
        }
        let latest = Arc::<Latest>::default();
        followed.insert(name.into(), Arc::clone(&latest));
        latest
    }

    /// Where the newest sample of the series called `name` goes; `None`: nobody asks for it.
    pub fn find(&self, name: &str) -> Option<Arc<Latest>> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Latest>>> {
        self.0.lock().expect("nobody panics with the lock held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_lie_between_dots() {
        let nodes = |name| {
            (0..4)
                .map_while(|place| Subject::new(name).node(place))
                .collect::<Vec<_>>()
        };
        assert_eq!(nodes("servers.web1.load"), ["servers", "web1", "load"]);
        assert_eq!(nodes("load"), ["load"]);
        assert_eq!(nodes("a..b"), ["a", "", "b"]);
        assert_eq!(nodes("disk.used;host=a.b"), ["disk", "used;host=a.b"]);
    }

    #[test]
    fn silence_counts_from_the_last_pause_of_everything_that_was_longer() {
        let mut listening = Listening::default();
        listening.begin(1000);
        listening.paused(600, 5000);
        listening.paused(60, 6000);
        listening.paused(120, 7000);
        let since = [50, 60, 119, 120, 599, 600].map(|after_s| listening.since(after_s, None));
        assert_eq!(since, [7000, 7000, 7000, 5000, 5000, 1000]);
        listening.begin(6500);
        assert_eq!(
            [100, 300, 900].map(|after_s| listening.since(after_s, None)),
            [7000, 6500, 6500]
        );
        assert_eq!(
            [100, 900].map(|after_s| listening.since(after_s, Some(6500))),
            [7000, Timestamp::MIN]
        );
        listening.begin(8000);
        assert_eq!(listening.since(100, Some(6500)), 8000, "it has missed something since");
    }

    #[test]
    fn a_series_is_followed_by_all_who_name_it() {
        let elsewhere = Elsewhere::default();
        assert!(elsewhere.find("a").is_none());
        let (one, other) = (elsewhere.follow("a"), elsewhere.follow("a"));
        assert_eq!(one.get(), None);
        let point = Point {
            timestamp: 1,
            value: 2.0,
        };
        elsewhere.find("a").unwrap().put(point);
        assert_eq!((one.get(), other.get()), (Some(point), Some(point)));
    }
}
