//! Detectors of kind `absence`.

use crate::{
    config::{
        check::{
            LONGEST, SECOND, check_whole, from_seconds,
            routes::{self, Patterns},
            to_seconds,
        },
        names,
        section::Section,
    },
    detect::{
        Severity,
        absence::{After, Settings},
    },
    units,
};

/// Shortest silence of patterns (seconds): it takes a minute to look at all series.
const PATTERNS_LEAST_S: i64 = 120;

/// Reads an absence, where series are given up after a silence of `expire_after_s` seconds.
pub(super) fn read(section: &mut Section<'_>, expire_after_s: i64, patterns: &mut Patterns) -> Settings {
    let of = if section.has("of") {
        routes::patterns(section, "of", patterns)
    } else {
        Vec::new()
    };
    section.knows("of");
    if section.is_empty("of") {
        let message = format!(
            "{} is empty, expected a pattern such as [\"backups.**\"], or no `of`, for the series that a [[watch]] gives it",
            section.path("of")
        );
        section.report().say(section.place("of"), message);
    }
    let after = section.duration_or("after", "auto", SECOND..=LONGEST);
    let after_s = after.map(|after| {
        check_whole(section, "after", after);
        to_seconds(after)
    });
    let expected = match after_s {
        Some(after_s) if of.is_empty() && after_s >= expire_after_s => Some(format!(
            "window.expire_after forgets a series before that, expected less than {}",
            units::show_duration(from_seconds(expire_after_s))
        )),
        Some(after_s) if !of.is_empty() && after_s < PATTERNS_LEAST_S => {
            Some("expected 2m or more, as it takes a minute to look at all series".to_owned())
        }
        _ => None,
    };
    if let Some(expected) = expected {
        let message = format!(
            "{} is too {}: {expected}",
            section.path("after"),
            if of.is_empty() { "long" } else { "short" }
        );
        section.report().say(section.place("after"), message);
    }
    Settings {
        after: after_s.map_or(After::Learnt, After::Stated),
        of,
        severity: section.choice("severity", Severity::Warning, &names::SEVERITY),
    }
}
