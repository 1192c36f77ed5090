//! Ids that nobody else has, and nobody guesses.

/// 128 random bits.
fn bits() -> u128 {
    let mut bytes = [0; 16];
    // The host of functions, whose ids are secrets, asks before it starts whether there is a source.
    // One that has answered once does not fail later.
    let _ = getrandom::fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

/// 128 random bits in hexadecimal digits.
pub(crate) fn hex() -> String {
    format!("{:032x}", bits())
}

/// A UUID, version 4.
pub(crate) fn uuid() -> String {
    let bits = (bits() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut id = format!("{bits:032x}");
    for at in [20, 16, 12, 8] {
        id.insert(at, '-');
    }
    id
}
