//! `grubbs`: does the tail lie further above the mean than chance allows for the largest of so many?
//!
//! Grubbs' test for one outlier (Grubbs 1969) at significance `alpha / 2n`, one-sided as in Skyline: only high values
//! trigger. The critical value depends on the number of samples alone, so each is worked out once. No vote below three
//! samples, as Student's t has n - 2 degrees of freedom here, and none without any deviation.

use super::{super::Finding, facts::Facts};
use crate::detect::statistics::student_t::grubbs_limit;

/// Critical values by number of samples; NaN: not worked out yet. Grows to the longest window seen (8 bytes a sample).
#[derive(Debug)]
pub(super) struct Limits {
    alpha: f64,
    by_count: Vec<f64>,
}

impl Limits {
    pub(super) fn new(alpha: f64) -> Self {
        Self {
            alpha,
            by_count: Vec::new(),
        }
    }

    fn get(&mut self, count: usize) -> Option<f64> {
        if count >= self.by_count.len() {
            self.by_count.resize(count + 1, f64::NAN);
        }
        if self.by_count[count].is_nan() {
            self.by_count[count] = grubbs_limit(count, self.alpha)?;
        }
        Some(self.by_count[count])
    }
}

pub(super) fn find(limits: &mut Limits, facts: &Facts) -> Finding {
    Finding::above(score(facts), limits.get(facts.moments.count() as usize))
}

pub(super) fn details(facts: &Facts) -> Vec<(&'static str, Option<f64>)> {
    vec![
        ("tail", Some(facts.tail)),
        ("mean", facts.mean),
        ("deviation", facts.moments.population_deviation()),
    ]
}

/// Standard deviations (ddof 0) that the tail lies above the mean.
fn score(facts: &Facts) -> Option<f64> {
    let deviation = facts
        .moments
        .population_deviation()
        .filter(|&deviation| deviation > 0.0)?;
    Some((facts.tail - facts.mean?) / deviation)
}
