//! What is anomalous as series of their own in the stream, and the stream as it was received without them.

use crate::harness::{SOON, sink::Sink, skyrelay::Skyrelay, unix_now, wait_for};
use std::io::Write;

const WATCH: &str = r#"
[detector.high]
kind = "threshold"
above = 5
[[watch]]
match = ["**"]
detectors = ["high"]
[own_series]
anomalies = true
"#;

/// Waits until a line has come that begins so, and gives its last.
#[track_caller]
fn wait_for_line(upstream: &Sink, beginning: &str) -> String {
    wait_for(&format!("a line {beginning}"), SOON, || {
        let text = String::from_utf8(upstream.bytes()).expect("all lines are UTF-8");
        let found = text
            .lines()
            .rfind(|line| line.starts_with(beginning))
            .map(str::to_owned);
        found.ok_or(text)
    })
}

#[test]
fn they_go_upstream_with_the_stream_while_they_are_asked_for() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], &format!("{WATCH}every = \"1s\"\n"));
    let now = unix_now();
    let mut sender = relay.connect();
    write!(sender, "shop.one.load 10 {now}\nshop.two.load 1 {now}\n").unwrap();
    wait_for_line(&upstream, "skyrelay.anomaly.shop.one.load ");
    for (name, rate) in [("", "0.5"), (".shop", "0.5"), (".shop.one", "1"), (".shop.two", "0")] {
        wait_for_line(&upstream, &format!("skyrelay.anomaly_rate{name} {rate} "));
    }
    writeln!(sender, "shop.one.load 1 {}", now + 1).unwrap();
    wait_for_line(&upstream, "skyrelay.anomaly_rate 0 ");

    relay.reconfigure(relay.port, &[("sink", upstream.port)], WATCH);
    let (status, answer) = relay.reload();
    assert_eq!(
        (status, &answer["changed"]),
        (200, &serde_json::json!(["own_series"])),
        "{answer}"
    );
    let through = wait_for("the books", SOON, || {
        let metrics = relay.metrics();
        metrics.books_balance(&["sink"]).map(|()| metrics)
    });
    let (received, own) = (through.received(), through.not_analysed("own"));
    assert_eq!((received, through.analysed()), (own + 3, 3));
    wait_for("all of it upstream", SOON, || {
        let lines = memchr::memchr_iter(b'\n', &upstream.bytes()).count() as u64;
        (lines == received)
            .then_some(())
            .ok_or(format!("{lines} of {received}"))
    });
    // Longer than they used to wait.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(relay.metrics().received(), received);
}
