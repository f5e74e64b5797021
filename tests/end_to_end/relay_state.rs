//! What the API says of the relay itself, of its configuration, and of what detectors think of a series.

use crate::harness::{SOON, net::url_encoded, sink::Sink, skyrelay::Skyrelay, unix_now, wait_for};
use serde_json::{Value, json};
use std::{fmt::Write as _, io::Write};

const SETTINGS: &str = r#"
[detector.default]
kind = "adaptive"
[detector.classic]
kind = "skyline"
min_samples = 3
boring_samples = 5
[detector.full]
kind = "threshold"
above = 90
[[watch]]
match = ["unwatched.**"]
detectors = []
[[watch]]
match = ["new.**"]
detectors = ["default"]
[[watch]]
match = ["**"]
detectors = ["classic", "full", "default"]
"#;

#[test]
fn the_relay_tells_what_it_does_and_by_which_configuration() {
    let sink = Sink::start();
    let relay = Skyrelay::start(&[("carbon", sink.port)], SETTINGS);
    let begun = unix_now();
    let now = begun - 100;
    let mut lines =
        format!("unwatched.a 1 {now}\nnew.a 1 {now}\nnew.a 2 {now}\nnew.b nan {now}\nfour fields are {now} many\n");
    for second in 0..10 {
        writeln!(
            lines,
            "lively {} {}\nboring 5 {}",
            second % 3,
            now + second,
            now + second
        )
        .unwrap();
    }
    writeln!(lines, "odd 95 {now}").unwrap();
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(26, &["carbon"]);
    let told = wait_for("count of all series", SOON, || {
        let told = relay.api("/api/v1/relay");
        if told["series"]["states"]["analysed"] == 3 {
            Ok(told)
        } else {
            Err(told.to_string())
        }
    });
    assert_eq!(told["lines"]["received"], 26);
    assert_eq!(
        told["lines"]["not_analysed"],
        json!({"unwatched": 1, "duplicate": 1, "nan": 1, "fields": 1})
    );
    // Detectors that know bounds or equal values judge at once; one that learns does not.
    assert_eq!(
        told["series"]["states"],
        json!({"analysed": 3, "warming_up": 1, "too_short": 0, "boring": 0, "unwatched": 1, "paused": 0})
    );
    let upstream = &told["upstreams"][0];
    assert_eq!(
        (&upstream["name"], &upstream["connected"], &upstream["dropped"]),
        (&json!("carbon"), &json!(true), &json!({}))
    );
    assert_eq!((&upstream["forwarded"], &upstream["queued"]), (&json!(26), &json!(0)));
    assert_eq!(told["anomalies"]["open"], 1);
    let no_history = json!({"kept": false, "bytes": 0, "records": 0, "dropped": {}, "failures": 0});
    assert_eq!(told["history"], no_history);
    let channels = told["notifications"].as_object().unwrap();
    assert!(
        channels.values().any(|channel| channel["queued"].is_number()),
        "{channels:?}"
    );
    let kinds: Vec<_> = told["detectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["name"], &one["kind"], &one["opened"]))
        .collect();
    assert!(
        kinds.contains(&(&json!("full"), &json!("threshold"), &json!(1))),
        "{kinds:?}"
    );
    assert!(told["started_at"].as_u64().unwrap() <= begun && told["memory_bytes"].as_f64().unwrap() > 1e6);

    // The states are what a list can be asked for.
    let listed = |state: &str| relay.api(&format!("/api/v1/series?state={state}"))["total"].clone();
    assert_eq!(
        (listed("analysed"), listed("warming_up"), listed("unwatched")),
        (json!(3), json!(1), json!(1))
    );

    let config = relay.api("/api/v1/config");
    assert!(config["file"].as_str().unwrap().ends_with("skyrelay.toml"), "{config}");
    assert!(
        config["text"].as_str().unwrap().contains("[detector.classic]"),
        "{config}"
    );
    assert_eq!(config["last_reload"], Value::Null);
    relay.add_settings(
        "[http]\nuser = \"ops\"\npassword = \"sesame\"\ngraph_url = \"http://graphs.example/{series}\"\n",
    );
    assert_eq!(relay.reload().0, 200);
    let config = relay.api("/api/v1/config");
    let text = config["text"].as_str().unwrap();
    assert!(text.contains("user = \"ops\"") && !text.contains("sesame"), "{text}");
    assert_eq!(
        config["last_reload"]["changes"]["changed"],
        json!(["http", "http.graph_url"])
    );
    assert_eq!(
        relay.api("/api/v1/relay")["graph_url"],
        "http://graphs.example/{series}"
    );
}

#[test]
fn a_refused_reload_is_told_with_its_reason() {
    let relay = Skyrelay::start(&[], SETTINGS);
    relay.add_settings("[http]\ngraph_url = \"graphite/{series}\"\n");
    assert_eq!(relay.reload().0, 422);
    let config = relay.api("/api/v1/config");
    let refused = config["last_reload"]["refused"].as_str().unwrap();
    assert!(
        refused.contains("http.graph_url") && refused.contains("expected"),
        "{refused}"
    );
    assert!(config["text"].as_str().unwrap().contains("graph_url = \"off\""));
}

#[test]
fn a_view_of_a_series_says_what_would_be_usual_and_by_whom() {
    let relay = Skyrelay::start(&[], SETTINGS);
    let now = unix_now() - 10_000;
    let mut lines = String::new();
    for number in 0..900 {
        writeln!(lines, "a.b {} {}", 40 + number % 7, now + 10 * number).unwrap();
    }
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(900, &[]);
    let plain = relay.api("/api/v1/series/a.b");
    assert_eq!(
        (plain["bands"].clone(), plain["points"].as_array().unwrap().len()),
        (Value::Null, 900)
    );
    let view = relay.api("/api/v1/series/a.b?view=true&points=100");
    assert!(view["points"].as_array().unwrap().len() <= 100);
    assert_eq!(
        (&view["window"]["thinned"], &view["window"]["samples"]),
        (&json!(true), &json!(900))
    );
    let band = |detector: &str| {
        let bands = view["bands"].as_array().unwrap().iter();
        let mut of = bands.filter(|band| band["detector"] == detector);
        of.next()
            .unwrap_or_else(|| panic!("no band of {detector}: {}", view["bands"]))
            .clone()
    };
    let (learnt, fresh) = (band("default"), band("full"));
    assert_eq!((&learnt["by"], &fresh["by"]), (&json!("belief"), &json!("replay")));
    let ends = |band: &Value, end: &str| {
        band[end]
            .as_array()
            .unwrap()
            .iter()
            .all(|end| end.as_f64().is_some_and(|end| (20.0..=90.0).contains(&end)))
    };
    assert!(ends(&learnt, "expected") && ends(&fresh, "upper"), "{learnt} {fresh}");
    assert_eq!(view["beliefs"][0]["samples"], 900);
    let nine = view["latest"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["detector"] == "classic")
        .unwrap();
    assert_eq!(nine["votes"].as_object().unwrap().len(), 9);

    // A part of the window, and its last samples.
    let (from, until) = (now + 1000, now + 1990);
    let part = relay.api(&format!("/api/v1/series/a.b?from={from}&until={until}&view=true"));
    assert_eq!(part["points"].as_array().unwrap().len(), 100);
    assert_eq!(part["window"]["samples"], 100);
    let times = part["bands"][0]["times"].as_array().unwrap();
    assert_eq!((times.first(), times.last()), (Some(&json!(from)), Some(&json!(until))));
    let sparks = relay.api(&format!(
        "/api/v1/sparklines?series={}&series=not.there&points=10&span=600",
        url_encoded("a.b")
    ));
    let sparks = sparks["sparklines"].as_array().unwrap();
    assert_eq!((sparks.len(), &sparks[0]["series"]), (1, &json!("a.b")));
    let first = sparks[0]["points"][0][0].as_u64().unwrap();
    assert!(
        first >= now + 8990 - 600 && sparks[0]["points"].as_array().unwrap().len() <= 10,
        "{sparks:?}"
    );
}
