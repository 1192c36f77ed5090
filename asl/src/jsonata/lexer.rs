//! From characters to tokens. Owns escapes, numbers, comments and the places
//! where a `/` begins a regular expression.

use super::SyntaxError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    End,
    /// An operator or a bracket.
    Sign(&'static str),
    Name(String),
    /// Without its `$`.
    Variable(String),
    Text(String),
    Number(f64),
    /// A whole number, with all its digits.
    Whole(i64),
    True,
    False,
    Null,
    Regex {
        pattern: String,
        flags: String,
    },
}

/// A token and where it ends, in characters, as JSONata counts.
#[derive(Debug, Clone)]
pub(super) struct Located {
    pub(super) token: Token,
    pub(super) position: usize,
}

const BLANKS: [char; 5] = [' ', '\t', '\n', '\r', '\u{b}'];

#[derive(Debug)]
pub(super) struct Lexer<'s> {
    source: &'s str,
    /// In bytes.
    at: usize,
    /// In characters as JavaScript counts them, UTF-16 units.
    position: usize,
}

pub(super) fn error(code: &'static str, message: impl Into<String>, position: usize) -> SyntaxError {
    SyntaxError { code: code.to_owned(), message: message.into(), position: Some(position) }
}

/// A text as messages show it.
pub(super) fn quoted(text: &str) -> String {
    super::raised::quoted(text)
}

impl<'s> Lexer<'s> {
    pub(super) const fn new(source: &'s str) -> Self {
        Self { source, at: 0, position: 0 }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next_char(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        self.position += character.len_utf16();
        Some(character)
    }

    fn skip(&mut self, characters: usize) {
        for _ in 0..characters {
            self.next_char();
        }
    }

    /// The next token. After an operand a `/` divides; elsewhere it begins a
    /// regular expression.
    pub(super) fn next_token(&mut self, after_operand: bool) -> Result<Located, SyntaxError> {
        self.skip_blanks_and_comments()?;
        let token = self.token(after_operand)?;
        Ok(Located { token, position: self.position })
    }

    fn skip_blanks_and_comments(&mut self) -> Result<(), SyntaxError> {
        loop {
            while self.peek().is_some_and(|character| BLANKS.contains(&character)) {
                self.next_char();
            }
            if !self.rest().starts_with("/*") {
                return Ok(());
            }
            let start = self.position;
            self.skip(2);
            while !self.rest().starts_with("*/") {
                if self.next_char().is_none() {
                    return Err(error("S0106", "Comment has no closing tag", start));
                }
            }
            self.skip(2);
        }
    }

    fn token(&mut self, after_operand: bool) -> Result<Token, SyntaxError> {
        let Some(first) = self.peek() else { return Ok(Token::End) };
        if first == '/' && !after_operand {
            self.next_char();
            return self.regex();
        }
        if let Some(sign) = self.sign() {
            self.at += sign.len();
            self.position += sign.len();
            return Ok(Token::Sign(sign));
        }
        match first {
            '"' | '\'' => self.text(first),
            '0'..='9' => self.number(),
            '`' => self.quoted_name(),
            _ => Ok(self.name()),
        }
    }

    /// The operator or bracket that comes next: one of two characters before
    /// one of one.
    fn sign(&self) -> Option<&'static str> {
        let mut bytes = self.rest().bytes();
        let (first, second) = (bytes.next()?, bytes.next());
        Some(match (first, second) {
            (b'.', Some(b'.')) => "..",
            (b':', Some(b'=')) => ":=",
            (b'!', Some(b'=')) => "!=",
            (b'>', Some(b'=')) => ">=",
            (b'<', Some(b'=')) => "<=",
            (b'*', Some(b'*')) => "**",
            (b'~', Some(b'>')) => "~>",
            (b'.', _) => ".",
            (b'[', _) => "[",
            (b']', _) => "]",
            (b'{', _) => "{",
            (b'}', _) => "}",
            (b'(', _) => "(",
            (b')', _) => ")",
            (b',', _) => ",",
            (b'@', _) => "@",
            (b'#', _) => "#",
            (b';', _) => ";",
            (b':', _) => ":",
            (b'?', _) => "?",
            (b'+', _) => "+",
            (b'-', _) => "-",
            (b'*', _) => "*",
            (b'/', _) => "/",
            (b'%', _) => "%",
            (b'|', _) => "|",
            (b'=', _) => "=",
            (b'<', _) => "<",
            (b'>', _) => ">",
            (b'^', _) => "^",
            (b'&', _) => "&",
            (b'!', _) => "!",
            (b'~', _) => "~",
            _ => return None,
        })
    }

    fn text(&mut self, quote: char) -> Result<Token, SyntaxError> {
        self.next_char();
        let mut text = String::new();
        // The first half of a UTF-16 pair waits for the second.
        let mut half: Option<u32> = None;
        while let Some(character) = self.next_char() {
            if character == '\\' {
                match self.escape()? {
                    Escaped::Character(character) => push_unit(&mut text, &mut half, character),
                    Escaped::Unit(unit) => match (half.take(), unit) {
                        (Some(high), 0xDC00..=0xDFFF) => {
                            let code = 0x1_0000 + ((high - 0xD800) << 10) + (unit - 0xDC00);
                            text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        }
                        (lonely, unit) => {
                            // No Rust text can hold one half alone.
                            text.extend(lonely.map(|_| char::REPLACEMENT_CHARACTER));
                            match unit {
                                0xD800..=0xDBFF => half = Some(unit),
                                _ => text.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
                            }
                        }
                    },
                }
            } else if character == quote {
                text.extend(half.map(|_| char::REPLACEMENT_CHARACTER));
                return Ok(Token::Text(text));
            } else {
                push_unit(&mut text, &mut half, character);
            }
        }
        Err(error("S0101", "String literal must be terminated by a matching quote", self.position))
    }

