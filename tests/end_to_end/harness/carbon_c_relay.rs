//! Debian's carbon-c-relay, which sends everything on to one carbon port.

use super::{
    SOON,
    net::{free_port, loopback},
    process::{Process, peer},
    wait_for,
};
use std::{fs, net::TcpStream};
use tempfile::TempDir;

/// A running carbon-c-relay.
pub(crate) struct CarbonCRelay {
    _process: Process,
    _directory: TempDir,
    /// Where it takes lines, over TCP.
    pub(crate) port: u16,
}

impl CarbonCRelay {
    /// Starts it, sending to `carbon_port` on loopback, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(carbon_port: u16) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        // Its own statistics come once an hour, so that they do not mix with the lines of a test.
        let conf = format!(
            "cluster upstream forward {};\nmatch * send to upstream stop;\n\
             statistics submit every 3600 seconds prefix with relay;\n\
             listen type linemode {} proto tcp;\n",
            loopback(carbon_port),
            loopback(port),
        );
        let conf_file = directory.path().join("relay.conf");
        fs::write(&conf_file, conf).expect("the directory is ours");
        let mut command = peer("carbon-c-relay");
        command.arg("-f").arg(conf_file).args(["-w", "1"]);
        let mut process = Process::start("carbon-c-relay", command);
        wait_for("listening carbon-c-relay", SOON, || {
            process.check_running().unwrap_or_else(|ended| panic!("{ended}"));
            TcpStream::connect(loopback(port))
                .map(drop)
                .map_err(|error| error.to_string())
        });
        Self {
            _process: process,
            _directory: directory,
            port,
        }
    }
}
