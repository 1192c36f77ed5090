//! JavaScript's patterns, written in the syntax of the Rust crates.
//!
//! The grammar is that of `ECMAScript` with its Annex B, without the flag `u`: what
//! cannot be an escape or a quantifier is a character.

use std::fmt::Write as _;

use crate::limits;

/// `LineTerminator` of `ECMAScript`, as members of a class.
const LINE_ENDS: &str = r"\n\r\x{2028}\x{2029}";
const WORD: &str = "0-9A-Za-z_";
/// A class nothing is in.
const NOTHING: &str = "[a&&b]";

/// The members of a class, as ranges of characters.
type Ranges = Vec<(u32, u32)>;

const DIGITS: [(u32, u32); 1] = [(0x30, 0x39)];
const WORD_CHARACTERS: [(u32, u32); 4] = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)];
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

/// Which engine a pattern needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// Lookaround, backreferences, or a boundary only they can express.
    Backtracking,
}

#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    pub(super) needs: Needs,
    /// Capturing groups, by number only.
    pub(super) groups: usize,
}

/// The error is the reason, in the words of JavaScript.
pub(super) fn translate(pattern: &str, flags: &str) -> Result<Translated, &'static str> {
    let symbols: Vec<char> = pattern.chars().collect();
    let names = group_names(&symbols)?;
    let run = |needs| {
        let mut translator = Translator {
            symbols: &symbols,
            at: 0,
            names: &names,
            ignore_case: flags.contains('i'),
            multiline: flags.contains('m'),
            opened: 0,
            open: Vec::new(),
            needs,
            target: needs,
            output: String::with_capacity(2 * pattern.len()),
        };
        translator.alternatives(0)?;
        Ok::<_, &'static str>((translator.output, translator.needs))
    };
    let (output, needs) = run(Needs::Nothing)?;
    let pattern = if needs == Needs::Nothing { output } else { run(needs)?.0 };
    Ok(Translated { pattern, needs, groups: names.len() })
}

/// The capturing groups in order, with their names.
fn group_names(symbols: &[char]) -> Result<Vec<Option<String>>, &'static str> {
    let mut names: Vec<Option<String>> = Vec::new();
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
                    if names.iter().flatten().any(|known| *known == name) {
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
    let name: String = symbols.iter().take_while(|symbol| **symbol != '>').collect();
    let closed = symbols.len() > name.chars().count();
    let mut letters = name.chars();
    let starts = letters.next().is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$');
    let goes_on = letters.all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$');
    (closed && starts && goes_on).then_some(name)
}

struct Translator<'p> {
    symbols: &'p [char],
    at: usize,
    names: &'p [Option<String>],
    ignore_case: bool,
    multiline: bool,
    /// Capturing groups that were opened so far, and those not closed yet.
    opened: usize,
    open: Vec<usize>,
    /// What the pattern turned out to need.
    needs: Needs,
    /// What is written for.
    target: Needs,
    output: String,
}

/// What a term is, for the quantifier behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Term {
    Repeatable,
    /// Annex B repeats it, which changes nothing, or leaves it out.
    Lookahead,
    Assertion,
}

