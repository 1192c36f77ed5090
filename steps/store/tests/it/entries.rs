//! What was delivered, row by row, and what later months take back of it: from
//! files to closed runs, with the steps that lie between.

use feed::{Correction, MarketFigures};
use step_calculate::CalculateRequest;
use stepwright_step_store::{OpenError, OpenRequest, Run};

use crate::place::{CONTRACTS, Place, receipt};

/// Commissions at the rate of the year; what is cancelled is taken back in the
/// month that is settled, as it was delivered.
fn spec() -> String {
    let (rows, _) = CONTRACTS.split_once("[store]").unwrap();
    let rows = rows.replace(
        "name = \"amount\"\ntype = \"decimal\"\nrequired = true",
        "name = \"amount\"\ntype = \"decimal\"",
    );
    format!("{rows}{CALCULATION}")
}

const CALCULATION: &str = r#"
[store]
key = ["contract", "status"]
day = "day"
market = "market"
months_back = 1

[[references]]
name = "cells"
period = "year"
columns = [{ name = "year", type = "integer" }, { name = "rate", type = "decimal" }]
[[references]]
name = "paid"
delivered = true
columns = [
    { name = "contract", type = "text" },
    { name = "period", type = "text" },
    { name = "signed_on", type = "date" },
    { name = "agent", type = "text" },
    { name = "kind", type = "text" },
    { name = "commission", type = "decimal" },
    { name = "delivery", type = "text" },
    { name = "adjusts", type = "text" },
]

[[tables]]
name = "payments"
from = "rows"
steps = [
    { derive = { name = "year", value = { part = "year", of = "day" } } },
    { derive = { name = "month", value = { part = "year-month", of = "day" } } },
    { derive = { name = "signed_on", value = "day" } },
    { derive = { name = "kind", value = { text = "payment" } } },
    { join = { table = "cells", on = { year = "year" }, take = { rate = "rate" }, missing = "error" } },
    { derive = { name = "commission", value = { round = { multiply = ["amount", "rate"] }, places = 2 } } },
]
[[tables]]
name = "now"
from = "payments"
steps = [{ period = "settled" }, { where = { column = "month", op = "=", other = "settled" } }]
[[tables]]
name = "cancellations"
from = "rows"
rows = "cancelled"
steps = [{ group = { by = ["contract"], measures = [{ name = "cancelled_on", kind = "min", column = "day" }] } }]
[[tables]]
name = "taken_back"
from = "paid"
steps = [
    { append = "now" },
    { group = { by = ["contract", "agent", "signed_on"], measures = [
        { name = "adjusts", kind = "first", column = "delivery", where = { column = "kind", op = "=", value = "payment" } },
        { name = "commission", kind = "sum", column = "commission" },
    ] } },
    { join = { table = "cancellations", on = { contract = "contract" }, take = { cancelled_on = "cancelled_on" } } },
    { derive = { name = "day", value = "signed_on" } },
    { clawback = { id = ["contract", "agent", "signed_on"], day = "day", cancelled = "cancelled_on", within_months = 6, amounts = ["commission"], name = "is_back" } },
    { where = { all = [{ column = "is_back", op = "=", value = true }, { column = "commission", op = "!=", value = 0 }] } },
    { period = "month" },
    { derive = { name = "kind", value = { text = "adjustment" } } },
]
[[tables]]
name = "entries"
from = "payments"
steps = [
    { append = "taken_back" },
    { join = { table = "taken_back", on = { contract = "contract", signed_on = "signed_on", kind = "kind" }, take = { adjusts = "adjusts" } } },
]

[[measures]]
name = "payable"
kind = "sum"
column = "commission"
[figures]
from = "entries"
group_by = ["agent", "kind"]
control = ["payable"]
[delivery]
period_from = "month"
"#;

const HEADER: &str = "contract,agent,market,day,amount,status\n";

