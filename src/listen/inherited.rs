//! Sockets that whoever started the relay had open for it: systemd, or anybody who hands sockets over as it does.
//!
//! A socket that somebody else holds open outlives the relay. Senders who connect while it is not there wait in the
//! backlog of the kernel, and datagrams in its buffer, until it is there again.

use std::{
    env,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
};

use listenfd::ListenFd;
use socket2::SockRef;
use tracing::warn;

/// Sockets that were handed over and that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Passed>,
    /// Names of those that are no sockets of TCP or UDP.
    of_no_use: Vec<String>,
}

/// A socket, and what whoever handed it over calls it.
#[derive(Debug)]
struct Passed {
    name: String,
    /// Where it is bound.
    address: SocketAddr,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Inherited {
    /// What the environment says was handed over to this process (`LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`). To be
    /// called once, before other threads are there, as it takes that out of the environment.
    pub fn from_environment() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut inherited = Self::default();
        for place in 0..passed.len() {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            let socket = if let Ok(Some(listener)) = passed.take_tcp_listener(place) {
                Some(Socket::Tcp(listener))
            } else if let Ok(Some(socket)) = passed.take_udp_socket(place) {
                Some(Socket::Udp(socket))
            } else {
                None
            };
            inherited.add(name, socket);
        }
        inherited
    }

    fn add(&mut self, name: &str, socket: Option<Socket>) {
        let name = name.to_owned();
        let bound = socket.and_then(|socket| Some((socket.address()?, socket)));
        match bound {
            Some((address, socket)) => self.sockets.push(Passed { name, address, socket }),
            None => self.of_no_use.push(name),
        }
    }

    /// The TCP socket for `address`, if there is one.
    pub fn take_tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let place = self.sockets.iter().position(|passed| {
            matches!(&passed.socket, Socket::Tcp(listener) if serves(passed.address, address, is_only_v6(&SockRef::from(listener))))
        })?;
        match self.sockets.swap_remove(place).socket {
            Socket::Tcp(listener) => Some(listener),
            Socket::Udp(_) => unreachable!("just looked at"),
        }
    }

    /// The UDP socket for `address`, if there is one.
    pub fn take_udp(&mut self, address: SocketAddr) -> Option<UdpSocket> {
        let place = self.sockets.iter().position(|passed| {
            matches!(&passed.socket, Socket::Udp(socket) if serves(passed.address, address, is_only_v6(&SockRef::from(socket))))
        })?;
        match self.sockets.swap_remove(place).socket {
            Socket::Udp(socket) => Some(socket),
            Socket::Tcp(_) => unreachable!("just looked at"),
        }
    }

    /// Says which sockets nobody has taken, and closes them.
    pub fn close_rest(self) {
        for Passed { name, address, socket } in self.sockets {
            let protocol = match socket {
                Socket::Tcp(_) => "TCP",
                Socket::Udp(_) => "UDP",
            };
            warn!(name, %address, protocol, "was handed over and is of no use: the configuration has no such address");
        }
        for name in self.of_no_use {
            warn!(
                name,
                "was handed over and is of no use: it is not a socket of TCP or UDP"
            );
        }
    }
}

impl Socket {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Udp(socket) => socket.local_addr().ok(),
        }
    }
}

/// Is a socket bound to `bound` good for `wanted`? One for all addresses of both families, which is what systemd makes of
/// a port alone, is good for all of IPv4.
fn serves(bound: SocketAddr, wanted: SocketAddr, only_v6: bool) -> bool {
    let both = bound.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !only_v6;
    bound == wanted || (both && wanted.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && bound.port() == wanted.port())
}

fn is_only_v6(socket: &SockRef<'_>) -> bool {
    socket.only_v6().unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_taken_by_its_protocol_and_address() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let (tcp_address, mut inherited) = (tcp.local_addr().unwrap(), Inherited::default());
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let udp_address = udp.local_addr().unwrap();
        inherited.add("lines", Some(Socket::Tcp(tcp)));
        inherited.add("datagrams", Some(Socket::Udp(udp)));
        inherited.add("file", None);
        assert!(inherited.take_udp(tcp_address).is_none());
        assert!(inherited.take_tcp(udp_address).is_none());
        assert!(inherited.take_tcp(tcp_address).is_some());
        assert!(inherited.take_tcp(tcp_address).is_none(), "it was taken");
        assert_eq!(inherited.sockets[0].name, "datagrams");
        assert_eq!(inherited.of_no_use, ["file"]);
    }

    #[test]
    fn a_port_alone_is_all_of_ipv4() {
        #[track_caller]
        fn check(bound: &str, wanted: &str, only_v6: bool, expected: bool) {
            let serves = serves(bound.parse().unwrap(), wanted.parse().unwrap(), only_v6);
            assert_eq!(serves, expected, "{bound} for {wanted}");
        }
        check("0.0.0.0:2003", "0.0.0.0:2003", true, true);
        check("[::]:2003", "0.0.0.0:2003", false, true);
        check("[::]:2003", "0.0.0.0:2003", true, false);
        check("[::]:2003", "0.0.0.0:2004", false, false);
        check("[::]:2003", "127.0.0.1:2003", false, false);
        check("0.0.0.0:2003", "127.0.0.1:2003", false, false);
    }
}
