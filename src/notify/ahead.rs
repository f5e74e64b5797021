//! Messages that were told while one before them was not.
//!
//! Channels say how many messages from the first on they have delivered. One that tells several at a time, or gathers some
//! that do not follow each other, remembers here what it has told beyond that, so that nobody is told twice.

use std::sync::Arc;

use super::{Failure, Message};

/// Most messages that are remembered: some batches. Those that have waited longest are forgotten first.
const REMEMBERED_MAX: usize = 1024;

/// What was told beyond a failure.
#[derive(Debug, Default)]
pub(super) struct Ahead(Vec<Arc<Message>>);

impl Ahead {
    /// Was `message` told already?
    pub(super) fn has(&self, message: &Arc<Message>) -> bool {
        self.0.contains(message)
    }

    /// Remembers which of `messages` were told (`told`, for each), when one that was not came to `failure`; `None`: all were.
    ///
    /// # Errors
    /// The failure, with the number of messages before it.
    pub(super) fn settle(
        &mut self,
        messages: &[Arc<Message>],
        told: &[bool],
        failure: Option<Failure>,
    ) -> Result<(), Failure> {
        let first = told.iter().take_while(|told| **told).count();
        let beyond = messages.iter().zip(told).skip(first).filter(|(_, told)| **told);
        // What is not asked about now, as messages are tried one by one, will be.
        self.0.retain(|known| !messages.contains(known));
        self.0.extend(beyond.map(|(message, _)| Arc::clone(message)));
        let excess = self.0.len().saturating_sub(REMEMBERED_MAX);
        self.0.drain(..excess);
        match failure {
            Some(failure) => Err(failure.delivered(first)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{Cause, Status, message::tests::message};

    #[test]
    fn what_was_told_is_remembered_while_another_message_is_tried_alone() {
        let messages = ["a", "b", "c"].map(|series| Arc::new(message(Status::Firing, series)));
        let failure = || Some(Failure::passing(Cause::Trouble, "not now"));
        let mut ahead = Ahead::default();
        let failed = ahead.settle(&messages, &[true, false, true], failure()).unwrap_err();
        assert_eq!(failed.delivered, 1);
        ahead.settle(&messages[1..2], &[false], failure()).unwrap_err();
        assert!(ahead.has(&messages[2]) && !ahead.has(&messages[1]));
        // It is its turn, and then nobody asks any more.
        ahead.settle(&messages[2..], &[true], None).unwrap();
        assert!(!ahead.has(&messages[2]));
    }
}
