//! `resume`: what a data folder has open goes on, on the engine of this process, until it has ended.

use engine::{ExecutionDescription, ExecutionFilter, Reader, Status};
use serde_json::{Value, json};

use crate::{
    arguments::{Format, Resume},
    data::{DataDir, from_engine, from_journal},
    local_engine::{LocalEngine, Waited, check_coreview},
    problem::{Problem, exit},
    project::Application,
    redrive::{ended, executions},
    show,
    terminal::Terminal,
    text::safe,
    view::View,
};

/// Takes up every execution that is open, and waits for their ends.
pub(crate) fn resume(arguments: &Resume, terminal: Terminal) -> Result<u8, Problem> {
    check_coreview(arguments.coreview.as_deref())?;
    let open = running(&DataDir::read(&arguments.data.dir)?)?;
    if open.is_empty() {
        print(&[], terminal);
        terminal.note("no execution is open");
        return Ok(exit::REFUSED);
    }
    let data = DataDir::create(&arguments.data.dir)?;
    let coreview = match &arguments.coreview {
        Some(coreview) => coreview.clone(),
        None => data.coreview_of(open.iter().map(|(name, _)| name.clone()))?,
    };
    let application = Application::ready(&arguments.build, terminal, true)?;
    let local = LocalEngine::open(&application, &arguments.functions, data, coreview)?;
    let done = watch(&local, &open, terminal);
    local.close();
    done
}

/// Names and ARNs of the executions that are open, oldest first; children of Map Runs belong to theirs.
pub(crate) fn running(reader: &Reader) -> Result<Vec<(String, String)>, Problem> {
    let filter = ExecutionFilter {
        status: Some(Status::Running),
        limit: Some(u32::MAX),
        ..ExecutionFilter::default()
    };
    let listed = reader.list_executions(&filter).map_err(from_journal)?;
    Ok(listed.into_iter().rev().map(|execution| (execution.name, execution.execution_arn)).collect())
}

/// What is said of executions that nobody runs.
pub(crate) fn advice(number: usize) -> String {
    let them = if number == 1 { "it" } else { "them" };
    format!("no process runs {them}: `stepwright resume` takes {them} up")
}

fn watch(local: &LocalEngine, open: &[(String, String)], terminal: Terminal) -> Result<u8, Problem> {
    let moments = local.moments();
    if terminal.format == Format::Text {
        let names: Vec<String> = open.iter().map(|(name, _)| safe(name)).collect();
        terminal.remark(&format!("going on with {}: {}", executions(open.len()), names.join(", ")));
    }
    let mut results = Vec::new();
    for (_, arn) in open {
        // The others go on meanwhile; what they did is shown when it is their turn.
        let waited = local.watch(arn, terminal, &moments, &mut View::default())?;
        results.push(local.engine.describe_execution(arn).map_err(from_engine)?);
        if matches!(waited, Waited::Interrupted) {
            print(&results, terminal);
            if terminal.format == Format::Text {
                terminal.note("interrupted: what has not ended stays open; the same command takes it up");
            }
            return Ok(exit::INTERRUPTED);
        }
    }
    print(&results, terminal);
    let count = |status| results.iter().filter(|result| result.status == status).count();
    let (succeeded, waiting) = (count(Status::Succeeded), count(Status::Running));
    if waiting > 0 && terminal.format == Format::Text {
        terminal.note(&format!("{} for an answer: stepwright waiting", waits(waiting)));
    }
    Ok(match succeeded {
        all if all == results.len() => 0,
        rest if rest + waiting == results.len() => exit::WAITS,
        0 => exit::FAILED,
        _ => exit::PARTIAL,
    })
}

fn waits(number: usize) -> String {
    format!("{} {}", executions(number), if number == 1 { "waits" } else { "wait" })
}

fn print(results: &[ExecutionDescription], terminal: Terminal) {
    let document = |result: &ExecutionDescription| {
        json!({
            "executionArn": result.execution_arn,
            "name": result.name,
            "status": result.status.as_str(),
            "error": result.error,
            "output": result.output.as_deref().map(|text| serde_json::from_str(text).unwrap_or(Value::Null)),
        })
    };
    match terminal.format {
        Format::Json => {
            let documents: Vec<Value> = results.iter().map(document).collect();
            terminal.data(&show::document(&Value::Array(documents), terminal));
        }
        Format::Jsonl => results.iter().for_each(|result| terminal.data(&document(result).to_string())),
        Format::Text if terminal.quiet => {
            for result in results {
                terminal.data(&safe(&result.name));
            }
        }
        Format::Text => results.iter().for_each(|result| terminal.data(&ended(result, terminal.out))),
    }
}
