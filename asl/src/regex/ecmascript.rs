//! JavaScript's patterns.
//!
//! The grammar is that of `ECMAScript` with its Annex B, without the flag `u`: what
//! cannot be an escape or a quantifier is a character. Reasons of a refusal are V8's.

use super::set::{self, Folding, Set};
use super::tree::{Assertion, LineEnds, Node, Tree};
use super::{Purpose, Refusal, TOO_LARGE};
use crate::limits;

type Read<T> = Result<T, Refusal>;

const DIGITS: [(u32, u32); 1] = [(0x30, 0x39)];
const WORD: [(u32, u32); 4] = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)];
/// `WhiteSpace` and `LineTerminator` of `ECMAScript`.
const SPACES: [(u32, u32); 10] = [
    (0x09, 0x0D),
    (0x20, 0x20),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
    (0xFEFF, 0xFEFF),
];

pub(super) fn read(pattern: &str, flags: &str, purpose: Purpose) -> Read<Tree> {
    let symbols: Vec<char> = pattern.chars().collect();
    let names = group_names(&symbols)?;
    let mut reader = Reader {
        symbols: &symbols,
        at: 0,
        names: &names,
        folding: (flags.contains('i') && purpose == Purpose::Compile).then_some(Folding::EcmaScript),
        multiline: flags.contains('m'),
        opened: 0,
        open: Vec::new(),
    };
    let node = reader.alternatives(0)?;
    Ok(Tree { node, groups: names.len() })
}

/// The capturing groups in order, with their names.
fn group_names(symbols: &[char]) -> Read<Vec<Option<String>>> {
    let mut names: Vec<Option<String>> = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    let (mut at, mut in_class) = (0, false);
    while let Some(symbol) = symbols.get(at) {
        match symbol {
            '\\' => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => match symbols.get(at + 1..).unwrap_or_default() {
                ['?', '<', '=' | '!', ..] => {}
                ['?', '<', rest @ ..] => {
                    let name = group_name(rest).ok_or("Invalid capture group name")?;
                    if !known.insert(name.clone()) {
                        return Err("Duplicate capture group name");
                    }
                    names.push(Some(name));
                }
                ['?', ..] => {}
                _ => names.push(None),
            },
            _ => {}
        }
        at += 1;
    }
    Ok(names)
}

/// The name before `>`.
fn group_name(symbols: &[char]) -> Option<String> {
    let end = symbols.iter().position(|symbol| *symbol == '>')?;
    let (first, rest) = symbols.get(..end)?.split_first()?;
    let starts = first.is_alphabetic() || matches!(first, '_' | '$');
    let goes_on = rest.iter().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$'));
    (starts && goes_on).then(|| symbols.iter().take(end).collect())
}

struct Reader<'p> {
    symbols: &'p [char],
    at: usize,
    names: &'p [Option<String>],
    folding: Option<Folding>,
    multiline: bool,
    /// Capturing groups that were opened so far, and those not closed yet.
    opened: u32,
    open: Vec<u32>,
}

/// What a term is, for the quantifier behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Term {
    Repeatable,
    /// Annex B repeats it, which changes nothing, or leaves it out.
    Lookahead,
    Assertion,
}

