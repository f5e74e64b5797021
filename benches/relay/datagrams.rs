//! UDP at a steady rate: how many lines are lost.

use std::time::Duration;

use crate::{
    DEFAULTS, Options, first_timestamp,
    load::{Load, Senders},
    process::Program,
    report::{Spread, Table},
    sink::Sink,
};

pub(crate) const CASE: &str = "udp";

const SERIES: usize = 100_000;
const RUN_S: usize = 5;
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs the case if it is asked for. False when skyrelay lost lines.
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) {
        return true;
    }
    let programs = options.programs(&[Program::CarbonCRelay, Program::Skyrelay]);
    let table = Table::begin(
        "UDP",
        &[
            "load",
            "program",
            "lines sent",
            "datagrams",
            "lines lost, by run",
            "lost",
            "dropped by the kernel (datagrams)",
            "CPU s / M datagrams without shards",
            "shed",
        ],
    );
    let mut intact = true;
    for (name, lines_per_s, one_line_each) in [
        ("300,000 lines/s, 1,432 bytes a datagram", 300_000, false),
        ("100,000 lines/s, a line a datagram", 100_000, true),
    ] {
        let rounds = lines_per_s / SERIES * options.seconds(RUN_S);
        let mut traffic = Senders::new(SERIES, 1, first_timestamp(), None);
        let warm = traffic.build(1);
        let load = traffic.build(rounds);
        let mut runs = vec![Vec::new(); programs.len()];
        for round in 1..=options.rounds {
            for (&program, runs) in programs.iter().zip(&mut runs) {
                let run = run_once(program, &warm, &load, lines_per_s as u64, one_line_each);
                eprintln!(
                    "udp {name} {round}/{} {}: {} lost",
                    options.rounds,
                    program.name(),
                    run.lost
                );
                runs.push(run);
            }
        }
        for (program, runs) in programs.iter().zip(&runs) {
            let lost: u64 = runs.iter().map(|run| run.lost).sum();
            let all = load.lines() * runs.len() as u64;
            let by_run: Vec<_> = runs.iter().map(|run| run.lost.to_string()).collect();
            table.row(&[
                name.to_owned(),
                program.name().to_owned(),
                load.lines().to_string(),
                runs.iter().map(|run| run.datagrams).max().unwrap_or(0).to_string(),
                by_run.join(", "),
                format!("{}.{:02} %", lost * 100 / all, lost * 10_000 / all % 100),
                runs.iter().map(|run| run.dropped).sum::<u64>().to_string(),
                format!("{:.2}", Spread::of(runs.iter().map(|run| run.cpu_s)).median),
                runs.iter().map(|run| run.shed).sum::<u64>().to_string(),
            ]);
            intact &= *program != Program::Skyrelay || lost == 0;
        }
    }
    intact
}

#[derive(Clone, Debug)]
struct Run {
    datagrams: u64,
    lost: u64,
    dropped: u64,
    shed: u64,
    /// Processor seconds for a million datagrams, but for those of shards.
    cpu_s: f64,
}

fn run_once(program: Program, warm: &Load, load: &Load, lines_per_s: u64, one_line_each: bool) -> Run {
    let sink = Sink::start(false);
    let running = program.start(sink.port, DEFAULTS);
    warm.send(running.port);
    sink.wait_for_bytes(warm.fingerprint.bytes, PATIENCE);
    running.wait_until_judged();
    let warmed = sink.fingerprint();
    let before = running.used();
    let datagrams = load.send_datagrams(running.port, lines_per_s, one_line_each);
    sink.wait_for_bytes(warmed.bytes + load.fingerprint.bytes, PATIENCE);
    let shed = running.wait_until_judged().shed();
    let used = running.used();
    #[expect(clippy::cast_precision_loss, reason = "less than a million")]
    let millions = datagrams as f64 / 1e6;
    Run {
        datagrams,
        lost: load.lines().saturating_sub(sink.fingerprint().lines - warmed.lines),
        dropped: running.datagrams_dropped(),
        shed,
        cpu_s: (used.cpu_s - used.shards_s - before.cpu_s + before.shards_s) / millions,
    }
}
