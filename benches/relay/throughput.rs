//! Lines per second, senders sending as fast as they can.

use std::time::{Duration, Instant};

use crate::{
    Options, first_timestamp,
    load::{Load, Senders},
    process::{Program, Setup},
    report::{Spread, Table, ratio},
    sink::Sink,
};

/// Lines sent right before those that are measured, where analysis is to shed: more than its queue holds.
const AHEAD_LINES: usize = 3_000_000;

/// Silence after which no more lines are expected: carbon-c-relay sleeps up to a second between sends.
const PATIENCE: Duration = Duration::from_secs(5);

const PAUSE: &str = "when_full = \"pause-senders\"\n";
pub(crate) const UNWATCHED: Setup = Setup {
    forward: PAUSE,
    settings: "[[watch]]\nmatch = [\"**\"]\ndetectors = []\n",
    is_judged: false,
};
const SHED: Setup = Setup {
    forward: PAUSE,
    settings: "[analysis]\nwhen_behind = \"shed\"\n",
    is_judged: false,
};
/// What a person gets who configures nothing, but that senders wait rather than lines are shed.
pub(crate) const DEFAULT: Setup = Setup {
    forward: PAUSE,
    settings: "[analysis]\nwhen_behind = \"wait\"\n",
    is_judged: true,
};
pub(crate) const NINE: Setup = Setup {
    forward: PAUSE,
    settings: "[analysis]\nwhen_behind = \"wait\"\n[detector.nine]\nkind = \"skyline\"\n\
               [[watch]]\nmatch = [\"**\"]\ndetectors = [\"nine\"]\n",
    is_judged: true,
};

/// Who sends what through which setup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    setup: Setup,
    series: usize,
    senders: usize,
    /// Is the queue of the analysis full when it begins?
    is_behind: bool,
}

pub(crate) const CASES: [Case; 13] = [
    Case::new("forward/1-sender", UNWATCHED, 100_000, 1),
    Case::new("forward/8-senders", UNWATCHED, 100_000, 8),
    Case::new("shed/1-sender", SHED, 100_000, 1).behind(),
    Case::new("shed/8-senders", SHED, 100_000, 8).behind(),
    Case::new("default/100k-series/1-sender", DEFAULT, 100_000, 1),
    Case::new("default/100k-series/8-senders", DEFAULT, 100_000, 8),
    Case::new("default/1M-series/8-senders", DEFAULT, 1_000_000, 8),
    Case::new("nine/10k-series/1-sender", NINE, 10_000, 1),
    Case::new("nine/10k-series/8-senders", NINE, 10_000, 8),
    Case::new("nine/100k-series/1-sender", NINE, 100_000, 1),
    Case::new("nine/100k-series/8-senders", NINE, 100_000, 8),
    Case::new("nine/1M-series/1-sender", NINE, 1_000_000, 1),
    Case::new("nine/1M-series/8-senders", NINE, 1_000_000, 8),
];

const QUICK_CASES: [&str; 2] = ["forward/8-senders", "nine/10k-series/1-sender"];

impl Case {
    const fn new(name: &'static str, setup: Setup, series: usize, senders: usize) -> Self {
        Self {
            name,
            setup,
            series,
            senders,
            is_behind: false,
        }
    }

    const fn behind(self) -> Self {
        Self {
            is_behind: true,
            ..self
        }
    }
}

/// One run of one program.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Until the last byte was out, or judged, whichever came later.
    pub(crate) lines_per_s: f64,
    /// Until the last byte was out.
    out_per_s: f64,
    /// Processor seconds for a million lines.
    pub(crate) cpu_s: f64,
    /// The part of that which went to shards.
    shards_s: f64,
    peak_mib: f64,
    pub(crate) shed: u64,
    pub(crate) lost: u64,
    opened: u64,
    pub(crate) is_wrong: bool,
}

/// Runs the cases that are asked for. False when what came out was not what went in.
pub(crate) fn run(options: &Options) -> bool {
    let is_wanted = |case: &&Case| match options.filters[..] {
        [] if options.quick => QUICK_CASES.contains(&case.name),
        _ => options.wants(case.name),
    };
    let cases: Vec<_> = CASES.iter().filter(is_wanted).collect();
    if cases.is_empty() {
        return true;
    }
    let table = Table::begin(
        "Throughput",
        &[
            "case",
            "program",
            "lines/s (least to most)",
            "until the last was out",
            "of proxy",
            "of carbon-c-relay",
            "CPU s / M lines",
            "of it shards",
            "peak MiB",
            "shed",
            "lost",
            "anomalies",
            "intact",
        ],
    );
    let mut intact = true;
    for case in cases {
        intact &= run_case(options, &table, case);
    }
    intact
}

