//! The numbers of the adaptive detector, together with their reasons.
//!
//! None of them is a setting: a person turns one knob, [`super::tuning::Tuning`], which scales the three units. They lie on
//! a plateau: halving or doubling one of them costs little, but for the long-run memory.

use std::ops::RangeInclusive;

/// Samples that long-run statistics look back on: two weeks at one a minute. A tenth of it costs 65 % more false alarms.
pub(super) const MEMORY_SAMPLES: f64 = 20_000.0;
/// Samples before a distance in deviations means anything.
pub(super) const YOUNG_SAMPLES: u32 = 50;
/// Distances beyond this many deviations are equal.
pub(super) const DISTANCE_MAX: f64 = 1e6;
/// Distance of any other value while all have been equal, where there is no deviation to measure by.
pub(super) const DISTANCE_OF_FIRST: f64 = 100.0;

/// What is learnt of one value lies no further from the expected one than this many deviations, so that a broken reading does
/// not make the series blind; real change is faster than that, as the deviation grows with each sample.
pub(super) const HELD_DEVIATIONS: f64 = 100.0;
/// Samples after which there is a deviation to hold values by.
pub(super) const HELD_AFTER_SAMPLES: u32 = 10;
/// Values beyond this, either way, are taken for it, so that no square overflows.
pub(super) const VALUE_MAX: f64 = 1e30;

/// Residuals in the short mean: what three samples in a row agree on is no single odd reading.
pub(super) const SHORT_RESIDUALS: u32 = 3;
/// Residuals in the long mean: shifts too small to show in three samples show in these.
pub(super) const LONG_RESIDUALS: u32 = 24;

/// Part of all distances that lies in the tail.
pub(super) const TAIL_SHARE: f64 = 0.1;
/// -log10 of it: the rarity of a distance at the edge of the tail.
pub(super) const TAIL_RARITY: f64 = 1.0;
/// The edge is never nearer than this (deviations), so that a quantity that rests mostly keeps some sense of far.
pub(super) const TAIL_EDGE_LEAST: f32 = 1.0;
/// Samples that a tail looks back on.
pub(super) const TAIL_MEMORY_SAMPLES: f64 = 5_000.0;
/// Fewest samples that the step of the tail's edge is worked out from, so that it does not leap at first.
pub(super) const TAIL_STEADY_SAMPLES: f64 = 100.0;
/// Least weight of a tail, about that of a normal distribution: what has ended so far need not end.
pub(super) const TAIL_WEIGHT_LEAST: f32 = 0.15;
/// One distance weighs at most as if it were this many times beyond the edge, as a natural logarithm.
pub(super) const TAIL_EXCESS_MAX: f32 = 3.0;
/// Rarities beyond this are equal.
pub(super) const RARITY_MAX: f64 = 50.0;

/// Values that are remembered as having been seen.
pub(super) const SEEN_VALUES: usize = 64;
/// A value this far from all that are remembered (long-run deviations) is remembered too.
pub(super) const SEEN_APART: f64 = 0.25;
/// What a value's distance from all that were seen counts at most, in units.
pub(super) const GAP_UNITS_MAX: f64 = 3.3;

