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
    match owner {
        Ok(Ok(owner)) => owner == Some(nix::unistd::geteuid().as_raw()),
        Ok(Err(error)) => {
            tracing::error!(%error, "/proc/net/tcp cannot be read: whose connection it is, nobody tells");
            false
        }
        // The host ends.
        Err(_) => false,
    }
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
    use std::io::{self, BufRead as _, BufReader};
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    /// Where the kernel lists connections. A program may make its end for either protocol: runtimes
    /// that know both (Java) reach 127.0.0.1 as `::ffff:127.0.0.1`.
    /// The second is not there where IPv6 is switched off.
    const TABLES: [(&str, bool); 2] = [("/proc/net/tcp", true), ("/proc/net/tcp6", false)];

    /// The user whose socket has these two ends; `None` = there is none such.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(super) fn owner_of(own: SocketAddr, other: SocketAddr) -> io::Result<Option<u32>> {
        let Some(ends) = Ends::of(own, other) else { return Ok(None) };
        for (path, is_there) in TABLES {
            let table = match File::open(path) {
                Err(_) if !is_there => continue,
                opened => BufReader::with_capacity(1 << 16, opened?),
            };
            let found = table.lines().map_while(Result::ok).find_map(|line| ends.owner_in(&line));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The two ends of a socket as columns of the table, of either protocol.
    pub(super) struct Ends {
        own: [String; 2],
        other: [String; 2],
    }

    impl Ends {
        pub(super) fn of(own: SocketAddr, other: SocketAddr) -> Option<Self> {
            Some(Self { own: columns(own)?, other: columns(other)? })
        }

        /// The user of a line, if the line is of the socket with these ends.
        pub(super) fn owner_in(&self, line: &str) -> Option<u32> {
            // sl local_address rem_address st queues timer retransmits uid …
            let mut columns = line.split_whitespace().skip(1);
            let is = |column: Option<&str>, names: &[String; 2]| {
                column.is_some_and(|column| names.iter().any(|name| name == column))
            };
            let found = is(columns.next(), &self.own) && is(columns.next(), &self.other);
            columns.nth(4).filter(|_| found)?.parse().ok()
        }
    }

    /// How the table names an address: its words as the machine has them, and the port.
    fn columns(address: SocketAddr) -> Option<[String; 2]> {
        let IpAddr::V4(ip) = address.ip().to_canonical() else { return None };
        let port = address.port();
        Some([&ip.octets()[..], &mapped(ip)[..]].map(|bytes| format!("{}:{port:04X}", words(bytes))))
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

    use super::table::{Ends, owner_of};

    #[test]
    fn a_line_says_whose_socket_it_is() {
        let ends = Ends::of("127.0.0.1:34496".parse().unwrap(), "127.0.0.1:33065".parse().unwrap()).unwrap();
        let line = |local: &str, remote: &str| {
            format!("  12: {local} {remote} 01 00000000:00000000 02:00000 00000000  1000        0 4711 2 0")
        };
        if cfg!(target_endian = "little") {
            assert_eq!(ends.owner_in(&line("0100007F:86C0", "0100007F:8129")), Some(1000));
            let six = "0000000000000000FFFF00000100007F";
            let line_of_six = line(&format!("{six}:86C0"), &format!("{six}:8129"));
            assert_eq!(ends.owner_in(&line_of_six), Some(1000));
            assert_eq!(ends.owner_in(&line("0100007F:8129", "0100007F:86C0")), None, "the other end");
            assert_eq!(ends.owner_in(&line("0100007F:86C0", "0200007F:8129")), None);
        }
        assert_eq!(ends.owner_in("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn the_system_tells_whose_connections_there_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let us = nix::unistd::geteuid().as_raw();
        let ends = |stream: &TcpStream| (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (own, other) = ends(&stream);
        assert_eq!(owner_of(own, other).unwrap(), Some(us));
        assert_eq!(owner_of(other, SocketAddr::new(other.ip(), 1)).unwrap(), None);
        let six = Ipv6Addr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]);
        if let Ok(stream) = TcpStream::connect((six, listener.local_addr().unwrap().port())) {
            let (own, other) = ends(&stream);
            assert_eq!(owner_of(own, other).unwrap(), Some(us), "{own}");
        }
    }
}
