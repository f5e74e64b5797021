//! The relay as a whole: bind, run, and stop in the order in which lines flow.

mod found;
mod oddities;
mod own_series;
mod reload;
mod running;
mod supervisor;
mod upstreams;

use std::{fmt, io, path::PathBuf, time::Duration};

pub(crate) use oddities::oddities;
pub use reload::SetLogLevel;
use running::Running;
pub(crate) use running::warn_of;
use supervisor::Watchdog;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::{
    config::Config,
    forward::SpoolError,
    listen::{self, BindError, Inherited, Listeners},
};

/// Descriptors that senders leave for everything else (files, upstreams, HTTP), or half of them where there are so few.
const DESCRIPTORS_SPARE: u64 = 256;

/// Why the relay did not start, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address for senders.
    #[error("{}", advise(&.0.protocol.to_string(), &.0.address.to_string(), &.0.error, "listen"))]
    Bind(#[from] BindError),
    /// The address for HTTP.
    #[error("{}", advise("HTTP", .0, .1, "http"))]
    Http(String, io::Error),
    /// A directory for lines that wait on disk.
    #[error("{0}: set another under [spool]")]
    Spool(#[from] SpoolError),
    /// A directory for what waits to be told, or a thread to tell it.
    #[error("{0}: set another directory under [notify]")]
    Notify(io::Error),
    /// A directory for the history.
    #[error("{0}: set another directory under [history]")]
    History(io::Error),
    /// The operating system.
    #[error("{0}: {1}")]
    System(&'static str, io::Error),
}

/// How the relay has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Lines that no upstream got, over all upstreams.
    pub lines_lost: u64,
}

/// What a relay is started with.
pub struct Origin {
    /// By what it goes.
    pub config: Config,
    /// Where that comes from, to be read again when it is asked to; `None`: from nowhere.
    pub file: Option<PathBuf>,
    /// Sockets that were open before.
    pub inherited: Inherited,
    /// Has the log say more, or less.
    pub set_log_level: SetLogLevel,
}

/// A relay that is bound and not yet running.
pub struct App {
    config: Config,
    file: Option<PathBuf>,
    set_log_level: SetLogLevel,
    listeners: Listeners,
    http: Option<tokio::net::TcpListener>,
}

impl App {
    /// Binds all addresses, except for those whose sockets were inherited. To be called on the runtime that will run it.
    ///
    /// # Errors
    /// When an address is taken or not allowed: a sentence that says what to do.
    pub fn bind(origin: Origin) -> Result<Self, AppError> {
        let Origin {
            config,
            file,
            mut inherited,
            set_log_level,
        } = origin;
        let listeners = Listeners::bind(&config.listen, &mut inherited)?;
        let bind_http = |address| {
            listen::bind_tcp(address, config.listen.reuse_port, &mut inherited)
                .map_err(|error| AppError::Http(address.to_string(), error))
        };
        let http = config.http.map(bind_http).transpose()?;
        inherited.close_rest();
        Ok(Self {
            config,
            file,
            set_log_level,
            listeners,
            http,
        })
    }

    /// The TCP addresses that senders can reach.
    ///
    /// # Errors
    /// When the system does not know them.
    pub fn tcp_addresses(&self) -> io::Result<Vec<std::net::SocketAddr>> {
        self.listeners.tcp_addresses()
    }

    /// Runs until SIGTERM or SIGINT, and then until all that had arrived has been forwarded and judged, or until the
    /// deadline. On SIGHUP it reads its configuration again.
    ///
    /// # Errors
    /// When a thread or a signal handler cannot be had.
    pub async fn run(self) -> Result<Ended, AppError> {
        let mut terminate = on("SIGTERM", SignalKind::terminate())?;
        let mut interrupt = on("SIGINT", SignalKind::interrupt())?;
        let mut hangup = on("SIGHUP", SignalKind::hangup())?;
        let mut user = on("SIGUSR1", SignalKind::user_defined1())?;
        let Self {
            config,
            file,
            set_log_level,
            listeners,
            http,
        } = self;
        let mut running = Running::start(config, listeners, http)?;
        running.tell_file(file.as_deref());
        supervisor::ready(&running.status());
        let mut watchdog = Watchdog::new();
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            let asked = tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = user.recv() => {
                    running.write_snapshot();
                    continue;
                }
                _ = second.tick() => {
                    running.tick();
                    continue;
                }
                () = watchdog.due() => {
                    watchdog.look(&running).await;
                    continue;
                }
                _ = hangup.recv() => None,
                request = running.reload_request() => Some(request.answer),
            };
            supervisor::reloading();
            let outcome = running.reload(file.clone(), &set_log_level).await;
            let refused = if outcome.is_err() {
                "; the last reload was refused"
            } else {
                ""
            };
            supervisor::ready(&format!("{}{refused}", running.status()));
            if let Some(answer) = asked {
                // Whoever asked may be gone.
                let _ = answer.send(outcome);
            }
        }
        supervisor::stopping();
        let give_up = running.upstreams.give_up();
        let mut stopping = std::pin::pin!(running.stop());
        loop {
            tokio::select! {
                ended = &mut stopping => return Ok(ended),
                // Somebody at the keyboard does not want to wait for upstreams any longer.
                _ = interrupt.recv() => give_up.cancel(),
                // Parts end one after the other, each within its time.
                () = watchdog.due() => Watchdog::sign(),
            }
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn on(name: &'static str, kind: SignalKind) -> Result<Signal, AppError> {
    signal(kind).map_err(|error| AppError::System(name, error))
}

/// Raises the bound on open files as far as it goes, so that `connections` senders fit in. Gives the number for which there
/// is room: beyond it a sender would take what HTTP and the upstreams need.
pub fn raise_descriptor_limit(connections: usize) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(%error, "cannot raise the limit on open files");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = usize::try_from(descriptors - DESCRIPTORS_SPARE.min(descriptors / 2)).unwrap_or(usize::MAX);
    if room < connections {
        warn!(
            descriptors,
            connections, room, "too few files may be open for listen.max_connections: raise `ulimit -n`"
        );
    }
    connections.min(room).max(1)
}

/// What went wrong with an address, and what to do about it.
fn advise(protocol: &str, address: &str, error: &io::Error, section: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse if section == "listen" => format!(
            "{address} ({protocol}) is taken, perhaps by carbon-cache: move it to 2103 and forward to it there, see README"
        ),
        io::ErrorKind::AddrInUse => format!("{address} ({protocol}) is taken: set another address under [{section}]"),
        io::ErrorKind::PermissionDenied => {
            format!("{address} ({protocol}) may not be bound: ports below 1024 need CAP_NET_BIND_SERVICE")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{address} ({protocol}) is no address of this machine: set one under [{section}]")
        }
        _ => format!("{address} ({protocol}) cannot be bound: {error}"),
    }
}
