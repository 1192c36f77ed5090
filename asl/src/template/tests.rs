use indexmap::IndexMap;
use serde_json::{Value, json};

use super::*;

struct Still;

impl Host for Still {
    fn now_millis(&self) -> i64 {
        1_700_000_000_000
    }
    fn random(&self) -> f64 {
        0.5
    }
    fn uuid(&self) -> String {
        "00000000-0000-4000-8000-000000000000".to_owned()
    }
}

fn expression(source: &str) -> Expression {
    Expression::parse(source).expect("parses")
}

fn with_scope<T>(run: impl FnOnce(&Scope<'_>) -> T) -> T {
    let states = json!({"input": {"n": 3, "text": "x", "below": -1, "half": 2.5, "id": 1_234_567_890_123_456_789_u64}});
    let variables = IndexMap::from([("v".to_owned(), json!({"foo": "bar"}))]);
    run(&Scope { states: &states, variables: &variables, host: &Still, budget: &crate::StateBudget::new() })
}

fn cause<T: std::fmt::Debug>(result: Result<T, QueryError>) -> String {
    let error = result.expect_err("fails");
    assert_eq!(error.error, "States.QueryEvaluationError");
    error.cause
}

#[test]
fn templates_keep_their_form_and_name_their_fields() {
    let template = Template::Object(IndexMap::from([
        ("kept".to_owned(), Template::Literal(json!([1, {"a": null}]))),
        ("list".to_owned(), Template::Array(vec![Template::Expression(expression("$states.input.n"))])),
    ]));
    let value = with_scope(|scope| template.evaluate("Output", scope)).expect("evaluates");
    assert_eq!(value, json!({"kept": [1, {"a": null}], "list": [3]}));

    let broken = Template::Object(IndexMap::from([(
        "a".to_owned(),
        Template::Array(vec![Template::Literal(json!(1)), Template::Expression(expression("$nothing"))]),
    )]));
    let error = with_scope(|scope| broken.evaluate("Choices[1]/Output", scope)).expect_err("fails");
    assert_eq!(error.field, "Choices[1]/Output/a[1]");
    assert_eq!(
        error.cause,
        "The JSONata expression '$nothing' specified for the field 'Choices[1]/Output/a[1]' \
         returned nothing (undefined)."
    );
}

#[test]
fn integers_beyond_javascript_pass_unharmed() {
    let template = Template::Expression(expression("$states.input.id"));
    let value = with_scope(|scope| template.evaluate("Output", scope)).expect("evaluates");
    assert_eq!(value, json!(1_234_567_890_123_456_789_u64));
}

#[test]
fn typed_fields_say_what_they_expected() {
    let number = |source: &str| {
        with_scope(|scope| NumberOrExpression::Expression(expression(source)).evaluate("Seconds", scope))
    };
    assert_eq!(number("$states.input.n + 0.0"), Ok(3));
    assert!(cause(number("-1")).contains("for value: -1"));
    assert!(cause(number("1.5")).contains("for value: 1.5"));
    assert_eq!(
        cause(number("'x'")),
        "The JSONata expression ''x'' specified for the field 'Seconds' returned an unexpected result type. \
         Expected 'number', but was 'string' for value: \"x\""
    );

    let condition = |source: &str| {
        with_scope(|scope| {
            BooleanOrExpression::Expression(expression(source)).evaluate("Choices[0]/Condition", scope)
        })
    };
    assert_eq!(condition("$states.input.n > 2"), Ok(true));
    assert!(cause(condition("0")).ends_with("Expected 'boolean', but was 'number' for value: 0"));

    let text = |source: &str| {
        with_scope(|scope| TextOrExpression::Expression(expression(source)).evaluate("Cause", scope))
    };
    assert_eq!(text("$states.input.text & 'y'"), Ok("xy".to_owned()));
    assert!(cause(text("[]")).ends_with("Expected 'string', but was 'array' for value: []"));

    let items = |template: Template| with_scope(|scope| template.evaluate_array("Items", scope));
    assert_eq!(items(Template::Literal(json!([1]))), Ok(vec![json!(1)]));
    assert_eq!(
        cause(items(Template::Expression(expression("$v")))),
        "The JSONata expression '$v' specified for the field 'Items' returned an unexpected result type. \
         Expected 'array', but was 'object' for value: {\"foo\":\"bar\"}"
    );
}

#[test]
fn timestamps_are_read_or_refused_in_aws_words() {
    let at = |text: &str| {
        with_scope(|scope| TextOrExpression::Text(text.to_owned()).evaluate_timestamp("Timestamp", scope))
    };
    assert_eq!(at("1970-01-01T00:00:01Z"), Ok(1_000));
    assert_eq!(
        cause(at("2016-12-05 21:29:29Z")),
        "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: \
         2016-12-05 21:29:29Z"
    );
}

#[test]
fn failures_have_aws_wording() {
    let fails = |source: &str| {
        cause(with_scope(|scope| Template::Expression(expression(source)).evaluate("Output", scope)))
    };
    assert_eq!(
        fails("$randomSeeded(1)"),
        "The JSONata expression '$randomSeeded(1)' specified for the field 'Output' \
         threw an error during evaluation. T1006: Attempted to invoke a non-function"
    );
    assert_eq!(
        fails("$fn := function($x){$x}"),
        "The JSONata expression '$fn := function($x){$x}' specified for the field 'Output' \
         returned an unsupported result type."
    );
    assert_eq!(
        fails("($f := function($n) { 1 + $f($n) }; $f(1))"),
        "The JSONata expression '($f := function($n) { 1 + $f($n) }; $f(1))' specified for the field 'Output' \
         threw an error during evaluation: Stack overflow error: Check for non-terminating recursive function. \
         Consider rewriting as tail-recursive"
    );
}

#[test]
fn expressions_of_a_template_are_listed_in_order() {
    let template = Template::Object(IndexMap::from([
        ("a".to_owned(), Template::Expression(expression("1"))),
        ("b".to_owned(), Template::Array(vec![Template::Expression(expression("2"))])),
        ("c".to_owned(), Template::Literal(Value::Null)),
    ]));
    let sources: Vec<&str> = template.expressions().into_iter().map(Expression::source).collect();
    assert_eq!(sources, ["1", "2"]);
}

#[test]
fn fields_with_paths_take_what_the_paths_find() {
    let path = |text: &str| crate::jsonpath::Path::parse(text).expect("a path");
    let number = |text: &str| {
        with_scope(|scope| NumberOrExpression::Path(path(text)).evaluate("MaxConcurrencyPath", scope))
    };
    assert_eq!(number("$.n"), Ok(3));
    let error = number("$.text").expect_err("a text");
    assert_eq!(error.error, "States.Runtime");
    assert_eq!(
        error.cause,
        "The MaxConcurrencyPath field refers to value \"x\" which is not a valid integer: $.text"
    );
    assert!(number("$.half").expect_err("a part").cause.contains("\"2.5\" which is not a valid integer"));
    let error = number("$.below").expect_err("negative");
    assert_eq!(error.cause, "MaxConcurrency must be greater than or equal to 0.");
    let error = number("$v").expect_err("an object");
    assert!(error.cause.contains("refers to value \"{\"foo\":\"bar\"}\" which"), "{error}");
    assert_eq!(
        number("$.gone").expect_err("nothing").cause,
        "Invalid path '$.gone' : No results for path: $['gone']"
    );

    let percentage = |text: &str| {
        with_scope(|scope| {
            PercentageOrExpression::Path(path(text)).evaluate("ToleratedFailurePercentagePath", scope)
        })
    };
    assert_eq!(percentage("$.n"), Ok(3.0));
    assert!(percentage("$.text").expect_err("a text").cause.contains("is not a valid float: $.text"));

    let text = |text: &str| {
        let query = Query::parse(text).expect("a query");
        with_scope(|scope| TextOrExpression::Query(query.clone()).evaluate("CausePath", scope))
    };
    assert_eq!(text("$.text"), Ok("x".to_owned()));
    assert_eq!(text("States.Format('{}!', $.n)"), Ok("3!".to_owned()));
    assert!(text("$.n").expect_err("a number").cause.contains("which is not a string: $.n"));
}

#[test]
fn payload_templates_name_the_key_that_failed() {
    let query = |text: &str| Template::Query(Query::parse(text).expect("a query"));
    let inner = Template::Object(IndexMap::from([("value".to_owned(), query("$.gone"))]));
    let template =
        Template::Object(IndexMap::from([("n".to_owned(), query("$.n")), ("in".to_owned(), inner)]));
    let error = with_scope(|scope| template.evaluate("Parameters", scope)).expect_err("fails");
    let expected =
        "The JSONPath '$.gone' specified for the field 'value.$' could not be found in the input '";
    assert!(error.cause.starts_with(expected), "{}", error.cause);
}

/// The fields of a template, all alike.
fn fields(count: usize, field: &Template) -> Template {
    Template::Object((0..count).map(|index| (format!("x{index}"), field.clone())).collect())
}

fn query(text: &str) -> Template {
    Template::Query(Query::parse(text).unwrap_or_else(|error| panic!("{text:.40}: {error}")))
}

/// However a template grows: it ends as soon as it has made too much, and what
/// it has made by then is bounded.
#[test]
fn a_template_is_paid_for_while_it_is_built() {
    let states = json!({"input": {"a": "a".repeat(200_000), "q": "\"".repeat(100_000)}, "context": {}});
    let variables = IndexMap::new();
    let many = format!("States.Array({})", vec!["$"; 20_000].join(","));
    let formats = format!("States.Format('{}',{})", "{}".repeat(2), ["$.a", "$.a"].join(","));
    let escaped = format!("{}$.q{}", "States.JsonToString(".repeat(10), ")".repeat(10));
    for template in [
        fields(20_000, &query("$")),
        fields(20_000, &query("$.a")),
        fields(20_000, &query("$..a")),
        fields(20_000, &Template::Expression(expression("$states.input"))),
        fields(20_000, &Template::Expression(expression("$states.input.a & 'b'"))),
        fields(1_000, &Template::Expression(expression("$pad('', 2000000)"))),
        fields(20_000, &Template::Literal(json!("a".repeat(10_000)))),
        fields(2_000, &query(&formats)),
        fields(2_000, &query("States.StringSplit($.a, 'b')")),
        fields(2_000, &query("States.JsonMerge($, $, false)")),
        fields(2_000, &query("States.ArrayUnique(States.Array($))")),
        fields(2_000, &query("States.ArrayPartition(States.Array($, $), 1)")),
        query(&many),
        query(&escaped),
        Template::Array(vec![query("$"); 20_000]),
    ] {
        let budget = StateBudget::new();
        let scope = Scope { states: &states, variables: &variables, host: &Still, budget: &budget };
        let error = template.evaluate("Parameters", &scope).expect_err("too large");
        assert_eq!(error.error, DATA_LIMIT_EXCEEDED, "{}", error.cause);
        assert!(error.field.starts_with("Parameters"), "{}", error.field);
        assert_eq!(budget.bytes_left(), 0);
    }
}

#[test]
fn what_a_state_can_hand_on_is_far_below_its_budget() {
    // The payload that takes most for its text.
    let states = json!({"input": vec![0; 131_000], "context": {}});
    let variables = IndexMap::new();
    let budget = StateBudget::new();
    let scope = Scope { states: &states, variables: &variables, host: &Still, budget: &budget };
    for template in [
        query("$"),
        query("States.Array($)"),
        query("$[0:131000]"),
        Template::Expression(expression("[$states.input, 1]")),
    ] {
        assert!(template.evaluate("Parameters", &scope).is_ok());
    }
    // To look something up takes nothing but what is found.
    let lookups = fields(20_000, &query("States.ArrayGetItem($, 7)"));
    assert!(lookups.evaluate("Parameters", &scope).is_ok());
}

#[test]
fn a_cause_quotes_no_more_than_it_can_hold() {
    let states = json!({"input": {"many": vec!["text"; 100_000]}, "context": {}});
    let variables = IndexMap::new();
    let budget = StateBudget::new();
    let scope = Scope { states: &states, variables: &variables, host: &Still, budget: &budget };
    let flag = BooleanOrExpression::Expression(expression("$states.input"));
    let cause = cause(flag.evaluate("Condition", &scope));
    assert!(cause.chars().count() < 33_000, "{}", cause.len());
    let error = query("$.missing").evaluate("Parameters", &scope).expect_err("it is not there");
    assert!(error.cause.chars().count() < 33_000, "{}", error.cause.len());
}
