//! A test being set up: the workflow, its input, and who answers for its steps.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use codegen::{Generated, Options};
use engine::simulate::{Reply, SimulationOptions, run_with};
use engine::{TaskOutcome, TaskRequest};
use serde::Serialize;
use serde_json::Value;
use stepwright::ir::{ResourceKind, Workflow};
use stepwright::lambda::{Resources, StepEntry};
use stepwright::{Expr, Flow, Produces, Shape, Step, Waits};

use crate::answer::{Answer, outcome};
use crate::run::{Call, Run};

/// The app's name in a test; function names are `test-<step>`.
const APP: &str = "test";

/// A workflow to be tested: what `workflow(..).build()` returned, or a function that returns it.
pub trait Subject {
    /// The workflow.
    fn workflow(self) -> Workflow;
}

impl Subject for Workflow {
    fn workflow(self) -> Workflow {
        self
    }
}

impl Subject for &Workflow {
    fn workflow(self) -> Workflow {
        self.clone()
    }
}

impl<F: FnOnce() -> Workflow> Subject for F {
    fn workflow(self) -> Workflow {
        self()
    }
}

/// Sets up a test of a workflow. The input is checked when the first step that takes it is called.
///
/// # Panics
/// When nothing can be generated from the workflow, or the input has no JSON form.
#[track_caller]
pub fn run(workflow: impl Subject, input: impl Serialize) -> Test {
    Test::new(&workflow.workflow(), input)
}

/// Sets up a test of a workflow function, without the declaration around it. The input is of
/// the function's own type.
///
/// # Panics
/// When nothing can be generated from the function, or the input has no JSON form.
#[track_caller]
pub fn run_flow<I, O, R>(flow: impl FnOnce(&mut Flow, Expr<I>) -> R, input: I) -> Test
where
    I: Shape,
    O: Shape,
    R: Produces<O>,
{
    Test::new(&stepwright::workflow("under-test", flow).build(), input)
}

/// A test being set up; [`Test::start`] runs it.
#[must_use = "a test does nothing until it is started with `.start()`"]
pub struct Test {
    generated: Generated,
    input: Value,
    mocks: BTreeMap<&'static str, Mock>,
    steps: BTreeMap<&'static str, StepEntry>,
    /// Who answers the tokens of steps that run in-process.
    answers: BTreeMap<&'static str, Mock>,
    /// How calls of services end, by the state that makes them.
    services: BTreeMap<String, ServiceMock>,
    resources: Resources,
    seed: u64,
}

/// Answers the attempts of one step: the payload in, the reply out.
type Mock = Box<dyn FnMut(&Value) -> Reply>;
/// Answers the calls of a service: the arguments in, success or an error's name out.
type ServiceMock = Box<dyn FnMut(&Value) -> Result<(), &'static str>>;

impl fmt::Debug for Test {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Test")
            .field("workflow", &self.generated.name)
            .field("input", &self.input)
            .field("mocks", &self.mocks.keys())
            .field("steps", &self.steps.keys())
            .finish_non_exhaustive()
    }
}

impl Test {
    #[track_caller]
    fn new(workflow: &Workflow, input: impl Serialize) -> Test {
        let generated = match codegen::emit(workflow, &Options { app: APP.to_owned() }) {
            Ok(generated) => generated,
            Err(error) => panic!("{error}"),
        };
        let input = match serde_json::to_value(input) {
            Ok(input) => input,
            Err(error) => panic!("the input of `{}` has no JSON form: {error}", generated.name),
        };
        Test {
            generated,
            input,
            mocks: BTreeMap::new(),
            steps: BTreeMap::new(),
            answers: BTreeMap::new(),
            services: BTreeMap::new(),
            resources: Resources::new(),
            seed: 0,
        }
    }

    /// Answers every attempt of a step with this.
    #[track_caller]
    pub fn mock<S: Step>(self, result: Result<S::Output, S::Error>) -> Self {
        let reply = Answer::<S>::from(result).reply();
        self.answer::<S>(move |_| reply.clone())
    }

    /// Answers the attempts of a step one after the other, wherever in the workflow they are
    /// made. One attempt more than there are answers fails the test.
    #[track_caller]
    pub fn mock_seq<S: Step>(self, results: impl IntoIterator<Item = Result<S::Output, S::Error>>) -> Self {
        self.mock_answers::<S>(results.into_iter().map(Answer::from))
    }

