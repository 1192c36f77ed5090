//! JSONata, JSONPath and intrinsic functions over large documents.

use asl::jsonpath::Query;
use asl::{Expression, StateBudget};
use serde_json::{Value, json};

use super::super::{Choices, Target, sample};
use super::document::document;
use super::{SHARE, filled};

pub(super) const PLACES: [&str; 9] =
    ["rows", "numbers", "words", "matrix", "wide", "deep", "rows.tags", "rows.id", "rows.name"];
pub(super) const TEXTS: [&str; 3] = ["text", "letters", "json"];

/// `<A>` is any place of the document, `<T>` a text.
pub(super) const EXPRESSIONS: [&str; 72] = [
    "$states.input",
    "$string($states.input)",
    "$count($states.input.**)",
    "$states.input.**.id",
    "$states.input.*.*",
    "$sort($states.input.<A>)",
    "$sort($states.input.<A>, function($a, $b) { $string($a) > $string($b) })",
    "$distinct($states.input.<A>)",
    "$states.input.<A>^(>id, name)",
    "$states.input.rows{name: $sum(price)}",
    "$states.input.rows{$string($): $count($$)}",
    "$states.input.<A>.{'a': $, 'b': $$}",
    "$states.input.<A>[$ in $$.<A>]",
    "$states.input.<A>[$ = $states.input.<A>]",
    "$states.input.<A> = $states.input.<A>",
    "$states.input.<A>#$i[$i % 2 = 0]",
    "$states.input.rows@$x.$states.input.rows@$y[$x.id = $y.id].{'a': $x.name, 'b': $y.name}",
    "$states.input.rows.tags.%.id",
    "$states.input ~> |rows|{'price': price * 2}, 'tags'|",
    "$states.input ~> |**|{'n': 1}|",
    "$reduce($states.input.<A>, function($a, $b) { $string($a) & $string($b) })",
    "$reduce($states.input.<A>, $append)",
    "$reduce($states.input.<A>, function($a, $b) { $merge([$a, {$string($b): $b}]) }, {})",
    "$map($states.input.<A>, function($v, $i, $all) { $count($all) })",
    "$map($states.input.<A>, function($v) { $states.input.<A> })",
    "$map($states.input.<A>, function($v) { $string($states.input) })",
    "$filter($states.input.<A>, function($v) { $v in $states.input.<A> })",
    "$single($states.input.<A>, function($v) { false })",
    "$each($states.input.wide, function($v, $k) { $k & $v })",
    "$sift($states.input.wide, function($v, $k) { $v > 10 })",
    "$keys($states.input.<A>)",
    "$spread($states.input.<A>)",
    "$merge($states.input.<A>)",
    "$lookup($states.input.<A>, 'id')",
    "$zip($states.input.<A>, $states.input.<A>)",
    "$append($states.input.<A>, $states.input.<A>)",
    "$reverse($states.input.<A>)",
    "$shuffle($states.input.<A>)",
    "$partition($states.input.<A>, 3)",
    "$join($states.input.<A>, $states.input.<T>)",
    "$sum($states.input.<A>)",
    "$max($states.input.<A>)",
    "[1..100000].($states.input.numbers[$])",
    "[1..1000].[1..1000]",
    "$parse($string($states.input))",
    "$parse($states.input.json)",
    "$uppercase($states.input.<T>)",
    "$trim($states.input.<T>)",
    "$substring($states.input.<T>, 100, 1000)",
    "$substringAfter($states.input.<T>, 'zz')",
    "$pad($states.input.<T>, 1000000, 'xy')",
    "$split($states.input.<T>, '')",
    "$split($states.input.<T>, ' ')",
    "$split($states.input.<T>, /[ ,]+/)",
    "$match($states.input.<T>, /\\w/)",
    "$match($states.input.<T>, /(a)|(b)|(?:.)/)",
    "$match($states.input.<T>, /(?:a.*z)|a/)",
    "$match($states.input.<T>, /(?<=a)b?/)",
    "$contains($states.input.<T>, /(a|a)*z/)",
    "$contains($states.input.<T>, /(a+)+\\1z/)",
    "$contains($states.input.<T>, /(?=(a*)*z)a/)",
    "$contains($states.input.<T>, /\\w{90}z/)",
    "$replace($states.input.<T>, /a/, '$0$0')",
    "$replace($states.input.<T>, /(a)(b)?/, function($m) { $m.match & $m.start })",
    "$replace($states.input.<T>, 'a', $states.input.<T>)",
    "($m := /a/($states.input.<T>); $next := function($m, $n) { $n = 0 ? $m.start : $next($m.next(), $n - 1) }; $next($m, 5000))",
    "$base64decode($base64encode($states.input.<T>))",
    "$decodeUrlComponent($encodeUrlComponent($states.input.<T>))",
    "$hash($states.input.<T>, 'SHA-512')",
    "($f := function($l) { $count($l) > 1 ? $f($l[[0..$floor($count($l) / 2) - 1]]) : $l }; $f($states.input.<A>))",
    "($s := $states.input.<T>; $s & $s & $s & $s)",
    "($a := $states.input.<A>; [$a, [$a, [$a]]])",
];

