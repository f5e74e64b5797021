//! What every attack is held against: a sender who behaves, carbon-cache behind the relay, and the memory of the relay.

use crate::harness::{
    SOON,
    carbon_cache::CarbonCache,
    metrics::Metrics,
    sink::Sink,
    skyrelay::{Circumstances, Skyrelay},
    unix_now, wait_for,
};
use std::{
    io::Write,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Series of the witness; its lines go to them in turn.
const SERIES: u64 = 8;

/// Bytes that an attack may add to the relay, unless it says otherwise.
pub(super) const MEMORY: u64 = 64 << 20;

/// A relay in front of a sink and of carbon-cache, and a sender who behaves while others do not.
pub(super) struct Scene {
    pub(super) relay: Skyrelay,
    pub(super) upstream: Sink,
    carbon: CarbonCache,
    witness: Witness,
    peak_before: u64,
}

/// A sender that writes numbered lines until it is told to stop.
struct Witness {
    /// Timestamp of its first lines.
    start: u64,
    sent: Arc<AtomicU64>,
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scene {
    /// With this under `[listen]`, and these settings.
    #[track_caller]
    pub(super) fn start(listen: &str, settings: &str) -> Self {
        Self::start_before(CarbonCache::start(), listen, settings)
    }

    /// The same in front of this carbon-cache.
    #[track_caller]
    pub(super) fn start_before(carbon: CarbonCache, listen: &str, settings: &str) -> Self {
        let upstream = Sink::start();
        let circumstances = Circumstances {
            listen,
            ..Circumstances::default()
        };
        let upstreams = [("sink", upstream.port), ("carbon-cache", carbon.port)];
        let relay = Skyrelay::start_under(circumstances, &upstreams, settings);
        let witness = Witness::start(relay.connect());
        // Files for all of its series, so that an attack finds everything at work.
        wait_for("whisper files of the witness", SOON, || {
            match carbon.points(witness.start).len() as u64 {
                SERIES => Ok(()),
                other => Err(format!("{other} of {SERIES}")),
            }
        });
        let peak_before = relay.peak_bytes();
        Self {
            relay,
            upstream,
            carbon,
            witness,
            peak_before,
        }
    }

    /// Lines of the witness so far.
    pub(super) fn witnessed(&self) -> u64 {
        self.witness.sent.load(Ordering::SeqCst)
    }

    /// Ends the attack, which has sent `lines` of its own: every one is accounted for, the witness has lost nothing,
    /// carbon-cache has kept its only connection, and the relay has grown by no more than `memory` at its peak.
    #[track_caller]
    pub(super) fn finish(mut self, lines: u64, memory: u64) -> Metrics {
        let witnessed = self.witness.stop();
        let metrics = self
            .relay
            .wait_until_through(lines + witnessed, &["sink", "carbon-cache"]);
        // The kernel adds up what threads have counted, now and then: a peak may come out a little lower than before.
        let grown = self.relay.peak_bytes().saturating_sub(self.peak_before);
        assert!(grown < memory, "{grown} bytes more than before the attack");

        let number = |line: &str| -> Option<u64> {
            let rest = line.strip_prefix("witness.")?;
            rest.split(' ').nth(1)?.parse().ok()
        };
        wait_for("arrival of every line of the witness, in order", SOON, || {
            let arrived = self.upstream.bytes();
            let lines = arrived.split(|&byte| byte == b'\n');
            let numbers = lines.filter_map(|line| number(std::str::from_utf8(line).ok()?));
            let numbers: Vec<_> = numbers.collect();
            if numbers.iter().copied().eq(0..witnessed) {
                Ok(())
            } else {
                Err(format!("{} of {witnessed}", numbers.len()))
            }
        });

        let carbon = [("upstream", "carbon-cache")];
        assert_eq!(metrics.sum("skyrelay_upstream_connected", &carbon), 1);
        assert_eq!(metrics.sum("skyrelay_upstream_connects_total", &carbon), 1);
        assert_eq!(metrics.sum("skyrelay_upstream_failures_total", &carbon), 0);
        wait_for("point of each line of the witness", 2 * SOON, || {
            let points = self.carbon.points(self.witness.start);
            (0..witnessed).try_for_each(|number| {
                let (series, timestamp, value) = self.witness.point(number);
                match points.get(&series).and_then(|points| points.get(&timestamp)) {
                    Some(is) if is.to_bits() == value.to_bits() => Ok(()),
                    other => Err(format!("line {number} of {witnessed} is {other:?}")),
                }
            })
        });
        assert_eq!(metrics.not_analysed("paused"), 0, "no detector has panicked");
        // Whoever reads the log in a terminal sees text, and nothing that the terminal obeys.
        for line in self.relay.stderr() {
            assert!(!line.contains(char::is_control), "{}", line.escape_debug());
        }
        let status = self.relay.terminate(2 * SOON);
        assert_eq!(status.code(), Some(0), "{:?}", self.relay.stderr());
        metrics
    }
}

impl Witness {
    fn start(mut connection: TcpStream) -> Self {
        let mut witness = Self {
            start: unix_now() - 2 * 3600,
            sent: Arc::default(),
            enough: Arc::default(),
            thread: None,
        };
        let (sent, enough, start) = (Arc::clone(&witness.sent), Arc::clone(&witness.enough), witness.start);
        witness.thread = Some(std::thread::spawn(move || {
            while !enough.load(Ordering::SeqCst) {
                let first = sent.load(Ordering::SeqCst);
                let lines = (first..first + SERIES)
                    .map(|number| format!("witness.s{} {number} {}\n", number % SERIES, start + number / SERIES));
                let lines: Vec<_> = lines.collect();
                connection
                    .write_all(lines.concat().as_bytes())
                    .expect("the relay serves who behaves");
                sent.fetch_add(SERIES, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
            }
        }));
        witness
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn point(&self, number: u64) -> (String, u64, f64) {
        let series = format!("witness.s{}", number % SERIES);
        (series, self.start + number / SERIES, number as f64)
    }

    /// Stops, and says how many lines there were.
    #[track_caller]
    fn stop(&mut self) -> u64 {
        self.enough.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is only taken here");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::SeqCst);
    }
}
