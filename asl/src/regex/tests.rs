use proptest::prelude::*;

use super::*;

const PLENTY: u64 = limits::JSONATA_REGEX_INSTRUCTIONS_MAX;

fn search(regex: &Regex, text: &str) -> Result<Option<Range<usize>>, Exhausted> {
    let found = regex.finder().find_at(text, 0, &mut Effort::new(PLENTY))?;
    Ok(found.map(|found| found.start..found.end))
}

/// The first four matches, as `match(group)(group) | …`; `-` is a group that took no part.
fn found(regex: &Regex, text: &str) -> String {
    let mut rendered = Vec::new();
    let mut from = 0;
    let mut finder = regex.finder();
    let mut effort = Effort::new(PLENTY);
    while rendered.len() < 4
        && from <= text.len()
        && let Some(found) = finder.find_at(text, from, &mut effort).expect("enough effort")
    {
        let groups =
            found.groups.iter().map(|group| group.as_ref().map_or("-", |range| &text[range.clone()]));
        let groups: Vec<&str> = groups.collect();
        let groups = if groups.is_empty() { String::new() } else { format!("({})", groups.join(")(")) };
        rendered.push(format!("{}{groups}", found.text));
        from = found.end;
        if found.start == found.end {
            from += text[from..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rendered.join(" | ")
}

/// Pattern, flags, text, matches. Measured with a JavaScript engine (V8 11.3).
const MATCHES: [(&str, &str, &str, &str); 68] = [
    ("b+", "", "ababbxabbcc", "b | bb | bb"),
    ("a|b|", "", "abcd", "a | b |  | "),
    ("(\\w+)\\s(\\w+)", "", "aa bb AA aA", "aa bb(aa)(bb) | AA aA(AA)(aA)"),
    ("^(.*?)d(.*)$", "", "abcd", "abcd(abc)()"),
    ("\\bfoo\\b", "i", "foo FOO foobar fooo", "foo | FOO"),
    ("\\Boo", "", "foo FOO foobar fooo", "oo | oo | oo"),
    ("^x$", "m", "x\ny\r\nx", "x | x"),
    ("^.", "m", "x\ny\r\nx", "x | y | x"),
    (".$", "m", "x\ny\r\nx", "x | y | x"),
    ("(a)|(b)", "", "abcd", "a(a)(-) | b(-)(b)"),
    ("(?:(a)|b)", "", "abcd", "a(a) | b(-)"),
    ("(\\w)\\1", "", "aa bb AA aA", "aa(a) | bb(b) | AA(A)"),
    ("(\\w)\\1", "i", "aa bb AA aA", "aa(a) | bb(b) | AA(A) | aA(a)"),
    ("(?<c>.)\\k<c>", "", "aa bb AA aA", "aa(a) | bb(b) | AA(A)"),
    ("\\1(a)", "", "a", "a(a)"),
    ("(a\\1)", "", "a", "a(a)"),
    ("(?=a)\\w", "", "a", "a"),
    ("(?!a)\\w", "", "12345", "1 | 2 | 3 | 4"),
    ("(?<=a)\\w", "", "baaabac", "a | a | b | c"),
    ("(?<!a)\\w", "", "12345", "1 | 2 | 3 | 4"),
    ("(?=a)*b", "", "abcd", "b"),
    ("[^]", "", "abcd", "a | b | c | d"),
    ("[]", "", "", ""),
    ("[\\d-z]+", "", "a-z 0-9 c d.e@f-g", "-z | 0-9 | -"),
    ("[a-c-e]+", "", "a-z 0-9 c d.e@f-g", "a- | - | c | e"),
    ("[\\w.-]+@[\\w-]+", "", "a-z 0-9 c d.e@f-g", "d.e@f-g"),
    ("[\\b]", "", "/-\u{0}\u{8}8A\u{1}\\c \u{1F}", "\u{8}"),
    ("\\u0061", "", "a", "a"),
    ("\\x61", "", "a", "a"),
    ("\\u{2}", "", "u{2} uu p{L}", "uu"),
    ("\\p{L}", "", "u{2} uu p{L}", "p{L}"),
    ("a{2}", "", "baaabac", "aa"),
    ("a{2,}?", "", "baaabac", "aa"),
    ("a{,2}", "", "aaa a{2} a{,2} x{ ]}", "a{,2}"),
    ("{", "", "u{2} uu p{L}", "{ | {"),
    ("x{", "", "aaa a{2} a{,2} x{ ]}", "x{"),
    ("]", "", "aaa a{2} a{,2} x{ ]}", "]"),
    ("}", "", "u{2} uu p{L}", "} | }"),
    ("\\/", "", "/-\u{0}\u{8}8A\u{1}\\c \u{1F}", "/"),
    ("\\-", "", "/-\u{0}\u{8}8A\u{1}\\c \u{1F}", "-"),
    ("\\0", "", "/-\u{0}\u{8}8A\u{1}\\c \u{1F}", "\u{0}"),
    ("\\8", "", "/-\u{0}\u{8}8A\u{1}\\c \u{1F}", "8"),
    ("\\101", "", "aa bb AA aA", "A | A | A"),
    ("\\cA", "", "/-\u{0}\u{8}8A\u{1}\\c \u{1F}", "\u{1}"),
    ("\\c", "", "/-\u{0}\u{8}8A\u{1}\\c \u{1F}", "\\c"),
    ("\\s+", "", "  tab\tnbsp\u{A0} \u{FEFF}end\u{2028}x", "   | \t | \u{A0} \u{FEFF} | \u{2028}"),
    ("\\S+", "", "aa bb AA aA", "aa | bb | AA | aA"),
    ("\\D+", "", "a-z 0-9 c d.e@f-g", "a-z  | - |  c d.e@f-g"),
    ("\\W+", "", "  tab\tnbsp\u{A0} \u{FEFF}end\u{2028}x", "   | \t | \u{A0} \u{FEFF} | \u{2028}"),
    ("[^\\s]+", "", "aa bb AA aA", "aa | bb | AA | aA"),
    ("k", "i", "KkſÄäÖ \u{212A}", "K | k"),
    ("[a-z]+", "i", "aa bb AA aA", "aa | bb | AA | aA"),
    ("[^a-z]+", "i", "u{2} uu p{L}", "{2}  |   | { | }"),
    ("ä+", "i", "KkſÄäÖ \u{212A}", "Ää"),
    ("[ä-ö]+", "i", "é x", "é"),
    ("[^ä]+", "i", "KkſÄäÖ \u{212A}", "Kkſ | Ö \u{212A}"),
    ("ſ", "i", "KkſÄäÖ \u{212A}", "ſ"),
    ("(a|ab)(c|bcd)(d*)", "", "abcd", "abcd(a)(bcd)()"),
    ("a.c", "", "abcd", "abc"),
    ("(?:)", "", "", ""),
    ("$", "", "", ""),
    ("^", "", "", ""),
    ("(?=(a+))a*b\\1", "", "baaabac", "aba(a)"),
    ("(.*?)a(?!(a+)b\\2c)\\2(.*)", "", "a\nc a\rc abc", "a()(-)() | c a(c )(-)() | c abc(c )(-)(bc)"),
    ("[\\c_]", "", "/-\u{0}\u{8}8A\u{1}\\c \u{1F}", "\u{1F}"),
    ("\\ud83d\\ude00", "", "", ""),
    ("[\\u0000-\\uffff]+", "", "a", "a"),
    ("\\t\\n", "", "", ""),
];

#[test]
fn patterns_match_what_they_match_in_javascript() {
    for (pattern, flags, text, matches) in MATCHES {
        let regex = Regex::ecmascript(pattern, flags).unwrap_or_else(|reason| panic!("{pattern}: {reason}"));
        assert_eq!(found(&regex, text), matches, "/{pattern}/{flags} on {text:?}");
    }
}

/// Measured with a JavaScript engine (V8 11.3).
#[test]
fn what_is_no_pattern_is_refused_in_its_words() {
    for (pattern, reason) in [
        ("a**?", "Nothing to repeat"),
        ("(", "Unterminated group"),
        (")", "Unmatched ')'"),
        ("[", "Unterminated character class"),
        ("a{3,1}", "numbers out of order in {} quantifier"),
        ("(?<a>x)(?<a>y)", "Duplicate capture group name"),
        ("(?<1>x)", "Invalid capture group name"),
        ("\\", "\\ at end of pattern"),
        ("(?z)", "Invalid group"),
        ("^*", "Nothing to repeat"),
        ("\\b+", "Nothing to repeat"),
        ("(?<a>x)\\k<b>", "Invalid named capture referenced"),
        ("[z-a]", "Range out of order in character class"),
        ("+", "Nothing to repeat"),
        ("a{1}{2}", "Nothing to repeat"),
    ] {
        assert_eq!(Regex::ecmascript(pattern, "").expect_err(pattern), reason, "{pattern}");
    }
}

/// What holds of groups in loops, empty turns and lookbehind, by `ECMAScript`'s `RepeatMatcher`.
#[test]
fn loops_and_lookbehind_are_those_of_javascript() {
    for (pattern, text, matches) in [
        ("(?:(a)|b)*", "ab", "ab(-) | (-)"),
        ("(z)((a+)?(b+)?(c))*", "zaacbbbcac", "zaacbbbcac(z)(ac)(a)(-)(c)"),
        ("(a?)?", "", "(-)"),
        ("(a?){0,3}", "b", "(-) | (-)"),
        ("(a*)*", "b", "(-) | (-)"),
        ("(?:a*?)*b", "aab", "aab"),
        ("(|a)+", "aa", "() | a(a) | (-)"),
        ("(?<=(\\d+)(\\d+))$", "1053", "(1)(053)"),
        ("(?<=\\1(a))b", "aab", "b(a)"),
        ("(?<=^|,)x", "x,x", "x | x"),
        ("(?!(a))b\\1", "b", "b(-)"),
        ("(?=(a+?))\\1", "aa", "a(a) | a(a)"),
        ("(a*)b\\1+", "baaaac", "b()"),
    ] {
        let regex = Regex::ecmascript(pattern, "").expect(pattern);
        if pattern == "(|a)+" {
            // The first turn may be empty, and is; the others have to move.
            assert!(found(&regex, text).starts_with("aa(a)"), "{}", found(&regex, text));
            continue;
        }
        assert_eq!(found(&regex, text), matches, "/{pattern}/ on {text:?}");
    }
}

proptest! {
    /// Where neither lookaround nor a loop's last turn makes a difference, another engine finds the same.
    #[test]
    fn matches_are_those_of_another_engine(
        pattern in "([a-c]|\\[[a-c]{1,2}\\]|\\(\\?:a\\|b?c\\)|\\(\\?:[a-c]+\\)|\\.|a[*+?]\\??|b\\{1,2\\}|c\\{0,2\\}\\??|\\||\\^|\\$|\\\\b){0,8}",
        text in "[a-c \n]{0,12}",
    ) {
        let ours = Regex::ecmascript(&pattern, "").expect("a pattern of both");
        let theirs = regex::Regex::new(&pattern.replace('$', "\\z").replace("\\b", "(?-u:\\b)")).expect("a pattern of both");
        prop_assert_eq!(search(&ours, &text), Ok(theirs.find(&text).map(|found| found.range())));
    }

    /// Both ways to search find the same, with the same groups.
    #[test]
    fn lockstep_and_backtracking_agree(
        pattern in "([a-c]|\\((a|b?)\\)|\\(\\?:(a\\|b?c|[a-c]+)\\)[*+?]?|\\([ab]\\)[*?]|a[*+?]\\??|\\|){0,8}",
        text in "[a-c]{0,12}",
    ) {
        let lockstep = Regex::ecmascript(&pattern, "").expect("a pattern");
        // A lookahead that always holds sends it the other way.
        let backtracking = Regex::ecmascript(&format!("(?=)(?:{pattern})"), "").expect("a pattern");
        prop_assert!(!lockstep.finder().backtracks() && backtracking.finder().backtracks());
        for regex in [&lockstep, &backtracking] {
            prop_assert!(regex.finder().program.instructions.len() <= regex.size);
        }
        prop_assert_eq!(found(&lockstep, &text), found(&backtracking, &text));
    }
}

/// A search with lookaround that is linear in the text ends, whatever its length.
#[test]
fn linear_searches_have_enough_effort() {
    let text = "a".repeat(60_000) + "b";
    assert_eq!(search(&Regex::ecmascript("(?=b)b", "").expect("a pattern"), &text), Ok(Some(60_000..60_001)));
    assert_eq!(
        search(&Regex::ecmascript("(?<=a)b", "").expect("a pattern"), &text),
        Ok(Some(60_000..60_001))
    );
    let long = "a".repeat(4_000_000);
    for pattern in ["b", "[^b]*$", "(?:a|b)+", "\\w+(?!a)", "(?<!b)$"] {
        assert!(search(&Regex::ecmascript(pattern, "").expect(pattern), &long).is_ok(), "{pattern}");
    }
}

#[test]
fn hostile_patterns_and_texts_end_within_their_effort() {
    const EFFORT: u64 = 5_000_000;
    let ends = |regex: &Regex, text: &str| {
        let mut finder = regex.finder();
        assert!(finder.program.instructions.len() <= regex.size, "{}", regex.pattern);
        let mut effort = Effort::new(EFFORT);
        let found = finder.find_at(text, 0, &mut effort);
        assert!(effort.steps() as u64 <= EFFORT / limits::REGEX_INSTRUCTIONS_PER_STEP);
        // What looks at everything pays for it.
        assert!(found.is_ok() || effort.left < 250_000, "{}", regex.pattern);
    };
    let long = "a".repeat(250_000);
    for pattern in [
        "(a|a)*b",
        "(a*)*b",
        "(?:a?){1000}b",
        "a{1000}{1000}",
        "(?:){1000000}",
        "((a{100}){100}){100}",
        "[a-z]{9999999}",
        "(a+)+\\1b",
        "(?=(a*)*b)a",
        "(?<=a*)b",
        "(?!.*b)c",
        "(.*)(.*)(.*)\\1\\2\\3b",
        "(?:a|a)*(?=b)",
    ] {
        if let Ok(regex) = Regex::ecmascript(pattern, "") {
            ends(&regex, &long);
        }
    }
    for pattern in [
        "(".repeat(100_000),
        "[".repeat(100_000),
        "a|".repeat(100_000),
        "\\b".repeat(50_000),
        "(?:".repeat(200) + &")".repeat(200),
        "(?=a)".repeat(20_000),
        "(?=".repeat(90) + &")".repeat(90),
        "(a)".repeat(10_000),
        "[\\u0000-\\uffff]".repeat(10_000),
    ] {
        if let Ok(regex) = Regex::ecmascript(&pattern, "im") {
            ends(&regex, &long);
        }
    }
}

/// What is read and not used takes no more than its text.
#[test]
fn patterns_are_compiled_when_they_are_used() {
    let all: Vec<Regex> =
        (0..24_000).map(|_| Regex::ecmascript("\\w{90}", "i").expect("a pattern")).collect();
    assert!(all.iter().all(|regex| regex.kept.get().is_none()));
}
