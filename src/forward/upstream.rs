//! The task that feeds one upstream.
//!
//! Connects, writes what the queue holds, and connects anew when the connection breaks, with growing pauses. A line that
//! was cut by the break is written again from its beginning, as the peer drops what has no newline, and so are those before
//! it that may not have arrived. carbon never answers, so an end of its stream is how a closed connection is noticed before
//! the next line is lost to it.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    sync::watch,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{DropReason, Queue, Settings, SpoolError, SpoolSettings, outlet::Turn, spool::Place, spooler::Spooler};
use crate::metrics::ForwardMetrics;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// A connection that has held so long was worth making: the next attempt comes soon.
const STEADY: Duration = Duration::from_secs(1);
/// Longest wait for the peer to close after the last line.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// Bytes that the kernel takes beyond what the peer has room for. A peer that reads nothing swallows little more.
const UNSENT_BYTES: u32 = 256 << 10;
/// Time that a connection has to hold before lines are given to a peer that has just broken one.
const PROBATION: Duration = Duration::from_millis(200);

/// What was wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The host has no address.
    Lookup,
    /// No connection could be made.
    Connect,
    /// The upstream closed it.
    Closed,
    /// The upstream took nothing for too long.
    Timeout,
    /// It broke otherwise.
    Broken,
}

/// One upstream: its queue, and the task that empties it.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    /// What is set now; kept here so that there is always somebody who may change it.
    settings: watch::Sender<Settings>,
    queue: Arc<Queue>,
    spooler: Option<JoinHandle<()>>,
    metrics: ForwardMetrics,
}

impl Upstream {
    /// An upstream with an empty queue, and with what an earlier process has left in its spool.
    ///
    /// # Errors
    /// When the directory of its spool cannot be used.
    pub fn start(
        settings: Settings,
        spool: Option<&SpoolSettings>,
        metrics: &ForwardMetrics,
    ) -> Result<Self, SpoolError> {
        let queue = Arc::new(Queue::new(&settings, spool.is_some(), metrics));
        let start_spooler = |spool: &SpoolSettings| {
            let place = Place::claim(&spool.directory, &settings.name)?;
            Spooler::start(&settings.name, Arc::clone(&queue), place, spool.clone())
                .map_err(|error| SpoolError::Io(spool.directory.clone(), error))
        };
        let spooler = spool.map(start_spooler).transpose()?;
        let labels = [settings.name.as_str()];
        metrics.connects.with_label_values(&labels);
        for failure in Failure::ALL {
            metrics.failures.with_label_values(&[&settings.name, failure.name()]);
        }
        metrics.connected.with_label_values(&labels).set(0);
        Ok(Self {
            name: settings.name.clone(),
            queue,
            settings: watch::Sender::new(settings),
            spooler,
            metrics: metrics.clone(),
        })
    }

    /// Has the metrics show nothing any more of an upstream that is gone for good.
    pub fn forget(name: &str, metrics: &ForwardMetrics) {
        let (dropped, failures) = (DropReason::ALL.map(DropReason::name), Failure::ALL.map(Failure::name));
        metrics.forget(name, dropped, failures);
    }

