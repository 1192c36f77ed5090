//! How single values are packed: variable-length integers, and a table of
//! texts and payloads that were written before in the same segment.

use std::sync::Arc;

use crate::machine::{Failure, Nature, Payload, StateType, Text, Timer, TimerId};

/// How many of the last table entries a writer looks through.
const LOOK_BACK: usize = 48;

/// The bytes are not what this version of the engine writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Writes a segment.
#[derive(Default)]
pub(crate) struct Packer {
    pub(crate) bytes: Vec<u8>,
    texts: Vec<Text>,
    payloads: Vec<Payload>,
    /// What the time of the next record is relative to.
    pub(crate) millis: i64,
}

impl Packer {
    /// A packer that appends to some bytes.
    pub(crate) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }
}

/// Reads a segment.
pub(crate) struct Unpacker<'a> {
    rest: &'a [u8],
    texts: Vec<Text>,
    payloads: Vec<Payload>,
    pub(crate) millis: i64,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, texts: Vec::new(), payloads: Vec::new(), millis: 0 }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1)?.first().copied().ok_or(Malformed("it ends too early"))
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::try_from(u64::unpack(self)?).map_err(|_| Malformed("a text is too long"))?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// `None`: what follows is new. Otherwise the position in a table.
    fn reference(&mut self) -> Result<Option<usize>, Malformed> {
        let number = u64::unpack(self)?;
        let position = number.checked_sub(1).map(usize::try_from).transpose();
        position.map_err(|_| Malformed("a reference is out of range"))
    }
}

/// A value with a packed form.
pub(crate) trait Packed: Sized {
    fn pack(&self, packer: &mut Packer);
    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed>;
}

impl Packed for u64 {
    fn pack(&self, packer: &mut Packer) {
        let mut rest = *self;
        while rest >= 0x80 {
            packer.bytes.push((rest & 0x7F) as u8 | 0x80);
            rest >>= 7;
        }
        packer.bytes.push((rest & 0x7F) as u8);
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = unpacker.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("a number is too long"))
    }
}

impl Packed for u32 {
    fn pack(&self, packer: &mut Packer) {
        u64::from(*self).pack(packer);
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        u64::unpack(unpacker)?.try_into().map_err(|_| Malformed("a number is out of range"))
    }
}

impl Packed for i64 {
    #[expect(clippy::cast_sign_loss, reason = "zigzag moves the sign into the lowest bit")]
    fn pack(&self, packer: &mut Packer) {
        (((*self << 1) ^ (*self >> 63)) as u64).pack(packer);
    }

    #[expect(clippy::cast_possible_wrap, reason = "zigzag moves the sign back from the lowest bit")]
    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        let folded = u64::unpack(unpacker)?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }
}

impl<T: Packed> Packed for Option<T> {
    fn pack(&self, packer: &mut Packer) {
        packer.bytes.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.pack(packer);
        }
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        match unpacker.byte()? {
            0 => Ok(None),
            1 => T::unpack(unpacker).map(Some),
            _ => Err(Malformed("an option is neither there nor not there")),
        }
    }
}

impl<T: Packed> Packed for Vec<T> {
    fn pack(&self, packer: &mut Packer) {
        (self.len() as u64).pack(packer);
        for value in self {
            value.pack(packer);
        }
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        let count = u64::unpack(unpacker)?;
        if count > unpacker.rest.len() as u64 {
            return Err(Malformed("a list is longer than the segment"));
        }
        (0..count).map(|_| T::unpack(unpacker)).collect()
    }
}

impl<T: Packed> Packed for Box<T> {
    fn pack(&self, packer: &mut Packer) {
        (**self).pack(packer);
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        T::unpack(unpacker).map(Self::new)
    }
}

impl<A: Packed, B: Packed> Packed for (A, B) {
    fn pack(&self, packer: &mut Packer) {
        self.0.pack(packer);
        self.1.pack(packer);
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        Ok((A::unpack(unpacker)?, B::unpack(unpacker)?))
    }
}

impl Packed for Text {
    fn pack(&self, packer: &mut Packer) {
        let seen = packer.texts.iter().enumerate().rev().take(LOOK_BACK);
        let mut seen = seen.filter(|(_, text)| Arc::ptr_eq(text, self) || text == &self);
        if let Some(position) = seen.next().map(|(position, _)| position) {
            return (position as u64 + 1).pack(packer);
        }
        0_u64.pack(packer);
        (self.len() as u64).pack(packer);
        packer.bytes.extend_from_slice(self.as_bytes());
        packer.texts.push(Self::clone(self));
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        if let Some(position) = unpacker.reference()? {
            return unpacker
                .texts
                .get(position)
                .cloned()
                .ok_or(Malformed("a reference to a text that is not there"));
        }
        let text: Self = unpacker.text()?.into();
        unpacker.texts.push(Self::clone(&text));
        Ok(text)
    }
}

impl Packed for Payload {
    fn pack(&self, packer: &mut Packer) {
        let seen = packer.payloads.iter().enumerate().rev().take(LOOK_BACK);
        let mut seen = seen.filter(|(_, payload)| payload.same(self));
        if let Some(position) = seen.next().map(|(position, _)| position) {
            return (position as u64 + 1).pack(packer);
        }
        0_u64.pack(packer);
        (self.len() as u64).pack(packer);
        packer.bytes.extend_from_slice(self.text().as_bytes());
        packer.payloads.push(self.clone());
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        if let Some(position) = unpacker.reference()? {
            let payload = unpacker.payloads.get(position).cloned();
            return payload.ok_or(Malformed("a reference to a payload that is not there"));
        }
        let payload = Self::from_journal(unpacker.text()?);
        unpacker.payloads.push(payload.clone());
        Ok(payload)
    }
}

impl Packed for Timer {
    fn pack(&self, packer: &mut Packer) {
        self.id.0.pack(packer);
        self.due_millis.pack(packer);
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        Ok(Self { id: TimerId(u64::unpack(unpacker)?), due_millis: i64::unpack(unpacker)? })
    }
}

impl Packed for StateType {
    fn pack(&self, packer: &mut Packer) {
        packer.bytes.push(*self as u8);
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        let number = usize::from(unpacker.byte()?);
        Self::ALL.get(number).copied().ok_or(Malformed("a type of state that does not exist"))
    }
}

const NATURES: [Nature; 6] = [
    Nature::Raised,
    Nature::TimedOut,
    Nature::HeartbeatMissed,
    Nature::Evaluation,
    Nature::Limit,
    Nature::Runtime,
];

impl Packed for Nature {
    fn pack(&self, packer: &mut Packer) {
        packer.bytes.push(*self as u8);
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        let number = usize::from(unpacker.byte()?);
        NATURES.get(number).copied().ok_or(Malformed("a kind of failure that does not exist"))
    }
}

impl Packed for Failure {
    fn pack(&self, packer: &mut Packer) {
        self.error.pack(packer);
        self.cause.pack(packer);
        self.nature.pack(packer);
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            error: Option::unpack(unpacker)?,
            cause: Option::unpack(unpacker)?,
            nature: Nature::unpack(unpacker)?,
        })
    }
}
