//! `/api/v1/history`: what has opened and closed, the newest first, from disk; or, without a history, what is remembered.
//!
//! A search reads files off the threads that serve others, so much at a time, and few searches at a time. The answer says
//! where to go on, and how much was looked at.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::{
    Sources,
    answer::{Json, Refusal, fit, glob},
    api::{LIMIT_MAX, everything, limit_default},
};
use crate::{
    anomaly::{Anomaly, AnomalyReport, Order, Which},
    history::{Found, Place, SearchError, Wanted},
    line::Timestamp,
};

/// Searches at a time: further ones wait. Each reads tens of megabytes.
static SEARCHES: Semaphore = Semaphore::const_new(2);

/// What a place in memory begins with: it is no place on disk.
const IN_MEMORY: &str = "memory-";

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(rename = "match", default = "everything")]
    pattern: String,
    detector: Option<String>,
    /// Seconds since 1970: only what was open at some time from then on.
    from: Option<Timestamp>,
    /// Only what was open at some time up to then.
    until: Option<Timestamp>,
    #[serde(default = "limit_default")]
    limit: usize,
    /// Only what lies before this place, which an answer has given.
    before: Option<String>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Disk,
    Memory,
}

#[derive(Serialize)]
struct HistoryAnswer<T> {
    anomalies: Vec<T>,
    /// Where to go on; `null`: there is no more.
    next: Option<String>,
    /// Where it is from.
    source: Source,
    /// How many records were looked at.
    looked_at: u64,
    /// There may be more that matches: enough was looked at for one answer.
    cut_short: bool,
    /// Files that could not be read.
    #[serde(skip_serializing_if = "is_zero")]
    unreadable: u64,
}

pub(super) async fn history(
    State(sources): State<Sources>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked?;
    if !(1..=LIMIT_MAX).contains(&asked.limit) {
        return Err(Refusal::bad(format!("limit: expected 1 to {LIMIT_MAX}")));
    }
    let (from, until) = (
        asked.from.unwrap_or(Timestamp::MIN),
        asked.until.unwrap_or(Timestamp::MAX),
    );
    if from > until {
        return Err(Refusal::bad(format!("from: {from} is later than until, {until}")));
    }
    let wanted = Wanted {
        series: glob("match", &asked.pattern)?,
        detector: asked.detector,
        from,
        until,
        limit: asked.limit,
        before: None,
    };
    let before = asked.before.as_deref();
    if sources.history.is_kept() {
        from_disk(sources, wanted, before).await
    } else {
        from_memory(&sources, &wanted, before)
    }
}

async fn from_disk(sources: Sources, wanted: Wanted, before: Option<&str>) -> Result<Response, Refusal> {
    let place = |text: &str| text.parse::<Place>().map_err(|()| no_place(text));
    let before = before.map(place).transpose()?;
    let wanted = Wanted { before, ..wanted };
    let failed = |error: &dyn std::error::Error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let turn = SEARCHES.acquire().await.map_err(|error| failed(&error))?;
    let search = move || {
        // Whoever asks may be gone before it has ended.
        let _turn = turn;
        let is_open = |id, series: &str| sources.board.is_open(id, series);
        sources.history.search(&wanted, is_open)
    };
    let found = tokio::task::spawn_blocking(search).await;
    let Found {
        anomalies,
        next,
        looked_at,
        is_cut_short,
        unreadable,
    } = found.map_err(|error| failed(&error))??;
    Ok(Json(HistoryAnswer::<Box<RawValue>> {
        anomalies,
        next: next.map(|place| place.to_string()),
        source: Source::Disk,
        looked_at,
        cut_short: is_cut_short,
        unreadable,
    })
    .into_response())
}

fn from_memory(sources: &Sources, wanted: &Wanted, before: Option<&str>) -> Result<Response, Refusal> {
    let id = |text: &str| {
        let digits = text.strip_prefix(IN_MEMORY);
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| no_place(text))
    };
    let before: Option<u64> = before.map(id).transpose()?;
    let is_wanted = |anomaly: &Anomaly| {
        let ended_at = anomaly
            .closed
            .as_ref()
            .map_or(Timestamp::MAX, |closed| closed.timestamp);
        before.is_none_or(|before| anomaly.id < before)
            && anomaly.opened.timestamp <= wanted.until
            && ended_at >= wanted.from
            && wanted
                .detector
                .as_deref()
                .is_none_or(|detector| *anomaly.detector == *detector)
            && wanted.series.matches(&anomaly.series)
    };
    let selection = sources.board.choose(Which::All, is_wanted, Order::Newest, wanted.limit);
    let reports = selection
        .anomalies
        .iter()
        .map(|anomaly| anomaly.report(sources.marks(anomaly)));
    let mut anomalies: Vec<AnomalyReport<'_>> = reports.collect();
    fit(&mut anomalies);
    let last = anomalies.len().checked_sub(1).map(|last| &selection.anomalies[last]);
    let next = last.filter(|_| anomalies.len() < selection.total);
    Ok(Json(HistoryAnswer {
        next: next.map(|last| format!("{IN_MEMORY}{}", last.id)),
        anomalies,
        source: Source::Memory,
        looked_at: selection.total as u64,
        cut_short: false,
        unreadable: 0,
    })
    .into_response())
}

fn no_place(text: &str) -> Refusal {
    Refusal::bad(format!(
        "before: {text:?} is no place that an answer of this relay has given as `next`; begin again without it"
    ))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how it is called")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<SearchError> for Refusal {
    fn from(error: SearchError) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}
