//! What holds for every file.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_it_panic(content in proptest::collection::vec(any::<u8>(), 0..400), encoding in 0_usize..5) {
        let encodings = ["auto", "utf-8", "utf-16le", "windows-1252", "iso-8859-15"];
        let spec = spec(&format!("encoding = \"{}\"", encodings[encoding]));
        // `try_parse` checks that in = accepted + cancelled + rejected, and that all are stored.
        let _ = try_parse(&spec, &[("in.csv", &content)]);
    }

    #[test]
    fn no_archive_makes_it_panic(content in proptest::collection::vec(any::<u8>(), 0..200), start in 0_usize..3) {
        let starts: [&[u8]; 3] = [b"PK\x03\x04", b"\x1f\x8b\x08", b"PK\x05\x06"];
        let content = [starts[start], &content].concat();
        let _ = try_parse(&spec(""), &[("in", &content)]);
    }

    #[test]
    fn every_line_is_accounted_for(lines in proptest::collection::vec("[a-c0-9,.]{1,12}", 0..30)) {
        let text = format!("id,amount,day\n{}", lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat());
        let output = parse_text(&spec(""), &text);
        prop_assert_eq!(output.parsed.stats.rows_in, lines.len() as u64);
        for reject in &output.rejects {
            prop_assert_eq!(&reject.raw, &lines[usize::try_from(reject.line).unwrap() - 2]);
        }
    }

    #[test]
    fn written_values_are_read(rows in proptest::collection::vec(("[a-zA-Z \",;é€]{1,20}", any::<i32>(), 0_u32..6), 1..20)) {
        let mut text = String::from("id,amount,day\n");
        let mut want = vec![];
        for (id, mantissa, scale) in rows.iter().filter(|(id, ..)| !id.trim().is_empty()) {
            let amount = rust_decimal::Decimal::new(i64::from(*mantissa), *scale);
            text.push_str(&["\"", &id.replace('"', "\"\""), "\",", &amount.to_string(), ",\n"].concat());
            want.push(format!("OK: {}|{amount}|\n", id.trim()));
        }
        let output = try_parse(&spec("delimiter = \",\""), &[("in.csv", text.as_bytes())]);
        // Values may contain line ends, which the helper's count of lines does not expect.
        let Ok(output) = output else { return Err(TestCaseError::fail("not read")) };
        prop_assert_eq!(output.rows, want.concat());
    }
}
