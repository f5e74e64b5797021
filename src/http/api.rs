//! `/api/v1`: anomalies, their groups, subtrees and series, as JSON.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use super::{
    Sources,
    answer::{Json, Refusal, glob},
    feed, search,
};
use crate::{
    anomaly::{AnomalyReport, SubtreeReport, Which, groups::GroupReport},
    detect::{Outlook, Standing},
    line::Timestamp,
    shard::{JudgeReport, Memory, SeriesReport, SeriesState},
    window::Point,
};

/// Anomalies or series in an answer, unless fewer are asked for: under 1 MB, with the longest verdicts.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// Members of a group in an answer, unless others are asked for.
const MEMBERS_DEFAULT: usize = 10;

/// Anomalies that are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedAnomalies {
    #[serde(rename = "match", default = "everything")]
    pattern: String,
    #[serde(default)]
    state: WantedState,
    #[serde(default = "limit_default")]
    limit: usize,
}

/// Series that are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedSeries {
    #[serde(rename = "match", default = "everything")]
    pattern: String,
    #[serde(default = "limit_default")]
    limit: usize,
}

/// Groups that are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedGroups {
    #[serde(default)]
    state: WantedState,
    #[serde(default = "limit_default")]
    limit: usize,
    /// Members of each.
    #[serde(default = "members_default")]
    members: usize,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum WantedState {
    #[default]
    Open,
    Closed,
    All,
}

#[derive(Serialize)]
struct AnomaliesAnswer<'a> {
    anomalies: Vec<AnomalyReport<'a>>,
    /// All that match; there may be more than `limit`.
    total: usize,
}

#[derive(Serialize)]
struct GroupsAnswer {
    groups: Vec<GroupReport>,
    /// All in that state; there may be more than `limit`.
    total: usize,
}

#[derive(Serialize)]
struct SubtreesAnswer {
    subtrees: Vec<SubtreeReport>,
    /// All that match; there may be more than `limit`.
    total: usize,
}

#[derive(Serialize)]
struct SeriesListAnswer {
    series: Vec<SeriesAnswer>,
    /// Were there more than `limit`?
    truncated: bool,
}

/// What is known of one series.
#[derive(Serialize)]
struct SeriesAnswer {
    series: Arc<str>,
    state: &'static str,
    /// Why it is, or is not, analysed.
    reason: String,
    /// When its last line arrived.
    received: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<(Timestamp, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryAnswer>,
    detectors: Vec<DetectorAnswer>,
}

/// Where the memory of a series goes (bytes).
#[derive(Serialize)]
struct MemoryAnswer {
    total: usize,
    sealed: usize,
    open: usize,
    statistics: usize,
    detectors: usize,
    name: usize,
}

impl From<Memory> for MemoryAnswer {
    fn from(memory: Memory) -> Self {
        Self {
            total: memory.bytes(),
            sealed: memory.window.sealed_bytes,
            open: memory.window.open_bytes,
            statistics: memory.window.statistics_bytes,
            detectors: memory.detectors_bytes,
            name: memory.name_bytes,
        }
    }
}

/// What one detector makes of a series.
#[derive(Serialize)]
struct DetectorAnswer {
    detector: Arc<str>,
    state: &'static str,
    reason: String,
    anomalous: bool,
    /// Does it tell people, rather than only other detectors?
    heard: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    outlook: Option<OutlookAnswer>,
}

#[derive(Serialize)]
struct OneSeriesAnswer<'a> {
    #[serde(flatten)]
    series: SeriesAnswer,
    /// Timestamps and values, oldest first.
    points: Vec<(Timestamp, f64)>,
    /// Open ones and those remembered, the newest first.
    anomalies: Vec<AnomalyReport<'a>>,
}

pub(super) fn router() -> Router<Sources> {
    Router::new()
        .route("/anomalies", get(anomalies))
        .route("/groups", get(groups))
        .route("/subtrees", get(subtrees))
        .route("/series", get(series_list))
        .route("/events", get(feed::events))
        // A name may hold slashes.
        .route("/series/{*name}", get(one_series))
}

async fn anomalies(
    State(sources): State<Sources>,
    wanted: Result<Query<WantedAnomalies>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let glob = glob("match", &wanted.pattern)?;
    let selection = sources
        .board
        .select(wanted.state.into(), &glob, wanted.limit.min(LIMIT_MAX));
    Ok(Json(AnomaliesAnswer {
        anomalies: selection.anomalies.iter().map(|anomaly| anomaly.report()).collect(),
        total: selection.total,
    })
    .into_response())
}

async fn groups(
    State(sources): State<Sources>,
    wanted: Result<Query<WantedGroups>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let limit = wanted.limit.min(LIMIT_MAX);
    // Together no more members than there may be anomalies in an answer.
    let members = wanted.members.min(LIMIT_MAX * MEMBERS_DEFAULT / limit.max(1));
    let (groups, total) = sources.board.groups(wanted.state.into(), limit, members);
    Ok(Json(GroupsAnswer { groups, total }).into_response())
}

