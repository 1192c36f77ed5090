//! What AWS adds to Jayway: roots, reference paths, its one deviation,
//! `ResultPath` and the wording of causes.

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::jsonpath::{Path, PathErrorKind, Query, Root};
use crate::template::{Host, Scope};

struct Still;

impl Host for Still {
    fn now_millis(&self) -> i64 {
        0
    }
    fn random(&self) -> f64 {
        0.5
    }
    fn uuid(&self) -> String {
        "00000000-0000-4000-8000-000000000000".to_owned()
    }
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_root_is_the_input_the_context_or_a_variable() {
    assert_eq!(path("$.a").root(), Root::Input);
    assert_eq!(path("$").root(), Root::Input);
    assert_eq!(path("$['a']").root(), Root::Input);
    assert_eq!(path("$$.Execution.Id").root(), Root::Context);
    assert_eq!(path("$$").root(), Root::Context);
    assert_eq!(path("$order_1.items[0]").root(), Root::Variable("order_1"));
    assert_eq!(path("$größe").root(), Root::Variable("größe"));

    let states = json!({"input": {"a": 1}, "context": {"State": {"Name": "S"}}});
    let variables = IndexMap::from([("v".to_owned(), json!({"x": [7]}))]);
    let scope =
        Scope { states: &states, variables: &variables, host: &Still, budget: &crate::StateBudget::new() };
    let select = |text: &str| path(text).select(&scope).map(std::borrow::Cow::into_owned);
    assert_eq!(select("$.a"), Ok(json!(1)));
    assert_eq!(select("$$.State.Name"), Ok(json!("S")));
    assert_eq!(select("$v.x[0]"), Ok(json!(7)));
    assert_eq!(select("$v"), Ok(json!({"x": [7]})));
    let error = select("$w.x").expect_err("there is no such variable");
    assert_eq!(error.kind, PathErrorKind::UnknownVariable);
}

#[test]
fn what_is_no_path_is_refused_with_its_place() {
    for (text, offset, message) in [
        ("a.b", 0, "Path must start with '$'"),
        ("", 0, "Path must start with '$'"),
        (
            "$.a b",
            2,
            "Use bracket notion ['my prop'] if your property contains blank characters. position: 2",
        ),
        ("$.a.", 0, "Path must not end with a '.' or '..'"),
        ("$.é[::2]", 4, "Failed to parse SliceOperation: ::2"),
        ("$.a[?(@.b == )]", 3, ""),
        ("$$ .a", 2, "Illegal character at position 1 expected '.' or '['"),
        ("$-a", 1, "Illegal character at position 1 expected '.' or '['"),
        (
            "$['a'",
            1,
            "Property must be separated by comma or Property must be terminated close square bracket at index 4",
        ),
        ("$.a...b", 5, "Character '.' on position 5 is not valid."),
        ("$.sum($.a", 2, "Arguments to function: 'sum' are not closed properly."),
    ] {
        let error = Path::parse(text).expect_err(text);
        assert!(error.offset >= offset && error.offset <= text.len(), "{text}: {error:?}");
        if !message.is_empty() {
            assert_eq!(error.message, message, "{text}");
        }
    }
}

#[test]
fn a_reference_path_has_single_steps_only() {
    for text in ["$", "$.a.b", "$['a b'][0]", "$$.Execution", "$v.a[1]", "$.a['*']"] {
        assert!(path(text).is_reference(), "{text}");
    }
    for text in ["$.*", "$.a[*]", "$..a", "$.a[0,1]", "$.a[1:]", "$['a','b']", "$.a[?(@.b)]", "$.a.length()"]
    {
        assert!(!path(text).is_reference(), "{text}");
    }
}

#[test]
fn the_normalised_path_keeps_its_root() {
    for (text, normalised) in
        [("$.a[0].b", "$['a'][0]['b']"), ("$$.Map.Item", "$$['Map']['Item']"), ("$v.a..b", "$v['a']..['b']")]
    {
        assert_eq!(path(text).normalised(), normalised);
    }
}

/// Recorded on AWS: with nothing there, slices and wildcards find nothing.
#[test]
fn an_indefinite_path_over_a_missing_property_is_an_empty_list() {
    let empty = json!({});
    for text in ["$.items[*]", "$.items[1:].x", "$.item.items[1:5]", "$.items[?(@.a == 1)]", "$.a..b"] {
        assert_eq!(*path(text).find(&empty).expect(text), json!([]), "{text}");
    }
    let error = path("$[1:]").find(&empty).expect_err("an object has no slices");
    assert_eq!(error.message, "Filter: [1:] can only be applied to arrays. Current context is: {}");
    let error = path("$.no.such").find(&empty).expect_err("a definite path needs its value");
    assert_eq!(error.message, "Missing property in path $['no']");
}

#[test]
fn functions_of_paths() {
    let document = json!({"n": [5, 3, 8, 1], "s": ["a", "b"], "o": {"x": 1, "y": 2}, "one": [4], "m": [{"p": 1}, {"p": 2}]});
    for (text, expected) in [
        ("$.n.length()", json!(4)),
        ("$.o.length()", json!(2)),
        ("$.n.min()", json!(1.0)),
        ("$.n.max()", json!(8.0)),
        ("$.n.avg()", json!(4.25)),
        ("$.n.sum()", json!(17.0)),
        ("$.one.stddev()", json!(0.0)),
        ("$.o.keys()", json!(["x", "y"])),
        ("$.s.concat()", json!("ab")),
        ("$.s.concat(\"c\", $.n[0])", json!("abc5")),
        ("$.n.append(9)", json!([5, 3, 8, 1, 9])),
        ("$.n.first()", json!(5)),
        ("$.n.last()", json!(1)),
        ("$.n.index(1)", json!(3)),
        ("$.n.index(-2)", json!(8)),
        ("$..p.sum()", json!(3.0)),
        ("$.sum($..p)", json!(3.0)),
        ("$.length($.m)", json!(2)),
        ("$.sum($.n[0], $.n[1], 2)", json!(10.0)),
    ] {
        assert_eq!(*path(text).find(&document).expect(text), expected, "{text}");
    }
    for (text, message) in [
        ("$.n.nothing()", "Function with name: nothing does not exist."),
        ("$.s.sum()", "Aggregation function attempted to calculate value using empty array"),
        ("$.one.last()", "Target index:-1 larger than object count:1"),
    ] {
        assert_eq!(path(text).find(&document).expect_err(text).message, message);
    }
}

#[test]
fn operators_of_filters() {
    let document = json!({"items": [
        {"id": 1, "t": "x", "tags": ["a", "b"], "n": "2"},
        {"id": 2, "t": "Yes", "tags": [], "n": 2},
        {"id": 3, "tags": ["b"], "n": null},
    ]});
    for (filter, ids) in [
        ("@.id == 2", json!([2])),
        ("@.n == 2", json!([1, 2])),
        ("2 == @.n", json!([1, 2])),
        ("@.n === 2", json!([2])),
        ("@.n !== 2", json!([1, 3])),
        ("@.n == null", json!([3])),
        ("@.t =~ /y.*/i", json!([2])),
        ("@.tags =~ /a/", json!([1])),
        ("@.t in ['x', 'z']", json!([1])),
        ("@.id nin [1, 2]", json!([3])),
        ("@.tags contains 'b'", json!([1, 3])),
        ("@.t contains 'es'", json!([2])),
        ("@.tags size 2", json!([1])),
        ("@.t size 3", json!([2])),
        ("@.tags empty true", json!([2])),
        ("@.tags empty false", json!([1, 3])),
        ("@.tags subsetof ['a', 'b', 'c']", json!([1, 2, 3])),
        ("@.tags anyof ['a']", json!([1])),
        ("@.tags noneof ['a']", json!([2, 3])),
        ("@.tags all ['a', 'b']", json!([1])),
        ("@.tags == ['b']", json!([3])),
        ("['b'] == @.tags", json!([])),
        ("@.t", json!([1, 2])),
        ("!@.t", json!([3])),
        ("!(@.id > 1)", json!([1])),
        ("@.id > 1 && @.id < 3", json!([2])),
        ("@.id < 2 || @.id > 2", json!([1, 3])),
        ("(@.id < 2 || @.id > 2) && @.t", json!([1])),
        ("@.tags.length() == 2", json!([1])),
        ("@.id == $.items[1].id", json!([2])),
        ("@.t > 'x'", json!([])),
        ("@['id'] >= 2.0", json!([2, 3])),
        ("@.t type 'x'", json!([])),
    ] {
        let text = format!("$.items[?({filter})].id");
        assert_eq!(*path(&text).find(&document).expect(&text), ids, "{text}");
    }
}

#[test]
fn a_result_goes_where_the_path_says() {
    let put = |text: &str, document: Value| path(text).put(document, json!("R"));
    for (text, document, expected) in [
        ("$", json!({"a": 1}), json!("R")),
        ("$.r", json!({"a": 1}), json!({"a": 1, "r": "R"})),
        ("$.r", json!({"r": 1, "a": 1}), json!({"r": "R", "a": 1})),
        ("$.a.b.c", json!({}), json!({"a": {"b": {"c": "R"}}})),
        ("$.a[1]", json!({"a": [1, 2, 3]}), json!({"a": [1, "R", 3]})),
        ("$.a[0].b", json!({"a": [{"c": 1}]}), json!({"a": [{"c": 1, "b": "R"}]})),
        ("$['x y']", json!({}), json!({"x y": "R"})),
    ] {
        assert_eq!(put(text, document), Ok(expected), "{text}");
    }
    for (text, document, message) in [
        ("$.r", json!("input1"), "Unable to apply step \"r\" to input \"input1\""),
        ("$.a.b", json!({"a": [1]}), "Unable to apply step \"b\" to input [1]"),
        ("$.a[3]", json!({"a": [1]}), "Unable to apply step \"3\" to input [1]"),
        ("$.a[-1]", json!({"a": [1]}), "Unable to apply step \"-1\" to input [1]"),
    ] {
        let error = put(text, document).expect_err(text);
        assert_eq!((error.message.as_str(), error.error_name()), (message, "States.ReferencePathConflict"));
    }
}

/// The wordings recorded on AWS.
#[test]
fn causes_read_as_on_aws() {
    let states = json!({"input": {"int-literal": 0}, "context": {"Execution": {"Input": {}}}});
    let variables = IndexMap::new();
    let scope =
        Scope { states: &states, variables: &variables, host: &Still, budget: &crate::StateBudget::new() };
    for (text, cause) in [
        ("$.NoSuchInputPath", "Invalid path '$.NoSuchInputPath' : No results for path: $['NoSuchInputPath']"),
        ("$.no.such.result.path", "Invalid path '$.no.such.result.path' : Missing property in path $['no']"),
    ] {
        assert_eq!(path(text).select(&scope).expect_err(text).message, cause);
    }
    for (text, field, cause) in [
        (
            "$.no_such_jsonpath",
            "Parameters/value",
            "The JSONPath '$.no_such_jsonpath' specified for the field 'value.$' could not be found in the input '{\"int-literal\":0}'",
        ),
        (
            "$.NoSuchCausePath",
            "CausePath",
            "The JSONPath '$.NoSuchCausePath' specified for the field 'CausePath' could not be found in the input '{\"int-literal\":0}'",
        ),
    ] {
        let error = Query::parse(text).expect(text).evaluate(field, &scope).expect_err(text);
        assert_eq!((error.error, error.cause.as_str()), ("States.Runtime", cause));
    }
}

/// A list is looked up as often as it is long, on every node; a filter costs
/// what it compares.
#[test]
fn lists_and_filters_are_paid_for() {
    let items: Value = (0..5_000).map(|id| json!({"id": id, "s": "x".repeat(40)})).collect();
    let document = json!({"items": items, "big": "y".repeat(100_000), "paths": vec!["$.a.b.c"; 1_000]});
    let names: Vec<String> = (0..20_000).map(|name| format!("'n{name}'")).collect();
    let names = names.join(",");
    let indexes = vec!["4999999"; 20_000].join(",");
    let tests = vec!["@.id == -1"; 2_000].join("||");
    for text in [
        format!("$..[{names}].a"),
        format!("$.items[*][{names}]"),
        format!("$..[{indexes}]"),
        format!("$..[{indexes}].a"),
        format!("$.items[?({tests})]"),
        format!("$.items[?(@.{} == 1)]", "n".repeat(100_000)),
        format!("$.items[?(@.{}.b)]", "n".repeat(100_000)),
        format!("$.items[?(@.id == {}1)]", "1".repeat(100_000)),
        "$.items[?(@.s in $.paths)]".to_owned(),
        "$.items[?($.big contains @.s)]".to_owned(),
        "$.items[?($.items == $.items)]".to_owned(),
        "$.items[?($.items.keys() || $.keys() == 1 || $.items[0] == 1 || $.items.a.b)]".to_owned(),
        format!("$.concat({})", vec!["$.big"; 10_000].join(",")),
        format!("$.items.append({})", vec!["$.items"; 10_000].join(",")),
    ] {
        match path(&text).find(&document) {
            Ok(found) => assert!(found.to_string().len() < 1_000_000, "{text:.60}"),
            Err(error) => {
                assert_eq!(error.kind, PathErrorKind::Exceeded, "{text:.60}: {:.200}", error.message);
            }
        }
    }
    let bounded = format!("$..[{names}].a");
    assert_eq!(path(&bounded).find(&document).map(drop).expect_err("too much").kind, PathErrorKind::Exceeded);
    // Short lists on as many nodes are no matter.
    for text in ["$.items[*]['id','s']", "$.items[0,1,2,3]", "$.items[?(@.id == 1 || @.id == 2)]"] {
        assert!(path(text).find(&document).is_ok(), "{text}");
    }
}

/// Nothing a path does takes long or much.
#[test]
fn hostile_paths_end() {
    let mut nested = json!({"a": 1});
    for _ in 0..100 {
        nested = json!({"a": nested, "b": [1, 2, 3, {"a": {}}]});
    }
    for text in ["$..*..*..*..*", "$..a..a..a..a..a", "$..[?(@..a == 1)]..*", "$..[?(@..a size 1)]"] {
        match path(text).find(&nested) {
            Ok(found) => assert!(found.is_array()),
            Err(error) => assert_eq!(error.kind, PathErrorKind::Exceeded, "{text}: {error}"),
        }
    }
    let wide: Value =
        (0..20_000).map(|id| json!({"id": id, "t": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"})).collect();
    for text in ["$[?(@.t =~ /(a*)*\\1b/)]", "$[?(@.id in $[*].id)]", "$[-2147483648:2147483647]"] {
        match path(text).find(&wide) {
            Ok(found) => assert!(found.is_array()),
            Err(error) => assert_eq!(error.kind, PathErrorKind::Exceeded, "{text}: {error}"),
        }
    }
    for text in [
        format!("${}", ".a".repeat(100_000)),
        format!("$[?({}@.a{})]", "(".repeat(10_000), ")".repeat(10_000)),
        format!("$[?({}(@.a))]", "!".repeat(10_000)),
        format!("${}", "[?(@".repeat(10_000)),
        format!("$.a[?(@.b in {}1{})]", "[".repeat(5_000), "]".repeat(5_000)),
        format!("${}", ".sum($".repeat(10_000)),
        format!("$.a[{}0]", "0,".repeat(60_000)),
    ] {
        // Whether it is refused, fails or finds something, there is an answer.
        if let Ok(path) = Path::parse(&text) {
            let document = json!({"a": [{"b": 1}]});
            let found = path.find(&document);
            assert!(found.is_ok_and(|found| found.is_array()) || text.contains("in [["), "{text:.40}");
        }
    }
}
