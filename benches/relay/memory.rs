//! Memory of series with a full day of samples, and what a sample costs then.
//!
//! Bytes a series are resident memory beyond that of the empty relay, divided by the number of series. Where they go is
//! what the relay says of its series, of the first 100,000 if there are more; the rest is what the allocator keeps for itself
//! and what the replay has left behind, which weighs little on 100,000 series and a lot on 2,000. At 8,000 it is 53 MB.
//!
//! Values are those of the recorded series in equal parts: each of our series reads one recording, over and over, from a
//! place of its own on; timestamps are 10 s apart whatever those of the recording.
//!
//! ```text
//! cargo bench --bench relay -- memory/default --series 100000    # some 900 million samples: half an hour
//! cargo bench --bench relay -- memory/default --series 1000000   # ten times that: hours, and 22 GB
//! ```
//!
//! In the end the relay is sent 100,000 lines a second for a while, and must keep up.

use std::{
    fmt::{self, Display},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Options, first_timestamp,
    load::Senders,
    process::{Program, Running, Setup, Used},
    report::Table,
    sink::{Fingerprint, Sink},
    throughput::NINE,
    traffic::{DAY_SAMPLES, Recordings},
};

pub(crate) const CASES: [&str; 2] = ["memory/default", "memory/nine"];

const SENDERS: usize = 8;
/// Samples beyond a day after which every series has let go of a block.
const BLOCK_SAMPLES: usize = 2_048;
/// Samples of a quick run.
const QUICK_SAMPLES: usize = 300;
/// Lines built at a time: 70 MB.
const PART_LINES: usize = 1_000_000;
/// Rounds that are measured, at most: time goes on, and must not reach the future.
const ROUNDS_MAX: usize = 2_048;
/// The same, of a part at a steady pace.
const STEADY_ROUNDS_MAX: usize = 128;
/// The pace that a relay with full windows must keep.
pub(crate) const STEADY_LINES_PER_S: u64 = 100_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// For an allocator to give back what it holds.
pub(crate) const REST: Duration = Duration::from_secs(3);
/// Between two words on how it goes.
const WORD_EVERY: Duration = Duration::from_secs(20);

/// Runs the cases that are asked for. False when a line was shed or lost.
pub(crate) fn run(options: &Options) -> bool {
    let cases: Vec<_> = CASES.into_iter().filter(|case| options.wants(case)).collect();
    if cases.is_empty() || !options.runs(Program::Skyrelay) {
        return true;
    }
    let table = Table::begin(
        "Full windows: a day at 10 s",
        &[
            "case",
            "series",
            "values",
            "MiB empty",
            "MiB full",
            "peak MiB",
            "bytes a series",
            "sealed",
            "open",
            "statistics",
            "detectors",
            "name",
            "rest",
            "lines/s while full",
            "CPU s / M lines",
            "of it shards",
            "at 100,000 lines/s",
            "intact",
        ],
    );
    cases.into_iter().fold(true, |intact, case| {
        let setup = if case == CASES[0] { WAITING } else { NINE };
        run_case(options, case, setup, &table) && intact
    })
}

/// The default detector, with senders that wait for it.
const WAITING: Setup = Setup {
    settings: "[analysis]\nwhen_behind = \"wait\"\n",
    forward: NINE.forward,
    is_judged: true,
};

#[expect(clippy::cast_precision_loss, reason = "millions of lines")]
fn run_case(options: &Options, case: &str, setup: Setup, table: &Table) -> bool {
    let series = options.series;
    let (mut feed, is_recorded) = Feed::new(series, false);
    let running = Program::Skyrelay.start(feed.sink.port, setup);
    let (empty_mib, _) = running.memory_mib();

    feed.fill(case, &running, options.quick);
    running.wait_until_judged();
    thread::sleep(REST);
    let (full_mib, peak_mib) = running.memory_mib();
    let memory = running.memory_of_series();

    let (mut seconds, mut lines, mut used) = (0.0, 0, Used::default());
    let mut left = rounds(series, options.lines).min(ROUNDS_MAX);
    while left > 0 {
        let rounds = rounds(series, PART_LINES).min(left);
        left -= rounds;
        let sent = feed.send(&running, rounds);
        seconds += sent.seconds;
        lines += sent.lines;
        used.cpu_s += sent.used.cpu_s;
        used.shards_s += sent.used.shards_s;
    }
    let steady = feed.send_steadily(&running, if options.quick { 1 } else { 6 });
    let metrics = running.metrics();
    let intact = feed.sink.fingerprint() == feed.expected
        && metrics.sum("skyrelay_lines_not_analysed_total") == 0
        && steady.keeps_up;

    let bytes = (full_mib - empty_mib) * 1024.0 * 1024.0 / series as f64;
    let per_million = 1e6 / lines as f64;
    let figure = |bytes: f64| format!("{bytes:.0}");
    table.row(&[
        case.to_owned(),
        series.to_string(),
        if is_recorded { "recorded" } else { "made up" }.to_owned(),
        figure(empty_mib),
        figure(full_mib),
        figure(peak_mib),
        figure(bytes),
        figure(memory.sealed),
        figure(memory.open),
        figure(memory.statistics),
        figure(memory.detectors),
        figure(memory.name),
        figure(bytes - memory.total),
        format!("{:.2} M", lines as f64 / seconds / 1e6),
        format!("{:.3}", used.cpu_s * per_million),
        format!("{:.3}", used.shards_s * per_million),
        steady.to_string(),
        if intact { "yes" } else { "NO" }.to_owned(),
    ]);
    intact
}

