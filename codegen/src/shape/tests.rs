use serde_json::json;

use super::*;

#[test]
fn options_references_and_alternatives_are_read() {
    let document = json!({
        "type": "object",
        "properties": {
            "list": { "type": "array", "items": { "$ref": "#/$defs/Row" } },
            "limited": { "type": "array", "items": { "type": "string", "maxLength": 3 }, "maxItems": 5 },
            "option": { "anyOf": [{ "$ref": "#/$defs/Row" }, { "type": "null" }] },
            "nullable": { "type": ["integer", "null"] },
            "tagged": { "oneOf": [
                { "type": "object", "properties": { "tag": { "const": "a" }, "n": { "type": "integer" } }, "required": ["tag", "n"] },
                { "type": "object", "properties": { "tag": { "const": "b" } }, "required": ["tag"] }
            ] },
            "anything": true
        },
        "required": ["list", "anything"],
        "$defs": { "Row": { "type": "object", "properties": { "parent": { "$ref": "#/$defs/Row" } } } }
    });
    let shape = Shape::of_schema(&document);
    let of = |name: &str| shape.member(name).expect("a member").clone();
    assert!(of("list").required && of("list").shape.is_array() == Some(true));
    assert!(of("list").shape.element().member("parent").is_some(), "recursion ends, but not at once");
    assert!(matches!(of("limited").shape.kind, Kind::Array { bounded: true, .. }));
    assert!(of("option").shape.nullable && of("option").shape.member("parent").is_some());
    assert!(of("nullable").shape.nullable && of("nullable").shape.is_scalar());
    assert!(of("tagged").shape.member("tag").is_some_and(|tag| tag.required && tag.shape.is_scalar()));
    assert!(of("tagged").shape.member("n").is_some_and(|number| !number.required));
    assert_eq!(of("anything").shape, Shape::UNKNOWN);
}
