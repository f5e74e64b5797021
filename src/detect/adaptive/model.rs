//! The model of one series: what it usually is, and how far a sample is from that.
//!
//! Knows time as seconds and samples as numbers; of windows, names and settings files it knows nothing. A sample is
//!
//! 1. predicted, by the time of the week, the time of the day or the long-run mean, whichever has proved itself;
//! 2. measured on two channels, level and spike, against a [`Basis`]; spikes count less in a series that leaps all the time, that is
//!    new, or that has many samples a day;
//! 3. told or not, by the [policy](super::policy);
//! 4. and only then learnt, as what it is or as 100 deviations, so that one broken reading, such as a counter that underflows,
//!    takes from later scores half at most.
//!
//! After a gap there is no step, and the residuals before it no longer count; when samples come at another interval, what is
//! known of steps and of means of residuals is learnt anew (see [`super::rhythm`]).
//!
//! O(1) without a transcendental function for 19 of 20 samples. What each sample reads lies at the front of [`Model`]; of the
//! profiles and seen values behind it a sample reads a line or two each.

mod forecast;

use super::{
    basis::{Basis, Scores, Season},
    belief::Facts,
    constants::{
        DAY_GAIN_LEAST, DAY_SLOT_S, DAY_SLOTS, FAST_INTERVAL_S, FAST_SHARE, FLAT_SLOTS, HELD_AFTER_SAMPLES,
        HELD_DEVIATIONS, LATER_S, LONG_RESIDUALS, MEMORY_SAMPLES, NEW_DAYS, NEW_SHARE, PACE_INTERVAL_S, PACE_SHARE,
        RECENT_SHARE_STEP, RECENT_SHARES, RESTLESS_SHARE, TROUBLE_SHARE, VALUE_MAX, WEEK_GAIN_LEAST, WEEK_SLOT_S,
        WEEK_SLOTS, WEIGHT_SAMPLES, YOUNG_SAMPLES,
    },
    gap::Seen,
    lasting::{Apart, Lasting},
    level::Level,
    moments::Moments,
    noise::Noise,
    onset::Onset,
    policy::{Alerts, Policy, Scored},
    rhythm::{Beat, Rhythm},
    routine::Routine,
    season::{Profile, Proof, Visit},
    short::Short,
    single::single,
    tuning::Tuning,
    yardstick::{Surprise, Yardstick},
};
use crate::save::{fields, hold};
use forecast::Forecast;

/// Shares that make a whole.
const ALL_SHARES: u32 = 1 << 16;
/// Residuals that are kept.
const RESIDUALS: usize = LONG_RESIDUALS as usize;

/// When a sample was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// Seconds since 1970.
    pub(super) timestamp: i64,
    /// The same in local time: what clocks on the wall show, as seconds since 1970.
    pub(super) local: i64,
}

/// What is known of a series from its second day on: many do not live that long.
#[derive(Clone, Debug, Default, PartialEq)]
struct Later {
    week: Profile<WEEK_SLOTS, WEEK_SLOT_S>,
    /// Once it has had trouble.
    routine: Option<Box<Routine>>,
}

fields!(Later { week, routine });

/// The model of one series.
///
/// Laid out as it is written, from the beginning of a cache line on: six of what each sample reads, in part of one slot of each
/// profile, and three of the values seen, which is where a line begins again; in the last are how many these are, and the rest.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
pub(super) struct Model {
    /// Time of the last sample.
    last: i64,
    /// Samples so far.
    count: u32,
    /// Samples since the rhythm changed.
    in_rhythm: u32,
    /// What is known from the second day on.
    later: Option<Box<Later>>,
    day_visit: Visit,
    week_visit: Visit,
    /// Of all values.
    overall: Moments,
    /// Mean of the last samples, in which the last weighs `recent_share`.
    recent: f64,
    /// Sum of the last residuals.
    residual_sum: f64,
    /// What values in single precision are differences from.
    origin: f64,
    mean_proof: Proof,
    day_proof: Proof,
    week_proof: Proof,
    rhythm: Rhythm,
    /// How much older than the last sample that mean is (seconds).
    recent_age_s: u32,
    /// What a spike counts in this series.
    weight: f32,
    /// What the next sample weighs in the mean of the last ones (65,536ths).
    recent_share: u16,
    /// Where the next residual goes.
    residual_place: u8,
    /// Is there a routine? It lies elsewhere.
    has_routine: bool,
    /// Of the mean of the last residuals.
    short: Yardstick,
    long: Yardstick,
    /// Of the steps from that mean, in terms of the noise at their time.
    step: Yardstick,
    policy: Policy,
    residuals: [Short; RESIDUALS],
    noise: Noise,
    day: Profile<DAY_SLOTS, DAY_SLOT_S>,
    seen: Seen,
    /// Mean of the day's slots, as a difference from the origin.
    flat: Short,
    onset: Onset,
    /// Mean error of that, had it been the prediction, of as many samples as the day's.
    flat_error: f32,
    /// What is known of where it is, while an anomaly is open.
    level: Option<Box<Level>>,
}

