//! Lines on their way to one upstream.
//!
//! Bounded in bytes. Full, it drops its oldest chunks or lets whoever pushes wait, as configured. Any number push, and each
//! one's chunks stay in order. What has been taken still counts as queued until it is delivered, so that the books balance
//! whenever they are read.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, TryLockError},
};

use prometheus::{IntCounter, IntGauge};
use tokio::{net::TcpStream, sync::Notify};

use super::{
    WhenFull,
    outlet::{Outlet, Turn},
};
use crate::{line::Chunk, metrics::ForwardMetrics};

/// Bytes that a chunk takes beside its lines.
const CHUNK_OVERHEAD_BYTES: usize = 64;
/// Times that one who has pushed writes what others have pushed meanwhile, before it goes back to its own sender.
const TURNS_MAX: usize = 4;
const NOBODY_PANICS: &str = "nobody panics with the lock held";

/// Why lines were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full.
    QueueFull,
    /// The relay stopped before the upstream took them.
    Shutdown,
}

/// A bounded queue of chunks.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    /// Where chunks leave. Locked before `state` where both are, and never across an await.
    outlet: Mutex<Outlet>,
    /// Tells the task of the upstream that there is something for it to do.
    arrived: Notify,
    left: Notify,
    metrics: QueueMetrics,
}

#[derive(Debug)]
struct State {
    bytes_max: usize,
    when_full: WhenFull,
    chunks: VecDeque<Chunk>,
    /// Of the chunks here, and of those taken and not delivered.
    bytes: usize,
    lines: u64,
    lines_dropped: u64,
    closed: bool,
}

