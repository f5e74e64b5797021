//! What people say of anomalies: `/api/v1/silences`, acknowledgements, and `/api/v1/feedback`.
//!
//! What changes something is kept on disk before it is answered, off the threads that serve others. Times are seconds of the
//! wall clock, but for the end of a floor, which is in the samples' own time.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{
        Path, Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::info;

use super::{
    Sources,
    answer::{Json, Refusal, glob},
    api::{LIMIT_MAX, everything, limit_default},
    guard::Asker,
    search,
};
use crate::{
    anomaly::Anomaly,
    clock,
    detect::Verdict,
    line::Timestamp,
    shard::Floor,
    silence::{Acknowledgement, Feedback, LONGEST_S, Refused, Silence, SilenceState, Silences},
    units,
};

/// Names of series that a preview shows.
const EXAMPLES: usize = 10;

/// How much further than what it was said of the like of it may go, unless something else is asked for.
const MARGIN_DEFAULT: f64 = 0.25;
const MARGIN_MAX: f64 = 10.0;

/// A silence that is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedSilence {
    #[serde(rename = "match")]
    patterns: Vec<String>,
    #[serde(default)]
    detectors: Vec<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    author: String,
    #[serde(rename = "for")]
    lasts: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedSilences {
    #[serde(default)]
    state: WantedState,
    #[serde(default = "limit_default")]
    limit: usize,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WantedState {
    /// In force, or to come.
    #[default]
    Active,
    Expired,
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedAcknowledgement {
    #[serde(default)]
    author: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedFeedback {
    series: String,
    detector: String,
    /// The anomaly that it is about; otherwise the newest.
    anomaly: Option<u64>,
    #[serde(rename = "for")]
    lasts: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    reason: String,
    /// How much further the like of it may go: a percentage.
    margin: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SomeFeedback {
    #[serde(rename = "match", default = "everything")]
    pattern: String,
    #[serde(default = "limit_default")]
    limit: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneFeedback {
    series: String,
    detector: String,
}

#[derive(Serialize)]
struct SilenceAnswer {
    id: String,
    #[serde(rename = "match")]
    patterns: Vec<String>,
    detectors: Vec<String>,
    reason: String,
    author: String,
    from: Timestamp,
    until: Timestamp,
    state: SilenceState,
}

#[derive(Serialize)]
struct SilencesAnswer {
    silences: Vec<SilenceAnswer>,
    /// All in that state; there may be more than `limit`.
    total: usize,
}

#[derive(Serialize)]
struct PreviewAnswer {
    /// Series that match.
    series: usize,
    /// Open anomalies that match.
    anomalies: usize,
    /// Some of the series.
    examples: Vec<Arc<str>>,
}

#[derive(Serialize)]
struct FeedbackAnswer {
    feedback: Vec<Arc<Feedback>>,
    /// All that matches; there may be more than `limit`.
    total: usize,
}

pub(super) fn router() -> Router<Sources> {
    Router::new()
        .route("/silences", get(silences).post(add))
        .route("/silences/preview", post(preview))
        .route("/silences/{id}", delete(end))
        .route("/anomalies/{id}/acknowledge", post(acknowledge).delete(take_back))
        .route("/feedback", get(feedback).post(feed_back).delete(take_feedback_back))
}

/// Has what people have said changed, where that may wait for the disk.
async fn change<T: Send + 'static>(
    sources: &Sources,
    change: impl FnOnce(&Silences) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refusal> {
    let silences = Arc::clone(&sources.silences);
    let changed = tokio::task::spawn_blocking(move || change(&silences)).await;
    let changed = changed.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(changed?)
}

/// What the body of a request says.
fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|rejection| Refusal(rejection.status(), rejection.body_text()))?;
    serde_json::from_slice(&body).map_err(|error| Refusal::bad(error.to_string()))
}

/// Who says it: the one that is named, or else the one who asks.
fn author(named: String, asker: &Asker) -> Result<String, Refusal> {
    match (named.trim().is_empty(), &asker.0) {
        (false, _) => Ok(named),
        (true, Some(who)) => Ok(who.to_string()),
        (true, None) => Err(Refusal::bad("author: who says so?")),
    }
}

/// A time of at least a second and at most ten years, in seconds.
fn lasting(text: &str) -> Result<i64, Refusal> {
    let duration = units::duration(text).map_err(|expected| Refusal::bad(format!("for: {expected}")))?;
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    if (1..=LONGEST_S).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(Refusal::bad("for: expected 1s to ten years"))
    }
}

/// That there are detectors of these names.
fn check_detectors(sources: &Sources, names: &[String]) -> Result<(), Refusal> {
    let settings = sources.analysis.settings();
    let is_known = |name: &&String| settings.detectors.iter().any(|detector| *detector.name == ***name);
    match names.iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(unknown) => {
            let known: Vec<&str> = settings.detectors.iter().map(|detector| &*detector.name).collect();
            let known = known.join(", ");
            Err(Refusal::bad(format!(
                "there is no detector {unknown:?}; there is {known}"
            )))
        }
    }
}

impl WantedSilence {
    fn silence(self, author: String, now: Timestamp) -> Result<Silence, Refusal> {
        let from = self.from.unwrap_or(now);
        let until = match (&self.lasts, self.until) {
            (Some(lasts), None) => from.saturating_add(lasting(lasts)?),
            (None, Some(until)) => until,
            _ => {
                return Err(Refusal::bad(
                    "expected `for`, such as \"2h\", or `until`, in seconds since 1970",
                ));
            }
        };
        Ok(Silence {
            id: 0,
            patterns: self.patterns,
            detectors: self.detectors,
            reason: self.reason,
            author,
            from,
            until,
        })
    }
}

impl SilenceAnswer {
    fn new(silence: Silence, now: Timestamp) -> Self {
        let state = silence.state(now);
        let Silence {
            id,
            patterns,
            detectors,
            reason,
            author,
            from,
            until,
        } = silence;
        Self {
            id: id.to_string(),
            patterns,
            detectors,
            reason,
            author,
            from,
            until,
            state,
        }
    }
}

async fn silences(
    State(sources): State<Sources>,
    wanted: Result<Query<WantedSilences>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let states: &[SilenceState] = match wanted.state {
        WantedState::Active => &[SilenceState::Active, SilenceState::Pending],
        WantedState::Expired => &[SilenceState::Expired],
        WantedState::All => &[SilenceState::Active, SilenceState::Pending, SilenceState::Expired],
    };
    let now = clock::now();
    let (silences, total) = sources.silences.silences(states, now, wanted.limit.min(LIMIT_MAX));
    let silences = silences.into_iter().map(|silence| SilenceAnswer::new(silence, now));
    Ok(Json(SilencesAnswer {
        silences: silences.collect(),
        total,
    })
    .into_response())
}

async fn add(
    State(sources): State<Sources>,
    Extension(asker): Extension<Asker>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: WantedSilence = read(body)?;
    check_detectors(&sources, &wanted.detectors)?;
    let now = clock::now();
    let author = author(wanted.author.clone(), &asker)?;
    let silence = wanted.silence(author, now)?;
    let silence = change(&sources, move |silences| silences.silence(silence, now)).await?;
    info!(
        id = silence.id,
        patterns = ?silence.patterns,
        detectors = ?silence.detectors,
        author = ?silence.author,
        reason = ?silence.reason,
        from = silence.from,
        until = silence.until,
        "a silence was added"
    );
    sources.silences.count(now);
    Ok((StatusCode::CREATED, Json(SilenceAnswer::new(silence, now))).into_response())
}

async fn preview(State(sources): State<Sources>, body: Result<Bytes, BytesRejection>) -> Result<Response, Refusal> {
    let wanted: WantedSilence = read(body)?;
    check_detectors(&sources, &wanted.detectors)?;
    let now = clock::now();
    let detectors = wanted.detectors.clone();
    let author = if wanted.author.trim().is_empty() {
        "preview".to_owned()
    } else {
        wanted.author.clone()
    };
    let mut silence = wanted.silence(author, now)?;
    if silence.reason.trim().is_empty() {
        "preview".clone_into(&mut silence.reason);
    }
    let globs: Arc<[_]> = silence.check(now)?.into();
    let is_meant = |anomaly: &Anomaly| {
        let detected = detectors.is_empty() || detectors.iter().any(|name| **name == *anomaly.detector);
        detected && globs.iter().any(|glob| glob.matches(&anomaly.series))
    };
    let anomalies = sources.board.count_open(is_meant);
    let (series, examples) = search::count(&sources, &globs, EXAMPLES).await?;
    Ok(Json(PreviewAnswer {
        series,
        anomalies,
        examples,
    })
    .into_response())
}

async fn end(State(sources): State<Sources>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = number("silence", &id)?;
    let now = clock::now();
    let silence = change(&sources, move |silences| silences.end(id, now)).await?;
    info!(id, patterns = ?silence.patterns, "a silence was ended");
    sources.silences.count(now);
    Ok(Json(SilenceAnswer::new(silence, now)).into_response())
}

/// The number of something.
fn number(what: &str, text: &str) -> Result<u64, Refusal> {
    let unknown = || Refusal(StatusCode::NOT_FOUND, format!("there is no {what} {text:?}"));
    text.parse().map_err(|_| unknown())
}

fn anomaly(sources: &Sources, id: u64) -> Result<Arc<Anomaly>, Refusal> {
    let unknown = || {
        let why = format!("there is no anomaly {id}, or it was over too long ago");
        Refusal(StatusCode::NOT_FOUND, why)
    };
    sources.board.find(id).ok_or_else(unknown)
}

async fn acknowledge(
    State(sources): State<Sources>,
    Extension(asker): Extension<Asker>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: WantedAcknowledgement = read(body)?;
    let found = anomaly(&sources, number("anomaly", &id)?)?;
    let said = Acknowledgement {
        anomaly: found.id,
        series: found.series.to_string(),
        detector: found.detector.to_string(),
        author: author(wanted.author, &asker)?,
        reason: wanted.reason,
        at: clock::now(),
    };
    let who = said.author.clone();
    change(&sources, move |silences| silences.acknowledge(said)).await?;
    info!(id = found.id, series = ?found.series, author = ?who, "an anomaly was acknowledged");
    Ok(Json(found.report(sources.marks(&found))).into_response())
}

async fn take_back(State(sources): State<Sources>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let found = anomaly(&sources, number("anomaly", &id)?)?;
    let id = found.id;
    change(&sources, move |silences| silences.take_back(id)).await?;
    Ok(Json(found.report(sources.marks(&found))).into_response())
}

async fn feedback(
    State(sources): State<Sources>,
    wanted: Result<Query<SomeFeedback>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let glob = glob("match", &wanted.pattern)?;
    let matches = |series: &str| glob.matches(series);
    let (feedback, total) = sources.silences.feedback(matches, wanted.limit.min(LIMIT_MAX));
    Ok(Json(FeedbackAnswer { feedback, total }).into_response())
}

/// The anomaly that feedback is about.
fn meant(sources: &Sources, wanted: &WantedFeedback) -> Result<Arc<Anomaly>, Refusal> {
    let is_of = |anomaly: &Anomaly| *anomaly.series == *wanted.series && *anomaly.detector == *wanted.detector;
    if let Some(id) = wanted.anomaly {
        let found = anomaly(sources, id)?;
        if is_of(&found) {
            return Ok(found);
        }
        let why = format!("anomaly {id} is of {:?}, found by {:?}", found.series, found.detector);
        return Err(Refusal::bad(why));
    }
    let of_series = sources.board.of_series(&wanted.series, LIMIT_MAX);
    let newest = of_series.into_iter().find(|anomaly| is_of(anomaly));
    newest.ok_or_else(|| {
        let why = format!(
            "there is no anomaly of {:?} found by {:?} that this could be about",
            wanted.series, wanted.detector
        );
        Refusal(StatusCode::NOT_FOUND, why)
    })
}

async fn feed_back(
    State(sources): State<Sources>,
    Extension(asker): Extension<Asker>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let wanted: WantedFeedback = read(body)?;
    let for_s = lasting(&wanted.lasts)?;
    let margin = wanted.margin.as_deref().map(units::percentage).transpose();
    let margin = margin.map_err(|expected| Refusal::bad(format!("margin: {expected}")))?;
    let margin = margin.unwrap_or(MARGIN_DEFAULT);
    if margin > MARGIN_MAX {
        return Err(Refusal::bad("margin: expected 1000% at most"));
    }
    let found = meant(&sources, &wanted)?;
    let (hash, shard) = sources.sorter.place(wanted.series.as_bytes());
    let name = wanted.series.clone();
    let last = sources
        .analysis
        .ask(shard, move |shard| shard.last_of(hash, &name))
        .await?;
    let Some(last) = last else {
        let why = format!("there is no series called {:?} that is judged", wanted.series);
        return Err(Refusal(StatusCode::NOT_FOUND, why));
    };
    let is_open = sources.board.is_open(found.id, &found.series);
    // While it lasts, it is at the newest sample what it was at its beginning.
    let latest = is_open.then(|| Verdict {
        value: last.value,
        ..found.opened.clone()
    });
    let verdicts = [Some(&found.opened), found.again.as_ref(), latest.as_ref()];
    let until = last.timestamp.saturating_add(for_s);
    let floor = Floor::over(verdicts.into_iter().flatten(), margin, until);
    let floor = floor.ok_or_else(|| Refusal::bad("its score has no number that something could be held against"))?;
    let now = clock::now();
    let said = Feedback {
        series: wanted.series,
        detector: wanted.detector,
        anomaly: found.id,
        author: author(wanted.author, &asker)?,
        reason: wanted.reason,
        at: now,
        ends: until.max(now.saturating_add(for_s)),
        floor: floor.into(),
    };
    let answer = said.clone();
    change(&sources, move |silences| silences.feed_back(said)).await?;
    let lasts = units::show_duration(Duration::from_secs(for_s.unsigned_abs()));
    let reason = match answer.reason.trim() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let close = is_open.then(|| format!("{} says that it is no anomaly, for {lasts}{reason}", answer.author));
    let (series, detector) = (Arc::clone(&found.series), Arc::clone(&found.detector));
    sources.analysis.charge(shard, move |shard, events| {
        shard.raise_floor(hash, (&series, &detector), floor, close.as_deref(), events);
    })?;
    info!(
        series = ?answer.series,
        detector = ?answer.detector,
        author = ?answer.author,
        floor = ?floor,
        "something was said to be no anomaly"
    );
    Ok(Json(answer).into_response())
}

async fn take_feedback_back(
    State(sources): State<Sources>,
    wanted: Result<Query<OneFeedback>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(OneFeedback { series, detector }) = wanted?;
    let (hash_of, detector_of) = (series.clone(), detector.clone());
    change(&sources, move |silences| {
        silences.take_feedback_back(&hash_of, &detector_of)
    })
    .await?;
    let (_, shard) = sources.sorter.place(series.as_bytes());
    info!(?series, ?detector, "feedback was taken back");
    sources
        .analysis
        .charge(shard, move |shard, _| shard.lower_floor(&series, &detector))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Wrong(_) => StatusCode::BAD_REQUEST,
            Refused::Unknown(_) => StatusCode::NOT_FOUND,
            Refused::Full(_) => StatusCode::CONFLICT,
            Refused::Disk { .. } => StatusCode::INSUFFICIENT_STORAGE,
        };
        Self(status, refused.to_string())
    }
}
