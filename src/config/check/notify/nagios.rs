//! `kind = "nagios"`.

use std::time::Duration;

use super::{
    Claims, icinga2,
    templates::{self, Trial},
};
use crate::{
    config::{check::SECOND, section::Section},
    notify::{
        ChannelKind,
        icinga2::OUTPUT,
        nagios::Settings,
        template::{Format, Template},
    },
};

const REFRESH: Duration = Duration::from_secs(300);
const LONGEST_REFRESH: Duration = Duration::from_secs(24 * 3600);

pub(super) fn read(section: &mut Section<'_>, _: &mut Claims) -> ChannelKind {
    let trial = Trial::default();
    for (key, expected) in [
        (
            "command_file",
            "expected the pipe that Nagios reads, such as \"/var/lib/nagios4/rw/nagios.cmd\"",
        ),
        ("host", "expected the name of a host, such as \"{{ nodes[1] }}\""),
    ] {
        if !section.has(key) {
            let message = format!("{} has no {key}, {expected}", section.name());
            section.report().say(section.start(), message);
        }
    }
    let host = templates::optional(section, "host", &trial);
    ChannelKind::Nagios(Settings {
        command_file: section.path_of_file("command_file").unwrap_or_default(),
        host: host.unwrap_or_else(|| Template::new("", Format::Text).expect("nothing is a template")),
        service: templates::optional(section, "service", &trial),
        output: templates::read(section, "output", OUTPUT, &trial),
        states: section.section("states", icinga2::states),
        refresh: section.optional_duration("refresh", Some(REFRESH), SECOND..=LONGEST_REFRESH),
    })
}
