//! Base64 and percent-encoding, as JavaScript does them.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::raised::{Raised, quoted};

/// Without padding, and what is left of the last digit does not count.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// What `encodeURI` and `encodeURIComponent` both keep, besides letters and digits.
/// `ECMAScript`, `uriUnescaped`.
const UNRESERVED: &[u8] = b"-_.!~*'()";
/// What `encodeURI` keeps, too, and `decodeURI` leaves encoded. `ECMAScript`, `uriReserved` and `#`.
const RESERVED: &[u8] = b";/?:@&=+$,#";

/// Which of the two encodings of URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Url {
    /// `$encodeUrl`, `$decodeUrl`: characters that structure a URL stay.
    Whole,
    /// `$encodeUrlComponent`, `$decodeUrlComponent`
    Component,
}

/// `$base64encode`. A character is one byte, the low eight bits of each of its
/// UTF-16 units. *Recorded:* "€" and "¬" give the same text.
pub(super) fn base64_encode(text: &str) -> String {
    let bytes: Vec<u8> = text.encode_utf16().map(|unit| unit.to_le_bytes()[0]).collect();
    STANDARD.encode(bytes)
}

/// `$base64decode`: each byte is one character. What is no digit of Base64 is
/// passed over, the digits of URLs (`-`, `_`) are read, and `=` ends the text,
/// as JavaScript's `Buffer` does.
pub(super) fn base64_decode(text: &str) -> String {
    let mut digits: Vec<u8> = text
        .bytes()
        .take_while(|symbol| *symbol != b'=')
        .filter_map(|symbol| match symbol {
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            b'+' | b'/' => Some(symbol),
            _ => symbol.is_ascii_alphanumeric().then_some(symbol),
        })
        .collect();
    // One digit alone is not enough for a byte.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    // Only digits are left, and of those every number but one above a multiple of four is read.
    LENIENT.decode(digits).unwrap_or_default().into_iter().map(char::from).collect()
}

/// `$encodeUrl` and `$encodeUrlComponent`.
pub(super) fn url_encode(text: &str, url: Url) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let kept = byte.is_ascii_alphanumeric()
            || UNRESERVED.contains(&byte)
            || url == Url::Whole && RESERVED.contains(&byte);
        if kept {
            encoded.push(char::from(byte));
        } else {
            push_escape(&mut encoded, byte);
        }
    }
    encoded
}

fn push_escape(text: &mut String, byte: u8) {
    let digit = |digit: u8| char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase();
    text.push('%');
    text.push(digit(byte >> 4));
    text.push(digit(byte & 15));
}

/// `$decodeUrl` and `$decodeUrlComponent`. D3140 for an escape that is not
/// complete, or is not UTF-8.
pub(super) fn url_decode(text: &str, url: Url) -> Result<String, Raised> {
    let function = match url {
        Url::Whole => "decodeUrl",
        Url::Component => "decodeUrlComponent",
    };
    decoded(text, url).ok_or_else(|| {
        Raised::new("D3140", format!("Malformed URL passed to ${function}(): {}", quoted(text)))
    })
}

fn decoded(text: &str, url: Url) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('%') {
        let (plain, escaped) = rest.split_at_checked(start)?;
        decoded.push_str(plain);
        let symbol = escaped_character(escaped)?;
        let (written, behind) = escaped.split_at_checked(3 * symbol.len_utf8())?;
        match u8::try_from(symbol) {
            Ok(byte) if url == Url::Whole && RESERVED.contains(&byte) => decoded.push_str(written),
            _ => decoded.push(symbol),
        }
        rest = behind;
    }
    decoded.push_str(rest);
    Some(decoded)
}

/// The character that as many escapes as it has bytes of UTF-8 stand for.
fn escaped_character(text: &str) -> Option<char> {
    let byte_at = |index: usize| {
        let digits = text.get(3 * index..3 * index + 3)?.strip_prefix('%')?;
        // `from_str_radix` would accept a sign.
        let is_byte = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_byte.then(|| u8::from_str_radix(digits, 16).ok())?
    };
    let length = match byte_at(0)?.leading_ones() {
        0 => 1,
        length @ 2..=4 => length,
        _ => return None,
    };
    let bytes: Vec<u8> = (0..length).map_while(|index| byte_at(usize::try_from(index).ok()?)).collect();
    let mut symbols = std::str::from_utf8(&bytes).ok()?.chars();
    symbols.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonata::recorded::{Answer, compare};

    #[test]
    fn base64_is_what_javascript_makes_of_it() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("hello:world", "aGVsbG86d29ybGQ="),
            ("\u{ff}\u{fe}", "//4="),
            ("äöü€😀", "5Pb8rD0A"),
        ] {
            assert_eq!(base64_encode(text), encoded);
        }
        for (encoded, text) in [
            ("Zm9v", "foo"),
            ("Zg", "f"),
            ("Z", ""),
            ("Zm9v=YmFy", "foo"),
            (" Z m\n9 v!é", "foo"),
            ("__4", "\u{ff}\u{fe}"),
            ("a-b_c d=e", "k\u{e6}\u{ff}q"),
        ] {
            assert_eq!(base64_decode(encoded), text);
        }
    }

    #[test]
    fn urls_keep_what_structures_them_and_components_do_not() {
        let text = "https://a.b/?x=ä 😀&y=[1]#~!*'()-_";
        let whole = "https://a.b/?x=%C3%A4%20%F0%9F%98%80&y=%5B1%5D#~!*'()-_";
        let component = "https%3A%2F%2Fa.b%2F%3Fx%3D%C3%A4%20%F0%9F%98%80%26y%3D%5B1%5D%23~!*'()-_";
        assert_eq!(url_encode(text, Url::Whole), whole);
        assert_eq!(url_encode(text, Url::Component), component);
        assert_eq!(url_decode(whole, Url::Whole).as_deref(), Ok(text));
        assert_eq!(url_decode(component, Url::Component).as_deref(), Ok(text));
        assert_eq!(url_decode("%2f%2F%41+", Url::Whole).as_deref(), Ok("%2f%2FA+"));
        for malformed in
            ["%", "%4", "%zz", "%+1", "%C3", "%C3x", "%C3%28", "%80", "%FF", "%ED%A0%80", "%é1", "%E2%82é"]
        {
            let refused = url_decode(malformed, Url::Component).expect_err(malformed);
            assert_eq!(refused.code, "D3140");
        }
    }

    #[test]
    fn recorded_encodings() {
        let text = |text: String| Some(Answer::of_text(Ok(text)));
        compare("base64encode", 2, |call| text(base64_encode(call.text(0)?)));
        compare("base64decode", 1, |call| text(base64_decode(call.text(0)?)));
        compare("encodeUrl", 1, |call| {
            text(url_encode(call.text(0)?, Url::Whole)).filter(|_| !call.source.contains('\u{FFFD}'))
        });
        compare("encodeUrlComponent", 2, |call| {
            text(url_encode(call.text(0)?, Url::Component)).filter(|_| !call.source.contains('\u{FFFD}'))
        });
        compare("decodeUrl", 2, |call| Some(Answer::of_text(url_decode(call.text(0)?, Url::Whole))));
        compare("decodeUrlComponent", 2, |call| {
            Some(Answer::of_text(url_decode(call.text(0)?, Url::Component)))
        });
    }
}
