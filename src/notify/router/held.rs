//! Why people are not told, or not yet, and how often that is so.

use std::collections::BTreeMap;

use super::super::Alert;
use crate::{line::Timestamp, silence::Marks};

/// Time after which a silence is looked at again (seconds).
const SILENCE_CHECK_S: i64 = 5;

/// Why people are not told of an anomaly, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::notify) enum Hold {
    /// The route is quiet.
    Quiet,
    /// It is not to be told for now. What was told before is told to be over.
    Silenced,
    /// Somebody knows, and is not to be told again.
    Acknowledged,
}

/// What channels are not given: each message once.
#[derive(Debug, Default)]
pub(super) struct HeldBack(BTreeMap<(usize, Hold), u64>);

impl Hold {
    /// All there are, as in metrics.
    pub(in crate::notify) const NAMES: [&str; 3] =
        [Self::Quiet.name(), Self::Silenced.name(), Self::Acknowledged.name()];

    /// As in metrics.
    pub(in crate::notify) const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Silenced => "silenced",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// Why a route does not tell, now, of an anomaly that it `was_told` of or not; and when to look again.
    pub(super) fn of(route: &Alert, marks: &Marks, was_told: bool, now: Timestamp) -> Option<(Self, Timestamp)> {
        if let Some(until) = route.quiet.until(now) {
            return Some((Self::Quiet, until));
        }
        let hold = if !marks.silenced.is_empty() {
            Self::Silenced
        } else if was_told && marks.acknowledged.is_some() {
            // Somebody knows of it; it is news to the others all the same.
            Self::Acknowledged
        } else {
            return None;
        };
        Some((hold, now.saturating_add(SILENCE_CHECK_S)))
    }
}

impl HeldBack {
    /// One message is held back from each of these channels.
    pub(super) fn add(&mut self, untold: BTreeMap<usize, Hold>) {
        for place in untold {
            *self.0.entry(place).or_default() += 1;
        }
    }

    /// What was held back since this was asked last: from which channel, why, and how many messages.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (usize, Hold, u64)> + use<> {
        let held_back = std::mem::take(&mut self.0).into_iter();
        held_back.map(|((channel, hold), messages)| (channel, hold, messages))
    }
}
