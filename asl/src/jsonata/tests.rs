mod answers;
mod bounds;

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::*;
use crate::template::Host;

/// A host whose answers are known.
struct Still;

impl Host for Still {
    fn now_millis(&self) -> i64 {
        1_700_000_000_123
    }
    fn random(&self) -> f64 {
        0.25
    }
    fn uuid(&self) -> String {
        "6b1ffb0c-4f6f-4f3b-9a53-0d9a3f6c2d10".to_owned()
    }
}

fn evaluate_in(source: &str, input: &Value) -> Result<Option<Value>, EvaluationError> {
    let states = json!({"input": input, "context": {"Execution": {"Name": "e"}}});
    let variables = IndexMap::from([("v".to_owned(), json!([1, 2, 3]))]);
    let scope =
        Scope { states: &states, variables: &variables, host: &Still, budget: &crate::StateBudget::new() };
    Expression::parse(source).expect("parses").evaluate(&scope)
}

fn evaluate(source: &str) -> Result<Option<Value>, EvaluationError> {
    evaluate_in(
        source,
        &json!({"n": 3, "text": "x", "xs": [1, 2], "one": [{"p": 5}], "none": null, "price": 2.50}),
    )
}

fn value(source: &str) -> Value {
    match evaluate(source) {
        Ok(Some(value)) => value,
        other => panic!("{source}: {other:?}"),
    }
}

fn code(source: &str) -> String {
    evaluate(source).expect_err(source).code
}

fn bound(source: &str) -> String {
    let error = evaluate(source).expect_err(source);
    assert_eq!(error.kind, FailureKind::Bound, "{source}: {error}");
    error.message
}

#[expect(clippy::disallowed_methods, reason = "a test that budgets hold has to look at the clock")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn expressions_can_be_shared_between_threads() {
    fn check<T: Send + Sync + Clone>() {}
    check::<Expression>();
    check::<crate::StateMachine>();
}

#[test]
fn states_and_variables_are_bound() {
    assert_eq!(value("$states.input.n + $v[1]"), json!(5));
    assert_eq!(value("$states.context.Execution.Name & '-' & $states.input.n"), json!("e-3"));
    assert_eq!(value("$states.input.one"), json!([{"p": 5}]));
    assert_eq!(value("$states.input.one.p"), json!(5));
    assert_eq!(value("$states.input.none"), json!(null));
    assert_eq!(evaluate("$states.input.none.deeper"), Ok(None));
    assert_eq!(evaluate("$states.input.missing"), Ok(None));
    assert_eq!(evaluate("$states.result"), Ok(None));
    assert_eq!(evaluate("$nothing"), Ok(None));
    assert_eq!(evaluate("$nothing.at.all"), Ok(None));
    assert_eq!(value("$keys($states)"), json!(["input", "context"]));
    assert_eq!(value("($v := $v[0] + 10; $v)"), json!(11));
}

/// The quick way of plain paths has to answer what the evaluator answers.
#[test]
fn plain_paths_agree_with_the_evaluator() {
    let input = json!({"a": {"b": [], "c": [1], "d": [[1]], "e": [{"f": 1}, {"f": 2}], "g": {}, "h": "", "i": [{"f": [1]}]}});
    for path in
        ["a", "a.b", "a.c", "a.d", "a.e", "a.e.f", "a.g", "a.g.x", "a.h", "a.h.x", "a.i.f", "a.b.x", "x"]
    {
        let plain = evaluate_in(&format!("$states.input.{path}"), &input);
        let evaluated = evaluate_in(&format!("($s := $states; $s.input.{path})"), &input);
        assert_eq!(plain, evaluated, "{path}");
    }
}

#[test]
fn numbers_stay_whole() {
    assert_eq!(value("$states.input.n * 2").to_string(), "6");
    assert_eq!(value("[$states.input.n, 1.5, 1e3]").to_string(), "[3,1.5,1000]");
    assert_eq!(value("$string(10 / 2)"), json!("5"));
    assert_eq!(value("$sum($v)").to_string(), "6");
}

