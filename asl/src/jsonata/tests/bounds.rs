//! What bounds hold: nothing an expression keeps, compares or quotes is free.

use super::*;

/// Evaluates within bounds; the most its values held at a time comes with the answer.
fn within(bounds: Bounds, source: &str, input: &Value) -> (Result<Option<Value>, EvaluationError>, usize) {
    let states = json!({"input": input, "context": {}});
    let scope = Scope {
        states: &states,
        variables: &IndexMap::new(),
        host: &Still,
        budget: &crate::StateBudget::new(),
    };
    let expression = Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let before = memory::held();
    memory::take_peak();
    let answer = expression.evaluate_within(bounds, &scope);
    (answer, memory::take_peak() - before)
}

fn message(answer: Result<Option<Value>, EvaluationError>) -> String {
    answer.expect_err("a bound").message
}

/// Each keeps what came before it, in another way.
#[test]
fn what_tail_recursion_keeps_is_paid_for() {
    let bounds = Bounds { bytes: 4_000_000, ..Bounds::AWS };
    for source in [
        "($f := function($s) { $f(function($x) { $s }) }; $f(1))",
        "($f := function($s) { ($q := function() { $s }; $f($q)) }; $f(1))",
        "($f := function($s) { $f($substring($s, ?)) }; $f(1))",
        "($f := function($s) { $f($s ~> $string) }; $f($string))",
        "($f := function($s) { $f(|$s|{}|) }; $f(1))",
        "($f := function($s) { $f([[$s], 1]) }; $f(1))",
        "($f := function($s) { $f({'a': $s}) }; $f(1))",
        "($f := function($s) { $f($append($s, $pad('', 1000))) }; $f('a'))",
    ] {
        let (answer, peak) = within(bounds, source, &json!({}));
        assert_eq!(message(answer), failure::MEMORY, "{source}");
        assert!(peak < bounds.bytes + 1_000_000, "{source} held {peak} bytes");
    }
}

#[test]
fn tail_recursion_that_keeps_nothing_goes_on() {
    let (answer, peak) = within(
        Bounds { bytes: 1_000_000, ..Bounds::AWS },
        "($f := function($n) { $n = 0 ? 'done' : $f($n - 1) }; $f(100000))",
        &json!({}),
    );
    assert_eq!(answer, Ok(Some(json!("done"))));
    assert!(peak < 100_000, "{peak}");
}

#[test]
fn long_texts_are_paid_for_by_their_length() {
    let (one, other) = ("a".repeat(100_000), "a".repeat(99_999) + "b");
    let input = json!({"a": one, "b": other, "o": {&one: 1}, "p": {&one: 1}});
    let bounds = Bounds { steps: 200_000, ..Bounds::AWS };
    for source in [
        "$count([1..1000].($states.input.a = $states.input.b))",
        "$count([1..1000].($states.input.a < $states.input.b))",
        "$count([1..1000].($states.input.a in [$states.input.b]))",
        "$count([1..1000].($states.input.o = $states.input.p))",
        "$count([1..1000].$distinct([$states.input.a, $states.input.b]))",
        "$count([1..1000].$sort([$states.input.b, $states.input.a]))",
        "$count([1..1000]^($states.input.a))",
        "$count([1..1000]{$states.input.a: 1})",
        "$count([1..1000].$lookup($states.input.o, $states.input.a))",
        "$count([1..1000].$merge([$states.input.o, $states.input.p]))",
    ] {
        assert_eq!(message(within(bounds, source, &input).0), failure::TIME, "{source}");
        // A few are no matter.
        assert!(within(bounds, &source.replace("1000]", "5]"), &input).0.is_ok(), "{source}");
    }
}

#[test]
fn distinct_texts_are_not_copied() {
    let long = "x".repeat(100_000);
    let input: Value = (0..100).map(|index| json!(format!("{long}{index}"))).collect();
    let (answer, peak) = within(Bounds::AWS, "$count($distinct($states.input))", &input);
    assert_eq!(answer, Ok(Some(json!(100))));
    assert!(peak < 100_000, "{peak}");
}

#[test]
fn a_split_stops_where_its_array_would_be_too_long() {
    let (answer, peak) = within(Bounds::AWS, "$count($split($pad('', 4000000, 'ab'), ''))", &json!({}));
    assert_eq!(message(answer), failure::MEMORY);
    assert!(peak < limits::JSONATA_BYTES_MAX, "{peak}");
}

