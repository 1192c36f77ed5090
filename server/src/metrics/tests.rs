//! Figures of real executions.

use std::sync::{Arc, Mutex};

use engine::{
    Completion, Engine, EngineOptions, ManualClock, StartExecution, TaskHost, TaskOutcome, TaskRequest,
};
use serde_json::json;

use super::*;

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";

/// Answers when it is asked to.
#[derive(Default)]
struct Held(Mutex<Vec<Completion>>);

impl TaskHost for Held {
    fn invoke(&self, _: TaskRequest, done: Completion) {
        self.0.lock().unwrap().push(done);
    }
}

struct Bench {
    engine: Engine,
    clock: ManualClock,
    host: Arc<Held>,
    metrics: Arc<Metrics>,
    _folder: tempfile::TempDir,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let (host, metrics) = (Arc::<Held>::default(), Arc::<Metrics>::default());
    let clock = ManualClock::at(1_800_000_000_000);
    let options = EngineOptions {
        clock: Arc::new(clock.clone()),
        observer: Some(metrics.clone()),
        ..EngineOptions::new(folder.path(), host.clone())
    };
    Bench { engine: Engine::open(options).unwrap(), clock, host, metrics, _folder: folder }
}

impl Bench {
    fn start(&self, definition: &serde_json::Value, input: &str) -> String {
        self.engine.put_state_machine("m", &definition.to_string(), None).unwrap();
        let started = self.engine.start_execution(StartExecution {
            state_machine: "m".to_owned(),
            input: input.to_owned(),
            ..StartExecution::default()
        });
        let arn = started.unwrap().execution_arn;
        self.engine.settle().unwrap();
        arn
    }

    fn answer(&self, outcome: TaskOutcome) {
        let done = self.host.0.lock().unwrap().pop().unwrap();
        done.finish(outcome);
        self.engine.settle().unwrap();
    }

    fn has(&self, line: &str) {
        let text = self.metrics.to_text();
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
}

fn one_task(resource: &str) -> serde_json::Value {
    json!({ "StartAt": "Work", "States": { "Work": { "Type": "Task", "Resource": resource, "End": true } } })
}

#[test]
fn executions_and_their_times_are_counted() {
    let bench = bench();
    bench.start(&one_task("arn:aws:lambda:us-east-1:123456789012:function:f"), "{}");
    bench.has(&format!("ExecutionsStarted{{StateMachineArn=\"{MACHINE}\"}} 1"));
    bench.has("OpenExecutionCount 1");
    bench.clock.advance_millis(40);
    bench.answer(TaskOutcome::Succeeded("{}".to_owned()));
    bench.has(&format!("ExecutionsSucceeded{{StateMachineArn=\"{MACHINE}\"}} 1"));
    bench.has(&format!("ExecutionTime_sum{{StateMachineArn=\"{MACHINE}\"}} 40"));
    bench.has(&format!("ExecutionTime_bucket{{StateMachineArn=\"{MACHINE}\",le=\"25\"}} 0"));
    bench.has(&format!("ExecutionTime_bucket{{StateMachineArn=\"{MACHINE}\",le=\"100\"}} 1"));
    let function = "{LambdaFunctionArn=\"arn:aws:lambda:us-east-1:123456789012:function:f\"}";
    bench.has(&format!("LambdaFunctionsScheduled{function} 1"));
    bench.has(&format!("LambdaFunctionsStarted{function} 1"));
    bench.has(&format!("LambdaFunctionsSucceeded{function} 1"));
    bench.has(&format!("LambdaFunctionTime_sum{function} 40"));
    bench.has("OpenExecutionCount 0");
}

#[test]
fn failures_aborts_and_redrives_are_counted_apart() {
    let bench = bench();
    let arn = bench.start(&one_task("arn:aws:states:::sqs:sendMessage"), "{}");
    bench.answer(TaskOutcome::Failed { error: "Sqs.Down".to_owned(), cause: String::new() });
    bench.has(&format!("ExecutionsFailed{{StateMachineArn=\"{MACHINE}\"}} 1"));
    bench.has(
        "ServiceIntegrationsFailed{ServiceIntegrationResourceArn=\"arn:aws:states:::sqs:sendMessage\"} 1",
    );
    let request = engine::RedriveExecution { execution_arn: arn.clone(), ..Default::default() };
    bench.engine.redrive_execution(&request).unwrap();
    bench.engine.settle().unwrap();
    bench.engine.stop_execution(&arn, None, None).unwrap();
    bench.has(&format!("RedrivenExecutions{{StateMachineArn=\"{MACHINE}\"}} 1"));
    bench.has(&format!("ExecutionsAborted{{StateMachineArn=\"{MACHINE}\"}} 1"));
    bench.has("OpenExecutionCount 0");
}

#[test]
fn calls_of_the_api_are_counted_by_their_errors() {
    let metrics = Metrics::default();
    metrics.called("StartExecution", None);
    metrics.called("StartExecution", None);
    metrics.called("StartExecution", Some("ThrottlingException"));
    let text = metrics.to_text();
    assert!(text.contains("ApiCalls{Operation=\"StartExecution\",Error=\"\"} 2\n"), "{text}");
    assert!(text.contains("\nExecutionThrottled 1\n"), "{text}");
}

#[test]
fn labels_cannot_break_out_of_their_quotes() {
    let mut figures = Figures::default();
    figures.machines.insert("a\"b\\c\nd".into(), OfMachine::default());
    let text = exposition::write(&figures);
    assert!(text.contains("StateMachineArn=\"a\\\"b\\\\c\\nd\""), "{text}");
}
