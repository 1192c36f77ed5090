//! Classes of characters: `[…]`, the predefined ones, POSIX, and the properties of Unicode.

use super::super::set::{self, Set};
use super::{ESCAPE, Flags, Read, Reader, Symbol, UNSUPPORTED};
use crate::limits;
use crate::regex::TOO_LARGE;

const CLASS: &str = "Unclosed character class";
const PROPERTY: &str = "Unknown character property name";

/// What stands behind a backslash.
pub(super) enum Escaped {
    Character(char),
    Set(Set),
}

/// `\h`
fn horizontal_space() -> Set {
    set::of([
        (0x09, 0x09),
        (0x20, 0x20),
        (0xA0, 0xA0),
        (0x1680, 0x1680),
        (0x180E, 0x180E),
        (0x2000, 0x200A),
        (0x202F, 0x202F),
        (0x205F, 0x205F),
        (0x3000, 0x3000),
    ])
}

/// `\v`, and what `\R` matches beside `\r\n`.
pub(super) fn vertical_space() -> Set {
    set::of([(0x0A, 0x0D), (0x85, 0x85), (0x2028, 0x2029)])
}

/// `\d`
fn digit(flags: Flags) -> Set {
    unicode(flags, "Nd").unwrap_or_else(|| set::of([(0x30, 0x39)]))
}

/// `\s`
fn space(flags: Flags) -> Set {
    unicode(flags, "White_Space").unwrap_or_else(|| set::of([(0x09, 0x0D), (0x20, 0x20)]))
}

/// `\w`
pub(super) fn word(flags: Flags) -> Set {
    if !flags.unicode_classes {
        return ascii("Alnum").map_or_else(Set::empty, |mut set| {
            set.union(&set::of_characters(&['_']));
            set
        });
    }
    union(&["Alphabetic", "Mn", "Me", "Mc", "Nd", "Pc", "Join_Control"])
}

fn unicode(flags: Flags, name: &str) -> Option<Set> {
    flags.unicode_classes.then(|| set::property(name)).flatten()
}

fn union(names: &[&str]) -> Set {
    names.iter().filter_map(|name| set::property(name)).fold(Set::empty(), |mut all, set| {
        all.union(&set);
        all
    })
}

/// The POSIX classes: ASCII only.
fn ascii(name: &str) -> Option<Set> {
    Some(set::of(match name {
        "Lower" => vec![(0x61, 0x7A)],
        "Upper" => vec![(0x41, 0x5A)],
        "ASCII" => vec![(0, 0x7F)],
        "Alpha" => vec![(0x41, 0x5A), (0x61, 0x7A)],
        "Digit" => vec![(0x30, 0x39)],
        "Alnum" => vec![(0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)],
        "Punct" => vec![(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)],
        "Graph" => vec![(0x21, 0x7E)],
        "Print" => vec![(0x20, 0x7E)],
        "Blank" => vec![(0x09, 0x09), (0x20, 0x20)],
        "Cntrl" => vec![(0, 0x1F), (0x7F, 0x7F)],
        "XDigit" => vec![(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)],
        "Space" => vec![(0x09, 0x0D), (0x20, 0x20)],
        _ => return None,
    }))
}

/// The POSIX classes with `UNICODE_CHARACTER_CLASS`: those of UTS #18, annex C.
fn posix_of_unicode(name: &str) -> Option<Set> {
    let without = |all: Set, others: &[&str]| {
        let mut set = all;
        set.difference(&union(others));
        set
    };
    let all = || set::without(Set::empty());
    Some(match name {
        "Lower" => union(&["Lowercase"]),
        "Upper" => union(&["Uppercase"]),
        "Alpha" => union(&["Alphabetic"]),
        "Digit" => union(&["Nd"]),
        "Alnum" => union(&["Alphabetic", "Nd"]),
        "Punct" => union(&["P"]),
        "Graph" => without(all(), &["White_Space", "Cc", "Cs", "Cn"]),
        "Print" => {
            let mut set = without(all(), &["White_Space", "Cc", "Cs", "Cn"]);
            set.union(&without(union(&["White_Space"]), &["Zl", "Zp", "Cc"]));
            set
        }
        "Blank" => {
            let mut set = union(&["Zs"]);
            set.union(&set::of_characters(&['\t']));
            set
        }
        "Cntrl" => union(&["Cc"]),
        "XDigit" => union(&["Nd", "Hex_Digit"]),
        "Space" => union(&["White_Space"]),
        _ => return None,
    })
}

