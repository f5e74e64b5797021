//! The mailbox of one channel: what waits for it, what it was told, and what it is not to be told one by one.
//!
//! Knows neither the channel nor a clock: its owner pushes messages and the time, and takes out what is to be delivered.
//!
//! * Messages leave in the order in which they came, but that all of one anomaly may go behind those of others, when they are
//!   in the way. Those of one anomaly are never out of order.
//! * An anomaly is told once, whatever the number of routes that lead here, and its end is told exactly if its beginning
//!   was: once, after it. What was given up counts as not told.
//! * Bounded: `bytes_max` for what waits. When that is full, what matters least goes first: that something goes on, then
//!   anomalies that are over before they were told of, and then the newest. Each loss is counted, by reason.
//! * With a journal, all of it is there again after a crash. What is delivered just then may be delivered twice.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{
    Message, RateLimit, Status, Summary, fingerprint,
    journal::{Found, Journal, Records},
};
use crate::{line::Timestamp, metrics::ChannelMetrics};

/// Anomalies of one channel that are open and told. What opens beyond is lost, and counted.
const TOLD_MAX: usize = 100_000;

/// Series that a summary names.
const SUMMARY_SERIES_MAX: usize = 20;

/// Anomalies that are known to be part of a summary; of more than these nobody counts how many are over.
const WITHHELD_MAX: usize = 10_000;

/// The journal is written anew when so much of it is of the past, and most of it (bytes).
const JOURNAL_WASTE_MAX: u64 = 1 << 20;

/// Time between two attempts to write a journal anew that cannot be written (seconds).
const JOURNAL_PAUSE_S: i64 = 60;

/// What is to be told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outgoing {
    pub(super) message: Arc<Message>,
    /// Is the end of the anomaly to be told as well?
    pub(super) resolve: bool,
    /// When it may be told; `None`: at once. For an end.
    pub(super) not_before: Option<Timestamp>,
}

impl Outgoing {
    /// To be told at once.
    pub(super) fn now(message: Message, resolve: bool) -> Self {
        Self {
            message: Arc::new(message),
            resolve,
            not_before: None,
        }
    }
}

/// Why a message is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Too much waits.
    Full,
    /// The channel does not take it, and never will.
    Refused,
    /// It has waited for too long.
    Expired,
    /// The channel was taken out of the configuration, or the relay has ended and there is no journal.
    Left,
}

/// What waits, and what was told.
#[derive(Debug)]
pub(super) struct Mailbox {
    bounds: Bounds,
    queue: VecDeque<Queued>,
    queue_bytes: u64,
    next_number: u64,
    /// Messages at the front that are being delivered.
    in_flight: usize,
    /// Messages that may be dropped for others, at most.
    spare: usize,
    /// Ends that are to be told later: when, and a number.
    late: BTreeMap<(Timestamp, u64), Late>,
    /// By fingerprint.
    told: HashMap<String, Told>,
    told_bytes: u64,
    /// When messages were told of late.
    recent: VecDeque<Timestamp>,
    withheld: Option<Withheld>,
    /// Fingerprints of what is withheld.
    withheld_open: HashSet<String>,
    knows_no_past: bool,
    storage: Option<Storage>,
    records: Records,
    metrics: ChannelMetrics,
}

/// What bounds a mailbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    /// What may wait (bytes of JSON).
    pub(super) bytes_max: u64,
    /// Time after which what waits is given up (seconds).
    pub(super) keep_s: i64,
    /// How much may be told one by one; `None`: all.
    pub(super) rate_limit: Option<RateLimit>,
}

/// Where it is written down.
#[derive(Debug)]
struct Storage {
    path: PathBuf,
    journal: Option<Journal>,
    /// When another attempt may be made at a journal that could not be written.
    again_at: Timestamp,
}

/// A message that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Queued {
    #[serde(skip)]
    number: u64,
    #[serde(skip)]
    bytes: u64,
    /// Since when it waits.
    since: Timestamp,
    message: Arc<Message>,
}

