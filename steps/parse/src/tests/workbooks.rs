//! XLSX as people make it.

use std::io::{Cursor, Read as _};

use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::*;

fn workbook(fill: impl FnOnce(&mut Workbook)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    fill(&mut workbook);
    workbook.save_to_buffer().unwrap()
}

fn xlsx_spec(source: &str) -> String {
    spec(source).replace("format = \"csv\"", "format = \"xlsx\"")
}

/// A sheet with a title, blank rows and columns around a small table.
fn sample() -> Vec<u8> {
    workbook(|workbook| {
        let date = Format::new().set_num_format("yyyy-mm-dd");
        let sheet = workbook.add_worksheet().set_name("Data").unwrap();
        sheet.write(0, 0, "A title").unwrap();
        for (column, name) in (1..).zip(["id", "amount", "note", "day"]) {
            sheet.write(2, column, name).unwrap();
        }
        sheet.write(4, 1, "a").unwrap();
        sheet.write(4, 2, 0.0222).unwrap();
        sheet.write_with_format(4, 4, ExcelDateTime::from_ymd(2024, 1, 31).unwrap(), &date).unwrap();
        sheet.write(5, 1, "b").unwrap();
        sheet.write(5, 2, Formula::new("=1+1").set_result("2")).unwrap();
        sheet.write(6, 1, 17).unwrap();
        sheet.write(6, 2, "12.5").unwrap();
        for row in 7..60 {
            sheet.write_blank(row, 30, &date).unwrap();
        }
        sheet.write(60, 1, "late").unwrap();
        workbook.add_worksheet().set_name("Empty").unwrap();
    })
}

#[test]
fn cells_by_kind() {
    let output =
        try_parse(&xlsx_spec("skip_rows = 2"), &[("book.xlsx", &sample())]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(output.rows, "OK: a|0.0222|2024-01-31\nOK: b|2|\nOK: 17|12.5|\nOK: late||\n");
    assert_eq!(output.parsed.stats.rows_in, 4);
}

/// The workbook as some programs write it: formulas that were never calculated.
fn without_stored_results(workbook: &[u8]) -> Vec<u8> {
    let mut from = ZipArchive::new(Cursor::new(workbook)).unwrap();
    let mut to = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..from.len() {
        let mut part = from.by_index(index).unwrap();
        let mut content = Vec::new();
        part.read_to_end(&mut content).unwrap();
        to.start_file(part.name().unwrap(), SimpleFileOptions::default()).unwrap();
        if part.name().unwrap() == "xl/worksheets/sheet1.xml" {
            let text = String::from_utf8(content).unwrap();
            assert!(text.contains("</f><v>0</v>"), "{text}");
            content = text.replace("</f><v>0</v>", "</f>").into_bytes();
        }
        to.write_all(&content).unwrap();
    }
    to.finish().unwrap().into_inner()
}

#[test]
fn what_a_workbook_can_get_wrong() {
    let content = workbook(|workbook| {
        let time = Format::new().set_num_format("yyyy-mm-dd hh:mm");
        let sheet = workbook.add_worksheet();
        for (column, name) in (0..).zip(["id", "amount", "day"]) {
            sheet.write(0, column, name).unwrap();
        }
        sheet.write(1, 0, "a").unwrap();
        sheet.write(1, 1, Formula::new("=1+1")).unwrap();
        sheet.write(2, 0, "b").unwrap();
        sheet.write(2, 1, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
        sheet.write(3, 0, "c").unwrap();
        let noon = ExcelDateTime::parse_from_str("2024-01-31T12:30:00").unwrap();
        sheet.write_with_format(3, 2, noon, &time).unwrap();
        sheet.write(4, 1, 5).unwrap();
    });
    let content = without_stored_results(&content);
    let output = try_parse(&xlsx_spec(""), &[("book.xlsx", &content)]).unwrap_or_else(|e| panic!("{e}"));
    let codes = output.codes();
    assert_eq!(codes, "2 FORMULA_WITHOUT_VALUE\n3 CELL_ERROR\n4 NOT_DATE\n5 REQUIRED\n");
    assert_eq!(output.rejects.last().unwrap().raw, "\t5");
    assert_eq!(output.rejects.last().unwrap().file, "book.xlsx/Sheet1");
}

#[test]
fn sheets_are_found_by_name() {
    let error = error_of(&xlsx_spec("sheet = \"Dat\""), "book.xlsx", &sample());
    assert!(matches!(error, ParseError::MissingSheet { .. }));
    assert!(error.to_string().contains("did you mean `Data`?"), "{error}");
    let error = error_of(&xlsx_spec("sheet = \"Empty\""), "book.xlsx", &sample());
    assert!(matches!(error, ParseError::Empty { .. }), "{error}");
    let error = error_of(&xlsx_spec(""), "book.xlsx", &sample());
    assert!(matches!(error, ParseError::MissingColumn { .. }), "{error}");
    assert!(error.to_string().contains("book.xlsx/Data, line 1"), "{error}");
}

#[test]
fn workbooks_and_text_are_not_confused() {
    assert!(matches!(error_of(&spec(""), "book.xlsx", &sample()), ParseError::Unsupported { .. }));
    assert!(matches!(error_of(&xlsx_spec(""), "in.csv", b"id,amount,day\n"), ParseError::Unsupported { .. }));
    let cut = sample();
    let error = error_of(&xlsx_spec(""), "book.xlsx", &cut[..cut.len() / 2]);
    assert!(matches!(error, ParseError::Truncated { .. }), "{error}");
}
