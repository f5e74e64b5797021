//! The history of anomalies on disk: what has opened and closed is found again, over HTTP and from the command line, after
//! restarts and kills, within its bounds, and with a disk that is full.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::{
    faults::disk::SmallDisk,
    harness::{
        SOON,
        net::{free_port, http_ask, http_get, url_encoded},
        sink::Sink,
        skyrelay::{PROGRAM, Skyrelay},
        unix_now, wait_for,
    },
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::Write,
    path::Path,
    process::{Command, Output},
};

/// Values above 100 are odd to one detector, those above 200 to both.
const DETECTORS: &str = r#"
[detector.default]
kind = "threshold"
above = 100
[detector.far]
kind = "threshold"
above = 200
severity = "critical"
[[watch]]
match = ["**"]
detectors = ["default", "far"]
"#;

fn settings(directory: &Path, more: &str) -> String {
    format!(
        "{DETECTORS}\n[history]\ndirectory = \"{}\"\n{more}\n",
        directory.display()
    )
}

/// Waits until so many records are written.
#[track_caller]
fn wait_for_records(relay: &Skyrelay, records: u64) {
    wait_for("records", SOON, || {
        match relay.metrics().sum("skyrelay_history_records_total", &[]) {
            is if is == records => Ok(()),
            is => Err(format!("{is} of {records}")),
        }
    });
}

/// What `/api/v1/history` answers, once the history has been read.
#[track_caller]
fn history(relay: &Skyrelay, query: &str) -> Value {
    wait_for("history", SOON, || {
        let (status, text) = http_get(relay.http_port, &format!("/api/v1/history{query}"))?;
        if status == 503 {
            return Err(text);
        }
        assert_eq!(status, 200, "{query}: {text}");
        Ok(serde_json::from_str(&text).unwrap())
    })
}

/// Series, detector and state of what was found.
fn short(answer: &Value) -> Vec<String> {
    let text = |anomaly: &Value, key: &str| anomaly[key].as_str().unwrap().to_owned();
    let anomalies = answer["anomalies"].as_array().unwrap().iter();
    anomalies
        .map(|one| {
            format!(
                "{} {} {}",
                text(one, "series"),
                text(one, "detector"),
                text(one, "state")
            )
        })
        .collect()
}

fn ids(answer: &Value) -> Vec<u64> {
    let anomalies = answer["anomalies"].as_array().unwrap().iter();
    anomalies.map(|one| one["id"].as_u64().unwrap()).collect()
}

#[test]
fn what_was_is_found_after_an_end_in_good_order_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("history");
    let mut relay = Skyrelay::start(&[], &settings(&directory, ""));
    relay.judge(
        600,
        &[("a.b", 1), ("a.b", 150), ("a.b", 1), ("c", 250), ("c", 1), ("a.b", 300)],
    );
    wait_for_records(&relay, 8);
    let before = history(&relay, "");
    let expected = [
        "a.b far open",
        "a.b default open",
        "c far closed",
        "c default closed",
        "a.b default closed",
    ];
    let shown: BTreeSet<String> = short(&before).into_iter().collect();
    assert_eq!(shown, expected.map(str::to_owned).into(), "{before}");
    assert_eq!((&before["source"], &before["next"]), (&json!("disk"), &Value::Null));
    assert_eq!(before["looked_at"], 8);
    // They are told as elsewhere.
    let remembered = relay.api("/api/v1/anomalies?state=closed&match=a.b");
    let found = history(&relay, "?match=a.b");
    assert_eq!(found["anomalies"][2], remembered["anomalies"][0]);

    assert!(relay.terminate(SOON).success());
    relay.start_again();
    let after = history(&relay, "");
    assert_eq!(ids(&after), ids(&before));
    // Without a snapshot nobody knows of what was open, and nobody has seen its end.
    let states: Vec<_> = short(&after)
        .into_iter()
        .filter(|shown| shown.contains("open"))
        .collect();
    assert_eq!(states, [""; 0]);
    let unended = &history(&relay, "?match=a.b&detector=far")["anomalies"][0];
    assert_eq!((&unended["state"], unended.get("closed_at")), (&json!("closed"), None));

    // What was open when it was killed is there as well; and no number comes twice.
    relay.judge(300, &[("d", 1), ("d", 150)]);
    wait_for_records(&relay, 1);
    relay.kill();
    relay.start_again();
    let killed = history(&relay, "");
    assert_eq!(short(&killed)[0], "d default closed");
    assert_eq!(ids(&killed)[1..], ids(&before));
    relay.judge(200, &[("e", 1), ("e", 150), ("e", 1)]);
    wait_for_records(&relay, 2);
    let all = ids(&history(&relay, ""));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 7, "{all:?}");
}

