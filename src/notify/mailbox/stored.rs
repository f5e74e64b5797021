//! A mailbox written down: what of it is a record of the journal, and when the journal is written anew.
//!
//! Each record has a key: `q` and a number for what waits, `t` and a fingerprint for what was told, `l` and a number for ends
//! that are to be told later, and one for what is to be summed up. The newest of a key counts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::super::{
    Message, Status,
    journal::{Found, Journal, Records},
};
use super::{Bounds, Mailbox};
use crate::{line::Timestamp, metrics::ChannelMetrics};

/// The journal is written anew when so much of it is of the past, and most of it (bytes).
const JOURNAL_WASTE_MAX: u64 = 1 << 20;

/// Time between two attempts to write a journal anew that cannot be written (seconds).
const JOURNAL_PAUSE_S: i64 = 60;

/// Key of what is to be summed up.
pub(super) const WITHHELD_KEY: &str = "withheld";

/// Where it is written down.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) path: PathBuf,
    pub(super) journal: Option<Journal>,
    /// When another attempt may be made at a journal that could not be written.
    pub(super) again_at: Timestamp,
}

/// A message that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Queued {
    #[serde(skip)]
    pub(super) number: u64,
    #[serde(skip)]
    pub(super) bytes: u64,
    /// Since when it waits.
    pub(super) since: Timestamp,
    pub(super) message: Arc<Message>,
}

/// An anomaly that is open, and told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Told {
    #[serde(skip)]
    pub(super) bytes: u64,
    /// Was any message on it delivered?
    #[serde(skip)]
    pub(super) delivered: bool,
    /// When it was told last.
    pub(super) at: Timestamp,
    pub(super) resolve: bool,
    /// The last on it.
    pub(super) message: Arc<Message>,
}

/// An end that is to be told later.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Late {
    pub(super) at: Timestamp,
    pub(super) message: Arc<Message>,
}

impl Mailbox {
    /// The one that is written down at `path`, or a new one there.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(in crate::notify) fn open(path: &Path, bounds: Bounds, metrics: ChannelMetrics) -> std::io::Result<Self> {
        let mut mailbox = Self::in_memory(bounds, metrics);
        let found = Journal::read(path)?;
        mailbox.knows_no_past = !found.existed;
        let unread = found.damaged + mailbox.take_in(found);
        if unread > 0 {
            warn!(journal = %path.display(), lines = unread, "lines of the journal cannot be read and are passed over");
            mailbox.metrics.journal_failures.inc_by(unread as u64);
        }
        mailbox.storage = Some(Storage {
            path: path.to_owned(),
            journal: Some(Journal::begin(path, &mailbox.all_records())?),
            again_at: Timestamp::MIN,
        });
        Ok(mailbox)
    }

    /// Gives how many records mean nothing.
    fn take_in(&mut self, found: Found) -> usize {
        let mut unread = 0;
        for (key, json) in found.records {
            let bytes = json.len() as u64;
            if let Some(number) = key.strip_prefix('q').and_then(|number| number.parse().ok()) {
                match serde_json::from_str::<Queued>(&json) {
                    Ok(queued) => {
                        self.queue_bytes += bytes;
                        self.next_number = self.next_number.max(number + 1);
                        self.queue.push_back(Queued {
                            number,
                            bytes,
                            ..queued
                        });
                    }
                    Err(_) => unread += 1,
                }
            } else if let Some(key) = key.strip_prefix('t') {
                match serde_json::from_str::<Told>(&json) {
                    Ok(told) => {
                        self.told_bytes += bytes;
                        self.told.insert(
                            key.to_owned(),
                            Told {
                                bytes,
                                delivered: true,
                                ..told
                            },
                        );
                    }
                    Err(_) => unread += 1,
                }
            } else if let Some(number) = key.strip_prefix('l').and_then(|number| number.parse().ok()) {
                match serde_json::from_str::<Late>(&json) {
                    Ok(late) => {
                        self.next_number = self.next_number.max(number + 1);
                        self.late.insert((late.at, number), late);
                    }
                    Err(_) => unread += 1,
                }
            } else if key == WITHHELD_KEY {
                match serde_json::from_str(&json) {
                    Ok(withheld) => self.withheld = Some(withheld),
                    Err(_) => unread += 1,
                }
            }
        }
        self.queue.make_contiguous().sort_by_key(|queued| queued.number);
        self.spare = self.queue.len();
        for queued in self
            .queue
            .iter()
            .filter(|queued| queued.message.status == Status::Firing)
        {
            if let Some(told) = self.told.get_mut(&queued.message.fingerprint) {
                told.delivered = false;
            }
        }
        unread
    }

    /// Writes down what has changed. `lasting`: so that a power cut does not undo it; what is delivered may be so twice.
    pub(super) fn save(&mut self, lasting: bool, now: Timestamp) {
        let changes = std::mem::take(&mut self.records);
        let Some(storage) = &mut self.storage else { return };
        if changes.is_empty() && storage.journal.is_some() {
            return;
        }
        let live = self.queue_bytes + self.told_bytes;
        if let Some(journal) = &mut storage.journal {
            let synced = |journal: &Journal| if lasting { journal.sync() } else { Ok(()) };
            let written = journal.write(&changes).and_then(|()| synced(journal));
            let waste = journal.bytes().saturating_sub(live);
            match written {
                Ok(()) if waste < JOURNAL_WASTE_MAX + live => return self.reuse(changes),
                // Most of it is of the past.
                Ok(()) => {}
                Err(error) => {
                    warn!(journal = %storage.path.display(), %error, "the journal cannot be written");
                    self.metrics.journal_failures.inc();
                    storage.journal = None;
                    storage.again_at = now.saturating_add(JOURNAL_PAUSE_S);
                    return;
                }
            }
        } else if now < storage.again_at {
            return;
        }
        let path = storage.path.clone();
        let begun = Journal::begin(&path, &self.all_records());
        if let Some(storage) = &mut self.storage {
            match begun {
                Ok(journal) => storage.journal = Some(journal),
                Err(error) => {
                    warn!(journal = %path.display(), %error, "the journal cannot be written anew");
                    self.metrics.journal_failures.inc();
                    // What there is may have lost a line.
                    storage.journal = None;
                    storage.again_at = now.saturating_add(JOURNAL_PAUSE_S);
                }
            }
        }
    }

    pub(super) fn reuse(&mut self, mut records: Records) {
        records.clear();
        self.records = records;
    }

    pub(super) fn all_records(&self) -> Records {
        let mut records = Records::default();
        for queued in &self.queue {
            records.put(&format!("q{}", queued.number), queued);
        }
        for (key, told) in &self.told {
            records.put(&format!("t{key}"), told);
        }
        for ((_, number), late) in &self.late {
            records.put(&format!("l{number}"), late);
        }
        if let Some(withheld) = &self.withheld {
            records.put(WITHHELD_KEY, withheld);
        }
        records
    }
}
