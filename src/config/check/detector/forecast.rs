//! Detectors of kind `forecast`.

use std::time::Duration;

use super::{adaptive::timezone, threshold::patience_or};
use crate::{
    config::{
        check::{from_seconds, to_seconds},
        names,
        section::{Bounds, Section},
    },
    detect::forecast::Settings,
};

const CONFIDENCE: Bounds = Bounds {
    text: "a number from 0.5 to 0.999",
    hold: |number| (0.5..=0.999).contains(&number),
};
const DEVIATION: Bounds = Bounds {
    text: "a number, 0 or more",
    hold: |number| number >= 0.0,
};
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads a forecast.
pub(super) fn read(section: &mut Section<'_>) -> Settings {
    let default = Settings::default();
    let mut hours = |key, default, range| {
        let hours: Duration = section.duration(key, from_seconds(default), range);
        if !hours.as_secs().is_multiple_of(HOUR.as_secs()) || hours.subsec_nanos() != 0 {
            let message = format!("{} is not a number of whole hours", section.path(key));
            section.report().say(section.place(key), message);
        }
        to_seconds(hours)
    };
    let horizon_s = hours("horizon", default.horizon_s, HOUR..=DAY);
    let min_history_s = hours("min_history", default.min_history_s, 4 * DAY..=42 * DAY);
    Settings {
        horizon_s,
        confidence: section.number("confidence", default.confidence, &CONFIDENCE),
        direction: section.choice("direction", default.direction, &names::DIRECTION),
        min_deviation: section.number("min_deviation", default.min_deviation, &DEVIATION),
        min_history_s,
        timezone: timezone(section, default.timezone),
        patience: patience_or(section, default.patience),
        severity: section.choice("severity", default.severity, &names::SEVERITY),
    }
}
