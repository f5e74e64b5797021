//! People are told over HTTP: Alertmanager, Icinga and graphite-web themselves are asked what they know, and webhooks arrive as
//! their receivers want them.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    alertmanager::Alertmanager,
    certificates::Authority,
    graphite_web::GraphiteWeb,
    icinga2::{Icinga2, PASSWORD, USER},
    net::{free_port, http_ask, loopback},
    receiver::Receiver,
    skyrelay::{PROGRAM, Skyrelay},
    unix_now, wait_for,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    process::Command,
    time::{Duration, Instant},
};

/// A name that would like to be more than a name.
const HOSTILE: &str = "servers.web1.load.\"},{{series}}\\n\\u0022{%if%}<script>alert(1)</script>&";

/// A sample, as it comes over TCP.
#[track_caller]
fn send(relay: &Skyrelay, series: &str, value: u32, at: u64) {
    let line = format!("{series} {value} {at}\n");
    relay.connect().write_all(line.as_bytes()).unwrap();
}

/// Waits until so many messages were given to the channel, and so many were lost.
#[track_caller]
fn wait_until_told(relay: &Skyrelay, told: u64, lost: u64) {
    wait_for("count of messages", SOON, || {
        let metrics = relay.metrics();
        let of_channel = |name| metrics.sum(name, &[("channel", "told")]);
        let counted = (
            of_channel("skyrelay_notifications_total"),
            of_channel("skyrelay_notifications_dropped_total"),
        );
        if counted == (told, lost) {
            Ok(())
        } else {
            Err(format!("{counted:?}: {}", relay.stderr().join("\n")))
        }
    });
}

/// Waits until the log says this.
#[track_caller]
fn wait_for_log(relay: &Skyrelay, part: &str) {
    wait_for("line in the log", SOON, || {
        let log = relay.stderr().join("\n");
        if log.contains(part) { Ok(()) } else { Err(log) }
    });
}

#[test]
fn alertmanager_knows_what_is_open_and_what_is_over() {
    let (forgetful, patient) = (Alertmanager::start("3s"), Alertmanager::start("1h"));
    let nobody = free_port();
    let relay = Skyrelay::telling(&format!(
        "kind = \"alertmanager\"\nurls = [\"{}\", \"http://{}\", \"{}/\"]\nresend = \"1s\"\n\
         labels = {{ team = \"ops\", host = \"{{{{ nodes[1] }}}}\" }}\n",
        forgetful.url(),
        loopback(nobody),
        patient.url(),
    ));
    let now = unix_now();
    send(&relay, HOSTILE, 95, now);
    for alertmanager in [&forgetful, &patient] {
        let alert = wait_for("active alert", SOON, || {
            let mut alerts = alertmanager.alerts()?;
            alerts.pop().ok_or_else(|| relay.stderr().join("\n"))
        });
        let expected = json!({"alertname": "SeriesAnomalous", "series": HOSTILE, "detector": "default",
            "severity": "critical", "team": "ops", "host": "web1"});
        assert_eq!(alert["labels"], expected);
        let summary = alert["annotations"]["summary"].as_str().unwrap();
        assert!(
            summary.starts_with(HOSTILE) && summary.contains("anomalous: 95"),
            "{summary}"
        );
    }
    wait_for_log(&relay, "member of the Alertmanager cluster");

    // The end is told, not guessed: the patient one would wait for an hour.
    send(&relay, HOSTILE, 5, now + 1);
    for alertmanager in [&patient, &forgetful] {
        wait_for("end of the alert", SOON, || match alertmanager.alerts()? {
            none if none.is_empty() => Ok(()),
            some => Err(format!("{some:?}")),
        });
    }
    wait_until_told(&relay, 2, 0);
}

