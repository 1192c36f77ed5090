//! JSONata: parser, evaluator, functions.

use asl::jsonata::FailureKind;
use asl::{Expression, StateBudget};

use super::mutate::{edited, mutated};
use super::{Choices, Target, sample};

const CORPUS: [&str; 34] = [
    "$states.input.lines.(price * qty)",
    "$sum($states.input.lines.(price * qty))",
    "$states.input.lines[price > 5][0].sku",
    "$states.input.lines^(>price, sku).sku",
    "$states.input.lines{sku: $sum(qty)}",
    "$states.input.**.v",
    "$states.input.tree.kids.%.v",
    "$states.input.lines@$l#$i.{'at': $i, 'sku': $l.sku}",
    "$map($list, function($v, $i, $a) { $v + $i + $count($a) })",
    "$filter($list, λ($v) { $v > 1 })",
    "$reduce($list, function($a, $b) { $a + $b }, 10)",
    "$sort($list, function($a, $b) { $a < $b })",
    "($f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f(20))",
    "($g := $substring(?, 1, 2); $g('hello'))",
    "$states.input ~> |tree|{'v': v + 1}, ['kids']|",
    "$states.input.text ~> $uppercase ~> $length",
    "'a' & 1 & true & null & [1, {'b': 2}]",
    "[1..5, 'x', [6..3]]",
    "{'a': 1, 'b': [$states.input.n], $states.input.id: {}}",
    "$replace('abracadabra', /a(.)/i, '$1$0$$')",
    "$match($states.input.text, /[a-z]+/, 3)",
    "$split('a, b,,c', /\\s*,\\s*/)",
    "$states.input.n > 3 and $not($states.input.no) or false",
    "$states.input.missing ? 1 : $exists($states.input.id) ? 2",
    "$fromMillis($states.input.millis, '[Y0001]-[M01]-[D01] [FNn]', '+0200')",
    "$toMillis('3rd March 2020', '[D1o] [MNn] [Y]')",
    "$formatNumber(1234.5, '#,##0.00;(#)', {'minus-sign': '~'})",
    "$formatInteger(1999, 'w;o')",
    "$each($record, function($v, $k) { $k & ':' & $v })",
    "$merge([$record, {'c': 3}])",
    "$lookup($record, 'a')",
    "$states.input.`odd keys`.`a b`",
    "/* a comment */ 1 in $list",
    "$single($list, function($v) { $v = 3 })",
];
const WORDS: [&str; 76] = [
    "$",
    "$$",
    "$states",
    "$list",
    "$name",
    "$f",
    "input",
    "lines",
    "price",
    "kids",
    ".",
    "..",
    "*",
    "**",
    "%",
    "@",
    "#",
    "@$x",
    "#$y",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "[]",
    "()",
    "|",
    "?",
    ":",
    ":=",
    ";",
    ",",
    "+",
    "-",
    "/",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "~>",
    "&",
    "^(",
    "and",
    "or",
    "in",
    "function($x)",
    "λ",
    "function($x)<n-n>{",
    "true",
    "null",
    "'",
    "\"",
    "`",
    "\\",
    "\\u00e9",
    "/a*/",
    "/(?=a)/i",
    "0",
    "1e308",
    "1e-320",
    "9007199254740993",
    "0.1",
    "??",
    "?:",
    "!",
    "$eval('1')",
    "/*",
    "*/",
    "$map",
    "$string",
    "é",
    "undefined",
    "\u{0}",
];

/// Expressions made by the grammar.
pub(super) struct Generated;

/// Expressions that are almost right.
pub(super) struct Mutated;

/// Functions with arguments of every kind.
pub(super) struct Arguments;

/// Depth, length and effort.
pub(super) struct Hostile;

/// What holds for every text: it is an expression or it is not, always; its
/// answer is always the same, bounded, and an error says what happened.
fn check(input: &str) -> Result<(), String> {
    let expression = match Expression::parse(input) {
        Ok(expression) => expression,
        Err(error) if error.message.is_empty() => return Err("a refusal without words".to_owned()),
        Err(error) => {
            return match Expression::parse(input) {
                Err(again) if again == error => Ok(()),
                _ => Err("a second reading ends otherwise".to_owned()),
            };
        }
    };
    if expression.source() != input.trim() {
        return Err(format!("the source became {:?}", expression.source()));
    }
    let answer = || {
        let (budget, host) = (StateBudget::new(), sample::Seeded::of(input));
        expression.evaluate(&sample::scope(&budget, &host))
    };
    let first = answer();
    match &first {
        // The words of `$error` are those of the expression.
        Err(error)
            if error.message.is_empty() && error.code.is_empty() && error.kind == FailureKind::Raised =>
        {
            return Err("an error without words".to_owned());
        }
        Ok(Some(value)) if value.to_string().len() > 2 * asl::limits::JSONATA_OUTPUT_BYTES_MAX => {
            return Err("the result is too large".to_owned());
        }
        _ => {}
    }
    let second = answer();
    if first == second { Ok(()) } else { Err(format!("answers {first:?}, then {second:?}")) }
}

