//! `kind = "graphite-events"`.

use super::{
    Claims, http,
    templates::{self, Trial},
};
use crate::{
    config::section::Section,
    notify::{
        ChannelKind,
        graphite_events::{DATA, Settings, TAGS, WHAT},
    },
};

pub(super) fn read(section: &mut Section<'_>, _: &mut Claims) -> ChannelKind {
    let trial = Trial::default();
    ChannelKind::GraphiteEvents(Settings {
        url: http::server(section),
        what: templates::read(section, "what", WHAT, &trial),
        tags: templates::list(section, "tags", &TAGS, &trial),
        data: templates::read(section, "data", DATA, &trial),
        login: http::login(section),
        http: http::read(section),
    })
}
