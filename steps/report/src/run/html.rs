//! The page about a run.

use feed::Correction;

use super::content::{Compared, RunContent};
use crate::html::{checks, objects};
use crate::page::{Cell, Page, grouped, number, text};

/// The page.
pub(super) fn page(content: &RunContent<'_>) -> String {
    let request = content.request;
    let title = format!("{} · {}", content.feed, request.period);
    let mut page = Page::new(&title, content.description.unwrap_or_default());
    summary(&mut page, content);
    comparison(&mut page, content);
    statuses(&mut page, content);
    receipts(&mut page, content);
    checks(&mut page, &content.checks);
    intake(&mut page, content);
    references(&mut page, content);
    page.figures(content.spec, &content.columns, &content.first_figures, content.figures_rows);
    page.rejects(&content.first_rejects, content.rejects_rows);
    let of_markets = request.markets.iter().flat_map(|market| {
        let name = &market.market;
        [
            (format!("rows, {name}"), &market.parsed.rows),
            (format!("figures, {name}"), &market.figures.figures),
        ]
    });
    let of_files = request.intake.iter().zip(1..).flat_map(|(parsed, index): (_, u32)| {
        [(format!("rows, file {index}"), &parsed.rows), (format!("rejects, file {index}"), &parsed.rejects)]
    });
    let spec = [("spec".to_owned(), &request.spec)];
    objects(&mut page, spec.into_iter().chain(of_markets).chain(of_files));
    page.finish()
}

fn summary(page: &mut Page, content: &RunContent<'_>) {
    let request = content.request;
    page.section("Run");
    let failed = content.checks.iter().filter(|check| !check.holds).count();
    if failed > 0 {
        page.note(&format!(
            "{failed} of the checks below do not hold. Find out why before anything is paid."
        ));
    }
    if let Some(why) = &request.approval {
        let who = request.approved_by.as_deref().unwrap_or("nobody yet");
        page.note(&format!("A person had to look: {why}. Approved by: {who}."));
    }
    for stale in &request.stale {
        page.note(&format!("{stale}."));
    }
    for notice in &request.notices {
        page.note(&format!("{notice}."));
    }
    if let Some(Correction { reason }) = &request.correction {
        page.note(&format!("This run replaces what was delivered before: {reason}."));
    }
    let before = request.receipts.iter().filter(|receipt| receipt.already_delivered).count();
    let deliveries = match (request.receipts.len(), before) {
        (0, _) => "nothing was delivered".to_owned(),
        (all, 0) => format!("{all}, all by this run"),
        (all, before) if all == before => format!("{all}, all of them had been delivered before"),
        (all, before) => format!("{all}, of which {before} had been delivered before"),
    };
    let markets: Vec<&str> = request.markets.iter().map(|market| market.market.as_str()).collect();
    page.pairs(&[
        ("period", &request.period),
        ("markets", &markets.join(", ")),
        ("deliveries", &deliveries),
        ("rows of figures", &grouped(&content.figures_rows.to_string())),
        ("rejected rows", &grouped(&content.rejects_rows.to_string())),
        ("run", &request.run_id),
        ("execution", &request.execution_arn),
    ]);
}

fn comparison(page: &mut Page, content: &RunContent<'_>) {
    page.section("Totals");
    let previous = content.request.previous_period.as_deref();
    match previous {
        Some(previous) => page.paragraph(&format!("Compared with {previous}. Totals never mix currencies.")),
        None => page.paragraph("There is no earlier period to compare with. Totals never mix currencies."),
    }
    for (part, totals) in &content.comparison {
        if !part.is_empty() {
            page.heading(part);
        }
        let head = [
            text("total"),
            number(&content.request.period),
            number(previous.unwrap_or("before")),
            number("change"),
            number("change in %"),
        ];
        page.table(&head, totals.iter().map(compared));
    }
}

fn compared(total: &Compared) -> Vec<Cell<'_>> {
    let shown =
        |text: Option<&String>| Cell::Number(text.map_or_else(|| "–".into(), |text| grouped(text).into()));
    vec![
        Cell::Name(total.measure.as_str().into()),
        shown(Some(&total.total)),
        shown(total.previous.as_ref()),
        shown(total.change.as_ref()),
        shown(total.change_percent.as_ref()),
    ]
}

