//! Debian's Prometheus, which scrapes a port each second, and its promtool.

use super::{
    net::{free_port, http_get, loopback, url_encoded},
    process::{Process, find_peer, peer},
};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A running Prometheus.
pub(crate) struct Prometheus {
    _process: Process,
    _directory: TempDir,
    port: u16,
}

impl Prometheus {
    /// Starts it with one job, `skyrelay`, that scrapes `/metrics` of `target_port`, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(target_port: u16) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path();
        let target = loopback(target_port);
        let config = format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n\
             scrape_configs:\n  - job_name: skyrelay\n    static_configs:\n      - targets: ['{target}']\n"
        );
        fs::write(root.join("prometheus.yml"), config).expect("the directory is ours");
        let port = free_port();
        let mut command = peer("prometheus");
        command
            .arg(format!("--config.file={}", root.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", root.join("data").display()))
            .arg(format!("--web.listen-address={}", loopback(port)))
            .arg("--log.level=warn");
        Self {
            _process: Process::start_and_wait("Prometheus", command, port, "/-/ready"),
            _directory: directory,
            port,
        }
    }

    /// The value of a query that gives one series; `Err` with the answer if it does not (yet).
    pub(crate) fn query(&self, query: &str) -> Result<f64, String> {
        let (status, text) = http_get(self.port, &format!("/api/v1/query?query={}", url_encoded(query)))?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{status}, {error}: {text}"))?;
        let value = answer["data"]["result"][0]["value"][1].as_str().ok_or(text)?;
        value.parse().map_err(|error| format!("{value}: {error}"))
    }
}

/// What `promtool check metrics` has to say about this text; `Ok` when it has nothing to say.
#[track_caller]
pub(crate) fn promtool_check(metrics_text: &str) -> Result<(), String> {
    let mut child = Command::new(find_peer("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is executable");
    let mut stdin = child.stdin.take().expect("piped");
    // Nothing comes out before it has read everything, so this cannot block on its output.
    stdin.write_all(metrics_text.as_bytes()).expect("it reads all");
    drop(stdin);
    let output = child.wait_with_output().expect("our own child");
    let said = [output.stdout, output.stderr]
        .map(|said| String::from_utf8_lossy(&said).trim().to_owned())
        .concat();
    if output.status.success() && said.is_empty() {
        Ok(())
    } else {
        Err(format!("{}: {said}", output.status))
    }
}

/// What promtool says to these arguments; `Err` with it when it finds something wrong.
#[track_caller]
pub(crate) fn promtool(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(find_peer("promtool"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it is executable");
    if output.status.success() {
        return Ok(());
    }
    Err([output.stdout, output.stderr]
        .map(|said| String::from_utf8_lossy(&said).trim().to_owned())
        .concat())
}
