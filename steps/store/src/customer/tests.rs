use super::*;

const GOOD: &str = r#"
[[references]]
name = "cells"
spec = "matrix.toml"
files = ["*matri*.xlsx"]
scope = ["year"]

[[references]]
name = "rates"
spec = "rates.toml"
files = ["eurofxref*.zip", "rates-*.csv"]

[contracts]
spec = "commissions.toml"
files = ["contracts-*.csv", "*.xlsx"]
messages = "messages.toml"

[control]
measure = "payable"
jump_percent = 12.5

[delivery]
channels = ["coreview-database"]
"#;

fn parse(text: &str) -> Result<Customer, String> {
    read_document("customer.toml", text.as_bytes(), check).map_err(|error| error.to_string())
}

#[test]
fn a_customer_is_read() {
    let customer = parse(GOOD).unwrap();
    assert_eq!(customer.references.len(), 2);
    assert_eq!(customer.references[0].scope, ["year"]);
    assert_eq!(customer.control.unwrap().jump_percent.0.to_string(), "12.5");
    assert_eq!(customer.delivery.channels, [Channel::CoreviewDatabase]);
    let smallest = parse("[contracts]\nspec = \"a.toml\"\nfiles = [\"*\"]\n").unwrap();
    assert_eq!((smallest.control, smallest.delivery), (None, Channels::default()));
}

#[test]
fn mistakes_have_a_place() {
    let table = [
        (
            "name = \"cells\"",
            "name = \"rates\"",
            "customer.toml:9:8: references[1].name: there is already a reference `rates`",
        ),
        ("name = \"cells\"", "name = \"the cells\"", "customer.toml:3:8: references[0].name: a name has"),
        (
            "spec = \"matrix.toml\"",
            "spec = \"../matrix.toml\"",
            "customer.toml:4:8: references[0].spec: the name of a spec",
        ),
        (
            "files = [\"*matri*.xlsx\"]",
            "files = []",
            "customer.toml:5:9: references[0].files: at least one file name",
        ),
        (
            "\"rates-*.csv\"",
            "\"in/*.csv\"",
            "customer.toml:11:28: references[1].files[1]: a file's name without its folder",
        ),
        (
            "jump_percent = 12.5",
            "jump_percent = -1",
            "customer.toml:20:16: control.jump_percent: a per cent from 0",
        ),
        ("measure = ", "measures = ", "there is no field `measures`; did you mean `measure`?"),
        ("[\"coreview-database\"]", "[\"coreview-databse\"]", "did you mean `coreview-database`?"),
        ("[\"coreview-database\"]", "[]", "delivery.channels: at least one channel"),
        ("[\"coreview-database\"]", "[\"coreview-database\", \"coreview-database\"]", "is there twice"),
        ("[contracts]", "[contract]", "there is no field `contract`; did you mean `contracts`?"),
    ];
    for (from, to, words) in table {
        assert!(GOOD.contains(from), "{from}");
        let found = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(found.contains(words), "{found}");
    }
}

#[test]
fn a_file_is_what_its_name_fits() {
    let customer = parse(GOOD).unwrap();
    let words =
        |key: &str| -> Vec<String> { customer.entries_of(key).into_iter().map(Entry::words).collect() };
    assert_eq!(words("in/2024/contracts-north.CSV"), ["contracts"]);
    assert_eq!(words("EUROFXREF-hist.zip"), ["reference `rates`"]);
    assert_eq!(words("commission_matrices_1989.xlsx"), ["reference `cells`", "contracts"]);
    assert_eq!(words("messages/5f.jsonl"), ["messages of contracts"]);
    assert!(words("notes.txt").is_empty());
}

#[test]
fn stars_stand_for_any_text() {
    let table = [
        ("*", "", true),
        ("a*", "a", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("*.csv", "x.csv.csv", true),
        ("ab*ba", "aba", false),
        ("exact.csv", "exact.csv", true),
        ("exact.csv", "exact.csvx", false),
        ("ÄRA*", "ära-1", true),
    ];
    for (pattern, name, expected) in table {
        assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
    }
}
