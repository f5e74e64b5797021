//! The relay as a whole: bind, run, and stop in the order in which lines flow.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    analysis::{Analysis, Sink},
    anomaly::Board,
    clock,
    config::Config,
    forward::{Queue, Upstream},
    http::{self, Sources},
    intake::{Intake, Sorter},
    listen::{BindError, Listeners, UdpSockets},
    metrics::{AnalysisMetrics, Metrics},
    notify::Notifier,
    shard::{Census, Event, Tally},
    snapshot::{self, Snapshots},
};

/// Events on their way from the shards to the board. When it is full, shards wait for the board.
const QUEUE_EVENTS: usize = 10_000;

/// Descriptors that are kept free of senders: files, upstreams, HTTP.
const DESCRIPTORS_SPARE: u64 = 256;

/// Time for what has nothing left to do but to end.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Time that the last snapshot may take, even beyond the deadline for lines.
const LAST_SNAPSHOT: Duration = Duration::from_secs(60);

/// Why the relay did not start, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address for senders.
    #[error("{}", advise(.0.protocol, &.0.address.to_string(), &.0.error, "listen"))]
    Bind(#[from] BindError),
    /// The address for HTTP.
    #[error("{}", advise("HTTP", .0, .1, "http"))]
    Http(String, io::Error),
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

/// A relay that is bound and not yet running.
#[derive(Debug)]
pub struct App {
    config: Config,
    listeners: Listeners,
    http: Option<tokio::net::TcpListener>,
}

/// What a shard tells the board.
enum Found {
    Event(Event),
    Census(Census),
}

/// The sink of one shard.
struct ToBoard {
    found: mpsc::Sender<Found>,
    metrics: AnalysisMetrics,
}

/// What is running.
struct Running {
    queues: Vec<Arc<Queue>>,
    upstreams: TaskTracker,
    give_up: CancellationToken,
    analysis: Arc<Analysis>,
    snapshots: Option<Snapshots>,
    /// Ends when the analysis has.
    board: tokio::task::JoinHandle<()>,
    udp_sockets: UdpSockets,
    stop_listening: CancellationToken,
    listening: TaskTracker,
    ready: Arc<AtomicBool>,
    stop_http: CancellationToken,
    http: Option<tokio::task::JoinHandle<()>>,
}

impl App {
    /// Binds all addresses. To be called on the runtime that will run it.
    ///
    /// # Errors
    /// When an address is taken or not allowed: a sentence that says what to do.
    pub fn bind(config: Config) -> Result<Self, AppError> {
        let listeners = Listeners::bind(&config.listen)?;
        let http = match config.http {
            Some(address) => Some(http::bind(address).map_err(|error| AppError::Http(address.to_string(), error))?),
            None => None,
        };
        Ok(Self {
            config,
            listeners,
            http,
        })
    }

    /// The TCP addresses that senders can reach.
    ///
    /// # Errors
    /// When the system does not know them.
    pub fn tcp_addresses(&self) -> io::Result<Vec<std::net::SocketAddr>> {
        Ok(self.listeners.addresses()?.0)
    }

    /// Runs until SIGTERM or SIGINT, and then until all that had arrived has been forwarded and judged, or until the
    /// deadline.
    ///
    /// # Errors
    /// When a thread or a signal handler cannot be had.
    pub async fn run(self) -> Result<Ended, AppError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| AppError::System("SIGTERM", error))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| AppError::System("SIGINT", error))?;
        let mut hangup = signal(SignalKind::hangup()).map_err(|error| AppError::System("SIGHUP", error))?;
        let mut user = signal(SignalKind::user_defined1()).map_err(|error| AppError::System("SIGUSR1", error))?;
        let deadline = self.config.shutdown_deadline;
        let mut running = self.start()?;
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => warn!("this version does not reload: restart it to change the configuration"),
                _ = user.recv() => running.write_snapshot(),
                _ = second.tick() => {
                    running.analysis.sweep(clock::now());
                    running.udp_sockets.count_drops();
                }
            }
        }
        let give_up = running.give_up.clone();
        let mut stopping = std::pin::pin!(running.stop(deadline));
        loop {
            tokio::select! {
                ended = &mut stopping => return Ok(ended),
                // Somebody at the keyboard does not want to wait for upstreams any longer.
                _ = interrupt.recv() => give_up.cancel(),
            }
        }
    }

    fn start(self) -> Result<Running, AppError> {
        let Self {
            config,
            listeners,
            http,
        } = self;
        let metrics = Metrics::new();
        let (give_up, stop_listening, stop_http) = (
            CancellationToken::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );

        let upstreams = TaskTracker::new();
        let mut queues = Vec::new();
        for settings in &config.forwards {
            let upstream = Upstream::new(settings.clone(), &metrics.forward);
            queues.push(upstream.queue());
            upstreams.spawn(upstream.run(give_up.clone()));
        }
        upstreams.close();
        if queues.is_empty() {
            warn!("there is no [[forward]]: lines are analysed and go nowhere");
        }

        let (to_board, found) = mpsc::channel(QUEUE_EVENTS);
        let sink = || ToBoard {
            found: to_board.clone(),
            metrics: metrics.analysis.clone(),
        };
        let watching = config.shard.watches_anything();
        metrics
            .anomaly
            .begin_at_zero(config.shard.detectors.iter().map(|detector| &*detector.name));
        let shard = Arc::new(config.shard);
        let (analysis, head_start) = Analysis::start_behind(config.analysis, &shard, sink)
            .map_err(|error| AppError::System("a thread for the analysis", error))?;
        let analysis = Arc::new(analysis);
        let notifier = Notifier::start(&config.notify, &metrics.anomaly)
            .map_err(|error| AppError::System("a thread for notifications", error))?;
        let board = Arc::new(Board::new(
            config.anomalies.history,
            config.groups,
            metrics.anomaly.clone(),
        ));
        let keeping = tokio::spawn(keep(found, Arc::clone(&board), notifier));

        let mut sorter = Sorter::new(analysis.shards(), config.listen.max_line_bytes, config.forward_invalid);
        if !watching {
            warn!("no [[watch]] has a detector: lines are forwarded and none is analysed");
            sorter = sorter.forward_only();
        }
        let sources = snapshot::Sources {
            analysis: Arc::clone(&analysis),
            board: Arc::clone(&board),
            shard,
            sorter: sorter.clone(),
            metrics: metrics.snapshot.clone(),
        };
        let snapshots = Snapshots::start(config.snapshot, sources, head_start, sink())
            .map_err(|error| AppError::System("a thread for the snapshot", error))?;
        // What nobody holds on to ends with the last shard.
        drop(to_board);
        let intake = Intake::new(sorter.clone(), queues.clone(), Arc::clone(&analysis), metrics.clone());
        let (tcp, udp) = listeners
            .addresses()
            .map_err(|error| AppError::System("the addresses in use", error))?;
        let udp_sockets = listeners.udp_sockets(metrics.listen.clone());
        let shared_listen = metrics.listen.clone();
        let listening = listeners.serve(config.listen, Arc::new(intake), shared_listen, stop_listening.clone());

        let ready = Arc::new(AtomicBool::new(true));
        let http_address = http.as_ref().and_then(|listener| listener.local_addr().ok());
        let sources = Sources {
            metrics,
            board,
            analysis: Arc::clone(&analysis),
            sorter,
            ready: Arc::clone(&ready),
        };
        let http = http.map(|listener| {
            let serving = http::serve(listener, sources, stop_http.clone());
            tokio::spawn(async move {
                if let Err(error) = serving.await {
                    error!(%error, "HTTP has ended");
                }
            })
        });
        info!(?tcp, ?udp, http = ?http_address, shards = analysis.shards(), "ready");
        Ok(Running {
            queues,
            upstreams,
            give_up,
            analysis,
            snapshots,
            board: keeping,
            udp_sockets,
            stop_listening,
            listening,
            ready,
            stop_http,
            http,
        })
    }
}