/// Seconds of a slot of the daily profile: half an hour follows the slopes of a morning, and holds 30 samples a minute apart.
pub(super) const DAY_SLOT_S: i64 = 1800;
/// Slots of the daily profile.
pub(super) const DAY_SLOTS: usize = 48;
/// Least weight of a new day in its slots.
pub(super) const DAY_GAIN_LEAST: f64 = 0.15;
/// Slots of the day after which their mean is worked out anew: four hours are less than what any slot lags behind it.
pub(super) const FLAT_SLOTS: u16 = 8;
/// Days after which a slot is used.
pub(super) const DAY_VISITS: u8 = 1;
/// Error of the daily profile, against that of the mean, below which it is used.
pub(super) const DAY_PROOF: f32 = 0.6;
/// Seconds of a slot of the weekly profile.
pub(super) const WEEK_SLOT_S: i64 = 3600;
/// Slots of the weekly profile.
pub(super) const WEEK_SLOTS: usize = 168;
/// Least weight of a new week in its slots.
pub(super) const WEEK_GAIN_LEAST: f64 = 0.25;
/// Weeks after which a slot is used.
pub(super) const WEEK_VISITS: u8 = 2;
/// Error of the weekly profile, against that of the best other, below which it is used.
pub(super) const WEEK_PROOF: f32 = 0.85;
/// Age of a series (seconds) at which its weekly profile begins, and what its routine is: many do not live that long, and the week is a
/// third of the memory.
pub(super) const LATER_S: i64 = 24 * 3600;
/// Two slots that are further apart than this many mean errors of the predictions may have an edge between them: with less the
/// line between their centres is as good.
pub(super) const EDGE_ERRORS: f64 = 6.0;
/// Of what a series is away from what was expected this share may be in the slots that it has just been in, for each of those errors.
pub(super) const LEARNT_SHARE: f64 = 0.0625;
/// Slots that differ by less than this many mean errors are of one level ...
pub(super) const FLAT_ERRORS: f64 = 2.0;
/// ... or by less than one in so many parts of the edge beside them.
pub(super) const FLAT_PARTS: f64 = 8.0;
/// Slots about one that an edge goes through differ from those beyond them by less than one in so many parts of it.
pub(super) const LEVEL_PARTS: f64 = 4.0;
/// An edge is expected so much sooner and later than it was (seconds): ramps of half an hour count, and what is not exact of it.
pub(super) const EDGE_S: f64 = 1200.0;
/// Part of an edge by which a value may be late at its end: some go from one level to the other more slowly than slots can show.
pub(super) const NEAR_PART: f64 = 0.3;
/// Samples that the error of a prediction looks back on.
pub(super) const PROOF_MEMORY_SAMPLES: u16 = 2_000;
/// Samples after which that error is a proof.
pub(super) const PROOF_SAMPLES: u16 = 100;
/// One error counts at most this many times the mean error so far.
pub(super) const PROOF_ERROR_MAX: f32 = 8.0;

