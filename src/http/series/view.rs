//! What the detectors of a series think of its window: bands, and what is behind them.
//!
//! A detector that can be asked about any time says what would be usual then by what it knows now. Of all others a fresh copy
//! is shown the window, which the answer says: it has learnt nothing before it, and no other series is there for it. Of the newest
//! sample those that remember much more than a window say themselves what they make of it. All this
//! is done on a thread that may block, a few at a time, and never on that of a shard.

use std::sync::{Arc, LazyLock};

use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{Point, Refusal, Timestamp};
use crate::{
    detect::adaptive::{Belief, Facts},
    report::VerdictReport,
    shard::{CloseUp, Replay, replay},
};

/// Places at which a band is told.
const BAND_PLACES: usize = 300;

/// Newest samples that a fresh copy is shown.
const REPLAY_SAMPLES_MAX: usize = 100_000;

/// Detectors of a series that are shown: an answer has to stay small, whatever is configured.
const DETECTORS_MAX: usize = 16;

/// Views that are worked out at a time: they are to leave the processors to those who forward and judge.
static ROOM: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(2));

#[derive(Serialize)]
pub(super) struct View {
    bands: Vec<Band>,
    beliefs: Vec<BeliefReport>,
    /// What is made of the newest sample.
    latest: Vec<Latest>,
}

/// A verdict on the newest sample.
#[derive(Serialize)]
struct Latest {
    /// By whom: as of a band.
    by: &'static str,
    #[serde(flatten)]
    verdict: serde_json::Value,
}

/// What the detector knows now.
const BELIEF: &str = "belief";
/// What a fresh copy has learnt from this window alone.
const REPLAY: &str = "replay";

/// What would be usual.
#[derive(Serialize)]
struct Band {
    detector: Arc<str>,
    /// [`BELIEF`] or [`REPLAY`].
    by: &'static str,
    times: Vec<Timestamp>,
    /// `null`: it does not say.
    expected: Vec<Option<f64>>,
    /// `null`: however low, or it does not say.
    lower: Vec<Option<f64>>,
    upper: Vec<Option<f64>>,
}

/// What is behind the band of a detector that can be asked.
#[derive(Serialize)]
struct BeliefReport {
    detector: Arc<str>,
    /// What predictions are made from: `none` (the long-run mean), `day` or `week`.
    season: &'static str,
    mean: f64,
    deviation: f64,
    /// What the last 24 samples are above what was expected, on average.
    apart: f64,
    samples: u32,
    age_s: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_s: Option<f64>,
    error_mean: Option<f64>,
    error_day: Option<f64>,
    error_week: Option<f64>,
    spike_bar: f64,
    /// What would be usual for the next sample.
    expected: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
}

/// Works it out for the time from the first to the last of `range`.
pub(super) async fn of(close_up: CloseUp, range: (Timestamp, Timestamp)) -> Result<View, Refusal> {
    let _room = ROOM.acquire().await.expect("nobody closes it");
    let name = Arc::clone(&close_up.report.name);
    // What a detector does wrong is seen on its shard; here it only costs this answer.
    let worked_out = tokio::task::spawn_blocking(move || work_out(close_up, range)).await;
    worked_out.map_err(|_| {
        let why = format!("a detector has failed over a copy of {name:?}, which is a defect of skyrelay");
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, why)
    })
}

