//! The page about a delivery.

use crate::content::{Check, Content};
use crate::page::{Cell, Page, number, text};
use stepwright::objects::ObjectRef;

/// The page.
pub(crate) fn page(content: &Content<'_>) -> String {
    let request = content.request;
    let title = format!("{} · {}", request.figures.feed, request.figures.period);
    let mut page = Page::new(&title, content.description.unwrap_or_default());
    delivery(&mut page, content);
    rows(&mut page, content);
    checks(&mut page, &content.checks);
    page.figures(content.spec, &content.columns, &content.first_figures, request.figures.rows);
    page.rejects(&content.first_rejects, request.parsed.stats.rejected);
    let named = [
        ("spec", &request.spec),
        ("rows", &request.parsed.rows),
        ("rejects", &request.parsed.rejects),
        ("figures", &request.figures.figures),
    ];
    objects(&mut page, named.map(|(what, object)| (what.to_owned(), object)));
    page.finish()
}

fn delivery(page: &mut Page, content: &Content<'_>) {
    let delivered = &content.request.delivered;
    page.section("Delivery");
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
    page.section("Rows");
    let files = format!("from {} file(s)", stats.files);
    let mut rows = vec![vec![text("came in"), Cell::count(stats.rows_in), text(""), text(&files)]];
    let parts = [
        ("accepted", &stats.accepted_by_code),
        ("cancelled", &stats.cancelled_by_code),
        ("rejected", &stats.rejected_by_code),
    ];
    for (what, by_code) in parts {
        rows.extend(by_code.iter().map(|(code, count)| {
            let reason = content.reasons.get(code.as_str()).copied().unwrap_or_default();
            vec![text(what), Cell::count(*count), Cell::Code(code.into()), text(reason)]
        }));
    }
    page.table(&[text("what"), number("rows"), text("code"), text("reason")], rows);
    page.paragraph(&format!("Rejected rows: {}.", content.reject_policy));
}

/// Numbers that had to be the same.
pub(crate) fn checks(page: &mut Page, checks: &[Check]) {
    page.section("Checks");
    let all_hold = checks.iter().all(|check| check.holds);
    let rows = checks.iter().map(|check| {
        let (mark, found) = if check.holds {
            (Cell::Good("✓ holds".into()), text(""))
        } else {
            (Cell::Bad("✗ differs".into()), Cell::Bad(check.right.as_str().into()))
        };
        let mut row = vec![mark, text(&check.what), Cell::Code(check.left.as_str().into())];
        row.extend((!all_hold).then_some(found));
        row
    });
    let mut head = vec![text("result"), text("check"), text("value")];
    head.extend((!all_hold).then(|| text("instead")));
    page.table(&head, rows);
}

/// Where everything is.
pub(crate) fn objects<'o>(page: &mut Page, objects: impl IntoIterator<Item = (String, &'o ObjectRef)>) {
    page.section("Objects");
    let rows = objects.into_iter().map(|(what, object)| {
        vec![
            Cell::Name(what.into()),
            text(&object.bucket),
            Cell::Code(object.key.as_str().into()),
            Cell::count(object.bytes),
            Cell::Code(object.sha256.as_str().into()),
        ]
    });
    page.table(&[text("what"), text("bucket"), text("key"), number("bytes"), text("sha256")], rows);
}
