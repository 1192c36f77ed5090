//! Randomness as a function of a seed and a position, so that an execution
//! that is replayed and continued draws what it would have drawn.

use sha2::{Digest, Sha256};

/// The number at a position of the stream of a seed. A hash, so that nobody
/// who sees some numbers of an execution knows others: task tokens are made of
/// them, too.
pub(crate) fn draw(seed: u64, position: u64) -> u64 {
    let digest =
        Sha256::new().chain_update(seed.to_le_bytes()).chain_update(position.to_le_bytes()).finalize();
    digest.first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
}

/// A number in `0.0..1.0` from 53 bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit into the mantissa")]
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A version 4 UUID in its usual form.
pub(crate) fn uuid(high: u64, low: u64) -> String {
    let time_low = high >> 32;
    let time_mid = (high >> 16) & 0xFFFF;
    let version = (high & 0x0FFF) | 0x4000;
    let variant = ((low >> 48) & 0x3FFF) | 0x8000;
    format!("{time_low:08x}-{time_mid:04x}-{version:04x}-{variant:04x}-{:012x}", low & 0xFFFF_FFFF_FFFF)
}

/// A version 7 UUID in its usual form (RFC 9562): 48 bits of time, then randomness.
/// Names that begin with the time are neighbours in an index.
pub(crate) fn uuid_of_time(millis: i64, high: u64, low: u64) -> String {
    let time = millis.max(0).cast_unsigned() & 0xFFFF_FFFF_FFFF;
    let version = (high & 0x0FFF) | 0x7000;
    let variant = ((low >> 48) & 0x3FFF) | 0x8000;
    let (upper, lower) = (time >> 16, time & 0xFFFF);
    format!("{upper:08x}-{lower:04x}-{version:04x}-{variant:04x}-{:012x}", low & 0xFFFF_FFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_depends_on_seed_and_position_only() {
        assert_eq!(draw(7, 3), draw(7, 3));
        assert_ne!(draw(7, 3), draw(7, 4));
        assert_ne!(draw(7, 3), draw(8, 3));
        let mean = (0..10_000).map(|i| unit(draw(1, i))).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "mean {mean}");
    }

    #[test]
    fn uuids_are_version_4() {
        let text = uuid(u64::MAX, u64::MAX);
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn uuids_of_a_later_time_are_greater() {
        let (earlier, later) =
            (uuid_of_time(1_645_557_742_000, u64::MAX, u64::MAX), uuid_of_time(1_645_557_742_001, 0, 0));
        assert_eq!(earlier, "017f22e2-79b0-7fff-bfff-ffffffffffff");
        assert!(earlier < later, "{later}");
    }
}