#[test]
fn what_a_snapshot_brings_back_is_in_the_history_once() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = format!(
        "[snapshot]\nfile = \"{}\"\nevery = \"off\"\n",
        folder.path().join("snapshot").display()
    );
    let mut relay = Skyrelay::start(&[], &settings(&folder.path().join("history"), &snapshot));
    relay.judge(600, &[("stays", 1), ("stays", 150), ("closes", 1), ("closes", 150)]);
    wait_for_records(&relay, 2);
    relay.ask_for_snapshot();
    wait_for("snapshot", SOON, || {
        match relay.metrics().sum("skyrelay_snapshot_series", &[]) {
            2 => Ok(()),
            other => Err(format!("{other} series")),
        }
    });
    // This comes after the snapshot, which knows it as open.
    relay.judge(500, &[("closes", 1)]);
    wait_for_records(&relay, 3);
    let before = history(&relay, "");
    assert_eq!(short(&before), ["closes default closed", "stays default open"]);
    relay.kill();
    relay.start_again();
    wait_for_records(&relay, 1);
    let after = history(&relay, "");
    assert_eq!(short(&after), ["closes default open", "stays default open"], "{after}");
    assert_eq!(ids(&after), ids(&before));
    // And now it closes once more, and stays so.
    relay.judge(400, &[("closes", 1)]);
    wait_for_records(&relay, 2);
    relay.judge(300, &[("stays", 1)]);
    wait_for_records(&relay, 3);
    for _ in 0..2 {
        let closed = history(&relay, "");
        assert_eq!(short(&closed), ["stays default closed", "closes default closed"]);
        let mut numbers = ids(&closed);
        numbers.reverse();
        assert_eq!(numbers, ids(&before));
        assert!(relay.terminate(SOON).success());
        relay.start_again();
    }
}

#[test]
fn a_search_finds_what_a_plain_filter_over_all_finds() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Skyrelay::start(&[], &settings(&folder.path().join("history"), ""));
    let begins = unix_now() - 3000;
    let mut lines = String::new();
    let names = [
        "servers.web1.load",
        "servers.web2.load",
        "<script>alert(1)</script>",
        "\u{202e}gnp.exe",
        "a;b=c d",
    ];
    let names: Vec<String> = names.iter().map(|name| name.replace(' ', "_")).collect();
    for second in 0..800_u64 {
        let name = &names[usize::try_from(second).unwrap() % names.len()];
        let value = [1, 150, 250, 1, 150][usize::try_from(second / 5 % 5).unwrap()];
        writeln!(lines, "{name} {value} {}", begins + second).unwrap();
    }
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(800, &[]);
    // In each turn one detector finds two anomalies and the other one; the last of the first goes on.
    let (opened, closed) = (5 * 32 * 3, 5 * 32 * 3 - 5);
    wait_for_records(&relay, opened + closed);
    let everything = history(&relay, "?limit=1000");
    let all = everything["anomalies"].as_array().unwrap();
    assert_eq!(all.len() as u64, opened);

    for (query, is_wanted) in filters(&names, begins + 400) {
        let expected: Vec<&Value> = all.iter().filter(|one| is_wanted(one)).collect();
        let answer = history(&relay, &format!("?limit=1000&{query}"));
        assert_eq!(
            answer["anomalies"].as_array().unwrap().iter().collect::<Vec<_>>(),
            expected,
            "{query}"
        );
        // The same, seven at a time.
        let (mut pages, mut before) = (Vec::new(), String::new());
        loop {
            let page = history(&relay, &format!("?limit=7&{query}{before}"));
            pages.extend(page["anomalies"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { break };
            before = format!("&before={next}");
        }
        assert_eq!(pages.iter().collect::<Vec<_>>(), expected, "{query}, page by page");
    }
    from_the_command_line(&relay, &folder.path().join("history"), all);
}

/// What can be asked for, and the plain way to find it.
type Filter<'a> = (String, Box<dyn Fn(&Value) -> bool + 'a>);