/// Distances and rarities that make a level of 1 at sensitivity 1, without a gap.
pub(super) const LEVEL_UNIT: f64 = 7.1;
/// Share of the short mean in it; the rest is the long mean's. Single samples are the other channel's.
pub(super) const SHORT_SHARE: f64 = 0.15;
/// Gap that makes a unit at sensitivity 1 (long-run deviations).
pub(super) const GAP_UNIT: f64 = 0.28;
/// Samples after which a gap counts half: of the first values most are new.
pub(super) const GAP_SAMPLES: f64 = 50.0;
/// Part of a value's distance from what was expected that a gap has to be to count in full, and less counts less: what goes a little
/// further than the last burst is no news.
pub(super) const NEWS_PART: f64 = 0.2;
/// Level for each unit of gap.
pub(super) const LEVEL_OF_GAP: f64 = 0.4;
/// Least and most that a sample weighs in the mean of the last ones, which a step leads away from (65,536ths): a third and a half. A half
/// follows a drift, and a third is nearer to where noise returns to.
pub(super) const RECENT_SHARES: RangeInclusive<u16> = 21_845..=32_768;
/// What that changes by at most from one sample to the next (65,536ths): from the one to the other takes a hundred samples.
pub(super) const RECENT_SHARE_STEP: f64 = 131.0;
/// Distance and rarities that make a spike of 1 at sensitivity 1 and a sample in five minutes, without a gap, in a series that is
/// well known and never leaps.
pub(super) const SPIKE_UNIT: f64 = 10.4;
/// Deviations that a decade of rarity counts as much as, in a spike.
pub(super) const SPIKE_OF_RARITY: f64 = 3.0;
/// Deviations of a step that count at most for each decade of its rarity: where one step in a hundred is 20 deviations long, that
/// is far and not odd.
pub(super) const DISTANCE_OF_RARITY: f64 = 4.0;
/// Spike for each unit of gap: a leap to where the series has been before is less of a surprise.
pub(super) const SPIKE_OF_GAP: f64 = 0.18;
/// What a spike takes more for ten times as many samples a day. People can bear so many alarms a day, not a sample.
pub(super) const PACE_SHARE: f64 = 0.05;
/// Interval at which a spike takes its unit (seconds).
pub(super) const PACE_INTERVAL_S: f64 = 300.0;
/// What both channels take more where samples come without end; of that, half at one in 20 seconds and nothing at one a minute.
pub(super) const FAST_SHARE: f64 = 0.3;
/// Interval from which on they take no more (seconds).
pub(super) const FAST_INTERVAL_S: f64 = 60.0;
/// What a spike takes more in a series whose steps are as large as its deviation: where nothing can be foretold, a leap says
/// little.
pub(super) const RESTLESS_SHARE: f64 = 0.7;
/// What a spike takes more in a series that is new: the rare has not come yet.
pub(super) const NEW_SHARE: f64 = 1.0;
/// Days after which it is half of that.
pub(super) const NEW_DAYS: f64 = 4.0;
/// A step that is so much of a spike, and less than 1, is nearly one: an onset, if none of the last samples was as much.
pub(super) const ONSET_SPIKE: f64 = 0.75;
/// Samples in which a step begins nothing after one that was nearly a spike, or one: as long as that channel is quiet.
pub(super) const ONSET_SAMPLES: u8 = SPIKE_QUIET_SAMPLES;
/// Samples that the share of onsets looks back on.
pub(super) const ONSET_MEMORY_SAMPLES: f32 = 1000.0;
/// Share of onsets at which a spike takes a fifteenth more: one in 400 samples.
pub(super) const ONSETS_USUAL: f64 = 0.0025;
/// What it takes more, for each time that share.
pub(super) const ONSETS_SHARE: f64 = 0.07;
/// More onsets than this many times that share take no more.
pub(super) const ONSETS_MAX: f64 = 4.0;
/// Part of a step that the next sample has to be away for the step to go on: all of it, but for what rounding and noise take.
pub(super) const GOES_ON_PART: f64 = 0.95;
/// What the next sample counts then, as a part of what the step did.
pub(super) const GOES_ON_FACTOR: f64 = 1.15;
/// Part of the step that it has to be from what was expected, and in the same direction: a way back does not go on.
pub(super) const ONSET_AWAY_PART: f64 = 0.5;
/// Samples after which the weight of a spike is worked out anew.
pub(super) const WEIGHT_SAMPLES: u32 = 16;
/// Days of which the noise of a time of the day weighs as much as the noise at all times.
pub(super) const NOISE_TRUST_DAYS: f64 = 4.0;
/// Days beyond which it gains no more weight.
pub(super) const NOISE_DAYS_MAX: f64 = 8.0;
/// Least weight of a new day in the noise of a time of the day.
pub(super) const NOISE_GAIN_LEAST: f64 = 0.1;
/// One step counts as noise at most this many times what is usual at the time.
pub(super) const NOISE_STEP_MAX: f64 = 8.0;
/// A time of the day is taken for at most so many times as noisy as all: where a series hardly ever moves, nothing is known of either.
pub(super) const NOISE_RATIO_MAX: f64 = 10.0;
/// Steps are taken for no further than this many deviations from their mean when the mean and deviation are learnt.
pub(super) const STEP_DEVIATIONS_MAX: f64 = 12.0;
/// What a step weighs in their mean and deviation while an anomaly is open, against others: trouble that was told is no noise.
pub(super) const TROUBLE_SHARE: f64 = 0.1;

/// Intervals that differ by less than this factor are of one rhythm.
pub(super) const RHYTHM_TOLERANCE: f32 = 1.5;
/// Intervals of another length in a row that make it the usual one.
pub(super) const RHYTHM_SAMPLES: u8 = 30;
/// Usual intervals without a sample that are a gap, after which a step is none.
pub(super) const GAP_INTERVALS: f32 = 10.0;

