//! `stddev_from_average`: is the tail further from the mean of the window than three standard deviations (ddof 1)?

use super::{
    super::Finding,
    Sigmas,
    facts::{Facts, distance},
};

pub(super) fn find(settings: &Sigmas, facts: &Facts) -> Finding {
    Finding::above(
        facts.mean.map(|mean| distance(facts.tail, mean)),
        facts.sample_deviation.map(|deviation| settings.sigmas * deviation),
    )
}

pub(super) fn details(facts: &Facts) -> Vec<(&'static str, Option<f64>)> {
    vec![
        ("tail", Some(facts.tail)),
        ("mean", facts.mean),
        ("deviation", facts.sample_deviation),
    ]
}
