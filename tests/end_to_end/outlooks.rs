//! Detectors that look ahead, `trend` and `forecast`: a past that is played quickly over TCP, what is told of it, and what the API
//! says of the time to come.
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a test may, and times are exact"
)]

use std::io::Write;

use serde_json::Value;

use crate::harness::{SOON, sink::Sink, skyrelay::Skyrelay, unix_now, wait_for};

const SETTINGS: &str = r#"
[detector.disk-full]
kind = "trend"
reaches = 95
direction = "up"
within = "18h"
over = "24h"
min_history = "12h"

[detector.orders]
kind = "forecast"
direction = "below"
for = "15m"
severity = "critical"

[[watch]]
match = ["disk.*"]
detectors = ["disk-full"]

[[watch]]
match = ["shop.*"]
detectors = ["orders"]
"#;

/// The only event, once it is there.
#[track_caller]
fn only_event(relay: &Skyrelay) -> Value {
    wait_for("an event", SOON, || {
        (!relay.events().is_empty()).then_some(()).ok_or("none yet".to_owned())
    });
    let events = relay.events();
    assert_eq!(events.len(), 1, "{events:#?}");
    events[0].clone()
}

/// What is to come of a series.
#[track_caller]
fn outlook(relay: &Skyrelay, series: &str) -> Value {
    let answer = relay.api(&format!("/api/v1/series/{series}"));
    answer["detectors"][0]["outlook"].clone()
}

/// What its detector makes of the newest sample of a series.
#[track_caller]
fn latest(relay: &Skyrelay, series: &str) -> Value {
    let answer = relay.api(&format!("/api/v1/series/{series}?view=true&points=10"));
    assert_eq!(answer["latest"].as_array().unwrap().len(), 1, "{answer}");
    answer["latest"][0].clone()
}

/// Sends a sample in every `step_s` seconds of the last `last_s`: what `value` makes of the seconds since their begin. Gives when that
/// was.
fn play(relay: &Skyrelay, series: &str, last_s: u64, step_s: u64, value: impl Fn(f64) -> f64) -> u64 {
    let sink_names = ["sink"];
    let begin = unix_now() - last_s;
    let begin = begin - begin % 3600;
    let lines: Vec<String> = (begin..=unix_now())
        .step_by(usize::try_from(step_s).unwrap())
        .map(|time| {
            format!(
                "{series} {} {time}\n",
                value(f64::from(u32::try_from(time - begin).unwrap()))
            )
        })
        .collect();
    relay.connect().write_all(lines.concat().as_bytes()).unwrap();
    let metrics = relay.wait_until_through(lines.len() as u64, &sink_names);
    assert_eq!(metrics.analysed(), lines.len() as u64, "{metrics:?}");
    begin
}

fn wobble(seconds: f64) -> f64 {
    (seconds * 12.9898).sin() * 43_758.545_3 % 1.0
}

#[test]
fn a_disk_that_fills_is_told_of_before_it_is_full() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], SETTINGS);
    let begin = play(&relay, "disk.root", 24 * 3600, 60, |seconds| {
        50.0 + 1.2 * seconds / 3600.0 + wobble(seconds)
    });
    let full = begin as f64 + 37.5 * 3600.0;
    let event = only_event(&relay);
    assert_eq!(
        (&event["event"], &event["detector"], &event["severity"]),
        (&"open".into(), &"disk-full".into(), &"warning".into())
    );
    let reason = event["reason"].as_str().unwrap();
    // To the hour, both ends of the interval are the same.
    assert!(reason.starts_with("95 in 18h, "), "{reason}");
    let hours = (event["timestamp"].as_f64().unwrap() - begin as f64) / 3600.0;
    assert!((18.8..20.2).contains(&hours), "{hours}");
    let pace = &event["votes"]["pace"];
    assert_eq!(
        (&pace["vote"], &pace["threshold"]),
        (&true.into(), &(18.0 * 3600.0).into())
    );

    // A fresh copy that is shown the window would not have known as much.
    let latest = latest(&relay, "disk.root");
    assert_eq!(
        (&latest["by"], &latest["anomalous"], &latest["alert"]),
        (&"belief".into(), &true.into(), &false.into())
    );
    assert!(latest["reason"].as_str().unwrap().starts_with("95 in 1"), "{latest}");
    assert!(
        latest["score"].as_f64().unwrap() > 1.0 && latest["votes"]["pace"]["vote"] == true,
        "{latest}"
    );

    let outlook = outlook(&relay, "disk.root");
    let number = |name: &str| outlook[name].as_f64().unwrap_or_else(|| panic!("no {name}: {outlook}"));
    assert!((number("expected_at") - full).abs() < 1800.0, "{outlook}");
    assert!(
        number("earliest_at") <= full && full <= number("latest_at") + 600.0,
        "{outlook}"
    );
    assert!((number("per_hour") - 1.2).abs() < 0.1, "{outlook}");
    assert!(outlook["text"].as_str().unwrap().starts_with("95 in 1"), "{outlook}");
}

