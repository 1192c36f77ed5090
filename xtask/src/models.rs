//! Derives the facts that mocked results and the arguments of tasks are checked
//! against from the service models that AWS publishes with botocore: for every
//! operation of a service the shape of its answer, that is members, types,
//! bounds, values of enumerations and what is required, and the names in its
//! request. No prose is taken over.
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
//! JSON that says where each begins, with null for services whose name alone is
//! known: `{"kms": [0, 1234], "m2": null, …}\n`. A member holds
//! `{"operations": {"Encrypt": [3, 0]}, "shapes": [{"blob": [1, 6144]}, …],
//! "requests": [{"members": {"KeyId": null, …}, "required": ["KeyId"]}, …]}`; see
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
        let mut requests = Requests { model: &model, derived: Vec::new(), by_name: BTreeMap::new() };
        let operations = operations(&mut shapes, &mut requests)?;
        let (shapes, requests) = (shapes.derived, requests.derived);
        let text = json!({ "operations": operations, "shapes": shapes, "requests": requests }).to_string();
        let mut member = GzEncoder::new(Vec::new(), Compression::best());
        let member = member.write_all(text.as_bytes()).and_then(|()| member.finish());
        let member = member.map_err(|error| format!("{folder}: {error}"))?;
        index.insert(name, json!([members.len(), member.len()]));
        members.extend(member);
    }
    for name in names(data)? {
        index.entry(name).or_insert(Value::Null);
    }
    let mut file = serde_json::to_vec(&index).map_err(|error| error.to_string())?;
    file.push(b'\n');
    file.extend(members);
    let path = root.join(FILE);
    println!("{}: {} services, {} bytes", path.display(), index.len(), file.len());
    std::fs::write(&path, file).map_err(|error| format!("{}: {error}", path.display()))
}

/// The names of all services, with a model here or not.
fn names(data: &Path) -> Result<Vec<String>, String> {
    let folders = std::fs::read_dir(data).map_err(|error| format!("{}: {error}", data.display()))?;
    let services = folders.filter_map(|folder| Some(folder.ok()?.path())).filter(|folder| folder.is_dir());
    let models: Vec<PathBuf> = services.filter_map(|service| newest(&service).ok()).collect();
    models.iter().map(|model| service_name(&read(model)?).ok_or_else(|| "no serviceId".to_owned())).collect()
}

/// Answer and request of every operation; null where there is none.
fn operations(shapes: &mut Shapes<'_>, requests: &mut Requests<'_>) -> Result<Map<String, Value>, String> {
    let operations = shapes.model.get("operations").and_then(Value::as_object).ok_or("no operations")?;
    let mut derived = Map::new();
    for (name, operation) in operations {
        let shape = |of: &str| operation.pointer(&format!("/{of}/shape")).and_then(Value::as_str);
        let answer = shape("output").map(|shape| shapes.shape(shape)).transpose()?;
        let request = shape("input").map(|shape| requests.reference(shape)).transpose()?;
        derived.insert(name.clone(), json!([answer, request]));
    }
    Ok(derived)
}

/// The structures of requests: of everything else only the place is kept.
struct Requests<'m> {
    model: &'m Value,
    derived: Vec<Value>,
    by_name: BTreeMap<String, usize>,
}

impl Requests<'_> {
    /// The number of a structure, the inner one of a list or map in brackets or braces, or null.
    fn reference(&mut self, name: &str) -> Result<Value, String> {
        let shape = self.model.get("shapes").and_then(|shapes| shapes.get(name));
        let shape = shape.ok_or_else(|| format!("there is no shape {name}"))?;
        let inner = |name: &str| shape.pointer(&format!("/{name}/shape")).and_then(Value::as_str);
        Ok(match shape.get("type").and_then(Value::as_str) {
            Some("structure") if shape.get("document").is_none() => self.structure(name, shape)?.into(),
            Some("list") => json!([self.reference(inner("member").ok_or("a list without members")?)?]),
            Some("map") => json!({ "map": self.reference(inner("value").ok_or("a map without values")?)? }),
            _ => Value::Null,
        })
    }

    fn structure(&mut self, name: &str, shape: &Value) -> Result<usize, String> {
        if let Some(index) = self.by_name.get(name) {
            return Ok(*index);
        }
        let index = self.derived.len();
        self.derived.push(Value::Null);
        self.by_name.insert(name.to_owned(), index);
        let members = shape.get("members").and_then(Value::as_object);
        let (mut derived, mut filled_in) = (Map::new(), Vec::new());
        for (member, reference) in members.into_iter().flatten() {
            let shape = reference.get("shape").and_then(Value::as_str);
            derived.insert(member.clone(), self.reference(shape.ok_or("a member has no shape")?)?);
            // The SDK makes one up where nobody gives one.
            if reference.get("idempotencyToken").is_some() {
                filled_in.push(member);
            }
        }
        let required = shape.get("required").and_then(Value::as_array).into_iter().flatten();
        let required: Vec<&str> = required
            .filter_map(Value::as_str)
            .filter(|name| !filled_in.iter().any(|member| member == name))
            .collect();
        if let Some(place) = self.derived.get_mut(index) {
            *place = json!({ "members": derived, "required": required });
        }
        Ok(index)
    }
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
