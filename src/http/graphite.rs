//! Graphite's way of reading: `/render?format=json` and `/metrics/find`, over the windows.
//!
//! So that whatever plots Graphite's series, such as Grafana, plots what skyrelay remembers. Patterns, times and the form of the answers
//! are Graphite's; functions are not computed here, and a target that has one is refused rather than misunderstood; but for the constant
//! line by which Grafana tries out whether there is a Graphite. Parameters that Graphite has and that make no difference here are passed
//! over, as it does itself.

mod find;
mod points;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use points::Slots;
use serde::Serialize;

use super::{
    Sources,
    answer::{Json, Refusal, glob},
    search,
};
use crate::{
    clock,
    graphite::{target::is_call, time},
    line::Timestamp,
    shard::SeriesState,
    window::Point,
};

/// Longest body of a question (bytes).
const BODY_BYTES_MAX: usize = 256 << 10;

/// Series in an answer, over all targets.
const SERIES_MAX: usize = 1_000;

/// Points in an answer, over all series: some 15 MB.
const POINTS_MAX: usize = 500_000;

/// What time is asked for when none is (seconds).
const SPAN_DEFAULT_S: i64 = 86_400;

/// The version of Graphite whose way of reading this is, for those who ask for it before they ask for anything else.
const VERSION: &str = "1.1.10";

/// The parameters of a question, from its address and its body.
struct Parameters(Vec<(String, String)>);

/// One series of an answer.
#[derive(Serialize)]
struct Rendered<'a> {
    target: &'a str,
    tags: BTreeMap<&'a str, &'a str>,
    datapoints: Vec<(Option<f64>, Timestamp)>,
}

pub(super) fn router() -> Router<Sources> {
    Router::new()
        .route("/render", get(render).post(render))
        .route("/render/", get(render).post(render))
        .route("/metrics/find", get(find::find).post(find::find))
        .route("/metrics/find/", get(find::find).post(find::find))
        .route("/version", get(|| async { VERSION }))
        .route("/version/", get(|| async { VERSION }))
        .route("/functions", get(functions))
        .route("/functions/", get(functions))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// The functions that are computed here: none.
async fn functions() -> Json<serde_json::Map<String, serde_json::Value>> {
    Json(serde_json::Map::new())
}

async fn render(
    State(sources): State<Sources>,
    query: RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let parameters = Parameters::read(query, &headers, &body)?;
    if let Some(format) = parameters.last("format")
        && format != "json"
    {
        return Err(Refusal::bad(format!(
            "format: {format:?} is not given here, only \"json\""
        )));
    }
    let (from, until) = parameters.range(clock::now())?;
    let points_max = parameters.number("maxDataPoints")?;
    let no_nulls = parameters.last("noNullPoints").is_some();

    let mut found: Vec<(Arc<str>, Slots)> = Vec::new();
    for target in parameters.all("target") {
        if let Some((name, value)) = constant(target) {
            add(&mut found, name, Slots::constant(value, from, until))?;
            continue;
        }
        for name in names(&sources, target).await? {
            // It may never have been there, or have ended since it was found.
            if let Some(points) = points_of(&sources, &name).await? {
                add(&mut found, name, Slots::new(&points, from, until))?;
            }
        }
    }
    points::consolidate(found.iter_mut().map(|(_, slots)| slots), points_max);
    if found.iter().map(|(_, slots)| slots.len()).sum::<usize>() > POINTS_MAX {
        return Err(too_much(&format!("these are more than {POINTS_MAX} points")));
    }
    let rendered = found.iter().map(|(name, slots)| Rendered {
        target: name,
        tags: tags(name),
        datapoints: slots
            .points()
            .filter(|(value, _)| value.is_some() || !no_nulls)
            .collect(),
    });
    let rendered: Vec<_> = rendered
        .filter(|series| !no_nulls || !series.datapoints.is_empty())
        .collect();
    Ok(Json(rendered).into_response())
}

/// Adds a series to the answer, if there is room.
fn add(found: &mut Vec<(Arc<str>, Slots)>, name: Arc<str>, slots: Slots) -> Result<(), Refusal> {
    if found.len() == SERIES_MAX {
        return Err(too_much(&format!("more than {SERIES_MAX} series match")));
    }
    found.push((name, slots));
    Ok(())
}

/// The number that `constantLine(NUMBER)` says, and what Graphite calls the line.
fn constant(target: &str) -> Option<(Arc<str>, f64)> {
    let number = target.trim().strip_prefix("constantLine(")?.strip_suffix(')')?;
    let value: f64 = number.trim().parse().ok()?;
    value.is_finite().then(|| (format!("{value:?}").into(), value))
}

/// Names of the series that `target` matches, in order; one that is no pattern may be nobody's.
async fn names(sources: &Sources, target: &str) -> Result<BTreeSet<Arc<str>>, Refusal> {
    let target = target.trim();
    if target.is_empty() {
        return Err(Refusal::bad("target: it is empty"));
    }
    if is_call(target) {
        let why = format!("target: {target:?} is a function, and only names and patterns are answered here");
        return Err(Refusal::bad(why));
    }
    let glob = glob("target", target)?;
    if glob.is_name() {
        // Nobody has to look through all series for one.
        return Ok(BTreeSet::from([target.into()]));
    }
    let pick = move |name: &Arc<str>| glob.matches(name).then(|| Arc::clone(name));
    Ok(search::names(sources, pick, SERIES_MAX).await?)
}

/// The points of a series that has a window.
async fn points_of(sources: &Sources, name: &Arc<str>) -> Result<Option<Vec<Point>>, Refusal> {
    let (hash, shard) = sources.sorter.place(name.as_bytes());
    let name = Arc::clone(name);
    let looked_up = sources
        .analysis
        .ask(shard, move |shard| shard.look_up(hash, &name))
        .await?;
    Ok(looked_up
        .filter(|(report, _)| matches!(report.state, SeriesState::Watched { .. }))
        .map(|(_, points)| points))
}

/// The tags of `name;key=value;…`, of which the first is always `name`.
fn tags(name: &str) -> BTreeMap<&str, &str> {
    let mut parts = name.split(';');
    let path = parts.next().unwrap_or(name);
    let tags = parts.filter_map(|tag| tag.split_once('='));
    tags.chain([("name", path)]).collect()
}

fn too_much(why: &str) -> Refusal {
    let advice = "ask for less: a narrower target, a shorter time, or maxDataPoints";
    Refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("{why}; {advice}"))
}

