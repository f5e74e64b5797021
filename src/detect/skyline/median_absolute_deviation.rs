//! `median_absolute_deviation`: is the last value more than six times as far from the median as half of the values are?
//!
//! While it is not, the original returns nothing, and that is kept apart from a vote against: it matters when votes are
//! counted as published. A median distance of zero is a vote against.

use super::{
    super::{Finding, Outcome},
    MedianAbsoluteDeviation,
    facts::Facts,
    ladder::Ladder,
    values::Values,
};

/// Far more than rounding could turn a comparison by, far less than counts could tell apart.
const MARGIN: f64 = 1e-9;

pub(super) fn find(
    settings: &MedianAbsoluteDeviation,
    values: &mut Values,
    ladder: Option<&Ladder>,
    facts: &Facts,
) -> Finding {
    let threshold = Some(settings.deviations);
    let Some((median, deviation)) = values.medians(ladder) else {
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

pub(super) fn details(values: &mut Values, ladder: Option<&Ladder>) -> Vec<(&'static str, Option<f64>)> {
    let medians = values.medians(ladder);
    vec![
        ("median", medians.map(|(median, _)| median)),
        ("deviation", medians.map(|(_, deviation)| deviation)),
    ]
}

/// The vote, where counts tell that much.
///
/// The median lies between two bounds, and so does its distance from the last value. The median distance is below a
/// sixth of that if more than half of the values are surely nearer than this to wherever the median may be, and it is not
/// if surely no more than half could be. Distances are worked out in floating point, whose subtraction is monotonic.
pub(super) fn decide(settings: &MedianAbsoluteDeviation, ladder: &Ladder, facts: &Facts) -> Option<Outcome> {
    let (low, high) = ladder.median_range()?;
    let count = ladder.len();
    let nearest = (low - facts.last).max(facts.last - high).max(0.0);
    let farthest = (facts.last - low).abs().max((facts.last - high).abs());
    if !farthest.is_finite() {
        return None;
    }
    let at_median = ladder.count(low, high.next_up());
    #[expect(clippy::float_cmp, reason = "the median is known when its bounds meet")]
    if low == high && at_median.least > count / 2 {
        return Some(Outcome::False);
    }
    // Fewer than half of the values are the median: the median distance is not zero.
    if at_median.most >= count / 2 {
        return None;
    }
    let near = nearest / settings.deviations * (1.0 - MARGIN);
    let surely_near = ladder.count((high - near).next_up(), low + near);
    if near > f64::MIN_POSITIVE && near.is_finite() && surely_near.least > count / 2 {
        return Some(Outcome::True);
    }
    let far = farthest / settings.deviations * (1.0 + MARGIN);
    let maybe_nearer = ladder.count((low - far).next_down(), (high + far).next_up().next_up());
    let known = far == 0.0 || far > f64::MIN_POSITIVE;
    (known && maybe_nearer.most <= (count - 1) / 2).then_some(Outcome::Nothing)
}
