//! Base64 with the standard alphabet and padding (RFC 4648, section 4).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let six = usize::try_from(bits >> (18 - 6 * position) & 63).unwrap_or(0);
            let padding = position > chunk.len();
            text.push(if padding { '=' } else { ALPHABET.get(six).map_or('=', |&byte| char::from(byte)) });
        }
    }
    text
}

/// `None` for what is not Base64. The padding may be missing.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if padding > 2 || digits.len() % 4 == 1 || padding > 0 && !text.len().is_multiple_of(4) {
        return None;
    }
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(digits.len() / 4 * 3), 0_u32, 0_u32);
    for digit in digits.bytes() {
        let six = ALPHABET.iter().position(|&known| known == digit)?;
        bits = bits << 6 | u32::try_from(six).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    Some(bytes)
}
