//! HTTP for channels: requests that end, to receivers that are who they say they are.
//!
//! TLS is verified against the certificates that the system trusts, or those of `ca_file` alone. A request has a time to be
//! over in, and of the answer no more is read than people are shown. Redirects are not followed: what is secret is given to
//! the one it is meant for. `https_proxy`, `http_proxy` and `no_proxy` of the environment are heeded.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use ureq::{
    Agent,
    http::{Method, Request},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::{Cause, Failure};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Characters of an answer that people are shown.
const EXCERPT_CHARS: usize = 200;

/// Longest time that a receiver may ask to be left alone for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How a receiver is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Longest time that a request may take, from the name's resolution to the end of the answer (1 millisecond to 1 hour).
    pub timeout: Duration,
    /// Certificates (PEM) that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Is the receiver's certificate verified? If not, anybody in between can read and change what is told.
    pub tls_verify: bool,
}

/// Speaks HTTP. Nothing is opened before the first request; connections are kept.
#[derive(Debug)]
pub struct HttpClient {
    settings: HttpSettings,
    agent: Option<Agent>,
}

/// What a receiver has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, as in 200.
    pub status: u16,
    /// The first 64 KiB; what is not UTF-8 is replaced.
    pub body: String,
    /// How long the receiver asks to be left alone for, if it gives seconds.
    pub retry_after: Option<Duration>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            ca_file: None,
            tls_verify: true,
        }
    }
}

impl HttpClient {
    /// A client that has not spoken yet.
    pub fn new(settings: HttpSettings) -> Self {
        Self { settings, agent: None }
    }

    /// Sends a request, and gives what comes back, whatever the status.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let answer = self.try_send(method, url, headers, body);
        if answer.is_err() {
            // The certificates may be others by the next attempt.
            self.agent = None;
        }
        answer
    }

    /// Posts `body`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&mut self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, Failure> {
        self.send(Method::POST, url, headers, body)
    }

    fn try_send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            // As bytes: what is beyond ASCII goes as it is.
            request = request.header(*name, value.as_bytes());
        }
        // Of the header only its place is said: its value may be secret.
        let unfit = |error: ureq::http::Error| Failure::lasting(Cause::Local, format!("no request: {error}"));
        let request = request.body(body).map_err(unfit)?;
        let agent = match &self.agent {
            Some(agent) => agent,
            None => self.agent.insert(agent(&self.settings)?),
        };
        let mut response = agent.run(request).map_err(|error| failure(&error))?;
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
        let mut body = Vec::new();
        let mut reader = io::Read::take(response.body_mut().as_reader(), ANSWER_BYTES_MAX);
        // The status is what counts; an answer that breaks off has told it.
        let _ = io::Read::read_to_end(&mut reader, &mut body);
        Ok(Answer {
            status: response.status().as_u16(),
            body: String::from_utf8_lossy(&body).into_owned(),
            retry_after,
        })
    }
}

impl Answer {
    /// Has the receiver taken what it was sent?
    ///
    /// # Errors
    /// When the status is none of 200 to 299: with the beginning of the answer, and a retry unless it is the message that does
    /// not please (400, 409, 411 to 417, 422 and 431). The rest passes, or somebody can put it right: a token that has
    /// expired (401, 403), an address that has moved (3xx, 404, 410), a server in trouble (5xx).
    pub fn check(&self) -> Result<(), Failure> {
        let Self {
            status, retry_after, ..
        } = self;
        if (200..300).contains(status) {
            return Ok(());
        }
        let detail = match self.excerpt() {
            none if none.is_empty() => format!("answered {status}"),
            excerpt => format!("answered {status}: {excerpt}"),
        };
        let failure = match status {
            400 | 409 | 411..=417 | 422 | 431 => return Err(Failure::lasting(Cause::Refused, detail)),
            408 | 425 | 429 | 500.. => Failure::passing(Cause::Trouble, detail),
            _ => Failure::passing(Cause::Refused, detail),
        };
        Err(match retry_after {
            Some(pause) => failure.after(*pause),
            None => failure,
        })
    }

    /// The beginning of the answer, on one line.
    pub fn excerpt(&self) -> String {
        let words = self.body.split_whitespace().collect::<Vec<_>>().join(" ");
        words
            .chars()
            .filter(|character| !character.is_control())
            .take(EXCERPT_CHARS)
            .collect()
    }
}

/// Whom to trust, as `settings` say.
///
/// # Errors
/// When there are no certificates where they are said to be.
pub fn tls(settings: &HttpSettings) -> Result<TlsConfig, Failure> {
    let tls = TlsConfig::builder().disable_verification(!settings.tls_verify);
    let tls = match &settings.ca_file {
        Some(path) => tls.root_certs(certificates_in(path)?),
        None => tls.root_certs(certificates_of_the_system()),
    };
    Ok(tls.build())
}

