//! `stop`: executions that run are aborted. Nothing else in the journal goes on meanwhile.

use std::sync::Arc;

use engine::{Completion, Engine, EngineOptions, Status, TaskHost, TaskRequest};
use serde_json::{Value, json};

use crate::{
    arguments::{Format, Stop},
    data::{DataDir, from_engine},
    problem::{Problem, exit},
    redrive::{confirmed, executions, found},
    show,
    terminal::Terminal,
    text::{self, safe},
};

/// Calls nothing: an engine that only stops executions has nothing to call.
struct NoHost;

impl TaskHost for NoHost {
    fn invoke(&self, _: TaskRequest, _: Completion) {}
}

/// Stops executions.
pub(crate) fn stop(arguments: &Stop, terminal: Terminal) -> Result<u8, Problem> {
    let reader = DataDir::read(&arguments.data.dir)?;
    let mut named = Vec::new();
    for given in &arguments.executions {
        let (described, _) = found(&reader, given)?;
        if named
            .iter()
            .all(|other: &engine::ExecutionDescription| other.execution_arn != described.execution_arn)
        {
            named.push(described);
        }
    }
    drop(reader);
    let running = named.iter().filter(|described| described.status == Status::Running).count();
    if running > 0 && !confirmed(&format!("Stop {}?", executions(running)), arguments.yes, terminal)? {
        return Ok(exit::REFUSED);
    }
    let mut results = Vec::new();
    if running > 0 {
        let options = EngineOptions {
            takes_up: false,
            ..EngineOptions::new(DataDir::create(&arguments.data.dir)?.journal(), Arc::new(NoHost))
        };
        let engine = Engine::open(options).map_err(from_engine)?;
        for described in &named {
            let is_running = described.status == Status::Running;
            if is_running {
                let (error, cause) = (arguments.error.clone(), arguments.reason.clone());
                engine
                    .stop_execution(&described.execution_arn, Some(error), Some(cause))
                    .map_err(from_engine)?;
            }
            results.push((
                engine.describe_execution(&described.execution_arn).map_err(from_engine)?,
                is_running,
            ));
        }
        engine.shutdown();
    } else {
        results.extend(named.into_iter().map(|described| (described, false)));
    }
    print(&results, terminal);
    Ok(match results.iter().filter(|(_, is_stopped)| *is_stopped).count() {
        0 => exit::REFUSED,
        stopped if stopped < results.len() => exit::PARTIAL,
        _ => 0,
    })
}

fn print(results: &[(engine::ExecutionDescription, bool)], terminal: Terminal) {
    let document = |(described, is_stopped): &(engine::ExecutionDescription, bool)| {
        json!({
            "executionArn": described.execution_arn,
            "name": described.name,
            "status": described.status.as_str(),
            "stopDate": described.stop_millis.map(text::iso),
            "outcome": if *is_stopped { "STOPPED" } else { "HAD_ENDED" },
        })
    };
    match terminal.format {
        Format::Json => {
            let documents: Vec<Value> = results.iter().map(document).collect();
            terminal.data(&show::document(&Value::Array(documents), terminal));
        }
        Format::Jsonl => results.iter().for_each(|result| terminal.data(&document(result).to_string())),
        Format::Text => {
            for (described, is_stopped) in results {
                let name = safe(&described.name);
                match is_stopped {
                    true if terminal.quiet => terminal.data(&name),
                    true => terminal.data(&format!("{name}  stopped")),
                    false => terminal.note(&format!("{name}  had ended: {}", described.status)),
                }
            }
        }
    }
}
