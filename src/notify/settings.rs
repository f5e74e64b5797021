//! Settings of what people are told, and where.

use super::{Channel, Surroundings, alertmanager, exec, graphite_events, icinga2, json_lines, webhook};
use crate::glob::Glob;

/// Channels, and which anomaly goes to which.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where to tell; names are unique.
    pub channels: Vec<ChannelSettings>,
    /// What to tell; the first that matches an anomaly wins.
    pub alerts: Vec<Alert>,
}

/// Somewhere to tell people.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelSettings {
    /// Name that alerts refer to.
    pub name: String,
    /// How it is reached.
    pub kind: ChannelKind,
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
    /// Events at graphite-web.
    GraphiteEvents(graphite_events::Settings),
}

impl ChannelKind {
    /// The channel itself, which has not told anything yet.
    pub(super) fn open(&self, surroundings: &Surroundings) -> Box<dyn Channel> {
        // Kinds that plot or look up a series take what they need from there.
        let _ = surroundings;
        match self {
            Self::Exec(settings) => Box::new(exec::Exec::new(settings.clone())),
            Self::JsonLines(settings) => Box::new(json_lines::JsonLines::new(settings.clone())),
            Self::Webhook(settings) => Box::new(webhook::Webhook::new(settings.clone())),
            Self::Alertmanager(settings) => Box::new(alertmanager::Alertmanager::new(settings.clone())),
            Self::Icinga2(settings) => Box::new(icinga2::Icinga2::new(settings.clone())),
            Self::GraphiteEvents(settings) => Box::new(graphite_events::GraphiteEvents::new(settings.clone())),
        }
    }
}

/// Which anomalies go to which channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Patterns of which the series' name matches at least one.
    pub globs: Vec<Glob>,
    /// Names of the detectors it is about; empty: any.
    pub detectors: Vec<String>,
    /// Places in `Settings::channels`.
    pub to: Vec<usize>,
}

impl Default for Settings {
    /// Everything, on standard output.
    fn default() -> Self {
        Self {
            channels: vec![ChannelSettings {
                name: "stdout".to_owned(),
                kind: ChannelKind::JsonLines(json_lines::Settings::Stdout),
            }],
            alerts: vec![Alert {
                globs: vec![Glob::everything()],
                detectors: Vec::new(),
                to: vec![0],
            }],
        }
    }
}
