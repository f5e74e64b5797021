//! Every row of the wire table goes in, over TCP cut at random places and over UDP in datagrams of every shape; what
//! the upstream gets and what the counters say is compared with the table, and the table with a real carbon-cache.

mod rows;

use crate::harness::{
    SOON, assert_same_bytes,
    carbon_cache::CarbonCache,
    dice::Dice,
    metrics::Metrics,
    net::{connect, udp_to},
    sink::Sink,
    skyrelay::{NINE_ALGORITHMS, Skyrelay},
    unix_now, wait_for,
};
use rows::{Fate, Row, rows};
use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
};

/// What each row of one test should have come to.
#[derive(Default)]
struct Expected {
    lines: u64,
    upstream: Vec<u8>,
    analysed: u64,
    not_analysed: BTreeMap<&'static str, u64>,
    rejected: BTreeMap<&'static str, u64>,
    quarantined: BTreeMap<&'static str, u64>,
}

impl Expected {
    fn add(&mut self, row: &Row) {
        self.lines += 1;
        match row.fate {
            Fate::Analysed => self.analysed += 1,
            Fate::NotAnalysed(reason) => *self.not_analysed.entry(reason).or_default() += 1,
            Fate::Rejected(reason) => {
                *self.rejected.entry(reason).or_default() += 1;
                *self.not_analysed.entry(reason).or_default() += 1;
            }
            Fate::Quarantined(reason) => {
                *self.quarantined.entry(reason).or_default() += 1;
                *self.not_analysed.entry("quarantined").or_default() += 1;
                return;
            }
        }
        self.upstream.extend_from_slice(&row.line);
        self.upstream.push(b'\n');
    }

    #[track_caller]
    fn assert_seen(&self, relay: &Skyrelay, upstream: &Sink) -> Metrics {
        upstream.wait_for_exactly(&self.upstream);
        let metrics = relay.wait_until_through(self.lines, &["sink"]);
        assert_eq!(metrics.analysed(), self.analysed, "analysed: {metrics:?}");
        for (name, reasons) in [
            ("skyrelay_lines_not_analysed_total", &self.not_analysed),
            ("skyrelay_lines_rejected_total", &self.rejected),
            ("skyrelay_lines_quarantined_total", &self.quarantined),
        ] {
            for (reason, &count) in reasons {
                assert_eq!(metrics.sum(name, &[("reason", reason)]), count, "{name}, {reason}");
            }
            assert_eq!(
                metrics.sum(name, &[]),
                reasons.values().sum::<u64>(),
                "{name}: {metrics:?}"
            );
        }
        // Nothing came behind what was expected.
        assert_same_bytes("upstream, in the end", &upstream.bytes(), &self.upstream);
        metrics
    }
}

#[test]
fn tcp_cut_at_random_places_arrives_as_the_table_says() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let now = unix_now();
    let mut expected = Expected::default();
    let mut fragments = 0;
    for (round, piece_sizes) in [1..2, 1..8, 1..200, 1..5_000, 1_000_000..1_000_001]
        .into_iter()
        .enumerate()
    {
        let rows = rows(&format!("tcp{round}"), now);
        let mut stream = Vec::new();
        for row in &rows {
            expected.add(row);
            stream.extend_from_slice(&row.line);
            stream.push(b'\n');
        }
        stream.extend_from_slice(b"tcp.cut.short 1 17000"); // no newline: not a line
        fragments += 1;
        let mut connection = relay.connect();
        write_in_pieces(&mut connection, &stream, piece_sizes, 42 + round as u64);
        connection.shutdown(Shutdown::Write).unwrap();
        let metrics = expected.assert_seen(&relay, &upstream);
        assert_eq!(metrics.sum("skyrelay_fragments_dropped_total", &[]), fragments);
    }
}

fn write_in_pieces(connection: &mut TcpStream, mut stream: &[u8], sizes: std::ops::Range<usize>, seed: u64) {
    let mut dice = Dice::new(seed);
    while !stream.is_empty() {
        let (piece, rest) = stream.split_at(dice.roll(sizes.clone()).min(stream.len()));
        connection
            .write_all(piece)
            .unwrap_or_else(|error| panic!("the relay closed the connection: {error}"));
        stream = rest;
    }
}

