//! Where all lines end: it counts them, and adds up what they say.

use std::{
    io::Read,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use memchr::{memchr_iter, memmem};

/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;
/// Bytes whose products are added up in 32 bits: 16,384 products of two bytes fit.
const SUM_BYTES: usize = 16 * 1024;
/// Lines of this beginning say as their value when they were sent (nanoseconds since the sink began).
pub(crate) const PROBE: &[u8] = b"servers.probe.";

/// What is told of a set of lines, in whatever order they come.
///
/// `pairs` is the sum of the products of neighbouring bytes. It is the same for the same lines in any order, as every line
/// ends with a newline and begins with the same letter; it differs when a line is cut, joined to part of another, or
/// changed by a byte. (Changes that cancel each other out are missed. The tests compare byte for byte.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) pairs: u64,
}

impl Fingerprint {
    /// Of whole lines.
    pub(crate) fn of(lines: &[u8]) -> Self {
        let mut fingerprint = Self::default();
        fingerprint.add_bytes(lines, b'\n');
        fingerprint
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.lines += other.lines;
        self.pairs = self.pairs.wrapping_add(other.pairs);
    }

    fn add_bytes(&mut self, bytes: &[u8], before: u8) {
        let Some(&first) = bytes.first() else { return };
        self.bytes += bytes.len() as u64;
        self.lines += memchr_iter(b'\n', bytes).count() as u64;
        self.pairs = self.pairs.wrapping_add(u64::from(before) * u64::from(first));
        let mut begin = 0;
        while begin + 1 < bytes.len() {
            let end = (begin + SUM_BYTES).min(bytes.len() - 1);
            let pairs = bytes[begin..end].iter().zip(&bytes[begin + 1..=end]);
            let sum: u32 = pairs.map(|(&a, &b)| u32::from(u16::from(a) * u16::from(b))).sum();
            self.pairs = self.pairs.wrapping_add(u64::from(sum));
            begin = end;
        }
    }
}

/// A listener on a free port whose connections are read as fast as they go.
pub(crate) struct Sink {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    begun: Instant,
    stop: AtomicBool,
    bytes: AtomicU64,
    lines: AtomicU64,
    pairs: AtomicU64,
    /// When the last bytes came (nanoseconds since `begun`).
    last_ns: AtomicU64,
    /// Delays of probes (nanoseconds); `None`: nobody looks for any.
    delays_ns: Option<Mutex<Vec<u64>>>,
}

impl Sink {
    /// Begins to listen; looks for probes, if asked to.
    pub(crate) fn start(with_probes: bool) -> Self {
        Self::listen(0, with_probes)
    }

    /// Begins to listen on a port that is free.
    pub(crate) fn start_on(port: u16) -> Self {
        Self::listen(port, false)
    }

    fn listen(port: u16, with_probes: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            stop: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            pairs: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
            delays_ns: with_probes.then(Mutex::default),
        });
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming().flatten() {
                    if shared.stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || shared.read_all(stream));
                }
            }
        });
        Self { port, shared }
    }

    /// When it began: the zero of probes.
    pub(crate) fn begun(&self) -> Instant {
        self.shared.begun
    }

    /// All that has come so far.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            bytes: self.shared.bytes.load(Ordering::Acquire),
            lines: self.shared.lines.load(Ordering::Acquire),
            pairs: self.shared.pairs.load(Ordering::Acquire),
        }
    }

    /// When the last bytes came.
    pub(crate) fn last(&self) -> Instant {
        self.shared.begun + Duration::from_nanos(self.shared.last_ns.load(Ordering::Acquire))
    }

    /// Waits until `bytes` have come in all, or until nothing has come for `patience`.
    pub(crate) fn wait_for_bytes(&self, bytes: u64, patience: Duration) {
        let mut seen = (0, Instant::now());
        loop {
            let now = self.shared.bytes.load(Ordering::Acquire);
            if now >= bytes {
                return;
            }
            if now != seen.0 {
                seen = (now, Instant::now());
            } else if seen.1.elapsed() > patience {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The delays of the probes that have come (nanoseconds).
    pub(crate) fn take_delays_ns(&self) -> Vec<u64> {
        let delays = self.shared.delays_ns.as_ref().expect("probes were asked for");
        std::mem::take(&mut delays.lock().expect("nobody panics with it"))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener, which ends; readers end with their connections.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn read_all(&self, mut stream: TcpStream) {
        let mut buffer = vec![0; READ_BYTES];
        let mut before = b'\n';
        let mut begun_line = Vec::new();
        while let Ok(count) = stream.read(&mut buffer)
            && count > 0
        {
            let now_ns = u64::try_from(self.begun.elapsed().as_nanos()).expect("centuries");
            let bytes = &buffer[..count];
            let mut sums = Fingerprint::default();
            sums.add_bytes(bytes, before);
            before = bytes[count - 1];
            if let Some(delays) = &self.delays_ns {
                begun_line.extend_from_slice(bytes);
                let end = memchr::memrchr(b'\n', &begun_line).map_or(0, |end| end + 1);
                find_probes(&begun_line[..end], now_ns, delays);
                begun_line.drain(..end);
            }
            self.last_ns.fetch_max(now_ns, Ordering::Release);
            self.lines.fetch_add(sums.lines, Ordering::Release);
            self.pairs.fetch_add(sums.pairs, Ordering::Release);
            // Last, as others wait for it.
            self.bytes.fetch_add(sums.bytes, Ordering::Release);
        }
    }
}

fn find_probes(lines: &[u8], now_ns: u64, delays: &Mutex<Vec<u64>>) {
    for begin in memmem::find_iter(lines, PROBE) {
        let mut fields = lines[begin..].split(|&byte| byte == b' ');
        let sent_ns = fields
            .nth(1)
            .and_then(|value| std::str::from_utf8(value).ok()?.parse::<u64>().ok());
        let delay_ns = now_ns.saturating_sub(sent_ns.expect("a probe says when it was sent"));
        delays.lock().expect("nobody panics with it").push(delay_ns);
    }
}