    fn escape(&mut self) -> Result<Escaped, SyntaxError> {
        let position = self.position;
        let Some(character) = self.next_char() else {
            return Err(error("S0103", "Unsupported escape sequence: \\\"\"", position));
        };
        Ok(Escaped::Character(match character {
            '"' | '\\' | '/' => character,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits = self
                    .rest()
                    .get(..4)
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
                let Some(unit) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
                    return Err(error(
                        "S0104",
                        "The escape sequence \\u must be followed by 4 hex digits",
                        position,
                    ));
                };
                self.skip(4);
                return Ok(Escaped::Unit(unit));
            }
            other => {
                let message = format!("Unsupported escape sequence: \\{}", quoted(&other.to_string()));
                return Err(error("S0103", message, position));
            }
        }))
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let start = self.position;
        let text = number_at(self.rest());
        self.skip(text.len());
        if let Ok(whole) = text.parse::<i64>() {
            return Ok(Token::Whole(whole));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Token::Number(number)),
            _ => Err(error("S0102", format!("Number out of range: {}", quoted(text)), start)),
        }
    }

    fn quoted_name(&mut self) -> Result<Token, SyntaxError> {
        self.next_char();
        if let Some(length) = self.rest().find('`') {
            let name = self.rest().get(..length).unwrap_or_default();
            self.skip(name.chars().count() + 1);
            return Ok(Token::Name(name.to_owned()));
        }
        self.skip(self.rest().chars().count());
        let message = "Quoted property name must be terminated with a backquote (`)";
        Err(error("S0105", message, self.position))
    }

    fn name(&mut self) -> Token {
        let rest = self.rest();
        let name = match rest.bytes().position(ends_name) {
            Some(end) => rest.get(..end).unwrap_or_default(),
            None => rest,
        };
        self.at += name.len();
        self.position += if name.is_ascii() { name.len() } else { name.encode_utf16().count() };
        match name {
            "and" => Token::Sign("and"),
            "or" => Token::Sign("or"),
            "in" => Token::Sign("in"),
            "true" => Token::True,
            "false" => Token::False,
            "null" => Token::Null,
            _ => match name.strip_prefix('$') {
                Some(variable) => Token::Variable(variable.to_owned()),
                None => Token::Name(name.to_owned()),
            },
        }
    }

    /// After the first `/`.
    fn regex(&mut self) -> Result<Token, SyntaxError> {
        let mut pattern = String::new();
        let mut depth = 0_usize;
        let mut escaped = false;
        while let Some(character) = self.next_char() {
            if character == '/' && !escaped && depth == 0 {
                if pattern.is_empty() {
                    return Err(error("S0301", "Empty regular expressions are not allowed", self.position));
                }
                let mut flags = String::new();
                while let Some(flag @ ('i' | 'm')) = self.peek() {
                    flags.push(flag);
                    self.next_char();
                }
                return Ok(Token::Regex { pattern, flags });
            }
            if !escaped {
                match character {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            escaped = character == '\\' && !escaped;
            pattern.push(character);
        }
        Err(error("S0302", "No terminating / in regular expression", self.position))
    }
}

enum Escaped {
    Character(char),
    /// A UTF-16 unit.
    Unit(u32),
}

fn push_unit(text: &mut String, half: &mut Option<u32>, character: char) {
    text.extend(half.take().map(|_| char::REPLACEMENT_CHARACTER));
    text.push(character);
}

/// Blanks and signs end a name; all are ASCII.
const fn ends_name(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\n'
            | b'\r'
            | 0xB
            | b'.'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'('
            | b')'
            | b','
            | b'@'
            | b'#'
            | b';'
            | b':'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'|'
            | b'='
            | b'<'
            | b'>'
            | b'^'
            | b'&'
            | b'!'
            | b'~'
    )
}

/// The number at the beginning of the text, as JSON writes numbers.
fn number_at(text: &str) -> &str {
    let bytes = text.as_bytes();
    let digits_from =
        |from: usize| from + bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = if bytes.first() == Some(&b'0') { 1 } else { digits_from(0) };
    if bytes.get(end) == Some(&b'.') && digits_from(end + 1) > end + 1 {
        end = digits_from(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let digits = digits_from(end + 1 + sign);
        if digits > end + 1 + sign {
            end = digits;
        }
    }
    text.get(..end).unwrap_or(text)
}

impl Token {
    /// How messages show the token.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::End => quoted("(end)"),
            Self::Sign(sign) => quoted(sign),
            Self::Name(text) | Self::Variable(text) | Self::Text(text) => quoted(text),
            Self::Number(number) => super::number::to_message(*number),
            Self::Whole(number) => number.to_string(),
            Self::True => "true".to_owned(),
            Self::False => "false".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Regex { .. } => "{}".to_owned(),
        }
    }
}
