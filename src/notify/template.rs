//! Templates: what a channel says, in the words of whoever runs the relay.
//!
//! The language is that of Jinja: `{{ value }}`, `{% for %}`, `{% if %}`, filters. A template is tried out where the
//! configuration is read, on made-up messages of every sort and with hostile names, so that a mistake has a place in a
//! file and is not found at night. It can read nothing but the messages it is given, and what it may spend is bounded.
//!
//! In a template for JSON a value cannot break out of the place it was put in: a module below sees to it.

mod json;
mod probe;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc};

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter,
    value::{Enumerator, Object, ObjectRepr, Serde, ValueKind},
};
use serde_json::{Value as Json, json};

use super::{Message, words};
use crate::secret::Secret;

/// What a template may spend on one rendering: some 30 MB, or a few milliseconds.
const FUEL: u64 = 500_000;

/// Nodes and tags of a name that templates are given.
const PARTS_MAX: usize = 256;

/// Macros within macros.
const DEPTH_MAX: usize = 50;

/// The one template of an environment.
const NAME: &str = "template";

/// What a template makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A text, values as they are.
    Text,
    /// A document of JSON.
    Json,
}

/// A template that can be rendered.
#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    format: Format,
    environment: Arc<Environment<'static>>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which bytes of it are meant.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub message: String,
}

/// What a template is given beside messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// `values.NAME`: texts from the configuration.
    pub values: BTreeMap<String, String>,
    /// `secrets.NAME`.
    pub secrets: BTreeMap<String, Secret>,
}

/// The same at one moment, with secrets revealed.
#[derive(Clone, Default)]
pub struct Revealed(Seen);

/// What templates see, by name.
type Seen = BTreeMap<String, Value>;

/// Nodes of a name. One that it does not have is empty: names are not of one length.
#[derive(Debug)]
struct Nodes(Vec<String>);

/// Tags of a name, likewise.
#[derive(Debug)]
struct Tags(BTreeMap<String, String>);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What does not read.
    pub fn new(source: &str, format: Format) -> Result<Self, Mistake> {
        let source: Arc<str> = source.into();
        let mut environment = environment(format);
        environment
            .add_template_owned(NAME, source.to_string())
            .map_err(|error| Mistake::of(&error, &source))?;
        Ok(Self {
            source,
            format,
            environment: Arc::new(environment),
        })
    }

    /// Reads a template, and tries it out on up to `batch_max` messages at a time.
    ///
    /// # Errors
    /// The first thing that does not work.
    pub fn checked(source: &str, format: Format, values: &Values, batch_max: usize) -> Result<Self, Mistake> {
        let template = Self::new(source, format)?;
        let given = values.made_up();
        for messages in probe::messages(batch_max) {
            template.render(&messages, &given)?;
        }
        Ok(template)
    }

    /// What it says of `messages`, of which there is one at least.
    ///
    /// # Errors
    /// When it asks for what is not there, spends too much, or makes no JSON where it should.
    pub fn render(&self, messages: &[Arc<Message>], given: &Revealed) -> Result<String, Mistake> {
        let messages: Vec<Seen> = messages.iter().map(|message| seen(message)).collect();
        let mut context: Seen = messages.first().cloned().unwrap_or_default();
        context.extend(given.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        context.insert(
            "messages".to_owned(),
            messages.into_iter().map(Value::from_pairs).collect(),
        );
        let wrong = |error: &Error| Mistake::of(error, &self.source);
        let template = self.environment.get_template(NAME).map_err(|error| wrong(&error))?;
        let (rendered, spans) = template
            .render_with_spans(Value::from_pairs(context))
            .map_err(|error| wrong(&error))?;
        match self.format {
            Format::Text => Ok(rendered),
            Format::Json => json::document(&rendered, &spans),
        }
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Jinja with what is of use here, and nothing else: no template reads another one, or learns what time it is.
fn environment(format: Format) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_recursion_limit(DEPTH_MAX);
    environment.set_fuel(Some(FUEL));
    // Places of mistakes come with it.
    environment.set_debug(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(move |out, state, value| match (value.kind(), format) {
        (ValueKind::None, Format::Text) => Ok(()),
        (ValueKind::None, Format::Json) => Ok(write!(out, "{}", json::NOTHING)?),
        (ValueKind::Bool, _) => Ok(write!(out, "{}", value.is_true())?),
        _ => escape_formatter(out, state, value),
    });
    environment.add_filter("cut", |text: String, chars: usize| cut(&text, chars));
    environment.add_filter("duration", |seconds: f64| words::lasted(whole_seconds(seconds)));
    environment.add_filter("number", words::number);
    environment.add_filter("time", |timestamp: i64| words::rfc3339(timestamp));
    match format {
        Format::Json => environment.add_filter("tojson", |value: Value| json::whole(&value)),
        Format::Text => environment.add_filter("tojson", |value: Value| {
            json::whole(&value).map(|json| json.replace(json::WHOLE, ""))
        }),
    }
    environment
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what is beyond any time is the end of it"
)]
fn whole_seconds(seconds: f64) -> i64 {
    seconds as i64
}

/// The first `chars` characters of `text`, the last of them dots if there are more.
fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => text
            .chars()
            .take(chars.saturating_sub(1))
            .chain("…".chars().take(chars))
            .collect(),
    }
}