fields!(Model {
    last,
    count,
    in_rhythm,
    later,
    level,
    day_visit,
    week_visit,
    overall,
    recent,
    residual_sum,
    origin,
    mean_proof,
    day_proof,
    week_proof,
    rhythm,
    recent_age_s,
    recent_share,
    weight,
    onset,
    short,
    long,
    step,
    policy,
    residuals,
    residual_place,
    has_routine,
    day,
    noise,
    seen,
    flat,
    flat_error,
} check |model| {
    hold(RECENT_SHARES.contains(&model.recent_share), "a sample weighs too much, or too little")?;
    hold(usize::from(model.residual_place) < RESIDUALS, "a residual is of no place")?;
    let routine = model.later.as_ref().and_then(|later| later.routine.as_ref());
    hold(model.has_routine == routine.is_some(), "there is a routine, and there is none")?;
    hold(model.last.checked_sub(model.policy.first()).is_some(), "a sample is of no time")
});

impl Model {
    /// That of a series of which nothing has been seen.
    pub(super) fn new() -> Self {
        Self {
            last: i64::MIN,
            recent: 0.0,
            recent_age_s: 0,
            recent_share: *RECENT_SHARES.end(),
            weight: 1.0,
            onset: Onset::default(),
            overall: Moments::default(),
            short: Yardstick::default(),
            long: Yardstick::default(),
            step: Yardstick::default(),
            residual_sum: 0.0,
            origin: 0.0,
            day_visit: Visit::default(),
            week_visit: Visit::default(),
            policy: Policy::new(0),
            count: 0,
            in_rhythm: 0,
            rhythm: Rhythm::default(),
            mean_proof: Proof::default(),
            day_proof: Proof::default(),
            week_proof: Proof::default(),
            residual_place: 0,
            has_routine: false,
            later: None,
            level: None,
            residuals: [Short::default(); RESIDUALS],
            seen: Seen::default(),
            day: Profile::default(),
            noise: Noise::default(),
            flat: Short::default(),
            flat_error: 0.0,
        }
    }

    /// Measures `value` (finite) at `time`, decides what to tell, and learns. `lasting` is of the sample
    /// before, `basis` is left for questions. `None` for a
    /// sample that is not later than the one before: it changes nothing.
    pub(super) fn observe(
        &mut self,
        tuning: &Tuning,
        time: Time,
        value: f64,
        lasting: Lasting,
        basis: &mut Basis,
    ) -> Option<(Scores, Scored, Alerts)> {
        if time.timestamp <= self.last {
            return None;
        }
        let value = value.clamp(-VALUE_MAX, VALUE_MAX);
        if self.count == 0 {
            self.origin = value;
            self.recent = value;
            self.policy = Policy::new(time.timestamp);
        }
        self.count = self.count.saturating_add(1);
        self.in_rhythm = self.in_rhythm.saturating_add(1);
        let gap = self.count > 1 && self.follow_rhythm(time.timestamp - self.last);
        let forecast = self.forecast(time.local, value);
        *basis = Basis {
            is_open: lasting.is_open(),
            ..self.basis(time, &forecast, gap)
        };
        let scores = basis.measure(tuning, &self.seen, value);
        let sample = Scored {
            timestamp: time.timestamp,
            count: self.count,
            level: scores.level,
            spike: scores.spike,
            leap: scores.leap,
            level_bar: lasting.level_bar(tuning.level_is_graver),
            is_routine: scores.highest() >= 1.0 && self.is_routine(time.local, basis.residual(value)),
        };
        let alerts = self.policy.decide(tuning.silence, sample);
        self.follow_level(time.timestamp, value, lasting, basis);
        // While one is open, the scores are of that.
        let begins = scores.highest() >= 1.0 && !lasting.is_open();
        self.follow_routine(time, begins.then(|| basis.residual(value)));
        self.learn(time, value, &forecast, &scores, lasting.is_away(), basis);
        Some((scores, sample, alerts))
    }

