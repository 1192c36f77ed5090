//! Sets of characters, and which letters are one letter in two cases.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, HirKind};

/// A set of characters. Surrogates are no characters.
pub(super) type Set = ClassUnicode;

/// A set of code points, given by the first and the last of each range.
pub(super) fn of(ranges: impl IntoIterator<Item = (u32, u32)>) -> Set {
    let parts =
        ranges.into_iter().flat_map(|(first, last)| [(first, last.min(0xD7FF)), (first.max(0xE000), last)]);
    Set::new(parts.filter(|(first, last)| first <= last).filter_map(|(first, last)| {
        Some(ClassUnicodeRange::new(char::from_u32(first)?, char::from_u32(last)?))
    }))
}

pub(super) fn of_characters(characters: &[char]) -> Set {
    Set::new(characters.iter().map(|character| ClassUnicodeRange::new(*character, *character)))
}

/// All characters that are not in the set.
pub(super) fn without(mut set: Set) -> Set {
    set.negate();
    set
}

/// A property of Unicode, as UTS #18 names it: `Lu`, `script=Greek`, `Alphabetic`.
pub(super) fn property(name: &str) -> Option<Set> {
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'='));
    let hir = regex_syntax::parse(&format!("\\p{{{name}}}")).ok().filter(|_| is_name)?;
    match hir.into_kind() {
        HirKind::Class(regex_syntax::hir::Class::Unicode(set)) => Some(set),
        HirKind::Class(regex_syntax::hir::Class::Bytes(set)) => set.to_unicode_class(),
        _ => None,
    }
}

/// When two characters count as one, where case is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folding {
    /// Letters of ASCII only: Java's `CASE_INSENSITIVE`.
    Ascii,
    /// `ECMAScript`, `Canonicalize` without the flag `u`: no letter outside of ASCII is one within.
    EcmaScript,
    /// Java's `UNICODE_CASE`.
    Unicode,
}

type Families = BTreeMap<char, Vec<char>>;

static ECMASCRIPT: LazyLock<Families> = LazyLock::new(|| families(Folding::EcmaScript));
static UNICODE: LazyLock<Families> = LazyLock::new(|| families(Folding::Unicode));

/// The characters of each letter, where there are several, by the one they fold to.
fn families(folding: Folding) -> Families {
    /// No letter beyond has a case.
    const LAST: char = '\u{1FFFF}';
    let mut families = Families::new();
    for character in '\u{80}'..=LAST {
        let key = folding.key(character);
        if key != character {
            families.entry(key).or_insert_with(|| vec![key]).push(character);
        }
    }
    for lower in 'a'..='z' {
        let key = folding.key(lower);
        let family = families.entry(key).or_insert_with(|| vec![key]);
        for letter in [lower, lower.to_ascii_uppercase()] {
            if !family.contains(&letter) {
                family.push(letter);
            }
        }
    }
    families
}

/// The only character of a mapping of cases.
fn single(mut mapped: impl Iterator<Item = char>, otherwise: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        _ => otherwise,
    }
}

impl Folding {
    /// Characters that count as one have the same.
    pub(super) fn key(self, character: char) -> char {
        match self {
            Self::Ascii => character.to_ascii_lowercase(),
            // Two UTF-16 units have no case.
            Self::EcmaScript if character > '\u{FFFF}' => character,
            Self::EcmaScript => {
                let upper = single(character.to_uppercase(), character);
                if upper.is_ascii() && !character.is_ascii() { character } else { upper }
            }
            Self::Unicode => match single(character.to_uppercase(), character) {
                // Its lower case has a dot of its own, but for Java's `toLowerCase` of one character.
                'İ' => 'i',
                upper => single(upper.to_lowercase(), upper),
            },
        }
    }

    /// The set with all characters that count as one of its own.
    pub(super) fn closed(self, set: Set) -> Set {
        /// Larger sets are asked for each letter there is.
        const SMALL: u32 = 8;
        let families = match self {
            Self::Ascii => {
                let mut set = set;
                let letters = [('a', 'z', 'A'), ('A', 'Z', 'a')].map(|(first, last, other)| {
                    let mut within = Set::new([ClassUnicodeRange::new(first, last)]);
                    within.intersect(&set);
                    let moved = |letter: char| u32::from(letter) - u32::from(first) + u32::from(other);
                    of(within.ranges().iter().map(|range| (moved(range.start()), moved(range.end()))))
                });
                for letters in &letters {
                    set.union(letters);
                }
                return set;
            }
            Self::EcmaScript => &*ECMASCRIPT,
            Self::Unicode => &*UNICODE,
        };
        let count = set.ranges().iter().fold(0, |count: u32, range| {
            count.saturating_add(u32::from(range.end()) - u32::from(range.start()) + 1)
        });
        let mut more: Vec<&char> = Vec::new();
        if count <= SMALL {
            let characters = set.ranges().iter().flat_map(|range| range.start()..=range.end());
            more.extend(characters.filter_map(|character| families.get(&self.key(character))).flatten());
        } else {
            let has = |character: &char| has(&set, *character);
            more.extend(families.values().filter(|family| family.iter().any(has)).flatten());
        }
        let mut closed = set;
        closed.union(&Set::new(more.into_iter().map(|letter| ClassUnicodeRange::new(*letter, *letter))));
        closed
    }
}

fn has(set: &Set, character: char) -> bool {
    let behind = set.ranges().partition_point(|range| range.start() <= character);
    behind.checked_sub(1).and_then(|at| set.ranges().get(at)).is_some_and(|range| character <= range.end())
}

/// A set as programs ask for it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
pub(super) struct Table {
    ascii: u128,
    /// Beyond ASCII, in order.
    others: Box<[(char, char)]>,
}

impl Table {
    pub(super) fn new(set: &Set) -> Self {
        let mut ascii = 0;
        let mut others = Vec::new();
        for range in set.ranges() {
            for character in range.start()..=range.end().min('\u{7F}') {
                ascii |= 1 << u32::from(character);
            }
            if range.end() > '\u{7F}' {
                others.push((range.start().max('\u{80}'), range.end()));
            }
        }
        Self { ascii, others: others.into() }
    }

    pub(super) fn has(&self, character: char) -> bool {
        if character.is_ascii() {
            return self.ascii >> u32::from(character) & 1 == 1;
        }
        let behind = self.others.partition_point(|(first, _)| *first <= character);
        behind.checked_sub(1).and_then(|at| self.others.get(at)).is_some_and(|(_, last)| character <= *last)
    }

    /// The bits of ASCII, and whether there are others.
    pub(super) const fn first_bytes(&self) -> (u128, bool) {
        (self.ascii, !self.others.is_empty())
    }
}
