//! JSONPath and intrinsic functions.

use asl::StateBudget;
use asl::jsonpath::{Path, Query};
use serde_json::json;

use super::mutate::mutated;
use super::{Choices, Target, sample};

const CORPUS: [&str; 22] = [
    "$",
    "$.a.b",
    "$['odd keys']['a b']",
    "$.lines[0].sku",
    "$.lines[-1:]",
    "$.lines[*].price",
    "$..v",
    "$..*",
    "$.lines[0,2]['sku','qty']",
    "$.lines[?(@.price > 5 && @.qty <= 10)].sku",
    "$.lines[?(@.of.kind == 'x')]",
    "$.lines[?(@.sku =~ /a-.*/i)]",
    "$.mixed[?(@ in [1, '1', true])]",
    "$.lines[?(!@.of)]",
    "$.lines.length()",
    "$.mixed.max()",
    "$.list.sum()",
    "$$.Execution.Id",
    "$limit",
    "$record.b[0]",
    "$.tags[?(@ contains 'e')]",
    "$.deep[1].a.b.c[(@.length-1)].d",
];
const WORDS: [&str; 48] = [
    "$",
    "@",
    ".",
    "..",
    "*",
    "[",
    "]",
    "(",
    ")",
    "?",
    "?(",
    "'",
    "\"",
    ",",
    ":",
    "-1",
    "0",
    "1e5",
    "99999999999",
    "==",
    "!=",
    "<",
    ">=",
    "=~",
    "/a.*/i",
    "in",
    "nin",
    "subsetof",
    "anyof",
    "noneof",
    "size",
    "empty",
    "contains",
    "true",
    "null",
    "&&",
    "||",
    "!",
    "\\",
    "\\u0041",
    ".length()",
    ".min()",
    ".keys()",
    ".concat('a')",
    ".append(1)",
    ".first()",
    "lines",
    "é",
];
const CALLS: [&str; 20] = [
    "States.Format('a {} b {}', $.id, 7)",
    "States.StringToJson('{\"a\": [1]}')",
    "States.JsonToString($.lines)",
    "States.Array(1, 'a', $.n, null)",
    "States.ArrayPartition($.tags, 2)",
    "States.ArrayContains($.mixed, 1)",
    "States.ArrayRange(1, 9, 2)",
    "States.ArrayGetItem($.lines, 1)",
    "States.ArrayLength($.lines)",
    "States.ArrayUnique($.tags)",
    "States.Base64Encode($.text)",
    "States.Base64Decode('YWJj')",
    "States.Hash($.id, 'SHA-1')",
    "States.JsonMerge($.blank, $.tree, false)",
    "States.MathRandom(1, 9, 5)",
    "States.MathAdd($.n, -2.5)",
    "States.StringSplit($.text, ' ,')",
    "States.UUID()",
    "States.Format(States.JsonToString($$.State), $limit)",
    "States.MathRandom(0, 1)",
];

/// Paths made of their parts.
pub(super) struct Paths;

/// Paths that are almost right.
pub(super) struct Mutated;

/// Calls of intrinsic functions that are almost right.
pub(super) struct Intrinsics;

impl Target for Paths {
    fn name(&self) -> &'static str {
        "jsonpath-generated"
    }

    fn input(&self, choices: &mut Choices) -> String {
        let mut path = choices.pick(&["$", "$", "$", "$$", "$record", "$list"]).to_owned();
        for _ in 0..choices.below(6) {
            path.push_str(&step(choices, 0));
        }
        path
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check_path(input)
    }
}

fn name(choices: &mut Choices) -> &'static str {
    choices.pick(&[
        "id", "n", "neg", "none", "blank", "deep", "mixed", "tags", "lines", "sku", "price", "of", "kind",
        "tree", "kids", "v", "a", "b", "odd keys", "missing", "ü", "",
    ])
}