#[test]
fn alertmanager_reminds_nobody_of_what_is_silenced_or_acknowledged() {
    let alertmanager = Alertmanager::start("1h");
    let relay = Skyrelay::telling(&format!(
        "kind = \"alertmanager\"\nurls = [\"{}\"]\nresend = \"1s\"\n",
        alertmanager.url()
    ));
    let has = |alerts: usize| {
        wait_for("alerts", SOON, || match alertmanager.alerts()? {
            active if active.len() == alerts => Ok(()),
            active => Err(format!("{active:?}; {}", relay.stderr().join("\n"))),
        });
    };
    let ask = |method: &str, path: &str, body: &str| {
        let headers = [("Content-Type", "application/json")];
        let (status, text) = http_ask(relay.http_port, method, path, &headers, body).unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status}: {text}");
        serde_json::from_str::<Value>(&text).unwrap_or_default()
    };
    let now = unix_now();
    send(&relay, "servers.web1.load", 95, now);
    has(1);
    let silence = r#"{"match": ["servers.web1.**"], "for": "2h", "reason": "new disks", "author": "kim"}"#;
    let silence = ask("POST", "/api/v1/silences", silence);
    has(0);
    // It is open, and told again, as soon as it may be.
    ask(
        "DELETE",
        &format!("/api/v1/silences/{}", silence["id"].as_str().unwrap()),
        "",
    );
    has(1);
    let id = &relay.api("/api/v1/anomalies")["anomalies"][0]["id"];
    let path = format!("/api/v1/anomalies/{id}/acknowledge");
    ask("POST", &path, r#"{"author": "kim", "reason": "on it"}"#);
    has(0);
    ask("DELETE", &path, "");
    has(1);
    send(&relay, "servers.web1.load", 5, now + 1);
    has(0);
}

