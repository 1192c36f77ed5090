//! The checker on evidence that is as it should be, and on the same evidence
//! tampered with, one way at a time.

use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:states:us-east-1:123456789012:execution:orders:orders-1";

fn event(id: u64, previous: u64, at: f64, kind: &str) -> Value {
    json!({ "id": id, "previousEventId": previous, "timestamp": 1000.0 + at, "type": kind })
}

fn state(id: u64, previous: u64, at: f64, kind: &str, name: &str) -> Value {
    let mut event = event(id, previous, at, kind);
    let details =
        if kind.ends_with("Entered") { "stateEnteredEventDetails" } else { "stateExitedEventDetails" };
    event[details] = json!({ "name": name });
    event
}

fn scheduled(id: u64, previous: u64, at: f64, key: &str) -> Value {
    let mut event = event(id, previous, at, "TaskScheduled");
    event["taskScheduledEventDetails"] =
        json!({ "parameters": json!({ "Payload": { "key": key } }).to_string() });
    event
}

/// A task that fails once, a pause, and an end.
fn history() -> Vec<Value> {
    let mut succeeded = event(9, 8, 1.2, "TaskSucceeded");
    succeeded["taskSucceededEventDetails"] = json!({ "output": "{\"answer\":7}" });
    vec![
        event(1, 0, 0.0, "ExecutionStarted"),
        state(2, 0, 0.0, "TaskStateEntered", "First"),
        scheduled(3, 2, 0.0, "first 0"),
        event(4, 3, 0.0, "TaskStarted"),
        event(5, 4, 0.1, "TaskFailed"),
        scheduled(6, 5, 1.1, "first 1"),
        event(7, 6, 1.1, "TaskStarted"),
        event(8, 7, 1.2, "TaskSubmitted"),
        succeeded,
        state(10, 9, 1.2, "TaskStateExited", "First"),
        state(11, 10, 1.2, "WaitStateEntered", "Pause"),
        state(12, 11, 2.2, "WaitStateExited", "Pause"),
        event(13, 12, 2.2, "ExecutionSucceeded"),
    ]
}

fn sound() -> Evidence {
    let found = Found {
        status: "SUCCEEDED".to_owned(),
        output: Some(json!(7)),
        events: history(),
        ..Found::default()
    };
    let answer = TokenAnswer {
        execution: ARN.to_owned(),
        token: "t".to_owned(),
        output: json!({ "answer": 7 }),
        acknowledged: true,
    };
    let accepted =
        Accepted { arn: ARN.to_owned(), expected: Expected::Output(json!(7)), changed: Changed::default() };
    Evidence {
        accepted: vec![accepted],
        found: BTreeMap::from([(ARN.to_owned(), found)]),
        invocations: vec![(ARN.to_owned(), 3), (ARN.to_owned(), 6)],
        effects: vec!["first 0".to_owned(), "first 1".to_owned()],
        answers: vec![answer],
        announced: BTreeSet::from([ARN.to_owned()]),
        booked: None,
    }
}

/// Tampers, and expects one kind of damage, told in these words.
#[track_caller]
fn red(tamper: impl FnOnce(&mut Evidence, &mut Vec<Value>), damage: Damage, words: &str) {
    let mut evidence = sound();
    let mut events = evidence.found[ARN].events.clone();
    tamper(&mut evidence, &mut events);
    if let Some(found) = evidence.found.get_mut(ARN) {
        found.events = events;
    }
    let violations = check(&evidence, Phase::Ended);
    let seen =
        violations.iter().any(|violation| violation.damage == damage && violation.what.contains(words));
    assert!(seen, "expected {damage:?} with `{words}`, found {violations:#?}");
}

#[test]
fn what_is_sound_is_green() {
    assert_eq!(check(&sound(), Phase::Ended), []);
}

#[test]
fn a_lost_execution_is_seen() {
    red(|evidence, _| evidence.found.clear(), Damage::Lost, "its start was acknowledged");
    red(
        |evidence, events| {
            events.truncate(11);
            evidence.found.get_mut(ARN).unwrap().status = "RUNNING".to_owned();
        },
        Damage::Lost,
        "did not come to its end",
    );
    red(|_, events| events.truncate(11), Damage::Lost, "its end was announced");
}

#[test]
fn another_end_than_the_definition_says_is_seen() {
    red(
        |evidence, _| evidence.found.get_mut(ARN).unwrap().output = Some(json!(8)),
        Damage::Wrong,
        "expected",
    );
    red(
        |evidence, events| {
            evidence.found.get_mut(ARN).unwrap().status = "FAILED".to_owned();
            events[12]["type"] = json!("ExecutionFailed");
        },
        Damage::Wrong,
        "expected",
    );
    red(|evidence, _| evidence.accepted[0].expected = Expected::Aborted, Damage::Wrong, "expected Aborted");
}

