//! Takes AWS's own chunks (`aws-chunked`) apart: a size, its bytes, and again;
//! behind the last chunk headers with checksums. API reference, "Signature
//! calculations: transferring payload in multiple chunks".

use axum::body::Bytes;
use sha2::{Digest as _, Sha256};

use super::failure::Failure;
use super::signature::Chain;

/// Bytes of a chunk's first line, or of the headers behind the last chunk. Ours.
const LINES_BYTES_MAX: usize = 4 << 10;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Size,
    Data(u64),
    /// The line end behind the bytes of a chunk.
    DataEnd,
    Trailer,
    Nothing,
}

/// A body on its way.
pub(super) struct Dechunker {
    next: Next,
    line: Vec<u8>,
    chain: Option<Chain>,
    has_trailer: bool,
    signature: String,
    hash: Sha256,
    trailer: String,
    trailer_signature: Option<String>,
    /// Headers behind the last chunk.
    pub(super) trailers: Vec<(String, String)>,
}

impl Dechunker {
    pub(super) fn new(chain: Option<Chain>, has_trailer: bool) -> Self {
        Self {
            next: Next::Size,
            line: Vec::new(),
            chain,
            has_trailer,
            signature: String::new(),
            hash: Sha256::new(),
            trailer: String::new(),
            trailer_signature: None,
            trailers: Vec::new(),
        }
    }

    /// Takes bytes of the body; gives those of the object.
    pub(super) fn take(&mut self, mut bytes: Bytes, out: &mut Vec<Bytes>) -> Result<(), Failure> {
        while !bytes.is_empty() {
            match self.next {
                Next::Data(left) => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let data = bytes.split_to(count);
                    if self.chain.is_some() {
                        self.hash.update(&data);
                    }
                    let left = left - data.len() as u64;
                    self.next = if left == 0 { Next::DataEnd } else { Next::Data(left) };
                    out.push(data);
                }
                Next::Nothing => return Err(malformed()),
                Next::Size | Next::DataEnd | Next::Trailer => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let piece = bytes.split_to(end.map_or(bytes.len(), |end| end + 1));
                    if self.line.len() + piece.len() + self.trailer.len() > LINES_BYTES_MAX {
                        return Err(malformed());
                    }
                    self.line.extend_from_slice(&piece);
                    if end.is_some() {
                        self.line()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn line(&mut self) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r\n").ok_or_else(malformed)?;
        let line = std::str::from_utf8(line).map_err(|_| malformed())?;
        match self.next {
            Next::DataEnd if line.is_empty() => self.end_of_chunk(),
            Next::Size => self.size(line),
            Next::Trailer => self.trailer(line),
            _ => Err(malformed()),
        }
    }

    fn size(&mut self, line: &str) -> Result<(), Failure> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size = u64::from_str_radix(size.trim(), 16).map_err(|_| malformed())?;
        let signature = extension.trim().strip_prefix("chunk-signature=").unwrap_or_default();
        signature.clone_into(&mut self.signature);
        if size > 0 {
            self.next = Next::Data(size);
            return Ok(());
        }
        self.check_chunk()?;
        self.next = Next::Trailer;
        Ok(())
    }

    fn end_of_chunk(&mut self) -> Result<(), Failure> {
        self.next = Next::Size;
        self.check_chunk()
    }

    fn check_chunk(&mut self) -> Result<(), Failure> {
        let hash = std::mem::take(&mut self.hash).finalize();
        match &mut self.chain {
            Some(chain) => chain.check_chunk(&self.signature, &hash),
            None => Ok(()),
        }
    }

    fn trailer(&mut self, line: &str) -> Result<(), Failure> {
        if line.is_empty() {
            return self.end();
        }
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if name == "x-amz-trailer-signature" {
            self.trailer_signature = Some(value);
        } else if self.has_trailer && self.trailer_signature.is_none() {
            self.trailer.push_str(&format!("{name}:{value}\n"));
            self.trailers.push((name, value));
        } else {
            return Err(malformed());
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.next = Next::Nothing;
        match &mut self.chain {
            Some(chain) if self.has_trailer => {
                chain.check_trailer(self.trailer_signature.as_deref().unwrap_or_default(), &self.trailer)
            }
            _ => Ok(()),
        }
    }

    /// Whether all of the body came. The line end behind the last chunk is the
    /// last of it; senders that leave it out are understood.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        match self.next {
            Next::Nothing => Ok(()),
            Next::Trailer if self.line.is_empty() => self.end(),
            _ => Err(Failure::incomplete_body()),
        }
    }
}

fn malformed() -> Failure {
    Failure::invalid_request("The body is not in chunks as aws-chunked has them").closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(
        body: &[u8],
        piece: usize,
        has_trailer: bool,
    ) -> Result<(Vec<u8>, Vec<(String, String)>), &'static str> {
        let mut dechunker = Dechunker::new(None, has_trailer);
        let mut out = Vec::new();
        let code = |failure: Failure| failure.code;
        for piece in body.chunks(piece) {
            dechunker.take(Bytes::copy_from_slice(piece), &mut out).map_err(code)?;
        }
        dechunker.finish().map_err(code)?;
        Ok((out.concat(), dechunker.trailers))
    }

    #[test]
    fn chunks_are_put_together_however_they_come() {
        let body =
            b"3\r\nabc\r\nA;chunk-signature=00\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAA==\r\n\r\n";
        for piece in 1..body.len() {
            let (data, trailers) = decoded(body, piece, true).unwrap();
            assert_eq!(data, b"abc0123456789", "{piece}");
            assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "AAAA==".to_owned())]);
        }
        assert_eq!(decoded(b"0\r\n\r\n", 9, false).unwrap().0, b"");
    }

    #[test]
    fn what_is_cut_off_or_not_of_the_form_is_refused() {
        let body = b"3\r\nabc\r\n0\r\n\r\n";
        for end in 0..body.len() - 2 {
            assert_eq!(decoded(&body[..end], 4, false), Err("IncompleteBody"), "{end}");
        }
        for body in [
            &b"x\r\nabc\r\n0\r\n\r\n"[..],
            b"3\nabc\r\n0\r\n\r\n",
            b"2\r\nabc\r\n0\r\n\r\n",
            b"0\r\n\r\nmore",
            b"0\r\nno-colon\r\n\r\n",
            b"0\r\nx-amz-checksum-crc32:AAAA==\r\n\r\n",
            b"ffffffffffffffffff\r\n",
            &[b'0'; 5_000],
        ] {
            assert_eq!(decoded(body, 7, false), Err("InvalidRequest"), "{}", body.escape_ascii());
        }
    }
}
