//! Pages of lists: how long one is, and where the next one begins.
//!
//! A token names the operation and its filters beside the position, so that a
//! token of another list is refused. It is nobody's secret: whoever makes one
//! up reads what he could read anyway.

use std::fmt::Write;

use asl::limits::PAGE_ITEMS_DEFAULT;

use super::error::{Answer, ApiError};
use super::parameters::Parameters;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    scope: String,
    pub(super) size: usize,
    /// Where the page before ended.
    pub(super) after: Option<String>,
}

impl Page {
    /// Reads `maxResults` and `nextToken`. `scope`: what the list is of.
    pub(super) fn of(parameters: Parameters<'_>, scope: &[&str]) -> Answer<Self> {
        let scope = scope.join("\n");
        let asked = parameters.number("maxResults").and_then(|size| usize::try_from(size).ok());
        let size = asked.filter(|size| *size > 0).unwrap_or(PAGE_ITEMS_DEFAULT);
        let after = match parameters.text("nextToken") {
            None => None,
            Some(token) => Some(position(token, &scope).ok_or_else(ApiError::invalid_token)?),
        };
        Ok(Self { scope, size, after })
    }

    /// The position as a number, if it is one.
    pub(super) fn after_number<T: std::str::FromStr>(&self) -> Answer<Option<T>> {
        let number = self.after.as_deref().map(str::parse).transpose();
        number.map_err(|_| ApiError::invalid_token())
    }

    /// How many items to read to know whether there is another page.
    pub(super) const fn one_more(&self) -> usize {
        self.size + 1
    }

    /// Cuts what was read to the page. Answers the token of the next one, if there is one.
    pub(super) fn cut<T>(&self, items: &mut Vec<T>, position: impl FnOnce(&T) -> String) -> Option<String> {
        if items.len() <= self.size {
            return None;
        }
        items.truncate(self.size);
        items.last().map(|last| self.token(&position(last)))
    }

    /// The token of the page after a position.
    pub(super) fn token(&self, position: &str) -> String {
        let mut token = format!("{:016x}", fingerprint(&self.scope));
        for byte in position.bytes() {
            // Writing to a string cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        token
    }
}

fn position(token: &str, scope: &str) -> Option<String> {
    let (mark, rest) = token.split_at_checked(16)?;
    if mark != format!("{:016x}", fingerprint(scope)) || rest.len() % 2 != 0 {
        return None;
    }
    let bytes = rest.as_bytes().chunks(2).map(|digits| {
        let digits = std::str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    });
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

/// FNV-1a: tells lists apart, and is the same in every process.
fn fingerprint(scope: &str) -> u64 {
    scope
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}