fn agent(settings: &HttpSettings) -> Result<Agent, Failure> {
    let config = Agent::config_builder()
        .timeout_global(Some(settings.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .allow_non_standard_methods(true)
        .user_agent(concat!("skyrelay/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls(settings)?);
    Ok(config.build().new_agent())
}

fn certificates_in(path: &PathBuf) -> Result<RootCerts, Failure> {
    let local = |error: &dyn std::fmt::Display| {
        Failure::passing(Cause::Local, format!("the certificates in {}: {error}", path.display()))
    };
    let pem = fs::read(path).map_err(|error| local(&error))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| local(&error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(local(&"there are none"));
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

/// Those that the system trusts, or where there are none (in a bare container), those that browsers do.
fn certificates_of_the_system() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    let owned = found.iter().map(|der| Certificate::from_der(der).to_owned());
    RootCerts::Specific(Arc::new(owned.collect()))
}

fn failure(error: &ureq::Error) -> Failure {
    use ureq::Error;
    match error {
        Error::Io(error) => {
            let failure = Failure::from(io::Error::new(error.kind(), error.to_string()));
            match (error.kind(), failure.cause) {
                // A certificate that does not please arrives as data that does not.
                (io::ErrorKind::InvalidData, _) => Failure {
                    cause: Cause::Tls,
                    ..failure
                },
                (_, Cause::Local) => Failure {
                    cause: Cause::Unreachable,
                    ..failure
                },
                _ => failure,
            }
        }
        Error::Timeout(_) => Failure::passing(Cause::Timeout, error.to_string()),
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) => Failure::passing(Cause::Tls, error.to_string()),
        Error::BadUri(_) | Error::Http(_) | Error::InvalidProxyUrl => Failure::lasting(Cause::Local, error.to_string()),
        Error::Protocol(_) => Failure::passing(Cause::Trouble, error.to_string()),
        _ => Failure::passing(Cause::Unreachable, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;
    use crate::notify::Retry;

    /// A receiver that answers one request so. Gives its URL, and what it was sent.
    fn receiver(answer: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let heard = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.ends_with(b"BODY") {
                let read = stream.read(&mut buffer).unwrap();
                assert!(read > 0, "it has hung up");
                request.extend(&buffer[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (url, heard)
    }

    #[track_caller]
    fn answered(answer: &'static str) -> (Answer, String) {
        let (url, heard) = receiver(answer);
        let mut client = HttpClient::new(HttpSettings::default());
        let answer = client.post(&url, &[("authorization", "Bearer x")], b"BODY").unwrap();
        (answer, heard.join().unwrap())
    }

    #[test]
    fn what_is_sent_arrives_and_the_answer_comes_back() {
        let (answer, heard) = answered("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        assert_eq!(
            (answer.status, answer.body.as_str(), answer.check()),
            (200, "ok", Ok(()))
        );
        assert!(heard.starts_with("POST /hook HTTP/1.1\r\n"), "{heard}");
        let lower = heard.to_lowercase();
        assert!(lower.contains("\r\nauthorization: bearer x\r\n"), "{heard}");
        assert!(lower.contains("\r\nuser-agent: skyrelay/"), "{heard}");
    }

    #[test]
    fn an_answer_says_whether_another_attempt_can_help() {
        let (answer, _) = answered("HTTP/1.1 400 Bad\r\ncontent-length: 9\r\n\r\nbad\n\x1bkey ");
        let failure = answer.check().unwrap_err();
        assert_eq!(failure, Failure::lasting(Cause::Refused, "answered 400: bad key"));
        let (answer, _) = answered("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n");
        let failure = answer.check().unwrap_err();
        assert_eq!(failure.retry, Retry::After(Duration::from_secs(7)));
        let (answer, _) = answered("HTTP/1.1 503 Down\r\nretry-after: 99999999\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(answer.check().unwrap_err().retry, Retry::After(RETRY_AFTER_MAX));
        // Nobody is led elsewhere.
        let (answer, _) = answered("HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        assert_eq!((answer.status, answer.check().unwrap_err().retry), (302, Retry::Soon));
        // Who we are, and where the receiver is, somebody can put right; what it does not understand, nobody.
        for (status, retry) in [
            (401, Retry::Soon),
            (403, Retry::Soon),
            (404, Retry::Soon),
            (407, Retry::Soon),
            (410, Retry::Soon),
            (413, Retry::Never),
            (422, Retry::Never),
        ] {
            let answer = Answer {
                status,
                body: String::new(),
                retry_after: None,
            };
            let failure = answer.check().unwrap_err();
            assert_eq!((failure.cause, failure.retry), (Cause::Refused, retry), "{status}");
        }
    }

    #[test]
    fn who_does_not_answer_is_told_apart() {
        let mut client = HttpClient::new(HttpSettings {
            timeout: Duration::from_millis(200),
            ..HttpSettings::default()
        });
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = |listener: &TcpListener| format!("http://{}/", listener.local_addr().unwrap());
        let cause = |client: &mut HttpClient, url: &str| client.post(url, &[], b"BODY").unwrap_err().cause;
        assert_eq!(cause(&mut client, &at(&silent)), Cause::Timeout);
        let gone = at(&silent);
        drop(silent);
        assert_eq!(cause(&mut client, &gone), Cause::Unreachable);
        let refused = client.post("nowhere", &[], b"").unwrap_err();
        assert_eq!((refused.cause, refused.retry), (Cause::Local, Retry::Never));
        // Something that speaks no TLS.
        let (url, _) = receiver("");
        let plain = url.replace("http:", "https:");
        assert!(matches!(cause(&mut client, &plain), Cause::Tls | Cause::Timeout));
    }

    #[test]
    fn certificates_that_are_not_there_are_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let mut client = HttpClient::new(HttpSettings {
            ca_file: Some(path.clone()),
            ..HttpSettings::default()
        });
        let mut says = |part: &str| {
            let failure = client.post("https://127.0.0.1:1/", &[], b"").unwrap_err();
            assert!(
                failure.cause == Cause::Local && failure.detail.contains(part),
                "{failure}"
            );
        };
        says("ca.pem: No such file");
        fs::write(&path, "nothing\n").unwrap();
        says("ca.pem: there are none");
    }
}
