//! Hostile clients of HTTP, and hostile names wherever they are shown.

use super::scene::{MEMORY, Scene};
use crate::harness::{
    SOON,
    net::{connect, http_get, loopback, url_encoded},
    skyrelay::Skyrelay,
    unix_now,
};
use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// What comes back for these bytes, until the other side closes.
fn answer_to(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(loopback(port)).expect("HTTP is served");
    // It may hang up before it has read everything.
    let _ = stream.write_all(request);
    stream.set_read_timeout(Some(SOON)).expect("an open socket");
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn status_of(answer: &str) -> &str {
    answer
        .strip_prefix("HTTP/1.1 ")
        .map_or("none", |rest| rest.get(..3).unwrap_or_default())
}

#[track_caller]
fn answers(relay: &Skyrelay, request: &str, status: &str) {
    let answer = answer_to(relay.http_port, request.as_bytes());
    assert_eq!(status_of(&answer), status, "{request:?}: {answer}");
    let text = answer.to_ascii_lowercase();
    assert!(!text.contains("root:"), "{request:?} leads to a file: {answer}");
}

#[test]
fn only_what_is_meant_to_be_served_is_served() {
    let relay = Skyrelay::start(&[], "");
    for path in [
        "/..",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/metrics/..",
        "/metrics/%2e%2e/api/v1/series",
        "//etc/passwd",
        "/index.html",
        "/api",
        "/api/v1",
        "/api/v2/series",
        "/-/quit",
        "/debug/pprof/",
        "/.git/config",
    ] {
        answers(
            &relay,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
            "404",
        );
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        for path in ["/", "/metrics", "/-/ready", "/api/v1/series", "/api/v1/series/a"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            answers(&relay, &request, "405");
        }
    }
    // Not HTTP, and HTTP that is ambiguous.
    for request in [
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nA\0: b\r\n\r\n",
    ] {
        answers(&relay, request, "400");
    }
    assert_eq!(
        http_get(relay.http_port, "/-/healthy").map(|(status, _)| status),
        Ok(200)
    );
}

#[test]
fn requests_without_end_cost_no_memory_and_hold_up_no_sender() {
    let scene = Scene::start("", "");
    let port = scene.relay.http_port;
    let long = "a".repeat(64 << 10);
    // Each of them whole, and longer than any that is meant.
    for request in [
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(1_000)),
    ] {
        let answer = answer_to(port, request.as_bytes());
        assert!(matches!(status_of(&answer), "400" | "414" | "431" | "none"), "{answer}");
    }
    // Headers and bodies that go on for as long as anybody reads.
    for begin in [
        "GET / HTTP/1.1\r\nHost: localhost\r\nA: ",
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    ] {
        let mut stream = connect(port);
        stream.write_all(begin.as_bytes()).expect("a fresh connection");
        let mut sent = 0_usize;
        while sent < 64 << 20 && stream.write_all(long.as_bytes()).is_ok() {
            sent += long.len();
        }
        assert!(sent < 64 << 20, "{begin:?}: it takes whatever comes");
    }
    // More than there are places, none of whom comes to the point.
    let slow: Vec<_> = (0..500)
        .map(|_| {
            let mut stream = connect(port);
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost:")
                .expect("a fresh connection");
            stream
        })
        .collect();
    let begun = Instant::now();
    let answered = answer_within(port, Duration::from_secs(60));
    assert!(
        answered.starts_with("HTTP/1.1 200"),
        "after {:?}: {answered}",
        begun.elapsed()
    );
    drop(slow);
    scene.finish(0, MEMORY);
}

/// The answer to a plain question, which may have to wait for its turn.
fn answer_within(port: u16, within: Duration) -> String {
    let mut stream = connect(port);
    stream
        .write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("a fresh connection");
    stream.set_read_timeout(Some(within)).expect("an open socket");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn hostile_names_are_escaped_wherever_they_are_shown() {
    const SETTINGS: &str = "[detector.default]\nkind = \"skyline\"\nconsensus = 1\nalgorithms = [\"median_absolute_deviation\"]\n\
                            [limits]\nmax_age = \"48h\"\n[notify.lines]\nkind = \"json-lines\"\npath = \"stdout\"\n";
    let names = [
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "\u{9b}31m\u{7f}",
        "\u{202e}gnp.exe\u{2066}",
        "</script><script>alert(1)</script>",
        "\"},{\"series\":\"forged\"",
        "\0\u{8}\u{1}",
    ];
    let scene = Scene::start("", SETTINGS);
    let begin = unix_now() - 3600;
    let mut lines = String::new();
    for name in names {
        for (timestamp, value) in (begin..).zip([1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1_000]) {
            writeln!(lines, "{name} {value} {timestamp}").expect("a String takes it");
        }
    }
    let mut sender = scene.relay.connect();
    sender.write_all(lines.as_bytes()).expect("the relay reads on");
    let told = crate::harness::wait_for("an anomaly of each", SOON, || {
        let events = scene.relay.events();
        let told = |name: &&&str| events.iter().any(|event| event["series"] == ***name);
        match names.iter().filter(told).count() {
            all if all == names.len() => Ok(scene.relay.stdout()),
            some => Err(format!("{some} told of: {events:?}")),
        }
    });
    let plain = |text: &str| !text.contains(|char: char| char.is_control() || "\u{202e}\u{2066}".contains(char));
    for line in told {
        assert!(plain(&line), "{}", line.escape_debug());
    }
    for name in names {
        let path = format!("/api/v1/series/{}", url_encoded(name));
        let (status, text) = http_get(scene.relay.http_port, &path).expect("it is served");
        assert_eq!(status, 200, "{text}");
        let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["series"], name);
    }
    scene.finish((names.len() * 13) as u64, MEMORY);
}
