//! What the kernel knows of our sockets: datagrams that it lost as nobody had read them yet, bytes that the other side has
//! not acknowledged, and which connections it has closed.
//!
//! Linux tells the first two by socket in tables under `/proc`, where a socket is known by its inode. To look is not cheap: the
//! tables hold every socket of the machine.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    time::Timespec,
};

/// The inode of a socket, where the system tells.
pub(crate) fn inode(socket: &impl AsRawFd) -> Option<u64> {
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?;
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Datagrams dropped so far by each of the sockets with these inodes.
pub(crate) fn datagrams_dropped(inodes: &[Option<u64>]) -> Vec<u64> {
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let mut dropped = vec![0; inodes.len()];
    for (inode, drops) in tables.iter().flat_map(|table| rows(table)) {
        for (place, _) in inodes
            .iter()
            .enumerate()
            .filter(|(_, of_socket)| **of_socket == Some(inode))
        {
            dropped[place] = drops;
        }
    }
    dropped
}

/// Inode and drops, the tenth and the last column, of every row but the first, which is the heading.
fn rows(table: &str) -> impl Iterator<Item = (u64, u64)> {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let inode = fields.nth(9)?.parse().ok()?;
        let drops = fields.last()?.parse().ok()?;
        Some((inode, drops))
    })
}

/// Bytes that were written to a TCP connection and that its other side has not acknowledged; `None`: there is no connection
/// any more, or the system does not tell.
pub(crate) fn bytes_unacknowledged(socket: &impl AsRawFd) -> Option<usize> {
    let inode = inode(socket)?.to_string();
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"].iter().find_map(|path| {
        let table = fs::read_to_string(path).ok()?;
        let row = |line: &str| {
            let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
            let (to_send, _) = fields.get(4)?.split_once(':')?;
            (*fields.get(9)? == inode).then(|| usize::from_str_radix(to_send, 16).ok())?
        };
        table.lines().skip(1).find_map(row)
    })
}

/// Which of these connections has the other side closed, or broken? What it has sent before may be unread.
pub(crate) fn closed_by_peer<'a, S: AsFd + 'a>(sockets: impl Iterator<Item = &'a S>) -> Vec<bool> {
    let mut looks: Vec<_> = sockets.map(|socket| PollFd::new(socket, PollFlags::RDHUP)).collect();
    // Where the system does not tell, none of them is.
    let _ = poll(&mut looks, Some(&Timespec::default()));
    let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    looks.iter().map(|look| look.revents().intersects(closed)).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::{TcpListener, TcpStream, UdpSocket},
        time::Duration,
    };

    use super::*;

    #[test]
    fn drops_are_read_by_inode() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   38: 0100007F:07D3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 23
   39: 0100007F:07D4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 5
";
        assert_eq!(rows(table).collect::<Vec<_>>(), [(4711, 23), (4712, 5)]);
        assert_eq!(rows("").count(), 0);
    }

    #[test]
    fn a_flooded_socket_is_found_out() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let inodes = [None, inode(&receiver)];
        assert!(inodes[1].is_some());
        let address = receiver.local_addr().unwrap();
        for _ in 0..100_000 {
            let _ = sender.send_to(&[b'x'; 1400], address);
            let dropped = datagrams_dropped(&inodes);
            assert_eq!(dropped[0], 0);
            if dropped[1] > 0 {
                return;
            }
        }
        panic!("140 MB fitted into the buffer of one socket");
    }

    #[test]
    fn a_connection_that_the_other_side_has_closed_is_known_before_it_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (far, listener.accept().unwrap().0)
        };
        let ((mut open, first), (mut closed, second)) = (connect(), connect());
        open.write_all(b"unread").unwrap();
        closed.write_all(b"unread").unwrap();
        drop(closed);
        assert_eq!(closed_by_peer([&first, &second].into_iter()), [false, true]);
    }

    #[test]
    fn what_the_other_side_has_taken_is_acknowledged_and_the_rest_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut written = 0;
        while written < 64 << 20 {
            match near.write(&[b'x'; 16_384]) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let waiting = bytes_unacknowledged(&near).unwrap();
        assert!(waiting > 0 && waiting < written, "{waiting} of {written}");
        far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        far.read_exact(&mut vec![0; written]).unwrap();
        // The last acknowledgement may take a moment.
        for _ in 0..1000 {
            if bytes_unacknowledged(&near) == Some(0) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{:?} bytes are not acknowledged", bytes_unacknowledged(&near));
    }
}
