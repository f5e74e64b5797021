//! What the API answers, to questions that are well put and to others.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    net::{free_port, http_get, raw_get, url_encoded},
    skyrelay::Skyrelay,
    unix_now, wait_for,
};
use serde_json::{Value, json};
use std::io::Write;

const SETTINGS: &str = r#"
[detector.default]
kind = "skyline"
min_samples = 3
boring_samples = 4
[[watch]]
match = ["unwatched.**"]
detectors = []
[[watch]]
match = ["**"]
"#;

/// A relay that has taken in these lines and been through with them.
fn relay_with(lines: &[String]) -> Skyrelay {
    let relay = Skyrelay::start(&[], SETTINGS);
    relay.connect().write_all(lines.concat().as_bytes()).unwrap();
    relay.wait_until_through(lines.len() as u64, &[]);
    relay
}

fn line(name: &str, value: u32) -> String {
    format!("{name} {value} {}\n", unix_now())
}

/// Names in `/api/v1/series`, and whether there were more.
#[track_caller]
fn listed(relay: &Skyrelay, query: &str) -> (Vec<String>, bool) {
    let answer = relay.api(&format!("/api/v1/series{query}"));
    let series = answer["series"]
        .as_array()
        .unwrap_or_else(|| panic!("no list: {answer}"));
    let names = series
        .iter()
        .map(|series| series["series"].as_str().unwrap().to_owned())
        .collect();
    (names, answer["truncated"].as_bool().unwrap())
}

/// Expects a refusal with this status, whose JSON says something like `why`.
#[track_caller]
fn refused(relay: &Skyrelay, path_and_query: &str, status: u16, why: &str) {
    let (is, text) = http_get(relay.http_port, path_and_query).unwrap();
    assert_eq!(is, status, "{path_and_query}: {text}");
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path_and_query}: {error}: {text}"));
    let error = answer["error"]
        .as_str()
        .unwrap_or_else(|| panic!("{path_and_query}: {text}"));
    assert!(error.contains(why), "{path_and_query}: {error}");
}

