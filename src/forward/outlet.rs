//! The end of a queue: a connection, what is being written to it, and what was written last.
//!
//! Whoever has put lines into the queue writes them, unless somebody else is at it: what has just been read is still in the
//! processor's cache, and nobody has to be woken. Only what the connection does not take at once is left to the task of
//! the upstream. One at a time writes, what was put in first, so the order stays.
//!
//! carbon acknowledges nothing, so that when a connection breaks nobody knows what had arrived. The last bytes are kept, by
//! reference, and written again to the next connection: they may arrive twice rather than not at all.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::Arc,
};

use tokio::net::TcpStream;

use super::{Queue, piece::Piece, queue::Settled, upstream::Failure};
use crate::kernel;

/// Bytes taken from the queue at a time, and written in one turn.
const TURN_BYTES: usize = 512 * 1024;
/// Chunks handed to the kernel in one call.
const SLICES_MAX: usize = 64;
/// Times that lines are sent again, so that an upstream that closes at a certain line is not given it for ever. One that is
/// killed and started again and again may never have looked at them, hence not a few.
const AGAIN_MAX: u8 = 6;

/// What one turn has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing waits.
    Empty,
    /// There is more.
    More,
    /// There is more, and the connection takes nothing for now.
    Blocked,
    /// There is no connection.
    Away,
}

/// A connection, when there is one.
#[derive(Debug)]
pub(super) struct Outlet {
    stream: Option<Arc<TcpStream>>,
    /// Connections so far.
    connections: u64,
    /// What somebody else than the task has met, and the task is to be told.
    broken: Option<io::Error>,
    /// Pieces taken from the queue and not wholly written.
    taken: VecDeque<Piece>,
    /// Bytes of the first of them that have been written.
    written: usize,
    /// Pieces that were written, the oldest first.
    sent: VecDeque<Piece>,
    /// Of those (bytes, with what keeping them takes).
    sent_bytes: usize,
    /// Most that is sent again (bytes).
    resend_bytes_max: usize,
}

impl Outlet {
    /// Without a connection; keeps the last `resend_bytes_max` bytes that are written.
    pub(super) fn new(resend_bytes_max: usize) -> Self {
        Self {
            stream: None,
            connections: 0,
            broken: None,
            taken: VecDeque::new(),
            written: 0,
            sent: VecDeque::new(),
            sent_bytes: 0,
            resend_bytes_max,
        }
    }

    /// Keeps another number of bytes from now on.
    pub(super) fn change(&mut self, resend_bytes_max: usize) {
        self.resend_bytes_max = resend_bytes_max;
    }

    pub(super) fn connect(&mut self, stream: Arc<TcpStream>) {
        self.stream = Some(stream);
        self.connections += 1;
        self.broken = None;
    }

    /// Lets go of the connection, and goes back: to the beginning of the line that was cut, and to the lines before it that
    /// may not have arrived. One that has closed has taken what it acknowledged: had anything been left unread, it would
    /// have broken the connection instead.
    pub(super) fn disconnect(&mut self, queue: &Queue, failure: Option<Failure>) {
        let stream = self.stream.take().filter(|_| failure == Some(Failure::Closed));
        let unacknowledged = stream.and_then(|stream| kernel::bytes_unacknowledged(&*stream));
        // One that has taken nothing has not stumbled over a line.
        let is_attempt = failure != Some(Failure::Timeout);
        let mut settled = Settled::default();
        let mut bytes_max = unacknowledged.unwrap_or(usize::MAX);
        if let Some(first) = self.taken.front_mut() {
            let whole = memchr::memrchr(b'\n', &first.bytes[..self.written]).map_or(0, |end| end + 1);
            bytes_max = bytes_max.saturating_sub(self.written - whole);
            self.written = 0;
            if whole > 0 {
                let weight = if first.weight() > 0 { whole } else { 0 };
                let sent = first.split_to(whole);
                settled.add(&sent, weight);
                self.keep(sent, &mut settled);
            }
        }
        self.go_back(bytes_max.min(self.resend_bytes_max), is_attempt, &mut settled);
        queue.settle(&settled);
    }

