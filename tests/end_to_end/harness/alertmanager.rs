//! Debian's Alertmanager, by itself.

use super::{
    net::{free_port, http_get, loopback},
    process::{Process, peer},
};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

/// A running Alertmanager.
pub(crate) struct Alertmanager {
    _process: Process,
    _directory: TempDir,
    port: u16,
}

impl Alertmanager {
    /// Starts it with such a `resolve_timeout`, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(resolve_timeout: &str) -> Self {
        Self::start_on(free_port(), resolve_timeout)
    }

    /// The same on a port that is free.
    #[track_caller]
    pub(crate) fn start_on(port: u16, resolve_timeout: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = directory.path().join("alertmanager.yml");
        let settings = format!(
            "global:\n  resolve_timeout: {resolve_timeout}\nroute:\n  receiver: nobody\nreceivers:\n  - name: nobody\n"
        );
        fs::write(&config, settings).expect("the directory is ours");
        let mut command = peer("prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={}", loopback(port)))
            .arg("--cluster.listen-address=");
        Self {
            _process: Process::start_and_wait("Alertmanager", command, port, "/-/ready"),
            _directory: directory,
            port,
        }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", loopback(self.port))
    }

    /// The alerts that are active, each with its labels and times.
    pub(crate) fn alerts(&self) -> Result<Vec<Value>, String> {
        let (status, text) = http_get(self.port, "/api/v2/alerts?active=true")?;
        let alerts: Value = serde_json::from_str(&text).map_err(|error| format!("{status}, {error}: {text}"))?;
        let alerts = alerts.as_array().ok_or(text)?;
        let active = alerts.iter().filter(|alert| alert["status"]["state"] == "active");
        Ok(active.cloned().collect())
    }
}
