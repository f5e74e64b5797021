//! What one sample is measured against, and how far from usual it is.
//!
//! The *level* is the means of the last 3 and of the last 24 residuals, each against what it usually is, and the gap between the
//! value and all that were seen. That counts less while few were, and where it is less than a fifth of the way from what was
//! expected: a burst that goes a little further than the last is no news. The *spike* is the step from the running mean of the last
//! samples, less the step that the season takes, against steps that are usual at this time of the day, and the same gap. A long step
//! counts by the logarithm of how many times as long it is as values are large, so that a burst is measured against the level that it
//! bursts from; and its distance counts as far as it is rare, so that in a series that often goes far it takes more.
//!
//! A sample that stays where the step before it has led, or goes on, counts a little more than that did (`onset`).
//!
//! What leads back is no trouble. There is no level in a sample that would be usual if it lasted, so that a level does not
//! outlast what it was about. While an anomaly is open, and where one direction is wanted, there is no spike in one to which
//! a step from what was expected would be usual.
//!
//! All that is asked of a model is gathered in a [`Basis`] before the sample is learnt, so that afterwards one can ask what any
//! other value would have scored in its place (`band`).

use super::{
    constants::{
        CALM_SCORE, DISTANCE_OF_RARITY, GAP_SAMPLES, GAP_UNITS_MAX, LEVEL_OF_GAP, LONG_RESIDUALS, NEWS_PART,
        SHORT_RESIDUALS, SHORT_SHARE, SPIKE_OF_GAP, SPIKE_OF_RARITY, YOUNG_SAMPLES,
    },
    edge::Reading,
    gap::Seen,
    onset::Onset,
    single::single,
    tuning::Tuning,
    yardstick::{Surprise, Yardstick},
};

/// What a prediction was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Season {
    /// Nothing: the long-run mean.
    #[default]
    None,
    /// The time of the day.
    Day,
    /// The time of the week.
    Week,
}

/// All that one sample is measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Basis {
    /// The prediction.
    pub(super) expected: Reading,
    /// What it was made from.
    pub(super) season: Season,
    /// Samples of the series, this one included.
    pub(super) count: u32,
    /// Those since the rhythm changed.
    pub(super) in_rhythm: u32,
    /// Is the sample before so long ago that there is no step?
    pub(super) after_gap: bool,
    /// Is an anomaly open, so that a step back to what was expected is none?
    pub(super) is_open: bool,
    /// What a step leads away from: the mean of the last samples ...
    pub(super) recent: f64,
    /// ... and what was usual when that was, as it were.
    pub(super) then: Reading,
    /// How large values are in the long run.
    pub(super) size: f64,
    /// How many times as noisy as usual it is at this time of the day.
    pub(super) noise: f64,
    /// What a spike counts in this series.
    pub(super) weight: f64,
    /// What a level counts in it.
    pub(super) level_weight: f64,
    pub(super) origin: f64,
    /// Of all values, long-run.
    pub(super) deviation: f64,
    /// Sums of the residuals that make a mean with that of this sample.
    pub(super) short_sum: f64,
    pub(super) long_sum: f64,
    pub(super) short: Yardstick,
    pub(super) long: Yardstick,
    pub(super) step: Yardstick,
    /// The step before.
    pub(super) onset: Onset,
    /// The residual before.
    pub(super) residual_before: f64,
    /// The value that this sample has added to those seen.
    pub(super) new_value: Option<f32>,
}

/// How far from usual a sample is, in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Scores {
    /// The level channel: 1 is where an anomaly begins.
    pub(super) level: f64,
    /// The spike channel: 1 is where an anomaly begins.
    pub(super) spike: f64,
    /// What the step of this sample is by itself, whether or not the one before goes on.
    pub(super) spike_alone: f64,
    /// The same, had all of its distance counted, however rare it is.
    pub(super) leap: f64,
    /// Of the mean of the last 3 residuals.
    pub(super) short: Surprise,
    /// Of the mean of the last 24 residuals.
    pub(super) long: Surprise,
    /// Distance from all values seen (deviations).
    pub(super) gap: f64,
    /// What the step from the samples before counts.
    pub(super) stride: f64,
    /// Of that.
    pub(super) step: Surprise,
    /// Is the level above (1) or below (-1) what was expected, and the step up or down?
    pub(super) level_sign: f64,
    pub(super) step_sign: f64,
}

