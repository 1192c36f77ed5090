//! The page for people. One file: no scripts, no images, nothing loaded.

use std::fmt::Write as _;

use crate::content::{Content, FIGURES_SHOWN_MAX, REJECTS_SHOWN_MAX};

/// The page's look; light and dark, wide tables scroll on their own.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin-bottom:0}h2{font-size:1.1rem;margin-top:2rem}\
p.lead{margin-top:.2rem;opacity:.75}\
.scroll{overflow-x:auto}\
table{border-collapse:collapse}\
th,td{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid #8884;vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums}\
code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}\
.bad{color:#b00020;font-weight:600}";

/// The page.
pub(crate) fn page(content: &Content<'_>) -> String {
    let request = content.request;
    let figures = &request.figures;
    let mut page = Page(String::with_capacity(32 * 1024));
    let title = format!("{} · {}", figures.feed, figures.period);
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width\"><title>");
    page.text(&title);
    page.raw("</title><style>");
    page.raw(STYLE);
    page.raw("</style></head>\n<body><h1>");
    page.text(&title);
    page.raw("</h1><p class=\"lead\">");
    page.text(content.description.unwrap_or_default());
    page.raw("</p>\n");
    delivery(&mut page, content);
    rows(&mut page, content);
    checks(&mut page, content);
    figures_table(&mut page, content);
    rejects(&mut page, content);
    objects(&mut page, content);
    page.raw("</body></html>\n");
    page.0
}

fn delivery(page: &mut Page, content: &Content<'_>) {
    let delivered = &content.request.delivered;
    page.heading("Delivery");
    let state = if delivered.already_delivered {
        "had been delivered before; nothing was delivered twice"
    } else {
        "delivered by this run"
    };
    page.pairs(&[
        ("CoreView number", delivered.coreview_id.as_str()),
        ("state", state),
        ("delivered at", delivered.delivered_at.as_str()),
        ("read back at", content.request.confirmed.verified_at.as_str()),
        ("delivery", delivered.delivery_id.as_str()),
        ("delivered by execution", delivered.execution_arn.as_str()),
        ("this execution", content.request.execution_arn.as_str()),
    ]);
}

fn rows(page: &mut Page, content: &Content<'_>) {
    let stats = &content.request.parsed.stats;
    page.heading("Rows");
    page.raw("<table><tr><th>what</th><th>rows</th><th>code</th><th></th></tr>\n");
    page.raw("<tr><td>came in</td>");
    page.number(stats.rows_in);
    page.raw("<td></td><td>");
    page.text(&format!("from {} file(s)", stats.files));
    page.raw("</td></tr>\n");
    let parts = [
        ("accepted", &stats.accepted_by_code),
        ("cancelled", &stats.cancelled_by_code),
        ("rejected", &stats.rejected_by_code),
    ];
    for (what, by_code) in parts {
        for (code, count) in by_code {
            page.raw("<tr><td>");
            page.text(what);
            page.raw("</td>");
            page.number(*count);
            page.raw("<td><code>");
            page.text(code);
            page.raw("</code></td><td>");
            page.text(content.reasons.get(code.as_str()).copied().unwrap_or_default());
            page.raw("</td></tr>\n");
        }
    }
    page.raw("</table><p>Rejected rows: ");
    page.text(&content.reject_policy);
    page.raw(".</p>\n");
}

fn checks(page: &mut Page, content: &Content<'_>) {
    page.heading("Checks");
    page.raw("<table>");
    for check in &content.checks {
        page.raw(if check.holds { "<tr><td>✓</td><td>" } else { "<tr><td class=\"bad\">✗</td><td>" });
        page.text(&check.what);
        page.raw("</td><td><code>");
        page.text(&check.left);
        if !check.holds {
            page.raw("</code></td><td class=\"bad\"><code>");
            page.text(&check.right);
        }
        page.raw("</code></td></tr>\n");
    }
    page.raw("</table>\n");
}

