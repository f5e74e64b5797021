//! `ks_test`: are the values of the last ten minutes distributed unlike those of the hour before, though that hour was
//! stationary?
//!
//! A two-sample Kolmogorov-Smirnov test (p below 0.05 and a distance above 0.5), and behind it an augmented Dickey-Fuller
//! test of the reference (p below 0.05). Both samples need 20 values, so it is silent unless samples come every 30 s or
//! faster. The Dickey-Fuller test fails on a reference that is constant or too short for its lags; the original then gives
//! no verdict at all.

use super::{
    super::{Finding, Outcome},
    KsTest,
};
use crate::{
    detect::statistics::{adf, kolmogorov},
    window::Window,
};

/// Buffers for the two samples, which are read once a sample of the series, and what was found in them.
#[derive(Debug, Default)]
pub(super) struct KsBuffers {
    /// Are they those of the window as it is now?
    read: bool,
    found: Option<Finding>,
    /// In order of time.
    reference: Vec<f64>,
    probe: Vec<f64>,
    counts: Vec<usize>,
    adf: adf::Scratch,
    distance: Option<f64>,
    adf_p: Option<f64>,
}

impl KsBuffers {
    /// There is another sample, or another window.
    pub(super) fn forget(&mut self) {
        self.read = false;
        self.found = None;
    }

    /// What the last [`find`] went by.
    pub(super) fn details(&self) -> Vec<(&'static str, Option<f64>)> {
        vec![
            ("reference_samples", Some(super::count(self.reference.len()))),
            ("probe_samples", Some(super::count(self.probe.len()))),
            ("distance", self.distance),
            ("adf_p", self.adf_p),
        ]
    }

    fn fill(&mut self, settings: &KsTest, window: &Window) {
        if self.read {
            return;
        }
        self.read = true;
        self.reference.clear();
        self.probe.clear();
        self.distance = None;
        self.adf_p = None;
        let now = window.last().map_or(0, |point| point.timestamp);
        window.each_since(now - settings.reference_s, |point| {
            if point.timestamp < now - settings.probe_s {
                self.reference.push(point.value);
            } else {
                self.probe.push(point.value);
            }
        });
    }
}

/// Could the test fail? Where it cannot, and the other votes are enough, it need not be worked out.
pub(super) fn may_fail(settings: &KsTest, buffers: &mut KsBuffers, window: &Window) -> bool {
    buffers.fill(settings, window);
    adf::check(&buffers.reference, settings.adf_max_lag as usize).is_err()
}

/// The statistic is the p-value of the Kolmogorov-Smirnov test: small is suspicious.
pub(super) fn find(settings: &KsTest, buffers: &mut KsBuffers, window: &Window) -> Finding {
    if let Some(found) = buffers.found {
        return found;
    }
    buffers.fill(settings, window);
    let found = test(settings, buffers);
    buffers.found = Some(found);
    found
}

fn test(settings: &KsTest, buffers: &mut KsBuffers) -> Finding {
    let threshold = Some(settings.alpha);
    let needed = settings.min_samples as usize;
    if buffers.reference.len() < needed || buffers.probe.len() < needed {
        return Finding {
            threshold,
            ..Finding::UNDEFINED
        };
    }
    buffers.probe.sort_unstable_by(f64::total_cmp);
    let test = kolmogorov::two_sample(&buffers.reference, &buffers.probe, &mut buffers.counts);
    buffers.distance = Some(test.d);
    let outcome = if test.p < settings.alpha && test.d > settings.min_distance {
        match buffers.adf.p_value(&buffers.reference, settings.adf_max_lag as usize) {
            Ok(p) => {
                // NaN where the statistic is 0 / 0: no vote for an anomaly.
                buffers.adf_p = Some(p).filter(|p| p.is_finite());
                if p < settings.adf_alpha {
                    Outcome::True
                } else {
                    Outcome::False
                }
            }
            Err(_) => Outcome::Failed,
        }
    } else {
        Outcome::False
    };
    Finding {
        outcome,
        statistic: Some(test.p),
        threshold,
    }
}
