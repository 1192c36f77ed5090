//! The grammar of intrinsic functions: one production,
//! `States.Name(argument, …)`.

use serde_json::Value;

use super::{Argument, Call, Function};
use crate::jsonpath::{Path, PathSyntaxError};
use crate::limits;

pub(super) fn parse(text: &str) -> Result<Call, PathSyntaxError> {
    let mut parser = Parser { text, offset: 0 };
    let call = parser.call(1)?;
    parser.blanks();
    if parser.offset < text.len() {
        return Err(parser.refusal("Nothing may follow the call of an intrinsic function"));
    }
    Ok(call)
}

struct Parser<'t> {
    text: &'t str,
    /// In bytes.
    offset: usize,
}

impl<'t> Parser<'t> {
    fn refusal(&self, message: impl Into<String>) -> PathSyntaxError {
        PathSyntaxError { message: message.into(), offset: self.offset }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.offset += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, character: char) -> bool {
        let found = self.rest().starts_with(character);
        if found {
            self.offset += character.len_utf8();
        }
        found
    }

    fn call(&mut self, depth: usize) -> Result<Call, PathSyntaxError> {
        if depth > limits::INTRINSIC_DEPTH_MAX {
            let message =
                format!("More than {} intrinsic functions are in each other", limits::INTRINSIC_DEPTH_MAX);
            return Err(self.refusal(message));
        }
        self.blanks();
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        let Some(function) = Function::named(name) else {
            return Err(self.refusal(format!("There is no intrinsic function '{name}'")));
        };
        self.offset += length;
        self.blanks();
        if !self.take('(') {
            return Err(self.refusal(format!("'(' is missing after {name}")));
        }
        let mut arguments = Vec::new();
        self.blanks();
        if self.take(')') {
            return Ok(Call { function, arguments });
        }
        loop {
            self.blanks();
            arguments.push(self.argument(depth)?);
            self.blanks();
            if self.take(')') {
                return Ok(Call { function, arguments });
            }
            if !self.take(',') {
                return Err(self.refusal("',' or ')' is missing after an argument"));
            }
        }
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, PathSyntaxError> {
        match self.peek() {
            Some('\'') => self.string(),
            Some('$') => self.path(),
            Some('-' | '0'..='9') => self.number(),
            Some('S') => self.call(depth + 1).map(Argument::Call),
            _ => {
                let words =
                    [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)];
                for (word, value) in words {
                    if self.rest().starts_with(word) {
                        self.offset += word.len();
                        return Ok(Argument::Literal(value));
                    }
                }
                Err(self.refusal(
                    "An argument is a string in single quotes, a number, true, false, null, a path or a call",
                ))
            }
        }
    }

    /// `'…'`; a backslash may stand only before `'`, `{`, `}` and itself.
    fn string(&mut self) -> Result<Argument, PathSyntaxError> {
        let (mut value, mut written) = (String::new(), String::new());
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\'' => {
                    self.offset += at + 1;
                    return Ok(Argument::Text { value: Value::String(value), written });
                }
                '\\' => {
                    let Some((_, escaped @ ('\'' | '{' | '}' | '\\'))) = characters.next() else {
                        self.offset += at;
                        return Err(self.refusal("A backslash may stand only before ', {, } and \\"));
                    };
                    value.push(escaped);
                    written.extend(['\\', escaped]);
                }
                other => {
                    value.push(other);
                    written.push(other);
                }
            }
        }
        Err(self.refusal("The closing ' of a string is missing"))
    }

    fn number(&mut self) -> Result<Argument, PathSyntaxError> {
        let rest = self.rest();
        let length = rest
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let number = rest.get(..length).unwrap_or_default();
        match serde_json::from_str(number) {
            Ok(value) => {
                self.offset += length;
                Ok(Argument::Literal(value))
            }
            Err(_) => Err(self.refusal(format!("'{number}' is not a number"))),
        }
    }

    /// A path goes on up to the `,` or `)` outside of its brackets, quotes and
    /// the parentheses of its functions.
    fn path(&mut self) -> Result<Argument, PathSyntaxError> {
        let start = self.offset;
        let text = self.rest();
        let length = path_length(text);
        let path = text.get(..length).unwrap_or_default().trim_end();
        let path =
            Path::parse(path).map_err(|error| PathSyntaxError { offset: start + error.offset, ..error })?;
        self.offset += length;
        Ok(Argument::Path(path))
    }
}

fn path_length(text: &str) -> usize {
    let (mut brackets, mut parentheses) = (0_usize, 0_usize);
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if let Some(open) = quote {
            if character == '\\' {
                characters.next();
            } else if character == open {
                quote = None;
            }
            continue;
        }
        match character {
            '\'' | '"' if brackets + parentheses > 0 => quote = Some(character),
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            '(' => parentheses += 1,
            ')' | ',' if brackets == 0 && parentheses == 0 => return at,
            ')' => parentheses = parentheses.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}
