//! `kind = "json-lines"`.

use std::time::Duration;

use super::Claims;
use crate::{
    config::{
        check::{WAIT, addresses::split},
        report::At,
        section::Section,
    },
    notify::{
        ChannelKind,
        json_lines::{Settings, Tcp},
    },
};

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn read(section: &mut Section<'_>, claims: &mut Claims) -> ChannelKind {
    let expected = "expected path = \"stdout\" or that of a file";
    match (section.has("path"), section.has("tcp")) {
        (true, false) | (false, true) => {}
        (false, false) => {
            let message = format!("{} has no path, {expected}, or tcp = \"HOST:PORT\"", section.name());
            section.report().say(section.start(), message);
        }
        (true, true) => {
            let message = format!("{} has a path as well, expected one of the two", section.path("tcp"));
            section.report().say(section.place("tcp"), message);
        }
    }
    let mut settings = Settings::Stdout;
    if let Some(path) = section.text("path", expected) {
        section.check_name(path.value, path.place, "a file");
        claims.paths.push(At {
            value: path.value.to_owned(),
            place: path.place,
        });
        if path.value != "stdout" {
            settings = Settings::File(path.value.into());
        }
    }
    let listener = "expected a host and port, such as \"logs.example.com:5000\"";
    let address = section.parsed("tcp", None, listener, |text| match split(text) {
        Some(_) => Ok(Some(text.to_owned())),
        None => Err(listener.to_owned()),
    });
    let timeout = section.duration("timeout", TIMEOUT, WAIT);
    if section.has("timeout") && !section.has("tcp") {
        let message = format!("{} is of tcp, which is not given", section.path("timeout"));
        section.report().say(section.place("timeout"), message);
    }
    if let Some(address) = address {
        settings = Settings::Tcp(Tcp { address, timeout });
    }
    ChannelKind::JsonLines(settings)
}
