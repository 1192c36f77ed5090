//! Layouts of stored rows: names and kinds of the values, kept once for all rows
//! that share them. A spec changes over the years; what was stored under an older
//! one is read by the names of its columns.

use std::borrow::Cow;
use std::collections::BTreeMap;

use database::{Database, DatabaseError, Value};
use feed::rows::RowsColumn;
use serde_json::value::RawValue;

/// Layouts by the name rows refer to them.
pub(crate) type Layouts = BTreeMap<String, Vec<RowsColumn>>;

/// Keeps a layout; returns the name rows refer to it by.
pub(crate) async fn note(
    database: &mut impl Database,
    columns: &[RowsColumn],
) -> Result<String, DatabaseError> {
    let text = serde_json::to_string(columns).unwrap_or_default();
    let name = feed::fingerprint([&text]);
    database
        .execute(
            "INSERT INTO ingest_layout (layout, value_list) VALUES ($1, $2) ON CONFLICT (layout) DO NOTHING",
            &[Value::from(&*name), Value::from(text)],
        )
        .await?;
    Ok(name)
}

/// All layouts there are: about as many as specs had versions.
///
/// # Errors
/// As any query; `damaged` makes one of words where a layout cannot be read.
pub(crate) async fn all<E: From<DatabaseError>>(
    database: &mut impl Database,
    damaged: impl Fn(String) -> E,
) -> Result<Layouts, E> {
    let mut layouts = Layouts::new();
    for record in database.query("SELECT layout, value_list FROM ingest_layout", &[]).await? {
        let name = record.text(0).unwrap_or_default();
        let columns = serde_json::from_str(record.text(1).unwrap_or_default()).map_err(|error| {
            damaged(format!(
                "the layout {name} in ingest_layout cannot be read: {error}; find out who changed it"
            ))
        })?;
        layouts.insert(name.to_owned(), columns);
    }
    Ok(layouts)
}

/// Brings stored values into the order of another layout.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Adapter {
    /// Where each value comes from; `None` when nothing changes.
    places: Option<Vec<Option<usize>>>,
}

impl Adapter {
    /// The way from a stored layout to a wanted one. A column that was not stored
    /// is empty where that is possible; the error says what is not.
    pub(crate) fn between(
        stored: &[RowsColumn],
        wanted: &[RowsColumn],
        may_be_empty: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        if stored == wanted {
            return Ok(Self { places: None });
        }
        let place = |column: &RowsColumn| {
            let found = stored.iter().position(|known| known.name == column.name);
            match found.map(|at| (at, stored.get(at).map(|known| known.kind))) {
                Some((at, Some(kind))) if kind == column.kind => Ok(Some(at)),
                Some((_, kind)) => Err(format!(
                    "their `{}` is {}, not {}",
                    column.name,
                    kind.map_or("unknown", feed::Kind::name),
                    column.kind
                )),
                None if may_be_empty(&column.name) => Ok(None),
                None => Err(format!("they have no `{}`", column.name)),
            }
        };
        Ok(Self { places: Some(wanted.iter().map(place).collect::<Result<_, _>>()?) })
    }

    /// Stored values in the order that is wanted.
    pub(crate) fn adapt<'v>(&self, values: &'v str) -> Result<Cow<'v, str>, serde_json::Error> {
        let Some(places) = &self.places else { return Ok(Cow::Borrowed(values)) };
        let stored: Vec<&RawValue> = serde_json::from_str(values)?;
        let texts =
            places.iter().map(|place| place.and_then(|at| stored.get(at)).map_or("null", |it| it.get()));
        Ok(Cow::Owned(format!("[{}]", texts.collect::<Vec<_>>().join(","))))
    }
}

#[cfg(test)]
mod tests {
    use feed::Kind;

    use super::*;

    fn columns(columns: &[(&str, Kind)]) -> Vec<RowsColumn> {
        columns.iter().map(|(name, kind)| RowsColumn { name: (*name).to_owned(), kind: *kind }).collect()
    }

    #[test]
    fn values_move_to_where_their_names_are() {
        let stored = columns(&[("a", Kind::Text), ("b", Kind::Integer), ("c", Kind::Decimal)]);
        let wanted = columns(&[("c", Kind::Decimal), ("new", Kind::Text), ("a", Kind::Text)]);
        let adapter = Adapter::between(&stored, &wanted, |name| name == "new").unwrap();
        assert_eq!(adapter.adapt(r#"["x,]\"",7,"1.50"]"#).unwrap(), r#"["1.50",null,"x,]\""]"#);
        let same = Adapter::between(&stored, &stored, |_| false).unwrap();
        assert!(matches!(same.adapt("[1,2,3]").unwrap(), Cow::Borrowed("[1,2,3]")));
        let words = Adapter::between(&stored, &wanted, |_| false).unwrap_err();
        assert_eq!(words, "they have no `new`");
        let other = columns(&[("b", Kind::Decimal)]);
        assert_eq!(
            Adapter::between(&stored, &other, |_| true).unwrap_err(),
            "their `b` is integer, not decimal"
        );
    }
}
