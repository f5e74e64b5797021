//! `median_absolute_deviation`: is the last value more than six times as far from the median as half of the values are?
//!
//! While it is not, the original returns nothing, and that is kept apart from a vote against: it matters when votes are
//! counted as published. A median distance of zero is a vote against.

use super::{
    super::{Finding, Outcome},
    MedianAbsoluteDeviation,
    facts::Facts,
};
use crate::window::Ordered;

pub(super) fn find(settings: &MedianAbsoluteDeviation, ordered: &Ordered, facts: &Facts) -> Finding {
    let threshold = Some(settings.deviations);
    let (Some(median), Some(deviation)) = medians(ordered) else {
        return Finding::UNDEFINED;
    };
    if deviation == 0.0 {
        return Finding {
            threshold,
            ..Finding::UNDEFINED
        };
    }
    let ratio = (facts.last - median).abs() / deviation;
    Finding {
        outcome: if ratio > settings.deviations {
            Outcome::True
        } else {
            Outcome::Nothing
        },
        statistic: Some(ratio),
        threshold,
    }
}

pub(super) fn details(ordered: &Ordered) -> Vec<(&'static str, Option<f64>)> {
    let (median, deviation) = medians(ordered);
    vec![("median", median), ("deviation", deviation)]
}

/// The median, and the median distance from it.
fn medians(ordered: &Ordered) -> (Option<f64>, Option<f64>) {
    let median = ordered.median();
    (median, median.and_then(|median| ordered.median_distance(median)))
}