    /// Samples so far.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Mean of the last residuals.
    pub(super) fn residual(&self) -> f64 {
        self.residual_sum / f64::from(LONG_RESIDUALS)
    }

    /// How far from what was expected the last samples are, but for what they usually are: predictions lag behind what grows.
    pub(super) fn apart(&self) -> Apart {
        Apart {
            residual: self.residual() - self.long.moments.mean,
            deviation: self.long.moments.deviation(),
        }
    }

    /// Values seen, for `band`.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Time from the first sample to the last (seconds).
    pub(super) fn age_s(&self) -> i64 {
        if self.count == 0 {
            0
        } else {
            self.last - self.policy.first()
        }
    }

    /// What the next spike has to reach to be told.
    pub(super) fn next_bar(&self) -> f64 {
        self.policy.next_bar().max(1.0)
    }

    /// What a sample at `time` would be measured against after usual ones, by what is known now; `None` before the first.
    pub(super) fn usual_at(&self, time: Time) -> Option<Basis> {
        if self.count == 0 {
            return None;
        }
        let forecast = self.forecast(time.local, self.overall.mean);
        let now = Time {
            timestamp: self.last,
            local: time.local,
        };
        let basis = Basis {
            in_rhythm: self.in_rhythm.max(1),
            ..self.basis(now, &forecast, false)
        };
        Some(basis.after_usual_samples())
    }

    /// What is known, for people; the season is left to be told.
    pub(super) fn facts(&self) -> Facts {
        let error = |proof: Proof| proof.is_tried().then(|| f64::from(proof.error()));
        Facts {
            season: "none",
            mean: self.overall.mean,
            deviation: self.overall.deviation(),
            apart: self.residual(),
            samples: self.count,
            age_s: self.age_s(),
            interval_s: Some(self.rhythm.usual_s()).filter(|&usual_s| usual_s > 0.0),
            errors: [self.mean_proof, self.day_proof, self.week_proof].map(error),
            spike_bar: self.next_bar(),
        }
    }

    /// Takes the level that the series has been on since its anomaly opened for usual from now on.
    pub(super) fn accept(&mut self) {
        let Some(level) = self.level.take() else { return };
        let shift = level.shift();
        self.overall.mean += shift;
        self.overall.variance = level.variance();
        self.day.shift(shift);
        self.flat = Short::new(single(f64::from(self.flat.get()) + shift));
        self.day_visit.forget();
        if let Some(later) = &mut self.later {
            later.week.shift(shift);
            self.week_visit.forget();
        }
        for residual in &mut self.residuals {
            *residual = Short::new(single(f64::from(residual.get()) - shift));
        }
        self.residual_sum = self.sum_of_residuals();
        [self.short, self.long] = level.yardsticks();
    }

    /// Memory in use, this struct included (bytes).
    pub(super) fn memory_bytes(&self) -> usize {
        let later = |later: &Later| size_of_val(later) + later.routine.as_deref().map_or(0, size_of_val);
        size_of::<Self>() + self.later.as_deref().map_or(0, later) + self.level.as_deref().map_or(0, size_of_val)
    }

    /// Reads a little of each of its cache lines.
    ///
    /// All of the day, the residuals and the seen values, not only where the next sample will look: places that have to be read
    /// first make one miss wait for another, which costs more than the lines that it saves.
    pub(super) fn touch(&self) -> u64 {
        self.last.unsigned_abs()
            ^ self.origin.to_bits()
            ^ self.short.moments.mean.to_bits()
            ^ self.step.moments.mean.to_bits()
            ^ self.residuals[0].touch()
            ^ self.noise.touch()
            ^ self.day.touch()
            ^ self.seen.touch()
    }

