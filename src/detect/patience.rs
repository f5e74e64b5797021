//! Patience: how long, or how often, samples have to be odd before it is an anomaly, and when it is over.
//!
//! * *So often*: as many of the last samples as are needed were odd.
//! * *So long*: that has been so at every sample since one that is so many seconds older, by the samples' own timestamps.
//! * Only samples count. A gap neither interrupts nor fulfils anything by itself: odd samples on both of its sides are odd
//!   samples in a row, as far apart as they are. Otherwise a series slower than the patience would never be told of.
//! * It is over at the first sample that is back, unless as many of the last samples as are needed were odd all the same.

use super::Observation;
use crate::save::{fields, hold};

/// Samples that can be looked back at.
pub const SAMPLES_MAX: u32 = 64;

/// When odd samples make an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Odd samples that are needed (1 or more) ...
    pub needed: u32,
    /// ... among so many (`needed` to [`SAMPLES_MAX`]).
    pub of: u32,
    /// How long that has to last (seconds, 0 or more).
    pub for_s: i64,
}

/// What has been so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Is it an anomaly?
    open: bool,
    /// Since when enough samples have been odd; `None`: they are not.
    since: Option<i64>,
    /// The last samples: a bit for each, set if it was odd, the newest lowest.
    recent: u64,
}
fields!(Waiting { open, since, recent } check |waiting| hold(
    !waiting.open || waiting.since.is_some(),
    "an anomaly has begun at no time"
));

impl Default for Patience {
    /// None: every odd sample is an anomaly.
    fn default() -> Self {
        Self {
            needed: 1,
            of: 1,
            for_s: 0,
        }
    }
}

impl Waiting {
    /// Takes in a sample that is odd, or back, or neither.
    pub fn follow(&mut self, patience: Patience, timestamp: i64, odd: bool, back: bool) -> Observation {
        let was_open = self.open;
        self.learn(patience, timestamp, odd, back);
        self.open = match self.since {
            Some(since) => was_open || timestamp.saturating_sub(since) >= patience.for_s,
            None => false,
        };
        let changed = self.open != was_open;
        Observation {
            anomalous: self.open,
            alert: changed && self.open,
            changed,
        }
    }

    /// The same where nobody is to be told: nothing opens.
    pub fn learn(&mut self, patience: Patience, timestamp: i64, odd: bool, back: bool) {
        self.recent = self.recent << 1 | u64::from(odd);
        if self.odd_of_last(patience.of) >= patience.needed {
            self.since.get_or_insert(timestamp);
        } else if back || !self.open {
            (self.open, self.since) = (false, None);
        }
    }

    /// What a sample comes to of which nothing can be said: all stays as it was.
    pub fn keep(&self) -> Observation {
        Observation {
            anomalous: self.open,
            ..Observation::default()
        }
    }

    /// Odd ones among the last `samples`.
    pub fn odd_of_last(&self, samples: u32) -> u32 {
        let unseen = SAMPLES_MAX.saturating_sub(samples);
        (self.recent << unseen).count_ones()
    }

    /// Since when enough samples have been odd; while it is an anomaly, at times fewer may have been.
    pub fn since(&self) -> Option<i64> {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: Patience = Patience {
        needed: 1,
        of: 1,
        for_s: 0,
    };

    /// What comes of samples, of which each is odd (`x`), back (`.`) or neither (`-`): the places at which it opens and closes.
    fn turns(patience: Patience, step_s: i64, samples: &str) -> Vec<(usize, bool)> {
        let mut waiting = Waiting::default();
        let mut turns = Vec::new();
        for (place, sample) in samples.chars().enumerate() {
            let timestamp = step_s * i64::try_from(place).unwrap();
            let seen = waiting.follow(patience, timestamp, sample == 'x', sample == '.');
            assert_eq!(seen.alert, seen.changed && seen.anomalous);
            turns.extend(seen.changed.then_some((place, seen.anomalous)));
        }
        turns
    }

    #[test]
    fn without_patience_each_odd_sample_counts() {
        assert_eq!(
            turns(EVERY, 10, "..xx.x."),
            [(2, true), (4, false), (5, true), (6, false)]
        );
    }

    #[test]
    fn between_odd_and_back_it_stays_as_it_was() {
        assert_eq!(turns(EVERY, 10, "--x-x--.--x"), [(2, true), (7, false), (10, true)]);
    }

    #[test]
    fn it_takes_as_long_as_is_said() {
        let patience = Patience { for_s: 30, ..EVERY };
        assert_eq!(
            turns(patience, 10, "xxx.xxxx.xxxxx"),
            [(7, true), (8, false), (12, true)]
        );
        assert_eq!(
            turns(patience, 10, "xx-xxxxxx"),
            [(6, true)],
            "what is not odd begins anew"
        );
        assert_eq!(
            turns(patience, 3600, "x.xx"),
            [(3, true)],
            "slow series need two samples"
        );
    }

    #[test]
    fn it_takes_as_many_as_are_said() {
        let patience = Patience {
            needed: 3,
            of: 5,
            ..EVERY
        };
        assert_eq!(turns(patience, 10, "x.x.x"), [(4, true)]);
        assert_eq!(turns(patience, 10, "xx...xx...xx"), []);
        assert_eq!(
            turns(patience, 10, "xxx....x"),
            [(2, true), (5, false)],
            "it is over when fewer are odd"
        );
        assert_eq!(turns(patience, 10, "xxx----x."), [(2, true), (8, false)]);
    }

    #[test]
    fn so_many_for_so_long() {
        let patience = Patience {
            needed: 2,
            of: 3,
            for_s: 30,
        };
        assert_eq!(turns(patience, 10, "xx.xx.xx"), [(4, true)]);
        assert_eq!(turns(patience, 10, "xx..xx.x.x"), []);
    }

    #[test]
    fn what_was_learnt_opens_with_the_next_sample() {
        let patience = Patience { for_s: 30, ..EVERY };
        let mut waiting = Waiting::default();
        for timestamp in [0, 10, 20, 30, 40] {
            waiting.learn(patience, timestamp, true, false);
            assert_eq!(waiting.keep(), Observation::default());
        }
        assert!(waiting.follow(patience, 50, true, false).alert);
        assert!(waiting.keep().anomalous && !waiting.keep().changed);
    }

    proptest! {
        /// The plain definition: look back at all samples.
        #[test]
        fn it_opens_and_closes_by_the_book(
            (needed, of) in (1_u32..6).prop_flat_map(|needed| (Just(needed), needed..=SAMPLES_MAX)),
            for_s in 0_i64..100,
            samples in proptest::collection::vec((1_i64..40, 0_u8..3), 1..200),
        ) {
            let patience = Patience { needed, of, for_s };
            let mut waiting = Waiting::default();
            let (mut timestamp, mut open, mut since) = (0, false, None);
            let mut odd = Vec::new();
            for (step_s, what) in samples {
                timestamp += step_s;
                odd.push(what == 0);
                let recent = odd.iter().rev().take(of as usize).filter(|&&odd| odd).count();
                let enough = recent >= needed as usize;
                if enough {
                    since = since.or(Some(timestamp));
                } else if !open || what == 1 {
                    since = None;
                }
                let now_open = since.is_some_and(|since| open || timestamp - since >= for_s);
                let seen = waiting.follow(patience, timestamp, what == 0, what == 1);
                prop_assert_eq!((seen.anomalous, seen.changed), (now_open, now_open != open));
                open = now_open;
            }
        }
    }
}
