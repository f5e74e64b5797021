//! Connections of one sender, in the order in which it made them.
//!
//! statsd, and many a script, opens a connection for each batch. Each is read by a task of its own, and tasks run in no
//! order. So a connection is read only when those are read to their end that the same address had closed before it came.
//! Connections that are open at the same time have no order.
//!
//! Costs a look at others of the same address in one system call when a connection is let in, and nothing while it is read.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::kernel;

/// Others of an address that are looked at, the newest first: those that were closed long ago are read by now.
const LOOKS_MAX: usize = 32;

/// Connections that are not read to their end, by address and in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Order(Mutex<Unread>);

#[derive(Debug, Default)]
struct Unread {
    /// Number of the next one.
    next: u64,
    connections: BTreeMap<(IpAddr, u64), Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: Arc<TcpStream>,
    /// Cancelled once it is read.
    is_read: CancellationToken,
}

/// The place of a connection. It counts as read when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    shared: Arc<Shared>,
    key: (IpAddr, u64),
    is_read: CancellationToken,
    /// Those that come first.
    before: Vec<CancellationToken>,
}

impl Order {
    fn lock(&self) -> MutexGuard<'_, Unread> {
        self.0.lock().expect("nobody panics with the lock held")
    }
}

impl Turn {
    /// The place of the connection that was accepted last.
    pub(super) fn take(shared: &Arc<Shared>, peer: SocketAddr, stream: &Arc<TcpStream>) -> Self {
        let address = peer.ip().to_canonical();
        let is_read = CancellationToken::new();
        let mut unread = shared.order.lock();
        let before = unread.closed(address);
        let key = (address, unread.next);
        unread.next += 1;
        let connection = Connection {
            stream: Arc::clone(stream),
            is_read: is_read.clone(),
        };
        unread.connections.insert(key, connection);
        drop(unread);
        Self {
            shared: Arc::clone(shared),
            key,
            is_read,
            before,
        }
    }

    /// Ends when all that come first are read.
    pub(super) async fn comes(&mut self) {
        for is_read in std::mem::take(&mut self.before) {
            is_read.cancelled().await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.order.lock().connections.remove(&self.key);
        self.is_read.cancel();
    }
}

impl Unread {
    /// Of the newest from this address those that it has closed.
    fn closed(&self, address: IpAddr) -> Vec<CancellationToken> {
        let of_address = self.connections.range((address, 0)..=(address, u64::MAX));
        let newest: Vec<_> = of_address.rev().take(LOOKS_MAX).map(|(_, one)| one).collect();
        if newest.is_empty() {
            return Vec::new();
        }
        let closed = kernel::closed_by_peer(newest.iter().map(|one| &*one.stream));
        let all = newest.iter().zip(closed);
        all.filter(|(_, is_closed)| *is_closed)
            .map(|(one, _)| one.is_read.clone())
            .collect()
    }
}
