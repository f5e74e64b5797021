//! Onsets: steps that are nearly a spike, how often a series takes them, and whether the last one goes on.
//!
//! One odd reading is over with the next sample. A step whose next sample is still there, or further on, is borne out by it, so that
//! sample counts a little more than the step did: trouble that grows within two samples is told where one of them was not enough.
//! And where such steps begin every few hundred samples the next one says less. A spike is no such step: trouble is not routine, however
//! often it comes.
//!
//! O(1), 16 bytes. What onsets take from spikes goes into the weight of the series, which is worked out now and then.

use super::{
    constants::{
        GOES_ON_FACTOR, GOES_ON_PART, ONSET_AWAY_PART, ONSET_MEMORY_SAMPLES, ONSET_SAMPLES, ONSET_SPIKE, ONSETS_MAX,
        ONSETS_SHARE, ONSETS_USUAL,
    },
    single::single,
};
use crate::save::fields;

/// The onsets of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Onset {
    /// The step to the last sample, less what the season takes.
    step: f32,
    /// What it was as a spike.
    spike: f32,
    /// Part of the samples, of late, that were an onset.
    share: f32,
    /// Samples since the last step that was nearly a spike, or one.
    samples: u8,
}

fields!(Onset {
    step,
    spike,
    share,
    samples
});

impl Onset {
    /// What a spike counts in a series with as many onsets: 0.78 to 1.
    pub(super) fn weight(self) -> f64 {
        1.0 / (1.0 + ONSETS_SHARE * (f64::from(self.share) / ONSETS_USUAL).min(ONSETS_MAX))
    }

    /// What the last step counts as a spike for this sample, whose residual is `residual` after one of `before`: 0 where it was not
    /// nearly one, has gone back, or has led back to what was expected.
    pub(super) fn goes_on(self, before: f64, residual: f64) -> f64 {
        if f64::from(self.spike) < ONSET_SPIKE {
            return 0.0;
        }
        let step = f64::from(self.step);
        let is_there = 1.0 + (residual - before) / step >= GOES_ON_PART;
        if is_there && residual / step >= ONSET_AWAY_PART {
            GOES_ON_FACTOR * f64::from(self.spike)
        } else {
            0.0
        }
    }

    /// The step to the last sample, less what the season takes.
    pub(super) fn step(self) -> f64 {
        f64::from(self.step)
    }

    /// The same, had the last step been none.
    pub(super) fn after_usual_sample(self) -> Self {
        Self { spike: 0.0, ..self }
    }

    /// Takes in the `step` to a sample, which was a `spike` by itself.
    pub(super) fn learn(&mut self, step: f64, spike: f64) {
        self.samples = self.samples.saturating_add(1);
        let is_much = spike >= ONSET_SPIKE;
        let begins = is_much && spike < 1.0 && self.samples > ONSET_SAMPLES;
        if is_much {
            self.samples = 0;
        }
        self.share += (f32::from(u8::from(begins)) - self.share) / ONSET_MEMORY_SAMPLES;
        (self.step, self.spike) = (single(step), single(spike));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(step: f64, spike: f64) -> Onset {
        let mut onset = Onset::default();
        onset.learn(step, spike);
        onset
    }

    #[test]
    fn a_step_goes_on_that_stays_or_grows() {
        let counts = |step: f64, before: f64, residual: f64| after(step, 0.8).goes_on(before, residual);
        let more = GOES_ON_FACTOR * f64::from(0.8_f32);
        for sign in [1.0, -1.0] {
            let counts = |before: f64, residual: f64| counts(10.0 * sign, before * sign, residual * sign);
            assert!((counts(11.0, 11.0) - more).abs() < 1e-12);
            assert!((counts(11.0, 20.0) - more).abs() < 1e-12);
            assert!(counts(11.0, 10.0) < 1e-12, "a tenth of it has gone back");
            assert!(counts(1.0, 1.0) < 1e-12, "it has led back");
        }
        assert!(after(10.0, 0.7).goes_on(10.0, 20.0) < 1e-12, "that was nothing");
        assert!(after(10.0, 0.8).after_usual_sample().goes_on(10.0, 20.0) < 1e-12);
        assert!(Onset::default().goes_on(0.0, 1.0) < 1e-12);
    }

    #[test]
    fn a_spike_says_less_where_there_are_many() {
        let weight_of = |every: u32, lasts: u32, spike: f64| {
            let mut onset = Onset::default();
            for place in 0..20_000 {
                onset.learn(1.0, if place % every < lasts { spike } else { 0.0 });
            }
            onset.weight()
        };
        let weight = |every: u32, lasts: u32| weight_of(every, lasts, 0.9);
        assert!(weight(10_000, 1) > 0.999);
        let (few, some, many) = (weight(2000, 1), weight(400, 1), weight(50, 1));
        assert!(
            few > 0.97 && few > some && (some - 1.0 / 1.07).abs() < 0.02,
            "{few} {some}"
        );
        assert!((many - 1.0 / 1.28).abs() < 1e-9, "{many}");
        assert!((weight_of(50, 1, 1.0) - 1.0).abs() < 1e-9, "trouble is not routine");
        assert!((weight(400, 20) - some).abs() < 0.01, "what lasts begins once");
    }
}
