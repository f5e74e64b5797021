//! Bodies and addresses of requests: those of the presets as their receivers document them, whatever is told.

use serde_json::{Value, json};

use super::*;
use crate::{
    detect::Severity,
    notify::{Status, message::tests::message},
};

const HOSTILE: &str = "web\"1\\n.{{x}}.<script>&lt;'.load";

#[track_caller]
fn body_of(name: &str, values: &Values, messages: &[Message]) -> Value {
    let preset = preset(name).unwrap();
    let template = Template::checked(&preset.body, Format::Json, values, preset.batch)
        .unwrap_or_else(|mistake| panic!("{name}: {mistake} at {}", &preset.body[mistake.at.clone()]));
    let messages: Vec<_> = messages.iter().cloned().map(Arc::new).collect();
    let body = template.render(&messages, &values.reveal().unwrap()).unwrap();
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{name}: {error}: {body}"))
}

fn critical(status: Status) -> Message {
    Message {
        severity: Some(Severity::Critical),
        ..message(status, HOSTILE)
    }
}

#[test]
fn every_preset_is_known_and_works() {
    assert_eq!(presets(), ["slack", "pagerduty", "ntfy"]);
    for name in presets() {
        let preset = preset(name).unwrap();
        let values = Values {
            values: preset
                .values
                .iter()
                .map(|name| (name.clone(), "x".to_owned()))
                .collect(),
            secrets: preset
                .secrets
                .iter()
                .map(|name| (name.clone(), Secret::Text("x".to_owned())))
                .collect(),
        };
        Template::checked(&preset.body, Format::Json, &values, preset.batch).unwrap();
        assert!((1..=BATCH_MAX).contains(&preset.batch));
        if let Some(url) = preset.url {
            peer::check_url(&url).unwrap();
        }
    }
    assert!(preset("teams").is_none());
}

// Slack: https://docs.slack.dev/messaging/formatting-message-text (only & < > are special) and
// https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments (fields of attachments).
#[test]
fn slack_is_sent_what_it_documents() {
    let values = Values::default();
    let body = body_of(
        "slack",
        &values,
        &[critical(Status::Firing), message(Status::Resolved, "a.b")],
    );
    let text = body["text"].as_str().unwrap();
    assert!(
        text.starts_with("web\"1\\n.{{x}}.&lt;script&gt;&amp;lt;'.load is anomalous: 93.5"),
        "{text}"
    );
    assert!(text.ends_with("(and 1 more)"), "{text}");
    let [first, second] = &body["attachments"].as_array().unwrap()[..] else {
        panic!("{body}");
    };
    assert_eq!((&first["color"], &second["color"]), (&json!("danger"), &json!("good")));
    assert_eq!(first["ts"], 1_700_000_000);
    assert_eq!(first["title_link"], "https://relay.example.com/#/series/a");
    for attachment in [first, second] {
        for key in ["fallback", "title", "text", "footer"] {
            let text = attachment[key].as_str().unwrap();
            assert!(!text.is_empty() && !text.contains(['<', '>']), "{key}: {text}");
        }
        for field in attachment["fields"].as_array().unwrap() {
            assert!(field["title"].is_string() && field["value"].is_string() && field["short"].is_boolean());
        }
    }
}

// PagerDuty: https://developer.pagerduty.com/docs/send-alert-event (required: `routing_key`, `event_action`,
// payload.summary up to 1,024 characters, payload.source, payload.severity of four; `dedup_key` up to 255).
#[test]
fn pagerduty_is_sent_what_it_documents() {
    let values = Values {
        secrets: [("routing_key".to_owned(), Secret::Text("R".repeat(32)))].into(),
        ..Values::default()
    };
    let long = Message {
        series: format!("web.{}", "x".repeat(2000)).into(),
        severity: None,
        ..message(Status::Firing, "")
    };
    let firing = body_of("pagerduty", &values, &[critical(Status::Firing)]);
    let resolved = body_of("pagerduty", &values, &[critical(Status::Resolved)]);
    let again = body_of("pagerduty", &values, &[critical(Status::Again)]);
    let long = body_of("pagerduty", &values, &[long]);
    let summary = body_of("pagerduty", &values, &[critical(Status::Summary)]);
    assert_eq!(firing["event_action"], "trigger");
    assert_eq!(again["event_action"], "trigger");
    assert_eq!(resolved["event_action"], "resolve");
    assert_eq!(firing["dedup_key"], resolved["dedup_key"]);
    assert_eq!(firing["payload"]["severity"], "critical");
    assert_eq!(firing["payload"]["source"], HOSTILE);
    assert_eq!(firing["payload"]["timestamp"], "2023-11-14T22:13:20Z");
    assert_eq!(firing["payload"]["custom_details"]["expected"], 12.0);
    for event in [firing, resolved, again, long, summary] {
        assert_eq!(event["routing_key"].as_str().unwrap().len(), 32);
        assert!(event["dedup_key"].as_str().unwrap().len() <= 255);
        let payload = &event["payload"];
        let summary = payload["summary"].as_str().unwrap();
        assert!((1..=1024).contains(&summary.chars().count()), "{summary}");
        assert!(!payload["source"].as_str().unwrap().is_empty());
        let severity = payload["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "error", "info"].contains(&severity),
            "{severity}"
        );
    }
}

