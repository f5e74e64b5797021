//! `skyrelay backtest` over what Graphite has on disk, and over two configurations.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{process::find_peer, skyrelay::PROGRAM, unix_now};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

/// Ten seconds for an hour, and minutes for six: written to for three hours, with a hole.
const WRITE_FILE: &str = "
import sys, whisper
path, now = sys.argv[1], int(sys.argv[2])
whisper.create(path, [(10, 360), (60, 360)])
points = [(now - 10 * k, (k * k) % 53 + 0.125) for k in range(1080, 0, -1) if not 100 < k < 140]
for start in range(0, len(points), 100):
    for point in points[start:start + 100]:
        whisper.update(path, point[1], point[0], now=point[0])
";

/// Values with six digits behind the point: whisper-fetch prints no more.
type Points = BTreeMap<i64, String>;

fn six_digits(value: f64) -> String {
    format!("{value:.6}")
}

fn backtest(arguments: &[&str]) -> Output {
    let output = Command::new(PROGRAM).arg("backtest").args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    output
}

/// The points that were judged, of each series.
fn judged(arguments: &[&str]) -> BTreeMap<String, Points> {
    let mut all = BTreeMap::<String, Points>::new();
    let output = backtest(arguments);
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let verdict: serde_json::Value = serde_json::from_str(line).unwrap();
        let series = verdict["series"].as_str().unwrap().to_owned();
        let point = (
            verdict["timestamp"].as_i64().unwrap(),
            six_digits(verdict["value"].as_f64().unwrap()),
        );
        all.entry(series).or_default().extend([point]);
    }
    all
}

/// What Debian's whisper-fetch prints.
fn fetched(file: &Path, from: u64, until: u64) -> Points {
    let mut command = Command::new(find_peer("whisper-fetch"));
    let output = command
        .args([format!("--from={from}"), format!("--until={until}")])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let points = text.lines().filter_map(|line| {
        let (timestamp, value) = line.split_once('\t').unwrap();
        Some((timestamp.parse().unwrap(), six_digits(value.parse().ok()?)))
    });
    points.collect()
}

#[test]
fn whisper_files_are_read_as_whisper_fetch_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("servers/web1/load.wsp");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let now = unix_now() / 60 * 60;
    let mut writer = Command::new("/usr/bin/python3");
    let written = writer
        .args(["-c", WRITE_FILE])
        .arg(&file)
        .arg(now.to_string())
        .output()
        .unwrap();
    assert!(written.status.success(), "{written:?}");

    // A little less than the hour that there is: time goes on, and behind that hour whisper-fetch takes the other archive.
    let finest = fetched(&file, now - 3000, now);
    assert!(finest.len() > 250, "{}", finest.len());
    let path = folder.path().to_str().unwrap();
    let ours = judged(&["--every-sample", path]);
    assert_eq!(ours.keys().collect::<Vec<_>>(), ["servers.web1.load"]);
    let late = |points: &Points, from: u64| -> Points {
        let is_late = |&(&timestamp, _): &(&i64, &String)| timestamp > from.cast_signed();
        points
            .iter()
            .filter(is_late)
            .map(|(&timestamp, value)| (timestamp, value.clone()))
            .collect()
    };
    assert_eq!(late(&ours["servers.web1.load"], now - 3000), finest);

    let coarse = fetched(&file, now - 21_000, now);
    let ours = judged(&["--every-sample", "--step", "60", file.to_str().unwrap()]);
    assert_eq!(ours["load"], coarse);
    let from = (now - 600).to_string();
    let ours = judged(&["--every-sample", "--from", &from, "--until", "now", path]);
    assert_eq!(ours["servers.web1.load"], late(&finest, now - 601));
}