fn statuses(page: &mut Page, content: &RunContent<'_>) {
    if content.statuses.is_empty() {
        return;
    }
    page.section("Statuses");
    let markets: Vec<&str> = content.request.markets.iter().map(|market| market.market.as_str()).collect();
    let mut head = vec![text("status"), number("rows")];
    head.extend(markets.iter().map(|market| number(market)));
    let rows = content.statuses.iter().map(|(status, by_market)| {
        let mut row = vec![Cell::Code(status.as_str().into()), Cell::count(by_market.values().sum())];
        row.extend(
            markets.iter().map(|market| Cell::count(by_market.get(market).copied().unwrap_or_default())),
        );
        row
    });
    page.table(&head, rows);
}

fn receipts(page: &mut Page, content: &RunContent<'_>) {
    page.section("Receipts");
    let receipts = &content.request.receipts;
    if receipts.is_empty() {
        return page.paragraph("Nothing was delivered.");
    }
    let head = [
        text("market"),
        text("channel"),
        text("number"),
        number("rows"),
        text("state"),
        text("delivery"),
        text("sha256 of the rows"),
    ];
    let rows = receipts.iter().map(|receipt| {
        let state = if receipt.already_delivered {
            text("had been delivered before")
        } else {
            Cell::Good("delivered by this run".into())
        };
        vec![
            Cell::Name(receipt.market.as_str().into()),
            text(&receipt.channel),
            Cell::Code(receipt.coreview_id.as_str().into()),
            Cell::count(receipt.rows),
            state,
            Cell::Code(receipt.delivery_id.as_str().into()),
            Cell::Code(receipt.batch_sha256.as_str().into()),
        ]
    });
    page.table(&head, rows);
}

/// What came in with this execution, what was kept aside, what deserves a look.
fn intake(page: &mut Page, content: &RunContent<'_>) {
    let request = content.request;
    page.section("Rows");
    let head = [text("from"), number("rows"), number("accepted"), number("cancelled"), number("rejected")];
    let files =
        request.intake.iter().zip(1..).map(|(parsed, index): (_, u32)| (format!("file {index}"), parsed));
    let markets = request.markets.iter().map(|market| (format!("market {}", market.market), &market.parsed));
    let rows = files.chain(markets).map(|(from, parsed)| {
        let stats = &parsed.stats;
        let mut row = vec![Cell::Name(from.into())];
        row.extend([stats.rows_in, stats.accepted, stats.cancelled, stats.rejected].map(Cell::count));
        row
    });
    page.table(&head, rows);
    page.paragraph(&format!("Rejected rows: {}.", content.reject_policy));
    if !content.rejected.is_empty() {
        page.heading("Rejects by code");
        let rows = content.rejected.iter().map(|rejected| {
            let reason = rejected.reason.unwrap_or_default();
            vec![Cell::Code(rejected.code.into()), Cell::count(rejected.rows), text(reason)]
        });
        page.table(&[text("code"), number("rows"), text("reason")], rows);
    }
    if !content.warnings.is_empty() {
        page.heading("Warnings");
        let rows = content.warnings.iter().map(|(code, warned)| {
            vec![
                Cell::Code((*code).into()),
                Cell::count(warned.rows),
                Cell::Text(warned.first.clone().into()),
            ]
        });
        page.table(&[text("code"), number("rows"), text("the first of them")], rows);
    }
}

fn references(page: &mut Page, content: &RunContent<'_>) {
    let references = &content.request.references;
    page.section("References");
    page.pairs(&[("sha256 of all input", &content.request.input_sha256)]);
    if references.is_empty() {
        return;
    }
    let revisions = |name: &str| {
        let of_name = content.request.revisions.iter().filter(|revision| revision.name == name);
        let shown: Vec<String> = of_name
            .map(|revision| format!("{} {}", revision.scope, revision.number).trim().to_owned())
            .collect();
        shown.join(", ")
    };
    let rows = references.iter().map(|(name, object)| {
        vec![
            Cell::Name(name.into()),
            Cell::Text(revisions(name).into()),
            Cell::count(object.rows.unwrap_or_default()),
            Cell::Code(object.sha256.as_str().into()),
            Cell::Code(object.key.as_str().into()),
        ]
    });
    page.table(&[text("name"), text("revisions"), number("rows"), text("sha256"), text("key")], rows);
}
