//! The reference data in force: the columns a spec asks for, of all revisions of
//! a name, as one object. And what was delivered for other periods, the same way.

use std::collections::BTreeMap;

use database::{Database, Value as Cell};
use feed::calculation::Reference;
use feed::rows::{ACCEPTED_CODE, ROWS_FORMAT, RowWriter, RowsColumn, RowsHeader, RowsOutcome};
use feed::spec::Outcome;
use feed::{Kind, PinnedRevision, Value};
use serde_json::value::RawValue;
use stepwright::objects::{ObjectRef, ObjectWriter};

use super::{OpenError, Scope, delivered};
use crate::customer::{ReferenceFiles, name_of};
use crate::layout::{Adapter, Layouts};
use crate::period::Period;
use crate::tables::reference::{self, Active};
use crate::tables::unsigned;

/// What is in force.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) objects: BTreeMap<String, ObjectRef>,
    pub(super) revisions: Vec<PinnedRevision>,
    /// What has to be uploaded.
    pub(super) missing: Vec<String>,
}

/// Writes an object for each reference of the spec.
pub(super) async fn take_out(
    database: &mut impl Database,
    scope: Scope<'_>,
    layouts: &Layouts,
) -> Result<References, OpenError> {
    let mut found = References::default();
    for wanted in &scope.spec.references {
        if wanted.delivered {
            let object = delivered::take_out(database, scope, wanted, layouts).await?;
            found.objects.insert(wanted.name.clone(), object);
            continue;
        }
        let Some(files) = scope.customer.reference(&wanted.name) else {
            let detail = format!(
                "the spec of `{}` needs the reference `{}`, but `customer.toml` has no [[references]] of this name; add it",
                scope.spec.feed, wanted.name
            );
            return Err(OpenError::Configuration { detail });
        };
        let active = scope.pinned.revisions_of(database, &wanted.name).await?;
        if active.is_empty() {
            found.missing.push(format!("no `{}` at all: upload {}", wanted.name, called(files)));
            continue;
        }
        let mut object = ReferenceObject::begin(scope, wanted, &active)?;
        for revision in &active {
            object.append(database, revision, layouts).await?;
        }
        if wanted.period.is_some() && !object.has_period {
            let period = scope.period.name();
            found.missing.push(format!("no `{}` for {period}: upload {}", wanted.name, called(files)));
        }
        found.objects.insert(wanted.name.clone(), object.finish()?);
        found.revisions.extend(active.into_iter().map(|revision| PinnedRevision {
            name: wanted.name.clone(),
            scope: revision.scope,
            number: unsigned(Some(revision.number)),
        }));
    }
    Ok(found)
}

/// `a file called *targets*.xlsx`.
fn called(files: &ReferenceFiles) -> String {
    let patterns: Vec<String> = files.files.iter().map(|pattern| format!("`{pattern}`")).collect();
    format!("a file called {}", patterns.join(" or "))
}

/// The rows of a reference on their way into an object.
struct ReferenceObject<'a> {
    wanted: &'a Reference,
    columns: Vec<RowsColumn>,
    writer: RowWriter<ObjectWriter>,
    rows: u64,
    period: Period,
    /// The column that says which period a row is for.
    period_column: Option<(usize, Kind)>,
    /// Whether a row is for the period.
    has_period: bool,
}

impl<'a> ReferenceObject<'a> {
    fn begin(scope: Scope<'_>, wanted: &'a Reference, active: &[Active]) -> Result<Self, OpenError> {
        let columns: Vec<RowsColumn> = wanted
            .columns
            .iter()
            .map(|column| RowsColumn { name: column.name.clone(), kind: column.kind })
            .collect();
        let described = serde_json::to_string(&columns).unwrap_or_default();
        // The same revisions and columns, the same place and bytes.
        let mut parts = vec!["reference/1".to_owned(), wanted.name.clone(), described];
        for revision in active {
            parts.extend([revision.scope.clone(), revision.number.to_string(), revision.sha256.clone()]);
        }
        let key =
            format!("{}/references/{}-{}.jsonl", scope.spec.feed, wanted.name, feed::fingerprint(&parts));
        let header = RowsHeader {
            format: ROWS_FORMAT.to_owned(),
            feed: active.first().map_or_else(|| wanted.name.clone(), |revision| revision.feed.clone()),
            columns: columns.clone(),
            outcomes: vec![RowsOutcome { code: ACCEPTED_CODE.to_owned(), outcome: Outcome::Accept }],
        };
        let writer = RowWriter::new(scope.staging.create(&key)?, &header).map_err(OpenError::write)?;
        let period_column = wanted.period.as_ref().and_then(|name| {
            columns
                .iter()
                .position(|column| column.name == *name)
                .zip(columns.iter().find(|column| column.name == *name).map(|column| column.kind))
        });
        Ok(Self { wanted, columns, writer, rows: 0, period: scope.period, period_column, has_period: false })
    }

    async fn append(
        &mut self,
        database: &mut impl Database,
        revision: &Active,
        layouts: &Layouts,
    ) -> Result<(), OpenError> {
        let of = format!("`{}` ({})", self.wanted.name, name_of(&revision.file_key));
        let damaged = |problem: String| OpenError::Damaged {
            detail: format!("the rows of {of} cannot be read: {problem}; find out who changed them"),
        };
        let Some(stored) = layouts.get(&revision.layout) else {
            return Err(damaged(format!("ingest_layout has no `{}`", revision.layout)));
        };
        let adapter =
            Adapter::between(stored, &self.columns, |_| false).map_err(|problem| OpenError::Outdated {
                detail: format!("the rows of {of} do not have what the spec asks for: {problem}; correct `columns` of the reference in the spec, or upload the file again"),
            })?;
        let parameters =
            [Cell::from(&*self.wanted.name), Cell::from(&*revision.scope), Cell::from(revision.number)];
        database
            .each(reference::READ_ROWS, &parameters, |record| {
                let values = record.text(0).unwrap_or_default();
                let values = adapter.adapt(values).map_err(|error| damaged(error.to_string()))?;
                if !self.has_period {
                    self.has_period =
                        self.is_for_the_period(&values).map_err(|error| damaged(error.to_string()))?;
                }
                self.rows += 1;
                self.writer.write_stored(0, &values).map_err(OpenError::write)
            })
            .await
    }

    fn is_for_the_period(&self, values: &str) -> Result<bool, serde_json::Error> {
        let Some((place, kind)) = self.period_column else { return Ok(false) };
        let values: Vec<&RawValue> = serde_json::from_str(values)?;
        let Some(raw) = values.get(place) else { return Ok(false) };
        let value = match kind {
            Kind::Integer => serde_json::from_str::<Option<i64>>(raw.get())?.map(Value::Integer),
            _ => serde_json::from_str::<Option<String>>(raw.get())?.map(|text| match kind {
                Kind::Date => text.parse().map_or(Value::Null, Value::Date),
                Kind::Timestamp => text.parse().map_or(Value::Null, Value::Timestamp),
                _ => Value::Text(text),
            }),
        };
        Ok(value.is_some_and(|value| self.period.is_meant_by(&value)))
    }

    fn finish(self) -> Result<ObjectRef, OpenError> {
        Ok(self.writer.into_inner().finish(Some(self.rows))?)
    }
}
