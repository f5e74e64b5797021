//! What is running: begun against the way of the lines, and stopped along it.

#[cfg(test)]
mod tests;

use std::{
    fmt::Display,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    AppError, Ended,
    found::{Keeper, ToBoard},
    oddities::oddities,
    own_series::OwnSeries,
    upstreams::Upstreams,
};
use crate::{
    analysis::Analysis,
    anomaly::Board,
    clock,
    config::Config,
    history::History,
    http::{self, Counted, Feed, Guard, InForce, ReloadReport, ReloadRequest, Sources},
    intake::{Intake, Sorter},
    line::Timestamp,
    listen::{self, Listeners, Listening, Protocol},
    metrics::Metrics,
    notify::{self, Notifier, Surroundings, Window},
    plot::Sample,
    shard::{self, CloseUp, Replay},
    silence::Silences,
    snapshot::{self, Snapshots},
};

/// Events on their way from the shards to the board. When it is full, shards wait for the board.
const QUEUE_EVENTS: usize = 10_000;

/// Requests for another configuration that wait for the one before them.
const QUEUE_RELOADS: usize = 4;

/// Time between two looks for what people have said and is over for long enough (seconds).
const TIDY_EVERY_S: i64 = 60;

/// Time for what has nothing left to do but to end.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Time that the last snapshot may take, even beyond the deadline for lines.
const LAST_SNAPSHOT: Duration = Duration::from_secs(60);

/// What is running, and by which configuration.
pub(super) struct Running {
    pub(super) config: Config,
    pub(super) metrics: Metrics,
    pub(super) upstreams: Upstreams,
    pub(super) intake: Arc<Intake>,
    /// Knows the shard of a series.
    pub(super) sorter: Sorter,
    pub(super) analysis: Arc<Analysis>,
    pub(super) snapshots: Option<Snapshots>,
    pub(super) board: Arc<Board>,
    pub(super) notifier: Arc<Notifier>,
    pub(super) own_series: OwnSeries,
    /// Keeps the board; ends when the analysis has.
    keeping: JoinHandle<()>,
    pub(super) listening: Listening,
    ready: Arc<AtomicBool>,
    stop_http: CancellationToken,
    http: Option<(SocketAddr, JoinHandle<()>)>,
    reloads: mpsc::Receiver<ReloadRequest>,
    /// Lets requests over HTTP in, or does not.
    pub(super) guard: Arc<Guard>,
    /// What the page says of the configuration.
    in_force: watch::Sender<InForce>,
    /// What people have said of anomalies.
    pub(super) silences: Arc<Silences>,
    /// What was, on disk.
    pub(super) history: Arc<History>,
    /// When that is tidied up next.
    tidy_at: Timestamp,
    /// Has the shards carry series over to new settings.
    pub(super) carrying: Option<JoinHandle<()>>,
}

