//! The parts of a compiled path, and its normalised text.

use std::fmt;
use std::fmt::Write as _;

use super::filter::Filter;

/// One step of a path.
#[derive(Debug)]
pub(super) enum Token {
    /// `.a`, `['a']`, `['a','b']`.
    Property {
        /// At least one.
        names: Vec<String>,
        /// What the names were quoted with; `'` for the dot notation.
        quote: char,
    },
    /// `[0]`, `[0,-1]`.
    Index(Vec<i32>),
    /// `[1:]`, `[:2]`, `[1:2]`. A third number is read over.
    Slice {
        /// Where it starts, from the end when negative.
        from: Option<i32>,
        /// Where it ends, exclusive.
        to: Option<i32>,
    },
    /// `.*`, `[*]`.
    Wildcard,
    /// `..`: what follows applies at every depth.
    Scan,
    /// `[?(…)]`.
    Filter(Box<Filter>),
    /// `.length()`, `.sum($..p)`.
    Function {
        /// Any name: whether there is such a function turns out when it is called.
        name: String,
        /// What stands between the parentheses.
        arguments: Vec<Argument>,
        /// The text shows that there were arguments when it was read; a scan
        /// that became the argument of a function does not show.
        arguments_shown: bool,
    },
}

/// An argument of a function in a path.
#[derive(Debug)]
pub(super) enum Argument {
    /// A path; it starts at the root of the document.
    Path(Compiled),
    /// JSON text.
    Json(String),
}

/// A path, ready to be evaluated.
#[derive(Debug)]
pub(super) struct Compiled {
    /// `$` or `@`.
    root: char,
    tokens: Vec<Token>,
    /// For every token, whether everything before it picks a single value.
    upstream_definite: Vec<bool>,
    definite: bool,
    /// The path is at its end a function.
    function: bool,
}

impl Compiled {
    pub(super) fn new(root: char, tokens: Vec<Token>) -> Self {
        let tokens = invert_scanned_function(tokens);
        let last = tokens.len().saturating_sub(1);
        let mut definite = true;
        let mut upstream_definite = Vec::with_capacity(tokens.len());
        for (index, token) in tokens.iter().enumerate() {
            upstream_definite.push(definite);
            definite &= match token {
                Token::Property { names, .. } => names.len() == 1 || index == last,
                Token::Index(indexes) => indexes.len() == 1,
                Token::Function { .. } => true,
                Token::Slice { .. } | Token::Wildcard | Token::Scan | Token::Filter(_) => false,
            };
        }
        let function = matches!(tokens.last(), Some(Token::Function { .. }));
        Self { root, tokens, upstream_definite, definite, function }
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    pub(super) const fn root(&self) -> char {
        self.root
    }

    /// The path picks a single value, whatever the document.
    pub(super) const fn is_definite(&self) -> bool {
        self.definite
    }

    /// The path ends in a function.
    pub(super) const fn is_function(&self) -> bool {
        self.function
    }

    pub(super) fn upstream_definite(&self, index: usize) -> bool {
        self.upstream_definite.get(index).copied().unwrap_or(true)
    }

    /// The path only steps through single properties and items.
    pub(super) fn is_plain(&self) -> bool {
        self.tokens.iter().all(|token| match token {
            Token::Property { names, .. } => names.len() == 1,
            Token::Index(indexes) => indexes.len() == 1,
            _ => false,
        })
    }

    /// The normalised text from a token on, as error messages quote it.
    pub(super) fn text_from(&self, index: usize) -> String {
        self.tokens.iter().skip(index).map(Token::to_string).collect()
    }

    /// Where evaluation is before a token, as error messages name it. Only
    /// asked where a single value has been picked so far.
    pub(super) fn position_before(&self, index: usize) -> String {
        let mut text = self.root.to_string();
        for token in self.tokens.iter().take(index) {
            match token {
                Token::Property { names, .. } => {
                    let name = names.first().map(String::as_str).unwrap_or_default();
                    // Writing to a String does not fail.
                    let _ = write!(text, "['{name}']");
                }
                Token::Index(_) => text.push_str(&token.to_string()),
                _ => {}
            }
        }
        text
    }
}

impl fmt::Display for Compiled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.root, self.text_from(0))
    }
}

impl Token {
    /// What it takes to apply the token to one value, in steps: a list of a
    /// thousand names is looked up a thousand times, a long name is hashed whole.
    pub(super) fn effort(&self) -> usize {
        match self {
            Self::Property { names, .. } => {
                names.iter().fold(names.len(), |steps, name| steps.saturating_add(name.len() / 64))
            }
            Self::Index(indexes) => indexes.len(),
            _ => 1,
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property { names, quote } => {
                let names: Vec<String> = names.iter().map(|name| format!("{quote}{name}{quote}")).collect();
                write!(formatter, "[{}]", names.join(","))
            }
            Self::Index(indexes) => {
                let indexes: Vec<String> = indexes.iter().map(i32::to_string).collect();
                write!(formatter, "[{}]", indexes.join(","))
            }
            Self::Slice { from, to } => {
                let number = |bound: &Option<i32>| bound.map(|bound| bound.to_string()).unwrap_or_default();
                write!(formatter, "[{}:{}]", number(from), number(to))
            }
            Self::Wildcard => formatter.write_str("[*]"),
            Self::Scan => formatter.write_str(".."),
            Self::Filter(_) => formatter.write_str("[?]"),
            Self::Function { name, arguments_shown, .. } => {
                write!(formatter, ".{name}({})", if *arguments_shown { "..." } else { "" })
            }
        }
    }
}

/// `$..p.sum()` means the sum of everything `$..p` finds, not the sum of each
/// of them: the scan becomes the argument of the function.
fn invert_scanned_function(mut tokens: Vec<Token>) -> Vec<Token> {
    let scanned =
        matches!(tokens.first(), Some(Token::Scan)) && matches!(tokens.last(), Some(Token::Function { .. }));
    let first = tokens.iter().position(|token| matches!(token, Token::Function { .. }));
    let (true, Some(first)) = (scanned, first) else { return tokens };
    let mut inverted = tokens.split_off(first);
    if let Some(Token::Function { arguments, .. }) = inverted.first_mut() {
        *arguments = vec![Argument::Path(Compiled::new('$', tokens))];
    }
    inverted
}
