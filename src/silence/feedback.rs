//! "This is not an anomaly": what is said of a series, and the floor that comes of it.

use serde::{Deserialize, Serialize};

use super::{Refused, SERIES_BYTES_MAX, word, wrong};
use crate::{
    line::Timestamp,
    shard::{Floor, Height},
};

/// Somebody says that something is no anomaly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// Name of the series.
    pub series: String,
    /// Name of the detector.
    pub detector: String,
    /// Number of the anomaly that it was said of.
    pub anomaly: u64,
    /// Who says so.
    pub author: String,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
    /// When that was said (seconds since 1970, by the wall clock).
    pub at: Timestamp,
    /// When it is forgotten (seconds since 1970, by the wall clock): not before the floor ends.
    pub ends: Timestamp,
    /// What is not told.
    pub floor: FloorReport,
}

/// A floor as people see it, and as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloorReport {
    /// On which side of what was expected; absent where nothing is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    /// Deviations from what is expected up to this are not told (units of the metric).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deviation: Option<f64>,
    /// Scores up to this are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// When it ends, by the samples' own time (seconds since 1970).
    until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Above,
    Below,
}

impl From<Floor> for FloorReport {
    fn from(floor: Floor) -> Self {
        let (direction, deviation, score) = match floor.height {
            Height::Above(deviation) => (Some(Direction::Above), Some(deviation), None),
            Height::Below(deviation) => (Some(Direction::Below), Some(deviation), None),
            Height::Score(score) => (None, None, Some(score)),
        };
        Self {
            direction,
            deviation,
            score,
            until: floor.until,
        }
    }
}

impl FloorReport {
    /// The floor, if it says what one needs.
    pub fn floor(&self) -> Option<Floor> {
        let height = match (self.direction, self.deviation, self.score) {
            (Some(Direction::Above), Some(deviation), None) => Height::Above(deviation),
            (Some(Direction::Below), Some(deviation), None) => Height::Below(deviation),
            (None, None, Some(score)) => Height::Score(score),
            _ => return None,
        };
        let until = self.until;
        Some(Floor { height, until })
    }
}

impl Feedback {
    pub(super) fn is_of(&self, series: &str, detector: &str) -> bool {
        self.series == series && self.detector == detector
    }

    pub(super) fn check(&self) -> Result<(), Refused> {
        word::name("author", &self.author)?;
        word::name("detector", &self.detector)?;
        word::reason(&self.reason)?;
        if self.series.is_empty() || self.series.len() > SERIES_BYTES_MAX {
            return wrong("series: expected a name");
        }
        Ok(())
    }
}