/// An anomaly that is open, and told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    #[serde(skip)]
    bytes: u64,
    /// Was any message on it delivered?
    #[serde(skip)]
    delivered: bool,
    /// When it was told last.
    at: Timestamp,
    resolve: bool,
    /// The last on it.
    message: Arc<Message>,
}

/// An end that is to be told later.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Late {
    at: Timestamp,
    message: Arc<Message>,
}

/// What is not told one by one, and not yet summed up.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Withheld {
    since: Timestamp,
    route: Arc<str>,
    summary: Summary,
}

const WITHHELD_KEY: &str = "withheld";

impl Mailbox {
    /// An empty one, that nothing survives in.
    pub(super) fn in_memory(bounds: Bounds, metrics: ChannelMetrics) -> Self {
        Self {
            bounds,
            queue: VecDeque::new(),
            queue_bytes: 0,
            next_number: 0,
            in_flight: 0,
            spare: 0,
            late: BTreeMap::new(),
            told: HashMap::new(),
            told_bytes: 0,
            recent: VecDeque::new(),
            withheld: None,
            withheld_open: HashSet::new(),
            knows_no_past: true,
            storage: None,
            records: Records::default(),
            metrics,
        }
    }

    /// The one that is written down at `path`, or a new one there.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn open(path: &Path, bounds: Bounds, metrics: ChannelMetrics) -> std::io::Result<Self> {
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

    /// Goes by other bounds from now on.
    pub(super) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Takes in what is to be told.
    pub(super) fn push(&mut self, messages: impl IntoIterator<Item = Outgoing>, now: Timestamp) {
        for outgoing in messages {
            match outgoing.message.status {
                Status::Firing | Status::Again => self.tell(&outgoing, now),
                Status::Resolved => self.resolve(outgoing, now),
                Status::Summary => self.enqueue(outgoing.message, now),
            }
        }
        self.save(true, now);
    }

    /// Takes it that anomalies were told here before anything was written down.
    pub(super) fn assume(&mut self, messages: impl IntoIterator<Item = Outgoing>, now: Timestamp) {
        for Outgoing { message, resolve, .. } in messages {
            if self.told.len() < TOLD_MAX && !self.told.contains_key(&message.fingerprint) {
                self.note_told(message, resolve, true, now);
            }
        }
        self.save(true, now);
    }

    fn tell(&mut self, outgoing: &Outgoing, now: Timestamp) {
        let Outgoing { message, resolve, .. } = outgoing;
        let key = &message.fingerprint;
        if let Some(told) = self.told.get_mut(key) {
            told.resolve |= resolve;
            let (resolve, delivered) = (told.resolve, told.delivered);
            // Another route has led here before.
            if message.status == Status::Firing {
                return;
            }
            if !self.allow(now) {
                return self.metrics.withheld.inc();
            }
            if self.make_room(message, false) {
                self.note_told(Arc::clone(message), resolve, delivered, now);
                self.enqueue(Arc::clone(message), now);
                self.spare += 1;
            }
            return;
        }
        if self.told.len() >= TOLD_MAX {
            return self.metrics.lost(Loss::Full.name(), 1);
        }
        if !self.allow(now) {
            return self.withhold(message, now);
        }
        if !self.make_room(message, false) {
            return;
        }
        // That it goes on is news to whoever has not heard of it.
        let message = if message.status == Status::Again {
            let mut first = Message::clone(message);
            first.status = Status::Firing;
            Arc::new(first)
        } else {
            Arc::clone(message)
        };
        self.withheld_open.remove(&message.fingerprint);
        self.note_told(Arc::clone(&message), *resolve, false, now);
        self.enqueue(message, now);
    }