/// The place with the spec above, and contracts of January and March.
async fn begin(place: &Place) {
    place.put("customer/contracts.toml", &spec());
    place.keep_all().await;
    rate(place, "0.02").await;
    let rows = "C-1,Aspen,north,2024-01-10,100.00,signed\nC-2,Aspen,north,2024-01-11,50.00,signed\n\
                C-3,Birch,north,2024-02-01,10.00,signed\nC-4,Birch,north,2024-03-02,10.00,signed\n\
                C-5,Birch,north,2024-04-02,10.00,signed\nC-6,Birch,north,2024-05-02,10.00,signed\n";
    load(place, rows).await;
}

async fn load(place: &Place, rows: &str) {
    place
        .load(&format!("contracts-{}.csv", feed::fingerprint([rows])), &format!("{HEADER}{rows}"), "arn:1")
        .await;
}

async fn rate(place: &Place, rate: &str) {
    place.keep("cells", &format!("year,market,rate\n2024,north,{rate}\n"), rate).await;
}

/// Calculates the markets of a run.
fn calculated(place: &Place, run: &Run) -> Vec<MarketFigures> {
    let figures = |rows: &stepwright_step_store::MarketRows| {
        let reconciled = place.reconcile("contracts", &rows.parsed);
        let request = CalculateRequest {
            spec: run.spec.clone(),
            rows: reconciled.rows,
            control: reconciled.control,
            references: run.references.clone(),
            period: Some(run.period.clone()),
        };
        let figures = step_calculate::run(&request, &place.read_drops(), &place.staging());
        let figures = figures.unwrap_or_else(|error| panic!("{error}"));
        MarketFigures { market: rows.market.clone(), parsed: rows.parsed.clone(), figures }
    };
    run.markets.iter().map(figures).collect()
}

