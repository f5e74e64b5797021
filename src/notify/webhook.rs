//! Channel `webhook`: messages as HTTP requests, in whatever form the receiver wants.
//!
//! The body is the messages as JSON, or what a template makes of them. What a template makes for JSON is JSON, whatever the
//! names of series are; what it does not make is refused here, counted, and not sent.

mod preset;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use preset::{Preset, find as preset, names as presets};
use serde::Serialize;
use ureq::http::Method;

use super::{
    Cause, Channel, Failure, Message,
    http_client::HttpSettings,
    json_lines::Line,
    peer::{self, Login, Peer, Request},
    template::{Format, Mistake, Template, Values},
};
use crate::{
    report::{self, plain},
    secret::Secret,
};

/// Most messages in a request.
pub const BATCH_MAX: usize = 256;

/// Where a webhook is, and what it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name of the preset that the rest began as.
    pub preset: Option<&'static str>,
    /// Where to: `http` or `https`. All of it but the host may be secret.
    pub url: Secret,
    /// As in "POST".
    pub method: Method,
    /// Type of the body. Where it is JSON, so has to be the body.
    pub content_type: String,
    /// Headers besides: names, and templates of their values.
    pub headers: Vec<(String, Template)>,
    /// The body; `None`: the messages as JSON.
    pub body: Option<Template>,
    /// What templates can use.
    pub values: Values,
    /// Messages in a request (1 to 256).
    pub batch: usize,
    /// Who the relay says that it is, if the receiver asks.
    pub login: Option<Login>,
    /// How the receiver is spoken to.
    pub http: HttpSettings,
}

/// A webhook.
#[derive(Debug)]
pub(super) struct Webhook {
    settings: Settings,
    peer: Peer,
}

/// The body that needs no template.
#[derive(Serialize)]
struct Body<'a> {
    messages: Vec<Line<'a>>,
}

impl Webhook {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            peer: Peer::new(&settings.http, settings.login.as_ref()),
            settings,
        }
    }

    fn send(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        let settings = &self.settings;
        let given = settings.values.reveal()?;
        let url = settings.url.reveal()?;
        peer::check_url(&url).map_err(|wrong| Failure::passing(Cause::Local, format!("the url {wrong}")))?;
        let mut headers = vec![("content-type".to_owned(), settings.content_type.clone())];
        for (name, template) in &settings.headers {
            let value = template
                .render(messages, &given)
                .map_err(|mistake| unsaid(name, &mistake))?;
            // No header can carry a control, and a name may hold any.
            headers.push((name.clone(), plain(&value)));
        }
        let body = match &settings.body {
            Some(template) => template
                .render(messages, &given)
                .map_err(|mistake| unsaid("body", &mistake))?
                .into_bytes(),
            None => whole(messages),
        };
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut secrets = peer::secrets_of(&url);
        let of_templates = given.secrets();
        secrets.extend(of_templates.iter().map(String::as_str));
        let request = Request {
            method: &settings.method,
            url: &url,
            headers: &headers,
            body: &body,
            secrets: &secrets,
        };
        self.peer.send(request)?.check()
    }
}

/// The messages as JSON.
fn whole(messages: &[Arc<Message>]) -> Vec<u8> {
    let mut body = Vec::new();
    let messages = messages.iter().map(|message| Line::new(message)).collect();
    report::write_json(&mut body, &Body { messages }).expect("messages are JSON, and a Vec takes it");
    body
}

/// What a template cannot say of these messages it will never say of them.
fn unsaid(what: &str, mistake: &Mistake) -> Failure {
    Failure::lasting(Cause::Refused, format!("the template of {what}: {mistake}"))
}

impl Channel for Webhook {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        peer::one_by_one(messages, |messages| self.send(messages))
    }

    fn batch_max(&self) -> usize {
        self.settings.batch
    }
}

/// Is the value of this header secret as it stands in the configuration? One that names a secret is none itself.
pub fn is_secret(header: &str, value: &Template) -> bool {
    let header = header.to_ascii_lowercase();
    let sounds_so = ["auth", "token", "key", "secret", "cookie", "password", "signature"];
    sounds_so.into_iter().any(|part| header.contains(part)) && !value.source().contains("{{ secrets.")
}

/// What a body of this type has to be.
pub fn format_of(content_type: &str) -> Format {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        Format::Json
    } else {
        Format::Text
    }
}
