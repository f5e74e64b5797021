//! Etsy's statsd on node, which flushes to a carbon port each second, over a new connection each time.

use super::{
    SOON,
    net::{free_port, loopback, udp_to},
    process::{INSTALL, Process, peer},
    wait_for,
};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// A running statsd.
pub(crate) struct Statsd {
    process: Process,
    socket: UdpSocket,
    _directory: TempDir,
}

impl Statsd {
    /// Starts it, sending to `carbon_port` on loopback, and waits until it takes measurements.
    #[track_caller]
    pub(crate) fn start(carbon_port: u16) -> Self {
        let stats_js = peers_directory().join("statsd/node_modules/statsd/stats.js");
        assert!(stats_js.is_file(), "{} is not there: {INSTALL}", stats_js.display());
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, control_port) = (free_port(), free_port());
        let config = format!(
            r#"{{
  graphiteHost: "127.0.0.1", graphitePort: {carbon_port}, graphite: {{ legacyNamespace: false }},
  address: "127.0.0.1", port: {port}, mgmt_address: "127.0.0.1", mgmt_port: {control_port},
  flushInterval: 1000, automaticConfigReload: false, backends: ["./backends/graphite"]
}}"#
        );
        let config_file = directory.path().join("config.js");
        fs::write(&config_file, config).expect("the directory is ours");
        let mut command = peer("node");
        command.arg(stats_js).arg(config_file);
        let mut process = Process::start("statsd", command);
        wait_for("healthy statsd", SOON, || {
            process.check_running().unwrap_or_else(|ended| panic!("{ended}"));
            let answer = health(control_port).map_err(|error| error.to_string())?;
            if answer.contains("up") { Ok(()) } else { Err(answer) }
        });
        Self {
            process,
            socket: udp_to(port),
            _directory: directory,
        }
    }

    /// Adds to a counter.
    pub(crate) fn count(&self, name: &str, by: u32) {
        self.send(&format!("{name}:{by}|c"));
    }

    /// Hands in one duration of a timer.
    pub(crate) fn time(&self, name: &str, milliseconds: f64) {
        self.send(&format!("{name}:{milliseconds}|ms"));
    }

    fn send(&self, measurement: &str) {
        self.socket.send(measurement.as_bytes()).expect("statsd is there");
    }

    /// Stops it. It sends nothing more: whatever it counted since the last flush is lost.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.process.terminate(Duration::from_secs(20));
    }
}

/// Where `tests/peers/install.sh` puts what does not come from Debian.
fn peers_directory() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    std::env::var_os("SKYRELAY_PEERS").map_or_else(default, PathBuf::from)
}

fn health(control_port: u16) -> std::io::Result<String> {
    let mut control = TcpStream::connect(loopback(control_port))?;
    control.set_read_timeout(Some(Duration::from_secs(5)))?;
    control.write_all(b"health\n")?;
    let mut answer = [0; 64]; // "health: up\n"
    let count = control.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..count]).into_owned())
}
