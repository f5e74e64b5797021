//! Connections: how many, for how long, and how they end.
//!
//! Knows nothing of what is asked. A client that sends no request, or does not take its answer, holds its place for a
//! bounded time, and until somebody else needs it: see `places`.

mod places;

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use axum::{Extension, Router, middleware::from_fn_with_state};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use places::{Place, Places};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

/// Pause after an accept that failed because there are no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Headers of a request.
const HEADERS_MAX: usize = 64;

/// What connections may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at a time (1 or more). For one more, another gives way, or it waits.
    pub(super) connections_max: usize,
    /// How long a request may take to arrive, from the connection or the last answer on: so a connection that is kept
    /// alive and silent ends after this, too.
    pub(super) request_timeout: Duration,
    /// Age at which a connection ends with the answer that is being given.
    pub(super) age_max: Duration,
    /// How long that last answer may take.
    pub(super) last_answer_timeout: Duration,
    /// Longest head of a request (bytes, 8192 or more). The body has a bound of its own, see `guard`.
    pub(super) request_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 128,
            request_timeout: Duration::from_secs(10),
            age_max: Duration::from_secs(60),
            last_answer_timeout: Duration::from_secs(10),
            // A name of 1,024 bytes takes three times as much in an address.
            request_bytes_max: 16 * 1024,
        }
    }
}

/// Serves until `stop`, and then until the answers that are being given have been.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) -> io::Result<()> {
    let connections = TaskTracker::new();
    let places = Places::new(bounds.connections_max);
    let mut failing = false;
    let outcome = loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break Ok(()),
            accepted = async {
                let (stream, peer) = listener.accept().await?;
                io::Result::Ok((places.take().await, stream, peer))
            } => accepted,
        };
        match accepted {
            Ok((place, stream, peer)) => {
                if std::mem::take(&mut failing) {
                    info!("HTTP connections are accepted again");
                }
                let (router, stop) = (router.clone(), stop.clone());
                connections.spawn(async move {
                    let place = Arc::new(place);
                    let answered = tokio::select! {
                        answered = answer(stream, peer.ip(), router, bounds, stop, Arc::clone(&place)) => answered,
                        () = place.is_given_away() => {
                            debug!(%peer, "an HTTP connection gives way to another");
                            return;
                        }
                    };
                    if let Err(error) = answered {
                        debug!(%peer, %error, "an HTTP connection broke");
                    }
                });
            }
            // The socket does not listen.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => break Err(error),
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    warn!(%error, "cannot accept HTTP connections; they wait, and will be tried again");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    };
    drop(listener);
    connections.close();
    connections.wait().await;
    outcome
}

/// Tells an answer that has no end of its own when the connection is to end.
#[derive(Clone, Debug)]
pub(super) struct Ending(CancellationToken);

impl Ending {
    /// Waits until then.
    pub(super) async fn wait(&self) {
        self.0.cancelled().await;
    }
}

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Answers the requests of one client, until one of both has enough.
async fn answer(
    stream: TcpStream,
    peer: IpAddr,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
    place: Arc<Place>,
) -> hyper::Result<()> {
    let ending = CancellationToken::new();
    let router = router
        .layer(Extension(Ending(ending.clone())))
        .layer(Extension(Peer(peer)))
        .layer(from_fn_with_state(place, places::note));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.request_timeout)
            .max_buf_size(bounds.request_bytes_max)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = sleep(bounds.age_max) => {}
        () = stop.cancelled() => {}
    }
    ending.cancel();
    connection.as_mut().graceful_shutdown();
    // Whoever does not take an answer for so long does not want it.
    timeout(bounds.last_answer_timeout, connection).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Instant};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    /// Longer than any test waits.
    const NEVER: Duration = Duration::from_secs(3600);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// A server whose `/` says `here`, and whose `/long` says more than sockets hold.
    async fn start(bounds: Bounds) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<io::Result<()>>) {
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/long", get(|| async { vec![0; 32 << 20] }))
            .route(
                "/slow",
                get(|| async {
                    sleep(SECOND / 2).await;
                    "late"
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, router, bounds, stop.clone()));
        (address, stop, server)
    }

    async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// All that comes until the other side closes, and how long that took.
    async fn rest(stream: &mut TcpStream) -> (String, Duration) {
        let (begun, mut bytes) = (Instant::now(), Vec::new());
        let read = timeout(15 * SECOND, stream.read_to_end(&mut bytes)).await;
        // A reset is an end, too.
        let _ = read.expect("the other side closes");
        (String::from_utf8_lossy(&bytes).into_owned(), begun.elapsed())
    }

    #[tokio::test]
    async fn silent_connections_give_way_and_end() {
        let bounds = Bounds {
            request_timeout: 2 * SECOND,
            ..Bounds::default()
        };
        let (address, ..) = start(bounds).await;
        let mut silent = Vec::new();
        for number in 0..700 {
            // Some have nothing to say, and some do not come to the point.
            let begun: &[u8] = if number % 2 == 0 {
                b""
            } else {
                b"GET / HTTP/1.1\r\nHost:"
            };
            silent.push(send(address, begun).await);
        }
        let mut asking = send(address, b"GET / HTTP/1.0\r\n\r\n").await;
        let (answer, waited) = rest(&mut asking).await;
        assert!(answer.ends_with("\r\n\r\nhere"), "{answer}");
        assert!(waited < SECOND, "it is given a place: {waited:?}");
        for stream in &mut silent {
            assert!(!rest(stream).await.0.contains("here"));
        }
    }

    #[tokio::test]
    async fn a_connection_is_kept_alive_for_as_long_as_a_request_may_take() {
        let bounds = Bounds {
            request_timeout: SECOND,
            ..Bounds::default()
        };
        let (address, ..) = start(bounds).await;
        let mut stream = send(address, REQUEST).await;
        sleep(SECOND / 2).await;
        stream.write_all(REQUEST).await.unwrap();
        let (answers, waited) = rest(&mut stream).await;
        assert_eq!(answers.matches("here").count(), 2, "{answers}");
        assert!(waited > SECOND / 2, "{waited:?}");
    }

    #[tokio::test]
    async fn a_client_that_does_not_take_its_answer_loses_its_place() {
        let bounds = Bounds {
            connections_max: 1,
            request_timeout: NEVER,
            age_max: SECOND / 4,
            last_answer_timeout: SECOND / 4,
            ..Bounds::default()
        };
        let (address, ..) = start(bounds).await;
        let _deaf = send(address, b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (answer, _) = rest(&mut send(address, REQUEST).await).await;
        assert!(answer.ends_with("here"), "{answer}");
    }

    #[tokio::test]
    async fn answers_that_are_being_given_at_the_stop_are_given_whole() {
        let (address, stop, server) = start(Bounds::default()).await;
        let mut silent = send(address, REQUEST).await;
        let mut slow = send(address, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        sleep(SECOND / 4).await;
        stop.cancel();
        let (answer, _) = rest(&mut slow).await;
        assert!(answer.ends_with("late"), "{answer}");
        assert!(rest(&mut silent).await.0.ends_with("here"));
        timeout(SECOND, server)
            .await
            .expect("nothing is left")
            .unwrap()
            .unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    }
}
