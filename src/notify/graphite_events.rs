//! Channel `graphite-events`: anomalies as events at graphite-web, to be drawn across graphs.
//!
//! Events cannot be changed, so there is one for each message. graphite-web takes one a request, keeps texts in columns of
//! its database, and parts tags by spaces.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Cause, Channel, Failure, Message,
    http_client::HttpSettings,
    peer::{Login, Peer},
    template::{Mistake, Revealed, Template},
};
use crate::line::Timestamp;

/// What an event is called, unless set.
pub const WHAT: &str = "{{ headline }}";

/// Its tags, unless set.
pub const TAGS: [&str; 4] = ["skyrelay", "{{ status }}", "{{ severity }}", "{{ detector }}"];

/// Its text, unless set.
pub const DATA: &str = "{{ reason }}{% if links.page %}\n{{ links.page }}{% endif %}";

/// What the columns of the database hold (characters).
const WHAT_CHARS: usize = 255;
const TAG_CHARS: usize = 50;
const TAGS_CHARS: usize = 255;

/// Most characters of a text that has no bound there.
const DATA_CHARS: usize = 10_000;

/// Where graphite-web is, and what it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// graphite-web, without /events/.
    pub url: String,
    /// What an event is called.
    pub what: Template,
    /// Its tags; one that is empty is none, and spaces become underscores.
    pub tags: Vec<Template>,
    /// Its text.
    pub data: Template,
    /// Who the relay says that it is, if graphite-web asks.
    pub login: Option<Login>,
    /// How graphite-web is spoken to.
    pub http: HttpSettings,
}

/// graphite-web.
#[derive(Debug)]
pub(super) struct GraphiteEvents {
    url: String,
    settings: Settings,
    peer: Peer,
}

#[derive(Debug, PartialEq, Serialize)]
struct Event {
    what: String,
    tags: Vec<String>,
    when: Timestamp,
    data: String,
}

impl GraphiteEvents {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            url: format!("{}/events/", settings.url.trim_end_matches('/')),
            peer: Peer::new(&settings.http, settings.login.as_ref()),
            settings,
        }
    }

    fn event(&self, message: &Arc<Message>) -> Result<Event, Mistake> {
        let said = |template: &Template| template.render(std::slice::from_ref(message), &Revealed::default());
        let cut = |text: String, chars: usize| text.chars().take(chars).collect::<String>();
        let mut tags: Vec<String> = Vec::new();
        let mut room = TAGS_CHARS;
        for template in &self.settings.tags {
            let tag = said(template)?.split_whitespace().collect::<Vec<_>>().join("_");
            let tag = cut(tag, TAG_CHARS);
            let takes = tag.chars().count() + 1;
            if !tag.is_empty() && takes <= room && !tags.contains(&tag) {
                room -= takes;
                tags.push(tag);
            }
        }
        Ok(Event {
            what: cut(said(&self.settings.what)?, WHAT_CHARS),
            tags,
            when: message.timestamp.max(0),
            data: cut(said(&self.settings.data)?, DATA_CHARS),
        })
    }
}

impl Channel for GraphiteEvents {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        for (count, message) in messages.iter().enumerate() {
            let event = self
                .event(message)
                .map_err(|mistake| Failure::lasting(Cause::Refused, format!("a template: {mistake}")))?;
            let body = serde_json::to_vec(&event).expect("texts are JSON");
            let answer = self.peer.post_json(&self.url, &body);
            answer
                .and_then(|answer| answer.check())
                .map_err(|failure| failure.delivered(count))?;
        }
        Ok(())
    }

    fn batch_max(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{
        Status,
        message::tests::message,
        template::{Format, Values},
    };

    #[test]
    fn an_event_fits_the_columns_of_the_database() {
        let template = |source: &str| Template::checked(source, Format::Text, &Values::default(), 1).unwrap();
        let channel = GraphiteEvents::new(Settings {
            url: "http://127.0.0.1/graphite/".to_owned(),
            what: template(WHAT),
            tags: [
                &TAGS[..],
                &[
                    "a b\t{{ series }}",
                    "{{ status }}",
                    "{{ series }}1",
                    "{{ series }}2",
                    "x",
                ],
            ]
            .concat()
            .into_iter()
            .map(template)
            .collect(),
            data: template(DATA),
            login: None,
            http: HttpSettings::default(),
        });
        assert_eq!(channel.url, "http://127.0.0.1/graphite/events/");
        let event = channel
            .event(&Arc::new(message(Status::Resolved, &"ü".repeat(1000))))
            .unwrap();
        assert_eq!(event.what.chars().count(), WHAT_CHARS);
        assert_eq!(event.when, 1_700_000_600);
        assert_eq!(event.tags[..4], ["skyrelay", "resolved", "warning", "default"]);
        assert!(event.tags[4].starts_with("a_b_ü"), "{:?}", event.tags);
        assert_eq!(event.tags.last().unwrap(), "x");
        assert!(event.tags.iter().all(|tag| tag.chars().count() <= TAG_CHARS));
        assert!(event.tags.join(" ").chars().count() <= TAGS_CHARS);
        assert!(event.data.contains("level is 93.5") && event.data.ends_with("https://relay.example.com/#/series/a"));
    }
}
