//! `skyrelay backtest --graphite`: over what graphite-web and a relay itself answer, the verdicts are those over the files
//! and lines that they have.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    graphite_web::GraphiteWeb,
    skyrelay::{PROGRAM, Skyrelay},
    unix_now,
};
use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output},
};

/// Minutes of seven hours, of three series with a leap each, a hole, and a value without bounds.
const WRITE_FILES: &str = "
import sys, os, whisper
folder, now = sys.argv[1], int(sys.argv[2])
for number, name in enumerate(['shop/web1/load', 'shop/web2/load', 'shop/web2/cpu/idle']):
    path = os.path.join(folder, name + '.wsp')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    whisper.create(path, [(60, 1440), (600, 1440)])
    points = []
    for k in range(420, 0, -1):
        value = float('inf') if k == 300 + number else 900.5 if k == 40 + number else (k * k) % 53 + 0.125
        if not 100 < k < 110:
            points.append((now - 60 * k, value))
    whisper.update_many(path, points)
";

const CONFIG: &str = "
[detector.default]
kind = \"threshold\"
above = 50
for = \"0s\"
";

fn backtest(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .args(["backtest", "--every-sample", "--config"])
        .arg(config)
        .args(arguments);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    output
}

/// Verdicts of all samples, in an order of their own, and what the summary says of those that have none.
fn verdicts(output: &Output) -> (Vec<String>, Vec<String>) {
    let mut verdicts: Vec<_> = String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    verdicts.sort();
    let summary = String::from_utf8(output.stderr.clone()).unwrap();
    let not_analysed = summary.lines().filter(|line| line.contains("not analysed"));
    (verdicts, not_analysed.map(str::to_owned).collect())
}

fn config(folder: &Path) -> std::path::PathBuf {
    let config = folder.join("skyrelay.toml");
    fs::write(&config, CONFIG).unwrap();
    config
}

#[test]
fn over_graphite_web_the_verdicts_are_those_over_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let whisper = folder.path().join("whisper");
    let now = unix_now() / 60 * 60;
    let mut writer = Command::new("/usr/bin/python3");
    let written = writer
        .args(["-c", WRITE_FILES])
        .arg(&whisper)
        .arg(now.to_string())
        .output()
        .unwrap();
    assert!(written.status.success(), "{written:?}");
    let config = config(folder.path());
    let graphite = GraphiteWeb::start(folder.path());
    let url = format!("http://127.0.0.1:{}", graphite.port);

    let whole = |targets: &[&str]| {
        let mut arguments = vec!["--graphite", &url, "--from", "-8h"];
        for target in targets {
            arguments.extend(["--target", target]);
        }
        verdicts(&backtest(&config, &arguments))
    };
    let expected = verdicts(&backtest(&config, &["--from", "-8h", whisper.to_str().unwrap()]));
    assert_eq!(expected.0.len(), 3 * 410, "the values without bounds are none");
    assert_eq!(expected.1, ["  not analysed: 3 infinite"]);
    assert!(
        expected
            .0
            .iter()
            .any(|verdict| verdict.contains("900.5") && verdict.contains("\"anomalous\":true"))
    );
    assert_eq!(whole(&["**"]), expected);
    assert_eq!(whole(&["shop.*.load", "shop.web2.cpu.idle"]), expected);
    // What is a function is Graphite's to answer.
    let (sums, _) = whole(&["sumSeries(shop.*.load)"]);
    assert_eq!(sums.len(), 411 - 2, "two sums are without bounds");

    // A part of the time, and of the series.
    let (from, until) = ((now - 3600).to_string(), (now - 600).to_string());
    let part = |rest: &[&str]| {
        let mut arguments = vec!["--from", &from, "--until", &until];
        arguments.extend(rest);
        verdicts(&backtest(&config, &arguments))
    };
    let of_files = part(&[whisper.join("shop").to_str().unwrap()]);
    let (of_graphite, _) = part(&["--graphite", &url, "--target", "shop.**"]);
    assert_eq!(of_files.0.len(), 3 * 51);
    assert_eq!(
        of_graphite, of_files.0,
        "what lies below carbon's folder has the same names"
    );

    let output = Command::new(PROGRAM)
        .args(["backtest", "--graphite", &url, "--target", "shops.*.load"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let expected = format!("Graphite at {url} cannot be read: it has no series that matches shops.*.load\n");
    assert_eq!((output.status.code(), stderr), (Some(1), expected));
}

#[test]
fn over_a_relay_the_verdicts_are_those_over_the_lines_it_got() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let relay = Skyrelay::start(&[], "");
    let begin = unix_now() / 60 * 60 - 300 * 60;
    let mut lines = String::new();
    for minute in 0..300 {
        // More than one question, and more names than one answer of the tree has for a branch.
        for host in 0..25 {
            let value = (minute * 7 + host * 11) % 60;
            writeln!(lines, "hosts.h{host}.load {value} {}", begin + 60 * minute).unwrap();
        }
    }
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(25 * 300, &[]);
    let file = folder.path().join("lines");
    fs::write(&file, &lines).unwrap();
    let expected = verdicts(&backtest(&config, &[file.to_str().unwrap()]));
    assert_eq!(expected.0.len(), 25 * 300);
    let url = format!("http://127.0.0.1:{}", relay.http_port);
    let seen = verdicts(&backtest(
        &config,
        &["--graphite", &url, "--target", "hosts.*.load", "--from", "-6h"],
    ));
    assert_eq!(seen, expected);
}

#[test]
fn what_is_asked_wrongly_is_said_at_once() {
    let says = |arguments: &[&str], part: &str| {
        let output = Command::new(PROGRAM).arg("backtest").args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    };
    says(&["--graphite", "http://127.0.0.1:1"], "--target <GLOB>");
    says(&["--target", "a.*"], "--graphite <URL>");
    says(
        &["--graphite", "http://127.0.0.1:1", "--target", "a", "file"],
        "cannot be used with",
    );
    says(
        &["--graphite", "127.0.0.1:1", "--target", "a"],
        "expected where Graphite is",
    );
}
