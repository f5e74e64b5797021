//! Lines on their way to one upstream.
//!
//! ```text
//!   push ─▶ arriving ───────────────────────────────────────▶ Outlet      as long as the upstream takes them
//!   push ─▶ arriving ─▶ spool's thread ─▶ disk ─▶ ready ────▶ Outlet      while it is away or behind, with a spool
//! ```
//!
//! Bounded in bytes. Full, it drops its oldest pieces or lets whoever pushes wait, as configured; in front of a disk that
//! takes lines whoever pushes waits for the disk. Any number push, and each one's chunks stay in order. What has been taken
//! still counts as queued until it is delivered, so that the books balance whenever they are read.

mod books;
mod spooling;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError},
    time::Duration,
};

use tokio::{net::TcpStream, sync::Notify, time::timeout};

use self::books::Books;
pub use self::books::DropReason;
pub(super) use self::{books::Settled, spooling::Work};
use super::{
    Settings, WhenFull,
    outlet::{Outlet, Turn},
    piece::Piece,
    spool::Mark,
    upstream::Failure,
};
use crate::{line::Chunk, metrics::ForwardMetrics};

/// Times that one who has pushed writes what others have pushed meanwhile, before it goes back to its own sender.
const TURNS_MAX: usize = 4;
/// Time between two looks of one who waits for room.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks during which nothing has left, after which the disk is not waited for any longer.
const LOOKS_MAX: u32 = 5;
const NOBODY_PANICS: &str = "nobody panics with the lock held";

/// A bounded queue of lines.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    /// Where pieces leave. Locked before `state` where both are, and never across an await.
    outlet: Mutex<Outlet>,
    /// Is there a spool behind it?
    has_spool: bool,
    /// Tells the task of the upstream that there is something for it to do.
    arrived: Notify,
    left: Notify,
    /// Tells the thread of the spool the same.
    work: Condvar,
    books: Books,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
#[derive(Debug)]
struct State {
    bytes_max: usize,
    when_full: WhenFull,
    /// The newest.
    arriving: VecDeque<Piece>,
    /// Read back from disk, and older.
    ready: VecDeque<Piece>,
    ready_bytes: usize,
    /// What counts against the bound: of the pieces here, of those taken and not delivered, and of those being written to disk.
    bytes: usize,
    /// Lines of the same, and of those read back, that were not sent before.
    lines: u64,
    /// Lines lost, by reason.
    dropped: [u64; DropReason::ALL.len()],
    closed: bool,
    /// Does the way lead over the disk?
    is_spooling: bool,
    /// Is there no connection?
    is_away: bool,
    /// Has the thread of the spool something to do?
    is_work: bool,
    /// Is the thread of the spool to put everything on disk and end?
    is_ending: bool,
    /// Does it take lines from here, or make room on the disk for them? Then it is waited for.
    disk_takes: bool,
    /// Does somebody wait for room?
    wants_room: bool,
    /// Is nobody to wait any longer?
    is_hurried: bool,
    /// What is to be committed.
    delivered: Option<Mark>,
}

impl Queue {
    /// An empty queue to the upstream that `settings` describe. With a spool, lines leave it once the spool's thread says so.
    pub(super) fn new(settings: &Settings, has_spool: bool, metrics: &ForwardMetrics) -> Self {
        let state = State {
            is_spooling: has_spool,
            disk_takes: has_spool,
            ..State::new(settings)
        };
        Self {
            state: Mutex::new(state),
            outlet: Mutex::new(Outlet::new(settings.resend_bytes_max)),
            has_spool,
            arrived: Notify::new(),
            left: Notify::new(),
            work: Condvar::new(),
            books: Books::new(&settings.name, metrics),
        }
    }

    /// Adds `chunk`, and writes it if the upstream takes it at once. Waits for room if full and so configured, or if the disk
    /// is about to make some.
    pub async fn push(&self, chunk: Chunk) {
        let piece = Piece::from(chunk);
        let mut pause = None;
        let mut looks = 0;
        loop {
            // Asked for before looking, so that no room made in between is missed.
            let left = self.left.notified();
            {
                let mut state = self.lock();
                let is_to_wait = !state.has_room(&piece) && state.makes_wait();
                if state.closed || (is_to_wait && state.is_hurried) {
                    self.books.count_dropped(&mut state, DropReason::Shutdown, piece.lines);
                    return;
                }
                if !is_to_wait {
                    let dropped = state.push(piece);
                    self.books.count_dropped(&mut state, DropReason::QueueFull, dropped);
                    if self.has_spool && state.wants_spool() {
                        self.give_work(&mut state);
                    }
                    if state.is_spooling {
                        return;
                    }
                    break;
                }
                if self.has_spool {
                    state.wants_room = true;
                    self.give_work(&mut state);
                }
            }
            let pause = pause.get_or_insert_with(|| self.books.pause());
            looks = match timeout(LOOK_EVERY, left).await {
                Ok(()) => 0,
                Err(_) => looks + 1,
            };
            pause.count();
            if looks >= LOOKS_MAX {
                self.give_up_disk();
            }
        }
        drop(pause);
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
                Turn::Empty if !self.lock().can_give() => return,
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
        self.set_away(false);
    }

    /// Writes no more. What has not been written wholly, or may not have arrived, will be written again, from the beginning
    /// of a line.
    pub(super) fn disconnect(&self, failure: Option<Failure>) {
        self.lock_outlet().disconnect(self, failure);
        self.set_away(true);
    }

    fn set_away(&self, is_away: bool) {
        let mut state = self.lock();
        state.is_away = is_away;
        if self.has_spool {
            self.give_work(&mut state);
        }
    }

