//! A spike comes over TCP: it opens an anomaly within a second and the return to normal closes it. Log, API and
//! `/metrics` tell one story, and `skyrelay backtest` tells it again from the same lines.

use crate::harness::{
    dice::Dice,
    sink::Sink,
    skyrelay::{NINE_ALGORITHMS, Skyrelay},
    unix_now, wait_for,
};
use serde_json::Value;
use std::{
    f64::consts::TAU,
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

const SPIKY: &str = "servers.web1.load";
const CALM: &str = "servers.web2.load";

/// From arrival to what people see.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Seconds between two samples of a series.
const STEP: u64 = 60;

/// More than the 24 h window, so that `first_hour_average` has an hour to look at.
const HISTORY: u64 = 26 * 3600 / STEP;

/// The lines of a story: two series with a daily swing and noise, of which one jumps.
struct Story {
    history: Vec<u8>,
    spike: Vec<u8>,
    back_to_normal: Vec<u8>,
    spike_at: u64,
    lines: u64,
}

fn story() -> Story {
    let normal_after = 5;
    let spike_at = unix_now() - (normal_after + 5) * STEP;
    let start = spike_at - HISTORY * STEP;
    let mut dice = Dice::new(3);
    let mut line = |series: &str, number: u64| {
        let hours = f64::from(u32::try_from(number).expect("a few thousand")) / 60.0;
        let value = 50.0 + 10.0 * (hours / 24.0 * TAU).sin() + 2.0 * dice.fraction();
        format!("{series} {value:.3} {}\n", start + number * STEP)
    };
    let mut both = |number: u64| line(SPIKY, number) + &line(CALM, number);
    let history: String = (0..HISTORY).map(&mut both).collect();
    let back_to_normal: String = (HISTORY + 1..=HISTORY + normal_after).map(&mut both).collect();
    Story {
        history: history.into_bytes(),
        spike: format!("{SPIKY} 500 {spike_at}\n{CALM} 50.5 {spike_at}\n").into_bytes(),
        back_to_normal: back_to_normal.into_bytes(),
        spike_at,
        lines: 2 * (HISTORY + 1 + normal_after),
    }
}

#[test]
fn a_spike_opens_an_anomaly_within_a_second_and_the_return_closes_it() {
    let story = story();
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let mut connection = relay.connect();
    connection.write_all(&story.history).unwrap();
    let metrics = relay.wait_until_through(2 * HISTORY, &["sink"]);
    assert_eq!(metrics.analysed(), 2 * HISTORY, "{metrics:?}");
    assert_eq!(relay.events(), [] as [Value; 0], "a calm history");
    assert_open_and_closed(&relay, 0, 0);

    let open = send_and_expect_event(&relay, &mut connection, &story.spike, 1);
    assert_eq!(open["event"], "open");
    assert_eq!(open["series"], SPIKY);
    assert_eq!(open["timestamp"], story.spike_at);
    assert_eq!(open["value"].as_f64(), Some(500.0));
    assert_eq!(open["detector"], "classic");
    assert_eq!(
        (&open["anomalous"], &open["alert"]),
        (&true.into(), &true.into()),
        "{open}"
    );
    assert!(
        open["score"].as_f64().is_some_and(|score| score >= 1.0),
        "1.0 is the boundary: {open}"
    );
    assert!(
        open["reason"].as_str().is_some_and(|reason| reason.contains("of 9")),
        "{open}"
    );
    let votes = open["votes"].as_object().unwrap_or_else(|| panic!("no votes: {open}"));
    assert_eq!(votes.len(), 9, "an anomaly that opens carries all nine: {open}");
    assert!(
        votes.values().filter(|vote| vote["vote"] == true).count() >= 6,
        "consensus is 6: {open}"
    );
    assert_open_and_closed(&relay, 1, 0);
    let shown = the_only_anomaly(&relay.api("/api/v1/anomalies"), "open");
    for key in ["series", "timestamp", "value", "detector", "score"] {
        assert_eq!(shown[key], open[key], "{key}: API {shown}, log {open}");
    }
    assert!(!shown["opened_at"].is_null(), "{shown}");

    let close = send_and_expect_event(&relay, &mut connection, &story.back_to_normal, 2);
    assert_eq!(close["event"], "close");
    assert_eq!(
        (&close["series"], &close["detector"]),
        (&open["series"], &open["detector"])
    );
    assert!(close["timestamp"].as_u64() > open["timestamp"].as_u64(), "{close}");
    assert_eq!(close["anomalous"], false);
    assert_open_and_closed(&relay, 0, 1);
    let shown = the_only_anomaly(&relay.api("/api/v1/anomalies?state=closed"), "closed");
    assert_eq!(
        (&shown["series"], &shown["detector"]),
        (&open["series"], &open["detector"])
    );
    let series = relay.api("/api/v1/series?match=servers.*.load").to_string();
    assert!(series.contains(SPIKY) && series.contains(CALM), "{series}");

    relay.wait_until_through(story.lines, &["sink"]);
    assert_eq!(relay.events().len(), 2, "one opened, one closed: {:?}", relay.events());
    assert_backtest_agrees(&relay, &story, &open, &close);
}

/// Sends `lines` and returns event number `count` on stdout, which has a second to come.
#[track_caller]
fn send_and_expect_event(relay: &Skyrelay, connection: &mut TcpStream, lines: &[u8], count: usize) -> Value {
    let sent = Instant::now();
    connection.write_all(lines).expect("the relay reads on");
    let open_afterwards = u64::from(count == 1);
    let event = wait_for("event on stdout, at the API and in the metrics", AT_ONCE, || {
        let events = relay.events();
        let at_api = relay.api("/api/v1/anomalies")["total"].as_u64();
        let in_metrics = relay.metrics().sum("skyrelay_anomalies_open", &[]);
        if events.len() < count || at_api != Some(open_afterwards) || in_metrics != open_afterwards {
            return Err(format!("stdout {events:?}, API {at_api:?}, metrics {in_metrics}"));
        }
        Ok(events[count - 1].clone())
    });
    assert!(sent.elapsed() <= AT_ONCE, "it took {:?}", sent.elapsed());
    event
}

#[track_caller]
fn assert_open_and_closed(relay: &Skyrelay, open: u64, closed: u64) {
    let metrics = relay.metrics();
    let of_detector = |name| metrics.sum(name, &[("detector", "classic")]);
    assert_eq!(metrics.sum("skyrelay_anomalies_open", &[]), open);
    assert_eq!(of_detector("skyrelay_anomalies_opened_total"), open + closed);
    assert_eq!(of_detector("skyrelay_anomalies_closed_total"), closed);
    let at_api = relay.api("/api/v1/anomalies");
    assert_eq!(at_api["total"], open, "{at_api}");
    assert_eq!(
        at_api["anomalies"].as_array().map(Vec::len),
        usize::try_from(open).ok(),
        "{at_api}"
    );
    assert_eq!(relay.api("/api/v1/anomalies?state=closed")["total"], closed);
}

#[track_caller]
fn the_only_anomaly(answer: &Value, state: &str) -> Value {
    let [anomaly] = &answer["anomalies"]
        .as_array()
        .unwrap_or_else(|| panic!("no list: {answer}"))[..]
    else {
        panic!("not one anomaly: {answer}");
    };
    assert_eq!(anomaly["state"], state, "{anomaly}");
    anomaly.clone()
}

/// The same lines through `backtest`: the same samples open and close, with the same verdicts; and `--every-sample`
/// shows why in between.
#[track_caller]
fn assert_backtest_agrees(relay: &Skyrelay, story: &Story, open: &Value, close: &Value) {
    let lines = [&story.history[..], &story.spike, &story.back_to_normal].concat();
    let changes = relay.backtest(&[], &lines);
    let of =
        |verdict: &Value| ["series", "timestamp", "value", "detector", "anomalous"].map(|key| verdict[key].clone());
    assert_eq!(
        changes.iter().map(of).collect::<Vec<_>>(),
        [of(open), of(close)],
        "{changes:?}"
    );
    for key in ["score", "alert", "reason", "votes"] {
        assert_eq!(changes[0][key], open[key], "{key} of the verdict that opens");
    }

    let verdicts = relay.backtest(&["--every-sample"], &lines);
    assert_eq!(verdicts.len() as u64, story.lines, "a verdict for each sample");
    let anomalous: Vec<&Value> = verdicts.iter().filter(|verdict| verdict["anomalous"] == true).collect();
    for key in [
        "series",
        "timestamp",
        "value",
        "detector",
        "score",
        "alert",
        "reason",
        "votes",
    ] {
        assert_eq!(anomalous[0][key], open[key], "{key} of the first anomalous sample");
    }
    assert!(
        anomalous.iter().all(|verdict| verdict["series"] == SPIKY),
        "{CALM} stays calm"
    );
    let last = anomalous.last().and_then(|verdict| verdict["timestamp"].as_u64());
    assert_eq!(
        last.map(|last| last + STEP),
        close["timestamp"].as_u64(),
        "the first normal sample closes"
    );
}
