//! Derives the facts `TestState` checks mocked results against from the
//! service models that AWS publishes with botocore: for every operation of a
//! service the shape of its answer, that is members, types, bounds, values of
//! enumerations and what is required. No prose is taken over.
//!
//! Run by hand; the result is committed. The version is the one whose bounds
//! the service had when its answers were recorded (a later one raised the
//! memory of Lambda functions, for example):
//!
//! ```text
//! pip download botocore==1.41.5 --no-deps -d /tmp/botocore && unzip -q /tmp/botocore/*.whl 'botocore/data/*' -d /tmp/botocore
//! cargo xtask models --botocore /tmp/botocore/botocore/data
//! ```
//!
//! The file is a sequence of gzip members, one per service, behind a line of
//! JSON that says where each begins: `{"kms": [0, 1234], …}\n`. A member holds
//! `{"operations": {"Encrypt": 3}, "shapes": [{"blob": [1, 6144]}, …]}`; see
//! `engine::test_state::model` for the shapes.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

/// Where the engine reads it from.
const FILE: &str = "engine/src/test_state/services.bin";

/// The services that are known, by the names of their folders in botocore:
/// those with optimised integrations, and those that state machines commonly
/// call through `aws-sdk`. Results of other services are not checked.
const SERVICES: &str = "\
    accessanalyzer acm amp appconfig appconfigdata application-autoscaling appsync athena autoscaling \
    backup batch bedrock bedrock-agent bedrock-agent-runtime bedrock-runtime budgets ce cloudcontrol \
    cloudformation cloudfront cloudtrail cloudwatch codebuild codecommit codedeploy codepipeline \
    cognito-identity cognito-idp comprehend config databrew datasync dax dms docdb ds dynamodb \
    dynamodbstreams ebs ec2 ecr ecs efs eks elasticache elasticbeanstalk elb elbv2 emr emr-containers \
    emr-serverless es events firehose fis forecast fsx glacier glue healthlake iam inspector2 iot \
    iot-data kafka kendra kinesis kinesisanalyticsv2 kms lakeformation lambda location logs macie2 \
    mediaconvert memorydb mq mwaa neptune neptunedata network-firewall opensearch opensearchserverless \
    organizations personalize personalize-runtime pinpoint pipes polly pricing ram rds rds-data redshift \
    redshift-data redshift-serverless rekognition resource-groups resourcegroupstaggingapi route53 s3 \
    s3control s3tables s3vectors sagemaker sagemaker-runtime scheduler schemas secretsmanager \
    servicecatalog servicediscovery ses sesv2 shield signer sns sqs ssm ssm-incidents sso-admin \
    stepfunctions storagegateway sts support synthetics textract timestream-query timestream-write \
    transcribe transfer translate wafv2 workspaces xray";

/// Writes the file.
pub(crate) fn derive(root: &Path, data: &Path) -> Result<(), String> {
    let mut members = Vec::new();
    let mut index = BTreeMap::new();
    for folder in SERVICES.split_whitespace() {
        let model = read(&newest(&data.join(folder))?)?;
        let name = service_name(&model).ok_or_else(|| format!("{folder} has no serviceId"))?;
        let mut shapes = Shapes { model: &model, derived: Vec::new(), by_name: BTreeMap::new() };
        let operations = shapes.operations()?;
        let text = json!({ "operations": operations, "shapes": shapes.derived }).to_string();
        let mut member = GzEncoder::new(Vec::new(), Compression::best());
        let member = member.write_all(text.as_bytes()).and_then(|()| member.finish());
        let member = member.map_err(|error| format!("{folder}: {error}"))?;
        index.insert(name, json!([members.len(), member.len()]));
        members.extend(member);
    }
    let mut file = serde_json::to_vec(&index).map_err(|error| error.to_string())?;
    file.push(b'\n');
    file.extend(members);
    let path = root.join(FILE);
    println!("{}: {} services, {} bytes", path.display(), index.len(), file.len());
    std::fs::write(&path, file).map_err(|error| format!("{}: {error}", path.display()))
}

