//! Limits on senders, each kept without harm to the others: connections, networks, silence, length of lines, memory,
//! descriptors.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    net::{connect, loopback, udp_to},
    sink::Sink,
    skyrelay::{Circumstances, Skyrelay},
    unix_now, wait_for,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

/// A relay with these keys under `[listen]`, in front of `upstream`.
fn start(listen: &str, upstream: &Sink) -> Skyrelay {
    let circumstances = Circumstances {
        listen,
        ..Circumstances::default()
    };
    Skyrelay::start_under(circumstances, &[("sink", upstream.port)], "")
}

fn line(name: &str) -> String {
    format!("limits.{name} 1 {}\n", unix_now())
}

/// Waits until a counter or gauge is what it should be.
#[track_caller]
fn wait_until(relay: &Skyrelay, metric: &str, labels: &[(&str, &str)], expected: u64) {
    wait_for(&format!("{metric}{labels:?} of {expected}"), 2 * SOON, || {
        match relay.metrics().sum(metric, labels) {
            is if is == expected => Ok(()),
            is => Err(format!("it is {is}")),
        }
    });
}

/// Waits until the other side has closed the connection.
#[track_caller]
fn wait_for_close(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(2 * SOON)).unwrap();
    match stream.read(&mut [0; 16]) {
        Ok(0) => {}
        Ok(bytes) => panic!("the relay has sent {bytes} bytes"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn one_connection_too_many_is_closed_and_counted_and_a_place_that_is_left_is_taken() {
    let upstream = Sink::start();
    let relay = start("max_connections = 3", &upstream);
    let mut senders: Vec<_> = (0..3).map(|_| relay.connect()).collect();
    wait_until(&relay, "skyrelay_connections_open", &[], 3);
    for _ in 0..2 {
        wait_for_close(&relay.connect());
    }
    let refused = ("skyrelay_connections_refused_total", [("reason", "limit")]);
    wait_until(&relay, refused.0, &refused.1, 2);
    let mut sent = String::new();
    for (number, sender) in senders.iter_mut().enumerate() {
        let line = line(&number.to_string());
        sender.write_all(line.as_bytes()).unwrap();
        sent += &line;
        upstream.wait_for_exactly(sent.as_bytes());
    }
    drop(senders.pop());
    wait_until(&relay, "skyrelay_connections_open", &[], 2);
    let line = line("successor");
    relay.connect().write_all(line.as_bytes()).unwrap();
    upstream.wait_for_exactly((sent + &line).as_bytes());
    wait_until(&relay, refused.0, &refused.1, 2);
}

#[test]
fn senders_outside_of_the_allowed_networks_are_refused_and_counted() {
    let upstream = Sink::start();
    let relay = start(r#"allow = ["127.0.0.1/32", "192.0.2.0/24"]"#, &upstream);
    let outside = SocketAddr::from(([127, 0, 0, 2], 0));

    let stranger = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    stranger.bind(&outside.into()).unwrap();
    stranger.connect(&loopback(relay.port).into()).unwrap();
    let mut stranger = TcpStream::from(stranger);
    // The relay may already have closed it.
    let _ = stranger.write_all(line("stranger.tcp").as_bytes());
    wait_for_close(&stranger);
    let stranger = UdpSocket::bind(outside).unwrap();
    stranger
        .send_to(line("stranger.udp").as_bytes(), loopback(relay.port))
        .unwrap();
    wait_until(&relay, "skyrelay_datagrams_refused_total", &[], 1);
    wait_until(
        &relay,
        "skyrelay_connections_refused_total",
        &[("reason", "not_allowed")],
        1,
    );

    let (tcp, udp) = (line("friend.tcp"), line("friend.udp"));
    relay.connect().write_all(tcp.as_bytes()).unwrap();
    upstream.wait_for_exactly(tcp.as_bytes());
    udp_to(relay.port).send(udp.as_bytes()).unwrap();
    upstream.wait_for_exactly((tcp + &udp).as_bytes());
    let metrics = relay.wait_until_through(2, &["sink"]);
    assert_eq!(metrics.sum("skyrelay_datagrams_received_total", &[]), 2);
}

#[test]
fn a_silent_connection_is_closed_and_a_talking_one_is_not() {
    const TIMEOUT: Duration = Duration::from_secs(3);
    let upstream = Sink::start();
    let relay = start("idle_timeout = \"3s\"", &upstream);
    let begin = Instant::now();
    let silent = relay.connect();
    let mut half_silent = relay.connect();
    half_silent.write_all(b"limits.never.finished 1").unwrap();
    let mut talking = relay.connect();
    silent.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut sent = String::new();
    let mut closed_after = None;
    // It talks for twice as long as silence may last, mostly in pieces of lines.
    while begin.elapsed() < 2 * TIMEOUT || closed_after.is_none() {
        assert!(begin.elapsed() < 2 * SOON, "a silent connection stays open");
        let line = line(&format!("talking.{}", sent.len()));
        for half in [&line[..9], &line[9..]] {
            talking.write_all(half.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(40));
        }
        sent += &line;
        if closed_after.is_none() && matches!((&silent).read(&mut [0]), Ok(0)) {
            closed_after = Some(begin.elapsed());
        }
    }
    let closed_after = closed_after.expect("the loop went on until then");
    assert!(closed_after >= TIMEOUT, "closed after {closed_after:?}");
    wait_for_close(&half_silent);
    upstream.wait_for_exactly(sent.as_bytes());
    wait_until(&relay, "skyrelay_connections_idle_closed_total", &[], 2);
    wait_until(&relay, "skyrelay_connections_open", &[], 1);
    wait_until(&relay, "skyrelay_fragments_dropped_total", &[], 1);
}

#[test]
fn a_line_that_never_ends_costs_no_memory_and_is_quarantined_once() {
    const BYTES: usize = 64 << 20;
    let upstream = Sink::start();
    let relay = start("", &upstream);
    let mut sender = relay.connect();
    let mut sent = line("before");
    sender.write_all(sent.as_bytes()).unwrap();
    upstream.wait_for_exactly(sent.as_bytes());
    let before = resident_bytes(&relay);
    let tcp = [("protocol", "tcp")];
    let endless = vec![b'x'; BYTES / 64];
    for _ in 0..64 {
        sender.write_all(&endless).unwrap();
    }
    let expected = (sent.len() + BYTES) as u64;
    wait_until(&relay, "skyrelay_received_bytes_total", &tcp, expected);
    let grown = resident_bytes(&relay).saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more than before");
    wait_until(&relay, "skyrelay_lines_quarantined_total", &[("reason", "too_long")], 1);

    let next = line("after");
    sender.write_all(format!("\n{next}").as_bytes()).unwrap();
    sent += &next;
    upstream.wait_for_exactly(sent.as_bytes());
    let metrics = relay.wait_until_through(3, &["sink"]);
    assert_eq!((metrics.quarantined(), metrics.not_analysed("quarantined")), (1, 1));
}

#[test]
fn ten_thousand_connections_with_half_a_line_each_cost_less_than_64_mb() {
    const CONNECTIONS: usize = 10_000;
    const HALF: &str = "servers.web1.cpu.user;datacenter=north 12.";
    raise_descriptor_limit(CONNECTIONS + 1000);
    let upstream = Sink::start();
    let relay = start("", &upstream);
    let warm = line("warm");
    relay.connect().write_all(warm.as_bytes()).unwrap();
    upstream.wait_for_exactly(warm.as_bytes());
    wait_until(&relay, "skyrelay_connections_open", &[], 0);
    let before = resident_bytes(&relay);
    let mut senders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut sender = connect(relay.port);
            sender.write_all(HALF.as_bytes()).unwrap();
            sender
        })
        .collect();
    wait_until(&relay, "skyrelay_connections_open", &[], CONNECTIONS as u64);
    let received = (warm.len() + CONNECTIONS * HALF.len()) as u64;
    wait_until(
        &relay,
        "skyrelay_received_bytes_total",
        &[("protocol", "tcp")],
        received,
    );
    let grown = resident_bytes(&relay).saturating_sub(before);
    eprintln!("{grown} bytes for {CONNECTIONS} connections");
    assert!(grown < 64_000_000, "{grown} bytes for {CONNECTIONS} connections");

    // They were waiting, not forgotten.
    let mut expected = warm;
    for sender in senders.iter_mut().step_by(2500) {
        let rest = format!("5 {}\n", unix_now());
        sender.write_all(rest.as_bytes()).unwrap();
        expected += HALF;
        expected += &rest;
        upstream.wait_for_exactly(expected.as_bytes());
    }
    let finished = CONNECTIONS.div_ceil(2500) as u64;
    drop(senders);
    wait_until(&relay, "skyrelay_connections_open", &[], 0);
    let unfinished = CONNECTIONS as u64 - finished;
    wait_until(&relay, "skyrelay_fragments_dropped_total", &[], unfinished);
    relay.wait_until_through(1 + finished, &["sink"]);
}

/// A relay that may have few files open.
fn start_with_descriptors(descriptors: u32, upstream: &Sink) -> Skyrelay {
    let circumstances = Circumstances {
        listen: "max_connections = 1000",
        descriptors: Some(descriptors),
        command: None,
        ..Circumstances::default()
    };
    Skyrelay::start_under(circumstances, &[("sink", upstream.port)], "")
}

#[test]
fn senders_leave_descriptors_for_everything_else() {
    const DESCRIPTORS: u32 = 64;
    let upstream = Sink::start();
    let relay = start_with_descriptors(DESCRIPTORS, &upstream);
    let mut early = relay.connect();
    let crowd: Vec<_> = (0..2 * DESCRIPTORS).map(|_| relay.connect()).collect();
    // Half of them where there are so few.
    let refused = u64::from(1 + 2 * DESCRIPTORS - DESCRIPTORS / 2);
    wait_until(
        &relay,
        "skyrelay_connections_refused_total",
        &[("reason", "limit")],
        refused,
    );
    let sent = line("early");
    early.write_all(sent.as_bytes()).unwrap();
    upstream.wait_for_exactly(sent.as_bytes());
    drop((early, crowd));
    wait_until(&relay, "skyrelay_connections_open", &[], 0);
    let metrics = relay.wait_until_through(1, &["sink"]);
    assert_eq!(metrics.sum("skyrelay_accept_errors_total", &[]), 0);
}

#[track_caller]
fn wait_for_complaint(relay: &Skyrelay, complaint: &str) {
    wait_for("complaint about descriptors", SOON, || {
        let stderr = relay.stderr();
        if stderr.iter().any(|line| line.contains(complaint)) {
            Ok(())
        } else {
            Err(format!("{stderr:?}"))
        }
    });
}

#[test]
fn running_out_of_descriptors_harms_no_sender_that_is_there_and_ends_when_others_leave() {
    const DESCRIPTORS: u32 = 64;
    let upstream = Sink::start();
    let mut relay = start_with_descriptors(DESCRIPTORS, &upstream);
    let mut early = relay.connect();
    let mut sent = line("early");
    early.write_all(sent.as_bytes()).unwrap();
    upstream.wait_for_exactly(sent.as_bytes());

    // What senders leave, clients of HTTP can use up. The kernel completes all connections; the relay can accept some.
    let crowd: Vec<_> = (0..DESCRIPTORS).map(|_| connect(relay.http_port)).collect();
    wait_for_complaint(&relay, "cannot accept HTTP connections");
    let hopeful: Vec<_> = (0..DESCRIPTORS / 4).map(|_| relay.connect()).collect();
    wait_for_complaint(&relay, "cannot accept connections");
    for number in 0..20 {
        let line = line(&format!("early.{number}"));
        early.write_all(line.as_bytes()).unwrap();
        sent += &line;
        upstream.wait_for_exactly(sent.as_bytes());
    }

    drop((crowd, hopeful));
    let late_line = line("late");
    let mut late = relay.connect();
    late.write_all(late_line.as_bytes()).unwrap();
    sent += &late_line;
    upstream.wait_for_exactly(sent.as_bytes());
    // Its metrics can be had again, too.
    wait_until(&relay, "skyrelay_connections_open", &[], 2);
    let metrics = relay.wait_until_through(22, &["sink"]);
    assert!(metrics.sum("skyrelay_accept_errors_total", &[]) > 0, "{metrics:?}");
    drop((early, late));
    let status = relay.terminate(2 * SOON);
    assert_eq!(status.code(), Some(0), "{:?}", relay.stderr());
}

#[track_caller]
fn resident_bytes(relay: &Skyrelay) -> u64 {
    let bytes = relay.metrics().sum("process_resident_memory_bytes", &[]);
    assert!(bytes > 0, "the relay tells what memory it has");
    bytes
}

/// Lets this process have so many files open.
fn raise_descriptor_limit(descriptors: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = Some(descriptors as u64);
    assert!(
        maximum.is_none() || maximum >= needed,
        "this needs {descriptors} files open and may have {maximum:?}: raise `ulimit -Hn`"
    );
    if current.is_some() && current < needed {
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("up to the hard limit it may be raised");
    }
}

#[test]
fn datagrams_that_the_kernel_drops_while_the_relay_is_held_up_are_counted() {
    const DATAGRAMS: u64 = 2_000;
    let upstream = Sink::start();
    let relay = start("udp_buffer = \"4 KiB\"", &upstream);
    let sender = udp_to(relay.port);
    relay.pause();
    for number in 0..DATAGRAMS {
        sender.send(line(&format!("flood{number}")).as_bytes()).unwrap();
    }
    relay.resume();
    let received = wait_for("an account of every datagram", 2 * SOON, || {
        let metrics = relay.metrics();
        let received = metrics.sum("skyrelay_datagrams_received_total", &[]);
        match received + metrics.sum("skyrelay_datagrams_dropped_total", &[]) {
            DATAGRAMS => Ok(received),
            accounted => Err(format!("{accounted} of {DATAGRAMS}, {received} of them received")),
        }
    });
    // Nobody's buffer of 4 KiB holds them all, and one that holds none would make the count of drops easy.
    assert!((1..DATAGRAMS / 2).contains(&received), "{received} received");
    relay.wait_until_through(received, &["sink"]);
    let arrived = memchr::memchr_iter(b'\n', &upstream.bytes()).count();
    assert_eq!(arrived as u64, received);
}

#[test]
fn of_poison_lines_each_is_shown_in_the_log_or_told_in_number() {
    const LINES: u64 = 1000;
    let upstream = Sink::start();
    let relay = start("", &upstream);
    let poison: Vec<u8> = (0..LINES)
        .flat_map(|number| [b"\xff", format!("{number} 1 1\n").as_bytes()].concat())
        .collect();
    relay.connect().write_all(&poison).unwrap();
    wait_for("an account of every line", SOON, || {
        let stderr = relay.stderr();
        let told = stderr.iter().filter(|line| line.contains("held back"));
        let told = told.map(|line| {
            let more = line.split_once("not_shown=").unwrap().1.split(' ').next().unwrap();
            more.parse::<u64>().unwrap() + u64::from(line.contains("held back a line"))
        });
        match told.sum() {
            LINES => Ok(()),
            other => Err(format!("{other} are told: {stderr:?}")),
        }
    });
}
