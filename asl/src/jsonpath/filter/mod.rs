//! Filters `[?(…)]`: their grammar. What they mean is in [`evaluate`].

mod decimal;
mod evaluate;
mod node;
mod pattern;

use serde_json::Value;

use self::decimal::Decimal;
pub(super) use self::evaluate::Subject;
use self::pattern::Pattern;
use super::parse::{self, Refusal};
use super::scanner::{Scanner, unescape};
use super::token::Compiled;
use crate::limits;

/// A parsed filter.
#[derive(Debug)]
pub(super) struct Filter(Expression);

/// What a filter asks.
#[derive(Debug)]
enum Expression {
    /// `a && b`.
    And(Vec<Expression>),
    /// `a || b`.
    Or(Vec<Expression>),
    /// `!a`.
    Not(Box<Expression>),
    /// `@.a`, `!@.a`: whether there is such a value.
    Exists { path: Compiled, expected: bool },
    /// `left operator right`.
    Relation { left: Operand, operator: Operator, right: Operand },
}

/// One side of a relation.
#[derive(Debug)]
enum Operand {
    Path(Compiled),
    Text(String),
    Number(Decimal),
    Boolean(bool),
    Null,
    /// An array or object; `None` is text that is not JSON after all.
    Json(String, Option<Value>),
    Pattern(Pattern),
}

/// What stands between the sides of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    SameTypeEqual,
    SameTypeNotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    All,
    Size,
    Empty,
    SubsetOf,
    AnyOf,
    NoneOf,
    /// Operators that take what cannot be written in a path: a class, a predicate.
    Unwritable,
}

/// Compiles a filter from its `[` to its `]`.
pub(super) fn compile(text: &str, depth: usize) -> Result<Filter, Refusal> {
    let mut scanner = Scanner::new(text);
    // The `[`, `?` and the spaces between them have been checked by the caller.
    scanner.advance(1);
    scanner.drop_last();
    scanner.trim();
    scanner.advance(1);
    scanner.trim();
    let mut parser = Parser { scanner, depth };
    let expression = parser.or(0).map_err(|failure| match failure {
        Failure::Refused(message) => Refusal { message, at: parser.scanner.position() },
        Failure::Broken => Refusal {
            message: format!(
                "Failed to parse filter: {text}, error on position: {}, char: {}",
                parser.scanner.position(),
                parser.scanner.current().unwrap_or(' ')
            ),
            at: parser.scanner.position(),
        },
    })?;
    parser.scanner.skip_blanks();
    if parser.scanner.in_bounds() {
        let rest = parser.scanner.text(parser.scanner.position(), parser.scanner.end());
        let message = format!("Expected end of filter expression instead of: {rest}");
        return Err(Refusal { message, at: parser.scanner.position() });
    }
    Ok(Filter(expression))
}

/// How reading failed.
enum Failure {
    /// With words of its own. On the right side of a relation such a failure
    /// makes the left side an existence check.
    Refused(String),
    /// Without: the whole filter is what cannot be read.
    Broken,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.message)
    }
}

struct Parser {
    scanner: Scanner,
    depth: usize,
}

impl Parser {
    fn or(&mut self, nesting: usize) -> Result<Expression, Failure> {
        self.chain("||", nesting, Self::and, Expression::Or)
    }

    fn and(&mut self, nesting: usize) -> Result<Expression, Failure> {
        self.chain("&&", nesting, Self::operand_of_and, Expression::And)
    }

