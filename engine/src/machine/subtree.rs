//! The tree of frames, as records change it: branches and iterations that
//! start, end well, fail or are aborted. The other part of [`Execution::apply`].

use std::collections::BTreeMap;
use std::sync::Arc;

use asl::StateKind;

use super::execution::{Children, Execution, Frame, Item, Phase, Region, misplaced};
use super::map_run::MapRunPhase;
use super::payload::Payload;
use super::record::{Fact, FrameId, Record, Text};
use super::retry::Failure;
use super::status::ReplayError;

impl Execution {
    pub(super) fn open_children(&mut self, record: &Record) -> Result<(), ReplayError> {
        let frame = self.frame_mut(record)?;
        frame.link(record.id);
        if let Some(visit) = &mut frame.visit {
            visit.remains = None;
        }
        if let (Fact::MapStateStarted { items, .. }, Some(StateKind::Map(map))) =
            (&record.fact, frame.visit.as_ref().map(|visit| &visit.state.kind))
            && map.distributed.is_some()
        {
            frame.phase = Phase::MapRun(Box::new(MapRunPhase::new(items)));
            return Ok(());
        }
        let (given, is_map, length, limit) = match &record.fact {
            Fact::MapStateStarted { items, length, limit } => (items, true, *length, *limit),
            Fact::ParallelStateStarted { input } => {
                let branches = match frame.visit.as_ref().map(|visit| &visit.state.kind) {
                    Some(StateKind::Parallel(parallel)) => parallel.branches.len(),
                    _ => return Err(misplaced(record)),
                };
                let branches = u32::try_from(branches).unwrap_or(u32::MAX);
                (input, false, branches, branches)
            }
            _ => return Err(misplaced(record)),
        };
        frame.phase = Phase::Children(Box::new(Children {
            given: given.clone(),
            is_map,
            length,
            limit,
            next: 0,
            running: 0,
            spawn_from: record.id,
            results: vec![None; length as usize],
            result_bytes: 0,
            failing: None,
            announced: false,
            fallen: BTreeMap::new(),
        }));
        Ok(())
    }

    pub(super) fn spawn(
        &mut self,
        record: &Record,
        child: FrameId,
        index: u32,
        input: Option<&Payload>,
    ) -> Result<(), ReplayError> {
        let parent = self.frame_mut(record)?;
        let (variables, variable_bytes) = (Arc::clone(&parent.variables), parent.variable_bytes);
        let mut item = parent.item.clone();
        let state =
            parent.visit.as_ref().map(|visit| Arc::clone(&visit.state)).ok_or_else(|| misplaced(record))?;
        let Phase::Children(children) = &mut parent.phase else { return Err(misplaced(record)) };
        children.next = index + 1;
        children.running += 1;
        let given = children.given.clone();
        let chain = if children.is_map { record.id } else { children.spawn_from };
        let (region, start_at): (_, Text) = match &state.kind {
            StateKind::Map(map) => {
                let of_map = Item::of(given.value(), index).ok_or_else(|| misplaced(record))?;
                item = Some(Arc::new(of_map));
                (Region::Processor(Arc::clone(&state)), map.processor.start_at.as_str().into())
            }
            StateKind::Parallel(parallel) => {
                let branch = parallel.branches.get(index as usize).ok_or_else(|| misplaced(record))?;
                (Region::Branch(Arc::clone(&state), index as usize), branch.start_at.as_str().into())
            }
            _ => return Err(misplaced(record)),
        };
        let input = input.cloned().unwrap_or(given);
        let mut frame = Frame::new(Some(record.frame), index, region, Phase::Next { name: start_at, input });
        frame.chain = chain;
        frame.before = chain;
        frame.variables = variables;
        frame.variable_bytes = variable_bytes;
        frame.item = item;
        self.frames.insert(child, Box::new(frame));
        self.next_frame = self.next_frame.max(child + 1);
        Ok(())
    }

    pub(super) fn join(&mut self, record: &Record, child: FrameId, index: u32) -> Result<(), ReplayError> {
        let ended = self.frames.remove(&child).ok_or_else(|| misplaced(record))?;
        let Phase::Ended { output } = ended.phase else { return Err(misplaced(record)) };
        let parent = self.frame_mut(record)?;
        parent.chain = if record.id == 0 { ended.chain } else { record.id };
        let Phase::Children(children) = &mut parent.phase else { return Err(misplaced(record)) };
        children.running = children.running.saturating_sub(1);
        children.spawn_from = ended.chain;
        children.result_bytes = children.result_bytes.saturating_add(output.len() + 1);
        if children.is_too_large() {
            children.results = Vec::new();
        } else if let Some(slot) = children.results.get_mut(index as usize) {
            *slot = Some(output);
        }
        Ok(())
    }

    pub(super) fn break_children(
        &mut self,
        record: &Record,
        child: FrameId,
        failure: &Failure,
    ) -> Result<(), ReplayError> {
        let mut fallen = self.fell(child).ok_or_else(|| misplaced(record))?;
        let chain = fallen.chain;
        if let Some(visit) = &mut fallen.visit {
            visit.failed_with.clone_from(&failure.error);
        }
        let parent = self.frame_mut(record)?;
        let Phase::Children(children) = &mut parent.phase else { return Err(misplaced(record)) };
        children.running = children.running.saturating_sub(1);
        children.failing.get_or_insert_with(|| (failure.clone(), chain));
        children.fallen.insert(child, fallen);
        Ok(())
    }

    pub(super) fn drop_child(&mut self, record: &Record, child: FrameId) -> Result<(), ReplayError> {
        let fallen = self.fell(child).ok_or_else(|| misplaced(record))?;
        let parent = self.frame_mut(record)?;
        let Phase::Children(children) = &mut parent.phase else { return Err(misplaced(record)) };
        children.running = children.running.saturating_sub(1);
        children.fallen.insert(child, fallen);
        Ok(())
    }

    /// Takes a frame out that failed or was aborted. Those below it fell before it.
    fn fell(&mut self, id: FrameId) -> Option<Box<Frame>> {
        self.disarm(id);
        self.frames.remove(&id)
    }

    /// The frames directly below a frame, oldest first.
    pub(super) fn children_of(&self, id: FrameId) -> Vec<FrameId> {
        self.frames.iter().filter(|(_, frame)| frame.parent == Some(id)).map(|(child, _)| *child).collect()
    }
}
