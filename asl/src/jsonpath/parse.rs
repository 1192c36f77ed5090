//! From text to a compiled path: what Jayway's JSONPath accepts, refuses and
//! says about it.

use super::filter;
use super::scanner::{Scanner, unescape};
use super::token::{Argument, Compiled, Token};
use crate::limits;

/// Why a text is not a path: Jayway's words, and where, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) at: usize,
}

/// Compiles a path that starts with `$` or `@`; `depth` counts the filters and
/// functions around it.
pub(super) fn compile(text: &str, depth: usize) -> Result<Compiled, Refusal> {
    if depth > limits::JSONPATH_DEPTH_MAX {
        return Err(Refusal { message: "The path is nested too deeply".to_owned(), at: 0 });
    }
    let mut scanner = Scanner::new(text);
    if !matches!(scanner.current(), Some('$' | '@')) {
        scanner = Scanner::new(&format!("$.{}", text.trim_matches(' ')));
    }
    let mut parser = Parser { scanner, tokens: Vec::new(), depth };
    if parser.scanner.last_is('.') {
        return Err(parser.refusal("Path must not end with a '.' or '..'".to_owned()));
    }
    let root = parser.scanner.current().unwrap_or('$');
    parser.read_all()?;
    Ok(Compiled::new(root, parser.tokens))
}

struct Parser {
    scanner: Scanner,
    tokens: Vec<Token>,
    depth: usize,
}

impl Parser {
    fn refusal(&self, message: String) -> Refusal {
        Refusal { message, at: self.scanner.position() }
    }

    fn read_all(&mut self) -> Result<(), Refusal> {
        if self.scanner.at_tail() {
            return Ok(());
        }
        self.scanner.advance(1);
        if !matches!(self.scanner.current(), Some('.' | '[')) {
            let position = self.scanner.position();
            let message = format!("Illegal character at position {position} expected '.' or '['");
            return Err(self.refusal(message));
        }
        loop {
            self.read_token()?;
            if self.tokens.len() > limits::JSONPATH_TOKENS_MAX {
                let message = format!("The path has more than {} steps", limits::JSONPATH_TOKENS_MAX);
                return Err(self.refusal(message));
            }
            if self.scanner.at_tail() {
                return Ok(());
            }
        }
    }

    /// Reads one token; a `.` before it belongs to it.
    fn read_token(&mut self) -> Result<(), Refusal> {
        let position = self.scanner.position();
        if self.scanner.current_is('.') {
            if self.scanner.at(position + 1) == Some('.') {
                self.tokens.push(Token::Scan);
                self.scanner.advance(2);
            } else {
                self.scanner.advance(1);
            }
            let position = self.scanner.position();
            if self.scanner.current_is('.') {
                let message = format!("Character '.' on position {position} is not valid.");
                return Err(self.refusal(message));
            }
            if !self.scanner.in_bounds() {
                return Err(self.refusal("Path must not end with a '.".to_owned()));
            }
        }
        let position = self.scanner.position();
        let read = match self.scanner.current() {
            Some('[') => self.read_brackets()?,
            Some('*') => {
                self.tokens.push(Token::Wildcard);
                self.scanner.advance(1);
                true
            }
            _ => self.read_name()?,
        };
        if read {
            return Ok(());
        }
        let expected = if self.scanner.current_is('[') { ". Expected ?, ', 0-9, * " } else { "" };
        Err(self.refusal(format!("Could not parse token starting at position {position}{expected}")))
    }

    fn read_brackets(&mut self) -> Result<bool, Refusal> {
        let position = self.scanner.position();
        match self.scanner.significant_character_after(position) {
            Some(quote @ ('\'' | '"')) => self.read_quoted_names(quote),
            Some('0'..='9' | '-' | ':') => self.read_indexes(),
            Some('*') => self.read_bracketed_wildcard(),
            Some('?') => self.read_filter(),
            _ => Ok(false),
        }
    }

