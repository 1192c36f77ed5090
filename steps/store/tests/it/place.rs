//! Buckets, a database, a small customer, and shorthand for what tests do with them.

use std::collections::BTreeMap;
use std::io::Write as _;

use database::{Connection, Database, Patience, Value};
use feed::{Correction, Figures, MarketFigures, Parsed, ReceiptRef, Reconciled};
use step_parse::ParseRequest;
use step_reconcile::ReconcileRequest;
use stepwright::objects::ObjectRef;
use stepwright::{Read, Use, Write};
use stepwright_step_store::{
    CloseError, CloseRequest, CloseRun, Closed, Control, ControlError, ControlRequest, Controlled, KeepError,
    KeepRequest, KeepRevision, Load, LoadError, LoadRequest, Loaded, OpenError, OpenRequest, OpenRun,
    Planned, Revision, Run, RunRef,
};
use tempfile::TempDir;

pub(crate) const CUSTOMER: &str = r#"
[[references]]
name = "cells"
spec = "cells.toml"
files = ["cells*.csv"]
scope = ["year"]

[[references]]
name = "targets"
spec = "targets.toml"
files = ["targets*.csv"]

[contracts]
spec = "contracts.toml"
files = ["contracts*.csv"]

[control]
measure = "payable"
jump_percent = 40

[delivery]
channels = ["coreview-database"]
"#;

pub(crate) const CONTRACTS: &str = r#"
feed = "agent-contracts"
[source]
format = "csv"
[rejects]
policy = "keep-going"

[[columns]]
name = "contract"
type = "text"
required = true
[[columns]]
name = "agent"
type = "text"
[[columns]]
name = "market"
type = "text"
[[columns]]
name = "day"
type = "date"
[[columns]]
name = "amount"
type = "decimal"
required = true
[[columns]]
name = "status"
type = "text"

[[triage]]
code = "WITHDRAWN"
outcome = "cancel"
when = { column = "status", op = "=", value = "withdrawn" }
[[triage]]
code = "NOT_POSITIVE"
outcome = "reject"
reason = "an amount is above zero"
when = { column = "amount", op = "<=", value = 0 }

[store]
key = ["contract"]
day = "day"
market = "market"
months_back = 2

[[references]]
name = "cells"
period = "year"
columns = [{ name = "year", type = "integer" }, { name = "rate", type = "decimal" }]
[[references]]
name = "targets"
period = "month"
columns = [{ name = "month", type = "text" }, { name = "target", type = "decimal" }]

[[measures]]
name = "payable"
kind = "sum"
column = "amount"
[figures]
group_by = ["agent"]
control = ["payable"]
[delivery]
period_from = "day"
period_unit = "month"
"#;

const CELLS: &str = r#"
feed = "matrix"
[source]
format = "csv"
[rejects]
policy = "fail-fast"
[[columns]]
name = "year"
type = "integer"
[[columns]]
name = "market"
type = "text"
[[columns]]
name = "rate"
type = "decimal"
[[warnings]]
code = "HIGH"
reason = "a rate above one half"
when = { column = "rate", op = ">", value = 0.5 }
"#;

const TARGETS: &str = r#"
feed = "agent-targets"
[source]
format = "csv"
[rejects]
policy = "fail-fast"
[[columns]]
name = "agent"
type = "text"
[[columns]]
name = "month"
type = "text"
[[columns]]
name = "target"
type = "decimal"
"#;

/// January to April, two markets, one cancelled row, one rejected.
pub(crate) const ROWS: &str = "contract,agent,market,day,amount,status\n\
C-1,Aspen,north,2024-01-10,100.00,\n\
C-2,Birch,south,2024-02-29,200.50,\n\
C-3,Aspen,north,2024-03-01,300.00,withdrawn\n\
C-4,Birch,south,2024-03-31,400.00,\n\
C-5,Cedar,north,2024-03-15,-5,\n\
C-6,Cedar,north,2024-04-01,600.00,\n";

pub(crate) struct Place {
    pub(crate) url: String,
    dir: TempDir,
}

