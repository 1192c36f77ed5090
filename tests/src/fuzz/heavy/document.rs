//! Large documents. Each has all fields of the others, one of them long.

use super::super::Choices;
use super::{quoted, until};

/// The JSON text of an object of 64 to 256 KiB, less what is left of a payload.
pub(super) fn document(choices: &mut Choices) -> String {
    let size = [60, 120, 250][choices.below(3)] << 10;
    let long = choices.below(9);
    let bytes = |field: usize| if field == long { size } else { 200 };
    let rows = until(bytes(0), |index| row(index, 1 + index % 7)).join(",");
    let numbers = until(bytes(1), |index| ((index * 7_919) % 10_007).to_string()).join(",");
    let text =
        until(bytes(2), |index| ["lorem", "ipsum,", "ab", "aaaa", "b2"][index % 5].to_owned()).join(" ");
    let letters = "a".repeat(bytes(3));
    let wide = until(bytes(4), |index| format!("\"key{index}\":{index}")).join(",");
    let words = until(bytes(5), |index| format!("\"w{}\"", (index * 31) % 997)).join(",");
    let matrix =
        until(bytes(6), |index| format!("[{index},[{index},\"{index}\"],{{\"v\":{index}}}]")).join(",");
    let json = format!("[{}]", until(bytes(7), |index| row(index, 2)).join(","));
    // Two levels of JSON each, of the 128 that are read.
    let levels = if long == 8 { 50 } else { 5 };
    let deep = (0..levels).fold(format!("\"{}\"", "ü😀".repeat(bytes(8) / 8)), |inner, level| {
        format!("{{\"v\":{level},\"kids\":[{inner}]}}")
    });
    format!(
        "{{\"rows\":[{rows}],\"numbers\":[{numbers}],\"text\":{},\"letters\":\"{letters}\",\"wide\":{{{wide}}},\
         \"words\":[{words}],\"matrix\":[{matrix}],\"json\":{},\"deep\":{deep}}}",
        quoted(&text),
        quoted(&json),
    )
}

fn row(index: usize, tags: usize) -> String {
    let tags: Vec<String> = (0..tags).map(|tag| format!("\"t{tag}\"")).collect();
    format!(
        "{{\"id\":{index},\"name\":\"row {}\",\"price\":{}.5,\"of\":{{\"kind\":\"{}\"}},\"tags\":[{}]}}",
        index % 101,
        index % 13,
        ["x", "y", "z"][index % 3],
        tags.join(",")
    )
}
