//! A connection whose reader has to read: who does not, is left. Hyper ends
//! slow senders, but waits for a slow reader for ever. And it is shared, because
//! hyper looks at no end of it while a request is answered.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use asl::limits::ANSWER_BYTES_MIN;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// How often it is looked whether who has sent more than is read yet has gone. Ours.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A stream that is closed when it takes no answer for some time.
#[derive(Debug)]
pub(super) struct Impatient {
    stream: Arc<TcpStream>,
    patience: Duration,
    /// Runs from when the stream took no more.
    waiting: Option<Pin<Box<Sleep>>>,
    /// What it took since then.
    taken: u64,
}

impl Impatient {
    pub(super) fn new(stream: Arc<TcpStream>, patience: Duration) -> Self {
        Self { stream, patience, waiting: None, taken: 0 }
    }

    /// After a write: whether there is an end to waiting.
    fn judge(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.taken = self.taken.saturating_add(written.as_ref().map_or(0, |count| *count as u64));
            return Poll::Ready(written);
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| {
            self.taken = 0;
            Box::pin(tokio::time::sleep(patience))
        });
        while waiting.as_mut().poll(context).is_ready() {
            if self.taken < ANSWER_BYTES_MIN {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)));
            }
            self.taken = 0;
            waiting.as_mut().reset(Instant::now() + patience);
        }
        Poll::Pending
    }
}

/// Waits until the other end has closed: what it had sent may not have been read yet.
pub(super) async fn hung_up(stream: &TcpStream) {
    // A look finds the end, and waits where there is neither an end nor more.
    while let Ok(1..) = stream.peek(&mut [0]).await {
        // Behind what was sent, to be read when its turn comes, the system may have heard of an end.
        match stream.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => tokio::time::sleep(LOOK_AGAIN).await,
            _ => return,
        }
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|read| buffer.advance(read))),
            }
        }
    }
}

impl Impatient {
    /// Writes when there is room.
    fn poll_room(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.poll_room(context, |stream| stream.try_write(bytes));
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.poll_room(context, |stream| stream.try_write_vectored(bytes));
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Everything was written: nobody waits for a reader any more.
    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waiting = None;
        Poll::Ready(Ok(()))
    }

    /// The stream is closed with this value, which goes next.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
