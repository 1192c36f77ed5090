//! CRC-32C (Castagnoli), which finds every error of up to 32 bits in a row.

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, and below 256")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0_u32;
    while index < 256 {
        let mut value = index;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x82F6_3B78 } else { value >> 1 };
            bit += 1;
        }
        table[index as usize] = value;
        index += 1;
    }
    table
}

static TABLE: [u32; 256] = table();

/// The checksum of several pieces as if they were one.
pub(crate) fn crc32c(pieces: &[&[u8]]) -> u32 {
    let mut state = !0_u32;
    for byte in pieces.iter().flat_map(|piece| piece.iter()) {
        let index = ((state ^ u32::from(*byte)) & 0xFF) as usize;
        state = (state >> 8) ^ TABLE.get(index).copied().unwrap_or_default();
    }
    !state
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
}