fn filters(names: &[String], middle: u64) -> Vec<Filter<'_>> {
    let number = |anomaly: &Value, key: &str| anomaly[key].as_u64();
    vec![
        (
            "match=servers.*.load".to_owned(),
            Box::new(move |one| one["series"].as_str().unwrap().starts_with("servers.")),
        ),
        ("detector=far".to_owned(), Box::new(move |one| one["detector"] == "far")),
        (
            format!("from={middle}"),
            Box::new(move |one| number(one, "closed_at").is_none_or(|at| at >= middle)),
        ),
        (
            format!("until={middle}"),
            Box::new(move |one| number(one, "opened_at").unwrap() <= middle),
        ),
        (
            format!("from={middle}&until={middle}&detector=default&match=**web1**"),
            Box::new(move |one| {
                number(one, "opened_at").unwrap() <= middle
                    && number(one, "closed_at").is_none_or(|at| at >= middle)
                    && one["detector"] == "default"
                    && one["series"] == "servers.web1.load"
            }),
        ),
        (
            format!("match={}", url_encoded(&names[3])),
            Box::new(move |one| one["series"] == *names[3]),
        ),
        (
            format!("match={}", url_encoded(&names[2])),
            Box::new(move |one| one["series"] == *names[2]),
        ),
        ("match=nothing.**".to_owned(), Box::new(|_| false)),
        ("detector=nobody".to_owned(), Box::new(|_| false)),
    ]
}

