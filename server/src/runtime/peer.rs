//! Whose end of a connection on loopback it is: other users of the machine have no business with
//! the Runtime API of our processes.
//!
//! Linux tells in `/proc/net/tcp` who made a socket. The kernel does not tell it of a TCP
//! connection itself, and of a process that is gone it tells nothing: such a connection is refused.
//! Elsewhere nobody tells, and every user of the machine is let in (SECURITY.md).

use tokio::net::TcpStream;

/// Whether the other end was made by the user we are.
#[cfg(target_os = "linux")]
pub(super) async fn is_of_our_user(stream: &TcpStream) -> bool {
    let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else { return false };
    // The table is made while it is read, of all connections there are: on a thread that may wait.
    let owner = tokio::task::spawn_blocking(move || table::owner_of(peer, local)).await;
    owner.is_ok_and(|owner| owner.is_some_and(|owner| owner == nix::unistd::geteuid().as_raw()))
}

/// The system does not tell.
#[cfg(not(target_os = "linux"))]
pub(super) async fn is_of_our_user(_: &TcpStream) -> bool {
    std::future::ready(true).await
}

#[cfg(any(target_os = "linux", test))]
mod table {
    use std::fmt::Write as _;
    use std::fs::File;
    use std::io::{BufRead as _, BufReader};
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    /// Where the kernel lists connections. A program may make its end for either protocol: runtimes
    /// that know both (Java) reach 127.0.0.1 as `::ffff:127.0.0.1`.
    const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

    /// The user whose socket has these two ends; `None` = there is none such, or it is not told.
    pub(super) fn owner_of(own: SocketAddr, other: SocketAddr) -> Option<u32> {
        TABLES.iter().find_map(|path| {
            let lines = BufReader::with_capacity(1 << 16, File::open(path).ok()?).lines();
            lines.map_while(Result::ok).find_map(|line| owner_in(&line, own, other))
        })
    }

    /// The user of a line, if the line is of the socket with these ends.
    pub(super) fn owner_in(line: &str, own: SocketAddr, other: SocketAddr) -> Option<u32> {
        // sl local_address rem_address st queues timer retransmits uid …
        let mut columns = line.split_whitespace().skip(1);
        let is = |column: Option<&str>, address| column.is_some_and(|column| names(column, address));
        let found = is(columns.next(), own) && is(columns.next(), other);
        columns.nth(4).filter(|_| found)?.parse().ok()
    }

    /// Whether a column of the table names an address: its words as the machine has them, and the port.
    fn names(column: &str, address: SocketAddr) -> bool {
        let IpAddr::V4(ip) = address.ip().to_canonical() else { return false };
        let port = address.port();
        column == format!("{}:{port:04X}", words(&ip.octets()))
            || column == format!("{}:{port:04X}", words(&mapped(ip)))
    }

    fn mapped(ip: Ipv4Addr) -> [u8; 16] {
        ip.to_ipv6_mapped().octets()
    }

    fn words(bytes: &[u8]) -> String {
        bytes.as_chunks::<4>().0.iter().fold(String::new(), |mut text, word| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{:08X}", u32::from_ne_bytes(*word));
            text
        })
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};

    use super::table::{owner_in, owner_of};

    #[test]
    fn a_line_says_whose_socket_it_is() {
        let (own, other) = ("127.0.0.1:34496".parse().unwrap(), "127.0.0.1:33065".parse().unwrap());
        let line = |local: &str, remote: &str| {
            format!("  12: {local} {remote} 01 00000000:00000000 02:00000 00000000  1000        0 4711 2 0")
        };
        if cfg!(target_endian = "little") {
            assert_eq!(owner_in(&line("0100007F:86C0", "0100007F:8129"), own, other), Some(1000));
            let six = "0000000000000000FFFF00000100007F";
            let line_of_six = line(&format!("{six}:86C0"), &format!("{six}:8129"));
            assert_eq!(owner_in(&line_of_six, own, other), Some(1000));
            assert_eq!(owner_in(&line("0100007F:8129", "0100007F:86C0"), own, other), None, "the other end");
            assert_eq!(owner_in(&line("0100007F:86C0", "0200007F:8129"), own, other), None);
        }
        assert_eq!(owner_in("  sl  local_address rem_address   st", own, other), None);
    }

    #[test]
    fn the_system_tells_whose_connections_there_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let us = nix::unistd::geteuid().as_raw();
        let ends = |stream: &TcpStream| (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (own, other) = ends(&stream);
        assert_eq!(owner_of(own, other), Some(us));
        assert_eq!(owner_of(other, SocketAddr::new(other.ip(), 1)), None);
        let six = Ipv6Addr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]);
        if let Ok(stream) = TcpStream::connect((six, listener.local_addr().unwrap().port())) {
            let (own, other) = ends(&stream);
            assert_eq!(owner_of(own, other), Some(us), "{own}");
        }
    }
}
