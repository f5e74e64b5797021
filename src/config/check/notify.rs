//! Channels, by name: `[notify.NAME]`. How each kind is read lies in a file of its own.

mod alertmanager;
mod exec;
mod graphite_events;
mod http;
mod icinga2;
mod json_lines;
mod templates;
mod webhook;

use super::kind;
use crate::{
    config::{report::At, section::Section},
    notify::{ChannelKind, ChannelSettings, Settings},
};

/// How a kind is read.
type Reader = fn(&mut Section<'_>, &mut Claims) -> ChannelKind;

/// Kinds that there are.
const KINDS: [(&str, Reader); 6] = [
    ("exec", exec::read),
    ("json-lines", json_lines::read),
    ("webhook", webhook::read),
    ("alertmanager", alertmanager::read),
    ("icinga2", icinga2::read),
    ("graphite-events", graphite_events::read),
];

/// Kinds of channels that later versions have.
const PLANNED_KINDS: [&str; 1] = ["smtp"];

/// What no two channels can have.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Files that are written, or "stdout".
    paths: Vec<At<String>>,
}

/// Reads each `[notify.NAME]`; when there is none, it is the one there is by default.
pub(super) fn channels(top: &mut Section<'_>) -> Vec<ChannelSettings> {
    let mut claims = Claims::default();
    let there_are = KINDS.map(|(name, _)| name);
    let channels = top.named("notify", |name, section| {
        let read = kind(section, &there_are, &PLANNED_KINDS)
            .and_then(|kind| KINDS.iter().find(|(name, _)| *name == kind))
            .map(|(_, read)| read(section, &mut claims));
        ChannelSettings {
            name: name.value.to_owned(),
            // One that cannot be read is there under its name, so that an alert may name it.
            kind: read.unwrap_or(ChannelKind::JsonLines(crate::notify::json_lines::Settings::Stdout)),
        }
    });
    top.check_distinct("notify", &claims.paths, |path| format!("path = {path:?}"));
    if channels.is_empty() {
        return Settings::default().channels;
    }
    channels
}
