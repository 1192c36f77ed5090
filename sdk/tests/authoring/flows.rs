//! What is recorded when a workflow function runs.

use stepwright::ir::{StateKind, Workflow};
use stepwright::prelude::*;
use stepwright::workflow;

use crate::outline::outline;
use crate::steps::{
    DeliverError, Drops, FiguresExpr, Outcome, OutcomeCases, OutcomePartialExpr, ParseError, Parsed, Request,
    RequestExpr, deliver, parse_file, size, tidy_up,
};

fn check(workflow: &Workflow, expected: &str) {
    let found = outline(workflow);
    assert_eq!(found.trim(), expected.trim(), "found:\n{found}");
}

#[test]
fn a_task_with_retries_and_catches() {
    fn flow(w: &mut Flow, request: Expr<Request>) -> Expr<Outcome> {
        let file = parse_file(request)
            .retry(ParseError::VANISHED, backoff(5, 2.0).attempts(8).max_delay(600).full_jitter())
            .retry([states::TIMEOUT, states::TASK_FAILED], backoff(1, 1.5))
            .catch(ParseError::MALFORMED, |w, why| {
                tidy_up().run(w);
                w.fail("Rejected", "Delivery.Rejected", why.cause)
            })
            .timeout(120)
            .heartbeat(30)
            .lets_fail(states::TIMEOUT)
            .run(w);
        let figures = FiguresExpr { period: file.period, rows: file.rows, note: none() };
        deliver(figures).named("Hand over").run(w)
    }
    let workflow = workflow("delivery", flow).comment("Delivers.").timeout(3600).build();
    check(
        &workflow,
        r#"
Parse file: $0 = parse-file(input)
  retry ["ParseError.Vanished"] 5s x2 8 max 600s jitter
  retry ["States.Timeout", "States.TaskFailed"] 1s x1.5 3
  catch ["ParseError.Malformed"] as $1
    Tidy up: $2 = tidy-up(null)
    Rejected: fail "Delivery.Rejected" because $1.Cause
    => !
Hand over: $3 = deliver({period: $0.period, rows: $0.rows})
=> $3
"#,
    );
    let StateKind::Task(task) = &workflow.body.states[0].kind else { panic!("not a task") };
    assert_eq!((task.timeout_seconds, task.heartbeat_seconds), (Some(120), Some(30)));
    assert_eq!(task.lets_fail, ["States.Timeout"]);
    assert_eq!(workflow.body.states[0].comment.as_deref(), Some("Reads a file as its spec says."));
    assert_eq!(workflow.timeout_seconds, Some(3600));
    assert_eq!((workflow.input.name, workflow.output.name), ("Request", "Outcome"));
}

#[test]
fn the_step_describes_itself() {
    let workflow = workflow("one", |w: &mut Flow, request: Expr<Request>| parse_file(request).run(w)).build();
    let StateKind::Task(task) = &workflow.body.states[0].kind else { panic!("not a task") };
    let step = task.step;
    assert_eq!((step.name, step.package), ("parse-file", "stepwright"));
    assert_eq!((step.memory_mib, step.timeout_seconds), (1024, 300));
    assert!(step.location.file.ends_with("authoring/steps.rs"), "{:?}", step.location);
    let grants: Vec<_> = (step.grants)()
        .into_iter()
        .map(|grant| format!("{:?} {}", grant.access, grant.resource.name))
        .collect();
    assert_eq!(grants, ["Read drops", "Write staging"]);
    let errors: Vec<_> = step.errors.iter().map(|error| (error.name, error.doc)).collect();
    assert_eq!(
        errors,
        [
            ("ParseError.Malformed", "The file does not follow its spec."),
            ("ParseError.Vanished", "The file is gone.")
        ]
    );
}

#[test]
fn a_state_knows_its_line() {
    let before = line!();
    let workflow = workflow("lines", |w: &mut Flow, text: Expr<String>| {
        w.wait_seconds("Wait", 5);
        let passed = w.pass("Pass", text);
        tidy_up().named("Tidy").run(w);
        passed
    })
    .build();
    let lines: Vec<_> = workflow.body.states.iter().map(|state| state.location.line - before).collect();
    assert_eq!(lines, [2, 3, 4]);
    assert!(workflow.body.states.iter().all(|state| state.location.file.ends_with("flows.rs")));
}

