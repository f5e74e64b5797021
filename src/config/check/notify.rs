//! Channels, by name: `[notify.NAME]`. How each kind is read lies in a file of its own.

mod alertmanager;
mod exec;
mod graphite_events;
mod http;
mod icinga2;
mod json_lines;
mod nagios;
mod smtp;
mod templates;
mod webhook;

use std::time::Duration;

use super::{MINUTE, SECOND, kind, seconds, to_seconds};
use crate::{
    config::{report::At, section::Section},
    notify::{ChannelKind, ChannelSettings, RateLimit, Settings},
    units,
};

/// Longest time that a limit may be for.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How a kind is read.
type Reader = fn(&mut Section<'_>, &mut Claims) -> ChannelKind;

/// Kinds that there are.
const KINDS: [(&str, Reader); 8] = [
    ("exec", exec::read),
    ("json-lines", json_lines::read),
    ("webhook", webhook::read),
    ("alertmanager", alertmanager::read),
    ("icinga2", icinga2::read),
    ("nagios", nagios::read),
    ("smtp", smtp::read),
    ("graphite-events", graphite_events::read),
];

/// What no two channels can have.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Files that are written, or "stdout".
    paths: Vec<At<String>>,
}

/// Reads `[notify]` and each `[notify.NAME]`, as the settings of which alerts and links are missing; when there is no
/// channel, it is the one there is by default.
pub(super) fn read(section: &mut Section<'_>) -> Settings {
    let default = Settings::default();
    let bytes_max = usize::try_from(default.bytes_max).unwrap_or(usize::MAX);
    Settings {
        directory: section.path_of_file("directory"),
        bytes_max: section.size("max_bytes", bytes_max, 64 << 10..=1 << 40) as u64,
        keep_s: seconds(section, "keep", default.keep_s, MINUTE),
        channels: channels(section).unwrap_or(default.channels),
        ..Settings::default()
    }
}

fn channels(section: &mut Section<'_>) -> Option<Vec<ChannelSettings>> {
    let mut claims = Claims::default();
    let there_are = KINDS.map(|(name, _)| name);
    let channels = section.others(|name, section| {
        let read = kind(section, &there_are, &[])
            .and_then(|kind| KINDS.iter().find(|(name, _)| *name == kind))
            .map(|(_, read)| read(section, &mut claims));
        ChannelSettings {
            name: name.value.to_owned(),
            // One that cannot be read is there under its name, so that an alert may name it.
            kind: read.unwrap_or(ChannelKind::JsonLines(crate::notify::json_lines::Settings::Stdout)),
            rate_limit: rate_limit(section),
        }
    });
    section.check_distinct_in("notify", &claims.paths, |path| format!("path = {path:?}"));
    (!channels.is_empty()).then_some(channels)
}

fn rate_limit(section: &mut Section<'_>) -> Option<RateLimit> {
    const EXPECTED: &str = "expected messages and a time, such as \"30/5m\", or \"off\"";
    section.parsed("rate_limit", None, EXPECTED, |text| {
        if text == "off" {
            return Ok(None);
        }
        let (messages, per) = text.split_once('/').ok_or(EXPECTED)?;
        let messages = messages
            .trim()
            .parse()
            .ok()
            .filter(|messages| (1..=1_000_000).contains(messages));
        let per = units::duration(per)
            .ok()
            .filter(|per| (SECOND..=DAY).contains(per) && per.subsec_nanos() == 0);
        let limit = messages.zip(per).map(|(messages, per)| RateLimit {
            messages,
            per_s: to_seconds(per),
        });
        limit
            .map(Some)
            .ok_or_else(|| format!("{EXPECTED}, with 1 to 1000000 messages and whole seconds from 1s to 24h"))
    })
}
