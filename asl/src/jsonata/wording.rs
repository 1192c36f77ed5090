//! The evaluator's errors in the words AWS uses for them.

use std::any::Any;

use jsonata_core::evaluator::{EvaluatorError, error_code_prefix};
use jsonata_core::parser::ParserError;

use super::{EvaluationError, SyntaxError};

/// What guards answer when a value gets too large; never seen outside.
pub(super) const MEMORY: &str =
    "Expression evaluation memory limit exceeded: Check for excessive memory usage";
const STACK: &str = "Stack overflow error: Check for non-terminating recursive function. \
                     Consider rewriting as tail-recursive";
/// What JSONata's own test harness says; what AWS says is not known.
const TIME: &str = "Expression evaluation timeout: Check for infinite loop";

impl EvaluationError {
    pub(super) fn memory() -> Self {
        Self::bound(MEMORY)
    }

    pub(super) fn unsupported_result() -> Self {
        Self { kind: super::FailureKind::UnsupportedResult, code: String::new(), message: String::new() }
    }

    fn bound(message: &str) -> Self {
        Self { kind: super::FailureKind::Bound, code: String::new(), message: message.to_owned() }
    }

    fn raised(code: &str, message: String) -> Self {
        Self { kind: super::FailureKind::Raised, code: code.to_owned(), message }
    }
}

/// Splits `S0202: text` into code and text.
fn split(message: &str) -> (&str, &str) {
    match error_code_prefix(message) {
        Some(code) => (code, message.strip_prefix(code).unwrap_or(message).trim_start_matches([':', ' '])),
        None => ("", message),
    }
}

/// The evaluator panicked while it evaluated.
pub(super) fn evaluator_panic(panic: &(dyn Any + Send)) -> EvaluationError {
    EvaluationError::raised("", panicked(panic))
}

/// The evaluator panicked while it parsed.
pub(super) fn parser_panic(panic: &(dyn Any + Send)) -> SyntaxError {
    SyntaxError { code: String::new(), message: panicked(panic) }
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("The JSONata evaluator cannot handle this expression: {}", message.unwrap_or("it panicked"))
}

pub(super) fn evaluation_error(error: &EvaluatorError) -> EvaluationError {
    let text = error.message();
    if text == MEMORY {
        return EvaluationError::memory();
    }
    let (code, message) = split(text);
    match code {
        "D1011" | "U1001" => EvaluationError::bound(STACK),
        "D2015" => EvaluationError::memory(),
        "D1012" | "U1003" => EvaluationError::bound(TIME),
        // AWS does not name the function.
        "T1006" => EvaluationError::raised(code, "Attempted to invoke a non-function".to_owned()),
        "T2001" | "T2002" => EvaluationError::raised(code, quote_operator(message)),
        "D3030" => EvaluationError::raised(code, cast_to_number(message)),
        _ => EvaluationError::raised(code, fixed_message(code).unwrap_or(message).to_owned()),
    }
}

/// The messages of JSONata that are the same every time.
fn fixed_message(code: &str) -> Option<&'static str> {
    Some(match code {
        "D3001" => "Attempting to invoke string function on Infinity or NaN",
        "D3010" => "Second argument of replace function cannot be an empty string",
        "D3020" => "Third argument of split function must evaluate to a positive number",
        "D3080" => "The picture string must only contain a maximum of two sub-pictures",
        "D3081" => {
            "The sub-picture must not contain more than one instance of the 'decimal-separator' character"
        }
        "D3082" => "The sub-picture must not contain more than one instance of the 'percent' character",
        "D3083" => "The sub-picture must not contain more than one instance of the 'per-mille' character",
        "D3084" => "The sub-picture must not contain both a 'percent' and a 'per-mille' character",
        "D3085" => {
            "The mantissa part of a sub-picture must contain at least one character that is either an \
             'optional digit character' or a member of the 'decimal digit family'"
        }
        "D3086" => {
            "The sub-picture must not contain a passive character that is preceded by an active character \
             and that is followed by another active character"
        }
        "D3087" => {
            "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a \
             'decimal-separator' character"
        }
        "D3088" => "The sub-picture must not contain a 'grouping-separator' at the end of the integer part",
        "D3089" => {
            "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character"
        }
        "D3090" => {
            "The integer part of the sub-picture must not contain a member of the 'decimal digit family' \
             that is followed by an instance of the 'optional digit character'"
        }
        "D3091" => {
            "The fractional part of the sub-picture must not contain an instance of the \
             'optional digit character' that is followed by a member of the 'decimal digit family'"
        }
        "D3092" => {
            "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character \
             treated as an 'exponent-separator'"
        }
        "D3093" => {
            "The exponent part of the sub-picture must comprise only of one or more characters that are \
             members of the 'decimal digit family'"
        }
        "T2003" => "The left side of the range operator (..) must evaluate to an integer",
        "T2004" => "The right side of the range operator (..) must evaluate to an integer",
        _ => return None,
    })
}

