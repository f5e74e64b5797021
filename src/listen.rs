//! Listeners: carbon's plaintext protocol over TCP and UDP.
//!
//! Knows neither upstreams nor detectors: whole lines go to the [`Intake`]. Limits on connections, on the length of lines
//! and on silence are kept here; a sender that breaks one costs the others nothing.
//!
//! Addresses may come and go, and limits change, while senders are served: an address that stays is not touched, and
//! connections stay until their senders close them, whatever becomes of the address that they came in by.
//!
//! Memory: a reader reads into an arena that it shares with all readers on its thread, and hands on slices of it. A
//! connection that is silent holds no buffer, so thousands of idle senders cost next to nothing.

mod arena;
mod inherited;
mod order;
mod settings;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Weak, atomic::AtomicUsize},
    time::Duration,
};

pub use arena::give_back_memory;
pub use inherited::Inherited;
use ipnet::IpNet;
use order::Order;
pub use settings::*;
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{intake::Intake, kernel, metrics::ListenMetrics};

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("{protocol} {address}: {error}")]
pub struct BindError {
    /// How lines come in.
    pub protocol: Protocol,
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

/// How lines come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// By connection.
    Tcp,
    /// By datagram.
    Udp,
}

/// Sockets that are bound, before anybody is served.
#[derive(Debug)]
pub struct Listeners {
    bound: Vec<Bound>,
}

/// A socket, and the address that the settings give it.
#[derive(Debug)]
struct Bound {
    address: SocketAddr,
    reuse_port: bool,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Udp(Arc<UdpSocket>),
}

/// Sockets at work.
#[derive(Debug)]
pub struct Listening {
    served: Vec<Served>,
    rules: watch::Sender<Rules>,
    shared: Arc<Shared>,
}

/// A socket at work.
#[derive(Debug)]
struct Served {
    protocol: Protocol,
    /// As in the settings.
    address: SocketAddr,
    /// As it is.
    local: SocketAddr,
    reuse_port: bool,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// Of UDP, to be asked for what the kernel dropped.
    datagrams: Option<Datagrams>,
}

#[derive(Debug)]
struct Datagrams {
    /// The task alone keeps it open.
    socket: Weak<UdpSocket>,
    inode: Option<u64>,
    /// Drops counted so far.
    dropped: u64,
}

/// Addresses that have come and gone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that are listened on no more.
    pub removed: Vec<String>,
}

/// What may change while senders are served.
#[derive(Clone, Debug)]
struct Rules {
    allow: Option<Vec<IpNet>>,
    max_connections: usize,
    idle_timeout: Option<Duration>,
    /// Readers take what has already arrived, and end.
    stopping: bool,
}

/// What every reader needs.
#[derive(Debug)]
struct Shared {
    max_line_bytes: usize,
    intake: Arc<Intake>,
    metrics: ListenMetrics,
    /// TCP connections that are open.
    connections: AtomicUsize,
    /// Which of them are read first.
    order: Order,
    rules: watch::Receiver<Rules>,
    tasks: TaskTracker,
}

impl Listeners {
    /// Binds all addresses, except for those whose sockets were inherited. To be called on the runtime that will serve
    /// them.
    ///
    /// # Errors
    /// When an address is taken or not allowed.
    pub fn bind(settings: &Settings, inherited: &mut Inherited) -> Result<Self, BindError> {
        let bound = wanted(settings).map(|(protocol, address)| Bound::new(protocol, address, settings, inherited));
        Ok(Self {
            bound: bound.collect::<Result<_, _>>()?,
        })
    }

    /// The addresses in use for TCP.
    ///
    /// # Errors
    /// When the system does not know them.
    pub fn tcp_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let tcp = self.bound.iter().filter_map(|bound| match &bound.socket {
            Socket::Tcp(listener) => Some(listener.local_addr()),
            Socket::Udp(_) => None,
        });
        tcp.collect()
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// When the system does not know the address of a socket.
    pub fn serve(self, settings: &Settings, intake: Arc<Intake>, metrics: ListenMetrics) -> io::Result<Listening> {
        let (rules, rules_of_all) = watch::channel(Rules::new(settings));
        let shared = Shared {
            max_line_bytes: settings.max_line_bytes,
            intake,
            metrics,
            connections: AtomicUsize::new(0),
            order: Order::default(),
            rules: rules_of_all,
            tasks: TaskTracker::new(),
        };
        let mut listening = Listening {
            served: Vec::new(),
            rules,
            shared: Arc::new(shared),
        };
        for bound in self.bound {
            listening.begin(bound)?;
        }
        Ok(listening)
    }
}

