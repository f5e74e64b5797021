//! The highest steady rate at which nothing is shed or lost, and nothing is later than a second.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    DEFAULTS, Options,
    delay::probe,
    first_timestamp,
    load::Senders,
    process::Program,
    report::{Table, percentile},
    sink::Sink,
};

pub(crate) const CASE: &str = "sustained";

const SERIES: usize = 100_000;
const RUN_S: usize = 4;
const LATE: Duration = Duration::from_secs(1);
/// Lines per second, a quarter more each time, and not far more than a proxy passes on.
const RATES: usize = 31;
const LOWEST_RATE: u64 = 12_500;

/// What one rate has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Held { p99_us: u64 },
    Lost(u64),
    Shed(u64),
    Late(Duration),
}

impl Outcome {
    fn text(&self) -> String {
        match self {
            Self::Held { .. } => "held".to_owned(),
            Self::Lost(lines) => format!("{lines} lines lost"),
            Self::Shed(lines) => format!("{lines} lines shed"),
            Self::Late(by) => format!("late by {:.1} s", by.as_secs_f64()),
        }
    }
}

/// Runs the case if it is asked for. False when skyrelay does not hold the lowest rate.
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) {
        return true;
    }
    let programs = options.programs(&[Program::Proxy, Program::CarbonCRelay, Program::Skyrelay]);
    let table = Table::begin(
        "Sustained: the highest rate without a line lost, shed or a second late; default settings, 100,000 series",
        &["program", "senders", "lines/s", "p99 at it (us)", "at the next rate"],
    );
    let mut holds = true;
    for senders in [1, 8] {
        for &program in &programs {
            let (mut held, mut failed) = (None, (RATES, None));
            // Between the highest rate that holds and the lowest that does not.
            let mut low = 0;
            while low < failed.0 {
                let place = usize::midpoint(low, failed.0);
                let rate = rate(place);
                let outcome = run_once(program, senders, rate, options.seconds(RUN_S));
                eprintln!("sustained {} {senders} senders, {rate}/s: {outcome:?}", program.name());
                if let Outcome::Held { p99_us } = outcome {
                    held = Some((rate, p99_us));
                    low = place + 1;
                } else {
                    failed = (place, Some(outcome));
                }
            }
            table.row(&[
                program.name().to_owned(),
                senders.to_string(),
                held.map_or("-".to_owned(), |(rate, _)| format!("{:.2} M", millions(rate))),
                held.map_or("-".to_owned(), |(_, p99_us)| p99_us.to_string()),
                failed.1.map_or("-".to_owned(), |outcome| outcome.text()),
            ]);
            holds &= program != Program::Skyrelay || held.is_some();
        }
    }
    holds
}

fn run_once(program: Program, senders: usize, rate: u64, run_s: usize) -> Outcome {
    let lines = usize::try_from(rate).expect("a rate") * run_s;
    // At low rates fewer series, so that each has some samples.
    let series = SERIES.min(lines / 4);
    let mut traffic = Senders::new(series, senders, first_timestamp(), None);
    let warm = traffic.build(2);
    let load = traffic.build(lines.div_ceil(series));
    let sink = Sink::start(true);
    let running = program.start(sink.port, DEFAULTS);
    warm.send_steadily(running.port, rate.min(200_000));
    sink.wait_for_bytes(warm.fingerprint.bytes, LATE * 3);
    let shed_before = running.wait_until_judged().shed();
    let warmed = sink.fingerprint();

    let is_over = AtomicBool::new(false);
    let begun = Instant::now();
    let probes = thread::scope(|scope| {
        let probing = scope.spawn(|| probe(running.port, sink.begun(), &is_over));
        load.send_steadily(running.port, rate);
        is_over.store(true, Ordering::Relaxed);
        probing.join().expect("it only writes")
    });
    let mut expected = warmed;
    expected.add(load.fingerprint);
    expected.add(probes);
    sink.wait_for_bytes(expected.bytes, LATE * 3);
    let out = sink.last() - begun;
    let shed = running.wait_until_judged().shed() - shed_before;
    let judged = begun.elapsed();
    let due = Duration::from_secs_f64(millions(load.lines()) / millions(rate));
    let mut delays = sink.take_delays_ns();
    delays.sort_unstable();
    let longest = Duration::from_nanos(delays.last().copied().unwrap_or(0));
    let mut late = out.saturating_sub(due).max(longest);
    if program == Program::Skyrelay {
        late = late.max(judged.saturating_sub(due));
    }
    let arrived = sink.fingerprint();
    if arrived != expected {
        Outcome::Lost(expected.lines.saturating_sub(arrived.lines))
    } else if shed > 0 {
        Outcome::Shed(shed)
    } else if late > LATE {
        Outcome::Late(late)
    } else {
        Outcome::Held {
            p99_us: percentile(&delays, 99) / 1000,
        }
    }
}

fn rate(place: usize) -> u64 {
    (0..place).fold(LOWEST_RATE, |rate, _| rate + rate / 4)
}

#[expect(clippy::cast_precision_loss, reason = "millions of lines")]
fn millions(lines: u64) -> f64 {
    lines as f64 / 1e6
}
