//! What a pattern asks for, without the notation it was written in.

use super::set::{Folding, Set};

/// A pattern that has been read.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) node: Node,
    /// Capturing groups.
    pub(super) groups: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Empty,
    Character(char),
    /// One character of the set.
    Set(Set),
    Sequence(Vec<Node>),
    /// The first that leads to a match.
    Choice(Vec<Node>),
    /// A capturing group and its number, from one.
    Group(u32, Box<Node>),
    Repeat {
        inner: Box<Node>,
        least: u32,
        most: Option<u32>,
        lazy: bool,
    },
    Look {
        inner: Box<Node>,
        behind: bool,
        negated: bool,
    },
    /// Never tried in another way.
    Atomic(Box<Node>),
    /// The text of a group, once more.
    Reference {
        group: u32,
        folding: Option<Folding>,
    },
    Assertion(Assertion),
}

/// What holds at a place between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assertion {
    TextStart,
    TextEnd,
    LineStart(LineEnds),
    LineEnd(LineEnds),
    /// The end, or a line's end with nothing behind it.
    LastLineEnd(LineEnds),
    /// Between a word of ASCII and something else; or not, where it is negated.
    WordBoundary {
        negated: bool,
    },
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// `ECMAScript`: each of `\n`, `\r`, U+2028, U+2029.
    EcmaScript,
    /// Java: also U+0085, and `\r\n` is one.
    Java,
    /// Java with the flag `d`: `\n`.
    Unix,
}

impl LineEnds {
    pub(super) const fn characters(self) -> &'static [char] {
        match self {
            Self::EcmaScript => &['\n', '\r', '\u{2028}', '\u{2029}'],
            Self::Java => &['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'],
            Self::Unix => &['\n'],
        }
    }

    fn ends(self, character: Option<char>) -> bool {
        character.is_some_and(|character| self.characters().contains(&character))
    }
}

impl Assertion {
    /// Whether it holds at a byte of the text.
    pub(super) fn holds(self, text: &str, at: usize) -> bool {
        let (before, behind) = text.split_at_checked(at).unwrap_or((text, ""));
        let last = || before.chars().next_back();
        let next = || behind.chars().next();
        // Java does not look for a line's end within `\r\n`.
        let splits = || last() == Some('\r') && next() == Some('\n');
        match self {
            Self::TextStart => at == 0,
            Self::TextEnd => behind.is_empty(),
            Self::LineStart(LineEnds::EcmaScript) => at == 0 || LineEnds::EcmaScript.ends(last()),
            Self::LineEnd(LineEnds::EcmaScript) => behind.is_empty() || LineEnds::EcmaScript.ends(next()),
            // "After any line terminator except at the end of input."
            Self::LineStart(ends) => {
                !behind.is_empty() && (at == 0 || ends.ends(last()) && (ends == LineEnds::Unix || !splits()))
            }
            Self::LineEnd(ends) => {
                behind.is_empty() || ends.ends(next()) && (ends == LineEnds::Unix || !splits())
            }
            Self::LastLineEnd(ends) => {
                let is_last = match ends {
                    LineEnds::Unix => behind == "\n",
                    _ => {
                        behind == "\r\n"
                            || !splits()
                                && ends.ends(next())
                                && next().is_some_and(|end| end.len_utf8() == behind.len())
                    }
                };
                behind.is_empty() || is_last
            }
            Self::WordBoundary { negated } => (is_word(last()) != is_word(next())) != negated,
        }
    }
}

fn is_word(character: Option<char>) -> bool {
    character.is_some_and(|character| character.is_ascii_alphanumeric() || character == '_')
}

impl Tree {
    /// What never matches.
    pub(super) fn nothing() -> Self {
        Self { node: Node::Set(Set::empty()), groups: 0 }
    }

    /// Instructions of the program.
    pub(super) fn size(&self) -> usize {
        self.node.size().saturating_add(1)
    }
}

impl Node {
    /// One after the other.
    pub(super) fn sequence(mut nodes: Vec<Self>) -> Self {
        if nodes.len() > 1 { Self::Sequence(nodes) } else { nodes.pop().unwrap_or(Self::Empty) }
    }

