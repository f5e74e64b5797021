//! Addresses that come and go while senders are served, and rules that change.

use std::{fmt::Write as _, io::Write as _, net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{
    analysis::{Analysis, Sink},
    forward::{self, Queue, Upstream},
    intake::{ForwardInvalid, Sorter},
    metrics::Metrics,
    shard::{self, Census, Event, Tally},
};

const SOON: Duration = Duration::from_secs(20);

struct Nobody;

impl Sink for Nobody {
    fn events(&mut self, events: &mut Vec<Event>) {
        events.clear();
    }

    fn tally(&mut self, _: &Tally) {}

    fn census(&mut self, _: Census) {}
}

/// Listeners that feed nobody.
struct Bench {
    listening: Listening,
    metrics: Metrics,
}

impl Bench {
    fn new(settings: &Settings) -> Self {
        let listeners = Listeners::bind(settings, &mut Inherited::default()).unwrap();
        Self::serve(listeners, settings, Vec::new())
    }

    fn serve(listeners: Listeners, settings: &Settings, upstreams: Vec<Arc<Queue>>) -> Self {
        let analysis = Analysis::start(
            crate::analysis::Settings::default(),
            &Arc::new(shard::Settings::default()),
            || Nobody,
        );
        let (analysis, metrics) = (Arc::new(analysis.unwrap()), Metrics::new());
        let sorter = Sorter::new(analysis.shards(), 1000, ForwardInvalid::Forward);
        let intake = Arc::new(Intake::new(sorter, upstreams, analysis, metrics.clone()));
        Self {
            listening: listeners.serve(settings, intake, metrics.listen.clone()).unwrap(),
            metrics,
        }
    }

    fn tcp(&self) -> Vec<SocketAddr> {
        self.listening.addresses(Protocol::Tcp)
    }

    /// Waits until so many lines have been received.
    async fn received(&self, lines: u64) {
        let wait = async {
            while self.metrics.intake.received.get() < lines {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let received = tokio::time::timeout(SOON, wait).await;
        assert!(
            received.is_ok(),
            "{} of {lines} lines",
            self.metrics.intake.received.get()
        );
        assert_eq!(self.metrics.intake.received.get(), lines);
    }

    async fn stop(self) {
        self.listening.stop();
        tokio::time::timeout(SOON, self.listening.stopped()).await.unwrap();
    }
}

/// TCP alone.
fn settings(tcp: &[SocketAddr]) -> Settings {
    Settings {
        tcp: tcp.to_vec(),
        udp: Vec::new(),
        ..Settings::default()
    }
}

/// A loopback address with a port that is free.
fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Is the connection closed by the other side?
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = tokio::time::timeout(SOON, stream.read(&mut byte)).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn addresses_come_and_go_and_connections_stay() {
    let (first, second) = (free(), free());
    let mut bench = Bench::new(&settings(&[first]));
    let mut sender = TcpStream::connect(first).await.unwrap();
    sender.write_all(b"a 1 2\n").await.unwrap();
    bench.received(1).await;
    let moved = bench.listening.change(&settings(&[first, second])).await.unwrap();
    assert_eq!((moved.added, moved.removed), (vec![format!("TCP {second}")], vec![]));
    let mut other = TcpStream::connect(second).await.unwrap();
    other.write_all(b"a 1 3\n").await.unwrap();
    bench.received(2).await;
    let moved = bench.listening.change(&settings(&[second])).await.unwrap();
    assert_eq!((moved.added, moved.removed), (vec![], vec![format!("TCP {first}")]));
    assert_eq!(bench.tcp(), [second]);
    // Who had come before is still served.
    sender.write_all(b"a 1 4\n").await.unwrap();
    bench.received(3).await;
    let refused = async {
        while TcpStream::connect(first).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, refused).await.expect("nobody listens there");
    assert!(bench.listening.is_at_work());
    bench.stop().await;
}

#[tokio::test]
async fn an_address_makes_room_for_one_that_covers_it() {
    let narrow = free();
    let wide = SocketAddr::from((Ipv4Addr::UNSPECIFIED, narrow.port()));
    let mut bench = Bench::new(&settings(&[narrow]));
    let moved = bench.listening.change(&settings(&[wide])).await.unwrap();
    assert_eq!(moved.added, [format!("TCP {wide}")]);
    let mut sender = TcpStream::connect(narrow).await.unwrap();
    sender.write_all(b"a 1 2\n").await.unwrap();
    bench.received(1).await;
    bench.stop().await;
}

#[tokio::test]
async fn where_one_address_cannot_be_had_all_is_as_it_was() {
    let narrow = free();
    let wide = SocketAddr::from((Ipv4Addr::UNSPECIFIED, narrow.port()));
    let holder = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = holder.local_addr().unwrap();
    let mut bench = Bench::new(&settings(&[narrow]));
    // The first has to make room, and comes back; nobody could be let in by the rules that came with it.
    let wanted = Settings {
        max_connections: 0,
        ..settings(&[wide, taken])
    };
    let error = bench.listening.change(&wanted).await.unwrap_err();
    assert_eq!((error.protocol, error.address), (Protocol::Tcp, taken));
    assert_eq!(bench.tcp(), [narrow]);
    let mut sender = TcpStream::connect(narrow).await.unwrap();
    sender.write_all(b"a 1 2\n").await.unwrap();
    bench.received(1).await;
    bench.stop().await;
}

#[tokio::test]
async fn rules_change_for_connections_that_are_open() {
    let address = free();
    let mut bench = Bench::new(&settings(&[address]));
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"a 1 2\n").await.unwrap();
    bench.received(1).await;
    let full = Settings {
        max_connections: 1,
        ..settings(&[address])
    };
    bench.listening.change(&full).await.unwrap();
    let mut one_more = TcpStream::connect(address).await.unwrap();
    assert!(is_closed(&mut one_more).await);
    let impatient = Settings {
        idle_timeout: Some(Duration::from_millis(10)),
        ..settings(&[address])
    };
    bench.listening.change(&impatient).await.unwrap();
    assert!(is_closed(&mut silent).await);
    assert_eq!(bench.metrics.listen.connections_idle.get(), 1);
    bench.listening.change(&settings(&[address])).await.unwrap();
    let mut stranger = TcpStream::connect(address).await.unwrap();
    stranger.write_all(b"a 1 2\n").await.unwrap();
    bench.received(2).await;
    let closed_shop = Settings {
        allow: Some(vec!["10.0.0.0/8".parse().unwrap()]),
        ..settings(&[address])
    };
    bench.listening.change(&closed_shop).await.unwrap();
    assert!(is_closed(&mut stranger).await);
    let refused = &bench.metrics.listen.connections_refused;
    assert_eq!(refused.with_label_values(&["not_allowed"]).get(), 1);
    assert_eq!(refused.with_label_values(&["limit"]).get(), 1);
    bench.stop().await;
}

/// Connections that one sender makes one after the other, each with a line or, now and then, some thousand.
const CONNECTIONS: usize = 200;

/// Connects, sends and closes so often. Gives what was sent.
fn send_one_after_the_other(to: SocketAddr) -> String {
    let mut sent = String::new();
    for number in 0..CONNECTIONS {
        let lines = if number % 20 == 7 { 5000 } else { 1 };
        let begins = sent.len();
        for line in 0..lines {
            writeln!(sent, "batch {number}.{line} 1").unwrap();
        }
        let mut sender = std::net::TcpStream::connect(to).unwrap();
        sender.write_all(&sent.as_bytes()[begins..]).unwrap();
    }
    sent
}

/// Sends so before the listener serves anybody, or while it does; what came out is what went in.
async fn keeps_the_order_of_connections(waiting: bool) {
    let sink = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = forward::Settings::new("sink", sink.local_addr().unwrap().to_string());
    let upstream = Upstream::start(to, None, &Metrics::new().forward).unwrap();
    let queue = upstream.queue();
    let feeding = tokio::spawn(upstream.run(CancellationToken::new()));
    let settings = settings(&[free()]);
    let address = settings.tcp[0];
    let listeners = Listeners::bind(&settings, &mut Inherited::default()).unwrap();
    let upstreams = vec![Arc::clone(&queue)];
    let (sent, bench) = if waiting {
        let sent = tokio::task::spawn_blocking(move || send_one_after_the_other(address));
        (sent.await.unwrap(), Bench::serve(listeners, &settings, upstreams))
    } else {
        let bench = Bench::serve(listeners, &settings, upstreams);
        let sent = tokio::task::spawn_blocking(move || send_one_after_the_other(address));
        (sent.await.unwrap(), bench)
    };
    bench.received(sent.lines().count() as u64).await;
    bench.stop().await;
    let (mut stream, _) = sink.accept().await.unwrap();
    queue.close();
    let mut got = String::new();
    stream.read_to_string(&mut got).await.unwrap();
    feeding.await.unwrap();
    let wrong = got.lines().zip(sent.lines()).find(|(got, sent)| got != sent);
    assert_eq!((wrong, got.len()), (None, sent.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_sender_closes_goes_before_what_it_opens_next() {
    keeps_the_order_of_connections(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_waited_to_be_let_in_are_read_in_their_order() {
    keeps_the_order_of_connections(true).await;
}