/// `<A>` is any place of the document, `<T>` a text.
pub(super) const QUERIES: [&str; 34] = [
    "$",
    "$..*",
    "$..id",
    "$..v",
    "$.<A>",
    "$.<A>[*]",
    "$.rows[*].tags[*]",
    "$..rows..id",
    "$.rows[*]['id','name','price']",
    "$.rows[?(@.name =~ /.*7.*/)]",
    "$.rows[?(@.name =~ /(a|r)*(?=z).*/)].id",
    "$.words[?(@ =~ /(w\\d+)+\\1/)]",
    "$.rows[?(@.id in $.numbers)]",
    "$.numbers[?(@ in $.numbers)]",
    "$.rows[?(@.tags anyof ['t1','zz'])].id",
    "$.rows[?(@.tags subsetof $.words)].id",
    "$.rows[?(@.id == $.rows[-1].id)]",
    "$.rows[?(@.tags[?(@ == 't3')])].id",
    "$..[?(@.id > 1)]",
    "$..[?(@..v)]",
    "$.rows[?($..id)].id",
    "$.numbers.sum()",
    "$.<A>.length()",
    "States.JsonToString($)",
    "States.StringToJson($.json)",
    "States.ArrayUnique($.<A>)",
    "States.ArrayContains($.<A>, $.<A>)",
    "States.ArrayPartition($.<A>, 1)",
    "States.StringSplit($.<T>, ' ,a')",
    "States.Format('{}{}{}', $.<T>, $.<T>, $.<T>)",
    "States.JsonMerge($.wide, $.wide, false)",
    "States.Array($, $, $.<A>)",
    "States.Hash($.<T>, 'SHA-256')",
    "States.Array(States.JsonToString($), States.JsonToString($.<A>))",
];

/// An expression made of one or two of them.
pub(super) fn expression(choices: &mut Choices) -> String {
    let one = |choices: &mut Choices| {
        let template = choices.pick(&EXPRESSIONS);
        filled(choices, template, &PLACES, &TEXTS)
    };
    let first = one(choices);
    match choices.below(8) {
        0 => format!("$count({first})"),
        1 => format!("$string({first})"),
        2 => format!("[{first}, {}]", one(choices)),
        3 => format!("{{'a': {first}, 'b': {}}}", one(choices)),
        4 => format!("$distinct({first})"),
        _ => first,
    }
}

/// A path or a call.
pub(super) fn query(choices: &mut Choices) -> String {
    let template = choices.pick(&QUERIES);
    filled(choices, template, &PLACES, &TEXTS)
}

/// JSONata over a large document.
pub(super) struct Expressions;

/// JSONPath and intrinsic functions over a large document.
pub(super) struct Paths;

impl Target for Expressions {
    fn name(&self) -> &'static str {
        "heavy-expressions"
    }

    fn share(&self) -> u64 {
        SHARE
    }

    fn is_heavy(&self) -> bool {
        true
    }

    fn input(&self, choices: &mut Choices) -> String {
        format!("{}\n{{\"input\":{},\"context\":{{}}}}", expression(choices), document(choices))
    }

    /// The same expression gives the same answer.
    fn check(&self, input: &str) -> Result<(), String> {
        let (source, states) = parts(input)?;
        let expression = Expression::parse(source).map_err(|error| format!("refused: {error}"))?;
        let answer = || {
            let (budget, host) = (StateBudget::new(), sample::Seeded::of(source));
            expression.evaluate(&sample::scope_on(&states, &budget, &host))
        };
        let first = answer();
        if let Err(error) = &first
            && error.to_string().is_empty()
        {
            return Err("an error without words".to_owned());
        }
        if first == answer() { Ok(()) } else { Err("a second evaluation answers otherwise".to_owned()) }
    }

    fn looks(&self) -> u32 {
        2
    }
}

impl Target for Paths {
    fn name(&self) -> &'static str {
        "heavy-paths"
    }

    fn share(&self) -> u64 {
        SHARE
    }

    fn is_heavy(&self) -> bool {
        true
    }

    fn input(&self, choices: &mut Choices) -> String {
        format!("{}\n{{\"input\":{},\"context\":{{}}}}", query(choices), document(choices))
    }

    fn check(&self, input: &str) -> Result<(), String> {
        let (source, states) = parts(input)?;
        let query = Query::parse(source).map_err(|error| format!("refused: {error:?}"))?;
        let (budget, host) = (StateBudget::new(), sample::Seeded::of(source));
        match query.evaluate("Parameters/x", &sample::scope_on(&states, &budget, &host)) {
            Err(error) if error.cause.is_empty() => Err("an error without a cause".to_owned()),
            _ => Ok(()),
        }
    }
}

/// The first line, and the JSON behind it.
fn parts(input: &str) -> Result<(&str, Value), String> {
    let (source, states) = input.split_once('\n').ok_or("an input without a document")?;
    let states = serde_json::from_str(states).map_err(|error| format!("no document: {error}"))?;
    Ok((source, states))
}

/// A request to test a state.
pub(super) fn request(definition: &str, input: &str, mock: Option<&str>) -> String {
    let mock = mock.map_or(Value::Null, |result| json!({ "result": result, "fieldValidationMode": "NONE" }));
    json!({"definition": definition, "input": input, "inspectionLevel": "DEBUG", "mock": mock}).to_string()
}