/// What the means of the last residuals are.
#[derive(Clone, Copy, Debug)]
struct Level {
    score: f64,
    short: Surprise,
    long: Surprise,
    sign: f64,
}

/// What a step is.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    spike: f64,
    leap: f64,
    surprise: Surprise,
    sign: f64,
}

impl Scores {
    /// The higher of the two channels.
    pub(super) fn highest(&self) -> f64 {
        self.level.max(self.spike)
    }
}

impl Basis {
    /// The same, had the samples before been what was expected of them.
    pub(super) fn after_usual_samples(&self) -> Self {
        let before =
            |yardstick: &Yardstick, most: u32| yardstick.moments.mean * f64::from(self.in_rhythm.min(most) - 1);
        Self {
            short_sum: before(&self.short, SHORT_RESIDUALS),
            long_sum: before(&self.long, LONG_RESIDUALS),
            recent: self.expected.value(),
            then: Reading::of(self.expected.value()),
            onset: self.onset.after_usual_sample(),
            ..*self
        }
    }

    /// How far from usual `value` is in the place of the sample. `seen` holds what was seen.
    pub(super) fn measure(&self, tuning: &Tuning, seen: &Seen, value: f64) -> Scores {
        let gap = seen.gap(single(value - self.origin), self.new_value, self.deviation);
        let stride = self.stride(self.before_of(value), value);
        if self.in_rhythm <= YOUNG_SAMPLES {
            return Scores {
                gap,
                stride,
                ..Scores::default()
            };
        }
        let residual = self.residual(value);
        let gaps = self.gaps(tuning, gap, residual);
        let mut level = self.level_of(tuning, gaps, self.means(value));
        let mut level_counts = tuning.wants(level.sign);
        if level.score >= CALM_SCORE {
            // Whatever the samples before were: would it be odd if it lasted?
            let lasting = self.level_of(tuning, gaps, (residual, residual));
            if lasting.score < 1.0 {
                level.score = level.score.min(lasting.score);
            }
            level_counts &= tuning.wants(lasting.sign);
        }
        let mut step = self.step_of(tuning, gaps, stride);
        let alone = step.spike;
        if !self.after_gap && !self.expected.is_wide() {
            step.spike = step.spike.max(self.onset.goes_on(self.residual_before, residual));
        }
        let mut spike_counts = tuning.wants(step.sign);
        if self.is_open || tuning.is_one_sided() {
            let away = self.step_of(tuning, gaps, self.stride(self.expected.nearest(value), value));
            if away.leap < 1.0 {
                (step.spike, step.leap) = (step.spike.min(away.spike), step.leap.min(away.leap));
            }
            spike_counts &= tuning.wants(away.sign);
        }
        let is_far = tuning.is_far(residual.abs(), self.expected.nearest(value));
        let counted = |score: f64, counts: bool| if counts && is_far { score } else { 0.0 };
        Scores {
            level: counted(level.score, level_counts),
            spike: counted(step.spike, spike_counts),
            spike_alone: counted(alone, spike_counts),
            leap: counted(step.leap, spike_counts),
            short: level.short,
            long: level.long,
            gap,
            stride,
            step: step.surprise,
            level_sign: level.sign,
            step_sign: step.sign,
        }
    }

    /// What a `gap` counts, in units, in a sample whose residual is `residual`.
    fn gaps(&self, tuning: &Tuning, gap: f64, residual: f64) -> f64 {
        let count = f64::from(self.count);
        // Where there is no deviation a gap is infinite, and its part is no number: it counts in full.
        let part = (gap * self.deviation / (NEWS_PART * residual.abs())).min(1.0);
        (gap * part * tuning.gap_scale * count / (count + GAP_SAMPLES)).min(GAP_UNITS_MAX)
    }

