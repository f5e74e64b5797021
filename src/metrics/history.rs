//! The history on disk.

use prometheus::{IntCounter, IntGauge};

use super::Declare;

/// The history on disk.
#[derive(Clone, Debug)]
pub struct HistoryMetrics {
    /// Records written.
    pub written: IntCounter,
    /// Records lost because too many were waiting for the disk.
    pub queue_full: IntCounter,
    /// Records lost because the disk had not taken them when the relay ended.
    pub not_written: IntCounter,
    /// Records lost because of their length.
    pub too_long: IntCounter,
    /// Attempts to use the disk that failed.
    pub failures: IntCounter,
    /// Segments whose end a crash had cut off.
    pub torn: IntCounter,
    /// Lines that were no records any more.
    pub damaged: IntCounter,
    /// Segments removed because of the bounds.
    pub removed: IntCounter,
    /// Size of all segments.
    pub bytes: IntGauge,
    /// Segments that there are.
    pub segments: IntGauge,
}

impl HistoryMetrics {
    pub(super) fn declare(declare: &Declare) -> Self {
        let dropped = declare.counters(
            "history_dropped_total",
            "Records of anomalies that are not in the history, by reason.",
            &["reason"],
        );
        Self {
            written: declare.counter(
                "history_records_total",
                "Records of anomalies that opened or closed, written to the history on disk.",
            ),
            queue_full: dropped.with_label_values(&["queue_full"]),
            not_written: dropped.with_label_values(&["not_written"]),
            too_long: dropped.with_label_values(&["too_long"]),
            failures: declare.counter(
                "history_failures_total",
                "Attempts to write or read the history on disk that failed.",
            ),
            torn: declare.counter(
                "history_torn_total",
                "Segments of the history whose end a crash had cut off.",
            ),
            damaged: declare.counter(
                "history_damaged_total",
                "Lines of the history that were damaged, and whose segments were set aside.",
            ),
            removed: declare.counter(
                "history_segments_removed_total",
                "Segments of the history that were removed because it would have been too large or too old.",
            ),
            bytes: declare.gauge("history_bytes", "Size of the history on disk."),
            segments: declare.gauge("history_segments", "Segments of the history on disk."),
        }
    }
}