    /// Like [`Test::mock_seq`], also with answers a step does not give by itself: a throttled
    /// function, a late answer, none at all.
    #[track_caller]
    pub fn mock_answers<S: Step>(self, answers: impl IntoIterator<Item = Answer<S>>) -> Self {
        let mut replies: Vec<Reply> = answers.into_iter().map(Answer::reply).collect();
        let given = replies.len();
        replies.reverse();
        self.answer::<S>(move |_| match replies.pop() {
            Some(reply) => reply,
            None => panic!(
                "step `{}` is called more than {given} times, but its mock has no more answers: add one to the list",
                S::INFO.name
            ),
        })
    }

    /// Answers every attempt of a step by a function of its input.
    #[track_caller]
    pub fn mock_with<S: Step>(
        self,
        mut answer: impl FnMut(S::Input) -> Result<S::Output, S::Error> + 'static,
    ) -> Self {
        self.answer::<S>(move |payload| {
            // That it can be decoded was checked before.
            match stepwright::lambda::decode::<S>(payload.clone()) {
                Ok(input) => Answer::<S>::from(answer(input)).reply(),
                Err(failure) => Reply::Now(outcome(Err(failure))),
            }
        })
    }

    /// Lets no attempt of a step ever end: only its timeouts go on.
    #[track_caller]
    pub fn never<S: Step>(self) -> Self {
        let reply = Answer::<S>::Never.reply();
        self.answer::<S>(move |_| reply.clone())
    }

    /// Answers the token of a step that waits, after its function has run in-process; it has to
    /// be among [`Test::steps`]. Without an answer only the step's timeouts go on.
    ///
    /// ```
    /// # use stepwright_testkit as testkit;
    /// # use stepwright::prelude::*;
    /// # #[derive(Debug, StepError)]
    /// # pub enum AskError { Unavailable }
    /// #[step]
    /// pub async fn ask(question: String, answer: Callback<bool>) -> Result<(), AskError> {
    ///     if answer.token().is_empty() { Err(AskError::Unavailable) } else { Ok(drop(question)) }
    /// }
    ///
    /// let run = testkit::run_flow(
    ///     |w: &mut Flow, question: Expr<String>| ask(question).wait_at_most(60).run(w),
    ///     "May we?".to_owned(),
    /// )
    /// .steps(stepwright::steps![ask])
    /// .answered::<Ask>(|question| Ok(question == "May we?"))
    /// .start();
    /// assert_eq!(run.output::<bool>(), Ok(true));
    /// ```
    pub fn answered<S: Waits>(
        mut self,
        mut answer: impl FnMut(S::Input) -> Result<S::Output, S::Error> + 'static,
    ) -> Self {
        let mock = move |payload: &Value| match stepwright::lambda::decode::<S>(payload.clone()) {
            Ok(input) => Answer::<S>::from(answer(input)).reply(),
            Err(failure) => Reply::Now(outcome(Err(failure))),
        };
        self.answers.insert(S::INFO.name, Box::new(mock));
        self
    }

    #[track_caller]
    fn answer<S: Step>(mut self, mut answer: impl FnMut(&Value) -> Reply + 'static) -> Self {
        let step = S::INFO.name;
        assert!(
            self.generated.functions.iter().any(|function| function.step.name == step),
            "workflow `{}` never calls step `{step}`: it needs no mock of `{}`",
            self.generated.name,
            type_name::<S>()
        );
        let mock = move |payload: &Value| match stepwright::lambda::decode::<S>(payload.clone()) {
            Ok(_) => answer(payload),
            // What the real step says to a payload that is not its input.
            Err(failure) => Reply::Now(outcome(Err(failure))),
        };
        self.mocks.insert(step, Box::new(mock));
        self
    }

    /// Runs these steps in-process unless they are mocked: `.steps(stepwright::steps![parse, deliver])`.
    pub fn steps(mut self, steps: &[StepEntry]) -> Self {
        self.steps.extend(steps.iter().map(|step| (step.name, *step)));
        self
    }

    /// Lets the calls of a service by this state end so, one after the other, such as
    /// `[Err("EventBridge.FailedEntry"), Ok(())]`; after those, and for all other states, a call succeeds.
    ///
    /// # Panics
    /// When the workflow has no such state.
    #[track_caller]
    pub fn service(self, state: &str, ends: impl IntoIterator<Item = Result<(), &'static str>>) -> Self {
        let mut ends: VecDeque<_> = ends.into_iter().collect();
        self.service_with(state, move |_| ends.pop_front().unwrap_or(Ok(())))
    }