#[test]
fn alertmanager_is_kept_from_forgetting_and_reminded_of_what_it_forgot() {
    const RESOLVE_TIMEOUT: &str = "2s";
    let port = free_port();
    let alertmanager = Alertmanager::start_on(port, RESOLVE_TIMEOUT);
    let relay = Skyrelay::telling(&format!(
        "kind = \"alertmanager\"\nurls = [\"{}\"]\nresend = \"1s\"\n",
        alertmanager.url()
    ));
    let is_active = |alertmanager: &Alertmanager| match &alertmanager.alerts()?[..] {
        [alert] => Ok(alert["endsAt"].as_str().unwrap().to_owned()),
        other => Err(format!("{other:?}; {}", relay.stderr().join("\n"))),
    };
    send(&relay, "servers.web1.load", 95, unix_now());
    let first = wait_for("active alert", SOON, || is_active(&alertmanager));
    // Each post puts the end off, so that it never comes.
    let began = Instant::now();
    let mut last = first.clone();
    while began.elapsed() < Duration::from_secs(7) {
        let ends =
            is_active(&alertmanager).unwrap_or_else(|other| panic!("forgotten after {:?}: {other}", began.elapsed()));
        assert!(ends >= last, "{ends} after {last}");
        last = ends;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(last > first);
    // Another one in its place knows nothing, and is told.
    drop(alertmanager);
    let another = Alertmanager::start_on(port, RESOLVE_TIMEOUT);
    wait_for("active alert", SOON, || is_active(&another));
    wait_until_told(&relay, 1, 0);
}

#[test]
fn who_asks_for_patience_is_given_it() {
    let receiver = Receiver::start();
    let relay = Skyrelay::telling(&format!("kind = \"webhook\"\nurl = \"{}/hook\"\n", receiver.url()));
    receiver.answer(&[
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 4\r\ncontent-length: 0\r\n\r\n",
    ]);
    send(&relay, "a", 95, unix_now());
    let heard = receiver.wait_for(3);
    wait_until_told(&relay, 1, 0);
    let pause = |place: usize| heard[place + 1].at - heard[place].at;
    assert!(pause(0) < Duration::from_secs(4), "{:?}", pause(0));
    assert!(pause(1) >= Duration::from_secs(4), "{:?}", pause(1));
    assert!(heard.iter().all(|request| request.body == heard[0].body));
    assert_eq!(receiver.heard().len(), 3);
}

#[test]
fn a_service_of_icinga_is_critical_as_long_as_an_anomaly_is_open() {
    let icinga = Icinga2::start(&["web1", "web2"], &["load"]);
    let password = tempfile::NamedTempFile::new().unwrap();
    fs::write(password.path(), format!("{PASSWORD}\n")).unwrap();
    let relay = Skyrelay::telling(&format!(
        "kind = \"icinga2\"\nurl = \"{}\"\nuser = \"{USER}\"\npassword_file = \"{}\"\nca_file = \"{}\"\n\
         host = \"{{{{ nodes[1] }}}}\"\nservice = \"{{{{ nodes[2] }}}}\"\n",
        icinga.url(),
        password.path().display(),
        icinga.ca_file().display(),
    ));
    let is = |state: u64, parts: &[&str]| {
        wait_for(&format!("state {state}"), SOON, || {
            let (is, output) = icinga.service("web1!load")?;
            if is == state && parts.iter().all(|part| output.contains(part)) {
                Ok(())
            } else {
                Err(format!("{is}, {output}; {}", relay.stderr().join("\n")))
            }
        });
    };
    let now = unix_now();
    send(&relay, HOSTILE, 95, now);
    is(2, &[HOSTILE, "anomalous: 95"]);
    // Two are about this service, and it is well when both are over.
    send(&relay, "servers.web1.load.other", 99, now);
    is(2, &["and 1 more"]);
    send(&relay, HOSTILE, 5, now + 1);
    is(2, &["servers.web1.load.other is anomalous: 99"]);
    send(&relay, "servers.web1.load.other", 5, now + 1);
    is(0, &["servers.web1.load.other is well again"]);
    assert_eq!(
        icinga.service("web2!load").unwrap().1,
        "",
        "nobody has said anything of it"
    );
    wait_until_told(&relay, 4, 0);

    // What Icinga does not know is said, counted, and holds nothing up.
    send(&relay, "servers.nobody.load", 95, now);
    send(&relay, "servers.web2.load", 95, now);
    wait_until_told(&relay, 5, 1);
    wait_for_log(&relay, "there is no such host or service in Icinga");
    assert_eq!(icinga.service("web2!load").unwrap().0, 2);
}

#[test]
fn hosts_of_icinga_go_by_a_filter_and_strangers_are_refused() {
    let icinga = Icinga2::start(&["web1"], &["load"]);
    let start = |login: &str, rest: &str| {
        Skyrelay::telling(&format!(
            "kind = \"icinga2\"\nurl = \"{}\"\nuser = \"{USER}\"\n{login}\ntype = \"Host\"\n\
             filter = \"host.name == node\"\nfilter_vars = {{ node = \"{{{{ nodes[1] }}}}\" }}\n{rest}",
            icinga.url(),
        ))
    };
    let right = format!("password = \"{PASSWORD}\"");
    let ca_file = format!("ca_file = \"{}\"\n", icinga.ca_file().display());
    let now = unix_now();
    let relay = start(&right, &ca_file);
    send(&relay, "servers.web1.load", 95, now);
    let is = |state: u64| {
        wait_for(&format!("state {state}"), SOON, || match icinga.host("web1")? {
            (is, _) if is == state => Ok(()),
            other => Err(format!("{other:?}; {}", relay.stderr().join("\n"))),
        });
    };
    is(1);
    send(&relay, "servers.web1.load", 5, now + 1);
    is(0);
    wait_until_told(&relay, 2, 0);
    // An expression in a name is a name.
    send(&relay, "servers.x\"||true||\".load", 95, now);
    wait_until_told(&relay, 2, 1);
    wait_for_log(&relay, "nothing in Icinga matches the filter");
    assert_eq!(icinga.host("web1").unwrap().0, 0);

    let stranger = start("password = \"wr0ng s3cret\"", &ca_file);
    send(&stranger, "servers.web1.load", 95, now);
    wait_for_log(&stranger, "answered 401");
    // It waits for somebody to put that right.
    wait_until_told(&stranger, 0, 0);
    assert!(!stranger.stderr().join("\n").contains("s3cret"));
}

#[test]
fn graphite_web_has_an_event_for_each_message() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("whisper")).unwrap();
    let graphite = GraphiteWeb::start(directory.path());
    let relay = Skyrelay::telling(&format!(
        "kind = \"graphite-events\"\nurl = \"http://{}\"\n\
         tags = [\"skyrelay\", \"{{{{ status }}}}\", \"host={{{{ nodes[1] }}}} x\"]\n",
        loopback(graphite.port)
    ));
    let now = unix_now();
    send(&relay, HOSTILE, 95, now - 60);
    wait_until_told(&relay, 1, 0);
    send(&relay, HOSTILE, 5, now - 30);
    wait_until_told(&relay, 2, 0);
    let events = graphite.events(now - 100).unwrap();
    let [open, over] = &events[..] else {
        panic!("two events: {events:?}");
    };
    assert_eq!((&open["when"], &over["when"]), (&json!(now - 60), &json!(now - 30)));
    assert_eq!(open["tags"], json!(["skyrelay", "firing", "host=web1_x"]));
    assert_eq!(over["tags"][1], "resolved");
    let what = open["what"].as_str().unwrap();
    assert!(what.starts_with(HOSTILE) && what.contains("anomalous"), "{what}");
    assert!(
        over["what"].as_str().unwrap().contains("well again after 30s"),
        "{over}"
    );
    assert!(!open["data"].as_str().unwrap().is_empty());
}

