//! gz and zip, whole and broken.

use std::io::Cursor;

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

const A: &[u8] = b"id,amount,day\na,1,\n";
const B: &[u8] = b"id,amount,day\nb,2,\nc,x,\n";

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn parse_file(source: &str, name: &str, content: &[u8]) -> Result<Output, ParseError> {
    try_parse(&spec(source), &[(name, content)])
}

#[test]
fn gz_with_several_members() {
    let (head, tail) = B.split_at(17);
    let output = parse_file("", "b.csv.gz", &[gz(head), gz(tail)].concat()).unwrap();
    assert_eq!(output.rows, "OK: b|2|\n");
    assert_eq!(output.rejects[0].file, "b.csv");
}

#[test]
fn zip_with_several_entries() {
    let content = zipped(&[("a.csv", A), ("__MACOSX/._a.csv", b"\0\0"), ("more/b.csv", B), ("more/", b"")]);
    let output = parse_file("", "all.zip", &content).unwrap();
    assert_eq!(output.rows, "OK: a|1|\nOK: b|2|\n");
    assert_eq!(output.rejects[0].file, "all.zip/more/b.csv");
    assert_eq!(output.parsed.stats.files, 2);
    let output = parse_file("entries = \"a*\"", "all.zip", &content).unwrap();
    assert_eq!(output.rows, "OK: a|1|\n");
    assert!(matches!(parse_file("entries = \"*.txt\"", "all.zip", &content), Err(ParseError::Empty { .. })));
}

#[test]
fn cut_archives_are_truncated_wherever_they_are_cut() {
    let rows: String = (0..3000).map(|row| format!("row {row},{row},\n")).collect::<Vec<_>>().concat();
    let text = format!("id,amount,day\n{rows}");
    for (name, content) in
        [("a.csv.gz", gz(text.as_bytes())), ("a.zip", zipped(&[("a.csv", text.as_bytes())]))]
    {
        for end in [3, content.len() / 2, content.len() - 30, content.len() - 1] {
            let cut = &content[..end];
            match parse_file("", name, cut) {
                Err(ParseError::Truncated { detail }) => {
                    assert!(detail.starts_with(name.trim_end_matches(".gz")), "{detail}");
                }
                // Three bytes are too few to know an archive: then it is a text without header.
                Err(_) if end == 3 => {}
                Err(other) => panic!("{name} cut at {end}: {other:?}"),
                Ok(_) => panic!("{name} cut at {end} was read"),
            }
        }
    }
}

#[test]
fn flipped_bits_are_found() {
    let text: String = (0..3000).map(|row| format!("row {row},{row},\n")).collect::<Vec<_>>().concat();
    let text = format!("id,amount,day\n{text}");
    for (name, mut content) in
        [("a.csv.gz", gz(text.as_bytes())), ("a.zip", zipped(&[("a.csv", text.as_bytes())]))]
    {
        let middle = content.len() / 2;
        content[middle] ^= 0x10;
        let error = parse_file("", name, &content).err().unwrap_or_else(|| panic!("{name} was read"));
        assert!(!matches!(error, ParseError::StorageFailed { .. }), "{error}");
    }
}

#[test]
fn bombs_are_stopped() {
    let zeros = vec![b'0'; 32 * 1024 * 1024];
    for (name, content) in [("bomb.gz", gz(&zeros)), ("bomb.zip", zipped(&[("bomb.csv", &zeros)]))] {
        let error = parse_file("", name, &content).err().unwrap();
        assert!(matches!(error, ParseError::TooLarge { .. }), "{error}");
    }
    // The same below a header and with line ends: no record is too long, the file is.
    let rows = [b"id,amount,day\n".to_vec(), format!("{},1,\n", "a".repeat(4000)).repeat(6000).into_bytes()]
        .concat();
    let error = parse_file("", "bomb.gz", &gz(&rows)).err().unwrap();
    assert!(error.to_string().contains("inflates to more than 200 times"), "{error}");
}

#[test]
fn an_archive_that_lies_about_its_size_is_stopped_all_the_same() {
    let rows = format!("{},1,\n", "a".repeat(4000)).repeat(6000);
    let mut content = zipped(&[("bomb.csv", format!("id,amount,day\n{rows}").as_bytes())]);
    // The compressed size in the entry's record of the directory (APPNOTE 4.3.12).
    let record = content.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
    content[record + 20..record + 24].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let error = parse_file("", "bomb.zip", &content).err().unwrap();
    assert!(error.to_string().contains("inflates to more than 200 times"), "{error}");
}

#[test]
fn archives_in_archives_and_paths_are_refused() {
    let check = |name: &str, content: &[u8]| {
        let error = parse_file("", name, content).err().unwrap();
        assert!(matches!(error, ParseError::Unsupported { .. }), "{error}");
    };
    check("a.zip", &zipped(&[("inner.gz", &gz(A))]));
    check("a.gz", &gz(&zipped(&[("a.csv", A)])));
    check("a.zip", &zipped(&[("../../etc/a.csv", A)]));
    check("old.xls", &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
}

#[test]
fn an_archive_with_a_name_twice_is_refused() {
    // The writer refuses this, too: one letter of a name is changed, here and in the directory.
    let mut content = zipped(&[("a.csv", A), ("b.csv", B), ("c.csv", A)]);
    while let Some(at) = content.windows(5).position(|bytes| bytes == b"b.csv") {
        content[at] = b'a';
    }
    let error = parse_file("", "all.zip", &content).err().unwrap();
    assert!(matches!(error, ParseError::Unsupported { .. }), "{error}");
    assert!(error.to_string().starts_with("all.zip: the archive has several entries \"a.csv\""), "{error}");
    // Also if the entry is none of those wanted: what else was lost is not known.
    assert!(parse_file("entries = \"c*\"", "all.zip", &content).is_err());
    let workbook = spec("").replace("\"csv\"", "\"xlsx\"");
    assert!(matches!(try_parse(&workbook, &[("in.gz", &gz(&content))]), Err(ParseError::Unsupported { .. })));
}

#[test]
fn an_archive_that_counts_fewer_entries_than_it_has_is_damaged() {
    let mut content = zipped(&[("a.csv", A), ("b.csv", B)]);
    // Both counts in the end of the directory (APPNOTE 4.3.16).
    let end = content.windows(4).rposition(|bytes| bytes == b"PK\x05\x06").unwrap();
    content[end + 8] = 1;
    content[end + 10] = 1;
    let error = parse_file("", "all.zip", &content).err().unwrap();
    assert!(matches!(error, ParseError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("has 2 entries, but it counts only 1"), "{error}");
}
