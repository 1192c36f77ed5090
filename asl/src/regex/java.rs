//! Java's patterns, as the documentation of `java.util.regex.Pattern` defines
//! them; whole texts are matched (`Matcher.matches`).
//!
//! Refused, as this engine has nothing for it: `\X`, `\N{…}`, `\b{g}`, blocks
//! (`\p{InGreek}`), quantifiers of quantifiers, a backreference within its own
//! group. What Java refuses is refused with its description of the error.

mod class;
#[cfg(test)]
mod tests;

use super::set::{self, Folding, Set};
use super::tree::{Assertion, LineEnds, Node, Tree};
use super::{Purpose, Refusal, TOO_LARGE};
use crate::limits;

type Read<T> = Result<T, Refusal>;

const REPETITION: Refusal = "Illegal repetition";
const DANGLING: Refusal = "Dangling meta character";
const ESCAPE: Refusal = "Illegal/unsupported escape sequence";
const GROUP: Refusal = "Unclosed group";
const UNSUPPORTED: Refusal = "Unsupported construct";

/// The flags that are on, by their letters within `(?…)`.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "Java has seven flags")]
struct Flags {
    ignore_case: bool,
    unix_lines: bool,
    multiline: bool,
    dot_all: bool,
    unicode_case: bool,
    comments: bool,
    unicode_classes: bool,
    purpose: Purpose,
}

impl Flags {
    fn set(&mut self, letter: char, on: bool) -> Read<()> {
        match letter {
            'i' => self.ignore_case = on,
            'd' => self.unix_lines = on,
            'm' => self.multiline = on,
            's' => self.dot_all = on,
            'u' => self.unicode_case = on,
            'x' => self.comments = on,
            'U' => {
                self.unicode_classes = on;
                self.unicode_case = on;
            }
            _ => return Err("Unknown inline modifier"),
        }
        Ok(())
    }

    const fn line_ends(self) -> LineEnds {
        if self.unix_lines { LineEnds::Unix } else { LineEnds::Java }
    }

    const fn folding(self) -> Option<Folding> {
        match (self.ignore_case, self.unicode_case) {
            (false, _) => None,
            _ if matches!(self.purpose, Purpose::Check) => None,
            (true, false) => Some(Folding::Ascii),
            (true, true) => Some(Folding::Unicode),
        }
    }

    fn folded(self, set: Set) -> Set {
        match self.folding() {
            Some(folding) => folding.closed(set),
            None => set,
        }
    }
}

/// Reads a pattern that has to match the whole of a text.
pub(super) fn read(pattern: &str, letters: &str, purpose: Purpose) -> Read<Tree> {
    let mut flags = Flags { purpose, ..Flags::default() };
    for letter in letters.chars() {
        flags.set(letter, true)?;
    }
    let mut reader = Reader {
        symbols: symbols(pattern),
        at: 0,
        flags,
        names: vec![None],
        open: Vec::new(),
        class_depth: 0,
    };
    let node = reader.alternatives(0)?;
    let edge = |assertion| Node::Assertion(assertion);
    let node = Node::Sequence(vec![edge(Assertion::TextStart), node, edge(Assertion::TextEnd)]);
    Ok(Tree { node, groups: reader.names.len() - 1 })
}

/// A character of the pattern; those between `\Q` and `\E` stand for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Plain(char),
    Quoted(char),
}

fn symbols(pattern: &str) -> Vec<Symbol> {
    let mut symbols = Vec::with_capacity(pattern.len());
    let mut quoted = false;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some('E')) if quoted => {
                characters.next();
                quoted = false;
            }
            (character, _) if quoted => symbols.push(Symbol::Quoted(character)),
            ('\\', Some('Q')) => {
                characters.next();
                quoted = true;
            }
            ('\\', Some(next)) => {
                symbols.extend([Symbol::Plain('\\'), Symbol::Plain(*next)]);
                characters.next();
            }
            (character, _) => symbols.push(Symbol::Plain(character)),
        }
    }
    symbols
}

struct Reader {
    symbols: Vec<Symbol>,
    at: usize,
    flags: Flags,
    /// By number, from the match itself on.
    names: Vec<Option<String>>,
    /// Groups that are not closed yet.
    open: Vec<u32>,
    class_depth: usize,
}

impl Reader {
    /// The next symbol that counts.
    fn peek(&mut self) -> Option<Symbol> {
        if self.flags.comments {
            self.skip_comments();
        }
        self.symbols.get(self.at).copied()
    }

    /// Blanks are those of ASCII; a comment ends with its line.
    fn skip_comments(&mut self) {
        let ends = self.flags.line_ends().characters();
        let mut in_comment = false;
        while let Some(Symbol::Plain(symbol)) = self.symbols.get(self.at).copied() {
            in_comment = (in_comment || symbol == '#') && !ends.contains(&symbol);
            if !in_comment && !matches!(symbol, ' ' | '\t'..='\r') && !ends.contains(&symbol) {
                return;
            }
            self.at += 1;
        }
    }

    fn next(&mut self) -> Option<Symbol> {
        let symbol = self.peek()?;
        self.at += 1;
        Some(symbol)
    }

