//! A bucket, a CoreView and shorthand for what tests do with them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};

use database::{Connection, Database, Patience, Value};
use stepwright::{Read, Use, Write};
use stepwright_step_deliver::{
    Batch, Correction, Deliver, DeliverError, Receipt, Stage, StageRequest, Staging, Verified, Verify,
    VerifyError,
};
use tempfile::TempDir;

pub(crate) const FLIGHTS: &str = "carrier,month,flights,delay\nUA,1,3,-1.50\n9E,1,2,0.10\nAA,2,7,\n";

pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) location: String,
    dir: TempDir,
}

impl Place {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        let dir = TempDir::new().unwrap();
        Self { url: url.into(), location: format!("file://{}", dir.path().display()), dir }
    }

    /// The same bucket with another way to CoreView.
    pub(crate) fn via(&self, url: impl Into<String>) -> Self {
        Self { url: url.into(), location: self.location.clone(), dir: TempDir::new().unwrap() }
    }

    pub(crate) fn request(&self, period: &str, execution: &str, figures: &str) -> StageRequest {
        let writer: Write<Staging> = Write::at(&self.location).unwrap();
        let mut object = writer.create(&format!("figures/{execution}.csv")).unwrap();
        object.write_all(figures.as_bytes()).unwrap();
        let mut rows = csv::Reader::from_reader(figures.as_bytes());
        let numbers = rows.records().map(|row| row.unwrap()[2].parse::<i64>().unwrap());
        let numbers: Vec<i64> = numbers.collect();
        StageRequest {
            workflow: "coreview-delivery".into(),
            channel: "coreview-database".into(),
            feed: "flights".into(),
            period: period.into(),
            market: None,
            figures: object.finish(None).unwrap(),
            key_columns: vec!["carrier".into(), "month".into()],
            rows: numbers.len() as u64,
            totals: BTreeMap::from([("flights".into(), numbers.iter().sum::<i64>().to_string())]),
            execution_arn: execution.into(),
            correction: None,
            replaces: None,
        }
    }

    /// Many rows, in an order that is not the batch's, never in memory together.
    pub(crate) fn large_request(&self, rows: u64) -> StageRequest {
        let writer: Write<Staging> = Write::at(&self.location).unwrap();
        let mut object = writer.create("figures/large.csv").unwrap();
        writeln!(object, "carrier,month,flights,note").unwrap();
        for row in 0..rows {
            // Coprime with the number of rows: visits every one once.
            let shuffled = row * 7_919 % rows;
            writeln!(object, "carrier-{shuffled},2013-01,1,{row:0>80}").unwrap();
        }
        StageRequest {
            figures: object.finish(None).unwrap(),
            rows,
            totals: BTreeMap::from([("flights".into(), rows.to_string())]),
            ..self.request("large", "arn:large", "carrier,month,flights\n")
        }
    }

    /// Stages; a correction is compared with what is known here, as planning does.
    pub(crate) async fn stage_request(&self, mut request: StageRequest) -> Batch {
        if request.correction.is_some() && request.replaces.is_none() {
            request.replaces = self.last_delivery(&request).await;
        }
        self.stage_as_it_is(request).await
    }

    async fn last_delivery(&self, request: &StageRequest) -> Option<String> {
        let StageRequest { channel, feed, period, market, .. } = request;
        let parameters = [channel, feed, period, market.as_deref().unwrap_or_default()]
            .map(|text: &str| Value::from(text));
        let last = "SELECT delivery_id FROM delivery_receipt WHERE channel = $1 AND feed = $2 AND period = $3 \
                    AND market = $4 ORDER BY version DESC LIMIT 1";
        let records = self.connection().await.query(last, &parameters).await.unwrap();
        records.first().and_then(|record| record.text(0)).map(str::to_owned)
    }

    pub(crate) async fn stage_as_it_is(&self, request: StageRequest) -> Batch {
        Stage::handle(request, Write::at(&self.location).unwrap(), Use::of(&*self.url)).await.unwrap()
    }

    pub(crate) async fn stage(&self, execution: &str, figures: &str) -> Batch {
        self.stage_request(self.request("2013", execution, figures)).await
    }

    pub(crate) async fn stage_correction(&self, execution: &str, figures: &str, reason: &str) -> Batch {
        let correction = Some(Correction { reason: reason.into() });
        self.stage_request(StageRequest { correction, ..self.request("2013", execution, figures) }).await
    }

    pub(crate) async fn deliver(&self, batch: &Batch) -> Result<Receipt, DeliverError> {
        let staging: Read<Staging> = Read::at(&self.location).unwrap();
        Deliver::handle(batch.clone(), staging, Use::of(&*self.url)).await
    }

    pub(crate) async fn verify(&self, receipt: &Receipt) -> Result<Verified, VerifyError> {
        Verify::handle(receipt.clone(), Use::of(&*self.url)).await
    }

    pub(crate) fn rows(&self, batch: &Batch) -> BufReader<File> {
        let staging: Read<Staging> = Read::at(&self.location).unwrap();
        BufReader::new(staging.get(&batch.batch).unwrap())
    }

    /// A folder for whatever a test wants to put down.
    pub(crate) fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// The file of a batch's rows.
    pub(crate) fn path_of(&self, batch: &Batch) -> PathBuf {
        Path::new(self.location.trim_start_matches("file://")).join(&batch.batch.key)
    }

    pub(crate) async fn connection(&self) -> Connection {
        Connection::open(&self.url, Patience::default()).await.unwrap()
    }

    pub(crate) async fn query(&self, statement: &str) -> Vec<Vec<Value>> {
        let records = self.connection().await.query(statement, &[]).await.unwrap();
        records.into_iter().map(|record| record.0).collect()
    }

    pub(crate) async fn execute(&self, statement: &str) -> u64 {
        self.connection().await.execute(statement, &[]).await.unwrap()
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        match self.query(&format!("SELECT COUNT(*) FROM {table}")).await[0][0] {
            Value::Integer(count) => count,
            ref other => panic!("{other:?}"),
        }
    }

    /// Everything CoreView holds.
    pub(crate) async fn contents(&self) -> Vec<Vec<Value>> {
        let mut contents = Vec::new();
        for (columns, table) in [
            ("delivery_id, version, batch_sha256, receipt, state, ended_by", "coreview_ledger"),
            ("delivery_id, entity_key, figures", "coreview_staging"),
            ("feed, period, market, entity_key, figures, delivery_id, version, state", "coreview_figure"),
            ("delivery_id, entity_key, figures_before, figures_after, reason", "coreview_audit"),
            ("delivery_id, channel, receipt", "delivery_receipt"),
        ] {
            contents.extend(self.query(&format!("SELECT {columns} FROM {table} ORDER BY 1, 2, 3")).await);
        }
        contents
    }
}
