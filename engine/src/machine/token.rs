//! Task tokens: opaque text that names an execution and cannot be guessed.
//!
//! A token survives a crash because its record does; it is good for the
//! attempt it was issued for and no other, which the execution itself checks
//! ([`Execution::task_of_token`]).

use super::context::Replayable;
use super::execution::Execution;
use super::record::Text;

/// Hexadecimal digits of the secret part. What they are drawn from has 64 bits: the seed of the execution.
const SECRET_DIGITS: usize = 32;

/// A new token of an execution.
pub(super) fn issue(execution: &Execution, host: &Replayable) -> Text {
    let arn = execution.started().map(|started| &*started.execution_arn).unwrap_or_default();
    let mut token = format!("{:016x}{:016x}", host.draw(), host.draw());
    for byte in arn.bytes() {
        token.push(char::from(hex_digit(byte >> 4)));
        token.push(char::from(hex_digit(byte & 0x0F)));
    }
    token.into()
}

/// The ARN of the execution that a token names; `None` = it was never issued by this engine.
pub(crate) fn execution_arn(token: &str) -> Option<String> {
    let digits = token.as_bytes().get(SECRET_DIGITS..)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(value_of(*high)? << 4 | value_of(*low)?)).collect();
    String::from_utf8(bytes?).ok()
}

const fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

const fn value_of(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_token_names_nothing() {
        for text in ["", "Invalid token", &"0".repeat(32), &"0".repeat(33), &"é".repeat(40)] {
            assert_eq!(execution_arn(text), None, "{text}");
        }
        let token = format!("{}{}", "0".repeat(SECRET_DIGITS), "61623a");
        assert_eq!(execution_arn(&token).as_deref(), Some("ab:"));
    }
}
