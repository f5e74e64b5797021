//! `/api/v1/series` and `/api/v1/sparklines`: every series, whether it is analysed and why, what it was and what is thought
//! of it.
//!
//! Samples are thinned out, and lists cut, where an answer would be larger than [`super::answer::ANSWER_BYTES_MAX`].

mod view;

use std::{fmt::Write, sync::Arc};

use axum::{
    extract::{Path, Query, RawQuery, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use super::{
    Sources,
    answer::{Json, Refusal, fit, glob, limit},
    search,
};
use crate::{
    anomaly::AnomalyReport,
    clock,
    detect::{Outlook, duration},
    line::Timestamp,
    shard::{Condition, JudgeReport, Listing, Memory, SeriesReport, SeriesState},
    silence::Feedback,
    window::Point,
};

/// Samples of one series in an answer: more are thinned out.
const POINTS_MAX: usize = 20_000;

/// Anomalies of one series in an answer.
const ANOMALIES_MAX: usize = 100;

/// Series in an answer about the last samples of many, and samples of each.
const SPARKLINES_MAX: usize = 200;
const SPARKLINE_POINTS_MAX: usize = 120;

/// What sparklines reach back to, unless asked for otherwise (seconds).
const SPARKLINE_SPAN_S: i64 = 3600;

/// How far a sample is ahead of the clock that is worth a word (seconds): senders' clocks differ by less.
const AHEAD_S: i64 = 60;

/// Series that are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedList {
    #[serde(rename = "match", default = "super::api::everything")]
    pattern: String,
    state: Option<WantedCondition>,
    after: Option<String>,
    #[serde(default = "super::api::limit_default")]
    limit: usize,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WantedCondition {
    Analysed,
    WarmingUp,
    TooShort,
    Boring,
    Unwatched,
    Paused,
}

/// What is asked of one series.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedSeries {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Samples at most.
    points: Option<usize>,
    /// What its detectors think of it as well?
    #[serde(default)]
    view: bool,
}

#[derive(Serialize)]
struct ListAnswer {
    series: Vec<SeriesAnswer>,
    /// All that match; there may be more than `limit`.
    total: usize,
    /// Are there some behind these?
    truncated: bool,
    /// What to ask for as `after` to see them.
    next: Option<Arc<str>>,
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

/// What a detector expects of a series.
struct OutlookAnswer(Outlook);

#[derive(Serialize)]
struct OneSeriesAnswer<'a> {
    #[serde(flatten)]
    series: SeriesAnswer,
    window: WindowAnswer,
    /// Timestamps and values, oldest first.
    points: Vec<(Timestamp, f64)>,
    /// Open ones and those remembered, the newest first.
    anomalies: Vec<AnomalyReport<'a>>,
    /// What people have said to be no anomaly, by detector.
    floors: Vec<Arc<Feedback>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    view: Option<view::View>,
}

/// What there is, of which an answer may show a part.
#[derive(Serialize)]
struct WindowAnswer {
    /// The oldest sample and the newest; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// Samples between the times that were asked for.
    samples: usize,
    /// Does the answer show only the lowest and the highest of each stretch of time?
    thinned: bool,
}

#[derive(Serialize)]
struct SparklinesAnswer {
    sparklines: Vec<Sparkline>,
}

#[derive(Serialize)]
struct Sparkline {
    series: String,
    points: Vec<(Timestamp, f64)>,
}

pub(super) async fn list(
    State(sources): State<Sources>,
    wanted: Result<Query<WantedList>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let listing = Listing {
        glob: glob("match", &wanted.pattern)?,
        condition: wanted.state.map(Into::into),
        after: wanted.after.map(Into::into),
        limit: limit(wanted.limit, super::api::LIMIT_MAX)?,
    };
    let page = search::page(&sources, listing).await?;
    let mut next = page.next();
    let (total, mut truncated) = (page.total, page.more);
    let mut series: Vec<_> = page.series.into_values().map(SeriesAnswer::from).collect();
    if fit(&mut series) {
        truncated = true;
        next = series.last().map(|last| Arc::clone(&last.series));
    }
    Ok(Json(ListAnswer {
        series,
        total,
        truncated,
        next,
    })
    .into_response())
}

pub(super) async fn one(
    State(sources): State<Sources>,
    Path(name): Path<String>,
    wanted: Result<Query<WantedSeries>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    if let (Some(from), Some(until)) = (wanted.from, wanted.until)
        && from > until
    {
        return Err(Refusal::bad(format!("from: {from} is later than until, {until}")));
    }
    let (hash, shard) = sources.sorter.place(name.as_bytes());
    let asked = name.clone();
    let close_up = sources
        .analysis
        .ask(shard, move |shard| {
            let close_up = shard.close_up(hash, &asked);
            close_up.ok_or_else(|| shard.dormant_since(hash, &asked))
        })
        .await?
        .map_err(|dormant_since| missing(&name, dormant_since))?;
    let ends = (close_up.points.first(), close_up.points.last());
    let from = wanted.from.unwrap_or(Timestamp::MIN);
    let until = wanted.until.unwrap_or(Timestamp::MAX);
    let within = |point: &&Point| (from..=until).contains(&point.timestamp);
    let shown: Vec<Point> = close_up.points.iter().filter(within).copied().collect();
    let (thin, thinned) = thin(&shown, wanted.points.unwrap_or(POINTS_MAX).min(POINTS_MAX));
    let mut anomalies = sources.board.of_series(&name, ANOMALIES_MAX);
    let window = WindowAnswer {
        from: ends.0.map(|point| point.timestamp),
        until: ends.1.map(|point| point.timestamp),
        samples: shown.len(),
        thinned,
    };
    let report = close_up.report.clone();
    let view = if wanted.view {
        let range = (from.max(window.from.unwrap_or(0)), until.min(window.until.unwrap_or(0)));
        Some(view::of(close_up, range).await?)
    } else {
        None
    };
    anomalies.truncate(ANOMALIES_MAX);
    Ok(Json(OneSeriesAnswer {
        series: SeriesAnswer::from(report),
        window,
        points: pairs(&thin),
        anomalies: anomalies
            .iter()
            .map(|anomaly| anomaly.report(sources.marks(anomaly)))
            .collect(),
        floors: sources.silences.feedback(|series| series == name, ANOMALIES_MAX).0,
        view,
    })
    .into_response())
}

/// There is no series called so, but perhaps what was learnt of it.
fn missing(name: &str, dormant_since: Option<Timestamp>) -> Refusal {
    let why = dormant_since.map_or_else(String::new, |since| {
        let silent = duration(clock::now() - since);
        format!(": it has been silent for {silent}, and what was learnt of it is kept until it comes back or [window] forget_after is over")
    });
    Refusal(
        StatusCode::NOT_FOUND,
        format!("there is no series called {name:?}{why}"),
    )
}

/// The last samples of the series named by `series=`, each thinned out to a few.
pub(super) async fn sparklines(State(sources): State<Sources>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let (mut names, mut points_max, mut span_s) = (Vec::new(), 60, SPARKLINE_SPAN_S);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let number = |value: &str| {
            let number = value.parse().ok().filter(|&number: &i64| number > 0);
            number.ok_or_else(|| Refusal::bad(format!("{key}: {value:?} is no number above 0")))
        };
        match &*key {
            "series" => names.push(value.into_owned()),
            "points" => points_max = usize::try_from(number(&value)?).unwrap_or(SPARKLINE_POINTS_MAX),
            "span" => span_s = number(&value)?,
            _ => {
                return Err(Refusal::bad(format!(
                    "unknown parameter {key:?}, expected series, points or span"
                )));
            }
        }
    }
    if names.len() > SPARKLINES_MAX {
        return Err(Refusal::bad(format!(
            "series: {} are more than {SPARKLINES_MAX}",
            names.len()
        )));
    }
    let mut sparklines = Vec::new();
    for name in names {
        let (hash, shard) = sources.sorter.place(name.as_bytes());
        let asked = name.clone();
        let question = move |shard: &mut crate::shard::Shard| shard.recent(hash, &asked, span_s);
        if let Some(points) = sources.analysis.ask(shard, question).await? {
            let (points, _) = thin(&points, points_max.min(SPARKLINE_POINTS_MAX));
            sparklines.push(Sparkline {
                series: name,
                points: pairs(&points),
            });
        }
    }
    fit(&mut sparklines);
    Ok(Json(SparklinesAnswer { sparklines }).into_response())
}

