//! Generated files are in the repository; here they are made again and compared.
//! With `STEPWRIGHT_BLESS=1` they are written instead.

use std::path::{Path, PathBuf};
use std::{env, fs};

use feed::FeedSpec;
use stepwright_step_feed as feed;

#[expect(clippy::expect_used, reason = "a test's helper")]
mod random;
mod sample;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/samples")
}

#[expect(clippy::unwrap_used, reason = "a test's helper")]
fn check(path: &Path, content: &str) {
    if env::var_os("STEPWRIGHT_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == content,
        "{} is not what the code makes; look at the difference and run this test with STEPWRIGHT_BLESS=1",
        path.display()
    );
}

#[test]
fn the_schema_of_specs() {
    let mut schema = serde_json::to_string_pretty(&FeedSpec::json_schema()).unwrap();
    schema.push('\n');
    check(&samples().join("feed-spec.schema.json"), &schema);
}

#[test]
fn the_sample_input() {
    for (name, content) in sample::files() {
        check(&samples().join("coreview-delivery/input").join(name), &content);
    }
}

#[test]
fn every_sample_spec_is_valid_as_toml_and_as_json() {
    let mut specs = vec![samples().join("coreview-delivery/spec.toml")];
    for folder in ["specs", "coreview-commission"] {
        for entry in fs::read_dir(samples().join(folder)).unwrap() {
            specs.push(entry.unwrap().path());
        }
    }
    // What a customer has, and what is done with it, are no specs of feeds.
    specs.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        path.extension().is_some_and(|end| end == "toml") && !["customer.toml", "sample.toml"].contains(&name)
    });
    assert!(specs.len() >= 18);
    for path in specs {
        let text = fs::read_to_string(&path).unwrap();
        let from_toml = FeedSpec::parse("spec.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        let value: toml::Value = toml::from_str(&text).unwrap();
        let json = serde_json::to_string_pretty(&value).unwrap();
        let from_json = FeedSpec::parse("spec.json", &json).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(from_toml, from_json, "{}", path.display());
    }
}