    /// The same of what lies elsewhere, as far as the next sample reads it.
    pub(super) fn touch_behind(&self) -> u64 {
        self.later
            .as_deref()
            .map_or(0, |later| later.week.touch_at(self.week_visit))
    }

    fn basis(&self, time: Time, forecast: &Forecast, after_gap: bool) -> Basis {
        let place = usize::from(self.residual_place);
        let back = |steps: usize| f64::from(self.residuals[(place + RESIDUALS - steps) % RESIDUALS].get());
        Basis {
            expected: forecast.expected,
            season: forecast.season,
            count: self.count,
            in_rhythm: self.in_rhythm,
            after_gap,
            is_open: false,
            recent: self.recent,
            then: self.then(time, forecast),
            size: self.overall.mean.abs(),
            noise: self.noise.at(time.local, days(time.timestamp - self.policy.first())),
            weight: f64::from(self.weight),
            level_weight: 1.0 / (1.0 + fastness(self.rhythm.usual_s())),
            origin: self.origin,
            deviation: self.overall.deviation(),
            short_sum: back(1) + back(2),
            long_sum: self.residual_sum - back(RESIDUALS),
            short: self.short,
            long: self.long,
            step: self.step,
            onset: self.onset,
            residual_before: back(1),
            new_value: None,
        }
    }

    /// Is trouble at `local`, `far` from what was expected, what comes at this time of the day?
    fn is_routine(&self, local: i64, far: f64) -> bool {
        let routine = || self.later.as_ref()?.routine.as_ref();
        routine().is_some_and(|routine| routine.knows(local, far))
    }

    /// Learns at which times of the day there is trouble, and how `far` it is from what was expected. Looks at nothing while there is none
    /// and no slot ends.
    fn follow_routine(&mut self, time: Time, far: Option<f64>) {
        let Some(later) = &mut self.later else { return };
        let before = time.local - (time.timestamp - self.last);
        let slot_ends = time.local.div_euclid(DAY_SLOT_S) != before.div_euclid(DAY_SLOT_S);
        if far.is_some() || slot_ends && self.has_routine {
            let routine = later.routine.get_or_insert_with(|| Box::new(Routine::new(time.local)));
            self.has_routine = routine.learn(time.local, far);
            if !self.has_routine {
                later.routine = None;
            }
        }
    }

    /// Learns of the level that a series with an open anomaly is on, apart from what is usual.
    fn follow_level(&mut self, timestamp: i64, value: f64, lasting: Lasting, basis: &Basis) {
        if !lasting.is_open() {
            self.level = None;
            return;
        }
        let means = basis.means(self.held(value, basis));
        self.level
            .get_or_insert_with(|| Box::new(Level::new([self.short, self.long], self.overall.variance)))
            .learn(means, seconds(timestamp - self.last));
    }

