//! Memory of series with a full day of samples, and what a sample costs then.
//!
//! Bytes a series are resident memory beyond that of the empty relay, divided by the number of series. They hold what the
//! replay's queues have left behind as well, which weighs little on 100,000 series and a lot on 2,000: what the relay
//! says of its windows stands beside.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    Options, first_timestamp,
    load::Senders,
    process::Program,
    report::Table,
    sink::Sink,
    throughput::NINE,
    traffic::{DAY_SAMPLES, Recordings},
};

pub(crate) const CASE: &str = "memory";

const SENDERS: usize = 8;
/// Samples that wait for compression: with so many beyond a day every series has expired some, whatever its phase.
const BLOCK_SAMPLES: usize = 256;
/// Lines built at a time.
const PART_LINES: usize = 2_000_000;
/// Blocks that each series fills while it is measured, at most: time goes on, and must not reach the future.
const BLOCKS_MAX: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);
/// For an allocator to give back what it holds.
const REST: Duration = Duration::from_secs(3);

/// Runs the case if it is asked for. False when a line was shed or lost.
#[expect(clippy::cast_precision_loss, reason = "millions of lines")]
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) || !options.runs(Program::Skyrelay) {
        return true;
    }
    let recordings = Recordings::read();
    let series = options.series;
    let mut traffic = Senders::new(series, SENDERS.min(series), first_timestamp(), recordings.as_ref());
    let sink = Sink::start(false);
    let running = Program::Skyrelay.start(sink.port, NINE);
    let (empty_mib, _) = running.memory_mib();
    let mut expected = sink.fingerprint();

    let samples = if options.quick {
        BLOCK_SAMPLES
    } else {
        DAY_SAMPLES + BLOCK_SAMPLES
    };
    let begun = Instant::now();
    let mut filled = 0;
    while filled < samples {
        let rounds = (PART_LINES / series).clamp(1, samples - filled);
        let load = traffic.build(rounds);
        filled += rounds;
        expected.add(load.fingerprint);
        load.send(running.port);
        sink.wait_for_bytes(expected.bytes, PATIENCE);
        let minutes = begun.elapsed().as_secs_f64() / 60.0;
        eprintln!("memory: {filled} of {samples} samples for each of {series} series, {minutes:.1} min");
    }
    let before = running.wait_until_judged();
    thread::sleep(REST);
    let (full_mib, peak_mib) = running.memory_mib();
    let window_bytes = running.window_bytes();

    let rounds = options.lines / series / BLOCK_SAMPLES;
    let measured = traffic.build(rounds.clamp(1, BLOCKS_MAX) * BLOCK_SAMPLES);
    expected.add(measured.fingerprint);
    let used_before = running.used();
    let begun = measured.send(running.port);
    sink.wait_for_bytes(expected.bytes, PATIENCE);
    let metrics = running.wait_until_judged();
    let lines_per_s = measured.lines() as f64 / begun.elapsed().as_secs_f64();
    let used = running.used();
    let intact = sink.fingerprint() == expected && metrics.sum("skyrelay_lines_not_analysed_total") == 0;

    let per_million = 1e6 / measured.lines() as f64;
    let opened = |name| metrics.sum(name) - before.sum(name);
    let table = Table::begin(
        "Full windows: a day at 10 s, the nine",
        &[
            "series",
            "values",
            "samples each",
            "MiB empty",
            "MiB full",
            "peak MiB",
            "bytes a series",
            "of it windows",
            "lines/s while full",
            "CPU s / M lines",
            "of it shards",
            "anomalies / M lines",
            "intact",
        ],
    );
    table.row(&[
        series.to_string(),
        if recordings.is_some() { "recorded" } else { "made up" }.to_owned(),
        samples.to_string(),
        format!("{empty_mib:.0}"),
        format!("{full_mib:.0}"),
        format!("{peak_mib:.0}"),
        format!("{:.0}", (full_mib - empty_mib) * 1024.0 * 1024.0 / series as f64),
        format!("{window_bytes:.0}"),
        format!("{:.2} M", lines_per_s / 1e6),
        format!("{:.3}", (used.cpu_s - used_before.cpu_s) * per_million),
        format!("{:.3}", (used.shards_s - used_before.shards_s) * per_million),
        format!("{:.0}", opened("skyrelay_anomalies_opened_total") as f64 * per_million),
        if intact { "yes" } else { "NO" }.to_owned(),
    ]);
    intact
}
