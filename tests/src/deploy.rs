//! Deployment with the real tools: AWS's and the community's validators on what
//! `synth` writes, and the CDK command against a simulated account.
//!
//! The simulated account (moto) checks nothing about a template; it proves that
//! the assembly is one the CDK command can publish, deploy, update and destroy,
//! and that the definition that arrives is the one that was generated (I1).

mod account;
mod fixture;
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use infra::{Environment, Manifest, emit, sha256_hex};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use tools::isolate;

use crate::deploy::account::Account;
use crate::deploy::tools::{Tools, succeed};

/// What one `synth` wrote, and the folder it is in.
struct Written {
    manifest: Manifest,
    folder: TempDir,
}

impl Written {
    /// The fixture application, with the qualifier the simulated account needs.
    fn fixture(release: &str) -> Self {
        let manifest = fixture::manifest(release);
        let environment = Environment {
            qualifier: account::QUALIFIER.to_owned(),
            tags: BTreeMap::from([("team".to_owned(), "finance".to_owned())]),
            ..Environment::default()
        };
        let binaries = fixture::binaries(release);
        let folder = TempDir::new().expect("a temporary folder");
        let files =
            emit::files(&manifest, &environment, Some(&binaries)).expect("the fixture is synthesised");
        emit::write(folder.path(), &files).expect("the files are written");
        Self { manifest, folder }
    }

    /// The repository's own application, by its own command line.
    fn reference() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let binaries = step_binaries();
        succeed(
            Command::new(crate::binaries().join("app"))
                .args(["synth", "--qualifier", account::QUALIFIER, "--binaries"])
                .arg(binaries.path())
                .arg("--out")
                .arg(folder.path()),
        );
        let manifest = fs::read_to_string(folder.path().join("stepwright.json")).expect("a manifest");
        Self { manifest: Manifest::from_json(&manifest).expect("a valid manifest"), folder }
    }

    fn assembly(&self) -> PathBuf {
        self.folder.path().join(emit::ASSEMBLY_FOLDER)
    }

    /// The stack has the application's name.
    fn template(&self) -> PathBuf {
        self.assembly().join(format!("{}.template.json", self.manifest.app))
    }

    fn definitions(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join("asl");
        self.manifest.workflows.iter().map(|w| folder.join(format!("{}.asl.json", w.name))).collect()
    }
}

/// cfn-lint and AWS's validator have nothing to say about the template, the
/// ASL validator nothing about the definitions.
fn validators_accept(tools: &Tools, written: &Written) {
    // E3601 knows JSONPath's types only: it refuses expressions where numbers may stand.
    succeed(
        tools
            .python("cfn-lint")
            .args(["--non-zero-exit-code", "warning", "--ignore-checks", "E3601", "--"])
            .arg(written.template()),
    );
    succeed(tools.python("python").arg(tools::script("validate_template.py")).arg(written.template()));
    for definition in written.definitions() {
        succeed(tools.node("asl-validator").arg("--json-path").arg(definition));
    }
}

#[test]
fn validators_accept_the_fixture() {
    let Some(tools) = tools::find() else { return };
    validators_accept(&tools, &Written::fixture("one"));
}

/// A validator that accepts everything would make the tests above worthless.
#[test]
fn validators_refuse_planted_mistakes() {
    let Some(tools) = tools::find() else { return };
    let written = Written::fixture("one");
    let text = fs::read_to_string(written.template()).expect("the template");
    let broken = written.folder.path().join("broken.template.json");
    fs::write(&broken, text.replace("provided.al2023", "provided.al1")).expect("a broken template");
    let cfn_lint = tools.python("cfn-lint").arg(&broken).output().expect("cfn-lint starts");
    assert!(!cfn_lint.status.success(), "cfn-lint accepts a runtime that does not exist");
    let aws = tools.python("python").arg(tools::script("validate_template.py")).arg(&broken).output();
    assert!(!aws.expect("the validator starts").status.success(), "AWS's validator accepts it too");

    let asl = fs::read_to_string(&written.definitions()[0]).expect("the definition");
    let broken = written.folder.path().join("broken.asl.json");
    fs::write(&broken, asl.replace("\"Next\": \"Done\"", "\"Next\": \"Nowhere\""))
        .expect("a broken definition");
    let validator = tools.node("asl-validator").arg("--json-path").arg(&broken).output();
    assert!(
        !validator.expect("asl-validator starts").status.success(),
        "asl-validator accepts a dangling Next"
    );
}

#[test]
fn cdk_lists_and_synthesises_the_assembly() {
    let Some(tools) = tools::find() else { return };
    let written = Written::fixture("one");
    let home = TempDir::new().expect("a temporary folder");
    let cdk = |arguments: &[&str]| {
        let mut command = tools.cdk(home.path());
        succeed(command.arg("--app").arg(written.assembly()).args(arguments))
    };
    assert_eq!(cdk(&["ls"]).trim(), "orders");
    let synthesised: Value = serde_json::from_str(&cdk(&["synth", "orders", "--json"])).expect("JSON");
    let template: Value =
        serde_json::from_slice(&fs::read(written.template()).expect("the template")).expect("JSON");
    assert_eq!(synthesised, template);
}

