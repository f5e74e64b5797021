//! Mail that some of its recipients are still owed: the server has taken it for others, and has asked to be tried again for
//! these.
//!
//! So that a full mailbox, or a server that greets strangers late, holds nobody else's mail up. In memory alone, and bounded
//! in bytes and time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use lettre::Address;

/// How long a recipient's mail is tried again for.
const AGE_MAX: Duration = Duration::from_secs(4 * 3600);

/// All that is owed (bytes); the oldest gives way.
const BYTES_MAX: usize = 16 << 20;

/// A mail, and who is owed it.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) to: Vec<Address>,
    pub(super) mail: Vec<u8>,
    since: Instant,
}

/// What is owed, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Late(VecDeque<Owed>);

impl Late {
    /// Keeps a mail. What had to give way comes back.
    pub(super) fn keep(&mut self, to: Vec<Address>, mail: Vec<u8>) -> Vec<Owed> {
        let since = Instant::now();
        self.0.push_back(Owed { to, mail, since });
        let mut given_up = Vec::new();
        while self.0.len() > 1 && self.bytes() > BYTES_MAX {
            given_up.extend(self.0.pop_front());
        }
        given_up
    }

    /// Takes what is to be tried again, and what is too old for that.
    pub(super) fn take(&mut self, now: Instant) -> (VecDeque<Owed>, Vec<Owed>) {
        let is_old = |owed: &Owed| now.saturating_duration_since(owed.since) > AGE_MAX;
        let (old, young): (Vec<_>, Vec<_>) = self.0.drain(..).partition(is_old);
        (young.into(), old)
    }

    /// Puts back what was not tried, or is still owed.
    pub(super) fn put_back(&mut self, owed: Owed) {
        self.0.push_back(owed);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|owed| owed.mail.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_is_bounded_in_bytes_and_time() {
        let mut late = Late::default();
        let to: Vec<Address> = vec!["a@example.com".parse().unwrap()];
        let given_up: usize = (0..20).map(|_| late.keep(to.clone(), vec![0; 1 << 20]).len()).sum();
        assert_eq!((late.len(), given_up), (16, 4));
        let (young, old) = late.take(Instant::now());
        assert_eq!((young.len(), old.len(), late.len()), (16, 0, 0));
        for owed in young {
            late.put_back(owed);
        }
        let (young, old) = late.take(Instant::now() + 2 * AGE_MAX);
        assert_eq!((young.len(), old.len()), (0, 16));
    }
}
