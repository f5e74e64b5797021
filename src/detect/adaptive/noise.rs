//! Noise: how large the steps of a series usually are, at this time of the day against all times.
//!
//! A step that is nothing at noon may be much at night. What is known of a time of the day is trusted by the days that it
//! comes from, with the noise at all times for the rest, so that nothing depends on one odd day.

use super::{
    constants::{
        DAY_SLOT_S, DAY_SLOTS, DAY_VISITS, NOISE_DAYS_MAX, NOISE_GAIN_LEAST, NOISE_RATIO_MAX, NOISE_STEP_MAX,
        NOISE_TRUST_DAYS,
    },
    season::{Profile, Proof, Visit},
};
use crate::save::fields;

/// The noise of a series.
#[derive(Clone, Debug, Default, PartialEq)]
#[repr(C)]
pub(super) struct Noise {
    visit: Visit,
    /// Mean size of steps, held to eight times itself.
    overall: Proof,
    by_day: Profile<DAY_SLOTS, DAY_SLOT_S>,
}

fields!(Noise { visit, overall, by_day });

impl Noise {
    /// How many times as noisy as at all times it is at `local`, for a series that is `days` old.
    pub(super) fn at(&self, local: i64, days: f64) -> f64 {
        let overall = f64::from(self.overall.error());
        match self.by_day.line(local, DAY_VISITS) {
            Some(now) if overall > 0.0 => {
                let days = days.clamp(1.0, NOISE_DAYS_MAX);
                let ratio = (overall * NOISE_TRUST_DAYS + now * days) / (overall * (NOISE_TRUST_DAYS + days));
                ratio.min(NOISE_RATIO_MAX)
            }
            _ => 1.0,
        }
    }

    /// Takes in the `size` of a step, at `local`, when it was `ratio` times as noisy as at all times.
    pub(super) fn learn(&mut self, local: i64, size: f64, ratio: f64) {
        let overall = f64::from(self.overall.error());
        let held = if overall > 0.0 {
            size.min(NOISE_STEP_MAX * overall * ratio)
        } else {
            size
        };
        self.by_day.learn(&mut self.visit, local, held, NOISE_GAIN_LEAST);
        self.overall.learn(size);
    }

    /// Reads a little of each of its cache lines.
    pub(super) fn touch(&self) -> u64 {
        u64::from(self.overall.error().to_bits()) ^ self.by_day.touch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of 1, and of `night` from midnight to six, for `days`.
    fn learnt(days: i64, night: f64) -> Noise {
        let mut noise = Noise::default();
        for local in (0..days * 86_400).step_by(300) {
            let is_night = local % 86_400 < 6 * 3600;
            let ratio = noise.at(local, 8.0);
            noise.learn(local, if is_night { night } else { 1.0 }, ratio);
        }
        noise
    }

    #[test]
    fn where_nothing_moves_no_time_of_the_day_is_noisier_without_end() {
        let mut noise = Noise::default();
        // One step, and none for weeks.
        for (place, local) in (0..30 * 86_400).step_by(300).enumerate() {
            noise.learn(local, if place == 200 { 1.0 } else { 0.0 }, noise.at(local, 8.0));
            assert!((0.0..=NOISE_RATIO_MAX).contains(&noise.at(local, 8.0)), "at {local}");
        }
    }

    #[test]
    fn a_calm_night_is_known_after_days_and_by_halves() {
        let noise = learnt(20, 0.1);
        let overall = 0.75 + 0.25 * 0.1;
        let expected = (4.0 + 8.0 * 0.1 / overall) / 12.0;
        assert!(
            (noise.at(3 * 3600, 30.0) - expected).abs() < 0.1,
            "{}",
            noise.at(3 * 3600, 30.0)
        );
        assert!(noise.at(15 * 3600, 30.0) > 1.0);
        assert!(noise.at(3 * 3600, 1.0) > 0.7, "one day is not much");
    }

    #[test]
    fn a_giant_makes_no_noise() {
        let mut noise = learnt(5, 1.0);
        for at in 0..12 {
            noise.learn(5 * 86_400 + 300 * at, if at == 3 { 1e30 } else { 1.0 }, 1.0);
        }
        assert!(noise.at(900, 5.0) < 1.5, "{}", noise.at(900, 5.0));
    }

    #[test]
    fn nothing_is_known_of_a_series_that_rests() {
        let mut rest = Noise::default();
        for local in (0..86_400 * 3).step_by(300) {
            rest.learn(local, 0.0, 1.0);
        }
        assert!((rest.at(0, 3.0) - 1.0).abs() < 1e-12);
    }
}
