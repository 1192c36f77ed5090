//! Figures as they are kept: key and figures of a row as JSON objects by column,
//! every value the text it has in the CSV.

use std::collections::BTreeMap;
use std::fs::File;

use database::{Database, Value as Cell};
use feed::Figures;

use crate::control::ControlError;
use crate::tables::{ROWS_PER_CHUNK, calc};

/// Whose figures they are.
pub(crate) struct Owner<'a> {
    pub(crate) run: &'a str,
    pub(crate) market: &'a str,
    pub(crate) figures: &'a Figures,
}

impl Owner<'_> {
    /// The columns all tables of figures begin with.
    fn cells(&self) -> [Cell; 3] {
        [self.run.into(), self.market.into(), self.figures.figures.sha256.as_str().into()]
    }

    fn damaged(&self, problem: &str) -> ControlError {
        ControlError::Damaged {
            detail: format!(
                "the figures of market `{}`: {problem}; run the calculate step again",
                self.market
            ),
        }
    }

    /// Inserts the rows; how many there were is compared with what was announced.
    pub(crate) async fn insert_rows(
        &self,
        database: &mut impl Database,
        figures: File,
    ) -> Result<(), ControlError> {
        let mut reader = csv::Reader::from_reader(figures);
        let header = reader.headers().map_err(|error| self.damaged(&error.to_string()))?.clone();
        if let Some(name) = self.figures.key_columns.iter().find(|name| !header.iter().any(|it| it == *name))
        {
            return Err(self.damaged(&format!("there is no column `{name}`")));
        }
        let mut record = csv::StringRecord::new();
        let mut rows = 0;
        let mut chunk = vec![];
        while reader.read_record(&mut record).map_err(|error| self.damaged(&error.to_string()))? {
            rows += 1;
            chunk.push(self.row(&header, &record));
            if chunk.len() == ROWS_PER_CHUNK {
                database.insert_many("calc_row", &calc::ROW_COLUMNS, &chunk).await?;
                chunk.clear();
            }
        }
        if !chunk.is_empty() {
            database.insert_many("calc_row", &calc::ROW_COLUMNS, &chunk).await?;
        }
        if rows == self.figures.rows {
            return Ok(());
        }
        Err(self.damaged(&format!("{rows} rows instead of {}", self.figures.rows)))
    }

    fn row(&self, header: &csv::StringRecord, record: &csv::StringRecord) -> Vec<Cell> {
        let (mut entity, mut figures) = (BTreeMap::new(), BTreeMap::new());
        for (column, value) in header.iter().zip(record) {
            let is_key = self.figures.key_columns.iter().any(|key| key == column);
            (if is_key { &mut entity } else { &mut figures }).insert(column, value);
        }
        let text = |object: &BTreeMap<&str, &str>| serde_json::to_string(object).unwrap_or_default();
        let mut cells = self.cells().to_vec();
        cells.extend([Cell::from(text(&entity)), Cell::from(text(&figures))]);
        cells
    }

    /// Inserts the totals.
    pub(crate) async fn insert_totals(&self, database: &mut impl Database) -> Result<(), ControlError> {
        let total = |(name, amount): (&String, &String)| {
            let mut cells = self.cells().to_vec();
            cells.extend([Cell::from(&**name), Cell::from(&**amount)]);
            cells
        };
        let totals: Vec<Vec<Cell>> = self.figures.totals.iter().map(total).collect();
        database.insert_many("calc_total", &calc::TOTAL_COLUMNS, &totals).await?;
        Ok(())
    }
}