impl Listening {
    fn begin(&mut self, bound: Bound) -> io::Result<()> {
        let Bound {
            address,
            reuse_port,
            socket,
        } = bound;
        let (stop, shared, tasks) = (CancellationToken::new(), Arc::clone(&self.shared), &self.shared.tasks);
        let (protocol, local, task, datagrams) = match socket {
            Socket::Tcp(listener) => {
                let local = listener.local_addr()?;
                let task = tasks.spawn(tcp::accept_all(listener, shared, stop.clone()));
                (Protocol::Tcp, local, task, None)
            }
            Socket::Udp(socket) => {
                let datagrams = Datagrams {
                    inode: kernel::inode(&*socket),
                    socket: Arc::downgrade(&socket),
                    dropped: 0,
                };
                let local = socket.local_addr()?;
                let task = tasks.spawn(udp::receive_all(socket, shared, stop.clone()));
                (Protocol::Udp, local, task, Some(datagrams))
            }
        };
        self.served.push(Served {
            protocol,
            address,
            local,
            reuse_port,
            stop,
            task,
            datagrams,
        });
        Ok(())
    }

    /// The addresses in use.
    pub fn addresses(&self, protocol: Protocol) -> Vec<SocketAddr> {
        let of_protocol = self.served.iter().filter(|served| served.protocol == protocol);
        of_protocol.map(|served| served.local).collect()
    }

    /// Is every address served?
    pub fn is_at_work(&self) -> bool {
        self.served.iter().all(|served| !served.task.is_finished())
    }

    /// Counts the datagrams that the kernel has dropped since the last time. To be called once a second.
    pub fn count_drops(&mut self) {
        let mut datagrams: Vec<_> = self
            .served
            .iter_mut()
            .filter_map(|served| served.datagrams.as_mut())
            .collect();
        let inodes: Vec<_> = datagrams.iter().map(|datagrams| datagrams.inode).collect();
        if inodes.is_empty() {
            return;
        }
        for (datagrams, dropped) in datagrams.iter_mut().zip(kernel::datagrams_dropped(&inodes)) {
            let more = dropped.saturating_sub(datagrams.dropped);
            self.shared.metrics.datagrams_dropped.inc_by(more);
            datagrams.dropped += more;
        }
    }

    /// Serves by these settings from now on, except for the length of lines and the sharing of ports. Addresses that stay
    /// are not touched; one that goes is listened on until all senders that have come have been let in.
    ///
    /// # Errors
    /// When an address is taken or not allowed. Then all is as it was.
    pub async fn change(&mut self, settings: &Settings) -> Result<Moved, BindError> {
        let wanted: Vec<_> = wanted(settings).collect();
        let is_there = |served: &Served, &(protocol, address): &(Protocol, SocketAddr)| {
            served.protocol == protocol && served.address == address
        };
        let (stays, mut goes): (Vec<_>, Vec<_>) = std::mem::take(&mut self.served)
            .into_iter()
            .partition(|served| wanted.iter().any(|wanted| is_there(served, wanted)));
        self.served = stays;
        let comes = wanted
            .into_iter()
            .filter(|wanted| !self.served.iter().any(|served| is_there(served, wanted)));
        let comes: Vec<_> = comes.collect();
        // An address cannot be bound while one that covers it, or is covered by it, is listened on.
        for served in &mut goes {
            let in_the_way = comes
                .iter()
                .any(|&(protocol, address)| served.excludes(protocol, address, settings));
            if in_the_way {
                served.stop.cancel();
                let _ = (&mut served.task).await;
            }
        }
        let none = &mut Inherited::default();
        let bound: Result<Vec<_>, _> = comes
            .iter()
            .map(|&(protocol, address)| Bound::new(protocol, address, settings, none))
            .collect();
        let bound = match bound {
            Ok(bound) => bound,
            Err(error) => {
                self.take_back(goes, settings);
                return Err(error);
            }
        };
        let mut moved = Moved::default();
        for bound in bound {
            let (protocol, address) = (bound.protocol(), bound.address);
            match self.begin(bound) {
                Ok(()) => moved.added.push(format!("{protocol} {address}")),
                Err(error) => warn!(%protocol, %address, %error, "cannot listen"),
            }
        }
        for served in goes {
            served.stop.cancel();
            moved.removed.push(format!("{} {}", served.protocol, served.address));
        }
        let datagrams = self.served.iter().filter_map(|served| served.datagrams.as_ref());
        for socket in datagrams.filter_map(|datagrams| datagrams.socket.upgrade()) {
            udp::set_buffer(&socket, settings.udp_buffer_bytes);
        }
        self.rules.send_replace(Rules::new(settings));
        Ok(moved)
    }

