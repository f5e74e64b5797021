//! The task that feeds one upstream.
//!
//! Connects, writes what the queue holds, and connects anew when the connection breaks, with growing pauses. A line that
//! was cut by the break is written again from its beginning, as the peer drops what has no newline. carbon never answers,
//! so an end of its stream is how a closed connection is noticed before the next line is lost to it.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream, lookup_host,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{DropReason, Queue, Settings};
use crate::{line::Chunk, metrics::ForwardMetrics};

/// Bytes taken from the queue at a time.
const TAKE_BYTES: usize = 512 * 1024;
/// Chunks handed to the kernel in one call.
const SLICES_MAX: usize = 64;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// A connection that has held so long was worth making: the next attempt comes soon.
const STEADY: Duration = Duration::from_secs(1);
/// Longest wait for the peer to close after the last line.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// One upstream: its queue, and the task that empties it.
#[derive(Debug)]
pub struct Upstream {
    settings: Settings,
    queue: Arc<Queue>,
    metrics: ForwardMetrics,
    /// Chunks taken from the queue and not wholly written.
    taken: VecDeque<Chunk>,
    /// Bytes of the first of them that have been written.
    written: usize,
}

/// A connection, and the address it leads to.
struct Connection {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    peer: SocketAddr,
}

impl Upstream {
    /// An upstream with an empty queue.
    pub fn new(settings: Settings, metrics: &ForwardMetrics) -> Self {
        let queue = Queue::new(&settings.name, settings.queue_bytes_max, settings.when_full, metrics);
        let labels = [settings.name.as_str()];
        metrics.connects.with_label_values(&labels);
        metrics.failures.with_label_values(&labels);
        metrics.connected.with_label_values(&labels).set(0);
        Self {
            queue: Arc::new(queue),
            settings,
            metrics: metrics.clone(),
            taken: VecDeque::new(),
            written: 0,
        }
    }

    /// The way to this upstream.
    pub fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// Feeds the upstream until its queue is closed and empty, or until `give_up`, which loses what is left.
    pub async fn run(mut self, give_up: CancellationToken) {
        let finished = give_up.run_until_cancelled(self.feed()).await;
        self.metrics.connected.with_label_values(&[&self.settings.name]).set(0);
        if finished.is_none() {
            // What has been written of a chunk is not lost.
            self.rewind();
            self.queue.abandon(DropReason::Shutdown);
        }
    }

    async fn feed(&mut self) {
        let connected = self.metrics.connected.with_label_values(&[&self.settings.name]);
        let connects = self.metrics.connects.with_label_values(&[&self.settings.name]);
        let failures = self.metrics.failures.with_label_values(&[&self.settings.name]);
        let mut backoff = FIRST_BACKOFF;
        let mut failing = false;
        loop {
            let connection = tokio::select! {
                connection = self.connect() => connection,
                () = self.queue.ended() => return,
            };
            match connection {
                Ok(mut connection) => {
                    info!(upstream = self.settings.name, address = %connection.peer, "connected");
                    connects.inc();
                    connected.set(1);
                    failing = false;
                    let since = Instant::now();
                    let ended = self.write_all(&mut connection).await;
                    connected.set(0);
                    let Err(error) = ended else {
                        return;
                    };
                    warn!(upstream = self.settings.name, %error, "the connection broke");
                    self.rewind();
                    // A peer that takes connections and closes them again is as good as away.
                    if since.elapsed() > STEADY {
                        backoff = FIRST_BACKOFF;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        let Settings { name, address, .. } = &self.settings;
                        warn!(upstream = name, address, %error, "cannot connect; will go on trying");
                    }
                }
            }
            failures.inc();
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.queue.ended() => return,
            }
            backoff = (backoff * 2).min(self.settings.max_backoff);
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        let Settings {
            address,
            connect_timeout,
            write_timeout,
            ..
        } = &self.settings;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for peer in timeout(*connect_timeout, lookup_host(address))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??
        {
            match timeout(*connect_timeout, TcpStream::connect(peer))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    // A host that has vanished says nothing: what it does not acknowledge in time ends the connection.
                    let socket = SockRef::from(&stream);
                    socket.set_tcp_user_timeout(Some(*write_timeout))?;
                    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(*write_timeout))?;
                    let (reader, writer) = stream.into_split();
                    return Ok(Connection { reader, writer, peer });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Writes until the queue is closed and empty.
    async fn write_all(&mut self, connection: &mut Connection) -> io::Result<()> {
        loop {
            // carbon says nothing, so all there is to be read is the end.
            connection.check_open()?;
            if self.taken.is_empty() {
                let open = tokio::select! {
                    biased;
                    readable = connection.reader.readable() => {
                        readable?;
                        continue;
                    }
                    open = self.queue.take(TAKE_BYTES, &mut self.taken) => open,
                };
                if !open {
                    return connection.finish().await;
                }
            }
            let write = write_some(&mut connection.writer, &self.taken, self.written);
            let bytes = timeout(self.settings.write_timeout, write)
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the upstream does not read"))??;
            self.settle(bytes);
        }
    }

    /// Lets go of what has been written.
    fn settle(&mut self, bytes: usize) {
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
            self.queue.deliver(chunks, lines, settled);
        }
    }

    /// Goes back to the beginning of the line that was cut. Those before it count as forwarded.
    fn rewind(&mut self) {
        let Some(chunk) = self.taken.front_mut() else {
            return;
        };
        let whole = memchr::memrchr(b'\n', &chunk.bytes[..self.written]).map_or(0, |end| end + 1);
        let lines = memchr::memchr_iter(b'\n', &chunk.bytes[..whole]).count() as u64;
        chunk.bytes = chunk.bytes.slice(whole..);
        chunk.lines -= lines;
        self.written = 0;
        self.queue.deliver(0, lines, whole);
    }
}

impl Connection {
    /// Fails once the peer has closed; what it says otherwise is not listened to.
    fn check_open(&self) -> io::Result<()> {
        let mut ignored = [0; 512];
        match self.reader.try_read(&mut ignored) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "closed by the upstream",
            )),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Says that this was all, and gives the peer a moment to take it and close.
    async fn finish(&mut self) -> io::Result<()> {
        self.writer.shutdown().await?;
        let mut ignored = [0; 512];
        let closed = async { while !matches!(self.reader.read(&mut ignored).await, Ok(0) | Err(_)) {} };
        // One that does not close has been sent everything all the same.
        let _ = timeout(LAST_WAIT, closed).await;
        Ok(())
    }
}

/// One gathered write of what is left of `chunks` behind the first `written` bytes.
async fn write_some(writer: &mut OwnedWriteHalf, chunks: &VecDeque<Chunk>, written: usize) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(chunks) {
        let skipped = if count == 0 { written } else { 0 };
        *slice = IoSlice::new(&chunk.bytes[skipped..]);
        count += 1;
    }
    match writer.write_vectored(&slices[..count]).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        bytes => Ok(bytes),
    }
}