fn pairs(points: &[Point]) -> Vec<(Timestamp, f64)> {
    let pair = |&Point { timestamp, value }: &Point| (timestamp, value);
    points.iter().map(pair).collect()
}

/// At most `max` (2 or more) of the points, and whether they are not all: of each of equal stretches of time the lowest and
/// the highest, so that no spike is lost.
fn thin(points: &[Point], max: usize) -> (Vec<Point>, bool) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return (Vec::new(), false);
    };
    if points.len() <= max.max(2) {
        return (points.to_vec(), false);
    }
    let stretches = i128::try_from(max.max(2) / 2).expect("a usize fits");
    let span = i128::from(last.timestamp) - i128::from(first.timestamp) + 1;
    let stretch = |point: &Point| (i128::from(point.timestamp) - i128::from(first.timestamp)) * stretches / span;
    let mut thin = Vec::new();
    for part in points.chunk_by(|left, right| stretch(left) == stretch(right)) {
        let by_value = |left: &&Point, right: &&Point| left.value.total_cmp(&right.value);
        let lowest = part.iter().min_by(by_value).expect("a chunk is not empty");
        let highest = part.iter().max_by(by_value).expect("a chunk is not empty");
        let mut both = [*lowest, *highest];
        both.sort_by_key(|point| point.timestamp);
        thin.extend(&both[..if lowest.timestamp == highest.timestamp { 1 } else { 2 }]);
    }
    (thin, true)
}

