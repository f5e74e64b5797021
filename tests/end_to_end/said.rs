//! What people say of anomalies, over HTTP and from the command line: it holds, is shown, and survives.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    net::http_ask,
    skyrelay::{PROGRAM, Skyrelay},
    wait_for,
};
use serde_json::{Value, json};
use std::{path::Path, process::Command};

/// Values above 100 are odd.
fn settings(file: &Path) -> String {
    format!(
        "[detector.default]\nkind = \"threshold\"\nabove = 100\n[silences]\nfile = \"{}\"\n",
        file.display()
    )
}

#[track_caller]
fn ask(relay: &Skyrelay, method: &str, path: &str, body: &Value, status: u16) -> Value {
    let headers = [("Content-Type", "application/json")];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (is, text) = http_ask(relay.http_port, method, path, &headers, &body).unwrap();
    assert_eq!(is, status, "{method} {path} {body}: {text}");
    if text.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The anomaly of a series that is open.
#[track_caller]
fn open(relay: &Skyrelay, series: &str) -> Value {
    wait_for("an open anomaly", SOON, || {
        let open = relay.api(&format!("/api/v1/anomalies?match={series}"));
        let first = open["anomalies"].get(0).cloned();
        first.ok_or(format!("{open}"))
    })
}

/// The series that were told of, with what happened.
fn told(relay: &Skyrelay) -> Vec<String> {
    let short = |event: &Value| {
        format!(
            "{} {}",
            event["event"].as_str().unwrap(),
            event["series"].as_str().unwrap()
        )
    };
    relay.events().iter().map(short).collect()
}

#[test]
fn a_silence_holds_notifications_back_and_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay = Skyrelay::start(&[], &settings(&folder.path().join("silences")));
    relay.judge(60, &[("web.one", 1), ("web.two", 1), ("db.one", 1), ("web.two", 500)]);
    let body = json!({"match": ["web.**"], "for": "2h", "reason": "<script>", "author": "\u{202e}eve"});
    let preview = json!({"match": ["web.**"], "for": "2h"});
    let preview = ask(&relay, "POST", "/api/v1/silences/preview", &preview, 200);
    assert_eq!(
        preview,
        json!({"series": 2, "anomalies": 1, "examples": ["web.one", "web.two"]})
    );
    let silence = ask(&relay, "POST", "/api/v1/silences", &body, 201);
    assert_eq!(silence["state"], "active");
    let id = silence["id"].as_str().unwrap().to_owned();
    relay.judge(50, &[("web.one", 500), ("db.one", 500)]);
    assert_eq!(open(&relay, "web.one")["silenced"], json!([id]));
    assert!(open(&relay, "db.one").get("silenced").is_none());
    relay.kill();
    relay.start_again();
    let kept = relay.api("/api/v1/silences");
    assert_eq!((&kept["total"], &kept["silences"][0]), (&json!(1), &silence));
    relay.judge(40, &[("web.one", 500), ("db.one", 500)]);
    assert_eq!(open(&relay, "web.one")["silenced"], json!([id]));
    wait_for("what is told", SOON, || match told(&relay) {
        told if told == ["open db.one"] => Ok(()),
        told => Err(format!("{told:?}")),
    });
    let ended = ask(&relay, "DELETE", &format!("/api/v1/silences/{id}"), &Value::Null, 200);
    assert_eq!(ended["state"], "expired");
    assert_eq!(relay.api("/api/v1/silences")["total"], 0);
    assert_eq!(relay.api("/api/v1/silences?state=expired")["total"], 1);
    assert!(open(&relay, "web.one").get("silenced").is_none());
    // What is still open is told now.
    wait_for("what is told", SOON, || match told(&relay) {
        told if told == ["open db.one", "open web.one"] => Ok(()),
        told => Err(format!("{told:?}")),
    });
    assert_eq!(relay.metrics().sum("skyrelay_silences_active", &[]), 0);
    let silenced = [("channel", "stdout"), ("reason", "silenced")];
    let held_back = relay.metrics().sum("skyrelay_notifications_held_back_total", &silenced);
    assert_eq!(held_back, 1, "web.one, once");
}

