//! Debian's collectd, which measures this machine each second and writes to a carbon port over TCP.

use super::process::{INSTALL, Process, peer};
use std::{fs, path::Path, process::ExitStatus, time::Duration};
use tempfile::TempDir;

const PLUGINS: &str = "/usr/lib/collectd";
const TYPES: &str = "/usr/share/collectd/types.db";

/// The host name in the series: `collectd.testhost.load.load.shortterm`.
pub(crate) const SERIES_PREFIX: &str = "collectd.testhost.";

/// A running collectd. It needs no network and no rights beyond reading `/proc`.
pub(crate) struct Collectd {
    process: Process,
    _directory: TempDir,
}

impl Collectd {
    /// Starts it, sending to `carbon_port` on loopback.
    #[track_caller]
    pub(crate) fn start(carbon_port: u16) -> Self {
        let program = peer("collectd");
        assert!(
            Path::new(PLUGINS).join("write_graphite.so").exists(),
            "collectd has no write_graphite: {INSTALL}"
        );
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().display();
        // cpu, interface and contextswitch are rates, and a rate's first value is nan. load and memory are gauges.
        let conf = format!(
            r#"
Hostname "testhost"
FQDNLookup false
BaseDir "{root}"
PIDFile "{root}/collectd.pid"
PluginDir "{PLUGINS}"
TypesDB "{TYPES}"
Interval 1
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File stderr
</Plugin>
LoadPlugin contextswitch
LoadPlugin cpu
LoadPlugin interface
LoadPlugin load
LoadPlugin memory
LoadPlugin write_graphite
<Plugin write_graphite>
  <Node "relay">
    Host "127.0.0.1"
    Port "{carbon_port}"
    Protocol "tcp"
    Prefix "collectd."
    StoreRates true
    LogSendErrors true
  </Node>
</Plugin>
"#
        );
        let conf_file = directory.path().join("collectd.conf");
        fs::write(&conf_file, conf).expect("the directory is ours");
        let mut command = program;
        command.arg("-f").arg("-C").arg(conf_file);
        Self {
            process: Process::start("collectd", command),
            _directory: directory,
        }
    }

    /// Stops it in good order: it sends what it still holds.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.process.terminate(Duration::from_secs(20))
    }
}
