//! Facts about this build for `stepwright --version --verbose`.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A commit moves this file; where it does not exist (a release archive), nothing is watched.
    let heads = concat!(env!("CARGO_MANIFEST_DIR"), "/../.git/logs/HEAD");
    if std::path::Path::new(heads).exists() {
        println!("cargo::rerun-if-changed={heads}");
    }
    let facts = [
        ("STEPWRIGHT_COMMIT", first_line("git", &["rev-parse", "--short=12", "HEAD"])),
        ("STEPWRIGHT_RUSTC", first_line(&env::var("RUSTC").unwrap_or_default(), &["--version"])),
        ("STEPWRIGHT_TARGET", env::var("TARGET").ok()),
        ("STEPWRIGHT_PROFILE", env::var("PROFILE").ok()),
    ];
    for (name, value) in facts {
        println!("cargo::rustc-env={name}={}", value.as_deref().unwrap_or("unknown"));
    }
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.lines().next()?.to_owned())
}
