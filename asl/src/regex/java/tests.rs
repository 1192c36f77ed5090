use crate::regex::{Effort, Regex};

fn matches(pattern: &str, flags: &str, text: &str) -> bool {
    let regex = Regex::java(pattern, flags).unwrap_or_else(|reason| panic!("{pattern}: {reason}"));
    regex.finder().is_match(text, &mut Effort::new(1_000_000)).expect("enough effort")
}

type Texts = &'static [&'static str];

/// Pattern, flags, texts that match and others that do not. By the documentation of
/// `java.util.regex.Pattern`.
const MATCHES: [(&str, &str, Texts, Texts); 70] = [
    ("a.c", "", &["abc"], &["a\nc", "a\rc", "a\u{85}c", "xabc"]),
    ("a.c", "d", &["a\rc", "a\u{2028}c"], &["a\nc"]),
    ("a.c", "s", &["a\nc"], &[]),
    (r"\d+", "", &["09"], &["٣"]),
    (r"\d+", "U", &["٣"], &["a"]),
    (r"[\w-]+", "", &["a-b_1"], &["ä"]),
    (r"\w+", "U", &["äß١"], &["-"]),
    (r"\s", "", &[" ", "\u{b}"], &["\u{a0}", "\u{85}"]),
    (r"\h+", "", &[" \t\u{a0}\u{180e}\u{3000}"], &["\n"]),
    (r"[\H]", "", &["x"], &[" "]),
    (r"\v", "", &["\n", "\u{b}", "\u{85}", "\u{2029}"], &[" ", "v"]),
    (r"\R", "", &["\r\n", "\n", "\u{85}"], &["\n\r", ""]),
    (r"a\Z", "", &["a"], &["a\n", "b"]),
    (r"a\Z\n?", "", &["a", "a\n"], &["a\n\n"]),
    (r"a\Z\r\n", "", &["a\r\n"], &[]),
    (r"a\r\Z\n", "", &[], &["a\r\n"]),
    (r"a$\n", "", &["a\n"], &[]),
    ("a$\nb", "", &[], &["a\nb"]),
    ("a$\n^b", "m", &["a\nb"], &[]),
    ("a\n^", "m", &[], &["a\n"]),
    (r"\p{Alpha}\p{Digit}\p{Punct}\p{XDigit}", "", &["a1!f"], &["ä1!f"]),
    (r"\p{Lower}", "", &["a"], &["A", "ä"]),
    (r"\p{Lower}", "i", &["a", "A"], &["1"]),
    (r"\p{Alpha}", "U", &["ä"], &["1"]),
    (r"\p{L}\p{Lu}\pN\P{L}", "", &["äÄ٣-"], &["aa11"]),
    (r"\p{IsGreek}\p{IsAlphabetic}\p{script=Latin}\p{gc=Nd}", "", &["αβa1"], &["aaa1"]),
    (r"\p{javaUpperCase}\p{javaWhitespace}", "", &["Ä\u{1c}"], &["A\u{a0}"]),
    (r"\Qa.b\E+", "", &["a.b", "a.bbb"], &["axb"]),
    (r"\Qa.b", "", &["a.b"], &["axb"]),
    (r"[\Q^-]\E]+", "", &["^-]"], &["a"]),
    (r"(a)\1", "", &["aa"], &["ab"]),
    (r"(a)?b\1", "", &["aba"], &["b"]),
    (r"(?<x>a|b)\k<x>", "", &["aa", "bb"], &["ab"]),
    (r"(a)\11", "", &["aa1"], &["a1"]),
    (r"\1(a)", "", &[], &["a", "aa"]),
    ("(?=ab)ab", "", &["ab"], &["b"]),
    ("a(?<=a)(?<!b)b", "", &["ab"], &[]),
    ("a++b", "", &["aab"], &["b"]),
    ("a*+a", "", &[], &["aa"]),
    ("a{1,2}+a", "", &["aaa"], &["aa"]),
    ("(?>a|ab)c", "", &["ac"], &["abc"]),
    (r"a\/b", "", &["a/b"], &[]),
    ("a # comment", "x", &["a"], &["a # comment"]),
    ("a b [c d] # x\n e", "x", &["abce", "abde"], &["ab e"]),
    (r"a\ b", "x", &["a b"], &[]),
    ("(?i)ab(?-i)c", "", &["ABc"], &["ABC"]),
    ("(?i:a)b", "", &["Ab"], &["AB"]),
    ("a((?i)b)c", "", &["aBc"], &["aBC"]),
    ("a|(?i)b|c", "", &["a", "B", "C"], &["A"]),
    ("ä", "i", &["ä"], &["Ä"]),
    ("ä", "iu", &["Ä"], &["a"]),
    ("(?iu)k[i-s]", "", &["\u{212a}ſ", "Kİ"], &["kt"]),
    ("[a-c]", "i", &["B"], &["d"]),
    ("[^b]", "i", &["a"], &["B"]),
    ("[a-d[m-p]]", "", &["b", "n"], &["e"]),
    ("[a-z&&[def]]", "", &["e"], &["a"]),
    ("[a-z&&[^m-p]]", "", &["a"], &["n"]),
    ("[a-z&&def]", "", &["e"], &["a"]),
    ("[^a-c&&b-d]", "", &["a", "d"], &["b"]),
    ("[]a]", "", &["]", "a"], &["b"]),
    ("[a&b]", "", &["&"], &["c"]),
    ("[a-]", "", &["-", "a"], &["b"]),
    (r"[a-\]]?\x41\u0042\x{1F600}\07\cA\e\a", "", &["AB😀\u{7}\u{1}\u{1b}\u{7}"], &[]),
    (r"\ud83d\ude00", "", &["😀"], &[]),
    (r"\bword\b!\B", "", &["word!"], &["word"]),
    (r"\bä\b", "U", &["ä"], &[]),
    (r"\Aa\z|\Gb", "", &["a", "b"], &["ab"]),
    ("", "", &[""], &["a"]),
    ("]}", "", &["]}"], &[]),
    ("(|a)+", "", &["aa", ""], &["b"]),
];

