//! Takes the body of an upload into a file, as it comes: no more of it is ever
//! in memory than one batch, and everything it promised to be is checked.

use std::future::poll_fn;
use std::io::{self, Write as _};
use std::pin::pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::{HeaderMap, header};
use bucket::Folder;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use sigv4::{ChunkError, Trailer};
use tempfile::NamedTempFile;

use super::checksum::{Algorithm, Hasher, Promised};
use super::failure::Failure;
use crate::http::{ExpectedBody, SignatureProblem};

/// Bytes that are written at a time. Ours: large enough that the thread they
/// are handed to is not what takes the time.
const BATCH_BYTES: usize = 1 << 20;
/// What is read of a body that is refused, so that its sender reads the answer. Ours.
const DRAINED_BYTES_MAX: usize = 4 << 20;
/// What files of unfinished uploads begin with.
pub(super) const PUT: &str = "put-";

/// Content that was taken in: in a file nobody sees.
pub(super) struct Taken {
    pub(super) file: NamedTempFile,
    pub(super) bytes: u64,
    pub(super) md5: [u8; 16],
    /// The checksum that was promised, checked.
    pub(super) checksum: Option<(Algorithm, String)>,
}

/// A file that hashes what is written to it.
pub(super) struct Sink {
    file: NamedTempFile,
    bytes: u64,
    bytes_max: u64,
    md5: Md5,
    sha256: Option<Sha256>,
    checksum: Option<(Algorithm, Hasher)>,
}

impl Sink {
    pub(super) fn new(folder: &Folder, bytes_max: u64, checksum: Option<Algorithm>) -> io::Result<Self> {
        let checksum = checksum.map(|algorithm| (algorithm, algorithm.hasher()));
        let file = folder.incoming(PUT)?;
        Ok(Self { file, bytes: 0, bytes_max, md5: Md5::new(), sha256: None, checksum })
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.bytes += data.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        self.md5.update(data);
        if let Some(hash) = &mut self.sha256 {
            hash.update(data);
        }
        if let Some((_, hasher)) = &mut self.checksum {
            hasher.update(data);
        }
        Ok(self.file.write_all(data)?)
    }

    pub(super) fn finish(self) -> Taken {
        let checksum = self.checksum.map(|(algorithm, hasher)| (algorithm, hasher.finish()));
        Taken { file: self.file, bytes: self.bytes, md5: self.md5.finalize().into(), checksum }
    }
}

fn too_large(bytes_max: u64) -> Failure {
    Failure::new("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size")
        .with("MaxSizeAllowed", bytes_max.to_string())
        .closing()
}

/// Takes a body in. `idle`: how long nothing of it may come.
pub(super) async fn take(
    folder: &Folder,
    headers: &HeaderMap,
    body: Body,
    expected: ExpectedBody,
    bytes_max: u64,
    idle: Duration,
) -> Result<Taken, Failure> {
    let promised = Promised::read(headers)?;
    let announced = announced(headers, &expected)?;
    if announced > bytes_max {
        drain(headers, body, idle).await;
        return Err(too_large(bytes_max));
    }
    let mut sink = Sink::new(folder, bytes_max, promised.checksum.as_ref().map(|(algorithm, _)| *algorithm))?;
    sink.sha256 = matches!(expected, ExpectedBody::Digest(_)).then(Sha256::new);
    let mut chunks = expected.chunks();
    let mut body = pin!(body);
    let mut batch = Batch::default();
    loop {
        let frame = poll_fn(|context| body.as_mut().poll_frame(context));
        let frame = tokio::time::timeout(idle, frame).await.map_err(|_| Failure::timeout())?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| Failure::incomplete_body())?.into_data() else { continue };
        match &mut chunks {
            Some(chunks) => {
                let mut content = Vec::with_capacity(data.len());
                chunks.push(&data, &mut content).map_err(Failure::from)?;
                batch.pieces.push(content.into());
            }
            None => batch.pieces.push(data),
        }
        if batch.is_full() {
            sink = batch.write(sink).await?;
        }
    }
    sink = batch.write(sink).await?;
    let trailers = chunks.map_or(Ok(Vec::new()), sigv4::Chunks::finish)?;
    if sink.bytes != announced {
        return Err(Failure::incomplete_body());
    }
    check(sink, &expected, promised, &trailers)
}

