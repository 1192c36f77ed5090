//! From tokens to a tree, by the power with which operators bind. Owns the
//! grammar and its errors, in JSONata's words.

use super::SyntaxError;
use super::lexer::{Lexer, Located, Token, error, quoted};
use super::signature::Signature;
use super::syntax::{Definition, Pairs, Syntax, SyntaxKind};
use crate::limits;

type Parsed = Result<Syntax, SyntaxError>;

#[derive(Debug)]
struct Parser<'s> {
    lexer: Lexer<'s>,
    current: Located,
    nesting: usize,
}

/// The tree of a whole source.
pub(super) fn parse(source: &str) -> Parsed {
    let mut lexer = Lexer::new(source);
    let current = lexer.next_token(false)?;
    let mut parser = Parser { lexer, current, nesting: 0 };
    let tree = parser.expression(0)?;
    match parser.current.token {
        Token::End => Ok(tree),
        _ => Err(error(
            "S0201",
            format!("Syntax error: {}", parser.current.token.shown()),
            parser.current.position,
        )),
    }
}

/// How strongly the operator holds on to what is on its left.
fn power(token: &Token) -> Option<u8> {
    let Token::Sign(sign) = token else { return Some(0) };
    Some(match *sign {
        "[" | "(" | "@" | "#" => 80,
        "." => 75,
        "{" => 70,
        "*" | "/" | "%" => 60,
        "+" | "-" | "&" => 50,
        "=" | "<" | ">" | "<=" | ">=" | "!=" | "in" | "^" | "~>" => 40,
        "and" => 30,
        "or" => 25,
        "?" => 20,
        ":=" => 10,
        "]" | "}" | ")" | "," | ";" | ":" | "|" | ".." | "**" => 0,
        // `!` and `~` stand for nothing on their own.
        _ => return None,
    })
}

