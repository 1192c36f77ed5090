//! `gc`: executions that ended long ago go, and the journal becomes smaller.

use std::time::Duration;

use engine::Collected;
use serde_json::json;

use crate::{
    arguments::{Format, Gc},
    data::{DataDir, from_journal},
    problem::Problem,
    terminal::Terminal,
    text,
};

/// Removes, or says what would be removed.
pub(crate) fn gc(arguments: &Gc, terminal: Terminal) -> Result<u8, Problem> {
    let age = i64::try_from(arguments.older_than.as_millis()).unwrap_or(i64::MAX);
    let ended_before_millis = crate::run::now_millis().saturating_sub(age);
    let reader = DataDir::read(&arguments.data.dir)?;
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
                "endedBefore": text::iso(ended_before_millis),
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

/// A time span like `12h`, `30d` or `8w`.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let refused = || format!("`{text}` is no time span: write a number and s, m, h, d or w, e.g. 30d");
    let unit = text.chars().next_back().ok_or_else(refused)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(refused()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(refused)?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        assert_eq!(age("30d"), Ok(Duration::from_hours(30 * 24)));
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        assert_eq!(age("8w"), Ok(Duration::from_hours(56 * 24)));
        for refused in
            ["", "d", "30", "-1d", "1.5h", "30days", "99999999999999999999d", "99999999999999999w", "3ü"]
        {
            assert!(age(refused).unwrap_err().contains("30d"), "{refused}");
        }
    }
}
