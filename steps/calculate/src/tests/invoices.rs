//! Commissions from invoices: many steps in one spec, on a feed small enough to
//! be calculated by hand.

use std::fs;

use super::*;

const INVOICES: &str = "\
invoice,item,quantity,at,price,customer,country
100,a,10,2011-01-10T10:00:00Z,16.00,7,France
100,b,1,2011-01-10T10:00:00Z,8.00,7,France
101,a,2,2011-01-20T10:00:00Z,8.00,7,France
110,a,20,2011-02-10T10:00:00Z,8.00,8,France
111,a,30,2011-03-10T10:00:00Z,8.00,7,France
120,a,1,2011-01-15T10:00:00Z,80.00,9,Sweden
121,a,1,2011-02-15T10:00:00Z,88.00,9,Sweden
C112,a,-5,2011-03-20T10:00:00Z,8.00,8,France
C118,a,-5,2011-04-20T10:00:00Z,8.00,8,France
C113,a,-2,2011-02-01T10:00:00Z,8.00,7,France
C114,b,-9,2011-02-01T10:00:00Z,8.00,7,France
C119,a,-1,2011-08-16T10:00:00Z,88.00,9,Sweden
A115,z,1,2011-02-01T10:00:00Z,-100.00,,France
116,z,1,2011-02-01T10:00:00Z,0.00,,France
117,z,0,2011-02-01T10:00:00Z,1.00,,France
";

/// One euro is 0.8 pounds and 10 crowns.
const RATES: &str = "Date,GBP,SEK,\n2011-03-09,0.8,10,\n2011-02-14,0.8,10,\n2011-02-09,0.8,10,\n2011-01-14,0.8,10,\n2011-01-10,0.8,10,\n2011-01-20,0.8,N/A,\n";

const CELLS: &str = "market,penetration_from,achievement_from,rate\n\
                     south,0.5,0.9,0.01\nsouth,0.5,1,0.02\nnorth,0.5,0.9,0.03\nnorth,0.5,1,0.05\n";

fn reference_spec(columns: &[(&str, &str)]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|(name, kind)| format!("[[columns]]\nname = \"{name}\"\ntype = \"{kind}\"\n"))
        .collect();
    format!(
        "feed = \"reference\"\n[source]\nformat = \"csv\"\ndelimiter = \",\"\nnulls = [\"N/A\"]\n[rejects]\npolicy = \"fail-fast\"\n{}\
         [[measures]]\nname = \"all\"\nkind = \"count\"\n[figures]\n[delivery]\nperiod = \"1\"\n",
        columns.concat()
    )
}

fn run_invoices(invoices: &str) -> Result<Run, Failure> {
    let buckets = Buckets::new();
    let rates = fs::read_to_string(samples().join("specs/reference-rates.toml")).unwrap();
    let cells = reference_spec(&[
        ("market", "text"),
        ("penetration_from", "decimal"),
        ("achievement_from", "decimal"),
        ("rate", "decimal"),
    ]);
    let references = BTreeMap::from([
        ("rates".to_owned(), buckets.reference(&rates, ("rates.csv", RATES.as_bytes()))),
        ("cells".to_owned(), buckets.reference(&cells, ("cells.csv", CELLS.as_bytes()))),
    ]);
    let spec = fs::read(samples().join("specs/invoice-commissions.toml")).unwrap();
    let spec = buckets.put("invoice-commissions.toml", &spec);
    let file = buckets.put("invoices.csv", invoices.as_bytes());
    buckets.run_with(spec, vec![file], references)
}

#[test]
fn invoices_become_contracts_commissions_and_clawbacks() {
    let run = run_invoices(INVOICES).unwrap();
    // 110 is taken back in March, once; 101 had no commission; the cancellation
    // of 121 comes a day too late, and nobody bought nine of item b.
    assert_eq!(
        run.csv,
        "agent,currency,month,contracts,volume,status,commission,clawback,payable\n\
         France,EUR,2011-01,2,230.00,NO_TARGET,0.00,0.00,0.00\n\
         France,EUR,2011-02,1,200.00,OK,2.00,0.00,2.00\n\
         France,EUR,2011-03,1,300.00,OK,6.00,-2.00,4.00\n\
         Sweden,SEK,2011-01,1,1000.00,NO_TARGET,0.00,0.00,0.00\n\
         Sweden,SEK,2011-02,1,1100.00,OK,55.00,0.00,55.00\n"
    );
    assert_eq!(run.figures.period, "2011-01/2011-03");
    assert_eq!(run.figures.totals["payable[currency=EUR]"], "6.00");
    assert_eq!(run.figures.totals["payable[currency=SEK]"], "55.00");
    let rejected: Vec<(&str, u64)> =
        run.parsed.stats.rejected_by_code.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    assert_eq!(rejected, [("ADJUSTMENT", 1), ("NO_PRICE", 1), ("NO_QUANTITY", 1)]);
    assert_eq!(run.parsed.stats.cancelled, 5);
}

#[test]
fn the_order_of_lines_changes_nothing() {
    let (header, lines) = INVOICES.split_once('\n').unwrap();
    let turned: Vec<&str> = std::iter::once(header).chain(lines.lines().rev()).collect();
    assert_eq!(run_invoices(&turned.join("\n")).unwrap().csv, run_invoices(INVOICES).unwrap().csv);
}

#[test]
fn a_stale_rate_stops_the_run() {
    let late = format!("{INVOICES}130,a,1,2011-03-17T10:00:00Z,80.00,9,Sweden\n");
    match run_invoices(&late) {
        Err(Failure::Calculate(error @ CalculateError::FxStale { .. })) => {
            assert!(error.to_string().contains("published on 2011-03-09, 8 days earlier"), "{error}");
        }
        other => panic!("{:?}", other.map(|run| run.csv)),
    }
}
