//! Channels as TOML; what is secret is masked.

use std::fmt;

use super::{header, key, key_part, quote};
use crate::notify::{ChannelKind, ChannelSettings, json_lines};

pub(super) fn write(out: &mut String, channel: &ChannelSettings) -> fmt::Result {
    header(out, &format!("[notify.{}]", key_part(&channel.name)))?;
    match &channel.kind {
        ChannelKind::JsonLines(settings) => {
            key(out, "kind", quote("json-lines"))?;
            write_json_lines(out, settings)
        }
    }
}

fn write_json_lines(out: &mut String, settings: &json_lines::Settings) -> fmt::Result {
    match settings {
        json_lines::Settings::Stdout => key(out, "path", quote("stdout")),
        json_lines::Settings::File(path) => key(out, "path", quote(path.display())),
    }
}
