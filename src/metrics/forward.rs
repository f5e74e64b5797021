//! Lines on their way to upstreams: given, waiting, lost.

use prometheus::{CounterVec, IntCounterVec, IntGaugeVec};

use super::Declare;

/// By upstream.
#[derive(Clone, Debug)]
pub struct ForwardMetrics {
    /// Lines given to the upstream.
    pub forwarded: IntCounterVec,
    /// Bytes given to the upstream.
    pub forwarded_bytes: IntCounterVec,
    /// Lines that wait.
    pub queued: IntGaugeVec,
    /// Bytes that wait.
    pub queued_bytes: IntGaugeVec,
    /// Lines given to the upstream once more.
    pub resent: IntCounterVec,
    /// Lines that wait on disk.
    pub spooled: IntGaugeVec,
    /// Size of the files they are in.
    pub spool_bytes: IntGaugeVec,
    /// Lines that an earlier process had left on disk.
    pub recovered: IntCounterVec,
    /// Attempts to use the disk that failed.
    pub spool_failures: IntCounterVec,
    /// Files whose last record a crash had cut off.
    pub spool_torn: IntCounterVec,
    /// Files that were damaged otherwise.
    pub spool_damaged: IntCounterVec,
    /// Lines lost, by reason.
    pub dropped: IntCounterVec,
    /// Senders that wait for room.
    pub senders_paused: IntGaugeVec,
    /// Time that they have waited, added up (seconds).
    pub pause_seconds: CounterVec,
    /// 1 while connected.
    pub connected: IntGaugeVec,
    /// Connections made.
    pub connects: IntCounterVec,
    /// Attempts to connect that failed, and connections that broke, by reason.
    pub failures: IntCounterVec,
}

impl ForwardMetrics {
    pub(super) fn declare(declare: &Declare) -> Self {
        Self {
            forwarded: declare.counters("lines_forwarded_total", "Lines given to an upstream.", &["upstream"]),
            forwarded_bytes: declare.counters("forwarded_bytes_total", "Bytes given to an upstream.", &["upstream"]),
            queued: declare.gauges(
                "lines_queued",
                "Lines that wait for an upstream in memory.",
                &["upstream"],
            ),
            queued_bytes: declare.gauges(
                "queued_bytes",
                "Bytes that wait for an upstream in memory and are not on disk.",
                &["upstream"],
            ),
            resent: declare.counters(
                "lines_resent_total",
                "Lines given to an upstream once more, as they may not have arrived when a connection broke.",
                &["upstream"],
            ),
            spooled: declare.gauges(
                "lines_spooled",
                "Lines that wait for an upstream on disk.",
                &["upstream"],
            ),
            spool_bytes: declare.gauges(
                "spool_bytes",
                "Size of the files in which lines wait for an upstream.",
                &["upstream"],
            ),
            recovered: declare.counters(
                "lines_recovered_total",
                "Lines that waited on disk for an upstream when the relay started.",
                &["upstream"],
            ),
            spool_failures: declare.counters(
                "spool_failures_total",
                "Attempts to write or read lines on disk that failed.",
                &["upstream"],
            ),
            spool_torn: declare.counters(
                "spool_torn_total",
                "Files of a spool whose last record a crash had cut off.",
                &["upstream"],
            ),
            spool_damaged: declare.counters(
                "spool_damaged_total",
                "Files of a spool that were damaged, and were set aside.",
                &["upstream"],
            ),
            dropped: declare.counters(
                "lines_dropped_total",
                "Lines lost on the way to an upstream, by reason.",
                &["upstream", "reason"],
            ),
            senders_paused: declare.gauges(
                "senders_paused",
                "Senders that are made to wait for room in the queue of an upstream.",
                &["upstream"],
            ),
            pause_seconds: declare.seconds_counters(
                "upstream_pause_seconds_total",
                "Time that senders have waited for room in the queue of an upstream, added up.",
                &["upstream"],
            ),
            connected: declare.gauges("upstream_connected", "1 while connected to an upstream.", &["upstream"]),
            connects: declare.counters(
                "upstream_connects_total",
                "Connections made to an upstream.",
                &["upstream"],
            ),
            failures: declare.counters(
                "upstream_failures_total",
                "Connections to an upstream that broke or could not be made, by reason.",
                &["upstream", "reason"],
            ),
        }
    }

    /// Shows nothing any more of an upstream that is gone for good; these are its reasons for lines lost, and for connections
    /// that failed.
    pub fn forget<'a>(
        &self,
        upstream: &str,
        drop_reasons: impl IntoIterator<Item = &'a str>,
        failure_reasons: impl IntoIterator<Item = &'a str>,
    ) {
        let Self {
            forwarded,
            forwarded_bytes,
            queued,
            queued_bytes,
            resent,
            spooled,
            spool_bytes,
            recovered,
            spool_failures,
            spool_torn,
            spool_damaged,
            dropped,
            senders_paused,
            pause_seconds,
            connected,
            connects,
            failures,
        } = self;
        let counters = [
            forwarded,
            forwarded_bytes,
            resent,
            recovered,
            spool_failures,
            spool_torn,
            spool_damaged,
            connects,
        ];
        for counter in counters {
            // One that never was is as good as gone.
            let _ = counter.remove_label_values(&[upstream]);
        }
        for gauge in [queued, queued_bytes, spooled, spool_bytes, senders_paused, connected] {
            let _ = gauge.remove_label_values(&[upstream]);
        }
        let _ = pause_seconds.remove_label_values(&[upstream]);
        for reason in drop_reasons {
            let _ = dropped.remove_label_values(&[upstream, reason]);
        }
        for reason in failure_reasons {
            let _ = failures.remove_label_values(&[upstream, reason]);
        }
    }
}