    /// What means of the last 3 and 24 residuals are.
    fn level_of(&self, tuning: &Tuning, gaps: f64, (short_mean, long_mean): (f64, f64)) -> Level {
        let (short, long) = (self.short.measure(short_mean), self.long.measure(long_mean));
        let apart = |share: f64, surprise: Surprise| share * (surprise.distance + surprise.rarity);
        let (of_short, of_long) = (apart(SHORT_SHARE, short), apart(1.0 - SHORT_SHARE, long));
        let sign = of_short * (short_mean - self.short.moments.mean).signum()
            + of_long * (long_mean - self.long.moments.mean).signum();
        Level {
            score: ((of_short + of_long) * tuning.level_scale + LEVEL_OF_GAP * gaps) * self.level_weight,
            short,
            long,
            sign: sign.signum(),
        }
    }

    /// What a step that counts `stride` is.
    fn step_of(&self, tuning: &Tuning, gaps: f64, stride: f64) -> Step {
        let step = stride / self.noise;
        let sign = (step - self.step.moments.mean).signum();
        if self.after_gap || step == 0.0 {
            return Step {
                sign,
                ..Step::default()
            };
        }
        let surprise = self.step.measure(step);
        let spike_of = |distance: f64| {
            let spike = (distance + SPIKE_OF_RARITY * surprise.rarity) * tuning.spike_scale;
            (spike + SPIKE_OF_GAP * gaps) * self.weight
        };
        let rare = DISTANCE_OF_RARITY * surprise.rarity;
        Step {
            spike: spike_of(surprise.distance.min(rare)),
            leap: spike_of(surprise.distance),
            surprise,
            sign,
        }
    }

    /// The step to `value` from the samples before, less what the season takes.
    pub(super) fn step_to(&self, value: f64) -> f64 {
        value - self.before_of(value)
    }

    /// What a step to `value` leads away from: the mean of the last samples, and what the season has added since.
    pub(super) fn before_of(&self, value: f64) -> f64 {
        self.recent + self.expected.since(self.then, self.recent, value)
    }

    /// How far `value` is from what is expected.
    pub(super) fn residual(&self, value: f64) -> f64 {
        value - self.expected.nearest(value)
    }

    /// What the step from `before` to `value` counts: up to the size of what is usual about its length, and beyond, by the logarithm of how
    /// many times as long it is.
    fn stride(&self, before: f64, value: f64) -> f64 {
        let step = value - before;
        let size = self.size + before.abs();
        if size > 0.0 {
            // No number is so large that its logarithm is infinite.
            step.signum() * size * (step.abs() / size).min(f64::MAX).ln_1p()
        } else {
            step
        }
    }

    /// The means of the last 3 and 24 residuals, were `value` the sample's.
    pub(super) fn means(&self, value: f64) -> (f64, f64) {
        let residual = self.residual(value);
        let mean = |sum: f64, most: u32| (sum + residual) / f64::from(self.in_rhythm.min(most));
        (
            mean(self.short_sum, SHORT_RESIDUALS),
            mean(self.long_sum, LONG_RESIDUALS),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            constants::{GAP_UNIT, SPIKE_UNIT, VALUE_MAX},
            policy::Silence,
            tuning::{Direction, Floor},
        },
        *,
    };

    /// After `count` samples, of which one in five was a step of `far` times the length of the others, up or down.
    fn stepped(count: u32, far: f64) -> Basis {
        let mut step = Yardstick::default();
        for place in 0..10_000_u32 {
            let long = if place % 10 < 2 { far } else { 1.0 };
            let value = if place % 2 == 0 { long } else { -long };
            let distance = (place > 50).then(|| step.measure(value).distance);
            step.learn(value, distance, 1.0 / f64::from(place + 1));
        }
        Basis {
            count,
            in_rhythm: count,
            noise: 1.0,
            weight: 1.0,
            level_weight: 1.0,
            deviation: 1.0,
            size: 1e6,
            step,
            ..Basis::default()
        }
    }