    fn resolve(&mut self, outgoing: Outgoing, now: Timestamp) {
        let Outgoing {
            message, not_before, ..
        } = outgoing;
        let Some(told) = self.forget(&message.fingerprint) else {
            if self.withheld_open.remove(&message.fingerprint)
                && let Some(withheld) = &mut self.withheld
            {
                withheld.summary.closed += 1;
                self.records.put(WITHHELD_KEY, withheld);
            }
            return;
        };
        if !told.resolve {
            return;
        }
        let message = if message.route == told.message.route {
            message
        } else {
            let mut routed = Message::clone(&message);
            routed.route = Arc::clone(&told.message.route);
            Arc::new(routed)
        };
        match not_before {
            Some(at) => {
                let late = Late { at, message };
                self.records.put(&format!("l{}", self.next_number), &late);
                self.late.insert((at, self.next_number), late);
                self.next_number += 1;
            }
            None => self.tell_end(message, told.delivered, now),
        }
    }

    /// `delivered`: the beginning is known to be told.
    fn tell_end(&mut self, message: Arc<Message>, delivered: bool, now: Timestamp) {
        let key = &message.fingerprint;
        let waits = |mailbox: &Self| mailbox.queue.iter().any(|queued| queued.message.fingerprint == *key);
        let beginning_waits = !delivered && waits(self);
        if !self.make_room(&message, true) {
            return;
        }
        if beginning_waits {
            // The room may be that of its own beginning.
            if !waits(self) {
                return self.metrics.lost(Loss::Full.name(), 1);
            }
            self.spare += 2;
        }
        self.enqueue(message, now);
    }

    fn note_told(&mut self, message: Arc<Message>, resolve: bool, delivered: bool, at: Timestamp) {
        let key = message.fingerprint.clone();
        let mut told = Told {
            bytes: 0,
            delivered,
            at,
            resolve,
            message,
        };
        told.bytes = self.records.put(&format!("t{key}"), &told) as u64;
        self.told_bytes += told.bytes;
        if let Some(before) = self.told.insert(key, told) {
            self.told_bytes -= before.bytes;
        }
    }

    fn forget(&mut self, fingerprint: &str) -> Option<Told> {
        let told = self.told.remove(fingerprint)?;
        self.told_bytes -= told.bytes;
        self.records.remove(&format!("t{fingerprint}"));
        Some(told)
    }

    fn enqueue(&mut self, message: Arc<Message>, since: Timestamp) {
        let number = self.next_number;
        self.next_number += 1;
        let mut queued = Queued {
            number,
            bytes: 0,
            since,
            message,
        };
        queued.bytes = self.records.put(&format!("q{number}"), &queued) as u64;
        self.queue_bytes += queued.bytes;
        self.queue.push_back(queued);
    }

    /// May one more be told by itself?
    fn allow(&mut self, now: Timestamp) -> bool {
        let Some(RateLimit { messages, per_s }) = self.bounds.rate_limit else {
            return true;
        };
        // A clock that was put back must not hold everything up until it is where it was.
        while self
            .recent
            .front()
            .is_some_and(|&at| at.saturating_add(per_s) <= now || at > now)
        {
            self.recent.pop_front();
        }
        let allowed = self.recent.len() < messages;
        if allowed {
            self.recent.push_back(now);
        }
        allowed
    }

    fn withhold(&mut self, message: &Arc<Message>, now: Timestamp) {
        self.metrics.withheld.inc();
        let withheld = self.withheld.get_or_insert_with(|| Withheld {
            since: now,
            route: Arc::clone(&message.route),
            summary: Summary::default(),
        });
        if self.withheld_open.contains(&message.fingerprint) {
            return;
        }
        let summary = &mut withheld.summary;
        summary.opened += 1;
        if summary.series.len() < SUMMARY_SERIES_MAX && !summary.series.contains(&message.series) {
            summary.series.push(Arc::clone(&message.series));
        }
        if self.withheld_open.len() < WITHHELD_MAX {
            self.withheld_open.insert(message.fingerprint.clone());
        }
        self.records.put(WITHHELD_KEY, withheld);
    }