#[test]
fn two_configurations_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let row = |number: u64| {
        let value = if number % 100 == 50 { 70 + number / 10 } else { 10 };
        format!("{},{value}\n", 1_700_000_000 + 60 * number)
    };
    let table = write("queue.csv", &(0..300).map(row).collect::<String>());
    let threshold = |above: u32| {
        format!(
            "[detector.limit]\nkind = \"threshold\"\nabove = {above}\n[[watch]]\nmatch = [\"**\"]\ndetectors = [\"limit\"]\n"
        )
    };
    let (old, new) = (write("old.toml", &threshold(90)), write("new.toml", &threshold(60)));
    let output = backtest(&["--config", &new, "--against", &old, &table]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("       3        1  limit on **\n"), "{text}");
    assert!(
        text.contains(&format!("2 with {new} alone\n+ 2023-11-14T23:03:20Z queue limit: ")),
        "{text}"
    );
    assert!(text.contains(&format!("0 with {old} alone\n")), "{text}");
    // What was not judged is told here, too.
    let nothing = write("nothing.toml", "[[watch]]\nmatch = [\"**\"]\ndetectors = []\n");
    write("notes.txt", "");
    let folder_of_it = folder.path().to_str().unwrap();
    let output = backtest(&["--config", &new, "--against", &nothing, folder_of_it]);
    let seen = String::from_utf8(output.stderr).unwrap();
    for line in [
        "300 lines of 1 series in ".to_owned(),
        "\n  a point every 60 s\n".to_owned(),
        format!("\n  300 samples analysed with {new}\n"),
        format!("\n  0 samples analysed with {nothing}\n    not analysed: 300 unwatched\n"),
        "\n  4 files or series were passed over\n".to_owned(),
        "notes.txt: it ends neither in .wsp nor in .csv\n".to_owned(),
    ] {
        assert!(seen.contains(&line), "{line}: {seen}");
    }

    let wrong = Command::new(PROGRAM)
        .args(["backtest", "--against", &table, &table])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(78), "{wrong:?}");
    let wrong = Command::new(PROGRAM)
        .args(["backtest", "--from", "soon", &table])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(64), "{wrong:?}");
    let refused = |arguments: &[&str], code: i32, why: &str| {
        let wrong = Command::new(PROGRAM).arg("backtest").args(arguments).output().unwrap();
        assert_eq!(wrong.status.code(), Some(code), "{arguments:?}: {wrong:?}");
        let stderr = String::from_utf8(wrong.stderr).unwrap();
        assert!(stderr.ends_with(&format!("{why}\n")), "{arguments:?}: {stderr}");
    };
    let late = ["--from", "-1d", "--until", "-2d", &table];
    refused(&late, 64, "--from is later than --until");
    // A folder in which there is nothing, or nothing of that time, is most likely not the one that was meant.
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    refused(&[empty.to_str().unwrap()], 1, "there was nothing to judge");
    refused(&["--from", "-1d", &table], 1, "there was nothing to judge");
    refused(
        &["--graphite", "127.0.0.1:8080", "--target", "a"],
        64,
        "--graphite 127.0.0.1:8080: expected where Graphite is, such as http://graphite.example:8080",
    );
    // Rather than judge all of them.
    let lines = folder.path().join("lines");
    fs::write(&lines, "a 1 1700000000\n").unwrap();
    let wrong = Command::new(PROGRAM)
        .args(["backtest", "--from", "-7d"])
        .arg(&lines)
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(64), "{wrong:?}");
    assert!(
        String::from_utf8(wrong.stderr)
            .unwrap()
            .contains("carbon lines are judged as they come")
    );
}

/// Runs a backtest of `input` on a terminal, whose output is given back, or with `stderr` in a file.
fn on_a_terminal(input: &Path, redirection: &str) -> String {
    let command = format!("{PROGRAM} backtest '{}' {redirection}", input.display());
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_terminal_sees_how_far_it_is_and_nobody_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let tables = folder.path().join("tables");
    fs::create_dir(&tables).unwrap();
    for table in 0..4 {
        let row = |minute: i64| format!("{},{}\n", 1_700_000_000 + 60 * minute, (minute * 7919) % 13);
        let mut rows: String = (0..20_000).map(row).collect();
        rows += "1701200000,900\n";
        fs::write(tables.join(format!("t{table}.csv")), rows).unwrap();
    }
    let lines = folder.path().join("lines");
    let line = |minute: i64| format!("a.b {} {}\n", (minute * 7919) % 13, 1_700_000_000 + 60 * minute);
    fs::write(
        &lines,
        (0..80_000).map(line).collect::<String>() + "a.b 900 1704800000\n",
    )
    .unwrap();
    for (input, opened) in [(&tables, 4), (&lines, 1)] {
        let seen = on_a_terminal(input, "");
        assert!(seen.contains("judging") && seen.contains(" %, "), "{seen:?}");
        assert!(seen.contains(" lines, ") && seen.contains(" left"), "{seen:?}");
        // Verdicts and the summary have lines of their own, which begin at the left.
        let verdicts = seen.split('\n').filter(|line| line.contains("{\"series\":"));
        assert_eq!(verdicts.clone().count(), opened, "{seen:?}");
        for verdict in verdicts {
            let json = &verdict[verdict.find('{').unwrap()..=verdict.rfind('}').unwrap()];
            serde_json::from_str::<serde_json::Value>(json).unwrap();
        }
        assert!(seen.contains("samples analysed"), "{seen:?}");
        let quiet = on_a_terminal(input, "2>/dev/null");
        assert!(!quiet.contains("judging") && !quiet.contains('\x1b'), "{quiet:?}");
        let output = backtest(&[input.to_str().unwrap()]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            !stderr.contains("judging") && !stderr.contains('\r') && !stderr.contains('\x1b'),
            "{stderr:?}"
        );
    }
}

#[test]
fn a_watch_that_no_series_went_by_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (config, lines) = (folder.path().join("some.toml"), folder.path().join("lines"));
    let watch =
        |pattern: &str, detectors: &str| format!("[[watch]]\nmatch = [\"{pattern}\"]\ndetectors = [{detectors}]\n");
    let settings = watch("servers.*.load", "\"default\"") + &watch("test.**", "") + &watch("shop.**", "\"default\"");
    fs::write(&config, settings).unwrap();
    // web1 falls silent and is given up.
    let text = "servers.web1.load 1 1700000000\ntest.web1.load 1 1700000000\nother 1 1700000000\nother 1 1700600000\n";
    fs::write(&lines, text).unwrap();
    let output = backtest(&["--config", config.to_str().unwrap(), lines.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    let named: Vec<_> = said.lines().filter(|line| line.contains("no series went by")).collect();
    assert_eq!(named, ["  no series went by the watch on shop.**"], "{said}");
}
