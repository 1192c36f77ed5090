//! Searches that try all ways at once, character by character: none is taken
//! twice at the same place, so that the time is linear in the text.

use super::program::{Instruction, NOWHERE, Program};
use super::{Effort, Exhausted};

/// The ways that are open at one place, in the order of their preference.
#[derive(Debug, Default)]
struct Ways {
    /// The instructions they are at, each waiting for a character.
    at: Vec<u32>,
    /// The slots of each.
    slots: Vec<u32>,
    /// By instruction, the turn it was last reached in.
    reached: Vec<u32>,
    turn: u32,
}

impl Ways {
    fn clear(&mut self) {
        self.at.clear();
        self.slots.clear();
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 {
            self.reached.fill(0);
            self.turn = 1;
        }
    }

    /// Whether the instruction is reached for the first time in this turn.
    fn reaches(&mut self, at: usize) -> bool {
        let turn = self.turn;
        self.reached.get_mut(at).is_some_and(|last| std::mem::replace(last, turn) != turn)
    }
}

/// What searches need to remember, kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    now: Ways,
    next: Ways,
    slots: Vec<u32>,
    open: Vec<Open>,
}

/// What is still to do before a way is complete.
#[derive(Debug, Clone, Copy)]
enum Open {
    From(u32),
    Restore { slot: u32, place: u32 },
}

impl Scratch {
    pub(super) fn new(program: &Program) -> Self {
        let mut scratch = Self::default();
        if !program.backtracks {
            scratch.now.reached = vec![0; program.instructions.len()];
            scratch.next.reached = vec![0; program.instructions.len()];
        }
        scratch
    }
}

/// The slots of the first match from a byte on.
pub(super) fn find(
    program: &Program,
    text: &str,
    from: usize,
    scratch: &mut Scratch,
    effort: &mut Effort,
) -> Result<Option<Vec<u32>>, Exhausted> {
    let mut search = Search { program, text, effort, found: None };
    let mut at = from;
    scratch.now.clear();
    loop {
        if scratch.now.at.is_empty() {
            if search.found.is_some() {
                break;
            }
            let Some(start) = program.next_start(text, at) else {
                search.effort.take((text.len() - at.min(text.len())) / 16)?;
                break;
            };
            search.effort.take((start - at) / 16)?;
            if start > at {
                // What was reached was reached elsewhere.
                scratch.now.clear();
                at = start;
            }
        }
        if search.found.is_none() && program.can_start(text, at) {
            scratch.slots.clear();
            scratch.slots.resize(program.slots, NOWHERE);
            if let Some(start) = scratch.slots.first_mut() {
                *start = place(at);
            }
            search.add(&mut scratch.now, &mut scratch.slots, &mut scratch.open, 0, at)?;
        }
        let character = text.get(at..).and_then(|rest| rest.chars().next());
        let behind = at + character.map_or(1, char::len_utf8);
        search.step(scratch, character, behind, at)?;
        std::mem::swap(&mut scratch.now, &mut scratch.next);
        if character.is_none() {
            break;
        }
        at = behind;
    }
    Ok(search.found)
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NOWHERE)
}

struct Search<'s> {
    program: &'s Program,
    text: &'s str,
    effort: &'s mut Effort,
    found: Option<Vec<u32>>,
}

impl Search<'_> {
    /// Takes each way that goes on with the character.
    fn step(
        &mut self,
        scratch: &mut Scratch,
        character: Option<char>,
        behind: usize,
        at: usize,
    ) -> Result<(), Exhausted> {
        let Scratch { now, next, slots, open } = scratch;
        next.clear();
        let width = self.program.slots;
        for (way, own) in now.at.iter().zip(now.slots.chunks_exact(width)) {
            self.effort.take(1 + width / 16)?;
            let goes_on = match self.program.get(*way as usize) {
                Instruction::Character { character: wanted, .. } => character == Some(wanted),
                Instruction::Set { set, .. } => {
                    character.is_some_and(|character| self.program.has(set, character))
                }
                // All others are less wanted.
                _ => {
                    let mut found = own.to_vec();
                    if let Some(end) = found.get_mut(1) {
                        *end = place(at);
                    }
                    self.found = Some(found);
                    break;
                }
            };
            if goes_on {
                slots.clear();
                slots.extend_from_slice(own);
                self.add(next, slots, open, *way + 1, behind)?;
            }
        }
        Ok(())
    }

    /// Follows an instruction to all that wait for a character.
    fn add(
        &mut self,
        ways: &mut Ways,
        slots: &mut [u32],
        open: &mut Vec<Open>,
        start: u32,
        at: usize,
    ) -> Result<(), Exhausted> {
        open.push(Open::From(start));
        while let Some(next) = open.pop() {
            let mut instruction = match next {
                Open::From(instruction) => instruction,
                Open::Restore { slot, place } => {
                    set(slots, slot, place);
                    continue;
                }
            };
            loop {
                self.effort.take(1)?;
                if !ways.reaches(instruction as usize) {
                    break;
                }
                match self.program.get(instruction as usize) {
                    Instruction::Jump(to) => {
                        instruction = to;
                        continue;
                    }
                    Instruction::Split { first, second } => {
                        open.push(Open::From(second));
                        instruction = first;
                        continue;
                    }
                    Instruction::Save(slot) => {
                        open.push(Open::Restore { slot, place: set(slots, slot, place(at)) });
                    }
                    Instruction::Forget { from, until } => {
                        self.effort.take((until - from) as usize)?;
                        let forgotten = (from..until).map(|slot| (slot, set(slots, slot, NOWHERE)));
                        open.extend(forgotten.map(|(slot, place)| Open::Restore { slot, place }));
                    }
                    Instruction::Moved(slot) => {
                        if slots.get(slot as usize) == Some(&place(at)) {
                            break;
                        }
                    }
                    Instruction::Assertion(assertion) => {
                        if !assertion.holds(self.text, at) {
                            break;
                        }
                    }
                    _ => {
                        ways.at.push(instruction);
                        ways.slots.extend_from_slice(slots);
                        break;
                    }
                }
                instruction += 1;
            }
        }
        Ok(())
    }
}

/// Puts a place into a slot, and gives the one that was there.
fn set(slots: &mut [u32], slot: u32, place: u32) -> u32 {
    slots.get_mut(slot as usize).map_or(NOWHERE, |slot| std::mem::replace(slot, place))
}