fn figures_table(page: &mut Page, content: &Content<'_>) {
    page.heading("Figures");
    page.raw("<div class=\"scroll\"><table><tr>");
    for column in &content.columns {
        page.raw("<th>");
        page.text(column);
        page.raw("</th>");
    }
    page.raw("</tr>\n");
    let is_measure: Vec<bool> =
        content.columns.iter().map(|column| content.spec.measure(column).is_some()).collect();
    for row in &content.first_figures {
        page.raw("<tr>");
        for (cell, is_measure) in row.iter().zip(&is_measure) {
            page.raw(if *is_measure { "<td class=\"n\">" } else { "<td>" });
            page.text(cell);
            page.raw("</td>");
        }
        page.raw("</tr>\n");
    }
    page.raw("</table></div>\n");
    let all = content.request.figures.rows;
    if all > FIGURES_SHOWN_MAX as u64 {
        page.raw("<p>");
        page.text(&format!("The first {FIGURES_SHOWN_MAX} of {all} rows; all of them are in the export."));
        page.raw("</p>\n");
    }
}

fn rejects(page: &mut Page, content: &Content<'_>) {
    if content.first_rejects.is_empty() {
        return;
    }
    page.heading("Rejected rows");
    page.raw("<div class=\"scroll\"><table><tr><th>file</th><th>line</th><th>code</th><th>reason</th><th>row</th></tr>\n");
    for reject in &content.first_rejects {
        page.raw("<tr><td>");
        page.text(&reject.file);
        page.raw("</td>");
        page.number(reject.line);
        page.raw("<td><code>");
        page.text(&reject.code);
        page.raw("</code></td><td>");
        page.text(&reject.reason);
        page.raw("</td><td><code>");
        page.text(&reject.raw);
        page.raw(if reject.raw_cut { "…</code></td></tr>\n" } else { "</code></td></tr>\n" });
    }
    page.raw("</table></div>\n");
    let all = content.request.parsed.stats.rejected;
    if all > REJECTS_SHOWN_MAX as u64 {
        page.raw("<p>");
        page.text(&format!("The first {REJECTS_SHOWN_MAX} of {all} rejected rows; all of them are kept."));
        page.raw("</p>\n");
    }
}

fn objects(page: &mut Page, content: &Content<'_>) {
    page.heading("Objects");
    page.raw("<div class=\"scroll\"><table><tr><th>what</th><th>bucket</th><th>key</th><th>bytes</th><th>sha256</th></tr>\n");
    let request = content.request;
    let objects = [
        ("spec", &request.spec),
        ("rows", &request.parsed.rows),
        ("rejects", &request.parsed.rejects),
        ("figures", &request.figures.figures),
    ];
    for (what, object) in objects {
        page.raw("<tr><td>");
        page.text(what);
        page.raw("</td><td>");
        page.text(&object.bucket);
        page.raw("</td><td><code>");
        page.text(&object.key);
        page.raw("</code></td>");
        page.number(object.bytes);
        page.raw("<td><code>");
        page.text(&object.sha256);
        page.raw("</code></td></tr>\n");
    }
    page.raw("</table></div>\n");
}

/// A page being written. Text goes in escaped; only this file writes markup.
struct Page(String);

impl Page {
    fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(character),
                control if control.is_control() => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
    }

    fn number(&mut self, number: u64) {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "<td class=\"n\">{number}</td>");
    }

    fn heading(&mut self, heading: &'static str) {
        self.raw("<h2>");
        self.raw(heading);
        self.raw("</h2>\n");
    }

    fn pairs(&mut self, pairs: &[(&'static str, &str)]) {
        self.raw("<table>");
        for (name, value) in pairs {
            self.raw("<tr><th>");
            self.raw(name);
            self.raw("</th><td>");
            self.text(value);
            self.raw("</td></tr>\n");
        }
        self.raw("</table>\n");
    }
}
