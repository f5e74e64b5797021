//! Settings of the snapshot.

use std::{path::PathBuf, time::Duration};

/// Settings of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is kept; `None`: nothing is.
    pub file: Option<PathBuf>,
    /// Time between two of them (10 seconds or more); `None`: only when the relay stops, or is asked for one.
    pub every: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: None,
            every: Some(Duration::from_secs(300)),
        }
    }
}
