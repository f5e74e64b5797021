//! Listeners: carbon's plaintext protocol over TCP and UDP.
//!
//! Knows neither upstreams nor detectors: whole lines go to the [`Intake`]. Limits on connections, on the length of lines
//! and on silence are kept here; a sender that breaks one costs the others nothing.
//!
//! Memory: a reader reads into an arena that it shares with all readers on its thread, and hands on slices of it. A
//! connection that is silent holds no buffer, so thousands of idle senders cost next to nothing.

mod arena;
mod kernel;
mod settings;
mod tcp;
mod udp;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

pub use settings::*;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{intake::Intake, metrics::ListenMetrics};

/// UDP sockets in use, for what the kernel knows of them.
#[derive(Debug)]
pub struct UdpSockets {
    inodes: Vec<u64>,
    /// Drops counted so far.
    dropped: u64,
    metrics: ListenMetrics,
}

/// Sockets that are bound, before anybody is served.
#[derive(Debug)]
pub struct Listeners {
    tcp: Vec<tokio::net::TcpListener>,
    udp: Vec<tokio::net::UdpSocket>,
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("{protocol} {address}: {error}")]
pub struct BindError {
    /// `TCP` or `UDP`.
    pub protocol: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

/// What every reader needs.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    intake: Arc<Intake>,
    metrics: ListenMetrics,
    connections: Arc<Semaphore>,
    /// Told when to stop; readers then take what has already arrived, and end.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listeners {
    /// Binds all addresses. To be called on the runtime that will serve them.
    ///
    /// # Errors
    /// When an address is taken or not allowed.
    pub fn bind(settings: &Settings) -> Result<Self, BindError> {
        let mut listeners = Self {
            tcp: Vec::new(),
            udp: Vec::new(),
        };
        for &address in &settings.tcp {
            let listener = tcp::bind(address).map_err(|error| BindError {
                protocol: "TCP",
                address,
                error,
            })?;
            listeners.tcp.push(listener);
        }
        for &address in &settings.udp {
            let socket = udp::bind(address, settings.udp_buffer_bytes).map_err(|error| BindError {
                protocol: "UDP",
                address,
                error,
            })?;
            listeners.udp.push(socket);
        }
        Ok(listeners)
    }

    /// The addresses in use, TCP first.
    ///
    /// # Errors
    /// When the system does not know them.
    pub fn addresses(&self) -> io::Result<(Vec<SocketAddr>, Vec<SocketAddr>)> {
        let tcp = self
            .tcp
            .iter()
            .map(tokio::net::TcpListener::local_addr)
            .collect::<io::Result<_>>()?;
        let udp = self
            .udp
            .iter()
            .map(tokio::net::UdpSocket::local_addr)
            .collect::<io::Result<_>>()?;
        Ok((tcp, udp))
    }

    /// The UDP sockets, to be asked for what the kernel dropped.
    pub fn udp_sockets(&self, metrics: ListenMetrics) -> UdpSockets {
        UdpSockets {
            inodes: self.udp.iter().filter_map(kernel::inode).collect(),
            dropped: 0,
            metrics,
        }
    }

    /// Serves until `stop`. The tracker is done when the last byte that had arrived by then has been taken.
    pub fn serve(
        self,
        settings: Settings,
        intake: Arc<Intake>,
        metrics: ListenMetrics,
        stop: CancellationToken,
    ) -> TaskTracker {
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared {
            connections: Arc::new(Semaphore::new(settings.max_connections)),
            settings,
            intake,
            metrics,
            stop,
            tasks: tasks.clone(),
        });
        for listener in self.tcp {
            tasks.spawn(tcp::accept_all(listener, Arc::clone(&shared)));
        }
        for socket in self.udp {
            tasks.spawn(udp::receive_all(socket, Arc::clone(&shared)));
        }
        tasks.close();
        tasks
    }
}

impl UdpSockets {
    /// Counts the datagrams that the kernel has dropped since the last time. To be called once a second.
    pub fn count_drops(&mut self) {
        if self.inodes.is_empty() {
            return;
        }
        let dropped = kernel::datagrams_dropped(&self.inodes);
        self.metrics
            .datagrams_dropped
            .inc_by(dropped.saturating_sub(self.dropped));
        self.dropped = dropped.max(self.dropped);
    }
}

impl Shared {
    fn may_send(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.settings
            .allow
            .as_ref()
            .is_none_or(|networks| networks.iter().any(|network| network.contains(&address)))
    }
}
