//! TCP: senders that come, stay or go.

use std::{
    future::{pending, ready},
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::BufMut;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Rules, Shared, arena, order::Turn};
use crate::{clock, line::Chunker};

/// Connections that the kernel completes before they are accepted: room for all senders coming back at once.
const BACKLOG: i32 = 4096;
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;
/// Reads from one sender before others get their turn.
const READS_IN_TURN: usize = 8;
/// Pause after an accept that failed because there are no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Reads from one sender after the stop: what had arrived by then, and an end to one who goes on sending.
const LAST_READS_MAX: usize = 256;
/// Time to find out whether one who is let in after the stop has sent something.
const LAST_LOOK: Duration = Duration::from_millis(10);

pub(super) fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // After a restart, connections of the one before may linger.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Takes a socket that somebody else has bound.
pub(super) fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Accepts until the stop, and then those that were waiting: a backlog of them at most, as others may still come.
pub(super) async fn accept_all(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let mut accepted_late = 0;
    let mut failing = false;
    while accepted_late < BACKLOG {
        accepted_late += i32::from(stop.is_cancelled());
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                if std::mem::take(&mut failing) {
                    info!("connections are accepted again");
                }
                admit(stream, peer, &shared);
            }
            Err(error) => {
                shared.metrics.accept_errors.inc();
                if !std::mem::replace(&mut failing, true) {
                    warn!(%error, "cannot accept connections; they wait, and will be tried again");
                }
                // Without descriptors the next attempt fails at once: the connection stays in the backlog.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                if stop.is_cancelled() {
                    return;
                }
            }
        }
    }
}

/// Begins to serve a sender, if it may send and there is room.
fn admit(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    shared.metrics.connections.inc();
    let mut changes = shared.rules.clone();
    let rules = changes.borrow_and_update();
    if !rules.may_send(peer.ip()) {
        shared.refuse("not_allowed");
        return;
    }
    let Some(place) = Place::take(shared, rules.max_connections) else {
        shared.refuse("limit");
        return;
    };
    let (idle_timeout, stopping) = (rules.idle_timeout, rules.stopping);
    drop(rules);
    let stream = Arc::new(stream);
    let mut turn = Turn::take(shared, peer, &stream);
    shared.tasks.spawn(async move {
        let shared = &*place.0;
        turn.comes().await;
        let mut sender = Sender {
            stream,
            peer,
            chunker: Chunker::new(shared.max_line_bytes),
            idle_timeout,
            stopping,
        };
        if let Err(error) = sender.serve(changes, shared).await {
            debug!(%peer, %error, "a connection broke");
        }
        let fragment = sender.chunker.fragment();
        if !fragment.is_empty() {
            shared.metrics.fragments.inc();
            debug!(%peer, bytes = fragment.len(), "dropped a last line without its newline");
        }
        drop(turn);
    });
}

/// A place among the connections, given back when it is dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>, max_connections: usize) -> Option<Self> {
        let one_more = |open| (open < max_connections).then_some(open + 1);
        let taken = shared
            .connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.ok()?;
        shared.metrics.connections_open.inc();
        Some(Self(Arc::clone(shared)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.connections_open.dec();
    }
}

/// One that has connected.
struct Sender {
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    chunker: Chunker,
    idle_timeout: Option<Duration>,
    stopping: bool,
}

impl Sender {
    /// Reads until it closes, is silent for too long, may not send any more, or the relay stops.
    async fn serve(&mut self, mut changes: watch::Receiver<Rules>, shared: &Shared) -> io::Result<()> {
        let mut heard = Instant::now();
        if self.stopping {
            // It has only just been let in, and nobody has looked yet whether it has sent something.
            let _ = timeout(LAST_LOOK, self.stream.readable()).await;
        }
        loop {
            let is_news = tokio::select! {
                biased;
                readable = self.stream.readable() => {
                    readable?;
                    changes.has_changed().unwrap_or(true)
                }
                () = silence(self.idle_timeout, heard) => {
                    shared.metrics.connections_idle.inc();
                    return Ok(());
                }
                _ = changes.changed() => true,
                () = ready(()), if self.stopping => false,
            };
            if is_news && !self.follow(&mut changes) {
                shared.refuse("not_allowed");
                return Ok(());
            }
            let reads = if self.stopping { LAST_READS_MAX } else { READS_IN_TURN };
            for _ in 0..reads {
                if self.stopping && shared.intake.is_closing() {
                    // What is read from now on would be lost, and is better left with its sender.
                    return Ok(());
                }
                match self.read(shared).await {
                    Ok(0) => return Ok(()),
                    Ok(_) => heard = Instant::now(),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.stopping => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
                // The stop may have come while this one waited for room.
                if !self.stopping && changes.has_changed().unwrap_or(true) {
                    break;
                }
            }
            if self.stopping {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    /// Goes by the rules as they are now. False when it may not send any more.
    fn follow(&mut self, changes: &mut watch::Receiver<Rules>) -> bool {
        let is_at_end = changes.has_changed().is_err();
        let rules = changes.borrow_and_update();
        self.idle_timeout = rules.idle_timeout;
        self.stopping = rules.stopping || is_at_end;
        rules.may_send(self.peer.ip())
    }

    /// Reads once. Gives the number of bytes, 0 at the end of the stream.
    async fn read(&mut self, shared: &Shared) -> io::Result<usize> {
        let Self { stream, chunker, .. } = self;
        let (filled, bytes) = arena::read(chunker.begun_bytes() + READ_BYTES, |buffer| {
            chunker.put_begun(buffer);
            stream.try_read_buf(&mut buffer.limit(READ_BYTES))
        })?;
        if bytes == 0 {
            return Ok(0);
        }
        shared.metrics.tcp_bytes.inc_by(bytes as u64);
        let cut = chunker.cut(filled);
        if let Some(chunk) = cut.chunk {
            shared.intake.take(arena::unpin(chunk), clock::now()).await;
        }
        if let Some(beginning) = cut.given_up {
            shared.intake.give_up(&beginning, clock::now());
        }
        Ok(bytes)
    }
}

/// Ends when there has been nothing to read for `timeout`.
async fn silence(timeout: Option<Duration>, heard: Instant) {
    match timeout {
        Some(timeout) => tokio::time::sleep_until((heard + timeout).into()).await,
        None => pending().await,
    }
}
