//! Delay of single lines, idle and under load: probes that say when they were sent.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    DEFAULTS, Options, first_timestamp,
    load::{Load, Senders, connect},
    process::Program,
    report::{Spread, Table, percentile},
    sink::{Fingerprint, PROBE, Sink},
};

pub(crate) const CASE: &str = "latency";

/// Lines per second beside the probes, and series.
const RATE: usize = 100_000;
const RUN_S: usize = 5;
/// Between two probes: no multiple of the load's tick, so that they fall everywhere between its parts.
const PROBE_EVERY: Duration = Duration::from_micros(1_370);
/// carbon-c-relay may take a second for the last one.
const PATIENCE: Duration = Duration::from_secs(2);

/// One run of one program.
struct Run {
    /// Of all probes, in order of size (nanoseconds).
    delays_ns: Vec<u64>,
    shed: u64,
    is_intact: bool,
}

/// Runs the case if it is asked for. False when what came out of skyrelay was not what went in.
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) {
        return true;
    }
    let mut traffic = Senders::new(RATE, 1, first_timestamp(), None);
    let warm = traffic.build(2);
    let load = traffic.build(options.seconds(RUN_S));
    let programs = options.programs(&Program::ALL);
    let table = Table::begin(
        "Delay of a line, from its sender's write to its arrival (us)",
        &[
            "load",
            "program",
            "p50",
            "p99",
            "p99, least to most",
            "longest",
            "probes",
            "shed",
            "intact",
        ],
    );
    let mut intact = true;
    for (name, load) in [
        ("idle", None),
        ("100,000 lines/s, all judged by the default detector", Some(&load)),
    ] {
        let mut runs: Vec<_> = programs.iter().map(|_| Vec::new()).collect();
        for round in 1..=options.rounds {
            for (&program, runs) in programs.iter().zip(&mut runs) {
                let run = run_once(program, &warm, load, options.seconds(RUN_S));
                let (p50, p99) = (
                    percentile(&run.delays_ns, 50) / 1000,
                    percentile(&run.delays_ns, 99) / 1000,
                );
                eprintln!(
                    "latency {name} {round}/{} {}: p50 {p50} us, p99 {p99} us",
                    options.rounds,
                    program.name()
                );
                runs.push(run);
            }
        }
        for (program, runs) in programs.iter().zip(&runs) {
            let spread = |percent| Spread::of(runs.iter().map(|run| us(percentile(&run.delays_ns, percent))));
            let (p50, p99) = (spread(50), spread(99));
            let longest = runs
                .iter()
                .filter_map(|run| run.delays_ns.last())
                .max()
                .copied()
                .unwrap_or(0);
            let is_intact = runs.iter().all(|run| run.is_intact);
            table.row(&[
                name.to_owned(),
                program.name().to_owned(),
                format!("{:.0}", p50.median),
                format!("{:.0}", p99.median),
                format!("{:.0} to {:.0}", p99.least, p99.most),
                format!("{:.0}", us(longest)),
                runs.iter().map(|run| run.delays_ns.len()).sum::<usize>().to_string(),
                runs.iter().map(|run| run.shed).sum::<u64>().to_string(),
                if is_intact { "yes" } else { "NO" }.to_owned(),
            ]);
            intact &= is_intact || *program != Program::Skyrelay;
        }
    }
    intact
}

fn run_once(program: Program, warm: &Load, load: Option<&Load>, run_s: usize) -> Run {
    let mut expected = Fingerprint::default();
    let sink = Sink::start(true);
    let running = program.start(sink.port, DEFAULTS);
    if load.is_some() {
        warm.send(running.port);
        sink.wait_for_bytes(warm.fingerprint.bytes, PATIENCE);
        running.wait_until_judged();
        expected.add(warm.fingerprint);
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            match load {
                Some(load) => load.send_steadily(running.port, RATE as u64),
                None => thread::sleep(Duration::from_secs(run_s as u64)),
            }
            is_over.store(true, Ordering::Relaxed);
        });
        expected.add(probe(running.port, sink.begun(), &is_over));
    });
    expected.add(load.map(|load| load.fingerprint).unwrap_or_default());
    sink.wait_for_bytes(expected.bytes, PATIENCE);
    let mut delays_ns = sink.take_delays_ns();
    delays_ns.sort_unstable();
    Run {
        delays_ns,
        shed: running.wait_until_judged().shed(),
        is_intact: sink.fingerprint() == expected,
    }
}

/// Sends probes until `is_over`, and gives what it has sent.
pub(crate) fn probe(port: u16, begun: Instant, is_over: &AtomicBool) -> Fingerprint {
    let mut sent = Fingerprint::default();
    let mut stream = connect(port);
    let mut line = Vec::new();
    for number in 1_700_000_000_u64.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        line.clear();
        line.extend_from_slice(PROBE);
        writeln!(line, "delay {} {number}", begun.elapsed().as_nanos()).expect("a Vec takes it");
        stream.write_all(&line).expect("the relay reads");
        sent.add(Fingerprint::of(&line));
        thread::sleep(PROBE_EVERY);
    }
    sent
}

#[expect(clippy::cast_precision_loss, reason = "a delay is short")]
fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}
