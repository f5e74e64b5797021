//! The side of the queue that the spool's thread sees.

use std::{collections::VecDeque, time::Duration};

use super::{DropReason, NOBODY_PANICS, Queue, State};
use crate::forward::{
    WhenFull,
    piece::Piece,
    spool::{Count, Mark, Spool},
};

/// The part of a queue that fills before lines go to disk, as a divisor. The rest is for a disk that is slow for a moment.
const SPOOL_SHARE: usize = 2;
/// Bytes that are read back from disk ahead of the upstream.
const READY_BYTES: usize = 2 << 20;
/// Bytes that may be waiting when the way over the disk ends.
const DIRECT_BYTES: usize = 4 << 20;

/// What there is to do.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
#[derive(Clone, Copy, Debug)]
pub(in crate::forward) struct Work {
    /// To be committed.
    pub(in crate::forward) delivered: Option<Mark>,
    pub(in crate::forward) is_ending: bool,
    pub(in crate::forward) is_spooling: bool,
    /// Is the upstream away, or so far behind that lines are to go to disk?
    pub(in crate::forward) wants_spool: bool,
    pub(in crate::forward) is_away: bool,
    /// Does somebody wait for the oldest lines on disk to give way?
    pub(in crate::forward) gives_way: bool,
}

impl State {
    /// Is there something that the thread of the spool should see to?
    pub(super) fn wants_spool(&self) -> bool {
        self.is_spooling || self.is_away || self.bytes > self.bytes_max / SPOOL_SHARE
    }

    fn gives_way(&self) -> bool {
        self.wants_room && self.when_full == WhenFull::DropOldest && !self.is_ending
    }
}

impl Queue {
    pub(super) fn give_work(&self, state: &mut State) {
        if !std::mem::replace(&mut state.is_work, true) {
            self.work.notify_one();
        }
    }

    /// Waits until there is something to do, or for `timeout`.
    pub(in crate::forward) fn wait_for_work(&self, timeout: Option<Duration>) -> Work {
        let mut state = self.lock();
        let is_idle = |state: &mut State| !state.is_work;
        state = match timeout {
            Some(timeout) => {
                let waited = self.work.wait_timeout_while(state, timeout, is_idle);
                waited.expect(NOBODY_PANICS).0
            }
            None => self.work.wait_while(state, is_idle).expect(NOBODY_PANICS),
        };
        state.is_work = false;
        Work {
            delivered: state.delivered.take(),
            is_ending: state.is_ending,
            is_spooling: state.is_spooling,
            wants_spool: state.wants_spool(),
            is_away: state.is_away,
            gives_way: state.gives_way(),
        }
    }

    /// Has lines take the way over the disk, from the oldest that are not on their way already.
    pub(in crate::forward) fn begin_spooling(&self) {
        let mut outlet = self.lock_outlet();
        let mut state = self.lock();
        if !state.is_spooling {
            state.is_spooling = true;
            for piece in outlet.give_back().into_iter().rev() {
                state.arriving.push_front(piece);
            }
        }
        drop((state, outlet));
        // Whoever pushed meanwhile has left the writing to us.
        self.arrived.notify_one();
    }