impl Place {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        let place = Self { url: url.into(), dir: TempDir::new().unwrap() };
        place.put("customer/customer.toml", CUSTOMER);
        place.put("customer/contracts.toml", CONTRACTS);
        place.put("customer/cells.toml", CELLS);
        place.put("customer/targets.toml", TARGETS);
        place
    }

    fn location(&self, bucket: &str) -> String {
        format!("file://{}/{bucket}", self.dir.path().display())
    }

    pub(crate) fn drops(&self) -> Write<feed::Drops> {
        Write::at(&self.location("drops")).unwrap()
    }

    pub(crate) fn read_drops(&self) -> Read<feed::Drops> {
        Read::at(&self.location("drops")).unwrap()
    }

    pub(crate) fn staging(&self) -> Write<feed::Staging> {
        Write::at(&self.location("staging")).unwrap()
    }

    pub(crate) fn read_staging(&self) -> Read<feed::Staging> {
        Read::at(&self.location("staging")).unwrap()
    }

    pub(crate) fn put(&self, key: &str, text: &str) -> ObjectRef {
        let mut object = self.drops().create(key).unwrap();
        object.write_all(text.as_bytes()).unwrap();
        object.finish(None).unwrap()
    }

    pub(crate) fn path_of(&self, key: &str) -> std::path::PathBuf {
        self.dir.path().join("drops").join(key)
    }

    pub(crate) fn found(&self, key: &str) -> ObjectRef {
        self.drops().find(key, None).unwrap().unwrap()
    }

    pub(crate) fn configuration(&self) -> ObjectRef {
        self.found("customer/customer.toml")
    }

    pub(crate) fn parse(&self, spec: &str, file: &ObjectRef) -> Parsed {
        let spec = self.found(&format!("customer/{spec}.toml"));
        let request = ParseRequest { spec, files: vec![file.clone()] };
        step_parse::run(&request, &self.read_drops(), &self.staging()).unwrap()
    }

    pub(crate) fn reconcile(&self, spec: &str, parsed: &Parsed) -> Reconciled {
        let spec = self.found(&format!("customer/{spec}.toml"));
        let request = ReconcileRequest { spec, parsed: parsed.clone() };
        let staging = self.read_staging();
        step_reconcile::run(&request, &self.read_drops(), |object| staging.get(object)).unwrap()
    }

    pub(crate) fn load_request(&self, name: &str, text: &str, execution: &str) -> LoadRequest {
        let file = self.put(&format!("in/{name}"), text);
        let parsed = self.parse("contracts", &file);
        let reconciled = self.reconcile("contracts", &parsed);
        LoadRequest {
            spec: self.found("customer/contracts.toml"),
            files: vec![file],
            reconciled,
            parsed,
            execution_arn: execution.into(),
        }
    }

    pub(crate) async fn load_as(&self, request: LoadRequest) -> Result<Loaded, LoadError> {
        Load::handle(request, self.read_drops(), self.read_staging(), Use::of(&*self.url)).await
    }

    pub(crate) async fn load(&self, name: &str, text: &str, execution: &str) -> Loaded {
        self.load_as(self.load_request(name, text, execution)).await.unwrap()
    }

    pub(crate) async fn keep_as(
        &self,
        name: &str,
        text: &str,
        execution: &str,
    ) -> Result<Revision, KeepError> {
        let file = self.put(&format!("in/{name}.csv"), text);
        let request = KeepRequest {
            configuration: self.configuration(),
            name: name.into(),
            parsed: self.parse(name, &file),
            file,
            spec: self.found(&format!("customer/{name}.toml")),
            execution_arn: execution.into(),
        };
        KeepRevision::handle(request, self.read_drops(), self.read_staging(), Use::of(&*self.url)).await
    }

    pub(crate) async fn keep(&self, name: &str, text: &str, execution: &str) -> Revision {
        self.keep_as(name, text, execution).await.unwrap()
    }

    /// All references for 2024 up to April.
    pub(crate) async fn keep_all(&self) {
        self.keep("cells", "year,market,rate\n2024,north,0.02\n2024,south,0.03\n", "arn:r").await;
        let months = ["2024-01", "2024-02", "2024-03", "2024-04"];
        let targets: String = months.iter().map(|month| format!("Aspen,{month},100\n")).collect();
        self.keep("targets", &format!("agent,month,target\n{targets}"), "arn:r").await;
    }

    pub(crate) async fn open_as(&self, request: OpenRequest) -> Result<Run, OpenError> {
        OpenRun::handle(request, self.read_drops(), self.staging(), Use::of(&*self.url)).await
    }

    pub(crate) fn open_request(&self, period: &str) -> OpenRequest {
        OpenRequest {
            configuration: self.configuration(),
            period: Some(period.into()),
            scheduled_at: None,
            correction: None,
            current_references: false,
            complete: false,
            execution_arn: "arn:o".into(),
        }
    }

    pub(crate) async fn open(&self, period: &str) -> Run {
        self.open_as(self.open_request(period)).await.unwrap()
    }

    /// Figures of a market: an amount for each agent.
    pub(crate) fn figures(&self, run: &Run, market: &str, amounts: &[(&str, &str)]) -> MarketFigures {
        let rows: String = amounts.iter().map(|(agent, amount)| format!("{agent},{amount}\n")).collect();
        let text = format!("agent,payable\n{rows}");
        let key = format!("figures/{}/{market}/{}.csv", run.id, feed::fingerprint([&text]));
        let mut object = self.staging().create(&key).unwrap();
        object.write_all(text.as_bytes()).unwrap();
        let total: f64 = amounts.iter().map(|(_, amount)| amount.parse::<f64>().unwrap()).sum();
        let figures = Figures {
            feed: run.feed.clone(),
            channel: "coreview-database".into(),
            period: run.period.clone(),
            figures: object.finish(None).unwrap(),
            key_columns: vec!["agent".into()],
            rows: amounts.len() as u64,
            totals: BTreeMap::from([("payable[currency=EUR]".to_owned(), format!("{total:.2}"))]),
            entries: None,
            warnings: BTreeMap::new(),
        };
        let rows = run.markets.iter().find(|rows| rows.market == market).unwrap_or(&run.markets[0]);
        MarketFigures { market: market.into(), parsed: rows.parsed.clone(), figures }
    }

    pub(crate) async fn control_as(
        &self,
        run: &Run,
        figures: Vec<MarketFigures>,
        correction: Option<&str>,
    ) -> Result<Controlled, ControlError> {
        let request = ControlRequest {
            run: RunRef { id: run.id.clone(), period: run.period.clone(), feed: run.feed.clone() },
            configuration: self.configuration(),
            spec: run.spec.clone(),
            notices: run.notices.clone(),
            figures,
            correction: correction.map(|reason| Correction { reason: reason.into() }),
            execution_arn: "arn:c".into(),
        };
        Control::handle(request, self.read_drops(), self.read_staging(), Use::of(&*self.url)).await
    }

    pub(crate) async fn close(&self, run: &str, receipts: Vec<ReceiptRef>) -> Result<Closed, CloseError> {
        let request = CloseRequest { run_id: run.into(), receipts, execution_arn: "arn:c".into() };
        CloseRun::handle(request, Use::of(&*self.url)).await
    }

    /// Opens a period that is corrected.
    pub(crate) async fn open_again(&self, period: &str) -> Run {
        let correction = Some(Correction { reason: "because".into() });
        self.open_as(OpenRequest { correction, ..self.open_request(period) }).await.unwrap()
    }

    /// Notes that a market was delivered, as delivery does.
    pub(crate) async fn note_receipt(&self, period: &str, market: &str) {
        let statement = format!(
            "INSERT INTO delivery_receipt (delivery_id, channel, workflow, feed, period, market, version, \
             batch_sha256, row_count, totals, execution_arn, delivered_at, receipt) \
             VALUES ('d-{period}-{market}', 'coreview-database', 'w', 'agent-contracts', '{period}', '{market}', 1, \
             '00', 1, '{{}}', 'arn', '2024-05-01T00:00:00.000Z', '{{}}')"
        );
        self.connection().await.execute(&statement, &[]).await.unwrap();
    }

    /// Opens, controls and closes a period with one amount.
    pub(crate) async fn deliver(&self, period: &str, amount: &str, correction: Option<&str>) -> Controlled {
        let run = self.open(period).await;
        let figures = vec![self.figures(&run, "north", &[("Aspen", amount)])];
        let controlled = self.control_as(&run, figures, correction).await.unwrap();
        let receipts = controlled.deliveries.iter().map(receipt).collect();
        self.close(&run.id, receipts).await.unwrap();
        controlled
    }

    pub(crate) async fn connection(&self) -> Connection {
        Connection::open(&self.url, Patience::default()).await.unwrap()
    }

    pub(crate) async fn query(&self, statement: &str) -> Vec<Vec<Value>> {
        let records = self.connection().await.query(statement, &[]).await.unwrap();
        records.into_iter().map(|record| record.0).collect()
    }

    /// The first column of a query's rows, as texts.
    pub(crate) async fn texts(&self, statement: &str) -> Vec<String> {
        let text = |row: Vec<Value>| match row.into_iter().next() {
            Some(Value::Text(text)) => text,
            Some(Value::Integer(number)) => number.to_string(),
            other => panic!("{other:?}"),
        };
        self.query(statement).await.into_iter().map(text).collect()
    }

    /// Everything that loads, revisions and runs leave behind.
    pub(crate) async fn contents(&self) -> Vec<Vec<Value>> {
        let mut contents = Vec::new();
        for table in [
            "ingest_layout",
            "ingest_file",
            "ingest_reject",
            "ingest_row",
            "ingest_row_history",
            "reference_revision",
            "reference_row",
            "calc_run",
            "calc_market",
            "calc_delivery",
            "calc_market_entry",
            "calc_entry",
        ] {
            contents.extend(self.query(&format!("SELECT * FROM {table}")).await);
        }
        contents.sort_by_key(|row| format!("{row:?}"));
        contents
    }

    /// An object's text.
    pub(crate) fn text_of(&self, object: &ObjectRef) -> String {
        std::io::read_to_string(self.read_staging().get(object).unwrap()).unwrap()
    }
}

pub(crate) fn receipt(planned: &Planned) -> ReceiptRef {
    ReceiptRef {
        market: planned.market.clone(),
        channel: planned.channel.clone(),
        delivery_id: format!("d-{}", planned.figures.sha256),
        coreview_id: "CV-1".into(),
        rows: planned.rows,
        batch_sha256: "00".into(),
        already_delivered: false,
    }
}
