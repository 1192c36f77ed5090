use serde_json::json;

use super::*;

fn slow_task() -> Arc<StateMachine> {
    let definition = json!({
        "QueryLanguage": "JSONata", "StartAt": "Work",
        "States": { "Work": {
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "HeartbeatSeconds": 10,
            "Arguments": { "FunctionName": "f" }, "Output": "{% $states.result %}", "End": true
        } }
    });
    Arc::new(StateMachine::parse(&definition.to_string()).unwrap())
}

fn run_steps(steps: &[(i64, TaskStep)]) -> SimulatedRun {
    let options = SimulationOptions::default();
    run_with(&options, &slow_task(), json!({}), &mut |_| Reply::Steps(steps.to_vec()))
}

fn ended() -> TaskStep {
    TaskStep::Ended(TaskOutcome::Succeeded("7".to_owned()))
}

#[test]
fn steps_happen_at_their_times() {
    let run = run_steps(&[(9_000, TaskStep::Heartbeat), (18_000, TaskStep::Heartbeat), (27_000, ended())]);
    assert_eq!((run.status, run.output, run.elapsed_millis), (Status::Succeeded, Some(json!(7)), 27_000));
}

#[test]
fn a_step_after_the_end_of_its_task_never_happens() {
    let run = run_steps(&[(9_000, TaskStep::Heartbeat), (20_000, ended())]);
    assert_eq!((run.status, run.elapsed_millis), (Status::Failed, 19_000), "no heartbeat for 10 seconds");
}

#[test]
fn steps_of_the_same_time_keep_their_order() {
    let failed = TaskStep::Ended(TaskOutcome::Failed { error: "E".to_owned(), cause: "C".to_owned() });
    assert_eq!(run_steps(&[(5, ended()), (5, failed.clone())]).status, Status::Succeeded);
    assert_eq!(run_steps(&[(5, failed), (5, ended())]).status, Status::Failed);
}
