//! One scenario, from its choices to the verdict.

use asl::StateMachine;
use engine::machine::Fact;
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
        let seen = Seen::of(&world.records());
        let told = self.told(&world, &seen);
        let outside = FromOutside {
            stop: world.stop,
            timeout_seconds: self.definition["TimeoutSeconds"].as_u64(),
            start_millis: start_millis(&world),
        };
        compare(&told, &seen, &world.outages, outside)?;
        Ok(Played { seen, figures: world.figures })
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
        let seen = Seen::of(&world.records());
        let told = self.told(&world, &seen);
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
        lines.push("told by the reference interpreter:".to_owned());
        tell(&told, "", &mut lines);
        lines.join("\n")
    }

    fn told(&self, world: &World<'_>, seen: &Seen) -> Line {
        let setting =
            Setting { definition: &self.definition, script: &self.script, outages: &world.outages, seen };
        reference::interpret(setting, &self.input, start_millis(world))
    }
}

/// When the execution started that is on the disk, in milliseconds since the epoch.
fn start_millis(world: &World<'_>) -> i64 {
    world.records().first().map_or(START_MILLIS, |record| record.at_millis)
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
}

impl Played {
    /// What happened in it, by name.
    pub(super) fn happenings(&self) -> Vec<&'static str> {
        let mut names = vec![self.seen.status().as_str()];
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
