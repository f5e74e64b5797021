//! Silences and acknowledgements, and what can be meant by them.

use serde::{Deserialize, Serialize};

use super::{LONGEST_S, NAME_BYTES_MAX, PATTERNS_MAX, REASON_BYTES_MAX, Refused, SERIES_BYTES_MAX, wrong};
use crate::{glob::Glob, line::Timestamp};

/// Anomalies of which nobody is to be told for a time, by the wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Number; no two have the same.
    pub id: u64,
    /// Patterns of which the series' name matches at least one.
    #[serde(rename = "match")]
    pub patterns: Vec<String>,
    /// Names of the detectors that it is about; empty: any.
    #[serde(default)]
    pub detectors: Vec<String>,
    /// What for.
    pub reason: String,
    /// Whose it is.
    pub author: String,
    /// When it begins (seconds since 1970).
    pub from: Timestamp,
    /// When it is over (seconds since 1970).
    pub until: Timestamp,
}

/// Whether a silence is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It is yet to begin.
    Pending,
    /// It is.
    Active,
    /// It was.
    Expired,
}

/// Somebody has seen an anomaly, and nobody needs to be told of it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Number of the anomaly.
    pub anomaly: u64,
    /// Its series.
    pub series: String,
    /// Its detector.
    pub detector: String,
    /// Who has seen it.
    pub author: String,
    /// What is to be said of it; may be empty.
    #[serde(default)]
    pub reason: String,
    /// When (seconds since 1970).
    pub at: Timestamp,
}

impl Silence {
    /// Whether it is in force.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now >= self.until {
            SilenceState::Expired
        } else if now >= self.from {
            SilenceState::Active
        } else {
            SilenceState::Pending
        }
    }

    pub(super) fn pattern_bytes(&self) -> usize {
        self.patterns.iter().map(String::len).sum()
    }

    /// Its patterns, compiled, if it can be meant.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, now: Timestamp) -> Result<Vec<Glob>, Refused> {
        let globs = patterns(&self.patterns)?;
        for detector in &self.detectors {
            name("detectors", detector)?;
        }
        if self.detectors.len() > PATTERNS_MAX {
            return wrong(format!("detectors: expected {PATTERNS_MAX} at most"));
        }
        name("author", &self.author)?;
        reason(&self.reason)?;
        if self.reason.trim().is_empty() {
            return wrong("reason: a silence needs one");
        }
        if self.until <= now {
            return wrong("it would be over already");
        }
        if self.until <= self.from {
            return wrong("it would be over before it begins");
        }
        if self.until.saturating_sub(now) > LONGEST_S || self.from < 0 {
            return wrong("expected ten years at most");
        }
        Ok(globs)
    }
}

impl Acknowledgement {
    pub(super) fn check(&self) -> Result<(), Refused> {
        name("author", &self.author)?;
        reason(&self.reason)
    }
}

/// Patterns, compiled.
///
/// # Errors
/// When one is none, when they are too many, or none.
pub(super) fn patterns(patterns: &[String]) -> Result<Vec<Glob>, Refused> {
    if patterns.is_empty() || patterns.len() > PATTERNS_MAX {
        return wrong(format!(
            "match: expected 1 to {PATTERNS_MAX} patterns, such as [\"servers.web1.**\"]"
        ));
    }
    let compiled = patterns.iter().map(|pattern| {
        if pattern.len() > SERIES_BYTES_MAX {
            return wrong(format!("match: a pattern has more than {SERIES_BYTES_MAX} bytes"));
        }
        Glob::new(pattern).map_err(|error| Refused::Wrong(format!("match: {pattern:?} is no pattern: {error}")))
    });
    compiled.collect()
}

/// That `text` can be the name that `key` asks for.
pub(super) fn name(key: &str, text: &str) -> Result<(), Refused> {
    if text.trim().is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        return wrong(format!(
            "{key}: expected a name of 1 to {NAME_BYTES_MAX} bytes without control characters"
        ));
    }
    Ok(())
}

pub(super) fn reason(text: &str) -> Result<(), Refused> {
    let is_odd = |character: char| character.is_control() && character != '\n';
    if text.len() > REASON_BYTES_MAX || text.chars().any(is_odd) {
        return wrong(format!(
            "reason: expected {REASON_BYTES_MAX} bytes at most, without control characters"
        ));
    }
    Ok(())
}