#[test]
fn presets_and_templates_arrive_as_their_receivers_want_them() {
    let now = unix_now();
    let told = |settings: &str| {
        let receiver = Receiver::start();
        let relay = Skyrelay::telling(&format!(
            "kind = \"webhook\"\nurl = \"{}/hook\"\n{settings}",
            receiver.url()
        ));
        send(&relay, HOSTILE, 95, now);
        receiver.wait_for(1);
        send(&relay, HOSTILE, 5, now + 1);
        let heard = receiver.wait_for(2);
        wait_until_told(&relay, 2, 0);
        heard
    };

    let heard = told("");
    assert_eq!(heard[0].request, "POST /hook");
    assert_eq!(heard[0].headers["content-type"], "application/json");
    let [open, over] = [0, 1].map(|place| heard[place].json()["messages"][0].clone());
    assert_eq!((&open["event"], &over["event"]), (&json!("open"), &json!("close")));
    assert_eq!((&open["series"], &open["value"]), (&json!(HOSTILE), &json!(95.0)));
    assert_eq!((&open["anomalous"], &over["anomalous"]), (&json!(true), &json!(false)));
    assert_eq!(over["closed_at"], now + 1);

    let heard = told("preset = \"slack\"\n");
    let text = heard[0].json()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("&lt;script&gt;") && !text.contains('<'), "{text}");
    let colors = [0, 1].map(|place| heard[place].json()["attachments"][0]["color"].clone());
    assert_eq!(colors, ["danger", "good"]);

    let heard = told("preset = \"pagerduty\"\nsecrets = { routing_key = { text = \"R0123456789\" } }\n");
    let [open, over] = [0, 1].map(|place| heard[place].json());
    assert_eq!(
        (&open["event_action"], &over["event_action"]),
        (&json!("trigger"), &json!("resolve"))
    );
    assert_eq!(open["dedup_key"], over["dedup_key"]);
    assert_eq!(
        (&open["routing_key"], &open["payload"]["source"]),
        (&json!("R0123456789"), &json!(HOSTILE))
    );

    let heard = told(
        "preset = \"ntfy\"\nvalues = { topic = \"ops\" }\nsecrets = { token = { text = \"tk_0123456789\" } }\n\
         headers = { Authorization = \"Bearer {{ secrets.token }}\" }\n",
    );
    assert_eq!(heard[0].headers["authorization"], "Bearer tk_0123456789");
    assert_eq!(
        (&heard[0].json()["topic"], &heard[0].json()["priority"]),
        (&json!("ops"), &json!(5))
    );
    assert_eq!(heard[1].json()["tags"], json!(["white_check_mark"]));

    let heard = told(
        "method = \"PUT\"\ncontent_type = \"text/plain\"\nbody = \"{{ status }}: {{ series }}\"\nuser = \"me\"\n\
         password = \"you\"\n",
    );
    assert_eq!(heard[0].request, "PUT /hook");
    assert_eq!(heard[0].headers["authorization"], "Basic bWU6eW91");
    assert_eq!(heard[0].body, format!("firing: {HOSTILE}"));
}

