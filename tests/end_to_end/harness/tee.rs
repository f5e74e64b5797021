//! Passes what a sender writes to two receivers and keeps a copy, so that one real sender feeds two chains alike.

use super::{
    SOON,
    net::{free_port, loopback},
    wait_for,
};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A TCP server with a connection to each of its two targets for every one that it accepts.
pub(crate) struct Tee {
    /// Where it listens.
    pub(crate) port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    targets: [u16; 2],
    /// What passed, per connection, in the order in which they were accepted.
    connections: Mutex<Vec<Vec<u8>>>,
    open: AtomicUsize,
    finishing: AtomicBool,
    failure: Mutex<Option<String>>,
}

impl Tee {
    /// Listens; both targets are up and stay so.
    #[track_caller]
    pub(crate) fn start(targets: [u16; 2]) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(loopback(port)).expect("the port was free");
        listener.set_nonblocking(true).expect("a fresh socket");
        let shared = Arc::new(Shared {
            targets,
            connections: Mutex::default(),
            open: AtomicUsize::new(0),
            finishing: AtomicBool::new(false),
            failure: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accepting.accept_from(&listener));
        Self {
            port,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// What has passed so far, one connection after another.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shared.connections.lock().expect("nobody panics with it").concat()
    }

    /// Waits until every connection is at its end, once the sender has stopped, and returns all that passed.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.shared.finishing.store(true, Ordering::SeqCst);
        self.acceptor.take().map(JoinHandle::join);
        wait_for("end of the sender's connections", SOON, || {
            match self.shared.open.load(Ordering::SeqCst) {
                0 => Ok(()),
                open => Err(format!("{open} open")),
            }
        });
        let failure = self.shared.failure.lock().expect("nobody panics with it").take();
        assert_eq!(failure, None, "a target of the tee failed");
        self.bytes()
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        self.shared.finishing.store(true, Ordering::SeqCst);
        self.acceptor.take().map(JoinHandle::join);
    }
}

impl Shared {
    /// Accepts until told to finish, and then whatever is still in the backlog.
    fn accept_from(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            let finishing = self.finishing.load(Ordering::SeqCst);
            match listener.accept() {
                Ok((stream, _)) => {
                    let number = {
                        let mut connections = self.connections.lock().expect("nobody panics with it");
                        connections.push(Vec::new());
                        connections.len() - 1
                    };
                    self.open.fetch_add(1, Ordering::SeqCst);
                    let shared = Arc::clone(self);
                    std::thread::spawn(move || {
                        if let Err(error) = shared.pass_on(stream, number) {
                            *shared.failure.lock().expect("nobody panics with it") = Some(error.to_string());
                        }
                        shared.open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
                Err(_) if finishing => return,
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn pass_on(&self, mut sender: TcpStream, number: usize) -> std::io::Result<()> {
        sender.set_nonblocking(false)?;
        let mut receivers = [
            TcpStream::connect(loopback(self.targets[0]))?,
            TcpStream::connect(loopback(self.targets[1]))?,
        ];
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = sender.read(&mut buffer)?;
            if count == 0 {
                return receivers
                    .iter()
                    .try_for_each(|receiver| receiver.shutdown(Shutdown::Write));
            }
            for receiver in &mut receivers {
                receiver.write_all(&buffer[..count])?;
            }
            let mut connections = self.connections.lock().expect("nobody panics with it");
            connections[number].extend_from_slice(&buffer[..count]);
        }
    }
}
