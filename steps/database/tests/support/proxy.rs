//! A TCP proxy that loses the answer to one `COMMIT`: the server commits, the
//! client sees its connection end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A simple query message is `Q`, its length, the text and a NUL.
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\0";

/// The proxy; it ends with the test's runtime.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    /// How many commits to let through before one is lost.
    lost: Arc<AtomicU32>,
}

impl Proxy {
    pub(crate) async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lost = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&lost);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, upstream, Arc::clone(&count)));
            }
        });
        Self { port, lost }
    }

    /// How many answers were lost.
    pub(crate) fn lost(&self) -> u32 {
        self.lost.load(Ordering::SeqCst)
    }
}

/// Passes bytes on until a commit has been answered, then hangs up on both.
async fn forward(mut client: TcpStream, upstream: u16, lost: Arc<AtomicU32>) {
    let mut server = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    let mut committing = false;
    loop {
        tokio::select! {
            count = client.read(&mut from_client) => {
                let sent = &from_client[..count.unwrap_or(0)];
                if sent.is_empty() || server.write_all(sent).await.is_err() {
                    return;
                }
                committing = sent.windows(COMMIT.len()).any(|window| window == COMMIT);
            }
            count = server.read(&mut from_server) => {
                let answer = &from_server[..count.unwrap_or(0)];
                if committing {
                    lost.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if answer.is_empty() || client.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    }
}
