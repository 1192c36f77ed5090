//! What AWS says of a text that is not JSON: the words of its parser (Jackson),
//! without the place. Recorded on AWS for inputs of executions.

/// Characters of a wrong token that are repeated. Jackson's limit.
const TOKEN_CHARS_MAX: usize = 256;
/// What may begin a value.
const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// What is wrong with the input of an execution; `None` = nothing.
pub(super) fn problem_of_input(input: &str) -> Option<String> {
    // Recorded on AWS.
    if input.is_empty() {
        return Some("Invalid execution input.".to_owned());
    }
    problem(input)
}

/// What is wrong with a text that has to be JSON; `None` = nothing.
pub(super) fn problem(text: &str) -> Option<String> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    Some(Parser::new(text).problem().unwrap_or_else(|| error.to_string()))
}

/// Where the parser is within a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Array,
    Object,
}

struct Parser<'a> {
    rest: &'a str,
    within: Vec<Within>,
}

/// What stops the parser, in Jackson's words.
type Step = Result<(), String>;

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, within: Vec::new() }
    }

    fn problem(mut self) -> Option<String> {
        self.document().err()
    }

    fn document(&mut self) -> Step {
        loop {
            self.value()?;
            // After a value: close what ends here, go on where a comma says so.
            loop {
                let Some(within) = self.within.last().copied() else {
                    return match self.next() {
                        None => Ok(()),
                        Some(_) => self.value(),
                    };
                };
                match (self.next(), within) {
                    (None, within) => return Err(end_of(within)),
                    (Some(']'), Within::Array) | (Some('}'), Within::Object) => {
                        self.skip(1);
                        self.within.pop();
                    }
                    (Some(','), Within::Array) => {
                        self.skip(1);
                        break;
                    }
                    (Some(','), Within::Object) => {
                        self.skip(1);
                        self.field_name()?;
                        break;
                    }
                    (Some(found), Within::Array) => {
                        return Err(unexpected(found, "was expecting comma to separate Array entries"));
                    }
                    (Some(found), Within::Object) => {
                        return Err(unexpected(found, "was expecting comma to separate Object entries"));
                    }
                }
            }
        }
    }

    /// A value, or the beginnings of containers up to the first value in them.
    fn value(&mut self) -> Step {
        loop {
            match self.next() {
                None => return Err(self.within.last().map_or_else(no_content, |within| end_of(*within))),
                Some('{') => {
                    self.skip(1);
                    if self.next() == Some('}') {
                        self.skip(1);
                        return Ok(());
                    }
                    self.within.push(Within::Object);
                    self.field_name()?;
                }
                Some('[') => {
                    self.skip(1);
                    if self.next() == Some(']') {
                        self.skip(1);
                        return Ok(());
                    }
                    self.within.push(Within::Array);
                }
                Some('"') => return self.string("for a string value"),
                Some('-' | '0'..='9') => return self.number(),
                Some(found) if found.is_alphabetic() || found == '_' || found == '$' => return self.token(),
                Some(found) => return Err(unexpected(found, &format!("expected a valid value {VALUES}"))),
            }
        }
    }

    fn field_name(&mut self) -> Step {
        match self.next() {
            None => return Err(end_of(Within::Object)),
            Some('"') => self.string("for name")?,
            Some(found) => {
                return Err(unexpected(found, "was expecting double-quote to start field name"));
            }
        }
        match self.next() {
            None => Err(end_of(Within::Object)),
            Some(':') => {
                self.skip(1);
                Ok(())
            }
            Some(found) => Err(unexpected(found, "was expecting a colon to separate field name and value")),
        }
    }

    fn string(&mut self, what: &str) -> Step {
        self.skip(1);
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.skip(at + 1);
                    return Ok(());
                }
                '\\' => match characters.next() {
                    Some((_, 'u' | '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => {}
                    Some((_, other)) => {
                        return Err(format!("Unrecognized character escape {}", shown(other)));
                    }
                    None => break,
                },
                control if u32::from(control) < 0x20 => {
                    return Err(format!(
                        "Illegal unquoted character ({}): has to be escaped using backslash to be included in \
                         string value",
                        shown(control)
                    ));
                }
                _ => {}
            }
        }
        Err(format!("Unexpected end-of-input: was expecting closing quote {what}"))
    }

    fn number(&mut self) -> Step {
        let end = self.rest.find(|next: char| !matches!(next, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'));
        let number = self.rest.get(..end.unwrap_or(self.rest.len())).unwrap_or_default();
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.strip_prefix('0').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit())) {
            return Err("Invalid numeric value: Leading zeroes not allowed".to_owned());
        }
        if serde_json::from_str::<serde_json::Number>(number).is_err() {
            return Err(format!("Invalid numeric value: {number}"));
        }
        self.skip(number.len());
        Ok(())
    }

    fn token(&mut self) -> Step {
        let is_part = |next: char| next.is_alphanumeric() || next == '_' || next == '$';
        let end = self.rest.find(|next| !is_part(next)).unwrap_or(self.rest.len());
        let token = self.rest.get(..end).unwrap_or_default();
        if matches!(token, "true" | "false" | "null") {
            self.skip(end);
            return Ok(());
        }
        let shown: String = token.chars().take(TOKEN_CHARS_MAX).collect();
        let more = if token.chars().count() > TOKEN_CHARS_MAX { "..." } else { "" };
        Err(format!("Unrecognized token '{shown}{more}': was expecting {VALUES}"))
    }

    /// The next character that is not white space.
    fn next(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.chars().next()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

fn unexpected(found: char, expected: &str) -> String {
    format!("Unexpected character ({}): {expected}", shown(found))
}

fn end_of(within: Within) -> String {
    let what = match within {
        Within::Array => "Array",
        Within::Object => "Object",
    };
    format!("Unexpected end-of-input: expected close marker for {what}")
}

fn no_content() -> String {
    "No content to map due to end-of-input".to_owned()
}

/// A character with its code.
fn shown(character: char) -> String {
    let code = u32::from(character);
    match code {
        0..=0x1F => format!("(CTRL-CHAR, code {code})"),
        0x20..=0xFF => format!("'{character}' (code {code})"),
        _ => format!("'{character}' (code {code} / 0x{code:x})"),
    }
}
