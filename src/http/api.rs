//! `/api/v1`: anomalies, their groups and subtrees, as JSON; and the way to the rest.

use axum::{
    Router,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};

use super::{
    Sources,
    answer::{Json, Refusal, fit, glob, limit},
    feed, history, relay, series,
};
use crate::anomaly::{Anomaly, AnomalyReport, Order, SubtreeReport, Which, groups::GroupReport};

/// Anomalies or series in an answer, unless fewer are asked for: under 1 MB, with the longest verdicts.
const LIMIT_DEFAULT: usize = 100;
pub(super) const LIMIT_MAX: usize = 1000;

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
    #[serde(default)]
    order: WantedOrder,
    /// Only those of this group.
    group: Option<u64>,
    /// Only those that have a group, or that have none.
    grouped: Option<bool>,
    /// Without the votes, which are most of it.
    #[serde(default)]
    brief: bool,
    #[serde(default = "limit_default")]
    limit: usize,
}

/// What is asked for by a pattern alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matching {
    #[serde(rename = "match", default = "everything")]
    pub(super) pattern: String,
    #[serde(default = "limit_default")]
    pub(super) limit: usize,
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

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WantedOrder {
    #[default]
    Newest,
    Rank,
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

pub(super) fn router() -> Router<Sources> {
    Router::new()
        .route("/anomalies", get(anomalies))
        .route("/history", get(history::history))
        .route("/groups", get(groups))
        .route("/subtrees", get(subtrees))
        .route("/series", get(series::list))
        .route("/sparklines", get(series::sparklines))
        .route("/relay", get(relay::relay))
        .route("/config", get(relay::config))
        .route("/events", get(feed::events))
        // A name may hold slashes.
        .route("/series/{*name}", get(series::one))
}

async fn anomalies(
    State(sources): State<Sources>,
    wanted: Result<Query<WantedAnomalies>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let glob = glob("match", &wanted.pattern)?;
    let matches = |anomaly: &Anomaly| {
        let group = anomaly.group.group();
        let in_group = wanted.group.is_none_or(|wanted| group == Some(wanted));
        in_group && wanted.grouped.is_none_or(|wanted| group.is_some() == wanted) && glob.matches(&anomaly.series)
    };
    let limit = limit(wanted.limit, LIMIT_MAX)?;
    let selection = sources
        .board
        .choose(wanted.state.into(), matches, wanted.order.into(), limit);
    let reports = selection
        .anomalies
        .iter()
        .map(|anomaly| anomaly.report(sources.marks(anomaly)));
    let mut anomalies = if wanted.brief {
        reports.map(AnomalyReport::without_votes).collect()
    } else {
        reports.collect()
    };
    fit(&mut anomalies);
    Ok(Json(AnomaliesAnswer {
        anomalies,
        total: selection.total,
    })
    .into_response())
}

async fn groups(
    State(sources): State<Sources>,
    wanted: Result<Query<WantedGroups>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let limit = limit(wanted.limit, LIMIT_MAX)?;
    let (mut groups, total) = sources.board.groups(wanted.state.into(), limit, wanted.members);
    fit(&mut groups);
    Ok(Json(GroupsAnswer { groups, total }).into_response())
}

async fn subtrees(
    State(sources): State<Sources>,
    wanted: Result<Query<Matching>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let glob = glob("match", &wanted.pattern)?;
    let matches = |subtree: &str| glob.matches(subtree);
    let (mut subtrees, total) = sources.board.subtrees(matches, limit(wanted.limit, LIMIT_MAX)?);
    fit(&mut subtrees);
    Ok(Json(SubtreesAnswer { subtrees, total }).into_response())
}

pub(super) fn everything() -> String {
    "**".to_owned()
}

fn members_default() -> usize {
    MEMBERS_DEFAULT
}

pub(super) fn limit_default() -> usize {
    LIMIT_DEFAULT
}

impl From<WantedOrder> for Order {
    fn from(order: WantedOrder) -> Self {
        match order {
            WantedOrder::Newest => Self::Newest,
            WantedOrder::Rank => Self::Rank,
        }
    }
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
