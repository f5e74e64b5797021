//! `kind = "icinga2"`.

use std::time::Duration;

use super::{
    Claims, http,
    templates::{self, Trial},
};
use crate::{
    config::{check::SECOND, names, section::Section},
    notify::{
        ChannelKind,
        icinga2::{OUTPUT, Settings, Target},
        peer::Login,
        states::States,
        template::{Format, Template},
    },
    secret::Secret,
};

const REFRESH: Duration = Duration::from_secs(300);
const LONGEST_REFRESH: Duration = Duration::from_secs(24 * 3600);

pub(super) fn read(section: &mut Section<'_>, _: &mut Claims) -> ChannelKind {
    let login = http::login(section);
    if login.is_none() && !section.has("user") {
        let message = format!("{} has no user, which Icinga asks for", section.name());
        section.report().say(section.start(), message);
    }
    ChannelKind::Icinga2(Settings {
        url: http::server(section),
        // Where there is none, that has been noted.
        login: login.unwrap_or_else(|| Login {
            user: String::new(),
            password: Secret::Text(String::new()),
        }),
        target: target(section),
        output: templates::read(section, "output", OUTPUT, &Trial::default()),
        states: section.section("states", states),
        refresh: section.optional_duration("refresh", Some(REFRESH), SECOND..=LONGEST_REFRESH),
        http: http::read(section),
    })
}

/// Reads `host` and `service`, or `filter`, `filter_vars` and `type`.
fn target(section: &mut Section<'_>) -> Target {
    let trial = Trial::default();
    let host = templates::optional(section, "host", &trial);
    let service = templates::optional(section, "service", &trial);
    let filter = section.text("filter", "expected an expression of Icinga's");
    let kind = section.choice("type", "Service", &[("Service", "Service"), ("Host", "Host")]);
    let variables = templates::table(section, "filter_vars", &[], &trial, templates::check_identifier);
    let report = section.report();
    match (host, service, filter) {
        (None, None, Some(filter)) => {
            if filter.value.contains("{{") || filter.value.contains("{%") {
                let message = format!(
                    "{} is no template, as a name in it could be any expression, expected variables, from filter_vars",
                    section.path("filter")
                );
                report.say(filter.place, message);
            }
            Target::Filter {
                kind,
                filter: filter.value.to_owned(),
                variables,
            }
        }
        (Some(host), service, None) => {
            for key in ["filter_vars", "type"].into_iter().filter(|key| section.has(key)) {
                let message = format!("{} is for a filter, and there is none", section.path(key));
                report.say(section.place(key), message);
            }
            match service {
                Some(service) => Target::Service { host, service },
                None => Target::Host(host),
            }
        }
        (host, service, filter) => {
            let (message, place) = match (filter.is_some(), host.is_some(), service.is_some()) {
                (true, true, _) => ("a filter beside host, expected one of the two", "filter"),
                (true, _, true) => ("a filter beside service, expected one of the two", "filter"),
                _ => ("no host, expected `host` and `service`, or a `filter`", "host"),
            };
            report.say(section.place(place), format!("{} has {message}", section.name()));
            Target::Host(Template::new("", Format::Text).expect("nothing is a template"))
        }
    }
}

pub(super) fn states(section: &mut Section<'_>) -> States {
    let default = States::default();
    States {
        info: section.choice("info", default.info, &names::STATE),
        warning: section.choice("warning", default.warning, &names::STATE),
        critical: section.choice("critical", default.critical, &names::STATE),
    }
}
