//! How far a write-ahead log goes. (`SQLite`, "WAL-mode File Format", section 4.)
//!
//! `SQLite` takes everything before the first frame that is not whole for the log, for that is what
//! a crash leaves. What was acknowledged lies in that part, unless somebody cut it or wrote over it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes of the header of a log.
const HEADER_BYTES: usize = 32;
/// Bytes before the page in a frame.
const FRAME_HEADER_BYTES: usize = 24;
/// The header begins with it; its last bit says how the numbers that are summed up are to be read.
const MAGIC: u32 = 0x377f_0682;
/// The largest page.
const PAGE_BYTES_MAX: u32 = 65_536;

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The first salt of the log: one more whenever the log begins anew.
    pub(super) salt: u32,
    /// Frames up to the end of a commit.
    pub(super) frames: u32,
}

impl Position {
    /// Whether a log that goes to `found` has everything that was there when it went to this place.
    pub(super) fn is_in(self, found: Self) -> bool {
        let newer = found.salt.wrapping_sub(self.salt);
        // A log that began anew afterwards: everything of this one is in the database.
        if newer == 0 { found.frames >= self.frames } else { newer < u32::MAX / 2 }
    }
}

/// The salt that a log has now.
pub(super) fn salt(log: &File) -> Option<u32> {
    let mut salt = [0; 4];
    log.read_exact_at(&mut salt, 16).ok()?;
    Some(u32::from_be_bytes(salt))
}

/// How far a log goes; `None` = it has no header that is whole.
pub(super) fn end(path: &Path) -> Option<Position> {
    let mut log = BufReader::with_capacity(1 << 20, File::open(path).ok()?);
    let mut header = [0; HEADER_BYTES];
    log.read_exact(&mut header).ok()?;
    let [magic, _, page_bytes, _, salt, other_salt, ..] = numbers(&header)?;
    let is_big_endian = magic == MAGIC | 1;
    if !(magic == MAGIC || is_big_endian) || !(512..=PAGE_BYTES_MAX).contains(&page_bytes) {
        return None;
    }
    let mut sum = Sum { values: (0, 0), is_big_endian };
    sum.add(header.get(..24)?);
    if !sum.is(header.get(24..)?) {
        return None;
    }
    let (mut frame, mut frames, mut committed) = (vec![0; FRAME_HEADER_BYTES + page_bytes as usize], 0, 0);
    while log.read_exact(&mut frame).is_ok() {
        let (head, page) = frame.split_at_checked(FRAME_HEADER_BYTES)?;
        sum.add(head.get(..8)?);
        sum.add(page);
        let (salts, sums) = (head.get(8..16)?, head.get(16..)?);
        let is_of_log = salts == [salt.to_be_bytes(), other_salt.to_be_bytes()].concat();
        if !is_of_log || !sum.is(sums) {
            break;
        }
        frames += 1;
        // The size of the database: only with the last frame of a commit.
        if head.get(4..8)? != [0; 4] {
            committed = frames;
        }
    }
    Some(Position { salt, frames: committed })
}

fn numbers(header: &[u8; HEADER_BYTES]) -> Option<[u32; 8]> {
    let mut numbers = [0; 8];
    for (number, bytes) in numbers.iter_mut().zip(header.chunks_exact(4)) {
        *number = u32::from_be_bytes(bytes.try_into().ok()?);
    }
    Some(numbers)
}

/// The running sum over a log.
struct Sum {
    values: (u32, u32),
    is_big_endian: bool,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let (mut first, mut second) = self.values;
        for pair in bytes.chunks_exact(8) {
            let (one, other) = pair.split_at(4);
            first = first.wrapping_add(self.number(one)).wrapping_add(second);
            second = second.wrapping_add(self.number(other)).wrapping_add(first);
        }
        self.values = (first, second);
    }

    fn number(&self, bytes: &[u8]) -> u32 {
        let bytes = bytes.try_into().unwrap_or_default();
        if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn is(&self, bytes: &[u8]) -> bool {
        bytes == [self.values.0.to_be_bytes(), self.values.1.to_be_bytes()].concat()
    }
}
