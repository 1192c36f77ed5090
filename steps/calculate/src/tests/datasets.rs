//! Real files with results that others computed. The files are not part of the
//! repository: without them the tests say so and pass.

use std::fs;

use super::*;

/// Runs a spec of the samples over a file and compares with the expected figures.
fn check(spec: &str, file: &str, expected: &str) -> Option<Run> {
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
    let file = datasets.join(file);
    if !file.exists() {
        println!("SKIPPED: {} is not here", file.display());
        return None;
    }
    let buckets = Buckets::new();
    let spec = buckets.put(spec, &fs::read(samples().join("specs").join(spec)).unwrap());
    let name = file.file_name().unwrap().to_str().unwrap();
    let source = buckets.put(name, &fs::read(&file).unwrap());
    let run = buckets.run(spec, vec![source]).unwrap();
    println!("{name}: {} rows; {}", run.parsed.stats.rows_in, peak_memory());
    let expected = fs::read_to_string(datasets.join("expected").join(expected)).unwrap();
    assert!(run.csv == expected, "figures differ: {}", first_difference(&run.csv, &expected));
    assert_eq!(run.figures.totals, run.reconciled.control);
    Some(run)
}

/// The largest resident size of this process so far, where the system says it.
fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("memory not known").to_owned()
}

fn first_difference(found: &str, expected: &str) -> String {
    let pair = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    format!("{pair:?}, {} and {} lines", found.lines().count(), expected.lines().count())
}

#[test]
fn flights_by_carrier_and_month() {
    let Some(run) =
        check("flights-carrier-month.toml", "flights/flights.csv.zip", "flights_carrier_month.csv")
    else {
        return;
    };
    assert_eq!(run.parsed.stats.rows_in, 336_776);
    assert_eq!(run.parsed.stats.rejected, 0);
    assert_eq!(run.figures.period, "2013");
    assert_eq!(run.figures.rows, 185);
    let totals: Vec<(&str, &str)> =
        run.figures.totals.iter().map(|(name, total)| (name.as_str(), total.as_str())).collect();
    assert_eq!(
        totals,
        [("cancelled", "8255"), ("completed", "327346"), ("flights", "336776"), ("miles", "350217607")]
    );
}

#[test]
fn vehicles_by_make() {
    if let Some(run) = check("vehicles-make.toml", "vehicles/epa_vehicles.csv", "epa_make.csv") {
        assert_eq!(run.figures.period, "1984/2015");
    }
}

#[test]
fn vehicles_of_one_make_by_year() {
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
    let Ok(facts) = fs::read_to_string(datasets.join("expected/vehicles_fx.json")) else {
        println!("SKIPPED: {} is not here", datasets.display());
        return;
    };
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    let make = &facts["epa"]["bmw"];
    let name = make[0].as_str().unwrap();
    let by_make = fs::read_to_string(samples().join("specs/vehicles-make.toml")).unwrap();
    let by_year = by_make
        .replace(
            "group_by = [\"make\"]",
            &format!(
                "group_by = [\"year\"]\nwhere = {{ column = \"make\", op = \"=\", value = \"{name}\" }}\n\
                 columns = [\"year\", \"vehicles\", \"mean_l_100km\"]"
            ),
        )
        .replace("control = [\"vehicles\", \"cyl_null\", \"displ_null\"]", "control = [\"vehicles\"]");
    let buckets = Buckets::new();
    let source = buckets.put("vehicles.csv", &fs::read(datasets.join("vehicles/epa_vehicles.csv")).unwrap());
    let run = buckets.run(buckets.put("year.toml", by_year.as_bytes()), vec![source.clone()]).unwrap();
    let expected = fs::read_to_string(datasets.join("expected/epa_bmw_year.csv")).unwrap();
    assert!(run.csv == expected, "figures differ: {}", first_difference(&run.csv, &expected));

    let distinct = "[[measures]]\nname = \"ids\"\nkind = \"distinct\"\ncolumn = \"id\"\n\
                    [[measures]]\nname = \"makes\"\nkind = \"distinct\"\ncolumn = \"make\"\n[figures]";
    let whole = by_make.replace(
        "group_by = [\"make\"]",
        "columns = [\"vehicles\", \"cyl_null\", \"displ_null\", \"ids\", \"makes\"]",
    );
    let whole = whole.replace("[figures]", distinct);
    let run_of_all = buckets.run(buckets.put("whole.toml", whole.as_bytes()), vec![source]).unwrap();
    let numbers: Vec<&str> = run_of_all.csv.lines().nth(1).unwrap().split(',').collect();
    let wanted = [&facts["epa"]["rows"], &facts["epa"]["distinct_ids"], &facts["epa"]["makes"]]
        .map(ToString::to_string);
    assert_eq!([numbers[0], numbers[3], numbers[4]], [&*wanted[0], &*wanted[1], &*wanted[2]]);
}

#[test]
fn cars_by_year_and_origin() {
    check("cars-year-origin.toml", "fixedwidth/auto-mpg.data", "autompg_year_origin.csv");
}

#[test]
fn orders_by_month() {
    if let Some(run) = check("orders-month.toml", "fixedwidth/CDNOW_sample.txt", "cdnow_sample_month.csv") {
        assert_eq!(run.figures.period, "1997-01/1998-06");
    }
}

#[test]
fn classified_ads_by_brand() {
    check("classified-ads.toml", "kfz/autos_de_semicolon_crlf.csv", "kfz_marke.csv");
}