fn step(choices: &mut Choices, depth: usize) -> String {
    let index = |choices: &mut Choices| choices.pick(&["0", "1", "-1", "2", "7", "-9", ""]);
    match choices.below(12) {
        0..=3 => format!(".{}", name(choices)),
        4 => format!("['{}']", name(choices)),
        5 => format!("..{}", name(choices)),
        6 => choices.pick(&[".*", "[*]", "..*"]).to_owned(),
        7 => format!("[{}]", index(choices)),
        8 => format!("[{}:{}]", index(choices), index(choices)),
        9 => format!("['{}','{}']", name(choices), name(choices)),
        10 => format!(
            ".{}()",
            choices.pick(&["length", "min", "max", "avg", "sum", "stddev", "keys", "first", "last", "size"])
        ),
        _ => format!("[?({})]", filter(choices, depth)),
    }
}

fn filter(choices: &mut Choices, depth: usize) -> String {
    if depth < 3 && choices.once_in(3) {
        let joint = choices.pick(&["&&", "||"]);
        return format!("({} {joint} {})", filter(choices, depth + 1), filter(choices, depth + 1));
    }
    let operand = |choices: &mut Choices| match choices.below(6) {
        0 => format!("${}", step(choices, depth + 2)),
        1 => choices
            .pick(&["1", "-2.5", "'x'", "\"A-1\"", "true", "null", "[1,'a']", "{\"k\":1}", "/a/i"])
            .to_owned(),
        _ => format!("@{}", if depth < 2 { step(choices, depth + 2) } else { String::new() }),
    };
    let operator = choices.pick(&[
        "==", "!=", "<", "<=", ">", ">=", "=~", "in", "nin", "size", "contains", "subsetof", "empty", "===",
    ]);
    match choices.below(4) {
        0 => operand(choices),
        1 => format!("!{}", operand(choices)),
        _ => format!("{} {operator} {}", operand(choices), operand(choices)),
    }
}

impl Target for Mutated {
    fn name(&self) -> &'static str {
        "jsonpath-mutated"
    }

    fn input(&self, choices: &mut Choices) -> String {
        if choices.once_in(10) {
            format!("$.{}", choices.noise(40))
        } else {
            mutated(choices, &CORPUS, &WORDS)
        }
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check_path(input)
    }
}

/// A path's normal form is a path of the same meaning, a path that may find
/// many finds a list, and what is put somewhere is found there.
fn check_path(input: &str) -> Result<(), String> {
    let Ok(path) = Path::parse(input) else { return Ok(()) };
    if path.source() != input {
        return Err(format!("the source became {:?}", path.source()));
    }
    let document = sample::input();
    let found = path.find(document);
    if let Ok(value) = &found
        && !path.is_definite()
        && !input.contains("()")
        && !value.is_array()
    {
        return Err(format!("an indefinite path found {value}"));
    }
    if path.is_reference()
        && let Ok(document) = path.put(document.clone(), json!("put"))
        && path.find(&document).as_deref() != Ok(&json!("put"))
    {
        return Err("what was put is not found".to_owned());
    }
    let again = Path::parse(input).map(|path| path.normalised());
    if again.as_deref() != Ok(&path.normalised()) {
        return Err("the normal form changes".to_owned());
    }
    Ok(())
}

impl Target for Intrinsics {
    fn name(&self) -> &'static str {
        "intrinsics"
    }

    fn input(&self, choices: &mut Choices) -> String {
        let mut call = mutated(choices, &CALLS, &WORDS);
        // Calls within calls.
        for _ in 0..choices.below(3) {
            let outer = choices.pick(&CALLS);
            call = outer.replacen("$.", &format!("{call}, $."), 1);
        }
        call
    }

    fn looks(&self) -> u32 {
        2
    }

    /// The same call gives the same answer.
    fn check(&self, input: &str) -> Result<(), String> {
        let Ok(query) = Query::parse(input) else { return Ok(()) };
        let answer = || {
            let (budget, host) = (StateBudget::new(), sample::Seeded::of(input));
            query.evaluate("Parameters/x", &sample::scope(&budget, &host))
        };
        let first = answer();
        if first != answer() {
            return Err("a second evaluation answers otherwise".to_owned());
        }
        if let Err(error) = first
            && error.cause.is_empty()
        {
            return Err("an error without a cause".to_owned());
        }
        Ok(())
    }
}