    /// The upstream has said that it got everything.
    pub(super) fn confirm(&self) {
        let mut settled = Settled::default();
        self.lock_outlet().forget_sent(&mut settled);
        self.settle(&settled);
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
        if !self.lock().can_give() {
            self.arrived.notified().await;
        }
    }

    /// Is the queue closed, and nothing left that the upstream has to be given before the end?
    pub(super) fn is_at_end(&self) -> bool {
        let state = self.lock();
        // What is on disk, or on its way to it, waits there for the next process.
        state.closed && (state.lines == 0 || state.is_spooling || (self.has_spool && state.is_away))
    }

    /// Takes the oldest pieces, up to about `bytes_max` bytes, into `taken`. False when there are none.
    pub(super) fn take(&self, bytes_max: usize, taken: &mut VecDeque<Piece>) -> bool {
        let mut state = self.lock();
        let mut bytes = 0;
        if state.is_spooling {
            while bytes < bytes_max
                && let Some(piece) = state.ready.pop_front()
            {
                bytes += piece.bytes.len();
                taken.push_back(piece);
            }
            state.ready_bytes -= bytes;
            self.give_work(&mut state);
        } else {
            while bytes < bytes_max
                && let Some(piece) = state.arriving.pop_front()
            {
                bytes += piece.bytes.len();
                taken.push_back(piece);
            }
        }
        bytes > 0
    }

    /// Counts lines as forwarded.
    pub(super) fn settle(&self, settled: &Settled) {
        let mut state = self.lock();
        state.lines -= settled.count.fresh;
        state.bytes -= settled.weight;
        state.delivered = settled.delivered.or(state.delivered);
        self.books.count_settled(&state, settled);
        drop(state);
        self.left.notify_waiters();
    }

    /// Lets `take` end once all has been taken. What is pushed from now on is dropped, and counted.
    pub fn close(&self) {
        self.lock().closed = true;
        self.left.notify_waiters();
        self.arrived.notify_one();
    }

    /// Has nobody wait for room any longer: what would have to is dropped, and counted. There may be room for others.
    pub fn hurry(&self) {
        self.lock().is_hurried = true;
        self.left.notify_waiters();
    }

    /// May what is pushed now be dropped, as the relay ends?
    pub fn is_closing(&self) -> bool {
        let state = self.lock();
        state.closed || state.is_hurried
    }

    /// Ends when [`Self::is_at_end`].
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

    /// Sets other bounds, and what gives when they are reached.
    pub(super) fn change(&self, settings: &Settings) {
        self.lock_outlet().change(settings.resend_bytes_max);
        let mut state = self.lock();
        (state.bytes_max, state.when_full) = (settings.queue_bytes_max, settings.when_full);
        drop(state);
        self.left.notify_waiters();
    }

    /// Drops all that waits, what has been taken and not delivered included, and all that is pushed from now on.
    pub(super) fn abandon(&self, reason: DropReason) {
        let mut outlet = self.lock_outlet();
        outlet.clear();
        let mut state = self.lock();
        let dropped = state.lines;
        state.clear();
        self.books.count_dropped(&mut state, reason, dropped);
        drop((state, outlet));
        self.left.notify_waiters();
        self.arrived.notify_one();
    }

    /// Lines lost so far, for whatever reason.
    pub fn lines_dropped(&self) -> u64 {
        self.lock().dropped.iter().sum()
    }

    /// The same by reason.
    pub fn dropped(&self) -> [u64; DropReason::ALL.len()] {
        self.lock().dropped
    }

    /// Time that those who push have waited so far, added up.
    pub fn paused(&self) -> Duration {
        self.books.paused()
    }

    /// Does nothing wait, in memory or on disk?
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.lines == 0 && !state.is_spooling
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NOBODY_PANICS)
    }

    fn lock_outlet(&self) -> MutexGuard<'_, Outlet> {
        self.outlet.lock().expect(NOBODY_PANICS)
    }
}

impl State {
    fn new(settings: &Settings) -> Self {
        Self {
            bytes_max: settings.queue_bytes_max,
            when_full: settings.when_full,
            arriving: VecDeque::new(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            bytes: 0,
            lines: 0,
            dropped: Default::default(),
            closed: false,
            is_spooling: false,
            is_away: true,
            is_work: false,
            is_ending: false,
            disk_takes: false,
            wants_room: false,
            is_hurried: false,
            delivered: None,
        }
    }

    /// Nothing waits, and nothing more is taken.
    fn clear(&mut self) {
        self.arriving.clear();
        self.ready.clear();
        (self.ready_bytes, self.bytes, self.lines) = (0, 0, 0);
        self.closed = true;
    }

    fn has_room(&self, piece: &Piece) -> bool {
        self.arriving.is_empty() || self.bytes + piece.weight() <= self.bytes_max
    }

    /// Is one who finds no room to wait for it?
    fn makes_wait(&self) -> bool {
        self.when_full == WhenFull::PauseSenders || self.disk_takes
    }

    /// Is there something for the outlet?
    fn can_give(&self) -> bool {
        !if self.is_spooling { &self.ready } else { &self.arriving }.is_empty()
    }

    /// Adds a piece; gives the lines that had to be dropped for it.
    fn push(&mut self, piece: Piece) -> u64 {
        let mut dropped = 0;
        while !self.has_room(&piece)
            && let Some(oldest) = self.arriving.pop_front()
        {
            self.bytes -= oldest.weight();
            self.lines -= oldest.count().fresh;
            dropped += oldest.count().fresh;
        }
        self.bytes += piece.weight();
        self.lines += piece.lines;
        self.arriving.push_back(piece);
        dropped
    }
}

#[cfg(test)]
mod tests;
