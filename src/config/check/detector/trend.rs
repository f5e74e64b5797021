//! Detectors of kind `trend`.

use std::time::Duration;

use super::{adaptive::timezone, threshold::patience};
use crate::{
    config::{
        check::{check_whole, from_seconds, seconds, to_seconds},
        names,
        section::{Bounds, Section},
    },
    detect::trend::{OVER_S, Settings},
};

const VALUE: Bounds = Bounds {
    text: "a number",
    hold: |_| true,
};
const PART: Bounds = Bounds {
    text: "a number from 0 to 1",
    hold: |number| (0.0..=1.0).contains(&number),
};
const CONFIDENCE: Bounds = Bounds {
    text: "a number from 0.5 to 0.99",
    hold: |number| (0.5..=0.99).contains(&number),
};
const MINUTE: Duration = Duration::from_secs(60);

/// Reads a trend.
pub(super) fn read(section: &mut Section<'_>) -> Settings {
    if !section.has("reaches") {
        let message = format!(
            "{} has no `reaches`, expected the value that is not to be reached, such as reaches = 95",
            section.name()
        );
        section.report().say(section.start(), message);
    }
    let default = Settings::new(section.number("reaches", 0.0, &VALUE));
    let within_s = seconds(section, "within", default.within_s, MINUTE);
    let over = section.duration(
        "over",
        from_seconds(default.over_s),
        from_seconds(*OVER_S.start())..=from_seconds(*OVER_S.end()),
    );
    check_whole(section, "over", over);
    let over_s = to_seconds(over);
    let clear_s = seconds(section, "clear", within_s.saturating_add(within_s / 2), MINUTE);
    if clear_s < within_s {
        wrong(section, "clear", "shorter than `within`, expected a time that is not");
    }
    let min_history_s = seconds(section, "min_history", default.min_history_s.min(over_s), MINUTE);
    if min_history_s > over_s {
        wrong(
            section,
            "min_history",
            "longer than `over`, expected a time that is not",
        );
    }
    Settings {
        direction: section.choice("direction", default.direction, &names::TREND_DIRECTION),
        within_s,
        clear_s,
        over_s,
        min_history_s,
        min_fit: section.number("min_fit", default.min_fit, &PART),
        confidence: section.number("confidence", default.confidence, &CONFIDENCE),
        timezone: timezone(section, default.timezone.clone()),
        patience: patience(section),
        severity: section.choice("severity", default.severity, &names::SEVERITY),
        ..default
    }
}

fn wrong(section: &Section<'_>, key: &'static str, is: &str) {
    let message = format!("{} is {is}", section.path(key));
    section.report().say(section.place(key), message);
}
