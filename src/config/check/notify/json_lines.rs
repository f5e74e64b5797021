//! `kind = "json-lines"`.

use super::Claims;
use crate::{
    config::{report::At, section::Section},
    notify::{ChannelKind, json_lines::Settings},
};

pub(super) fn read(section: &mut Section<'_>, claims: &mut Claims) -> ChannelKind {
    let expected = "expected path = \"stdout\" or that of a file";
    if !section.has("path") {
        let message = format!("{} has no path, {expected}", section.name());
        section.report().say(section.start(), message);
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
    ChannelKind::JsonLines(settings)
}
