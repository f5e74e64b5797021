//! What was asked over HTTP, and refused.

use prometheus::IntCounterVec;

use super::Declare;

/// What was asked over HTTP.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    /// Requests that nobody looked at, by reason.
    pub refused: IntCounterVec,
}

impl HttpMetrics {
    pub(super) fn declare(declare: &Declare) -> Self {
        let refused = declare.counters(
            "http_requests_refused_total",
            "Requests over HTTP that were turned away, by reason.",
            &["reason"],
        );
        for reason in ["host", "cross_site", "content_type", "too_large", "unauthorized"] {
            refused.with_label_values(&[reason]);
        }
        Self { refused }
    }
}
