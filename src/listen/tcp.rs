//! TCP: senders that come, stay or go.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BufMut;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, info, warn};

use super::{Shared, arena};
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

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // After a restart, connections of the one before may linger.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until the stop, and then those that were waiting: a backlog of them at most, as others may still come.
pub(super) async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    let mut accepted_late = 0;
    let mut failing = false;
    while accepted_late < BACKLOG {
        accepted_late += i32::from(shared.stop.is_cancelled());
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
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
                if shared.stop.is_cancelled() {
                    return;
                }
            }
        }
    }
}

/// Begins to serve a sender, if it may send and there is room.
fn admit(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    let refuse = |reason| shared.metrics.connections_refused.with_label_values(&[reason]).inc();
    shared.metrics.connections.inc();
    if !shared.may_send(peer.ip()) {
        refuse("not_allowed");
        return;
    }
    let Ok(permit) = Arc::clone(&shared.connections).try_acquire_owned() else {
        refuse("limit");
        return;
    };
    shared.metrics.connections_open.inc();
    let shared = Arc::clone(shared);
    shared.tasks.clone().spawn(async move {
        let mut chunker = Chunker::new(shared.settings.max_line_bytes);
        if let Err(error) = serve(&stream, &mut chunker, &shared).await {
            debug!(%peer, %error, "a connection broke");
        }
        if !chunker.fragment().is_empty() {
            shared.metrics.fragments.inc();
            debug!(%peer, bytes = chunker.fragment().len(), "dropped a last line without its newline");
        }
        shared.metrics.connections_open.dec();
        drop(permit);
    });
}

/// Reads from a sender until it closes, is silent for too long, or the relay stops.
async fn serve(stream: &TcpStream, chunker: &mut Chunker, shared: &Shared) -> io::Result<()> {
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            biased;
            readable = stream.readable() => readable?,
            () = silence(shared.settings.idle_timeout, heard) => {
                shared.metrics.connections_idle.inc();
                return Ok(());
            }
            () = shared.stop.cancelled() => {}
        }
        let stopping = shared.stop.is_cancelled();
        let reads = if stopping { LAST_READS_MAX } else { READS_IN_TURN };
        for _ in 0..reads {
            match read(stream, chunker, shared).await {
                Ok(0) => return Ok(()),
                // What is read from now on would be lost, and is better left with its sender.
                Ok(_) if stopping && shared.intake.is_closed() => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && stopping => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if stopping {
            return Ok(());
        }
        heard = Instant::now();
        tokio::task::yield_now().await;
    }
}

/// Reads once. Gives the number of bytes, 0 at the end of the stream.
async fn read(stream: &TcpStream, chunker: &mut Chunker, shared: &Shared) -> io::Result<usize> {
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

/// Ends when there has been nothing to read for `timeout`.
async fn silence(timeout: Option<Duration>, heard: Instant) {
    match timeout {
        Some(timeout) => tokio::time::sleep_until((heard + timeout).into()).await,
        None => pending().await,
    }
}