/// The general categories, and the groups of them.
const CATEGORIES: [&str; 37] = [
    "C", "Cc", "Cf", "Cn", "Co", "Cs", "L", "LC", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N",
    "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl",
    "Zp",
];

/// The binary properties that Java knows, without regard to case: its name of one, and that of Unicode.
const BINARY: [(&str, &str); 19] = [
    ("alphabetic", "Alphabetic"),
    ("ideographic", "Ideographic"),
    ("letter", "L"),
    ("lowercase", "Lowercase"),
    ("uppercase", "Uppercase"),
    ("titlecase", "Lt"),
    ("punctuation", "P"),
    ("control", "Cc"),
    ("white_space", "White_Space"),
    ("whitespace", "White_Space"),
    ("digit", "Nd"),
    ("hex_digit", "Hex_Digit"),
    ("hexdigit", "Hex_Digit"),
    ("join_control", "Join_Control"),
    ("joincontrol", "Join_Control"),
    ("noncharacter_code_point", "Noncharacter_Code_Point"),
    ("noncharactercodepoint", "Noncharacter_Code_Point"),
    ("emoji", "Emoji"),
    ("extended_pictographic", "Extended_Pictographic"),
];

fn category(name: &str) -> Option<Set> {
    match name {
        "Zs" => set::property("Zs"),
        "LC" => Some(union(&["Lu", "Ll", "Lt"])),
        "LD" => Some(union(&["L", "Nd"])),
        "L1" => Some(set::of([(0, 0xFF)])),
        "all" => Some(set::without(Set::empty())),
        // No character is a surrogate here.
        "Cs" => Some(Set::empty()),
        name => CATEGORIES.contains(&name).then(|| set::property(name)).flatten(),
    }
}

fn binary(name: &str) -> Option<Set> {
    let lower = name.to_ascii_lowercase();
    if lower == "assigned" {
        return set::property("Cn").map(set::without);
    }
    let known = BINARY.iter().find(|(known, _)| *known == lower)?;
    set::property(known.1)
}

/// The methods of `java.lang.Character` that only ask for properties of Unicode.
fn method(name: &str) -> Option<Set> {
    Some(match name {
        "javaLowerCase" => union(&["Lowercase"]),
        "javaUpperCase" => union(&["Uppercase"]),
        "javaTitleCase" => union(&["Lt"]),
        "javaAlphabetic" => union(&["Alphabetic"]),
        "javaIdeographic" => union(&["Ideographic"]),
        "javaLetter" => union(&["L"]),
        "javaDigit" => union(&["Nd"]),
        "javaLetterOrDigit" => union(&["L", "Nd"]),
        "javaDefined" => set::without(union(&["Cn"])),
        "javaSpaceChar" => union(&["Z"]),
        "javaISOControl" => set::of([(0, 0x1F), (0x7F, 0x9F)]),
        "javaWhitespace" => {
            let mut set = union(&["Z"]);
            set.difference(&set::of_characters(&['\u{A0}', '\u{2007}', '\u{202F}']));
            set.union(&set::of([(0x09, 0x0D), (0x1C, 0x1F)]));
            set
        }
        _ => return None,
    })
}

