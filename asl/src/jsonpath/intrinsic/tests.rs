use indexmap::IndexMap;
use serde_json::{Value, json};

use super::Intrinsic;
use crate::jsonpath::IntrinsicError;
use crate::template::{Host, Scope};

struct Half;

impl Host for Half {
    fn now_millis(&self) -> i64 {
        0
    }
    fn random(&self) -> f64 {
        0.5
    }
    fn uuid(&self) -> String {
        "01234567-89ab-4def-8123-456789abcdef".to_owned()
    }
}

fn evaluate(call: &str, input: &Value) -> Result<Value, IntrinsicError> {
    let states = json!({"input": input, "context": {"Execution": {"Name": "run", "Input": input}, "StateMachine": {"Id": "arn", "Name": "a-b-c"}}});
    let variables = IndexMap::from([("v".to_owned(), json!({"x": [1, 2]}))]);
    let scope =
        Scope { states: &states, variables: &variables, host: &Half, budget: &crate::StateBudget::new() };
    Intrinsic::parse(call).unwrap_or_else(|error| panic!("{call}: {error}")).evaluate(&scope)
}

#[test]
fn functions_give_what_the_documentation_says() {
    let input = json!({
        "a": [1, 2, 3, 3, [1], [1], {"k": 1, "l": 2}, {"l": 2, "k": 1}],
        "s": "text", "o": {"Arg1": 1, "Arg2": []}, "p": {"Arg2": 2}, "n": 1.1, "nul": null, "i(1),": "odd",
        "t": "Hello {}, {}", "list": [{"id": 1, "t": "a,b)"}, {"id": 2, "t": "c"}]
    });
    for (call, expected) in [
        ("States.Array()", json!([])),
        (
            "States.Array($.s, 1, -1.5, true, false, null, 'x', $.o)",
            json!(["text", 1, -1.5, true, false, null, "x", {"Arg1": 1, "Arg2": []}]),
        ),
        ("States.ArrayContains($.a, 2)", json!(true)),
        ("States.ArrayContains($.a, States.Array(1))", json!(true)),
        ("States.ArrayContains($.a, 9)", json!(false)),
        ("States.ArrayGetItem($.a, 0)", json!(1)),
        ("States.ArrayGetItem($v.x, 1)", json!(2)),
        ("States.ArrayLength($.a)", json!(8)),
        ("States.ArrayPartition($.a[0:3], 2)", json!([[1, 2], [3]])),
        ("States.ArrayRange(1, 9, 2)", json!([1, 3, 5, 7, 9])),
        ("States.ArrayRange(3, 1, -1)", json!([3, 2, 1])),
        ("States.ArrayRange(1, 3, -1)", json!([])),
        ("States.ArrayUnique($.a)", json!([1, 2, 3, [1], {"k": 1, "l": 2}])),
        ("States.Base64Encode('Data to encode')", json!("RGF0YSB0byBlbmNvZGU=")),
        ("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", json!("Data to encode")),
        ("States.Base64Decode(States.Base64Encode('größe'))", json!("größe")),
        ("States.Hash('input data', 'SHA-1')", json!("aaff4a450a104cd177d28d18d74485e8cae074b7")),
        ("States.Hash('input data', 'MD5')", json!("812f45842bc6d66ee14572ce20db8e86")),
        ("States.JsonMerge($.o, $.p, false)", json!({"Arg1": 1, "Arg2": 2})),
        ("States.JsonToString($.o)", json!("{\"Arg1\":1,\"Arg2\":[]}")),
        ("States.JsonToString($.nul)", json!("null")),
        ("States.StringToJson('{\"a\": [1, {}]}')", json!({"a": [1, {}]})),
        ("States.StringToJson('')", Value::Null),
        ("States.StringToJson(' ')", Value::Null),
        ("States.StringToJson('-0')", json!(0)),
        ("States.MathAdd(1.49, 1.5)", json!(3)),
        ("States.MathAdd(-1.5, 0)", json!(-1)),
        ("States.MathAdd(-2.5, 0)", json!(-2)),
        ("States.MathAdd(-0.5, 0)", json!(0)),
        ("States.MathAdd(0.49999999999999994, 0)", json!(0)),
        ("States.MathAdd(9223372036854775806, 1)", json!(i64::MAX)),
        ("States.MathRandom(-9223372036854775808, -1)", json!(-4_611_686_018_427_387_904_i64)),
        ("States.MathRandom(9223372036854775806, 9223372036854775807)", json!(9_223_372_036_854_775_806_i64)),
        ("States.StringToJson('[-0, {\"a\": -0 , \"b-0\": \"-0\"}]')", json!([0, {"a": 0, "b-0": "-0"}])),
        ("States.StringToJson('[-0.0, -0.5, -0e0, 1e-0, -10]')", json!([-0.0, -0.5, -0.0, 1.0, -10])),
        ("States.MathRandom(1, 999)", json!(500)),
        ("States.MathRandom(12.5, 44.51)", json!(29)),
        ("States.MathRandom(0, 10, 42)", json!(0)),
        ("States.MathRandom(-5, 5, 42)", json!(-5)),
        ("States.StringSplit('This.is+a,test=string', '.+,=')", json!(["This", "is", "a", "test", "string"])),
        ("States.StringSplit(',,,,', ',')", json!([])),
        ("States.StringSplit('Hello\nWorld', '\n')", json!(["Hello", "World"])),
        ("States.UUID()", json!("01234567-89ab-4def-8123-456789abcdef")),
        ("States.Format('a {} b {}', $.o, $.n)", json!("a {Arg1=1, Arg2=[]} b 1.1")),
        ("States.Format('{}{}', null, true)", json!("nulltrue")),
        ("States.Format('\\{\\} \\'{}\\' \\\\', $.s)", json!("{} 'text' \\")),
        ("States.Format($.t, 'x', 'y')", json!("Hello x, y")),
        ("States.Format('{}', $$.StateMachine)", json!("{Id=arn, Name=a-b-c}")),
        ("States.Format('{}', $['i(1),'])", json!("odd")),
        ("States.Format('{}', $.list[?(@.t == 'a,b)')].id)", json!("[1]")),
        ("States.Format('{} {}', $.list.length(), $.n)", json!("2 1.1")),
        (" States.Format ( '{}' , $.s ) ", json!("text")),
        (
            "States.ArrayGetItem(States.StringSplit($$.StateMachine.Name, '-'), States.MathAdd(States.ArrayLength(States.StringSplit($$.StateMachine.Name, '-')), -1))",
            json!("c"),
        ),
    ] {
        assert_eq!(evaluate(call, &input).as_ref(), Ok(&expected), "{call}");
    }
}