    /// `['a']`, `["a","b"]`.
    fn read_quoted_names(&mut self, quote: char) -> Result<bool, Refusal> {
        let mut names = Vec::new();
        let mut index = self.scanner.position() + 1;
        let (mut start, mut end) = (index, 0);
        let (mut inside, mut escaped, mut after_comma) = (false, false, false);
        while let Some(character) = self.scanner.at(index) {
            if escaped {
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if character == ']' && !inside {
                if after_comma {
                    return Err(self.refusal(format!("Found empty property at index {index}")));
                }
                break;
            } else if character == quote {
                if inside {
                    let next = self.scanner.significant_character_after(index);
                    if !matches!(next, Some(']' | ',')) {
                        return Err(self.refusal(format!(
                            "Property must be separated by comma or Property must be terminated close square bracket at index {index}"
                        )));
                    }
                    end = index;
                    names.push(unescape(&self.scanner.text(start, end)));
                    inside = false;
                } else {
                    start = index + 1;
                    inside = true;
                    after_comma = false;
                }
            } else if character == ',' && !inside {
                if after_comma {
                    return Err(self.refusal(format!("Found empty property at index {index}")));
                }
                after_comma = true;
            }
            index += 1;
        }
        if inside {
            let message = format!("Property has not been closed - missing closing {quote}");
            return Err(self.refusal(message));
        }
        let Some(closing) = self.scanner.significant_index_of(end, ']') else {
            return Err(self.refusal("Property has not been closed - missing closing ]".to_owned()));
        };
        self.scanner.set_position(closing + 1);
        self.tokens.push(Token::Property { names, quote });
        Ok(true)
    }

    /// `[0]`, `[0,1]`, `[1:2]`.
    fn read_indexes(&mut self) -> Result<bool, Refusal> {
        let start = self.scanner.position() + 1;
        let Some(closing) = self.scanner.index_of(start, ']') else { return Ok(false) };
        let text = self.scanner.text(start, closing);
        let text = text.trim();
        if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '-' | ':' | ' ')) {
            return Ok(false);
        }
        let token = if text.contains(':') { slice(text) } else { indexes(text) };
        let token = token.map_err(|message| self.refusal(message))?;
        self.tokens.push(token);
        self.scanner.set_position(closing + 1);
        Ok(true)
    }

    fn read_bracketed_wildcard(&mut self) -> Result<bool, Refusal> {
        let position = self.scanner.position();
        let Some(star) = self.scanner.significant_index_of(position, '*') else { return Ok(false) };
        let Some(closing) = self.scanner.significant_index_of(star, ']') else {
            let message = format!("Expected wildcard token to end with ']' on position {}", star + 1);
            return Err(self.refusal(message));
        };
        self.scanner.set_position(closing + 1);
        self.tokens.push(Token::Wildcard);
        Ok(true)
    }

    /// `[?(…)]`.
    fn read_filter(&mut self) -> Result<bool, Refusal> {
        let position = self.scanner.position();
        let Some(mark) = self.scanner.significant_index_of(position, '?') else { return Ok(false) };
        let Some(open) = self.scanner.significant_index_of(mark, '(') else {
            return self.refuse_placeholder(mark);
        };
        let closing = self.scanner.closing_index(open, '(', ')', true);
        let Some(closing) = closing.map_err(|message| self.refusal(message))? else { return Ok(false) };
        let Some(end) = self.scanner.significant_index_of(closing, ']') else { return Ok(false) };
        let filter = filter::compile(&self.scanner.text(position, end + 1), self.depth + 1)
            .map_err(|refusal| Refusal { at: position + refusal.at, ..refusal })?;
        self.tokens.push(Token::Filter(Box::new(filter)));
        self.scanner.set_position(end + 1);
        Ok(true)
    }

    /// `[?]` stands for a filter that the caller of Jayway brings along; nobody can here.
    fn refuse_placeholder(&self, mark: usize) -> Result<bool, Refusal> {
        let start = self.scanner.position() + 1;
        let follows = self.scanner.significant_character_after(mark);
        let (Some(']' | ','), Some(closing)) = (follows, self.scanner.index_of(start, ']')) else {
            return Ok(false);
        };
        Err(self.refusal(format!(
            "Not enough predicates supplied for filter [{}] at position {}",
            self.scanner.text(start, closing),
            self.scanner.position()
        )))
    }

    /// `a`, or a function `a(…)`.
    fn read_name(&mut self) -> Result<bool, Refusal> {
        if matches!(self.scanner.current(), None | Some('[' | '*' | '.' | ' ')) {
            return Ok(false);
        }
        let start = self.scanner.position();
        let mut end = start;
        while let Some(character) = self.scanner.at(end) {
            match character {
                ' ' => {
                    return Err(self.refusal(format!(
                        "Use bracket notion ['my prop'] if your property contains blank characters. position: {start}"
                    )));
                }
                '.' | '[' => break,
                '(' => return self.read_function(start, end),
                _ => end += 1,
            }
        }
        self.scanner.set_position(end);
        self.tokens.push(Token::Property { names: vec![self.scanner.text(start, end)], quote: '\'' });
        Ok(true)
    }

    /// The name of a function has been read up to its `(`.
    fn read_function(&mut self, start: usize, open: usize) -> Result<bool, Refusal> {
        let name = self.scanner.text(start, open);
        let mut depth = 1_usize;
        for index in open + 1..self.scanner.end() {
            match self.scanner.at(index) {
                Some('(') => depth += 1,
                Some(')') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        if depth != 0 {
            return Err(self.refusal(format!("Arguments to function: '{name}' are not closed properly.")));
        }
        let mut arguments = Vec::new();
        if self.scanner.at(open + 1) == Some(')') {
            // Left at the `)`: what follows it in the text is read as a name
            // that starts with it, unless the text ends here.
            self.scanner.set_position(open + 1);
        } else {
            self.scanner.set_position(open + 1);
            arguments = self.read_arguments(&name)?;
        }
        let arguments_shown = !arguments.is_empty();
        self.tokens.push(Token::Function { name, arguments, arguments_shown });
        Ok(true)
    }

    fn read_arguments(&mut self, function: &str) -> Result<Vec<Argument>, Refusal> {
        let mut arguments = Vec::new();
        let mut argument = String::new();
        // Whether the argument at hand is a path, once it has started.
        let mut path: Option<bool> = None;
        let (mut parentheses, mut brackets, mut braces) = (1_usize, 0_usize, 0_usize);
        let mut in_quotes = false;
        let mut previous = None;
        while let Some(character) = self.scanner.current() {
            self.scanner.advance(1);
            if path.is_none() {
                match character {
                    character if character.is_whitespace() => continue,
                    '{' | '"' | '-' | '0'..='9' => path = Some(false),
                    '$' | '@' => path = Some(true),
                    _ => {}
                }
            }
            match character {
                '"' if previous != Some('\\') => in_quotes = !in_quotes,
                '(' => parentheses += 1,
                '{' => braces += 1,
                '[' => brackets += 1,
                '}' | ']' => {
                    let (open, name) =
                        if character == '}' { (&mut braces, "brace") } else { (&mut brackets, "bracket") };
                    if *open == 0 {
                        let position = self.scanner.position();
                        let message = format!(
                            "Unexpected close {name} '{character}' at character position: {position}"
                        );
                        return Err(self.refusal(message));
                    }
                    *open -= 1;
                }
                ')' => parentheses = parentheses.saturating_sub(1),
                _ => {}
            }
            let outside = !in_quotes && braces == 0 && brackets == 0;
            let ends = outside
                && match character {
                    ')' => parentheses == 0,
                    ',' => parentheses == 1,
                    _ => false,
                };
            if ends {
                if let Some(is_path) = path.take() {
                    arguments.push(self.argument(&argument, is_path)?);
                    argument.clear();
                }
                if parentheses == 0 {
                    break;
                }
            } else if path.is_some() {
                argument.push(character);
            }
            previous = Some(character);
        }
        if parentheses != 0 || braces != 0 || brackets != 0 {
            return Err(self.refusal(format!("Arguments to function: '{function}' are not closed properly.")));
        }
        Ok(arguments)
    }

    fn argument(&self, text: &str, path: bool) -> Result<Argument, Refusal> {
        if !path {
            return Ok(Argument::Json(text.to_owned()));
        }
        let start = self.scanner.position().saturating_sub(text.chars().count() + 1);
        compile(text, self.depth + 1)
            .map(Argument::Path)
            .map_err(|refusal| Refusal { at: start + refusal.at, ..refusal })
    }
}

fn slice(text: &str) -> Result<Token, String> {
    let refusal = || format!("Failed to parse SliceOperation: {text}");
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':')) {
        return Err(refusal());
    }
    let mut bounds = text.split(':').map(|bound| match bound {
        "" => Ok(None),
        bound => bound.parse().map(Some).map_err(|_| format!("For input string: \"{bound}\"")),
    });
    let from = bounds.next().transpose()?.flatten();
    let to = bounds.next().transpose()?.flatten();
    if from.is_none() && to.is_none() { Err(refusal()) } else { Ok(Token::Slice { from, to }) }
}

fn indexes(text: &str) -> Result<Token, String> {
    let parse = |index: &str| {
        let index = index.trim();
        index.parse().map_err(|_| format!("Failed to parse token in ArrayIndexOperation: {index}"))
    };
    text.split(',').map(parse).collect::<Result<_, _>>().map(Token::Index)
}
