//! From a workflow function to its description.

use std::marker::PhantomData;

use crate::expr::{Expr, node};
use crate::flow::{Flow, here};
use crate::ir::{self, Intake, Node, TypeInfo};
use crate::objects::{Arrival, ObjectRef};
use crate::produces::Produces;
use crate::resource::Bucket;
use crate::shape::Shape;
use crate::slot;

/// AWS: a state machine's name has at most 80 characters.
const NAME_CHARS_MAX: usize = 80;
/// AWS: a machine's `TimeoutSeconds` is at most 99,999,999.
const TIMEOUT_SECONDS_MAX: u64 = 99_999_999;

/// Describes a workflow: runs its function once and keeps what it recorded.
///
/// ```
/// use stepwright::prelude::*;
///
/// fn greet(w: &mut Flow, name: Expr<String>) -> Expr<String> {
///     w.wait_seconds("Take a breath", 1);
///     lit(String::from("hello, ")).concat(name)
/// }
///
/// let workflow = stepwright::workflow("greet", greet).comment("Says hello.").timeout(60).build();
/// assert_eq!(workflow.body.states.len(), 1);
/// ```
///
/// # Panics
/// If the name is not 1 to 80 letters, digits, `-` and `_`, or the function
/// describes something impossible (the message says what and where).
#[track_caller]
pub fn workflow<I, O, R>(name: &str, body: impl FnOnce(&mut Flow, Expr<I>) -> R) -> WorkflowBuilder<I>
where
    I: Shape,
    O: Shape,
    R: Produces<O>,
{
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(
        !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(allowed),
        "a workflow's name is 1 to {NAME_CHARS_MAX} letters, digits, `-` and `_`, not `{name}`"
    );
    let body =
        slot::from_zero(|| Flow::new().region::<O, R>(|w| body(w, Expr::from_node(node(Node::Input)))));
    WorkflowBuilder {
        workflow: ir::Workflow {
            name: name.to_owned(),
            comment: None,
            input: TypeInfo::of::<I>(),
            output: TypeInfo::of::<O>(),
            timeout_seconds: None,
            intake: None,
            triggers: Vec::new(),
            body,
            location: here(),
        },
        input: PhantomData,
    }
}

/// A workflow whose function is known and whose settings are being made.
#[derive(Debug)]
#[must_use = "a workflow is described by `.build()`"]
pub struct WorkflowBuilder<I> {
    pub(crate) workflow: ir::Workflow,
    input: PhantomData<fn(I)>,
}

impl<I: Shape> WorkflowBuilder<I> {
    /// What the workflow is for, in one sentence.
    pub fn comment(mut self, comment: &str) -> Self {
        self.workflow.comment = Some(comment.to_owned());
        self
    }

    /// Ends an execution as timed out after this many seconds.
    ///
    /// # Panics
    /// If 0 or above 99,999,999 (AWS's limit).
    #[track_caller]
    pub fn timeout(mut self, seconds: u64) -> Self {
        assert!(
            (1..=TIMEOUT_SECONDS_MAX).contains(&seconds),
            "a timeout is 1 to {TIMEOUT_SECONDS_MAX} seconds, not {seconds}"
        );
        self.workflow.timeout_seconds = Some(seconds);
        self
    }

    /// How `stepwright run` makes an input of files: they are put into the
    /// bucket `B`, and the input's fields get references to them. `sample` is a
    /// folder, relative to the package, with `spec.toml` and files in `input/`.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # use stepwright::prelude::*;
    /// # stepwright::bucket!(pub Drops = "drops");
    /// # #[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
    /// # pub struct Request { pub spec: ObjectRef, pub files: Vec<ObjectRef> }
    /// # fn delivery(_: &mut Flow, request: Expr<Request>) -> Expr<u64> { request.files.count() }
    /// stepwright::workflow("delivery", delivery)
    ///     .intake::<Drops, _>(|request| request.files, |request| request.spec, "samples/delivery")
    ///     .build();
    /// ```
    ///
    /// # Panics
    /// If a closure returns anything but a field of the input.
    #[track_caller]
    pub fn intake<B: Bucket, F: Reference>(
        mut self,
        files: impl FnOnce(Expr<I>) -> Expr<Vec<F>>,
        spec: impl FnOnce(Expr<I>) -> Expr<F>,
        sample: &str,
    ) -> Self {
        let input = Expr::from_node(node(Node::Input));
        self.workflow.intake = Some(Intake {
            bucket: B::INFO,
            files_field: input_field(files(input).node()),
            spec_field: input_field(spec(input).node()),
            with_folder: false,
            period_field: None,
            messages_field: None,
            correction_field: None,
            sample: sample.to_owned(),
        });
        self
    }

    /// The spec of the intake is a configuration with files beside it: `stepwright run` puts
    /// its whole folder into the bucket.
    ///
    /// # Panics
    /// Without [`Self::intake`] before it.
    #[track_caller]
    pub fn intake_folder(mut self) -> Self {
        self.intake_mut().with_folder = true;
        self
    }

    /// The field of the input that `--period` of `stepwright run` fills.
    ///
    /// # Panics
    /// Without [`Self::intake`] before it, or if the closure returns anything but a field of the input.
    #[track_caller]
    pub fn intake_period(mut self, period: impl FnOnce(Expr<I>) -> Expr<Option<String>>) -> Self {
        let field = input_field(period(Expr::from_node(node(Node::Input))).node());
        self.intake_mut().period_field = Some(field);
        self
    }

    /// The field of the input that `--messages` of `stepwright run` fills: with the lines of a file.
    ///
    /// # Panics
    /// Without [`Self::intake`] before it, or if the closure returns anything but a field of the input.
    #[track_caller]
    pub fn intake_messages(mut self, messages: impl FnOnce(Expr<I>) -> Expr<Option<Vec<String>>>) -> Self {
        let field = input_field(messages(Expr::from_node(node(Node::Input))).node());
        self.intake_mut().messages_field = Some(field);
        self
    }

    /// The field of the input, an object with a `reason`, that `--correction` of `stepwright run` fills.
    ///
    /// # Panics
    /// Without [`Self::intake`] before it, or if the closure returns anything but a field of the input.
    #[track_caller]
    pub fn intake_correction<C: Shape>(
        mut self,
        correction: impl FnOnce(Expr<I>) -> Expr<Option<C>>,
    ) -> Self {
        let field = input_field(correction(Expr::from_node(node(Node::Input))).node());
        self.intake_mut().correction_field = Some(field);
        self
    }

    #[track_caller]
    fn intake_mut(&mut self) -> &mut Intake {
        match &mut self.workflow.intake {
            Some(intake) => intake,
            None => panic!("say with `intake` what `stepwright run` makes of files first"),
        }
    }

    /// The description.
    pub fn build(self) -> ir::Workflow {
        self.workflow
    }
}

/// What refers to a file of an intake: [`ObjectRef`], or [`Arrival`], which an event can be, too.
pub trait Reference: Shape {}

impl Reference for ObjectRef {}
impl Reference for Arrival {}

#[track_caller]
fn input_field(node: ir::NodeRef) -> String {
    match node {
        Node::Field { of: Node::Input, name, .. } => (*name).to_owned(),
        _ => panic!("an intake fills fields of the input itself, as in `|request| request.files`"),
    }
}