fn work_out(close_up: CloseUp, (from, until): (Timestamp, Timestamp)) -> View {
    let CloseUp {
        report,
        points,
        beliefs,
        recalled,
        settings,
    } = close_up;
    let mut view = View {
        bands: Vec::new(),
        beliefs: Vec::new(),
        latest: Vec::new(),
    };
    let next = points.last().map_or(until, |last| last.timestamp);
    let believers: Vec<Arc<str>> = beliefs.iter().map(|(name, _)| Arc::clone(name)).collect();
    for (detector, mut belief) in beliefs.into_iter().take(DETECTORS_MAX) {
        if !points.is_empty() {
            view.bands.push(Band::believed(&detector, &mut belief, from, until));
        }
        view.beliefs.push(BeliefReport::new(detector, &mut belief, next));
    }
    let is_replayed = |name: &Arc<str>| !believers.contains(name);
    let crate::shard::SeriesState::Watched { detectors, .. } = &report.state else {
        return view;
    };
    if detectors.iter().any(|judge| is_replayed(&judge.detector)) {
        let points = &points[points.len().saturating_sub(REPLAY_SAMPLES_MAX)..];
        let within = |point: &&Point| (from..=until).contains(&point.timestamp);
        let every = points.iter().filter(within).count().div_ceil(BAND_PLACES).max(1);
        let mut place = 0;
        let shown = |point: Point| {
            place += usize::from(within(&&point));
            within(&&point) && place % every == 0
        };
        let replays = replay(&settings, &report.name, points, shown);
        let replays = replays.into_iter().filter(|replay| is_replayed(&replay.detector));
        for replay in replays.take(DETECTORS_MAX) {
            if !points.is_empty() {
                let own = recalled.iter().find(|(detector, _)| *detector == replay.detector);
                let (by, verdict) = own.map_or((REPLAY, &replay.latest), |(_, own)| (BELIEF, own));
                let latest = VerdictReport::new(&report.name, &replay.detector, verdict);
                let latest = serde_json::to_value(latest).map(|verdict| Latest { by, verdict });
                view.latest.extend(latest);
            }
            view.bands.extend(Band::replayed(replay));
        }
    }
    view
}

impl Band {
    fn believed(detector: &Arc<str>, belief: &mut Belief, from: Timestamp, until: Timestamp) -> Self {
        let mut band = Self::new(detector, BELIEF);
        let last = i64::try_from(BAND_PLACES).expect("it is small");
        let span = i128::from(until) - i128::from(from);
        for place in 0..=last {
            let at = i128::from(from) + span * i128::from(place) / i128::from(last);
            let at = i64::try_from(at).expect("it lies between two of these");
            if band.times.last() != Some(&at)
                && let Some(usual) = belief.at(at)
            {
                band.push(at, Some(usual.expected), usual.lower, usual.upper);
            }
        }
        band
    }

    /// `None`: it says nothing of what is usual.
    fn replayed(replay: Replay) -> Option<Self> {
        let mut band = Self::new(&replay.detector, REPLAY);
        for (point, said) in replay.said {
            let said = Some(said).filter(|said| said.judged).unwrap_or_default();
            band.push(point.timestamp, said.expected, said.lower, said.upper);
        }
        let says = [&band.expected, &band.lower, &band.upper];
        says.iter().any(|says| says.iter().any(Option::is_some)).then_some(band)
    }

    fn new(detector: &Arc<str>, by: &'static str) -> Self {
        Self {
            detector: Arc::clone(detector),
            by,
            times: Vec::new(),
            expected: Vec::new(),
            lower: Vec::new(),
            upper: Vec::new(),
        }
    }

    fn push(&mut self, at: Timestamp, expected: Option<f64>, lower: Option<f64>, upper: Option<f64>) {
        self.times.push(at);
        self.expected.push(expected);
        self.lower.push(lower);
        self.upper.push(upper);
    }
}

impl BeliefReport {
    fn new(detector: Arc<str>, belief: &mut Belief, at: Timestamp) -> Self {
        let Facts {
            season,
            mean,
            deviation,
            apart,
            samples,
            age_s,
            interval_s,
            errors: [error_mean, error_day, error_week],
            spike_bar,
        } = belief.facts(at);
        let next = belief.at(at);
        Self {
            detector,
            season,
            mean,
            deviation,
            apart,
            samples,
            age_s,
            interval_s,
            error_mean,
            error_day,
            error_week,
            spike_bar,
            expected: next.map(|usual| usual.expected),
            lower: next.and_then(|usual| usual.lower),
            upper: next.and_then(|usual| usual.upper),
        }
    }
}
