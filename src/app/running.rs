//! What is running: begun against the way of the lines, and stopped along it.

#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use super::{
    App, AppError, Ended,
    found::{ToBoard, keep},
};
use crate::{
    analysis::Analysis,
    anomaly::Board,
    clock,
    config::Config,
    forward::{Queue, Upstream},
    http::{self, Feed, Sources},
    intake::{Intake, Sorter},
    listen::{self, Listening, Protocol},
    metrics::Metrics,
    notify::Notifier,
    snapshot::{self, Snapshots},
};

/// Events on their way from the shards to the board. When it is full, shards wait for the board.
const QUEUE_EVENTS: usize = 10_000;

/// Time for what has nothing left to do but to end.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Time that the last snapshot may take, even beyond the deadline for lines.
const LAST_SNAPSHOT: Duration = Duration::from_secs(60);

/// What is running.
pub(super) struct Running {
    queues: Vec<Arc<Queue>>,
    upstreams: TaskTracker,
    give_up: CancellationToken,
    analysis: Arc<Analysis>,
    snapshots: Option<Snapshots>,
    /// Ends when the analysis has.
    board: JoinHandle<()>,
    listening: Listening,
    ready: Arc<AtomicBool>,
    stop_http: CancellationToken,
    http: Option<(SocketAddr, JoinHandle<()>)>,
}

impl Running {
    /// Begins everything; lines are taken when this returns.
    pub(super) fn start(app: App) -> Result<Self, AppError> {
        let App {
            config,
            listeners,
            http,
        } = app;
        let metrics = Metrics::new();
        let (give_up, stop_http) = (CancellationToken::new(), CancellationToken::new());

        let upstreams = TaskTracker::new();
        let mut queues = Vec::new();
        for settings in &config.forwards {
            let upstream = Upstream::start(settings.clone(), config.spool.as_ref(), &metrics.forward)?;
            queues.push(upstream.queue());
            upstreams.spawn(upstream.run(give_up.clone()));
        }
        upstreams.close();
        warn_of_upstreams(&config);

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
        let feed = Arc::new(Feed::new(
            (clock::now().unsigned_abs() << 32) | u64::from(std::process::id()),
        ));
        let keeping = tokio::spawn(keep(found, Arc::clone(&board), notifier, Arc::clone(&feed)));

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
        let listening = listeners
            .serve(&config.listen, Arc::new(intake), metrics.listen.clone())
            .map_err(|error| AppError::System("the addresses in use", error))?;

        let ready = Arc::new(AtomicBool::new(true));
        let sources = Sources {
            metrics,
            board,
            analysis: Arc::clone(&analysis),
            sorter,
            feed,
            ready: Arc::clone(&ready),
        };
        let http = http.and_then(|listener| {
            let address = listener.local_addr().ok()?;
            let serving = http::serve(listener, sources, stop_http.clone());
            let task = tokio::spawn(async move {
                if let Err(error) = serving.await {
                    error!(%error, "HTTP has ended");
                }
            });
            Some((address, task))
        });
        let running = Self {
            queues,
            upstreams,
            give_up,
            analysis,
            snapshots,
            board: keeping,
            listening,
            ready,
            stop_http,
            http,
        };
        info!(
            tcp = ?running.listening.addresses(Protocol::Tcp),
            udp = ?running.listening.addresses(Protocol::Udp),
            http = ?running.http.as_ref().map(|(address, _)| address),
            shards = running.analysis.shards(),
            "ready"
        );
        Ok(running)
    }

    /// To be called once a second.
    pub(super) fn tick(&mut self) {
        self.analysis.sweep(clock::now());
        self.listening.count_drops();
        listen::give_back_memory();
    }

    /// The part that does not do its work, if there is one. `done` is what the shards had done when they were last looked
    /// at.
    pub(super) fn at_fault(&self, done: &mut Vec<u64>) -> Option<&'static str> {
        // All are asked, so that the next answer is of what has happened since this one.
        let moves_on = self.analysis.moves_on(done);
        let parts = [
            (self.listening.is_at_work(), "listeners"),
            (self.upstreams.len() == self.queues.len(), "upstreams"),
            (moves_on, "analysis"),
            (!self.board.is_finished(), "board of anomalies"),
            (self.snapshots.as_ref().is_none_or(Snapshots::is_at_work), "snapshot"),
            (self.http.as_ref().is_none_or(|(_, task)| !task.is_finished()), "HTTP"),
        ];
        parts.into_iter().find_map(|(works, part)| (!works).then_some(part))
    }

    /// What the service manager may say of it.
    pub(super) fn status(&self) -> String {
        let [tcp, udp] = [Protocol::Tcp, Protocol::Udp].map(|protocol| self.listening.addresses(protocol).len());
        format!(
            "listening on {tcp} TCP and {udp} UDP addresses, forwarding to {} upstreams",
            self.queues.len()
        )
    }

    /// Ends the wait for upstreams.
    pub(super) fn give_up(&self) -> CancellationToken {
        self.give_up.clone()
    }

    /// Has a snapshot written.
    pub(super) fn write_snapshot(&self) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.write();
        } else {
            warn!("there is no snapshot without snapshot.file");
        }
    }

    /// Stops in the order in which lines flow.
    pub(super) async fn stop(mut self, deadline: Duration) -> Ended {
        let end = Instant::now() + deadline;
        let left = || end.saturating_duration_since(Instant::now());
        info!(?deadline, "stopping");
        self.ready.store(false, Ordering::Relaxed);
        self.listening.count_drops();
        self.listening.stop();
        // Half of the time, so that senders who wait for room leave some for what is queued already.
        if timeout(left() / 2, self.listening.stopped()).await.is_err() {
            warn!("senders are still waiting for room");
        }
        for queue in &self.queues {
            queue.close();
        }
        let flush = async {
            if timeout(left(), self.upstreams.wait()).await.is_err() {
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
            } else if timeout(left().max(A_MOMENT), self.board).await.is_err() {
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
        let _ = timeout(A_MOMENT, self.listening.stopped()).await;
        self.stop_http.cancel();
        if let Some((_, http)) = self.http {
            // Somebody may hold a connection open; the answers have been given.
            let _ = timeout(A_MOMENT, http).await;
        }
        let lines_lost = self.queues.iter().map(|queue| queue.lines_dropped()).sum();
        Ended { lines_lost }
    }
}

/// Says where lines will not go, those included that are on disk for an upstream that is no more.
fn warn_of_upstreams(config: &Config) {
    if config.forwards.is_empty() {
        warn!("there is no [[forward]]: lines are analysed and go nowhere");
    }
    let names: Vec<&str> = config.forwards.iter().map(|forward| forward.name.as_str()).collect();
    for directory in config.spool.iter().flat_map(|spool| spool.left_over(&names)) {
        warn!(directory = %directory.display(), "lines wait there for an upstream that is not configured");
    }
}
