//! AWS's SDK for Rust. It takes minutes to compile, so it is a workspace of its
//! own, which only this test builds.

use std::path::PathBuf;
use std::process::Command;

use super::{Served, check};

fn build() -> PathBuf {
    let folder = crate::project_root().join("tests/clients/aws-sdk-sfn");
    let built = crate::project_root().join("target/clients");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--quiet", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    let output = cargo.env("CARGO_TARGET_DIR", &built).output().expect("cargo starts");
    assert!(output.status.success(), "{}", crate::told(&output));
    built.join("debug/stepwright-client-aws-sdk-sfn")
}

#[test]
fn sdk_for_rust() {
    let client = build();
    let served = Served::start(&[]);
    check(&mut served.client(client));
}