    fn measured(basis: &Basis, value: f64, seen: &Seen) -> Scores {
        let tuning = Tuning::new(1.0, Direction::Both, Floor::Absolute(0.0), Silence::NONE);
        basis.measure(&tuning, seen, value)
    }

    #[test]
    fn a_distance_counts_as_far_as_it_is_rare() {
        let spike = |distance: f64, rarity: f64| (distance + SPIKE_OF_RARITY * rarity) / SPIKE_UNIT;
        let about = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
        let far = measured(&stepped(10_000, 10.0), 1000.0, &Seen::default());
        let Surprise { distance, rarity } = far.step;
        assert!(distance > 1.5 * DISTANCE_OF_RARITY * rarity, "{far:?}");
        about(far.spike, spike(DISTANCE_OF_RARITY * rarity, rarity));
        about(far.leap, spike(distance, rarity));
        let near = measured(&stepped(10_000, 1.0), 6.0, &Seen::default());
        assert!(near.spike > 0.0);
        about(near.spike, near.leap);
    }

    #[test]
    fn a_gap_counts_less_while_little_was_seen() {
        let mut seen = Seen::default();
        seen.learn(0.0, 1.0);
        let level = |count| measured(&stepped(count, 1.0), 0.5, &seen).level;
        let of_gap = |count: u32| LEVEL_OF_GAP * 0.5 / GAP_UNIT * f64::from(count) / (f64::from(count) + GAP_SAMPLES);
        for count in [100, 1000] {
            let less = level(100_000) - level(count);
            let expected = of_gap(100_000) - of_gap(count);
            assert!(
                (less - expected).abs() < 1e-9,
                "{less} less after {count} samples, not {expected}"
            );
        }
    }

    #[test]
    fn a_gap_counts_as_the_part_that_it_is_of_the_way() {
        let mut seen = Seen::default();
        seen.learn(99.5, 1.0);
        let gaps = |value: f64| {
            let basis = stepped(100_000, 1.0);
            let gap = seen.gap(single(value), None, basis.deviation);
            let tuning = Tuning::new(1.0, Direction::Both, Floor::Absolute(0.0), Silence::NONE);
            basis.gaps(&tuning, gap, basis.residual(value))
        };
        let about =
            |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.01, "{found}, not {expected}");
        about(gaps(100.0), 0.5 / GAP_UNIT * 0.5 / (NEWS_PART * 100.0));
        about(gaps(0.5), GAP_UNITS_MAX);
        let mut flat = stepped(100_000, 1.0);
        flat.deviation = 0.0;
        let tuning = Tuning::new(1.0, Direction::Both, Floor::Absolute(0.0), Silence::NONE);
        about(flat.gaps(&tuning, f64::INFINITY, 1.0), GAP_UNITS_MAX);
    }

    #[expect(clippy::float_cmp, reason = "what is the same is the same")]
    #[test]
    fn a_burst_counts_by_how_many_times_the_level_it_is() {
        let stride = |before: f64, value: f64| {
            let basis = Basis {
                recent: before,
                size: 10.0,
                ..Basis::default()
            };
            basis.stride(before, value)
        };
        let about =
            |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.01, "{found}, not {expected}");
        about(stride(90.0, 91.0), 1.0);
        about(stride(90.0, 89.0), -1.0);
        about(stride(90.0, 190.0), 100.0 * 2.0_f64.ln());
        about(stride(0.0, 1010.0), 10.0 * 102.0_f64.ln());
        let nothing_yet = Basis {
            recent: 0.0,
            size: 0.0,
            ..Basis::default()
        };
        assert_eq!(nothing_yet.stride(0.0, -3.0), -3.0);
        assert!(stride(5e-324, VALUE_MAX).is_finite());
    }
}
