//! The execution as an indented tree: one line per state, readable with grep and by ear.

use std::fmt::Write as _;

use crate::{
    terminal::{Ink, Paint},
    text::{count, duration, one_line, safe},
    view::{Items, Standing, View, Visit},
};

/// Iterations of a Map shown one by one; of a large Map only what needs a look.
const ITERATIONS_MAX: usize = 10;

/// The tree of an execution. `states`: the outermost states of its definition, so that those
/// not entered show, too.
pub(crate) fn tree(view: &View, states: &[&str], now_millis: i64, paint: Paint) -> Vec<String> {
    let width = name_width(view, states);
    let mut lines = Vec::new();
    scope(view, 0, "", width, now_millis, paint, &mut lines);
    for state in states.iter().filter(|state| !is_entered(view, state)) {
        let line = format!("· {} (not entered)", safe(state));
        lines.push(paint.ink(Ink::Faint, &line));
    }
    lines
}

/// The column in which times begin.
pub(crate) fn name_width(view: &View, states: &[&str]) -> usize {
    let names = states.iter().copied().chain(view.visits.iter().map(|visit| visit.name.as_str()));
    names.map(|name| name.chars().count()).max().unwrap_or(0).clamp(12, 40)
}

fn is_entered(view: &View, state: &str) -> bool {
    view.visits.iter().any(|visit| visit.name == state)
}

fn scope(
    view: &View,
    at: usize,
    indent: &str,
    width: usize,
    now_millis: i64,
    paint: Paint,
    lines: &mut Vec<String>,
) {
    for visit in view.scopes.get(at).into_iter().flat_map(|scope| &scope.visits) {
        let Some(visit) = view.visits.get(*visit) else { continue };
        lines.push(format!("{indent}{}", line(visit, width, now_millis, paint)));
        let inner = format!("{indent}│  ");
        if visit.kind == "Map" {
            iterations(view, visit, &inner, width, now_millis, paint, lines);
        } else {
            for branch in &visit.scopes {
                scope(view, *branch, &inner, width, now_millis, paint, lines);
            }
        }
    }
}

fn iterations(
    view: &View,
    map: &Visit,
    indent: &str,
    width: usize,
    now_millis: i64,
    paint: Paint,
    lines: &mut Vec<String>,
) {
    let is_quiet = |at: &usize| {
        let visits = view.scopes.get(*at).map(|scope| scope.visits.as_slice()).unwrap_or_default();
        visits.iter().filter_map(|visit| view.visits.get(*visit)).all(|visit| {
            matches!(visit.standing, Standing::Succeeded | Standing::Aborted) && visit.attempts < 2
        })
    };
    let all = map.scopes.len() <= ITERATIONS_MAX;
    let shown: Vec<usize> = map.scopes.iter().filter(|at| all || !is_quiet(at)).copied().collect();
    for at in shown.iter().take(ITERATIONS_MAX) {
        let index = view.scopes.get(*at).and_then(|scope| scope.index).unwrap_or(0);
        let mut inner = Vec::new();
        scope(view, *at, "", width, now_millis, paint, &mut inner);
        for (row, text) in inner.into_iter().enumerate() {
            let label =
                if row == 0 { format!("[{index}] ") } else { " ".repeat(format!("[{index}] ").len()) };
            lines.push(format!("{indent}{label}{text}"));
        }
    }
    if shown.len() > ITERATIONS_MAX {
        lines.push(format!("{indent}… {} more", count((shown.len() - ITERATIONS_MAX) as u64)));
    }
}

/// One state: glyph, name, time, and what is special about it.
pub(crate) fn line(visit: &Visit, width: usize, now_millis: i64, paint: Paint) -> String {
    let (glyph, ink) = glyph(visit);
    let took = visit.ended_millis.unwrap_or(now_millis) - visit.entered_millis;
    let name = safe(&visit.name);
    let mut text = format!("{} {name:<width$} {:>9}", paint.ink(ink, glyph), duration(took));
    if let Some(items) = visit.items {
        text.push_str(&item_counts(items));
    }
    if visit.attempts > 1 {
        let _ = write!(text, "  attempt {}", visit.attempts);
    }
    match (&visit.failure, visit.standing) {
        (Some(failure), Standing::Failed) => {
            let error = paint.ink(Ink::Bad, &safe(&failure.error));
            let cause = one_line(&crate::failure::readable(&failure.cause), 100);
            let _ = write!(text, "  failed: {error}  {cause}");
        }
        (Some(failure), Standing::Running) if visit.between_attempts => {
            let error = paint.ink(Ink::Warn, &safe(&failure.error));
            let _ = write!(text, "  waits to try again after {error}");
        }
        (Some(failure), Standing::Succeeded) if visit.between_attempts => {
            let _ = write!(text, "  caught {}", paint.ink(Ink::Warn, &safe(&failure.error)));
        }
        (_, Standing::Aborted) => text.push_str("  aborted"),
        _ => {}
    }
    text
}

fn item_counts(items: Items) -> String {
    let mut text = format!("  {} items  {} ✓", count(items.total), count(items.succeeded));
    if items.failed > 0 {
        let _ = write!(text, "  {} ✗", count(items.failed));
    }
    text
}

fn glyph(visit: &Visit) -> (&'static str, Ink) {
    match visit.standing {
        Standing::Succeeded => ("✓", Ink::Good),
        Standing::Failed => ("✗", Ink::Bad),
        Standing::Aborted => ("■", Ink::Warn),
        Standing::Running if visit.between_attempts => ("↻", Ink::Warn),
        Standing::Running => ("⟳", Ink::Strong),
    }
}