/// Compares what is deployed with what was generated.
fn assert_deployed(account: &Account, written: &Written) {
    let deployed = account.read_back();
    for workflow in &written.manifest.workflows {
        let definition =
            deployed["stateMachines"][&workflow.name]["definition"].as_str().expect("a definition");
        assert_eq!(sha256_hex(definition.as_bytes()), workflow.definition_sha256, "{}", workflow.name);
        let file = written.folder.path().join(format!("asl/{}.asl.json", workflow.name));
        assert_eq!(fs::read_to_string(file).expect("the definition"), definition);
    }
    let functions = deployed["functions"].as_object().expect("functions");
    assert_eq!(functions.len(), written.manifest.functions.len());
    let template: Value =
        serde_json::from_slice(&fs::read(written.template()).expect("the template")).expect("JSON");
    for function in &written.manifest.functions {
        let found = &functions[&function.name];
        assert_eq!(found["Handler"], function.handler);
        assert_eq!(found["Runtime"], "provided.al2023");
        assert_eq!(found["Timeout"], function.timeout_seconds);
        assert_eq!(found["CodeSha256"], code_of(&template, &function.name), "{}", function.name);
    }
    let roles: std::collections::BTreeSet<String> =
        functions.values().map(|function| function["Role"].to_string()).collect();
    assert_eq!(roles.len(), functions.len(), "every function has a role of its own");
}

/// The hash of the zip the template names for a function, as Lambda prints it:
/// base64. Ours is in the key, in hexadecimal.
fn code_of(template: &Value, name: &str) -> String {
    let resources = template["Resources"].as_object().expect("resources");
    let key = resources
        .values()
        .find(|resource| resource["Properties"]["FunctionName"] == name)
        .and_then(|function| function["Properties"]["Code"]["S3Key"].as_str())
        .and_then(|key| key.strip_suffix(".zip"))
        .expect("the key of the function's zip");
    let bytes: Vec<u8> = (0..key.len())
        .step_by(2)
        .map(|index| u8::from_str_radix(&key[index..index + 2], 16).expect("hexadecimal"))
        .collect();
    base64(&bytes)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0_usize, |group, byte| group << 8 | usize::from(*byte));
        for position in 0..4 {
            let letter = char::from(ALPHABET[group >> (18 - 6 * position) & 63]);
            text.push(if position <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

#[test]
fn cdk_deploys_updates_and_destroys_the_fixture() {
    let Some(tools) = tools::find() else { return };
    let account = Account::bootstrapped(&tools);

    let first = Written::fixture("one");
    account.cdk(&first.assembly(), &["deploy", "orders", "--method=direct", "--require-approval=never"]);
    assert_deployed(&account, &first);

    let second = Written::fixture("two");
    assert_ne!(first.manifest.workflows[0].definition, second.manifest.workflows[0].definition);
    account.cdk(&second.assembly(), &["deploy", "orders", "--method=direct", "--require-approval=never"]);
    assert_deployed(&account, &second);

    let again =
        account.cdk(&second.assembly(), &["deploy", "orders", "--method=direct", "--require-approval=never"]);
    assert!(again.contains("no changes"), "{again}");

    account.cdk(&second.assembly(), &["destroy", "orders", "--force"]);
    let left = account.read_back();
    assert_eq!(left["stateMachines"], serde_json::json!({}));
    assert_eq!(left["functions"], serde_json::json!({}));
}

#[test]
fn the_reference_application_passes_every_tool() {
    let Some(tools) = tools::find() else { return };
    let written = Written::reference();
    validators_accept(&tools, &written);
    let account = Account::bootstrapped(&tools);
    let stack = written.manifest.app.clone();
    account.cdk(&written.assembly(), &["deploy", &stack, "--method=direct", "--require-approval=never"]);
    assert_deployed(&account, &written);
}

/// Same source, same bytes: another folder, another time, another locale.
#[test]
fn the_reference_application_gives_the_same_bytes_anywhere() {
    let binaries = step_binaries();
    let synthesised = |locale: &str, zone: &str| {
        let folder = TempDir::new().expect("a temporary folder");
        succeed(
            Command::new(crate::binaries().join("app"))
                .current_dir(folder.path())
                .env("LC_ALL", locale)
                .env("TZ", zone)
                .args(["synth", "--out", "out", "--binaries"])
                .arg(binaries.path()),
        );
        contents(&folder.path().join("out"))
    };
    let first = synthesised("C", "UTC");
    assert!(first.len() > 10, "only {} files", first.len());
    assert_eq!(first, synthesised("de_DE.UTF-8", "Pacific/Apia"));
}

/// The beginnings of the step binaries: what tells them apart and what they are
/// built for. Whole debug binaries take their time to zip, and nothing here runs them.
fn step_binaries() -> TempDir {
    const BYTES_KEPT: u64 = 64 * 1024;
    let output = succeed(Command::new(crate::binaries().join("app")).arg("manifest"));
    let manifest = Manifest::from_json(&output).expect("a valid manifest");
    let folder = TempDir::new().expect("a temporary folder");
    for (_, binary) in manifest.binaries() {
        let mut whole =
            fs::File::open(crate::binaries().join(binary)).expect("the binary is built").take(BYTES_KEPT);
        let mut short = fs::File::create(folder.path().join(binary)).expect("a file");
        std::io::copy(&mut whole, &mut short).expect("a copy");
        // Two that begin alike would become one asset; a name of its own keeps them two.
        short.write_all(binary.as_bytes()).expect("a copy");
    }
    folder
}

/// The hash of every file below a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let hash = sha256_hex(&fs::read(&path).expect("a file"));
                found.insert(path.strip_prefix(folder).expect("below").to_owned(), hash);
            }
        }
    }
    found
}
