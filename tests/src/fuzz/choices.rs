//! The choices an input is made of.

/// Numbers that follow from a seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Choices {
    state: u64,
}

impl Choices {
    /// The choices of one input.
    pub fn of(seed: u64, target: &str, index: u64) -> Self {
        let name = target.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut choices = Self { state: seed ^ name };
        choices.state = choices.next() ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        choices
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// Whether something happens that happens once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// A character: mostly ASCII, sometimes one of those programs stumble over.
    pub fn character(&mut self) -> char {
        const ODD: [char; 16] = [
            '\0', '\t', '\n', '\r', '\u{b}', '\u{7f}', '\u{85}', '\u{a0}', 'é', 'ß', 'İ', '\u{2028}', '٣',
            '€', '\u{feff}', '😀',
        ];
        if self.once_in(8) {
            return ODD[self.below(ODD.len())];
        }
        char::from(u8::try_from(self.below(95)).unwrap_or(0) + b' ')
    }

    /// Characters without a meaning.
    pub fn noise(&mut self, most: usize) -> String {
        (0..self.below(most)).map(|_| self.character()).collect()
    }
}
