//! Settings of one upstream.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::spool::left_over;

/// Where the stream goes, and what happens while it cannot.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name in metrics and logs; no two upstreams share one.
    pub name: String,
    /// Host and port, as `carbon.example.net:2003`. The host is looked up at every connect.
    pub address: String,
    /// Addresses at which this process takes lines. One that turns out to be the upstream's is not sent to: the stream would go
    /// round in a circle.
    pub own: Vec<SocketAddr>,
    /// What gives when the queue is full.
    pub when_full: WhenFull,
    /// Lines that wait in memory while the upstream is away or slow (bytes, 1 MiB or more).
    pub queue_bytes_max: usize,
    /// What was written last is sent again when a connection breaks, as it may not have arrived (bytes, 0 or more). So much
    /// memory is held.
    pub resend_bytes_max: usize,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the upstream to take more bytes before the connection is given up.
    pub write_timeout: Duration,
    /// Longest pause between two attempts to connect; the first is a tenth of a second, each next one twice as long.
    pub max_backoff: Duration,
}

/// What gives when a queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest lines are dropped, and counted.
    DropOldest,
    /// TCP senders are made to wait. UDP cannot be: the kernel drops what it cannot hold.
    PauseSenders,
}

/// Lines on disk, for every upstream a directory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Where those directories are.
    pub directory: PathBuf,
    /// Size of all files of one upstream (bytes, 1 MiB or more).
    pub bytes_max: u64,
    /// Space of the disk that is left to others (bytes, 0 or more).
    pub keep_free_bytes: u64,
    /// When the disk is made to take what was written.
    pub sync: Sync,
    /// Lines read back in a second, at most (1 or more); `None`: as fast as the upstream takes them.
    pub drain_lines_per_second: Option<u32>,
}

/// When the disk is made to take what was written. It matters when power fails or the kernel crashes: what was written
/// survives the end of the process, however it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When the kernel thinks fit, within half a minute or so.
    Never,
    /// So often (1 ms or more), while lines are written.
    Every(Duration),
    /// After each write, before lines count as spooled.
    Always,
}

impl SpoolSettings {
    /// The defaults for a spool in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            bytes_max: 4 << 30,
            keep_free_bytes: 1 << 30,
            sync: Sync::Every(Duration::from_secs(1)),
            drain_lines_per_second: None,
        }
    }

    /// Directories with lines that nobody will deliver, as their upstreams are not among `upstreams`.
    pub fn left_over(&self, upstreams: &[&str]) -> Vec<PathBuf> {
        left_over(&self.directory, upstreams)
    }
}

impl Settings {
    /// The defaults for an upstream called `name` at `address`.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            address: address.into(),
            own: Vec::new(),
            when_full: WhenFull::DropOldest,
            queue_bytes_max: 256 << 20,
            resend_bytes_max: 1 << 20,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(30),
            max_backoff: Duration::from_secs(5),
        }
    }

    /// Is a connection by `other` what one by these is?
    pub(super) fn connects_like(&self, other: &Self) -> bool {
        self.address == other.address && self.write_timeout == other.write_timeout
    }
}
