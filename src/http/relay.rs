//! `/api/v1/relay` and `/api/v1/config`: what the relay itself does, and by which configuration.
//!
//! The relay is told in numbers that its metrics have as well, put together for people; how many series are in which
//! condition takes a pass over all of them, which is made every [`COUNTED_FOR`] at most, whoever asks. A relay that is behind
//! answers without: that is when people want to know what it does.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::{sync::Mutex, time::timeout};

use super::{Sources, answer::Json, reload::ReloadReport, search};
use crate::{analysis::Analysis, clock, line::Timestamp, metrics::Reading, shard::Condition};

/// How long a count of all series is good for.
const COUNTED_FOR: Duration = Duration::from_secs(5);

/// How long to wait for shards that have much to do before they count.
const COUNTING_MAX: Duration = Duration::from_secs(1);

/// The configuration in force, and what has become of attempts to change it.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// Where it comes from; `None`: from nowhere, and all is as it is by default.
    pub file: Option<String>,
    /// All of it as TOML, without its secrets.
    pub text: String,
    /// When it was read.
    pub read_at: Timestamp,
    /// When the relay was started.
    pub started_at: Timestamp,
    /// Names and addresses of the upstreams.
    pub upstreams: Vec<(String, String)>,
    /// Names and kinds of the detectors.
    pub detectors: Vec<(Arc<str>, &'static str)>,
    /// Most series that are analysed at a time.
    pub max_series: usize,
    /// How far windows reach back (seconds).
    pub span_s: i64,
    /// Do lines wait on disk for upstreams?
    pub has_spool: bool,
    /// Where another program shows a series; see [`PageSettings`](super::PageSettings).
    pub graph_url: Option<String>,
    /// When it was last to be read again, and what came of it.
    pub last_reload: Option<(Timestamp, Result<ReloadReport, String>)>,
}

/// How many series there are in each condition, counted now and then.
#[derive(Debug, Default)]
pub struct Counted(Mutex<Option<(Instant, [usize; Condition::ALL.len()])>>);

#[derive(Serialize)]
struct RelayAnswer {
    version: &'static str,
    now: Timestamp,
    started_at: Timestamp,
    ready: bool,
    lines: Lines,
    senders: Senders,
    series: SeriesCounts,
    analysis: AnalysisCounts,
    memory_bytes: u64,
    cpu_seconds: f64,
    has_spool: bool,
    upstreams: Vec<UpstreamAnswer>,
    anomalies: AnomalyCounts,
    detectors: Vec<DetectorCounts>,
    notifications: BTreeMap<String, ChannelCounts>,
    snapshot: SnapshotCounts,
    history: HistoryCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    graph_url: Option<String>,
}

#[derive(Serialize)]
struct Lines {
    received: u64,
    analysed: u64,
    not_analysed: BTreeMap<String, u64>,
    quarantined: BTreeMap<String, u64>,
    filtered: u64,
    fragments: u64,
}

#[derive(Serialize)]
struct Senders {
    connections: u64,
    connections_open: u64,
    connections_refused: BTreeMap<String, u64>,
    bytes: BTreeMap<String, u64>,
    datagrams: u64,
    datagrams_dropped: u64,
    datagrams_refused: u64,
}

#[derive(Serialize)]
struct SeriesCounts {
    total: usize,
    max: usize,
    /// Those besides of which only what was learnt is kept.
    dormant: usize,
    /// By condition; `null`: the shards are behind and have not counted yet.
    states: Option<BTreeMap<&'static str, usize>>,
    anomalous: u64,
    span_s: i64,
    /// Judged by the configuration before, until it is their turn.
    waiting: u64,
}

#[derive(Serialize)]
struct AnalysisCounts {
    shards: usize,
    queued_lines: u64,
}