    /// Learns of a sample. What is usual is not learnt while the series is `away` from it, and steps are hardly learnt while an
    /// anomaly is open: trouble that was told is no noise, and must not hide the next.
    fn learn(&mut self, time: Time, value: f64, forecast: &Forecast, scores: &Scores, away: bool, basis: &mut Basis) {
        let gain = 1.0 / f64::from(self.count).min(MEMORY_SAMPLES);
        let in_rhythm = f64::from(self.in_rhythm);
        let rhythm_gain = 1.0 / in_rhythm.min(MEMORY_SAMPLES);
        let held = self.held(value, basis);
        let (short, long) = basis.means(held);
        let stride = scores.stride;
        let known = self.in_rhythm > YOUNG_SAMPLES;
        let distance = |surprise: Surprise| known.then_some(surprise.distance);
        self.short.learn(short, distance(scores.short), rhythm_gain);
        self.long.learn(long, distance(scores.long), rhythm_gain);
        if self.count > 1 && !basis.after_gap {
            let step = stride / basis.noise;
            let step = if known { self.step.held(step) } else { step };
            let share = if known && basis.is_open { TROUBLE_SHARE } else { 1.0 };
            let step_gain = share / (in_rhythm - 1.0).clamp(1.0, MEMORY_SAMPLES);
            self.step.learn(step, distance(scores.step), step_gain);
            // Within an edge, and at its end, steps are none, whatever the noise is.
            if !(basis.expected.is_wide() || basis.then.is_wide()) {
                self.noise.learn(time.local, stride.abs(), basis.noise);
            }
        }
        if away {
            // As the deviation grows, values are held to more, so that what has really grown is followed.
            self.overall.learn_deviation(held, gain);
            if forecast.season == Season::Week {
                // Nor what was seen of this hour before it was.
                self.week_visit.forget();
            }
        } else {
            self.learn_usual(time, value, held, gain, forecast);
        }
        let apart = single(value - self.origin);
        if self.seen.learn(apart, scores.gap) {
            basis.new_value = Some(apart);
        }
        let step = basis.step_to(value);
        if !basis.after_gap {
            self.follow_steps(step, basis.noise);
        }
        self.onset.learn(step, scores.spike_alone);
        self.keep_residual(basis.residual(held));
        self.keep_value(time.timestamp, value, basis.after_gap);
        if self.count.is_power_of_two() {
            self.move_origin();
        }
        if self.count.is_power_of_two() || self.count.is_multiple_of(WEIGHT_SAMPLES) {
            self.weight = single(self.weight_of_spikes());
        }
    }

    fn learn_usual(&mut self, time: Time, value: f64, held: f64, gain: f64, forecast: &Forecast) {
        if self.count > 1 {
            self.mean_proof.learn(value - forecast.mean);
        }
        if let Some(day) = forecast.day {
            self.day_proof.learn(value - day.nearest(value));
            let error = value - self.origin - f64::from(self.flat.get());
            self.flat_error = self.day_proof.with(self.flat_error, error);
        }
        if let Some(week) = forecast.week {
            self.week_proof.learn(value - week.nearest(value));
        }
        self.overall.learn(held, gain);
        let apart = held - self.origin;
        let before = self.day_visit;
        self.day.learn(&mut self.day_visit, time.local, apart, DAY_GAIN_LEAST);
        // It takes half as long to work out as all the rest does.
        if before.part(FLAT_SLOTS) != self.day_visit.part(FLAT_SLOTS) {
            self.flat = Short::new(single(self.day.mean()));
        }
        if self.later.is_none() && time.timestamp - self.policy.first() >= LATER_S {
            self.later = Some(Box::default());
        }
        if let Some(later) = &mut self.later {
            later
                .week
                .learn(&mut self.week_visit, time.local, apart, WEEK_GAIN_LEAST);
        }
    }

    /// `value` as it is learnt: no further from what was expected than a broken reading may count.
    fn held(&self, value: f64, basis: &Basis) -> f64 {
        if self.count <= HELD_AFTER_SAMPLES {
            return value;
        }
        let most = if basis.deviation > 0.0 {
            HELD_DEVIATIONS * basis.deviation
        } else {
            // All have been equal: there is nothing to go by but their size.
            1.0 + basis.size
        };
        value.clamp(basis.expected.value() - most, basis.expected.value() + most)
    }

    /// What a spike counts: less where there are more samples a day, where the series leaps all the time or has of late, and while it
    /// is new.
    fn weight_of_spikes(&self) -> f64 {
        let deviation = self.overall.deviation();
        let leaps = if deviation > 0.0 {
            (self.step.moments.deviation() / deviation).min(1.0).sqrt()
        } else {
            1.0
        };
        let newness = NEW_DAYS / (NEW_DAYS + days(self.age_s()));
        let lately = self.onset.weight();
        lately * pace(self.rhythm.usual_s()) / ((1.0 + RESTLESS_SHARE * leaps) * (1.0 + NEW_SHARE * newness))
    }

