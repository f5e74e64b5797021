//! Kinds of detectors that people choose in the configuration, from lines over TCP to what is told: `threshold`,
//! `expression`, ensembles of them, and `absence`, which goes by what does not come.

use crate::harness::{SOON, sink::Sink, skyrelay::Skyrelay, unix_now, wait_for};
use serde_json::{Value, json};
use std::{
    io::Write,
    time::{Duration, Instant},
};

const STEP: u64 = 60;

/// How long the story is.
const MINUTES: u64 = 40;

/// `full` says this, and something else later.
const ABOVE: &str = "above = 90";

const THREE_KINDS: &str = r#"
[detector.full]
kind = "threshold"
above = 90
clear = 85
severity = "critical"

[detector.busy]
kind = "expression"
when = "value > 3 * median('10m') and node(2) != 'test'"
expected = "median('10m')"

[detector.both]
kind = "all_of"
of = ["full", "busy"]

[[watch]]
match = ["disk.*"]
detectors = ["full"]

[[watch]]
match = ["load.*"]
detectors = ["busy"]

[[watch]]
match = ["room.*"]
detectors = ["both"]

[[watch]]
match = ["**"]
detectors = []
"#;

/// Waits for so many events, and gives each as what happened, to whom, and in which minute of the story.
#[track_caller]
fn told(relay: &Skyrelay, count: usize, begin: u64) -> Vec<String> {
    wait_for(&format!("{count} events"), SOON, || {
        let events = relay.events();
        (events.len() >= count).then_some(()).ok_or(format!("{events:#?}"))
    });
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_else(|| panic!("{event}")).to_owned();
    let events = relay.events();
    let one = |event: &Value| {
        let minute = (event["timestamp"].as_u64().expect("a time") - begin) / STEP;
        let [change, detector, series] = ["event", "detector", "series"].map(|key| text(event, key));
        format!("{minute} {change} {detector} {series}")
    };
    let mut told: Vec<_> = events.iter().map(one).collect();
    // Series may be in other shards.
    told.sort_by_key(|line| line.split(' ').next().and_then(|minute| minute.parse::<u64>().ok()));
    told
}

#[test]
fn each_kind_tells_its_story_live_and_keeps_it_over_a_reload() {
    let upstream = Sink::start();
    let upstreams = [("sink", upstream.port)];
    let relay = Skyrelay::start(&upstreams, THREE_KINDS);
    let begin = unix_now() - (MINUTES + 5) * STEP;
    let mut connection = relay.connect();
    let mut lines = 0;
    let mut send = |minutes: std::ops::Range<u64>, value: &dyn Fn(&str, u64) -> u64| {
        for minute in minutes {
            for series in ["disk.root", "load.web", "load.test", "room.hot", "room.full"] {
                let time = begin + minute * STEP;
                writeln!(connection, "{series} {} {time}", value(series, minute)).unwrap();
                lines += 1;
            }
        }
        let metrics = relay.wait_until_through(lines, &["sink"]);
        assert_eq!(metrics.analysed(), lines, "{metrics:?}");
    };
    // The disk is full for a while, and hardly less than that for longer. Load leaps, and so does that of the test. Of the
    // rooms one is hot out of nothing, and one is hot as ever.
    let value = |series: &str, minute: u64| match (series, minute) {
        ("disk.root", 15..20) => 95,
        ("disk.root", 20..23) => 88,
        ("disk.root", _) => 40,
        ("room.full", _) => 92,
        ("load.web" | "load.test" | "room.hot", 17..19) => 100,
        (_, minute) => 10 + minute % 3,
    };
    send(0..25, &value);
    let expected = [
        "15 open full disk.root",
        "17 open busy load.web",
        "17 open both room.hot",
        "19 close busy load.web",
        "19 close both room.hot",
        "23 close full disk.root",
    ];
    let mut first = told(&relay, expected.len(), begin);
    first.sort();
    let mut sorted = expected.map(str::to_owned);
    sorted.sort();
    assert_eq!(first, sorted);
    let of = |detector: &str| -> Value {
        let mut events = relay.events().into_iter();
        events.find(|event| event["detector"] == detector).unwrap()
    };
    assert_eq!(of("full")["severity"], "critical");
    assert_eq!(of("busy")["expected"].as_f64(), Some(11.0), "{}", of("busy"));
    assert!(
        of("both")["reason"].as_str().unwrap().contains("busy"),
        "{}",
        of("both")
    );

    // Both are open when one of them changes.
    send(25..28, &|series, minute| match (series, minute) {
        ("disk.root", 26..) => 95,
        ("load.web", 27) => 100,
        _ => value(series, minute),
    });
    told(&relay, expected.len() + 2, begin);
    relay.reconfigure(relay.port, &upstreams, &THREE_KINDS.replace(ABOVE, "above = 97"));
    let (status, answer) = relay.reload();
    assert_eq!(status, 200, "{answer}");
    let memory = |name: &str| {
        let detectors = answer["detectors"].as_array().unwrap();
        let found = detectors.iter().find(|detector| detector["name"] == name).unwrap();
        found["memory"].clone()
    };
    assert_eq!(["full", "busy"].map(memory), ["begun anew", "kept"], "{answer}");
    wait_for("the other configuration", SOON, || {
        let is_there = |line: &String| line.contains("every series goes by the new configuration");
        let log = relay.stderr();
        log.iter().any(is_there).then_some(()).ok_or(log.join("\n"))
    });
    let after = told(&relay, expected.len() + 3, begin);
    assert_eq!(after.len(), expected.len() + 3, "the kept one stays open: {after:?}");
    let last = relay.events().pop().unwrap();
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.contains("the configuration has changed"), "{last}");
    // What was too much is not any more, and the median goes on where it was.
    send(28..33, &|series, minute| match (series, minute) {
        ("disk.root", 28) => 95,
        ("disk.root", 30) => 98,
        ("load.web", 28) => 100,
        _ => value(series, minute),
    });
    let mut rest = told(&relay, expected.len() + 6, begin).split_off(expected.len());
    rest.sort();
    let expected = [
        "26 open full disk.root",
        "27 close full disk.root",
        "27 open busy load.web",
        "29 close busy load.web",
        "30 open full disk.root",
        "31 close full disk.root",
    ];
    assert_eq!(rest, expected);
}

