//! The dependency graph is part of the architecture, so it is a test.

use std::{collections::BTreeMap, process::Command};

/// Package ← the packages of this workspace it may use. Arrows point down.
const ALLOWED: &str = "
stepwright-macros         <-
stepwright-asl            <-
stepwright-sigv4          <-
stepwright-bucket         <-
stepwright-parquet-rows   <-
stepwright                <- stepwright-bucket stepwright-macros stepwright-sigv4
stepwright-codegen        <- stepwright-asl stepwright
stepwright-infra          <- stepwright-asl stepwright-codegen
stepwright-engine         <- stepwright-asl stepwright-bucket stepwright-parquet-rows
stepwright-server         <- stepwright-asl stepwright-bucket stepwright-engine stepwright-sigv4
stepwright-cli            <- stepwright-asl stepwright-bucket stepwright-engine stepwright-infra stepwright-server
stepwright-testkit        <- stepwright-codegen stepwright-engine stepwright
stepwright-step-feed      <- stepwright
stepwright-step-parse     <- stepwright stepwright-parquet-rows stepwright-step-feed
stepwright-step-reconcile <- stepwright stepwright-step-feed
stepwright-step-calculate <- stepwright stepwright-step-feed
stepwright-step-database  <- stepwright
stepwright-step-deliver   <- stepwright stepwright-step-database stepwright-step-feed
stepwright-step-report    <- stepwright stepwright-step-feed
stepwright-step-store     <- stepwright stepwright-step-database stepwright-step-feed
stepwright-workflows      <- stepwright stepwright-infra stepwright-step-feed stepwright-step-parse stepwright-step-reconcile stepwright-step-calculate stepwright-step-deliver stepwright-step-report stepwright-step-store
";

/// Packages that stand beside the graph: they may use anything, nothing may use them.
const BESIDE: [&str; 3] = ["stepwright-tests", "stepwright-step-misbehave", "xtask"];

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

#[test]
fn crates_depend_only_downwards() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let mut dependencies: Vec<String> = package["dependencies"]
            .as_array()
            .expect("dependencies")
            .iter()
            .filter(|d| d["path"].is_string() && d["kind"].is_null())
            .map(|d| d["name"].as_str().expect("name").to_owned())
            .collect();
        dependencies.sort();
        found.insert(package["name"].as_str().expect("name").to_owned(), dependencies);
    }
    for line in ALLOWED.trim().lines() {
        let (name, allowed) = line.split_once("<-").expect("an arrow");
        let allowed: Vec<&str> = allowed.split_whitespace().collect();
        let used = found.remove(name.trim()).unwrap_or_else(|| panic!("no package {}", name.trim()));
        for dependency in &used {
            assert!(
                allowed.contains(&dependency.as_str()),
                "`{}` now uses `{dependency}`: is that a decision? then edit ALLOWED and ARCHITECTURE.md",
                name.trim()
            );
        }
    }
    found.retain(|name, _| !BESIDE.contains(&name.as_str()));
    assert!(found.is_empty(), "packages missing from ALLOWED: {:?}", found.keys());
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let manifests: Vec<String> = packages()
        .iter()
        .map(|package| package["manifest_path"].as_str().expect("manifest_path").to_owned())
        .collect();
    assert!(manifests.len() > 15, "only {} packages seen", manifests.len());
    for manifest in manifests {
        let text = std::fs::read_to_string(&manifest).expect("manifest is readable");
        assert!(text.contains("[lints]\nworkspace = true"), "{manifest} does not take the workspace lints");
    }
}

#[test]
fn pure_crates_switch_the_purity_lints_on() {
    let root = crate::project_root();
    for file in [
        "asl/src/lib.rs",
        "sdk/src/lib.rs",
        "sdk/macros/src/lib.rs",
        "codegen/src/lib.rs",
        "infra/src/lib.rs",
        "sigv4/src/lib.rs",
        "engine/src/machine/mod.rs",
    ] {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        for lint in ["clippy::disallowed_methods", "clippy::disallowed_types"] {
            assert!(
                text.contains(lint),
                "{file} must switch on {lint}: pure code takes clock, files and randomness as inputs"
            );
        }
    }
}
