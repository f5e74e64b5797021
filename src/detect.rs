//! Detectors: what is thought of a series, sample by sample.
//!
//! Knows nothing of names, sockets or configuration files.

pub mod skyline;

/// A detector as configured: a name, and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Name in watches, verdicts and metrics.
    pub name: std::sync::Arc<str>,
    /// What it does.
    pub kind: Kind,
}

/// What a detector does.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Skyline's nine algorithms and their vote.
    Skyline(skyline::Settings),
}

impl Default for Definition {
    fn default() -> Self {
        Self {
            name: "default".into(),
            kind: Kind::Skyline(skyline::Settings::default()),
        }
    }
}
