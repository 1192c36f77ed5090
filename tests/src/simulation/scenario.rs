//! One scenario, from its choices to the verdict.

use asl::StateMachine;
use engine::machine::{Fact, Record};
use serde_json::Value;

use super::Choices;
use super::bugs::Bug;
use super::compare::{FromOutside, compare, shown};
use super::generate;
use super::invariants::states_of;
use super::reference::{self, Line, Setting};
use super::script::{START_MILLIS, Script};
use super::seen::Seen;
use super::world::{Figures, World};

/// What a scenario is made of.
pub(super) struct Scenario {
    pub(super) definition: Value,
    pub(super) input: Value,
    pub(super) script: Script,
}

impl Scenario {
    pub(super) fn of(choices: &mut Choices) -> Self {
        // The script first: choices that are left out in a definition move nothing else.
        let script = Script::of(choices);
        let input = generate::input(choices);
        let definition = generate::definition(choices);
        Self { definition, input, script }
    }

    /// Plays it. The error: the law that does not hold.
    pub(super) fn play(&self, bug: Option<Bug>) -> Result<Played, String> {
        let text = Bug::definition(bug, &self.definition).to_string();
        let machine = StateMachine::parse(&text)
            .map_err(|findings| format!("a definition that is not valid: {findings:?}"))?;
        let states = states_of(&self.definition);
        let mut world = World::new(machine, &states, &self.script, &self.input, bug);
        world.run()?;
        let mut told = None;
        let rounds = rounds(&world.records());
        for (round, records) in rounds.iter().enumerate() {
            let seen = Seen::of(records);
            let line = self.told(&world, &seen, round, told.take(), records);
            let outside = FromOutside {
                stop: world.stop_in(round),
                timeout_seconds: self.definition["TimeoutSeconds"].as_u64(),
                start_millis: start_millis(records),
            };
            compare(&line, &seen, &world.outages, outside).map_err(|law| match round {
                0 => law,
                _ => format!("after redrive {round}: {law}"),
            })?;
            told = Some((line, seen));
        }
        let Some((_, seen)) = told else { return Err("nothing was recorded".to_owned()) };
        Ok(Played { seen, figures: world.figures, redrives: rounds.len() as u64 - 1 })
    }

    /// The story of a scenario, for people: both histories.
    pub(super) fn story(&self, bug: Option<Bug>) -> String {
        let Ok(machine) = StateMachine::parse(&Bug::definition(bug, &self.definition).to_string()) else {
            return String::new();
        };
        let states = states_of(&self.definition);
        let mut world = World::new(machine, &states, &self.script, &self.input, bug);
        // What is wrong with it is told elsewhere.
        let _ = world.run();
        let mut lines = vec!["outages:".to_owned()];
        lines.extend(
            world
                .outages
                .iter()
                .map(|outage| format!("  {} to {}", shown(outage.lost_from), shown(outage.back))),
        );
        lines.push("recorded by the machine:".to_owned());
        lines.extend(world.records().iter().map(|record| {
            format!("  {} frame {} #{} {:?}", shown(record.at_millis), record.frame, record.id, record.fact)
        }));
        let mut told = None;
        for (round, records) in rounds(&world.records()).iter().enumerate() {
            let seen = Seen::of(records);
            let line = self.told(&world, &seen, round, told.take(), records);
            lines.push(format!("told by the reference interpreter, with {round} redrives:"));
            tell(&line, "", &mut lines);
            told = Some((line, seen));
        }
        lines.join("\n")
    }

    /// What has to happen in a round: from the start, or after a redrive on from what was seen before.
    fn told(
        &self,
        world: &World<'_>,
        seen: &Seen,
        round: usize,
        before: Option<(Line, Seen)>,
        records: &[Record],
    ) -> Line {
        let setting = Setting {
            definition: &self.definition,
            script: &self.script,
            outages: &world.outages,
            seen,
            redrives: u32::try_from(round).unwrap_or(u32::MAX),
        };
        match before {
            Some((mut line, before)) => {
                if let Some(root) = before.lines.first() {
                    line.keep(root, &before);
                }
                reference::redrive(setting, line, start_millis(records))
            }
            None => reference::interpret(setting, &self.input, start_millis(records)),
        }
    }
}

/// The records of an execution up to each redrive, and up to the end.
fn rounds(records: &[Record]) -> Vec<Vec<Record>> {
    let is_redrive = |(_, record): &(usize, &Record)| matches!(record.fact, Fact::ExecutionRedriven { .. });
    let ends = records.iter().enumerate().filter(is_redrive).map(|(at, _)| at).chain([records.len()]);
    ends.map(|end| records[..end].to_vec()).collect()
}

/// When the execution started, or was redriven last, in milliseconds since the epoch.
fn start_millis(records: &[Record]) -> i64 {
    let is_start = |record: &&Record| {
        matches!(record.fact, Fact::ExecutionStarted { .. } | Fact::ExecutionRedriven { .. })
    };
    records.iter().rev().find(is_start).map_or(START_MILLIS, |record| record.at_millis)
}

fn tell(line: &Line, path: &str, lines: &mut Vec<String>) {
    lines.push(format!("  branch [{path}]"));
    lines.extend(line.events.iter().map(|(at, what)| format!("    {} {what:?}", shown(*at))));
    lines.push(format!("    {:?}", line.end));
    for (number, open) in line.opens.iter().enumerate() {
        for (index, child) in open.children.iter().enumerate() {
            tell(child, &format!("{path}/{number}.{index}"), lines);
        }
    }
}

/// A scenario that went as it should.
pub(super) struct Played {
    pub(super) seen: Seen,
    pub(super) figures: Figures,
    pub(super) redrives: u64,
}

impl Played {
    /// What happened in it, by name.
    pub(super) fn happenings(&self) -> Vec<&'static str> {
        let mut names = vec![self.seen.status().as_str()];
        names.extend((self.redrives > 0).then_some("a redrive"));
        names.extend((self.redrives > 1).then_some("several redrives"));
        if let Some((_, Record { fact: Fact::ExecutionFailed { error, .. }, .. })) = &self.seen.end {
            names.push(match error.as_deref() {
                Some("States.Runtime") => "FAILED by States.Runtime",
                Some("States.QueryEvaluationError") => "FAILED by States.QueryEvaluationError",
                Some("States.Timeout") => "FAILED by States.Timeout",
                Some("Lambda.ServiceException") => "FAILED by an unknown outcome",
                _ => "FAILED by an error of its own",
            });
        }
        for line in &self.seen.lines {
            names.extend(line.events.iter().filter_map(|record| happening(&record.fact)));
            if line.aborted_millis.is_some() {
                names.push("a branch taken away");
            }
        }
        names
    }
}

fn happening(fact: &Fact) -> Option<&'static str> {
    Some(match fact {
        Fact::RetryArmed { .. } => "a retry",
        Fact::TaskTimedOut { .. } => "a task timed out",
        Fact::HeartbeatReceived { .. } => "a heartbeat",
        Fact::EvaluationFailed { .. } => "an expression failed",
        Fact::TaskSubmitFailed { .. } => "a call refused",
        Fact::TaskScheduleFailed { .. } => "an activity missing",
        Fact::TaskFailed { failure, .. } if failure.error.as_deref() == Some("Lambda.ServiceException") => {
            "a task with an unknown outcome"
        }
        Fact::TaskFailed { .. } => "a task failed",
        Fact::MapStateFailed | Fact::ParallelStateFailed => "a Map or Parallel failed",
        Fact::WaitArmed { .. } => "a wait",
        _ => return None,
    })
}
