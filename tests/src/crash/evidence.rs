//! Takes the evidence: reads a world from outside, with connections of its
//! own, while no engine runs there.

use std::collections::BTreeMap;

use engine::{Engine, ExecutionFilter, ExecutionSummary, Reader};
use serde_json::Value;

use super::checker::{Damage, Found, Violation};
use super::world::{World, lines};

/// What the journal of a world holds, by ARN, or what is wrong with reading it.
pub fn journal(world: &World) -> Result<BTreeMap<String, Found>, Violation> {
    read_journal(world).map_err(|problem| Violation {
        damage: Damage::Lost,
        what: format!("the journal in {} cannot be read: {problem}", world.data().display()),
    })
}

fn read_journal(world: &World) -> Result<BTreeMap<String, Found>, Box<dyn std::error::Error>> {
    // For reading only: one that may write would move the log into the database as it closes.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(world.data().join("journal.db"), flags)?;
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(sound.into());
    }
    // Promise 2: what `stepwright doctor` says of a journal of the lab, after every life.
    let examined = engine::examine(&world.data())?;
    if !examined.is_sound() {
        return Err(format!("the doctor finds {:?}", examined.findings).into());
    }
    let reader = Engine::open_read_only(&world.data())?;
    let everything = || ExecutionFilter { limit: Some(u32::MAX), ..ExecutionFilter::default() };
    let mut summaries = reader.list_executions(&everything())?;
    let map_runs: Vec<String> = database
        .prepare("SELECT arn FROM map_runs")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for map_run in map_runs {
        summaries
            .extend(reader.list_executions(&ExecutionFilter { map_run: Some(map_run), ..everything() })?);
    }
    let rows: i64 = database.query_row("SELECT count(*) FROM executions", [], |row| row.get(0))?;
    if usize::try_from(rows).ok() != Some(summaries.len()) {
        return Err(format!("{rows} rows of executions, {} are listed", summaries.len()).into());
    }
    summaries.into_iter().map(|summary| found(&reader, summary)).collect()
}

fn found(reader: &Reader, summary: ExecutionSummary) -> Result<(String, Found), Box<dyn std::error::Error>> {
    let arn = summary.execution_arn;
    let described = reader.describe_execution(&arn)?.ok_or("listed, and not there")?;
    let events = reader.execution_history(&arn)?.ok_or("listed, and without a history")?;
    let found = Found {
        status: described.status.as_str().to_owned(),
        output: described.output.as_deref().map(serde_json::from_str).transpose()?,
        error: described.error,
        events: events.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>()?,
    };
    Ok((arn, found))
}

/// Calls of tasks that reached the task host: ARN and id of the event.
pub fn invocations(world: &World) -> Vec<(String, u64)> {
    let parse = |line: &String| {
        let (arn, event) = line.rsplit_once(' ')?;
        Some((arn.to_owned(), event.parse().ok()?))
    };
    lines(&world.invocations()).iter().filter_map(parse).collect()
}

/// Task tokens that were handed out: execution and token.
pub fn tokens(world: &World) -> Vec<(String, String)> {
    let parse = |line: &String| {
        let (arn, token) = line.split_once(' ')?;
        Some((arn.to_owned(), token.to_owned()))
    };
    lines(&world.tokens()).iter().filter_map(parse).collect()
}
