//! The configuration: TOML files become checked settings.
//!
//! Knows what may be written and what it means, and nothing of a running relay.
//!
//! * The files are one `RawConfig`; the rest of the program sees [`Config`], in which every reference leads somewhere
//!   and every number is in its range.
//! * Unknown keys, wrong units and contradictions are errors with file, line and column; all of them are found in
//!   one run. While a file is not TOML, only that is reported, as the rest would be guesses.
//! * `conf.d/*.toml` beside the file is merged in the order of the names, hidden files left out. Tables are merged key
//!   by key; `[[forward]]`, `[[watch]]` and `[[alert]]` are appended; any other value given twice is taken from the later
//!   file. As the first `[[watch]]` that matches wins, a catch-all belongs in the last file.
//! * Time and memory are bounded, whatever the files hold: 4 MiB in all, 10,000 entries in an array, and
//!   10,000 patterns in 256 KiB.

mod check;
mod error;
mod excerpt;
mod print;
mod report;
mod section;
mod source;
mod tree;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::Path, time::Duration};

pub use self::error::{ConfigError, Excerpt, Position, Problem};
use self::source::RawConfig;
use crate::{
    analysis,
    anomaly::{groups, own_series},
    forward, history,
    http::{GuardSettings, PageSettings},
    intake::ForwardInvalid,
    listen, notify, shard, silence, snapshot,
};

/// Everything that can be set, checked. The default is what a file without a line gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who may send, where to, and how much.
    pub listen: listen::Settings,
    /// The upstreams; none: nothing is forwarded.
    pub forwards: Vec<forward::Settings>,
    /// Where lines wait on disk for an upstream; `None`: nowhere.
    pub spool: Option<forward::SpoolSettings>,
    /// What happens to lines that carbon would not take.
    pub forward_invalid: ForwardInvalid,
    /// Threads that analyse, and what gives when they are behind.
    pub analysis: analysis::Settings,
    /// Windows, limits, detectors and watches.
    pub shard: shard::Settings,
    /// Channels and alerts.
    pub notify: notify::Settings,
    /// Where metrics, API and page are served; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// Whom HTTP lets in.
    pub guard: GuardSettings,
    /// What the page shows besides.
    pub page: PageSettings,
    /// What the relay says about itself.
    pub log: Log,
    /// What is kept of anomalies.
    pub anomalies: Anomalies,
    /// When anomalies belong together.
    pub groups: groups::Settings,
    /// What the relay adds to the stream.
    pub own_series: own_series::Settings,
    /// What survives a restart.
    pub snapshot: snapshot::Settings,
    /// Where anomalies that are over are kept on disk.
    pub history: history::Settings,
    /// Where what people have said of anomalies survives.
    pub silences: silence::Settings,
    /// Longest time between the request to stop and the end of the process (0 to 1 hour): lines that are not
    /// forwarded by then are lost, and counted.
    pub shutdown_deadline: Duration,
}

/// What files hold, and what is odd about it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What they say.
    pub config: Config,
    /// What may be meant so, in the order of the files: a person should have a look.
    pub warnings: Vec<Problem>,
}

/// What the relay says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least that is said.
    pub level: LogLevel,
    /// How it is written.
    pub format: LogFormat,
}

/// How much is logged; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What needs somebody.
    Error,
    /// What may need somebody.
    Warn,
    /// Changes of state.
    Info,
    /// Each connection.
    Debug,
    /// All there is.
    Trace,
}

/// How log events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// What is kept of anomalies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anomalies {
    /// Closed anomalies kept in memory (0 to 1,000,000).
    pub history: usize,
}

impl Config {
    /// Reads `path`, and `conf.d/*.toml` beside it.
    ///
    /// # Errors
    /// When a file cannot be read, is not TOML in UTF-8, or says something that cannot be.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Checked::load(path).map(|checked| checked.config)
    }

    /// Takes `text` for the only file, whose name in messages is `path`.
    ///
    /// # Errors
    /// When the text is not TOML, or says something that cannot be.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Checked::parse(path, text).map(|checked| checked.config)
    }

    /// The whole configuration as TOML with units, which [`Config::parse`] reads back.
    pub fn to_toml(&self) -> String {
        print::to_toml(self)
    }
}