#[test]
fn time_comes_from_the_host() {
    assert_eq!(value("$now()"), json!("2023-11-14T22:13:20.123Z"));
    assert_eq!(value("$millis()"), json!(1_700_000_000_123_u64));
    assert_eq!(value("$now('[Y0001]-[M01]-[D01]')"), json!("2023-11-14"));
    assert_eq!(value("$now('[H01]:[m01]', '+0100')"), json!("23:13"));
    assert_eq!(value("$now() = $now()"), json!(true));
}

#[test]
fn randomness_comes_from_the_host() {
    assert_eq!(value("$random()"), json!(0.25));
    assert_eq!(value("$random() = $random()"), json!(false));
    assert_eq!(value("$uuid()"), json!("6b1ffb0c-4f6f-4f3b-9a53-0d9a3f6c2d10"));
    let uuids = value("[1..3].$uuid()");
    assert_eq!(uuids, value("[1..3].$uuid()"), "the same draw gives the same answers");
    let second = uuids.pointer("/1").and_then(Value::as_str).expect("a text");
    assert_eq!(second.len(), 36);
    assert_eq!(second.as_bytes()[14], b'4');
    assert!(b"89ab".contains(&second.as_bytes()[19]), "{second}");
    assert_eq!(value("$count($distinct([1..3].$uuid()))"), json!(3));
    assert_eq!(value("$sort($shuffle([1..9]))"), json!([1, 2, 3, 4, 5, 6, 7, 8, 9]));
    assert_eq!(value("$shuffle([1..9])"), value("$shuffle([1..9])"));
}

#[test]
fn a_seed_gives_the_numbers_of_java() {
    assert_eq!(value("$random(42)"), json!(0.727_563_680_032_868_1));
}

#[test]
fn partition_cuts_an_array() {
    assert_eq!(value("$partition([1..5], 2)"), json!([[1, 2], [3, 4], [5]]));
    assert_eq!(value("$partition([0], 1)"), json!([[0]]));
    assert_eq!(evaluate("$partition($nothing, 1)"), Ok(None));
    assert_eq!(code("$partition([1], -1)"), "T0410");
}

#[test]
fn ranges_of_numbers_without_neighbours_end() {
    // 2^63 and what follows are all the same number of JavaScript.
    assert_eq!(value("$count($distinct([9223372036854775807..9223372036854777855]))"), json!(2));
    assert_eq!(
        value("[9007199254740990..9007199254740991]"),
        json!([9_007_199_254_740_990_i64, 9_007_199_254_740_991_i64])
    );
}

#[test]
fn numbers_that_are_equal_are_not_distinct() {
    let numbers = json!({"xs": [1, 1.0, 0, -0.0, 2.5, 2.5]});
    let distinct = evaluate_in("$distinct($states.input.xs)", &numbers).expect("evaluates");
    assert_eq!(distinct, Some(json!([1, 0, 2.5])));
}

#[test]
fn range_truncates_and_includes_the_end() {
    assert_eq!(value("$range(0, 4, 2)"), json!([0, 2, 4]));
    assert_eq!(value("$range(-1.7, 2, 1)"), json!([-1, 0, 1, 2]));
    assert_eq!(value("$range(1, 9, 9)"), json!(1));
    assert_eq!(value("$range(3, 1, -1)"), json!([3, 2, 1]));
    assert_eq!(evaluate("$range(1, 0, 1)"), Ok(None));
    assert_eq!(value("$count($range(1, 5000, 1))"), json!(5000));
    assert_eq!(bound("$range(1, 1e9, 1)"), failure::MEMORY);
}

#[test]
fn hash_knows_the_five_algorithms() {
    assert_eq!(value("$hash('', 'MD5')"), json!("d41d8cd98f00b204e9800998ecf8427e"));
    assert_eq!(value("$hash('abc', 'SHA-1')"), json!("a9993e364706816aba3e25717850c26c9cd0d89d"));
    assert_eq!(
        value("$hash('abc', 'SHA-256')"),
        json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    );
    assert_eq!(value("$length($hash('abc', 'SHA-384'))"), json!(96));
    assert_eq!(value("$length($hash('abc', 'SHA-512'))"), json!(128));
    assert_eq!(code("$hash('abc', 'CRC')"), "T0410");
    assert_eq!(code("$hash(1, 'MD5')"), "T0410");
}

