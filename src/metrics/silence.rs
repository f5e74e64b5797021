//! What people have said of anomalies.

use prometheus::{IntCounter, IntGauge};

use super::Declare;

/// What people have said of anomalies.
#[derive(Clone, Debug)]
pub struct SilenceMetrics {
    /// Silences in force.
    pub active: IntGauge,
    /// Anomalies that somebody has seen, those that are over included.
    pub acknowledged: IntGauge,
    /// Series and detectors under which there is a floor.
    pub feedback: IntGauge,
    /// Attempts to read or write the file that failed.
    pub failures: IntCounter,
}

impl SilenceMetrics {
    pub(super) fn declare(declare: &Declare) -> Self {
        Self {
            active: declare.gauge("silences_active", "Silences that are in force."),
            acknowledged: declare.gauge(
                "acknowledgements",
                "Anomalies that somebody has acknowledged, as far as that is remembered.",
            ),
            feedback: declare.gauge(
                "feedback_floors",
                "Series and detectors of which people have said that something is no anomaly.",
            ),
            failures: declare.counter(
                "silences_failures_total",
                "Attempts to read or write the file with silences, acknowledgements and feedback that failed.",
            ),
        }
    }
}
