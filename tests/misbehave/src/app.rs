//! One workflow around each misbehaving step.

use std::process::ExitCode;

use stepwright::ir::Workflow;
use stepwright::prelude::*;
use stepwright_step_misbehave::{
    Answer, Drops, MisbehaveError, Request, answers_too_much, declares, exits, hangs, panics,
};

fn workflow(name: &str, body: fn(&mut Flow, Expr<Request>) -> Expr<Answer>) -> Workflow {
    stepwright::workflow(name, body)
        .intake::<Drops, _>(|request| request.files, |request| request.spec, "sample")
        .build()
}

fn main() -> ExitCode {
    infra::app("misbehave")
        .workflow(workflow("panics", |w, r| panics(r).lets_fail(MisbehaveError::DECLARED).run(w)))
        .workflow(workflow("hangs", |w, r| hangs(r).lets_fail(MisbehaveError::DECLARED).run(w)))
        .workflow(workflow("answers-too-much", |w, r| {
            answers_too_much(r).lets_fail(MisbehaveError::DECLARED).run(w)
        }))
        .workflow(workflow("exits", |w, r| exits(r).lets_fail(MisbehaveError::DECLARED).run(w)))
        .workflow(workflow("declares", |w, r| declares(r).lets_fail(MisbehaveError::DECLARED).run(w)))
        .main()
}
