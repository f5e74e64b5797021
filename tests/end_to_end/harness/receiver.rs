//! Somebody who takes HTTP requests, over TLS or not, writes them down, and answers as it is told to.

use super::{
    certificates::Certificate,
    net::{free_port, loopback},
    wait_for,
};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// What is answered unless something else is said.
const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// How often the thread looks whether it is over.
const TICK: Duration = Duration::from_millis(2);

/// A receiver.
pub(crate) struct Receiver {
    url: String,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Vec<Heard>>,
    answers: Mutex<VecDeque<String>>,
    is_over: AtomicBool,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// When it came.
    pub(crate) at: Instant,
    /// As in `POST /hook`.
    pub(crate) request: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Heard {
    /// The body, which is JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Receiver {
    /// Listens without TLS.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::listen(None)
    }

    /// Listens with TLS, and shows this certificate.
    #[track_caller]
    pub(crate) fn start_tls(certificate: &Certificate) -> Self {
        let chain = CertificateDer::pem_file_iter(&certificate.certificate).expect("openssl wrote it");
        let chain = chain.collect::<Result<_, _>>().expect("openssl wrote it");
        let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("openssl wrote it");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("it has some")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they belong together");
        Self::listen(Some(Arc::new(config)))
    }

    #[track_caller]
    fn listen(tls: Option<Arc<ServerConfig>>) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(loopback(port)).expect("just found free");
        listener.set_nonblocking(true).expect("a fresh socket");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared: Arc<Shared> = Arc::default();
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                while !shared.is_over.load(Ordering::SeqCst) {
                    let Ok((stream, _)) = listener.accept() else {
                        std::thread::sleep(TICK);
                        continue;
                    };
                    let (shared, tls) = (Arc::clone(&shared), tls.clone());
                    // It ends when the other side hangs up, which the end of the relay brings about.
                    std::thread::spawn(move || serve(stream, tls, &shared));
                }
            }
        });
        Self {
            url: format!("{scheme}://{}", loopback(port)),
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Where it listens, without a path.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers the next requests so, one after the other: whole answers of HTTP.
    pub(crate) fn answer(&self, answers: &[&str]) {
        let mut queue = self.shared.answers.lock().expect("nobody panics with it");
        queue.extend(answers.iter().map(|&answer| answer.to_owned()));
    }

    /// The requests so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().expect("nobody panics with it").clone()
    }

    /// Waits until there were that many requests.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Heard> {
        wait_for(&format!("request number {count}"), super::SOON, || match self.heard() {
            heard if heard.len() >= count => Ok(heard),
            heard => Err(format!("{heard:?}")),
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.acceptor.take().map(JoinHandle::join);
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: &Shared) {
    stream.set_nonblocking(false).expect("a fresh socket");
    match tls {
        None => requests(stream, shared),
        Some(config) => {
            let connection = ServerConnection::new(config).expect("its settings are right");
            requests(StreamOwned::new(connection, stream), shared);
        }
    }
}

/// Takes requests until the other side hangs up, or does not speak HTTP.
fn requests(stream: impl Read + Write, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    while let Some(heard) = request(&mut stream) {
        // Written down first: whoever has the answer may look at once.
        let answer = shared.answers.lock().expect("nobody panics with it").pop_front();
        shared.heard.lock().expect("nobody panics with it").push(heard);
        let answer = answer.unwrap_or_else(|| FINE.to_owned());
        if stream.get_mut().write_all(answer.as_bytes()).is_err() || stream.get_mut().flush().is_err() {
            return;
        }
    }
}

fn request(stream: &mut impl BufRead) -> Option<Heard> {
    let mut line = || {
        let mut line = String::new();
        let read = stream.read_line(&mut line);
        read.is_ok_and(|bytes| bytes > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = BTreeMap::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Heard {
        at: Instant::now(),
        request: first.trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        body: String::from_utf8(body).ok()?,
    })
}