/// What `\p{…}` names.
fn property(name: &str, flags: Flags) -> Option<Set> {
    /// Where case is ignored, letters of one case are those of each.
    const CASES: [&str; 9] = [
        "Lower",
        "Upper",
        "Lu",
        "Ll",
        "Lt",
        "javaLowerCase",
        "javaUpperCase",
        "javaTitleCase",
        "IsTitlecase",
    ];
    let is_case = |name: &str| CASES.contains(&name) || matches!(name, "IsLowercase" | "IsUppercase");
    if flags.ignore_case && is_case(name) {
        let posix = matches!(name, "Lower" | "Upper") && !flags.unicode_classes;
        return if posix { ascii("Alpha") } else { Some(union(&["Lowercase", "Uppercase", "Lt"])) };
    }
    if let Some((key, value)) = name.split_once('=') {
        return match key.to_ascii_lowercase().as_str() {
            "script" | "sc" => script(value),
            "general_category" | "gc" => category(value),
            _ => None,
        };
    }
    if let Some(rest) = name.strip_prefix("Is") {
        return binary(rest).or_else(|| category(rest)).or_else(|| script(rest));
    }
    let posix = flags.unicode_classes.then(|| posix_of_unicode(name)).flatten();
    posix.or_else(|| ascii(name)).or_else(|| category(name)).or_else(|| method(name))
}

fn script(name: &str) -> Option<Set> {
    set::property(&format!("script={name}"))
}

impl Reader {
    /// Behind the opening bracket: operands of intersections, each a union.
    pub(super) fn class(&mut self) -> Read<Set> {
        self.class_depth += 1;
        if self.class_depth > limits::REGEX_DEPTH_MAX {
            return Err(TOO_LARGE);
        }
        let negated = self.take('^');
        let mut whole: Option<Set> = None;
        loop {
            let (operand, closed) = self.operand(whole.is_none())?;
            whole = Some(match whole {
                None => operand,
                Some(mut set) => {
                    set.intersect(&operand);
                    set
                }
            });
            if closed {
                break;
            }
        }
        self.class_depth -= 1;
        let set = whole.unwrap_or_else(Set::empty);
        Ok(if negated { set::without(set) } else { set })
    }

    /// Up to `&&` or the end of the class; whether it was the end.
    fn operand(&mut self, is_first: bool) -> Read<(Set, bool)> {
        let mut set = Set::empty();
        let mut written = Vec::new();
        let mut is_empty = true;
        let closed = loop {
            let symbol = self.next().ok_or(CLASS)?;
            let first = match symbol {
                // Nothing to close yet, so a character.
                Symbol::Plain(']') if !is_empty || !is_first => break true,
                Symbol::Plain('&') if self.symbols.get(self.at) == Some(&Symbol::Plain('&')) => {
                    self.at += 1;
                    break false;
                }
                Symbol::Plain('[') => {
                    set.union(&self.class()?);
                    is_empty = false;
                    continue;
                }
                Symbol::Plain('\\') => match self.escaped()? {
                    Escaped::Set(escaped) => {
                        set.union(&escaped);
                        is_empty = false;
                        continue;
                    }
                    Escaped::Character(character) => character,
                },
                Symbol::Plain(character) | Symbol::Quoted(character) => character,
            };
            is_empty = false;
            let last = self.range_end(first)?;
            written.push((u32::from(first), u32::from(last)));
        };
        if is_empty {
            // Java takes the other operand alone, depending on where the gap is.
            return Err(UNSUPPORTED);
        }
        set.union(&self.flags.folded(set::of(written)));
        Ok((set, closed))
    }

    /// The last character of a range, or the first where it is none.
    fn range_end(&mut self, first: char) -> Read<char> {
        if self.peek() != Some(Symbol::Plain('-')) {
            return Ok(first);
        }
        let start = self.at;
        self.at += 1;
        let last = match self.next().ok_or("Illegal character range")? {
            // The minus stands for itself.
            Symbol::Plain(']' | '[') => {
                self.at = start;
                return Ok(first);
            }
            Symbol::Plain('\\') => match self.escaped()? {
                Escaped::Character(character) => character,
                Escaped::Set(_) => return Err("Illegal character range"),
            },
            Symbol::Plain(character) | Symbol::Quoted(character) => character,
        };
        if last < first { Err("Illegal character range") } else { Ok(last) }
    }

