//! Settings of the intake: what is done with lines before anybody looks at their values.

/// Settings of the intake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What happens to lines that carbon would not take.
    pub forward_invalid: ForwardInvalid,
    /// What happens while a shard is behind.
    pub when_behind: WhenBehind,
    /// Threads that analyse (1 to 256).
    pub shards: usize,
    /// Lines that wait for analysis, over all shards (1,000 or more): room for one flush.
    pub queue_lines_max: usize,
}

/// What happens to lines that carbon logs and drops: too few fields, text for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardInvalid {
    /// They go upstream like any other: a relay is not stricter than what it replaces.
    Forward,
    /// They stay here, counted.
    Drop,
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
            forward_invalid: ForwardInvalid::Forward,
            when_behind: WhenBehind::Shed,
            shards: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(256)),
            queue_lines_max: 1_000_000,
        }
    }
}