impl Running {
    /// Begins everything; lines are taken when this returns.
    pub(super) fn start(config: Config, listeners: Listeners, http: Option<TcpListener>) -> Result<Self, AppError> {
        let (metrics, stop_http) = (Metrics::new(), CancellationToken::new());
        metrics.config.reloaded(clock::now(), true);
        warn_of(&oddities(&config));
        let upstreams = Upstreams::start(&config.forwards, config.spool.as_ref(), &metrics.forward)?;
        warn_of_leftovers(&config);

        let (to_board, found) = mpsc::channel(QUEUE_EVENTS);
        let sink = || ToBoard {
            found: to_board.clone(),
            metrics: metrics.analysis.clone(),
        };
        metrics
            .anomaly
            .begin_at_zero(config.shard.detectors.iter().map(|detector| &*detector.name));
        let shard = Arc::new(config.shard.clone());
        let (analysis, head_start) = Analysis::start_behind(config.analysis, &shard, sink)
            .map_err(|error| AppError::System("a thread for the analysis", error))?;
        let analysis = Arc::new(analysis);
        let (board, history) = start_board(&config, &metrics)?;
        let silences = Arc::new(Silences::start(config.silences.clone(), metrics.silence.clone()));
        let sorter = Sorter::new(analysis.shards(), config.listen.max_line_bytes, config.forward_invalid);
        let notifier = start_notifier(&config, &board, &analysis, &sorter, &silences, &metrics)?;
        let feed = begin_feed();
        let keeper = Keeper {
            board: Arc::clone(&board),
            notifier: Arc::clone(&notifier),
            feed: Arc::clone(&feed),
            silences: Arc::clone(&silences),
            history: Arc::clone(&history),
        };
        let keeping = keeper.start(found, config.snapshot.file.is_some());

        let sources = snapshot::Sources {
            analysis: Arc::clone(&analysis),
            board: Arc::clone(&board),
            shard,
            sorter: sorter.clone(),
            metrics: metrics.snapshot.clone(),
        };
        let snapshots = Snapshots::start(config.snapshot.clone(), sources, head_start, sink())
            .map_err(|error| AppError::System("a thread for the snapshot", error))?;
        // What nobody holds on to ends with the last shard.
        drop(to_board);
        lay_floors(&silences, &analysis, &sorter);
        let intake = Arc::new(Intake::new(
            sorter_for(&config, &sorter),
            upstreams.queues(),
            Arc::clone(&analysis),
            metrics.clone(),
        ));
        let own_series = OwnSeries::start(&config.own_series, Arc::clone(&board), Arc::clone(&intake));
        let listening = listeners
            .serve(&config.listen, Arc::clone(&intake), metrics.listen.clone())
            .map_err(|error| AppError::System("the addresses in use", error))?;

        let ready = Arc::new(AtomicBool::new(true));
        let (reload, reloads) = mpsc::channel(QUEUE_RELOADS);
        let guard = Arc::new(Guard::new(config.guard.clone(), metrics.http.clone()));
        let in_force = watch::Sender::new(InForce::default());
        let sources = Sources {
            metrics: metrics.clone(),
            board: Arc::clone(&board),
            analysis: Arc::clone(&analysis),
            sorter: sorter.clone(),
            feed,
            ready: Arc::clone(&ready),
            reload,
            guard: Arc::clone(&guard),
            in_force: in_force.subscribe(),
            counted: Arc::<Counted>::default(),
            silences: Arc::clone(&silences),
            history: Arc::clone(&history),
        };
        let http = http.and_then(|listener| serve_http(listener, sources, &stop_http));
        let running = Self {
            config,
            metrics,
            upstreams,
            intake,
            sorter,
            analysis,
            snapshots,
            board,
            notifier,
            own_series,
            keeping,
            listening,
            ready,
            stop_http,
            http,
            reloads,
            guard,
            in_force,
            silences,
            history,
            tidy_at: 0,
            carrying: None,
        };
        running.tell_page(None);
        running.announce();
        Ok(running)
    }

    fn announce(&self) {
        info!(
            tcp = ?self.listening.addresses(Protocol::Tcp),
            udp = ?self.listening.addresses(Protocol::Udp),
            http = self.http.as_ref().map(|(address, _)| tracing::field::display(address)),
            shards = self.analysis.shards(),
            "ready"
        );
    }

    /// Has the page say by which configuration the relay goes, and what came of the attempt to change it.
    pub(super) fn tell_page(&self, reload: Option<(Timestamp, Result<ReloadReport, String>)>) {
        let now = clock::now();
        let config = &self.config;
        self.in_force.send_modify(|in_force| {
            let is_start = reload.is_none();
            if is_start {
                in_force.started_at = now;
            }
            if is_start || reload.as_ref().is_some_and(|(_, outcome)| outcome.is_ok()) {
                in_force.read_at = now;
            }
            in_force.last_reload = reload;
            in_force.text = config.to_toml();
            let upstreams = config.forwards.iter();
            in_force.upstreams = upstreams.map(|to| (to.name.clone(), to.address.clone())).collect();
            let detectors = config.shard.detectors.iter();
            in_force.detectors = detectors.map(|one| (Arc::clone(&one.name), one.kind.name())).collect();
            in_force.max_series = config.shard.max_series;
            in_force.span_s = config.shard.span_s;
            in_force.has_spool = config.spool.is_some();
            in_force.graph_url.clone_from(&config.page.graph_url);
        });
    }

    /// Has the page say where the configuration comes from.
    pub(super) fn tell_file(&self, file: Option<&Path>) {
        let shown = file.map(|file| file.display().to_string());
        self.in_force.send_modify(|in_force| in_force.file = shown);
    }

    /// The next request over HTTP for another configuration.
    pub(super) async fn reload_request(&mut self) -> ReloadRequest {
        match self.reloads.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }

