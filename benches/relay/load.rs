//! Senders: bytes that were built beforehand, sent as fast as they are taken or at a steady rate.

use std::{
    io::Write,
    net::{Ipv4Addr, TcpStream, UdpSocket},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use memchr::memchr_iter;

use crate::{
    sink::Fingerprint,
    traffic::{Recordings, Traffic},
};

/// Bytes written at a time.
const WRITE_BYTES: usize = 256 * 1024;
/// A steady sender that is ahead sleeps so long.
const TICK: Duration = Duration::from_millis(1);
/// Payload of a datagram that fits an Ethernet frame.
const MTU_PAYLOAD_BYTES: usize = 1432;

/// Lines of several senders, ready to be sent.
pub(crate) struct Load {
    streams: Vec<Vec<u8>>,
    pub(crate) fingerprint: Fingerprint,
}

/// Series in equal parts, which senders take turns to have; one round after another.
pub(crate) struct Senders {
    parts: Vec<Traffic>,
    senders: usize,
}

impl Senders {
    /// The first samples are at `timestamp`.
    pub(crate) fn new(series: usize, senders: usize, timestamp: i64, recordings: Option<&Arc<Recordings>>) -> Self {
        let part = |sender| sender * series / senders..(sender + 1) * series / senders;
        let traffic = |sender| Traffic::new(part(sender), timestamp, recordings);
        Self {
            parts: (0..senders).map(traffic).collect(),
            senders,
        }
    }

    /// The same samples from now on for so many times as many series.
    pub(crate) fn copied(self, times: usize) -> Self {
        let count = self.series();
        let copy = |copy: usize| self.parts.iter().map(move |traffic| traffic.renumbered(copy * count));
        Self {
            parts: (0..times).flat_map(copy).collect(),
            ..self
        }
    }

    /// How many series there are.
    pub(crate) fn series(&self) -> usize {
        self.parts.iter().map(Traffic::series).sum()
    }

    /// The next `rounds` samples of each series.
    pub(crate) fn build(&mut self, rounds: usize) -> Load {
        let parts: Vec<_> = thread::scope(|scope| {
            let build = |traffic: &mut Traffic| {
                let mut lines = Vec::with_capacity(traffic.series() * rounds * 68);
                for _ in 0..rounds {
                    traffic.round(&mut lines);
                }
                let fingerprint = Fingerprint::of(&lines);
                (lines, fingerprint)
            };
            let building: Vec<_> = self
                .parts
                .iter_mut()
                .map(|traffic| scope.spawn(move || build(traffic)))
                .collect();
            let parts = building
                .into_iter()
                .map(|thread| thread.join().expect("it only writes"));
            parts.collect()
        });
        let mut fingerprint = Fingerprint::default();
        let mut streams = vec![Vec::new(); self.senders];
        for (place, (mut lines, part)) in parts.into_iter().enumerate() {
            fingerprint.add(part);
            let stream: &mut Vec<u8> = &mut streams[place % self.senders];
            if stream.is_empty() {
                *stream = lines;
            } else {
                stream.append(&mut lines);
            }
        }
        Load { streams, fingerprint }
    }
}

impl Load {
    /// All lines.
    pub(crate) fn lines(&self) -> u64 {
        self.fingerprint.lines
    }

    /// Opens a connection for each sender, sends as fast as it is taken, and closes. Gives the time just before the first
    /// byte.
    pub(crate) fn send(&self, port: u16) -> Instant {
        let connected: Vec<_> = self.streams.iter().map(|lines| (connect(port), lines)).collect();
        let begun = Instant::now();
        thread::scope(|scope| {
            for (mut stream, lines) in connected {
                scope.spawn(move || {
                    for part in lines.chunks(WRITE_BYTES) {
                        if let Err(error) = stream.write_all(part) {
                            eprintln!("    a sender is cut off: {error}");
                            return;
                        }
                    }
                });
            }
        });
        begun
    }

    /// Opens a connection for each sender, and sends at `lines_per_s` in all, in small parts.
    pub(crate) fn send_steadily(&self, port: u16, lines_per_s: u64) {
        let lines_per_s = lines_per_s / self.streams.len() as u64;
        let lines_max = usize::try_from(lines_per_s / 1000).expect("a rate").max(1);
        thread::scope(|scope| {
            for stream in &self.streams {
                scope.spawn(move || {
                    let mut sender = connect(port);
                    let mut pace = Pace::new(lines_per_s);
                    for part in parts(stream, lines_max, usize::MAX) {
                        pace.wait();
                        sender.write_all(part.bytes).expect("the relay reads");
                        pace.sent += part.lines;
                    }
                });
            }
        });
    }

    /// Writes the lines of one sender after the other.
    pub(crate) fn write_to(&self, file: &mut impl Write) {
        for stream in &self.streams {
            file.write_all(stream).expect("there is room on the disk");
        }
    }

    /// Sends datagrams at `lines_per_s`: full ones, or of one line each. Gives the number of datagrams.
    pub(crate) fn send_datagrams(&self, port: u16, lines_per_s: u64, one_line_each: bool) -> u64 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        socket.connect((Ipv4Addr::LOCALHOST, port)).expect("loopback is there");
        let mut pace = Pace::new(lines_per_s);
        let mut datagrams = 0;
        let lines_max = if one_line_each { 1 } else { usize::MAX };
        let parts = self
            .streams
            .iter()
            .flat_map(|stream| parts(stream, lines_max, MTU_PAYLOAD_BYTES));
        for part in parts {
            pace.wait();
            socket.send(part.bytes).expect("loopback takes datagrams");
            pace.sent += part.lines;
            datagrams += 1;
        }
        datagrams
    }
}

/// Lines in parts of so many lines and bytes.
fn parts(stream: &[u8], lines_max: usize, bytes_max: usize) -> impl Iterator<Item = Part<'_>> {
    let mut ends = memchr_iter(b'\n', stream).map(|end| end + 1).peekable();
    let mut begin = 0;
    std::iter::from_fn(move || {
        let first = begin;
        let mut lines = 0;
        while let Some(end) = ends.next_if(|end| lines < lines_max && (lines == 0 || end - first <= bytes_max)) {
            begin = end;
            lines += 1;
        }
        (lines > 0).then(|| Part {
            bytes: &stream[first..begin],
            lines: lines as u64,
        })
    })
}

struct Part<'a> {
    bytes: &'a [u8],
    lines: u64,
}

/// A steady rate.
struct Pace {
    begun: Instant,
    lines_per_s: u64,
    sent: u64,
}

impl Pace {
    fn new(lines_per_s: u64) -> Self {
        Self {
            begun: Instant::now(),
            lines_per_s,
            sent: 0,
        }
    }

    /// Returns when the next lines are due.
    fn wait(&self) {
        let due = Duration::from_nanos(self.sent * 1_000_000_000 / self.lines_per_s);
        while self.begun.elapsed() < due {
            thread::sleep(TICK);
        }
    }
}

/// A connection that sends each write at once.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_or_else(|error| panic!("connect to {port}: {error}"));
    stream.set_nodelay(true).expect("a fresh socket");
    stream
}