#[test]
fn branches_and_cases() {
    fn flow(w: &mut Flow, outcome: Expr<Outcome>) -> Expr<String> {
        let again = w.choose(
            "Partial?",
            outcome.equals(Outcome::NothingToDo),
            |_| OutcomePartialExpr { missing: lit(3) },
            |_| outcome,
        );
        let count = w.cases(
            "Which?",
            again,
            OutcomeCases {
                complete: |w, receipt| w.pass("Id", receipt.id),
                partial: |w, partial| {
                    w.fail(
                        "Partial",
                        "Delivery.Partial",
                        lit(String::from("missing ")).concat(partial.missing),
                    )
                },
                nothing_to_do: |_| lit(String::from("none")),
            },
        );
        w.choice("How?")
            .when(count.equals("none"), |_| lit(String::from("a")))
            .when(count.not_equals("x").and(count.equals("y").or(count.equals("z"))).not(), |_| count)
            .otherwise(|w| w.succeed("Enough", count))
    }
    check(
        &workflow("branches", flow).build(),
        r#"
Partial?: $0 = if (input Equal {"outcome":"nothing_to_do"})
  => {outcome: "partial", missing: 3}
else
  => input
Which?: $2 = if ($0.outcome Equal "complete")
  Id: $1 = $0.id
  => $1
Which?: $2 = if ($0.outcome Equal "partial")
  Partial: fail "Delivery.Partial" because text("missing ", $0.missing)
  => !
else
  => "none"
How?: $3 = if ($2 Equal "none")
  => "a"
How?: $3 = if not (($2 NotEqual "x") And (($2 Equal "y") Or ($2 Equal "z")))
  => $2
else
  Enough: succeed $2
  => !
=> $3
"#,
    );
}

#[test]
fn a_choice_that_never_comes_back_ends_the_block() {
    fn flow(w: &mut Flow, parsed: Expr<Parsed>) -> Expr<u64> {
        w.choose(
            "Empty?",
            parsed.rows.equals(0),
            |w| w.fail("Empty", "Feed.Empty", "no rows"),
            |w| w.succeed("Done", parsed.rows),
        )
    }
    check(
        &workflow("ends", flow).build(),
        r#"
Empty?: $0 = if (input.rows Equal 0)
  Empty: fail "Feed.Empty" because "no rows"
  => !
else
  Done: succeed input.rows
  => !
=> !
"#,
    );
}

#[test]
fn a_workflow_may_end_with_a_failure() {
    fn flow(w: &mut Flow, text: Expr<String>) -> Expr<u64> {
        w.wait_until("Until", text);
        w.fail("Stop", "Stop.Here", w.execution_name()).into()
    }
    check(
        &workflow("fails", flow).build(),
        r#"
Until: until input
Stop: fail "Stop.Here" because ExecutionName
=> !
"#,
    );
}