/// The bytes of the object, as announced.
fn announced(headers: &HeaderMap, expected: &ExpectedBody) -> Result<u64, Failure> {
    let number = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()?.parse().ok());
    let announced = match expected {
        ExpectedBody::Chunks(_) => number("x-amz-decoded-content-length"),
        ExpectedBody::Any | ExpectedBody::Digest(_) => number("content-length"),
    };
    let missing = || {
        Failure::new("MissingContentLength", 411, "You must provide the Content-Length HTTP header.")
            .closing()
    };
    announced.ok_or_else(missing)
}

/// Compares what came with what was promised.
fn check(
    mut sink: Sink,
    expected: &ExpectedBody,
    promised: Promised,
    trailers: &[Trailer],
) -> Result<Taken, Failure> {
    let sha256 = sink.sha256.take().map(|hash| sigv4::hex(&hash.finalize()));
    if let ExpectedBody::Digest(signed) = expected
        && sha256.as_ref() != Some(signed)
    {
        return Err(Failure::other_body());
    }
    let taken = sink.finish();
    if promised.md5.is_some_and(|md5| md5 != taken.md5) {
        return Err(bad_digest("Content-MD5"));
    }
    if let (Some((algorithm, value)), Some((_, computed))) = (&promised.checksum, &taken.checksum) {
        let trailer = trailers.iter().find(|(name, _)| name == algorithm.header()).map(|(_, value)| value);
        match value.as_ref().or(trailer) {
            Some(value) if value != computed => return Err(bad_digest(algorithm.name())),
            None if promised.is_behind => return Err(malformed_trailer()),
            _ => {}
        }
    }
    Ok(taken)
}

fn malformed_trailer() -> Failure {
    let message = "The request contained trailing data that was not well-formed or did not conform to our published \
                   schema.";
    Failure::new("MalformedTrailerError", 400, message)
}

impl From<ChunkError> for Failure {
    fn from(error: ChunkError) -> Self {
        match error {
            ChunkError::Malformed => {
                Self::invalid_request("The body is not in chunks as aws-chunked has them").closing()
            }
            ChunkError::Mismatch => {
                Self::of(SignatureProblem::Signature(sigv4::Problem::Mismatch).s3()).closing()
            }
            ChunkError::Incomplete => Self::incomplete_body(),
        }
    }
}

fn bad_digest(what: &str) -> Failure {
    let message = format!("The {what} you specified did not match the calculated checksum.");
    Failure::new("BadDigest", 400, message)
}

/// What came since the last write.
#[derive(Default)]
struct Batch {
    pieces: Vec<Bytes>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.pieces.iter().map(Bytes::len).sum::<usize>() >= BATCH_BYTES
    }

    /// On a thread that may wait for the disk; none is held while nothing comes.
    async fn write(&mut self, mut sink: Sink) -> Result<Sink, Failure> {
        let pieces = std::mem::take(&mut self.pieces);
        if pieces.is_empty() {
            return Ok(sink);
        }
        super::off_thread(move || {
            pieces.iter().try_for_each(|piece| sink.write(piece))?;
            Ok(sink)
        })
        .await
    }
}

/// Reads a little of a body that nobody wants, so that its sender comes to read the answer.
pub(super) async fn drain(headers: &HeaderMap, body: Body, idle: Duration) {
    // Who waits for `100 Continue` sends nothing.
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let mut body = pin!(body);
    let mut seen = 0;
    while seen < DRAINED_BYTES_MAX {
        let frame = poll_fn(|context| body.as_mut().poll_frame(context));
        let Ok(Some(Ok(frame))) = tokio::time::timeout(idle, frame).await else { return };
        seen += frame.data_ref().map_or(0, Bytes::len);
    }
}