#[test]
fn lines_say_who_has_seen_what_they_tell_and_what_silences_it() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Skyrelay::start(&[], &settings(&folder.path().join("silences")));
    relay.judge(60, &[("web.one", 1), ("web.one", 500)]);
    let id = open(&relay, "web.one")["id"].clone();
    let said = json!({"author": "kim", "reason": "<b>known</b>"});
    let path = format!("/api/v1/anomalies/{id}/acknowledge");
    ask(&relay, "POST", &path, &said, 200);
    let silence = json!({"match": ["web.**"], "for": "2h", "reason": "works", "author": "kim"});
    let silence = ask(&relay, "POST", "/api/v1/silences", &silence, 201);
    let shown = open(&relay, "web.one");
    relay.judge(50, &[("web.one", 1)]);
    let lines = wait_for("what is told", SOON, || match relay.events() {
        lines if lines.len() == 2 => Ok(lines),
        lines => Err(format!("{lines:?}")),
    });
    assert!(lines[0].get("silenced").is_none() && lines[0].get("acknowledged").is_none());
    // As the API says it, and as was said.
    let close = &lines[1];
    assert_eq!(
        (&close["event"], &close["silenced"]),
        (&json!("close"), &json!([silence["id"]]))
    );
    assert_eq!(close["silenced"], shown["silenced"]);
    assert_eq!(close["acknowledged"], shown["acknowledged"]);
    assert_eq!(close["acknowledged"]["author"], "kim");
    assert_eq!(close["acknowledged"]["reason"], "<b>known</b>");
}

#[test]
fn what_is_wrongly_asked_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Skyrelay::start(&[], &settings(&folder.path().join("silences")));
    let good = json!({"match": ["a"], "for": "2h", "reason": "r", "author": "a"});
    for (key, value, why) in [
        ("match", json!([]), "1 to 100 patterns"),
        ("match", json!("a"), "invalid type"),
        ("for", json!("2 fortnights"), "for: "),
        ("for", json!("0s"), "1s to ten years"),
        ("until", json!(1), "`for`"),
        ("author", json!(""), "who says so"),
        ("reason", json!(""), "reason"),
        ("detectors", json!(["defualt"]), "there is default"),
        ("matches", json!(["a"]), "unknown field"),
    ] {
        let mut body = good.clone();
        body[key] = value;
        let refused = ask(&relay, "POST", "/api/v1/silences", &body, 400);
        assert!(refused["error"].as_str().unwrap().contains(why), "{body}: {refused}");
    }
    ask(&relay, "POST", "/api/v1/silences", &json!([1]), 400);
    ask(&relay, "DELETE", "/api/v1/silences/1", &Value::Null, 404);
    ask(&relay, "DELETE", "/api/v1/silences/one", &Value::Null, 404);
    ask(
        &relay,
        "POST",
        "/api/v1/anomalies/1/acknowledge",
        &json!({"author": "a"}),
        404,
    );
    let feedback = json!({"series": "a", "detector": "default", "for": "7d", "author": "a"});
    ask(&relay, "POST", "/api/v1/feedback", &feedback, 404);
    ask(
        &relay,
        "DELETE",
        "/api/v1/feedback?series=a&detector=b",
        &Value::Null,
        404,
    );
    let huge = json!({"match": ["a".repeat(70_000)]});
    ask(&relay, "POST", "/api/v1/silences", &huge, 413);
    // None of it has left anything behind.
    assert_eq!(relay.api("/api/v1/silences?state=all")["total"], 0);
    assert!(!folder.path().join("silences").exists());
}

