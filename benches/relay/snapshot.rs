//! The snapshot of a relay with full windows, written and loaded while lines pass; and another configuration for them.
//!
//! Windows are filled as in the memory cases. Then one is written under load, the last one when the relay is asked to end,
//! and one by the relay that has loaded that: the two must hold the same series, to the bit. Probes go
//! through all the while, and tell how long a line takes then. At last the detector of all series is changed, so that each
//! learns its window anew. Files are read soon after they were written, hence from
//! memory, as far as it reaches.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    io,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Options,
    delay::probe,
    memory::{Feed, STEADY_LINES_PER_S},
    process::{Metrics, Program, Running, Setup},
    report::{Table, percentile},
    saved::{self, Records},
    sink::PROBE,
};

pub(crate) const CASE: &str = "snapshot";

/// Longest time for a snapshot to be written, or loaded.
const PATIENCE: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(5);
/// Loading must take no longer (seconds): what was asked of 100,000 series.
const LOAD_S_MAX: f64 = 10.0;
/// A snapshot must not keep a shard from its samples for longer (seconds).
const PAUSE_S_MAX: f64 = 0.05;
/// Another detector for all series.
const LESS_SENSITIVE: &str = "[detector.default]\nkind = \"adaptive\"\nsensitivity = 0.9\n";

/// Delays of probes.
struct Delays {
    p99_ms: f64,
    longest_ms: f64,
}

/// Runs the case if it is asked for. False when something is lost, or another after a restart, or takes too long.
#[expect(clippy::cast_precision_loss, reason = "gigabytes")]
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) || !options.runs(Program::Skyrelay) {
        return true;
    }
    let series = options.series;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("snapshot");
    let setup = setup(&file);
    let (mut feed, _) = Feed::new(series, true);
    let running = Program::Skyrelay.start(feed.sink.port, setup);
    feed.fill(CASE, &running, options.quick);
    running.wait_until_judged();

    let is_written = |metrics: &Metrics| metrics.sum("skyrelay_snapshot_series") > 0;
    let (written, while_writing) = meanwhile(&mut feed, &running, true, || {
        running.ask_for_snapshot();
        wait_for(&running, is_written)
    });
    let write_s = written.float("skyrelay_snapshot_duration_seconds");
    let pause_s = written.float("skyrelay_snapshot_longest_pause_seconds");
    let memory_mib = running.memory_mib().1;
    let begun = Instant::now();
    running.stop();
    let end_s = begun.elapsed().as_secs_f64();
    let saved = Held::read(&file);

    let begun = Instant::now();
    let running = Program::Skyrelay.start(feed.sink.port, setup);
    let ready_s = begun.elapsed().as_secs_f64();
    let ((loaded, load_s), while_loading) = meanwhile(&mut feed, &running, false, || {
        let loaded = wait_for(&running, |metrics| {
            metrics.sum("skyrelay_snapshot_loaded_series") > 0 && metrics.sum("skyrelay_snapshot_loading") == 0
        });
        (loaded, begun.elapsed().as_secs_f64())
    });
    running.ask_for_snapshot();
    wait_for(&running, is_written);
    let restored = Held::read(&file);

    let (carried, while_carrying) = meanwhile(&mut feed, &running, true, || {
        let begun = Instant::now();
        running.reload(LESS_SENSITIVE).expect("the file is good");
        // Until it is their turn, series wait; before the first has been carried over no pause is known.
        let carried = wait_for(&running, |metrics| {
            metrics.float("skyrelay_config_longest_pause_seconds") > 0.0
                && metrics.sum("skyrelay_config_series_waiting") == 0
        });
        (
            begun.elapsed().as_secs_f64(),
            carried.float("skyrelay_config_longest_pause_seconds"),
        )
    });
    let (carry_s, carry_pause_s) = carried;

    let is_same = restored == saved && loaded.sum("skyrelay_snapshot_loaded_series") >= series as u64;
    let is_forwarded = feed.sink.fingerprint() == feed.expected;
    let table = Table::begin(
        "Snapshot of full windows: a day at 10 s",
        &[
            "series",
            "MB on disk",
            "bytes a series",
            "s to write under load",
            "longest pause of a shard (ms)",
            "p99 and longest delay of a line then (ms)",
            "peak MiB",
            "s to end",
            "ms to ready",
            "s to loaded",
            "p99 and longest delay of a line then (ms)",
            "restored",
            "s to carry over to another detector, under load",
            "longest pause of a shard (ms)",
            "p99 and longest delay of a line then (ms)",
            "forwarded",
        ],
    );
    table.row(&[
        series.to_string(),
        format!("{:.0}", saved.bytes as f64 / 1e6),
        format!("{:.0}", saved.bytes as f64 / series as f64),
        format!("{write_s:.2}"),
        format!("{:.1}", pause_s * 1e3),
        format!("{:.1}, {:.1}", while_writing.p99_ms, while_writing.longest_ms),
        format!("{memory_mib:.0}"),
        format!("{end_s:.2}"),
        format!("{:.0}", ready_s * 1e3),
        format!("{load_s:.2}"),
        format!("{:.1}, {:.1}", while_loading.p99_ms, while_loading.longest_ms),
        if is_same { "to the bit" } else { "NO" }.to_owned(),
        format!("{carry_s:.2}"),
        format!("{:.1}", carry_pause_s * 1e3),
        format!("{:.1}, {:.1}", while_carrying.p99_ms, while_carrying.longest_ms),
        if is_forwarded { "all" } else { "NO" }.to_owned(),
    ]);
    is_same && is_forwarded && load_s < LOAD_S_MAX && pause_s < PAUSE_S_MAX
}

