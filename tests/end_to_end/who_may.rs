//! Who may ask, and who may change something: passwords, pages of other sites, names made to lead here.

use crate::harness::{net::http_ask, skyrelay::Skyrelay};

const PASSWORD: &str = "\n[http]\nuser = \"ops\"\npassword_file = \"FILE\"\n";

#[track_caller]
fn answers(relay: &Skyrelay, method: &str, path: &str, headers: &[(&str, &str)], status: u16) -> String {
    let (is, text) = http_ask(relay.http_port, method, path, headers, "").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(is, status, "{method} {path} {headers:?}: {text}");
    text
}

#[test]
fn a_page_of_another_site_neither_changes_nor_reads_anything() {
    let relay = Skyrelay::start(&[], "");
    answers(&relay, "POST", "/-/reload", &[], 200);
    let origin = format!("http://localhost:{}", relay.http_port);
    let host = format!("localhost:{}", relay.http_port);
    let same = [("Origin", origin.as_str()), ("Host", host.as_str())];
    answers(&relay, "POST", "/-/reload", &same, 200);
    let text = answers(&relay, "POST", "/-/reload", &[("Origin", "https://evil.example")], 403);
    assert!(text.contains("another site"), "{text}");
    answers(&relay, "POST", "/-/reload", &[("Sec-Fetch-Site", "cross-site")], 403);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    answers(&relay, "POST", "/-/reload", &form, 415);
    // A name of somebody else's that leads to this machine.
    for path in ["/metrics", "/api/v1/series", "/", "/-/healthy"] {
        answers(&relay, "GET", path, &[("Host", "evil.example")], 421);
    }
    let metrics = relay.metrics();
    let refused = |reason: &str| metrics.sum("skyrelay_http_requests_refused_total", &[("reason", reason)]);
    assert_eq!(refused("cross_site"), 2);
    assert_eq!(refused("content_type"), 1);
    assert_eq!(refused("host"), 4);
}

#[test]
fn a_password_is_asked_for_from_the_next_reload_on_and_shown_nowhere() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("password");
    std::fs::write(&file, "open sesame\n").expect("the directory is ours");
    let relay = Skyrelay::start(&[], "");
    relay.add_settings(&PASSWORD.replace("FILE", &file.display().to_string()));
    assert_eq!(relay.reload().1["changed"], serde_json::json!(["http"]));
    answers(&relay, "POST", "/-/reload", &[], 401);
    // "ops:open sesame"
    let good = [("Authorization", "Basic b3BzOm9wZW4gc2VzYW1l")];
    answers(&relay, "POST", "/-/reload", &good, 200);
    answers(
        &relay,
        "POST",
        "/-/reload",
        &[("Authorization", "Basic b3BzOm9wZW4=")],
        401,
    );
    answers(&relay, "GET", "/metrics", &[], 200);
    // Another password in the same file.
    std::fs::write(&file, "swordfish").expect("the directory is ours");
    answers(&relay, "POST", "/-/reload", &good, 200);
    answers(&relay, "POST", "/-/reload", &good, 401);
    let shown = [relay.stderr(), relay.stdout()].concat().join("\n");
    assert!(!shown.contains("sesame") && !shown.contains("swordfish"), "{shown}");
}
