//! Settings of what people are told, and where.

use std::{path::PathBuf, sync::Arc};

use super::{
    Channel, Links, Message, Quiet, Surroundings, alertmanager, exec, graphite_events, icinga2, json_lines, nagios,
    smtp, webhook,
};
use crate::{detect::Severity, glob::Glob};

/// Time that a graph shows before an anomaly has opened (seconds).
const GRAPH_BEFORE_S: i64 = 3 * 3600;
/// Time that it shows after the sample that is told of (seconds).
const GRAPH_AFTER_S: i64 = 600;

/// Channels, and which anomaly goes to which.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where to tell; names are unique.
    pub channels: Vec<ChannelSettings>,
    /// What to tell, in the order in which they are looked at; names are unique.
    pub alerts: Vec<Alert>,
    /// Where what waits for a channel, and what it was told, survives a restart; `None`: nowhere.
    pub directory: Option<PathBuf>,
    /// What may wait for one channel (64 KiB or more, bytes of JSON).
    pub bytes_max: u64,
    /// Time after which what waits is given up (seconds, 60 or more).
    pub keep_s: i64,
    /// Where messages lead.
    pub links: LinkSettings,
}

/// Where messages lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkSettings {
    /// Where people reach the relay's page, without a slash at the end.
    pub page: Option<String>,
    /// An address with `{series}`, `{from}` and `{until}` in it.
    pub graph: Option<String>,
}

/// Somewhere to tell people.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelSettings {
    /// Name that alerts refer to.
    pub name: String,
    /// How it is reached.
    pub kind: ChannelKind,
    /// How much it is told one by one; `None`: everything.
    pub rate_limit: Option<RateLimit>,
}

/// So many messages in so much time, of those that do not tell that something is over; the others are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// 1 to 1,000,000.
    pub messages: usize,
    /// Seconds (1 to 86,400).
    pub per_s: i64,
}

/// How a channel is reached: every kind there is, with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum ChannelKind {
    /// A program for each message.
    Exec(exec::Settings),
    /// A JSON object a line.
    JsonLines(json_lines::Settings),
    /// An HTTP request, its body made by a template.
    Webhook(webhook::Settings),
    /// Alerts at Alertmanager.
    Alertmanager(alertmanager::Settings),
    /// Passive check results at Icinga.
    Icinga2(icinga2::Settings),
    /// Passive check results at Nagios.
    Nagios(nagios::Settings),
    /// Mail.
    Smtp(Box<smtp::Settings>),
    /// Events at graphite-web.
    GraphiteEvents(graphite_events::Settings),
}

impl ChannelKind {
    /// The channel itself, which has not told anything yet.
    pub(super) fn open(&self, surroundings: &Surroundings) -> Box<dyn Channel> {
        match self {
            Self::Exec(settings) => Box::new(exec::Exec::new(settings.clone())),
            Self::JsonLines(settings) => Box::new(json_lines::JsonLines::new(settings.clone())),
            Self::Webhook(settings) => Box::new(webhook::Webhook::new(settings.clone())),
            Self::Alertmanager(settings) => Box::new(alertmanager::Alertmanager::new(settings.clone(), surroundings)),
            Self::Icinga2(settings) => Box::new(icinga2::Icinga2::new(settings.clone())),
            Self::Nagios(settings) => Box::new(nagios::Nagios::new(settings.clone())),
            Self::Smtp(settings) => Box::new(smtp::Smtp::new(*settings.clone(), surroundings)),
            Self::GraphiteEvents(settings) => Box::new(graphite_events::GraphiteEvents::new(settings.clone())),
        }
    }
}

/// Which anomalies go to which channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What it is called.
    pub name: Arc<str>,
    /// Patterns of which the series' name matches at least one.
    pub globs: Vec<Glob>,
    /// Names of the detectors it is about; empty: any.
    pub detectors: Vec<String>,
    /// The least severity. An anomaly whose detector gives none has the lowest.
    pub severity: Severity,
    /// The least that the group of an anomaly has to count (1 or more; 1: it may have none).
    pub members: usize,
    /// Places in `Settings::channels`.
    pub to: Vec<usize>,
    /// Are the alerts after this one looked at as well, when it matches?
    pub goes_on: bool,
    /// Is the end of an anomaly told?
    pub resolved: bool,
    /// Time after which people are told again of what is still open (seconds, 60 or more).
    pub repeat_s: Option<i64>,
    /// Time for which the first anomaly waits for others to be told with (seconds, 0 to 3600).
    pub group_wait_s: i64,
    /// When nobody is told.
    pub quiet: Quiet,
}

impl Alert {
    /// Everything, to these channels.
    pub fn everything(name: &str, to: Vec<usize>) -> Self {
        Self {
            name: name.into(),
            globs: vec![Glob::everything()],
            detectors: Vec::new(),
            severity: Severity::Info,
            members: 1,
            to,
            goes_on: false,
            resolved: true,
            repeat_s: None,
            group_wait_s: 0,
            quiet: Quiet::default(),
        }
    }

    /// Is it about anomalies that this detector finds on this series?
    pub fn is_about(&self, series: &str, detector: &str) -> bool {
        let detected = self.detectors.is_empty() || self.detectors.iter().any(|name| **name == *detector);
        detected && self.globs.iter().any(|glob| glob.matches(series))
    }
}

impl LinkSettings {
    /// Those of a message.
    pub(super) fn of(&self, message: &Message) -> Links {
        // Names hold no spaces, of which alone the encodings of forms and of paths are different.
        let series = || form_urlencoded::byte_serialize(message.series.as_bytes()).collect::<String>();
        Links {
            page: self.page.as_ref().map(|page| format!("{page}/#/series/{}", series())),
            graph: self.graph.as_ref().map(|graph| {
                // As much before the anomaly as shows what is usual, and somewhat after it.
                let (from, until) = (message.opened_at - GRAPH_BEFORE_S, message.timestamp + GRAPH_AFTER_S);
                graph
                    .replace("{series}", &series())
                    .replace("{from}", &from.to_string())
                    .replace("{until}", &until.to_string())
            }),
        }
    }
}

impl Default for Settings {
    /// Everything, on standard output.
    fn default() -> Self {
        Self {
            channels: vec![ChannelSettings {
                name: "stdout".to_owned(),
                kind: ChannelKind::JsonLines(json_lines::Settings::Stdout),
                rate_limit: None,
            }],
            alerts: vec![Alert::everything("everything", vec![0])],
            directory: None,
            bytes_max: 16 << 20,
            keep_s: 24 * 3600,
            links: LinkSettings::default(),
        }
    }
}