/// A message as templates see it: as in JSON, where what it does not have is there and says nothing; and what would be
/// work to get at.
fn seen(message: &Message) -> Seen {
    let fields = match serde_json::to_value(message) {
        Ok(Json::Object(fields)) => fields,
        other => unreachable!("a message is an object of JSON: {other:?}"),
    };
    let mut seen: Seen = fields
        .into_iter()
        .map(|(name, value)| (name, Value::from(Serde(value))))
        .collect();
    for absent in [
        "closed_at",
        "group",
        "acknowledged",
        "severity",
        "expected",
        "lower",
        "upper",
        "summary",
    ] {
        seen.entry(absent.to_owned()).or_insert(Value::from(()));
    }
    seen.entry("test".to_owned()).or_insert(Value::from(false));
    seen.entry("silenced".to_owned())
        .or_insert_with(|| Value::from(Serde(json!([]))));
    seen.entry("votes".to_owned())
        .or_insert_with(|| Value::from(Serde(json!({}))));
    let links = &message.links;
    let (name, tags) = message.series.split_once(';').unwrap_or((&message.series, ""));
    let tags = tags.split(';').take(PARTS_MAX).filter_map(|tag| tag.split_once('='));
    for (name, value) in [
        (
            "links",
            Value::from(Serde(json!({"page": links.page, "graph": links.graph}))),
        ),
        ("status", message.status.name().into()),
        ("headline", message.headline().into()),
        ("lasted", message.lasted_s().into()),
        (
            "nodes",
            Value::from_object(Nodes(name.split('.').take(PARTS_MAX).map(ToOwned::to_owned).collect())),
        ),
        (
            "tags",
            Value::from_object(Tags(
                tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            )),
        ),
    ] {
        seen.insert(name.to_owned(), value);
    }
    seen
}

impl Object for Nodes {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let node = key.as_i64().and_then(|place| self.0.get(usize::try_from(place).ok()?));
        Some(node.map_or("", String::as_str).into())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

impl Object for Tags {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let tag = key.as_str().and_then(|key| self.0.get(key));
        Some(tag.map_or("", String::as_str).into())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| key.as_str().into()).collect())
    }
}

impl Values {
    /// Nothing but the messages.
    pub const fn none() -> Self {
        Self {
            values: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }

    /// With the secrets as they are now.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn reveal(&self) -> std::io::Result<Revealed> {
        let secrets = self
            .secrets
            .iter()
            .map(|(name, secret)| Ok((name.clone(), secret.reveal()?)));
        Ok(self.given(secrets.collect::<std::io::Result<_>>()?))
    }

    /// With something in place of the secrets.
    fn made_up(&self) -> Revealed {
        self.given(
            self.secrets
                .keys()
                .map(|name| (name.clone(), "secret".to_owned()))
                .collect(),
        )
    }

    fn given(&self, secrets: BTreeMap<String, String>) -> Revealed {
        let given = [("values", self.values.clone()), ("secrets", secrets)];
        Revealed(
            given
                .map(|(name, texts)| (name.to_owned(), Value::from_pairs(texts)))
                .into(),
        )
    }
}

impl Revealed {
    /// The secrets that are in it.
    pub fn secrets(&self) -> Vec<String> {
        let secrets = self.0.get("secrets");
        let names = secrets
            .and_then(|secrets| secrets.try_iter().ok())
            .into_iter()
            .flatten();
        names
            .filter_map(|name| secrets?.get_item(&name).ok()?.as_str().map(ToOwned::to_owned))
            .collect()
    }
}

impl Mistake {
    fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }

    fn of(error: &Error, source: &str) -> Self {
        let at = error.range().unwrap_or_else(|| {
            let lines = source.split_inclusive('\n');
            let before = lines.clone().take(error.line().unwrap_or(1) - 1).map(str::len).sum();
            let line = source[before..].lines().next().unwrap_or_default();
            before..before + line.len()
        });
        // The end of what is unfinished lies behind it all.
        let at = at.start.min(source.len())..at.end.min(source.len());
        let meant = source.get(at.clone()).unwrap_or_default();
        let message = match (error.kind(), error.detail()) {
            // It may be written over several lines, and a mistake is told in one.
            (ErrorKind::UndefinedError, _) => {
                let words: Vec<&str> = meant.split_whitespace().collect();
                format!("there is no `{}`", words.join(" "))
            }
            (ErrorKind::OutOfFuel, _) => "this goes on for too long".to_owned(),
            (ErrorKind::SyntaxError, Some(detail)) => detail.to_owned(),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
            (kind, None) => kind.to_string(),
        };
        Self { at, message }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.format == other.format
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.source).finish()
    }
}

/// What stands in errors for what is secret in them.
impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revealed").finish_non_exhaustive()
    }
}
