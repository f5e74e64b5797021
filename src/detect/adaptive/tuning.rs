//! What can be set, as the scores need it.

use super::{
    constants::{GAP_UNIT, LEVEL_UNIT, SPIKE_UNIT},
    policy::Silence,
};

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tuning {
    /// Scores for one deviation or decade, one deviation of gap, and one deviation or decade of step: each the inverse of
    /// its unit, times the sensitivity.
    pub(super) level_scale: f64,
    pub(super) gap_scale: f64,
    pub(super) spike_scale: f64,
    /// Deviations in which direction count.
    pub(super) direction: Direction,
    /// Distances from the expected value up to this do not count.
    pub(super) floor: Floor,
    /// How long nothing is told at first.
    pub(super) silence: Silence,
    /// Does a level matter more than a spike, so that it is told of where only a spike was?
    pub(super) level_is_graver: bool,
}

/// A direction in which a series may deviate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Up.
    Above,
    /// Down.
    Below,
    /// Up and down.
    #[default]
    Both,
}

/// A distance from the expected value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Floor {
    /// In units of the metric.
    Absolute(f64),
    /// In parts of the expected value.
    Relative(f64),
}

impl Tuning {
    /// At `sensitivity` (above 0; 1 is usual).
    pub(super) fn new(sensitivity: f64, direction: Direction, floor: Floor, silence: Silence) -> Self {
        Self {
            level_scale: sensitivity / LEVEL_UNIT,
            gap_scale: sensitivity / GAP_UNIT,
            spike_scale: sensitivity / SPIKE_UNIT,
            direction,
            floor,
            silence,
            level_is_graver: false,
        }
    }

    /// Do deviations in one direction only count?
    pub(super) fn is_one_sided(&self) -> bool {
        self.direction != Direction::Both
    }

    /// Does a deviation count that leads in the direction of `sign`?
    pub(super) fn wants(&self, sign: f64) -> bool {
        match self.direction {
            Direction::Above => sign > 0.0,
            Direction::Below => sign < 0.0,
            Direction::Both => true,
        }
    }

    /// Does a deviation count that is `distance` away from what was expected?
    pub(super) fn is_far(&self, distance: f64, expected: f64) -> bool {
        let floor = match self.floor {
            Floor::Absolute(floor) => floor,
            Floor::Relative(part) => part * expected.abs(),
        };
        distance >= floor
    }
}
