//! Channels as TOML; what is secret is masked.

use std::fmt;

use super::{array, duration, header, key, key_part, quote};
use crate::notify::{ChannelKind, ChannelSettings, exec, json_lines};

pub(super) fn write(out: &mut String, channel: &ChannelSettings) -> fmt::Result {
    header(out, &format!("[notify.{}]", key_part(&channel.name)))?;
    match &channel.kind {
        ChannelKind::Exec(settings) => {
            key(out, "kind", quote("exec"))?;
            write_exec(out, settings)
        }
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
        json_lines::Settings::Tcp(tcp) => {
            key(out, "tcp", quote(&tcp.address))?;
            key(out, "timeout", duration(tcp.timeout))
        }
    }
}

fn write_exec(out: &mut String, settings: &exec::Settings) -> fmt::Result {
    key(out, "command", array(&settings.command))?;
    key(out, "timeout", duration(settings.timeout))?;
    key(out, "at_once", settings.at_once)
}