impl Parameters {
    fn read(RawQuery(query): RawQuery, headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        let is_form = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if !body.is_empty() && !is_form {
            let why = "a body has to be application/x-www-form-urlencoded".to_owned();
            return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let query = query.unwrap_or_default();
        let pairs = [query.as_bytes(), body].into_iter();
        Ok(Self(
            pairs
                .flat_map(|pairs| form_urlencoded::parse(pairs).into_owned())
                .collect(),
        ))
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// What the last parameter of that name says, as the last counts.
    fn last(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let read = |text: &str| match text.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(Refusal::bad(format!("{name}: {text:?} is no number above 0"))),
        };
        self.last(name).map(read).transpose()
    }

    /// The time that is asked for: after the first, up to the second.
    fn range(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), Refusal> {
        let zone = match self.last("tz") {
            Some(name) => time::zone(name).map_err(|error| Refusal::bad(format!("tz: {error}")))?,
            None => time::utc(),
        };
        let time = |name: &str, default| match self.last(name) {
            Some(text) => time::parse(text, now, &zone).map_err(|error| Refusal::bad(format!("{name}: {error}"))),
            None => Ok(default),
        };
        let (from, until) = (time("from", now - SPAN_DEFAULT_S)?, time("until", now)?);
        let (from, until) = (from.min(now), until.min(now));
        // The wrong way round they mean the same, as in Graphite.
        match from.cmp(&until) {
            Ordering::Less => Ok((from, until)),
            Ordering::Greater => Ok((until, from)),
            Ordering::Equal => Err(Refusal::bad(format!("from and until are the same: {from}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_line_is_told_from_other_functions() {
        assert_eq!(constant("constantLine(100)"), Some(("100.0".into(), 100.0)));
        assert_eq!(constant(" constantLine( -1.5 ) "), Some(("-1.5".into(), -1.5)));
        for other in [
            "constantLine(inf)",
            "constantLine()",
            "constantLine(a.b)",
            "sumSeries(1)",
            "100",
        ] {
            assert_eq!(constant(other), None, "{other}");
        }
    }

    #[test]
    fn tags_are_taken_apart() {
        assert_eq!(tags("a.b"), BTreeMap::from([("name", "a.b")]));
        assert_eq!(
            tags("cpu;host=web1;dc=x=y"),
            BTreeMap::from([("name", "cpu"), ("host", "web1"), ("dc", "x=y")])
        );
    }
}
