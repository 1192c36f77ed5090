//! Tasks that wait for whoever has their token.

use super::execution::{Armed, Execution, Frame, Phase, Purpose, Stage};
use super::integration::{Integration, Pattern};
use super::record::{FrameId, Text};
use super::redrive::StatePath;
use super::status::Status;

/// A task that was handed out with its token (`.waitForTaskToken`) and is not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingTask {
    /// The states it is in, and itself.
    pub path: StatePath,
    /// What answers it: `SendTaskSuccess` or `SendTaskFailure`.
    pub token: Text,
    /// When its state was entered, in milliseconds since the epoch.
    pub since_millis: i64,
    /// When it times out, in milliseconds since the epoch, if it does.
    pub until_millis: Option<i64>,
    /// What the resource was called with, JSON text.
    pub arguments: String,
}

impl WaitingTask {
    /// Where it is, for people: `Each market[2] / Ask`.
    pub fn place(&self) -> String {
        let part = |(name, index): &(String, Option<u32>)| match index {
            Some(index) => format!("{name}[{index}]"),
            None => name.clone(),
        };
        self.path.iter().map(part).collect::<Vec<_>>().join(" / ")
    }
}

impl Execution {
    /// Whether it goes on only when one of [`Self::waiting_tasks`] is answered, or times out.
    pub fn waits_only_for_answers(&self) -> bool {
        let waits = |purpose: Purpose| matches!(purpose, Purpose::Wait | Purpose::Retry);
        self.status() == Status::Running
            && self.map_runs.is_empty()
            && !self.tasks.is_empty()
            && !self.timers.values().any(|armed| waits(armed.purpose))
            && self.waiting_tasks().len() == self.tasks.len()
    }

    /// The tasks that wait to be answered by their token, oldest first.
    pub fn waiting_tasks(&self) -> Vec<WaitingTask> {
        let waiting = self.tasks.values().filter_map(|id| self.waiting_task(*id, self.frames.get(id)?));
        let mut tasks: Vec<WaitingTask> = waiting.collect();
        tasks.sort_by_key(|task| task.since_millis);
        tasks
    }

    fn waiting_task(&self, id: FrameId, frame: &Frame) -> Option<WaitingTask> {
        let Phase::Task { scheduled, stage: Stage::Submitted(_), .. } = &frame.phase else { return None };
        let visit = frame.visit.as_ref()?;
        if Integration::of(&scheduled.resource).pattern() != Pattern::Callback {
            return None;
        }
        let deadline = |armed: &&Armed| {
            armed.frame == id && matches!(armed.purpose, Purpose::TaskTimeout | Purpose::Heartbeat)
        };
        Some(WaitingTask {
            path: self.path_of(frame),
            token: visit.token.clone()?,
            since_millis: visit.entered_millis,
            until_millis: self.timers.values().filter(deadline).map(|armed| armed.due_millis).min(),
            arguments: scheduled.arguments.text().to_owned(),
        })
    }

    /// The states a frame is in, outer ones first.
    fn path_of(&self, frame: &Frame) -> StatePath {
        let mut path = StatePath::new();
        let (mut frame, mut index) = (Some(frame), None);
        while let Some(at) = frame {
            if let Some(visit) = &at.visit {
                path.push((visit.name.to_string(), index));
            }
            index = Some(at.index);
            frame = at.parent.and_then(|parent| self.frames.get(&parent)).map(|parent| &**parent);
        }
        path.reverse();
        path
    }
}