/// The model of the newest version: the folders are dates.
fn newest(service: &Path) -> Result<PathBuf, String> {
    let folders = std::fs::read_dir(service).map_err(|error| format!("{}: {error}", service.display()))?;
    let mut models: Vec<PathBuf> = folders
        .filter_map(|folder| Some(folder.ok()?.path().join("service-2.json.gz")))
        .filter(|model| model.is_file())
        .collect();
    models.sort();
    models.pop().ok_or_else(|| format!("{} holds no service-2.json.gz", service.display()))
}

fn read(path: &Path) -> Result<Value, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(|error| wrong(&error))?;
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

/// The name of a service in the ARN of an `aws-sdk` integration: `sfn`, `rdsdata`.
fn service_name(model: &Value) -> Option<String> {
    let id = model.pointer("/metadata/serviceId")?.as_str()?;
    Some(id.to_lowercase().replace([' ', '-'], ""))
}

struct Shapes<'m> {
    model: &'m Value,
    derived: Vec<Value>,
    by_name: BTreeMap<String, usize>,
}

impl<'m> Shapes<'m> {
    /// The answer's shape of every operation; null for those that answer nothing.
    fn operations(&mut self) -> Result<Map<String, Value>, String> {
        let operations = self.model.get("operations").and_then(Value::as_object).ok_or("no operations")?;
        let mut derived = Map::new();
        for (name, operation) in operations {
            let shape = match operation.pointer("/output/shape").and_then(Value::as_str) {
                Some(shape) => self.shape(shape)?.into(),
                None => Value::Null,
            };
            derived.insert(name.clone(), shape);
        }
        Ok(derived)
    }

    fn shape(&mut self, name: &str) -> Result<usize, String> {
        if let Some(index) = self.by_name.get(name) {
            return Ok(*index);
        }
        let model = self.model;
        let shape = model.get("shapes").and_then(|shapes| shapes.get(name));
        let shape = shape.ok_or_else(|| format!("there is no shape {name}"))?;
        // Shapes may hold themselves: the place is taken before the shape is derived.
        let index = self.derived.len();
        self.derived.push(Value::Null);
        self.by_name.insert(name.to_owned(), index);
        let derived = self.derive(shape)?;
        if let Some(place) = self.derived.get_mut(index) {
            *place = derived;
        }
        Ok(index)
    }

    fn derive(&mut self, shape: &'m Value) -> Result<Value, String> {
        let bounds = || json!([shape.get("min"), shape.get("max")]);
        let inner = |name: &str| -> Result<&'m str, String> {
            let inner = shape.pointer(&format!("/{name}/shape")).and_then(Value::as_str);
            inner.ok_or_else(|| format!("a shape has no {name}"))
        };
        Ok(match shape.get("type").and_then(Value::as_str) {
            Some("structure") if shape.get("document").is_some() => json!("document"),
            Some("structure") => {
                let mut members = Map::new();
                let named = shape.get("members").and_then(Value::as_object);
                for (member, reference) in named.into_iter().flatten() {
                    let name = reference.get("shape").and_then(Value::as_str);
                    let name = name.ok_or_else(|| format!("the member {member} has no shape"))?;
                    members.insert(member.clone(), self.shape(name)?.into());
                }
                json!({ "structure": members, "required": shape.get("required").unwrap_or(&json!([])) })
            }
            Some("list") => json!({ "list": self.shape(inner("member")?)?, "bounds": bounds() }),
            Some("map") => json!({ "map": self.shape(inner("value")?)? }),
            Some("string") => match shape.get("enum") {
                Some(values) => json!({ "enum": values }),
                None => json!({ "string": bounds() }),
            },
            Some("blob") => json!({ "blob": bounds() }),
            Some(
                "integer" | "long" | "float" | "double" | "short" | "byte" | "bigdecimal" | "biginteger",
            ) => {
                json!({ "number": bounds() })
            }
            Some("boolean") => json!("boolean"),
            Some("timestamp") => json!("timestamp"),
            other => return Err(format!("a shape has the type {other:?}")),
        })
    }
}