/// Longer than any pause that a busy machine makes, let us hope.
const SILENT_S: u64 = 8;

#[test]
fn a_series_that_stops_is_told_of_and_closed_when_it_is_back() {
    let upstream = Sink::start();
    let settings = format!(
        "[detector.silent]\nkind = \"absence\"\nafter = \"{SILENT_S}s\"\nseverity = \"critical\"\n\
         [[watch]]\nmatch = [\"hosts.*.beat\"]\ndetectors = [\"silent\"]\n"
    );
    let relay = Skyrelay::start(&[("sink", upstream.port)], &settings);
    let mut connection = relay.connect();
    let mut beat = |hosts: &[&str]| {
        let now = unix_now();
        for host in hosts {
            writeln!(connection, "hosts.{host}.beat 1 {now}").unwrap();
        }
        std::thread::sleep(Duration::from_millis(500));
        now
    };
    let begin = Instant::now();
    let mut last = 0;
    while begin.elapsed() < Duration::from_secs(3) {
        last = beat(&["one", "other"]);
    }
    let stopped = Instant::now();
    let open = loop {
        assert!(stopped.elapsed() < SOON * 2, "{:?}", relay.events());
        beat(&["other"]);
        if let Some(event) = relay.events().first() {
            break event.clone();
        }
    };
    assert!(stopped.elapsed() >= Duration::from_secs(SILENT_S - 2), "{open}");
    assert_eq!(
        ["event", "series", "detector", "severity"].map(|key| &open[key]),
        [
            &json!("open"),
            &json!("hosts.one.beat"),
            &json!("silent"),
            &json!("critical")
        ]
    );
    let due = open["timestamp"].as_u64().unwrap();
    assert!(
        (last + SILENT_S..=last + SILENT_S + 2).contains(&due),
        "{due}, last {last}"
    );
    let reason = format!("nothing has come for {SILENT_S}s");
    assert_eq!(open["reason"], json!(reason));
    let shown = relay.api("/api/v1/anomalies");
    assert_eq!(
        (&shown["total"], &shown["anomalies"][0]["series"]),
        (&json!(1), &open["series"])
    );
    let begin = Instant::now();
    while relay.events().len() < 2 {
        assert!(begin.elapsed() < SOON, "{:?}", relay.events());
        beat(&["one", "other"]);
    }
    let close = &relay.events()[1];
    assert_eq!((&close["event"], &close["series"]), (&json!("close"), &open["series"]));
    assert!(close["reason"].as_str().unwrap().starts_with("it is back"), "{close}");
    assert_eq!(relay.api("/api/v1/anomalies")["total"], json!(0));
    assert_eq!(relay.events().len(), 2, "the other one was never silent");
}
