//! `mean_subtraction_cumulation`: is the last value further from the mean of all others than three of their standard
//! deviations (ddof 1)?

use super::{
    super::Finding,
    Sigmas,
    facts::{Facts, distance},
};

pub(super) fn find(settings: &Sigmas, facts: &Facts) -> Finding {
    let others = facts.moments.without(facts.last);
    Finding::above(
        others.mean().map(|mean| distance(facts.last, mean)),
        others.sample_deviation().map(|deviation| settings.sigmas * deviation),
    )
}

pub(super) fn details(facts: &Facts) -> Vec<(&'static str, Option<f64>)> {
    let others = facts.moments.without(facts.last);
    vec![
        ("difference", others.mean().map(|mean| facts.last - mean)),
        ("mean", others.mean()),
        ("deviation", others.sample_deviation()),
    ]
}
