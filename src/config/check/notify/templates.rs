//! Templates of channels. A mistake in one has a line, a column, and carets below it.

use crate::{
    config::{
        report::{At, Place, quoted},
        section::Section,
    },
    notify::template::{Format, Template, Values},
    secret::MASK,
};

/// Longest template (bytes).
const BYTES_MAX: usize = 64 << 10;

/// What templates of a section are tried out with.
pub(super) struct Trial<'a> {
    pub(super) format: Format,
    pub(super) values: &'a Values,
    /// Messages at a time.
    pub(super) batch_max: usize,
}

impl Default for Trial<'_> {
    /// A text about one message.
    fn default() -> Self {
        const NONE: &Values = &Values::none();
        Self {
            format: Format::Text,
            values: NONE,
            batch_max: 1,
        }
    }
}

/// The template of `key`, or `default`.
pub(super) fn read(section: &mut Section<'_>, key: &'static str, default: &str, trial: &Trial<'_>) -> Template {
    optional(section, key, trial).unwrap_or_else(|| known(default))
}

/// The template of `key`, if there is one.
pub(super) fn optional(section: &mut Section<'_>, key: &'static str, trial: &Trial<'_>) -> Option<Template> {
    let text = section.text(key, "expected a template in quotes")?;
    let path = section.path(key);
    Some(checked(section, &path, text.value, text.place, trial))
}

/// A template for each key of the table `key`, over those of `default`.
pub(super) fn table(
    section: &mut Section<'_>,
    key: &'static str,
    default: &[(&str, &str)],
    trial: &Trial<'_>,
    check_name: impl Fn(&str) -> Result<(), &'static str>,
) -> Vec<(String, Template)> {
    let default = default.iter().map(|(name, source)| ((*name).to_owned(), known(source)));
    let mut templates: Vec<(String, Template)> = default.collect();
    for (name, text) in section.texts(key, "expected a template in quotes for each name") {
        if let Err(wrong) = check_name(name.value) {
            let message = format!("{} has {}, which {wrong}", section.path(key), quoted(name.value));
            section.report().say(name.place, message);
        }
        let path = format!("{}.{}", section.path(key), quoted(name.value).trim_matches('`'));
        let template = checked(section, &path, text.value, text.place, trial);
        match templates.iter_mut().find(|(other, _)| other == name.value) {
            Some((_, before)) => *before = template,
            None => templates.push((name.value.to_owned(), template)),
        }
    }
    templates
}

/// A template for each element of the array `key`.
pub(super) fn list(section: &mut Section<'_>, key: &'static str, default: &[&str], trial: &Trial<'_>) -> Vec<Template> {
    let expected = "expected an array of templates, such as [\"skyrelay\", \"{{ status }}\"]";
    let Some(texts) = section.list(key, expected, "expected a template in quotes", Ok) else {
        return default.iter().map(|source| known(source)).collect();
    };
    let path = section.path(key);
    let read = |At { value, place }| checked(section, &path, value, place, trial);
    texts.into_iter().map(read).collect()
}

fn checked(section: &Section<'_>, path: &str, source: &str, place: Place, trial: &Trial<'_>) -> Template {
    let report = section.report();
    if source.len() > BYTES_MAX {
        report.say(
            place,
            format!("{path} is too long, expected {} KiB at most", BYTES_MAX >> 10),
        );
        return known("");
    }
    if source == MASK {
        report.say(place, format!("{path} {}", super::http::MASKED));
        return known("");
    }
    Template::checked(source, trial.format, trial.values, trial.batch_max).unwrap_or_else(|mistake| {
        report.say_within(place, &mistake.at, format!("{path}: {mistake}"));
        known("")
    })
}

/// Is this a name as most languages have them?
pub(super) fn check_identifier(name: &str) -> Result<(), &'static str> {
    let is_right = |(place, character): (usize, char)| {
        character == '_' || character.is_ascii_alphabetic() || (place > 0 && character.is_ascii_digit())
    };
    if !name.is_empty() && name.chars().enumerate().all(is_right) {
        Ok(())
    } else {
        Err("is no name, expected letters, digits and underscores")
    }
}

fn known(source: &str) -> Template {
    Template::new(source, Format::Text).expect("a template of the program is one")
}
