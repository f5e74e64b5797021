//! SIGTERM: what was received is handed on before the program ends, and the exit code tells whether it was.

use crate::harness::{
    SOON, assert_same_bytes,
    net::{free_port, loopback},
    sink::Sink,
    skyrelay::{NINE_ALGORITHMS, Skyrelay},
    unix_now, wait_for,
};
use std::{
    io::{ErrorKind, Write},
    net::TcpStream,
    time::Duration,
};

fn lines(count: u64) -> Vec<u8> {
    let start = unix_now() - 6 * 3600;
    let line = |number: u64| format!("stop.series{:02} {number} {}\n", number % 50, start + number / 50);
    (0..count).map(line).collect::<String>().into_bytes()
}

#[test]
fn sigterm_under_load_hands_on_whole_lines_without_a_gap_and_exits_with_0() {
    let upstream = Sink::start();
    let mut relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let load = lines(1_000_000); // more than gets through before the signal
    let received_before = std::thread::scope(|scope| {
        let mut connection = relay.connect();
        let load = &load;
        let sender = scope.spawn(move || {
            let mut rest = &load[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(10_007));
                match connection.write_all(piece) {
                    Ok(()) => rest = behind,
                    // The relay has stopped listening, as it should.
                    Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => return,
                    Err(error) => panic!("{error}"),
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            panic!("everything was sent before the relay stopped: this shows nothing");
        });
        let received = wait_for("load", SOON, || match relay.metrics().received() {
            few @ 0..=50_000 => Err(format!("{few} received")),
            received => Ok(received),
        });
        let status = relay.terminate(2 * SOON);
        assert_eq!(status.code(), Some(0), "{status}: {:?}", relay.stderr());
        sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        received
    });

    // All of it is on this side once the relay has ended; the sink may still be reading.
    let got = wait_for("end of the sink's reading", SOON, || {
        let before = upstream.bytes();
        std::thread::sleep(Duration::from_millis(100));
        let after = upstream.bytes();
        if before.len() == after.len() {
            Ok(after)
        } else {
            Err("still reading".to_owned())
        }
    });
    assert_same_bytes("upstream", &got, &load[..got.len()]);
    assert!(got.ends_with(b"\n"), "the last line is whole");
    let got_lines = got.split_inclusive(|&byte| byte == b'\n').count() as u64;
    assert!(
        got_lines >= received_before,
        "{got_lines} lines arrived of {received_before} received before the signal"
    );
}

#[test]
fn sigterm_waits_for_a_slow_upstream_to_take_all_that_was_received() {
    const LINES: u64 = 400_000;
    let upstream = Sink::start();
    let mut relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let load = lines(LINES);
    upstream.pause();
    relay.connect().write_all(&load).unwrap();
    wait_for("receipt of all lines", 2 * SOON, || match relay.metrics() {
        metrics if metrics.received() == LINES && metrics.queued("sink") > 0 => Ok(()),
        metrics => Err(format!(
            "{} received, {} queued",
            metrics.received(),
            metrics.queued("sink")
        )),
    });
    relay.ask_to_stop();
    wait_for("end of listening", SOON, || {
        match TcpStream::connect(loopback(relay.port)) {
            Ok(_) => Err("still listening".to_owned()),
            Err(_) => Ok(()),
        }
    });
    upstream.resume();
    let status = relay.terminate(2 * SOON);
    assert_eq!(status.code(), Some(0), "{status}: {:?}", relay.stderr());
    upstream.wait_for_exactly(&load);
}

#[test]
fn sigterm_while_a_sender_waits_for_one_upstream_loses_nothing_to_the_others() {
    let well = Sink::start();
    let settings = "when_full = \"pause-senders\"\nqueue = \"1 MiB\"";
    // The well one comes last of two that may make senders wait.
    let mut relay = Skyrelay::start(&[("away", free_port())], "");
    let upstreams = format!(
        "[[forward]]\nname = \"slow\"\naddress = \"127.0.0.1:{}\"\n{settings}\n[[forward]]\nname = \"well\"\naddress = \"127.0.0.1:{}\"\n{settings}\n",
        free_port(),
        well.port
    );
    relay.add_settings(&format!("shutdown_deadline = \"2s\"\n{upstreams}"));
    assert_eq!(relay.reload().0, 200);
    let load = lines(1_000_000);
    std::thread::scope(|scope| {
        let mut connection = relay.connect();
        let load = &load;
        // What nobody reads is left with the sender.
        let sender = scope.spawn(move || connection.write_all(load).is_err());
        wait_for("a sender that waits", SOON, || {
            match relay.metrics().sum("skyrelay_senders_paused", &[("upstream", "slow")]) {
                1 => Ok(()),
                other => Err(format!("{other} wait")),
            }
        });
        relay.ask_to_stop();
        assert!(sender.join().unwrap(), "everything was read: this shows nothing");
    });
    let received = wait_for("the last reading", SOON, || {
        relay
            .stderr()
            .iter()
            .find_map(|line| {
                let (_, lost) = line.split_once("lines=")?;
                let lost = lost.split(' ').next()?.parse::<u64>().ok()?;
                line.contains("lines were lost").then_some(lost)
            })
            .ok_or_else(|| format!("{:?}", relay.stderr()))
    });
    let status = relay.terminate(2 * SOON);
    assert_eq!(status.code(), Some(1), "{status}");
    // Two upstreams got nothing, and the third all that was read.
    let got = well.bytes();
    let lines_got = memchr::memchr_iter(b'\n', &got).count() as u64;
    assert_eq!(received, 2 * lines_got);
    assert_same_bytes("well", &got, &load[..got.len()]);
}

#[test]
fn sigterm_with_lines_for_an_absent_upstream_exits_with_1_and_says_how_many() {
    const LINES: u64 = 1_234;
    let absent = free_port();
    let mut relay = Skyrelay::start(&[("absent", absent)], NINE_ALGORITHMS);
    relay.connect().write_all(&lines(LINES)).unwrap();
    wait_for("queue for the absent upstream", SOON, || {
        match relay.metrics().queued("absent") {
            LINES => Ok(()),
            other => Err(format!("{other} queued")),
        }
    });
    let status = relay.terminate(2 * SOON);
    let stderr = relay.stderr();
    assert_eq!(status.code(), Some(1), "{status}: {stderr:?}");
    assert!(
        stderr.iter().any(|line| line.contains("1234")),
        "it says how many lines are lost: {stderr:?}"
    );
}
