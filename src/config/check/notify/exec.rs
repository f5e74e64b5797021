//! `kind = "exec"`.

use super::Claims;
use crate::{
    config::{check::WAIT, report::At, section::Section},
    notify::{ChannelKind, exec::Settings},
};

pub(super) fn read(section: &mut Section<'_>, _: &mut Claims) -> ChannelKind {
    let array = "expected the program and its arguments, such as [\"/usr/local/bin/tell\", \"--urgent\"]";
    let words = section.list("command", array, "expected a text", |word| {
        if word.contains('\0') {
            Err("which no program can be given".to_owned())
        } else {
            Ok(word.to_owned())
        }
    });
    let names_nobody = section.elements("command").is_some()
        && words
            .as_ref()
            .is_some_and(|words| words.first().is_none_or(|word| word.value.is_empty()));
    if !section.has("command") {
        let message = format!("{} has no command, {array}", section.name());
        section.report().say(section.start(), message);
    } else if names_nobody {
        let message = format!("{} names no program, {array}", section.path("command"));
        section.report().say(section.place("command"), message);
    }
    let words = words.unwrap_or_default().into_iter().map(|At { value, .. }| value);
    let default = Settings::new(words.collect());
    ChannelKind::Exec(Settings {
        timeout: section.duration("timeout", default.timeout, WAIT),
        at_once: section.count("at_once", default.at_once, 1..=64),
        command: default.command,
    })
}