impl Running {
    fn write_snapshot(&self) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.write();
        } else {
            warn!("there is no snapshot without snapshot.file");
        }
    }

    /// Stops in the order in which lines flow.
    async fn stop(mut self, deadline: Duration) -> Ended {
        let end = Instant::now() + deadline;
        let left = || end.saturating_duration_since(Instant::now());
        info!(?deadline, "stopping");
        self.ready.store(false, Ordering::Relaxed);
        self.stop_listening.cancel();
        // Half of the time, so that senders who wait for room leave some for what is queued already.
        if tokio::time::timeout(left() / 2, self.listening.wait()).await.is_err() {
            warn!("senders are still waiting for room");
        }
        self.udp_sockets.count_drops();
        for queue in &self.queues {
            queue.close();
        }
        let flush = async {
            if tokio::time::timeout(left(), self.upstreams.wait()).await.is_err() {
                self.give_up.cancel();
                self.upstreams.wait().await;
            }
        };
        let judge = async {
            if let Some(snapshots) = &mut self.snapshots
                && !snapshots.save_last(LAST_SNAPSHOT).await
            {
                warn!("there is no last snapshot; the one before stays");
            }
            // With a snapshot the queues have run empty by now, however long it has taken.
            if !self.analysis.stop(left().max(A_MOMENT)).await {
                warn!("the analysis has not come to an end");
            } else if tokio::time::timeout(left().max(A_MOMENT), self.board).await.is_err() {
                warn!("not everything was told");
            }
            if let Some(snapshots) = self.snapshots
                && !snapshots.finish(LAST_SNAPSHOT).await
            {
                warn!("the last snapshot is not finished; the one before stays");
            }
        };
        tokio::join!(flush, judge);
        // Senders that were still waiting for room now count what they hold as lost.
        let _ = tokio::time::timeout(A_MOMENT, self.listening.wait()).await;
        self.stop_http.cancel();
        if let Some(http) = self.http {
            // Somebody may hold a connection open; the answers have been given.
            let _ = tokio::time::timeout(A_MOMENT, http).await;
        }
        let lines_lost = self.queues.iter().map(|queue| queue.lines_dropped()).sum();
        Ended { lines_lost }
    }
}

