//! `kind = "alertmanager"`.

use std::time::Duration;

use super::{
    Claims, http,
    templates::{self, Trial},
};
use crate::{
    config::{check::SECOND, section::Section},
    notify::{
        ChannelKind,
        alertmanager::{ANNOTATIONS, LABELS, Settings},
    },
};

const RESEND: Duration = Duration::from_secs(60);
const LONGEST_RESEND: Duration = Duration::from_secs(3600);

pub(super) fn read(section: &mut Section<'_>, _: &mut Claims) -> ChannelKind {
    let trial = Trial::default();
    ChannelKind::Alertmanager(Settings {
        urls: http::servers(section),
        resend: section.duration("resend", RESEND, SECOND..=LONGEST_RESEND),
        labels: templates::table(section, "labels", &LABELS, &trial, templates::check_identifier),
        annotations: templates::table(
            section,
            "annotations",
            &ANNOTATIONS,
            &trial,
            templates::check_identifier,
        ),
        login: http::login(section),
        http: http::read(section),
    })
}