/// What stands for a character, or for a set of them.
enum Atom {
    Character(u32),
    Set(Set),
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.symbols.get(self.at).copied()
    }

    fn rest(&self) -> &[char] {
        self.symbols.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let symbol = self.peek()?;
        self.at += 1;
        Some(symbol)
    }

    fn take(&mut self, symbol: char) -> bool {
        let found = self.peek() == Some(symbol);
        self.at += usize::from(found);
        found
    }

    /// Up to the end, or the parenthesis that closes the group.
    fn alternatives(&mut self, depth: usize) -> Read<Node> {
        if depth > limits::REGEX_DEPTH_MAX {
            return Err(TOO_LARGE);
        }
        let (mut alternatives, mut sequence) = (Vec::new(), Vec::new());
        loop {
            match self.peek() {
                Some('|') => {
                    self.at += 1;
                    alternatives.push(Node::sequence(std::mem::take(&mut sequence)));
                }
                Some(')') if depth == 0 => return Err("Unmatched ')'"),
                None if depth > 0 => return Err("Unterminated group"),
                Some(')') | None => {
                    alternatives.push(Node::sequence(sequence));
                    return Ok(Node::choice(alternatives));
                }
                Some(_) => {
                    let (node, term) = self.term(depth)?;
                    sequence.push(self.quantified(node, term)?);
                }
            }
        }
    }

    fn term(&mut self, depth: usize) -> Read<(Node, Term)> {
        let Some(symbol) = self.next() else { return Ok((Node::Empty, Term::Assertion)) };
        let assertion = match symbol {
            '^' if self.multiline => Assertion::LineStart(LineEnds::EcmaScript),
            '$' if self.multiline => Assertion::LineEnd(LineEnds::EcmaScript),
            '^' => Assertion::TextStart,
            '$' => Assertion::TextEnd,
            '(' => return self.group(depth),
            '.' => {
                let set = set::without(set::of_characters(LineEnds::EcmaScript.characters()));
                return Ok((Node::Set(set), Term::Repeatable));
            }
            '[' => return Ok((self.class()?, Term::Repeatable)),
            '\\' => return self.escape(),
            '*' | '+' | '?' => return Err("Nothing to repeat"),
            '{' if self.bounds().is_some() => return Err("Nothing to repeat"),
            other => return Ok((self.character(u32::from(other)), Term::Repeatable)),
        };
        Ok((Node::Assertion(assertion), Term::Assertion))
    }

    fn group(&mut self, depth: usize) -> Read<(Node, Term)> {
        let look = |behind, negated| Some((behind, negated));
        let (length, look, captures) = match self.rest() {
            ['?', ':', ..] => (2, None, false),
            ['?', '=', ..] => (2, look(false, false), false),
            ['?', '!', ..] => (2, look(false, true), false),
            ['?', '<', '=', ..] => (3, look(true, false), false),
            ['?', '<', '!', ..] => (3, look(true, true), false),
            ['?', '<', rest @ ..] => {
                (rest.iter().take_while(|symbol| **symbol != '>').count() + 3, None, true)
            }
            ['?', ..] => return Err("Invalid group"),
            _ => (0, None, true),
        };
        self.at += length;
        if captures {
            self.opened += 1;
            self.open.push(self.opened);
        }
        let number = self.opened;
        let inner = self.alternatives(depth + 1)?;
        self.at += 1;
        Ok(match look {
            Some((behind, negated)) => {
                (Node::look(inner, behind, negated), if behind { Term::Assertion } else { Term::Lookahead })
            }
            None if captures => {
                self.open.pop();
                (Node::Group(number, Box::new(inner)), Term::Repeatable)
            }
            None => (inner, Term::Repeatable),
        })
    }

    /// `{n}`, `{n,}`, `{n,m}` from here on, without the opening brace: how long
    /// that is, and the bounds.
    fn bounds(&self) -> Option<(usize, u32, Option<u32>)> {
        let digits = |symbols: &[char]| symbols.iter().take_while(|symbol| symbol.is_ascii_digit()).count();
        // More than a program can have instructions.
        let number = |symbols: &[char]| {
            symbols
                .iter()
                .filter_map(|digit| digit.to_digit(10))
                .fold(0, |sum: u32, digit| sum.saturating_mul(10).saturating_add(digit).min(1_000_000))
        };
        let rest = self.rest();
        let (least, rest) = rest.split_at_checked(digits(rest))?;
        if least.is_empty() {
            return None;
        }
        match rest {
            ['}', ..] => Some((least.len() + 1, number(least), Some(number(least)))),
            [',', '}', ..] => Some((least.len() + 2, number(least), None)),
            [',', rest @ ..] => {
                let (most, behind) = rest.split_at_checked(digits(rest))?;
                let closed = !most.is_empty() && behind.first() == Some(&'}');
                closed.then(|| (least.len() + most.len() + 2, number(least), Some(number(most))))
            }
            _ => None,
        }
    }

    /// The node with the quantifier that comes next, if there is one.
    fn quantified(&mut self, node: Node, term: Term) -> Read<Node> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.at += 1;
                let bounds = self.bounds();
                self.at -= 1;
                // Otherwise it is a character.
                let Some((length, least, most)) = bounds else { return Ok(node) };
                self.at += length;
                if most.is_some_and(|most| most < least) {
                    return Err("numbers out of order in {} quantifier");
                }
                (least, most)
            }
            _ => return Ok(node),
        };
        self.at += 1;
        let lazy = self.take('?');
        Ok(match term {
            Term::Assertion => return Err("Nothing to repeat"),
            Term::Lookahead if least == 0 => Node::Empty,
            Term::Lookahead => node,
            Term::Repeatable => Node::Repeat { inner: Box::new(node), least, most, lazy },
        })
    }

    /// Behind a backslash, outside of a class.
    fn escape(&mut self) -> Read<(Node, Term)> {
        match self.peek() {
            None => return Err("\\ at end of pattern"),
            Some(letter @ ('b' | 'B')) => {
                self.at += 1;
                let boundary = Assertion::WordBoundary { negated: letter == 'B' };
                return Ok((Node::Assertion(boundary), Term::Assertion));
            }
            Some('k') if self.names.iter().any(Option::is_some) => {
                self.at += 1;
                let ['<', rest @ ..] = self.rest() else { return Err("Invalid named reference") };
                let name = group_name(rest).ok_or("Invalid named reference")?;
                let index = self.names.iter().position(|known| known.as_ref() == Some(&name));
                let index = index.ok_or("Invalid named capture referenced")?;
                self.at += name.chars().count() + 2;
                return Ok((self.reference(index + 1), Term::Repeatable));
            }
            Some('1'..='9') => {
                let digits = self.rest().iter().take_while(|symbol| symbol.is_ascii_digit());
                let digits: String = digits.collect();
                if let Ok(group) = digits.parse::<usize>()
                    && group <= self.names.len()
                {
                    self.at += digits.len();
                    return Ok((self.reference(group), Term::Repeatable));
                }
            }
            _ => {}
        }
        let node = match self.atom() {
            Atom::Character(code) => self.character(code),
            Atom::Set(set) => Node::Set(set),
        };
        Ok((node, Term::Repeatable))
    }

    /// A group that is not closed yet matches the empty text.
    fn reference(&self, group: usize) -> Node {
        match u32::try_from(group) {
            Ok(group) if !self.open.contains(&group) => Node::Reference { group, folding: self.folding },
            _ => Node::Empty,
        }
    }

    /// Behind a backslash, in a class or outside.
    fn atom(&mut self) -> Atom {
        let Some(symbol) = self.next() else { return Atom::Character(u32::from('\\')) };
        let code = match symbol {
            'd' => return Atom::Set(set::of(DIGITS)),
            'D' => return Atom::Set(set::without(set::of(DIGITS))),
            'w' => return Atom::Set(set::of(WORD)),
            'W' => return Atom::Set(set::without(set::of(WORD))),
            's' => return Atom::Set(set::of(SPACES)),
            'S' => return Atom::Set(set::without(set::of(SPACES))),
            't' => 0x09,
            'n' => 0x0A,
            'v' => 0x0B,
            'f' => 0x0C,
            'r' => 0x0D,
            'c' => match self.peek() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.at += 1;
                    u32::from(letter) % 32
                }
                // The backslash is a character, and so is what follows.
                _ => {
                    self.at -= 1;
                    u32::from('\\')
                }
            },
            '0'..='7' => self.octal(symbol),
            'x' => self.hexadecimal(2).unwrap_or(u32::from('x')),
            'u' => self.unit().unwrap_or(u32::from('u')),
            other => u32::from(other),
        };
        Atom::Character(code)
    }

    /// Up to three octal digits, up to 255.
    fn octal(&mut self, first: char) -> u32 {
        let mut code = first.to_digit(8).unwrap_or_default();
        while let Some(digit) = self.peek().and_then(|digit| digit.to_digit(8))
            && code * 8 + digit < 256
            && code < 32
        {
            code = code * 8 + digit;
            self.at += 1;
        }
        code
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        let text = self.rest().get(..digits)?;
        let code = text.iter().try_fold(0, |code, digit| Some(code * 16 + digit.to_digit(16)?))?;
        self.at += digits;
        Some(code)
    }

    /// A UTF-16 unit; two of them, where they are one character.
    fn unit(&mut self) -> Option<u32> {
        let high = self.hexadecimal(4)?;
        if !(0xD800..0xDC00).contains(&high) || !matches!(self.rest(), ['\\', 'u', ..]) {
            return Some(high);
        }
        let start = self.at;
        self.at += 2;
        if let Some(low @ 0xDC00..0xE000) = self.hexadecimal(4) {
            Some(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        } else {
            self.at = start;
            Some(high)
        }
    }

    fn character(&self, code: u32) -> Node {
        match (char::from_u32(code), self.folding) {
            (Some(character), None) => Node::Character(character),
            (Some(character), Some(_)) if !has_case(character) => Node::Character(character),
            _ => Node::Set(self.folded(set::of([(code, code)]))),
        }
    }

    fn folded(&self, set: Set) -> Set {
        match self.folding {
            Some(folding) => folding.closed(set),
            None => set,
        }
    }

    /// Behind the opening bracket.
    fn class(&mut self) -> Read<Node> {
        let negated = self.take('^');
        let (mut written, mut sets) = (Vec::new(), Set::empty());
        while !self.take(']') {
            let first = self.class_atom()?;
            let is_range = matches!(self.rest(), ['-', next, ..] if *next != ']');
            let first = match first {
                Atom::Set(set) => {
                    sets.union(&set);
                    continue;
                }
                Atom::Character(code) if !is_range => {
                    written.push((code, code));
                    continue;
                }
                Atom::Character(code) => code,
            };
            self.at += 1;
            match self.class_atom()? {
                Atom::Character(last) if last < first => {
                    return Err("Range out of order in character class");
                }
                Atom::Character(last) => written.push((first, last)),
                // With a set at its end, it is no range.
                Atom::Set(set) => {
                    written.extend([(first, first), (0x2D, 0x2D)]);
                    sets.union(&set);
                }
            }
        }
        let mut set = self.folded(set::of(written));
        set.union(&sets);
        if negated {
            set.negate();
        }
        Ok(Node::Set(set))
    }

    fn class_atom(&mut self) -> Read<Atom> {
        match self.next() {
            None => Err("Unterminated character class"),
            Some('\\') => match self.rest() {
                [] => Err("\\ at end of pattern"),
                ['b', ..] => {
                    self.at += 1;
                    Ok(Atom::Character(0x08))
                }
                ['c', digit, ..] if digit.is_ascii_digit() || *digit == '_' => {
                    let code = u32::from(*digit) % 32;
                    self.at += 2;
                    Ok(Atom::Character(code))
                }
                _ => Ok(self.atom()),
            },
            Some(symbol) => Ok(Atom::Character(u32::from(symbol))),
        }
    }
}

/// Whether a character may have another case. Those of ASCII that are no letters have none.
fn has_case(character: char) -> bool {
    !character.is_ascii() || character.is_ascii_alphabetic()
}
