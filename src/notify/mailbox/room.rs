//! What gives when a mailbox is full, and what is given up for other reasons: each loss is counted.

use std::{collections::HashSet, sync::Arc};

use super::super::{Message, Status};
use super::Mailbox;

/// Why a message is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::notify) enum Loss {
    /// Too much waits.
    Full,
    /// The channel does not take it, and never will.
    Refused,
    /// It has waited for too long.
    Expired,
    /// The channel was taken out of the configuration, or the relay has ended and there is no journal.
    Left,
}

impl Mailbox {
    /// Makes room for `message`, if it is not there. `matters`: at the cost of others that are not told yet. False when
    /// there is none, and the message is lost.
    pub(super) fn make_room(&mut self, message: &Arc<Message>, matters: bool) -> bool {
        // As JSON it takes so much or somewhat more; the bound is not one of a disk.
        let bytes = 300 + 2 * message.series.len() as u64 + message.reason.len() as u64;
        let fits = |mailbox: &Self| mailbox.queue_bytes + bytes <= mailbox.bounds.bytes_max;
        if fits(self) {
            return true;
        }
        if self.spare > 0 {
            self.spare = 0;
            self.drop_spare();
        }
        while matters && !fits(self) && self.drop_newest() {}
        let fits = fits(self);
        if !fits {
            self.metrics.lost(Loss::Full.name(), 1);
        }
        fits
    }

    /// Drops what matters least: that anomalies go on, and those that are over and not told of at all.
    pub(super) fn drop_spare(&mut self) {
        let waiting = || self.queue.iter().skip(self.in_flight).map(|queued| &*queued.message);
        let of_status = |status: Status| -> HashSet<String> {
            let those = waiting().filter(|message| message.status == status);
            those.map(|message| message.fingerprint.clone()).collect()
        };
        let (firing, resolved) = (of_status(Status::Firing), of_status(Status::Resolved));
        self.retain(Loss::Full, |message| {
            let key = &message.fingerprint;
            match message.status {
                Status::Again => false,
                Status::Firing => !resolved.contains(key),
                Status::Resolved => !firing.contains(key),
                Status::Summary => true,
            }
        });
    }

    /// Drops the newest anomaly that is not told of yet. False when there is none.
    pub(super) fn drop_newest(&mut self) -> bool {
        let waiting = self.queue.iter().skip(self.in_flight).rev();
        let newest = waiting
            .map(|queued| &queued.message)
            .find(|message| message.status == Status::Firing);
        let Some(key) = newest.map(|message| message.fingerprint.clone()) else {
            return false;
        };
        self.drop_anomaly(&key, Loss::Full);
        true
    }

    /// Keeps what is being delivered, and what `keep` holds for.
    pub(super) fn retain(&mut self, loss: Loss, keep: impl Fn(&Message) -> bool) {
        let (mut place, in_flight) = (0, self.in_flight);
        let (records, queue_bytes, mut dropped) = (&mut self.records, &mut self.queue_bytes, 0);
        self.queue.retain(|queued| {
            place += 1;
            let kept = place <= in_flight || keep(&queued.message);
            if !kept {
                *queue_bytes -= queued.bytes;
                records.remove(&format!("q{}", queued.number));
                dropped += 1;
            }
            kept
        });
        self.metrics.lost(loss.name(), dropped);
    }

    pub(super) fn give_up_front(&mut self, loss: Loss) {
        self.in_flight = 0;
        let Some(message) = self.pop_front() else { return };
        self.metrics.lost(loss.name(), 1);
        if message.status == Status::Firing {
            // Whoever has not heard of its beginning is not to hear of the rest.
            self.drop_anomaly(&message.fingerprint, loss);
        }
    }

    /// Drops all that waits of an anomaly that nobody has heard of.
    pub(super) fn drop_anomaly(&mut self, fingerprint: &str, loss: Loss) {
        self.forget(fingerprint);
        self.retain(loss, |message| message.fingerprint != fingerprint);
        let (records, before) = (&mut self.records, self.late.len());
        self.late.retain(|(_, number), late| {
            let stays = late.message.fingerprint != fingerprint;
            if !stays {
                records.remove(&format!("l{number}"));
            }
            stays
        });
        self.metrics.lost(loss.name(), (before - self.late.len()) as u64);
    }

    /// Gives up all that waits, and what is written down with it.
    pub(in crate::notify) fn give_up_all(&mut self) {
        self.in_flight = 0;
        self.retain(Loss::Left, |_| false);
        self.metrics
            .lost(Loss::Left.name(), std::mem::take(&mut self.late).len() as u64);
        if let Some(journal) = self.storage.take().and_then(|storage| storage.journal) {
            // What is left of it is read by nobody.
            let _ = journal.remove();
        }
    }
}

impl Loss {
    /// All there are, as in metrics.
    pub(in crate::notify) const NAMES: [&str; 4] = [
        Self::Full.name(),
        Self::Refused.name(),
        Self::Expired.name(),
        Self::Left.name(),
    ];

    /// As in metrics.
    pub(in crate::notify) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Left => "left",
        }
    }
}
