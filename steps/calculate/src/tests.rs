//! Whole feeds through the plain functions of parse, reconcile and calculate.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use feed::{Drops, Figures, Parsed, Reconciled, Staging};
use step_parse::{ParseError, ParseRequest};
use step_reconcile::{ReconcileError, ReconcileRequest};
use stepwright::objects::{ObjectRef, Store};
use stepwright::{Read, Write};

use super::*;

mod commission;
mod datasets;
mod invoices;
mod rules;
mod sample;
mod tables;

/// Two buckets in a directory that goes away.
struct Buckets {
    directory: tempfile::TempDir,
    drops: Read<Drops>,
    staging: Write<Staging>,
}

/// Everything the steps said about a feed.
struct Run {
    parsed: Parsed,
    reconciled: Reconciled,
    figures: Figures,
    csv: String,
}

#[derive(Debug)]
#[expect(dead_code, reason = "what failed is shown by Debug")]
enum Failure {
    Parse(ParseError),
    Reconcile(ReconcileError),
    Calculate(CalculateError),
}

impl Buckets {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let location = |name: &str| format!("file://{}", directory.path().join(name).display());
        let drops = Read::at(&location("drops")).unwrap();
        let staging = Write::at(&location("staging")).unwrap();
        Self { directory, drops, staging }
    }

    fn put(&self, key: &str, content: &[u8]) -> ObjectRef {
        let location = format!("file://{}", self.directory.path().join("drops").display());
        let mut writer = Store::open("drops", &location).unwrap().create(key).unwrap();
        writer.write_all(content).unwrap();
        writer.finish(None).unwrap()
    }

    fn run(&self, spec: ObjectRef, files: Vec<ObjectRef>) -> Result<Run, Failure> {
        self.run_with(spec, files, BTreeMap::new())
    }

    /// The rows of another feed, for a spec that refers to them.
    fn reference(&self, spec: &str, file: (&str, &[u8])) -> ObjectRef {
        let spec = self.put("reference.toml", spec.as_bytes());
        let request = ParseRequest { spec, files: vec![self.put(file.0, file.1)] };
        let parsed = step_parse::run(&request, &self.drops, &self.staging).unwrap();
        assert_eq!(parsed.stats.rejected, 0);
        parsed.rows
    }

    fn run_with(
        &self,
        spec: ObjectRef,
        files: Vec<ObjectRef>,
        references: BTreeMap<String, ObjectRef>,
    ) -> Result<Run, Failure> {
        let request = ParseRequest { spec: spec.clone(), files };
        let start = Instant::now();
        let parsed = step_parse::run(&request, &self.drops, &self.staging).map_err(Failure::Parse)?;
        let (parsed_in, start) = (start.elapsed(), Instant::now());
        let request = ReconcileRequest { spec: spec.clone(), parsed: parsed.clone() };
        let reconciled = step_reconcile::run(&request, &self.drops, |object| self.staging.get(object))
            .map_err(Failure::Reconcile)?;
        let (reconciled_in, start) = (start.elapsed(), Instant::now());
        let control = reconciled.control.clone();
        let request =
            CalculateRequest { spec, rows: reconciled.rows.clone(), control, references, period: None };
        let figures = run(&request, &self.drops, &self.staging).map_err(Failure::Calculate)?;
        let calculated_in = start.elapsed();
        println!("parse {parsed_in:?}, reconcile {reconciled_in:?}, calculate {calculated_in:?}");
        let csv = self.text(&figures.figures);
        Ok(Run { parsed, reconciled, figures, csv })
    }

    fn text(&self, object: &ObjectRef) -> String {
        let mut text = String::new();
        self.staging.get(object).unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/samples")
}