#[test]
fn parse_reads_json() {
    assert_eq!(value("$parse('{\"a\": [1, 2.5, null]}')"), json!({"a": [1, 2.5, null]}));
    assert_eq!(value("$parse('[{\"a\": 1}]').a"), json!(1));
    assert!(evaluate("$parse('{')").is_err());
    // A zero has a sign, which JSON does not show.
    assert_eq!(value("1 / $parse('-0')"), json!("-Infinity"));
    assert_eq!(value("[$parse('-0'), $string($parse('[-0]'))]"), json!([0, "[0]"]));
    let error = evaluate("$parse('1e400')").expect_err("too large");
    assert_eq!(error.to_string(), "D1001: Number out of range: null");
}

#[test]
fn escapes_have_four_digits_and_halves_combine() {
    assert_eq!(value(r#""\ud83d\ude00""#), json!("😀"));
    assert_eq!(value(r#""\u00e9a""#), json!("éa"));
    assert_eq!(value(r#""\ud83d\u0041""#), json!("\u{fffd}A"));
    for source in [r#""\u00e""#, r#""\u+0e9""#, r#""\u00eé""#, r#""\u""#] {
        let error = Expression::parse(source).expect_err(source);
        assert_eq!((error.code.as_str(), error.position), ("S0104", Some(2)), "{source}");
    }
}

/// Searches are paid by what they look at, whether they find it or not.
#[test]
fn searches_end_and_linear_ones_answer() {
    assert_eq!(value(r#"$count($match($pad("", 50000, "ab"), /(?<=a)b/))"#), json!(25_000));
    assert_eq!(value(r#"$contains($pad("", 60000, "a") & "b", /(?=b)b/)"#), json!(true));
    assert_eq!(value(r#"$count($split($pad("", 200000, "a,"), /,/))"#), json!(100_001));
    for source in [
        r#"$contains($pad("", 250000, "a"), /(a+)+\1b/)"#,
        r#"$count($match($pad("", 250000, "a"), /(?:a.*b)|a/))"#,
        r#"$map([1..1000], function() { $contains($pad("", 60000, "a"), /[^b]*b/) })"#,
        r#"$replace($pad("", 60000, "a"), /a/, $pad("", 60000, "$1"))"#,
        r#"$map([1..100000], function() { $contains("a", /a{50000}/) })"#,
    ] {
        assert!(evaluate(source).is_err(), "{source}");
    }
}

#[test]
fn eval_is_not_a_function() {
    let error = evaluate("$eval('1+1')").expect_err("refused");
    assert_eq!(error.to_string(), "T1006: Attempted to invoke a non-function");
}

#[test]
fn functions_cannot_be_returned() {
    for source in ["$sum", "function($x) { $x }", "{'f': $sum}", "[$uppercase]"] {
        assert_eq!(evaluate(source).expect_err(source).kind, FailureKind::UnsupportedResult, "{source}");
    }
}

#[test]
fn operators_of_later_versions_are_refused() {
    for (source, message) in [
        ("$states.input.a ?? 1", "The symbol \"?\" cannot be used as a unary operator"),
        ("$states.input.a ?: 1", "The symbol \":\" cannot be used as a unary operator"),
    ] {
        let error = Expression::parse(source).expect_err(source);
        assert_eq!((error.code.as_str(), error.message.as_str()), ("S0211", message));
    }
}

#[test]
fn syntax_errors_are_worded_as_jsonata_does() {
    for (source, code, message) in [
        ("a[1,2)", "S0202", "Expected \"]\", got \",\""),
        ("\"unterminated", "S0101", "String literal must be terminated by a matching quote"),
        ("1 +", "S0207", "Unexpected end of expression"),
        ("{\"a\":}", "S0211", "The symbol \"}\" cannot be used as a unary operator"),
        ("$x :=", "S0207", "Unexpected end of expression"),
    ] {
        let error = Expression::parse(source).expect_err(source);
        assert_eq!((error.code.as_str(), error.message.as_str()), (code, message), "{source}");
    }
}

#[test]
fn depth_is_bounded_at_one_hundred() {
    let sum = |terms: usize| vec!["1"; terms].join("+");
    assert_eq!(value(&sum(99)), json!(99));
    assert!(bound(&sum(101)).starts_with("Stack overflow error"));
    assert!(bound(&format!("{}1{}", "[".repeat(101), "]".repeat(101))).starts_with("Stack overflow error"));
    assert!(bound("($f := function($n) { 1 + $f($n) }; $f(1))").starts_with("Stack overflow error"));
}

#[test]
fn sequences_are_bounded() {
    assert_eq!(value("$count([1..873782])"), json!(873_782));
    assert_eq!(bound("$count([1..873783])"), failure::MEMORY);
    assert_eq!(bound("$sum([1..900000])"), failure::MEMORY);
}

/// Each of these would take hours or all memory without a bound.
#[test]
fn nothing_hangs() {
    for source in [
        "$pad('x', 2e9)",
        "$pad('x', -2e9, 'ab')",
        "'x' ~> $pad(2e9)",
        "$formatInteger(1514764800000, 'i')",
        "$formatInteger(1514764800000, $lowercase('I'))",
        "$reduce([1..60], function($s, $i) { $s & $s }, 'x')",
        "$reduce([1..60], function($s, $i) { $join([$s, $s]) }, 'xx')",
        "($s := $pad('', 1000000, 'x'); $join([1..100000].$s))",
        "($s := $pad('', 1000000, 'x'); $string([1..100000].$s))",
        "($s := $pad('', 1000000, 'x'); $replace($s, /x/, $s))",
        "($s := $pad('', 1000000, 'x'); [1..100000].($s & $s))",
        "($s := $pad('', 1000000, 'x'); [1..100000].$s)",
        "$reduce([1..60], function($a, $i) { $append($a, $a) }, [1])",
    ] {
        let start = now();
        let message = bound(source);
        assert_eq!(message, failure::MEMORY, "{source}");
        assert!(start.elapsed() < Duration::from_secs(20), "{source} took {:?}", start.elapsed());
    }
}

#[test]
fn endless_loops_end() {
    let states = json!({});
    let scope = Scope {
        states: &states,
        variables: &IndexMap::new(),
        host: &Still,
        budget: &crate::StateBudget::new(),
    };
    for source in [
        "($f := function() { $f() }; $f())",
        "$map([1..800000], function($x) { $map([1..800000], function($y) { $x * $y }) })",
        "[1..800000].([1..800000].(1 + 1))",
        "$sort([1..800000], function($a, $b) { $sum([1..1000]) > 0 })",
    ] {
        let start = now();
        let bounds = Bounds { steps: 1_000_000, ..Bounds::AWS };
        let error =
            Expression::parse(source).expect("parses").evaluate_within(bounds, &scope).expect_err(source);
        assert_eq!(error.kind, FailureKind::Bound, "{source}: {error}");
        assert!(start.elapsed() < Duration::from_secs(20), "{source} took {:?}", start.elapsed());
    }
}

#[test]
fn guards_do_not_change_answers() {
    for (source, answer) in [
        ("'a' & 1 & true & null & $nothing & [1, 2]", json!("a1truenull[1,2]")),
        ("$join(['a', 'b'], '-')", json!("a-b")),
        ("$join('a')", json!("a")),
        ("['a', 'b'] ~> $join('+')", json!("a+b")),
        ("[1, 2] ~> $map($string) ~> $join('')", json!("12")),
        ("$string({'a': 1})", json!("{\"a\":1}")),
        ("$v.$string()", json!(["1", "2", "3"])),
        ("$string($nothing) = $nothing", json!(false)),
        ("$replace('abab', 'a', 'x')", json!("xbxb")),
        ("$replace('abab', /a/, 'x', 1)", json!("xbab")),
        ("$replace('ab', /a/, function($m) { $uppercase($m.match) })", json!("Ab")),
        ("$pad('x', 3, '-')", json!("x--")),
        ("$pad('x', -3)", json!("  x")),
        ("'x' ~> $pad(3, '#')", json!("x##")),
        ("$formatInteger(1999, 'I')", json!("MCMXCIX")),
        ("$formatInteger(12, 'w')", json!("twelve")),
        ("($f := function($x) { $string($x) }; $map([1, 2], $f))", json!(["1", "2"])),
        ("($p := $join(?, '/'); $p(['a', 'b']))", json!("a/b")),
        ("($f := function($n) { $n = 0 ? 'done' : $f($n - 1) }; $f(1000))", json!("done")),
        ("($string := function($x) { 'mine' }; $string(1))", json!("mine")),
        ("$v ~> $map(function($x) { $x & '!' })", json!(["1!", "2!", "3!"])),
    ] {
        assert_eq!(value(source), answer, "{source}");
    }
}

#[test]
fn errors_keep_their_codes() {
    for (source, text) in [
        ("1 + 'a'", "T2002: The right side of the \"+\" operator must evaluate to a number"),
        ("$number('abc')", "D3030: Unable to cast value to a number: \"abc\""),
        ("$error('mine')", "D3137: mine"),
    ] {
        assert_eq!(evaluate(source).expect_err(source).to_string(), text);
    }
}

#[test]
fn pictures_have_the_widths_they_ask_for() {
    assert_eq!(value("$fromMillis(0, '[Y,6-6] [H,4] [FNn,*-20]')"), json!("001970 0000 Thursday"));
    let literal = "$fromMillis(0, '[[Year, as people write it: [Y]')";
    assert_eq!(value(literal), json!("[Year, as people write it: 1970"));
    assert_eq!(value("$formatNumber(1.5, '0.00')"), json!("1.50"));
    assert_eq!(value("1.5 ~> $formatNumber('#0.00')"), json!("1.50"));
    assert_eq!(value("$fromMillis(0, '[Y]-[M01]', '+0100')"), json!("1970-01"));
    assert_eq!(value("$toMillis('1970', '[Y]')"), json!(0));
    assert_eq!(value("$parseInteger('12', '0')"), json!(12));
    assert_eq!(evaluate("$formatNumber($nothing, '0')"), Ok(None));
}

/// Pictures and texts of any length and width give an answer or an error.
#[test]
fn hostile_pictures_end() {
    let long = |text: &str| format!("$pad('', 200000, '{text}')");
    let mut sources = Vec::new();
    for picture in [long("0"), long("#"), long("[Y]"), long("0."), long("["), long("w;o"), long("i")] {
        for function in ["formatNumber", "formatInteger", "fromMillis"] {
            sources.push(format!("${function}(1514764800000, {picture})"));
        }
        sources.push(format!("$now({picture})"));
        sources.push(format!("$toMillis('1', {picture})"));
        sources.push(format!("$toMillis({picture}, '[Y]-[M]-[D]')"));
        sources.push(format!("$toMillis({picture}, {picture})"));
        sources.push(format!("$parseInteger('1', {picture})"));
        sources.push(format!("$parseInteger({picture}, 'w')"));
        sources.push(format!("$number({picture})"));
    }
    for picture in
        ["[Y,2000000]", "[H,2000000000]", "[M01]-[H,2-2000000000]", "[Y0000000000000000000000000000000000]"]
    {
        sources.push(format!("$fromMillis(0, '{picture}')"));
    }
    for source in sources {
        let start = now();
        // Which of the two it is depends on the picture.
        drop(evaluate(&source));
        assert!(start.elapsed() < Duration::from_secs(20), "{source} took {:?}", start.elapsed());
    }
}

/// What hangs on each other in chains is given back without recursion.
#[test]
fn long_chains_of_values_are_given_back() {
    for (source, answer) in [
        ("$type($reduce([1..100000], function($a, $i) { [[$a]] }, 0))", "array"),
        ("$type($reduce([1..100000], function($a, $i) { {'a': $a} }, 0))", "object"),
        ("$type($reduce([1..100000], function($a, $i) { function() { $a } }, 0))", "function"),
        ("$type($reduce($append($string, [1..100000]), function($a, $i) { $a ~> $string }))", "function"),
        ("$type($reduce($append($string, [1..100000]), function($a, $i) { $string ~> $a }))", "function"),
        ("$type($reduce([1..100000], function($a, $i) { $append(?, $a) }, 0))", "function"),
        ("$type($reduce([1..100000], function($a, $i) { $a.(function() { 1 }) }, {}))", "function"),
        (
            "($f := function($n, $g) { $n = 0 ? $g : $f($n - 1, function() { $g }) }; $type($f(50000, 1)))",
            "function",
        ),
    ] {
        assert_eq!(value(source), json!(answer), "{source}");
    }
    assert_eq!(
        bound("($f := $reduce($append($string, [1..100000]), function($a, $i) { $a ~> $string }); $f(1))"),
        failure::STACK
    );
    assert_eq!(
        value("($f := $reduce($append($string, [1..100000]), function($a, $i) { $string ~> $a }); $f(1))"),
        json!("1")
    );
    for deep in ["{'a': $a}", "[[$a]]"] {
        for use_of in
            ["$string($x)", "$x = $x", "$x.**", "$x.a", "$x ~> |a|{}|", "$boolean($x)", "$distinct([$x, $x])"]
        {
            let source = format!("($x := $reduce([1..10000], function($a, $i) {{ {deep} }}, 0); {use_of})");
            drop(evaluate(&source));
        }
    }
}

/// Functions that hold each other would otherwise stay for ever.
#[test]
fn an_evaluation_leaves_nothing_behind() {
    let before = memory::held();
    for source in [
        "($f := function() { $f }; $g := function() { [$f, $g] }; 1)",
        "[1..2000].($f := function($x) { $f }; $f(1); $count([1..100]))",
        "($o := {'f': function() { $o }}; $string($o))",
        "1 + 'x' & $pad('', 1000)",
    ] {
        drop(evaluate(source));
        assert_eq!(memory::held(), before, "{source}");
    }
}

/// A source of any form and length is an expression or an error, at once.
#[test]
fn hostile_sources_end() {
    let length = limits::JSONATA_SOURCE_BYTES_MAX;
    for part in [
        "(",
        "[",
        "{",
        "{'a':",
        "-",
        "!",
        "a.",
        "a[0]",
        "a[",
        "1+",
        "1&",
        "a?",
        "a?b:",
        "$f(",
        "$f()",
        "()",
        "%.",
        "a.%.",
        "a[%]",
        "a[%.b]",
        "@$a",
        "#$a",
        "a@$b.",
        "a#$b.",
        "a^(",
        "a^(b)",
        "a{b:c}",
        "x~>",
        "|",
        "|a|b|",
        "/",
        "/a/",
        "/(/",
        "'",
        "\"",
        "`",
        "\\",
        "/*",
        "function(",
        "function($a){",
        "function($a)<",
        "λ($a)<n",
        "$x:=",
        "..",
        "[1..",
        ",",
        ";",
        "1;",
        "(1;",
        "1,",
        "\u{1F600}",
        "$",
        "$$",
        "a ",
        "1 ",
        "1e",
        "0.",
        "and ",
        "a and ",
    ] {
        let source: String = part.chars().cycle().take(length / part.len() * part.chars().count()).collect();
        let start = now();
        let expression = Expression::parse(&source);
        if let Ok(expression) = &expression {
            let bounds = Bounds { steps: 1_000_000, ..Bounds::AWS };
            let states = json!({});
            let scope = Scope {
                states: &states,
                variables: &IndexMap::new(),
                host: &Still,
                budget: &crate::StateBudget::new(),
            };
            drop(expression.evaluate_within(bounds, &scope));
        }
        drop(expression);
        assert!(start.elapsed() < Duration::from_secs(10), "{part} took {:?}", start.elapsed());
    }
    let signature = format!("function($a)<{}>{{1}}({})", "n?".repeat(60_000), "1,".repeat(60_000) + "1");
    drop(Expression::parse(&signature).map(|expression| {
        let states = json!({});
        let scope = Scope {
            states: &states,
            variables: &IndexMap::new(),
            host: &Still,
            budget: &crate::StateBudget::new(),
        };
        expression.evaluate(&scope)
    }));
}

/// A depth AWS refuses when it evaluates is no reason to refuse the definition.
#[test]
fn deep_expressions_parse_and_overflow() {
    for source in [
        vec!["1"; 20_000].join("+"),
        format!("{}1{}", "(".repeat(250), ")".repeat(250)),
        vec!["$string"; 10_000].join("~>") + "~>$string",
        "1?".repeat(200) + "1",
    ] {
        assert_eq!(bound(&source), failure::STACK);
    }
    let chain: Vec<String> = (0..250).map(|n| format!("$states.input.n = {n} ? 'is {n}' : ")).collect();
    assert_eq!(value(&format!("{} 'none'", chain.concat())), json!("is 3"));
    assert_eq!(value(&format!("false ? {} : 2", vec!["1"; 20_000].join("+"))), json!(2));
    assert!(Expression::parse(&"(".repeat(5_000)).is_err());
}
