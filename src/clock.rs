//! The clock, for the edges: nothing to the left of them may know what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::line::Timestamp;

/// Now, in microseconds.
pub(crate) fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Now, in whole seconds.
pub(crate) fn now() -> Timestamp {
    seconds(SystemTime::now())
}

/// A time, in whole seconds.
pub(crate) fn seconds(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::try_from(since.as_secs()).unwrap_or(Timestamp::MAX)
}
