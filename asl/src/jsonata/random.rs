//! The randomness of an expression that gives no seed: the stream that continues
//! the host's draw.

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
    use super::Stream;

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
