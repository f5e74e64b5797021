//! What the kernel lost before anybody could read it: datagrams for which a socket's buffer had no room.
//!
//! Linux counts them by socket in `/proc/net/udp` and `/proc/net/udp6`, where a socket is known by its inode.

use std::{fs, os::fd::AsRawFd};

/// The inode of a socket, where the system tells.
pub(super) fn inode(socket: &impl AsRawFd) -> Option<u64> {
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok()?;
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Datagrams dropped so far by the sockets with these inodes.
pub(super) fn datagrams_dropped(inodes: &[u64]) -> u64 {
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.iter().map(|table| sum_drops(table, inodes)).sum()
}

/// Sums the last column over the rows whose tenth is one of `inodes`; the first row is the heading.
fn sum_drops(table: &str, inodes: &[u64]) -> u64 {
    let row = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let inode: u64 = fields.nth(9)?.parse().ok()?;
        let drops: u64 = fields.last()?.parse().ok()?;
        inodes.contains(&inode).then_some(drops)
    };
    table.lines().skip(1).filter_map(row).sum()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn drops_are_those_of_our_sockets() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   38: 0100007F:07D3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 23
   39: 0100007F:07D4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 5
";
        assert_eq!(sum_drops(table, &[4711]), 23);
        assert_eq!(sum_drops(table, &[4711, 4712, 1]), 28);
        assert_eq!(sum_drops(table, &[]), 0);
    }

    #[test]
    fn a_flooded_socket_is_found_out() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let inodes = [inode(&receiver).unwrap()];
        let address = receiver.local_addr().unwrap();
        for _ in 0..100_000 {
            let _ = sender.send_to(&[b'x'; 1400], address);
            if datagrams_dropped(&inodes) > 0 {
                return;
            }
        }
        panic!("140 MB fitted into the buffer of one socket");
    }
}