    /// Lets the calls of a service by this state end as a function of their `Arguments` says:
    /// well, or with the name of an error such as `Sfn.TaskTimedOutException`.
    ///
    /// # Panics
    /// When the workflow has no such state.
    #[track_caller]
    pub fn service_with(
        mut self,
        state: &str,
        ends: impl FnMut(&Value) -> Result<(), &'static str> + 'static,
    ) -> Self {
        assert!(
            self.generated.source_map.contains_key(state),
            "workflow `{}` has no state `{state}`",
            self.generated.name
        );
        self.services.insert(state.to_owned(), Box::new(ends));
        self
    }

    /// Puts every bucket the workflow's steps ask for into a folder below `directory`.
    ///
    /// # Panics
    /// When a folder cannot be made.
    #[track_caller]
    pub fn resources(mut self, directory: impl AsRef<Path>) -> Self {
        let grants = self.generated.functions.iter().flat_map(|function| &function.grants);
        let buckets: BTreeSet<&str> = grants
            .filter(|grant| grant.resource.kind == ResourceKind::Bucket)
            .map(|grant| grant.resource.name)
            .collect();
        for bucket in buckets {
            let folder = directory.as_ref().join(bucket);
            let made = std::fs::create_dir_all(&folder).and_then(|()| folder.canonicalize());
            let folder = match made {
                Ok(folder) => folder,
                Err(error) => panic!("no folder {} for bucket `{bucket}`: {error}", folder.display()),
            };
            self.resources = self.resources.bucket(bucket, format!("file://{}", folder.display()));
        }
        self
    }

    /// Gives a secret its value.
    pub fn secret(mut self, name: &str, value: impl Into<String>) -> Self {
        self.resources = self.resources.secret(name, value);
        self
    }

    /// Where random numbers come from, such as the jitter of retries; 0 unless given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs the workflow to its end, in virtual time.
    ///
    /// # Panics
    /// When a step is called that has neither a mock nor an in-process function, or when its
    /// mock has no more answers. Inside an asynchronous runtime, if steps run in-process.
    #[track_caller]
    pub fn start(self) -> Run {
        let Test { generated, input, mut mocks, steps, mut answers, mut services, resources, seed } = self;
        let options = SimulationOptions {
            seed,
            state_machine_name: generated.name.clone(),
            execution_name: "test".to_owned(),
            ..SimulationOptions::default()
        };
        let mut calls = Vec::new();
        let mut unanswered = None;
        let machine = Arc::new(generated.machine.clone());
        let simulated = run_with(&options, &machine, input, &mut |request: &TaskRequest| {
            let mut call = Call::of(request, APP);
            let reply = if let Some(service) = &mut call.service {
                let ends = services.get_mut(&call.state).map(|mock| mock(&service.arguments));
                service.error = ends.and_then(Result::err);
                Reply::Now(match service.error {
                    None => TaskOutcome::Succeeded("{}".to_owned()),
                    Some(error) => {
                        TaskOutcome::Failed { error: error.to_owned(), cause: "mocked".to_owned() }
                    }
                })
            } else if let Some(mock) = mocks.get_mut(call.step.as_str()) {
                mock(&call.payload)
            } else if let Some(step) = steps.get(call.step.as_str()) {
                match stepwright::lambda::call(step, call.payload.clone(), &resources) {
                    Ok(_) if step.info.waits => match answers.get_mut(call.step.as_str()) {
                        Some(answer) => answer(&call.payload),
                        None => Reply::Never,
                    },
                    ended => Reply::Now(outcome(ended)),
                }
            } else {
                unanswered.get_or_insert_with(|| call.clone());
                Reply::Never
            };
            calls.push(call);
            reply
        });
        if let Some(Call { step, state, payload, .. }) = unanswered {
            panic!(
                "state `{state}` calls step `{step}`, and nobody answers: add `.mock::<{}>(Ok(..))`, or run it \
                 in-process with `.steps(stepwright::steps![{}])` and `.resources(dir)`. It is called with {payload}",
                in_camel_case(&step),
                step.replace('-', "_")
            );
        }
        Run::new(simulated, calls, generated)
    }
}

/// `check-totals` as `CheckTotals`, the name of the step's type.
fn in_camel_case(step: &str) -> String {
    let words = step.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    });
    words.collect()
}
