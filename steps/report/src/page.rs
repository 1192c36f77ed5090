//! A page for people. One file: no scripts, no images, nothing loaded; it reads
//! with a screen reader, in the dark and on paper.
//!
//! Text goes in escaped; only this file writes markup.

use std::borrow::Cow;

use feed::FeedSpec;
use feed::rejects::Reject;

use crate::content::{FIGURES_SHOWN_MAX, REJECTS_SHOWN_MAX};

/// The page's look. Wide tables scroll on their own; on paper they are whole,
/// and their heads come again on every sheet.
const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8883;--soft:#8881;--good:#1a7f4b;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--good:#6fcf97;--bad:#ff8a80}}\
*{box-sizing:border-box}\
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:2rem 1.25rem 4rem}\
header{border-bottom:1px solid var(--line);padding-bottom:1rem}\
h1{font-size:1.6rem;line-height:1.25;margin:0}h2{font-size:1.1rem;margin:2.25rem 0 .5rem}\
h3{font-size:.95rem;margin:1.25rem 0 .25rem}\
.lead{margin:.25rem 0 0;opacity:.75}\
p{max-width:46rem;margin:.5rem 0}\
.scroll{overflow-x:auto}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{text-align:left;padding:.3rem 1.25rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}\
th:last-child,td:last-child{padding-right:0}\
thead th{font-weight:600;white-space:nowrap;border-bottom-width:2px}\
tbody th{font-weight:500}\
.n{text-align:right;white-space:nowrap}\
code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}\
.good{color:var(--good);white-space:nowrap}.bad{color:var(--bad);font-weight:600}\
.note{background:var(--soft);border-left:3px solid var(--line);padding:.6rem 1rem;max-width:46rem;margin:1rem 0}\
@media print{:root{color-scheme:light;--line:#0004;--good:#000;--bad:#000}\
body{max-width:none;padding:0;font-size:9.5pt}code{font-size:8pt}\
.scroll{overflow:visible}thead{display:table-header-group}tr,.note{break-inside:avoid}h2,h3{break-after:avoid}}";

/// Between groups of three digits: does not break, is no decimal point anywhere.
const GROUP: char = '\u{202f}';

/// A cell of a table, or of its head.
pub(crate) enum Cell<'c> {
    /// Words.
    Text(Cow<'c, str>),
    /// What the row is about.
    Name(Cow<'c, str>),
    /// A text for machines.
    Code(Cow<'c, str>),
    /// Stands to the right.
    Number(Cow<'c, str>),
    /// Deserves a look.
    Bad(Cow<'c, str>),
    /// Is as it should be.
    Good(Cow<'c, str>),
}

impl Cell<'_> {
    /// A number of things.
    pub(crate) fn count(number: u64) -> Self {
        Self::Number(grouped(&number.to_string()).into())
    }
}

/// A page being written.
pub(crate) struct Page {
    html: String,
    sections: u32,
}

impl Page {
    pub(crate) fn new(title: &str, lead: &str) -> Self {
        let mut page = Self { html: String::with_capacity(32 * 1024), sections: 0 };
        page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
        page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">");
        page.raw("<meta name=\"viewport\" content=\"width=device-width\"><title>");
        page.text(title);
        page.raw("</title><style>");
        page.raw(STYLE);
        page.raw("</style></head>\n<body><header><h1>");
        page.text(title);
        page.raw("</h1>");
        if !lead.is_empty() {
            page.raw("<p class=\"lead\">");
            page.text(lead);
            page.raw("</p>");
        }
        page.raw("</header>\n<main>\n");
        page
    }

    pub(crate) fn finish(mut self) -> String {
        self.end_section();
        self.raw("</main></body></html>\n");
        self.html
    }

    fn raw(&mut self, markup: &'static str) {
        self.html.push_str(markup);
    }

    fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                '\n' | '\t' => self.html.push(character),
                control if control.is_control() => self.html.push('\u{fffd}'),
                other => self.html.push(other),
            }
        }
    }

    fn end_section(&mut self) {
        if self.sections > 0 {
            self.raw("</section>\n");
        }
    }

    /// A heading, and everything until the next one.
    pub(crate) fn section(&mut self, heading: &'static str) {
        self.end_section();
        self.sections += 1;
        let id = self.sections.to_string();
        self.raw("<section aria-labelledby=\"s");
        self.text(&id);
        self.raw("\"><h2 id=\"s");
        self.text(&id);
        self.raw("\">");
        self.raw(heading);
        self.raw("</h2>\n");
    }

    /// A heading inside of a section.
    pub(crate) fn heading(&mut self, heading: &str) {
        self.raw("<h3>");
        self.text(heading);
        self.raw("</h3>\n");
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.raw("<p>");
        self.text(text);
        self.raw("</p>\n");
    }

    /// A paragraph that stands out.
    pub(crate) fn note(&mut self, text: &str) {
        self.raw("<p class=\"note\">");
        self.text(text);
        self.raw("</p>\n");
    }

    pub(crate) fn pairs(&mut self, pairs: &[(&'static str, &str)]) {
        self.raw("<div class=\"scroll\"><table><tbody>\n");
        for (name, value) in pairs {
            self.row(&[Cell::Name((*name).into()), Cell::Text((*value).into())]);
        }
        self.raw("</tbody></table></div>\n");
    }

    pub(crate) fn table<'c>(&mut self, head: &[Cell<'c>], rows: impl IntoIterator<Item = Vec<Cell<'c>>>) {
        self.raw("<div class=\"scroll\"><table><thead><tr>");
        for cell in head {
            let (start, text) = match cell {
                Cell::Number(text) => ("<th scope=\"col\" class=\"n\">", text),
                Cell::Text(text)
                | Cell::Name(text)
                | Cell::Code(text)
                | Cell::Bad(text)
                | Cell::Good(text) => ("<th scope=\"col\">", text),
            };
            self.raw(start);
            self.text(text);
            self.raw("</th>");
        }
        self.raw("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.row(&row);
        }
        self.raw("</tbody></table></div>\n");
    }

    fn row(&mut self, cells: &[Cell<'_>]) {
        self.raw("<tr>");
        for cell in cells {
            let (start, text, end) = match cell {
                Cell::Text(text) => ("<td>", text, "</td>"),
                Cell::Name(text) => ("<th scope=\"row\">", text, "</th>"),
                Cell::Code(text) => ("<td><code>", text, "</code></td>"),
                Cell::Number(text) => ("<td class=\"n\">", text, "</td>"),
                Cell::Bad(text) => ("<td class=\"bad\">", text, "</td>"),
                Cell::Good(text) => ("<td class=\"good\">", text, "</td>"),
            };
            self.raw(start);
            self.text(text);
            self.raw(end);
        }
        self.raw("</tr>\n");
    }

    /// The first figures of so many.
    pub(crate) fn figures(&mut self, spec: &FeedSpec, columns: &[String], rows: &[Vec<String>], all: u64) {
        self.section("Figures");
        let is_number: Vec<bool> = columns.iter().map(|column| is_number(spec, column)).collect();
        let cell = |(text, number): (&'_ str, &bool)| match number {
            true => Cell::Number(text.to_owned().into()),
            false => Cell::Text(text.to_owned().into()),
        };
        let cells =
            |texts: &[String]| texts.iter().map(String::as_str).zip(&is_number).map(cell).collect::<Vec<_>>();
        self.table(&cells(columns), rows.iter().map(|row| cells(row)));
        if all > FIGURES_SHOWN_MAX as u64 {
            self.paragraph(&format!(
                "The first {FIGURES_SHOWN_MAX} of {all} rows; all of them are in the export."
            ));
        }
    }

    /// The first rejected rows of so many.
    pub(crate) fn rejects(&mut self, shown: &[Reject], all: u64) {
        if shown.is_empty() {
            return;
        }
        self.section("Rejected rows");
        let head = [text("file"), number("line"), text("code"), text("reason"), text("row")];
        let rows = shown.iter().map(|reject| {
            let raw = if reject.raw_cut { format!("{}…", reject.raw) } else { reject.raw.clone() };
            vec![
                text(&reject.file),
                Cell::count(reject.line),
                Cell::Code(reject.code.as_str().into()),
                text(&reject.reason),
                Cell::Code(raw.into()),
            ]
        });
        self.table(&head, rows);
        if all > REJECTS_SHOWN_MAX as u64 {
            self.paragraph(&format!(
                "The first {REJECTS_SHOWN_MAX} of {all} rejected rows; all of them are kept."
            ));
        }
    }
}

/// Whether a column of figures stands to the right.
fn is_number(spec: &FeedSpec, column: &str) -> bool {
    spec.measure(column).is_some() && !crate::export::is_text(spec, column)
}

pub(crate) fn text(text: &str) -> Cell<'_> {
    Cell::Text(text.into())
}

pub(crate) fn number(text: &str) -> Cell<'_> {
    Cell::Number(text.into())
}

/// A number as it is read best: 1234567.89 in groups of three.
pub(crate) fn grouped(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("−", rest));
    let (whole, places) = rest.split_once('.').map_or((rest, None), |(whole, places)| (whole, Some(places)));
    if whole.is_empty() || !whole.chars().all(|digit| digit.is_ascii_digit()) {
        return number.to_owned();
    }
    let mut text = sign.to_owned();
    for (digit, left) in whole.chars().zip((0..whole.len()).rev()) {
        text.push(digit);
        if left > 0 && left % 3 == 0 {
            text.push(GROUP);
        }
    }
    text + &places.map_or_else(String::new, |places| format!(".{places}"))
}
