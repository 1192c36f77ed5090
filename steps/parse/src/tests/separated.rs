//! CSV and its relatives.

use super::*;

#[test]
fn plain() {
    let output = parse_text(&spec(""), "id,amount,day\na,1.50,2024-01-31\nb,,\n");
    assert_eq!(output.rows, "OK: a|1.50|2024-01-31\nOK: b||\n");
}

#[test]
fn quotes_line_ends_and_blank_lines() {
    let text = "id,amount,day\r\n\"a, \"\"b\"\"\",1,\r\n\r\n\"two\nlines\",2,\r\nc,x,\r\n";
    let output = parse_text(&spec(""), text);
    assert_eq!(output.rows, "OK: a, \"b\"|1|\nOK: two\nlines|2|\n");
    let reject = &output.rejects[0];
    assert_eq!(
        (reject.line, reject.byte, reject.raw.as_str()),
        (6, Some(text.find("c,x").unwrap() as u64), "c,x,")
    );
}

#[test]
fn the_last_record_needs_no_line_end() {
    assert_eq!(parse_text(&spec(""), "id,amount,day\na,1,").rows, "OK: a|1|\n");
    assert_eq!(parse_text(&spec(""), "id,amount,day\n\"a\",1,\"2024-01-31\"").rows, "OK: a|1|2024-01-31\n");
}

#[test]
fn a_record_that_is_cut_off_is_rejected() {
    let output = parse_text(&spec(""), "id,amount,day\na,1,\nb,2");
    assert_eq!(output.codes(), "3 TOO_FEW_FIELDS\n");
    let output = parse_text(&spec(""), "id,amount,day\na,1,\n\"b,2,\nc,3,\n");
    assert_eq!(output.codes(), "3 UNCLOSED_QUOTE\n");
    assert_eq!(output.rejects[0].raw, "\"b,2,\nc,3,\n");
}

#[test]
fn ragged_rows() {
    let text = "id,amount,day\na\nb,1,,\n,,\nc,1,\n";
    let output = parse_text(&spec(""), text);
    assert_eq!(output.codes(), "2 TOO_FEW_FIELDS\n3 TOO_MANY_FIELDS\n4 REQUIRED\n");
    assert_eq!(output.rejects[1].reason, "the row has 4 fields instead of 3");
    let output = parse_text(&spec("ragged = \"allow\""), text);
    assert_eq!(output.rows, "OK: a||\nOK: b|1|\nOK: c|1|\n");
}

#[test]
fn delimiters_are_found() {
    for delimiter in [",", ";", "\t", "|"] {
        // The other characters are there, too, but inside of quotes.
        let text = "id,amount,day\n\"a,;|\t,,\",1,\n"
            .replacen(',', delimiter, 2)
            .replace(",1,", &format!("{delimiter}1{delimiter}"));
        assert_eq!(parse_text(&spec(""), &text).rows, "OK: a,;|\t,,|1|\n", "{delimiter:?}");
    }
}

#[test]
fn the_wrong_delimiter_is_named() {
    let error = error_of(&spec("delimiter = \";\""), "in.csv", b"id,amount,day\na,1,\n");
    assert!(matches!(error, ParseError::WrongDelimiter { .. }));
    let text = error.to_string();
    assert!(text.starts_with("in.csv, line 1: split at \";\""), "{text}");
    assert!(text.contains("Set `source.delimiter = \",\"`"), "{text}");
}