// ntfy: https://docs.ntfy.sh/publish/#publish-as-json (topic; priority 1 to 5; tags; message up to 4,096 bytes).
#[test]
fn ntfy_is_sent_what_it_documents() {
    let values = Values {
        values: [("topic".to_owned(), "ops".to_owned())].into(),
        ..Values::default()
    };
    let long = Message {
        reason: "ü€😀".repeat(5000),
        ..critical(Status::Firing)
    };
    let firing = body_of("ntfy", &values, &[long]);
    let resolved = body_of("ntfy", &values, &[critical(Status::Resolved)]);
    assert!(firing["title"].as_str().unwrap().starts_with(HOSTILE), "{firing}");
    assert_eq!((&firing["priority"], &resolved["priority"]), (&json!(5), &json!(2)));
    assert_eq!(firing["tags"], json!(["rotating_light"]));
    for note in [firing, resolved] {
        assert_eq!(note["topic"], "ops");
        assert!((1..=4096).contains(&note["message"].as_str().unwrap().len()));
        assert!(note["click"].as_str().unwrap().starts_with("https://"));
    }
}

#[test]
fn without_a_template_the_body_is_the_messages() {
    let messages = [critical(Status::Firing), critical(Status::Resolved)].map(Arc::new);
    let body: Value = serde_json::from_slice(&whole(&messages)).unwrap();
    assert_eq!(body["messages"][0]["series"], HOSTILE);
    let again: Vec<Message> = serde_json::from_value(body["messages"].clone()).unwrap();
    assert_eq!(
        (again[1].status, &again[1].fingerprint),
        (Status::Resolved, &messages[1].fingerprint)
    );
    assert_eq!(
        (&body["messages"][0]["anomalous"], &body["messages"][1]["anomalous"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn only_json_has_to_be_json() {
    for (content_type, format) in [
        ("application/json", Format::Json),
        ("Application/JSON; charset=utf-8", Format::Json),
        ("application/vnd.api+json", Format::Json),
        ("application/x-ndjson", Format::Text),
        ("text/plain", Format::Text),
        ("", Format::Text),
    ] {
        assert_eq!(format_of(content_type), format, "{content_type}");
    }
}

#[test]
fn a_name_that_no_header_can_carry_is_told_all_the_same() {
    use std::io::{Read, Write};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"BODY") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "it has hung up");
            request.extend(byte);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        String::from_utf8(request).unwrap()
    });
    let template = |source| Template::new(source, Format::Text).unwrap();
    let mut webhook = Webhook::new(Settings {
        preset: None,
        url: Secret::Text(url),
        method: Method::POST,
        content_type: "text/plain".to_owned(),
        headers: vec![("X-Series".to_owned(), template("{{ series }}"))],
        body: Some(template("BODY")),
        values: Values::default(),
        batch: 1,
        login: None,
        http: HttpSettings::default(),
    });
    let hostile = "esc\u{1b}.ü\r\nX-Admin: yes";
    webhook.deliver(&[Arc::new(message(Status::Firing, hostile))]).unwrap();
    let heard = heard.join().unwrap().to_lowercase();
    assert!(heard.contains("\r\nx-series: esc"), "{heard:?}");
    assert!(heard.contains('ü') && !heard.contains('\u{1b}'), "{heard:?}");
    assert!(!heard.contains("\r\nx-admin"), "{heard:?}");
}
