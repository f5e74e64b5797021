//! Settings of what people are told, and where.

use std::path::PathBuf;

use crate::glob::Glob;

/// Channels, and which anomaly goes to which.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where to tell; names are unique.
    pub channels: Vec<Channel>,
    /// What to tell; the first that matches an anomaly wins.
    pub alerts: Vec<Alert>,
}

/// Somewhere to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Name that alerts refer to.
    pub name: String,
    /// How it is reached.
    pub kind: ChannelKind,
}

/// How a channel is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// A JSON object a line, on standard output.
    JsonLinesStdout,
    /// A JSON object a line, appended to a file.
    JsonLinesFile(PathBuf),
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
            channels: vec![Channel {
                name: "stdout".to_owned(),
                kind: ChannelKind::JsonLinesStdout,
            }],
            alerts: vec![Alert {
                globs: vec![Glob::everything()],
                detectors: Vec::new(),
                to: vec![0],
            }],
        }
    }
}
