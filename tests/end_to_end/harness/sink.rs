//! An upstream that keeps every byte, and has bad days on request: it reads nothing for a while, or goes away.

use super::{SOON, assert_same_bytes, net::free_port, wait_for};
use std::{
    io::{ErrorKind, Read},
    net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How often a thread looks for new orders.
const TICK: Duration = Duration::from_millis(2);

/// A TCP server that takes everything and answers nothing.
pub(crate) struct Sink {
    /// Where it listens, also again after it was away.
    pub(crate) port: u16,
    address: IpAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// What came, per connection, in the order in which they were accepted.
    connections: Mutex<Vec<Vec<u8>>>,
    open: AtomicUsize,
    paused: AtomicBool,
    away: AtomicBool,
}

impl Sink {
    /// Listens and reads.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_on(free_port())
    }

    /// The same on a port that is free.
    #[track_caller]
    pub(crate) fn start_on(port: u16) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, port)
    }

    /// The same at another address of this machine.
    #[track_caller]
    pub(crate) fn start_at(address: Ipv4Addr, port: u16) -> Self {
        let mut sink = Self {
            port,
            address: address.into(),
            shared: Arc::default(),
            acceptor: None,
        };
        sink.come_back();
        sink
    }

    /// Everything that has come, one connection after another.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.connections().concat()
    }

    /// What has come, by connection.
    pub(crate) fn connections(&self) -> Vec<Vec<u8>> {
        self.shared.connections.lock().expect("nobody panics with it").clone()
    }

    /// Waits until that many bytes have come, and returns everything.
    #[track_caller]
    pub(crate) fn wait_for_bytes(&self, count: usize) -> Vec<u8> {
        wait_for(&format!("arrival of {count} bytes upstream"), 3 * SOON, || {
            match self.arrived() {
                arrived if arrived >= count => Ok(self.bytes()),
                arrived => Err(format!("{arrived} bytes so far")),
            }
        })
    }

    /// Waits until these bytes have come, and fails with the first line that differs: at once if one does, in the end
    /// if one is missing.
    #[track_caller]
    pub(crate) fn wait_for_exactly(&self, want: &[u8]) {
        let deadline = Instant::now() + 3 * SOON;
        while self.arrived() < want.len() && want.starts_with(&self.bytes()) && Instant::now() < deadline {
            std::thread::sleep(10 * TICK);
        }
        assert_same_bytes("upstream", &self.bytes(), want);
    }

    fn arrived(&self) -> usize {
        let connections = self.shared.connections.lock().expect("nobody panics with it");
        connections.iter().map(Vec::len).sum()
    }

    /// Reads nothing more for now: what is sent fills the socket's buffers, then the sender waits.
    pub(crate) fn pause(&self) {
        self.shared.paused.store(true, Ordering::SeqCst);
    }

    /// Reads again.
    pub(crate) fn resume(&self) {
        self.shared.paused.store(false, Ordering::SeqCst);
    }

    /// Stops listening and closes every connection the polite way: it sends its end of stream, and reads on until the
    /// other side has noticed and closed too. Nothing is on its way when this returns, so nothing may be missing.
    #[track_caller]
    pub(crate) fn go_away(&mut self) {
        self.shared.away.store(true, Ordering::SeqCst);
        self.acceptor.take().map(JoinHandle::join);
        wait_for(
            "close by the relay of a connection that its upstream has closed",
            SOON,
            || match self.shared.open.load(Ordering::SeqCst) {
                0 => Ok(()),
                open => Err(format!("{open} open")),
            },
        );
    }

    /// Listens on the same port again.
    #[track_caller]
    pub(crate) fn come_back(&mut self) {
        self.shared.away.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind((self.address, self.port)).expect("the port was free");
        listener.set_nonblocking(true).expect("a fresh socket");
        let shared = Arc::clone(&self.shared);
        self.acceptor = Some(std::thread::spawn(move || shared.accept_from(&listener)));
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.away.store(true, Ordering::SeqCst);
        self.acceptor.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn accept_from(self: &Arc<Self>, listener: &TcpListener) {
        while !self.away.load(Ordering::SeqCst) {
            let Ok((stream, _)) = listener.accept() else {
                std::thread::sleep(TICK);
                continue;
            };
            let number = {
                let mut connections = self.connections.lock().expect("nobody panics with it");
                connections.push(Vec::new());
                connections.len() - 1
            };
            self.open.fetch_add(1, Ordering::SeqCst);
            let shared = Arc::clone(self);
            std::thread::spawn(move || {
                shared.read_from(stream, number);
                shared.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }

    fn read_from(&self, mut stream: TcpStream, number: usize) {
        stream.set_nonblocking(false).expect("an open socket");
        stream.set_read_timeout(Some(TICK)).expect("an open socket");
        let mut buffer = vec![0; 256 * 1024];
        let mut said_goodbye = false;
        loop {
            let away = self.away.load(Ordering::SeqCst);
            if away && !said_goodbye {
                said_goodbye = true;
                let _gone_already = stream.shutdown(Shutdown::Write);
            }
            if self.paused.load(Ordering::SeqCst) && !away {
                std::thread::sleep(TICK);
                continue;
            }
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    let mut connections = self.connections.lock().expect("nobody panics with it");
                    connections[number].extend_from_slice(&buffer[..count]);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    }
}