#[test]
fn what_a_function_cannot_do_fails_the_state() {
    let input = json!({"a": [1], "s": "x", "long": "a".repeat(10_001)});
    for (call, reason) in [
        ("States.ArrayGetItem($.a, 1)", "the index 1 is outside of the array, which has 1 items"),
        ("States.ArrayGetItem($.a, -1)", "the index -1 is outside of the array, which has 1 items"),
        ("States.ArrayLength($.s)", "an array is expected, and it is \"x\""),
        ("States.ArrayPartition($.a, 0)", "the size of a chunk is not positive"),
        ("States.ArrayRange(1, 2000, 1)", "the range has more than 1000 items"),
        ("States.ArrayRange(1, 2, 0)", "the step is zero"),
        ("States.Base64Decode('%')", "the text is not Base64"),
        ("States.Base64Encode($.long)", "the text has more than 10000 characters"),
        ("States.Format('{}')", "the number of arguments does not match the occurrences of {}"),
        ("States.Format('', 1)", "the number of arguments does not match the occurrences of {}"),
        ("States.JsonMerge($.a, $.a, false)", "the first two arguments are not both objects"),
        ("States.MathAdd('1', 2)", "a number is expected, and it is \"1\""),
        ("States.MathAdd(9223372036854775807, 1)", "the sum is too large"),
        ("States.MathAdd(1e308, 1)", "the number 1e+308 is outside of the range of whole numbers"),
        ("States.ArrayGetItem($.a, 1e300)", "the number 1e+300 is outside of the range of whole numbers"),
        ("States.MathRandom(2, 1)", "the end is not greater than the start"),
        (
            "States.MathRandom(9223372036854775807, -9223372036854775808)",
            "the end is not greater than the start",
        ),
        ("States.MathRandom(-9223372036854775808, 9223372036854775807)", "the end is too far from the start"),
        ("States.StringToJson('--0')", "the text is not JSON: invalid number at line 1 column 2"),
        ("States.UUID(1)", "it takes no arguments, and there is 1"),
        (
            "States.Hash('x', 'CRC')",
            "the algorithm 'CRC' is none of MD5, SHA-1, SHA-256, SHA-384 and SHA-512",
        ),
    ] {
        let error = evaluate(call, &input).expect_err(call);
        assert_eq!(error.error, "States.IntrinsicFailure", "{call}");
        let name = call.split('(').next().expect("a name");
        assert_eq!(
            error.cause,
            format!("The function '{call}' had the following error: Invalid arguments in {name}: {reason}")
        );
    }
    let error = evaluate("States.Format('{}', $.b)", &json!({"a": 1})).expect_err("there is no b");
    assert_eq!(error.error, "States.Runtime");
    assert_eq!(
        error.cause,
        "The function 'States.Format('{}', $.b)' had the following error: \
         The JsonPath argument for the field '$.b' could not be found in the input '{\"a\":1}'"
    );
}

