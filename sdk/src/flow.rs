//! [`Flow`]: records what a workflow function does.
//!
//! A workflow function runs once, when the workflow is described. Every call
//! of a `Flow` method (and every `.run(w)`) records one state with the place
//! in the source it comes from; closures are recorded at once, as the blocks
//! of the state they belong to.
//!
//! Mistakes that types cannot express (a state after the end, a timeout of 0)
//! panic with the author's file and line: a workflow is source code, and this
//! is its compiler.

use std::any::TypeId;
use std::mem;
use std::panic::Location as Caller;

use crate::expr::{Expr, node};
use crate::ir::{Block, Context, End, Location, Node, State, StateKind, Wait};
use crate::operand::IntoExpr;
use crate::produces::{Diverged, Produces};
use crate::shape::Shape;
use crate::slot;

/// Records the states of a workflow; by convention called `w`.
#[derive(Debug)]
pub struct Flow {
    /// States of the block being recorded.
    states: Vec<State>,
    /// The state that ended this block, if one did.
    ended: Option<Ended>,
    /// The outputs given to `succeed` in this region: the workflow, one
    /// iteration of a map, or one branch of a parallel state.
    succeeded: Vec<Succeeded>,
}

#[derive(Debug, Clone)]
struct Ended {
    name: String,
    at: Location,
}

#[derive(Debug)]
struct Succeeded {
    output: TypeId,
    output_name: &'static str,
    state: Ended,
}

impl Location {
    pub(crate) fn of(caller: &'static Caller<'static>) -> Self {
        Self { file: caller.file(), line: caller.line() }
    }
}

/// Values of the context object.
impl Flow {
    /// The execution's ARN.
    pub fn execution_arn(&self) -> Expr<String> {
        Expr::new(Node::Context(Context::ExecutionId))
    }

    /// The execution's name.
    pub fn execution_name(&self) -> Expr<String> {
        Expr::new(Node::Context(Context::ExecutionName))
    }

    /// When the execution started, RFC 3339.
    pub fn execution_start_time(&self) -> Expr<String> {
        Expr::new(Node::Context(Context::ExecutionStartTime))
    }

    /// The state machine's name.
    pub fn state_machine_name(&self) -> Expr<String> {
        Expr::new(Node::Context(Context::StateMachineName))
    }

    /// When the state that uses the value was entered, RFC 3339.
    pub fn state_entered_time(&self) -> Expr<String> {
        Expr::new(Node::Context(Context::StateEnteredTime))
    }
}

/// States without branches.
impl Flow {
    /// A state that leaves a value behind, so that the history shows it.
    #[track_caller]
    pub fn pass<T: Shape>(&mut self, name: &str, value: impl IntoExpr<T>) -> Expr<T> {
        let result = slot::fresh();
        let value = value.into_expr().node();
        self.record(name, None, here(), StateKind::Pass { value, result });
        Expr::new(Node::Slot(result))
    }

    /// Waits a number of seconds.
    #[track_caller]
    pub fn wait_seconds(&mut self, name: &str, seconds: impl IntoExpr<u32>) {
        let seconds = seconds.into_expr().node();
        self.record(name, None, here(), StateKind::Wait(Wait::Seconds(seconds)));
    }

    /// Waits until a moment given as RFC 3339 text, such as `2024-03-01T06:00:00Z`.
    #[track_caller]
    pub fn wait_until(&mut self, name: &str, moment: impl IntoExpr<String>) {
        let moment = moment.into_expr().node();
        self.record(name, None, here(), StateKind::Wait(Wait::Until(moment)));
    }

    /// Ends the execution as failed.
    #[track_caller]
    pub fn fail(
        &mut self,
        name: &str,
        error: impl IntoExpr<String>,
        cause: impl IntoExpr<String>,
    ) -> Diverged {
        let kind = StateKind::Fail { error: error.into_expr().node(), cause: cause.into_expr().node() };
        self.record_last(name, here(), kind)
    }

    /// Ends the execution with an output; inside a map or a parallel state, the
    /// iteration or the branch.
    ///
    /// # Panics
    /// When the region is complete, if the output is not of its type.
    #[track_caller]
    pub fn succeed<T: Shape>(&mut self, name: &str, output: Expr<T>) -> Diverged {
        let at = here();
        self.succeeded.push(Succeeded {
            output: TypeId::of::<T>(),
            output_name: T::NAME,
            state: Ended { name: name.to_owned(), at },
        });
        self.record_last(name, at, StateKind::Succeed { output: output.node() })
    }
}

#[track_caller]
pub(crate) fn here() -> Location {
    Location::of(Caller::caller())
}

/// Recording.
impl Flow {
    pub(crate) fn new() -> Self {
        Self { states: Vec::new(), ended: None, succeeded: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn record(
        &mut self,
        name: &str,
        comment: Option<String>,
        location: Location,
        kind: StateKind,
    ) {
        assert!(!name.trim().is_empty(), "a state needs a name");
        if let Some(Ended { name: last, at }) = &self.ended {
            panic!("`{name}` is never reached: `{last}` ({}:{}) ends this branch", at.file, at.line);
        }
        self.states.push(State { name: name.to_owned(), comment, location, kind });
    }

    #[track_caller]
    fn record_last(&mut self, name: &str, location: Location, kind: StateKind) -> Diverged {
        self.record(name, None, location, kind);
        self.end_with(name, location);
        Diverged(())
    }

    /// Nothing can follow the state just recorded.
    pub(crate) fn end_with(&mut self, name: &str, at: Location) {
        self.ended = Some(Ended { name: name.to_owned(), at });
    }

    /// Records what a closure does as a block of its own.
    #[doc(hidden)]
    pub fn block<T: Shape, R: Produces<T>>(&mut self, body: impl FnOnce(&mut Flow) -> R) -> Block {
        let outer_states = mem::take(&mut self.states);
        let outer_ended = self.ended.take();
        let value = body(self).produce();
        let states = mem::replace(&mut self.states, outer_states);
        let ended = mem::replace(&mut self.ended, outer_ended);
        let end = match (ended, value) {
            (None, Some(value)) => End::Value(value),
            _ => End::Diverges,
        };
        Block { states, end }
    }

    /// Records a block that `succeed` may end with its value.
    #[track_caller]
    pub(crate) fn region<T: Shape, R: Produces<T>>(&mut self, body: impl FnOnce(&mut Flow) -> R) -> Block {
        let outer = mem::take(&mut self.succeeded);
        let block = self.block::<T, R>(body);
        for Succeeded { output, output_name, state } in mem::replace(&mut self.succeeded, outer) {
            assert!(
                output == TypeId::of::<T>(),
                "`{}` ({}:{}) ends with a `{output_name}`, where a `{}` is produced",
                state.name,
                state.at.file,
                state.at.line,
                T::NAME
            );
        }
        block
    }
}

pub(crate) fn slot_node(slot: crate::ir::Slot) -> crate::ir::NodeRef {
    node(Node::Slot(slot))
}
