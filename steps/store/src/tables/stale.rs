//! Periods that were delivered, and whose rows are others now.

use database::{Database, DatabaseError, Record};

/// Rows of another period that are named in a question; more of them are counted.
const MOVED_SHOWN_MAX: usize = 10;

/// Periods that are named one by one, so that the answer fits a state's payload (AWS quota: 256 KiB).
const ADVISED_MAX: usize = 24;

/// The delivered periods that a load changed. `$1` feed, `$2` load.
const OF_LOAD: &str = "SELECT period FROM calc_stale WHERE feed = $1 AND load_number = $2 ORDER BY period";

/// `$1` feed.
const ALL: &str = "SELECT period FROM calc_stale WHERE feed = $1 ORDER BY period";

/// Rows that lie in a period and were delivered with another. `$1` feed, `$2` period.
const MOVED_INTO: &str = "
    SELECT period, row_key FROM calc_moved WHERE feed = $1 AND period_now = $2 ORDER BY period, row_key";

/// The delivered periods that a load changed, in order.
pub(crate) async fn of_load(
    database: &mut impl Database,
    feed: &str,
    load: i64,
) -> Result<Vec<String>, DatabaseError> {
    Ok(periods(&database.query(OF_LOAD, &[feed.into(), load.into()]).await?))
}

/// All delivered periods of a feed whose rows changed since, in order.
pub(crate) async fn all(database: &mut impl Database, feed: &str) -> Result<Vec<String>, DatabaseError> {
    Ok(periods(&database.query(ALL, &[feed.into()]).await?))
}

fn periods(records: &[Record]) -> Vec<String> {
    records.iter().filter_map(|record| record.text(0).map(str::to_owned)).collect()
}

/// What to do about delivered periods whose rows changed.
pub(crate) fn advice(periods: &[String]) -> Vec<String> {
    let sentence = |period: &String| {
        format!(
            "{period} was delivered before some of its rows came, went or changed: look at them, then run \
             `stepwright run coreview-commission --period {period} --correction 'why'`"
        )
    };
    let mut advice: Vec<String> = periods.iter().take(ADVISED_MAX).map(sentence).collect();
    if let Some(more) = periods.len().checked_sub(ADVISED_MAX).filter(|more| *more > 0) {
        advice.push(format!("so were {more} periods more: all of them are in the view `calc_stale`"));
    }
    advice
}

/// Why a period must not simply be paid: rows of it were delivered with another one.
pub(crate) async fn moved_into(
    database: &mut impl Database,
    feed: &str,
    period: &str,
) -> Result<Option<String>, DatabaseError> {
    let mut moved: Vec<(String, String)> = vec![];
    let mut more = 0_u64;
    database
        .each(MOVED_INTO, &[feed.into(), period.into()], |record| {
            if moved.len() < MOVED_SHOWN_MAX {
                let text = |column| record.text(column).unwrap_or_default().to_owned();
                moved.push((text(0), text(1)));
            } else {
                more += 1;
            }
            Ok::<_, DatabaseError>(())
        })
        .await?;
    if moved.is_empty() {
        return Ok(None);
    }
    let named: Vec<String> =
        moved.iter().map(|(before, key)| format!("{} of {before}", shown(key))).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let first = moved.first().map_or("", |(before, _)| before);
    Ok(Some(format!(
        "{period} has rows that were delivered already and would be paid again: {}{more}. Correct {first} first \
         (`stepwright run coreview-commission --period {first} --correction 'why'`)",
        named.join(", ")
    )))
}

/// A row's key for people: `["C-1","north"]` is `C-1 north`.
fn shown(key: &str) -> String {
    let parts: Result<Vec<String>, _> = serde_json::from_str(key);
    parts.map_or_else(|_| key.to_owned(), |parts| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_periods_are_not_told_one_by_one() {
        let periods: Vec<String> = (0..100).map(|year| format!("{}", 1924 + year)).collect();
        assert_eq!(advice(&periods[..ADVISED_MAX]).len(), ADVISED_MAX);
        let told = advice(&periods);
        assert_eq!(told.len(), ADVISED_MAX + 1);
        assert!(told[ADVISED_MAX].starts_with("so were 76 periods more"), "{}", told[ADVISED_MAX]);
        assert!(advice(&[]).is_empty());
    }

    #[test]
    fn keys_are_shown_as_people_write_them() {
        assert_eq!(shown(r#"["C-1","north"]"#), "C-1 north");
        assert_eq!(shown("not json"), "not json");
    }
}
