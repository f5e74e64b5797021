//! Anomalies that are open, as records.

use std::sync::Arc;

use crate::{
    anomaly::Anomaly,
    detect::Verdict,
    save::{Damaged, Save, Saved, put_bytes},
};

/// An anomaly that is open.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpenAnomaly {
    pub(super) id: u64,
    pub(super) series: Arc<str>,
    pub(super) detector: Arc<str>,
    pub(super) opened: Verdict,
    pub(super) again: Option<Verdict>,
}

impl From<&Anomaly> for OpenAnomaly {
    fn from(anomaly: &Anomaly) -> Self {
        Self {
            id: anomaly.id,
            series: Arc::clone(&anomaly.series),
            detector: Arc::clone(&anomaly.detector),
            opened: anomaly.opened.clone(),
            again: anomaly.again.clone(),
        }
    }
}

impl Save for OpenAnomaly {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            id,
            series,
            detector,
            opened,
            again,
        } = self;
        id.save(out);
        put_bytes(series.as_bytes(), out);
        put_bytes(detector.as_bytes(), out);
        opened.save(out);
        again.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            id: u64::load(from)?,
            series: from.text()?.into(),
            detector: from.text()?.into(),
            opened: Verdict::load(from)?,
            again: Option::load(from)?,
        })
    }
}
