//! The end of a queue: a connection, and what is being written to it.
//!
//! Whoever has put lines into the queue writes them, unless somebody else is at it: what has just been read is still in the
//! processor's cache, and nobody has to be woken. Only what the connection does not take at once is left to the task of
//! the upstream. One at a time writes, what was put in first, so the order stays.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::Arc,
};

use tokio::net::TcpStream;

use super::Queue;
use crate::line::Chunk;

/// Bytes taken from the queue at a time, and written in one turn.
const TURN_BYTES: usize = 512 * 1024;
/// Chunks handed to the kernel in one call.
const SLICES_MAX: usize = 64;

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
#[derive(Debug, Default)]
pub(super) struct Outlet {
    stream: Option<Arc<TcpStream>>,
    /// What somebody else than the task has met, and the task is to be told.
    broken: Option<io::Error>,
    /// Chunks taken from the queue and not wholly written.
    taken: VecDeque<Chunk>,
    /// Bytes of the first of them that have been written.
    written: usize,
}

impl Outlet {
    pub(super) fn connect(&mut self, stream: Arc<TcpStream>) {
        self.stream = Some(stream);
        self.broken = None;
    }

    /// Lets go of the connection, and goes back to the beginning of the line that was cut. Those before it count as
    /// forwarded.
    pub(super) fn disconnect(&mut self, queue: &Queue) {
        self.stream = None;
        let Some(chunk) = self.taken.front_mut() else {
            return;
        };
        let whole = memchr::memrchr(b'\n', &chunk.bytes[..self.written]).map_or(0, |end| end + 1);
        let lines = memchr::memchr_iter(b'\n', &chunk.bytes[..whole]).count() as u64;
        chunk.bytes = chunk.bytes.slice(whole..);
        chunk.lines -= lines;
        self.written = 0;
        queue.deliver(0, lines, whole);
    }

    /// Forgets what was taken.
    pub(super) fn clear(&mut self) {
        self.taken.clear();
        self.written = 0;
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
        let (mut chunks, mut lines, mut settled) = (0, 0, 0);
        while let Some(chunk) = self.taken.front()
            && self.written >= chunk.bytes.len()
        {
            self.written -= chunk.bytes.len();
            chunks += 1;
            lines += chunk.lines;
            settled += chunk.bytes.len();
            self.taken.pop_front();
        }
        if chunks > 0 {
            queue.deliver(chunks, lines, settled);
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

/// One gathered write of what is left of `chunks` behind the first `written` bytes.
fn write_some(stream: &TcpStream, chunks: &VecDeque<Chunk>, written: usize) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(chunks) {
        let skipped = if count == 0 { written } else { 0 };
        *slice = IoSlice::new(&chunk.bytes[skipped..]);
        count += 1;
    }
    match stream.try_write_vectored(&slices[..count])? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        bytes => Ok(bytes),
    }
}