    /// Listens again on addresses that were to go.
    fn take_back(&mut self, served: Vec<Served>, settings: &Settings) {
        for served in served {
            if !served.stop.is_cancelled() {
                self.served.push(served);
                continue;
            }
            let Served { protocol, address, .. } = served;
            let again = Bound::new(protocol, address, settings, &mut Inherited::default())
                .map_err(|error| error.error)
                .and_then(|bound| self.begin(bound));
            match again {
                Ok(()) => info!(%protocol, %address, "listening again"),
                Err(error) => warn!(%protocol, %address, %error, "cannot listen again"),
            }
        }
    }

    /// Tells readers to take what has already arrived, and to end.
    pub fn stop(&self) {
        for served in &self.served {
            served.stop.cancel();
        }
        self.rules.send_modify(|rules| rules.stopping = true);
        self.shared.tasks.close();
    }

    /// Ends, after a stop, when the last byte that had arrived by then has been taken.
    pub async fn stopped(&self) {
        self.shared.tasks.wait().await;
    }
}

impl Bound {
    fn new(
        protocol: Protocol,
        address: SocketAddr,
        settings: &Settings,
        inherited: &mut Inherited,
    ) -> Result<Self, BindError> {
        let socket = match protocol {
            Protocol::Tcp => bind_tcp(address, settings.reuse_port, inherited).map(Socket::Tcp),
            Protocol::Udp => match inherited.take_udp(address) {
                Some(socket) => udp::adopt(socket, settings.udp_buffer_bytes),
                None => udp::bind(address, settings.udp_buffer_bytes, settings.reuse_port),
            }
            .map(|socket| Socket::Udp(Arc::new(socket))),
        };
        let socket = socket.map_err(|error| BindError {
            protocol,
            address,
            error,
        })?;
        Ok(Self {
            address,
            reuse_port: settings.reuse_port,
            socket,
        })
    }

    fn protocol(&self) -> Protocol {
        match self.socket {
            Socket::Tcp(_) => Protocol::Tcp,
            Socket::Udp(_) => Protocol::Udp,
        }
    }
}

impl Served {
    /// May `address` not be bound as long as this one is listened on?
    fn excludes(&self, protocol: Protocol, address: SocketAddr, settings: &Settings) -> bool {
        let (own, other) = (self.address.ip(), address.ip());
        let overlap =
            own == other || own.is_ipv4() == other.is_ipv4() && (own.is_unspecified() || other.is_unspecified());
        let shared = self.reuse_port && settings.reuse_port;
        protocol == self.protocol && self.address.port() == address.port() && overlap && !shared
    }
}

impl Rules {
    fn new(settings: &Settings) -> Self {
        Self {
            allow: settings.allow.clone(),
            max_connections: settings.max_connections,
            idle_timeout: settings.idle_timeout,
            stopping: false,
        }
    }

    fn may_send(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allow
            .as_ref()
            .is_none_or(|networks| networks.iter().any(|network| network.contains(&address)))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

impl Shared {
    /// Counts a connection that is closed although its sender goes on.
    fn refuse(&self, reason: &str) {
        self.metrics.connections_refused.with_label_values(&[reason]).inc();
    }
}

/// A TCP socket that listens on `address` and is served elsewhere: the one that was inherited, or a new one. To be called
/// on the runtime that will serve it.
///
/// # Errors
/// When the address is taken or not allowed.
pub fn bind_tcp(address: SocketAddr, reuse_port: bool, inherited: &mut Inherited) -> io::Result<TcpListener> {
    match inherited.take_tcp(address) {
        Some(listener) => tcp::adopt(listener),
        None => tcp::bind(address, reuse_port),
    }
}

/// What the settings say is to be listened on.
fn wanted(settings: &Settings) -> impl Iterator<Item = (Protocol, SocketAddr)> {
    let tcp = settings.tcp.iter().map(|&address| (Protocol::Tcp, address));
    tcp.chain(settings.udp.iter().map(|&address| (Protocol::Udp, address)))
}