#[test]
fn many_long_silences_are_shown_in_an_answer_below_a_megabyte() {
    const SILENCES: usize = 800;
    let relay = Skyrelay::start(&[], "");
    // In JSON, each of these takes twice the bytes that it has.
    let [author, reason] = [66, 166].map(|characters| "\u{202e}".repeat(characters));
    let silence = json!({"match": ["a"], "for": "2h", "author": author, "reason": reason});
    for _ in 0..SILENCES {
        ask(&relay, "POST", "/api/v1/silences", &silence, 201);
    }
    let (status, text) = http_ask(relay.http_port, "GET", "/api/v1/silences?limit=1000", &[], "").unwrap();
    assert!(status == 200 && text.len() < 1_000_000, "{status}: {}", text.len());
    let answer: Value = serde_json::from_str(&text).unwrap();
    let shown = answer["silences"].as_array().unwrap().len();
    assert!((500..SILENCES).contains(&shown), "{shown}");
    assert_eq!(answer["total"], SILENCES);
}

#[test]
fn an_acknowledgement_is_shown_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Skyrelay::start(&[], &settings(&folder.path().join("silences")));
    relay.judge(60, &[("a.b", 1), ("a.b", 500)]);
    let id = open(&relay, "a.b")["id"].as_u64().unwrap();
    let path = format!("/api/v1/anomalies/{id}/acknowledge");
    let answer = ask(
        &relay,
        "POST",
        &path,
        &json!({"author": "alice", "reason": "on it"}),
        200,
    );
    assert_eq!(answer["acknowledged"]["author"], "alice");
    let shown = &relay.api("/api/v1/series/a.b")["anomalies"][0]["acknowledged"];
    assert_eq!((&shown["author"], &shown["reason"]), (&json!("alice"), &json!("on it")));
    ask(&relay, "DELETE", &path, &Value::Null, 200);
    assert!(open(&relay, "a.b").get("acknowledged").is_none());
    ask(&relay, "DELETE", &path, &Value::Null, 404);
}

#[test]
fn what_is_said_to_be_no_anomaly_is_not_told_again_until_it_is_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay = Skyrelay::start(&[], &settings(&folder.path().join("silences")));
    relay.judge(600, &[("a.b", 1), ("a.b", 150)]);
    let id = open(&relay, "a.b")["id"].as_u64().unwrap();
    let body = json!({"series": "a.b", "detector": "default", "anomaly": id, "for": "7d", "author": "alice", "reason": "the backup"});
    let answer = ask(&relay, "POST", "/api/v1/feedback", &body, 200);
    assert_eq!(answer["floor"]["score"], 1.875, "{answer}");
    wait_for("the end of it", SOON, || {
        let closed = relay.events().into_iter().find(|event| event["event"] == "close");
        let reason = closed.map(|event| event["reason"].as_str().unwrap().to_owned());
        (reason.as_deref() == Some("alice says that it is no anomaly, for 7d: the backup"))
            .then_some(())
            .ok_or(format!("{reason:?}"))
    });
    assert_eq!(relay.api("/api/v1/series/a.b")["floors"], json!([answer]));
    relay.judge(500, &[("a.b", 150), ("a.b", 1), ("a.b", 180)]);
    assert_eq!(relay.api("/api/v1/anomalies?match=a.b")["total"], 0);
    // After a kill as well, and after a reload.
    relay.kill();
    relay.start_again();
    assert_eq!(relay.reload().0, 200);
    relay.judge(400, &[("a.b", 1), ("a.b", 150), ("a.b", 1)]);
    assert_eq!(told(&relay), [] as [&str; 0]);
    relay.judge(300, &[("a.b", 190), ("a.b", 1)]);
    wait_for("what is told", SOON, || match told(&relay).len() {
        2 => Ok(()),
        other => Err(format!("{other}")),
    });
    ask(
        &relay,
        "DELETE",
        "/api/v1/feedback?series=a.b&detector=default",
        &Value::Null,
        204,
    );
    assert_eq!(relay.api("/api/v1/feedback")["total"], 0);
    relay.judge(200, &[("a.b", 150)]);
    open(&relay, "a.b");
    let text = relay.metrics_text();
    assert!(text.contains("skyrelay_feedback_floors"), "{text}");
}

