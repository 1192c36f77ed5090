//! The figures as a table, and their export.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::{data::DataDir, problem::Problem, text};

/// Rows of figures shown after a run.
pub(crate) const PREVIEW_ROWS: usize = 20;

/// Rows of figures shown after a run of several executions: a year of a small customer.
const PREVIEW_ROWS_OF_SEVERAL: usize = 120;

const fn preview_rows(executions: usize) -> usize {
    if executions > 1 { PREVIEW_ROWS_OF_SEVERAL } else { PREVIEW_ROWS }
}

/// A reference to an object in the data folder, as steps write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The bucket's name.
    pub(crate) bucket: String,
    /// The key.
    pub(crate) key: String,
    /// What the content must hash to.
    pub sha256: String,
    /// Data rows, where they were counted.
    pub(crate) rows: Option<u64>,
}

impl Reference {
    /// Reads a reference; `None` if the value is not one.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let field = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let key = field("key")?;
        // A key is data: one that leads out of its bucket is no key.
        let is_plain = key.split('/').all(|part| !matches!(part, "" | "." | "..")) && !key.contains('\\');
        is_plain.then_some(())?;
        let bucket = field("bucket")?;
        (!bucket.contains(['/', '\\', '.'])).then_some(())?;
        Some(Self { bucket, key, sha256: field("sha256")?, rows: value.get("rows").and_then(Value::as_u64) })
    }

    /// Where the object is.
    pub(crate) fn path(&self, data: &DataDir) -> std::path::PathBuf {
        data.bucket(&self.bucket).join(&self.key)
    }
}

/// The first rows of CSV text as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preview {
    /// The header.
    pub(crate) header: Vec<String>,
    /// The first rows.
    pub(crate) rows: Vec<Vec<String>>,
    /// Rows that are not shown.
    pub(crate) more: u64,
}

impl Preview {
    /// The first rows of figures that have the same columns, one after the other. `None` when there
    /// is nothing to show.
    pub(crate) fn of(references: &[Reference], data: &DataDir) -> Option<Self> {
        let mut preview: Option<Self> = None;
        for reference in references {
            let Ok(file) = std::fs::File::open(reference.path(data)) else { continue };
            let Some(next) = Self::read(file, reference.rows) else { continue };
            match &mut preview {
                None => preview = Some(next),
                Some(all) if all.header == next.header => {
                    all.more += next.more;
                    all.rows.extend(next.rows);
                }
                Some(_) => {}
            }
        }
        let mut preview = preview?;
        let left_out = preview.rows.len().saturating_sub(preview_rows(references.len()));
        preview.rows.truncate(preview_rows(references.len()));
        preview.more += left_out as u64;
        Some(preview)
    }

    /// Reads the first rows. `None` when there is nothing to show.
    pub(crate) fn read(csv: impl std::io::Read, rows_known: Option<u64>) -> Option<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(csv);
        let cells = |record: &csv::StringRecord| record.iter().map(|cell| text::one_line(cell, 40)).collect();
        let header: Vec<String> = cells(reader.headers().ok()?);
        let mut records = reader.records().map_while(Result::ok);
        let rows: Vec<Vec<String>> =
            records.by_ref().take(PREVIEW_ROWS).map(|record| cells(&record)).collect();
        let shown = rows.len() as u64;
        let more = match rows_known {
            Some(known) => known.saturating_sub(shown),
            None => records.count() as u64,
        };
        (!header.is_empty()).then_some(Self { header, rows, more })
    }

    /// For people. `width`: of the terminal, `None` when there is none.
    ///
    /// Columns that do not fit are left out and named: a number broken in two is another number.
    pub(crate) fn to_text(&self, width: Option<u16>, exported: bool) -> String {
        let shown = self.columns_within(width);
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(self.header.iter().take(shown).map(Cell::new));
        for row in &self.rows {
            table.add_row(row.iter().take(shown).map(|cell| {
                let alignment = if is_number(cell) { CellAlignment::Right } else { CellAlignment::Left };
                Cell::new(cell).set_alignment(alignment)
            }));
        }
        let mut text = table.trim_fmt();
        let all = if exported { "" } else { ", --export FILE writes all" };
        if self.more > 0 {
            let _ = write!(text, "\n… {} more{all}", text::count(self.more));
        }
        if let Some(left_out @ [_, ..]) = self.header.get(shown..) {
            let _ = write!(text, "\n… too narrow here for {}{all}", left_out.join(", "));
        }
        text
    }

    /// How many columns, from the left, fit into a width; at least one.
    fn columns_within(&self, width: Option<u16>) -> usize {
        let Some(width) = width.map(usize::from) else { return self.header.len() };
        let cell_width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).chain(self.header.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let mut used = 1;
        let fits = |column: &usize| {
            // A blank on each side and a border between.
            used += cell_width(*column) + 3;
            used <= width
        };
        (0..self.header.len()).take_while(fits).count().max(1)
    }
}

