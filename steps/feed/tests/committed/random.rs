//! Chance that comes out the same everywhere, for what is generated.

/// `SplitMix64` (Steele, Lea, Flood 2014): small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of several.
    pub(crate) fn one_of<'s, T>(&mut self, several: &'s [T]) -> &'s T {
        let at = self.below(several.len() as u64);
        several.iter().zip(0..).find(|(_, index)| *index == at).map(|(one, _)| one).expect("below its length")
    }

    /// A number below a small limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
