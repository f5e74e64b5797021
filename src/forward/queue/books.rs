//! What became of the lines of one upstream, as metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use prometheus::{Counter, IntCounter, IntGauge};

use super::State;
use crate::{
    forward::{
        piece::Piece,
        spool::{Count, Mark, Mishaps, Spool},
    },
    metrics::ForwardMetrics,
};

/// Why lines were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full.
    QueueFull,
    /// The spool was full.
    SpoolFull,
    /// A file of the spool was damaged.
    SpoolDamaged,
    /// The relay stopped before the upstream took them.
    Shutdown,
}

/// What has been written.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::forward) struct Settled {
    pub(in crate::forward) count: Count,
    pub(in crate::forward) bytes: usize,
    /// Bytes that no longer count against the bound.
    pub(in crate::forward) weight: usize,
    /// Up to where the spool has been delivered.
    pub(in crate::forward) delivered: Option<Mark>,
}

/// The metrics of one upstream's queue.
#[derive(Debug)]
pub(super) struct Books {
    forwarded: IntCounter,
    forwarded_bytes: IntCounter,
    resent: IntCounter,
    queued: IntGauge,
    queued_bytes: IntGauge,
    spooled: IntGauge,
    spool_bytes: IntGauge,
    recovered: IntCounter,
    spool_failures: IntCounter,
    spool_torn: IntCounter,
    spool_damaged: IntCounter,
    dropped: [IntCounter; DropReason::ALL.len()],
    senders_paused: IntGauge,
    pause_seconds: Counter,
    /// The same, in microseconds.
    paused_us: AtomicU64,
}

/// Somebody waits for room, and is counted as long as this lives.
#[derive(Debug)]
pub(super) struct Pause<'a> {
    books: &'a Books,
    counted_to: Instant,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::QueueFull, Self::SpoolFull, Self::SpoolDamaged, Self::Shutdown];

    /// Name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::SpoolFull => "spool_full",
            Self::SpoolDamaged => "spool_damaged",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Settled {
    /// Adds a piece that was written, which had counted for `weight` bytes.
    pub(in crate::forward) fn add(&mut self, piece: &Piece, weight: usize) {
        self.count.add(piece.count());
        self.bytes += piece.bytes.len();
        self.weight += weight;
    }

    /// The piece has been delivered, as far as can be known.
    pub(in crate::forward) fn deliver(&mut self, piece: &Piece) {
        self.delivered = piece.mark.or(self.delivered);
    }

    /// All up to `mark` has.
    pub(in crate::forward) fn deliver_to(&mut self, mark: Mark) {
        self.delivered = Some(mark);
    }
}

impl Books {
    pub(super) fn new(upstream: &str, all: &ForwardMetrics) -> Self {
        let labels = [upstream];
        Self {
            forwarded: all.forwarded.with_label_values(&labels),
            forwarded_bytes: all.forwarded_bytes.with_label_values(&labels),
            resent: all.resent.with_label_values(&labels),
            queued: all.queued.with_label_values(&labels),
            queued_bytes: all.queued_bytes.with_label_values(&labels),
            spooled: all.spooled.with_label_values(&labels),
            spool_bytes: all.spool_bytes.with_label_values(&labels),
            recovered: all.recovered.with_label_values(&labels),
            spool_failures: all.spool_failures.with_label_values(&labels),
            spool_torn: all.spool_torn.with_label_values(&labels),
            spool_damaged: all.spool_damaged.with_label_values(&labels),
            senders_paused: all.senders_paused.with_label_values(&labels),
            pause_seconds: all.pause_seconds.with_label_values(&labels),
            paused_us: AtomicU64::new(0),
            dropped: DropReason::ALL.map(|reason| all.dropped.with_label_values(&[upstream, reason.name()])),
        }
    }

    pub(super) fn show(&self, state: &State) {
        self.queued.set(saturating(state.lines));
        self.queued_bytes.set(saturating(state.bytes as u64));
    }

    pub(super) fn count_dropped(&self, state: &mut State, reason: DropReason, dropped: u64) {
        state.dropped[reason as usize] += dropped;
        self.show(state);
        self.dropped[reason as usize].inc_by(dropped);
    }

    /// Somebody begins to wait.
    pub(super) fn pause(&self) -> Pause<'_> {
        self.senders_paused.inc();
        Pause {
            books: self,
            counted_to: Instant::now(),
        }
    }

    /// Time that has been waited, by all who did.
    pub(super) fn paused(&self) -> Duration {
        Duration::from_micros(self.paused_us.load(Ordering::Relaxed))
    }

    pub(super) fn count_settled(&self, state: &State, settled: &Settled) {
        self.show(state);
        self.forwarded.inc_by(settled.count.fresh);
        self.forwarded_bytes.inc_by(settled.bytes as u64);
        self.resent.inc_by(settled.count.again);
    }

    pub(super) fn show_spool(&self, spool: &Spool) {
        self.spooled.set(saturating(spool.unread().fresh));
        self.spool_bytes.set(saturating(spool.bytes()));
    }

    /// Lines that the next process will find.
    pub(super) fn show_saved(&self, lines: u64) {
        self.spooled.set(saturating(lines));
    }

    pub(super) fn count_recovered(&self, lines: u64) {
        self.recovered.inc_by(lines);
    }

    pub(super) fn count_spool_failure(&self) {
        self.spool_failures.inc();
    }

    pub(super) fn count_mishaps(&self, state: &mut State, mishaps: Mishaps) {
        self.spool_torn.inc_by(mishaps.torn);
        self.spool_damaged.inc_by(mishaps.damaged);
        self.count_dropped(state, DropReason::SpoolDamaged, mishaps.lines_lost);
    }
}

impl Pause<'_> {
    /// Counts the time up to now.
    pub(super) fn count(&mut self) {
        let now = Instant::now();
        let waited = now - std::mem::replace(&mut self.counted_to, now);
        self.books.pause_seconds.inc_by(waited.as_secs_f64());
        let waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.books.paused_us.fetch_add(waited_us, Ordering::Relaxed);
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.count();
        self.books.senders_paused.dec();
    }
}

fn saturating(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
