//! What the log is told of an upstream whose lines are lost, or for which senders wait: that it begins, once a minute how it
//! goes on, and that it is over.
//!
//! Looks at what the queue has counted, once a second, and so costs the way of the lines nothing.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{DropReason, Queue};

/// Time between two words about the same.
const SAID_FOR: Duration = Duration::from_secs(60);
/// A shorter wait, added up over a second, is not worth a word.
const PAUSE_LEAST: Duration = Duration::from_millis(100);

/// What the log was told so far.
#[derive(Debug, Default)]
pub struct Trouble {
    lost: [Spell; DropReason::ALL.len()],
    paused: Spell,
}

/// A count that grows for some time, and then does not.
#[derive(Debug, Default)]
struct Spell {
    /// The count when it was last looked at.
    seen: u64,
    /// The count up to which the log was told, and when, while it grows.
    told: Option<(u64, Instant)>,
    /// The count when it began to grow.
    before: u64,
}

/// What there is to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// It has grown by so much, for the first time or since the last word.
    Grows(u64),
    /// It grows no more, and has grown by so much in all.
    IsOver(u64),
}

impl Trouble {
    /// Tells the log what is new about the upstream behind `queue`. To be called once a second.
    pub fn look(&mut self, upstream: &str, queue: &Queue, now: Instant) {
        for ((reason, count), spell) in DropReason::ALL.into_iter().zip(queue.dropped()).zip(&mut self.lost) {
            let reason = reason.name();
            match spell.look(count, 1, now) {
                Some(Word::Grows(lines)) => warn!(upstream, reason, lines, "lines are lost"),
                Some(Word::IsOver(lines)) => info!(upstream, reason, lines, "no more lines are lost"),
                None => {}
            }
        }
        let (paused, least) = (micros(queue.paused()), micros(PAUSE_LEAST));
        match self
            .paused
            .look(paused, least, now)
            .map(|word| (word, Duration::from_micros))
        {
            Some((Word::Grows(micros), time)) => {
                warn!(upstream, waited = ?time(micros), "senders wait for room in the queue");
            }
            Some((Word::IsOver(micros), time)) => {
                info!(upstream, waited = ?time(micros), "senders wait no more");
            }
            None => {}
        }
    }
}

impl Spell {
    /// What is to be said of `count`, if it is more than before by `least`, or goes on to grow.
    fn look(&mut self, count: u64, least: u64, now: Instant) -> Option<Word> {
        let before = std::mem::replace(&mut self.seen, count);
        let Some((told, at)) = self.told else {
            let more = count - before;
            if more < least {
                return None;
            }
            (self.before, self.told) = (before, Some((count, now)));
            return Some(Word::Grows(more));
        };
        if now - at < SAID_FOR {
            return None;
        }
        if count - told < least {
            self.told = None;
            return Some(Word::IsOver(count - self.before));
        }
        self.told = Some((count, now));
        Some(Word::Grows(count - told))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_as_it_begins_once_a_minute_and_when_it_is_over() {
        let (mut spell, start) = (Spell::default(), Instant::now());
        let mut look = |second: u64, count: u64| spell.look(count, 1, start + Duration::from_secs(second));
        assert_eq!(look(0, 0), None);
        assert_eq!(look(1, 10), Some(Word::Grows(10)));
        assert_eq!((look(2, 20), look(60, 30)), (None, None));
        assert_eq!(look(61, 35), Some(Word::Grows(25)));
        assert_eq!(look(90, 36), None);
        assert_eq!(look(121, 36), Some(Word::Grows(1)));
        assert_eq!((look(122, 36), look(180, 36)), (None, None));
        assert_eq!(look(181, 36), Some(Word::IsOver(36)));
        assert_eq!(look(300, 36), None);
        assert_eq!(look(301, 37), Some(Word::Grows(1)));
    }

    #[test]
    fn what_is_little_each_second_is_no_trouble() {
        let (mut spell, start) = (Spell::default(), Instant::now());
        for second in 0..100 {
            assert_eq!(spell.look(second * 9, 10, start + Duration::from_secs(second)), None);
        }
        assert_eq!(
            spell.look(1000, 10, start + Duration::from_secs(100)),
            Some(Word::Grows(109))
        );
    }
}
