//! Settings of one upstream.

use std::time::Duration;

/// Where the stream goes, and what happens while it cannot.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name in metrics and logs; no two upstreams share one.
    pub name: String,
    /// Host and port, as `carbon.example.net:2003`. The host is looked up at every connect.
    pub address: String,
    /// What gives when the queue is full.
    pub when_full: WhenFull,
    /// Lines that wait in memory while the upstream is away or slow (bytes, 1 MiB or more).
    pub queue_bytes_max: usize,
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

impl Settings {
    /// The defaults for an upstream called `name` at `address`.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            address: address.into(),
            when_full: WhenFull::DropOldest,
            queue_bytes_max: 256 << 20,
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
