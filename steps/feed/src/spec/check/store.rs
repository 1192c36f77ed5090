//! What is kept of a feed: columns of its rows, and periods that can be told apart.

use super::Check;
use crate::calculation::{ENTRY_DELIVERY, ENTRY_PERIOD, ROWS};
use crate::spec::store::{MONTHS_BACK_MAX, Store};
use crate::value::Kind;

impl Check<'_> {
    /// Before tables are looked at: what is kept are the rows.
    pub(super) fn store(&mut self) {
        let spec = self.spec;
        let Some(store) = &spec.store else { return };
        self.store_key(store);
        if let Some(kind) = self.row_column("store.day", &store.day)
            && !kind.is_time()
        {
            self.find(
                "store.day",
                format!("column `{}` is {kind}: a date or timestamp is needed", store.day),
            );
        }
        if let Some(market) = &store.market
            && let Some(kind) = self.row_column("store.market", market)
            && kind != Kind::Text
        {
            self.find("store.market", format!("column `{market}` is {kind}: a text is needed"));
        }
        if store.months_back > MONTHS_BACK_MAX {
            self.find("store.months_back", format!("at most {MONTHS_BACK_MAX} months"));
        }
        if spec.delivery.period.is_some() {
            self.find(
                "delivery.period",
                "rows of many periods are kept (`store`): name the column of the period in `period_from` instead",
            );
        }
    }

    fn store_key(&mut self, store: &Store) {
        if store.replace.is_some() && !store.key.is_empty() {
            self.find(
                "store.replace",
                "with a `key` a row takes the place of the one with its key: leave this out",
            );
        }
        for (index, name) in store.key.iter().enumerate() {
            let at = format!("store.key[{index}]");
            self.row_column(&at, name);
            if store.key.iter().take(index).any(|other| other == name) {
                self.find(at, format!("`{name}` is in the key twice"));
            }
        }
    }

    /// The kind of a column of the rows; a finding when there is none.
    fn row_column(&mut self, at: &str, name: &str) -> Option<Kind> {
        if let Some((_, kind)) = self.layout.find(name) {
            return Some(kind);
        }
        let layout = self.layout.clone();
        let known: Vec<&str> = layout.names().collect();
        self.unknown(at, "column", name, &known);
        None
    }

    /// What is kept of figures must be columns of the table they are made of. Looked
    /// at when that table is known.
    pub(super) fn entries(&mut self) {
        let spec = self.spec;
        let mut delivered = spec.references.iter().enumerate().filter(|(_, reference)| reference.delivered);
        let Some((index, reference)) = delivered.next() else { return };
        let at = format!("references[{index}]");
        if let Some((other, _)) = delivered.next() {
            self.find(
                format!("references[{other}].delivered"),
                format!("`{}` is that already", reference.name),
            );
        }
        if reference.period.is_some() {
            self.find(format!("{at}.period"), "what was delivered is never waited for: leave it out");
        }
        if spec.store.is_none() {
            self.find(
                format!("{at}.delivered"),
                "only a feed with a section `[store]` knows what was delivered",
            );
        }
        if spec.figures.source() == ROWS {
            self.find(format!("{at}.delivered"), "name the table in `figures.from` whose rows are kept");
            return;
        }
        let layout = self.layout.clone();
        for (index, column) in reference.columns.iter().enumerate() {
            let at = format!("{at}.columns[{index}]");
            let built_in = [ENTRY_PERIOD, ENTRY_DELIVERY].contains(&&*column.name);
            let known =
                if built_in { Some(Kind::Text) } else { layout.find(&column.name).map(|(_, kind)| kind) };
            match known {
                None => {
                    let mut known: Vec<&str> = layout.names().collect();
                    known.extend([ENTRY_PERIOD, ENTRY_DELIVERY]);
                    self.unknown(format!("{at}.name"), "column of the figures' table", &column.name, &known);
                }
                Some(kind) if kind != column.kind => {
                    let message = format!("`{}` is {kind} there, not {}", column.name, column.kind);
                    self.find(format!("{at}.type"), message);
                }
                Some(_) => {}
            }
        }
    }

    /// The column that says which period a row of reference data is for.
    pub(super) fn reference_periods(&mut self) {
        let spec = self.spec;
        for (index, reference) in spec.references.iter().enumerate() {
            let Some(period) = &reference.period else { continue };
            let at = format!("references[{index}].period");
            match reference.columns.iter().find(|column| column.name == *period) {
                None => {
                    let known: Vec<&str> =
                        reference.columns.iter().map(|column| column.name.as_str()).collect();
                    self.unknown(at, "column of this reference", period, &known);
                }
                Some(column) if matches!(column.kind, Kind::Decimal | Kind::Boolean) => {
                    let message = format!(
                        "column `{period}` is {}: a text such as `2024-01`, a year as integer, a date or a timestamp is needed",
                        column.kind
                    );
                    self.find(at, message);
                }
                Some(_) => {}
            }
        }
    }
}
