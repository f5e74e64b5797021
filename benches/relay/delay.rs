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
    sink::{PROBE, Sink},
};

pub(crate) const CASE: &str = "latency";

/// Lines per second beside the probes, and series.
const RATE: usize = 100_000;
const RUN_S: usize = 5;
/// Between two probes: no multiple of the load's tick, so that they fall everywhere between its parts.
const PROBE_EVERY: Duration = Duration::from_micros(1_370);
/// carbon-c-relay may take a second for the last one.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs the case if it is asked for.
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) {
        return true;
    }
    let mut traffic = Senders::new(RATE, 1, first_timestamp(), None);
    let warm = traffic.build(2);
    let load = traffic.build(options.seconds(RUN_S));
    let mut programs = vec![
        Program::Straight,
        Program::Proxy,
        Program::CarbonCRelay,
        Program::Skyrelay,
    ];
    programs.retain(|program| options.runs(*program));
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
        ],
    );
    for (name, load) in [("idle", None), ("100,000 lines/s, the nine at work", Some(&load))] {
        let mut runs = vec![Vec::new(); programs.len()];
        for round in 1..=options.rounds {
            for (&program, runs) in programs.iter().zip(&mut runs) {
                let run = run_once(program, &warm, load, options.seconds(RUN_S));
                let (p50, p99) = (percentile(&run.0, 50) / 1000, percentile(&run.0, 99) / 1000);
                eprintln!(
                    "latency {name} {round}/{} {}: p50 {p50} us, p99 {p99} us",
                    options.rounds,
                    program.name()
                );
                runs.push(run);
            }
        }
        for (program, runs) in programs.iter().zip(&runs) {
            let spread = |percent| Spread::of(runs.iter().map(|(delays, _)| us(percentile(delays, percent))));
            let (p50, p99) = (spread(50), spread(99));
            let longest = runs
                .iter()
                .filter_map(|(delays, _)| delays.last())
                .max()
                .copied()
                .unwrap_or(0);
            table.row(&[
                name.to_owned(),
                program.name().to_owned(),
                format!("{:.0}", p50.median),
                format!("{:.0}", p99.median),
                format!("{:.0} to {:.0}", p99.least, p99.most),
                format!("{:.0}", us(longest)),
                runs.iter().map(|(delays, _)| delays.len()).sum::<usize>().to_string(),
                runs.iter().map(|(_, shed)| shed).sum::<u64>().to_string(),
            ]);
        }
    }
    true
}

/// The delays of all probes in order of size (nanoseconds), and the lines that were shed.
fn run_once(program: Program, warm: &Load, load: Option<&Load>, run_s: usize) -> (Vec<u64>, u64) {
    let sink = Sink::start(true);
    let running = program.start(sink.port, DEFAULTS);
    if load.is_some() {
        warm.send(running.port);
        sink.wait_for_bytes(warm.fingerprint.bytes, PATIENCE);
        running.wait_until_judged();
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
        probe(running.port, sink.begun(), &is_over);
    });
    sink.wait_for_bytes(u64::MAX, PATIENCE);
    let mut delays = sink.take_delays_ns();
    delays.sort_unstable();
    (delays, running.wait_until_judged().shed())
}

fn probe(port: u16, begun: Instant, is_over: &AtomicBool) {
    let mut stream = connect(port);
    let mut line = Vec::new();
    for number in 1_700_000_000_u64.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        line.clear();
        line.extend_from_slice(PROBE);
        writeln!(line, "delay {} {number}", begun.elapsed().as_nanos()).expect("a Vec takes it");
        stream.write_all(&line).expect("the relay reads");
        thread::sleep(PROBE_EVERY);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a delay is short")]
fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}
