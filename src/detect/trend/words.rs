//! A trend in words: "95 in 9h (7h to 14h)".

use super::{
    super::{
        Observation,
        words::{duration, number},
    },
    Estimate, SAW, Settings, State, until,
};

/// Standard deviations that hold 95 of 100 values.
pub(super) const NORMAL_95: f64 = 1.96;

/// Why the series is, or is not, anomalous.
pub(super) fn reason(
    settings: &Settings,
    state: &State,
    timestamp: i64,
    observation: Observation,
    is_beyond: bool,
) -> String {
    let Some(estimate) = &state.estimate else {
        return "too little is known of the series".to_owned();
    };
    let mut text = outlook(settings, state, estimate, timestamp, is_beyond);
    if observation.changed && !observation.anomalous {
        text = format!("{text}, after {}", duration(timestamp.saturating_sub(state.began)));
    } else if let Some(since) = state.waiting.since().filter(|_| settings.patience.for_s > 0) {
        text = format!("{text}, for {}", duration(timestamp.saturating_sub(since)));
    }
    text
}

/// What is to come, or has come: `is_beyond`.
pub(super) fn outlook(
    settings: &Settings,
    state: &State,
    estimate: &Estimate,
    timestamp: i64,
    is_beyond: bool,
) -> String {
    let value = number(settings.reaches);
    let pace = pace(state, estimate);
    if is_beyond || estimate.reached {
        return format!("{value} is reached, {pace}");
    }
    if state.upwards.is_none() {
        return format!("{value} is amid its ups and downs, {pace}");
    }
    let soon = |time: Option<f64>| time.map(|time| until(time, timestamp)).map(time_of);
    let text = match (soon(estimate.expected), soon(estimate.earliest), soon(estimate.latest)) {
        (Some(expected), Some(earliest), Some(latest)) if earliest == latest => format!("{value} in {expected}"),
        (Some(expected), Some(earliest), Some(latest)) => format!("{value} in {expected} ({earliest} to {latest})"),
        (Some(expected), Some(earliest), None) => format!("{value} in {expected} ({earliest} to never)"),
        (_, Some(earliest), _) => format!("{value} is not on its way, and {earliest} off at the earliest"),
        _ => format!("{value} not within a year"),
    };
    let text = format!("{text}, {pace}");
    if estimate.fit < settings.min_fit && estimate.expected.is_some() {
        let percent = |part: f64| (100.0 * part).floor();
        return format!(
            "{text}, which explains {} % of the change, {} % needed",
            percent(estimate.fit),
            percent(settings.min_fit)
        );
    }
    text
}

/// Where the series is, and how fast it goes.
fn pace(state: &State, estimate: &Estimate) -> String {
    let per_hour = 3600.0 * estimate.pace;
    let (amount, unit) = if per_hour.abs() < 0.1 {
        (24.0 * per_hour, "a day")
    } else {
        (per_hour, "an hour")
    };
    let sign = if amount > 0.0 { "+" } else { "" };
    let amount = format!("{sign}{} {unit}", number(amount));
    if estimate.shape == SAW {
        return format!("the ends of its teeth at {} and {amount}", number(estimate.level));
    }
    let now = number(state.now.level().unwrap_or(estimate.level));
    let season = if estimate.by_day || estimate.by_week {
        ", its season apart,"
    } else {
        ""
    };
    let steps = match estimate.shape {
        _ if estimate.since_s > 0 => format!(" in the last {}", duration(estimate.since_s)),
        0 => String::new(),
        1 => " since a step".to_owned(),
        _ => " since steps".to_owned(),
    };
    format!("now at {now} and{season} {amount}{steps}")
}

/// A time to come, to the nearest minute, hour or day.
#[expect(clippy::cast_possible_truncation, reason = "it is within a year")]
fn time_of(seconds: f64) -> String {
    let unit = match seconds {
        172_800.0.. => 86_400.0,
        7200.0.. => 3600.0,
        120.0.. => 60.0,
        _ => 1.0,
    };
    duration(((seconds / unit).round() * unit) as i64)
}