/// Least samples of silence of the level channel, however far they are apart.
pub(super) const LEVEL_QUIET_LEAST: u8 = 12;
/// Longest time after an alert of one channel in which the other has to say more, and of silence of the spike channel (seconds).
pub(super) const OTHER_QUIET_S: i64 = 6 * 3600;
/// What the level has to reach more for each time that it was told of lately.
pub(super) const LEVEL_REPEAT: f64 = 0.3;
/// What lately means: a telling counts 1/e after this (seconds).
pub(super) const LEVEL_REPEAT_S: f64 = 7.0 * 86_400.0;
/// What the level has to reach more when the silence of a new series ends; nothing is left of it after as long again.
pub(super) const YOUNG_LEVEL_SHARE: f64 = 1.0;
/// Samples after an alert of one channel in which the other has to say more: it is the same trouble.
pub(super) const OTHER_QUIET_SAMPLES: u8 = 60;
/// What it has to reach then.
pub(super) const OTHER_BAR: f64 = 2.0;
/// Samples of silence of the spike channel after an alert.
pub(super) const SPIKE_QUIET_SAMPLES: u8 = 10;
/// What breaks the quiet of a channel, as a part of the score that it has told last.
pub(super) const QUIET_OUTDONE: f64 = 1.7;
/// The part of a leap that later spikes have to reach to be told.
pub(super) const BAR_SHARE: f64 = 0.4;
/// The bar is never higher: a spike of so much is one step in a thousand or rarer, and what follows a broken reading has to be
/// told.
pub(super) const BAR_MAX: f64 = QUIET_OUTDONE;
/// What is left of the bar from one sample to the next: it halves in 17,000, twelve days at one a minute.
pub(super) const BAR_KEPT: f64 = 1.0 - std::f64::consts::LN_2 / 17_000.0;

/// What a day with trouble at some half hour of the day counts for routine; a day without it takes 1 away.
pub(super) const ROUTINE_DAY: u8 = 2;
/// What makes it routine: three days in a row.
pub(super) const ROUTINE_LEAST: u8 = 3 * ROUTINE_DAY;
/// The most that is counted, so that what comes on work days is known on Monday, and what has ended is news after a week.
pub(super) const ROUTINE_MOST: u8 = 5 * ROUTINE_DAY;
/// Trouble so near to a half hour's end is of the next one as well (seconds).
pub(super) const ROUTINE_BORDER_S: i64 = 600;
/// What is left of the furthest that it has led with each day on which it was nearer.
pub(super) const ROUTINE_FAR_KEPT: f64 = 0.85;

/// Levels and leaps below this are calm: an anomaly that opened at 1 does not close at 0.99.
pub(super) const CALM_SCORE: f64 = 0.7;
/// Calm samples in a row after which an anomaly is over: as many as the long mean takes to forget it.
pub(super) const CALM_SAMPLES: u8 = 24;
/// Time without a sample that is not calm after which an anomaly is over, too (seconds).
pub(super) const CALM_S: i64 = 3 * 3600;
/// Usual deviations of the mean of the last residuals up to which a series is not away.
pub(super) const AWAY_DEVIATIONS: f64 = 3.0;
/// What the level has to reach to be told of again while an anomaly is open, as a part of the highest so far.
pub(super) const LEVEL_WORSE: f64 = 1.5;
/// What is learnt of a new level looks back so far (seconds).
pub(super) const NEW_LEVEL_S: f64 = 12.0 * 3600.0;
/// Age at which an anomaly is taken for a new usual (seconds): what lasts two days is there to stay.
pub(super) const ACCEPT_S: i64 = 48 * 3600;
/// Samples that it takes as well: what lasted two samples of a daily series is no level.
pub(super) const ACCEPT_SAMPLES: u8 = 24;
