//! Messages that were told while one before them was not.
//!
//! Channels say how many messages from the first on they have delivered. One that tells several at a time, or gathers some
//! that do not follow each other, remembers here what it has told beyond that, so that nobody is told twice.

use std::sync::Arc;

use super::{Failure, Message};

/// What was told beyond a failure: a batch at most.
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
        self.0 = beyond.map(|(message, _)| Arc::clone(message)).collect();
        match failure {
            Some(failure) => Err(failure.delivered(first)),
            None => Ok(()),
        }
    }
}
