//! A series looked at closely: what its detectors believe of it, and what others of their kind would make of its window.
//!
//! The shard only copies what it takes to answer; the work is done by whoever asked, on a thread of its own.

use std::sync::Arc;

use super::{Analysis, SeriesReport, Settings, Shard, plan::Plan};
use crate::{
    detect::{Context, Elsewhere, Engine, Opinion, Subject, Verdict, Wanted, adaptive::Belief},
    window::{Point, Scratch, Window},
};

/// A series looked at closely.
#[derive(Debug)]
pub struct CloseUp {
    /// What a look from afar shows, too.
    pub report: SeriesReport,
    /// The samples of its window, oldest first.
    pub points: Vec<Point>,
    /// By detector: what it believes, of those that can be asked.
    pub beliefs: Vec<(Arc<str>, Belief)>,
    /// By detector: what it makes of the newest sample, of those that remember much more than the window.
    pub recalled: Vec<(Arc<str>, Verdict)>,
    /// What the series goes by.
    pub settings: Arc<Settings>,
}

/// What a detector makes of a window when it has seen nothing else.
#[derive(Debug)]
pub struct Replay {
    /// Its name.
    pub detector: Arc<str>,
    /// Does it tell people, rather than only other detectors?
    pub heard: bool,
    /// What it made of some of the samples.
    pub said: Vec<(Point, Opinion)>,
    /// What it made of the last.
    pub latest: Verdict,
}

impl Shard {
    /// A series looked at closely.
    pub fn close_up(&self, hash: u64, name: &str) -> Option<CloseUp> {
        let (report, points) = self.look_up(hash, name)?;
        let slot = self.table.find(hash, name.as_bytes())?;
        let former = self.former(slot);
        let (settings, court) = former.map_or((&self.settings, &self.court), |former| {
            (&former.settings, &former.court)
        });
        let (mut beliefs, mut recalled) = (Vec::new(), Vec::new());
        if let Analysis::Watched(watched) = &self.table.get(slot)?.analysis {
            for judge in &watched.judges {
                let (engine, name) = (&court.engines[judge.detector], &settings.detectors[judge.detector].name);
                let verdict = engine.recall(&judge.state, &watched.window, judge.open);
                recalled.extend(verdict.map(|verdict| (Arc::clone(name), verdict)));
                beliefs.extend(engine.belief(&judge.state).map(|belief| (Arc::clone(name), belief)));
            }
        }
        Some(CloseUp {
            report,
            points,
            beliefs,
            recalled,
            settings: Arc::clone(settings),
        })
    }

    /// The samples of a series up to `span_s` seconds before its newest.
    pub fn recent(&self, hash: u64, name: &str, span_s: i64) -> Option<Vec<Point>> {
        let slot = self.table.find(hash, name.as_bytes())?;
        match &self.table.get(slot)?.analysis {
            Analysis::Watched(watched) => {
                let last = watched.window.last().unwrap_or_default();
                Some(watched.window.points_since(last.timestamp.saturating_sub(span_s)))
            }
            Analysis::Unwatched(_) | Analysis::Paused => None,
        }
    }
}

/// Has fresh copies of the detectors of the series called `name` judge `points`, and gives what each made of every sample
/// that `shown` holds for, and of the last. Samples of other series are not there for them.
pub fn replay(settings: &Settings, name: &str, points: &[Point], mut shown: impl FnMut(Point) -> bool) -> Vec<Replay> {
    let mut engines = Engine::all(&settings.detectors, &Elsewhere::default());
    let plans = Plan::all(settings, &engines);
    let Some(watch) = settings.watches.iter().position(|watch| watch.matches(name)) else {
        return Vec::new();
    };
    let plan = &plans[watch];
    let mut window = if plan.needs_statistics {
        Window::with_statistics(settings.span_s)
    } else {
        Window::new(settings.span_s)
    };
    let mut scratch = Scratch::default();
    let mut said = vec![Opinion::default(); engines.len()];
    let mut judges: Vec<_> = plan
        .asked
        .iter()
        .map(|asked| {
            let replay = Replay {
                detector: Arc::clone(&settings.detectors[asked.detector].name),
                heard: asked.heard,
                said: Vec::new(),
                latest: Verdict::default(),
            };
            (asked, engines[asked.detector].new_state(Subject::new(name)), replay)
        })
        .collect();
    for (place, &point) in points.iter().enumerate() {
        let in_order = window.push(point, &mut scratch, |old| {
            for (asked, state, _) in &mut judges {
                engines[asked.detector].expire(state, old);
            }
        });
        if in_order.is_err() {
            continue;
        }
        let is_shown = shown(point);
        let is_last = place + 1 == points.len();
        for (asked, state, replay) in &mut judges {
            let engine = &mut engines[asked.detector];
            let sample = Context {
                window: &window,
                now: point.timestamp,
                said: &said,
            };
            let observation = engine.observe(state, &sample);
            if is_last {
                replay.latest = engine.explain(state, &sample, observation);
            }
            if is_shown || asked.wanted != Wanted::Nothing {
                let opinion = engine.opinion(state, &sample, observation, is_shown || asked.wanted == Wanted::Band);
                if is_shown {
                    replay.said.push((point, opinion));
                }
                said[asked.detector] = opinion;
            }
        }
    }
    judges.into_iter().map(|(_, _, replay)| replay).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        detect::{Definition, Kind, skyline},
        glob::Glob,
        shard::{Reading, Shared, Verbosity, Watch},
    };

    fn points(count: i64) -> Vec<Point> {
        let value = |number: i64| f64::from(i32::try_from(number % 7).unwrap());
        let point = |number| Point {
            timestamp: 1_700_000_000 + 10 * number,
            value: value(number),
        };
        (0..count).map(point).collect()
    }

    fn settings() -> Settings {
        let kinds = [
            ("nine", Kind::Skyline(skyline::Settings::default())),
            ("default", Definition::default().kind),
        ];
        Settings {
            detectors: kinds
                .map(|(name, kind)| Definition {
                    name: name.into(),
                    kind,
                })
                .into(),
            watches: vec![Watch {
                globs: vec![Glob::new("a.**").unwrap()],
                detectors: vec![0, 1],
                reading: Reading::Value,
            }],
            ..Settings::default()
        }
    }

    #[test]
    fn a_replay_tells_what_each_detector_makes_of_the_samples() {
        let points = points(500);
        let replays = replay(&settings(), "a.b", &points, |point| point.timestamp % 100 == 0);
        assert_eq!(replays.len(), 2);
        assert!(replays.iter().all(|replay| replay.said.len() == 50 && replay.heard));
        assert_eq!(replays[0].latest.votes.len(), 9);
        let (point, opinion) = replays[1].said.last().unwrap();
        assert_eq!(point.timestamp, 1_700_000_000 + 4900);
        assert!(opinion.expected.is_some() && opinion.lower.is_some() && opinion.upper.is_some());
        assert!(
            replay(&settings(), "b", &points, |_| true).is_empty(),
            "nobody watches it"
        );
    }

    #[test]
    fn beliefs_are_of_those_that_can_be_asked() {
        let mut shard = Shard::new(Arc::new(settings()), Verbosity::Changes, Arc::<Shared>::default());
        shard.begin(1, b"a.b", 0).unwrap();
        let close_up = shard.close_up(1, "a.b").unwrap();
        let names: Vec<_> = close_up.beliefs.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["default"]);
        assert!(shard.close_up(1, "a.c").is_none());
        assert_eq!(shard.recent(1, "a.b", 0), Some(Vec::new()));
    }
}
