//! The CDK cloud assembly: what `cdk --app DIR deploy` takes.
//!
//! ```text
//! manifest.json             the artifacts: stack, its assets, the tree
//! cdk.out                   the format's version
//! tree.json                 the constructs, for whoever draws them
//! <stack>.template.json     CloudFormation
//! <stack>.assets.json       what to upload, and where to
//! assets/<sha256>.zip       one per cargo package with steps
//! ```
//!
//! Every hash is of the bytes of the file it names: the CDK command skips an
//! upload when the key exists, so a stale one would deploy old code in silence.
//! Account and region are left open; CDK fills them in.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::archive;
use crate::cloudformation::{self, DuplicateId, TEMPLATE_BYTES_MAX, Template};
use crate::environment::{Architecture, Environment, SettingError};
use crate::hash::sha256_hex;
use crate::manifest::{Manifest, ManifestError};
use crate::review::{self, Finding};
use crate::stack::{self, Asset};

#[cfg(test)]
mod tests;

/// Version of the cloud assembly format: read by every CDK command of version 2 and later.
pub const FORMAT_VERSION: &str = "36.0.0";
/// The bootstrap stack that knows file publishing and lookup roles.
const BOOTSTRAP_VERSION: u32 = 6;
const LOOKUP_BOOTSTRAP_VERSION: u32 = 8;

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Relative, with `/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl File {
    /// A file.
    pub fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes: bytes.into() }
    }
}

/// Why there is no assembly.
#[derive(Debug, thiserror::Error)]
pub enum SynthesisError {
    /// The manifest describes something that cannot be deployed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A setting AWS would not accept.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A function's binary was not supplied.
    #[error("the binary `{binary}` is missing; build it with `cargo build --profile lambda -p {package}`")]
    NoBinary {
        /// The binary.
        binary: String,
        /// Its package.
        package: String,
    },
    /// The binary is larger than Lambda accepts.
    #[error(
        "the binary `{binary}` has {bytes} bytes, Lambda accepts {max}; \
         build it with `--profile lambda`, which strips it",
        max = archive::CODE_BYTES_MAX
    )]
    LargeBinary {
        /// The binary.
        binary: String,
        /// Its size.
        bytes: usize,
    },
    /// A binary is not what Lambda can run, and no architecture was given.
    #[error(
        "the binary `{binary}` is not a Linux executable for arm64 or x86_64; \
         build it for a Linux target, or say the architecture with --architecture"
    )]
    NotLinux {
        /// The binary.
        binary: String,
    },
    /// Binaries and settings do not agree about the architecture.
    #[error(
        "the binary `{binary}` is built for {found}, the functions are to run on {wanted}; \
         build all binaries for one target"
    )]
    Architecture {
        /// The binary.
        binary: String,
        /// What it is built for.
        found: Architecture,
        /// What was asked for, or what the others are built for.
        wanted: Architecture,
    },
    /// Two names become one logical id.
    #[error(transparent)]
    DuplicateId(#[from] DuplicateId),
    /// The template breaks one of our own rules.
    #[error("the template breaks rules:\n{}", list(findings))]
    Review {
        /// The rules, at least one.
        findings: Vec<Finding>,
    },
    /// The template is larger than `CloudFormation` accepts.
    #[error(
        "the template has {bytes} bytes, CloudFormation accepts {TEMPLATE_BYTES_MAX}; split the application"
    )]
    LargeTemplate {
        /// Its size.
        bytes: usize,
    },
    /// A value could not be written as JSON.
    #[error("a value could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A zip could not be written.
    #[error("a zip could not be written: {0}")]
    Zip(#[from] zip::result::ZipError),
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("  {finding}")).collect::<Vec<_>>().join("\n")
}

/// The assembly of an application: manifest, settings and binaries in, files out.
///
/// `binaries` holds the content of every binary of [`Manifest::binaries`] by
/// its name; others are not looked at.
///
/// # Errors
/// [`SynthesisError`].
pub fn assemble(
    manifest: &Manifest,
    environment: &Environment,
    binaries: &BTreeMap<String, Vec<u8>>,
) -> Result<Vec<File>, SynthesisError> {
    environment.check()?;
    let supplied = supplied(manifest, binaries)?;
    let architecture = architecture(environment, &supplied)?;
    let mut zips = BTreeMap::new();
    let mut assets = BTreeMap::new();
    for (name, bytes) in &supplied {
        let zip = archive::bootstrap_zip(bytes)?;
        let object_key = format!("{}.zip", sha256_hex(&zip));
        let path = format!("assets/{object_key}");
        zips.insert(path.clone(), (zip, format!("{name} bootstrap")));
        assets.insert((*name).to_owned(), Asset { object_key, path });
    }
    let template = stack::template(manifest, environment, architecture, &assets)?;
    let findings = review::review(&template);
    if !findings.is_empty() {
        return Err(SynthesisError::Review { findings });
    }
    let text = template.to_json()?;
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(SynthesisError::LargeTemplate { bytes: text.len() });
    }
    files(&template, text, environment, zips)
}

/// The binaries of the manifest, each small enough.
fn supplied<'a>(
    manifest: &'a Manifest,
    binaries: &'a BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<&'a str, &'a [u8]>, SynthesisError> {
    let mut supplied = BTreeMap::new();
    for (package, binary) in manifest.binaries() {
        let bytes = binaries.get(binary).ok_or_else(|| SynthesisError::NoBinary {
            binary: binary.to_owned(),
            package: package.to_owned(),
        })?;
        if bytes.len() > archive::CODE_BYTES_MAX {
            return Err(SynthesisError::LargeBinary { binary: binary.to_owned(), bytes: bytes.len() });
        }
        supplied.insert(binary, bytes.as_slice());
    }
    Ok(supplied)
}

/// The one architecture of all functions: the environment's, else the binaries'.
fn architecture(
    environment: &Environment,
    supplied: &BTreeMap<&str, &[u8]>,
) -> Result<Architecture, SynthesisError> {
    let mut wanted = environment.architecture;
    for (binary, bytes) in supplied {
        match (Architecture::of_binary(bytes), wanted) {
            (Some(found), Some(wanted)) if found != wanted => {
                return Err(SynthesisError::Architecture { binary: (*binary).to_owned(), found, wanted });
            }
            (Some(found), _) => wanted = Some(found),
            // A script: whoever says the architecture knows what it is.
            (None, Some(_)) => {}
            (None, None) => return Err(SynthesisError::NotLinux { binary: (*binary).to_owned() }),
        }
    }
    Ok(wanted.unwrap_or(Architecture::Arm64))
}

fn files(
    template: &Template,
    text: Vec<u8>,
    environment: &Environment,
    zips: BTreeMap<String, (Vec<u8>, String)>,
) -> Result<Vec<File>, SynthesisError> {
    let stack = &template.stack;
    let qualifier = environment.qualifier.as_str();
    let template_file = format!("{stack}.template.json");
    let template_key = format!("{}.json", sha256_hex(&text));

    let mut published = Map::new();
    for (path, (zip, display_name)) in &zips {
        let hash = sha256_hex(zip);
        published.insert(hash.clone(), asset(display_name, path, &format!("{hash}.zip"), qualifier));
    }
    published.insert(
        sha256_hex(&text),
        asset(&format!("{stack} template"), &template_file, &template_key, qualifier),
    );
    let assets = json!({ "version": FORMAT_VERSION, "files": published, "dockerImages": {} });

    let mut files = vec![
        File::new("cdk.out", cloudformation::pretty(&json!({ "version": FORMAT_VERSION }))?),
        File::new("manifest.json", cloudformation::pretty(&manifest(template, &template_key, qualifier))?),
        File::new("tree.json", cloudformation::pretty(&tree(template))?),
        File::new(format!("{stack}.assets.json"), cloudformation::pretty(&assets)?),
        File::new(template_file, text),
    ];
    files.extend(zips.into_iter().map(|(path, (zip, _))| File::new(path, zip)));
    Ok(files)
}

/// The bucket the bootstrap stack made for assets, with CDK's placeholders.
pub(crate) fn assets_bucket(qualifier: &str) -> String {
    format!("cdk-{qualifier}-assets-${{AWS::AccountId}}-${{AWS::Region}}")
}

/// A role the bootstrap stack made.
fn bootstrap_role(qualifier: &str, role: &str) -> String {
    format!(
        "arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/\
         cdk-{qualifier}-{role}-role-${{AWS::AccountId}}-${{AWS::Region}}"
    )
}

fn bootstrap_parameter(qualifier: &str) -> String {
    format!("/cdk-bootstrap/{qualifier}/version")
}

fn asset(display_name: &str, path: &str, object_key: &str, qualifier: &str) -> Value {
    json!({
        "displayName": display_name,
        "source": { "path": path, "packaging": "file" },
        "destinations": {
            "current_account-current_region": {
                "bucketName": assets_bucket(qualifier),
                "objectKey": object_key,
                "assumeRoleArn": bootstrap_role(qualifier, "file-publishing"),
            },
        },
    })
}

fn manifest(template: &Template, template_key: &str, qualifier: &str) -> Value {
    let stack = template.stack.as_str();
    let parameter = bootstrap_parameter(qualifier);
    let logical_ids: Map<String, Value> = template
        .resources
        .iter()
        .map(|(id, resource)| {
            let data = json!([{ "type": "aws:cdk:logicalId", "data": id }]);
            (format!("/{stack}/{}/Resource", resource.path()), data)
        })
        .collect();
    let mut artifacts = Map::new();
    artifacts.insert(
        format!("{stack}.assets"),
        json!({
            "type": "cdk:asset-manifest",
            "properties": {
                "file": format!("{stack}.assets.json"),
                "requiresBootstrapStackVersion": BOOTSTRAP_VERSION,
                "bootstrapStackVersionSsmParameter": parameter,
            },
        }),
    );
    artifacts.insert(
        stack.to_owned(),
        json!({
            "type": "aws:cloudformation:stack",
            "environment": "aws://unknown-account/unknown-region",
            "properties": {
                "templateFile": format!("{stack}.template.json"),
                "stackName": stack,
                "terminationProtection": false,
                "validateOnSynth": false,
                "assumeRoleArn": bootstrap_role(qualifier, "deploy"),
                "cloudFormationExecutionRoleArn": bootstrap_role(qualifier, "cfn-exec"),
                "stackTemplateAssetObjectUrl": format!("s3://{}/{template_key}", assets_bucket(qualifier)),
                "requiresBootstrapStackVersion": BOOTSTRAP_VERSION,
                "bootstrapStackVersionSsmParameter": parameter,
                "lookupRole": {
                    "arn": bootstrap_role(qualifier, "lookup"),
                    "requiresBootstrapStackVersion": LOOKUP_BOOTSTRAP_VERSION,
                    "bootstrapStackVersionSsmParameter": parameter,
                },
            },
            "dependencies": [format!("{stack}.assets")],
            "metadata": logical_ids,
            "displayName": stack,
        }),
    );
    artifacts.insert("Tree".to_owned(), json!({ "type": "cdk:tree", "properties": { "file": "tree.json" } }));
    json!({ "version": FORMAT_VERSION, "artifacts": artifacts, "runtime": { "libraries": {} } })
}

/// The tree of constructs: one node per segment of a path, resources at the leaves.
fn tree(template: &Template) -> Value {
    let stack = template.stack.as_str();
    let mut root = Node::default();
    for resource in template.resources.values() {
        let mut node = &mut root;
        for segment in resource.path().split('/').chain(["Resource"]) {
            node = node.children.entry(segment.to_owned()).or_default();
        }
        node.kind = Some(resource.kind());
    }
    let app = json!({ "id": "App", "path": "", "children": { stack: root.to_value(stack, stack) } });
    json!({ "version": "tree-0.1", "tree": app })
}

#[derive(Default)]
struct Node {
    kind: Option<&'static str>,
    children: indexmap::IndexMap<String, Node>,
}

impl Node {
    fn to_value(&self, id: &str, path: &str) -> Value {
        let mut value = Map::from_iter([("id".to_owned(), json!(id)), ("path".to_owned(), json!(path))]);
        if !self.children.is_empty() {
            let children: Map<String, Value> = self
                .children
                .iter()
                .map(|(id, node)| (id.clone(), node.to_value(id, &format!("{path}/{id}"))))
                .collect();
            value.insert("children".to_owned(), Value::Object(children));
        }
        if let Some(kind) = self.kind {
            value.insert("attributes".to_owned(), json!({ "aws:cdk:cloudformation:type": kind }));
        }
        Value::Object(value)
    }
}