impl Sink for ToBoard {
    fn events(&mut self, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            // Without a board the relay is at its end, and nobody is told any more.
            let _ = self.found.blocking_send(Found::Event(event));
        }
    }

    fn census(&mut self, census: Census) {
        let _ = self.found.blocking_send(Found::Census(census));
    }

    fn tally(&mut self, tally: &Tally) {
        self.metrics.add(tally);
    }
}

/// Keeps the board until no shard is left, and then waits for the channels.
async fn keep(mut found: mpsc::Receiver<Found>, board: Arc<Board>, notifier: Notifier) {
    while let Some(found) = found.recv().await {
        match found {
            Found::Census(census) => board.count(&census),
            Found::Event(event) => {
                if let Some(notice) = board.record(event) {
                    notifier.tell(notice);
                }
            }
        }
    }
    let told = tokio::task::spawn_blocking(|| notifier.stop(Duration::from_secs(5))).await;
    if !matches!(told, Ok(true)) {
        warn!("a channel has not taken all that it was to be told");
    }
}

/// Raises the bound on open files as far as it goes, so that `connections` senders fit in.
pub fn raise_descriptor_limit(connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(%error, "cannot raise the limit on open files");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if descriptors < connections as u64 + DESCRIPTORS_SPARE {
        warn!(
            descriptors,
            connections, "fewer files may be open than listen.max_connections needs: raise `ulimit -n`"
        );
    }
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