/// The metrics of one upstream's queue.
#[derive(Debug)]
struct QueueMetrics {
    forwarded: IntCounter,
    forwarded_bytes: IntCounter,
    queued: IntGauge,
    queued_bytes: IntGauge,
    dropped: [IntCounter; DropReason::ALL.len()],
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 2] = [Self::QueueFull, Self::Shutdown];

    /// Name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Queue {
    /// An empty queue to `upstream`, for at most `bytes_max` bytes of lines and what keeping them takes.
    pub fn new(upstream: &str, bytes_max: usize, when_full: WhenFull, metrics: &ForwardMetrics) -> Self {
        Self {
            state: Mutex::new(State::new(bytes_max, when_full)),
            outlet: Mutex::default(),
            arrived: Notify::new(),
            left: Notify::new(),
            metrics: QueueMetrics::new(upstream, metrics),
        }
    }

    /// Adds `chunk`, and writes it if the upstream takes it at once. Waits for room if full and so configured.
    pub async fn push(&self, chunk: Chunk) {
        loop {
            // Asked for before looking, so that no room made in between is missed.
            let left = self.left.notified();
            {
                let mut state = self.lock();
                if state.closed {
                    state.lines_dropped += chunk.lines;
                    self.metrics.update(&state, DropReason::Shutdown, chunk.lines);
                    return;
                }
                if state.has_room(&chunk) || state.when_full == WhenFull::DropOldest {
                    let dropped = state.push(chunk);
                    self.metrics.update(&state, DropReason::QueueFull, dropped);
                    break;
                }
            }
            left.await;
        }
        self.write_unless_somebody_does();
    }

    fn write_unless_somebody_does(&self) {
        for _ in 0..TURNS_MAX {
            let mut outlet = match self.outlet.try_lock() {
                Ok(outlet) => outlet,
                // Whoever has it looks once more when it is free again, and finds what was pushed meanwhile.
                Err(TryLockError::WouldBlock) => return,
                Err(TryLockError::Poisoned(_)) => panic!("{NOBODY_PANICS}"),
            };
            let turn = outlet.write(self).unwrap_or_else(|error| {
                outlet.set_broken(error);
                Turn::Blocked
            });
            drop(outlet);
            match turn {
                Turn::Empty if self.lock().chunks.is_empty() => return,
                Turn::Empty => {}
                Turn::More | Turn::Blocked => break,
                Turn::Away => return,
            }
        }
        // The task goes on from here.
        self.arrived.notify_one();
    }

    /// Writes from now on to `stream`. For the task of the upstream, as all that follows up to [`Self::ended`].
    pub(super) fn connect(&self, stream: Arc<TcpStream>) {
        self.lock_outlet().connect(stream);
    }

    /// Writes no more. What has not been written wholly will be written again, from the beginning of a line.
    pub(super) fn disconnect(&self) {
        self.lock_outlet().disconnect(self);
    }

    /// Writes what waits, in a turn of bounded length.
    ///
    /// # Errors
    /// When the connection has broken or is closed.
    pub(super) fn write(&self) -> io::Result<Turn> {
        self.lock_outlet().write(self)
    }

    /// Ends when there may be something to do.
    pub(super) async fn arrived(&self) {
        if self.lock().chunks.is_empty() {
            self.arrived.notified().await;
        }
    }

    /// Is the queue closed and all of it delivered?
    pub(super) fn is_at_end(&self) -> bool {
        let state = self.lock();
        state.closed && state.lines == 0
    }

    /// Takes the oldest chunks, up to about `bytes_max` bytes, into `taken`. False when there are none.
    pub(super) fn take(&self, bytes_max: usize, taken: &mut VecDeque<Chunk>) -> bool {
        let mut state = self.lock();
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(chunk) = state.chunks.pop_front()
        {
            bytes += chunk.bytes.len();
            taken.push_back(chunk);
        }
        bytes > 0
    }

    /// Counts lines as forwarded: `chunks` whole chunks, or parts of one, of `bytes` bytes together.
    pub(super) fn deliver(&self, chunks: usize, lines: u64, bytes: usize) {
        let mut state = self.lock();
        state.lines -= lines;
        state.bytes -= bytes + chunks * CHUNK_OVERHEAD_BYTES;
        self.metrics.update(&state, DropReason::QueueFull, 0);
        self.metrics.forwarded.inc_by(lines);
        self.metrics.forwarded_bytes.inc_by(bytes as u64);
        drop(state);
        self.left.notify_waiters();
    }

    /// Lets `take` end once all has been taken. What is pushed from now on is dropped, and counted.
    pub fn close(&self) {
        self.lock().closed = true;
        self.left.notify_waiters();
        self.arrived.notify_one();
    }

    /// Is anything pushed now dropped?
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Ends when the queue is closed and all of it delivered.
    pub(super) async fn ended(&self) {
        loop {
            let arrived = self.arrived.notified();
            if self.is_at_end() {
                return;
            }
            arrived.await;
        }
    }

    /// Does a full queue make senders wait?
    pub fn pauses(&self) -> bool {
        self.lock().when_full == WhenFull::PauseSenders
    }

    /// Sets another bound, and what gives when it is reached.
    pub(super) fn change(&self, bytes_max: usize, when_full: WhenFull) {
        let mut state = self.lock();
        (state.bytes_max, state.when_full) = (bytes_max, when_full);
        drop(state);
        self.left.notify_waiters();
    }

    /// Drops all that waits, what has been taken and not delivered included, and all that is pushed from now on.
    pub(super) fn abandon(&self, reason: DropReason) {
        let mut outlet = self.lock_outlet();
        outlet.clear();
        let mut state = self.lock();
        let dropped = state.lines;
        *state = State {
            lines_dropped: state.lines_dropped + dropped,
            closed: true,
            ..State::new(state.bytes_max, state.when_full)
        };
        self.metrics.update(&state, reason, dropped);
        drop((state, outlet));
        self.left.notify_waiters();
        self.arrived.notify_one();
    }

    /// Lines lost so far, for whatever reason.
    pub fn lines_dropped(&self) -> u64 {
        self.lock().lines_dropped
    }

    /// Lines that wait.
    #[cfg(test)]
    fn lines_queued(&self) -> u64 {
        self.lock().lines
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NOBODY_PANICS)
    }

    fn lock_outlet(&self) -> MutexGuard<'_, Outlet> {
        self.outlet.lock().expect(NOBODY_PANICS)
    }
}

impl State {
    fn new(bytes_max: usize, when_full: WhenFull) -> Self {
        Self {
            bytes_max,
            when_full,
            chunks: VecDeque::new(),
            bytes: 0,
            lines: 0,
            lines_dropped: 0,
            closed: false,
        }
    }

    fn has_room(&self, chunk: &Chunk) -> bool {
        self.chunks.is_empty() || self.bytes + bytes_of(chunk) <= self.bytes_max
    }