    /// Has lines go straight to the upstream again, now that none is on disk; unless it is away, or, where the disk
    /// `takes` lines, too many wait.
    pub(in crate::forward) fn end_spooling(&self, takes: bool) -> bool {
        let mut state = self.lock();
        let is_behind = state.bytes > DIRECT_BYTES.min(state.bytes_max / SPOOL_SHARE / 2);
        if state.is_away || !state.ready.is_empty() || (takes && is_behind) {
            return false;
        }
        state.is_spooling = false;
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// Takes the oldest pieces that are to go to disk, up to about `bytes_max` bytes. They still count as queued.
    pub(in crate::forward) fn take_arriving(&self, bytes_max: usize) -> VecDeque<Piece> {
        let mut state = self.lock();
        let mut bytes = 0;
        let mut pieces = VecDeque::new();
        while bytes < bytes_max
            && let Some(piece) = state.arriving.pop_front()
        {
            bytes += piece.size();
            pieces.push_back(piece);
        }
        pieces
    }

    /// Puts pieces back that could not be written.
    pub(in crate::forward) fn put_back(&self, pieces: VecDeque<Piece>) {
        let mut state = self.lock();
        for piece in pieces.into_iter().rev() {
            state.arriving.push_front(piece);
        }
    }

    /// Lines that were queued are on disk: `fresh` ones, which had counted for `weight` bytes.
    pub(in crate::forward) fn count_written(&self, fresh: u64, weight: usize, spool: &Spool) {
        let mut state = self.lock();
        state.lines -= fresh;
        state.bytes -= weight;
        if weight > 0 {
            // Whoever still finds no room says so again.
            (state.disk_takes, state.wants_room) = (true, false);
        }
        self.books.show(&state);
        self.books.show_spool(spool);
        drop(state);
        self.left.notify_waiters();
    }

    /// Takes a piece that was read back.
    pub(in crate::forward) fn give_ready(&self, piece: Piece, spool: &Spool) {
        let mut state = self.lock();
        state.lines += piece.count().fresh;
        state.ready_bytes += piece.bytes.len();
        state.ready.push_back(piece);
        self.books.show(&state);
        self.books.show_spool(spool);
        drop(state);
        self.arrived.notify_one();
    }

    /// Is there room for more of them?
    pub(in crate::forward) fn has_room_for_ready(&self) -> bool {
        self.lock().ready_bytes < READY_BYTES
    }

    /// What an earlier process left.
    pub(in crate::forward) fn count_recovered(&self, spool: &Spool) {
        self.books.count_recovered(spool.recovered());
        self.books.show_spool(spool);
    }

    /// Shows what is on disk, and what was found to be wrong there.
    pub(in crate::forward) fn show_spool(&self, spool: &mut Spool) {
        let mishaps = spool.take_mishaps();
        let mut state = self.lock();
        self.books.show_spool(spool);
        self.books.count_mishaps(&mut state, mishaps);
    }

    /// Counts lines on disk that gave way to newer ones.
    pub(in crate::forward) fn count_dropped(&self, reason: DropReason, dropped: Count) {
        let mut state = self.lock();
        self.books.count_dropped(&mut state, reason, dropped.fresh);
    }

    pub(in crate::forward) fn count_spool_failure(&self) {
        self.books.count_spool_failure();
    }

    /// Are the oldest lines on disk to give way, as there is no room in memory either?
    pub(in crate::forward) fn gives_way(&self) -> bool {
        self.lock().gives_way()
    }

    /// Nobody is to wait for the disk, until it takes lines again.
    pub(in crate::forward) fn give_up_disk(&self) {
        let mut state = self.lock();
        (state.disk_takes, state.wants_room) = (false, false);
        drop(state);
        self.left.notify_waiters();
    }

    /// Has the thread put everything on disk, and end. The outlet is to be without a connection.
    pub(in crate::forward) fn end_spool(&self) {
        let mut state = self.lock();
        state.is_ending = true;
        self.give_work(&mut state);
    }

    /// What has been taken from the queue, has no connection to go to, and is not on disk, with what lies between; and the
    /// number of connections so far.
    pub(in crate::forward) fn unsaved(&self) -> Option<(u64, Vec<Piece>)> {
        let mut outlet = self.lock_outlet();
        let (connections, waiting) = outlet.waiting()?;
        let last = waiting.iter().rposition(|piece| piece.mark.is_none())?;
        Some((connections, waiting.iter().take(last + 1).cloned().collect()))
    }

    /// Those pieces are on disk now. False when there has been another connection meanwhile.
    pub(in crate::forward) fn mark_saved(&self, connections: u64, marks: &[Mark]) -> bool {
        let mut outlet = self.lock_outlet();
        let Some((_, waiting)) = outlet.waiting().filter(|(now, _)| *now == connections) else {
            return false;
        };
        let mut state = self.lock();
        for (piece, mark) in waiting.iter_mut().zip(marks) {
            state.bytes -= piece.weight();
            piece.mark = Some(*mark);
        }
        self.books.show(&state);
        true
    }

    /// Nothing goes to disk at all.
    pub(in crate::forward) fn finish_unsaved(&self) {
        self.abandon(DropReason::Shutdown);
    }

    /// Nothing more goes to disk: what is not there is lost. Gives the lines that are.
    pub(in crate::forward) fn finish_saving(&self, spool: &Spool) -> u64 {
        let mut outlet = self.lock_outlet();
        let mut state = self.lock();
        let waiting = outlet
            .waiting()
            .map(|(_, waiting)| std::mem::take(waiting))
            .unwrap_or_default();
        let unsaved = waiting
            .iter()
            .filter(|piece| piece.mark.is_none())
            .chain(&state.arriving);
        let lost: u64 = unsaved.map(|piece| piece.count().fresh).sum();
        let on_disk = spool.unread().fresh + state.lines - lost;
        outlet.clear();
        state.clear();
        self.books.count_dropped(&mut state, DropReason::Shutdown, lost);
        self.books.show_saved(on_disk);
        on_disk
    }
}