    /// Lets the mean of the last samples follow faster where steps go on from one another, and slower where one leads back from the
    /// next: down the gradient of the squared step, so that steps come to be as short as such a mean can make them.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is held to a range of such numbers"
    )]
    fn follow_steps(&mut self, step: f64, noise: f64) {
        let usual = self.step.moments.variance * noise * noise;
        if usual > 0.0 {
            let alike = (step * self.onset.step() / usual).clamp(-1.0, 1.0);
            let share = f64::from(self.recent_share) + RECENT_SHARE_STEP * alike;
            let (least, most) = RECENT_SHARES.into_inner();
            self.recent_share = share.clamp(least.into(), most.into()) as u16;
        }
    }

    fn keep_value(&mut self, timestamp: i64, value: f64, after_gap: bool) {
        if after_gap || self.count == 1 {
            self.recent = value;
            self.recent_age_s = 0;
        } else {
            let interval_s = u32::try_from(timestamp - self.last).unwrap_or(u32::MAX);
            let share = u64::from(self.recent_share);
            self.recent += f64::from(self.recent_share) / f64::from(ALL_SHARES) * (value - self.recent);
            let age_s = (u64::from(ALL_SHARES) - share) * (u64::from(self.recent_age_s) + u64::from(interval_s));
            self.recent_age_s = u32::try_from(age_s / u64::from(ALL_SHARES)).unwrap_or(u32::MAX);
        }
        self.last = timestamp;
    }

    /// Takes in the time since the last sample: is it a gap? What is of no use any more is forgotten.
    fn follow_rhythm(&mut self, interval_s: i64) -> bool {
        match self.rhythm.follow(interval_s) {
            Beat::Usual => false,
            Beat::Gap => {
                // The residuals before are of another time. As usual ones they say nothing for or against the next.
                self.fill_residuals(self.long.moments.mean);
                true
            }
            Beat::Changed => {
                (self.short, self.long, self.step, self.noise) = Default::default();
                self.fill_residuals(0.0);
                self.in_rhythm = 1;
                false
            }
        }
    }

    fn fill_residuals(&mut self, residual: f64) {
        self.residuals = [Short::new(single(residual)); RESIDUALS];
        self.residual_sum = f64::from(self.residuals[0].get()) * f64::from(LONG_RESIDUALS);
    }

    fn keep_residual(&mut self, residual: f64) {
        let place = usize::from(self.residual_place);
        let residual = Short::new(single(residual));
        self.residual_sum += f64::from(residual.get()) - f64::from(self.residuals[place].get());
        self.residuals[place] = residual;
        self.residual_place += 1;
        if usize::from(self.residual_place) == RESIDUALS {
            self.residual_place = 0;
            // What rounding has left of a giant goes with it.
            self.residual_sum = self.sum_of_residuals();
        }
    }

    fn sum_of_residuals(&self) -> f64 {
        self.residuals.iter().map(|&residual| f64::from(residual.get())).sum()
    }

    /// Makes the mean the origin, so that differences from it are small: now and then, as the first value may be an odd one.
    fn move_origin(&mut self) {
        let shift = self.origin - self.overall.mean;
        self.origin = self.overall.mean;
        self.seen.shift(shift);
        self.day.shift(shift);
        self.flat = Short::new(single(f64::from(self.flat.get()) + shift));
        self.day_visit.shift(shift);
        if let Some(later) = &mut self.later {
            later.week.shift(shift);
            self.week_visit.shift(shift);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "ages are exact in seconds")]
fn seconds(time_s: i64) -> f64 {
    time_s as f64
}

fn days(age_s: i64) -> f64 {
    seconds(age_s) / 86_400.0
}

/// What a spike counts for a series with a sample in `interval_s`.
fn pace(interval_s: f64) -> f64 {
    let tenfolds = (PACE_INTERVAL_S / interval_s.clamp(1.0, 86_400.0)).log10();
    1.0 / (1.0 + PACE_SHARE * tenfolds + fastness(interval_s))
}

/// What both channels take more for a series with a sample in `interval_s`.
fn fastness(interval_s: f64) -> f64 {
    let interval_s = interval_s.min(FAST_INTERVAL_S);
    FAST_SHARE * (FAST_INTERVAL_S - interval_s) / (FAST_INTERVAL_S + interval_s)
}

#[cfg(test)]
mod tests;
