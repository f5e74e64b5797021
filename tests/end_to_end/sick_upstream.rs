//! Upstreams that take connections and are no good: every line comes to the one that is well again, and what was wrong is
//! counted.

use crate::harness::{SOON, net::loopback, sink::Sink, skyrelay::Skyrelay, unix_now, wait_for};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A server that does something with each connection, until it is cured.
struct Sick {
    port: u16,
    cured: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Sick {
    fn start(mut treat: impl FnMut(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind(loopback(0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        listener.set_nonblocking(true).expect("a fresh socket");
        let cured = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let cured = Arc::clone(&cured);
            move || {
                while !cured.load(Ordering::SeqCst) {
                    match listener.accept() {
                        Ok((stream, _)) => treat(stream),
                        Err(_) => std::thread::sleep(Duration::from_millis(2)),
                    }
                }
            }
        });
        Self { port, cured, thread }
    }

    fn cure(self) -> Sink {
        self.cured.store(true, Ordering::SeqCst);
        self.thread.join().expect("it does not panic");
        Sink::start_on(self.port)
    }
}

fn lines(count: u64) -> Vec<u8> {
    let now = unix_now();
    let line = |number: u64| format!("sick.series{} {number} {now}\n", number % 8);
    (0..count).map(line).collect::<String>().into_bytes()
}

/// Waits until the connection has failed so often for this reason.
#[track_caller]
fn wait_for_failures(relay: &Skyrelay, reason: &str, count: u64) {
    wait_for(&format!("{count} times {reason}"), 3 * SOON, || {
        match relay
            .metrics()
            .sum("skyrelay_upstream_failures_total", &[("reason", reason)])
        {
            few if few < count => Err(format!("{few}")),
            _ => Ok(()),
        }
    });
}

/// Checks that each line has come, and in order but for what has come again.
#[track_caller]
fn check_all_came(relay: &Skyrelay, upstream: &Sink, count: u64) {
    let metrics = relay.wait_until_through(count, &["sick"]);
    assert_eq!(metrics.dropped("sick"), 0);
    wait_for("the last line", SOON, || {
        let bytes = upstream.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let numbers: Vec<u64> = text
            .lines()
            .filter_map(|line| line.split(' ').nth(1)?.parse().ok())
            .collect();
        if numbers.last() != Some(&(count - 1)) {
            return Err(format!("{:?} was the last", numbers.last()));
        }
        let begin = numbers[0];
        assert!(numbers.into_iter().eq(begin..count), "in order");
        assert_eq!(begin, 0, "lines before it were lost");
        Ok(())
    });
}

#[test]
fn one_that_takes_nothing_is_given_up_and_loses_nothing() {
    const LINES: u64 = 200_000;
    let mut held = Vec::new();
    let sick = Sick::start(move |stream| held.push(stream));
    let relay = Skyrelay::start(
        &[("sick", sick.port)],
        "write_timeout = \"1s\"\nmax_backoff = \"200ms\"\n",
    );
    relay.connect().write_all(&lines(LINES)).unwrap();
    wait_for_failures(&relay, "timeout", 2);
    assert!(relay.metrics().queued("sick") > 0);
    let upstream = sick.cure();
    check_all_came(&relay, &upstream, LINES);
    assert!(relay.metrics().resent("sick") > 0);
}

#[test]
fn a_proxy_without_its_own_upstream_swallows_nothing() {
    const LINES: u64 = 200_000;
    let sick = Sick::start(drop);
    let relay = Skyrelay::start(&[("sick", sick.port)], "max_backoff = \"200ms\"\n");
    relay.connect().write_all(&lines(LINES)).unwrap();
    wait_for("many connections", 2 * SOON, || {
        match relay.metrics().sum("skyrelay_upstream_connects_total", &[]) {
            few @ 0..=10 => Err(format!("{few}")),
            _ => Ok(()),
        }
    });
    let upstream = sick.cure();
    check_all_came(&relay, &upstream, LINES);
}

#[test]
fn one_that_breaks_after_some_lines_gets_them_again_and_then_the_rest() {
    const LINES: u64 = 10_000;
    let sick = Sick::start(|mut stream| {
        stream.set_nonblocking(false).unwrap();
        let _ = stream.read_exact(&mut [0; 2_000]);
    });
    let relay = Skyrelay::start(&[("sick", sick.port)], "");
    relay.connect().write_all(&lines(LINES)).unwrap();
    wait_for_failures(&relay, "broken", 1);
    let upstream = sick.cure();
    check_all_came(&relay, &upstream, LINES);
}
