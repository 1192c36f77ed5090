use proptest::prelude::*;

use super::*;

const SPEC: &str = r#"
feed = "numbers"
[source]
format = "csv"
[rejects]
policy = "keep-going"
[[columns]]
name = "x"
type = "decimal"
[[columns]]
name = "n"
type = "integer"
[[measures]]
name = "rows"
kind = "count"
[[measures]]
name = "nulls"
kind = "count_null"
column = "x"
[[measures]]
name = "total"
kind = "sum"
column = "x"
round = { places = 4 }
[[measures]]
name = "cents"
kind = "sum"
column = "x"
round = { places = 2, at = "value" }
[[measures]]
name = "mean"
kind = "mean"
column = "x"
round = { places = 4 }
[[measures]]
name = "median"
kind = "median"
column = "n"
round = { places = 1 }
[[measures]]
name = "p95"
kind = "percentile"
percent = 95
column = "n"
[[measures]]
name = "least"
kind = "min"
column = "n"
[[measures]]
name = "most"
kind = "max"
column = "x"
[[measures]]
name = "different"
kind = "distinct"
column = "n"
[[measures]]
name = "high"
kind = "count_if"
where = { column = "n", op = ">", value = 2 }
[[measures]]
name = "share"
kind = "ratio"
numerator = "high"
denominator = "rows"
round = { places = 3 }
[[measures]]
name = "gone"
kind = "count"
rows = "cancelled"
[figures]
[delivery]
period = "1"
"#;

fn results(rows: &[(Outcome, Option<&str>, Option<i64>)]) -> Vec<String> {
    let spec = FeedSpec::parse("spec.toml", SPEC).unwrap_or_else(|error| panic!("{error}"));
    let measures = Measures::compile(&spec, &spec.layout().unwrap()).unwrap();
    let mut budget = Budget::default();
    let mut tallies = measures.tallies(&mut budget).unwrap();
    for (outcome, x, n) in rows {
        let row = [
            x.map_or(Value::Null, |x| Value::Decimal(x.parse().unwrap())),
            n.map_or(Value::Null, Value::Integer),
        ];
        if measures.includes(*outcome, &row) {
            measures.add(&mut tallies, *outcome, &row, &mut budget).unwrap();
        }
    }
    let results = measures.results(&tallies).unwrap();
    measures.names().zip(results).map(|(name, value)| format!("{name}={value}")).collect()
}

#[test]
fn every_kind() {
    let rows = [
        (Outcome::Accept, Some("0.125"), Some(1)),
        (Outcome::Accept, Some("0.135"), Some(2)),
        (Outcome::Accept, None, Some(3)),
        (Outcome::Accept, Some("10"), Some(3)),
        (Outcome::Cancel, Some("99"), Some(99)),
        (Outcome::Reject, Some("99"), Some(99)),
    ];
    assert_eq!(
        results(&rows).join(" "),
        "rows=4 nulls=1 total=10.2600 cents=10.26 mean=3.4200 median=2.5 p95=3 least=1 most=10 different=3 high=2 \
         share=0.500 gone=1"
    );
}

#[test]
fn without_rows_there_is_no_mean() {
    assert_eq!(
        results(&[]).join(" "),
        "rows=0 nulls=0 total=0.0000 cents=0.00 mean= median= p95= least= most= different=0 high=0 share= gone=0"
    );
}

#[test]
fn nearest_rank_is_the_textbooks() {
    // 5 values, 30 %: rank ceil(1.5) = 2; 40 %: rank 2; 50 %: rank 3; 100 %: rank 5.
    let numbers: BTreeMap<Decimal, u64> = [15, 20, 35, 40, 50].map(|n| (Decimal::from(n), 1)).into();
    let check = |percent: i64, want: i64| {
        let measure = Compiled {
            name: "p".into(),
            kind: MeasureKind::Percentile,
            rows: RowScope::Accepted,
            column: None,
            test: None,
            convert: None,
            percent: Decimal::from(percent),
            method: PercentileMethod::NearestRank,
            result: Kind::Decimal,
            parts: None,
            round_value: None,
            round_result: None,
        };
        let found = measure.rank(&numbers, 0, RoundingMode::HalfEven).unwrap();
        assert_eq!(found, Value::Decimal(Decimal::from(want)), "{percent}");
    };
    for (percent, want) in [(5, 15), (30, 20), (40, 20), (50, 35), (100, 50)] {
        check(percent, want);
    }
}

#[test]
fn linear_quantiles_lie_between() {
    let numbers: BTreeMap<Decimal, u64> =
        [(1, 1), (2, 2), (10, 1)].map(|(n, c)| (Decimal::from(n), c)).into();
    let check = |percent: i64, want: &str| {
        let found = linear_quantile(&numbers, Decimal::from(percent)).unwrap().unwrap();
        assert_eq!(found.to_string(), want, "{percent}");
    };
    for (percent, want) in [(25, "1.75"), (50, "2"), (75, "4"), (100, "10")] {
        check(percent, want);
    }
    assert_eq!(linear_quantile(&BTreeMap::new(), Decimal::from(25)), Ok(None));
}

#[test]
fn too_much_to_hold_is_an_error() {
    let mut budget = Budget::default();
    assert_eq!(budget.take(HELD_MAX), Ok(()));
    assert_eq!(budget.take(1), Err(MeasureError::TooMuch));
}

proptest! {
    #[test]
    fn figures_do_not_depend_on_the_order_of_rows(rows in proptest::collection::vec((any::<i32>(), 0_u32..4, 0_i64..20, any::<bool>()), 0..40)) {
        let texts: Vec<String> = rows.iter().map(|(m, s, ..)| Decimal::new(i64::from(*m), *s).to_string()).collect();
        let rows: Vec<_> = rows.iter().zip(&texts).map(|((_, _, n, null), x)| {
            (Outcome::Accept, (!null).then_some(x.as_str()), Some(*n))
        }).collect();
        let mut turned = rows.clone();
        turned.reverse();
        prop_assert_eq!(results(&rows), results(&turned));
    }
}
