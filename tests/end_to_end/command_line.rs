//! The command line: what it prints, and the exit code that scripts and service managers go by.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    net::{free_port, loopback},
    skyrelay::{Circumstances, PROGRAM, Skyrelay},
    wait_for,
};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// How a run has ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program to its end, with `input` on its standard input.
fn run_with(arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cargo has built it");
    let mut stdin = child.stdin.take().expect("piped");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that wants nothing from it may be gone already.
            let _ = stdin.write_all(input);
        });
        let output = child.wait_with_output().expect("our own child");
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    })
}

fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, b"")
}

/// Runs the program and expects this exit code; gives stdout and stderr.
#[track_caller]
fn exits(code: i32, arguments: &[&str]) -> (String, String) {
    let Ended {
        code: is,
        stdout,
        stderr,
    } = run(arguments);
    assert_eq!(is, Some(code), "{arguments:?}: {stdout}{stderr}");
    (stdout, stderr)
}

/// A file in a directory of its own.
fn file(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

/// A series at one sample a minute with a leap at its end.
fn leap() -> String {
    (0..1503).fold(String::new(), |mut lines, place| {
        let value = if place < 1500 { 10 + place * 7 % 13 } else { 900 };
        writeln!(lines, "a.b {value} {}", 1_700_000_000 + 60 * place).unwrap();
        lines
    })
}

#[test]
fn wrong_usage_exits_with_64_and_asking_for_help_with_0() {
    for arguments in [
        &["--nonsense"][..],
        &["nonsense"],
        &["check", "--config"],
        &["backtest", "--detector"],
        &["--config", "a", "check"],
    ] {
        let (stdout, stderr) = exits(64, arguments);
        assert!(
            stdout.is_empty() && stderr.starts_with("error: "),
            "{arguments:?}: {stderr}"
        );
    }
    let (help, _) = exits(0, &["--help"]);
    for command in ["run", "check", "backtest", "demo", "print-config"] {
        assert!(help.contains(command), "{help}");
    }
    let (version, _) = exits(0, &["--version"]);
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let (page, _) = exits(0, &["man", "silence", "add"]);
    assert!(
        page.contains(".TH SKYRELAY-SILENCE-ADD 8") && page.contains("preview"),
        "{page}"
    );
    let (_, stderr) = exits(64, &["man", "silence", "ad"]);
    assert_eq!(stderr, "there is no command `silence ad`\n");
}

#[test]
fn check_says_where_the_mistakes_are_and_exits_with_78() {
    let (_directory, path) = file(
        "bad.toml",
        b"[listen]\nmax_connections = 0\n\n[window]\nspam = \"24h\"\n",
    );
    let (stdout, stderr) = exits(78, &["check", "--config", text(&path)]);
    assert!(stdout.is_empty(), "{stdout}");
    for place in [
        format!("{}:2:19: ", path.display()),
        format!("{}:5:1: ", path.display()),
    ] {
        assert!(
            stderr.lines().any(|line| line.starts_with(&place)),
            "no {place}: {stderr}"
        );
    }
    for command in ["run", "print-config", "demo", "backtest"] {
        assert_eq!(
            exits(78, &[command, "--config", text(&path)]).1,
            stderr,
            "{command} says the same"
        );
    }
    let (_directory, path) = file("torn.toml", b"[listen\n");
    let (_, stderr) = exits(78, &["check", "--config", text(&path)]);
    assert!(stderr.starts_with(&format!("{}:1:", path.display())), "{stderr}");
    let (_, stderr) = exits(78, &["check", "--config", "/nonexistent/skyrelay.toml"]);
    assert!(
        stderr.contains("/nonexistent/skyrelay.toml") && stderr.lines().count() == 1,
        "{stderr}"
    );
}

#[test]
fn check_accepts_the_defaults_and_the_example_and_says_that_they_forward_nothing() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/skyrelay.toml");
    let idle = "warning: there is no [[forward]]: lines are analysed and go nowhere\n".to_owned();
    for arguments in [&["check"][..], &["check", "--config", text(&example)]] {
        assert_eq!(exits(0, arguments), (String::new(), idle.clone()), "{arguments:?}");
    }
}

