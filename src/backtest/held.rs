//! Events on their way out, brought into the order of their times.
//!
//! That a series fell silent is known only when its next line is read, or all lines are, which may be days behind what other
//! series have told meanwhile. So events wait until all lines are read; of more than fit, the older half goes ahead.

use crate::shard::Event;

/// Events that wait at most: each is some hundred bytes.
const HELD_MAX: usize = 100_000;

/// Events that wait, each with the place of the side that has found it.
#[derive(Default)]
pub(super) struct Held {
    events: Vec<(usize, Event)>,
}

impl Held {
    /// Has `event` wait; gives those that can wait no more.
    pub(super) fn hold(&mut self, side: usize, event: Event) -> Vec<(usize, Event)> {
        self.events.push((side, event));
        if self.events.len() < HELD_MAX {
            return Vec::new();
        }
        self.sort();
        self.events.drain(..HELD_MAX / 2).collect()
    }

    /// All that still wait.
    pub(super) fn release(&mut self) -> Vec<(usize, Event)> {
        self.sort();
        std::mem::take(&mut self.events)
    }

    /// What has the same time stays in the order in which it was found.
    fn sort(&mut self) {
        self.events.sort_by_key(|(_, event)| event.verdict.timestamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Verdict;

    fn event(timestamp: i64, series: &str) -> Event {
        Event {
            series: series.into(),
            detector: "d".into(),
            change: None,
            verdict: Verdict {
                timestamp,
                ..Verdict::default()
            },
        }
    }

    #[test]
    fn events_go_in_the_order_of_their_times() {
        let mut held = Held::default();
        for (timestamp, series) in [(30, "a"), (10, "b"), (30, "c"), (20, "d")] {
            assert!(held.hold(0, event(timestamp, series)).is_empty());
        }
        let names: Vec<_> = held
            .release()
            .iter()
            .map(|(_, event)| event.series.to_string())
            .collect();
        assert_eq!(names, ["b", "d", "a", "c"]);
        assert!(held.release().is_empty());
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let mut held = Held::default();
        let mut gone = Vec::new();
        let newest = 3 * i64::try_from(HELD_MAX).unwrap();
        for timestamp in (0..newest).rev() {
            gone.extend(held.hold(1, event(timestamp, "a")));
            assert!(held.events.len() < HELD_MAX);
        }
        gone.extend(held.release());
        assert_eq!(gone.len(), 3 * HELD_MAX);
        let times: Vec<i64> = gone.iter().map(|(_, event)| event.verdict.timestamp).collect();
        assert!(times[..HELD_MAX / 2].is_sorted() && times[0] == newest - i64::try_from(HELD_MAX).unwrap());
    }
}