    /// The next character, whatever it stands for; comments are none here.
    fn raw(&mut self) -> Option<char> {
        let (Symbol::Plain(character) | Symbol::Quoted(character)) = self.symbols.get(self.at).copied()?;
        self.at += 1;
        Some(character)
    }

    fn take(&mut self, symbol: char) -> bool {
        let found = self.peek() == Some(Symbol::Plain(symbol));
        self.at += usize::from(found);
        found
    }

    /// The characters up to one that ends them, which is taken, too.
    fn until(&mut self, end: char) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.raw()? {
                character if character == end => return Some(text),
                character => text.push(character),
            }
        }
    }

    /// Up to the end, or the parenthesis that closes the group, which stays.
    fn alternatives(&mut self, depth: usize) -> Read<Node> {
        if depth > limits::REGEX_DEPTH_MAX {
            return Err(TOO_LARGE);
        }
        let (mut alternatives, mut sequence) = (Vec::new(), Vec::new());
        loop {
            match self.peek() {
                Some(Symbol::Plain('|')) => {
                    self.at += 1;
                    alternatives.push(Node::sequence(std::mem::take(&mut sequence)));
                }
                Some(Symbol::Plain(')')) if depth == 0 => return Err("Unmatched closing ')'"),
                None if depth > 0 => return Err(GROUP),
                Some(Symbol::Plain(')')) | None => {
                    alternatives.push(Node::sequence(sequence));
                    return Ok(Node::choice(alternatives));
                }
                Some(_) => {
                    let atom = self.atom(depth)?;
                    let node = match atom {
                        Some(node) => self.quantified(node)?,
                        None => continue,
                    };
                    sequence.push(node);
                }
            }
        }
    }

    /// Nothing for flags, which hold up to the end of their group.
    fn atom(&mut self, depth: usize) -> Read<Option<Node>> {
        let symbol = match self.next() {
            Some(Symbol::Plain(symbol)) => symbol,
            Some(Symbol::Quoted(symbol)) => return Ok(Some(self.character(symbol))),
            None => return Ok(Some(Node::Empty)),
        };
        let ends = self.flags.line_ends();
        Ok(Some(match symbol {
            '^' if self.flags.multiline => Node::Assertion(Assertion::LineStart(ends)),
            '^' => Node::Assertion(Assertion::TextStart),
            '$' if self.flags.multiline => Node::Assertion(Assertion::LineEnd(ends)),
            '$' => Node::Assertion(Assertion::LastLineEnd(ends)),
            '.' if self.flags.dot_all => Node::Set(set::without(Set::empty())),
            '.' => Node::Set(set::without(set::of_characters(ends.characters()))),
            '[' => Node::Set(self.class()?),
            '(' => return self.group(depth),
            '\\' => self.escape()?,
            '*' | '+' | '?' => return Err(DANGLING),
            '{' => return Err(REPETITION),
            other => self.character(other),
        }))
    }

    fn character(&self, character: char) -> Node {
        match self.flags.folding() {
            None => Node::Character(character),
            Some(folding) => Node::Set(folding.closed(set::of_characters(&[character]))),
        }
    }

    fn group(&mut self, depth: usize) -> Read<Option<Node>> {
        // What is between the parenthesis and the kind of a group is taken as it stands.
        if self.symbols.get(self.at) != Some(&Symbol::Plain('?')) {
            return self.capture(depth, None).map(Some);
        }
        self.at += 1;
        let flags = self.flags;
        let kind = self.raw().ok_or("Unknown inline modifier")?;
        let (behind, negated) = match kind {
            ':' => return self.inner(depth).map(Some),
            '>' => return Ok(Some(Node::Atomic(Box::new(self.inner(depth)?)))),
            '=' => (false, false),
            '!' => (false, true),
            '<' => match self.raw() {
                Some('=') => (true, false),
                Some('!') => (true, true),
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.at -= 1;
                    let name = self.name()?;
                    if self.names.contains(&Some(name.clone())) {
                        return Err("Named capturing group is already defined");
                    }
                    return self.capture(depth, Some(name)).map(Some);
                }
                _ => return Err("Unknown look-behind group"),
            },
            _ => {
                self.at -= 1;
                if self.inline_flags()? == ')' {
                    // Up to the end of the group around it.
                    return Ok(None);
                }
                let inner = self.alternatives(depth + 1)?;
                self.at += 1;
                self.flags = flags;
                return Ok(Some(inner));
            }
        };
        let inner = self.inner(depth)?;
        if behind && inner.longest().is_none() {
            return Err("Look-behind group does not have an obvious maximum length");
        }
        Ok(Some(Node::look(inner, behind, negated)))
    }

    /// What is in a group, with its end. Flags that are set in it end with it.
    fn inner(&mut self, depth: usize) -> Read<Node> {
        let flags = self.flags;
        let inner = self.alternatives(depth + 1)?;
        self.at += 1;
        self.flags = flags;
        Ok(inner)
    }

    fn capture(&mut self, depth: usize, name: Option<String>) -> Read<Node> {
        let number = u32::try_from(self.names.len()).map_err(|_| TOO_LARGE)?;
        self.names.push(name);
        self.open.push(number);
        let inner = self.inner(depth)?;
        self.open.pop();
        Ok(Node::Group(number, Box::new(inner)))
    }

    /// The name of a group, with the `>` behind it.
    fn name(&mut self) -> Read<String> {
        let name = self.until('>').unwrap_or_default();
        let starts = name.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if starts && name.bytes().all(|letter| letter.is_ascii_alphanumeric()) {
            return Ok(name);
        }
        Err("named capturing group is missing trailing '>'")
    }

    /// `idmsuxU-idmsuxU` and what ends them.
    fn inline_flags(&mut self) -> Read<char> {
        let mut on = true;
        loop {
            match self.raw().ok_or("Unknown inline modifier")? {
                '-' if on => on = false,
                end @ (')' | ':') => return Ok(end),
                letter => self.flags.set(letter, on)?,
            }
        }
    }

    /// The node with the quantifier that comes next, if there is one.
    fn quantified(&mut self, node: Node) -> Read<Node> {
        let (least, most) = match self.peek() {
            Some(Symbol::Plain('*')) => (0, None),
            Some(Symbol::Plain('+')) => (1, None),
            Some(Symbol::Plain('?')) => (0, Some(1)),
            Some(Symbol::Plain('{')) => {
                self.at += 1;
                let bounds = self.until('}').ok_or("Unclosed counted closure")?;
                self.at -= 1;
                counted(&bounds)?
            }
            _ => return Ok(node),
        };
        self.at += 1;
        let possessive = self.take('+');
        let lazy = !possessive && self.take('?');
        let node = Node::Repeat { inner: Box::new(node), least, most, lazy };
        Ok(if possessive { Node::Atomic(Box::new(node)) } else { node })
    }

    /// Behind a backslash, outside of a class.
    fn escape(&mut self) -> Read<Node> {
        let letter = self.raw().ok_or("Unexpected internal error")?;
        let ends = self.flags.line_ends();
        Ok(match letter {
            'A' | 'G' => Node::Assertion(Assertion::TextStart),
            'z' => Node::Assertion(Assertion::TextEnd),
            'Z' => Node::Assertion(Assertion::LastLineEnd(ends)),
            'b' if self.symbols.get(self.at) == Some(&Symbol::Plain('{')) => return Err(UNSUPPORTED),
            'b' | 'B' => self.boundary(letter == 'B'),
            'R' => {
                let pair = Node::Sequence(vec![Node::Character('\r'), Node::Character('\n')]);
                Node::Choice(vec![pair, Node::Set(class::vertical_space())])
            }
            'k' => {
                if self.raw() != Some('<') {
                    return Err("\\k is not followed by '<' for named capturing group");
                }
                let name = self.name()?;
                let number = self.names.iter().position(|known| known.as_ref() == Some(&name));
                self.reference(number.ok_or("named capturing group does not exist")?)?
            }
            '1'..='9' => {
                let mut number = letter.to_digit(10).unwrap_or_default() as usize;
                // More digits belong to it as long as there is such a group.
                while let Some(Symbol::Plain(digit @ '0'..='9')) = self.symbols.get(self.at).copied() {
                    let longer = number * 10 + digit.to_digit(10).unwrap_or_default() as usize;
                    if longer >= self.names.len() {
                        break;
                    }
                    number = longer;
                    self.at += 1;
                }
                self.reference(number)?
            }
            _ => {
                self.at -= 1;
                match self.escaped()? {
                    class::Escaped::Character(character) => self.character(character),
                    class::Escaped::Set(set) => Node::Set(set),
                }
            }
        })
    }

    /// A reference to a group that is not there, or not yet, never matches.
    fn reference(&self, number: usize) -> Read<Node> {
        let group = u32::try_from(number).map_err(|_| TOO_LARGE)?;
        if self.open.contains(&group) {
            return Err(UNSUPPORTED);
        }
        if number >= self.names.len() {
            return Ok(Node::Set(Set::empty()));
        }
        Ok(Node::Reference { group, folding: self.flags.folding() })
    }

    /// As of Java 19 the words of `\b` are those of `\w`.
    fn boundary(&self, negated: bool) -> Node {
        if !self.flags.unicode_classes {
            return Node::Assertion(Assertion::WordBoundary { negated });
        }
        let word = Node::Set(class::word(self.flags));
        let look = |behind, negated| Node::look(word.clone(), behind, negated);
        let at = |before: bool, next: bool| Node::Sequence(vec![look(true, !before), look(false, !next)]);
        Node::Choice(vec![at(true, negated), at(false, !negated)])
    }
}

/// The bounds of `{n}`, `{n,}`, `{n,m}`.
fn counted(bounds: &str) -> Read<(u32, Option<u32>)> {
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number = digits.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
        number.filter(|_| is_number).ok_or(REPETITION)
    };
    let (least, most) = match bounds.split_once(',') {
        None => (number(bounds)?, Some(number(bounds)?)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    if most.is_some_and(|most| most < least) { Err("Illegal repetition range") } else { Ok((least, most)) }
}
