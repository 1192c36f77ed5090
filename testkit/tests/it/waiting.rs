//! Steps that wait for somebody: the token, the answer, the time.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::lambda::{Resources, call};
use stepwright::prelude::*;
use stepwright::services;
use stepwright_testkit::{self as testkit, Answer, Given, Status};

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Question {
    pub period: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Decision {
    pub approved: bool,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, StepError)]
#[error_name = "Ask"]
pub enum AskError {
    /// The question cannot be put up.
    Unavailable,
    /// Whoever was asked refuses to answer.
    Refused,
}

stepwright::secret!(pub Board = "board");

/// Puts a question up.
#[step(memory = 256, timeout = 60)]
pub async fn ask(question: Question, answer: Callback<Decision>, board: Use<Board>) -> Result<(), AskError> {
    let told = format!("{} {}", question.period, answer.token());
    if board.value() == "down" || told.is_empty() { Err(AskError::Unavailable) } else { Ok(()) }
}

const WEEK: u64 = 7 * 24 * 3600;

fn approval(w: &mut Flow, question: Expr<Question>) -> Expr<String> {
    let decision = ask(question)
        .wait_at_most(WEEK)
        .heartbeat(24 * 3600)
        .retry(AskError::UNAVAILABLE, backoff(600, 2.0).attempts(1))
        .catch(states::TIMEOUT, |_, _| {
            let by = lit("nobody".to_owned());
            DecisionExpr { approved: lit(false), by, note: none() }.into_expr()
        })
        .lets_fail(AskError::REFUSED)
        .run(w);
    w.choose("Approved?", decision.approved, |_| decision.by, |_| decision.note.unwrap_or(decision.by))
}

fn question() -> Question {
    Question { period: "2024-03".to_owned() }
}

fn decision(approved: bool) -> Decision {
    Decision { approved, by: "somebody".to_owned(), note: Some("next time".to_owned()) }
}

#[test]
fn the_answer_is_what_the_workflow_gets() {
    let run = testkit::run_flow(approval, question()).mock::<Ask>(Ok(decision(true))).start();
    assert_eq!(run.output::<String>(), Ok("somebody".to_owned()));
    assert_eq!((run.attempts::<Ask>(), run.inputs::<Ask>()), (1, vec![question()]));
    let events: Vec<_> = run.history().iter().map(testkit::HistoryEvent::event_type).collect();
    assert!(events.contains(&"TaskSubmitted"), "{events:?}");

    let run = testkit::run_flow(approval, question())
        .mock_answers::<Ask>([
            Answer::Fails(AskError::Unavailable),
            Answer::from(Ok(decision(false))).after(Duration::from_hours(20)),
        ])
        .start();
    assert_eq!(run.output::<String>(), Ok("next time".to_owned()));
    assert_eq!(run.attempts::<Ask>(), 2);
    assert_eq!(run.elapsed(), Duration::from_mins(10) + Duration::from_hours(20));
}

#[test]
fn nobody_answers_and_the_time_is_over() {
    // No heartbeat comes either, so that is over first.
    let run = testkit::run_flow(approval, question()).never::<Ask>().start();
    assert_eq!(run.output::<String>(), Ok("nobody".to_owned()));
    assert_eq!(run.elapsed(), Duration::from_hours(24));

    let patient = |w: &mut Flow, question: Expr<Question>| ask(question).wait_at_most(WEEK).run(w);
    let run = testkit::run_flow(patient, question()).never::<Ask>().start();
    assert_eq!((run.status(), run.error()), (Status::Failed, Some("States.Timeout")));
    assert_eq!(run.elapsed(), Duration::from_secs(WEEK));
    assert!(run.is_redrivable());
}

#[test]
fn whoever_answers_may_say_an_error_of_the_step() {
    let run = testkit::run_flow(approval, question()).mock::<Ask>(Err(AskError::Refused)).start();
    assert_eq!((run.status(), run.error()), (Status::Failed, Some("Ask.Refused")));
}

#[test]
fn the_function_runs_and_the_test_answers() {
    let test = |board: &str| {
        testkit::run_flow(approval, question()).steps(stepwright::steps![ask]).secret("board", board)
    };
    let run =
        test("up").answered::<Ask>(|asked| Ok(Decision { note: None, by: asked.period, approved: true }));
    assert_eq!(run.start().output::<String>(), Ok("2024-03".to_owned()));
    // The function's own failure comes before any answer.
    let run = test("down").answered::<Ask>(|_| Ok(decision(true))).start();
    assert_eq!((run.error(), run.attempts::<Ask>()), (Some("Ask.Unavailable"), 2));
    // Nobody answers.
    assert_eq!(test("up").start().output::<String>(), Ok("nobody".to_owned()));
}