/// Settles a month; the lines of its figures.
async fn settle(place: &Place, period: &str) -> Vec<String> {
    let correction = Some(Correction { reason: "again".into() });
    let request = OpenRequest { correction, current_references: true, ..place.open_request(period) };
    let run = place.open_as(request).await.unwrap();
    assert!(run.missing.is_empty(), "{:?}", run.missing);
    let figures = calculated(place, &run);
    let text: String = figures.iter().map(|of| place.text_of(&of.figures.figures)).collect();
    let controlled = place.control_as(&run, figures, Some("again")).await.unwrap();
    place.close(&run.id, controlled.deliveries.iter().map(receipt).collect()).await.unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

/// The rows of `paid` that a month is given.
fn paid(place: &Place, run: &Run) -> Vec<String> {
    let text = place.text_of(&run.references["paid"]);
    text.lines().skip(1).map(str::to_owned).collect()
}

/// A clawback takes the amount of the delivery, whatever the rate is by now, and
/// names the delivery; a correction of either month is followed.
pub(crate) async fn what_was_delivered_is_taken_back(place: &Place) {
    begin(place).await;
    assert_eq!(settle(place, "2024-01").await, ["Aspen,payment,3.00"]);
    let delivery = place.texts("SELECT delivery_id FROM calc_delivery").await.remove(0);
    rate(place, "0.05").await;
    assert_eq!(settle(place, "2024-02").await, ["Birch,payment,0.50"]);
    load(place, "C-1,Aspen,north,2024-03-09,,withdrawn\n").await;
    let run = place.open("2024-03").await;
    assert_eq!(
        paid(place, &run)[..2],
        [
            format!(r#"[0,"C-1","2024-01","2024-01-10","Aspen","payment","2.00","{delivery}",null]"#),
            format!(r#"[0,"C-2","2024-01","2024-01-11","Aspen","payment","1.00","{delivery}",null]"#),
        ]
    );
    assert_eq!(settle(place, "2024-03").await, ["Aspen,adjustment,-2.00", "Birch,payment,0.50"]);
    let adjusted = format!(
        "SELECT COUNT(*) FROM calc_delivered_entry WHERE period = '2024-03' AND row_values LIKE '%{delivery}%'"
    );
    assert_eq!(place.texts(&adjusted).await, ["1"]);
    // Again, and in the next month: nothing more.
    assert_eq!(settle(place, "2024-03").await, ["Aspen,adjustment,-2.00", "Birch,payment,0.50"]);
    assert_eq!(settle(place, "2024-04").await, ["Birch,payment,0.50"]);
    // January pays more than was taken back: the next month takes the rest.
    assert_eq!(settle(place, "2024-01").await, ["Aspen,payment,7.50"]);
    assert_eq!(settle(place, "2024-04").await, ["Aspen,adjustment,-3.00", "Birch,payment,0.50"]);
    assert_eq!(settle(place, "2024-03").await, ["Aspen,adjustment,-2.00", "Birch,payment,0.50"]);
    // March as if April had not been: its own run knows what April took.
    let delivered =
        place.texts("SELECT period FROM calc_run WHERE state = 'delivered' ORDER BY period").await;
    assert_eq!(delivered, ["2024-01", "2024-02", "2024-03", "2024-04"]);
}

/// A run that is not closed, or that another took the place of, delivered nothing;
/// and what was delivered cannot be noted otherwise afterwards.
pub(crate) async fn only_what_stands_was_delivered(place: &Place) {
    begin(place).await;
    let run = place.open("2024-01").await;
    let figures = calculated(place, &run);
    let controlled = place.control_as(&run, figures.clone(), None).await.unwrap();
    assert_eq!(paid(place, &place.open("2024-02").await), Vec::<String>::new());
    let before = place.contents().await;
    assert_eq!(place.control_as(&run, figures.clone(), None).await.unwrap(), controlled);
    assert_eq!(place.contents().await, before);
    place.close(&run.id, controlled.deliveries.iter().map(receipt).collect()).await.unwrap();
    let stands = place.open("2024-02").await;
    assert_eq!(paid(place, &stands).len(), 2);
    assert_eq!(place.open("2024-02").await, stands, "the same input is the same run");
    // January is not told what it delivers itself.
    assert_eq!(place.open("2024-01").await, run);

    rate(place, "0.05").await;
    let other = place.open("2024-01").await;
    let mut wrong = figures;
    wrong[0].figures.entries = calculated(place, &other).remove(0).figures.entries;
    let _ = place.control_as(&run, wrong, None).await;
    assert_eq!(paid(place, &place.open("2024-02").await), paid(place, &stands));
    settle(place, "2024-01").await;
    let amounts: Vec<bool> =
        paid(place, &place.open("2024-02").await).iter().map(|row| row.contains("\"5.00\"")).collect();
    assert_eq!(amounts, [true, false]);
}

/// A month that was delivered before rows were kept has to be run again.
pub(crate) async fn what_is_not_known_row_by_row_is_asked_for(place: &Place) {
    place.keep_all().await;
    load(place, "C-1,Aspen,north,2024-01-10,100.00,signed\nC-3,Birch,north,2024-02-01,10.00,signed\n").await;
    place.deliver("2024-01", "3.00", None).await;
    place.put("customer/contracts.toml", &spec());
    let error = place.open_as(place.open_request("2024-02")).await.unwrap_err();
    assert!(matches!(error, OpenError::Outdated { .. }), "{error}");
    assert!(error.to_string().contains("for 2024-01 is not known row by row"), "{error}");
    settle(place, "2024-01").await;
    assert_eq!(paid(place, &place.open("2024-02").await).len(), 1);
    // A column that was not kept then.
    let more = spec().replace(
        "{ name = \"adjusts\", type = \"text\" },\n]",
        "{ name = \"adjusts\", type = \"text\" },\n    { name = \"amount\", type = \"decimal\" },\n]",
    );
    place.put("customer/contracts.toml", &more);
    let error = place.open_as(place.open_request("2024-02")).await.unwrap_err();
    assert!(error.to_string().contains("they have no `amount`"), "{error}");
}
