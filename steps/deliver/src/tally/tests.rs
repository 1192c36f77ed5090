use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{Tally, TallyError, first_difference};
use crate::batch::Entry;

fn object(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn row(currency: &str, amount: &str) -> Entry {
    Entry { entity: object(&[("currency", currency)]), figures: object(&[("amount", amount)]) }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn columns_are_summed_per_value_of_another() {
    let names = names(&["amount", "amount[currency=EUR]", "amount[currency=GBP]"]);
    let mut tally = Tally::of(&names);
    for (currency, amount) in [("EUR", "1.10"), ("GBP", "-2"), ("EUR", "0.005"), ("EUR", "")] {
        let row = row(currency, amount);
        assert_eq!(tally.uncovered(&row), None);
        tally.add(&row).unwrap();
    }
    let expected =
        object(&[("amount", "-0.895"), ("amount[currency=EUR]", "1.105"), ("amount[currency=GBP]", "-2")]);
    assert_eq!(tally.totals(), expected);
    assert_eq!(tally.rows(), 4);
    assert_eq!(tally.uncovered(&row("SEK", "1")), Some("amount[currency=SEK]".to_owned()));
}

#[test]
fn a_column_that_looks_like_a_part_is_a_column() {
    let names = names(&["amount[currency=EUR]"]);
    let mut tally = Tally::of(&names);
    let entry = Entry { entity: object(&[]), figures: object(&[("amount[currency=EUR]", "3")]) };
    tally.add(&entry).unwrap();
    assert_eq!(tally.totals(), object(&[("amount[currency=EUR]", "3")]));
    assert_eq!(tally.without_column(|column| column == "amount[currency=EUR]"), None);
    assert_eq!(tally.without_column(|column| column == "amount"), Some("amount[currency=EUR]"));
}

#[test]
fn what_cannot_be_exact_is_refused() {
    let names = names(&["amount"]);
    let mut tally = Tally::of(&names);
    for wrong in ["1,5", "NaN", "abc", "1 000", "12345678901234567890123456789012"] {
        assert!(matches!(tally.add(&row("EUR", wrong)), Err(TallyError::NotANumber { .. })), "{wrong}");
    }
    tally.add(&row("EUR", "9999999999999999999999999999")).unwrap();
    assert!(matches!(tally.add(&row("EUR", "0.5")), Err(TallyError::TooLarge { .. })));
}

#[test]
fn numbers_are_compared_not_their_texts() {
    assert_eq!(first_difference(&object(&[("a", "1.50")]), &object(&[("a", "1.5")])), None);
    assert_eq!(first_difference(&object(&[("a", "1.50")]), &object(&[("a", "1.51")])), Some("a".into()));
    assert_eq!(first_difference(&object(&[("a", "1")]), &object(&[])), Some("a".into()));
    assert_eq!(first_difference(&object(&[]), &object(&[("a", "1")])), Some("a".into()));
    assert_eq!(first_difference(&object(&[("a", "x")]), &object(&[("a", "x")])), Some("a".into()));
}

proptest! {
    #[test]
    fn the_order_of_rows_does_not_matter(amounts in prop::collection::vec((any::<i64>(), 0_u32..6), 0..20)) {
        let amounts: Vec<String> =
            amounts.iter().map(|(digits, scale)| Decimal::new(*digits, *scale).to_string()).collect();
        let sum = |amounts: &mut dyn Iterator<Item = &String>| {
            let names = names(&["amount"]);
            let mut tally = Tally::of(&names);
            amounts.for_each(|amount| tally.add(&row("EUR", amount)).unwrap());
            tally.totals()
        };
        prop_assert_eq!(sum(&mut amounts.iter()), sum(&mut amounts.iter().rev()));
    }
}
