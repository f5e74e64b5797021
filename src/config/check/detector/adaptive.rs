//! Detectors of kind `adaptive`.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::{
    config::{
        check::seconds,
        names,
        section::{Bounds, Section},
    },
    detect::{
        Severity,
        adaptive::{Floor, Settings, Severities},
    },
    units,
};

const SENSITIVITY: Bounds = Bounds {
    text: "a number from 0.01 to 100",
    hold: |number| (0.01..=100.0).contains(&number),
};
const DEVIATION: Bounds = Bounds {
    text: "a number, 0 or more, or a percentage of what is expected, such as \"10%\"",
    hold: |number| number >= 0.0,
};
const TIMEZONE: &str = "expected a time zone by its IANA name, such as \"Europe/Berlin\"";

pub(super) fn read(section: &mut Section<'_>) -> Settings {
    let default = Settings::default();
    Settings {
        sensitivity: section.number("sensitivity", default.sensitivity, &SENSITIVITY),
        direction: section.choice("direction", default.direction, &names::DIRECTION),
        min_deviation: section.number_or(
            "min_deviation",
            default.min_deviation,
            &DEVIATION,
            Floor::Absolute,
            |text| units::percentage(text).map(Floor::Relative),
        ),
        timezone: timezone(section, default.timezone),
        silent_samples: section.count("silent_samples", default.silent_samples, 0..=1_000_000),
        silent_for_s: seconds(section, "silent_for", default.silent_for_s, Duration::ZERO),
        quiet_samples: section.count("quiet_samples", default.quiet_samples, 12..=250),
        quiet_for_s: seconds(section, "quiet_for", default.quiet_for_s, Duration::ZERO),
        explain: section.flag("explain", default.explain),
        severity: section.section("severity", |section| severities(section, default.severity)),
    }
}

/// Whose clocks are meant.
pub(in crate::config::check) fn timezone(section: &mut Section<'_>, default: TimeZone) -> TimeZone {
    section.parsed("timezone", default, TIMEZONE, |name| {
        TimeZone::get(name).map_err(|_| TIMEZONE.to_owned())
    })
}

fn severities(section: &mut Section<'_>, default: Severities) -> Severities {
    let mut severity = |key, default: Severity| section.choice(key, default, &names::SEVERITY);
    Severities {
        level: severity("level", default.level),
        spike: severity("spike", default.spike),
        routine: severity("routine", default.routine),
    }
}