impl From<WantedCondition> for Condition {
    fn from(wanted: WantedCondition) -> Self {
        match wanted {
            WantedCondition::Analysed => Self::Analysed,
            WantedCondition::WarmingUp => Self::WarmingUp,
            WantedCondition::TooShort => Self::TooShort,
            WantedCondition::Boring => Self::Boring,
            WantedCondition::Unwatched => Self::Unwatched,
            WantedCondition::Paused => Self::Paused,
        }
    }
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

impl From<SeriesReport> for SeriesAnswer {
    fn from(report: SeriesReport) -> Self {
        let state = report.condition().name();
        let mut answer = Self {
            series: report.name,
            state,
            reason: String::new(),
            received: report.received,
            samples: None,
            last: None,
            memory: None,
            detectors: Vec::new(),
        };
        match report.state {
            SeriesState::Unwatched => "no [[watch]] gives it a detector".clone_into(&mut answer.reason),
            SeriesState::Paused => {
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
                let says = answer
                    .detectors
                    .iter()
                    .find(|detector| detector.heard && detector.state == state);
                answer.reason = says.map_or_else(String::new, |detector| detector.reason.clone());
                let ahead_s = last.map_or(0, |last| last.timestamp.saturating_sub(report.received));
                if ahead_s > AHEAD_S {
                    let ahead = duration(ahead_s);
                    let _ = write!(
                        answer.reason,
                        "; the newest is {ahead} ahead of the time at which lines come, and what is older is not judged"
                    );
                }
            }
        }
        answer
    }
}

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
        Self {
            detector,
            state: standing.name(),
            reason: standing.to_string(),
            anomalous: open,
            heard,
            outlook: outlook.map(OutlookAnswer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::float_cmp, reason = "they are the same numbers")]
    #[test]
    fn thinned_out_the_lowest_and_the_highest_stay() {
        let value = |number: i64| {
            if number == 5_003 {
                900.0
            } else {
                f64::from(i32::try_from(number % 10).unwrap())
            }
        };
        let points: Vec<Point> = (0..10_000)
            .map(|number| Point {
                timestamp: 1_700_000_000 + number,
                value: value(number),
            })
            .collect();
        let (thin, thinned) = super::thin(&points, 200);
        assert!(thinned && thin.len() <= 200, "{}", thin.len());
        assert!(thin.is_sorted_by_key(|point| point.timestamp));
        assert!(thin.iter().any(|point| point.value == 900.0));
        let lows = thin.iter().filter(|point| point.value == 0.0).count();
        assert_eq!(lows, 100, "one in each stretch");
        assert!(thin.iter().all(|point| points.contains(point)));
        assert_eq!(super::thin(&points[..7], 7), (points[..7].to_vec(), false));
        assert_eq!(super::thin(&[], 7), (Vec::new(), false));
        // However far apart they are.
        let ends = [i64::MIN, 0, i64::MAX].map(|timestamp| Point { timestamp, value: 1.0 });
        assert_eq!(super::thin(&ends, 2).0.len(), 2);
    }
}
