//! The choices a scenario is made of: a list of small numbers.
//!
//! Drawn from a seed, or given again in full, so that a scenario can be
//! shortened: 0 is always the simplest choice, and what lies beyond the end of
//! a given list is 0.

/// Draws choices, or gives those of a list again, and notes them.
#[derive(Debug, Clone)]
pub struct Choices {
    state: u64,
    given: Option<Vec<u32>>,
    made: Vec<u32>,
}

impl Choices {
    /// The choices of one scenario of a seed.
    pub fn of(seed: u64, index: u64) -> Self {
        let state = mix(seed, index);
        Self { state, given: None, made: Vec::new() }
    }

    /// The choices of a list, and 0 behind its end.
    pub fn again(given: Vec<u32>) -> Self {
        Self { state: 0, given: Some(given), made: Vec::new() }
    }

    /// What was chosen so far.
    pub fn made(&self) -> &[u32] {
        &self.made
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: u32) -> u32 {
        let bound = bound.max(1);
        let chosen = if let Some(given) = &self.given {
            given.get(self.made.len()).copied().unwrap_or(0) % bound
        } else {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            u32::try_from(scramble(self.state) % u64::from(bound)).unwrap_or(0)
        };
        self.made.push(chosen);
        chosen
    }

    /// Whether something happens that happens once in so many times.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.below(times) + 1 == times
    }

    /// One of them, the first being the simplest.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(u32::try_from(from.len()).unwrap_or(u32::MAX)) as usize]
    }
}

/// A number that follows from two others.
pub(super) fn mix(left: u64, right: u64) -> u64 {
    scramble(scramble(left).wrapping_add(right.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The finisher of `SplitMix64`.
const fn scramble(mut mixed: u64) -> u64 {
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
