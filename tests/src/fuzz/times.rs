//! Timestamps.

use super::mutate::mutated;
use super::{Choices, Target};

const CORPUS: [&str; 6] = [
    "2025-06-30T23:59:59Z",
    "2025-06-30T23:59:59.123456789Z",
    "1970-01-01T00:00:00+05:30",
    "0000-01-01T00:00:00-23:59",
    "9999-12-31T23:59:60Z",
    "2024-02-29T24:00:00.0z",
];
const WORDS: [&str; 12] = ["0", "9", "-", "+", ":", ".", "T", "Z", "60", "24", "99", "é"];

pub(super) struct Timestamps;

impl Target for Timestamps {
    fn name(&self) -> &'static str {
        "timestamp"
    }

    fn share(&self) -> u64 {
        500
    }

    fn input(&self, choices: &mut Choices) -> String {
        mutated(choices, &CORPUS, &WORDS)
    }

    /// A moment has a year of four digits, whatever its offset.
    fn check(&self, input: &str) -> Result<(), String> {
        const FIRST: i64 = -62_167_219_200_000 - 86_400_000;
        const LAST: i64 = 253_402_300_800_000 + 86_400_000;
        match asl::timestamp::parse_millis(input) {
            Some(millis) if !(FIRST..LAST).contains(&millis) => Err(format!("{millis} is no moment")),
            _ => Ok(()),
        }
    }
}
