//! The task that feeds one upstream.
//!
//! Connects, writes what the queue holds, and connects anew when the connection breaks, with growing pauses. A line that
//! was cut by the break is written again from its beginning, as the peer drops what has no newline. carbon never answers,
//! so an end of its stream is how a closed connection is noticed before the next line is lost to it.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    sync::Arc,
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

use super::{DropReason, Queue, Settings, outlet::Turn};
use crate::metrics::ForwardMetrics;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// A connection that has held so long was worth making: the next attempt comes soon.
const STEADY: Duration = Duration::from_secs(1);
/// Longest wait for the peer to close after the last line.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// One upstream: its queue, and the task that empties it.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    /// What is set now; kept here so that there is always somebody who may change it.
    settings: watch::Sender<Settings>,
    queue: Arc<Queue>,
    metrics: ForwardMetrics,
}

impl Upstream {
    /// An upstream with an empty queue.
    pub fn new(settings: Settings, metrics: &ForwardMetrics) -> Self {
        let queue = Queue::new(&settings.name, settings.queue_bytes_max, settings.when_full, metrics);
        let labels = [settings.name.as_str()];
        metrics.connects.with_label_values(&labels);
        metrics.failures.with_label_values(&labels);
        metrics.connected.with_label_values(&labels).set(0);
        Self {
            name: settings.name.clone(),
            queue: Arc::new(queue),
            settings: watch::Sender::new(settings),
            metrics: metrics.clone(),
        }
    }

    /// The way to change its settings, its name excepted. What waits goes where the new ones lead; a connection that they
    /// do not change stays.
    pub fn settings(&self) -> watch::Sender<Settings> {
        self.settings.clone()
    }

    /// The way to this upstream.
    pub fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// Feeds the upstream until its queue is closed and empty, or until `give_up`, which loses what is left.
    pub async fn run(self, give_up: CancellationToken) {
        let finished = give_up.run_until_cancelled(self.feed()).await;
        self.metrics.connected.with_label_values(&[&self.name]).set(0);
        if finished.is_none() {
            // What has been written of a chunk is not lost.
            self.queue.disconnect();
            self.queue.abandon(DropReason::Shutdown);
        }
    }

    async fn feed(&self) {
        let connected = self.metrics.connected.with_label_values(&[&self.name]);
        let connects = self.metrics.connects.with_label_values(&[&self.name]);
        let failures = self.metrics.failures.with_label_values(&[&self.name]);
        let mut changes = self.settings.subscribe();
        let mut backoff = FIRST_BACKOFF;
        let mut failing = false;
        loop {
            let settings = changes.borrow_and_update().clone();
            self.queue.change(settings.queue_bytes_max, settings.when_full);
            let connection = tokio::select! {
                connection = connect(&settings) => connection,
                () = self.queue.ended() => return,
                _ = changes.changed() => continue,
            };
            match connection {
                Ok((stream, peer)) => {
                    info!(upstream = self.name, address = %peer, "connected");
                    connects.inc();
                    connected.set(1);
                    failing = false;
                    let since = Instant::now();
                    let stream = Arc::new(stream);
                    self.queue.connect(Arc::clone(&stream));
                    let ended = tokio::select! {
                        ended = self.write_all(&stream, &settings) => Some(ended),
                        () = self.moved(&settings, &mut changes) => None,
                    };
                    self.queue.disconnect();
                    connected.set(0);
                    match ended {
                        Some(Ok(())) => return,
                        Some(Err(error)) => warn!(upstream = self.name, %error, "the connection broke"),
                        None => {
                            info!(
                                upstream = self.name,
                                "connecting anew, as the configuration has changed"
                            );
                            // What comes next may not overtake what is on its way.
                            let _ = finish(&stream).await;
                            backoff = FIRST_BACKOFF;
                            continue;
                        }
                    }
                    // A peer that takes connections and closes them again is as good as away.
                    if since.elapsed() > STEADY {
                        backoff = FIRST_BACKOFF;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(upstream = self.name, address = settings.address, %error, "cannot connect; will go on trying");
                    }
                }
            }
            failures.inc();
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
            self.queue.change(now.queue_bytes_max, now.when_full);
            if !now.connects_like(settings) {
                return;
            }
        }
    }

