//! Lines that go to disk because the upstream is away, and come back when it is there again: how fast, and what it costs to
//! have the disk take them at once, which is what `sync` says.

use std::time::{Duration, Instant};

use crate::{
    Options, first_timestamp,
    load::Senders,
    process::{Program, Setup, free_port},
    report::{Spread, Table},
    sink::Sink,
};

pub(crate) const CASE: &str = "spool";

const POLICIES: [&str; 3] = ["never", "1s", "always"];
const SERIES: usize = 100_000;
const SENDERS: usize = 8;
/// Silence after which no more lines are expected.
const PATIENCE: Duration = Duration::from_secs(10);

/// One run.
struct Run {
    /// Until all lines were taken, by then on disk but for the queue.
    taken_per_s: f64,
    cpu_s_per_million: f64,
    /// From the first line that came back to the last.
    drained_per_s: f64,
    is_intact: bool,
}

/// Runs the case if it is asked for. False when a line was lost or changed.
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) || !options.runs(Program::Skyrelay) {
        return true;
    }
    let table = Table::begin(
        "An upstream that is away: lines to disk and back, senders as fast as they can",
        &[
            "sync",
            "lines/s to disk (least to most)",
            "CPU s / M lines",
            "lines/s back, over all",
            "intact",
        ],
    );
    let mut traffic = Senders::new(SERIES, SENDERS, first_timestamp(), None);
    let mut runs: [Vec<Run>; POLICIES.len()] = Default::default();
    // In turn, so that what else the machine does meets all of them.
    for round in 0..options.rounds {
        for (policy, runs) in POLICIES.iter().zip(&mut runs) {
            runs.push(measure(options, &mut traffic, policy));
            eprintln!("{CASE}: {policy}, round {} of {}", round + 1, options.rounds);
        }
    }
    let mut is_intact = true;
    for (policy, runs) in POLICIES.iter().zip(&runs) {
        let spread = |figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure));
        let all_intact = runs.iter().all(|run| run.is_intact);
        is_intact &= all_intact;
        table.row(&[
            (*policy).to_owned(),
            spread(|run| run.taken_per_s).millions(),
            format!("{:.2}", spread(|run| run.cpu_s_per_million).median),
            spread(|run| run.drained_per_s).millions(),
            if all_intact { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    is_intact
}

#[expect(clippy::cast_precision_loss, reason = "millions of lines")]
fn measure(options: &Options, traffic: &mut Senders, sync: &str) -> Run {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let port = free_port();
    let settings = format!(
        "[spool]\ndirectory = \"{}\"\nkeep_free = \"0 B\"\nsync = \"{sync}\"\n[[watch]]\nmatch = [\"**\"]\ndetectors = []\n",
        directory.path().display()
    );
    let running = Program::Skyrelay.start(
        port,
        Setup {
            forward: "when_full = \"pause-senders\"\nqueue = \"16 MiB\"\nmax_backoff = \"100ms\"\n",
            // Once in a run.
            settings: settings.leak(),
            is_judged: false,
        },
    );
    let rounds = options.lines.div_ceil(traffic.series());
    let load = traffic.build(rounds);
    let before = running.used();
    let begun = load.send(running.port);
    running.wait_until_received(load.lines());
    let (taken_s, used) = (begun.elapsed().as_secs_f64(), running.used().since(before));

    let sink = Sink::start_on(port);
    let begun = Instant::now();
    sink.wait_for_bytes(load.fingerprint.bytes, PATIENCE);
    let drained_s = (sink.last() - begun).as_secs_f64();
    let lines = load.lines() as f64;
    Run {
        taken_per_s: lines / taken_s,
        cpu_s_per_million: used.cpu_s / lines * 1e6,
        drained_per_s: lines / drained_s,
        is_intact: sink.fingerprint() == load.fingerprint,
    }
}
