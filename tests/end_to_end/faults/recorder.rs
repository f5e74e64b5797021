//! A process in the place of carbon-cache that writes down what it reads: killed, stopped and started like the real one,
//! and quick enough to be told about every line.

use crate::harness::{
    SOON,
    net::free_port,
    process::{Process, bound_to_this_process, find_peer},
    wait_for,
};
use rustix::process::Signal;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// How an upstream behaves.
#[derive(Clone, Copy)]
pub(crate) enum Manners {
    Good,
    /// Reads so many bytes a second.
    Slow(u32),
    /// Accepts and reads nothing.
    Deaf,
    /// Closes each connection after so many lines.
    Closing(u32),
}

/// Where lines end, and whether it is there.
pub(crate) struct Recorder {
    pub(crate) port: u16,
    directory: TempDir,
    process: Option<Process>,
    host: Option<Host>,
}

/// Another machine, for a process: reached by a network of its own.
#[derive(Clone)]
pub(crate) struct Host {
    /// Of its network namespace.
    pub(crate) name: String,
    /// Where it is reached.
    pub(crate) address: String,
}

impl Recorder {
    /// Listens and reads.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_on(None)
    }

    /// The same on another host.
    #[track_caller]
    pub(crate) fn start_on(host: Option<Host>) -> Self {
        let mut stopped = Self {
            port: free_port(),
            directory: tempfile::tempdir().expect("a temporary directory"),
            process: None,
            host,
        };
        stopped.start_again(Manners::Good);
        stopped
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it on the same port, in place of the one before.
    #[track_caller]
    pub(crate) fn start_again(&mut self, manners: Manners) {
        self.kill();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/recorder.py");
        let bound = bound_to_this_process(Path::new("/usr/bin/python3"));
        let mut command = match &self.host {
            None => bound,
            Some(Host { name, .. }) => {
                let mut elsewhere = Command::new(find_peer("ip"));
                elsewhere.args(["netns", "exec", name.as_str()]);
                elsewhere.arg(bound.get_program()).args(bound.get_args());
                elsewhere
            }
        };
        let place = match &self.host {
            None => self.port.to_string(),
            Some(Host { address, .. }) => format!("{address}:{}", self.port),
        };
        command.arg(script).arg(place).arg(self.directory.path());
        match manners {
            Manners::Good => {}
            Manners::Slow(bytes_per_s) => drop(command.arg("slow").arg(bytes_per_s.to_string())),
            Manners::Deaf => drop(command.arg("deaf")),
            Manners::Closing(lines) => drop(command.arg("closing").arg(lines.to_string())),
        }
        let mut process = Process::start("recorder", command);
        wait_for("listening recorder", SOON, || {
            process.check_running().unwrap_or_else(|ended| panic!("{ended}"));
            process.stdout().first().map(drop).ok_or_else(|| "not yet".to_owned())
        });
        self.process = Some(process);
    }

    /// Has the kernel keep it from running, or lets it run again.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("it was started").signal(signal);
    }

    /// What each connection has brought, in the order in which they were accepted.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path()).expect("the directory is ours");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a file of ours").path()).collect();
        files.sort();
        files
    }

    /// Bytes that have come so far.
    pub(crate) fn bytes(&self) -> u64 {
        let size = |path: &PathBuf| fs::metadata(path).expect("a file of ours").len();
        self.files().iter().map(size).sum()
    }
}