/// What `skyrelay history` shows, which asks the relay, or reads the files without it.
fn from_the_command_line(relay: &Skyrelay, directory: &Path, all: &[Value]) {
    let url = format!("http://127.0.0.1:{}", relay.http_port);
    let directory = directory.to_str().unwrap();
    for source in [["--url", &url], ["--directory", directory]] {
        let output = run(&[
            "history",
            "servers.**",
            "--detector",
            "far",
            "--limit",
            "5000",
            "--json",
            source[0],
            source[1],
        ]);
        assert!(output.status.success(), "{output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let is_wanted =
            |one: &&Value| one["detector"] == "far" && one["series"].as_str().unwrap().starts_with("servers.");
        let expected: Vec<&Value> = all.iter().filter(is_wanted).collect();
        assert_eq!(
            answer["anomalies"].as_array().unwrap().iter().collect::<Vec<_>>(),
            expected
        );
        let output = run(&["history", "--limit", "12", source[0], source[1]]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 12, "{text}");
        let output = run(&["history", "<script>**", source[0], source[1]]);
        let named = String::from_utf8(output.stdout).unwrap();
        let row = named.lines().next().unwrap();
        assert!(row.contains("\t<script>alert(1)</script>\t"), "{row}");
        assert!((text + &named).is_ascii());
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

#[test]
fn what_is_wrongly_asked_is_refused_and_without_a_history_memory_answers() {
    let folder = tempfile::tempdir().unwrap();
    let with = Skyrelay::start(&[], &settings(&folder.path().join("history"), ""));
    let without = Skyrelay::start(&[], DETECTORS);
    history(&with, "");
    for (query, why) in [
        ("limit=0", "limit: expected 1 to 1000"),
        ("limit=1001", "limit: expected 1 to 1000"),
        ("limit=many", "limit"),
        ("match=", "match: the pattern is empty"),
        ("match=[", "match: `[` is opened but not closed"),
        ("from=yesterday", "from"),
        ("from=20&until=10", "from: 20 is later than until, 10"),
        ("before=nowhere", "before: \"nowhere\" is no place"),
        ("before=-1", "before: "),
        ("after=1", "unknown field"),
    ] {
        for relay in [&with, &without] {
            let (status, text) = http_get(relay.http_port, &format!("/api/v1/history?{query}")).unwrap();
            let refused: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(status, 400, "{query}: {text}");
            assert!(refused["error"].as_str().unwrap().contains(why), "{query}: {text}");
        }
    }
    for (relay, place) in [(&with, "memory-7"), (&without, "1-7")] {
        let (status, text) = http_get(relay.http_port, &format!("/api/v1/history?before={place}")).unwrap();
        assert_eq!(status, 400, "{text}");
    }
    let lines: Vec<_> = (0..30)
        .map(|place| ("a.b", if place % 3 == 0 { 150 } else { 1 }))
        .collect();
    without.judge(600, &lines);
    let all = wait_for("ends", SOON, || {
        let all = history(&without, "");
        (all["anomalies"][0]["state"] == "closed")
            .then_some(all.clone())
            .ok_or(all.to_string())
    });
    assert_eq!((&all["source"], ids(&all).len()), (&json!("memory"), 10));
    let first = history(&without, "?limit=4");
    let second = history(
        &without,
        &format!("?limit=100&before={}", first["next"].as_str().unwrap()),
    );
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&all));
    assert_eq!(second["next"], Value::Null);
    let output = run(&["history", "--url", &format!("http://127.0.0.1:{}", without.http_port)]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no history is kept on disk"), "{said}");
}

#[test]
fn what_people_have_said_is_there_as_it_was_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Skyrelay::start(&[], &settings(&folder.path().join("history"), ""));
    relay.judge(600, &[("a.b", 1), ("a.b", 150), ("c", 1), ("c", 150)]);
    wait_for_records(&relay, 2);
    let found = history(&relay, "?match=a.b");
    let ask = |method: &str, path: &str, body: &Value| {
        let headers = [("Content-Type", "application/json")];
        let (status, text) = http_ask(relay.http_port, method, path, &headers, &body.to_string()).unwrap();
        assert!(status < 300, "{status} {text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let acknowledge = format!("/api/v1/anomalies/{}/acknowledge", ids(&found)[0]);
    ask("POST", &acknowledge, &json!({"author": "ann", "reason": "disks"}));
    let silence = json!({"match": ["c"], "for": "1h", "author": "bob", "reason": "test"});
    let silence = ask("POST", "/api/v1/silences", &silence);
    relay.judge(500, &[("a.b", 1), ("c", 1)]);
    wait_for_records(&relay, 4);
    ask(
        "DELETE",
        &format!("/api/v1/silences/{}", silence["id"].as_str().unwrap()),
        &Value::Null,
    );
    let found = |series: &str| history(&relay, &format!("?match={series}"))["anomalies"][0].clone();
    assert_eq!(found("c")["silenced"], json!([silence["id"]]));
    assert_eq!(found("a.b")["acknowledged"]["author"], "ann");
    assert!(found("a.b").get("silenced").is_none(), "{}", found("a.b"));
}

#[test]
fn it_is_bounded_and_the_bounds_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("history");
    let relay = Skyrelay::start(&[], &settings(&directory, "max_bytes = \"1 MiB\""));
    let size = || -> u64 {
        let files = fs::read_dir(&directory).unwrap();
        // One may go while it is looked at.
        files
            .filter_map(|file| file.ok()?.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    };
    let mut sender = relay.connect();
    let begins = unix_now() - 3600;
    let mut records = 0;
    for round in 0..10 {
        let mut lines = String::new();
        for place in 0..200 {
            for (step, value) in [(0, 250), (1, 1)] {
                writeln!(
                    lines,
                    "{}.{place} {value} {}",
                    "long".repeat(50),
                    begins + 2 * round + step
                )
                .unwrap();
            }
        }
        sender.write_all(lines.as_bytes()).unwrap();
        records += 800;
        wait_for_records(&relay, records);
        assert!(size() <= 1 << 20, "{}", size());
    }
    let metrics = relay.metrics();
    assert!(metrics.sum("skyrelay_history_segments_removed_total", &[]) > 10);
    assert_eq!(metrics.sum("skyrelay_history_bytes", &[]), size());
    assert_eq!(metrics.sum("skyrelay_history_dropped_total", &[]), 0);
    assert!(size() > 700_000, "{}", size());
    let kept = history(&relay, "?limit=1000");
    let (bytes, found) = (kept.to_string().len(), ids(&kept).len());
    assert!(bytes < 1_000_000 && found > 800, "{found} in {bytes} bytes");
    // What is older than two seconds goes, when that is said.
    relay.add_settings("[history]\nmax_age = \"2s\"\n");
    let (status, report) = relay.reload();
    assert_eq!((status, &report["changed"]), (200, &json!(["history"])), "{report}");
    wait_for("end of what is old", 2 * SOON, || {
        match (ids(&history(&relay, "")).len(), size()) {
            (0, 0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    // Another directory takes a restart, and two relays do not share one.
    relay.add_settings("[history]\ndirectory = \"elsewhere\"\n");
    let (_, report) = relay.reload();
    assert_eq!(report["needs_restart"], json!(["history.directory"]));
    let config = folder.path().join("second.toml");
    fs::write(
        &config,
        format!(
            "[listen]\ntcp = [\"127.0.0.1:{}\"]\nudp = []\n[http]\nlisten = \"off\"\n{}",
            free_port(),
            settings(&directory, "")
        ),
    )
    .unwrap();
    let output = run(&["run", "--config", config.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("another process keeps its history there"),
        "{said}"
    );
}

#[test]
fn a_full_disk_holds_nobody_up_and_what_has_waited_is_written_when_there_is_room() {
    let disk = match SmallDisk::mount(1 << 20) {
        Ok(disk) => disk,
        Err(why) => {
            eprintln!("NOT RUN: MOUNTING A tmpfs IS NOT PERMITTED HERE, RUN IT AS ROOT: {why}");
            return;
        }
    };
    let upstream = Sink::start();
    let directory = disk.path().join("history");
    let mut relay = Skyrelay::start(&[("sink", upstream.port)], &settings(&directory, ""));
    history(&relay, "");
    let begins = unix_now() - 3600;
    let mut sender = relay.connect();
    let mut sent = 0;
    let mut burst = |round: u64, places: u64| {
        let mut lines = String::new();
        for place in 0..places {
            for (step, value) in [(0, 150), (1, 1)] {
                writeln!(lines, "full.{place} {value} {}", begins + 2 * round + step).unwrap();
            }
        }
        sender.write_all(lines.as_bytes()).unwrap();
        sent += 2 * places;
        relay.wait_until_through(sent, &["sink"]);
    };
    // Something is there before the disk is full.
    burst(0, 5);
    wait_for_records(&relay, 10);
    let filler = disk.path().join("filler");
    let left = (1 << 20) - 64 * 1024;
    fs::write(&filler, vec![0; left]).unwrap();
    burst(1, 1000);
    wait_for("failures", SOON, || {
        match relay.metrics().sum("skyrelay_history_failures_total", &[]) {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        }
    });
    // All is forwarded and judged; what does not fit into the queue is lost, and counted.
    burst(2, 10_000);
    let told = relay.api("/api/v1/relay")["history"].clone();
    assert!(told["kept"] == true && told["failures"].as_f64() > Some(0.0), "{told}");
    let lost = wait_for("losses", SOON, || {
        match relay
            .metrics()
            .sum("skyrelay_history_dropped_total", &[("reason", "queue_full")])
        {
            0 => Err("none".to_owned()),
            lost => Ok(lost),
        }
    });
    let answer = history(&relay, "?limit=1000");
    assert!(!ids(&answer).is_empty(), "what is there is found");
    fs::remove_file(&filler).unwrap();
    drop(answer);
    // There is room for some of it.
    let before = relay.metrics().sum("skyrelay_history_records_total", &[]);
    wait_for("more records", SOON, || {
        let now = relay.metrics().sum("skyrelay_history_records_total", &[]);
        (now > before + 500)
            .then_some(())
            .ok_or(format!("{now} after {before}"))
    });
    assert!(lost <= 22_010);
    let said = relay.stderr();
    let warned = said
        .iter()
        .filter(|line| line.contains("the history cannot be written"))
        .count();
    assert!((1..5).contains(&warned), "{said:#?}");
    // Its end does not wait for the disk either, and the books balance.
    assert!(relay.terminate(SOON).success());
    let index = run(&[
        "history",
        "--limit",
        "100000",
        "--json",
        "--directory",
        directory.to_str().unwrap(),
    ]);
    assert!(index.status.success());
    let found: Value = serde_json::from_slice(&index.stdout).unwrap();
    assert!(ids(&found).len() > 250, "{}", ids(&found).len());
}

#[test]
fn a_damaged_history_is_used_as_far_as_it_is_whole_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("history");
    let mut relay = Skyrelay::start(&[], &settings(&directory, ""));
    let lines: Vec<_> = (0..30)
        .map(|place| ("a.b", if place % 3 == 0 { 150 } else { 1 }))
        .collect();
    relay.judge(600, &lines);
    wait_for_records(&relay, 20);
    relay.kill();
    let segment = directory.join("00000000000000000001.segment");
    let mut bytes = fs::read(&segment).unwrap();
    let damaged = bytes.windows(7).rposition(|part| part == b"closed ").unwrap();
    bytes[damaged] = b'k';
    bytes.extend_from_slice(b"1234 half a li");
    fs::write(&segment, &bytes).unwrap();
    relay.start_again();
    let found = history(&relay, "");
    assert_eq!(ids(&found).len(), 10, "the beginning of the last one is there still");
    let metrics = relay.metrics();
    assert_eq!(metrics.sum("skyrelay_history_damaged_total", &[]), 1);
    assert_eq!(metrics.sum("skyrelay_history_torn_total", &[]), 1);
    assert_eq!(
        fs::read(directory.join("00000000000000000001.segment.damaged")).unwrap(),
        bytes
    );
    let said = relay.stderr();
    assert!(said.iter().any(|line| line.contains("torn or damaged")), "{said:#?}");
}
