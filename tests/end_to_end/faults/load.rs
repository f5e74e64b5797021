//! Senders that write numbered lines at a steady rate until they are told to stop.

use crate::harness::net::loopback;
use std::{
    fmt::Write as _,
    io::Write as _,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Senders, each with series of its own.
pub(crate) const SENDERS: usize = 4;
/// Lines of one write, at most.
const PART_LINES: u64 = 2_000;
const TICK: Duration = Duration::from_millis(5);

/// What the lines are: number n of a sender goes to series n modulo `series`, a second later each time round.
#[derive(Clone, Copy)]
pub(crate) struct Lines {
    /// Series of each sender.
    pub(crate) series: u64,
    /// Timestamp of the first ones.
    pub(crate) start: u64,
}

impl Lines {
    pub(crate) fn timestamp(self, number: u64) -> u64 {
        self.start + number / self.series
    }

    pub(crate) fn name(self, sender: usize, number: u64) -> String {
        format!("fault{sender}.s{}", number % self.series)
    }
}

/// Senders at work.
pub(crate) struct Load {
    state: Arc<State>,
    senders: Vec<JoinHandle<()>>,
}

struct State {
    lines: Lines,
    port: u16,
    /// Of each sender, a second.
    rate: u64,
    sent: [AtomicU64; SENDERS],
    enough: AtomicBool,
}

impl Load {
    /// Sends `rate` lines a second in all.
    pub(crate) fn start(port: u16, rate: u64, lines: Lines) -> Self {
        let state = Arc::new(State {
            lines,
            port,
            rate: rate / SENDERS as u64,
            sent: Default::default(),
            enough: AtomicBool::new(false),
        });
        let senders = (0..SENDERS).map(|sender| {
            let state = Arc::clone(&state);
            std::thread::spawn(move || state.send(sender))
        });
        Self {
            senders: senders.collect(),
            state,
        }
    }

    /// Lines of each sender so far.
    pub(crate) fn sent(&self) -> [u64; SENDERS] {
        self.state.sent.each_ref().map(|sent| sent.load(Ordering::SeqCst))
    }

    /// Stops, and gives the lines of each sender.
    pub(crate) fn stop(mut self) -> [u64; SENDERS] {
        self.state.enough.store(true, Ordering::SeqCst);
        for sender in self.senders.drain(..) {
            sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        self.sent()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.state.enough.store(true, Ordering::SeqCst);
    }
}

impl State {
    fn send(&self, sender: usize) {
        let begun = Instant::now();
        let mut connection = self.connect();
        let mut text = String::new();
        while !self.enough.load(Ordering::SeqCst) {
            let next = self.sent[sender].load(Ordering::SeqCst);
            let due = u64::try_from(begun.elapsed().as_millis()).expect("an age") * self.rate / 1000;
            let end = due.min(next + PART_LINES);
            if end <= next {
                std::thread::sleep(TICK);
                continue;
            }
            text.clear();
            for number in next..end {
                let (series, timestamp) = (number % self.lines.series, self.lines.timestamp(number));
                writeln!(text, "fault{sender}.s{series} {number} {timestamp}").expect("a String takes it");
            }
            // Like any sender of metrics, it never sends a line twice: what a break costs is gone.
            if let Some(stream) = &mut connection
                && stream.write_all(text.as_bytes()).is_err()
            {
                connection = None;
            }
            self.sent[sender].store(end, Ordering::SeqCst);
            if connection.is_none() {
                connection = self.connect();
            }
        }
    }

    /// `None` when there is none before the end.
    fn connect(&self) -> Option<TcpStream> {
        while !self.enough.load(Ordering::SeqCst) {
            if let Ok(stream) = TcpStream::connect(loopback(self.port)) {
                return Some(stream);
            }
            std::thread::sleep(TICK);
        }
        None
    }
}
