//! A TCP proxy before PostgreSQL that loses answers: it forwards a `COMMIT`
//! and hangs up before the client hears that it was done, or it hangs up
//! after some number of bytes, wherever that is.
//!
//! Killing processes almost never hits the moment between a commit and its
//! answer; this hits nothing else.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::draw::Draws;

/// A simple query message is `Q`, its length, the text and a NUL.
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\0";
/// A delivery takes a few KiB in either direction: cuts fall within it.
const CUT_WITHIN_BYTES: u64 = 6_000;

/// The proxy; its threads end with the process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    draws: Mutex<Draws>,
    lose_percent: AtomicU64,
    cut_percent: AtomicU64,
    lost: AtomicU64,
    cut: AtomicU64,
    commits: AtomicU64,
}

impl Proxy {
    /// Listens on a free port, and passes everything on to another.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(upstream: u16, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            upstream,
            draws: Mutex::new(Draws::new(seed, 0x0070_726f_7879)),
            lose_percent: AtomicU64::new(0),
            cut_percent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            commits: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || forward(&client, &shared));
            }
        });
        Self { port, shared }
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, so many of 100 commits lose their answer and with it the
    /// connection, and so many of 100 connections are cut somewhere.
    pub fn set(&self, lose_percent: u64, cut_percent: u64) {
        self.shared.lose_percent.store(lose_percent, Ordering::SeqCst);
        self.shared.cut_percent.store(cut_percent, Ordering::SeqCst);
    }

    /// Answers to commits that were lost.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }

    /// Connections that were cut.
    pub fn cut(&self) -> u64 {
        self.shared.cut.load(Ordering::SeqCst)
    }

    /// Commits that were passed on.
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn loses_answer(&self) -> bool {
        let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        draws.percent(self.lose_percent.load(Ordering::SeqCst))
    }

    /// Bytes until a connection is cut, of both directions together; `None` = it is not.
    fn cut_after(&self) -> Option<u64> {
        let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        let is_cut = draws.percent(self.cut_percent.load(Ordering::SeqCst));
        is_cut.then(|| draws.below(CUT_WITHIN_BYTES))
    }
}

/// Passes bytes on in both directions until somebody hangs up, an answer gets lost, or it is cut.
fn forward(client: &TcpStream, shared: &Shared) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", shared.upstream)) else { return };
    for stream in [client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let cut_after = shared.cut_after();
    // Whether the answer that comes next is one that gets lost. Processes keep their connection
    // for many commits, so each commit has a fate of its own.
    let (loses_answer, passed) = (AtomicBool::new(false), AtomicU64::new(0));
    let is_cut = |bytes: usize| {
        let passed = passed.fetch_add(bytes as u64, Ordering::SeqCst) + bytes as u64;
        let cut = cut_after.is_some_and(|after| passed > after);
        shared.cut.fetch_add(u64::from(cut), Ordering::SeqCst);
        cut
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // What may be the beginning of a commit that ends in the next read.
            let mut tail = Vec::new();
            pass(client, &server, |bytes| {
                tail.extend_from_slice(bytes);
                if tail.windows(COMMIT.len()).any(|window| window == COMMIT) {
                    shared.commits.fetch_add(1, Ordering::SeqCst);
                    loses_answer.store(shared.loses_answer(), Ordering::SeqCst);
                    tail.clear();
                }
                tail.drain(..tail.len().saturating_sub(COMMIT.len()));
                !is_cut(bytes.len())
            });
        });
        pass(&server, client, |bytes| {
            if loses_answer.load(Ordering::SeqCst) {
                shared.lost.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            !is_cut(bytes.len())
        });
    });
}

/// Passes bytes on as long as `goes_on` says so of them; then nothing passes in either direction.
fn pass(mut from: &TcpStream, mut to: &TcpStream, mut goes_on: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..count).unwrap_or_default();
        if !goes_on(bytes) || to.write_all(bytes).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
