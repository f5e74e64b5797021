//! From one configuration to the next while everything runs.
//!
//! What can fail comes first, and changes nothing until all of it has been had: the file, threads, addresses. The rest
//! cannot fail. What is the same in both configurations is not touched.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{
    AppError,
    oddities::oddities,
    raise_descriptor_limit,
    running::{Running, sorter_for, warn_of},
};
use crate::{
    clock,
    config::{Checked, Config, Log, LogLevel},
    http::{DetectorFate, Differences, ReloadRefused, ReloadReport},
    listen::Moved,
    notify,
    shard::{self, Fate},
};

/// Makes the log say as much as a level says. Gives why it does not.
pub type SetLogLevel = Box<dyn Fn(LogLevel) -> Result<(), String> + Send>;

impl Running {
    /// Reads the file again, and goes by what it says, or stays as it is.
    ///
    /// # Errors
    /// Why everything is as it was.
    pub(super) async fn reload(
        &mut self,
        file: Option<PathBuf>,
        set_log_level: &SetLogLevel,
    ) -> Result<ReloadReport, ReloadRefused> {
        let outcome = match read(file).await {
            Ok(to) => self
                .change(to, set_log_level)
                .await
                .map_err(|error| ReloadRefused::System(error.to_string())),
            Err(refused) => Err(refused),
        };
        let now = clock::now();
        self.metrics.config.reloaded(now, outcome.is_ok());
        self.tell_page(Some((now, outcome.clone().map_err(|refused| refused.to_string()))));
        match &outcome {
            Ok(report) => tell(report),
            Err(error) => warn!("the configuration stays as it was: {error}"),
        }
        outcome
    }

    async fn change(&mut self, to: Checked, set_log_level: &SetLogLevel) -> Result<ReloadReport, AppError> {
        let Checked {
            config: mut to,
            warnings,
        } = to;
        let mut report = ReloadReport {
            warnings: warnings.iter().map(ToString::to_string).collect(),
            needs_restart: keep_fixed(&mut to, &self.config),
            changed: changed(&self.config, &to),
            ..ReloadReport::default()
        };
        let notifier = Arc::clone(&self.notifier);
        let prepared = notifier.prepare(&to.notify).map_err(AppError::Notify)?;
        let upstreams = self.upstreams.prepare(&to.forwards)?;
        let Moved { added, removed } = match self.listening.change(&to.listen).await {
            Ok(moved) => moved,
            Err(error) => {
                self.upstreams.dismiss(upstreams);
                return Err(error.into());
            }
        };
        report.listeners = Differences {
            added,
            removed,
            changed: Vec::new(),
        };

        let Config {
            listen: _,
            forwards,
            spool: _,
            forward_invalid: _,
            analysis,
            shard,
            notify: _,
            http: _,
            guard,
            page: _,
            log,
            anomalies,
            groups,
            own_series,
            snapshot,
            history,
            silences,
            shutdown_deadline,
        } = &to;
        notifier.change(prepared);
        self.guard.change(guard.clone());
        self.silences.keep_for(silences.keep_s);
        self.history.change(history);
        self.board.change(anomalies.history, *groups);
        self.own_series.change(own_series);
        self.analysis.set_when_behind(analysis.when_behind);
        if let Some(snapshots) = &self.snapshots
            && snapshot.every != self.config.snapshot.every
        {
            snapshots.set_every(snapshot.every);
        }
        if *log != self.config.log
            && let Err(error) = set_log_level(log.level)
        {
            warn!("log.level has no effect: {error}");
        }

        report.detectors = detectors(&self.config.shard, shard);
        let (upstreams, leaving) = self.upstreams.change(forwards, upstreams);
        report.upstreams = upstreams;
        let before = self
            .intake
            .change(sorter_for(&to, &self.sorter), self.upstreams.queues());
        tokio::spawn(leaving.drain(before, *shutdown_deadline));
        if *shard != self.config.shard {
            self.metrics
                .anomaly
                .begin_at_zero(shard.detectors.iter().map(|detector| &*detector.name));
            self.change_shards(&Arc::new(shard.clone()));
        }
        let odd = oddities(&to);
        warn_of(&odd);
        report.warnings.extend(odd);
        self.config = to;
        Ok(report)
    }
}