#[test]
fn what_a_relay_would_miss_at_the_first_alarm_is_a_warning_before() {
    let settings = "[snapshot]\nfile = \"/none/snapshot\"\n[notify.hook]\nkind = \"webhook\"\nurl_file = \"/none/url\"\n\
                    [notify.log]\nkind = \"json-lines\"\npath = \"/none/anomalies.json\"\n";
    let expected = [
        "snapshot.file: /none: No such file",
        "notify.hook: the secret in /none/url: No such file",
        "notify.log: /none: No such file",
    ];
    let (_directory, path) = file("missing.toml", settings.as_bytes());
    let (_, stderr) = exits(0, &["check", "--config", text(&path)]);
    for part in expected {
        assert!(stderr.contains(&format!("warning: {part}")), "{stderr}");
    }
    let relay = Skyrelay::start(&[], settings);
    let tells = |times: usize| {
        wait_for("warnings in the log", Duration::from_secs(10), || {
            let log = relay.stderr();
            let told = |part: &&str| {
                log.iter()
                    .filter(|line| line.contains("WARN") && line.contains(*part))
                    .count()
            };
            if expected.iter().all(|part| told(part) == times) {
                Ok(())
            } else {
                Err(log.join("\n"))
            }
        });
    };
    tells(1);
    let (status, answer) = relay.reload();
    assert!(
        status == 200 && expected.iter().all(|part| answer.to_string().contains(part)),
        "{answer}"
    );
    tells(2);
}

#[test]
fn a_detector_that_nothing_names_is_a_warning_and_no_mistake() {
    let idle = "[detector.idle]\nkind = \"skyline\"\n";
    let watch = "[[watch]]\nmatch = [\"**\"]\ndetectors = [\"default\"]\n";
    let forward = "[[forward]]\nname = \"carbon\"\naddress = \"127.0.0.1:2103\"\n";
    let (_directory, path) = file("idle.toml", format!("{idle}{watch}{forward}").as_bytes());
    let (stdout, stderr) = exits(0, &["check", "--config", text(&path)]);
    let said =
        "1:1: nothing names the detector `idle`: it judges no series until a [[watch]] has it in its `detectors`";
    let expected = format!("warning: {}:{said}\n", path.display());
    assert_eq!((stdout.as_str(), stderr), ("", expected));
    let relay = Skyrelay::start(&[], &format!("{watch}{idle}"));
    let tells = |times: usize| {
        let message = said.strip_prefix("1:1").unwrap();
        wait_for("a warning in the log", Duration::from_secs(10), || {
            let log = relay.stderr();
            let lines = log
                .iter()
                .filter(|line| line.contains("WARN") && line.contains(message));
            if lines.count() == times {
                Ok(())
            } else {
                Err(log.join("\n"))
            }
        });
    };
    tells(1);
    let (status, answer) = relay.reload();
    assert_eq!(status, 200, "{answer}");
    tells(2);
}

#[test]
fn what_print_config_prints_is_the_same_configuration() {
    let config = b"[listen]\ntcp = [\"127.0.0.1:1234\"]\nidle_timeout = \"90s\"\n[[forward]]\naddress = \"carbon:2103\"\n\
        [detector.own]\nkind = \"skyline\"\nconsensus = 2\nalgorithms = [\"grubbs\", \"ks_test\"]\n[detector.own.grubbs]\nalpha = 0.01\n";
    let (_directory, path) = file("own.toml", config);
    for arguments in [&["print-config"][..], &["print-config", "--config", text(&path)]] {
        let (printed, stderr) = exits(0, arguments);
        assert_eq!(stderr, "");
        let (_directory, again) = file("printed.toml", printed.as_bytes());
        exits(0, &["check", "--config", text(&again)]);
        assert_eq!(exits(0, &["print-config", "--config", text(&again)]).0, printed);
    }
    let (printed, _) = exits(0, &["print-config", "--config", text(&path)]);
    for kept in ["127.0.0.1:1234", "\"90s\"", "carbon:2103", "alpha = 0.01"] {
        assert!(printed.contains(kept), "no {kept}: {printed}");
    }
}

#[test]
fn a_port_that_is_taken_is_one_sentence_that_says_what_to_do() {
    let taken = loopback(free_port());
    let _holder = TcpListener::bind(taken).unwrap();
    let free = loopback(free_port());
    let limits = "max_connections = 10\n";
    let config = format!("[listen]\ntcp = [\"{taken}\"]\nudp = []\n{limits}[http]\nlisten = \"{free}\"\n");
    let (_directory, path) = file("taken.toml", config.as_bytes());
    for arguments in [&["run", "--config", text(&path)], &["demo", "--config", text(&path)]] {
        let (stdout, stderr) = exits(1, arguments);
        assert_eq!(stdout, "");
        let expected = format!(
            "{taken} (TCP) is taken, perhaps by carbon-cache: move it to 2103 and forward to it there, see README\n"
        );
        assert_eq!(stderr, expected);
    }
    let config = format!("[listen]\ntcp = [\"{free}\"]\nudp = []\n{limits}[http]\nlisten = \"{taken}\"\n");
    let (_directory, path) = file("taken.toml", config.as_bytes());
    let (_, stderr) = exits(1, &["--config", text(&path)]);
    assert_eq!(
        stderr,
        format!("{taken} (HTTP) is taken: set another address under [http]\n")
    );
}

