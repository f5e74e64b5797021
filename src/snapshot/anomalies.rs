//! Anomalies as records: those that are open, and those that are over.

use std::sync::Arc;

use crate::{
    anomaly::{Anomaly, groups::Tag},
    detect::Verdict,
    save::{Damaged, Save, Saved, put_bytes},
};

/// An anomaly, but for its group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SavedAnomaly {
    pub(super) id: u64,
    pub(super) series: Arc<str>,
    pub(super) detector: Arc<str>,
    pub(super) opened: Verdict,
    pub(super) again: Option<Verdict>,
    /// Absent while it is open.
    pub(super) closed: Option<Verdict>,
    pub(super) rank: f64,
}

impl From<&Anomaly> for SavedAnomaly {
    fn from(anomaly: &Anomaly) -> Self {
        Self {
            id: anomaly.id,
            series: Arc::clone(&anomaly.series),
            detector: Arc::clone(&anomaly.detector),
            opened: anomaly.opened.clone(),
            again: anomaly.again.clone(),
            closed: anomaly.closed.clone(),
            rank: anomaly.rank,
        }
    }
}

impl From<SavedAnomaly> for Anomaly {
    fn from(saved: SavedAnomaly) -> Self {
        let SavedAnomaly {
            id,
            series,
            detector,
            opened,
            again,
            closed,
            rank,
        } = saved;
        Self {
            id,
            series,
            detector,
            opened,
            again,
            closed,
            rank,
            group: Tag::default(),
        }
    }
}

impl Save for SavedAnomaly {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            id,
            series,
            detector,
            opened,
            again,
            closed,
            rank,
        } = self;
        id.save(out);
        put_bytes(series.as_bytes(), out);
        put_bytes(detector.as_bytes(), out);
        opened.save(out);
        again.save(out);
        closed.save(out);
        rank.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            id: u64::load(from)?,
            series: from.text()?.into(),
            detector: from.text()?.into(),
            opened: Verdict::load(from)?,
            again: Option::load(from)?,
            closed: Option::load(from)?,
            rank: f64::load(from)?,
        })
    }
}
