//! Is what the relay tells of lines that come over the network what a backtest tells of the same lines in a file?

use std::{
    collections::BTreeMap,
    fs::{self, File},
    process::Command,
    time::Duration,
};

use crate::{
    Options, first_timestamp,
    load::Senders,
    process::{Program, Setup},
    report::Table,
    sink::Sink,
    throughput::{DEFAULT, NINE},
    traffic::Recordings,
};

pub(crate) const CASE: &str = "verdicts";

const SERIES: usize = 400;
const SENDERS: usize = 8;
/// More than a day: the default detector learns a season before it tells of much.
const ROUNDS: usize = 12_000;
const PATIENCE: Duration = Duration::from_secs(5);

/// Verdicts by series, in order: what is behind the name in their JSON.
type Told = BTreeMap<String, Vec<String>>;

/// Runs the case if it is asked for. False when a verdict differs, or there is none.
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) || !options.runs(Program::Skyrelay) {
        return true;
    }
    let recordings = Recordings::read();
    let series = if options.quick { SERIES / 5 } else { SERIES };
    let mut traffic = Senders::new(series, SENDERS, first_timestamp(), recordings.as_ref());
    let load = traffic.build(ROUNDS);
    let table = Table::begin(
        &format!(
            "Verdicts over the network and in a backtest, {series} series, {SENDERS} senders, {} lines",
            load.lines()
        ),
        &["detector", "verdicts told", "of series", "same"],
    );
    let mut same = true;
    for (name, setup) in [("default", DEFAULT), ("nine", NINE)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [lines, told, config] = ["lines", "told", "config"].map(|file| directory.path().join(file));
        load.write_to(&mut File::create(&lines).expect("the directory is ours"));
        let settings = format!(
            "{}[notify.file]\nkind = \"json-lines\"\npath = \"{}\"\n",
            setup.settings,
            told.display()
        );
        fs::write(&config, &settings).expect("the directory is ours");

        let sink = Sink::start(false);
        // A set-up lives as long as the program does.
        let running = Program::Skyrelay.start(
            sink.port,
            Setup {
                settings: settings.leak(),
                ..setup
            },
        );
        load.send(running.port);
        sink.wait_for_bytes(load.fingerprint.bytes, PATIENCE);
        let untold = running.wait_until_judged().sum("skyrelay_notifications_dropped_total");
        running.stop();
        let live = read(&fs::read_to_string(&told).unwrap_or_default());

        let backtest = Command::new(env!("CARGO_BIN_EXE_skyrelay"))
            .args(["backtest", "--config"])
            .args([&config, &lines])
            .output()
            .expect("it was just built");
        let expected = read(&String::from_utf8_lossy(&backtest.stdout));
        let is_same = live == expected && !live.is_empty() && untold == 0 && sink.fingerprint() == load.fingerprint;
        let differing = expected
            .iter()
            .find(|(series, verdicts)| live.get(*series) != Some(verdicts));
        if let Some((series, verdicts)) = differing {
            eprintln!("{series}: live {:#?}, backtest {verdicts:#?}", live.get(series));
        }
        table.row(&[
            name.to_owned(),
            live.values().map(Vec::len).sum::<usize>().to_string(),
            live.len().to_string(),
            if is_same { "yes" } else { "NO" }.to_owned(),
        ]);
        same &= is_same;
    }
    same
}

/// What JSON lines tell. Live they begin with the number of the anomaly, which a backtest does not give.
fn read(lines: &str) -> Told {
    let mut told = Told::new();
    for line in lines.lines() {
        let verdict = line.split_once("\"series\":\"").map(|(_, verdict)| verdict);
        if let Some((series, verdict)) = verdict.and_then(|verdict| verdict.split_once('"')) {
            told.entry(series.to_owned()).or_default().push(verdict.to_owned());
        }
    }
    told
}