#[test]
fn a_backtest_reads_files_packed_ones_and_standard_input_alike() {
    let lines = leap();
    let (_directory, plain) = file("leap.lines", lines.as_bytes());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let (_directory, packed) = file("leap.GZ", &gzip);
    let (expected, summary) = exits(0, &["backtest", text(&plain)]);
    let verdict: Value = serde_json::from_str(&expected).expect("one verdict");
    assert_eq!((&verdict["series"], &verdict["value"]), (&"a.b".into(), &900.0.into()));
    assert!(verdict["anomalous"] == true && verdict["alert"] == true, "{verdict}");
    assert!(
        verdict["votes"]["spike"]["vote"] == true && verdict["upper"].as_f64() < Some(900.0),
        "{verdict}"
    );
    assert!(summary.starts_with("1503 lines of 1 series in "), "{summary}");
    assert!(
        summary.ends_with("  default: 1 anomaly\n  1 open at the end\n"),
        "{summary}"
    );

    assert_eq!(exits(0, &["backtest", text(&packed)]).0, expected);
    for arguments in [&["backtest"][..], &["backtest", "-"]] {
        for input in [lines.as_bytes(), &gzip] {
            let ended = run_with(arguments, input);
            assert_eq!((ended.code, &ended.stdout), (Some(0), &expected), "{}", ended.stderr);
        }
    }
    let halves = lines.split_at(lines[..lines.len() / 2].rfind('\n').expect("there are many lines") + 1);
    let (_directory, first) = file("first", halves.0.as_bytes());
    let ended = run_with(&["backtest", text(&first), "-"], halves.1.as_bytes());
    assert_eq!(ended.stdout, expected, "one input behind the other: {}", ended.stderr);
}

#[test]
fn a_backtest_shows_every_sample_on_request_and_judges_by_the_detector_it_is_told() {
    let (_directory, lines) = file("leap", leap().as_bytes());
    let (_directory, config) = file(
        "two.toml",
        b"[detector.keen]\nkind = \"skyline\"\nconsensus = 1\nalgorithms = [\"grubbs\"]\n\
          [[watch]]\nmatch = [\"other.**\"]\ndetectors = [\"default\"]\n",
    );
    let common = ["backtest", "--config", text(&config)];
    let (nothing, summary) = exits(0, &[&common[..], &[text(&lines)]].concat());
    assert_eq!(nothing, "", "no watch matches");
    assert!(summary.contains("not analysed: 1503 unwatched"), "{summary}");
    let (all, _) = exits(
        0,
        &[&common[..], &["--detector", "keen", "--every-sample", text(&lines)]].concat(),
    );
    let verdicts: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts.len(), 1503);
    assert!(
        verdicts
            .iter()
            .all(|verdict| verdict["detector"] == "keen" && verdict["votes"]["grubbs"].is_object())
    );
    let times = verdicts.iter().map(|verdict| verdict["timestamp"].as_i64().unwrap());
    assert!(times.eq((0..1503).map(|place| 1_700_000_000 + 60 * place)), "in order");
    assert!(verdicts.iter().filter(|verdict| verdict["alert"] == true).count() >= 1);

    let (stdout, stderr) = exits(78, &[&common[..], &["--detector", "kean", text(&lines)]].concat());
    assert_eq!(stdout, "");
    assert!(stderr.contains("\"kean\"") && stderr.contains("keen"), "{stderr}");
}

#[test]
fn a_backtest_of_what_cannot_be_read_exits_with_1() {
    let (_, stderr) = exits(1, &["backtest", "/nonexistent/lines"]);
    assert!(stderr.starts_with("/nonexistent/lines cannot be read: "), "{stderr}");
    let (_directory, torn) = file("torn.gz", b"\x1f\x8b\x08 and no more");
    let (_, stderr) = exits(1, &["backtest", text(&torn)]);
    assert!(
        stderr.starts_with(&format!("{} cannot be read: ", torn.display())),
        "{stderr}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_backtest_in_peace() {
    let (_directory, lines) = file("leap", leap().as_bytes());
    let mut child = Command::new(PROGRAM)
        .args(["backtest", "--every-sample", text(&lines)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.starts_with('{'), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn the_demonstration_shows_an_open_anomaly_within_a_minute() {
    let circumstances = Circumstances {
        command: Some("demo"),
        ..Circumstances::default()
    };
    let relay = Skyrelay::start_under(circumstances, &[], "");
    let found = wait_for("open anomaly", Duration::from_secs(60), || {
        let answer = relay.api("/api/v1/anomalies");
        match answer["anomalies"][0].clone() {
            Value::Null => Err(answer.to_string()),
            anomaly => Ok(anomaly),
        }
    });
    assert_eq!(found["state"], "open", "{found}");
    assert!(
        found["series"]
            .as_str()
            .is_some_and(|name| name.starts_with("demo.web")),
        "{found}"
    );
}
