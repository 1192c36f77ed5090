use super::*;

/// The first four matches, as `match(group)(group) | …`; `-` is a group that took no part.
fn found(regex: &Regex, text: &str) -> String {
    let mut rendered = Vec::new();
    let mut from = 0;
    while rendered.len() < 4
        && from <= text.len()
        && let Some(found) = regex.find_at(text, from).expect("within the budget")
    {
        let groups: Vec<&str> = found.groups.iter().map(|group| group.unwrap_or("-")).collect();
        let groups = if groups.is_empty() { String::new() } else { format!("({})", groups.join(")(")) };
        rendered.push(format!("{}{groups}", found.text));
        from = found.end;
        if found.start == found.end {
            from += text[from..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rendered.join(" | ")
}

/// Measured with a JavaScript engine (V8 11.3).
#[test]
fn patterns_match_what_they_match_in_javascript() {
    for (pattern, flags, text, matches) in [
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
    ] {
        let regex = Regex::new(pattern, flags).unwrap_or_else(|raised| panic!("{pattern}: {raised:?}"));
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
        let message = format!("Invalid regular expression: /{pattern}/: {reason}");
        assert_eq!(Regex::new(pattern, "").expect_err(pattern), Raised::new("", message));
    }
}

#[test]
fn walking_over_matches_ends_as_recorded() {
    let walk = |pattern: &str, text: &str| -> Vec<Result<String, &'static str>> {
        let regex = Regex::new(pattern, "").expect(pattern);
        let mut next = regex.find_at(text, 0).transpose();
        let mut all = Vec::new();
        while let Some(found) = next {
            all.push(found.clone().map(|found| found.text.to_owned()).map_err(|raised| raised.code));
            next = found.ok().and_then(|found| regex.find_after(text, found.end).transpose());
        }
        all
    };
    assert_eq!(walk("b+", "abbab"), [Ok("bb".to_owned()), Ok("b".to_owned())]);
    assert_eq!(walk("x*", ""), [Ok(String::new())]);
    assert_eq!(walk("x*", "abc"), [Ok(String::new()), Err("D1004")]);
    assert_eq!(walk("x*", "xay"), [Ok("x".to_owned()), Err("D1004")]);
    assert_eq!(walk("x*", "xx"), [Ok("xx".to_owned())]);
    assert_eq!(walk("y", "abc"), []);
}

#[test]
fn hostile_patterns_and_texts_end() {
    let long = "a".repeat(250_000);
    for pattern in [
        "(a|a)*b",
        "(a*)*b",
        "(?:a?){1000}b",
        "a{1000}{1000}",
        "(?:){1000000}",
        "((a{100}){100}){100}",
        "[a-z]{9999999}",
    ] {
        if let Ok(regex) = Regex::new(pattern, "") {
            let _ = regex.find_at(&long, 0);
        }
    }
    let short = "a".repeat(5_000);
    for pattern in ["(a+)+\\1b", "(?=(a*)*b)a", "(?<=a*)b", "(?!.*b)c", "(.*)(.*)(.*)\\1\\2\\3b"] {
        let regex = Regex::new(pattern, "").expect(pattern);
        let _ = regex.find_at(&short, 0);
        assert!(regex.find_at(&long, 0).is_err(), "{pattern}");
    }
    for pattern in [
        "(".repeat(100_000),
        "[".repeat(100_000),
        "a|".repeat(100_000),
        "\\b".repeat(50_000),
        "(?:".repeat(200) + &")".repeat(200),
        "(?=a)".repeat(20_000),
        "(?=".repeat(90) + &")".repeat(90),
    ] {
        let _ = Regex::new(&pattern, "im");
    }
}
