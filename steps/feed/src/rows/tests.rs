use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

fn header() -> RowsHeader {
    let mut layout = Layout::default();
    for (name, kind) in [
        ("text", Kind::Text),
        ("integer", Kind::Integer),
        ("decimal", Kind::Decimal),
        ("date", Kind::Date),
        ("timestamp", Kind::Timestamp),
        ("boolean", Kind::Boolean),
    ] {
        layout.push(name, kind);
    }
    let outcomes = vec![
        RowsOutcome { code: ACCEPTED_CODE.into(), outcome: Outcome::Accept },
        RowsOutcome { code: "LEFT".into(), outcome: Outcome::Cancel },
    ];
    RowsHeader::new("sample", &layout, outcomes)
}

fn round_trip(rows: &[(usize, Vec<Value>)]) -> Vec<(usize, Vec<Value>)> {
    let mut writer = RowWriter::new(Vec::new(), &header()).unwrap();
    for (outcome, values) in rows {
        writer.write(*outcome, values).unwrap();
    }
    let bytes = writer.into_inner();
    let mut reader = RowReader::new(bytes.as_slice()).unwrap();
    assert_eq!(reader.header(), &header());
    let mut values = vec![];
    let mut read = vec![];
    while let Some(outcome) = reader.read(&mut values).unwrap() {
        read.push((outcome, values.clone()));
    }
    read
}

#[test]
fn rows_are_readable_json() {
    let mut writer = RowWriter::new(Vec::new(), &header()).unwrap();
    let values = [
        Value::Text("a\"b\n".into()),
        Value::Integer(-3),
        Value::Decimal("12.50".parse().unwrap()),
        Value::Date("2024-01-31".parse().unwrap()),
        Value::Timestamp("2024-01-31T10:00:00Z".parse().unwrap()),
        Value::Boolean(true),
    ];
    writer.write(1, &values).unwrap();
    let text = String::from_utf8(writer.into_inner()).unwrap();
    assert_eq!(
        text.lines().nth(1).unwrap(),
        r#"[1,"a\"b\n",-3,"12.50","2024-01-31","2024-01-31T10:00:00Z",true]"#
    );
}

#[test]
fn damage_is_an_error_with_the_row() {
    let mut good = RowWriter::new(Vec::new(), &header()).unwrap();
    good.write(0, &vec![Value::Null; 6]).unwrap();
    let good = good.into_inner();
    for damage in ["[0,null]\n", "[7,null,null,null,null,null,null]\n", "[0,1,2,3,4,5,6]\n", "[0,", "[]\n"] {
        let mut bytes = good.clone();
        bytes.extend_from_slice(damage.as_bytes());
        let mut reader = RowReader::new(bytes.as_slice()).unwrap();
        let mut values = vec![];
        assert_eq!(reader.read(&mut values).unwrap(), Some(0));
        let error = reader.read(&mut values).unwrap_err();
        assert!(error.to_string().contains("stored row 2"), "{damage}: {error}");
    }
    assert!(RowReader::new(&b"{}"[..]).is_err());
    assert!(RowReader::new(&b""[..]).is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read(text in any::<Option<String>>(), integer in any::<Option<i64>>(), mantissa in any::<i64>(), scale in 0_u32..20, truth in any::<bool>(), outcome in 0_usize..2) {
        let row = vec![
            text.map_or(Value::Null, Value::Text),
            integer.map_or(Value::Null, Value::Integer),
            Value::Decimal(Decimal::new(mantissa, scale)),
            Value::Null,
            Value::Null,
            Value::Boolean(truth),
        ];
        let rows = vec![(outcome, row); 3];
        prop_assert_eq!(round_trip(&rows), rows);
    }
}

#[test]
fn stored_rows_are_written_as_they_were_read() {
    let rows = [
        (
            1,
            vec![
                Value::Text("a,\"b\"\n".into()),
                Value::Integer(-3),
                Value::Decimal("12.50".parse().unwrap()),
                Value::Null,
                Value::Null,
                Value::Boolean(true),
            ],
        ),
        (0, vec![Value::Null; 6]),
    ];
    let mut writer = RowWriter::new(Vec::new(), &header()).unwrap();
    for (outcome, values) in &rows {
        writer.write(*outcome, values).unwrap();
    }
    let bytes = writer.into_inner();
    let mut reader = RowReader::new(bytes.as_slice()).unwrap();
    let mut again = RowWriter::new(Vec::new(), &header()).unwrap();
    let mut values = vec![];
    while let Some(outcome) = reader.read(&mut values).unwrap() {
        let stored = reader.stored_values();
        assert!(serde_json::from_str::<Vec<serde_json::Value>>(&stored).is_ok(), "{stored}");
        again.write_stored(outcome, &stored).unwrap();
    }
    assert_eq!(again.into_inner(), bytes);
}

#[test]
fn a_row_of_no_values_is_stored_as_an_empty_list() {
    let none = RowsHeader::new(
        "none",
        &Layout::default(),
        vec![RowsOutcome { code: ACCEPTED_CODE.into(), outcome: Outcome::Accept }],
    );
    let mut writer = RowWriter::new(Vec::new(), &none).unwrap();
    writer.write(0, &[]).unwrap();
    writer.write_stored(0, "[]").unwrap();
    let bytes = writer.into_inner();
    assert!(bytes.ends_with(b"[0]\n[0]\n"));
    let mut reader = RowReader::new(bytes.as_slice()).unwrap();
    assert_eq!(reader.read(&mut vec![]).unwrap(), Some(0));
    assert_eq!(reader.stored_values(), "[]");
}

#[test]
fn rows_of_other_outcomes_are_passed_over() {
    let mut writer = RowWriter::new(Vec::new(), &header()).unwrap();
    let row = |number| [vec![Value::Null, Value::Integer(number)], vec![Value::Null; 4]].concat();
    for (number, outcome) in (1..).zip([0, 1, 0, 1, 1]) {
        writer.write(outcome, &row(number)).unwrap();
    }
    let bytes = writer.into_inner();
    let mut reader = RowReader::new(bytes.as_slice()).unwrap();
    let mut values = vec![];
    let mut found = vec![];
    while let Some(outcome) = reader.read_wanted(&mut values, |outcome| outcome == Outcome::Cancel).unwrap() {
        found.push((outcome, values[1].to_string()));
    }
    assert_eq!(found, [2, 4, 5].map(|number| (1, number.to_string())));
}
