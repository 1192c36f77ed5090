//! Encodings: read exactly, or refused with the offset.

use super::*;

const TEXT: &str = "id,amount,day\nŽürich €,1,\n";

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
    let units = text.encode_utf16();
    mark.then_some(0xFEFF).into_iter().chain(units).flat_map(bytes).collect()
}

fn rows_of(source: &str, content: &[u8]) -> String {
    try_parse(&spec(source), &[("in.csv", content)]).unwrap_or_else(|error| panic!("{error}")).rows
}

#[test]
fn every_encoding() {
    let want = "OK: Žürich €|1|\n";
    assert_eq!(rows_of("", TEXT.as_bytes()), want);
    assert_eq!(rows_of("", &[b"\xef\xbb\xbf", TEXT.as_bytes()].concat()), want);
    assert_eq!(rows_of("encoding = \"utf-8\"", &[b"\xef\xbb\xbf", TEXT.as_bytes()].concat()), want);
    assert_eq!(rows_of("", &utf16(TEXT, u16::to_le_bytes, true)), want);
    assert_eq!(rows_of("", &utf16(TEXT, u16::to_be_bytes, true)), want);
    assert_eq!(rows_of("encoding = \"utf-16le\"", &utf16(TEXT, u16::to_le_bytes, false)), want);
    assert_eq!(rows_of("encoding = \"utf-16be\"", &utf16(TEXT, u16::to_be_bytes, true)), want);
    let windows = b"id,amount,day\n\x8e\xfcrich \x80,1,\n";
    assert_eq!(rows_of("encoding = \"windows-1252\"", windows), want);
    let latin9 = b"id,amount,day\n\xb4\xfcrich \xa4,1,\n";
    assert_eq!(rows_of("encoding = \"iso-8859-15\"", latin9), want);
}

#[test]
fn undecodable_bytes_have_an_offset() {
    let check = |source: &str, content: &[u8], parts: &[&str]| {
        let error = error_of(&spec(source), "in.csv", content);
        assert!(matches!(error, ParseError::Encoding { .. }), "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    };
    check(
        "",
        b"id,amount,day\na,1,\nb\xfcb,2,\n",
        &["in.csv: line 3, byte 20: 0xFC is not UTF-8", "windows-1252"],
    );
    check("", b"id,amount,day\n\xe2\x82", &["byte 14: 0xE2 0x82", "line 2"]);
    check("encoding = \"windows-1252\"", b"id,amount,day\n\na\x81,1,\n", &["line 3, byte 16: 0x81"]);
    check("encoding = \"windows-1252\"", b"\xef\xbb\xbfid,amount,day\n", &["byte order mark of UTF-8"]);
    check("", &utf16(TEXT, u16::to_le_bytes, false), &["looks like UTF-16"]);
    let mut lone = utf16("id,amount,day\n", u16::to_le_bytes, true);
    lone.extend_from_slice(&[0x00, 0xd8, b'a', 0]);
    check("", &lone, &["byte 30: 0x00 0xD8 is not UTF-16LE", "line 2"]);
    let mut odd = utf16(TEXT, u16::to_le_bytes, true);
    odd.pop();
    check("", &odd, &["is not UTF-16LE"]);
}

#[test]
fn places_are_right_beyond_the_first_window() {
    let mut content = b"id,amount,day\n".to_vec();
    while content.len() < 300_000 {
        content.extend_from_slice("é,1,\n".as_bytes());
    }
    let (offset, line) = (content.len(), memchr::memchr_iter(b'\n', &content).count() + 1);
    content.extend_from_slice(b"\xff,1,\n");
    let error = error_of(&spec(""), "in.csv", &content);
    assert!(error.to_string().contains(&format!("line {line}, byte {offset}: 0xFF")), "{error}");
}
