//! What holds for whatever is loaded and kept, in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::Config;
use tempfile::TempDir;

use crate::place::Place;

fn on_sqlite(test: impl AsyncFnOnce(Place)) {
    let dir = TempDir::new().unwrap();
    let place = Place::new(format!("sqlite://{}/planning.db", dir.path().display()));
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test(place));
}

/// Rows with different keys, each with the file it goes into and where it stands there.
fn rows() -> impl Strategy<Value = Vec<(String, usize, u32)>> {
    let row = (0_u32..24, 1_u32..29, 1_i64..100_000, any::<bool>(), 0_usize..4, any::<u32>());
    prop::collection::vec(row, 1..40).prop_map(|rows| {
        let row = |(index, (month, day, cents, withdrawn, file, place)): (usize, _)| {
            let month: u32 = month;
            let status = if withdrawn { "withdrawn" } else { "" };
            let text = format!(
                "C-{index},Aspen,m{},{}-{:02}-{day:02},{}.{:02},{status}\n",
                index % 3,
                2023 + month / 12,
                month % 12 + 1,
                cents / 100,
                cents % 100
            );
            (text, file, place)
        };
        rows.into_iter().enumerate().map(row).collect()
    })
}

const KEPT: &str = "SELECT row_key || market || day || period || outcome || code || row_values FROM ingest_row ORDER BY row_key";

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]

    #[test]
    fn rows_are_the_same_however_they_are_split_and_ordered(rows in rows()) {
        on_sqlite(async |whole| {
            let header = "contract,agent,market,day,amount,status\n";
            let all: String = rows.iter().map(|(row, ..)| row.as_str()).collect();
            whole.load("contracts.csv", &format!("{header}{all}"), "arn:1").await;
            let expected = whole.texts(KEPT).await;
            on_another(async |split| {
                for file in 0..4 {
                    let mut part: Vec<_> = rows.iter().filter(|(_, it, _)| *it == file).collect();
                    part.sort_by_key(|(_, _, place)| *place);
                    if part.is_empty() {
                        continue;
                    }
                    let text: String = part.iter().map(|(row, ..)| row.as_str()).collect();
                    split.load(&format!("contracts-{file}.csv"), &format!("{header}{text}"), "arn:1").await;
                }
                assert_eq!(split.texts(KEPT).await, expected);
            })
            .await;
        });
    }

    #[test]
    fn one_revision_is_in_force_for_each_scope(kept in prop::collection::vec((0_u8..3, 0_u8..4), 1..16)) {
        on_sqlite(async |place| {
            let mut last: BTreeMap<u8, u8> = BTreeMap::new();
            let mut numbers: BTreeMap<u8, u64> = BTreeMap::new();
            for (index, (scope, content)) in kept.iter().enumerate() {
                let text = format!("year,market,rate\n{},north,0.{content}\n", 2020 + u32::from(*scope));
                let revision = place.keep("cells", &text, &format!("arn:{index}")).await;
                let unchanged = last.insert(*scope, *content) == Some(*content);
                let number = numbers.entry(*scope).or_default();
                *number += u64::from(!unchanged);
                assert_eq!((revision.unchanged, revision.number), (unchanged, *number));
                let in_force = place
                    .texts("SELECT scope || ' ' || row_values FROM reference_active ORDER BY scope")
                    .await;
                let expected: Vec<String> = last
                    .iter()
                    .map(|(scope, content)| {
                        let year = 2020 + u32::from(*scope);
                        format!("year={year} [{year},\"north\",\"0.{content}\"]")
                    })
                    .collect();
                assert_eq!(in_force, expected);
            }
        });
    }
}

async fn on_another(test: impl AsyncFnOnce(Place)) {
    let dir = TempDir::new().unwrap();
    test(Place::new(format!("sqlite://{}/planning.db", dir.path().display()))).await;
}