    /// Writes until the queue is closed and empty.
    async fn write_all(&self, stream: &TcpStream, settings: &Settings) -> io::Result<()> {
        loop {
            match self.queue.write()? {
                Turn::Empty | Turn::Away if self.queue.is_at_end() => return finish(stream).await,
                Turn::Empty | Turn::Away => {
                    tokio::select! {
                        biased;
                        readable = stream.readable() => readable?,
                        () = self.queue.arrived() => {}
                    }
                }
                Turn::More => tokio::task::yield_now().await,
                Turn::Blocked => {
                    timeout(settings.write_timeout, stream.writable())
                        .await
                        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the upstream does not read"))??;
                }
            }
        }
    }
}

async fn connect(settings: &Settings) -> io::Result<(TcpStream, SocketAddr)> {
    let Settings {
        address,
        connect_timeout,
        write_timeout,
        ..
    } = settings;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for peer in timeout(*connect_timeout, lookup_host(address))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??
    {
        match timeout(*connect_timeout, TcpStream::connect(peer))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                // A host that has vanished says nothing: what it does not acknowledge in time ends the connection.
                let socket = SockRef::from(&stream);
                socket.set_tcp_user_timeout(Some(*write_timeout))?;
                socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(*write_timeout))?;
                return Ok((stream, peer));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Says that this was all, and gives the peer a moment to take it and close.
async fn finish(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).shutdown(Shutdown::Write)?;
    let closed = async {
        let mut ignored = [0; 512];
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut ignored) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    };
    // One that does not close has been sent everything all the same.
    let _ = timeout(LAST_WAIT, closed).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bytes::Bytes;
    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;
    use crate::{line::Chunk, metrics::Metrics};

    const PUSHERS: usize = 4;
    const CHUNKS: usize = 500;
    /// Lines of a chunk: together more than the kernel takes at once.
    const LINES: usize = 500;

    /// Pushes numbered lines from several threads at once, and gives what each connection brought; the first one is
    /// closed by the peer after `first_bytes`.
    async fn push_all(first_bytes: Option<usize>) -> Vec<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let settings = Settings {
            when_full: super::super::WhenFull::PauseSenders,
            queue_bytes_max: 1 << 20,
            ..Settings::new("test", address)
        };
        let upstream = Upstream::new(settings, &Metrics::new().forward);
        let queue = upstream.queue();
        let running = tokio::spawn(upstream.run(CancellationToken::new()));
        let reading = tokio::spawn(async move {
            let mut brought = Vec::new();
            if let Some(bytes) = first_bytes {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut first = vec![0; bytes];
                stream.read_exact(&mut first).await.unwrap();
                brought.push(String::from_utf8(first).unwrap());
            }
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut last = String::new();
            stream.read_to_string(&mut last).await.unwrap();
            brought.push(last);
            brought
        });
        let pushing: Vec<_> = (0..PUSHERS)
            .map(|pusher| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move {
                    for chunk in 0..CHUNKS {
                        let lines = (0..LINES).map(|line| format!("pusher{pusher} {} 1\n", chunk * LINES + line));
                        let bytes = Bytes::from(lines.collect::<String>());
                        queue
                            .push(Chunk {
                                bytes,
                                lines: LINES as u64,
                            })
                            .await;
                    }
                })
            })
            .collect();
        for pusher in pushing {
            pusher.await.unwrap();
        }
        queue.close();
        running.await.unwrap();
        assert!(queue.is_at_end());
        assert_eq!(queue.lines_dropped(), 0);
        reading.await.unwrap()
    }

    /// The numbers of each pusher's lines, in the order in which they came.
    fn numbers(text: &str) -> HashMap<&str, Vec<usize>> {
        let mut numbers: HashMap<_, Vec<usize>> = HashMap::new();
        for line in text.lines() {
            let fields: Vec<_> = line.split(' ').collect();
            assert!(fields.len() == 3 && fields[2] == "1", "{line:?} is a whole line");
            numbers.entry(fields[0]).or_default().push(fields[1].parse().unwrap());
        }
        numbers
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn lines_of_many_come_out_whole_and_in_order() {
        let brought = push_all(None).await;
        let numbers = numbers(&brought[0]);
        assert_eq!(numbers.len(), PUSHERS);
        for (pusher, numbers) in numbers {
            assert!(numbers.into_iter().eq(0..CHUNKS * LINES), "{pusher}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_break_loses_only_what_the_kernel_had_taken() {
        let brought = push_all(Some(300_000)).await;
        let whole = brought[0].rfind('\n').unwrap() + 1;
        let (first, second) = (numbers(&brought[0][..whole]), numbers(&brought[1]));
        assert_eq!(second.len(), PUSHERS);
        for (pusher, numbers) in second {
            let begun = numbers[0];
            assert!(numbers.into_iter().eq(begun..CHUNKS * LINES), "{pusher}");
            let before = first.get(pusher).map_or(0, Vec::len);
            assert!(
                first
                    .get(pusher)
                    .is_none_or(|numbers| numbers.iter().copied().eq(0..before)),
                "{pusher}"
            );
            assert!(begun >= before.saturating_sub(1), "{pusher}: {begun} after {before}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_upstream_that_moves_is_followed_and_nothing_is_lost_or_overtaken() {
        let (old, new) = (listen().await, listen().await);
        let settings = Settings {
            when_full: super::super::WhenFull::PauseSenders,
            queue_bytes_max: 1 << 20,
            ..Settings::new("test", address(&old))
        };
        let upstream = Upstream::new(settings.clone(), &Metrics::new().forward);
        let (queue, change) = (upstream.queue(), upstream.settings());
        let running = tokio::spawn(upstream.run(CancellationToken::new()));
        let pushing = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move {
                for number in 0..20_000 {
                    queue
                        .push(Chunk {
                            bytes: Bytes::from(format!("pusher {number} 1\n")),
                            lines: 1,
                        })
                        .await;
                    tokio::task::yield_now().await;
                }
            }
        });
        let (mut first, _) = old.accept().await.unwrap();
        let mut brought = vec![0; 1000];
        first.read_exact(&mut brought).await.unwrap();
        // What is no matter of the connection leaves it as it is.
        change.send_replace(Settings {
            queue_bytes_max: 2 << 20,
            ..settings.clone()
        });
        let mut more = vec![0; 1000];
        first.read_exact(&mut more).await.unwrap();
        brought.extend(more);
        change.send_replace(Settings {
            address: address(&new),
            ..settings
        });
        first.read_to_end(&mut brought).await.unwrap();
        drop(first);
        let (mut second, _) = new.accept().await.unwrap();
        let reading = tokio::spawn(async move {
            let mut last = String::new();
            second.read_to_string(&mut last).await.unwrap();
            last
        });
        pushing.await.unwrap();
        queue.close();
        running.await.unwrap();
        let brought = String::from_utf8(brought).unwrap();
        // carbon drops a line without its end, which comes again.
        let whole = brought.rfind('\n').unwrap() + 1;
        let all = brought[..whole].to_owned() + &reading.await.unwrap();
        assert!(numbers(&all)["pusher"].iter().copied().eq(0..20_000));
        assert_eq!(queue.lines_dropped(), 0);
    }

    async fn listen() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    fn address(listener: &TcpListener) -> String {
        listener.local_addr().unwrap().to_string()
    }
}