    /// Puts the last `bytes_max` bytes that were written in front of what is to be written, from the beginning of a line.
    fn go_back(&mut self, bytes_max: usize, is_attempt: bool, settled: &mut Settled) {
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(mut piece) = self.sent.pop_back()
        {
            let rest = bytes_max - bytes;
            if piece.bytes.len() > rest {
                let before = &piece.bytes[..piece.bytes.len() - rest];
                let begins = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
                piece.split_to(begins);
            }
            bytes += piece.bytes.len();
            // Its lines have been counted as forwarded.
            piece.attempts = piece.attempts.max(1);
            self.taken.push_front(piece);
        }
        // If the upstream has stumbled, then over what it met first. What is behind it may never have been looked at: one
        // that closes with megabytes unread is given all of them again.
        if is_attempt
            && bytes > 0
            && let Some(mut first) = self.taken.pop_front()
        {
            if first.attempts > AGAIN_MAX {
                settled.deliver(&first);
            } else {
                first.attempts += 1;
                self.taken.push_front(first);
            }
        }
        self.forget_sent(settled);
    }

    /// Takes all that was written for delivered.
    pub(super) fn forget_sent(&mut self, settled: &mut Settled) {
        if let Some(mark) = self.sent.drain(..).filter_map(|piece| piece.mark).last() {
            settled.deliver_to(mark);
        }
        self.sent_bytes = 0;
    }

    /// Keeps a piece that was written, and lets go of the oldest ones.
    fn keep(&mut self, piece: Piece, settled: &mut Settled) {
        self.sent_bytes += piece.size();
        self.sent.push_back(piece);
        while let Some(oldest) = self.sent.front()
            && self.sent_bytes - oldest.size() >= self.resend_bytes_max
        {
            self.sent_bytes -= oldest.size();
            settled.deliver(oldest);
            self.sent.pop_front();
        }
    }

    /// Gives back what was taken and not begun to be written.
    pub(super) fn give_back(&mut self) -> VecDeque<Piece> {
        let begun = usize::from(self.written > 0).min(self.taken.len());
        self.taken.split_off(begun)
    }

    /// What was taken, while there is no connection, and how many there have been.
    pub(super) fn waiting(&mut self) -> Option<(u64, &mut VecDeque<Piece>)> {
        let is_away = self.stream.is_none();
        is_away.then_some((self.connections, &mut self.taken))
    }

    /// Forgets what was taken.
    pub(super) fn clear(&mut self) {
        self.taken.clear();
        self.written = 0;
        self.sent.clear();
        self.sent_bytes = 0;
    }

    /// Remembers why the connection is of no more use.
    pub(super) fn set_broken(&mut self, error: io::Error) {
        self.broken = Some(error);
    }

    /// Writes what waits in `queue`, which is the one that leads here. Waits for nobody.
    ///
    /// # Errors
    /// When the connection has broken or is closed.
    pub(super) fn write(&mut self, queue: &Queue) -> io::Result<Turn> {
        let Some(stream) = &self.stream else {
            return Ok(Turn::Away);
        };
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let stream = Arc::clone(stream);
        let mut bytes_written = 0;
        while bytes_written < TURN_BYTES {
            // carbon says nothing, so all there is to be read is the end.
            check_open(&stream)?;
            if self.taken.is_empty() && !queue.take(TURN_BYTES, &mut self.taken) {
                return Ok(Turn::Empty);
            }
            match write_some(&stream, &self.taken, self.written) {
                Ok(bytes) => {
                    self.settle(bytes, queue);
                    bytes_written += bytes;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Turn::Blocked),
                Err(error) => return Err(error),
            }
        }
        Ok(Turn::More)
    }

    /// Lets go of what has been written.
    fn settle(&mut self, bytes: usize, queue: &Queue) {
        self.written += bytes;
        let mut settled = Settled::default();
        while let Some(piece) = self.taken.front()
            && self.written >= piece.bytes.len()
        {
            self.written -= piece.bytes.len();
            settled.add(piece, piece.weight());
            if let Some(piece) = self.taken.pop_front() {
                self.keep(piece, &mut settled);
            }
        }
        if settled.bytes > 0 {
            queue.settle(&settled);
        }
    }
}

/// Fails once the peer has closed; what it says otherwise is not listened to.
fn check_open(stream: &TcpStream) -> io::Result<()> {
    let mut ignored = [0; 512];
    match stream.try_read(&mut ignored) {
        Ok(0) => Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "closed by the upstream",
        )),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// One gathered write of what is left of `pieces` behind the first `written` bytes.
fn write_some(stream: &TcpStream, pieces: &VecDeque<Piece>, written: usize) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let mut count = 0;
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        let skipped = if count == 0 { written } else { 0 };
        *slice = IoSlice::new(&piece.bytes[skipped..]);
        count += 1;
    }
    match stream.try_write_vectored(&slices[..count])? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        bytes => Ok(bytes),
    }
}
