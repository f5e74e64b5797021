//! `/api/v1/silences`: which there are, what one would hit, and how one begins and ends.

use std::sync::Arc;

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
use serde::{Deserialize, Serialize};
use tracing::info;

use super::super::{
    Sources,
    answer::{Json, Refusal, fit, limit},
    api::{LIMIT_MAX, limit_default},
    guard::Asker,
    search,
};
use super::{author, change, lasting, number, read};
use crate::{
    anomaly::Anomaly,
    clock,
    line::Timestamp,
    silence::{Silence, SilenceState},
};

/// Names of series that a preview shows.
const EXAMPLES: usize = 10;

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

pub(super) fn router() -> Router<Sources> {
    Router::new()
        .route("/silences", get(list).post(add))
        .route("/silences/preview", post(preview))
        .route("/silences/{id}", delete(end))
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

async fn list(
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
    let (silences, total) = sources.silences.silences(states, now, limit(wanted.limit, LIMIT_MAX)?);
    let shown = silences.into_iter().map(|silence| SilenceAnswer::new(silence, now));
    let mut silences = shown.collect();
    fit(&mut silences);
    Ok(Json(SilencesAnswer { silences, total }).into_response())
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
