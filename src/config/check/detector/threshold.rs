//! Detectors of kind `threshold`.

use std::time::Duration;

use crate::{
    config::{
        check::seconds,
        names,
        section::{Bounds as Numbers, Section},
    },
    detect::{
        PATIENCE_SAMPLES_MAX, Patience,
        threshold::{Bounds, Settings},
    },
};

const ANY: Numbers = Numbers {
    text: "a number",
    hold: |_| true,
};

/// Keys of which there has to be one.
const KEYS: [&str; 4] = ["above", "below", "outside", "inside"];

/// Reads a threshold.
pub(super) fn read(section: &mut Section<'_>) -> Settings {
    let expected = "expected one of `above`, `below`, `outside` and `inside`";
    let given: Vec<&str> = KEYS.into_iter().filter(|key| section.has(key)).collect();
    match given.as_slice() {
        [] => {
            let message = format!("{} has no bound, {expected}", section.name());
            section.report().say(section.start(), message);
        }
        [_] => {}
        ["above", "below"] => {
            let path = section.path("below");
            let message = format!("{path} is set beside `above`, expected `outside = [below, above]` for both");
            section.report().say(section.place("below"), message);
        }
        [first, second, ..] => {
            let message = format!("{} is set beside `{first}`, {expected}", section.path(second));
            section.report().say(section.place(second), message);
        }
    }
    let odd = bounds(section);
    let default = Settings::new(odd.unwrap_or(Bounds::Above(0.0)));
    let not_back = odd.and_then(|odd| not_back(section, odd));
    // All keys are asked for, whether their values are of use or not.
    section.knows("clear");
    Settings {
        not_back: not_back.unwrap_or(default.not_back),
        patience: patience(section),
        severity: section.choice("severity", default.severity, &names::SEVERITY),
        ..default
    }
}

/// How often and how long: `for` and `n_of_m`.
pub(super) fn patience(section: &mut Section<'_>) -> Patience {
    patience_or(section, Patience::default())
}

/// The same, where these are others as long as nothing is said.
pub(super) fn patience_or(section: &mut Section<'_>, default: Patience) -> Patience {
    let (needed, of) = n_of_m(section, default);
    Patience {
        needed,
        of,
        for_s: seconds(section, "for", default.for_s, Duration::ZERO),
    }
}

fn n_of_m(section: &mut Section<'_>, default: Patience) -> (u32, u32) {
    let Patience { needed, of, .. } = default;
    let given = section.whole_numbers("n_of_m");
    match given.as_deref() {
        None => (needed, of),
        Some(&[needed, of]) if 1 <= needed && needed <= of && of <= PATIENCE_SAMPLES_MAX => (needed, of),
        Some(_) => {
            let message = format!(
                "{} is not what it should be, expected two whole numbers, such as [3, 5] for 3 of the last 5 samples, \
                 up to {PATIENCE_SAMPLES_MAX}",
                section.path("n_of_m"),
            );
            section.report().say(section.place("n_of_m"), message);
            (needed, of)
        }
    }
}

/// The first bound that is given.
fn bounds(section: &mut Section<'_>) -> Option<Bounds> {
    let (outside, inside) = (section.range("outside"), section.range("inside"));
    let (has_above, has_below) = (section.has("above"), section.has("below"));
    let (above, below) = (section.number("above", 0.0, &ANY), section.number("below", 0.0, &ANY));
    match (has_above, has_below) {
        (true, _) => Some(Bounds::Above(above)),
        (_, true) => Some(Bounds::Below(below)),
        _ => outside
            .map(|(low, high)| Bounds::Outside(low, high))
            .or(inside.map(|(low, high)| Bounds::Inside(low, high))),
    }
}

/// What is not back by the level to come back through: `None` when it is not given, or no such level.
fn not_back(section: &mut Section<'_>, odd: Bounds) -> Option<Bounds> {
    if !section.has("clear") {
        return None;
    }
    let (not_back, expected) = match odd {
        Bounds::Above(bound) => (
            Bounds::Above(section.number("clear", bound, &ANY)),
            "expected a value that is not above it",
        ),
        Bounds::Below(bound) => (
            Bounds::Below(section.number("clear", bound, &ANY)),
            "expected a value that is not below it",
        ),
        Bounds::Outside(..) => {
            let (low, high) = section.range("clear")?;
            (Bounds::Outside(low, high), "expected two values between its two")
        }
        Bounds::Inside(..) => {
            let (low, high) = section.range("clear")?;
            (Bounds::Inside(low, high), "expected two values outside its two")
        }
    };
    if not_back.include(odd) {
        return Some(not_back);
    }
    let message = format!(
        "{} lies on the wrong side of the bound, {expected}",
        section.path("clear")
    );
    section.report().say(section.place("clear"), message);
    None
}
