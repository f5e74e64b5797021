//! The thread that writes: it takes what has happened off the queue, a burst at a time.

use std::{
    mem,
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{
    Entry, Order, Shared,
    record::What,
    store::{Store, Written},
};
use crate::{clock, metrics::HistoryMetrics};

/// Records that are written at a time, and kept when the disk does not take them.
const BURST_RECORDS: usize = 1000;

/// Time after which the disk is made to take what was written.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// Time until a disk that has failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Time between two looks for what is too old.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// What the thread works with.
pub(super) struct Worker {
    pub(super) directory: PathBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: HistoryMetrics,
    /// What is to be written first.
    pub(super) burst: Vec<Entry>,
    /// Has it been said that the disk fails?
    pub(super) fails: bool,
}

impl Worker {
    /// Works until nobody can give it anything any more.
    pub(super) fn run(mut self, inbox: &Receiver<Order>) {
        let Some(mut store) = self.open() else {
            return self.give_up(inbox);
        };
        let mut sync_at = None;
        let mut tidy_at = Instant::now();
        loop {
            let next = [sync_at, Some(tidy_at)].into_iter().flatten().min().unwrap_or(tidy_at);
            let is_over = match inbox.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(order) => {
                    self.take(order, &store);
                    while self.burst.len() < BURST_RECORDS
                        && let Ok(order) = inbox.try_recv()
                    {
                        self.take(order, &store);
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if !self.write_burst(&mut store) {
                return self.give_up(inbox);
            }
            if store.is_unsynced() {
                sync_at.get_or_insert_with(|| Instant::now() + SYNC_AFTER);
            }
            if is_over || sync_at.is_some_and(|at| Instant::now() >= at) {
                sync_at = None;
                let synced = store.sync();
                self.conclude(synced);
            }
            if is_over {
                return;
            }
            if Instant::now() >= tidy_at {
                tidy_at = Instant::now() + TIDY_EVERY;
                let room = store.make_room(0, clock::now(), self.shared.bounds());
                self.metrics.removed.inc_by(*room.as_ref().unwrap_or(&0));
                self.conclude(room.map(|_| ()));
                self.count(&store);
            }
        }
    }

    /// Reads what is there, as often as it takes. `None`: the relay stops.
    fn open(&mut self) -> Option<Store> {
        loop {
            let begun = Instant::now();
            match Store::open(&self.directory) {
                Ok((store, found)) => {
                    self.metrics.torn.inc_by(found.torn);
                    self.metrics.damaged.inc_by(found.damaged);
                    self.metrics.failures.inc_by(found.unreadable);
                    let directory = self.directory.display();
                    if found.torn + found.damaged + found.unreadable > 0 {
                        warn!(
                            %directory,
                            torn = found.torn,
                            damaged = found.damaged,
                            unreadable = found.unreadable,
                            "the history was torn or damaged: what is whole is used, and damaged files are kept beside it"
                        );
                    }
                    self.count(&store);
                    info!(%directory, records = found.records, took = ?begun.elapsed(), "read the history");
                    let _ = self.shared.index.set(Arc::clone(store.index()));
                    return Some(store);
                }
                Err(error) => self.failed(&error),
            }
            if !self.wait() {
                return None;
            }
        }
    }

    fn take(&mut self, order: Order, store: &Store) {
        match order {
            Order::Write(entry) => self.burst.push(entry),
            Order::Resume(open) => {
                let index = store.index().lock().expect("nobody panics with the lock held");
                let is_waiting = |id| self.burst.iter().any(|entry| entry.anomaly.id == id);
                let is_known = |id| index.is_open(id) || is_waiting(id);
                let unknown: Vec<_> = open.into_iter().filter(|(anomaly, _)| !is_known(anomaly.id)).collect();
                let entries = unknown.into_iter().map(|(anomaly, marks)| Entry {
                    what: What::Resumed,
                    anomaly,
                    marks,
                });
                self.burst.extend(entries);
            }
        }
    }

    /// Writes what is to be written, as often as it takes. False: the relay stops, and the disk has not taken all.
    fn write_burst(&mut self, store: &mut Store) -> bool {
        while !self.burst.is_empty() {
            let (written, outcome) = store.append(&self.burst, clock::now(), self.shared.bounds());
            let Written {
                records,
                too_long,
                removed,
            } = written;
            self.burst.drain(..records);
            self.count(store);
            self.metrics.removed.inc_by(removed);
            self.metrics.written.inc_by((records - too_long) as u64);
            self.metrics.too_long.inc_by(too_long as u64);
            let has_failed = outcome.is_err();
            self.conclude(outcome);
            if has_failed && !self.wait() {
                return false;
            }
        }
        true
    }

    /// Waits until a disk that has failed is tried again. False: the relay stops.
    fn wait(&self) -> bool {
        let end = Instant::now() + AGAIN_AFTER;
        while !self.shared.stopping.load(Ordering::Relaxed) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::park_timeout(left);
        }
        false
    }

    /// Counts what will not be written any more.
    fn give_up(&mut self, inbox: &Receiver<Order>) {
        let waiting = inbox
            .try_iter()
            .filter(|order| matches!(order, Order::Write(_)))
            .count();
        let lost = (mem::take(&mut self.burst).len() + waiting) as u64;
        self.metrics.not_written.inc_by(lost);
        warn!(records = lost, "the disk has not taken the end of the history");
    }

    fn conclude(&mut self, outcome: std::io::Result<()>) {
        match outcome {
            Ok(()) => {
                if mem::take(&mut self.fails) {
                    info!("the history is written again");
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    /// The disk fails: said once, until it works again.
    fn failed(&mut self, error: &std::io::Error) {
        self.metrics.failures.inc();
        if !mem::replace(&mut self.fails, true) {
            warn!(
                directory = %self.directory.display(),
                %error,
                "the history cannot be written: what opens and closes waits, and is lost when it is too much"
            );
        }
    }

    fn count(&self, store: &Store) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let index = store.index().lock().expect("nobody panics with the lock held");
        self.metrics.bytes.set(gauge(index.bytes()));
        self.metrics.segments.set(gauge(index.segments.len() as u64));
    }
}
