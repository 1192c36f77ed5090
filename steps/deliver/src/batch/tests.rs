use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::{Entry, Identity, Rows, delivery_id, framed_sha256};

fn identity(parts: &[String; 5]) -> Identity<'_> {
    let [channel, workflow, feed, period, batch_sha256] = parts;
    Identity { channel, workflow, feed, period, market: None, batch_sha256, correction: None, replaces: None }
}

fn object() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(any::<String>(), any::<String>(), 0..4)
}

proptest! {
    #[test]
    fn different_deliveries_have_different_ids(a in any::<[String; 5]>(), b in any::<[String; 5]>()) {
        prop_assert_eq!(a == b, delivery_id(&identity(&a)) == delivery_id(&identity(&b)));
    }

    /// Moving characters over the border between two parts is a difference.
    #[test]
    fn borders_between_parts_count(text in ".{1,20}", at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let split = |at: usize| [&text[..at], &text[at..]];
        let (at, other) = (*at.get(&borders), *other.get(&borders));
        prop_assert_eq!(at == other, framed_sha256(&split(at)) == framed_sha256(&split(other)));
        prop_assert_ne!(framed_sha256(&split(at)), framed_sha256(&[&text]));
    }

    #[test]
    fn a_row_is_read_as_it_was_written(entity in object(), figures in object()) {
        let entry = Entry { entity, figures };
        let line = entry.to_row().line();
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert!(!line.contains('\0'));
        let row = Rows::new(line.as_bytes()).next_row().unwrap().unwrap();
        prop_assert_eq!(row.to_entry().unwrap(), entry);
    }

    #[test]
    fn damaged_batches_are_refused(entries in vec((object(), object()), 1..4), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut rows: Vec<_> =
            entries.into_iter().map(|(entity, figures)| Entry { entity, figures }.to_row()).collect();
        rows.sort_by(|a, b| a.entity_key.cmp(&b.entity_key));
        rows.dedup_by(|a, b| a.entity_key == b.entity_key);
        let mut bytes: Vec<u8> = rows.iter().flat_map(|row| row.line().into_bytes()).collect();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        let mut reader = Rows::new(&*bytes);
        let mut read = Vec::new();
        // Either it is refused, or it is exactly what the bytes say.
        while let Ok(Some(row)) = reader.next_row() {
            read.extend(row.line().into_bytes());
        }
        prop_assert!(bytes.starts_with(&read));
    }
}

#[test]
fn the_delivery_id_never_changes_between_releases() {
    let id = delivery_id(&Identity {
        channel: "coreview-database",
        workflow: "coreview-delivery",
        feed: "flights",
        period: "2013",
        market: None,
        batch_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        correction: None,
        replaces: None,
    });
    assert_eq!(id, "358d8d6d0146f49dd70a55ad536ff01c04abdfd9d2f2d905330ea13a6cdfb621");
}

#[test]
fn a_correction_is_another_delivery() {
    let parts = ["a", "b", "c", "d", "e"].map(str::to_owned);
    let plain = identity(&parts);
    let corrected = Identity { correction: Some("rate was wrong"), ..plain };
    assert_ne!(delivery_id(&plain), delivery_id(&corrected));
}

#[test]
fn rows_out_of_order_or_twice_are_refused() {
    let line = |key: &str| format!("{{\"entity\":{{\"k\":\"{key}\"}},\"figures\":{{}}}}\n");
    for text in [line("b") + &line("a"), line("a") + &line("a")] {
        let mut rows = Rows::new(text.as_bytes());
        rows.next_row().unwrap().unwrap();
        let error = rows.next_row().unwrap_err().to_string();
        assert!(error.starts_with("line 2 of the batch is not canonical"), "{error}");
    }
    let text = "{\"entity\":{\"k\":\"a\"},\"figures\":{\"x\":\"1\",\"x\":\"2\"}}\n";
    assert!(Rows::new(text.as_bytes()).next_row().is_err());
}

/// Ids of deliveries made before there were markets: books are kept under them.
#[test]
fn ids_stay_what_they_are() {
    let sha = "ab".repeat(32);
    let replacing = |market, correction, replaces| {
        delivery_id(&Identity {
            channel: "coreview-database",
            workflow: "coreview-delivery",
            feed: "flights",
            period: "2013",
            market,
            batch_sha256: &sha,
            correction,
            replaces,
        })
    };
    let id = |market, correction| replacing(market, correction, None);
    let (plain, corrected) = (id(None, None), id(None, Some("late")));
    assert_eq!(plain, "7c2682c5c1a3699d00a25496c85e2fe83df3286f98f08d72430643c3b8b56583");
    assert_eq!(corrected, "4c5dc1fae84ed5565cd3ea734ee84763a68dc64acc6351e1b0db3b56bfef8a4b");
    let north = id(Some("north"), None);
    assert_eq!(north, "6740cf3eb3315e7e1324f8a354fbb4613c009e185543906cc7959c382196c6e5");
    assert_ne!(id(Some("late"), None), corrected);
    assert_ne!(id(Some("south"), None), north);
    // What a correction was compared with makes it another one; a delivery is compared with nothing.
    assert_eq!(replacing(None, None, Some("x")), plain);
    let after = ["x", "y"].map(|replaces| replacing(None, Some("late"), Some(replaces)));
    assert!(after[0] != corrected && after[0] != after[1]);
}
