//! `kind = "smtp"`.

use std::{net::IpAddr, time::Duration};

use jiff::tz::TimeZone;
use lettre::message::Mailbox;

use super::{
    Claims, http,
    templates::{self, Trial},
};
use crate::{
    config::{
        check::{LONGEST, MINUTE, detector::adaptive::timezone},
        names,
        section::Section,
    },
    notify::{
        ChannelKind,
        smtp::{SUBJECT, Security, Settings},
    },
};

const PLOT: Duration = Duration::from_secs(6 * 3600);
const MAILBOX: &str = "expected an address, such as \"ops@example.com\" or \"Ops <ops@example.com>\"";

pub(super) fn read(section: &mut Section<'_>, _: &mut Claims) -> ChannelKind {
    for (key, expected) in [
        (
            "host",
            "expected the name of a mail server, such as \"mail.example.com\"",
        ),
        ("from", MAILBOX),
        (
            "to",
            "expected the addresses that mail goes to, such as [\"ops@example.com\"]",
        ),
    ] {
        if !section.has(key) {
            let message = format!("{} has no {key}, {expected}", section.name());
            section.report().say(section.start(), message);
        }
    }
    let host = section.parsed("host", String::new(), "expected the name of a mail server", |text| {
        let is_name = |char: char| char.is_ascii_alphanumeric() || "-._:".contains(char);
        if !text.is_empty() && text.len() <= 253 && text.chars().all(is_name) {
            Ok(text.to_owned())
        } else {
            Err("expected the name of a mail server".to_owned())
        }
    });
    let default = if is_this_machine(&host) {
        Security::None
    } else {
        Security::Starttls
    };
    let security = section.choice("tls", default, &names::SMTP_SECURITY);
    let login = http::login(section);
    let speaks = http::read(section);
    if security == Security::None {
        for key in ["ca_file", "tls_verify"].into_iter().filter(|key| section.has(key)) {
            let message = format!("{} is of TLS, and tls is \"none\"", section.path(key));
            section.report().say(section.place(key), message);
        }
        if login.is_some() && !is_this_machine(&host) {
            let message = format!(
                "{} would send a password that others can read, expected tls = \"starttls\" or \"implicit\"",
                section.name()
            );
            section.report().say(section.place("tls"), message);
        }
    }
    let from = section.parsed("from", None, MAILBOX, |text| mailbox(text).map(Some));
    let to = section.list("to", "expected an array of addresses", MAILBOX, mailbox);
    if section.is_empty("to") {
        let message = format!("{} is empty, so nobody gets mail", section.path("to"));
        section.report().say(section.place("to"), message);
    }
    let trial = Trial {
        batch_max: 8,
        ..Trial::default()
    };
    let plot = section.optional_duration("plot", Some(PLOT), MINUTE..=LONGEST);
    ChannelKind::Smtp(Box::new(Settings {
        port: section.count("port", security.port(), 1..=u16::MAX),
        host,
        security,
        ca_file: speaks.ca_file,
        tls_verify: speaks.tls_verify,
        login,
        // Where there is none, that has been noted.
        from: from.unwrap_or_else(|| mailbox("nobody@example.com").expect("it is an address")),
        to: to.unwrap_or_default().into_iter().map(|to| to.value).collect(),
        subject: templates::read(section, "subject", SUBJECT, &trial),
        plot_s: plot.map(|plot| plot.as_secs().try_into().unwrap_or(i64::MAX)),
        timezone: timezone(section, TimeZone::UTC),
        timeout: speaks.timeout,
    }))
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    let plain = !text.chars().any(char::is_control);
    let mailbox = Some(text).filter(|_| plain).and_then(|text| text.parse().ok());
    mailbox.ok_or_else(|| MAILBOX.to_owned())
}

/// Is it plain to see that `host` is this machine? Names are not looked up.
fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
