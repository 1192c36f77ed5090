//! Source files, their columns, and warnings.

use super::super::{Axis, Column, Delimiter, Encoding, Format, Origin, Width, suggest};
use super::{Check, ITEMS_MAX, NAME_CHARS_MAX};
use crate::value::Kind;

/// Longest line of a fixed-width file.
const SPAN_MAX: u32 = 65_536;

impl Check<'_> {
    pub(super) fn source(&mut self) {
        let source = &self.spec.source;
        let format = source.format;
        if source.quote.len() > 1 || !source.quote.is_ascii() {
            self.find("source.quote", "the quote is one ASCII character, or empty for none");
        }
        if source.delimiter.byte().is_some_and(|byte| source.quote.as_bytes() == [byte]) {
            self.find("source.quote", "quote and delimiter are the same character");
        }
        let is_table = matches!(format, Format::Csv | Format::Xlsx);
        let is_tree = matches!(format, Format::Json | Format::Xml);
        let is_fixed = format == Format::Fixed;
        let options = [
            ("delimiter", source.delimiter != Delimiter::Sniff, format == Format::Csv, "csv"),
            ("sheet", source.sheet.is_some(), format == Format::Xlsx, "xlsx"),
            ("cross", source.cross.is_some(), is_table, "csv or xlsx"),
            ("records", source.records.is_some(), is_tree, "json or xml"),
            ("header", !source.header, is_table, "csv or xlsx"),
            ("skip_after_header", source.skip_after_header > 0, is_table, "csv or xlsx"),
            ("skip_rows", source.skip_rows > 0, is_table || is_fixed, "csv, xlsx or fixed"),
            ("width", source.width != Width::Bytes, is_fixed, "fixed"),
            ("unwrap_quoted_lines", source.unwrap_quoted_lines, format == Format::Csv, "csv"),
        ];
        for (option, given, fits, formats) in options {
            if given && !fits {
                let message = format!("`{option}` is for the format {formats}, not {}", format.name());
                self.find(format!("source.{option}"), message);
            }
        }
        if format == Format::Xml && source.records.as_deref().is_none_or(str::is_empty) {
            self.find("source", "`format = \"xml\"` needs `records`, the element of a record");
        }
        let pointer = source.records.as_deref().filter(|_| format == Format::Json);
        if pointer.is_some_and(|path| !path.is_empty() && !path.starts_with('/')) {
            self.find("source.records", "a JSON pointer starts with `/`, such as \"/data/items\"");
        }
        let wide = matches!(source.encoding, Encoding::Utf16Le | Encoding::Utf16Be);
        if is_fixed && wide && source.width == Width::Bytes {
            self.find("source.width", "in UTF-16, `width` can only be \"characters\"");
        }
        self.cross();
    }

    fn cross(&mut self) {
        let source = &self.spec.source;
        let Some(cross) = &source.cross else { return };
        if cross.labels == 0 || cross.labels > 100 {
            self.find("source.cross.labels", "1 to 100 columns can be labels");
        }
        if cross.axis == Axis::Last && cross.labels != 1 {
            self.find("source.cross.labels", "with `axis = \"last\"` the label is one column");
        }
        if !source.header {
            self.find("source.header", "a cross table always has labels");
        }
    }

    pub(super) fn columns(&mut self) {
        let spec = self.spec;
        if spec.columns.is_empty() {
            self.find("columns", "a feed needs at least one column");
        }
        if spec.columns.len() + spec.derive.len() > ITEMS_MAX {
            self.find("columns", format!("a feed has at most {ITEMS_MAX} columns"));
        }
        for (index, column) in spec.columns.iter().enumerate() {
            let at = format!("columns[{index}]");
            self.name(&at, &column.name);
            match column.from {
                Some(origin) => self.origin(&at, column, origin),
                None => self.field(&at, column),
            }
            self.column_options(&at, column);
            self.layout.push(&column.name, column.row_kind());
        }
    }

    /// A column that is not a field of the record.
    fn origin(&mut self, at: &str, column: &Column, origin: Origin) {
        let given = [
            ("header", column.header.is_some()),
            ("position", column.position.is_some()),
            ("path", column.path.is_some()),
            ("span", column.span.is_some()),
            ("canonical", column.canonical.is_some()),
            ("present", column.present),
        ];
        for (option, _) in given.into_iter().filter(|(_, given)| *given) {
            self.find(format!("{at}.{option}"), format!("with `from` there is no `{option}`"));
        }
        let source = &self.spec.source;
        let of_cross = matches!(origin, Origin::RowLabel | Origin::ColumnLabel | Origin::Cell);
        if of_cross && source.cross.is_none() {
            self.find(format!("{at}.from"), "only a cross table (`source.cross`) has labels and cells");
        }
        if origin == Origin::Sheet && source.format != Format::Xlsx {
            self.find(format!("{at}.from"), "only `format = \"xlsx\"` has sheets");
        }
    }

    /// How a field is found in a record of the format.
    fn field(&mut self, at: &str, column: &Column) {
        let source = &self.spec.source;
        let format = source.format;
        let is_json = matches!(format, Format::Json | Format::Jsonl);
        let by_name = matches!(format, Format::Csv | Format::Xlsx | Format::Parquet) && source.header;
        let by_place = matches!(format, Format::Csv | Format::Xlsx) && !source.header;
        let options = [
            ("path", column.path.is_some(), is_json || format == Format::Xml, "json, jsonl and xml"),
            ("span", column.span.is_some(), format == Format::Fixed, "fixed"),
            ("canonical", column.canonical.is_some(), is_json, "json and jsonl"),
            ("present", column.present, is_json, "json and jsonl"),
        ];
        for (option, given, fits, formats) in options {
            if given && !fits {
                let message = format!("`{option}` is for the formats {formats}, not {}", format.name());
                self.find(format!("{at}.{option}"), message);
            }
        }
        match column.position {
            None if by_place => self.find(at, "without a header every column needs a `position`"),
            Some(0) => self.find(format!("{at}.position"), "positions are counted from 1"),
            Some(_) if !by_place => {
                self.find(format!("{at}.position"), "only columns without a header have a `position`");
            }
            _ => {}
        }
        if column.header.is_some() && !by_name {
            self.find(format!("{at}.header"), "the source has no header");
        }
        if source.cross.as_ref().is_some_and(|cross| cross.axis == Axis::Last) {
            self.find(at, "with `axis = \"last\"` a column is `from` the labels or the cell");
        }
        if is_json && column.path.as_deref().is_some_and(|path| !path.is_empty() && !path.starts_with('/')) {
            self.find(format!("{at}.path"), "a JSON pointer starts with `/`, such as \"/payload/id\"");
        }
        match column.span {
            None if format == Format::Fixed => self.find(at, "a fixed-width column needs a `span`"),
            Some([first, last]) if first == 0 || last < first || last > SPAN_MAX => self.find(
                format!("{at}.span"),
                format!("a span is a first and a last place, counted from 1, up to {SPAN_MAX}"),
            ),
            _ => {}
        }
    }

    fn column_options(&mut self, at: &str, column: &Column) {
        let kind = column.kind;
        let mut only = |given: bool, option: &str, fits: bool, kinds: &str| {
            if given && !fits {
                self.find(format!("{at}.{option}"), format!("`{option}` is for {kinds} columns, not {kind}"));
            }
        };
        only(column.thousands.is_some(), "thousands", kind.is_number(), "integer and decimal");
        only(column.decimal_point.is_some(), "decimal_point", kind == Kind::Decimal, "decimal");
        only(column.convert.is_some(), "convert", kind.is_number(), "integer and decimal");
        only(!column.formats.is_empty(), "formats", kind.is_time(), "date and timestamp");
        only(column.true_values.is_some(), "true_values", kind == Kind::Boolean, "boolean");
        only(column.false_values.is_some(), "false_values", kind == Kind::Boolean, "boolean");
        only(column.canonical.is_some(), "canonical", kind == Kind::Text, "text");
        let point = column.decimal_point.unwrap_or('.');
        if column.thousands == Some(point) {
            self.find(
                format!("{at}.thousands"),
                format!("`{point}` cannot be both `thousands` and `decimal_point`"),
            );
        }
        for (option, character) in [("thousands", column.thousands), ("decimal_point", column.decimal_point)]
        {
            if character.is_some_and(|c| c.is_ascii_digit() || c == '-' || c == '+') {
                self.find(format!("{at}.{option}"), "a digit or sign cannot separate digits");
            }
        }
        if let Err(error) = column.regex() {
            let problem = error.lines().last().unwrap_or_default();
            self.find(format!("{at}.pattern"), format!("not a regular expression: {problem}"));
        }
    }

    pub(super) fn warnings(&mut self) {
        let spec = self.spec;
        if spec.warnings.len() > ITEMS_MAX {
            self.find("warnings", format!("a feed has at most {ITEMS_MAX} warnings"));
        }
        let fine = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        for (index, warning) in spec.warnings.iter().enumerate() {
            let at = format!("warnings[{index}]");
            let code = &warning.code;
            if code.is_empty() || code.len() > NAME_CHARS_MAX || !code.chars().all(fine) {
                self.find(format!("{at}.code"), "a code has 1 to 64 capital letters, digits and `_`");
            }
            if spec.warnings.iter().take(index).any(|other| other.code == *code) {
                self.find(format!("{at}.code"), format!("there is already a warning `{code}`"));
            }
            match (&warning.when, &warning.steady) {
                // Looked at with the tables.
                (_, None) if warning.table.is_some() => {}
                (_, Some(_)) if warning.table.is_some() => {
                    self.find(&at, "`steady` looks at the feed's rows: leave `table` out");
                }
                (Some(condition), None) => {
                    if let Err(message) = condition.compile(&self.layout) {
                        self.find(format!("{at}.when"), message);
                    }
                }
                (None, Some(steady)) => {
                    let mut names = vec![("column".to_owned(), &steady.column)];
                    names.push(("along".to_owned(), &steady.along));
                    let within = steady.within.iter().enumerate();
                    names.extend(within.map(|(index, name)| (format!("within[{index}]"), name)));
                    for (option, name) in names {
                        self.known_column(&format!("{at}.steady.{option}"), name);
                    }
                }
                _ => self.find(&at, "a warning has either `when` or `steady`"),
            }
        }
    }

    fn known_column(&mut self, at: &str, name: &str) {
        if self.layout.find(name).is_none() {
            let layout = self.layout.clone();
            let known: Vec<&str> = layout.names().collect();
            self.findings.push(super::Finding {
                field: at.to_owned(),
                message: format!("there is no column `{name}`"),
                allowed: known.iter().map(|&name| name.to_owned()).collect(),
                suggestion: suggest::closest(name, &known).map(str::to_owned),
            });
        }
    }
}