    pub(super) fn choice(mut nodes: Vec<Self>) -> Self {
        if nodes.len() > 1 { Self::Choice(nodes) } else { nodes.pop().unwrap_or(Self::Empty) }
    }

    pub(super) fn look(inner: Self, behind: bool, negated: bool) -> Self {
        Self::Look { inner: Box::new(inner), behind, negated }
    }

    /// Instructions at most, and what takes the place of one.
    fn size(&self) -> usize {
        let all = |nodes: &[Self]| nodes.iter().fold(0, |sum: usize, node| sum.saturating_add(node.size()));
        match self {
            Self::Empty => 0,
            Self::Character(_) | Self::Assertion(_) | Self::Reference { .. } => 1,
            // Its ranges take place, too.
            Self::Set(set) => 1 + set.ranges().len() / 4,
            Self::Sequence(nodes) => all(nodes),
            Self::Choice(nodes) => all(nodes).saturating_add(2 * nodes.len()),
            Self::Group(_, inner) | Self::Look { inner, .. } | Self::Atomic(inner) => {
                inner.size().saturating_add(2)
            }
            Self::Repeat { inner, least, most, .. } => {
                let turn = inner.size().saturating_add(usize::from(inner.groups().is_some()));
                // A turn that need not be has a split, may have a mark, and has a jump or has moved.
                let others = most.map_or(1, |most| most.saturating_sub(*least)) as usize;
                let others = turn.saturating_add(4).saturating_mul(others);
                turn.saturating_mul(*least as usize).saturating_add(others)
            }
        }
    }

    /// How many characters a match has at most; `None` where there is no bound.
    pub(super) fn longest(&self) -> Option<usize> {
        match self {
            Self::Empty | Self::Assertion(_) | Self::Look { .. } => Some(0),
            Self::Character(_) | Self::Set(_) => Some(1),
            Self::Sequence(nodes) => {
                nodes.iter().try_fold(0, |sum: usize, node| sum.checked_add(node.longest()?))
            }
            Self::Choice(nodes) => {
                nodes.iter().try_fold(0, |longest: usize, node| Some(longest.max(node.longest()?)))
            }
            Self::Group(_, inner) | Self::Atomic(inner) => inner.longest(),
            Self::Repeat { inner, most, .. } => inner.longest()?.checked_mul((*most)? as usize),
            Self::Reference { .. } => None,
        }
    }

    /// Whether it can match nothing.
    pub(super) fn is_nullable(&self) -> bool {
        match self {
            Self::Empty | Self::Assertion(_) | Self::Look { .. } | Self::Reference { .. } => true,
            Self::Character(_) | Self::Set(_) => false,
            Self::Sequence(nodes) => nodes.iter().all(Self::is_nullable),
            Self::Choice(nodes) => nodes.iter().any(Self::is_nullable),
            Self::Group(_, inner) | Self::Atomic(inner) => inner.is_nullable(),
            Self::Repeat { inner, least, .. } => *least == 0 || inner.is_nullable(),
        }
    }

    /// The first and the last capturing group within.
    pub(super) fn groups(&self) -> Option<(u32, u32)> {
        let all = |nodes: &[Self]| {
            nodes.iter().filter_map(Self::groups).reduce(|(first, _), (_, last)| (first, last))
        };
        match self {
            Self::Sequence(nodes) | Self::Choice(nodes) => all(nodes),
            Self::Group(number, inner) => Some((*number, inner.groups().map_or(*number, |(_, last)| last))),
            Self::Repeat { inner, .. } | Self::Look { inner, .. } | Self::Atomic(inner) => inner.groups(),
            _ => None,
        }
    }

    /// Whether only backtracking can match it.
    pub(super) fn backtracks(&self) -> bool {
        match self {
            Self::Look { .. } | Self::Atomic(_) | Self::Reference { .. } => true,
            Self::Sequence(nodes) | Self::Choice(nodes) => nodes.iter().any(Self::backtracks),
            Self::Group(_, inner) | Self::Repeat { inner, .. } => inner.backtracks(),
            _ => false,
        }
    }
}
