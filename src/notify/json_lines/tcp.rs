//! JSON lines over TCP, as log collectors take them.
//!
//! The protocol acknowledges nothing. So lines count as told when the other side's kernel has acknowledged all of them, and
//! those of the last delivery are kept: should the connection be found broken then (whoever has read everything closes it
//! in good order), they are sent once more ahead of the next ones. They may arrive twice rather than not at all.

use std::{
    io::{self, ErrorKind, Write},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use crate::{
    kernel,
    notify::{Cause, Failure},
};

/// Time between two looks at what is not acknowledged yet.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Settings of JSON lines over TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Host and port.
    pub address: String,
    /// Longest time to connect, and again until all is acknowledged (1 millisecond to 1 hour).
    pub timeout: Duration,
}

/// A connection, when there is one.
#[derive(Debug, Default)]
pub(super) struct Connection {
    stream: Option<TcpStream>,
    /// What was told last: a batch at most.
    last: Vec<u8>,
}

/// How a connection that was not used for a while is.
#[derive(Debug, PartialEq, Eq)]
enum Health {
    Open,
    /// Closed in good order: everything was read.
    Closed,
    Broken,
}

impl Connection {
    /// Tells `lines`, over the connection that there is or a new one.
    ///
    /// # Errors
    /// When it is not known that all of them have arrived.
    pub(super) fn tell(&mut self, settings: &Tcp, lines: &[u8]) -> Result<(), Failure> {
        let health = self.stream.as_ref().map_or(Health::Closed, health);
        if health != Health::Open {
            self.stream = None;
        }
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(settings)?,
        };
        if health == Health::Broken {
            write(&mut stream, &self.last, settings.timeout)?;
        }
        // What is kept is told again after the first failure that follows, so never more than a batch.
        self.last.clear();
        write(&mut stream, lines, settings.timeout)?;
        self.last.extend_from_slice(lines);
        self.stream = Some(stream);
        Ok(())
    }
}

fn connect(settings: &Tcp) -> Result<TcpStream, Failure> {
    let unreachable = |detail: String| Failure::passing(Cause::Unreachable, detail);
    let address = &settings.address;
    let found = address.to_socket_addrs();
    let found = found.map_err(|error| unreachable(format!("{address} is not found: {error}")))?;
    let mut last = unreachable(format!("{address} has no address"));
    for address in found {
        match TcpStream::connect_timeout(&address, settings.timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = Failure::from(error),
        }
    }
    Err(last)
}

/// Writes all of `bytes`, and waits until they are acknowledged.
fn write(stream: &mut TcpStream, bytes: &[u8], timeout: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(bytes)?;
    loop {
        let unacknowledged = kernel::bytes_unacknowledged(stream);
        if health(stream) == Health::Broken {
            return Err(Failure::passing(Cause::Unreachable, "the connection has broken"));
        }
        match unacknowledged {
            // Where the system does not tell there is nothing to wait for.
            Some(0) | None => return Ok(()),
            Some(_) if Instant::now() >= deadline => {
                return Err(Failure::passing(Cause::Timeout, "what was sent is not acknowledged"));
            }
            Some(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// Looks, without waiting. What the other side says is not for us, and is read away.
fn health(stream: &TcpStream) -> Health {
    let mut said = [0; 4096];
    let read = |buffer: &mut [u8]| -> io::Result<usize> {
        stream.set_nonblocking(true)?;
        let read = io::Read::read(&mut &*stream, buffer);
        stream.set_nonblocking(false)?;
        read
    };
    // Bounded: somebody may say more than can be read.
    for _ in 0..16 {
        match read(&mut said) {
            Ok(0) => return Health::Closed,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Health::Open,
            Err(_) => return Health::Broken,
        }
    }
    Health::Open
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read},
        net::TcpListener,
    };

    use super::*;

    fn listener() -> (TcpListener, Tcp) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = Tcp {
            address: listener.local_addr().unwrap().to_string(),
            timeout: Duration::from_secs(5),
        };
        (listener, settings)
    }

    #[track_caller]
    fn lines(from: &mut impl BufRead, count: usize) -> Vec<String> {
        let line = |_| {
            let mut line = String::new();
            from.read_line(&mut line).unwrap();
            line
        };
        (0..count).map(line).collect()
    }

    /// Waits for the other side's end of the connection to have been closed. Whether it was in good order can be asked once.
    fn wait_until_ended(connection: &Connection, broken: bool) {
        let stream = connection.stream.as_ref().unwrap();
        let has_ended = || {
            if broken {
                kernel::bytes_unacknowledged(stream).is_none()
            } else {
                health(stream) == Health::Closed
            }
        };
        while !has_ended() {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    #[test]
    fn lines_go_over_one_connection_and_over_another_when_it_is_closed() {
        let (listener, settings) = listener();
        let mut connection = Connection::default();
        connection.tell(&settings, b"first\n").unwrap();
        let mut reader = BufReader::new(listener.accept().unwrap().0);
        connection.tell(&settings, b"second\nthird\n").unwrap();
        assert_eq!(lines(&mut reader, 3), ["first\n", "second\n", "third\n"]);
        drop(reader);
        wait_until_ended(&connection, false);
        connection.tell(&settings, b"fourth\n").unwrap();
        let mut reader = BufReader::new(listener.accept().unwrap().0);
        assert_eq!(lines(&mut reader, 1), ["fourth\n"], "what was read is not told twice");
    }

    #[test]
    fn what_was_not_read_from_a_connection_that_broke_is_told_again() {
        let (listener, settings) = listener();
        let mut connection = Connection::default();
        connection.tell(&settings, b"first\n").unwrap();
        let (mut half_read, _) = listener.accept().unwrap();
        half_read.read_exact(&mut [0; 3]).unwrap();
        // With something unread, to close is to break.
        drop(half_read);
        wait_until_ended(&connection, true);
        connection.tell(&settings, b"second\n").unwrap();
        let mut reader = BufReader::new(listener.accept().unwrap().0);
        assert_eq!(lines(&mut reader, 2), ["first\n", "second\n"]);
    }

    #[test]
    fn nobody_there_is_a_reason_to_try_again() {
        let (listener, settings) = listener();
        drop(listener);
        let failure = Connection::default().tell(&settings, b"first\n").unwrap_err();
        assert_eq!(failure, Failure::passing(Cause::Unreachable, failure.detail.clone()));
    }

    #[test]
    fn one_who_reads_nothing_is_not_waited_for_for_ever() {
        let (_listener, settings) = listener();
        let settings = Tcp {
            timeout: Duration::from_millis(50),
            ..settings
        };
        let much = vec![b'x'; 16 << 20];
        let failure = Connection::default().tell(&settings, &much).unwrap_err();
        assert_eq!(failure.cause, Cause::Timeout, "{failure}");
    }
}
