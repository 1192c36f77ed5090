//! Cyclic redundancy checks that no crate of ours has: CRC-32C and CRC-64/NVME.
//! Eight bytes a step, by tables.

/// Reflected polynomial of CRC-32C (Castagnoli). RFC 3720, appendix B.4.
const CASTAGNOLI: u64 = 0x82F6_3B78;
/// Reflected polynomial of CRC-64/NVME. NVM Express NVM command set specification, 5.2.1.3.4.
const NVME: u64 = 0x9A6C_9329_AC4B_C9B5;

type Tables = [[u64; 256]; 8];

static CRC32C: Tables = tables(CASTAGNOLI);
static CRC64NVME: Tables = tables(NVME);

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn tables(polynomial: u64) -> Tables {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ polynomial } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut byte = 0;
    while byte < 256 {
        let mut table = 1;
        while table < 8 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            table += 1;
        }
        byte += 1;
    }
    tables
}

/// A check that is being computed.
#[derive(Clone)]
pub(super) struct Crc {
    tables: &'static Tables,
    mask: u64,
    state: u64,
}

impl Crc {
    /// CRC-32C.
    pub(super) fn castagnoli() -> Self {
        Self { tables: &CRC32C, mask: u64::from(u32::MAX), state: u64::from(u32::MAX) }
    }

    /// CRC-64/NVME.
    pub(super) fn nvme() -> Self {
        Self { tables: &CRC64NVME, mask: u64::MAX, state: u64::MAX }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        let [single, ..] = self.tables;
        let (words, rest) = data.as_chunks::<8>();
        for word in words {
            let mixed = (u64::from_le_bytes(*word) ^ self.state).to_le_bytes();
            // The first byte is the farthest from the end: it goes through the last table.
            let parts = mixed.iter().zip(self.tables.iter().rev());
            self.state = parts.fold(0, |state, (&byte, table)| state ^ at(table, byte));
        }
        for &byte in rest {
            let [low, ..] = self.state.to_le_bytes();
            self.state = (self.state >> 8) ^ at(single, low ^ byte);
        }
    }

    pub(super) fn value(&self) -> u64 {
        (self.state ^ self.mask) & self.mask
    }
}

fn at(table: &[u64; 256], byte: u8) -> u64 {
    // A byte is below 256.
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(mut crc: Crc, data: &[u8]) -> u64 {
        crc.update(data);
        crc.value()
    }

    #[test]
    fn the_check_values_of_the_catalogue() {
        assert_eq!(value(Crc::castagnoli(), b"123456789"), 0xE306_9283);
        assert_eq!(value(Crc::nvme(), b"123456789"), 0xAE8B_1486_0A79_9888);
        assert_eq!((value(Crc::castagnoli(), b""), value(Crc::nvme(), b"")), (0, 0));
        // RFC 3720, appendix B.4: 32 bytes of zeros, 32 of ones.
        assert_eq!(value(Crc::castagnoli(), &[0; 32]), 0x8A91_36AA);
        assert_eq!(value(Crc::castagnoli(), &[0xff; 32]), 0x62A8_AB43);
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let data: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        for crc in [Crc::castagnoli(), Crc::nvme()] {
            for cut in [0, 1, 7, 8, 9, 500, 999] {
                let mut pieces = crc.clone();
                pieces.update(&data[..cut]);
                pieces.update(&data[cut..]);
                assert_eq!(pieces.value(), value(crc.clone(), &data), "{cut}");
            }
        }
    }
}
