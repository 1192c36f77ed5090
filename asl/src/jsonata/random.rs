//! The two sources of randomness an expression can have: the seeded generator
//! AWS uses for `$random(seed)`, and the stream that continues the host's draw.

/// `java.util.Random`, which AWS uses for `$random(seed)`.
#[derive(Debug)]
pub(super) struct JavaRandom {
    state: u64,
}

/// The constants of the generator are part of Java's documented contract.
const MULTIPLIER: u64 = 0x0005_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;

impl JavaRandom {
    pub(super) const fn new(seed: i64) -> Self {
        Self { state: (seed.cast_unsigned() ^ MULTIPLIER) & MASK }
    }

    fn next(&mut self, bits: u32) -> u64 {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        self.state >> (48 - bits)
    }

    /// A number in `0.0..1.0` with 53 random bits.
    pub(super) fn next_double(&mut self) -> f64 {
        unit((self.next(26) << 27) + self.next(27))
    }
}

/// Numbers derived from one draw of the host: an expression may ask for any
/// number of them, and the same draw has to give the same ones (`SplitMix64`).
#[derive(Debug)]
pub(super) struct Stream {
    first: Option<f64>,
    state: u64,
}

impl Stream {
    pub(super) fn new(draw: f64) -> Self {
        Self { first: Some(draw), state: draw.to_bits() }
    }

    /// The host's draw first, then what follows from it.
    pub(super) fn next_double(&mut self) -> f64 {
        if let Some(first) = self.first.take() {
            return first;
        }
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        unit((mixed ^ (mixed >> 31)) >> 11)
    }
}

/// 53 bits as a number in `0.0..1.0`.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exactly what an f64 holds")]
fn unit(bits: u64) -> f64 {
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::{JavaRandom, Stream};

    #[test]
    fn seed_42_gives_what_a_jvm_gives() {
        let mut random = JavaRandom::new(42);
        assert!((random.next_double() - 0.727_563_680_032_868_1).abs() < f64::EPSILON);
    }

    #[test]
    fn a_stream_starts_with_the_draw_and_repeats() {
        let take = || {
            let mut stream = Stream::new(0.25);
            [stream.next_double(), stream.next_double(), stream.next_double()]
        };
        let numbers = take();
        assert_eq!(numbers.map(f64::to_bits), take().map(f64::to_bits));
        assert!((numbers[0] - 0.25).abs() < f64::EPSILON);
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!((numbers[1] - numbers[2]).abs() > f64::EPSILON);
    }
}
