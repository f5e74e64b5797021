//! Settings of the analysis: how many threads, and what gives when they are behind.

use super::memory;

const MIB: usize = 1 << 20;

/// Settings of the analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What happens while a shard is behind.
    pub when_behind: WhenBehind,
    /// Threads that analyse (1 to 256).
    pub shards: usize,
    /// Lines that wait for analysis, over all shards (1,000 or more): room for one flush.
    pub queue_lines_max: usize,
    /// Resident memory of the whole process beyond which no series is begun (bytes); `None`: however much.
    pub memory_bytes_max: Option<usize>,
}

/// What happens while a shard is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBehind {
    /// Lines are forwarded unanalysed, and counted.
    Shed,
    /// Senders wait.
    Wait,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            when_behind: WhenBehind::Shed,
            shards: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(256)),
            queue_lines_max: 1_000_000,
            memory_bytes_max: memory::of_machine().map(|bytes| bytes / 4 * 3 / MIB * MIB),
        }
    }
}