#[test]
fn the_list_of_series_can_be_matched_and_limited() {
    let names = ["db.one.load", "web.one.load", "web.one.cpu", "web.two.load", "web"];
    let relay = relay_with(&names.map(|name| line(name, 1)));
    let sorted = |names: &[&str]| {
        let mut names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(listed(&relay, ""), (sorted(&names), false));
    assert_eq!(
        listed(&relay, "?match=web.*.load"),
        (sorted(&["web.one.load", "web.two.load"]), false)
    );
    assert_eq!(
        listed(&relay, &format!("?match={}", url_encoded("{db,web}.one.load"))),
        (sorted(&["db.one.load", "web.one.load"]), false)
    );
    assert_eq!(listed(&relay, "?match=nothing.**"), (vec![], false));
    assert_eq!(listed(&relay, "?limit=5"), (sorted(&names), false));
    let (some, more) = listed(&relay, "?match=web.**&limit=2");
    assert!(
        more && some.len() == 2 && some.iter().all(|name| name.starts_with("web.")),
        "{some:?}"
    );
    refused(&relay, "/api/v1/series?limit=0", 400, "limit: expected 1 to 1000");
}

#[test]
fn questions_that_are_wrongly_put_are_refused_with_a_reason() {
    let relay = relay_with(&[]);
    for list in ["/api/v1/series", "/api/v1/anomalies"] {
        refused(
            &relay,
            &format!("{list}?match=%5Ba"),
            400,
            "`[` is opened but not closed",
        );
        refused(&relay, &format!("{list}?match="), 400, "the pattern is empty");
        refused(&relay, &format!("{list}?mach=a"), 400, "mach");
        refused(&relay, &format!("{list}?limit=-1"), 400, "limit");
        refused(&relay, &format!("{list}?limit=many"), 400, "limit");
        refused(&relay, &format!("{list}?match=a&match=b"), 400, "match");
    }
    refused(&relay, "/api/v1/anomalies?state=opened", 400, "state");
    refused(&relay, "/api/v1/groups?state=opened", 400, "state");
    refused(&relay, "/api/v1/groups?members=-1", 400, "members");
    refused(
        &relay,
        "/api/v1/subtrees?match=%5Ba",
        400,
        "`[` is opened but not closed",
    );
    // A series is neither open nor closed.
    refused(&relay, "/api/v1/series?state=open", 400, "state");
    refused(&relay, "/api/v1/series/never.sent", 404, "never.sent");
    refused(
        &relay,
        "/api/v1/nothing",
        404,
        "there is nothing at \"/api/v1/nothing\"",
    );
    refused(&relay, "/nothing", 404, "there is nothing at");
    refused(&relay, "/-/reload", 405, "GET is not for \"/-/reload\"");
    refused(&relay, "/api/v1/silences/preview", 405, "GET is not for");
    for list in [
        "anomalies",
        "groups",
        "subtrees",
        "series",
        "silences",
        "feedback",
        "history",
    ] {
        refused(
            &relay,
            &format!("/api/v1/{list}?limit=0"),
            400,
            "limit: expected 1 to 1000",
        );
        refused(
            &relay,
            &format!("/api/v1/{list}?limits=1"),
            400,
            "unknown field `limits`",
        );
    }
    refused(
        &relay,
        "/api/v1/series/a?from=2&until=1",
        400,
        "from: 2 is later than until, 1",
    );
    refused(&relay, "/api/v1/series/a%20b", 404, "a b");
    let (status, _) = http_get(relay.http_port, "/api/v1/nothing").unwrap();
    assert_eq!(status, 404);
}

#[test]
fn a_series_is_found_whatever_its_name() {
    let names = [
        "a/b",
        "/leading/and/trailing/",
        "a//b",
        "<script>alert(1)</script>",
        "\"quoted\"\\",
        "ünï.cødé.☃",
        "cpu;host=web1;dc=north",
        "a%2Fb",
        "what?is#this&that=x+y",
        "[bracket{brace*star",
    ];
    let relay = relay_with(&names.map(|name| line(name, 7)));
    for name in names {
        let answer = relay.api(&format!("/api/v1/series/{}", url_encoded(name)));
        assert_eq!(answer["series"], name);
        assert_eq!(answer["points"].as_array().map(Vec::len), Some(1), "{answer}");
        assert_eq!(answer["points"][0][1], 7.0, "{answer}");
    }
    // Slashes as they are lead there, too.
    assert_eq!(relay.api("/api/v1/series/a/b")["series"], "a/b");
    assert_eq!(listed(&relay, "").0.len(), names.len());
    let head = raw_get(relay.http_port, "/api/v1/series/%3Cscript%3Ealert(1)%3C/script%3E").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff\r\n"), "{head}");
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
}

#[test]
fn a_series_says_why_it_is_or_is_not_analysed() {
    let now = unix_now() - 100;
    let series = |name: &str, values: &[u32]| -> Vec<String> {
        let line = |(second, value)| format!("{name} {value} {}\n", now + second);
        (0..).zip(values).map(line).collect()
    };
    let lines = [
        series("short", &[1, 2]),
        series("boring", &[3, 5, 5, 5, 5]),
        series("lively", &[1, 2, 3, 2]),
        series("unwatched.a", &[1, 2]),
    ]
    .concat();
    let relay = relay_with(&lines);
    let answer = |name: &str| relay.api(&format!("/api/v1/series/{name}"));
    let shown = |name: &str| {
        let answer = answer(name);
        (answer["state"].clone(), answer["reason"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        shown("short"),
        (json!("too_short"), "2 of 3 samples that are needed".to_owned())
    );
    assert_eq!(
        shown("boring"),
        (json!("boring"), "its last 4 values are equal".to_owned())
    );
    assert_eq!(
        shown("lively"),
        (json!("analysed"), "every sample is judged".to_owned())
    );
    assert_eq!(
        shown("unwatched.a"),
        (json!("unwatched"), "no [[watch]] gives it a detector".to_owned())
    );

    let lively = answer("lively");
    let points: Vec<_> = (0..)
        .zip([1.0, 2.0, 3.0, 2.0])
        .map(|(second, value)| json!([now + second, value]))
        .collect();
    assert_eq!(lively["points"], json!(points));
    assert_eq!((&lively["samples"], &lively["last"]), (&json!(4), &points[3]));
    assert_eq!(lively["anomalies"], json!([]));
    assert_eq!(lively["detectors"][0]["detector"], "default");
    assert_eq!(lively["detectors"][0]["anomalous"], false);
    assert_eq!(answer("unwatched.a")["points"], json!([]));
}

#[test]
fn the_counters_of_each_detector_begin_at_zero() {
    let relay = relay_with(&[]);
    let text = relay.metrics_text();
    for counter in ["opened", "closed"] {
        let line = format!("skyrelay_anomalies_{counter}_total{{detector=\"default\"}} 0\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}

#[test]
fn ready_turns_503_while_it_stops_and_healthy_stays() {
    // Its lines have nowhere to go, so it takes the whole deadline to stop.
    let mut relay = Skyrelay::start(&[("absent", free_port())], "");
    relay.connect().write_all(line("a.b", 1).as_bytes()).unwrap();
    wait_for("a queued line", SOON, || match relay.metrics().queued("absent") {
        1 => Ok(()),
        other => Err(format!("{other} queued")),
    });
    assert_eq!(http_get(relay.http_port, "/-/ready").unwrap().0, 200);
    relay.ask_to_stop();
    wait_for("not ready", SOON, || match http_get(relay.http_port, "/-/ready")? {
        (503, _) => Ok(()),
        (status, text) => Err(format!("{status}: {text}")),
    });
    assert_eq!(http_get(relay.http_port, "/-/healthy").unwrap().0, 200);
    assert_eq!(relay.metrics().queued("absent"), 1, "it still answers while it stops");
    assert_eq!(relay.terminate(2 * SOON).code(), Some(1));
}

#[test]
fn a_series_that_came_from_the_future_says_why_it_is_not_judged() {
    let now = unix_now();
    let relay = Skyrelay::start(&[], SETTINGS);
    // Within what is taken, and beyond it.
    let lines = format!(
        "clock.back 1 {}\nclock.back 2 {now}\nclock.far 1 {}\n",
        now + 240,
        now + 400
    );
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(3, &[]);
    let reason = relay.api("/api/v1/series/clock.back")["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("ahead of the time at which lines come, and what is older is not judged"),
        "{reason}"
    );
    let metrics = relay.metrics();
    assert_eq!(
        (metrics.not_analysed("late"), metrics.not_analysed("too_far_ahead")),
        (1, 1)
    );
    refused(&relay, "/api/v1/series/clock.far", 404, "clock.far");
}