#[test]
fn who_cannot_show_a_certificate_of_the_authority_is_told_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let receiver = Receiver::start_tls(&authority.issue("receiver"));
    let settings = |rest: &str| {
        format!(
            "kind = \"webhook\"\nurl = \"{}/x?token=s3cret-t0ken\"\n{rest}",
            receiver.url()
        )
    };
    let now = unix_now();
    let file = |authority: &Authority| format!("ca_file = \"{}\"\n", authority.file().display());
    for (rest, is_told) in [
        (file(&authority), true),
        (String::new(), false),
        (file(&other), false),
        ("tls_verify = false\n".to_owned(), true),
    ] {
        let before = receiver.heard().len();
        let relay = Skyrelay::telling(&settings(&rest));
        send(&relay, "a", 95, now);
        if is_told {
            receiver.wait_for(before + 1);
            wait_until_told(&relay, 1, 0);
        } else {
            wait_for_log(&relay, "tls");
            assert_eq!(receiver.heard().len(), before, "{rest}");
        }
        let log = relay.stderr().join("\n");
        assert!(!log.contains("s3cret-t0ken"), "{log}");
    }
    assert_eq!(receiver.heard()[0].request, "POST /x?token=s3cret-t0ken");
}

#[test]
fn what_is_refused_is_counted_and_no_secret_is_repeated() {
    let receiver = Receiver::start();
    let relay = Skyrelay::telling(&format!(
        "kind = \"webhook\"\nurl = \"{}/services/s3cret-path?key=s3cret-key\"\n",
        receiver.url()
    ));
    receiver.answer(&[
        "HTTP/1.1 422 Unprocessable\r\ncontent-length: 53\r\n\r\nno hook /services/s3cret-path?key=s3cret-key, go away",
    ]);
    let now = unix_now();
    send(&relay, "a", 95, now);
    receiver.wait_for(1);
    wait_until_told(&relay, 0, 1);
    wait_for_log(&relay, "answered 422: no hook ********, go away");
    send(&relay, "b", 95, now);
    wait_until_told(&relay, 1, 1);
    assert!(!relay.stderr().join("\n").contains("s3cret"));
    assert_eq!(receiver.heard().len(), 2);
}

#[test]
fn a_token_that_is_renewed_loses_no_message() {
    let (receiver, folder) = (Receiver::start(), tempfile::tempdir().unwrap());
    let token = folder.path().join("token");
    fs::write(&token, "0ld\n").unwrap();
    let relay = Skyrelay::telling(&format!(
        "kind = \"webhook\"\nurl = \"{}/hook\"\nsecrets = {{ token = {{ file = {token:?} }} }}\n\
         headers = {{ Authorization = \"Bearer {{{{ secrets.token }}}}\" }}\n",
        receiver.url()
    ));
    receiver.answer(&["HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"]);
    send(&relay, "a", 95, unix_now());
    wait_for_log(&relay, "answered 401");
    fs::write(&token, "n3w\n").unwrap();
    wait_until_told(&relay, 1, 0);
    let heard = receiver.heard();
    let authorizations: Vec<&str> = heard
        .iter()
        .filter_map(|heard| heard.headers.get("authorization").map(String::as_str))
        .collect();
    assert_eq!(authorizations, ["Bearer 0ld", "Bearer n3w"]);
}

#[test]
fn print_config_shows_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("skyrelay.toml");
    fs::write(
        &config,
        "[notify.a]\nkind = \"webhook\"\nurl = \"https://example.com/s3cret?x=s3cret\"\nuser = \"me\"\npassword = \"s3cret\"\n\
         secrets = { token = { text = \"s3cret\" } }\n\
         headers = { Authorization = \"Bearer s3cret\", X-Key = \"{{ secrets.token }}\", X-Team = \"ops\" }\n",
    )
    .unwrap();
    let output = Command::new(PROGRAM)
        .arg("print-config")
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !printed.contains("s3cret"), "{printed}");
    for shown in ["https://example.com/****", "{{ secrets.token }}", "X-Team = \"ops\""] {
        assert!(printed.contains(shown), "{shown}: {printed}");
    }
}
