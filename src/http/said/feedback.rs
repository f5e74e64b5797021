//! `/api/v1/feedback`: that something is no anomaly, which raises the floor of its series under its detector.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{
        Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::super::{
    Sources,
    answer::{Json, Refusal, fit, glob, limit},
    api::{LIMIT_MAX, Matching},
    guard::Asker,
};
use super::{anomaly, author, change, lasting, read};
use crate::{anomaly::Anomaly, clock, detect::Verdict, shard::Floor, silence::Feedback, units};

/// How much further than what it was said of the like of it may go, unless something else is asked for.
const MARGIN_DEFAULT: f64 = 0.25;
const MARGIN_MAX: f64 = 10.0;

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
struct OneFeedback {
    series: String,
    detector: String,
}

#[derive(Serialize)]
struct FeedbackAnswer {
    feedback: Vec<Arc<Feedback>>,
    /// All that matches; there may be more than `limit`.
    total: usize,
}

pub(super) fn router() -> Router<Sources> {
    Router::new().route("/feedback", get(list).post(give).delete(take_back))
}

async fn list(
    State(sources): State<Sources>,
    wanted: Result<Query<Matching>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let glob = glob("match", &wanted.pattern)?;
    let matches = |series: &str| glob.matches(series);
    let (mut feedback, total) = sources.silences.feedback(matches, limit(wanted.limit, LIMIT_MAX)?);
    fit(&mut feedback);
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

async fn give(
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
        floor = %floor.height,
        until = floor.until,
        "something was said to be no anomaly"
    );
    Ok(Json(answer).into_response())
}

async fn take_back(
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
