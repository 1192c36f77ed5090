//! What the derive makes of serde's attributes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::ir::{Node, TypeInfo};
use stepwright::prelude::*;

use crate::outline::value;

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
#[serde(rename_all = "camelCase")]
struct Everything {
    row_count: u64,
    #[serde(rename = "odd-name")]
    odd: String,
    maybe: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    list: Vec<String>,
    #[serde(default = "three")]
    defaulted: u32,
    #[serde(skip)]
    _hidden: u32,
    r#type: Channel,
    nested: BTreeMap<String, Page<u32>>,
}

fn three() -> u32 {
    3
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
enum Channel {
    DataBase,
    #[serde(rename = "sftp")]
    FileDrop,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
struct Page<T> {
    items: Vec<T>,
    next: Option<Box3<T>>,
}

/// A type that contains itself through a list.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Shape)]
struct Box3<T> {
    inner: Vec<Box3<T>>,
    leaf: Option<T>,
}

fn input<T: Shape>() -> Expr<T> {
    Expr::from_node(&Node::Input)
}

#[test]
fn fields_have_their_json_names() {
    let all = input::<Everything>();
    let names = [
        value(all.row_count.node()),
        value(all.odd.node()),
        value(all.maybe.node()),
        value(all.list.node()),
        value(all.defaulted.node()),
        value(all.r#type.node()),
        value(all.nested.get("first").node()),
    ];
    assert_eq!(
        names,
        [
            "input.rowCount",
            "input.odd-name",
            "input.maybe?",
            "input.list?",
            "input.defaulted?",
            "input.type",
            "input.nested.first?"
        ]
    );
}

#[test]
fn fields_with_a_default_are_optional_values() {
    let all = input::<Everything>();
    let list: Expr<Vec<String>> = all.list.unwrap_or(lit(Vec::new()));
    assert_eq!(value(list.count().node()), "count((input.list? or []))");
}

#[test]
fn a_value_is_built_of_its_fields() {
    let all = input::<Everything>();
    let built = EverythingExpr { maybe: some(7), list: none(), ..*all }.into_expr();
    assert_eq!(
        value(built.node()),
        "{rowCount: input.rowCount, odd-name: input.odd-name, maybe?: 7, defaulted?: input.defaulted?, \
         type: input.type, nested: input.nested}"
    );
}

#[test]
fn unit_enums_are_texts() {
    let all = input::<Everything>();
    assert_eq!(value(all.r#type.equals(Channel::DataBase).node()), r#"(input.type Equal "DATA-BASE")"#);
    assert_eq!(value(all.r#type.equals(Channel::FileDrop).node()), r#"(input.type Equal "sftp")"#);
}

#[test]
fn generic_types_and_types_of_themselves() {
    let page = input::<Page<u32>>();
    assert_eq!(value(page.items.sum().node()), "sum(input.items)");
    assert_eq!(value(page.next.is_none().node()), "not is_some(input.next?)");
    let boxed = input::<Box3<u32>>();
    assert_eq!(value(boxed.inner.pluck(|inner| inner.inner).node()), "input.inner[*].inner");
}

#[test]
fn a_type_writes_its_schema() {
    let mut generator = schemars::SchemaGenerator::default();
    let info = TypeInfo::of::<Everything>();
    let schema = (info.schema)(&mut generator);
    assert_eq!(info.name, "Everything");
    assert_eq!(schema.as_value()["$ref"], "#/$defs/Everything");
}

/// A workflow that takes arrivals takes references too, in Rust and in JSON.
#[test]
fn a_reference_is_an_arrival() {
    let reference = ObjectRef { rows: Some(1), ..reference_of("a.csv") };
    let read: Arrival =
        serde_json::from_value(serde_json::to_value(&reference).expect("JSON")).expect("fits");
    assert_eq!(read, Arrival::from(reference));

    let told: Arrival = serde_json::from_str(r#"{"bucket":"b","key":"k","bytes":7}"#).expect("fits");
    assert_eq!((told.version_id, told.sha256, told.bytes), (None, None, Some(7)));

    let arrival: Expr<Arrival> = lit(reference_of("a.csv")).into_expr();
    assert!(matches!(arrival.key.node(), Node::Field { name: "key", optional: false, .. }));
}

fn reference_of(key: &str) -> ObjectRef {
    let sha256 = "0".repeat(64);
    ObjectRef {
        bucket: "drops".to_owned(),
        key: key.to_owned(),
        version_id: None,
        sha256,
        bytes: 3,
        rows: None,
    }
}