    /// Adds a chunk; gives the lines that had to be dropped for it.
    fn push(&mut self, chunk: Chunk) -> u64 {
        let mut dropped = 0;
        while !self.has_room(&chunk)
            && let Some(oldest) = self.chunks.pop_front()
        {
            self.bytes -= bytes_of(&oldest);
            self.lines -= oldest.lines;
            dropped += oldest.lines;
        }
        self.lines_dropped += dropped;
        self.bytes += bytes_of(&chunk);
        self.lines += chunk.lines;
        self.chunks.push_back(chunk);
        dropped
    }
}

impl QueueMetrics {
    fn new(upstream: &str, all: &ForwardMetrics) -> Self {
        let labels = [upstream];
        Self {
            forwarded: all.forwarded.with_label_values(&labels),
            forwarded_bytes: all.forwarded_bytes.with_label_values(&labels),
            queued: all.queued.with_label_values(&labels),
            queued_bytes: all.queued_bytes.with_label_values(&labels),
            dropped: DropReason::ALL.map(|reason| all.dropped.with_label_values(&[upstream, reason.name()])),
        }
    }

    fn update(&self, state: &State, reason: DropReason, dropped: u64) {
        self.queued.set(saturating(state.lines));
        self.queued_bytes.set(saturating(state.bytes as u64));
        self.dropped[reason as usize].inc_by(dropped);
    }
}

fn bytes_of(chunk: &Chunk) -> usize {
    chunk.bytes.len() + CHUNK_OVERHEAD_BYTES
}

fn saturating(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use bytes::Bytes;

    use super::*;
    use crate::metrics::Metrics;

    fn queue(chunks: usize, when_full: WhenFull) -> Queue {
        Queue::new(
            "test",
            chunks * (2 + CHUNK_OVERHEAD_BYTES),
            when_full,
            &Metrics::new().forward,
        )
    }

    fn chunk(text: &'static str) -> Chunk {
        Chunk {
            bytes: Bytes::from_static(text.as_bytes()),
            lines: 1,
        }
    }

    fn take_all(queue: &Queue) -> String {
        let mut taken = VecDeque::new();
        while queue.take(1, &mut taken) {}
        taken
            .iter()
            .map(|chunk| std::str::from_utf8(&chunk.bytes).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn chunks_leave_in_order() {
        let queue = queue(9, WhenFull::DropOldest);
        for text in ["a\n", "b\n", "c\n"] {
            queue.push(chunk(text)).await;
        }
        assert_eq!(queue.lines_queued(), 3);
        assert_eq!(take_all(&queue), "a\nb\nc\n");
        assert_eq!(queue.lines_queued(), 3);
        queue.deliver(3, 3, 6);
        assert_eq!((queue.lines_queued(), queue.lines_dropped()), (0, 0));
    }

    #[tokio::test]
    async fn a_full_queue_drops_its_oldest_and_counts() {
        let queue = queue(2, WhenFull::DropOldest);
        for text in ["a\n", "b\n", "c\n", "d\n"] {
            queue.push(chunk(text)).await;
        }
        assert_eq!(queue.lines_dropped(), 2);
        assert_eq!(take_all(&queue), "c\nd\n");
    }

    #[tokio::test]
    async fn a_chunk_larger_than_the_queue_still_passes() {
        let queue = queue(1, WhenFull::PauseSenders);
        queue.push(chunk("a line that is longer than two bytes\n")).await;
        assert_eq!(take_all(&queue), "a line that is longer than two bytes\n");
    }

    #[tokio::test]
    async fn a_full_queue_makes_senders_wait() {
        let queue = Arc::new(queue(2, WhenFull::PauseSenders));
        queue.push(chunk("a\n")).await;
        queue.push(chunk("b\n")).await;
        let pushing = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.push(chunk("c\n")).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!pushing.is_finished());
        let mut taken = VecDeque::new();
        assert!(queue.take(1, &mut taken));
        queue.deliver(1, 1, 2);
        pushing.await.unwrap();
        assert_eq!(take_all(&queue), "b\nc\n");
        assert_eq!(queue.lines_dropped(), 0);
    }

    #[tokio::test]
    async fn what_is_abandoned_is_counted() {
        let queue = queue(9, WhenFull::DropOldest);
        queue.push(chunk("a\n")).await;
        queue.push(chunk("b\n")).await;
        let mut taken = VecDeque::new();
        queue.take(1, &mut taken);
        queue.abandon(DropReason::Shutdown);
        queue.push(chunk("c\n")).await;
        assert_eq!((queue.lines_dropped(), queue.lines_queued()), (3, 0));
        assert_eq!(take_all(&queue), "");
    }
}