    fn chain(
        &mut self,
        operator: &str,
        nesting: usize,
        operand: fn(&mut Self, usize) -> Result<Expression, Failure>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression, Failure> {
        let first = operand(self, nesting)?;
        let mut operands = vec![first];
        loop {
            let start = self.scanner.position();
            self.scanner.skip_blanks();
            let from = self.scanner.position();
            if self.scanner.text(from, from + operator.len()) != operator {
                self.scanner.set_position(start);
                break;
            }
            self.scanner.advance(operator.len());
            operands.push(operand(self, nesting)?);
        }
        if operands.len() == 1
            && let Some(only) = operands.pop()
        {
            return Ok(only);
        }
        Ok(join(operands))
    }

    fn operand_of_and(&mut self, nesting: usize) -> Result<Expression, Failure> {
        if nesting > limits::JSONPATH_DEPTH_MAX {
            return Err(Failure::Refused("The filter is nested too deeply".to_owned()));
        }
        let start = self.scanner.skip_blanks().position();
        if self.scanner.current_is('!') {
            self.scanner.advance(1);
            // `!@.a` is the existence check of the path, read below.
            if matches!(self.scanner.skip_blanks().current(), Some('$' | '@')) {
                self.scanner.set_position(start);
            } else {
                return Ok(Expression::Not(Box::new(self.operand_of_and(nesting + 1)?)));
            }
        }
        if self.scanner.skip_blanks().current_is('(') {
            self.scanner.advance(1);
            let inner = self.or(nesting + 1)?;
            self.expect(')')?;
            return Ok(inner);
        }
        self.relation()
    }

    fn expect(&mut self, character: char) -> Result<(), Failure> {
        if self.scanner.skip_blanks().current_is(character) {
            self.scanner.advance(1);
            return Ok(());
        }
        Err(Failure::Refused(format!("Expected character: {character}")))
    }

    fn relation(&mut self) -> Result<Expression, Failure> {
        let (left, expected) = self.operand()?;
        let start = self.scanner.position();
        let rest = self.operator().and_then(|operator| Ok((operator, self.operand()?.0)));
        match rest {
            Ok((operator, right)) => Ok(Expression::Relation { left, operator, right }),
            Err(Failure::Refused(_)) => {
                self.scanner.set_position(start);
                match left {
                    Operand::Path(path) => Ok(Expression::Exists { path, expected }),
                    _ => Err(Failure::Refused("Expected path node".to_owned())),
                }
            }
            Err(broken) => Err(broken),
        }
    }

    fn operator(&mut self) -> Result<Operator, Failure> {
        let start = self.scanner.skip_blanks().position();
        let symbol = self.scanner.current().is_some_and(is_operator_character);
        while let Some(character) = self.scanner.current() {
            let goes_on = if symbol { is_operator_character(character) } else { character != ' ' };
            if !goes_on {
                break;
            }
            self.scanner.advance(1);
        }
        let name = self.scanner.text(start, self.scanner.position());
        Ok(match name.to_ascii_uppercase().as_str() {
            "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "===" => Operator::SameTypeEqual,
            "!==" => Operator::SameTypeNotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "=~" => Operator::Matches,
            "IN" => Operator::In,
            "NIN" => Operator::NotIn,
            "CONTAINS" => Operator::Contains,
            "ALL" => Operator::All,
            "SIZE" => Operator::Size,
            "EMPTY" => Operator::Empty,
            "SUBSETOF" => Operator::SubsetOf,
            "ANYOF" => Operator::AnyOf,
            "NONEOF" => Operator::NoneOf,
            "TYPE" | "MATCHES" | "EXISTS" => Operator::Unwritable,
            _ => return Err(Failure::Refused(format!("Filter operator {name} is not supported!"))),
        })
    }

    /// One side of a relation. The flag is false for `!@.a`.
    fn operand(&mut self) -> Result<(Operand, bool), Failure> {
        match self.scanner.skip_blanks().current() {
            Some('$' | '@') => Ok((self.path()?, true)),
            Some('!') => {
                self.scanner.advance(1);
                match self.scanner.skip_blanks().current() {
                    Some('$' | '@') => Ok((self.path()?, false)),
                    _ => Err(Failure::Refused("Unexpected character: !".to_owned())),
                }
            }
            _ => Ok((self.literal()?, true)),
        }
    }

    fn literal(&mut self) -> Result<Operand, Failure> {
        let start = self.scanner.position();
        match self.scanner.current() {
            Some(quote @ ('\'' | '"')) => {
                let Some(closing) = self.scanner.unescaped_index_of(start, quote) else {
                    return Err(Failure::Refused(format!(
                        "String literal does not have matching quotes. Expected {quote} in {}",
                        self.scanner.whole()
                    )));
                };
                self.scanner.set_position(closing + 1);
                Ok(Operand::Text(unescape(&self.scanner.text(start + 1, closing))))
            }
            Some('t') => self.word("true", Operand::Boolean(true), "Expected boolean literal"),
            Some('f') => self.word("false", Operand::Boolean(false), "Expected boolean literal"),
            Some('n') => self.word("null", Operand::Null, "Expected <null> value"),
            Some('[') => self.json('[', ']'),
            Some('{') => self.json('{', '}'),
            Some('/') => self.pattern(),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, operand: Operand, refusal: &str) -> Result<Operand, Failure> {
        let start = self.scanner.position();
        if self.scanner.text(start, start + word.len()) != word {
            return Err(Failure::Refused(refusal.to_owned()));
        }
        self.scanner.advance(word.len());
        Ok(operand)
    }

    fn json(&mut self, open: char, close: char) -> Result<Operand, Failure> {
        let start = self.scanner.position();
        let closing = self.scanner.closing_index(start, open, close, false).map_err(Failure::Refused)?;
        let Some(closing) = closing else {
            return Err(Failure::Refused(format!(
                "String not closed. Expected ' in {}",
                self.scanner.whole()
            )));
        };
        self.scanner.set_position(closing + 1);
        let text = self.scanner.text(start, closing + 1);
        let value = node::lenient_json(&text);
        Ok(Operand::Json(text, value))
    }

    fn pattern(&mut self) -> Result<Operand, Failure> {
        let start = self.scanner.position();
        let Some(closing) = self.scanner.unescaped_index_of(start, '/') else {
            let message = format!("Pattern not closed. Expected / in {}", self.scanner.whole());
            return Err(Failure::Refused(message));
        };
        let mut end = closing + 1;
        while matches!(self.scanner.at(end), Some('d' | 'i' | 'x' | 'm' | 's' | 'u' | 'U')) {
            end += 1;
        }
        self.scanner.set_position(end);
        let pattern = self.scanner.text(start + 1, closing);
        let flags = self.scanner.text(closing + 1, end);
        Pattern::new(&pattern, &flags).map(Operand::Pattern).ok_or(Failure::Broken)
    }

    fn number(&mut self) -> Result<Operand, Failure> {
        let start = self.scanner.position();
        while matches!(self.scanner.current(), Some('0'..='9' | '-' | '.' | 'E' | 'e')) {
            self.scanner.advance(1);
        }
        let text = self.scanner.text(start, self.scanner.position());
        Decimal::parse(&text).map(Operand::Number).ok_or(Failure::Broken)
    }

    fn path(&mut self) -> Result<Operand, Failure> {
        let start = self.scanner.position();
        self.scanner.advance(1);
        while self.scanner.in_bounds() {
            if self.scanner.current_is('[') {
                let closing = self.scanner.closing_index(self.scanner.position(), '[', ']', false);
                let Some(closing) = closing.map_err(Failure::Refused)? else {
                    let message =
                        format!("Square brackets does not match in filter {}", self.scanner.whole());
                    return Err(Failure::Refused(message));
                };
                self.scanner.set_position(closing + 1);
            }
            let Some(character) = self.scanner.current() else { break };
            let ends = is_operator_character(character)
                || character == ' '
                || character == ')' && !self.closes_function(start);
            if ends {
                break;
            }
            self.scanner.advance(1);
        }
        let text = self.scanner.text(start, self.scanner.position());
        Ok(Operand::Path(parse::compile(&text, self.depth + 1)?))
    }

    /// Whether the `)` at the position closes a function without arguments:
    /// `@.length()`.
    fn closes_function(&self, start: usize) -> bool {
        let Some(previous) = self.scanner.significant_before(self.scanner.position()) else { return false };
        self.scanner.at(previous) == Some('(')
            && (start + 1..previous).any(|index| self.scanner.at(index) == Some('.'))
    }
}

const fn is_operator_character(character: char) -> bool {
    matches!(character, '<' | '>' | '=' | '~' | '!')
}
