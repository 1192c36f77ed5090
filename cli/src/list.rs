//! `list`: the executions of a data folder, newest first.

use engine::{ExecutionFilter, ExecutionSummary, Reader, Status};
use serde_json::{Value, json};

use crate::{
    arguments::{Format, List},
    data::{DataDir, from_journal},
    problem::Problem,
    terminal::{Ink, Paint, Terminal},
    text,
};

/// Lists executions. An empty list is no failure.
pub(crate) fn list(arguments: &List, terminal: Terminal) -> Result<u8, Problem> {
    let executions = match DataDir::read(&arguments.data.dir) {
        Ok(reader) => selected(&reader, arguments)?,
        // A file is no folder that may become one.
        Err(Problem::NoData { dir }) if !dir.is_file() => Vec::new(),
        Err(problem) => return Err(problem),
    };
    if terminal.quiet {
        for execution in &executions {
            terminal.data(&execution.name);
        }
        return Ok(0);
    }
    match terminal.format {
        Format::Text if executions.is_empty() => terminal.note(&match &arguments.workflow {
            Some(workflow) => format!("no executions of {}", text::safe(workflow)),
            None => "no executions".to_owned(),
        }),
        Format::Text => {
            let now = crate::run::now_millis();
            terminal.data(&table(&executions, arguments, terminal, now));
            let running = executions.iter().filter(|execution| execution.status == Status::Running).count();
            if running > 0 && !engine::is_in_use(&arguments.data.dir) {
                terminal.remark(&format!("{running} RUNNING, but {}", crate::resume::advice(running)));
            }
        }
        Format::Json => {
            let list: Vec<Value> = executions.iter().map(summary).collect();
            terminal.data(&crate::show::document(&Value::Array(list), terminal));
        }
        Format::Jsonl => {
            for execution in &executions {
                terminal.data(&summary(execution).to_string());
            }
        }
    }
    Ok(0)
}

/// The journal has an index for one status; several are several lists, put together.
fn selected(reader: &Reader, arguments: &List) -> Result<Vec<ExecutionSummary>, Problem> {
    let filter = ExecutionFilter {
        state_machine: arguments.workflow.clone(),
        started_from_millis: arguments
            .since
            .map(|since| crate::run::now_millis().saturating_sub(since.millis())),
        limit: Some(u32::try_from(arguments.limit).unwrap_or(u32::MAX)),
        ..ExecutionFilter::default()
    };
    if arguments.status.is_empty() {
        return reader.list_executions(&filter).map_err(from_journal);
    }
    let mut executions = Vec::new();
    for status in &arguments.status {
        let filter = ExecutionFilter { status: Some(status.engine()), ..filter.clone() };
        executions.extend(reader.list_executions(&filter).map_err(from_journal)?);
    }
    executions.sort_by_key(|execution| std::cmp::Reverse((execution.start_millis, execution.number)));
    executions.dedup_by_key(|execution| execution.number);
    executions.truncate(arguments.limit);
    Ok(executions)
}

/// A row of AWS's `ListExecutions`.
fn summary(execution: &ExecutionSummary) -> Value {
    json!({
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status.as_str(),
        "startDate": text::iso(execution.start_millis),
        "stopDate": execution.stop_millis.map(text::iso),
        "error": execution.error,
        "redriveCount": execution.redrive_count,
        "redriveDate": execution.redrive_millis.map(text::iso),
    })
}

fn table(executions: &[ExecutionSummary], arguments: &List, terminal: Terminal, now_millis: i64) -> String {
    let header = ["STATUS", "NAME", "WORKFLOW", "STARTED", "TOOK"].map(str::to_owned);
    let rows = executions.iter().map(|execution| {
        [
            execution.status.as_str().to_owned(),
            text::safe(&execution.name),
            text::safe(engine::arn::state_machine_name(&execution.state_machine_arn)),
            text::moment(execution.start_millis, arguments.time, now_millis),
            text::duration(execution.stop_millis.unwrap_or(now_millis) - execution.start_millis),
        ]
    });
    let rows: Vec<[String; 5]> = std::iter::once(header).chain(rows).collect();
    if !terminal.out_tty {
        // For programs: one tab between columns.
        return rows.iter().map(|row| row.join("\t")).collect::<Vec<_>>().join("\n");
    }
    aligned(&rows, terminal.out)
}

fn aligned(rows: &[[String; 5]], paint: Paint) -> String {
    let mut widths = [0; 5];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut lines = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                let padded = format!("{cell:<width$}");
                match column {
                    _ if number == 0 => paint.ink(Ink::Faint, &padded),
                    0 => paint.ink(status_ink(cell), &padded),
                    _ => padded,
                }
            })
            .collect();
        lines.push(cells.join("  ").trim_end().to_owned());
    }
    lines.join("\n")
}

/// The ink of a status; its word always stands there, too.
pub(crate) fn status_ink(status: &str) -> Ink {
    match status {
        "SUCCEEDED" => Ink::Good,
        "FAILED" | "TIMED_OUT" => Ink::Bad,
        "RUNNING" => Ink::Strong,
        _ => Ink::Warn,
    }
}
