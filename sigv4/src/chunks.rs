//! Bodies in chunks (`Content-Encoding: aws-chunked`), each signed with the
//! signature before it, or not signed; with headers behind the last.
//!
//! Source: S3 API reference, "Transferring Payload in Multiple Chunks" and
//! "Including Trailing Headers". A chunk's content is passed on while it comes,
//! so that nothing has to be kept; that its signature was wrong is known at its
//! end, and then everything that was passed on is worth nothing.

use sha2::{Digest as _, Sha256};

use crate::key::{CredentialScope, SigningKey, digest, hex};

/// Bytes of the line before a chunk, and of a trailing header. Ours: a signature has 64.
const LINE_BYTES_MAX: usize = 4096;
/// Trailing headers. Ours: S3 has checksums and their signature.
const TRAILERS_MAX: usize = 16;

/// Why a body is not what was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkError {
    /// It is not written as chunks are.
    Malformed,
    /// A chunk or the trailing headers are not what was signed.
    Mismatch,
    /// It ends before its last chunk.
    Incomplete,
}

/// What the chunks of one body are checked with.
#[derive(Debug, Clone)]
pub struct ChunkSignatures {
    key: SigningKey,
    time: String,
    scope: String,
    previous: String,
}

impl ChunkSignatures {
    pub(crate) fn new(key: SigningKey, time: &str, scope: &CredentialScope<'_>, seed: String) -> Self {
        Self { key, time: time.to_owned(), scope: scope.to_string(), previous: seed }
    }

    fn check(&mut self, kind: &str, hashes: &str, signature: &str) -> Result<(), ChunkError> {
        let (time, scope, previous) = (&self.time, &self.scope, &self.previous);
        let text = format!("AWS4-HMAC-SHA256-{kind}\n{time}\n{scope}\n{previous}\n{hashes}");
        if !self.key.verifies(&text, signature) {
            return Err(ChunkError::Mismatch);
        }
        signature.clone_into(&mut self.previous);
        Ok(())
    }
}

/// A header behind a body: name in lower case, and value.
pub type Trailer = (String, String);

/// Reads a body in chunks as it comes.
#[derive(Debug)]
pub struct Chunks {
    /// `None` = the chunks are not signed.
    signatures: Option<ChunkSignatures>,
    state: State,
    line: Vec<u8>,
    /// Of the chunk that is read.
    hash: Sha256,
    signature: String,
    trailers: Vec<Trailer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `10000;chunk-signature=…`
    Head,
    /// So many bytes are left of the chunk.
    Content(usize),
    /// The line end behind a chunk.
    Behind,
    /// Headers behind the last chunk, up to an empty line.
    Trailers,
    Ended,
}

impl Chunks {
    /// Signed chunks, with what the request's signature gave; `None` = they are not signed.
    pub fn new(signatures: Option<ChunkSignatures>) -> Self {
        Self {
            signatures,
            state: State::Head,
            line: Vec::new(),
            hash: Sha256::new(),
            signature: String::new(),
            trailers: Vec::new(),
        }
    }

    /// Takes the next bytes of the body; puts the content in them behind `content`.
    pub fn push(&mut self, mut bytes: &[u8], content: &mut Vec<u8>) -> Result<(), ChunkError> {
        while !bytes.is_empty() {
            if let State::Content(left) = self.state {
                let (taken, rest) = bytes.split_at(left.min(bytes.len()));
                self.hash.update(taken);
                content.extend_from_slice(taken);
                bytes = rest;
                self.state = match left - taken.len() {
                    0 => self.end_of_chunk(State::Behind)?,
                    left => State::Content(left),
                };
                continue;
            }
            let (first, rest) = bytes.split_at(1);
            bytes = rest;
            self.line.extend_from_slice(first);
            if self.line.len() > LINE_BYTES_MAX || self.state == State::Ended {
                return Err(ChunkError::Malformed);
            }
            if self.line.ends_with(b"\n") {
                self.line_ended()?;
            }
        }
        Ok(())
    }

    /// The body has ended: answers the headers behind it.
    pub fn finish(mut self) -> Result<Vec<Trailer>, ChunkError> {
        if self.state != State::Ended && self.state != State::Trailers {
            return Err(ChunkError::Incomplete);
        }
        // Some clients leave the last empty line out.
        if self.state == State::Trailers {
            if !self.line.is_empty() {
                self.line.extend_from_slice(b"\n");
                self.line_ended()?;
            }
            self.check_trailers()?;
        }
        Ok(self.trailers)
    }

    fn line_ended(&mut self) -> Result<(), ChunkError> {
        let line = String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| ChunkError::Malformed)?;
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        self.state = match self.state {
            State::Head => self.head(line)?,
            State::Behind if line.is_empty() => State::Head,
            State::Trailers if line.is_empty() => {
                self.check_trailers()?;
                State::Ended
            }
            State::Trailers if self.trailers.len() < TRAILERS_MAX => {
                let (name, value) = line.split_once(':').ok_or(ChunkError::Malformed)?;
                self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                State::Trailers
            }
            _ => return Err(ChunkError::Malformed),
        };
        Ok(())
    }

    /// Size and signature of the next chunk; the last one is empty.
    fn head(&mut self, line: &str) -> Result<State, ChunkError> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let signature = extension.strip_prefix("chunk-signature=").unwrap_or_default();
        signature.clone_into(&mut self.signature);
        let is_size = !size.is_empty() && size.bytes().all(|digit| digit.is_ascii_hexdigit());
        let size = usize::from_str_radix(size, 16).ok().filter(|_| is_size).ok_or(ChunkError::Malformed)?;
        if size > 0 { Ok(State::Content(size)) } else { self.end_of_chunk(State::Trailers) }
    }

    fn end_of_chunk(&mut self, next: State) -> Result<State, ChunkError> {
        let content = hex(&std::mem::take(&mut self.hash).finalize());
        if let Some(signatures) = &mut self.signatures {
            signatures.check("PAYLOAD", &format!("{}\n{content}", digest(b"")), &self.signature)?;
        }
        Ok(next)
    }

    /// What is behind the last chunk is signed as a chunk of its own.
    fn check_trailers(&mut self) -> Result<(), ChunkError> {
        const SIGNATURE: &str = "x-amz-trailer-signature";
        let Some(signatures) = &mut self.signatures else { return Ok(()) };
        let (own, signed): (Vec<Trailer>, Vec<Trailer>) =
            std::mem::take(&mut self.trailers).into_iter().partition(|(name, _)| name == SIGNATURE);
        self.trailers = signed;
        match own.as_slice() {
            [] if self.trailers.is_empty() => Ok(()),
            [(_, signature)] => {
                let lines = self
                    .trailers
                    .iter()
                    .fold(String::new(), |lines, (name, value)| lines + name + ":" + value + "\n");
                signatures.check("TRAILER", &digest(lines.as_bytes()), signature)
            }
            _ => Err(ChunkError::Mismatch),
        }
    }
}