/// `Cannot convert 'x' to number` → `Unable to cast value to a number: "x"`.
fn cast_to_number(message: &str) -> String {
    match message.strip_prefix("Cannot convert '").and_then(|rest| rest.strip_suffix("' to number")) {
        Some(text) => format!("Unable to cast value to a number: {}", serde_json::Value::from(text)),
        None => message.to_owned(),
    }
}

/// `of the - operator` → `of the "-" operator`.
fn quote_operator(message: &str) -> String {
    match message.split_once(" of the ") {
        Some((side, rest)) => match rest.split_once(" operator") {
            Some((operator, end)) if !operator.starts_with('"') => {
                format!("{side} of the \"{operator}\" operator{end}")
            }
            _ => message.to_owned(),
        },
        None => message.to_owned(),
    }
}

/// An operator of a later JSONata, as 2.0.6 sees it.
pub(super) fn newer_operator(symbol: char) -> SyntaxError {
    SyntaxError {
        code: "S0211".to_owned(),
        message: format!("The symbol \"{symbol}\" cannot be used as a unary operator"),
    }
}

pub(super) fn syntax_error(error: &ParserError) -> SyntaxError {
    let text = error.to_string();
    let text = text.strip_prefix("Invalid syntax: ").unwrap_or(&text);
    let (code, message) = split(text);
    let message = match (code, message) {
        ("S0201", message) => match message.strip_prefix("Syntax error: ") {
            Some(token) => format!("Syntax error: \"{}\"", symbol(token)),
            None => message.to_owned(),
        },
        ("S0202", message) => {
            match message.strip_prefix("Expected ").and_then(|rest| rest.split_once(", got ")) {
                Some((expected, found)) => {
                    format!("Expected \"{}\", got \"{}\"", symbol(expected), symbol(found))
                }
                None => message.to_owned(),
            }
        }
        ("S0203", message) => {
            match message.strip_prefix("Expected ").and_then(|rest| rest.split_once(" before ")) {
                Some((expected, rest)) => format!("Expected \"{}\" before {rest}", symbol(expected)),
                None => message.to_owned(),
            }
        }
        ("S0211", message) => {
            match message.strip_prefix("The symbol ").and_then(|rest| rest.split_once(" cannot")) {
                Some((token, rest)) => format!("The symbol \"{}\" cannot{rest}", symbol(token)),
                None => message.to_owned(),
            }
        }
        ("", "Unclosed comment") => {
            return SyntaxError {
                code: "S0106".to_owned(),
                message: "Comment has no closing tag".to_owned(),
            };
        }
        (_, message) => message.to_owned(),
    };
    SyntaxError { code: code.to_owned(), message }
}

/// The evaluator names its tokens; JSONata prints them.
fn symbol(token: &str) -> String {
    let text = match token {
        "Plus" => "+",
        "Minus" => "-",
        "Star" => "*",
        "StarStar" => "**",
        "Slash" => "/",
        "Percent" => "%",
        "Equal" => "=",
        "NotEqual" => "!=",
        "LessThan" => "<",
        "LessThanOrEqual" => "<=",
        "GreaterThan" => ">",
        "GreaterThanOrEqual" => ">=",
        "And" => "and",
        "Or" => "or",
        "In" => "in",
        "Ampersand" => "&",
        "Dot" => ".",
        "DotDot" => "..",
        "Question" | "QuestionQuestion" | "QuestionColon" => "?",
        "Colon" => ":",
        "ColonEqual" => ":=",
        "TildeArrow" => "~>",
        "LeftParen" => "(",
        "RightParen" => ")",
        "LeftBracket" => "[",
        "RightBracket" => "]",
        "LeftBrace" => "{",
        "RightBrace" => "}",
        "Comma" => ",",
        "Semicolon" => ";",
        "Caret" => "^",
        "Pipe" => "|",
        "Hash" => "#",
        "At" => "@",
        "Eof" => "(end)",
        "True" => "true",
        "False" => "false",
        "Null" => "null",
        other => return payload(other),
    };
    text.to_owned()
}

/// `Identifier("x")` → `x`, `Number(2.0)` → `2`.
fn payload(token: &str) -> String {
    match token.split_once('(') {
        Some((kind, rest)) if rest.ends_with(')') => {
            let inner = rest.trim_end_matches(')').trim_matches('"');
            match kind {
                "Number" => inner.trim_end_matches(".0").to_owned(),
                _ => inner.to_owned(),
            }
        }
        _ => token.to_owned(),
    }
}
