//! Where the spec's columns are in a source.

use feed::FeedSpec;
use feed::spec::among;

use crate::error::{ParseError, SourceFile};

/// The columns' places in a row of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    /// For each column of the spec its field, counted from 0.
    pub(crate) fields: Vec<usize>,
    /// How many fields a row has; none when the source does not say.
    pub(crate) width: Option<usize>,
}

impl Columns {
    /// Finds the columns by name in a header.
    pub(crate) fn by_name(
        header: &[&str],
        line: u64,
        source: &SourceFile,
        spec: &FeedSpec,
    ) -> Result<Self, ParseError> {
        let names: Vec<&str> = header.iter().map(|name| name.trim()).collect();
        let mut problems = Vec::new();
        let mut fields = Vec::with_capacity(spec.columns.len());
        for column in &spec.columns {
            let wanted = column.source_name();
            let mut places = names.iter().enumerate().filter(|(_, name)| **name == wanted).map(|(at, _)| at);
            match (places.next(), places.next()) {
                (Some(place), None) => fields.push(place),
                (Some(_), Some(_)) => problems.push(format!("the header has the column `{wanted}` twice")),
                (None, _) => {
                    let known: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
                    problems.push(format!("the header has no column `{wanted}`; {}", among(wanted, &known)));
                }
            }
        }
        if problems.is_empty() {
            return Ok(Self { fields, width: Some(header.len()) });
        }
        Err(ParseError::MissingColumn {
            detail: format!(
                "{source}, line {line}: {}. Have the file sent with its columns, or correct `header` of the column in the spec",
                problems.join("; ")
            ),
        })
    }

    /// Takes the columns by the places the spec gives them.
    pub(crate) fn by_position(spec: &FeedSpec) -> Self {
        let fields = spec
            .columns
            .iter()
            .map(|column| column.position.unwrap_or(1).saturating_sub(1) as usize)
            .collect();
        Self { fields, width: None }
    }

    /// The least number of fields a row must have.
    pub(crate) fn needed(&self) -> usize {
        self.fields.iter().max().map_or(0, |last| last + 1)
    }
}