    /// To be called once a second.
    pub(super) fn tick(&mut self) {
        let now = clock::now();
        self.analysis.sweep(now);
        self.silences.count(now);
        if now >= self.tidy_at {
            self.tidy_at = now + TIDY_EVERY_S;
            let (silences, board) = (Arc::clone(&self.silences), Arc::clone(&self.board));
            tokio::task::spawn_blocking(move || {
                silences.tidy(now, |said| board.is_open(said.anomaly, &said.series));
            });
        }
        self.listening.count_drops();
        self.upstreams.look();
        self.intake.tell_unshown(now);
        self.notifier.forget_those_who_have_left();
        listen::give_back_memory();
    }

    /// The part that does not do its work, if there is one. `done` is what the shards had done when they were last looked
    /// at.
    pub(super) fn at_fault(&self, done: &mut Vec<u64>) -> Option<&'static str> {
        // All are asked, so that the next answer is of what has happened since this one.
        let moves_on = self.analysis.moves_on(done);
        let parts = [
            (self.listening.is_at_work(), "listeners"),
            (self.upstreams.are_fed(), "upstreams"),
            (moves_on, "analysis"),
            (!self.keeping.is_finished(), "board of anomalies"),
            (self.snapshots.as_ref().is_none_or(Snapshots::is_at_work), "snapshot"),
            (self.history.is_at_work(), "history"),
            (self.http.as_ref().is_none_or(|(_, task)| !task.is_finished()), "HTTP"),
        ];
        parts.into_iter().find_map(|(works, part)| (!works).then_some(part))
    }

    /// What the service manager may say of it.
    pub(super) fn status(&self) -> String {
        let [tcp, udp] = [Protocol::Tcp, Protocol::Udp].map(|protocol| self.listening.addresses(protocol).len());
        format!(
            "listening on {tcp} TCP and {udp} UDP addresses, forwarding to {} upstreams",
            self.upstreams.queues().len()
        )
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
    pub(super) async fn stop(mut self) -> Ended {
        let deadline = self.config.shutdown_deadline;
        let end = Instant::now() + deadline;
        let left = || end.saturating_duration_since(Instant::now());
        info!(?deadline, "stopping");
        self.ready.store(false, Ordering::Relaxed);
        self.listening.count_drops();
        self.own_series.stop().await;
        self.listening.stop();
        // Half of the time, so that senders who wait for room leave some for what is queued already.
        if timeout(left() / 2, self.listening.stopped()).await.is_err() {
            warn!("senders are still waiting for room");
            // What they hold goes to those upstreams that have some.
            self.upstreams.hurry();
            let _ = timeout(left() / 2, self.listening.stopped()).await;
        }
        self.intake.tell_unshown(Timestamp::MAX);
        self.upstreams.close();
        let flush = async { self.upstreams.finish(left()).await };
        let judge = async {
            if let Some(snapshots) = &mut self.snapshots
                && !snapshots.save_last(LAST_SNAPSHOT).await
            {
                warn!("there is no last snapshot; the one before stays");
            }
            // With a snapshot the queues have run empty by now, however long it has taken.
            if !self.analysis.stop(left().max(A_MOMENT)).await {
                warn!("the analysis has not come to an end");
            } else if timeout(left().max(A_MOMENT), self.keeping).await.is_err() {
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
        Ended {
            lines_lost: self.upstreams.lines_lost(),
        }
    }
}

/// Begins to serve, until it is stopped.
fn serve_http(
    listener: TcpListener,
    sources: Sources,
    stop: &CancellationToken,
) -> Option<(SocketAddr, JoinHandle<()>)> {
    let address = listener.local_addr().ok()?;
    let serving = http::serve(listener, sources, stop.clone());
    let task = tokio::spawn(async move {
        if let Err(error) = serving.await {
            error!(%error, "HTTP has ended");
        }
    });
    Some((address, task))
}

/// Begins to tell people.
fn start_notifier(
    config: &Config,
    board: &Arc<Board>,
    analysis: &Arc<Analysis>,
    sorter: &Sorter,
    silences: &Arc<Silences>,
    metrics: &Metrics,
) -> Result<Arc<Notifier>, AppError> {
    let marks = {
        let silences = Arc::clone(silences);
        move |id, series: &str, detector: &str| silences.marks(id, series, detector, clock::now())
    };
    let sources = notify::Sources {
        board: Arc::clone(board),
        marks: Arc::new({
            let marks = marks.clone();
            move |anomaly| marks(anomaly.id, &anomaly.series, &anomaly.detector)
        }),
        surroundings: Surroundings {
            window: Some(window_of(analysis, sorter)),
            marks: Some(Arc::new(move |message| {
                marks(message.id, &message.series, &message.detector)
            })),
        },
        metrics: metrics.clone(),
    };
    let notifier = Notifier::start(&config.notify, sources).map_err(AppError::Notify)?;
    Ok(Arc::new(notifier))
}

/// A board, and what is kept of what was on it.
fn start_board(config: &Config, metrics: &Metrics) -> Result<(Arc<Board>, Arc<History>), AppError> {
    let board = Board::new(config.anomalies.history, config.groups, metrics.anomaly.clone());
    let history = History::start(&config.history, metrics.history.clone()).map_err(AppError::History)?;
    // Numbers come twice neither after a crash nor without a snapshot: nobody has an anomaly each microsecond; and a clock
    // that was put back does not bring those back that are on disk.
    board.go_on_after(clock::micros().max(history.last_id()));
    Ok((Arc::new(board), Arc::new(history)))
}

/// A feed whose numbers no other process gives.
fn begin_feed() -> Arc<Feed> {
    let run = (clock::now().unsigned_abs() << 32) | u64::from(std::process::id());
    Arc::new(Feed::new(run))
}

/// Gives the samples of a series to a channel that plots them.
fn window_of(analysis: &Arc<Analysis>, sorter: &Sorter) -> Window {
    // Channels outlive nothing: what they hold on to would keep the shards from ending.
    let (analysis, sorter) = (Arc::downgrade(analysis), sorter.clone());
    Arc::new(move |name| {
        let Some(analysis) = analysis.upgrade() else {
            return Vec::new();
        };
        let (hash, shard) = sorter.place(name.as_bytes());
        let asked = name.to_owned();
        let found = analysis.ask_and_wait(shard, move |shard| shard.close_up(hash, &asked));
        drop(analysis);
        found
            .ok()
            .flatten()
            .map_or_else(Vec::new, |found| with_band(name, &found))
    })
}

/// The samples of a window, with the band of the detector that says most of it.
fn with_band(name: &str, found: &CloseUp) -> Vec<Sample> {
    // A detector that panics costs the band, and no channel its thread.
    let replay = || shard::replay(&found.settings, name, &found.points, |_| true);
    let replays = catch_unwind(AssertUnwindSafe(replay)).unwrap_or_default();
    let bands = |replay: &&Replay| {
        let opinions = replay.said.iter().map(|(_, opinion)| opinion);
        opinions
            .filter(|opinion| opinion.lower.is_some() || opinion.upper.is_some())
            .count()
    };
    let heard = replays.iter().filter(|replay| replay.heard);
    match heard
        .max_by_key(bands)
        .filter(|best| best.said.len() == found.points.len())
    {
        Some(best) => best
            .said
            .iter()
            .map(|(point, opinion)| Sample {
                timestamp: point.timestamp,
                value: point.value,
                expected: opinion.expected,
                lower: opinion.lower,
                upper: opinion.upper,
            })
            .collect(),
        None => found
            .points
            .iter()
            .map(|point| Sample {
                timestamp: point.timestamp,
                value: point.value,
                ..Sample::default()
            })
            .collect(),
    }
}

/// Lays the floors that come of feedback given before, ahead of the first line and behind what the snapshot holds.
fn lay_floors(silences: &Silences, analysis: &Analysis, sorter: &Sorter) {
    let (feedback, _) = silences.feedback(|_| true, usize::MAX);
    for said in feedback {
        let Some(floor) = said.floor.floor() else { continue };
        let (hash, shard) = sorter.place(said.series.as_bytes());
        let (series, detector) = (said.series.as_str().into(), said.detector.as_str().into());
        // A shard that has ended needs none.
        let _ = analysis.charge(shard, move |shard, events| {
            shard.raise_floor(hash, (&series, &detector), floor, None, events);
        });
    }
}

/// The sorter of what arrives, by this configuration.
pub(super) fn sorter_for(config: &Config, sorter: &Sorter) -> Sorter {
    sorter.going_by(config.forward_invalid, !config.shard.watches_anything())
}

/// Says which lines nobody will be given.
fn warn_of_leftovers(config: &Config) {
    let names: Vec<&str> = config.forwards.iter().map(|forward| forward.name.as_str()).collect();
    for directory in config.spool.iter().flat_map(|spool| spool.left_over(&names)) {
        warn!(directory = %directory.display(), "lines wait there for an upstream that is not configured");
    }
}

/// Says what is odd about a configuration.
pub(crate) fn warn_of<T: Display>(warnings: &[T]) {
    for warning in warnings {
        warn!("{warning}");
    }
}