#[test]
fn the_next_day_is_foretold_and_what_falls_short_is_told() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], SETTINGS);
    let now = unix_now();
    let days = 6 * 86_400;
    let begin = now - days;
    let begin = f64::from(u32::try_from(begin - begin % 3600).unwrap());
    let trouble = f64::from(u32::try_from(now).unwrap()) - 2400.0;
    let usual = |time: f64| 300.0 + 100.0 * (time * std::f64::consts::TAU / 86_400.0).sin();
    play(&relay, "shop.orders", days, 300, |seconds| {
        let time = begin + seconds;
        usual(time) + 5.0 * wobble(time) - if time >= trouble { 120.0 } else { 0.0 }
    });
    let event = only_event(&relay);
    assert_eq!(
        (&event["event"], &event["detector"], &event["severity"]),
        (&"open".into(), &"orders".into(), &"critical".into())
    );
    let late = event["timestamp"].as_f64().unwrap() - trouble;
    assert!((900.0..1300.0).contains(&late), "{event}");
    assert!(
        event["reason"].as_str().unwrap().contains(" was expected, 60m ahead"),
        "{event}"
    );
    assert!(
        (event["expected"].as_f64().unwrap() - event["value"].as_f64().unwrap()) > 80.0,
        "{event}"
    );

    let latest = latest(&relay, "shop.orders");
    assert_eq!(
        (&latest["by"], &latest["anomalous"], &latest["timestamp"]),
        (
            &"belief".into(),
            &true.into(),
            &relay.api("/api/v1/series/shop.orders")["last"][0]
        )
    );
    assert!(
        latest["reason"].as_str().unwrap().contains(" was expected, 60m ahead"),
        "{latest}"
    );
    assert!(
        latest["upper"].as_f64().unwrap() > latest["value"].as_f64().unwrap(),
        "{latest}"
    );
    relay
        .connect()
        .write_all(format!("shop.young 5 {now}\n").as_bytes())
        .unwrap();
    let young = wait_for("a young series", SOON, || {
        let answer = relay.api("/api/v1/series?match=shop.young");
        answer["series"][0]["reason"]
            .as_str()
            .map(ToOwned::to_owned)
            .ok_or_else(|| answer.to_string())
    });
    assert_eq!(young, "warming up: 0s of 4 days");

    let outlook = outlook(&relay, "shop.orders");
    let ahead = outlook["ahead"].as_array().unwrap();
    assert_eq!((ahead.len(), &outlook["confidence"]), (24, &0.99.into()));
    for row in ahead {
        let [time, expected, lower, upper] = [0, 1, 2, 3].map(|place| row[place].as_f64().unwrap());
        assert!(
            time > f64::from(u32::try_from(now).unwrap()) - 3600.0 && lower < expected && expected < upper,
            "{row}"
        );
        assert!((expected - usual(time)).abs() < 60.0, "{row}, not {}", usual(time));
    }
}