impl Translator<'_> {
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

    fn alternatives(&mut self, depth: usize) -> Result<(), &'static str> {
        if depth > limits::JSONATA_REGEX_DEPTH_MAX {
            return Err("Regular expression too large");
        }
        while let Some(symbol) = self.peek() {
            match symbol {
                '|' => {
                    self.at += 1;
                    self.output.push('|');
                }
                ')' if depth > 0 => return Ok(()),
                ')' => return Err("Unmatched ')'"),
                _ => {
                    let start = self.output.len();
                    let term = self.term(depth)?;
                    self.quantifier(start, term)?;
                }
            }
        }
        if depth > 0 { Err("Unterminated group") } else { Ok(()) }
    }

    fn term(&mut self, depth: usize) -> Result<Term, &'static str> {
        let Some(symbol) = self.next() else { return Ok(Term::Assertion) };
        match symbol {
            '^' if self.multiline => self.backtracking(&format!("(?<![^{LINE_ENDS}])")),
            '$' if self.multiline => self.backtracking(&format!("(?![^{LINE_ENDS}])")),
            '^' => self.output.push_str(r"\A"),
            '$' => self.output.push_str(r"\z"),
            '(' => return self.group(depth),
            '.' => {
                let _ = write!(self.output, "[^{LINE_ENDS}]");
                return Ok(Term::Repeatable);
            }
            '[' => {
                self.class()?;
                return Ok(Term::Repeatable);
            }
            '\\' => return self.escape(),
            '*' | '+' | '?' => return Err("Nothing to repeat"),
            '{' if self.bounds().is_some() => return Err("Nothing to repeat"),
            other => {
                self.character(u32::from(other));
                return Ok(Term::Repeatable);
            }
        }
        Ok(Term::Assertion)
    }

    /// Writes what only the backtracking engine understands.
    fn backtracking(&mut self, text: &str) {
        self.needs = Needs::Backtracking;
        self.output.push_str(text);
    }

    fn group(&mut self, depth: usize) -> Result<Term, &'static str> {
        let (length, opening, term) = match self.rest() {
            ['?', ':', ..] => (2, "(?:", Term::Repeatable),
            ['?', '=', ..] => (2, "(?=", Term::Lookahead),
            ['?', '!', ..] => (2, "(?!", Term::Lookahead),
            ['?', '<', '=', ..] => (3, "(?<=", Term::Assertion),
            ['?', '<', '!', ..] => (3, "(?<!", Term::Assertion),
            ['?', '<', rest @ ..] => {
                (rest.iter().take_while(|symbol| **symbol != '>').count() + 3, "(", Term::Repeatable)
            }
            ['?', ..] => return Err("Invalid group"),
            _ => (0, "(", Term::Repeatable),
        };
        self.at += length;
        if term != Term::Repeatable {
            self.needs = Needs::Backtracking;
        }
        let captures = opening == "(";
        if captures {
            self.opened += 1;
            self.open.push(self.opened);
        }
        self.output.push_str(opening);
        self.alternatives(depth + 1)?;
        self.at += 1;
        self.output.push(')');
        if captures {
            self.open.pop();
        }
        Ok(term)
    }

    /// `{n}`, `{n,}`, `{n,m}` from here on, without the opening brace: how long
    /// that is, and the bounds.
    fn bounds(&self) -> Option<(usize, u32, Option<u32>)> {
        let digits = |symbols: &[char]| symbols.iter().take_while(|symbol| symbol.is_ascii_digit()).count();
        // More than any text is long; the crates refuse larger ones.
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

    /// `start` is where the term starts in the output.
    fn quantifier(&mut self, start: usize, term: Term) -> Result<(), &'static str> {
        let (least, quantifier) = match self.peek() {
            Some(symbol @ ('*' | '+' | '?')) => {
                self.at += 1;
                (u32::from(symbol == '+'), symbol.to_string())
            }
            Some('{') => {
                self.at += 1;
                let Some((length, least, most)) = self.bounds() else {
                    // No quantifier, so a character.
                    self.at -= 1;
                    return Ok(());
                };
                self.at += length;
                match most {
                    Some(most) if most < least => return Err("numbers out of order in {} quantifier"),
                    Some(most) => (least, format!("{{{least},{most}}}")),
                    None => (least, format!("{{{least},}}")),
                }
            }
            _ => return Ok(()),
        };
        let lazy = self.take('?');
        match term {
            Term::Assertion => return Err("Nothing to repeat"),
            // Its groups stay, so that they keep their numbers.
            Term::Lookahead if least == 0 => {
                self.output.insert_str(start, "(?:|");
                self.output.push(')');
            }
            Term::Lookahead => {}
            Term::Repeatable => {
                self.output.push_str(&quantifier);
                self.output.push_str(if lazy { "?" } else { "" });
            }
        }
        Ok(())
    }

    /// Behind a backslash, outside of a class.
    fn escape(&mut self) -> Result<Term, &'static str> {
        match self.peek() {
            None => return Err("\\ at end of pattern"),
            Some('b') => {
                self.at += 1;
                if self.target == Needs::Nothing {
                    self.output.push_str(r"(?-u:\b)");
                } else {
                    let boundary = format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))");
                    self.output.push_str(&boundary);
                }
                return Ok(Term::Assertion);
            }
            Some('B') => {
                self.at += 1;
                let inside = format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))");
                self.backtracking(&inside);
                return Ok(Term::Assertion);
            }
            Some('k') if self.names.iter().any(Option::is_some) => {
                self.at += 1;
                let ['<', rest @ ..] = self.rest() else { return Err("Invalid named reference") };
                let name = group_name(rest).ok_or("Invalid named reference")?;
                let index = self.names.iter().position(|known| known.as_ref() == Some(&name));
                let index = index.ok_or("Invalid named capture referenced")?;
                self.at += name.chars().count() + 2;
                self.backreference(index + 1);
                return Ok(Term::Repeatable);
            }
            Some('1'..='9') => {
                let digits = self.rest().iter().take_while(|symbol| symbol.is_ascii_digit());
                let digits: String = digits.collect();
                if let Ok(group) = digits.parse::<usize>()
                    && group <= self.names.len()
                {
                    self.at += digits.len();
                    self.backreference(group);
                    return Ok(Term::Repeatable);
                }
            }
            _ => {}
        }
        match self.atom() {
            Atom::Character(code) => self.character(code),
            Atom::Set(ranges) => self.ranges(&ranges, false),
        }
        Ok(Term::Repeatable)
    }

    /// A group that took no part, or is not closed yet, matches the empty text.
    fn backreference(&mut self, group: usize) {
        if self.open.contains(&group) {
            self.output.push_str("(?:)");
            return;
        }
        let text = if self.ignore_case {
            format!(r"(?:(?({group})(?i:\{group})))")
        } else {
            format!(r"(?:(?({group})\{group}))")
        };
        self.backtracking(&text);
    }

    /// Behind a backslash, in a class or outside: what stands for a character or a set of them.
    fn atom(&mut self) -> Atom {
        let Some(symbol) = self.next() else { return Atom::Character(u32::from('\\')) };
        let code = match symbol {
            'd' => return Atom::Set(DIGITS.to_vec()),
            'D' => return Atom::Set(complement(&DIGITS)),
            'w' => return Atom::Set(WORD_CHARACTERS.to_vec()),
            'W' => return Atom::Set(complement(&WORD_CHARACTERS)),
            's' => return Atom::Set(SPACES.to_vec()),
            'S' => return Atom::Set(complement(&SPACES)),
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

    fn character(&mut self, code: u32) {
        self.ranges(&vec![(code, code)], true);
    }

    /// Behind the opening bracket.
    fn class(&mut self) -> Result<(), &'static str> {
        let negated = self.take('^');
        let (mut written, mut sets) = (Ranges::new(), Ranges::new());
        loop {
            if self.take(']') {
                break;
            }
            let first = self.class_atom()?;
            let is_range = matches!(self.rest(), ['-', next, ..] if *next != ']');
            let (Atom::Character(first), true) = (&first, is_range) else {
                first.add_to(&mut written, &mut sets);
                continue;
            };
            self.at += 1;
            match self.class_atom()? {
                Atom::Character(last) if last < *first => {
                    return Err("Range out of order in character class");
                }
                Atom::Character(last) => written.push((*first, last)),
                // With a set at its end, it is no range.
                set @ Atom::Set(_) => {
                    written.extend([(*first, *first), (0x2D, 0x2D)]);
                    set.add_to(&mut written, &mut sets);
                }
            }
        }
        self.write_class(negated, written, &sets);
        Ok(())
    }

    fn class_atom(&mut self) -> Result<Atom, &'static str> {
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

    fn write_class(&mut self, negated: bool, written: Ranges, sets: &Ranges) {
        let folds = self.ignore_case;
        if !negated {
            // Letters of other alphabets fold by themselves, so that no ASCII letter joins them.
            let (ascii, other): (Ranges, Ranges) =
                if folds { split_ascii(&written) } else { (written, Ranges::new()) };
            let mut ascii = if folds { with_both_cases(&ascii) } else { ascii };
            ascii.extend(sets);
            match (ascii.is_empty(), other.is_empty()) {
                (true, true) => self.output.push_str(NOTHING),
                (false, true) => self.members(&ascii, ""),
                (true, false) => self.folded(&other),
                (false, false) => {
                    self.output.push_str("(?:");
                    self.members(&ascii, "");
                    self.output.push('|');
                    self.folded(&other);
                    self.output.push(')');
                }
            }
            return;
        }
        let (ascii, other) = if folds { split_ascii(&written) } else { (written, Ranges::new()) };
        let mut members = if folds { with_both_cases(&ascii) } else { ascii };
        let folded = !other.is_empty();
        members.extend(other);
        members.extend(sets);
        if folded {
            self.output.push_str("(?i:");
        }
        if members.is_empty() {
            self.output.push_str("(?s:.)");
        } else {
            self.members(&members, "^");
        }
        if folded {
            self.output.push(')');
        }
    }

    fn folded(&mut self, ranges: &Ranges) {
        self.output.push_str("(?i:");
        self.members(ranges, "");
        self.output.push(')');
    }

    /// A set that is no class of the pattern; a character of it folds.
    fn ranges(&mut self, ranges: &Ranges, folds: bool) {
        if folds {
            self.write_class(false, ranges.clone(), &Ranges::new());
        } else {
            self.members(ranges, "");
        }
    }

    /// Writes a class. Surrogates are no characters in Rust.
    fn members(&mut self, ranges: &Ranges, negation: &str) {
        let parts = ranges
            .iter()
            .flat_map(|(first, last)| [(*first, (*last).min(0xD7FF)), ((*first).max(0xE000), *last)]);
        let parts: Vec<(u32, u32)> = parts.filter(|(first, last)| first <= last).collect();
        match parts.as_slice() {
            [] if negation.is_empty() => self.output.push_str(NOTHING),
            [] => self.output.push_str("(?s:.)"),
            [(first, last)] if first == last && negation.is_empty() => self.code(*first),
            parts => {
                self.output.push('[');
                self.output.push_str(negation);
                for (first, last) in parts {
                    self.code(*first);
                    if last > first {
                        self.output.push('-');
                        self.code(*last);
                    }
                }
                self.output.push(']');
            }
        }
    }

    fn code(&mut self, code: u32) {
        match char::from_u32(code) {
            Some(symbol) if symbol.is_ascii_alphanumeric() => self.output.push(symbol),
            _ => {
                let _ = write!(self.output, "\\x{{{code:X}}}");
            }
        }
    }
}

