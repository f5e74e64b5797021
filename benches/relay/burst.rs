//! A flush as statsd does it: 100,000 lines at once over a connection of its own, every ten seconds.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{DEFAULTS, Options, first_timestamp, load::Senders, process::Program, report::Table, sink::Sink};

pub(crate) const CASE: &str = "burst";

const LINES: usize = 100_000;
const BURSTS: usize = 3;
const EVERY_S: usize = 10;
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the case if it is asked for. False when a line was shed or lost.
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) || !options.runs(Program::Skyrelay) {
        return true;
    }
    let mut traffic = Senders::new(LINES, 1, first_timestamp(), None);
    let table = Table::begin(
        "A burst of 100,000 lines every 10 s, default settings",
        &[
            "burst",
            "last line out after (ms)",
            "all judged after (ms)",
            "shed",
            "lost",
            "intact",
        ],
    );
    let sink = Sink::start(false);
    let running = Program::Skyrelay.start(sink.port, DEFAULTS);
    let mut expected = sink.fingerprint();
    let mut intact = true;
    for burst in 1..=BURSTS {
        let load = traffic.build(1);
        expected.add(load.fingerprint);
        let begun = load.send(running.port);
        sink.wait_for_bytes(expected.bytes, PATIENCE);
        let out = sink.last();
        let metrics = running.wait_until_judged();
        let judged = Instant::now();
        let arrived = sink.fingerprint();
        eprintln!("burst {burst}/{BURSTS}: {} shed", metrics.shed());
        let name = if burst == 1 {
            "1, of new series".to_owned()
        } else {
            burst.to_string()
        };
        table.row(&[
            name,
            (out - begun).as_millis().to_string(),
            (judged - begun).as_millis().to_string(),
            metrics.shed().to_string(),
            expected.lines.saturating_sub(arrived.lines).to_string(),
            if arrived == expected { "yes" } else { "NO" }.to_owned(),
        ]);
        intact &= arrived == expected && metrics.shed() == 0;
        if burst < BURSTS {
            let next = begun + Duration::from_secs(options.seconds(EVERY_S) as u64);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
    intact
}