async fn subtrees(
    State(sources): State<Sources>,
    wanted: Result<Query<WantedSeries>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let glob = glob("match", &wanted.pattern)?;
    let matches = |subtree: &str| glob.matches(subtree);
    let (subtrees, total) = sources.board.subtrees(matches, wanted.limit.min(LIMIT_MAX));
    Ok(Json(SubtreesAnswer { subtrees, total }).into_response())
}

async fn series_list(
    State(sources): State<Sources>,
    wanted: Result<Query<WantedSeries>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let glob = glob("match", &wanted.pattern)?;
    let limit = wanted.limit.min(LIMIT_MAX);
    // One more than asked for tells that there are more.
    let mut found = search::reports(&sources, &glob, limit + 1).await?;
    let truncated = found.len() > limit;
    found.truncate(limit);
    found.sort_by(|left, right| left.name.cmp(&right.name));
    let series = found.into_iter().map(SeriesAnswer::from).collect();
    Ok(Json(SeriesListAnswer { series, truncated }).into_response())
}

async fn one_series(State(sources): State<Sources>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let (hash, shard) = sources.sorter.place(name.as_bytes());
    let wanted = name.clone();
    let (report, points) = sources
        .analysis
        .ask(shard, move |shard| shard.look_up(hash, &wanted))
        .await?
        .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("there is no series called {name:?}")))?;
    let of_series = sources.board.of_series(&name, LIMIT_DEFAULT);
    Ok(Json(OneSeriesAnswer {
        series: report.into(),
        points: points
            .iter()
            .map(|&Point { timestamp, value }| (timestamp, value))
            .collect(),
        anomalies: of_series.iter().map(|anomaly| anomaly.report()).collect(),
    })
    .into_response())
}

pub(super) fn everything() -> String {
    "**".to_owned()
}

fn members_default() -> usize {
    MEMBERS_DEFAULT
}

fn limit_default() -> usize {
    LIMIT_DEFAULT
}

impl From<WantedState> for Which {
    fn from(state: WantedState) -> Self {
        match state {
            WantedState::Open => Self::Open,
            WantedState::Closed => Self::Closed,
            WantedState::All => Self::All,
        }
    }
}

impl From<SeriesReport> for SeriesAnswer {
    fn from(report: SeriesReport) -> Self {
        let mut answer = Self {
            series: report.name,
            state: "",
            reason: String::new(),
            received: report.received,
            samples: None,
            last: None,
            memory: None,
            detectors: Vec::new(),
        };
        match report.state {
            SeriesState::Unwatched => {
                answer.state = "unwatched";
                "no [[watch]] gives it a detector".clone_into(&mut answer.reason);
            }
            SeriesState::Paused => {
                answer.state = "paused";
                "its analysis has failed, which is a defect of skyrelay".clone_into(&mut answer.reason);
            }
            SeriesState::Watched {
                samples,
                memory,
                last,
                detectors,
            } => {
                answer.detectors = detectors.into_iter().map(DetectorAnswer::from).collect();
                answer.samples = Some(samples);
                answer.last = last.map(|Point { timestamp, value }| (timestamp, value));
                answer.memory = Some(memory.into());
                let first = answer.detectors.first();
                answer.state = first.map_or("analysed", |detector| detector.state);
                answer.reason = first.map_or_else(String::new, |detector| detector.reason.clone());
            }
        }
        answer
    }
}

/// What is to come of a series.
struct OutlookAnswer(Outlook);

impl Serialize for OutlookAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(Outlook {
            text,
            confidence,
            numbers,
            ahead,
        }) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("text", text)?;
        map.serialize_entry("confidence", confidence)?;
        for (name, number) in numbers {
            map.serialize_entry(name, number)?;
        }
        if !ahead.is_empty() {
            let rows: Vec<_> = ahead
                .iter()
                .map(|ahead| (ahead.timestamp, ahead.expected, ahead.lower, ahead.upper))
                .collect();
            map.serialize_entry("ahead", &rows)?;
        }
        map.end()
    }
}

impl From<JudgeReport> for DetectorAnswer {
    fn from(report: JudgeReport) -> Self {
        let JudgeReport {
            detector,
            standing,
            open,
            heard,
            outlook,
        } = report;
        let state = match standing {
            Standing::Analysed => "analysed",
            Standing::Boring { .. } => "boring",
            Standing::WarmingUp { .. } => "warming_up",
            Standing::TooShort { .. } => "too_short",
        };
        Self {
            detector,
            state,
            reason: standing.to_string(),
            anomalous: open,
            heard,
            outlook: outlook.map(OutlookAnswer),
        }
    }
}