impl Checked {
    /// Reads what [`Config::load`] reads.
    ///
    /// # Errors
    /// As there.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        RawConfig::read(path).try_into()
    }

    /// Takes what [`Config::parse`] takes.
    ///
    /// # Errors
    /// As there.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        RawConfig::from_text(path, text.to_owned()).try_into()
    }
}

impl From<Config> for Checked {
    fn from(config: Config) -> Self {
        Self {
            config,
            warnings: Vec::new(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: listen::Settings::default(),
            forwards: Vec::new(),
            spool: None,
            forward_invalid: ForwardInvalid::default(),
            analysis: analysis::Settings::default(),
            shard: shard::Settings::default(),
            notify: notify::Settings::default(),
            http: Some(SocketAddr::from(([127, 0, 0, 1], 2080))),
            guard: GuardSettings::default(),
            page: PageSettings::default(),
            log: Log::default(),
            anomalies: Anomalies::default(),
            groups: groups::Settings::default(),
            own_series: own_series::Settings::default(),
            snapshot: snapshot::Settings::default(),
            history: history::Settings::default(),
            silences: silence::Settings::default(),
            shutdown_deadline: Duration::from_secs(10),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Text,
        }
    }
}

impl Default for Anomalies {
    fn default() -> Self {
        Self { history: 10_000 }
    }
}

/// What enumerations are called in files.
mod names {
    use super::{LogFormat, LogLevel};
    use crate::{
        analysis::WhenBehind,
        detect::{Severity, adaptive::Direction, trend},
        forward::WhenFull,
        http::Protect,
        intake::ForwardInvalid,
        notify::{smtp::Security, states::State},
        shard::Reading,
    };

    pub(super) const WHEN_FULL: [(&str, WhenFull); 2] = [
        ("drop-oldest", WhenFull::DropOldest),
        ("pause-senders", WhenFull::PauseSenders),
    ];
    pub(super) const FORWARD_INVALID: [(&str, ForwardInvalid); 2] =
        [("forward", ForwardInvalid::Forward), ("drop", ForwardInvalid::Drop)];
    pub(super) const DIRECTION: [(&str, Direction); 3] = [
        ("above", Direction::Above),
        ("below", Direction::Below),
        ("both", Direction::Both),
    ];
    pub(super) const TREND_DIRECTION: [(&str, trend::Direction); 3] = [
        ("up", trend::Direction::Up),
        ("down", trend::Direction::Down),
        ("either", trend::Direction::Either),
    ];
    pub(super) const READING: [(&str, Reading); 2] = [("value", Reading::Value), ("rate", Reading::Rate)];
    pub(super) const SEVERITY: [(&str, Severity); 3] = [
        ("info", Severity::Info),
        ("warning", Severity::Warning),
        ("critical", Severity::Critical),
    ];
    pub(super) const SMTP_SECURITY: [(&str, Security); 3] = [
        ("starttls", Security::Starttls),
        ("implicit", Security::Implicit),
        ("none", Security::None),
    ];

    pub(super) const STATE: [(&str, State); 4] = [
        ("ok", State::Ok),
        ("warning", State::Warning),
        ("critical", State::Critical),
        ("unknown", State::Unknown),
    ];
    pub(super) const WHEN_BEHIND: [(&str, WhenBehind); 2] = [("shed", WhenBehind::Shed), ("wait", WhenBehind::Wait)];
    pub(super) const PROTECT: [(&str, Protect); 2] =
        [("changes", Protect::Changes), ("everything", Protect::Everything)];
    pub(super) const LOG_LEVEL: [(&str, LogLevel); 5] = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    pub(super) const LOG_FORMAT: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

    /// What `value` is called.
    pub(super) fn of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
        let name = names.iter().find(|(_, named)| named == value).map(|(name, _)| *name);
        name.expect("each value has a name")
    }
}