impl Target for Generated {
    fn name(&self) -> &'static str {
        "jsonata-generated"
    }

    fn share(&self) -> u64 {
        2_500
    }

    fn input(&self, choices: &mut Choices) -> String {
        expression(choices, 4)
    }

    fn looks(&self) -> u32 {
        2
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check(input)
    }
}

fn expression(choices: &mut Choices, depth: usize) -> String {
    if depth == 0 {
        return leaf(choices);
    }
    let below = depth - 1;
    let operator = |choices: &mut Choices| {
        choices.pick(&[
            "+", "-", "*", "/", "%", "&", "=", "!=", "<", "<=", ">", ">=", "and", "or", "in", "~>", ".", "..",
        ])
    };
    match choices.below(20) {
        0..=2 => leaf(choices),
        3..=5 => {
            format!("({} {} {})", expression(choices, below), operator(choices), expression(choices, below))
        }
        6 => format!("{}[{}]", expression(choices, below), expression(choices, below)),
        7 => format!("{}.{}", path(choices), expression(choices, below)),
        8 => format!("[{}, {}]", expression(choices, below), expression(choices, below)),
        9 => format!("{{{}: {}}}", expression(choices, below), expression(choices, below)),
        10 => format!("{}{{{}: {}}}", path(choices), leaf(choices), expression(choices, below)),
        11 => format!(
            "{} ? {} : {}",
            expression(choices, below),
            expression(choices, below),
            expression(choices, below)
        ),
        12 => format!("{}^({}{})", path(choices), choices.pick(&["<", ">", ""]), expression(choices, below)),
        13 => format!("($x := {}; {})", expression(choices, below), expression(choices, below)),
        14 => {
            let function =
                choices.pick(&["$map", "$filter", "$reduce", "$single", "$sort", "$each", "$sift"]);
            format!(
                "{function}({}, function($v, $i) {{ {} }})",
                expression(choices, below),
                expression(choices, below)
            )
        }
        15 => format!("{} ~> |{}|{{'z': {}}}|", path(choices), path(choices), expression(choices, below)),
        16 => format!(
            "{}{}.{}",
            path(choices),
            choices.pick(&["@$x", "#$i", "@$x#$i"]),
            expression(choices, below)
        ),
        17 => format!("[{}..{}]", leaf(choices), leaf(choices)),
        _ => call(choices, below),
    }
}

fn leaf(choices: &mut Choices) -> String {
    match choices.below(4) {
        0 => choices
            .pick(&[
                "0",
                "1",
                "-1",
                "2.5",
                "1e3",
                "100",
                "'a'",
                "\"\"",
                "'é😀'",
                "true",
                "false",
                "null",
                "[]",
                "{}",
                "'2025-01-01'",
                "/a/",
                "/x*/",
            ])
            .to_owned(),
        1 => choices
            .pick(&["$list", "$name", "$limit", "$record", "$x", "$v", "$i", "$", "$$", "$missing"])
            .to_owned(),
        _ => path(choices),
    }
}

fn path(choices: &mut Choices) -> String {
    let mut path = "$states.input".to_owned();
    for _ in 0..choices.below(4) {
        path.push('.');
        path.push_str(choices.pick(&[
            "id",
            "n",
            "neg",
            "text",
            "none",
            "blank",
            "one",
            "deep",
            "mixed",
            "tags",
            "lines",
            "price",
            "sku",
            "of",
            "tree",
            "kids",
            "v",
            "*",
            "**",
            "%",
            "missing",
            "`odd keys`",
            "when",
            "millis",
        ]));
        if choices.once_in(4) {
            path.push_str(choices.pick(&["[0]", "[-1]", "[]", "[$ > 1]", "[price]", "[[0..1]]"]));
        }
    }
    path
}

