//! What the kernel lost before anybody could read it: datagrams for which a socket's buffer had no room.
//!
//! Linux counts them by socket in `/proc/net/udp` and `/proc/net/udp6`, where a socket is known by its inode.

use std::{fs, os::fd::AsRawFd};

/// The inode of a socket, where the system tells.
pub(super) fn inode(socket: &impl AsRawFd) -> Option<u64> {
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?;
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Datagrams dropped so far by each of the sockets with these inodes.
pub(super) fn datagrams_dropped(inodes: &[Option<u64>]) -> Vec<u64> {
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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

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
}
