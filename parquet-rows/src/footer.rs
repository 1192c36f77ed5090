//! What a Parquet file's footer says of its schema, before the crate reads it.
//!
//! The crate builds the schema, and later its readers, by recursion: a schema
//! of some thousand levels, which takes some kilobytes, overflows the stack,
//! and nothing catches that. So the depth is known before. The footer is a
//! structure of Thrift's compact protocol; of it this reads the elements of
//! the schema, which are in the order of a walk through the tree, each with
//! the number of its children.

/// Field 2 of `FileMetaData`: the schema.
const SCHEMA: i16 = 2;
/// Field 5 of `SchemaElement`: the number of children.
const CHILDREN: i16 = 5;
/// Structures within structures that are skipped. Parquet's own have three levels.
const SKIPPED_DEPTH_MAX: usize = 16;

const BOOL_TRUE: u8 = 1;
const BOOL_FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// How many levels the schema in a footer has; `None` = it is not a footer.
pub(crate) fn schema_depth(footer: &[u8]) -> Option<usize> {
    let mut reader = Reader { bytes: footer };
    let mut id = 0;
    while let Some(kind) = reader.field(&mut id)? {
        if (id, kind) != (SCHEMA, LIST) {
            reader.skip(kind, 0)?;
            continue;
        }
        let (count, STRUCT) = reader.list()? else { return None };
        return depth(&mut reader, count);
    }
    None
}

/// The depth of a tree whose nodes come one after the other, each before its children.
fn depth(reader: &mut Reader<'_>, count: usize) -> Option<usize> {
    let (mut open, mut deepest) = (Vec::new(), 0);
    for _ in 0..count {
        let children = reader.schema_element()?;
        deepest = deepest.max(open.len() + 1);
        if children > 0 {
            open.push(children);
            continue;
        }
        // A leaf ends every node whose last descendant it is.
        while let Some(left) = open.last_mut() {
            *left -= 1;
            if *left > 0 {
                break;
            }
            open.pop();
        }
    }
    Some(deepest)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn pass(&mut self, count: usize) -> Option<()> {
        self.bytes = self.bytes.get(count..)?;
        Some(())
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// The type of the next field; `id` is that of the field before, and becomes its own. The inner
    /// `None` ends the structure.
    #[expect(clippy::option_option, reason = "the end of a structure is not the end of the bytes")]
    fn field(&mut self, id: &mut i16) -> Option<Option<u8>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        *id = match head >> 4 {
            0 => i16::try_from(self.signed()?).ok()?,
            step => id.checked_add(i16::from(step))?,
        };
        Some(Some(head & 0x0F))
    }

    /// The length of a list, and the type of what it holds.
    fn list(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.size()?,
            count => usize::from(count),
        };
        Some((count, head & 0x0F))
    }

    /// How many children the next element of a schema has.
    fn schema_element(&mut self) -> Option<u64> {
        let (mut id, mut children) = (0, 0);
        while let Some(kind) = self.field(&mut id)? {
            if (id, kind) == (CHILDREN, I32) {
                children = self.signed()?.max(0).cast_unsigned();
            } else {
                self.skip(kind, 0)?;
            }
        }
        Some(children)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > SKIPPED_DEPTH_MAX {
            return None;
        }
        match kind {
            BOOL_TRUE | BOOL_FALSE => Some(()),
            BYTE => self.pass(1),
            I16 | I32 | I64 => self.number().map(drop),
            DOUBLE => self.pass(8),
            BINARY => {
                let length = self.size()?;
                self.pass(length)
            }
            LIST | SET => {
                let (count, kind) = self.list()?;
                self.skip_each(count, &[kind], depth)
            }
            MAP => match self.size()? {
                0 => Some(()),
                count => {
                    let kinds = self.byte()?;
                    self.skip_each(count, &[kinds >> 4, kinds & 0x0F], depth)
                }
            },
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Skips what a list or a map holds: there, a Boolean takes a byte.
    fn skip_each(&mut self, count: usize, kinds: &[u8], depth: usize) -> Option<()> {
        for _ in 0..count {
            for kind in kinds {
                match *kind {
                    BOOL_TRUE | BOOL_FALSE => self.pass(1)?,
                    kind => self.skip(kind, depth + 1)?,
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `FileMetaData` with a version and a schema: a chain of groups with a leaf at its end.
    fn chain(levels: u8) -> Vec<u8> {
        let mut footer = vec![0x15, 2, 0x19, 0xF0 | STRUCT, levels];
        for level in 1..=levels {
            // A name, and one child if this is not the leaf.
            footer.extend([0x48, 1, b'g']);
            if level < levels {
                footer.extend([0x15, 2]);
            }
            footer.push(0);
        }
        footer.push(0);
        footer
    }

    #[test]
    fn the_depth_is_that_of_the_deepest_element() {
        assert_eq!(schema_depth(&chain(100)), Some(100));
        // A root with two leaves, and fields nobody asks for: a double, a map, a list of Booleans.
        let element = |children: &[u8]| [&[0x48, 1, b'x'][..], children, &[0]].concat();
        let mut footer = vec![0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x19, 0x30 | STRUCT];
        footer.extend(element(&[0x15, 4]));
        footer.extend(element(&[0x4B, 1, 0x88, 1, b'k', 1, b'v', 0x19, 0x21, 1, 2]));
        footer.extend(element(&[]));
        assert_eq!(schema_depth(&footer), Some(2));
    }

    #[test]
    fn what_is_no_footer_has_no_depth() {
        let whole = chain(5);
        for length in 0..whole.len() - 1 {
            assert_eq!(schema_depth(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(schema_depth(&[0x1C; 4_096]), None, "structures without end");
        assert_eq!(schema_depth(&[0xFF; 64]), None);
    }
}
