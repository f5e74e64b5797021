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

mod room;
mod stored;
mod withheld;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

pub(super) use room::Loss;
use stored::{Late, Queued, Storage, Told};
use withheld::Withheld;

use super::{Message, RateLimit, Status, journal::Records};
use crate::{line::Timestamp, metrics::ChannelMetrics};

/// Anomalies of one channel that are open and told. What opens beyond is lost, and counted.
const TOLD_MAX: usize = 100_000;

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
            return self.note_end_of_withheld(&message.fingerprint);
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

    /// Tells what is late and due, sums up what was withheld, when it is time to, and gives up what has waited for too long.
    pub(super) fn tick(&mut self, now: Timestamp) {
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, number), late) = entry.remove_entry();
            self.records.remove(&format!("l{number}"));
            self.tell_end(late.message, false, now);
        }
        self.sum_up_when_due(now);
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
}