impl Running {
    /// Has the shards go by other settings, and carry their series over as they find the time.
    fn change_shards(&mut self, settings: &Arc<shard::Settings>) {
        self.analysis.change(settings);
        if let Some(carrying) = self.carrying.take() {
            carrying.abort();
        }
        let (analysis, metrics) = (Arc::clone(&self.analysis), self.metrics.config.clone());
        metrics.longest_pause.set(0.0);
        self.carrying = Some(tokio::spawn(async move {
            let (begun, mut longest_pause) = (Instant::now(), Duration::ZERO);
            // The analysis may end first.
            while let Ok(carried) = analysis.carry_over().await {
                metrics
                    .series_waiting
                    .set(i64::try_from(carried.waiting).unwrap_or(i64::MAX));
                longest_pause = longest_pause.max(carried.longest_pause);
                metrics.longest_pause.set(longest_pause.as_secs_f64());
                if carried.waiting == 0 {
                    info!(took = ?begun.elapsed(), ?longest_pause, "every series goes by the new configuration");
                    return;
                }
            }
        }));
    }
}

async fn read(file: Option<PathBuf>) -> Result<Checked, ReloadRefused> {
    let file = file.ok_or(ReloadRefused::NoFile)?;
    // Ten thousand patterns take their time.
    let read = tokio::task::spawn_blocking(move || load(&file)).await;
    let mut checked = read.map_err(|error| ReloadRefused::System(error.to_string()))??;
    warn_of(&checked.warnings);
    let listen = &mut checked.config.listen;
    listen.max_connections = raise_descriptor_limit(listen.max_connections);
    Ok(checked)
}

fn load(file: &Path) -> Result<Checked, ReloadRefused> {
    // To many an editor, and to every shell, a file that is about to be written is an empty one.
    if std::fs::metadata(file).is_ok_and(|metadata| metadata.len() == 0) {
        let why = format!("{}:1:1: the file is empty: is it being written?", file.display());
        return Err(ReloadRefused::Configuration(why));
    }
    Checked::load(file).map_err(|error| ReloadRefused::Configuration(error.to_string()))
}

/// Keeps in `to` what cannot change while the relay runs, and gives what that is.
fn keep_fixed(to: &mut Config, from: &Config) -> Vec<&'static str> {
    fn keep<T: Clone + PartialEq>(name: &'static str, to: &mut T, from: &T, kept: &mut Vec<&'static str>) {
        if to != from {
            to.clone_from(from);
            kept.push(name);
        }
    }
    let mut kept = Vec::new();
    let Config {
        listen,
        forwards: _,
        spool,
        forward_invalid: _,
        analysis,
        shard: _,
        notify,
        http,
        guard: _,
        page: _,
        log,
        anomalies: _,
        groups,
        own_series: _,
        snapshot,
        history,
        silences,
        shutdown_deadline: _,
    } = to;
    keep(
        "listen.max_line",
        &mut listen.max_line_bytes,
        &from.listen.max_line_bytes,
        &mut kept,
    );
    keep(
        "listen.reuse_port",
        &mut listen.reuse_port,
        &from.listen.reuse_port,
        &mut kept,
    );
    keep(
        "analysis.shards",
        &mut analysis.shards,
        &from.analysis.shards,
        &mut kept,
    );
    keep(
        "analysis.queue_lines",
        &mut analysis.queue_lines_max,
        &from.analysis.queue_lines_max,
        &mut kept,
    );
    keep(
        "analysis.max_memory",
        &mut analysis.memory_bytes_max,
        &from.analysis.memory_bytes_max,
        &mut kept,
    );
    keep("spool", spool, &from.spool, &mut kept);
    keep(
        "notify.directory",
        &mut notify.directory,
        &from.notify.directory,
        &mut kept,
    );
    keep("http.listen", http, &from.http, &mut kept);
    keep("log.format", &mut log.format, &from.log.format, &mut kept);
    keep("groups.window", &mut groups.window_s, &from.groups.window_s, &mut kept);
    keep("snapshot.file", &mut snapshot.file, &from.snapshot.file, &mut kept);
    keep(
        "history.directory",
        &mut history.directory,
        &from.history.directory,
        &mut kept,
    );
    keep("silences.file", &mut silences.file, &from.silences.file, &mut kept);
    kept
}