/// A cause ends after 32,768 characters, whatever it quotes.
#[test]
fn messages_quote_no_more_than_fits() {
    let input = json!({"long": "y".repeat(200_000), "many": vec![json!({"a": [1, 2, 3]}); 10_000]});
    for source in [
        "-$states.input.long",
        "-$states.input.many",
        "-[[1..500000], [1..500000], [1..500000]]",
        "$states.input.long < 1",
        "$error($pad('', 4000000, 'z'))",
        "$assert(false, $pad('', 4000000, 'z'))",
        "[1, 2] ~> |$|$states.input.many|",
        "[{'k': 1}, {'k': $states.input.long}]^(k)",
    ] {
        let message = message(within(Bounds::AWS, source, &input).0);
        let length = message.chars().count();
        assert!(
            (limits::CAUSE_CHARS_MAX..=limits::CAUSE_CHARS_MAX + 200).contains(&length),
            "{source}: {length}"
        );
    }
}

/// Expressions of one state share its steps.
#[test]
fn the_steps_of_a_state_are_spent_once() {
    let states = json!({"input": {}, "context": {}});
    let budget = crate::StateBudget::new();
    let scope = Scope { states: &states, variables: &IndexMap::new(), host: &Still, budget: &budget };
    let expression = Expression::parse("$count([1..800000][$ = 0])").expect("parses");
    let answers: Vec<bool> = (0..20).map(|_| expression.evaluate(&scope).is_ok()).collect();
    assert!(answers[0] && !answers[19], "{answers:?}");
    assert_eq!(budget.steps_left(), 0);
    assert_eq!(message(expression.evaluate(&scope)), failure::TIME);
}

/// What is held on the way to a value counts while it is held: a hundred levels can wait for it.
#[test]
fn what_waits_on_many_levels_is_paid_for() {
    let bounds = Bounds { bytes: 20_000_000, ..Bounds::AWS };
    let nested = |open: &str, middle: &str, close: &str| {
        format!("($b := [1..100000]; {}{middle}{})", open.repeat(20), close.repeat(20))
    };
    for source in [
        nested("$b^(", "$", ")"),
        nested("$sort($b, function($one, $other) {", "true", "})"),
        nested("$map($b, function($v) { $v < 99999 ? $v : ", "$v", "})"),
        nested("$b.($ < 99999 ? $ : ", "$", ")"),
    ] {
        let (answer, peak) = within(bounds, &source, &json!({}));
        assert_eq!(message(answer), failure::MEMORY, "{source}");
        // What is gathered doubles before anybody looks.
        assert!((10_000_000..bounds.bytes + 4_000_000).contains(&peak), "{source} held {peak} bytes");
    }
}

/// A small value takes more than what is in it: the counts of its holders, and what the allocator needs.
#[test]
fn many_small_values_count_as_what_they_take() {
    const COUNT: usize = 10_000;
    for (source, bytes) in [
        ("$split($pad('', 10000, 'ab'), '')", 80),
        ("[1..10000].[$]", 80),
        ("[1..10000].{'a': $}", 120),
        ("[1..10000].($f := /a/)", 100),
        ("$count([1..10000]@$x.$x)", 120),
        ("[1..10000].(function() { 1 })", 100),
    ] {
        let (_, peak) = within(Bounds::AWS, source, &json!({}));
        assert!(peak > COUNT * bytes, "{source} held {peak} bytes");
    }
}

/// A document is larger in memory than in its text.
#[test]
fn a_document_that_is_parsed_is_paid_for_before_it_is_read() {
    let bounds = Bounds { bytes: 10_000_000, ..Bounds::AWS };
    let parse = |count: usize| format!("$count($parse('[' & $pad('', {count} * 8, '{{\"a\":0}},') & '0]'))");
    assert_eq!(within(bounds, &parse(1_000), &json!({})).0, Ok(Some(json!(1_001))));
    assert_eq!(message(within(bounds, &parse(100_000), &json!({})).0), failure::MEMORY);
}

fn steps_of(source: &str) -> u64 {
    let states = json!({"input": {}, "context": {}});
    let budget = crate::StateBudget::new();
    let scope = Scope { states: &states, variables: &IndexMap::new(), host: &Still, budget: &budget };
    Expression::parse(source).expect(source).evaluate(&scope).expect(source);
    limits::STATE_STEPS_MAX - budget.steps_left()
}

/// Steps stand for time: what takes more of it takes more of them.
#[test]
fn frames_tuples_and_far_variables_take_steps() {
    let nested = |levels: usize| {
        format!("($x := 1; {}$count([1..10000].$x){})", "(function() {".repeat(levels), "})()".repeat(levels))
    };
    assert!(steps_of(&nested(24)) > steps_of(&nested(1)) + 10_000);
    let plain = steps_of("$count([1..10000].($))");
    assert!(steps_of("$count([1..10000].($x := $))") >= plain + 20_000);
    assert!(steps_of("$count([1..10000].(function() { 1 }))") >= plain + 20_000);
    assert!(steps_of("$count([1..10000]@$x.$x)") >= plain + 50_000);
}
