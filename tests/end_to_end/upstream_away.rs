//! The upstream on its bad days: killed, away, back, slow. Nothing that waits for it is lost or overtaken.

use crate::harness::{
    SOON,
    carbon_cache::{CarbonCache, Points},
    sink::Sink,
    skyrelay::{NINE_ALGORITHMS, Skyrelay},
    unix_now, wait_for,
};
use std::{
    io::Write,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Series of the numbered load. Lines go to them in turn.
const SERIES: u64 = 8;

/// What the first of the two lines for a point carries; the second, some lines behind, carries the value that stays.
const REPLACED: f64 = -1.0;

/// Series and second of the point that line `number` is for, and whether it is the second line for it. The two are
/// `SERIES` lines apart in the first series and twice as far in each next one, so that runs of lines that change places
/// leave [`REPLACED`] behind somewhere.
fn place(number: u64) -> (u64, u64, bool) {
    let (series, turn) = (number % SERIES, number / SERIES);
    let distance = 1 << series;
    let (pairs, offset) = (turn / (2 * distance), turn % (2 * distance));
    (series, pairs * distance + offset % distance, offset >= distance)
}

/// The numbered load: lines `numbers`, in order, as carbon takes them.
fn numbered_lines(start: u64, numbers: Range<u64>) -> Vec<u8> {
    let lines = numbers.map(|number| {
        let (series, second, stays) = place(number);
        let value = if stays { value_of(number) } else { REPLACED };
        format!("away.series{series} {value} {}\n", start + second)
    });
    lines.collect::<String>().into_bytes()
}

/// What a line carries that stays: no other has the same.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn value_of(number: u64) -> f64 {
    number as f64
}

/// `Err` unless the line `number`, if it is the second for its point, is the one that stayed there.
fn has_stayed(points: &Points, start: u64, number: u64) -> Result<(), String> {
    let (series, second, stays) = place(number);
    let points = points.get(&format!("away.series{series}"));
    let value = points.and_then(|points| points.get(&(start + second)).copied());
    if stays && value != Some(value_of(number)) {
        return Err(format!("line {number} came to {value:?}"));
    }
    Ok(())
}

/// A sender that writes the numbered load until it is told to stop.
struct Load {
    shared: Arc<LoadState>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct LoadState {
    lines_sent: AtomicU64,
    enough: AtomicBool,
}

impl Load {
    /// About 10,000 lines/s, less than carbon can take.
    fn start(relay: &Skyrelay, start: u64) -> Self {
        let shared = Arc::<LoadState>::default();
        let (state, mut connection) = (Arc::clone(&shared), relay.connect());
        let thread = std::thread::spawn(move || {
            let mut next = 0;
            while !state.enough.load(Ordering::SeqCst) {
                connection
                    .write_all(&numbered_lines(start, next..next + 100))
                    .expect("the relay reads on");
                next += 100;
                state.lines_sent.store(next, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    fn lines_sent(&self) -> u64 {
        self.shared.lines_sent.load(Ordering::SeqCst)
    }

    /// Stops, and says how many lines there were.
    fn stop(mut self) -> u64 {
        self.shared.enough.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is only taken here");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.lines_sent()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.enough.store(true, Ordering::SeqCst);
    }
}

#[test]
fn carbon_cache_killed_away_and_back_under_load() {
    let start = unix_now() - 12 * 3600;
    let mut carbon = CarbonCache::start();
    let relay = Skyrelay::start(&[("carbon-cache", carbon.port)], NINE_ALGORITHMS);
    let load = Load::start(&relay, start);
    wait_for("points in whisper files", SOON, || {
        has_stayed(&carbon.points(start), start, 1)
    });

    carbon.kill();
    wait_for("growing queue", SOON, || match relay.metrics().queued("carbon-cache") {
        few @ 0..=10_000 => Err(format!("{few} queued")),
        _ => Ok(()),
    });
    // Nobody listens: what counts as forwarded by now is with the carbon that was killed, or was on its way.
    let forwarded_before = relay.metrics().forwarded("carbon-cache");
    carbon.restart();
    let sent_before = load.lines_sent();
    wait_for("load after carbon's return", SOON, || {
        match load.lines_sent() - sent_before {
            few @ 0..=10_000 => Err(format!("{few} lines")),
            _ => Ok(()),
        }
    });
    let sent = load.stop();

    let metrics = relay.wait_until_through(sent, &["carbon-cache"]);
    assert_eq!(metrics.dropped("carbon-cache"), 0, "the queue holds");
    assert_eq!(metrics.forwarded("carbon-cache"), sent);
    // Carbon itself needs a moment from the socket to the file.
    wait_for("whisper point of each line that waited, in order", SOON, || {
        std::thread::sleep(Duration::from_millis(200)); // each look starts a Python
        let points = carbon.points(start);
        (forwarded_before..sent).try_for_each(|number| has_stayed(&points, start, number))
    });
}

#[test]
fn an_upstream_that_closes_and_comes_back_gets_every_byte_in_order() {
    const BEFORE: u64 = 1_000;
    const WHILE_AWAY: u64 = 20_000;
    let start = unix_now() - 12 * 3600;
    let mut upstream = Sink::start();
    let relay = Skyrelay::start(&[("sink", upstream.port)], NINE_ALGORITHMS);
    let mut connection = relay.connect();
    let mut sent = 0;
    for absence in 1..=3 {
        connection
            .write_all(&numbered_lines(start, sent..sent + BEFORE))
            .unwrap();
        sent += BEFORE;
        upstream.wait_for_exactly(&numbered_lines(start, 0..sent));
        upstream.go_away();
        connection
            .write_all(&numbered_lines(start, sent..sent + WHILE_AWAY))
            .unwrap();
        sent += WHILE_AWAY;
        wait_for("queue for the absent upstream", SOON, || {
            match relay.metrics().queued("sink") {
                WHILE_AWAY => Ok(()),
                other => Err(format!("{other} queued, absence {absence}")),
            }
        });
        upstream.come_back();
        relay.wait_until_through(sent, &["sink"]);
    }
    upstream.wait_for_exactly(&numbered_lines(start, 0..sent));
    let connections = upstream.connections();
    assert!(
        connections.len() >= 4,
        "{} connections for three absences",
        connections.len()
    );
    let cut = connections
        .iter()
        .find(|bytes| !bytes.is_empty() && !bytes.ends_with(b"\n"));
    assert!(cut.is_none(), "a line is cut between two connections");
}

#[test]
fn a_slow_upstream_gets_every_byte_in_order_and_holds_up_no_other() {
    const LINES: u64 = 400_000; // more than the sockets on the way hold
    let start = unix_now() - 12 * 3600;
    let (slow, quick) = (Sink::start(), Sink::start());
    let relay = Skyrelay::start(&[("slow", slow.port), ("quick", quick.port)], NINE_ALGORITHMS);
    let want = numbered_lines(start, 0..LINES);
    slow.pause();
    relay.connect().write_all(&want).unwrap();
    quick.wait_for_exactly(&want);
    let waiting = wait_for("balanced books with a slow upstream", SOON, || {
        let metrics = relay.metrics();
        if metrics.received() != LINES {
            return Err(format!("received {}", metrics.received()));
        }
        metrics
            .books_balance(&["slow", "quick"])
            .map(|()| metrics.queued("slow"))
    });
    assert!(waiting > 0, "the upstream was slow");
    slow.resume();
    relay.wait_until_through(LINES, &["slow", "quick"]);
    slow.wait_for_exactly(&want);
}