fn call(choices: &mut Choices, depth: usize) -> String {
    let function = choices.pick(&FUNCTIONS);
    let arguments: Vec<String> = (0..choices.below(4)).map(|_| expression(choices, depth)).collect();
    format!("${function}({})", arguments.join(", "))
}

/// What 2.0.6 and AWS have.
const FUNCTIONS: [&str; 68] = [
    "abs",
    "append",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "each",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "eval",
    "exists",
    "filter",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "hash",
    "join",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "map",
    "match",
    "max",
    "merge",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "pad",
    "parse",
    "parseInteger",
    "partition",
    "power",
    "random",
    "range",
    "reduce",
    "replace",
    "reverse",
    "round",
    "shuffle",
    "sift",
    "single",
    "sort",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "type",
    "uppercase",
    "zip",
];

impl Target for Mutated {
    fn name(&self) -> &'static str {
        "jsonata-mutated"
    }

    fn share(&self) -> u64 {
        2_500
    }

    fn input(&self, choices: &mut Choices) -> String {
        match choices.below(12) {
            0 => choices.noise(60),
            1 => (0..choices.below(25))
                .map(|_| choices.pick(&WORDS))
                .collect::<Vec<_>>()
                .join(choices.pick(&["", " "])),
            2 => {
                let text = expression(choices, 3);
                edited(choices, &text, &CORPUS, &WORDS)
            }
            _ => mutated(choices, &CORPUS, &WORDS),
        }
    }

    fn looks(&self) -> u32 {
        2
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check(input)
    }
}

impl Target for Arguments {
    fn name(&self) -> &'static str {
        "jsonata-arguments"
    }

    fn share(&self) -> u64 {
        1_500
    }

    fn input(&self, choices: &mut Choices) -> String {
        let function = choices.pick(&FUNCTIONS);
        let arguments: Vec<String> = (0..=choices.below(4)).map(|_| argument(choices)).collect();
        format!("${function}({})", arguments.join(", "))
    }

    fn looks(&self) -> u32 {
        2
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check(input)
    }
}

/// Numbers at the edges.
const NUMBERS: [&str; 18] = [
    "0",
    "-0",
    "1",
    "-1",
    "0.5",
    "2.5",
    "1e3",
    "1e12",
    "1e21",
    "1e300",
    "-1e300",
    "5e-324",
    "4503599627370497.5",
    "9007199254740993",
    "8.64e15",
    "8.65e15",
    "1/0",
    "0/0",
];

/// Pictures of numbers, integers and dates.
const PICTURES: [&str; 27] = [
    "#,##0.00",
    "0",
    "000",
    "##,##,##0",
    "w",
    "W",
    "Ww;o",
    "i",
    "I",
    "a",
    "A",
    "1;o",
    "#0.0e0",
    "0%",
    "‰0",
    "[Y0001]-[M01]-[D01]",
    "[D1o] [MNn,3-3] [Yw]",
    "[F], [H01]:[m]:[s].[f001] [Z0101t]",
    "[X]-W[W]-[F1] [w] [x]",
    "[h]:[m] [P]",
    "[z]",
    "[",
    "[q]",
    "٠",
    "α",
    ";",
    "",
];

/// Regular expressions.
const PATTERNS: [&str; 14] = [
    "a+",
    "(a|b)*c",
    "[a-z]{2,3}",
    "(?=a)b",
    "(?<!x)y",
    "(\\w)\\1",
    "\\bfoo\\b",
    "^.$",
    "x*",
    "(a+)+$",
    "(?<n>a)\\k<n>",
    "[^\\s\\d-z]",
    "\\u00e9|\\x41",
    ".{3,}?",
];

/// Arrays, objects and what is neither.
const VALUES: [&str; 10] = [
    "[1..1000]",
    "['a', 'b']",
    "[1, 2, 2, 1]",
    "[[1], [2, [3]]]",
    "{'a': 1, 'b': 2}",
    "[{'a': 1}, {'a': 2}]",
    "[]",
    "{}",
    "null",
    "true",
];

/// Functions.
const FUNCTION_VALUES: [&str; 6] = [
    "function($v) { $v }",
    "function($a, $b) { $a > $b }",
    "$sum",
    "$string",
    "function($v)<n-n> { $v * 2 }",
    "λ() { 1 }",
];

