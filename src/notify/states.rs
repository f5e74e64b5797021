//! What a service is in, to Icinga and Nagios, while something of it is anomalous.

use super::Message;
use crate::detect::Severity;

/// State of a service by the severity of the worst anomaly. Hosts are up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct States {
    /// Of severity `info`.
    pub info: State,
    /// Of severity `warning`, or none.
    pub warning: State,
    /// Of severity `critical`.
    pub critical: State,
}

/// State of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing is wrong.
    Ok,
    /// Worth a look.
    Warning,
    /// Nobody knows.
    Unknown,
    /// Worth getting up for.
    Critical,
}

impl Default for States {
    fn default() -> Self {
        Self {
            info: State::Warning,
            warning: State::Warning,
            critical: State::Critical,
        }
    }
}

impl States {
    /// That of a service of which this is the worst that is known.
    pub(super) fn of(self, message: &Message) -> State {
        if !message.is_open() {
            return State::Ok;
        }
        match message.severity {
            Some(Severity::Info) => self.info,
            Some(Severity::Warning) | None => self.warning,
            Some(Severity::Critical) => self.critical,
        }
    }
}
