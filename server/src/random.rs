//! Ids that nobody else has, and nobody guesses.

use std::cell::RefCell;

/// Bytes drawn at a time. An invocation needs four ids, and every draw is a call of the system.
const DRAWN_BYTES: usize = 1024;

thread_local! {
    static DRAWN: RefCell<Drawn> = const { RefCell::new(Drawn { bytes: [0; DRAWN_BYTES], used: DRAWN_BYTES }) };
}

/// Random bytes of a thread that nobody has seen yet.
struct Drawn {
    bytes: [u8; DRAWN_BYTES],
    used: usize,
}

impl Drawn {
    fn next(&mut self) -> u128 {
        const BYTES: usize = size_of::<u128>();
        if self.used >= DRAWN_BYTES {
            // The host of functions asks before it starts whether there is a source.
            // One that has answered once does not fail later.
            let _ = getrandom::fill(&mut self.bytes);
            self.used = 0;
        }
        let mut taken = [0; BYTES];
        if let Some(bytes) = self.bytes.get_mut(self.used..self.used + BYTES) {
            // Once it is somebody's it is kept nowhere else.
            taken.swap_with_slice(bytes);
        }
        self.used += BYTES;
        u128::from_be_bytes(taken)
    }
}

/// 128 random bits.
fn bits() -> u128 {
    DRAWN.with_borrow_mut(Drawn::next)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_bits_come_twice() {
        let draw = || -> Vec<u128> { (0..1000).map(|_| bits()).collect() };
        let other = std::thread::spawn(draw);
        let all: BTreeSet<u128> = draw().into_iter().chain(other.join().unwrap()).collect();
        assert_eq!(all.len(), 2000);
        assert!(!all.contains(&0));
        DRAWN.with_borrow(|drawn| assert!(drawn.bytes[..drawn.used].iter().all(|byte| *byte == 0)));
    }
}
