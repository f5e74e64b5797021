//! Debian's graphite-web, over the whisper files of a carbon-cache.

use super::{
    net::{free_port, http_get},
    process::{Process, peer},
};
use serde_json::Value;
use std::path::Path;

/// A graphite-web that answers.
pub(crate) struct GraphiteWeb {
    _process: Process,
    /// Where it answers.
    pub(crate) port: u16,
}

impl GraphiteWeb {
    /// Starts it over `directory`, whose files lie in `whisper`, and waits until it answers.
    #[track_caller]
    pub(crate) fn start(directory: &Path) -> Self {
        let port = free_port();
        let mut command = peer("/usr/bin/python3"); // Debian's own: others do not see its packages
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/graphite_web.py"))
            .arg(directory)
            .arg(port.to_string());
        Self {
            _process: Process::start_and_wait("graphite-web", command, port, "/metrics/find?query=*"),
            port,
        }
    }

    /// The events from `from` on.
    pub(crate) fn events(&self, from: u64) -> Result<Vec<Value>, String> {
        let (status, text) = http_get(self.port, &format!("/events/get_data?from={from}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{status}, {error}: {text}"))
    }
}