enum Atom {
    Character(u32),
    Set(Ranges),
}

impl Atom {
    fn add_to(self, written: &mut Ranges, sets: &mut Ranges) {
        match self {
            Self::Character(code) => written.push((code, code)),
            Self::Set(ranges) => sets.extend(ranges),
        }
    }
}

/// All other characters. The ranges are in order.
fn complement(ranges: &[(u32, u32)]) -> Ranges {
    let mut from = 0;
    let mut others = Ranges::new();
    for (first, last) in ranges {
        if from < *first {
            others.push((from, first - 1));
        }
        from = last + 1;
    }
    others.push((from, u32::from(char::MAX)));
    others
}

/// ASCII, and the letters that only Rust takes for ASCII ones; and the rest.
fn split_ascii(ranges: &Ranges) -> (Ranges, Ranges) {
    /// `ſ` and the Kelvin sign: JavaScript does not fold them into `s` and `k`.
    const UNFOLDED: [u32; 2] = [0x17F, 0x212A];
    let (mut ascii, mut other) = (Ranges::new(), Ranges::new());
    for (first, last) in ranges {
        if *first < 0x80 {
            ascii.push((*first, (*last).min(0x7F)));
        }
        let mut from = (*first).max(0x80);
        for code in UNFOLDED {
            if !(from..=*last).contains(&code) {
                continue;
            }
            ascii.push((code, code));
            if from < code {
                other.push((from, code - 1));
            }
            from = code + 1;
        }
        if from <= *last {
            other.push((from, *last));
        }
    }
    (ascii, other)
}

/// With the other case of each ASCII letter.
fn with_both_cases(ranges: &Ranges) -> Ranges {
    let mut both = ranges.clone();
    for (first, last) in ranges {
        for (low, high, other) in [(0x41, 0x5A, 0x61), (0x61, 0x7A, 0x41)] {
            let (from, to) = ((*first).max(low), (*last).min(high));
            if from <= to {
                both.push((from - low + other, to - low + other));
            }
        }
    }
    both
}
