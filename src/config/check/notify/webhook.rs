//! `kind = "webhook"`.

use ureq::http::{HeaderName, HeaderValue, Method};

use super::{
    Claims, http,
    templates::{self, Trial},
};
use crate::{
    config::section::{NAMED_SECRET, Section},
    notify::{
        ChannelKind,
        template::{Format, Template, Values},
        webhook::{self, BATCH_MAX, Preset, Settings, format_of},
    },
    secret::Secret,
};

/// Headers that are made from the rest of what is sent.
const OWN_HEADERS: [&str; 4] = ["content-length", "host", "transfer-encoding", "connection"];

pub(super) fn read(section: &mut Section<'_>, _: &mut Claims) -> ChannelKind {
    let name = preset_name(section);
    let preset = name.and_then(webhook::preset);
    let values = values(section, preset.as_ref());
    let content_type = content_type(section);
    let batch = section.count("batch", preset.as_ref().map_or(1, |preset| preset.batch), 1..=BATCH_MAX);
    let of_headers = Trial {
        format: Format::Text,
        values: &values,
        batch_max: batch,
    };
    let of_body = Trial {
        format: format_of(&content_type),
        ..of_headers
    };
    let body = templates::optional(section, "body", &of_body);
    let body = body.or_else(|| {
        let preset = preset.as_ref()?;
        Some(Template::new(&preset.body, Format::Json).expect("a test reads the template of every preset"))
    });
    let url_of_preset = preset.as_ref().and_then(|preset| preset.url.as_deref());
    ChannelKind::Webhook(Settings {
        preset: name,
        url: http::secret_url(section, url_of_preset),
        method: method(section),
        headers: templates::table(section, "headers", &[], &of_headers, check_header),
        body,
        content_type,
        batch,
        login: http::login(section),
        http: http::read(section),
        values,
    })
}

fn preset_name(section: &mut Section<'_>) -> Option<&'static str> {
    let names = webhook::presets();
    let options = names.map(|name| (name, Some(name)));
    section.choice("preset", None, &options)
}

/// Reads `[notify.NAME.values]` and `[notify.NAME.secrets]`, and notes what of them the preset lacks.
fn values(section: &mut Section<'_>, preset: Option<&Preset>) -> Values {
    let texts = section.texts("values", "expected a text in quotes for each name");
    let values = texts
        .into_iter()
        .map(|(name, text)| (name.value.to_owned(), text.value.to_owned()));
    let values = values.collect();
    let secrets = section.named("secrets", |name, section| {
        let secret = section.secret(NAMED_SECRET);
        if !["text", "file", "env"].into_iter().any(|key| section.has(key)) {
            let message = format!("{} has neither file nor env, expected one of the two", section.name());
            section.report().say(section.start(), message);
        }
        (name.value.to_owned(), secret)
    });
    // One that cannot be read is there under its name, so that templates may name it.
    let or_nothing = |secret: Option<Secret>| secret.unwrap_or_else(|| Secret::Text(String::new()));
    let secrets = secrets.into_iter().map(|(name, secret)| (name, or_nothing(secret)));
    let values = Values {
        values,
        secrets: secrets.collect(),
    };
    let Some(preset) = preset else { return values };
    for (table, needed, are_given) in [
        ("values", &preset.values, values.values.keys().collect::<Vec<_>>()),
        ("secrets", &preset.secrets, values.secrets.keys().collect()),
    ] {
        for name in needed.iter().filter(|name| !are_given.contains(name)) {
            let message = format!("{} has no {table}.{name}, which its preset needs", section.name());
            section.report().say(section.place("preset"), message);
        }
    }
    values
}

fn content_type(section: &mut Section<'_>) -> String {
    let expected = "expected a media type, such as \"application/json\"";
    section.parsed("content_type", "application/json".to_owned(), expected, |text| {
        let is_one = text.contains('/') && HeaderValue::from_str(text).is_ok();
        is_one.then(|| text.to_owned()).ok_or_else(|| expected.to_owned())
    })
}

fn method(section: &mut Section<'_>) -> Method {
    let expected = "expected `POST`, `PUT` or `PATCH`";
    section.parsed("method", Method::POST, expected, |text| match text {
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        _ => Err(expected.to_owned()),
    })
}

fn check_header(name: &str) -> Result<(), &'static str> {
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err("is no name of a header");
    };
    match header.as_str() {
        "content-type" => Err("is set by content_type"),
        own if OWN_HEADERS.contains(&own) => Err("is made from what is sent, expected it to be left out"),
        _ => Ok(()),
    }
}