/// Texts that functions read.
const TEXTS: [&str; 10] = [
    "'2025-06-30T23:59:59Z'",
    "'SHA-256'",
    "'MD5'",
    "'{\"a\": [1, 2.50]}'",
    "'%E2%82%AC%zz'",
    "'twelve hundred and first'",
    "'MCMXC'",
    "'0x1F'",
    "'1,234.5'",
    "'äöü€😀'",
];

fn argument(choices: &mut Choices) -> String {
    match choices.below(8) {
        0 => choices.pick(&NUMBERS).to_owned(),
        1 => {
            let picture = choices.pick(&PICTURES);
            let words = &["#", "0", ",", ".", "e", ";", "[", "]", "9", "-", "*", "Nn"];
            let picture = edited(choices, picture, &["[Y]", "#,0.0"], words);
            format!("'{}'", picture.replace(['\'', '\\'], ""))
        }
        2 => {
            let pattern = choices.pick(&PATTERNS);
            let words = &[
                "(", ")", "[", "]", "{2}", "{9999}", "*", "+", "?", "|", "\\", "^", "$", ".", "\\b", "(?:",
                "\\1",
            ];
            let pattern = edited(choices, pattern, &["(a*)*", "a|"], words).replace('/', "");
            let pattern = if pattern.is_empty() { "a" } else { &pattern };
            format!("/{pattern}/{}", choices.pick(&["", "i", "m", "im"]))
        }
        3 => {
            let text = choices.noise(20);
            format!("'{}'", text.replace(['\'', '\\'], ""))
        }
        4 => choices.pick(&VALUES).to_owned(),
        5 => choices.pick(&FUNCTION_VALUES).to_owned(),
        6 => choices.pick(&TEXTS).to_owned(),
        _ => leaf(choices),
    }
}

impl Target for Hostile {
    fn name(&self) -> &'static str {
        "jsonata-hostile"
    }

    fn share(&self) -> u64 {
        100
    }

    /// Many of them go up to the bound on memory. The promise is about one evaluation:
    /// two at a time would take twice as much, and be measured as one.
    fn is_heavy(&self) -> bool {
        true
    }

    fn input(&self, choices: &mut Choices) -> String {
        let many = [10, 99, 101, 300, 3_000, 30_000][choices.below(6)];
        let nested = |open: &str, middle: &str, close: &str| {
            format!("{}{middle}{}", open.repeat(many), close.repeat(many))
        };
        match choices.below(24) {
            0 => nested("(", "1", ")"),
            1 => nested("[", "1", "]"),
            2 => nested("{'a':", "1", "}"),
            // Three times the work with every level; the bound on time ends that after seconds.
            3 if choices.once_in(100) => nested("$map($list, function($v) {", "$v", "})"),
            3 => nested("$map([1], function($v) {", "$v", "})"),
            4 => nested("function($x) {", "1", "}"),
            5 => nested("true ? ", "1", " : 2"),
            6 => nested("$string(", "1", ")"),
            7 => nested("-", "1", ""),
            8 => nested("a.", "a", ""),
            9 => nested("1 + ", "1", ""),
            10 => nested("'x' & ", "'x'", ""),
            11 => nested("$states.input.", "lines", "[0]"),
            12 => nested("", "$list", "^($)"),
            13 => nested("", "$list", " ~> $reverse"),
            14 => nested("$states ~> |**|{'a':", "1", "}|"),
            15 => format!("/{}/", nested("(", "a", ")")),
            16 => format!("($f := function($n) {{ $n = 0 ? 0 : 1 + $f($n - 1) }}; $f({many}))"),
            17 => format!("($f := function($n) {{ $n = 0 ? 0 : $f($n - 1) }}; $f({many}))"),
            18 => format!("$length($reduce([1..{many}], function($a, $b) {{ $a & $a }}, 'x'))"),
            19 => format!("$count([1..{many}].[1..{many}])"),
            20 => format!("$pad('x', {many}{many}, 'ab')"),
            21 => format!("$match('{}', /(a|a)*b|(a+)+$/)", "a".repeat(many)),
            22 => format!("$replace('{}', /(?=(a+))a*b\\1/, 'x')", "a".repeat(many)),
            _ => format!(
                "($s := '{}'; $split($s, '') ~> $distinct ~> $join)",
                choices.noise(200).replace(['\'', '\\'], "").repeat(many / 100 + 1)
            ),
        }
    }

    fn looks(&self) -> u32 {
        2
    }

    fn check(&self, input: &str) -> Result<(), String> {
        check(input)
    }
}