#[test]
fn udp_datagrams_of_every_shape_arrive_as_the_table_says() {
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let socket = udp_to(relay.port);
    let now = unix_now();
    let mut expected = Expected::default();

    // One line each, with its newline and without. Without one an empty line is an empty datagram: no line.
    for newline in [&b"\n"[..], b""] {
        for row in &rows(if newline.is_empty() { "udp.bare" } else { "udp.line" }, now) {
            if row.line.is_empty() && newline.is_empty() {
                continue;
            }
            expected.add(row);
            socket.send(&[&row.line, newline].concat()).unwrap();
        }
        expected.assert_seen(&relay, &upstream); // one by one, so that no buffer overflows
    }

    // Several lines each, every other datagram without the last newline; some are larger than an MTU.
    let mut dice = Dice::new(7);
    for (round, lines_max) in [2, 5, 40].into_iter().enumerate() {
        let rows = rows(&format!("udp.many{round}"), now);
        let mut rest = &rows[..];
        while !rest.is_empty() {
            let (together, behind) = rest.split_at(dice.roll(1..lines_max + 1).min(rest.len()));
            rest = behind;
            for row in together {
                expected.add(row);
            }
            let mut datagram = together
                .iter()
                .map(|row| &row.line[..])
                .collect::<Vec<_>>()
                .join(&b'\n');
            let ends_with_empty_line = together.last().is_some_and(|row| row.line.is_empty());
            if ends_with_empty_line || dice.roll(0..2) == 0 {
                datagram.push(b'\n');
            }
            socket.send(&datagram).unwrap();
        }
        expected.assert_seen(&relay, &upstream);
    }
}

#[test]
fn lines_of_many_senders_are_never_mixed() {
    const SENDERS: usize = 8;
    const LINES: usize = 5_000;
    let upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let start = unix_now() - 6_000;
    let stream_of = |sender: usize| -> Vec<u8> {
        let lines = (0..LINES).map(|number| format!("many.sender{sender}.metric {number} {}\n", start + number as u64));
        lines.collect::<String>().into_bytes()
    };
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let mut connection = relay.connect();
            let stream = stream_of(sender);
            scope.spawn(move || write_in_pieces(&mut connection, &stream, 1..3_000, sender as u64));
        }
    });

    let total = (0..SENDERS).map(|sender| stream_of(sender).len()).sum();
    let got = upstream.wait_for_bytes(total);
    assert_eq!(got.len(), total);
    for sender in 0..SENDERS {
        let prefix = format!("many.sender{sender}.");
        let own = got
            .split_inclusive(|&byte| byte == b'\n')
            .filter(|line| line.starts_with(prefix.as_bytes()));
        assert_same_bytes(&prefix, &own.collect::<Vec<_>>().concat(), &stream_of(sender));
    }
    relay.wait_until_through((SENDERS * LINES) as u64, &["sink"]);
}

/// The reason for the quarantine, and for nothing beyond it: what stands behind a line on the same connection reaches
/// carbon exactly if that line is not in quarantine.
#[test]
fn carbon_cache_closes_the_connection_on_lines_in_quarantine_and_on_no_others() {
    let carbon = CarbonCache::start();
    let now = unix_now();
    let behind = |number: usize| format!("behind.row{number}");
    let mut survivors = Vec::new();
    let mut open = Vec::new();
    for (number, row) in rows("direct", now).iter().enumerate() {
        let mut connection = connect(carbon.port);
        connection.write_all(&[&row.line, &b"\n"[..]].concat()).unwrap();
        if matches!(row.fate, Fate::Quarantined(_)) {
            connection.set_read_timeout(Some(SOON)).unwrap();
            let answer = connection.read(&mut [0]);
            let closed = answer
                .as_ref()
                .map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |&bytes| bytes == 0);
            assert!(
                closed,
                "carbon does not close on \"{}\": {answer:?}",
                row.line.escape_ascii()
            );
        } else {
            connection
                .write_all(format!("{} 1 {now}\n", behind(number)).as_bytes())
                .unwrap();
            survivors.push((behind(number), row.line.escape_ascii().to_string()));
            open.push(connection);
        }
    }
    assert!(survivors.len() > 50, "only {} rows", survivors.len());
    wait_for("line behind each row that is forwarded", SOON, || {
        std::thread::sleep(std::time::Duration::from_millis(200)); // each look starts a Python
        let points = carbon.points(now - 60);
        let missing = survivors.iter().find(|(series, _)| !points.contains_key(series));
        missing.map_or(Ok(()), |(_, line)| {
            Err(format!("carbon lost what stood behind \"{line}\""))
        })
    });
}