/// What is different, other than addresses, upstreams and detectors, of which more is to be said.
fn changed(from: &Config, to: &Config) -> Vec<&'static str> {
    let Config {
        listen,
        forwards: _,
        spool: _,
        forward_invalid,
        analysis,
        shard,
        notify,
        http: _,
        guard,
        page,
        log,
        anomalies,
        groups,
        own_series,
        snapshot,
        history,
        silences,
        shutdown_deadline,
    } = to;
    let Log { level, format: _ } = log;
    let notify::Settings {
        channels,
        alerts,
        directory: _,
        bytes_max,
        keep_s,
        links,
    } = notify;
    let shard::Settings {
        span_s,
        max_series,
        expire_after_s,
        forget_after_s,
        limits,
        detectors,
        watches,
    } = shard;
    let names = |settings: &shard::Settings| -> Vec<_> {
        let of_watch = |watch: &shard::Watch| -> Vec<_> {
            let names = watch
                .detectors
                .iter()
                .map(|&place| settings.detectors[place].name.clone());
            names.collect()
        };
        settings.watches.iter().map(of_watch).collect()
    };
    let same_watches = watches.len() == from.shard.watches.len()
        && watches
            .iter()
            .zip(&from.shard.watches)
            .all(|(to, from)| to.globs == from.globs && to.reading == from.reading)
        && names(shard) == names(&from.shard);
    let differences = [
        ("listen.allow", listen.allow != from.listen.allow),
        (
            "listen.max_connections",
            listen.max_connections != from.listen.max_connections,
        ),
        ("listen.idle_timeout", listen.idle_timeout != from.listen.idle_timeout),
        (
            "listen.udp_buffer",
            listen.udp_buffer_bytes != from.listen.udp_buffer_bytes,
        ),
        ("forward_invalid", *forward_invalid != from.forward_invalid),
        (
            "analysis.when_behind",
            analysis.when_behind != from.analysis.when_behind,
        ),
        ("window.span", *span_s != from.shard.span_s),
        ("window.max_series", *max_series != from.shard.max_series),
        ("window.expire_after", *expire_after_s != from.shard.expire_after_s),
        ("window.forget_after", *forget_after_s != from.shard.forget_after_s),
        ("limits", *limits != from.shard.limits),
        ("detector", *detectors != from.shard.detectors),
        ("watch", !same_watches),
        (
            "notify",
            (channels, bytes_max, keep_s) != (&from.notify.channels, &from.notify.bytes_max, &from.notify.keep_s),
        ),
        ("http.url", links.page != from.notify.links.page),
        ("alert", *alerts != from.notify.alerts),
        ("http", *guard != from.guard),
        ("http.graph_url", *page != from.page),
        ("log.level", *level != from.log.level),
        ("anomalies.history", *anomalies != from.anomalies),
        ("groups", *groups != from.groups),
        ("own_series", *own_series != from.own_series),
        (
            "history",
            (history.bytes_max, history.age_max_s) != (from.history.bytes_max, from.history.age_max_s),
        ),
        ("silences.keep", silences.keep_s != from.silences.keep_s),
        ("snapshot.every", snapshot.every != from.snapshot.every),
        ("shutdown_deadline", *shutdown_deadline != from.shutdown_deadline),
    ];
    let differs = |(name, differs): (&'static str, bool)| differs.then_some(name);
    differences.into_iter().filter_map(differs).collect()
}

/// What becomes of each detector.
fn detectors(from: &shard::Settings, to: &shard::Settings) -> Vec<DetectorFate> {
    let fate = |(name, fate): (Arc<str>, Fate)| DetectorFate {
        name: name.to_string(),
        memory: match fate {
            Fate::Kept => "kept",
            Fate::BegunAnew => "begun anew",
            Fate::New => "new",
            Fate::Gone => "gone",
        },
    };
    shard::fates(from, to).into_iter().map(fate).collect()
}

/// Says in the log what is different.
fn tell(report: &ReloadReport) {
    let ReloadReport {
        changed,
        needs_restart,
        listeners,
        upstreams,
        detectors,
        // They were told when the file was read.
        warnings: _,
    } = report;
    if report.is_empty() {
        info!("the configuration was read again and is the same");
        return;
    }
    info!(?changed, "the configuration was read again and is in force");
    for (what, differences) in [("listeners", listeners), ("upstreams", upstreams)] {
        if !differences.is_empty() {
            let Differences {
                added,
                removed,
                changed,
            } = differences;
            info!(?added, ?removed, ?changed, "{what}");
        }
    }
    for DetectorFate { name, memory } in detectors {
        info!(detector = name, memory, "what it has learnt");
    }
    if !needs_restart.is_empty() {
        warn!(settings = ?needs_restart, "need a restart: the relay goes by what they were");
    }
}
