//! Detectors of kind `expression`.

use std::time::Duration;

use super::{Mention, adaptive::timezone, threshold::patience};
use crate::{
    config::{
        check::{SECOND, seconds},
        names,
        section::Section,
    },
    detect::expression::{Meant, Mistake, Model, Settings, Sources},
};

const WHEN: &str = "expected a condition in quotes, such as \"value > 3 * median('1h')\"";
const NUMBER: &str = "expected a number in quotes, such as \"median('1h')\"";

/// Reads a model, for windows of `span_s` seconds; `mentions` is told which detectors it names. `None`: it has mistakes.
pub(super) fn read(section: &mut Section<'_>, span_s: i64, mentions: &mut Vec<Mention>) -> Option<Settings> {
    let when = section.text("when", WHEN);
    if !section.has("when") {
        let message = format!("{} has no `when`, {WHEN}", section.name());
        section.report().say(section.start(), message);
    }
    let mut optional = |key| section.text(key, NUMBER).map(|text| text.value.to_owned());
    let sources = Sources {
        when: when.map(|text| text.value.to_owned()).unwrap_or_default(),
        score: optional("score"),
        expected: optional("expected"),
        lower: optional("lower"),
        upper: optional("upper"),
    };
    let model = when.and_then(|_| match Model::new(sources, span_s) {
        Ok(model) => Some(model),
        Err(mistakes) => {
            for (key, mistake) in mistakes {
                say(section, key, &mistake);
            }
            None
        }
    });
    // All that can be wrong with the rest is to be found, too.
    let default = Settings::new(model.clone().unwrap_or_default());
    let settings = Settings {
        timezone: timezone(section, default.timezone),
        silent_samples: section.count("silent_samples", default.silent_samples, 0..=1_000_000),
        silent_for_s: seconds(section, "silent_for", default.silent_for_s, Duration::ZERO),
        max_age_s: seconds(section, "max_age", default.max_age_s, SECOND),
        patience: patience(section),
        severity: section.choice("severity", default.severity, &names::SEVERITY),
        model: default.model,
    };
    let model = model?;
    for (key, slip) in model.slips() {
        say(section, key, &slip);
    }
    mentions.extend(model.figures().into_iter().map(|asked| Mention {
        key: section.path(asked.source),
        name: asked.detector.to_owned(),
        place: section.place(asked.source),
        within: Some(asked.at),
        figure: Some(asked.figure),
    }));
    let named = model.detectors().iter().zip(model.mentions());
    mentions.extend(named.map(|(name, (key, at))| Mention {
        key: section.path(key),
        name: name.to_string(),
        place: section.place(key),
        within: Some(at.clone()),
        figure: None,
    }));
    Some(settings)
}

fn say(section: &Section<'_>, key: &str, mistake: &Mistake) {
    let report = section.report();
    let suggestion = mistake
        .meant
        .as_ref()
        .map_or_else(String::new, |Meant { name, known }| {
            report.suggestion(name, known.iter().map(String::as_str))
        });
    let message = format!("{}: {}{suggestion}", section.path(key), mistake.message);
    report.say_within(section.place(key), &mistake.at, message);
}