#[test]
fn maps_and_parallels() {
    fn flow(w: &mut Flow, request: Expr<Request>) -> Expr<String> {
        let sizes = request
            .files
            .filter(|file| file.bytes.gt(0))
            .each("Each file")
            .concurrency(4)
            .catch(ParseError::VANISHED, |_, _| stepwright::list([]))
            .run(w, |w, file| size(file).run(w));
        let (count, first) = w
            .parallel("Both")
            .branch(|w| w.pass("Count", sizes.count()))
            .branch(|w| {
                w.choose_some(
                    "Version?",
                    request.spec.version_id,
                    |_, id| id,
                    |w| w.fail("No", "No.Version", ""),
                )
            })
            .retry(states::TASK_FAILED, backoff(2, 1.0))
            .join();
        let keys = request.files.pluck(|file| file.key);
        let indices = keys.each("Index").run_with_index(w, |_, _, index| index.add(1));
        w.choose(
            "Many?",
            keys.contains("a").and(indices.sum().ge(10)),
            |_| first.concat(" of ").concat(count),
            |w| w.execution_arn(),
        )
    }
    check(
        &workflow("maps", flow).intake::<Drops, _>(|r| r.files, |r| r.spec, "samples/maps").build(),
        r#"
Each file: $3 = each $1 of input.files[$0: ($0.bytes Greater 0)] by 4
  Size: $2 = size($1)
  => $2
  catch ["ParseError.Vanished"] as $4
    => []
Both: $7 = parallel
branch
  Count: $5 = count($3)
  => $5
branch
  Version?: $6 = if is_some(input.spec.version_id?)
    => input.spec.version_id?
  else
    No: fail "No.Version" because ""
    => !
  => $6
  retry ["States.TaskFailed"] 2s x1 3
Index: $10 = each $9 of input.files[*].key
  => (index of $9 Add 1)
=> $10
"#
        .replace("=> $10\n", "Many?: $11 = if ((input.files[*].key contains \"a\") And (sum($10) GreaterOrEqual 10))\n  => text($7[1], \" of \", $7[0])\nelse\n  => ExecutionId\n=> $11\n")
        .as_str(),
    );
}

#[test]
fn an_intake_names_fields_by_their_json_names() {
    let workflow = workflow("intake", |_: &mut Flow, request: Expr<Request>| request.files.count())
        .intake::<Drops, _>(|request| request.files, |request| request.spec, "samples/intake")
        .build();
    let intake = workflow.intake.expect("it was given");
    assert_eq!((intake.files_field.as_str(), intake.spec_field.as_str()), ("files", "spec"));
    assert_eq!(intake.bucket.name, "drops");
}

#[test]
fn the_same_source_gets_the_same_slots() {
    let describe = || workflow("same", |w: &mut Flow, text: Expr<String>| w.pass("Pass", text)).build();
    let _ = lit(vec![1u32]).filter(|number| number.gt(0));
    assert_eq!(outline(&describe()), outline(&describe()));
}

#[test]
fn a_field_of_a_value_made_here_is_what_it_was_made_of() {
    let request = RequestExpr { spec: lit_file(), files: stepwright::list([]) }.into_expr();
    assert_eq!(crate::outline::value(request.files.node()), "[]");
}

fn lit_file() -> Expr<ObjectRef> {
    lit(ObjectRef {
        bucket: String::from("drops"),
        key: String::from("spec.toml"),
        version_id: None,
        sha256: "0".repeat(64),
        bytes: 1,
        rows: None,
    })
}

#[test]
#[should_panic(expected = "`Later` is never reached: `Stop` (")]
fn a_state_after_the_end_is_refused() {
    let _ = workflow("dead", |w: &mut Flow, text: Expr<String>| {
        w.fail("Stop", "Stop.Here", "that is all");
        w.pass("Later", text)
    });
}

#[test]
#[should_panic(expected = "ends with a `String`, where a `u64` is produced")]
fn succeed_gives_what_the_workflow_gives() {
    let _ = workflow("types", |w: &mut Flow, text: Expr<String>| {
        w.choose("Now?", text.equals("now"), |w| w.succeed("Now", text), |_| lit(1u64))
    });
}

#[test]
#[should_panic(expected = "beyond 2^53")]
fn constants_beyond_2_53_are_refused() {
    let _ = lit(9_007_199_254_740_993_u64);
}

#[test]
#[should_panic(expected = "`pluck` on the optional field `rows`")]
fn plucking_an_optional_field_is_refused() {
    let _ = workflow("pluck", |_: &mut Flow, request: Expr<Request>| request.files.pluck(|file| file.rows));
}

#[test]
#[should_panic(expected = "a workflow's name is 1 to 80")]
fn names_are_checked() {
    let _ = workflow("two words", |_: &mut Flow, text: Expr<String>| text);
}

#[test]
fn error_names_of_another_prefix() {
    assert_eq!(DeliverError::REFUSED.name(), "Deliver.RefusedByPolicy");
}