    /// Behind a backslash, in a class or outside.
    pub(super) fn escaped(&mut self) -> Read<Escaped> {
        let letter = self.raw().ok_or(ESCAPE)?;
        let flags = self.flags;
        let set = |set: Set, negated: bool| Escaped::Set(if negated { set::without(set) } else { set });
        Ok(match letter {
            'd' | 'D' => set(digit(flags), letter == 'D'),
            's' | 'S' => set(space(flags), letter == 'S'),
            'w' | 'W' => set(word(flags), letter == 'W'),
            'h' | 'H' => set(horizontal_space(), letter == 'H'),
            'v' | 'V' => set(vertical_space(), letter == 'V'),
            'p' | 'P' => set(self.property()?, letter == 'P'),
            't' => Escaped::Character('\t'),
            'n' => Escaped::Character('\n'),
            'r' => Escaped::Character('\r'),
            'f' => Escaped::Character('\u{C}'),
            'a' => Escaped::Character('\u{7}'),
            'e' => Escaped::Character('\u{1B}'),
            'c' => {
                let control = self.raw().ok_or("Illegal control escape sequence")?;
                Escaped::Character(char::from_u32(u32::from(control) ^ 64).ok_or(ESCAPE)?)
            }
            '0' => self.octal()?,
            'x' => self.hexadecimal()?,
            'u' => self.unit()?,
            'N' | 'X' => return Err(UNSUPPORTED),
            letter if letter.is_ascii_alphabetic() => return Err(ESCAPE),
            other => Escaped::Character(other),
        })
    }

    fn property(&mut self) -> Read<Set> {
        let name = match self.raw().ok_or(PROPERTY)? {
            '{' => self.until('}').ok_or("Unclosed character family")?,
            letter => letter.to_string(),
        };
        property(&name, self.flags).ok_or(PROPERTY)
    }

    fn digits(&mut self, radix: u32, most: usize) -> Option<u32> {
        let mut number = None;
        for _ in 0..most {
            let Some(Symbol::Plain(symbol)) = self.symbols.get(self.at).copied() else { break };
            let Some(digit) = symbol.to_digit(radix) else { break };
            number = Some(number.unwrap_or(0) * radix + digit);
            self.at += 1;
        }
        number
    }

    /// `\0n`, `\0nn`, `\0mnn` with `m` up to 3.
    fn octal(&mut self) -> Read<Escaped> {
        let is_long = matches!(self.symbols.get(self.at), Some(Symbol::Plain('0'..='3')));
        let code = self.digits(8, if is_long { 3 } else { 2 }).ok_or("Illegal octal escape sequence")?;
        Ok(Escaped::Character(char::from_u32(code).ok_or(ESCAPE)?))
    }

    /// `\xhh`, `\x{h…h}`
    fn hexadecimal(&mut self) -> Read<Escaped> {
        const WRONG: &str = "Illegal hexadecimal escape sequence";
        let start = self.at;
        let code = if self.symbols.get(self.at) == Some(&Symbol::Plain('{')) {
            self.at += 1;
            let digits = self.until('}').ok_or("Unclosed hexadecimal escape sequence")?;
            let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u32::from_str_radix(&digits, 16).ok().filter(|_| are_digits)
        } else {
            self.digits(16, 2).filter(|_| self.at == start + 2)
        };
        let code = code.ok_or(WRONG)?;
        if code > u32::from(char::MAX) {
            return Err("Hexadecimal codepoint is too big");
        }
        // A surrogate alone is no character, and so in no text.
        Ok(char::from_u32(code).map_or_else(|| Escaped::Set(Set::empty()), Escaped::Character))
    }

    /// `\uhhhh`, two of them for a character of two UTF-16 units.
    fn unit(&mut self) -> Read<Escaped> {
        const WRONG: &str = "Illegal Unicode escape sequence";
        let start = self.at;
        let high = self.digits(16, 4).filter(|_| self.at == start + 4).ok_or(WRONG)?;
        let middle = self.at;
        let follows =
            self.symbols.get(self.at..self.at + 2) == Some(&[Symbol::Plain('\\'), Symbol::Plain('u')]);
        if (0xD800..0xDC00).contains(&high) && follows {
            self.at += 2;
            if let Some(low @ 0xDC00..0xE000) = self.digits(16, 4)
                && self.at == middle + 6
            {
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return Ok(Escaped::Character(char::from_u32(code).ok_or(WRONG)?));
            }
            self.at = middle;
        }
        Ok(char::from_u32(high).map_or_else(|| Escaped::Set(Set::empty()), Escaped::Character))
    }
}