impl Parser<'_> {
    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.current.token, Token::Sign(current) if current == sign)
    }

    /// Goes on to the next token and returns the current one.
    fn advance(&mut self, after_operand: bool) -> Result<Located, SyntaxError> {
        let next = self.lexer.next_token(after_operand)?;
        if power(&next.token).is_none() {
            let message = format!("Unknown operator: {}", next.token.shown());
            return Err(error("S0204", message, next.position));
        }
        Ok(std::mem::replace(&mut self.current, next))
    }

    /// Goes on past a sign that has to be there.
    fn expect(&mut self, sign: &str, after_operand: bool) -> Result<(), SyntaxError> {
        if self.is_sign(sign) {
            return self.advance(after_operand).map(|_| ());
        }
        let Located { token, position } = &self.current;
        Err(match token {
            Token::End => {
                error("S0203", format!("Expected {} before end of expression", quoted(sign)), *position)
            }
            _ => error("S0202", format!("Expected {}, got {}", quoted(sign), token.shown()), *position),
        })
    }

    /// Goes on past a sign if it is there.
    fn skip(&mut self, sign: &str) -> Result<bool, SyntaxError> {
        let is_there = self.is_sign(sign);
        if is_there {
            self.advance(false)?;
        }
        Ok(is_there)
    }

    fn expression(&mut self, right_power: u8) -> Parsed {
        if self.nesting >= limits::JSONATA_NESTING_MAX {
            let message =
                format!("Expression is nested more than {} levels deep", limits::JSONATA_NESTING_MAX);
            return Err(error("", message, self.current.position));
        }
        self.nesting += 1;
        let token = self.advance(true)?;
        let mut left = self.operand(token)?;
        while power(&self.current.token).unwrap_or(0) > right_power {
            let operator = self.advance(false)?;
            left = self.operator(left, &operator)?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    /// What a token means at the beginning of an expression.
    fn operand(&mut self, token: Located) -> Parsed {
        let Located { token, position } = token;
        let kind = match token {
            Token::Null => SyntaxKind::Null,
            Token::True => SyntaxKind::Bool(true),
            Token::False => SyntaxKind::Bool(false),
            Token::Whole(number) => SyntaxKind::Whole(number),
            Token::Number(number) => SyntaxKind::Number(number),
            Token::Text(text) => SyntaxKind::Text(text),
            Token::Regex(pattern) => SyntaxKind::Regex(pattern),
            Token::Name(name) => SyntaxKind::Name(name),
            Token::Variable(name) => SyntaxKind::Variable(name),
            Token::Sign(sign @ ("and" | "or" | "in")) => SyntaxKind::Name(sign.to_owned()),
            Token::Sign("*") => SyntaxKind::Wildcard,
            Token::Sign("**") => SyntaxKind::Descendant,
            Token::Sign("%") => SyntaxKind::Parent,
            Token::Sign("-") => SyntaxKind::Negate(Box::new(self.expression(70)?)),
            Token::Sign("(") => SyntaxKind::Block(self.block()?),
            Token::Sign("[") => SyntaxKind::Array(self.array()?),
            Token::Sign("{") => SyntaxKind::Object(self.pairs()?),
            Token::Sign("|") => self.transform()?,
            Token::Sign(sign) => {
                let message = format!("The symbol {} cannot be used as a unary operator", quoted(sign));
                return Err(error("S0211", message, position));
            }
            Token::End => return Err(error("S0207", "Unexpected end of expression", position)),
        };
        Ok(Syntax::new(kind, position))
    }

    /// After `(`.
    fn block(&mut self) -> Result<Vec<Syntax>, SyntaxError> {
        let mut items = Vec::new();
        while !self.is_sign(")") {
            items.push(self.expression(0)?);
            if !self.skip(";")? {
                break;
            }
        }
        self.expect(")", true)?;
        Ok(items)
    }

    /// After `[`.
    fn array(&mut self) -> Result<Vec<Syntax>, SyntaxError> {
        let mut items = Vec::new();
        if !self.is_sign("]") {
            loop {
                let mut item = self.expression(0)?;
                if self.is_sign("..") {
                    let position = self.advance(false)?.position;
                    let last = self.expression(0)?;
                    item = Syntax::new(SyntaxKind::Binary("..", Box::new(item), Box::new(last)), position);
                }
                items.push(item);
                if !self.skip(",")? {
                    break;
                }
            }
        }
        self.expect("]", true)?;
        Ok(items)
    }

    /// After `{`.
    fn pairs(&mut self) -> Result<Pairs, SyntaxError> {
        let mut pairs = Vec::new();
        if !self.is_sign("}") {
            loop {
                let key = self.expression(0)?;
                self.expect(":", false)?;
                pairs.push((key, self.expression(0)?));
                if !self.skip(",")? {
                    break;
                }
            }
        }
        self.expect("}", true)?;
        Ok(pairs)
    }

    /// After `|`.
    fn transform(&mut self) -> Result<SyntaxKind, SyntaxError> {
        let pattern = Box::new(self.expression(0)?);
        self.expect("|", false)?;
        let update = Box::new(self.expression(0)?);
        let delete = if self.skip(",")? { Some(Box::new(self.expression(0)?)) } else { None };
        self.expect("|", false)?;
        Ok(SyntaxKind::Transform(pattern, update, delete))
    }

    /// What an operator means after its left side.
    fn operator(&mut self, left: Syntax, operator: &Located) -> Parsed {
        let position = operator.position;
        let Token::Sign(sign) = operator.token else {
            return Err(error("S0201", format!("Syntax error: {}", operator.token.shown()), position));
        };
        let kind = match sign {
            "." => {
                let step = self.expression(75)?;
                return Ok(append(left, position, step, true));
            }
            "[" => return self.filter(left, position),
            "(" => return self.call(left, position),
            "{" => SyntaxKind::Group(Box::new(left), self.pairs()?),
            "^" => SyntaxKind::Sort(Box::new(left), self.terms()?),
            "?" => {
                let then = Box::new(self.expression(0)?);
                let other = if self.skip(":")? { Some(Box::new(self.expression(0)?)) } else { None };
                SyntaxKind::Condition(Box::new(left), then, other)
            }
            ":=" => {
                let SyntaxKind::Variable(name) = &left.kind else {
                    return Err(error(
                        "S0212",
                        "The left side of := must be a variable name (start with $)",
                        left.position,
                    ));
                };
                let name = name.clone();
                SyntaxKind::Bind(name, Box::new(self.expression(9)?))
            }
            "@" | "#" => {
                let right = self.expression(80)?;
                let SyntaxKind::Variable(name) = right.kind else {
                    let message =
                        format!("The right side of {} must be a variable name (start with $)", quoted(sign));
                    return Err(error("S0214", message, position));
                };
                if sign == "@" {
                    SyntaxKind::Focus(Box::new(left), name)
                } else {
                    SyntaxKind::Index(Box::new(left), name)
                }
            }
            _ => {
                let right = self.expression(power(&operator.token).unwrap_or(0))?;
                SyntaxKind::Binary(sign, Box::new(left), Box::new(right))
            }
        };
        Ok(Syntax::new(kind, position))
    }

    /// After `[` behind an operand.
    fn filter(&mut self, mut left: Syntax, position: usize) -> Parsed {
        if self.is_sign("]") {
            self.expect("]", true)?;
            let mut base = &mut left;
            while let Syntax { kind: SyntaxKind::Filters(inner, _), .. } = base {
                base = inner;
            }
            base.keep_array = true;
            return Ok(left);
        }
        let predicate = self.expression(0)?;
        self.expect("]", true)?;
        Ok(append(left, position, predicate, false))
    }

    /// After `^`.
    fn terms(&mut self) -> Result<Vec<(Syntax, bool)>, SyntaxError> {
        self.expect("(", false)?;
        let mut terms = Vec::new();
        loop {
            let descends = !self.skip("<")? && self.skip(">")?;
            terms.push((self.expression(0)?, descends));
            if !self.skip(",")? {
                break;
            }
        }
        self.expect(")", true)?;
        Ok(terms)
    }

    /// After `(` behind an operand: the arguments of a call, or the parameters
    /// of a function that is defined here.
    fn call(&mut self, left: Syntax, position: usize) -> Parsed {
        let mut arguments = Vec::new();
        let mut is_partial = false;
        if !self.is_sign(")") {
            loop {
                if self.is_sign("?") {
                    is_partial = true;
                    let placeholder = self.advance(false)?;
                    arguments.push(Syntax::new(SyntaxKind::Placeholder, placeholder.position));
                } else {
                    arguments.push(self.expression(0)?);
                }
                if !self.skip(",")? {
                    break;
                }
            }
        }
        self.expect(")", true)?;
        let is_definition = matches!(&left.kind, SyntaxKind::Name(name) if name == "function" || name == "λ");
        let kind = if is_definition {
            self.definition(&arguments)?
        } else if is_partial {
            SyntaxKind::Partial(Box::new(left), arguments)
        } else {
            SyntaxKind::Call(Box::new(left), arguments)
        };
        Ok(Syntax::new(kind, position))
    }

    fn definition(&mut self, arguments: &[Syntax]) -> Result<SyntaxKind, SyntaxError> {
        let mut parameters = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            let SyntaxKind::Variable(name) = &argument.kind else {
                let message = format!(
                    "Parameter {} of function definition must be a variable name (start with $)",
                    index + 1
                );
                return Err(error("S0208", message, argument.position));
            };
            parameters.push(name.clone());
        }
        let signature = if self.is_sign("<") { Some(self.signature()?) } else { None };
        self.expect("{", false)?;
        let body = self.expression(0)?;
        self.expect("}", true)?;
        Ok(SyntaxKind::Lambda(Box::new(Definition { parameters, signature, body })))
    }

    /// From the first `<` to the `>` that belongs to it.
    fn signature(&mut self) -> Result<Signature, SyntaxError> {
        let start = self.current.position;
        let mut text = "<".to_owned();
        let mut open = 1_usize;
        while open > 0 && !self.is_sign("{") && self.current.token != Token::End {
            self.advance(false)?;
            match &self.current.token {
                Token::Sign(sign) => {
                    match *sign {
                        ">" => open -= 1,
                        "<" => open += 1,
                        _ => {}
                    }
                    text.push_str(sign);
                }
                Token::Name(letters) | Token::Variable(letters) | Token::Text(letters) => {
                    text.push_str(letters);
                }
                _ => {}
            }
        }
        self.expect(">", false)?;
        Signature::parse(&text).map_err(|(code, message, offset)| error(code, message, start + offset))
    }
}

/// A step or a predicate more: chains stay flat, however long they are.
fn append(mut left: Syntax, position: usize, right: Syntax, is_step: bool) -> Syntax {
    // A chain that is kept as an array ends there.
    if !left.keep_array {
        match &mut left.kind {
            SyntaxKind::Dots(_, rest) if is_step => {
                rest.push((position, right));
                return left;
            }
            SyntaxKind::Filters(_, rest) if !is_step => {
                rest.push((position, right));
                return left;
            }
            _ => {}
        }
    }
    let rest = vec![(position, right)];
    let kind = if is_step {
        SyntaxKind::Dots(Box::new(left), rest)
    } else {
        SyntaxKind::Filters(Box::new(left), rest)
    };
    Syntax::new(kind, position)
}