#[derive(Serialize)]
struct UpstreamAnswer {
    name: String,
    address: String,
    connected: bool,
    forwarded: u64,
    forwarded_bytes: u64,
    queued: u64,
    queued_bytes: u64,
    spooled: u64,
    spool_bytes: u64,
    spool_failures: u64,
    resent: u64,
    recovered: u64,
    dropped: BTreeMap<String, u64>,
    /// Senders that wait for room in its queue, and how long all have waited for it so far (seconds).
    senders_paused: u64,
    pause_seconds: f64,
    connects: u64,
    failures: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct AnomalyCounts {
    open: u64,
    groups: u64,
}

#[derive(Serialize)]
struct DetectorCounts {
    name: Arc<str>,
    kind: &'static str,
    opened: u64,
    closed: u64,
}

#[derive(Serialize)]
struct ChannelCounts {
    told: u64,
    queued: u64,
    /// How long the oldest that waits has waited (seconds).
    queue_age_s: u64,
    /// Beyond the limit of the channel, and summed up.
    withheld: u64,
    /// As it is quiet, silenced, or acknowledged.
    held_back: BTreeMap<String, u64>,
    dropped: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct SnapshotCounts {
    /// 0: there is none yet.
    last_success: u64,
    bytes: u64,
    series: u64,
    failures: u64,
    loading: bool,
}

#[derive(Serialize)]
struct HistoryCounts {
    /// Is there one on disk?
    kept: bool,
    bytes: u64,
    records: u64,
    dropped: BTreeMap<String, u64>,
    failures: u64,
}

#[derive(Serialize)]
struct ConfigAnswer {
    file: Option<String>,
    read_at: Timestamp,
    text: String,
    last_reload: Option<LastReload>,
}

#[derive(Serialize)]
struct LastReload {
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<ReloadReport>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

pub(super) async fn relay(State(sources): State<Sources>) -> Response {
    let counts = sources.counted.get(&sources.analysis).await;
    sources.refresh_gauges();
    let reading = sources.metrics.read();
    let in_force = sources.in_force.borrow().clone();
    let of = |counts: [usize; Condition::ALL.len()]| {
        let named = Condition::ALL
            .iter()
            .map(|&condition| (condition.name(), counts[condition as usize]));
        named.collect()
    };
    let answer = RelayAnswer {
        version: env!("CARGO_PKG_VERSION"),
        now: clock::now(),
        started_at: in_force.started_at,
        ready: sources.ready.load(std::sync::atomic::Ordering::Relaxed),
        lines: Lines {
            received: reading.sum("lines_received_total"),
            analysed: reading.sum("samples_analysed_total"),
            not_analysed: counted(reading.by("lines_not_analysed_total", "reason", &[])),
            quarantined: counted(reading.by("lines_quarantined_total", "reason", &[])),
            filtered: reading.sum("lines_filtered_total"),
            fragments: reading.sum("fragments_dropped_total"),
        },
        senders: Senders {
            connections: reading.sum("connections_total"),
            connections_open: reading.sum("connections_open"),
            connections_refused: counted(reading.by("connections_refused_total", "reason", &[])),
            bytes: reading.by("received_bytes_total", "protocol", &[]),
            datagrams: reading.sum("datagrams_received_total"),
            datagrams_dropped: reading.sum("datagrams_dropped_total"),
            datagrams_refused: reading.sum("datagrams_refused_total"),
        },
        series: SeriesCounts {
            total: sources.analysis.series_count(),
            max: in_force.max_series,
            dormant: sources.analysis.dormant_count(),
            states: counts.map(of),
            anomalous: reading.sum("series_anomalous"),
            span_s: in_force.span_s,
            waiting: reading.sum("config_series_waiting"),
        },
        analysis: AnalysisCounts {
            shards: sources.analysis.shards(),
            queued_lines: reading.sum("analysis_queued_lines"),
        },
        memory_bytes: reading.sum("process_resident_memory_bytes"),
        cpu_seconds: reading.seconds("process_cpu_seconds_total"),
        has_spool: in_force.has_spool,
        upstreams: in_force
            .upstreams
            .into_iter()
            .map(|upstream| UpstreamAnswer::new(upstream, &reading))
            .collect(),
        anomalies: AnomalyCounts {
            open: reading.sum("anomalies_open"),
            groups: reading.sum("groups_open"),
        },
        detectors: detectors(in_force.detectors, &reading),
        notifications: notifications(&reading),
        snapshot: SnapshotCounts {
            last_success: reading.sum("snapshot_last_success_timestamp_seconds"),
            bytes: reading.sum("snapshot_bytes"),
            series: reading.sum("snapshot_series"),
            failures: reading.sum("snapshot_failures_total"),
            loading: reading.sum("snapshot_loading") > 0,
        },
        history: HistoryCounts {
            kept: sources.history.is_kept(),
            bytes: reading.sum("history_bytes"),
            records: reading.sum("history_records_total"),
            dropped: counted(reading.by("history_dropped_total", "reason", &[])),
            failures: reading.sum("history_failures_total"),
        },
        graph_url: in_force.graph_url,
    };
    Json(answer).into_response()
}

pub(super) async fn config(State(sources): State<Sources>) -> Response {
    let InForce {
        file,
        text,
        read_at,
        last_reload,
        ..
    } = sources.in_force.borrow().clone();
    let last_reload = last_reload.map(|(at, outcome)| match outcome {
        Ok(changes) => LastReload {
            at,
            changes: Some(changes),
            refused: None,
        },
        Err(refused) => LastReload {
            at,
            changes: None,
            refused: Some(refused),
        },
    });
    Json(ConfigAnswer {
        file,
        read_at,
        text,
        last_reload,
    })
    .into_response()
}

/// Without the reasons that nothing was counted for.
fn counted(by_reason: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    by_reason.into_iter().filter(|&(_, count)| count > 0).collect()
}

fn detectors(detectors: Vec<(Arc<str>, &'static str)>, reading: &Reading) -> Vec<DetectorCounts> {
    let [opened, closed] =
        ["opened", "closed"].map(|what| reading.by(&format!("anomalies_{what}_total"), "detector", &[]));
    let of = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or_default();
    let counts = detectors.into_iter().map(|(name, kind)| DetectorCounts {
        opened: of(&opened, &name),
        closed: of(&closed, &name),
        name,
        kind,
    });
    counts.collect()
}

fn notifications(reading: &Reading) -> BTreeMap<String, ChannelCounts> {
    let told = reading.by("notifications_total", "channel", &[]);
    let by_channel = told.into_iter().map(|(channel, told)| {
        let value = |metric: &str| value(reading, metric, "channel", &channel);
        let by_reason = |metric: &str| counted(reading.by(metric, "reason", &[("channel", &channel)]));
        let told = ChannelCounts {
            told,
            queued: value("notifications_queued"),
            queue_age_s: value("notifications_queue_age_seconds"),
            withheld: value("notifications_withheld_total"),
            held_back: by_reason("notifications_held_back_total"),
            dropped: by_reason("notifications_dropped_total"),
            failures: by_reason("notification_failures_total"),
        };
        (channel, told)
    });
    by_channel.collect()
}

/// The value of a metric where `label` is `of`.
fn value(reading: &Reading, metric: &str, label: &str, of: &str) -> u64 {
    reading.by(metric, label, &[(label, of)]).values().sum()
}

impl UpstreamAnswer {
    fn new((name, address): (String, String), reading: &Reading) -> Self {
        let value = |metric: &str| value(reading, metric, "upstream", &name);
        let by_reason = |metric: &str| counted(reading.by(metric, "reason", &[("upstream", &name)]));
        Self {
            address,
            connected: value("upstream_connected") > 0,
            forwarded: value("lines_forwarded_total"),
            forwarded_bytes: value("forwarded_bytes_total"),
            queued: value("lines_queued"),
            queued_bytes: value("queued_bytes"),
            spooled: value("lines_spooled"),
            spool_bytes: value("spool_bytes"),
            spool_failures: value("spool_failures_total"),
            resent: value("lines_resent_total"),
            recovered: value("lines_recovered_total"),
            dropped: by_reason("lines_dropped_total"),
            senders_paused: value("senders_paused"),
            pause_seconds: reading
                .seconds_by("upstream_pause_seconds_total", "upstream", &[("upstream", &name)])
                .values()
                .sum(),
            connects: value("upstream_connects_total"),
            failures: by_reason("upstream_failures_total"),
            name,
        }
    }
}

impl Counted {
    /// How many series there are in each condition, as far as that is known. Who asks while they are being counted waits
    /// for that count.
    async fn get(&self, analysis: &Analysis) -> Option<[usize; Condition::ALL.len()]> {
        let mut counted = self.0.lock().await;
        if let Some((at, counts)) = *counted
            && at.elapsed() < COUNTED_FOR
        {
            return Some(counts);
        }
        if let Ok(Ok(counts)) = timeout(COUNTING_MAX, search::conditions(analysis)).await {
            *counted = Some((Instant::now(), counts));
        } else if let Some((at, _)) = &mut *counted {
            // What was counted last will do for a while.
            *at = Instant::now();
        }
        counted.map(|(_, counts)| counts)
    }
}
