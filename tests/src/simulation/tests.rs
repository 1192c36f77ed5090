use super::*;

/// Scenarios of every test run.
const SCENARIOS: u64 = 3_000;

#[test]
fn the_machine_does_what_the_reference_tells() {
    let report = run(&Options { scenarios: SCENARIOS, ..Options::default() });
    assert_eq!(report.failed, 0, "{}", report.failures.join("\n"));
    assert_eq!(report.scenarios, SCENARIOS);
    // That it did something: every type of state, every kind of task, everything that can happen.
    assert!(report.events > 15 * SCENARIOS, "{report}");
    assert!(report.crashes > SCENARIOS / 4, "{report}");
    assert!(report.undone > SCENARIOS / 40, "{report}");
    assert!(report.ignored > SCENARIOS / 4, "{report}");
    assert!(report.compared > SCENARIOS / 10, "{report}");
    let rare: Vec<_> = report.happenings.iter().filter(|(_, count)| **count < 20).collect();
    assert!(rare.is_empty() && report.happenings.len() >= 15, "{rare:?}\n{report}");
    let rare: Vec<_> = report.features.iter().filter(|(_, count)| **count < 20).collect();
    assert!(rare.is_empty() && report.features.len() >= 50, "{rare:?}\n{report}");
}

/// Scenarios in which a planted bug has to be found.
const TO_FIND_IT: u64 = 2_000;

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        let options =
            Options { scenarios: 100, bug: Some(bug), shorten: false, seed: 3, ..Options::default() };
        let found = (0..TO_FIND_IT / 100).find_map(|batch| {
            let report = run(&Options { first: batch * 100, ..options.clone() });
            report.failures.first().cloned()
        });
        assert!(found.is_some(), "{bug:?} was not found in {TO_FIND_IT} scenarios");
    }
}

#[test]
fn the_same_seed_makes_the_same_scenarios() {
    for index in 0..20 {
        let (one, other) = (explain(5, index), explain(5, index));
        assert_eq!(one, other);
        assert_ne!(one, explain(6, index));
    }
}

#[test]
fn a_scenario_is_the_list_of_its_choices() {
    for index in 0..50 {
        let mut drawn = Choices::of(9, index);
        let scenario = scenario::Scenario::of(&mut drawn);
        let again = scenario::Scenario::of(&mut Choices::again(drawn.made().to_vec()));
        assert_eq!(scenario.definition, again.definition);
        assert_eq!(scenario.input, again.input);
    }
    let simplest = scenario::Scenario::of(&mut Choices::again(Vec::new()));
    assert_eq!(
        simplest.definition,
        serde_json::json!({"StartAt": "Pass1", "States": {"Pass1": {"Type": "Pass", "End": true}}})
    );
}

#[test]
fn what_fails_is_made_shorter() {
    // Fails when there are two choices above 6, wherever they are.
    let mut fails = |choices: &[u32]| choices.iter().filter(|choice| **choice > 6).count() >= 2;
    let long: Vec<u32> = (0..200).map(|number| number % 11).collect();
    assert_eq!(shrink::shrink(long, &mut fails), [7, 7]);
}