#[test]
fn a_missing_column_is_named() {
    let error = error_of(&spec(""), "in.csv", b"id,amont,date\na,1,\n");
    assert!(matches!(error, ParseError::MissingColumn { .. }));
    let text = error.to_string();
    for part in [
        "in.csv, line 1",
        "no column `amount`; did you mean `amont`?",
        "no column `day`",
        "`id`, `amont`, `date`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let error = error_of(&spec(""), "in.csv", b"id,amount,day,id\n");
    assert!(error.to_string().contains("`id` twice"), "{error}");
}

#[test]
fn lines_around_the_header() {
    let source = "skip_rows = 2\nskip_after_header = 1";
    let output = parse_text(&spec(source), "Report \"of\nMay, 2024\nid,amount,day\n-,EUR,-\na,x,\nb,1,\n");
    assert_eq!(output.rows, "OK: b|1|\n");
    assert_eq!(output.codes(), "5 NOT_DECIMAL\n");
}

#[test]
fn columns_by_position() {
    let spec = spec("header = false\nnulls = [\"?\"]")
        .replace("name = \"id\"", "name = \"id\"\nposition = 3")
        .replace("name = \"amount\"", "name = \"amount\"\nposition = 1")
        .replace("name = \"day\"", "name = \"day\"\nposition = 2");
    let output = parse_text(&spec, "1;2024-01-31;a;more\n?;?;b\n5;\n");
    assert_eq!(output.rows, "OK: a|1|2024-01-31\nOK: b||\n");
    assert_eq!(output.codes(), "3 TOO_FEW_FIELDS\n");
}

#[test]
fn lines_quoted_as_a_whole() {
    let text = "id,amount,day\n\"a,1,2024-01-31\"\n\"\"\"b, c\"\",2,\"\nd,3,\n";
    let output = parse_text(&spec("unwrap_quoted_lines = true"), text);
    assert_eq!(output.rows, "OK: a|1|2024-01-31\nOK: b, c|2|\nOK: d|3|\n");
    assert_eq!(parse_text(&spec(""), text).codes(), "2 TOO_FEW_FIELDS\n3 TOO_FEW_FIELDS\n");
}

#[test]
fn quoting_can_be_off() {
    let output = parse_text(&spec("quote = \"\""), "id,amount,day\n5\" pipe,1,\n");
    assert_eq!(output.rows, "OK: 5\" pipe|1|\n");
}

#[test]
fn an_endless_quote_does_not_eat_the_memory() {
    let mut text = String::from("id,amount,day\na,1,\n\"b,2,\n");
    text.push_str(&"c,3,\n".repeat(records::RECORD_BYTES_MAX / 4));
    let error = error_of(&spec(""), "in.csv", text.as_bytes());
    assert!(matches!(error, ParseError::TooLarge { .. }));
    assert!(error.to_string().contains("line 3: the row is longer"), "{error}");
}

#[test]
fn files_without_rows() {
    assert!(matches!(error_of(&spec(""), "in.csv", b""), ParseError::Empty { .. }));
    assert!(matches!(error_of(&spec(""), "in.csv", b"\r\n\r\n"), ParseError::Empty { .. }));
    assert_eq!(parse_text(&spec(""), "id,amount,day\n").parsed.stats.rows_in, 0);
}

/// One column of a kind with options, and what becomes of some texts.
fn check_column(options: &str, cases: &[(&str, &str)]) {
    let spec = spec("delimiter = \";\"")
        .replace("[[measures]]", &format!("[[columns]]\nname = \"v\"\n{options}\n[[measures]]"));
    for (text, want) in cases {
        let output = parse_text(&spec, &format!("id;amount;day;v\nx;;;{text}\n"));
        let found = match output.rejects.first() {
            Some(reject) => reject.code.clone(),
            None => output.rows.trim_end_matches('\n').rsplit('|').next().unwrap().to_owned(),
        };
        assert_eq!(found, *want, "{text:?} as {options}");
    }
}

#[test]
fn numbers_in_every_dress() {
    check_column(
        "type = \"decimal\"",
        &[
            ("1.50", "1.50"),
            (" 7 ", "7"),
            ("+3", "3"),
            ("-0.0", "0.0"),
            (".5", "0.5"),
            ("307.", "307"),
            ("1e-3", "0.001"),
            ("2.5E2", "250"),
            ("", ""),
            (".", "NOT_DECIMAL"),
            ("-", "NOT_DECIMAL"),
            ("1,5", "NOT_DECIMAL"),
            ("1 000", "NOT_DECIMAL"),
            ("1_000", "NOT_DECIMAL"),
            ("0x1F", "NOT_DECIMAL"),
            ("NaN", "NOT_DECIMAL"),
            ("1e", "NOT_DECIMAL"),
            ("1e9999", "NOT_DECIMAL"),
            ("١٢", "NOT_DECIMAL"),
            ("1234567890123456789012345678", "1234567890123456789012345678"),
            ("0.12345678901234567890123456789", "TOO_MANY_DIGITS"),
            ("123456789012345678901234567890", "TOO_MANY_DIGITS"),
        ],
    );
    check_column(
        "type = \"integer\"\nthousands = \",\"\nprefix = \"$\"\nsuffix = \"km\"",
        &[
            ("$5,000", "5000"),
            ("150,000km", "150000"),
            ("$ 90", "90"),
            ("-$5", "-5"),
            ("+$5", "5"),
            ("-$ 1,250km", "-1250"),
            ("$-5", "-5"),
            ("--$5", "NOT_INTEGER"),
            ("-$-5", "NOT_INTEGER"),
            ("-$", "NOT_INTEGER"),
            ("12,34", "NOT_INTEGER"),
            ("1,2345", "NOT_INTEGER"),
            (",123", "NOT_INTEGER"),
            ("5.0", "NOT_INTEGER"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "NOT_INTEGER"),
        ],
    );
    check_column(
        "type = \"decimal\"\nthousands = \".\"\ndecimal_point = \",\"\nsuffix = \"€\"",
        &[("24.990,50 €", "24990.50"), ("1.5", "NOT_DECIMAL"), ("1,5", "1.5"), ("-1.000,00", "-1000.00")],
    );
    check_column(
        "type = \"decimal\"\nsuffix = \"%\"\nconvert = \"percent_to_ratio\"",
        &[("2.5%", "0.025"), ("", "")],
    );
}

#[test]
fn dates_times_and_booleans() {
    check_column(
        "type = \"date\"",
        &[
            ("2024-02-29", "2024-02-29"),
            ("2023-02-29", "NOT_DATE"),
            ("20240131", "NOT_DATE"),
            ("31.01.2024", "NOT_DATE"),
        ],
    );
    check_column(
        "type = \"date\"\nformats = [\"%d.%m.%Y\", \"%Y/%m/%d\"]",
        &[
            ("31.01.2024", "2024-01-31"),
            ("2024/1/5", "2024-01-05"),
            ("31.06.2024", "NOT_DATE"),
            ("2024-01-31", "NOT_DATE"),
        ],
    );
    check_column(
        "type = \"timestamp\"",
        &[
            ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
            ("2024-01-31T10:00:00+02:00", "2024-01-31T08:00:00Z"),
            ("2024-01-31 10:00:00", "2024-01-31T10:00:00Z"),
            ("yesterday", "NOT_TIMESTAMP"),
        ],
    );
    check_column("type = \"boolean\"", &[("TRUE", "true"), ("false", "false"), ("1", "NOT_BOOLEAN")]);
    check_column(
        "type = \"boolean\"\ntrue_values = [\"ja\", \"1\"]\nfalse_values = [\"nein\"]",
        &[("Ja", "true"), ("1", "true"), ("nein", "false"), ("true", "NOT_BOOLEAN")],
    );
    check_column("type = \"text\"\nnulls = [\"-\"]\nrequired = true", &[("-", "REQUIRED"), (" a ", "a")]);
}