/// Runs the program against a relay; gives its exit code, and what it prints.
fn run(relay: &Skyrelay, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .args(["--url", &format!("http://127.0.0.1:{}", relay.http_port)])
        .env("USER", "carol")
        .env("SKYRELAY_USER", "ops")
        .env("SKYRELAY_PASSWORD", "sesame")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[track_caller]
fn prints(relay: &Skyrelay, arguments: &[&str]) -> String {
    let (code, text) = run(relay, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text
}

#[test]
fn who_asks_where_no_relay_runs_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay = Skyrelay::start(&[], &settings(&folder.path().join("silences")));
    relay.kill();
    let (code, said) = run(&relay, &["silence", "list"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("Connection refused") && said.contains("does a relay run there? --config or --url"),
        "{said}"
    );
}

#[test]
fn all_of_it_can_be_said_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Skyrelay::start(&[], &settings(&folder.path().join("silences")));
    relay.add_settings("[http]\nuser = \"ops\"\npassword = \"sesame\"\n");
    assert_eq!(relay.reload().0, 200);
    relay.judge(60, &[("a.b", 1), ("a.b", 500), ("a.c", 1)]);
    let id = open(&relay, "a.b")["id"].to_string();
    let add = [
        "silence",
        "add",
        "a.*",
        "x.**",
        "--for",
        "2h",
        "--reason",
        "it's maintenance",
    ];
    let preview = prints(&relay, &[&add[..], &["--preview"]].concat());
    assert_eq!(preview, "2 series, 1 open anomaly\n  a.b\n  a.c\n");
    let added = prints(&relay, &add);
    let columns: Vec<&str> = added.trim_end().split('\t').collect();
    assert_eq!(columns[1], "active");
    assert_eq!(columns[4..], ["a.*,x.**", "any", "carol", "it's maintenance"]);
    assert_eq!(prints(&relay, &["silence", "list"]), added);
    let acknowledged = prints(&relay, &["acknowledge", &id, "--reason", "seen"]);
    assert_eq!(acknowledged, format!("{id} a.b is acknowledged\n"));
    assert_eq!(open(&relay, "a.b")["acknowledged"]["author"], "carol");
    prints(&relay, &["acknowledge", &id, "--take-back"]);
    let ended = prints(&relay, &["silence", "end", columns[0], "--json"]);
    let ended: Value = serde_json::from_str(&ended).unwrap();
    assert_eq!(ended["state"], "expired");
    assert_eq!(prints(&relay, &["silence", "list"]), "");
    assert!(prints(&relay, &["silence", "list", "--all"]).contains("expired"));
    let said = prints(&relay, &["feedback", "a.b", "--for", "7d", "--margin", "0%"]);
    assert!(
        said.starts_with("a.b is not told of by default up to a score of 5"),
        "{said}"
    );
    prints(&relay, &["feedback", "a.b", "--take-back"]);

    let (code, text) = run(&relay, &["silence", "end", "7"]);
    assert_eq!((code, text.as_str()), (Some(1), "there is no silence 7\n"));
    let (code, _) = run(&relay, &["silence", "add", "a"]);
    assert_eq!(code, Some(64));
    let (code, text) = run(&relay, &["silence", "add", "[a", "--for", "2h", "--reason", "r"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("opened but not closed"), "{text}");
    // Nobody else may.
    let stranger = Command::new(PROGRAM)
        .args(["silence", "end", "7", "--url"])
        .arg(format!("http://127.0.0.1:{}", relay.http_port))
        .output()
        .unwrap();
    assert_eq!(stranger.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(stranger.stderr).unwrap(),
        "who are you? see http.user\n"
    );
}