    /// Tells what is late and due, sums up what was withheld, when it is time to, and gives up what has waited for too long.
    pub(super) fn tick(&mut self, now: Timestamp) {
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, number), late) = entry.remove_entry();
            self.records.remove(&format!("l{number}"));
            self.tell_end(late.message, false, now);
        }
        // Without a limit, as after a reload, there is nothing to wait for.
        let per_s = self.bounds.rate_limit.map_or(0, |limit| limit.per_s);
        if let Some(withheld) = self
            .withheld
            .take_if(|withheld| withheld.since.saturating_add(per_s) <= now)
        {
            self.withheld_open.clear();
            self.records.remove(WITHHELD_KEY);
            let message = Arc::new(sum_up(withheld, now));
            if self.make_room(&message, true) {
                self.enqueue(message, now);
            }
        }
        while self.in_flight == 0
            && self
                .queue
                .front()
                .is_some_and(|queued| queued.since.saturating_add(self.bounds.keep_s) <= now)
        {
            self.give_up_front(Loss::Expired);
        }
        self.save(true, now);
    }

    /// Makes room for `message`, if it is not there. `matters`: at the cost of others that are not told yet. False when
    /// there is none, and the message is lost.
    fn make_room(&mut self, message: &Arc<Message>, matters: bool) -> bool {
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
    fn drop_spare(&mut self) {
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
    fn drop_newest(&mut self) -> bool {
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
    fn retain(&mut self, loss: Loss, keep: impl Fn(&Message) -> bool) {
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

    /// The next to be delivered, `limit` at most, which stay here until they are [`done`](Self::done).
    pub(super) fn take(&mut self, limit: usize) -> Vec<Arc<Message>> {
        let batch: Vec<_> = self
            .queue
            .iter()
            .take(limit)
            .map(|queued| Arc::clone(&queued.message))
            .collect();
        self.in_flight = batch.len();
        batch
    }

    /// The first `count` of what was taken are delivered; the others wait again.
    pub(super) fn done(&mut self, count: usize, now: Timestamp) {
        for _ in 0..count.min(self.in_flight) {
            let Some(message) = self.pop_front() else { break };
            if let Some(told) = self.told.get_mut(&message.fingerprint) {
                told.delivered |= message.is_open();
            }
            self.metrics.notified.inc();
        }
        self.in_flight = 0;
        self.save(false, now);
    }

    /// The first one will never be delivered.
    pub(super) fn refuse(&mut self, now: Timestamp) {
        self.give_up_front(Loss::Refused);
        self.save(false, now);
    }

    fn give_up_front(&mut self, loss: Loss) {
        self.in_flight = 0;
        let Some(message) = self.pop_front() else { return };
        self.metrics.lost(loss.name(), 1);
        if message.status == Status::Firing {
            // Whoever has not heard of its beginning is not to hear of the rest.
            self.drop_anomaly(&message.fingerprint, loss);
        }
    }

    /// Drops all that waits of an anomaly that nobody has heard of.
    fn drop_anomaly(&mut self, fingerprint: &str, loss: Loss) {
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

    fn pop_front(&mut self) -> Option<Arc<Message>> {
        let Queued {
            number, bytes, message, ..
        } = self.queue.pop_front()?;
        self.queue_bytes -= bytes;
        self.records.remove(&format!("q{number}"));
        Some(message)
    }

    /// Lets the messages on other anomalies go ahead of those on the first one.
    pub(super) fn step_back(&mut self) {
        self.in_flight = 0;
        let Some(front) = self.queue.front() else { return };
        let key = front.message.fingerprint.clone();
        let (first, others): (Vec<_>, Vec<_>) = self
            .queue
            .drain(..)
            .partition(|queued| queued.message.fingerprint == key);
        self.queue.extend(others);
        self.queue.extend(first);
    }

    /// Gives up all that waits, and what is written down with it.
    pub(super) fn give_up_all(&mut self) {
        self.in_flight = 0;
        self.retain(Loss::Left, |_| false);
        self.metrics
            .lost(Loss::Left.name(), std::mem::take(&mut self.late).len() as u64);
        if let Some(journal) = self.storage.take().and_then(|storage| storage.journal) {
            // What is left of it is read by nobody.
            let _ = journal.remove();
        }
    }

    /// When the anomaly known by `fingerprint` was told here last. `None`: it was not.
    pub(super) fn told_at(&self, fingerprint: &str) -> Option<Timestamp> {
        self.told.get(fingerprint).map(|told| told.at)
    }

    /// Does nothing say what was told before the start?
    pub(super) fn knows_no_past(&self) -> bool {
        self.knows_no_past
    }

    /// From now on, what is told is known here.
    pub(super) fn begin(&mut self) {
        self.knows_no_past = false;
    }

    /// Does what waits survive the end of the process?
    pub(super) fn is_stored(&self) -> bool {
        self.storage.is_some()
    }

    /// The last message on each anomaly that is open and told.
    pub(super) fn told(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.told.values().map(|told| &told.message)
    }

    /// The last message on each anomaly that is open and was delivered, the first to open first.
    pub(super) fn delivered(&self) -> Vec<Arc<Message>> {
        let delivered = self.told.values().filter(|told| told.delivered);
        let mut messages: Vec<_> = delivered.map(|told| Arc::clone(&told.message)).collect();
        messages.sort_by(|left, right| {
            let key = |message: &Message| (message.opened_at, message.id);
            key(left)
                .cmp(&key(right))
                .then_with(|| left.fingerprint.cmp(&right.fingerprint))
        });
        messages
    }

    /// Messages that wait to be delivered now.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Messages that would be lost with the mailbox.
    pub(super) fn holds(&self) -> usize {
        self.queue.len() + self.late.len()
    }

    /// Brings the gauges up to date.
    pub(super) fn gauge(&self, now: Timestamp) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let oldest = self.queue.iter().map(|queued| queued.since).min();
        self.metrics.queued.set(whole(self.queue.len() as u64));
        self.metrics.queued_bytes.set(whole(self.queue_bytes));
        self.metrics
            .queue_age
            .set(oldest.map_or(0, |since| now.saturating_sub(since).max(0)));
        self.metrics.told.set(whole(self.told.len() as u64));
    }

    /// Writes down what has changed. `lasting`: so that a power cut does not undo it; what is delivered may be so twice.
    fn save(&mut self, lasting: bool, now: Timestamp) {
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

    fn reuse(&mut self, mut records: Records) {
        records.clear();
        self.records = records;
    }

    fn all_records(&self) -> Records {
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

/// What people are told instead of each.
fn sum_up(withheld: Withheld, now: Timestamp) -> Message {
    let Withheld { since, route, summary } = withheld;
    let Summary { opened, closed, series } = &summary;
    let names: Vec<&str> = series.iter().map(|name| &**name).collect();
    let (anomalies, more) = if *opened == 1 {
        ("anomaly", "was")
    } else {
        ("anomalies", "were")
    };
    let reason = format!(
        "{opened} more {anomalies} {more} not told one by one, as there were too many; {closed} of them are over; among \
         them {}",
        names.join(", ")
    );
    Message {
        status: Status::Summary,
        test: false,
        route,
        id: 0,
        fingerprint: fingerprint("**", "", since),
        opened_at: since,
        closed_at: None,
        rank: 0.0,
        group: None,
        silenced: Vec::new(),
        acknowledged: None,
        series: "**".into(),
        timestamp: now,
        value: 0.0,
        detector: "".into(),
        score: 0.0,
        severity: None,
        expected: None,
        lower: None,
        upper: None,
        reason,
        votes: super::Votes::default(),
        links: super::Links::default(),
        summary: Some(summary),
    }
}

impl Loss {
    /// All there are, as in metrics.
    pub(super) const NAMES: [&str; 4] = [
        Self::Full.name(),
        Self::Refused.name(),
        Self::Expired.name(),
        Self::Left.name(),
    ];

    /// As in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Left => "left",
        }
    }
}