#[test]
fn a_call_without_a_token_is_a_mismatch() {
    let [step] = stepwright::steps![ask] else { panic!("one step") };
    let resources = Resources::new().secret("board", "up");
    let called = |payload| call(step, payload, &resources).map_err(|failure| failure.error_type);
    let payload = serde_json::json!({ "input": { "period": "2024-03" }, "taskToken": "t" });
    assert_eq!(called(payload), Ok(serde_json::Value::Null));
    for payload in [
        serde_json::json!({ "period": "2024-03" }),
        serde_json::json!({ "input": { "period": "2024-03" }, "taskToken": null }),
        serde_json::json!({ "input": { "period": "2024-03" }, "taskToken": "" }),
        serde_json::json!({ "input": { "period": 3 }, "taskToken": "t" }),
    ] {
        assert_eq!(called(payload), Err("Contract.InputMismatch".to_owned()));
    }
    let failure = call(step, serde_json::json!({ "period": "2024-03" }), &resources).expect_err("no token");
    assert!(failure.message.contains("call it with `lambda:invoke.waitForTaskToken`"), "{failure}");
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub(crate) struct Reply {
    pub token: String,
    pub answer: Decision,
}

fn answering(w: &mut Flow, reply: Expr<Reply>) -> Expr<bool> {
    w.put_event("Announce", "planning", "Answered", reply.answer).run();
    w.send_task_success::<Ask>("Answer it", reply.token, reply.answer)
        .catch(services::errors::NOBODY_WAITS, |w, why| {
            w.send_task_failure::<Ask>("Refuse", reply.token, AskError::REFUSED, why.error).run();
        })
        .run();
    reply.answer.approved
}

#[test]
fn a_workflow_tells_and_answers() {
    let reply = || Reply { token: "t-1".to_owned(), answer: decision(true) };
    let run = testkit::run_flow(answering, reply())
        .service("Announce", [Err("EventBridge.FailedEntry"), Ok(())])
        .start();
    assert_eq!(run.output::<bool>(), Ok(true));
    assert_eq!(run.service_calls("Announce").len(), 2, "it is put again");
    assert_eq!(run.events::<Decision>("planning", "Answered"), [decision(true)], "one was refused");
    assert!(run.events::<Decision>("planning", "Asked").is_empty());
    assert!(run.elapsed() < std::time::Duration::from_secs(3), "{:?}", run.elapsed());
    // What is sent is what the waiting state takes for its answer.
    let given = Given { token: "t-1".to_owned(), answer: Ok(decision(true)) };
    assert_eq!(run.given::<Ask>("Answer it"), [given]);

    let late = testkit::run_flow(answering, reply())
        .service("Answer it", [Err("Sfn.TaskTimedOutException")])
        .start();
    assert_eq!(late.service_calls("Answer it").len(), 1, "nobody waits: it is not tried again");
    assert!(late.given::<Ask>("Answer it").is_empty());
    let [Given { answer: Err((error, cause)), .. }] = &late.given::<Ask>("Refuse")[..] else {
        panic!("one answer")
    };
    assert_eq!((&**error, &**cause), ("Ask.Refused", "Sfn.TaskTimedOutException"));
    assert_eq!(late.status(), Status::Succeeded);

    let throttled = testkit::run_flow(answering, reply())
        .service("Answer it", [Err("Sfn.ThrottlingException"), Err("Sfn.SfnException")])
        .start();
    assert_eq!(throttled.service_calls("Answer it").len(), 3);
    assert_eq!(throttled.given::<Ask>("Answer it").len(), 1);
}

#[test]
#[should_panic(expected = "workflow `under-test` has no state `Anounce`")]
fn a_mock_of_no_state_is_a_mistake() {
    let reply = Reply { token: "t-1".to_owned(), answer: decision(true) };
    let _ = testkit::run_flow(answering, reply).service("Anounce", [Ok(())]).start();
}

#[derive(Debug, StepError)]
pub enum NoError {}

/// Waits for a text, which is no object.
#[step]
pub async fn name_it(nothing: (), name: Callback<String>) -> Result<(), NoError> {
    let () = nothing;
    drop(name);
    Ok(())
}

/// Any text arrives as it was: in the service's parameter it is JSON.
#[test]
fn a_text_is_answered_as_json() {
    let naming = |w: &mut Flow, name: Expr<String>| {
        w.send_task_success::<NameIt>("Name it", "t-1", name).run();
        name
    };
    for name in ["", "ada", "a \"quoted\" \\ name\n", "[1]", "null"] {
        let run = testkit::run_flow(naming, name.to_owned()).start();
        let [sent] = run.service_calls("Name it")[..] else { panic!("one call") };
        let output: String = serde_json::from_str(sent["Output"].as_str().expect("a text")).expect("JSON");
        assert_eq!(output, name);
    }
}
