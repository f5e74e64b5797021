//! Settings of the listeners.

use std::{net::SocketAddr, time::Duration};

use ipnet::IpNet;

/// Who may send, where to, and how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// TCP addresses to listen on.
    pub tcp: Vec<SocketAddr>,
    /// UDP addresses to listen on.
    pub udp: Vec<SocketAddr>,
    /// Networks that may send; `None`: anyone.
    pub allow: Option<Vec<IpNet>>,
    /// TCP connections open at a time (1 or more). One more is closed at once, and counted.
    pub max_connections: usize,
    /// Longest line, without its newline (bytes, 64 to 65,535). A longer one is quarantined.
    pub max_line_bytes: usize,
    /// Silence after which a TCP connection is closed; `None`: never, as long-lived senders are normal.
    pub idle_timeout: Option<Duration>,
    /// May another process listen on the same addresses, so that it can take over before this one stops?
    pub reuse_port: bool,
    /// Receive buffer asked of the kernel for each UDP socket (bytes).
    pub udp_buffer_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let carbon = SocketAddr::from(([127, 0, 0, 1], 2003));
        Self {
            tcp: vec![carbon],
            udp: vec![carbon],
            allow: None,
            max_connections: 20_000,
            max_line_bytes: 16_384,
            idle_timeout: None,
            reuse_port: false,
            udp_buffer_bytes: 8 << 20,
        }
    }
}
