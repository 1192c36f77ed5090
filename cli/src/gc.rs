//! `gc`: executions that ended long ago go, and the journal becomes smaller.

use engine::Collected;
use serde_json::json;

use crate::{
    arguments::{Format, Gc},
    data::{DataDir, Retention, from_journal},
    problem::Problem,
    terminal::Terminal,
    text,
};

/// Removes, or says what would be removed.
pub(crate) fn gc(arguments: &Gc, terminal: Terminal) -> Result<u8, Problem> {
    let reader = DataDir::read(&arguments.data.dir)?;
    if !arguments.dry_run {
        arguments.keep.note(&DataDir::create(&arguments.data.dir)?)?;
    }
    let age = match (arguments.older_than, arguments.keep.retention) {
        (Some(age), _) => Some(age.span()),
        (None, Some(retention)) => retention.span(),
        (None, None) => Retention::noted_in(&arguments.data.dir)?.span(),
    };
    // What is kept for ever goes by hand only: nothing ended before the beginning of time.
    let ended_before_millis = age.map_or(i64::MIN, |age| {
        crate::run::now_millis().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
    });
    let collected = if arguments.dry_run {
        reader.garbage(ended_before_millis)
    } else {
        drop(reader);
        engine::collect_garbage(&arguments.data.dir, ended_before_millis)
    };
    let collected = collected.map_err(from_journal)?;
    match terminal.format {
        Format::Text => terminal.data(&told(&collected, arguments.dry_run)),
        Format::Json | Format::Jsonl => {
            let document = json!({
                "dryRun": arguments.dry_run,
                "endedBefore": age.map(|_| text::iso(ended_before_millis)),
                "executions": collected.executions,
                "historyBytes": collected.history_bytes,
                "freedBytes": collected.freed_bytes,
            });
            terminal.data(&crate::show::document(&document, terminal));
        }
    }
    Ok(0)
}

fn told(collected: &Collected, dry_run: bool) -> String {
    let (executions, history) = (text::count(collected.executions), text::bytes(collected.history_bytes));
    if dry_run {
        format!("{executions} executions with {history} of history would be removed")
    } else {
        let freed = text::bytes(collected.freed_bytes);
        format!("{executions} executions with {history} of history removed; the journal is {freed} smaller")
    }
}
