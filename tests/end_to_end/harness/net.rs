//! Free ports, TCP and UDP towards the program, HTTP requests.

use super::SOON;
use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

/// Below Linux' range for outgoing connections, so that none of those takes a port between its choice and its use.
const PORTS: std::ops::Range<u16> = 11_000..31_000;

/// Test processes start at different places, and no port comes twice in one process.
static NEXT_PORT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let places = u32::from(PORTS.end - PORTS.start);
    let place = std::process::id().wrapping_mul(617) % places;
    AtomicU16::new(PORTS.start + u16::try_from(place).expect("below 20,000"))
});

/// A loopback port that nobody holds, neither for TCP nor for UDP.
pub(crate) fn free_port() -> u16 {
    for _ in 0..PORTS.len() {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        if port + 1 >= PORTS.end {
            NEXT_PORT.store(PORTS.start, Ordering::Relaxed);
        }
        if TcpListener::bind(loopback(port)).is_ok() && UdpSocket::bind(loopback(port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {PORTS:?}");
}

/// 127.0.0.1 with this port.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A connection that sends each write at once, and fails rather than hangs when nobody reads for a minute.
#[track_caller]
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(loopback(port)).unwrap_or_else(|error| panic!("connect to {port}: {error}"));
    stream.set_nodelay(true).expect("a fresh socket");
    stream
        .set_write_timeout(Some(Duration::from_secs(60)))
        .expect("a fresh socket");
    stream
}

/// A socket whose datagrams go to this port.
pub(crate) fn udp_to(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(loopback(0)).expect("some port is free");
    socket.connect(loopback(port)).expect("loopback is there");
    socket
}

/// GETs a page: its status and its text, whatever the status says; `Err` when no answer came.
pub(crate) fn http_get(port: u16, path_and_query: &str) -> Result<(u16, String), String> {
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(10)))
            .http_status_as_error(false)
            .build(),
    );
    let url = format!("http://{}{path_and_query}", loopback(port));
    let mut response = agent.get(&url).call().map_err(|error| format!("GET {url}: {error}"))?;
    let status = response.status().as_u16();
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|error| format!("GET {url}: {error}"))?;
    Ok((status, text))
}

/// GETs a page: the answer as it comes, with its head.
#[track_caller]
pub(crate) fn raw_get(port: u16, path: &str) -> String {
    let mut stream = connect(port);
    stream.set_read_timeout(Some(SOON)).expect("a fresh socket");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// POSTs nothing to a page: as [`http_get`].
pub(crate) fn http_post(port: u16, path: &str) -> Result<(u16, String), String> {
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            .build(),
    );
    let url = format!("http://{}{path}", loopback(port));
    let mut response = agent
        .post(&url)
        .send_empty()
        .map_err(|error| format!("POST {url}: {error}"))?;
    let status = response.status().as_u16();
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|error| format!("POST {url}: {error}"))?;
    Ok((status, text))
}

/// Percent-encodes what a query value may not hold as it is.
pub(crate) fn url_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes it");
        }
        encoded
    })
}

/// Any request at all, with `Host: localhost` unless the headers name another one: the status and the text of the answer.
pub(crate) fn http_ask(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String), String> {
    let failed = |error: std::io::Error| format!("{method} {path}: {error}");
    let mut stream = connect(port);
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a fresh socket");
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request.push_str("Host: localhost\r\n");
    }
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").expect("a String takes it");
    }
    write!(request, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("a String takes it");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(failed)?;
    let answer = String::from_utf8(answer).map_err(|error| error.to_string())?;
    let (head, text) = answer.split_once("\r\n\r\n").ok_or(format!("no answer: {answer}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(format!("no status: {head}"))?, text.to_owned()))
}