fn run_case(options: &Options, table: &Table, case: &Case) -> bool {
    let &Case {
        name,
        setup,
        series,
        senders,
        is_behind,
    } = case;
    let mut traffic = Senders::new(series, senders, first_timestamp(), None);
    let warm = traffic.build((1_000_000 / series).clamp(2, 30));
    let ahead = is_behind.then(|| traffic.build(AHEAD_LINES / series));
    let measured = traffic.build((options.lines / series).max(1));
    let programs = options.programs(&Program::ALL);
    let mut runs = vec![Vec::new(); programs.len()];
    for round in 1..=options.rounds {
        for (&program, runs) in programs.iter().zip(&mut runs) {
            let run = run_once(program, setup, &warm, ahead.as_ref(), &measured);
            eprintln!(
                "{name} {round}/{} {}: {:.2} M lines/s",
                options.rounds,
                program.name(),
                run.lines_per_s / 1e6
            );
            runs.push(run);
        }
    }
    let median = |runs: &[Run], figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure));
    let of = |wanted: Program| {
        let place = programs.iter().position(|program| *program == wanted)?;
        Some(median(&runs[place], |run| run.lines_per_s).median)
    };
    for (program, runs) in programs.iter().zip(&runs) {
        let lines_per_s = median(runs, |run| run.lines_per_s);
        let most = |count: fn(&Run) -> u64| runs.iter().map(count).max().unwrap_or(0).to_string();
        table.row(&[
            name.to_owned(),
            program.name().to_owned(),
            lines_per_s.millions(),
            format!("{:.2} M", median(runs, |run| run.out_per_s).median / 1e6),
            ratio(lines_per_s.median, of(Program::Proxy)),
            ratio(lines_per_s.median, of(Program::CarbonCRelay)),
            format!("{:.3}", median(runs, |run| run.cpu_s).median),
            format!("{:.3}", median(runs, |run| run.shards_s).median),
            format!("{:.0}", median(runs, |run| run.peak_mib).median),
            most(|run| run.shed),
            most(|run| run.lost),
            most(|run| run.opened),
            if runs.iter().any(|run| run.is_wrong) {
                "NO"
            } else {
                "yes"
            }
            .to_owned(),
        ]);
    }
    // Others may lose what they like; that is what is measured.
    let place = programs.iter().position(|program| *program == Program::Skyrelay);
    place.is_none_or(|place| runs[place].iter().all(|run| !run.is_wrong && run.lost == 0))
}

/// Sends `warm` and waits until it is judged; sends `ahead`, and right behind it what is `measured`.
#[expect(clippy::cast_precision_loss, reason = "millions of lines")]
pub(crate) fn run_once(program: Program, setup: Setup, warm: &Load, ahead: Option<&Load>, measured: &Load) -> Run {
    let sink = Sink::start(false);
    let running = program.start(sink.port, setup);
    warm.send(running.port);
    sink.wait_for_bytes(warm.fingerprint.bytes, PATIENCE);
    running.wait_until_judged();
    let mut expected = warm.fingerprint;
    if let Some(ahead) = ahead {
        ahead.send(running.port);
        expected.add(ahead.fingerprint);
        sink.wait_for_bytes(expected.bytes, PATIENCE);
    }
    let before = running.metrics();
    let used_before = running.used();
    let warmed = sink.fingerprint();

    let begun = measured.send(running.port);
    sink.wait_for_bytes(warmed.bytes + measured.fingerprint.bytes, PATIENCE);
    let out = sink.last();
    let used_out = running.used();
    let metrics = running.wait_until_judged();
    let done = if program == Program::Skyrelay && setup.is_judged {
        Instant::now().max(out)
    } else {
        out
    };
    // What still waits for analysis had waited before.
    let used = if ahead.is_some() { used_out } else { running.used() };

    expected.add(measured.fingerprint);
    let arrived = sink.fingerprint();
    let millions = measured.lines() as f64 / 1e6;
    let lines_arrived = (arrived.lines - warmed.lines) as f64;
    Run {
        lines_per_s: lines_arrived / (done - begun).as_secs_f64(),
        out_per_s: lines_arrived / (out - begun).as_secs_f64(),
        cpu_s: (used.cpu_s - used_before.cpu_s) / millions,
        shards_s: (used.shards_s - used_before.shards_s) / millions,
        peak_mib: running.memory_mib().1,
        shed: metrics.shed() - before.shed(),
        lost: expected.lines.saturating_sub(arrived.lines),
        opened: metrics.sum("skyrelay_anomalies_opened_total") - before.sum("skyrelay_anomalies_opened_total"),
        is_wrong: arrived.lines == expected.lines && arrived != expected,
    }
}
