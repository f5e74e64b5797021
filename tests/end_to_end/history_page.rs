//! What was, on the page in a real Chromium: from disk, page by page and over a kill, and from memory where nothing is kept.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    chromium::{Chromium, PHONE},
    skyrelay::Skyrelay,
    unix_now, wait_for,
};
use serde_json::json;
use std::{fmt::Write as _, io::Write};

/// A value above 90 is an anomaly to one detector, one above 900 to both.
const BOUNDS: &str = r#"
[detector.full]
kind = "threshold"
above = 90
[detector.overflowing]
kind = "threshold"
above = 900
[[watch]]
match = ["**"]
detectors = ["full", "overflowing"]
"#;

/// Has so many series open an anomaly, and close it.
fn come_and_go(relay: &Skyrelay, series: &[String], value: u32) {
    let before = relay.metrics().received();
    let begins = unix_now() - 600;
    let mut lines = String::new();
    for (second, name) in (begins..).zip(series) {
        writeln!(lines, "{name} {value} {second}\n{name} 1 {}", second + 60).unwrap();
    }
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(before + 2 * series.len() as u64, &[]);
}

fn history(relay: &Skyrelay, query: &str) -> String {
    format!("http://127.0.0.1:{}/#/history{query}", relay.http_port)
}

const ROWS: &str = "document.querySelectorAll('#main .row').length";

/// Waits until the view says so.
#[track_caller]
fn says(browser: &mut Chromium, text: &str) {
    browser.wait_until(
        text,
        &format!("document.querySelector('#main').innerText.includes({})", json!(text)),
    );
}

#[test]
fn what_was_is_shown_page_by_page_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("history");
    let mut relay = Skyrelay::start(
        &[],
        &format!("{BOUNDS}[history]\ndirectory = \"{}\"\n", directory.display()),
    );
    let hostile = "<img/src=x/onerror=window.pwned=1>".to_owned();
    let names: Vec<String> = (0..119).map(|number| format!("servers.web{number}.load")).collect();
    come_and_go(&relay, &[&names[..], std::slice::from_ref(&hostile)].concat(), 100);
    come_and_go(&relay, &["late.one".to_owned()], 1000);
    // One goes on.
    writeln!(relay.connect(), "goes.on 100 {}", unix_now()).unwrap();
    wait_for("records", SOON, || {
        match relay.metrics().sum("skyrelay_history_records_total", &[]) {
            245 => Ok(()),
            other => Err(format!("{other}")),
        }
    });

    let mut browser = Chromium::start();
    browser.open(&history(&relay, ""));
    says(&mut browser, "50 newest anomalies, the newest first.");
    assert_eq!(browser.eval(ROWS), 50);
    for rows in [100, 123] {
        browser.eval("document.querySelector('.more button').click()");
        browser.wait_until("older ones", &format!("{ROWS} === {rows}"));
    }
    says(&mut browser, "123 anomalies, the newest first.");
    assert_eq!(browser.eval("document.querySelector('.more button').hidden"), true);
    let shown = browser.eval("[...document.querySelectorAll('#main .row .name')].map((one) => one.textContent)");
    assert!(shown.as_array().unwrap().contains(&json!(hostile)), "{shown}");
    browser.picture("history-light");

    // By name, and by detector.
    browser.open(&history(&relay, "?match=web11&detector=full"));
    says(&mut browser, "10 anomalies, the newest first.");
    browser.open(&history(&relay, "?detector=overflowing"));
    says(&mut browser, "1 anomaly, the newest first.");
    says(&mut browser, "for 1 min");
    browser.open(&history(&relay, "?match=nobody"));
    says(&mut browser, "No anomaly matches.");
    browser.open(&history(&relay, &format!("?until={}", unix_now() - 86_400)));
    says(&mut browser, "No anomaly matches.");

    assert_eq!(browser.problems(), [""; 0]);
    // Nobody looks while there is nobody.
    browser.open("about:blank");
    relay.kill();
    relay.start_again();
    browser.look(PHONE);
    browser.open(&history(&relay, "?match=goes.on"));
    says(&mut browser, "1 anomaly, the newest first.");
    says(&mut browser, "end not seen");
    let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
    assert!(wide <= u64::from(PHONE.width), "{wide}");
    browser.picture("history-phone");
    assert_eq!(browser.eval("typeof window.pwned"), "undefined");
    assert_eq!(browser.problems(), [""; 0]);
}

#[test]
fn without_a_history_the_page_shows_what_is_remembered_and_says_so() {
    let relay = Skyrelay::start(&[], BOUNDS);
    let mut browser = Chromium::start();
    browser.open(&history(&relay, ""));
    says(&mut browser, "No anomaly matches. No history is kept on disk");
    let names: Vec<String> = (0..60).map(|number| format!("servers.web{number}.load")).collect();
    come_and_go(&relay, &names, 100);
    wait_for("ends", SOON, || {
        match relay.metrics().sum("skyrelay_anomalies_closed_total", &[]) {
            60 => Ok(()),
            other => Err(format!("{other}")),
        }
    });
    browser.open(&history(&relay, ""));
    says(
        &mut browser,
        "50 newest anomalies, the newest first. No history is kept on disk",
    );
    browser.eval("document.querySelector('.more button').click()");
    browser.wait_until("older ones", &format!("{ROWS} === 60"));
    assert_eq!(browser.problems(), [""; 0]);
}
