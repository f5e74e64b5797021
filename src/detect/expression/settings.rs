//! What can be set of a model.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{
    Model,
    term::{Fact, Figure},
};
use crate::detect::{Input, Patience, Severity};

/// Settings of a detector of kind `expression`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What is anomalous.
    pub model: Arc<Model>,
    /// Whose clocks `hour()` and the like follow.
    pub timezone: TimeZone,
    /// Samples at first of which nothing is told (0 or more).
    pub silent_samples: u32,
    /// Time at first of which nothing is told (seconds, 0 or more).
    pub silent_for_s: i64,
    /// The greatest age of a sample of another series that counts (seconds, 1 or more).
    pub max_age_s: i64,
    /// How long, or how often, the condition has to hold.
    pub patience: Patience,
    /// How much an anomaly matters.
    pub severity: Severity,
}

impl Settings {
    /// Those that a model has where nothing is said about them.
    pub fn new(model: Model) -> Self {
        Self {
            model: Arc::new(model),
            timezone: TimeZone::UTC,
            silent_samples: 10,
            silent_for_s: 0,
            max_age_s: 300,
            patience: Patience::default(),
            severity: Severity::Warning,
        }
    }

    /// What it goes by.
    pub(in crate::detect) fn inputs(&self) -> Vec<Input> {
        let detectors = (0_u8..).zip(self.model.detectors());
        let asks_band = |place| {
            let is_band = |fact| matches!(fact, Fact::Vote(of, Figure::Lower | Figure::Upper) if of == place);
            self.model.asks(&is_band)
        };
        let input = |(place, detector): (u8, &Arc<str>)| Input {
            detector: Arc::clone(detector),
            band: asks_band(place),
        };
        detectors.map(input).collect()
    }

    /// What a state that was saved has to have been made by, to be good for this model over windows of `span_s` seconds: a
    /// condition may change, as long as it asks for the same.
    pub(in crate::detect) fn fingerprint(&self, span_s: i64) -> String {
        let needs = &self.model.needs;
        format!(
            "expression {}, {span_s} s, {:?}, {:?}",
            super::STATE_FORM,
            needs.parts,
            needs.smooths
        )
    }
}
