//! What an execution does without while it waits: tens of thousands may wait
//! at a time, for days, and the values of payloads are most of their memory.

use std::collections::BTreeMap;

use super::execution::{Execution, Frame, Phase, Stage};
use super::payload::Payload;

/// An execution with more frames is at work most of the time; looking through
/// all of them after each of its transitions would cost more than it saves.
const FRAMES_MAX: usize = 8;

impl Execution {
    /// Gives up the values of payloads if everything waits for timers, tokens or
    /// workers. Their texts stay, and are read again when somebody asks.
    pub(crate) fn rest(&mut self) {
        if self.frames.is_empty() || self.frames.len() > FRAMES_MAX {
            return;
        }
        if !self.frames.values().all(|frame| frame.waits_long()) {
            return;
        }
        // What was one payload stays one.
        let mut rests = BTreeMap::new();
        let mut give_up = |payload: &mut Payload| {
            let text_only = rests.entry(payload.address()).or_insert_with(|| payload.text_only());
            *payload = text_only.clone();
        };
        if let Some(started) = &mut self.started {
            give_up(&mut started.input);
        }
        for frame in self.frames.values_mut() {
            if let Some(visit) = &mut frame.visit {
                give_up(&mut visit.input);
            }
            match &mut frame.phase {
                Phase::Task { scheduled, stage, .. } => {
                    give_up(&mut scheduled.arguments);
                    if let Stage::Submitted(answer) = stage {
                        give_up(answer);
                    }
                }
                Phase::Children(children) => give_up(&mut children.given),
                _ => {}
            }
        }
    }
}

impl Frame {
    /// Whether nobody is at work for the frame who is about to answer.
    fn waits_long(&self) -> bool {
        match &self.phase {
            Phase::Waiting { .. }
            | Phase::RetryWaiting
            | Phase::Children(_)
            | Phase::Task { stage: Stage::Submitted(_) | Stage::WithWorker, .. } => true,
            // The task of an activity that waits for a worker; a call is answered soon.
            Phase::Task { scheduled, stage: Stage::Called, .. } => {
                super::Integration::of(&scheduled.resource) == super::Integration::Activity
            }
            _ => false,
        }
    }
}