#[test]
fn what_is_no_call_is_refused() {
    let nested = |depth: usize| format!("{}1{}", "States.Array(".repeat(depth), ")".repeat(depth));
    assert!(Intrinsic::parse(&nested(10)).is_ok());
    for (text, offset) in [
        (nested(11).as_str(), 130),
        ("States.Nothing()", 0),
        ("States.Array(", 13),
        ("States.Array(1,)", 15),
        ("States.Array(1 2)", 15),
        ("States.Array('a)", 13),
        ("States.Array('\\\"')", 14),
        ("States.Array(\"a\")", 13),
        ("States.Array($.a b)", 15),
        ("States.Array(1) x", 16),
        ("States.Array(01)", 13),
        ("Array(1)", 0),
        ("", 0),
        (&nested(10_000), 130),
        // Longer than a field may be.
        (&nested(100_000), 0),
    ] {
        let error = Intrinsic::parse(text).expect_err(text);
        assert_eq!(error.offset, offset, "{text:.40}: {error}");
    }
}

#[test]
fn the_paths_of_a_call_are_known() {
    let call = Intrinsic::parse("States.Format('{}{}', $.a, States.MathAdd($v.b, $$.C))").expect("a call");
    assert_eq!(call.paths().iter().map(|path| path.source()).collect::<Vec<_>>(), ["$.a", "$v.b", "$$.C"]);
}

/// The calls behind the cases recorded on AWS whose file names only the test.
fn recorded_call(test: &str) -> Option<&'static str> {
    Some(match test.split_once("::")?.1 {
        "test_array_get_item" => "States.ArrayGetItem($.FunctionInput.fst, $.FunctionInput.snd)",
        "test_array_2" => "States.Array($.FunctionInput.fst, $.FunctionInput.snd)",
        "test_array_partition" => "States.ArrayPartition($.FunctionInput.fst, $.FunctionInput.snd)",
        "test_array_contains" => "States.ArrayContains($.FunctionInput.fst, $.FunctionInput.snd)",
        "test_array_range" => {
            "States.ArrayRange($.FunctionInput.fst, $.FunctionInput.snd, $.FunctionInput.trd)"
        }
        // The recorded template of this test calls the length, too.
        "test_array_length" | "test_array_unique" => "States.ArrayLength($.FunctionInput)",
        "test_base_64_encode" => "States.Base64Encode($.FunctionInput)",
        "test_base_64_decode" => "States.Base64Decode($.FunctionInput)",
        "test_format_1" => "States.Format('Formatting argument {}.', $.FunctionInput)",
        "test_format_2" => {
            "States.Format('Formatting arguments fst={} and snd={}.', $.FunctionInput.fst, $.FunctionInput.snd)"
        }
        "test_escape_sequence" => "States.StringSplit('Hello\nWorld', '\n')",
        "test_hash" => "States.Hash($.FunctionInput.fst, $.FunctionInput.snd)",
        "test_string_to_json" => "States.StringToJson($.FunctionInput)",
        "test_json_to_string" => "States.JsonToString($.FunctionInput)",
        "test_json_merge" => "States.JsonMerge($.FunctionInput.fst, $.FunctionInput.snd, false)",
        "test_math_add" => "States.MathAdd($.FunctionInput.fst, $.FunctionInput.snd)",
        "test_string_split" => "States.StringSplit($.FunctionInput.fst, $.FunctionInput.snd)",
        "test_string_split_context_object" => "States.StringSplit($$.Execution.Input.FunctionInput, ',')",
        _ => return None,
    })
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the recorded cases are files")]
fn recorded_results_of_aws() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/conformance/aws-validated-intrinsics.json");
    let Ok(text) = std::fs::read_to_string(file) else {
        println!("SKIPPED: ../shared/conformance is not there");
        return;
    };
    let cases: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let mut compared = 0;
    for case in &cases {
        let name = case["test"].as_str().expect("a name");
        // Those in JSONata are the other language's; random values are no results.
        let Some(call) = recorded_call(name).filter(|_| !name.contains("JSONata")) else { continue };
        let result = evaluate(call, &case["input"]).unwrap_or_else(|error| panic!("{call}: {error}"));
        assert_eq!(result, case["output"]["FunctionResult"], "{name} {}", case["input"]);
        compared += 1;
    }
    println!("{compared} results of intrinsic functions are AWS's");
    assert!(compared >= cases.len() / 2, "{compared} of {} cases were compared", cases.len());
}
