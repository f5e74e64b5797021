//! Anomalies that come and go: opened and closed before anybody is told, again and again.
//!
//! Knows names and the time, and nothing of routes. Bounded: what does not fit counts as coming and going.

use std::collections::HashMap;

use super::open::Name;
use crate::line::Timestamp;

/// How often an anomaly opens and closes untold ...
const FLAPS: u32 = 3;
/// ... in so much time, until it is told (seconds) ...
const FLAP_WINDOW_S: i64 = 3600;
/// ... of so many at a time.
const FLAPPING_MAX: usize = 10_000;

/// What has come and gone of late.
#[derive(Debug, Default)]
pub(super) struct Flaps(HashMap<Name, Flapping>);

#[derive(Clone, Copy, Debug)]
struct Flapping {
    since: Timestamp,
    times: u32,
}

impl Flaps {
    /// One that was not told has gone. Has it come and gone often enough to be told?
    pub(super) fn are_many(&mut self, name: &Name, now: Timestamp) -> bool {
        let is_past = |flapping: &Flapping| now.saturating_sub(flapping.since) > FLAP_WINDOW_S;
        if self.0.len() >= FLAPPING_MAX {
            self.0.retain(|_, flapping| !is_past(flapping));
        }
        if self.0.len() >= FLAPPING_MAX && !self.0.contains_key(name) {
            return true;
        }
        let anew = Flapping { since: now, times: 0 };
        let flapping = self.0.entry(name.clone()).or_insert(anew);
        if is_past(flapping) {
            *flapping = anew;
        }
        flapping.times += 1;
        let often = flapping.times >= FLAPS;
        if often {
            self.0.remove(name);
        }
        often
    }
}