#[test]
fn patterns_match_what_they_match_in_java() {
    for (pattern, flags, texts, others) in MATCHES {
        if pattern == r"[a-\]]?\x41\u0042\x{1F600}\07\cA\e\a" {
            // From `a` down to `]` is no range.
            assert_eq!(Regex::java(pattern, flags).expect_err(pattern), "Illegal character range");
            let pattern = pattern.replace(r"[a-\]]?", r"[Z-\]]?");
            assert!(matches(&pattern, flags, texts[0]), "{pattern}");
            continue;
        }
        for text in texts {
            assert!(matches(pattern, flags, text), "/{pattern}/{flags} {text:?}");
        }
        for text in others {
            assert!(!matches(pattern, flags, text), "/{pattern}/{flags} does not match {text:?}");
        }
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    for (pattern, reason) in [
        ("(", "Unclosed group"),
        (")", "Unmatched closing ')'"),
        ("[", "Unclosed character class"),
        ("[]", "Unclosed character class"),
        ("*a", "Dangling meta character"),
        ("a**", "Dangling meta character"),
        ("{1}", "Illegal repetition"),
        ("a{1}{2}", "Illegal repetition"),
        ("a{,2}", "Illegal repetition"),
        ("a{2,1}", "Illegal repetition range"),
        ("a{2", "Unclosed counted closure"),
        ("[b-a]", "Illegal character range"),
        (r"\y", "Illegal/unsupported escape sequence"),
        (r"\p{Nothing}", "Unknown character property name"),
        (r"\p{InGreek}", "Unknown character property name"),
        (r"\k<a>", "named capturing group does not exist"),
        ("(?<a>x)(?<a>y)", "Named capturing group is already defined"),
        ("(?<=a*)b", "Look-behind group does not have an obvious maximum length"),
        (r"(?<=(a)\1)b", "Look-behind group does not have an obvious maximum length"),
        ("(?z)", "Unknown inline modifier"),
        (r"\X", "Unsupported construct"),
        (r"\b{g}", "Unsupported construct"),
        (r"(a\1)", "Unsupported construct"),
        ("[a&&]", "Unsupported construct"),
        ("[&&a]", "Unsupported construct"),
        ("[a&&&&b]", "Unsupported construct"),
        (r"\xg", "Illegal hexadecimal escape sequence"),
        (r"\u12", "Illegal Unicode escape sequence"),
        (r"\08", "Illegal octal escape sequence"),
        ("\\", "Unexpected internal error"),
    ] {
        assert_eq!(Regex::java(pattern, "").expect_err(pattern), reason, "{pattern}");
    }
}

#[test]
fn depth_and_size_have_bounds() {
    for pattern in ["(".repeat(4_000), "[".repeat(4_000), "(?:a{999}){999}".to_owned(), "(?i".repeat(1_000)] {
        assert!(Regex::java(&pattern, "").is_err());
    }
    for pattern in [r"\p{L}".repeat(300), "a|".repeat(2_000), r"[\p{L}&&\p{Lu}]".repeat(200)] {
        assert!(matches(&format!("({pattern})?"), "iu", ""), "{pattern}");
    }
}