/// Rounds that make about so many lines.
fn rounds(series: usize, lines: usize) -> usize {
    (lines / series).max(1)
}

/// What is sent, and where it must arrive.
pub(crate) struct Feed {
    pub(crate) traffic: Senders,
    pub(crate) sink: Sink,
    pub(crate) expected: Fingerprint,
}

/// What it took to send and judge some lines.
struct Sent {
    lines: u64,
    seconds: f64,
    used: Used,
}

/// How it went at a steady pace.
pub(crate) struct Steady {
    pub(crate) keeps_up: bool,
    /// Of one processor.
    share: f64,
}

impl Display for Steady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keeps_up, share } = self;
        let outcome = if *keeps_up { "kept up" } else { "FELL BEHIND" };
        write!(f, "{outcome}, {:.0} % of a CPU", share * 100.0)
    }
}

impl Feed {
    /// The same samples from now on for so many times as many series, of which nothing has arrived.
    pub(crate) fn copied(self, times: usize) -> Self {
        Self {
            traffic: self.traffic.copied(times),
            sink: Sink::start(false),
            expected: Fingerprint::default(),
        }
    }

    /// For so many series, of which nothing has been sent; the sink looks for probes, if asked to. Are values recorded?
    pub(crate) fn new(series: usize, with_probes: bool) -> (Self, bool) {
        let recordings = Recordings::read();
        let feed = Self {
            traffic: Senders::new(series, SENDERS.min(series), first_timestamp(), recordings.as_ref()),
            sink: Sink::start(with_probes),
            expected: Fingerprint::default(),
        };
        (feed, recordings.is_some())
    }

    /// Fills all windows, and a little more; says now and then how it goes.
    #[expect(clippy::cast_precision_loss, reason = "millions of lines")]
    pub(crate) fn fill(&mut self, case: &str, running: &Running, is_quick: bool) {
        let series = self.traffic.series();
        let samples = if is_quick {
            QUICK_SAMPLES
        } else {
            DAY_SAMPLES + BLOCK_SAMPLES
        };
        let begun = Instant::now();
        let mut told = begun;
        let mut filled = 0;
        while filled < samples {
            let rounds = rounds(series, PART_LINES).min(samples - filled);
            self.send(running, rounds);
            filled += rounds;
            if told.elapsed() >= WORD_EVERY || filled == samples {
                told = Instant::now();
                let seconds = begun.elapsed().as_secs_f64();
                let per_s = (filled * series) as f64 / seconds;
                let left = seconds / filled as f64 * (samples - filled) as f64;
                eprintln!(
                    "{case}: {filled} of {samples} samples for each of {series} series, {:.2} M/s, {:.0} MiB, {:.0} min left",
                    per_s / 1e6,
                    running.memory_mib().0,
                    left / 60.0
                );
            }
        }
    }

    /// Sends the next rounds as fast as they are taken, and waits until they have arrived and are judged.
    fn send(&mut self, running: &Running, rounds: usize) -> Sent {
        let load = self.traffic.build(rounds);
        self.expected.add(load.fingerprint);
        let before = running.used();
        let begun = load.send(running.port);
        self.sink.wait_for_bytes(self.expected.bytes, PATIENCE);
        running.wait_until_judged();
        let seconds = begun.elapsed().as_secs_f64();
        Sent {
            lines: load.lines(),
            seconds,
            used: running.used().since(before),
        }
    }

    /// Sends so many parts at the pace that must be kept. Each must be judged soon after its last line was sent.
    #[expect(clippy::cast_precision_loss, reason = "millions of lines")]
    pub(crate) fn send_steadily(&mut self, running: &Running, parts: usize) -> Steady {
        const SOON: f64 = 1.0;
        let (mut keeps_up, mut cpu_s, mut seconds) = (true, 0.0, 0.0);
        for _ in 0..parts {
            let load = self
                .traffic
                .build(rounds(self.traffic.series(), PART_LINES).min(STEADY_ROUNDS_MAX));
            self.expected.add(load.fingerprint);
            let before = running.used();
            let begun = Instant::now();
            load.send_steadily(running.port, STEADY_LINES_PER_S);
            self.sink.wait_for_bytes(self.expected.bytes, PATIENCE);
            running.wait_until_judged();
            let took = begun.elapsed().as_secs_f64();
            let meant = load.lines() as f64 / STEADY_LINES_PER_S as f64;
            keeps_up &= took < meant + SOON;
            cpu_s += running.used().since(before).cpu_s;
            seconds += took;
        }
        Steady {
            keeps_up,
            share: cpu_s / seconds,
        }
    }
}
