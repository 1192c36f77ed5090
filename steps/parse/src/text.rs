//! Bytes to text, strictly: a byte that does not belong to the encoding is an
//! error with its offset, never a replacement character.

use std::io::{self, Read};

use encoding_rs::{DecoderResult, Encoding};
use feed::spec::Encoding as Declared;

use crate::container::BUFFER_BYTES;
use crate::error::Fault;

/// Reads UTF-8 out of a source in any of the supported encodings.
pub(crate) struct TextReader<R> {
    from: R,
    decoder: encoding_rs::Decoder,
    encoding: &'static Encoding,
    declared: Declared,
    input: Vec<u8>,
    start: usize,
    end: usize,
    is_complete: bool,
    /// Whether the decoder has given everything: it must not be asked again.
    is_drained: bool,
    /// Bytes of the source before `start`.
    offset: u64,
    line: u64,
    /// The last bytes before the window: a character may begin in one window and break in the next.
    tail: Vec<u8>,
}

/// The bytes that windows-1252 does not define. The web's decoders turn them
/// into invisible control characters.
const WINDOWS_1252_UNDEFINED: [u8; 5] = [0x81, 0x8d, 0x8f, 0x90, 0x9d];

impl<R: Read> TextReader<R> {
    /// Looks at the start of the source and decides on its encoding.
    pub(crate) fn new(from: R, declared: Declared) -> io::Result<Self> {
        let mut reader = Self {
            from,
            decoder: encoding_rs::UTF_8.new_decoder_without_bom_handling(),
            encoding: encoding_rs::UTF_8,
            declared,
            input: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            is_complete: false,
            is_drained: false,
            offset: 0,
            line: 1,
            tail: Vec::new(),
        };
        while reader.end < 4 && !reader.is_complete {
            reader.fill()?;
        }
        reader.encoding = reader.decide()?;
        reader.decoder = reader.encoding.new_decoder_without_bom_handling();
        reader.check_undefined()?;
        Ok(reader)
    }

    fn fill(&mut self) -> io::Result<()> {
        let free = self.input.get_mut(self.end..).unwrap_or_default();
        let count = loop {
            match self.from.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.end += count;
        self.is_complete = count == 0;
        Ok(())
    }

    /// The encoding; skips a byte order mark.
    fn decide(&mut self) -> io::Result<&'static Encoding> {
        let start = self.input.get(..self.end.min(4)).unwrap_or_default();
        let (marked, mark) = match start {
            [0xef, 0xbb, 0xbf, ..] => (Some(encoding_rs::UTF_8), 3),
            [0xff, 0xfe, ..] => (Some(encoding_rs::UTF_16LE), 2),
            [0xfe, 0xff, ..] => (Some(encoding_rs::UTF_16BE), 2),
            _ => (None, 0),
        };
        let declared = match self.declared {
            Declared::Auto => None,
            Declared::Utf8 => Some(encoding_rs::UTF_8),
            Declared::Utf16Le => Some(encoding_rs::UTF_16LE),
            Declared::Utf16Be => Some(encoding_rs::UTF_16BE),
            // Latin-1 is windows-1252 where it has no control characters.
            Declared::Windows1252 | Declared::Iso88591 => Some(encoding_rs::WINDOWS_1252),
            Declared::Iso885915 => Some(encoding_rs::ISO_8859_15),
        };
        let refuse = |detail: String| Err(Fault::Encoding(detail).into_io());
        match (marked, declared) {
            (Some(marked), Some(declared)) if marked != declared => refuse(format!(
                "byte 0: the file starts with a byte order mark of {}, but the spec's `source.encoding` is \
                 {declared}; correct the spec, or leave `source.encoding` out",
                marked.name(),
                declared = declared.name(),
            )),
            (None, None) if start.contains(&0) => refuse(
                "byte 0: this looks like UTF-16 without a byte order mark; set `source.encoding` to \
                 \"utf-16le\" or \"utf-16be\""
                    .to_owned(),
            ),
            (marked, declared) => {
                self.start = mark;
                self.offset = mark as u64;
                Ok(marked.or(declared).unwrap_or(encoding_rs::UTF_8))
            }
        }
    }

    fn undecodable(&self, offset: u64, bytes: &[u8]) -> io::Error {
        let shown: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02X}")).collect();
        let advice = match self.declared {
            Declared::Auto => {
                "set `source.encoding` in the spec, for instance to \"windows-1252\" or \"iso-8859-15\""
            }
            _ => "have the file sent in that encoding, or correct `source.encoding` in the spec",
        };
        Fault::Encoding(format!(
            "line {}, byte {offset}: {} is not {}; {advice}",
            self.line,
            shown.join(" "),
            self.encoding.name(),
        ))
        .into_io()
    }

    /// Whether the encoding has no printable character for a byte that the
    /// decoders turn into an invisible control character.
    fn undefined(&self, byte: u8) -> bool {
        match self.declared {
            Declared::Windows1252 => WINDOWS_1252_UNDEFINED.contains(&byte),
            Declared::Iso88591 | Declared::Iso885915 => matches!(byte, 0x80..=0x9f),
            _ => false,
        }
    }

    fn name(&self) -> &'static str {
        match self.declared {
            Declared::Windows1252 => "windows-1252",
            Declared::Iso88591 => "ISO-8859-1",
            _ => self.encoding.name(),
        }
    }

    /// Refuses a new window with a byte that the encoding does not define.
    fn check_undefined(&self) -> io::Result<()> {
        if !matches!(self.declared, Declared::Windows1252 | Declared::Iso88591 | Declared::Iso885915) {
            return Ok(());
        }
        let window = self.input.get(self.start..self.end).unwrap_or_default();
        let Some(at) = window.iter().position(|byte| self.undefined(*byte)) else {
            return Ok(());
        };
        let before = window.get(..at).unwrap_or_default();
        let error_at = self.offset + at as u64;
        // The line is counted on what was handed out; add what is in between.
        let line = self.line + newlines(before);
        let shown = window.get(at).copied().unwrap_or_default();
        Err(Fault::Encoding(format!(
            "line {line}, byte {error_at}: 0x{shown:02X} is not {}; have the file sent in that encoding, \
             or correct `source.encoding` in the spec",
            self.name()
        ))
        .into_io())
    }
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

impl<R: Read> Read for TextReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A decoder needs room for the longest character.
        if buffer.len() < 4 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "text is read into 4 bytes or more"));
        }
        while !self.is_drained {
            if self.start == self.end && !self.is_complete {
                let kept = self.end.saturating_sub(4)..self.end;
                self.tail = self.input.get(kept).unwrap_or_default().to_vec();
                self.start = 0;
                self.end = 0;
                self.fill()?;
                self.check_undefined()?;
            }
            let input = self.input.get(self.start..self.end).unwrap_or_default();
            let at_end = self.is_complete;
            let (result, taken, written) =
                self.decoder.decode_to_utf8_without_replacement(input, buffer, at_end);
            self.line += newlines(buffer.get(..written).unwrap_or_default());
            if let DecoderResult::Malformed(length, extra) = result {
                let read = self.input.get(..self.start + taken).unwrap_or_default();
                let known = [self.tail.as_slice(), read].concat();
                let end = known.len().saturating_sub(usize::from(extra));
                let bytes = known.get(end.saturating_sub(usize::from(length))..end).unwrap_or_default();
                let offset =
                    (self.offset + taken as u64).saturating_sub(u64::from(length) + u64::from(extra));
                return Err(self.undecodable(offset, bytes));
            }
            self.start += taken;
            self.offset += taken as u64;
            self.is_drained = at_end && result == DecoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}
