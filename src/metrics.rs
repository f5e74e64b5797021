//! The relay's own metrics, all of them, declared in one place.
//!
//! Counters are added to once per chunk or batch. The books balance, at rest: for each upstream that was there from the start
//! `received + recovered = quarantined + filtered + forwarded + queued + spooled + dropped`, and `received = analysed + not analysed`, by reason.
//! Labels come from the configuration or from fixed sets, never from the names of series.

mod forward;
mod history;
mod http;
mod notify;
mod reading;
mod silence;

use prometheus::{
    CounterVec, Encoder, Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

pub use self::{
    forward::ForwardMetrics,
    history::HistoryMetrics,
    http::HttpMetrics,
    notify::{ChannelMetrics, NotifyMetrics},
    reading::Reading,
    silence::SilenceMetrics,
};
use crate::{
    line::{Poison, Timestamp},
    shard::{Tally, Unanalysed},
};

/// Prefix of every metric.
const NAMESPACE: &str = "skyrelay";

/// All metrics. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Connections and datagrams.
    pub listen: ListenMetrics,
    /// Lines, before anybody looks at their values.
    pub intake: IntakeMetrics,
    /// Lines for which a sender had to wait or that were not analysed.
    pub analysis: AnalysisMetrics,
    /// By upstream.
    pub forward: ForwardMetrics,
    /// What was found.
    pub anomaly: AnomalyMetrics,
    /// What people are told.
    pub notify: NotifyMetrics,
    /// What would survive a restart.
    pub snapshot: SnapshotMetrics,
    /// The history on disk.
    pub history: HistoryMetrics,
    /// By which configuration the relay goes.
    pub config: ConfigMetrics,
    /// What was asked over HTTP.
    pub http: HttpMetrics,
    /// What people have said of anomalies.
    pub silence: SilenceMetrics,
}

/// Connections and datagrams.
#[derive(Clone, Debug)]
pub struct ListenMetrics {
    /// TCP connections accepted.
    pub connections: IntCounter,
    /// TCP connections open now.
    pub connections_open: IntGauge,
    /// Connections closed at once, by reason.
    pub connections_refused: IntCounterVec,
    /// Connections closed because nothing came for too long.
    pub connections_idle: IntCounter,
    /// Attempts to accept that failed.
    pub accept_errors: IntCounter,
    /// Bytes received over TCP.
    pub tcp_bytes: IntCounter,
    /// Bytes received over UDP.
    pub udp_bytes: IntCounter,
    /// UDP datagrams received.
    pub datagrams: IntCounter,
    /// UDP datagrams from senders that may not send.
    pub datagrams_refused: IntCounter,
    /// UDP datagrams that the kernel dropped, because a socket's buffer was full.
    pub datagrams_dropped: IntCounter,
    /// Ends of connections without a newline.
    pub fragments: IntCounter,
}

/// Lines, before anybody looks at their values.
#[derive(Clone, Debug)]
pub struct IntakeMetrics {
    /// Lines received.
    pub received: IntCounter,
    /// Poison lines, by reason.
    pub quarantined: IntCounterVec,
    /// Malformed lines held back on request.
    pub filtered: IntCounter,
}