fn is_number(cell: &str) -> bool {
    let digits = cell.trim_start_matches('-');
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// Copies figures to a file, byte for byte: complete or not at all. Several are one table, with
/// the header of the first.
pub(crate) fn export(references: &[Reference], data: &DataDir, to: &Path) -> Result<u64, Problem> {
    let not_written = |source| Problem::NotWritten { path: to.to_owned(), source };
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut copy = NamedTempFile::new_in(folder).map_err(not_written)?;
    let mut header = Vec::new();
    let mut bytes = 0;
    for (number, reference) in references.iter().enumerate() {
        let source = reference.path(data);
        let lost = |detail: String| Problem::Export { detail: format!("{}: {detail}", source.display()) };
        let object = std::fs::File::open(&source).map_err(|error| lost(error.to_string()))?;
        let mut object = BufReader::with_capacity(256 * 1024, object);
        let mut hash = Sha256::new();
        let mut first_line = Vec::new();
        object.read_until(b'\n', &mut first_line).map_err(|error| lost(error.to_string()))?;
        hash.update(&first_line);
        if number == 0 {
            copy.write_all(&first_line).map_err(not_written)?;
            bytes += first_line.len() as u64;
            header = first_line;
        } else if first_line != header {
            return Err(lost("its columns are not those of the figures before it".to_owned()));
        }
        loop {
            let chunk = object.fill_buf().map_err(|error| lost(error.to_string()))?;
            if chunk.is_empty() {
                break;
            }
            hash.update(chunk);
            copy.write_all(chunk).map_err(not_written)?;
            let taken = chunk.len();
            bytes += taken as u64;
            object.consume(taken);
        }
        let found = crate::intake::hex(&hash.finalize());
        if found != reference.sha256 {
            return Err(lost(format!("its sha256 is {found}, the execution made {}", reference.sha256)));
        }
    }
    readable_by_others(&copy).map_err(not_written)?;
    copy.as_file().sync_all().map_err(not_written)?;
    copy.persist(to).map_err(|error| not_written(error.error))?;
    Ok(bytes)
}

/// Temporary files are for their owner only; an export is an ordinary file.
fn readable_by_others(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_preview_shows_the_first_rows_and_counts_the_rest() {
        let mut csv = "carrier,month,flights\n".to_owned();
        for row in 0..25 {
            let _ = writeln!(csv, "\"A, B\",{row},{}", row * 100);
        }
        let preview = Preview::read(csv.as_bytes(), None).expect("a preview");
        assert_eq!((preview.rows.len(), preview.more), (20, 5));
        assert_eq!(preview.rows[1], ["A, B", "1", "100"]);
        let text = preview.to_text(None, false);
        assert!(text.ends_with("… 5 more, --export FILE writes all"), "{text}");
        assert_eq!(Preview::read(csv.as_bytes(), Some(25)).expect("a preview"), preview);
    }

    #[test]
    fn an_export_is_the_object_byte_for_byte_or_nothing() {
        let dir = tempfile::tempdir().expect("temp dir");
        let data = DataDir::create(&dir.path().join("data")).expect("data folder");
        let bucket = data.bucket("staging");
        std::fs::create_dir_all(bucket.join("x")).expect("bucket");
        std::fs::write(bucket.join("x/figures.csv"), "a\r\n1\n").expect("object");
        let sha256 = crate::intake::hex(&Sha256::digest("a\r\n1\n"));
        let reference = |sha256: &str| {
            Reference::of(
                &json!({ "bucket": "staging", "key": "x/figures.csv", "sha256": sha256, "bytes": 5 }),
            )
            .expect("a reference")
        };
        let to = dir.path().join("out.csv");
        let one = reference(&sha256);
        assert_eq!(export(std::slice::from_ref(&one), &data, &to).expect("exported"), 5);
        assert_eq!(std::fs::read(&to).expect("the export"), b"a\r\n1\n");
        assert_eq!(export(&[one.clone(), one], &data, &to).expect("exported"), 7);
        assert_eq!(std::fs::read(&to).expect("the export"), b"a\r\n1\n1\n");
        std::fs::write(&to, "old").expect("written");
        assert!(matches!(export(&[reference("00")], &data, &to), Err(Problem::Export { .. })));
        assert_eq!(std::fs::read(&to).expect("untouched"), b"old");
    }

    #[test]
    fn a_key_that_leads_out_of_its_bucket_is_no_reference() {
        for (bucket, key) in
            [("staging", "../x"), ("staging", "/x"), ("..", "x"), ("a/b", "x"), ("staging", "a//b")]
        {
            assert_eq!(
                Reference::of(&json!({ "bucket": bucket, "key": key, "sha256": "00" })),
                None,
                "{bucket} {key}"
            );
        }
    }
}
