//! Workflows that between them use everything a workflow can be made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::ir::Workflow;
use stepwright::prelude::*;

stepwright::bucket!(pub Drops = "drops");
stepwright::bucket!(pub Staging = "staging");

/// A file as it arrived.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct FileDrop {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a file contains.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
#[serde(rename_all = "kebab-case")]
pub struct Parsed {
    pub business_date: String,
    pub row_count: u64,
    pub parts: Vec<Part>,
    pub warning: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Part {
    pub name: String,
    pub files: Vec<FileDrop>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Figures {
    pub business_date: String,
    pub total: u32,
    pub comment: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Receipt {
    pub id: String,
    pub rows: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Line {
    pub part: String,
    pub key: String,
    pub position: u32,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Consignment {
    pub files: Vec<FileDrop>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Complete { rows: u64 },
    Partial { missing: Vec<String> },
    Nothing,
}

#[derive(Debug, StepError)]
pub enum ParseError {
    /// The file is not in its format.
    Malformed {
        /// Where.
        line: u64,
    },
    /// The file is gone.
    Vanished,
}

#[derive(Debug, StepError)]
pub enum DeliverError {
    /// `CoreView` does not answer.
    Unavailable,
    /// `CoreView` says no.
    Rejected,
}

#[derive(Debug, StepError)]
pub enum CalculateError {}

/// Reads a file.
#[step(memory = 512, timeout = 120)]
pub async fn parse(drop: FileDrop, from: Read<Drops>, to: Write<Staging>) -> Result<Parsed, ParseError> {
    let _ = (drop, from, to);
    Err(ParseError::Vanished)
}

#[step]
pub async fn calculate(parsed: Parsed) -> Result<Figures, CalculateError> {
    Ok(Figures { business_date: parsed.business_date, total: 1, comment: None })
}

/// Hands the figures over.
#[step]
pub async fn deliver(figures: Figures) -> Result<Receipt, DeliverError> {
    let _ = figures;
    Err(DeliverError::Unavailable)
}

#[step]
pub async fn judge(parsed: Parsed) -> Result<Outcome, CalculateError> {
    let _ = parsed;
    Ok(Outcome::Nothing)
}

#[step]
pub async fn note_down(text: String) -> Result<(), CalculateError> {
    let _ = text;
    Ok(())
}

#[step]
pub async fn store_line(line: Line) -> Result<String, CalculateError> {
    Ok(line.key)
}

/// Step after step; a result is read by the next state and by a later one.
fn linear(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<Receipt> {
    let parsed = parse(drop)
        .retry(ParseError::VANISHED, backoff(5, 2.0).attempts(3).max_delay(60).full_jitter())
        .lets_fail(ParseError::MALFORMED)
        .run(w);
    let figures = calculate(parsed).run(w);
    let receipt = deliver(FiguresExpr {
        business_date: parsed.business_date,
        total: figures.total.mul(2),
        comment: figures.comment,
    })
    .retry(states::TASK_FAILED, backoff(1, 1.5))
    .timeout(900)
    .run(w);
    ReceiptExpr { id: receipt.id, rows: parsed.row_count }.into_expr()
}

/// A choice in the middle: one branch runs a state, the other only has a value.
fn choice_with_join(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<Receipt> {
    let parsed = parse(drop).lets_fail([ParseError::MALFORMED, ParseError::VANISHED]).run(w);
    let date = w.choose(
        "Anything in it?",
        parsed.row_count.gt(0),
        |w| calculate(parsed).run(w).business_date,
        |_| lit(String::from("none")),
    );
    note_down(date).run(w);
    ReceiptExpr { id: date, rows: parsed.row_count }.into_expr()
}

/// A choice that ends the machine, with branches that are only values.
fn choice_at_the_end(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<String> {
    let parsed = parse(drop).lets_fail([ParseError::MALFORMED, ParseError::VANISHED]).run(w);
    w.choice("How many?")
        .when(parsed.row_count.equals(0), |_| lit(String::from("none")))
        .when(parsed.row_count.lt(10), |_| lit(String::from("few: ")).concat(parsed.row_count))
        .otherwise(|w| calculate(parsed).run(w).business_date)
}

/// Choices inside choices, and a state after them.
fn nested_choices(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<Receipt> {
    let parsed = parse(drop).lets_fail([ParseError::MALFORMED, ParseError::VANISHED]).run(w);
    let text = w.choose(
        "Empty?",
        parsed.row_count.equals(0),
        |_| lit(String::from("empty")),
        |w| {
            let size = w.choose(
                "Small?",
                parsed.row_count.lt(10),
                |_| lit(String::from("small")),
                |w| w.pass("Name the size", lit(String::from("large"))),
            );
            size.concat(" file")
        },
    );
    note_down(text).run(w);
    ReceiptExpr { id: text, rows: parsed.row_count }.into_expr()
}

/// A branch that fails the execution: the other's value needs no variable of its own.
fn diverging_branch(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<Figures> {
    let parsed = parse(drop).lets_fail([ParseError::MALFORMED, ParseError::VANISHED]).run(w);
    let figures = w.choose(
        "Empty?",
        parsed.row_count.equals(0),
        |w| w.fail("Empty file", "Parse.Empty", lit(String::from("no rows in ")).concat(drop.key)),
        |w| calculate(parsed).run(w),
    );
    note_down(figures.business_date).run(w);
    figures
}

/// The only branch that goes on ends with a choice and with a handler itself.
fn diverging_around_choices(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<Vec<String>> {
    let parsed = parse(drop).lets_fail([ParseError::MALFORMED, ParseError::VANISHED]).run(w);
    let size = w.choose(
        "Empty?",
        parsed.row_count.equals(0),
        |w| w.fail("Empty file", "Parse.Empty", drop.key),
        |w| {
            let size = w.choose(
                "Small?",
                parsed.row_count.lt(10),
                |_| lit(String::from("small")),
                |_| lit(String::from("large")),
            );
            size.concat(" file")
        },
    );
    let id = w.choose(
        "Noted?",
        drop.note.is_some(),
        |w| {
            let figures = calculate(parsed).run(w);
            let receipt = deliver(figures)
                .catch(DeliverError::REJECTED, |_, why| {
                    ReceiptExpr { id: why.error, rows: lit(0) }.into_expr()
                })
                .lets_fail(DeliverError::UNAVAILABLE)
                .run(w);
            receipt.id
        },
        |w| w.fail("No note", "Parse.NoNote", size),
    );
    note_down(size).run(w);
    list([size, id])
}

/// A handler that goes on in place of the step, one that ends the execution, and one without states.
fn handlers(w: &mut Flow, figures: Expr<Figures>) -> Expr<Receipt> {
    let receipt = deliver(figures)
        .retry(DeliverError::UNAVAILABLE, backoff(5, 2.0).attempts(8))
        .catch(DeliverError::REJECTED, |w, why| {
            note_down(why.cause).named("Tell support").run(w);
            w.fail("Rejected", "CoreView.Rejected", why.cause)
        })
        .catch(states::TIMEOUT, |w, why| {
            note_down(why.error).run(w);
            ReceiptExpr { id: why.cause, rows: lit(0) }.into_expr()
        })
        .catch(DeliverError::UNAVAILABLE, |_, why| ReceiptExpr { id: why.error, rows: lit(0) }.into_expr())
        .run(w);
    note_down(receipt.id).run(w);
    receipt
}

/// The same at the end of the machine.
fn handlers_at_the_end(w: &mut Flow, figures: Expr<Figures>) -> Expr<Vec<String>> {
    let receipt = deliver(figures)
        .catch(DeliverError::REJECTED, |w, why| {
            note_down(why.cause).named("Tell support").run(w);
            ReceiptExpr { id: lit(String::from("rejected")), rows: lit(0) }.into_expr()
        })
        .catch(DeliverError::UNAVAILABLE, |_, why| ReceiptExpr { id: why.error, rows: lit(0) }.into_expr())
        .run(w);
    list([receipt.id, figures.business_date])
}

/// A map in a map; the inner one reads both items and both indices.
fn nested_maps(w: &mut Flow, parsed: Expr<Parsed>) -> Expr<Vec<Vec<String>>> {
    parsed.parts.each("Each part").concurrency(4).run_with_index(w, |w, part, number| {
        part.files.each("Each file").run_with_index(w, |w, file, position| {
            let line = LineExpr { part: part.name, key: file.key, position: number.mul(100).add(position) };
            let stored = store_line(line).run(w);
            note_down(lit(String::new()).concat(part.name).concat("/").concat(file.key)).run(w);
            stored
        })
    })
}

/// A map whose item is read by several of its states, with a choice first.
fn map_with_choice(w: &mut Flow, drops: Expr<Consignment>) -> Expr<Vec<String>> {
    let keys = drops.files.each("Each file").run(w, |w, file| {
        let key = w.choose_some(
            "Has a note?",
            file.note,
            |w, note| {
                note_down(note).run(w);
                file.key
            },
            |_| lit(String::from("no note")),
        );
        note_down(key).named("Note the key").run(w);
        key
    });
    note_down(lit(String::from("files: ")).concat(keys.count())).named("Note the count").run(w);
    drops.files.filter(|file| keys.contains(file.key)).pluck(|file| file.key)
}

/// Branches side by side, in a map: they get the item from the state around them.
fn parallel_in_map(w: &mut Flow, drops: Expr<Consignment>) -> Expr<Vec<String>> {
    drops.files.each("Each file").run(w, |w, file| {
        let (parsed, note) = w
            .parallel("Both")
            .branch(|w| {
                let parsed = parse(file).lets_fail([ParseError::MALFORMED, ParseError::VANISHED]).run(w);
                note_down(file.key).run(w);
                parsed
            })
            .branch(|_| file.note)
            .join();
        parsed.business_date.concat(" ").concat(note.unwrap_or("-"))
    })
}

/// Waits, a pass, the context object.
fn waiting(w: &mut Flow, parsed: Expr<Parsed>) -> Expr<String> {
    w.wait_seconds("A moment", 5);
    w.wait_until("The day", parsed.business_date);
    let label = w.pass("Label", w.execution_name().concat("/").concat(parsed.row_count));
    w.wait_seconds("Another moment", 10);
    label.concat(parsed.warning.unwrap_or(""))
}

/// Options are handed on, replaced and asked for.
fn options(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<FileDrop> {
    let parsed = parse(FileDropExpr { key: drop.key, note: drop.note })
        .lets_fail([ParseError::MALFORMED, ParseError::VANISHED])
        .run(w);
    w.choose(
        "Warned?",
        parsed.warning.is_some().and(drop.note.is_none()),
        |w| w.succeed("Warned", FileDropExpr { key: drop.key, note: parsed.warning }.into_expr()),
        |_| FileDropExpr { key: lit(String::from("fine")), note: none() }.into_expr(),
    )
}

/// Every case of an enum.
fn cases(w: &mut Flow, parsed: Expr<Parsed>) -> Expr<String> {
    let outcome = judge(parsed).run(w);
    w.cases(
        "How did it end?",
        outcome,
        OutcomeCases {
            complete: |_, complete| lit(String::from("rows: ")).concat(complete.rows),
            partial: |w, partial| {
                note_down(lit(String::from("missing: ")).concat(partial.missing.count())).run(w);
                lit(String::from("partial"))
            },
            nothing: |w| w.fail("Nothing", "Outcome.Nothing", "nothing to deliver"),
        },
    )
}

/// No state at all.
fn only_a_value(_: &mut Flow, drop: Expr<FileDrop>) -> Expr<String> {
    drop.key
}

/// The same step in several places, under the same name.
fn names_twice(w: &mut Flow, drops: Expr<Consignment>) -> Expr<()> {
    note_down("start").run(w);
    drops.files.each("Each file").run(w, |w, file| {
        note_down(file.key).run(w);
        w.choose(
            "Again?",
            file.note.is_some(),
            |w| note_down("again").run(w),
            |w| note_down("not again").run(w),
        )
    });
    note_down("end").run(w)
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Login {
    pub access_token: String,
    pub files: Vec<FileDrop>,
    pub figures: Figures,
}

/// Everything the lints are about.
fn careless(w: &mut Flow, login: Expr<Login>) -> Expr<Receipt> {
    login
        .files
        .each("Each file")
        .run(w, |w, file| parse(file).retry(ParseError::VANISHED, backoff(1, 2.0)).run(w));
    deliver(login.figures).catch(states::ALL, |w, why| w.fail("Gave up", "Delivery.Failed", why.cause)).run(w)
}

/// What somebody decided.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Decision {
    pub approved: bool,
    pub note: Option<String>,
}

#[derive(Debug, StepError)]
pub enum AskError {
    /// The question cannot be put up.
    Unavailable,
    /// Whoever was asked does not answer.
    Refused,
}

/// Asks somebody.
#[step(timeout = 30)]
pub async fn ask(question: String, decision: Callback<Decision>) -> Result<(), AskError> {
    let _ = (question, decision);
    Err(AskError::Unavailable)
}

/// An answer that is waited for, and one that ends the workflow.
fn asking(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<Decision> {
    let first = ask(drop.key)
        .wait_at_most(14 * 24 * 3600)
        .heartbeat(24 * 3600)
        .retry(AskError::UNAVAILABLE, backoff(2, 2.0))
        .catch(states::TIMEOUT, |_, _| DecisionExpr { approved: lit(false), note: none() }.into_expr())
        .lets_fail(AskError::REFUSED)
        .run(w);
    w.choose(
        "Approved?",
        first.approved,
        |w| {
            ask(first.note.unwrap_or("why?"))
                .named("Ask again")
                .wait_at_most(60)
                .lets_fail(AskError::EVERY)
                .lets_fail(states::TIMEOUT)
                .run(w)
        },
        |_| first,
    )
}

/// Waits without thinking of the end.
fn impatient(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<Decision> {
    ask(drop.key).lets_fail(AskError::EVERY).run(w);
    ask(drop.key)
        .named("Again")
        .wait_at_most(60)
        .catch(states::TASK_FAILED, |_, _| DecisionExpr { approved: lit(false), note: none() }.into_expr())
        .run(w)
}

/// A step in another execution that waits for a text.
#[step]
pub async fn ask_for_a_name(nothing: (), name: Callback<String>) -> Result<(), AskError> {
    let () = nothing;
    drop(name);
    Err(AskError::Unavailable)
}

/// Calls of services: an event, and answers for whoever waits.
fn telling(w: &mut Flow, drop: Expr<FileDrop>) -> Expr<String> {
    w.put_event("Announce", "planning", "File arrived", drop).run();
    let decision = DecisionExpr { approved: lit(true), note: drop.note }.into_expr();
    w.send_task_success::<Ask>("Answer it", drop.key, decision)
        .retry(states::TASK_FAILED, backoff(1, 2.0))
        .catch(stepwright::services::errors::NOBODY_WAITS, |w, why| {
            w.put_event(
                "Too late",
                "planning",
                "Answer was late",
                FileDropExpr { key: why.cause, note: none() }.into_expr(),
            )
            .retry(states::ALL, backoff(1, 1.0).attempts(0))
            .run();
        })
        .run();
    w.send_task_success::<AskForAName>("Name it", drop.key, drop.note.unwrap_or("nobody")).run();
    w.send_task_failure::<Ask>("Refuse it", drop.key, AskError::REFUSED, "not today").run();
    drop.key
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
pub struct Commission {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Arrival>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<String>,
    pub configuration: String,
}

/// The clock, objects under two prefixes, and messages start it.
fn triggered(w: &mut Flow, commission: Expr<Commission>) -> Expr<u64> {
    commission.files.unwrap_or(list([])).each("Each file").run(w, |w, file| {
        note_down(commission.configuration.concat(": ").concat(file.key)).named("What started it").run(w)
    });
    commission.messages.unwrap_or(list([])).count()
}

fn commission() -> CommissionExpr {
    let configuration = lit("customer.toml".to_owned());
    CommissionExpr { files: none(), messages: none(), scheduled_at: none(), configuration }
}

fn with_triggers() -> Workflow {
    stepwright::workflow("triggered", triggered)
        .every("cron(0 5 2 * ? *)")
        .in_timezone("Europe/Berlin")
        .with(|scheduled_at| CommissionExpr { scheduled_at: some(scheduled_at), ..commission() })
        .on_objects::<Drops>("contracts/")
        .with(|object| CommissionExpr { files: some(list([object])), ..commission() })
        .on_objects::<Drops>("other \"contracts\"/")
        .with(|object| CommissionExpr { configuration: object.key, ..commission() })
        .on_queue("contracts")
        .from_account("123456789012")
        .together(50, 30)
        .with(|messages| CommissionExpr { messages: some(messages), ..commission() })
        .build()
}

/// All of them, by name.
pub(super) fn all() -> Vec<Workflow> {
    vec![
        stepwright::workflow("linear", linear).comment("Step after step.").timeout(3600).build(),
        stepwright::workflow("choice-with-join", choice_with_join).build(),
        stepwright::workflow("choice-at-the-end", choice_at_the_end).build(),
        stepwright::workflow("nested-choices", nested_choices).build(),
        stepwright::workflow("diverging-branch", diverging_branch).build(),
        stepwright::workflow("diverging-around-choices", diverging_around_choices).build(),
        stepwright::workflow("handlers", handlers).build(),
        stepwright::workflow("handlers-at-the-end", handlers_at_the_end).build(),
        stepwright::workflow("nested-maps", nested_maps).build(),
        stepwright::workflow("map-with-choice", map_with_choice).build(),
        stepwright::workflow("parallel-in-map", parallel_in_map).build(),
        stepwright::workflow("waiting", waiting).build(),
        stepwright::workflow("options", options).build(),
        stepwright::workflow("cases", cases).build(),
        stepwright::workflow("only-a-value", only_a_value).build(),
        stepwright::workflow("names-twice", names_twice).build(),
        stepwright::workflow("careless", careless).build(),
        stepwright::workflow("asking", asking).build(),
        stepwright::workflow("impatient", impatient).build(),
        with_triggers(),
        stepwright::workflow("telling", telling).build(),
    ]
}