/// What became of lines.
#[derive(Clone, Debug)]
pub struct AnalysisMetrics {
    analysed: IntCounter,
    not_analysed: [IntCounter; Unanalysed::ALL.len()],
    /// Those of them that are malformed, once more.
    rejected: IntCounterVec,
    /// Series in memory.
    pub series: IntGauge,
    /// Series of which only what was learnt is kept.
    pub series_dormant: IntGauge,
    /// Lines that wait for a shard.
    pub queued: IntGauge,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct AnomalyMetrics {
    /// Anomalies open now.
    pub open: IntGauge,
    /// Series with an open anomaly.
    pub series_anomalous: IntGauge,
    /// What belongs together.
    pub groups: GroupMetrics,
    /// Anomalies opened, by detector.
    pub opened: IntCounterVec,
    /// Anomalies closed, by detector.
    pub closed: IntCounterVec,
}

/// Anomalies that belong together.
#[derive(Clone, Debug)]
pub struct GroupMetrics {
    /// Groups with an open member.
    pub open: IntGauge,
    /// Groups opened.
    pub opened: IntCounter,
    /// Groups that became part of another.
    pub merged: IntCounter,
    /// Groups given up because there were too many at a time.
    pub given_up: IntCounter,
    /// Members that are counted and not listed.
    pub members_unlisted: IntCounter,
    /// Places whose counts are kept.
    pub places: IntGauge,
    /// Places forgotten to make room.
    pub places_evicted: IntCounter,
}

/// What would survive a restart.
#[derive(Clone, Debug)]
pub struct SnapshotMetrics {
    /// When the last good one was begun (seconds since 1970); 0: there is none yet.
    pub last_success: IntGauge,
    /// How long it took (seconds).
    pub duration: Gauge,
    /// The longest that it kept a shard from its samples (seconds).
    pub longest_pause: Gauge,
    /// Its size (bytes).
    pub bytes: IntGauge,
    /// Its series.
    pub series: IntGauge,
    /// Snapshots that could not be written.
    pub failures: IntCounter,
    /// 1 while one is being loaded.
    pub loading: IntGauge,
    /// Series that were loaded at the start.
    pub loaded: IntGauge,
}

/// By which configuration the relay goes.
#[derive(Clone, Debug)]
pub struct ConfigMetrics {
    /// 1 if the configuration that was read last is in force.
    pub last_reload_successful: IntGauge,
    /// When the one in force was read (seconds since 1970).
    pub last_reload_success: IntGauge,
    /// Series that are judged by the one before, until it is their turn.
    pub series_waiting: IntGauge,
    /// Longest time that carrying them over has kept a shard from its samples (seconds).
    pub longest_pause: Gauge,
}

/// Declares metrics in a registry.
struct Declare(Registry);

impl Declare {
    fn counter(&self, name: &str, help: &str) -> IntCounter {
        let counter = IntCounter::with_opts(opts(name, help)).expect(VALID);
        self.0.register(Box::new(counter.clone())).expect(VALID);
        counter
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let counters = IntCounterVec::new(opts(name, help), labels).expect(VALID);
        self.0.register(Box::new(counters.clone())).expect(VALID);
        counters
    }

    fn seconds_counters(&self, name: &str, help: &str, labels: &[&str]) -> CounterVec {
        let counters = CounterVec::new(opts(name, help), labels).expect(VALID);
        self.0.register(Box::new(counters.clone())).expect(VALID);
        counters
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        let gauge = IntGauge::with_opts(opts(name, help)).expect(VALID);
        self.0.register(Box::new(gauge.clone())).expect(VALID);
        gauge
    }

    fn seconds(&self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::with_opts(opts(name, help)).expect(VALID);
        self.0.register(Box::new(gauge.clone())).expect(VALID);
        gauge
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        let gauges = IntGaugeVec::new(opts(name, help), labels).expect(VALID);
        self.0.register(Box::new(gauges.clone())).expect(VALID);
        gauges
    }
}

const VALID: &str = "names are valid and different";

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

impl Metrics {
    /// All metrics, at zero.
    ///
    /// # Panics
    /// When two metrics have the same name, which a test would notice.
    #[expect(
        clippy::new_without_default,
        reason = "a second set would be a mistake, not a default"
    )]
    pub fn new() -> Self {
        let declare = Declare(Registry::new());
        let build = declare.gauges("build_info", "1, labelled with the version that runs.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        #[cfg(target_os = "linux")]
        declare
            .0
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect(VALID);
        let metrics = Self {
            listen: ListenMetrics::declare(&declare),
            intake: IntakeMetrics::declare(&declare),
            analysis: AnalysisMetrics::declare(&declare),
            forward: ForwardMetrics::declare(&declare),
            anomaly: AnomalyMetrics::declare(&declare),
            notify: NotifyMetrics::declare(&declare),
            snapshot: SnapshotMetrics::declare(&declare),
            history: HistoryMetrics::declare(&declare),
            config: ConfigMetrics::declare(&declare),
            http: HttpMetrics::declare(&declare),
            silence: SilenceMetrics::declare(&declare),
            registry: declare.0,
        };
        metrics.begin_at_zero();
        metrics
    }

    /// Makes counters with fixed labels visible before they count: a rate needs a beginning.
    fn begin_at_zero(&self) {
        for reason in Unanalysed::ALL {
            if reason.is_malformed() {
                self.analysis.rejected.with_label_values(&[reason.name()]);
            }
        }
        for poison in Poison::ALL {
            self.intake.quarantined.with_label_values(&[poison.name()]);
        }
        for reason in ["limit", "not_allowed"] {
            self.listen.connections_refused.with_label_values(&[reason]);
        }
    }

    /// All metrics, as they are now.
    pub fn read(&self) -> Reading {
        Reading::new(self.registry.gather())
    }

    /// All metrics in Prometheus' text format.
    pub fn encode(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("metrics are text");
        String::from_utf8(text).expect("metrics are text")
    }
}

