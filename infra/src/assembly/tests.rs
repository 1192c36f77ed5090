use std::io::Read;

use super::*;
use crate::sample;

fn assembled(environment: &Environment) -> Vec<File> {
    assemble(&sample::manifest(), environment, &sample::binaries()).unwrap()
}

fn text(files: &[File], path: &str) -> String {
    let file = files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(file.bytes.clone()).unwrap()
}

#[test]
fn the_assembly_of_two_steps() {
    let files = assembled(&Environment::default());
    insta::assert_snapshot!("manifest", text(&files, "manifest.json"));
    insta::assert_snapshot!("assets", text(&files, "orders.assets.json"));
    insta::assert_snapshot!("tree", text(&files, "tree.json"));
}

#[test]
fn same_input_same_bytes() {
    assert_eq!(assembled(&Environment::default()), assembled(&Environment::default()));
}

#[test]
fn every_hash_is_of_the_bytes_it_names() {
    let files = assembled(&Environment::default());
    let assets: Value = serde_json::from_str(&text(&files, "orders.assets.json")).unwrap();
    let listed = assets["files"].as_object().unwrap();
    assert_eq!(listed.len(), 3, "two zips and the template");
    for (hash, asset) in listed {
        let path = asset["source"]["path"].as_str().unwrap();
        let file = files.iter().find(|file| file.path == path).unwrap();
        assert_eq!(&sha256_hex(&file.bytes), hash);
    }
}

#[test]
fn functions_of_one_package_share_one_zip() {
    let mut manifest = sample::manifest();
    manifest.functions[1].package = manifest.functions[0].package.clone();
    manifest.functions[1].binary = manifest.functions[0].binary.clone();
    let files = assemble(&manifest, &Environment::default(), &sample::binaries()).unwrap();
    assert_eq!(files.iter().filter(|file| file.path.starts_with("assets/")).count(), 1);
    let template: Value = serde_json::from_str(&text(&files, "orders.template.json")).unwrap();
    let properties = |id: &str| template["Resources"][id]["Properties"].clone();
    let (parse, post) = (properties("ParseFunction"), properties("PostFunction"));
    assert_eq!(parse["Code"], post["Code"]);
    assert_eq!((&parse["Handler"], &post["Handler"]), (&"parse".into(), &"post".into()));
}

#[test]
fn a_zip_holds_the_executable_and_no_date() {
    let files = assembled(&Environment::default());
    let zip = files.iter().find(|file| file.path.starts_with("assets/")).unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&zip.bytes)).unwrap();
    assert_eq!(archive.len(), 1);
    let mut entry = archive.by_index(0).unwrap();
    assert_eq!(entry.name().unwrap(), "bootstrap");
    assert_eq!(entry.unix_mode().map(|mode| mode & 0o777), Some(0o755));
    assert_eq!(entry.last_modified().map(|date| date.year()), Some(1980));
    let mut content = Vec::new();
    entry.read_to_end(&mut content).unwrap();
    assert!(sample::binaries().values().any(|binary| *binary == content));
}

#[test]
fn the_architecture_is_that_of_the_binaries() {
    let architectures = |files: &[File]| {
        let template: Value = serde_json::from_str(&text(files, "orders.template.json")).unwrap();
        template["Resources"]["ParseFunction"]["Properties"]["Architectures"].clone()
    };
    assert_eq!(architectures(&assembled(&Environment::default())), json!(["arm64"]));
    let intel =
        ["step-parse", "step-post"].map(|n| (n.to_owned(), sample::executable(sample::X86_64, n))).into();
    let files = assemble(&sample::manifest(), &Environment::default(), &intel).unwrap();
    assert_eq!(architectures(&files), json!(["x86_64"]));
}

#[test]
fn binaries_that_do_not_fit_are_refused() {
    let refused = |environment: &Environment, change: fn(&mut BTreeMap<String, Vec<u8>>)| {
        let mut binaries = sample::binaries();
        change(&mut binaries);
        assemble(&sample::manifest(), environment, &binaries).unwrap_err().to_string()
    };
    let any = Environment::default();
    let message = refused(&any, |binaries| drop(binaries.remove("step-post")));
    assert!(message.contains(
        "`step-post` is missing; build it with `cargo build --profile lambda -p orders-step-post`"
    ));
    let message =
        refused(&any, |b| drop(b.insert("step-post".into(), sample::executable(sample::X86_64, ""))));
    assert!(message.contains("built for x86_64, the functions are to run on arm64"), "{message}");
    let message = refused(&any, |b| drop(b.insert("step-parse".into(), b"#!/bin/sh".to_vec())));
    assert!(message.contains("not a Linux executable"), "{message}");
    let intel = Environment { architecture: Some(Architecture::X86_64), ..Environment::default() };
    assert!(refused(&intel, |_| ()).contains("run on x86_64"));
}

#[test]
fn settings_aws_would_not_take_are_refused() {
    let refused = |environment: Environment| {
        assemble(&sample::manifest(), &environment, &sample::binaries()).unwrap_err().to_string()
    };
    let default = Environment::default;
    assert!(refused(Environment { stack: Some("9".into()), ..default() }).contains("not a stack name"));
    assert!(refused(Environment { qualifier: "Has-Dash".into(), ..default() }).contains("qualifier"));
    let tags = BTreeMap::from([("aws:x".to_owned(), String::new())]);
    assert!(refused(Environment { tags, ..default() }).contains("not a tag key"));
}
