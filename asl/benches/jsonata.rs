//! Speed of JSONata expressions beside `jsonata-core`, the crate Stepwright used
//! before it had an evaluator of its own. `cargo xtask bench jsonata` runs this.
//!
//! Both start from `serde_json` values and end with them, as the engine needs
//! it; the peer's time without its conversions is told, too. The peer evaluates
//! in its fastest mode, the names of the rows at the top level.
#![expect(clippy::print_stdout, reason = "figures are read from standard output")]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark stops where it is wrong")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use asl::{Expression, Host, Scope};
use indexmap::IndexMap;
use jsonata_core::evaluator::Evaluator;
use jsonata_core::value::JValue;
use serde_json::{Map, Value, json};

/// What expressions of workflows look like, after "states.input.", by name.
const EXPRESSIONS: [(&str, &str); 6] = [
    ("text", "IN.name & '-' & $string(IN.count) & '-' & IN.suffix"),
    ("condition", "IN.count > 3 and IN.name = 'order' and $not(IN.closed) or $exists(IN.missing)"),
    ("sum", "$sum(IN.items.(price * qty))"),
    ("map_merge", "$map(IN.items, function($v) { $merge([$v, {'total': $v.price * $v.qty}]) })"),
    ("filter_sort", "IN.items[price > 20]^(>price).{'sku': sku, 'price': price}"),
    ("group", "IN.items{cat: $sum(price)}"),
];
/// How long one figure is measured, in rounds of this length.
const ROUND: Duration = Duration::from_millis(40);
const ROUNDS: usize = 9;

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

fn main() {
    let mut slowest = f64::INFINITY;
    for (name, expression) in EXPRESSIONS {
        slowest = slowest.min(parsing(name, expression));
        for rows in [10, 1_000] {
            // Neither looks at the rows.
            if rows > 10 && (name == "text" || name == "condition") {
                continue;
            }
            slowest = slowest.min(evaluation(name, expression, rows));
        }
    }
    report("jsonata_slowest_ratio", slowest, "times the peer's speed", &json!({"goal": 1.0}));
}

fn report(metric: &str, value: f64, unit: &str, more: &Value) {
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let mut line = json!({"metric": metric, "value": rounded(value), "unit": unit});
    for (name, value) in more.as_object().into_iter().flatten() {
        line[name] = value
            .as_f64()
            .filter(|_| value.is_f64())
            .map_or_else(|| value.clone(), |value| rounded(value).into());
    }
    println!("{line}");
}

fn parsing(name: &str, expression: &str) -> f64 {
    let text = expression.replace("IN.", "$states.input.");
    let [own, peer] = measured([
        &mut || drop(black_box(Expression::parse(black_box(&text)).expect("an expression"))),
        &mut || drop(black_box(jsonata_core::parser::parse(black_box(&text)).expect("an expression"))),
    ]);
    report(
        &format!("jsonata_parse_{name}"),
        own,
        "us",
        &json!({"peer": "jsonata-core 2.2.13", "peer_us": peer, "times_faster": peer / own}),
    );
    peer / own
}

fn evaluation(name: &str, expression: &str, rows: usize) -> f64 {
    let input = input(rows);
    let states = json!({"input": input, "context": {}});
    let variables = IndexMap::new();
    let scope =
        Scope { states: &states, variables: &variables, host: &Still, budget: &asl::StateBudget::new() };
    let own = Expression::parse(&expression.replace("IN.", "$states.input.")).expect("an expression");
    let peer = jsonata_core::parser::parse(&expression.replace("IN.", "")).expect("an expression");
    let converted = to_peer(&input);
    let answers = (own.evaluate(&scope), Evaluator::new().evaluate(&peer, &converted).expect("an answer"));
    assert_eq!(answers.0, Ok(Some(from_peer(&answers.1))), "{name}: the answers differ");
    let [ours, peers, bare] = measured([
        &mut || {
            let budget = asl::StateBudget::new();
            drop(black_box(own.evaluate(black_box(&Scope { budget: &budget, ..scope }))));
        },
        &mut || {
            let input = to_peer(black_box(&input));
            let answer = Evaluator::new().evaluate(&peer, &input).expect("an answer");
            drop(black_box(from_peer(&answer)));
        },
        &mut || drop(black_box(Evaluator::new().evaluate(&peer, black_box(&converted)))),
    ]);
    report(
        &format!("jsonata_{name}_{rows}"),
        ours,
        "us",
        &json!({
            "rows": rows, "peer": "jsonata-core 2.2.13", "peer_us": peers, "times_faster": peers / ours,
            "peer_without_conversion_us": bare, "times_faster_than_that": bare / ours,
        }),
    );
    peers / ours
}

/// The median microseconds of each, measured in turns so that a busy machine is
/// busy for all of them.
fn measured<const N: usize>(mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (work, times) in works.iter_mut().zip(&mut times) {
            let started = Instant::now();
            let mut count = 0_u32;
            while count == 0 || started.elapsed() < ROUND {
                work();
                count += 1;
            }
            times.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(count));
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

fn input(rows: usize) -> Value {
    const CATEGORIES: [&str; 4] = ["books", "tools", "food", "toys"];
    let items: Vec<Value> = (0..rows)
        .map(|row| {
            json!({
                "sku": format!("SKU-{row:05}"), "price": (row * 37 % 1_000) / 10, "qty": row % 7 + 1,
                "cat": CATEGORIES[row % 4], "note": "as ordered",
            })
        })
        .collect();
    json!({"name": "order", "count": 7, "suffix": "x", "closed": false, "items": items})
}

/// As cheap as the peer's types allow.
fn to_peer(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(flag) => JValue::Bool(*flag),
        Value::Number(number) => JValue::from_f64(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => JValue::array(items.iter().map(to_peer).collect()),
        Value::Object(fields) => JValue::object(
            fields.iter().map(|(name, value)| (name.clone(), to_peer(value))).collect::<IndexMap<_, _>>(),
        ),
    }
}

fn from_peer(value: &JValue) -> Value {
    match value {
        JValue::Bool(flag) => Value::Bool(*flag),
        JValue::Number(number) => whole(*number).map_or_else(|| Value::from(*number), Value::from),
        JValue::String(text) => Value::String(text.to_string()),
        JValue::Array(items) => Value::Array(items.iter().map(from_peer).collect()),
        JValue::Object(fields) => Value::Object(
            fields.iter().map(|(name, value)| (name.clone(), from_peer(value))).collect::<Map<_, _>>(),
        ),
        _ => Value::Null,
    }
}

fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "smaller than 2^53")]
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}