impl ListenMetrics {
    fn declare(declare: &Declare) -> Self {
        let bytes = declare.counters("received_bytes_total", "Bytes received, by protocol.", &["protocol"]);
        Self {
            connections: declare.counter("connections_total", "TCP connections accepted."),
            connections_open: declare.gauge("connections_open", "TCP connections that are open."),
            connections_refused: declare.counters(
                "connections_refused_total",
                "TCP connections closed at once, by reason.",
                &["reason"],
            ),
            connections_idle: declare.counter(
                "connections_idle_closed_total",
                "TCP connections closed because nothing came for too long.",
            ),
            accept_errors: declare.counter("accept_errors_total", "Attempts to accept a connection that failed."),
            tcp_bytes: bytes.with_label_values(&["tcp"]),
            udp_bytes: bytes.with_label_values(&["udp"]),
            datagrams: declare.counter("datagrams_received_total", "UDP datagrams received."),
            datagrams_refused: declare.counter(
                "datagrams_refused_total",
                "UDP datagrams from senders that may not send.",
            ),
            datagrams_dropped: declare.counter(
                "datagrams_dropped_total",
                "UDP datagrams that the kernel dropped because the buffer of a socket was full.",
            ),
            fragments: declare.counter(
                "fragments_dropped_total",
                "Ends of connections without a newline: not lines, and dropped as carbon does.",
            ),
        }
    }
}

impl IntakeMetrics {
    fn declare(declare: &Declare) -> Self {
        Self {
            received: declare.counter("lines_received_total", "Lines received."),
            quarantined: declare.counters(
                "lines_quarantined_total",
                "Lines held back because carbon would hang up on them, by reason.",
                &["reason"],
            ),
            filtered: declare.counter(
                "lines_filtered_total",
                "Malformed lines held back because the configuration says so.",
            ),
        }
    }
}

impl AnalysisMetrics {
    fn declare(declare: &Declare) -> Self {
        let not_analysed = declare.counters(
            "lines_not_analysed_total",
            "Lines that were not judged, by reason.",
            &["reason"],
        );
        Self {
            analysed: declare.counter("samples_analysed_total", "Samples that were judged."),
            not_analysed: Unanalysed::ALL.map(|reason| not_analysed.with_label_values(&[reason.name()])),
            rejected: declare.counters(
                "lines_rejected_total",
                "Lines that carbon logs and drops, by reason; forwarded all the same unless configured otherwise.",
                &["reason"],
            ),
            series: declare.gauge("series", "Series in memory."),
            series_dormant: declare.gauge(
                "series_dormant",
                "Series that have fallen silent, of which only what was learnt is kept.",
            ),
            queued: declare.gauge("analysis_queued_lines", "Lines that wait for analysis."),
        }
    }
}

