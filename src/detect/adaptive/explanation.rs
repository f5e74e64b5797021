//! A verdict in words: which channel, how far, against what, and how much history stands behind it.

use std::fmt::Write as _;

use super::{
    basis::{Basis, Scores, Season},
    constants::DISTANCE_MAX,
    lasting::Turn,
    policy::Alerts,
    yardstick::Surprise,
};
use crate::detect::{
    Finding, Outcome, Standing, Vote,
    words::{duration, number},
};

/// What a verdict is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) basis: &'a Basis,
    pub(super) scores: &'a Scores,
    pub(super) alerts: Alerts,
    pub(super) turn: Turn,
    pub(super) value: f64,
    /// What a spike has to reach to be told.
    pub(super) bar: f64,
    /// Time that the series has been known for (seconds).
    pub(super) age_s: i64,
    /// Time that its anomaly has lasted, or the last has (seconds).
    pub(super) open_s: i64,
    /// Is all that was told of it what comes at that time of the day?
    pub(super) is_routine: bool,
    pub(super) standing: Standing,
}

/// What it went by, in words.
pub(super) fn reason(seen: Seen<'_>) -> String {
    let Seen { scores, alerts, .. } = seen;
    let mut text = String::new();
    if seen.standing != Standing::Analysed {
        return seen.standing.to_string();
    }
    match seen.turn {
        Turn::Back => text.push_str("back to usual: "),
        Turn::Usual => {
            let _ = write!(
                text,
                "usual by now, after {}: the new level is taken for normal; ",
                duration(seen.open_s)
            );
        }
        Turn::None | Turn::Opened => {}
    }
    let level = alerts.level || !alerts.spike && scores.level >= scores.spike;
    let spike = alerts.spike || !alerts.level && scores.spike > scores.level;
    if level {
        text.push_str(&level_in_words(seen));
    }
    if spike {
        if level {
            text.push_str("; ");
        }
        text.push_str(&spike_in_words(seen));
    }
    if seen.is_routine && (seen.alerts.level || seen.alerts.spike) {
        text.push_str(", routine at this time of the day");
    }
    let (expected, season) = (
        number(seen.basis.expected.nearest(seen.value)),
        season(seen.basis.season),
    );
    let (count, age) = (seen.basis.count, duration(seen.age_s));
    let _ = write!(
        text,
        "; {} where {expected} is expected by {season}, from {count} samples in {age}",
        number(seen.value)
    );
    text
}

/// The two channels as votes.
pub(super) fn votes(seen: Seen<'_>) -> Vec<Vote> {
    let scores = seen.scores;
    let vote =
        |name: &'static str, statistic: f64, threshold: f64, told: bool, details: Vec<(&'static str, f64)>| Vote {
            name: name.into(),
            finding: Finding {
                outcome: if statistic >= threshold {
                    Outcome::True
                } else {
                    Outcome::False
                },
                statistic: Some(statistic),
                threshold: Some(threshold),
            },
            details: std::iter::once(("told", f64::from(u8::from(told))))
                .chain(details)
                .collect(),
        };
    // Infinite, where all values have been equal.
    let gap = scores.gap.min(DISTANCE_MAX);
    vec![
        vote(
            "level",
            scores.level,
            1.0,
            seen.alerts.level,
            vec![
                ("distance_3", scores.short.distance),
                ("rarity_3", scores.short.rarity),
                ("distance_24", scores.long.distance),
                ("rarity_24", scores.long.rarity),
                ("gap", gap),
            ],
        ),
        vote(
            "spike",
            scores.spike,
            seen.bar,
            seen.alerts.spike,
            vec![("distance", scores.step.distance), ("rarity", scores.step.rarity)],
        ),
    ]
}

fn level_in_words(seen: Seen<'_>) -> String {
    let Seen { scores, basis, .. } = seen;
    let (short_mean, long_mean) = basis.means(seen.value);
    let weight = |surprise: Surprise| surprise.distance + surprise.rarity;
    let (samples, apart, surprise) = if weight(scores.long) > weight(scores.short) {
        (24, long_mean - basis.long.moments.mean, scores.long)
    } else {
        (3, short_mean - basis.short.moments.mean, scores.short)
    };
    let mut text = format!(
        "level {:.2}: the last {samples} samples are {} on average, {} deviations",
        scores.level,
        above_or_below(apart),
        number(surprise.distance),
    );
    if scores.gap >= 0.24 {
        text.push_str(", at a value not seen before");
    }
    text
}

fn spike_in_words(seen: Seen<'_>) -> String {
    let Seen { scores, basis, .. } = seen;
    let step = basis.step_to(seen.value);
    let way = if step < 0.0 { "down" } else { "up" };
    let mut text = format!(
        "spike {:.2}: a step {way} by {}, {} deviations",
        scores.spike,
        number(step.abs()),
        number(scores.step.distance),
    );
    if scores.spike > scores.spike_alone {
        text.push_str(", on from where the one before had led");
    }
    text
}

fn above_or_below(apart: f64) -> String {
    let way = if apart < 0.0 { "below" } else { "above" };
    format!("{} {way} the usual", number(apart.abs()))
}

fn season(season: Season) -> &'static str {
    match season {
        Season::None => "its long-run mean",
        Season::Day => "the time of the day",
        Season::Week => "the time of the week",
    }
}