/// The default detector, with senders that wait for it, and a snapshot only when it is asked for.
pub(crate) fn setup(file: &Path) -> Setup {
    let settings = format!(
        "[analysis]\nwhen_behind = \"wait\"\n[snapshot]\nfile = \"{}\"\nevery = \"off\"\n[notify.nowhere]\nkind = \"json-lines\"\npath = \"/dev/null\"\n",
        file.display()
    );
    Setup {
        forward: "",
        // Once in a run.
        settings: settings.leak(),
        is_judged: true,
    }
}

/// Does `work` while probes pass, and lines of the series at a steady pace if `is_loaded`. Waits until all are through.
fn meanwhile<T: Send>(
    feed: &mut Feed,
    running: &Running,
    is_loaded: bool,
    work: impl FnOnce() -> T + Send,
) -> (T, Delays) {
    let Feed {
        traffic,
        sink,
        expected,
    } = feed;
    let is_over = AtomicBool::new(false);
    let (done, probes) = thread::scope(|scope| {
        let working = scope.spawn(|| {
            let done = work();
            is_over.store(true, Ordering::Relaxed);
            done
        });
        let probing = scope.spawn(|| probe(running.port, sink.begun(), &is_over));
        while is_loaded && !is_over.load(Ordering::Relaxed) {
            let load = traffic.build(1);
            expected.add(load.fingerprint);
            load.send_steadily(running.port, STEADY_LINES_PER_S);
        }
        (
            working.join().expect("it waits"),
            probing.join().expect("it only writes"),
        )
    });
    expected.add(probes);
    sink.wait_for_bytes(expected.bytes, SOON);
    running.wait_until_judged();
    let mut delays = sink.take_delays_ns();
    delays.sort_unstable();
    let delays = Delays {
        p99_ms: ms(percentile(&delays, 99)),
        longest_ms: ms(delays.last().copied().unwrap_or(0)),
    };
    (done, delays)
}

/// Waits until the metrics say so.
pub(crate) fn wait_for(running: &Running, is_so: impl Fn(&Metrics) -> bool) -> Metrics {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = running.metrics();
        let failed = metrics.sum("skyrelay_snapshot_failures_total");
        assert_eq!(failed, 0, "a snapshot could not be written: see the log");
        if is_so(&metrics) {
            return metrics;
        }
        assert!(Instant::now() < deadline, "the snapshot does not come to an end");
        thread::sleep(TICK);
    }
}

/// The series of a snapshot, in whatever order, but for the probes. Anomalies are ranked anew.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    bytes: u64,
    count: u64,
    /// Of the hashes of all.
    sum: u64,
}

impl Held {
    /// In a file that a relay has written.
    fn read(path: &Path) -> Self {
        Self::read_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn read_all(path: &Path) -> io::Result<Self> {
        let mut records = Records::open(path)?;
        let (mut held, mut content) = (Self::default(), Vec::new());
        while let Some(kind) = records.next(&mut content)? {
            if kind == saved::SERIES && !saved::split_name(&content).0.starts_with(PROBE) {
                let mut hasher = DefaultHasher::new();
                (kind, &content).hash(&mut hasher);
                held.sum = held.sum.wrapping_add(hasher.finish());
                held.bytes += content.len() as u64;
                held.count += 1;
            }
        }
        Ok(held)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a delay is short")]
fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
