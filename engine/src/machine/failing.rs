//! Where a failure goes: to a retrier, to a catcher, or up.

use std::sync::Arc;

use asl::{Catcher, StateKind};

use super::execution::Phase;
use super::flow::Outcome;
use super::record::{Fact, FrameId, Text};
use super::retry::{Failure, Nature, delay_millis, errors};
use super::run::{Run, Step, Trouble};
use super::states::check_limits;

impl Run<'_> {
    /// A frame's state has failed; the failure is recorded.
    pub(super) fn handle_failure(&mut self, id: FrameId) -> Step {
        let failure = match self.execution.frames.get(&id).map(|frame| &frame.phase) {
            Some(Phase::Failed { failure, .. }) => failure.clone(),
            _ => return Ok(()),
        };
        self.fail(id, &failure)
    }

    /// The first retrier that is for the failure takes it while it has
    /// attempts left; otherwise the first catcher that is for it; otherwise it
    /// goes up.
    pub(super) fn fail(&mut self, id: FrameId, failure: &Failure) -> Step {
        let (_, visit) = self.visit(id)?;
        let state = Arc::clone(&visit.state);
        if !visit.catcher_failed {
            let retrier = state.retry.iter().position(|retrier| failure.matches(&retrier.error_equals));
            if let Some((index, retrier)) = retrier.and_then(|index| Some((index, state.retry.get(index)?))) {
                let attempt = visit.attempts.get(index).copied().unwrap_or_default();
                if u64::from(attempt) < retrier.max_attempts {
                    let delay = delay_millis(retrier, attempt, || asl::Host::random(&self.host));
                    let timer = self.timer_at(self.host.now_millis.saturating_add(delay));
                    let retrier = u32::try_from(index).unwrap_or(u32::MAX);
                    return self.push(id, Fact::RetryArmed { retrier, timer });
                }
            }
            let catcher =
                state.catch.iter().enumerate().find(|(_, catcher)| failure.matches(&catcher.error_equals));
            if let Some((index, catcher)) = catcher {
                return self.catch(id, index, catcher, failure);
            }
        }
        self.announce_failure(id, failure)?;
        self.fail_frame(id, failure)
    }

    fn catch(&mut self, id: FrameId, index: usize, catcher: &Catcher, failure: &Failure) -> Step {
        self.announce_failure(id, failure)?;
        match self.caught(id, index, catcher, failure) {
            Ok(outcome) => self.leave(id, outcome, Some(Text::from(catcher.next.as_str()))),
            Err(Trouble::Query(error)) if error.error == errors::QUERY_EVALUATION => {
                self.trouble(id, Trouble::Query(error))
            }
            // Nothing of this state takes a failure of its own catcher.
            Err(trouble) => {
                let failure = trouble.into_failure(self.visit(id)?.1);
                self.fail_frame(id, &failure)
            }
        }
    }

    fn caught(
        &self,
        id: FrameId,
        index: usize,
        catcher: &Catcher,
        failure: &Failure,
    ) -> Result<Outcome, Trouble> {
        let (frame, visit) = self.visit(id)?;
        let outcome = self.flow(frame, visit).by_catcher(&visit.input, index, catcher, failure)?;
        check_limits(frame, visit, &outcome)?;
        Ok(outcome)
    }

    /// Writes that a Parallel or Map failed. Recorded on AWS: not when nothing could catch it.
    fn announce_failure(&mut self, id: FrameId, failure: &Failure) -> Step {
        let (frame, visit) = self.visit(id)?;
        if failure.nature == Nature::Runtime || frame.has_announced() {
            return Ok(());
        }
        match visit.state.kind {
            StateKind::Map(_) => self.push(id, Fact::MapStateFailed),
            StateKind::Parallel(_) => self.push(id, Fact::ParallelStateFailed),
            _ => Ok(()),
        }
    }

    /// The frame fails: with it the execution, or the Parallel or Map above.
    fn fail_frame(&mut self, id: FrameId, failure: &Failure) -> Step {
        let (frame, visit) = self.visit(id)?;
        let (index, is_task) = (frame.index, matches!(visit.state.kind, StateKind::Task(_)));
        let Some(parent) = frame.parent else {
            let fact = Fact::ExecutionFailed { error: failure.error.clone(), cause: failure.cause.clone() };
            return self.push(id, fact);
        };
        let chain = frame.chain;
        let failure = failure.clone();
        let name = self.visit(parent)?.1.name.clone();
        if self.children(parent)?.is_map {
            self.push_after(parent, chain, Fact::MapIterationFailed { child: id, index, name, failure })?;
        } else {
            // Recorded on AWS: a branch that fails in a Task ends with `TaskStateAborted`.
            if is_task {
                self.abort_state(id)?;
            }
            self.push_after(parent, chain, Fact::BranchFailed { child: id, failure })?;
        }
        self.wake(parent);
        Ok(())
    }
}