impl AnomalyMetrics {
    fn declare(declare: &Declare) -> Self {
        Self {
            open: declare.gauge("anomalies_open", "Anomalies that are open."),
            series_anomalous: declare.gauge("series_anomalous", "Series with an open anomaly."),
            groups: GroupMetrics::declare(declare),
            opened: declare.counters(
                "anomalies_opened_total",
                "Anomalies that opened, by detector.",
                &["detector"],
            ),
            closed: declare.counters(
                "anomalies_closed_total",
                "Anomalies that closed, by detector.",
                &["detector"],
            ),
        }
    }
}

impl GroupMetrics {
    fn declare(declare: &Declare) -> Self {
        Self {
            open: declare.gauge("groups_open", "Groups of anomalies that have an open member."),
            opened: declare.counter("groups_opened_total", "Groups of anomalies that opened."),
            merged: declare.counter("groups_merged_total", "Groups that became part of another."),
            given_up: declare.counter(
                "groups_given_up_total",
                "Groups that were closed early because there were too many at a time.",
            ),
            members_unlisted: declare.counter(
                "group_members_unlisted_total",
                "Members of groups that are counted and not listed, because there are too many.",
            ),
            places: declare.gauge(
                "group_places",
                "Places in the tree of names whose anomalies are counted.",
            ),
            places_evicted: declare.counter(
                "group_places_evicted_total",
                "Places that were forgotten to make room for others.",
            ),
        }
    }
}

impl SnapshotMetrics {
    fn declare(declare: &Declare) -> Self {
        Self {
            last_success: declare.gauge(
                "snapshot_last_success_timestamp_seconds",
                "When the last good snapshot was begun; 0 while there is none.",
            ),
            duration: declare.seconds("snapshot_duration_seconds", "How long the last good snapshot took."),
            longest_pause: declare.seconds(
                "snapshot_longest_pause_seconds",
                "Longest time that the last good snapshot kept a shard from its samples.",
            ),
            bytes: declare.gauge("snapshot_bytes", "Size of the last good snapshot."),
            series: declare.gauge("snapshot_series", "Series in the last good snapshot."),
            failures: declare.counter("snapshot_failures_total", "Snapshots that could not be written."),
            loading: declare.gauge(
                "snapshot_loading",
                "1 while a snapshot is being loaded, and lines wait.",
            ),
            loaded: declare.gauge(
                "snapshot_loaded_series",
                "Series that came back from a snapshot at the start.",
            ),
        }
    }
}

impl ConfigMetrics {
    fn declare(declare: &Declare) -> Self {
        Self {
            last_reload_successful: declare.gauge(
                "config_last_reload_successful",
                "1 if the configuration that was read last is in force, 0 if it was refused.",
            ),
            last_reload_success: declare.gauge(
                "config_last_reload_success_timestamp_seconds",
                "When the configuration that is in force was read.",
            ),
            series_waiting: declare.gauge(
                "config_series_waiting",
                "Series that are still judged by the configuration before, until it is their turn.",
            ),
            longest_pause: declare.seconds(
                "config_longest_pause_seconds",
                "Longest time that the last change of configuration has kept a shard from its samples.",
            ),
        }
    }

    /// Notes what came, at `now`, of the attempt to go by another configuration.
    pub fn reloaded(&self, now: Timestamp, good: bool) {
        self.last_reload_successful.set(i64::from(good));
        if good {
            self.last_reload_success.set(now);
        }
    }
}

impl AnomalyMetrics {
    /// Makes the counters of these detectors visible before they count.
    pub fn begin_at_zero<'a>(&self, detectors: impl IntoIterator<Item = &'a str>) {
        for detector in detectors {
            self.opened.with_label_values(&[detector]);
            self.closed.with_label_values(&[detector]);
        }
    }
}

impl AnalysisMetrics {
    /// Adds what became of some lines.
    pub fn add(&self, tally: &Tally) {
        self.analysed.inc_by(tally.analysed);
        for reason in Unanalysed::ALL {
            let lines = tally.unanalysed(reason);
            if lines > 0 {
                self.not_analysed[reason as usize].inc_by(lines);
                if reason.is_malformed() {
                    self.rejected.with_label_values(&[reason.name()]).inc_by(lines);
                }
            }
        }
    }
}
