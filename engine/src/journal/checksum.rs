//! CRC-32C (Castagnoli), which finds every error of up to 32 bits in a row.

/// Bytes that are taken at a time.
const STRIDE: usize = 8;

/// Table `n` is what a byte does to the checksum when `n` bytes follow it.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, and below 256")]
const fn tables() -> [[u32; 256]; STRIDE] {
    let mut tables = [[0; 256]; STRIDE];
    let mut index = 0_u32;
    while index < 256 {
        let mut value = index;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x82F6_3B78 } else { value >> 1 };
            bit += 1;
        }
        tables[0][index as usize] = value;
        index += 1;
    }
    let mut following = 1;
    while following < STRIDE {
        let mut index = 0;
        while index < 256 {
            let value = tables[following - 1][index];
            tables[following][index] = (value >> 8) ^ tables[0][(value & 0xFF) as usize];
            index += 1;
        }
        following += 1;
    }
    tables
}

static TABLES: [[u32; 256]; STRIDE] = tables();

/// The checksum of several pieces as if they were one.
pub(crate) fn crc32c(pieces: &[&[u8]]) -> u32 {
    !pieces.iter().fold(!0_u32, |state, piece| update(state, piece))
}

#[expect(
    clippy::indexing_slicing,
    reason = "a byte is below 256; a stride of 1 byte per table read costs twice as much"
)]
fn update(mut state: u32, piece: &[u8]) -> u32 {
    let (strides, rest) = piece.as_chunks::<STRIDE>();
    for &[a, b, c, d, e, f, g, h] in strides {
        let [a, b, c, d] = (state ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
        let at = |table: usize, byte: u8| TABLES[table][usize::from(byte)];
        state = at(7, a) ^ at(6, b) ^ at(5, c) ^ at(4, d) ^ at(3, e) ^ at(2, f) ^ at(1, g) ^ at(0, h);
    }
    for byte in rest {
        let [lowest, ..] = state.to_le_bytes();
        state = (state >> 8) ^ TABLES[0][usize::from(lowest ^ byte)];
    }
    state
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn the_check_value_of_the_castagnoli_polynomial() {
        assert_eq!(crc32c(&[b"123456789"]), 0xE306_9283);
        assert_eq!(crc32c(&[b"1234", b"", b"56789"]), 0xE306_9283);
        assert_eq!(crc32c(&[]), 0);
    }

    #[test]
    fn strides_and_single_bytes_agree() {
        let bytes: Vec<u8> = (0..=255).map(|number: u8| number.wrapping_mul(151)).collect();
        for length in 0..bytes.len() {
            let singly: Vec<&[u8]> = bytes[..length].chunks(1).collect();
            assert_eq!(crc32c(&[&bytes[..length]]), crc32c(&singly), "{length} bytes");
        }
    }
}
