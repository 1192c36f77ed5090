//! JSON, XML, fixed widths, Parquet and cross tables.

use std::sync::Arc;

use ::parquet::data_type::{ByteArrayType, DoubleType, Int32Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;

use super::*;

/// The sample feed in another format.
pub(super) fn of(format: &str, source: &str) -> String {
    spec(source).replace("format = \"csv\"", &format!("format = \"{format}\""))
}

/// Adds options to the columns of the sample feed.
pub(super) fn with(spec: &str, options: [&str; 3]) -> String {
    ["id", "amount", "day"].iter().zip(options).fold(spec.to_owned(), |spec, (name, option)| {
        spec.replace(&format!("name = \"{name}\"\n"), &format!("name = \"{name}\"\n{option}\n"))
    })
}

fn parse(spec: &str, content: &str) -> Output {
    try_parse(spec, &[("in", content.as_bytes())]).unwrap_or_else(|error| panic!("{error}"))
}

fn fails(spec: &str, content: &str) -> String {
    error_of(spec, "in", content.as_bytes()).to_string()
}

#[test]
fn json_lines_keep_every_digit() {
    let text = "{\"id\":\"a\",\"amount\":12345678901234567890.123456,\"day\":\"2024-01-31\"}\n\n\
                {\"id\":17,\"amount\":null,\"more\":{\"deep\":[1,2]}}\r\n\
                {\"id\":\"\\u00e9\",\"amount\":1.5e3}\n";
    let output = parse(&of("jsonl", ""), text);
    assert_eq!(output.rows, "OK: a|12345678901234567890.123456|2024-01-31\nOK: 17||\nOK: é|1500|\n");
}

#[test]
fn json_lines_that_are_wrong_are_rejected_one_by_one() {
    let text = "{\"id\":\"a\"\n[1]\n{\"id\":{}}\n{\"id\":\"b\",\"id\":\"c\"}\n{\"id\":\"\\ud800\"}\n{\"amount\":1}\n\
                {\"id\":\"d\",\"amount\":true}\n{\"id\":\"e\",\"amount\":1e999}\n{\"id\":\"f\"}";
    let output = parse(&of("jsonl", ""), text);
    assert_eq!(
        output.codes(),
        "1 NOT_OBJECT\n2 NOT_OBJECT\n3 NOT_SCALAR\n4 AMBIGUOUS\n5 NOT_TEXT\n6 REQUIRED\n7 NOT_DECIMAL\n8 TOO_MANY_DIGITS\n"
    );
    assert_eq!(output.rows, "OK: f||\n");
    assert_eq!(output.rejects[2].raw, "{\"id\":{}}");
    assert_eq!(output.rejects[2].byte, Some(14));
}

#[test]
fn missing_is_not_null() {
    let spec = with(&of("jsonl", ""), ["", "present = true", ""]);
    let output = parse(&spec, "{\"id\":\"a\",\"amount\":null}\n{\"id\":\"b\"}\n");
    assert_eq!(output.rows, "OK: a||\n");
    assert_eq!(output.codes(), "2 MISSING\n");
}

#[test]
fn json_documents_are_read_at_a_pointer() {
    let spec =
        with(&of("json", "records = \"/data/it~1ems\""), ["path = \"/key/id\"", "path = \"/amounts/1\"", ""]);
    let text = "{\"data\": {\"other\": [{}],\n \"it/ems\": [\n  {\"key\":{\"id\":\"a\"},\"amounts\":[1,0.10]},\n  3\n]}, \"x\":1}";
    let output = parse(&spec, text);
    assert_eq!(output.rows, "OK: a|0.10|\n");
    assert_eq!(output.codes(), "4 NOT_OBJECT\n");
    assert_eq!(output.rejects[0].byte, Some(text.find("3\n").unwrap() as u64));
}

#[test]
fn json_documents_that_are_wrong_are_refused() {
    let spec = of("json", "");
    assert!(matches!(error_of(&spec, "in", b"[{\"id\":\"a\"},"), ParseError::Truncated { .. }));
    assert!(matches!(error_of(&spec, "in", b"[{\"id\":\"a\"}}"), ParseError::Damaged { .. }));
    assert!(fails(&spec, "{\"id\":1}").contains("an object stands where a list"));
    assert!(fails(&of("json", "records = \"/a\""), "{\"b\":[]}").contains("nothing at \"/a\""));
    let deep = "[".repeat(100_000);
    assert!(matches!(error_of(&spec, "in", deep.as_bytes()), ParseError::Truncated { .. }));
    // Whatever is closed is not looked into further than it is read.
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(parse(&spec, &deep).codes(), "1 NOT_OBJECT\n");
    let endless = format!("[\"{}", "a".repeat(3 << 20));
    assert!(matches!(error_of(&spec, "in", endless.as_bytes()), ParseError::TooLarge { .. }));
}

#[test]
fn canonical_json_is_one_for_all_ways_to_write_it() {
    let spec = with(&of("jsonl", ""), ["path = \"/v\"\ncanonical = \"json\"", "", ""]);
    let text = "{\"v\": {\"b\" : 1.10, \"a\":[ \"\\u00e9\\n\", null ]}}\n{\"v\":{\"a\":1,\"a\":2}}\n";
    let output = parse(&spec, text);
    assert_eq!(output.values[0][0], Value::Text("{\"a\":[\"é\\n\",null],\"b\":1.10}".into()));
    assert_eq!(output.codes(), "2 NOT_TEXT\n");
}

const XML: [&str; 3] = ["path = \"@id\"", "path = \"price/net\"", "path = \"day\""];

#[test]
fn xml_records_are_elements() {
    let spec = with(&of("xml", "records = \"list/row\""), XML);
    let text = "<?xml version=\"1.0\"?><!DOCTYPE list [<!ENTITY x \"y\">]><list>\n<!-- <row/> -->\
                <row id=\"a &amp; b\"><price><net> 1.5 </net></price><day><![CDATA[2024-01-31]]></day></row>\n\
                <row id='c'><price/></row><other><row id=\"no\"/></other>\n\
                <row id=\"&x;\"/><row id=\"d\"><day>&x;</day></row><row id=\"e\"><day/><day/></row>\
                <row id=\"f\"><price><net><b/></net></price></row></list>";
    let output = parse(&spec, text);
    assert_eq!(output.rows, "OK: a & b|1.5|2024-01-31\nOK: c||\n");
    assert_eq!(output.codes(), "4 ENTITY\n4 ENTITY\n4 AMBIGUOUS\n4 NOT_SCALAR\n");
    assert_eq!(output.rejects[1].raw, "<row id=\"d\"><day>&x;</day></row>");
}

#[test]
fn malformed_xml_is_an_error_with_its_place() {
    let spec = with(&of("xml", "records = \"row\""), XML);
    for text in [
        "<l>\n<row id=\"a & b\"/></l>",
        "<l>\n<row id=\"a\" id=\"b\"/></l>",
        "<l>\n<row></l>",
        "<l>\n</l><l/>",
        "<l>\n</l>text",
        "<l>\n<row>a & b</row></l>",
        "<l>\n<row id=a/></l>",
    ] {
        let error = error_of(&spec, "in", text.as_bytes());
        assert!(matches!(error, ParseError::Damaged { .. }), "{text}: {error:?}");
        assert!(error.to_string().contains("line 2, byte "), "{text}: {error}");
    }
    assert!(matches!(error_of(&spec, "in", b"<l><row id=\"a\"/>"), ParseError::Truncated { .. }));
    assert!(matches!(error_of(&spec, "in", b""), ParseError::Empty { .. }));
    let deep = "<a>".repeat(10_000);
    assert!(fails(&spec, &deep).contains("inside of each other"));
    let endless = format!("<l><!--{}", "a".repeat(3 << 20));
    assert!(matches!(error_of(&spec, "in", endless.as_bytes()), ParseError::TooLarge { .. }));
}

#[test]
fn an_xml_declaration_names_the_encoding() {
    let spec = with(&of("xml", "records = \"row\""), XML);
    let document = |encoding: &str| {
        let start = format!("<?xml version=\"1.0\" encoding='{encoding}'?><l><row id=\"");
        [start.as_bytes(), b"\xe9\"/></l>"].concat()
    };
    for encoding in ["ISO-8859-1", "windows-1252", "iso-8859-15"] {
        assert_eq!(try_parse(&spec, &[("in", &document(encoding))]).unwrap().rows, "OK: é||\n");
    }
    assert!(matches!(error_of(&spec, "in", &document("utf-8")), ParseError::Encoding { .. }));
    assert!(matches!(error_of(&spec, "in", &document("koi8-r")), ParseError::Encoding { .. }));
}

#[test]
fn fixed_widths_are_bytes_or_characters() {
    let spans = ["span = [1, 3]", "span = [4, 8]", "span = [9, 18]"];
    let text = "HEADER\nab   1.52024-01-31\nc  \n\u{e9}x  2.52024-01-31\n";
    let output = parse(&with(&of("fixed", "skip_rows = 1"), spans), text);
    assert_eq!(output.codes(), "3 TOO_FEW_FIELDS\n");
    assert_eq!(output.rows, "OK: ab|1.5|2024-01-31\nOK: éx|2.5|2024-01-31\n");
}

#[test]
fn a_span_that_cuts_a_character_is_rejected() {
    let spec = with(&of("fixed", "ragged = \"allow\""), ["span = [1, 3]", "span = [4, 8]", "span = [9, 18]"]);
    let output = parse(&spec, "ab\u{e9}  1.5\n");
    assert_eq!(output.codes(), "1 SPLIT_CHARACTER\n");
    let output = parse(&spec.replace("[source]", "[source]\nwidth = \"characters\""), "ab\u{e9}  1.5\n");
    assert_eq!(output.rows, "OK: abé|1.5|\n");
}

#[test]
fn runs_of_blanks_separate() {
    let text = "id amount\tday\n\"a \"\"b\"\"\"   1.5\t 2024-01-31\nc 1\n\"d\n";
    let output = parse(&spec("delimiter = \"blanks\""), text);
    assert_eq!(output.rows, "OK: a \"b\"|1.5|2024-01-31\n");
    assert_eq!(output.codes(), "3 TOO_FEW_FIELDS\n4 UNCLOSED_QUOTE\n");
}

#[test]
fn cross_tables_in_text() {
    let options = ["", "from = \"cell\"", "from = \"column-label\""];
    let spec = with(&spec("cross = { skip_nulls = true }\nnulls = [\"-\"]"), options);
    let text = "A title,,\nid,2024-01-01,2024-01-02,\na,1,-,\nb\nc,x,2,3\nsource: somebody\n";
    let output = parse(&spec, text);
    assert_eq!(output.rows, "OK: a|1|2024-01-01\nOK: c|2|2024-01-02\n");
    assert_eq!(output.codes(), "5 NO_LABEL\n5 NOT_DECIMAL\n");
    assert_eq!(output.rejects[1].raw, "c\t2024-01-01\tx");
    assert!(fails(&spec, "id,2024-01-01,2024-01-01\na,1,2\n").contains("is there twice"));
    assert!(fails(&spec, "").contains("no table"));
}

/// A Parquet file of the sample feed.
pub(super) fn parquet_file(rows: i32) -> Vec<u8> {
    let schema =
        "message rows { required binary id (UTF8); optional double amount; required int32 day (DATE); }";
    let schema = Arc::new(::parquet::schema::parser::parse_message_type(schema).unwrap());
    let compression = ::parquet::basic::Compression::SNAPPY;
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties.into()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let ids: Vec<_> = (0..rows).map(|row| format!("id {row}").into_bytes().into()).collect();
    let amounts: Vec<f64> = (0..rows).filter(|row| row % 2 == 0).map(|row| f64::from(row) + 0.0222).collect();
    let levels: Vec<i16> = (0..rows).map(|row| i16::from(row % 2 == 0)).collect();
    let days: Vec<i32> = (0..rows).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&amounts, Some(&levels), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int32Type>().write_batch(&days, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn parquet_files() {
    let content = parquet_file(3);
    let want = "OK: id 0|0.0222|1970-01-01\nOK: id 1||1970-01-02\nOK: id 2|2.0222|1970-01-03\n";
    assert_eq!(try_parse(&of("parquet", ""), &[("in", &content)]).unwrap().rows, want);
    for end in [0, 4, content.len() / 2, content.len() - 1] {
        let error = error_of(&of("parquet", ""), "in", &content[..end]);
        assert!(matches!(error, ParseError::Unsupported { .. } | ParseError::Damaged { .. }), "{error:?}");
    }
}
