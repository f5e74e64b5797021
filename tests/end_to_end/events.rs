//! `/api/v1/events`: anomalies as they come, to whoever follows.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    net::{connect, http_get},
    skyrelay::Skyrelay,
    unix_now, wait_for,
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// One value far from all others opens an anomaly, and the next one closes it.
const SETTINGS: &str = r#"
[detector.default]
kind = "skyline"
consensus = 1
algorithms = ["mean_subtraction_cumulation"]
"#;

/// An event, with its number.
#[derive(Debug)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

/// A client that follows.
struct Follower {
    stream: BufReader<TcpStream>,
}

impl Follower {
    #[track_caller]
    fn start(relay: &Skyrelay, query: &str, last_seen: Option<&str>) -> Self {
        let mut stream = connect(relay.http_port);
        stream.set_read_timeout(Some(SOON)).unwrap();
        let seen = last_seen.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        write!(
            stream,
            "GET /api/v1/events{query} HTTP/1.1\r\nHost: localhost\r\n{seen}\r\n"
        )
        .unwrap();
        let mut follower = Self {
            stream: BufReader::new(stream),
        };
        let status = follower.line().unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        let mut is_event_stream = false;
        loop {
            let header = follower.line().unwrap();
            is_event_stream |= header.eq_ignore_ascii_case("content-type: text/event-stream");
            if header.is_empty() {
                break;
            }
        }
        assert!(is_event_stream);
        // What it begins with says where to go on.
        assert!(follower.next().unwrap().name.is_empty());
        follower
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let bytes = self.stream.read_line(&mut line).expect("an answer in time");
        (bytes > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event, or `None` when the answer has come to its end. Chunk sizes are passed over.
    fn next(&mut self) -> Option<Event> {
        let (mut id, mut name, mut data) = (String::new(), String::new(), Value::Null);
        loop {
            let line = self.line()?;
            match line.split_once(':').map(|(field, value)| (field, value.trim_start())) {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => data = serde_json::from_str(value).unwrap(),
                None if line == "0" => return None,
                None if line.is_empty() && !id.is_empty() => return Some(Event { id, name, data }),
                _ => {}
            }
        }
    }
}

/// Lines of a calm series, up to `until`.
fn calm(series: &str, until: u64) -> String {
    let line = |number| format!("{series} {} {}\n", number % 2, until - 60 + number);
    (0..60).map(line).collect()
}

#[test]
fn who_follows_sees_a_spike_within_two_seconds_and_goes_on_where_it_was() {
    let relay = Skyrelay::start(&[], SETTINGS);
    let now = unix_now() - 10;
    let mut senders = relay.connect();
    let write = |senders: &mut TcpStream, text: String| senders.write_all(text.as_bytes()).unwrap();
    write(&mut senders, calm("a.one", now) + &calm("b.two", now));
    relay.wait_until_through(120, &[]);
    let mut all = Follower::start(&relay, "", None);
    let mut of_a = Follower::start(&relay, "?match=a.**", None);

    let sent = Instant::now();
    write(&mut senders, format!("b.two 900 {now}\na.one 900 {now}\n"));
    let two = [all.next().unwrap(), all.next().unwrap()];
    assert!(sent.elapsed() < Duration::from_secs(2), "{:?}", sent.elapsed());
    let a = of_a.next().unwrap();
    assert_eq!(
        (a.name.as_str(), a.data["series"].as_str()),
        ("open", Some("a.one")),
        "{a:?}"
    );
    assert_eq!(a.data["value"].as_f64(), Some(900.0));
    assert!(two.iter().any(|event| event.data == a.data), "{two:?}");

    // What came while nobody followed is told to who comes back.
    drop(all);
    let calm_again = |number| format!("a.one 0 {}\nb.two 0 {}\n", now + number, now + number);
    let lines: String = (1..4).map(calm_again).collect();
    write(&mut senders, lines);
    relay.wait_until_through(128, &[]);
    let mut back = Follower::start(&relay, "", Some(&two[1].id));
    let closed = [back.next().unwrap(), back.next().unwrap()];
    assert!(closed.iter().all(|event| event.name == "close"), "{closed:?}");
    let mut from_another_run = Follower::start(&relay, "?match=a.**", Some("1-1"));
    write(&mut senders, format!("a.one 5000 {}\n", now + 4));
    assert_eq!(from_another_run.next().unwrap().name, "open", "not what was before");

    // It ends whole when the relay stops.
    let mut relay = relay;
    relay.ask_to_stop();
    assert!(back.next().is_some_and(|event| event.name == "open"));
    assert!(back.next().is_none());
    assert_eq!(relay.terminate(SOON).code(), Some(0));
}

#[test]
fn followers_leave_room_for_questions() {
    let relay = Skyrelay::start(&[], "");
    let followers: Vec<_> = (0..32).map(|_| Follower::start(&relay, "", None)).collect();
    let (status, text) = http_get(relay.http_port, "/api/v1/events").unwrap();
    assert_eq!(status, 503, "{text}");
    assert_eq!(http_get(relay.http_port, "/api/v1/anomalies").unwrap().0, 200);
    drop(followers);
    // It takes the relay a moment to see that they have gone; then there is room again, and it looks at what is asked.
    wait_for("room", SOON, || {
        match http_get(relay.http_port, "/api/v1/events?match=%5B").unwrap() {
            (400, _) => Ok(()),
            (status, text) => Err(format!("{status}: {text}")),
        }
    });
}