    /// The way to change its settings, its name excepted. What waits goes where the new ones lead; a connection that they
    /// do not change stays.
    pub fn settings(&self) -> watch::Sender<Settings> {
        self.settings.clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The way to this upstream.
    pub fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// Feeds the upstream until its queue is closed and empty, or until `give_up`, which loses what is left. With a spool
    /// nothing is: once the queue is closed, what the upstream does not take at once goes to disk, for the next start.
    pub async fn run(self, give_up: CancellationToken) {
        let finished = give_up.run_until_cancelled(self.feed()).await;
        self.metrics.connected.with_label_values(&[&self.name]).set(0);
        if finished.is_none() {
            // What has been written of a chunk is not lost.
            self.queue.disconnect(None);
        }
        if let Some(spooler) = self.spooler {
            self.queue.end_spool();
            // The disk may take its time.
            let _ = tokio::task::spawn_blocking(|| spooler.join()).await;
        } else {
            self.queue.abandon(DropReason::Shutdown);
        }
    }

    async fn feed(&self) {
        let connected = self.metrics.connected.with_label_values(&[&self.name]);
        let connects = self.metrics.connects.with_label_values(&[&self.name]);
        let mut changes = self.settings.subscribe();
        let mut backoff = FIRST_BACKOFF;
        let mut failing = false;
        let mut was_brief = false;
        loop {
            let settings = changes.borrow_and_update().clone();
            self.queue.change(&settings);
            let connection = tokio::select! {
                connection = connect(&settings) => connection,
                () = self.queue.ended() => return,
                _ = changes.changed() => continue,
            };
            let failure = match connection {
                Ok((stream, peer)) => {
                    info!(upstream = self.name, address = %peer, "connected");
                    connects.inc();
                    connected.set(1);
                    failing = false;
                    let since = Instant::now();
                    let stream = Arc::new(stream);
                    let ended = tokio::select! {
                        ended = self.serve(&stream, &settings, was_brief) => Some(ended),
                        () = self.moved(&settings, &mut changes) => None,
                    };
                    let failure = match &ended {
                        Some(Err(error)) => Some(Failure::of_connection(error)),
                        Some(Ok(())) => None,
                        None => {
                            info!(
                                upstream = self.name,
                                "connecting anew, as the configuration has changed"
                            );
                            // What comes next may not overtake what is on its way.
                            self.finish(&stream).await;
                            None
                        }
                    };
                    self.queue.disconnect(failure);
                    connected.set(0);
                    let Some(failure) = failure else {
                        if ended.is_some() {
                            return;
                        }
                        (backoff, was_brief) = (FIRST_BACKOFF, false);
                        continue;
                    };
                    if let Some(Err(error)) = ended {
                        warn!(upstream = self.name, %error, "the connection broke");
                    }
                    // A peer that takes connections and closes them again is as good as away.
                    was_brief = since.elapsed() <= STEADY;
                    if !was_brief {
                        backoff = FIRST_BACKOFF;
                    }
                    failure
                }
                Err((failure, error)) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(upstream = self.name, address = settings.address, %error, "cannot connect; will go on trying");
                    }
                    failure
                }
            };
            let labels = [self.name.as_str(), failure.name()];
            self.metrics.failures.with_label_values(&labels).inc();
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.queue.ended() => return,
                _ = changes.changed() => {
                    backoff = FIRST_BACKOFF;
                    failing = false;
                    continue;
                }
            }
            backoff = (backoff * 2).min(settings.max_backoff);
        }
    }

    /// Ends when a connection by `settings` is not what it is to be any more.
    async fn moved(&self, settings: &Settings, changes: &mut watch::Receiver<Settings>) {
        while changes.changed().await.is_ok() {
            let now = changes.borrow_and_update().clone();
            self.queue.change(&now);
            if !now.connects_like(settings) {
                return;
            }
        }
    }

    /// Writes until the queue has nothing more for this upstream. To one that has just closed a connection soon after it was
    /// made, as a proxy does whose own upstream is away, nothing is given before it has held for a moment.
    async fn serve(&self, stream: &Arc<TcpStream>, settings: &Settings, was_brief: bool) -> io::Result<()> {
        if was_brief && let Ok(readable) = timeout(PROBATION, stream.readable()).await {
            readable?;
            if matches!(stream.try_read(&mut [0]), Ok(0)) {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "closed by the upstream as soon as it was made",
                ));
            }
        }
        self.queue.connect(Arc::clone(stream));
        self.write_all(stream, settings).await
    }

    /// Writes until the queue has nothing more for this upstream.
    async fn write_all(&self, stream: &TcpStream, settings: &Settings) -> io::Result<()> {
        loop {
            let turn = self.queue.write()?;
            if self.queue.is_at_end() {
                self.finish(stream).await;
                return Ok(());
            }
            match turn {
                Turn::Empty | Turn::Away => {
                    tokio::select! {
                        biased;
                        readable = stream.readable() => readable?,
                        () = self.queue.arrived() => {}
                    }
                }
                Turn::More => tokio::task::yield_now().await,
                Turn::Blocked => {
                    tokio::select! {
                        writable = timeout(settings.write_timeout, stream.writable()) => writable
                            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the upstream does not read"))??,
                        () = self.queue.ended() => {}
                    }
                }
            }
        }
    }

    /// Says that this was all, and gives the peer a moment to take it and close. If it does, it has everything.
    async fn finish(&self, stream: &TcpStream) {
        let closed = async {
            let mut ignored = [0; 512];
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut ignored) {
                    Ok(0) => return true,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return false,
                    Ok(_) | Err(_) => {}
                }
            }
            false
        };
        if SockRef::from(stream).shutdown(Shutdown::Write).is_ok() && timeout(LAST_WAIT, closed).await == Ok(true) {
            self.queue.confirm();
        }
    }
}

async fn connect(settings: &Settings) -> Result<(TcpStream, SocketAddr), (Failure, io::Error)> {
    let Settings {
        address,
        own,
        connect_timeout,
        write_timeout,
        ..
    } = settings;
    let found = timeout(*connect_timeout, lookup_host(address)).await;
    let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let mut last = (
        Failure::Lookup,
        io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
    );
    for peer in found.map_err(|error| (Failure::Lookup, error))? {
        let connected = timeout(*connect_timeout, TcpStream::connect(peer)).await;
        let prepared = connected
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .and_then(|stream| refuse_circle(stream, own))
            .and_then(|stream| prepare(stream, *write_timeout));
        match prepared {
            Ok(stream) => return Ok((stream, peer)),
            Err(error) => last = (Failure::Connect, error),
        }
    }
    Err(last)
}

/// Is the other end this process? Whatever name or address led there: to an address of its own machine the kernel connects
/// from that same address.
fn refuse_circle(stream: TcpStream, own: &[SocketAddr]) -> io::Result<TcpStream> {
    let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
    let is_peer = |own: &SocketAddr| own.port() == peer.port() && (own.ip().is_unspecified() || own.ip() == peer.ip());
    if local.ip() == peer.ip() && own.iter().any(is_peer) {
        let circle = format!("{peer} is this relay itself: the stream would go round in a circle");
        return Err(io::Error::other(circle));
    }
    Ok(stream)
}

fn prepare(stream: TcpStream, write_timeout: Duration) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    // A host that has vanished says nothing: what it does not acknowledge in time ends the connection.
    socket.set_tcp_user_timeout(Some(write_timeout))?;
    // When there is nothing to acknowledge, it is asked; three times at most within that time.
    let interval = (write_timeout / 3).max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new()
        .with_time(interval)
        .with_interval(interval)
        .with_retries(2);
    socket.set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

impl Failure {
    const ALL: [Self; 5] = [Self::Lookup, Self::Connect, Self::Closed, Self::Timeout, Self::Broken];

    /// Why a connection has ended.
    fn of_connection(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionAborted => Self::Closed,
            io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Broken,
        }
    }

    /// Name in metrics.
    const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Connect => "connect",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
        }
    }
}

#[cfg(test)]
mod tests;
