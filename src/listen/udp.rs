//! UDP: one datagram holds any number of lines, the last of them with or without a newline.

use std::{
    io,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    sync::Arc,
};

use bytes::{BufMut, BytesMut};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Shared, arena};
use crate::clock;

/// The largest datagram there is, and the newline it may lack.
const DATAGRAM_BYTES: usize = 65_536;
/// Datagrams gathered into one chunk, as long as more are waiting.
const GATHER_BYTES: usize = 64 * 1024;
const GATHER_DATAGRAMS: usize = 1024;

/// Looks at the socket after the stop: enough for the largest buffer there is, and an end if senders go on.
const LAST_LOOKS_MAX: usize = 256;

/// What one look at the socket gave.
#[derive(Default)]
struct Gathered {
    datagrams: u64,
    refused: u64,
    bytes: u64,
    /// Are there perhaps more?
    more: bool,
}

pub(super) fn bind(address: SocketAddr, buffer_bytes: usize, reuse_port: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    adopt(StdUdpSocket::from(socket), buffer_bytes)
}

/// Takes a socket that is bound.
pub(super) fn adopt(socket: StdUdpSocket, buffer_bytes: usize) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    set_buffer(&socket, buffer_bytes);
    Ok(socket)
}

/// Asks the kernel to hold so much for the socket.
pub(super) fn set_buffer(socket: &UdpSocket, bytes: usize) {
    if let Err(error) = SockRef::from(socket).set_recv_buffer_size(bytes) {
        warn!(%error, "the kernel keeps its own receive buffer");
    }
}

/// Receives until the stop, and then what had arrived.
pub(super) async fn receive_all(socket: Arc<UdpSocket>, shared: Arc<Shared>, stop: CancellationToken) {
    let mut last_looks = 0;
    while last_looks < LAST_LOOKS_MAX {
        let stopping = tokio::select! {
            biased;
            readable = socket.readable() => {
                if let Err(error) = readable {
                    warn!(%error, "cannot wait for datagrams");
                    return;
                }
                stop.is_cancelled()
            }
            () = stop.cancelled() => true,
        };
        let more = receive(&socket, &shared).await;
        if stopping && !more {
            return;
        }
        last_looks += usize::from(stopping);
        tokio::task::yield_now().await;
    }
}

/// Receives what is there, up to a bound. True when there may be more.
async fn receive(socket: &UdpSocket, shared: &Shared) -> bool {
    let gathered = arena::read(GATHER_BYTES + DATAGRAM_BYTES, |buffer| {
        Ok(gather(socket, shared, buffer))
    });
    let Ok((chunk, gathered)) = gathered else {
        return false;
    };
    shared.metrics.datagrams.inc_by(gathered.datagrams);
    shared.metrics.datagrams_refused.inc_by(gathered.refused);
    shared.metrics.udp_bytes.inc_by(gathered.bytes);
    if !chunk.is_empty() {
        shared.intake.take(arena::unpin(chunk), clock::now()).await;
    }
    gathered.more
}

fn gather(socket: &UdpSocket, shared: &Shared, buffer: &mut BytesMut) -> Gathered {
    let mut gathered = Gathered::default();
    let rules = shared.rules.borrow();
    for _ in 0..GATHER_DATAGRAMS {
        if buffer.len() >= GATHER_BYTES {
            break;
        }
        let begins = buffer.len();
        match socket.try_recv_buf_from(&mut buffer.limit(DATAGRAM_BYTES)) {
            Ok((bytes, peer)) => {
                gathered.datagrams += 1;
                gathered.bytes += bytes as u64;
                if !rules.may_send(peer.ip()) {
                    gathered.refused += 1;
                    buffer.truncate(begins);
                } else if bytes > 0 && buffer[buffer.len() - 1] != b'\n' {
                    buffer.put_u8(b'\n');
                }
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    warn!(%error, "cannot receive a datagram");
                }
                return gathered;
            }
        }
    }
    gathered.more = true;
    gathered
}