#[test]
fn a_history_with_a_gap_or_a_knot_is_seen() {
    red(|_, events| drop(events.remove(7)), Damage::Wrong, "event 9 where 8 should be");
    red(|_, events| events[3]["previousEventId"] = json!(9), Damage::Wrong, "which is later");
    red(|_, events| events[4]["timestamp"] = json!(1.0), Damage::Wrong, "earlier than the one before");
    red(|_, events| events[1]["type"] = json!("ExecutionStarted"), Damage::Wrong, "2 times ExecutionStarted");
}

#[test]
fn a_second_end_is_seen() {
    red(
        |_, events| events.push(event(14, 13, 3.0, "ExecutionFailed")),
        Damage::Wrong,
        "after ExecutionSucceeded",
    );
    red(
        |_, events| events.push(event(14, 13, 3.0, "TaskStarted")),
        Damage::Wrong,
        "after ExecutionSucceeded",
    );
    red(
        |evidence, _| evidence.found.get_mut(ARN).unwrap().status = "TIMED_OUT".to_owned(),
        Damage::Wrong,
        "the history says SUCCEEDED",
    );
}

#[test]
fn exits_without_entries_of_their_own_are_seen() {
    red(
        |_, events| events[11] = state(12, 11, 2.2, "TaskStateExited", "First"),
        Damage::Doubled,
        "left twice",
    );
    red(
        |_, events| events[11] = state(12, 11, 2.2, "WaitStateExited", "Elsewhere"),
        Damage::Wrong,
        "never entered",
    );
    red(|_, events| events[11] = event(12, 11, 2.2, "TaskStarted"), Damage::Wrong, "was never left");
}

#[test]
fn an_attempt_without_a_reason_is_seen() {
    red(|_, events| events[4]["type"] = json!("TaskSucceeded"), Damage::Doubled, "no reason for another");
    red(
        |_, events| events[6] = scheduled(7, 5, 1.1, "first 1"),
        Damage::Doubled,
        "two attempts follow event 5",
    );
}

#[test]
fn a_redrive_that_repeats_a_success_is_seen() {
    red(
        |_, events| {
            events[11] = event(12, 11, 2.2, "ExecutionFailed");
            events[12] = event(13, 12, 2.3, "ExecutionRedriven");
            events.push(state(14, 13, 2.3, "TaskStateEntered", "First"));
        },
        Damage::Doubled,
        "the redrive repeats state First",
    );
}

#[test]
fn early_timers_are_seen() {
    red(|_, events| events[11]["timestamp"] = json!(1002.1), Damage::Wrong, "WaitStateExited");
    red(|_, events| events[5]["timestamp"] = json!(1000.5), Damage::Wrong, "too early");
}

#[test]
fn an_attempt_that_ran_twice_or_unrecorded_is_seen() {
    red(
        |evidence, _| evidence.invocations.push((ARN.to_owned(), 6)),
        Damage::Doubled,
        "event 6 was started twice",
    );
    red(
        |evidence, _| evidence.invocations.push((ARN.to_owned(), 14)),
        Damage::Doubled,
        "the journal does not know",
    );
    red(|evidence, _| evidence.effects.push("first 1".to_owned()), Damage::Doubled, "the step ran twice");
    red(|evidence, _| evidence.effects.push("first 2".to_owned()), Damage::Doubled, "does not know");
}

#[test]
fn an_answer_that_was_not_kept_is_seen() {
    red(
        |evidence, _| evidence.answers[0].output = json!(0),
        Damage::Lost,
        "was acknowledged, the history has",
    );
    red(
        |evidence, _| {
            let again = evidence.answers[0].clone();
            evidence.answers.push(again);
        },
        Damage::Doubled,
        "2 answers to one token",
    );
}

fn delivered(is: Option<Booked>) -> Evidence {
    let batch = Batch { period: "p".to_owned(), rows: 2, total: 30 };
    let mut evidence = sound();
    evidence.accepted[0].expected = Expected::Delivered(batch);
    evidence.found.get_mut(ARN).unwrap().output =
        Some(json!({ "period": "p", "totals": { "commission": "30" } }));
    evidence.booked = Some(is.map(|is| ("p".to_owned(), is)).into_iter().collect());
    evidence
}

#[test]
fn a_delivery_is_there_once_and_whole() {
    let once = Booked { deliveries: 1, rows: 2, entities: 2, total: 30 };
    assert_eq!(check(&delivered(Some(once)), Phase::Ended), []);
    let cases = [
        (None, Damage::Lost),
        (Some(Booked { rows: 1, entities: 1, total: 10, ..once }), Damage::Lost),
        (Some(Booked { total: 31, ..once }), Damage::Lost),
        (Some(Booked { deliveries: 2, ..once }), Damage::Doubled),
        (Some(Booked { rows: 4, total: 60, ..once }), Damage::Doubled),
    ];
    for (is, damage) in cases {
        let violations = check(&delivered(is), Phase::Ended);
        let damages: Vec<Damage> = violations.iter().map(|violation| violation.damage).collect();
        assert_eq!(damages, [damage], "{is:?}: {violations:?}");
    }
    let mut evidence = delivered(Some(once));
    evidence.booked.as_mut().unwrap().insert("q".to_owned(), once);
    assert_eq!(check(&evidence, Phase::Ended)[0].damage, Damage::Doubled, "nobody asked for it");
}
