//! The sample that a newcomer runs first.

use std::fs;

use super::*;

#[test]
fn the_sample_shows_something_of_everything() {
    let folder = samples().join("coreview-delivery");
    let buckets = Buckets::new();
    let spec = buckets.put("spec.toml", &fs::read(folder.join("spec.toml")).unwrap());
    let files = ["contracts-north.csv", "contracts-south.csv"]
        .map(|name| buckets.put(name, &fs::read(folder.join("input").join(name)).unwrap()));
    let run = buckets.run(spec, files.to_vec()).unwrap();
    let rejects: Vec<String> = buckets
        .text(&run.parsed.rejects)
        .lines()
        .map(|line| {
            let reject: feed::rejects::Reject = serde_json::from_str(line).unwrap();
            format!("{}:{} {} {}", reject.file, reject.line, reject.code, reject.reason)
        })
        .collect();
    let stats = serde_json::to_string_pretty(&run.parsed.stats).unwrap();
    let totals = serde_json::to_string_pretty(&run.figures.totals).unwrap();
    insta::assert_snapshot!(format!(
        "period {}\n{stats}\n\n{}\n\n{}\n{totals}",
        run.figures.period,
        rejects.join("\n"),
        run.csv
    ));
}
