//! Derives the facts about AWS's services from the models that AWS publishes
//! with botocore: for every operation how its request is written and its answer
//! is read, and of the shapes in them members, types, bounds, values of
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
//! JSON that says where each begins: `{"kms": [0, 1234], …}\n`. What a member
//! holds is said by the types of `engine::services`, which read it.

#![expect(clippy::indexing_slicing, reason = "only JSON is indexed, and a field that is missing is null")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

/// Where the engine reads it from.
const FILE: &str = "engine/src/services/services.bin";

/// Protocols that requests can be written in, best first.
const PROTOCOLS: [&str; 5] = ["json", "rest-json", "rest-xml", "query", "ec2"];

/// Writes the file.
pub(crate) fn derive(root: &Path, data: &Path) -> Result<(), String> {
    let mut members = Vec::new();
    let mut index = BTreeMap::new();
    for folder in folders(data)? {
        let wrong = |error: String| format!("{}: {error}", folder.display());
        let model = read(&newest(&folder).map_err(wrong)?)?;
        let name = service_name(&model).ok_or_else(|| wrong("no serviceId".to_owned()))?;
        let derived = service(&model).map_err(wrong)?;
        let mut member = GzEncoder::new(Vec::new(), Compression::best());
        let member = member.write_all(derived.to_string().as_bytes()).and_then(|()| member.finish());
        let member = member.map_err(|error| wrong(error.to_string()))?;
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

/// The folders of all services that have a model.
fn folders(data: &Path) -> Result<Vec<PathBuf>, String> {
    let folders = std::fs::read_dir(data).map_err(|error| format!("{}: {error}", data.display()))?;
    let folders = folders.filter_map(|folder| Some(folder.ok()?.path())).filter(|folder| folder.is_dir());
    let mut folders: Vec<PathBuf> = folders.filter(|service| newest(service).is_ok()).collect();
    folders.sort();
    Ok(folders)
}

/// Everything that is kept of a service.
fn service(model: &Value) -> Result<Value, String> {
    let mut shapes = Shapes { model, derived: Vec::new(), by_name: BTreeMap::new() };
    let operations = operations(&mut shapes)?;
    Ok(json!({ "about": about(model)?, "operations": operations, "shapes": shapes.derived }))
}

/// How the service is called: what all its operations have in common.
fn about(model: &Value) -> Result<Value, String> {
    let metadata = model.get("metadata").ok_or("no metadata")?;
    let mut listed: Vec<&str> =
        metadata["protocols"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    listed.extend(metadata["protocol"].as_str());
    let protocol = PROTOCOLS.iter().find(|protocol| listed.contains(protocol));
    let protocol = protocol.ok_or_else(|| format!("none of its protocols {listed:?} can be written"))?;
    let mut about = Map::new();
    about.insert("protocol".to_owned(), json!(protocol));
    for (field, kept) in [
        ("serviceId", "id"),
        ("endpointPrefix", "endpoint"),
        ("signingName", "signing"),
        ("apiVersion", "version"),
        ("jsonVersion", "json"),
        ("targetPrefix", "target"),
        ("globalEndpoint", "global"),
    ] {
        if let Some(text) = metadata[field].as_str() {
            about.insert(kept.to_owned(), json!(text));
        }
    }
    if metadata.get("awsQueryCompatible").is_some() {
        about.insert("query_errors".to_owned(), json!(true));
    }
    Ok(Value::Object(about))
}

fn operations(shapes: &mut Shapes<'_>) -> Result<Map<String, Value>, String> {
    let operations = shapes.model.get("operations").and_then(Value::as_object).ok_or("no operations")?;
    let mut derived = Map::new();
    for (name, operation) in operations {
        derived.insert(name.clone(), self::operation(shapes, operation)?);
    }
    Ok(derived)
}

/// What is kept of an operation; the usual is left out.
fn operation(shapes: &mut Shapes<'_>, operation: &Value) -> Result<Value, String> {
    let mut derived = Map::new();
    let mut keep = |name: &str, value: Value| drop(derived.insert(name.to_owned(), value));
    for part in ["input", "output"] {
        if let Some(shape) = operation[part]["shape"].as_str() {
            keep(part, shapes.shape(shape)?.into());
        }
    }
    let errors =
        operation["errors"].as_array().into_iter().flatten().filter_map(|error| error["shape"].as_str());
    let errors = errors.map(|error| shapes.shape(error)).collect::<Result<Vec<_>, _>>()?;
    if !errors.is_empty() {
        keep("errors", json!(errors));
    }
    for (pointer, kept, usual) in [
        ("/http/method", "method", "POST"),
        ("/http/requestUri", "uri", "/"),
        ("/output/resultWrapper", "wrapper", ""),
        ("/input/locationName", "root", ""),
        ("/input/xmlNamespace/uri", "namespace", ""),
        ("/httpChecksum/requestAlgorithmMember", "checksum", ""),
        ("/authtype", "auth", ""),
    ] {
        match operation.pointer(pointer).and_then(Value::as_str) {
            Some(text) if text != usual => keep(kept, json!(text)),
            _ => {}
        }
    }
    // Such a request is refused without a checksum, whatever the sender thinks of them.
    let demanded = operation["httpChecksum"]["requestChecksumRequired"] == true
        || operation.get("httpChecksumRequired").is_some();
    if demanded {
        keep("checksum_required", json!(true));
    }
    Ok(Value::Object(derived))
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
        let derived = self.derive(name, shape)?;
        if let Some(place) = self.derived.get_mut(index) {
            *place = derived;
        }
        Ok(index)
    }

    fn derive(&mut self, name: &str, shape: &'m Value) -> Result<Value, String> {
        let bounds = || json!([shape.get("min"), shape.get("max")]);
        Ok(match shape.get("type").and_then(Value::as_str) {
            Some("structure") if shape.get("document").is_some() => json!("document"),
            Some("structure") => self.structure(name, shape)?,
            Some("list") => {
                let (item, item_name) = self.part(shape, "member")?;
                let mut list = Map::from_iter([("item".to_owned(), item)]);
                list.extend(item_name.map(|name| ("as".to_owned(), name)));
                if shape.get("flattened").is_some() {
                    list.insert("flat".to_owned(), json!(true));
                }
                json!({ "list": list, "bounds": bounds() })
            }
            Some("map") => {
                let (_, key_name) = self.part(shape, "key")?;
                let (value, value_name) = self.part(shape, "value")?;
                let mut map = Map::from_iter([("value".to_owned(), value)]);
                map.extend(key_name.map(|name| ("key_as".to_owned(), name)));
                map.extend(value_name.map(|name| ("value_as".to_owned(), name)));
                if shape.get("flattened").is_some() {
                    map.insert("flat".to_owned(), json!(true));
                }
                json!({ "map": map })
            }
            Some("string") => match shape.get("enum") {
                Some(values) => json!({ "enum": values }),
                None => json!({ "string": bounds() }),
            },
            Some("blob") => json!({ "blob": bounds() }),
            Some("integer" | "long" | "short" | "byte" | "biginteger") => json!({ "integer": bounds() }),
            Some("float" | "double" | "bigdecimal") => json!({ "number": bounds() }),
            Some("boolean") => json!("boolean"),
            Some("timestamp") => json!({ "timestamp": shape.get("timestampFormat") }),
            other => return Err(format!("a shape has the type {other:?}")),
        })
    }

    /// Shape and written name of the items of a list, or of the keys or values of a map.
    fn part(&mut self, shape: &'m Value, part: &str) -> Result<(Value, Option<Value>), String> {
        let inner = shape.pointer(&format!("/{part}/shape")).and_then(Value::as_str);
        let inner = inner.ok_or_else(|| format!("a shape has no {part}"))?;
        Ok((self.shape(inner)?.into(), shape[part].get("locationName").cloned()))
    }

    fn structure(&mut self, name: &str, shape: &'m Value) -> Result<Value, String> {
        let mut members = Map::new();
        let named = shape.get("members").and_then(Value::as_object);
        for (member, reference) in named.into_iter().flatten() {
            members.insert(member.clone(), self.member(member, reference)?);
        }
        let mut derived = Map::new();
        derived.insert("members".to_owned(), Value::Object(members));
        for (field, kept) in [("required", "required"), ("payload", "payload")] {
            if let Some(value) = shape.get(field).filter(|value| !value.as_array().is_some_and(Vec::is_empty))
            {
                derived.insert(kept.to_owned(), value.clone());
            }
        }
        if shape["exception"] == true {
            derived.insert("error".to_owned(), json!(name));
            if let Some(code) = shape["error"]["code"].as_str().filter(|code| *code != name) {
                derived.insert("code".to_owned(), json!(code));
            }
        }
        Ok(json!({ "structure": derived }))
    }

    /// The number of the member's shape; where more has to be known, an object around it.
    fn member(&mut self, name: &str, reference: &'m Value) -> Result<Value, String> {
        let shape = reference.get("shape").and_then(Value::as_str);
        let shape = self.shape(shape.ok_or_else(|| format!("the member {name} has no shape"))?)?;
        let mut derived = Map::new();
        for (field, kept) in [
            ("locationName", "as"),
            ("location", "at"),
            ("queryName", "query_as"),
            ("timestampFormat", "timestamp"),
        ] {
            match reference[field].as_str() {
                Some(text) if !(kept == "as" && text == name) => {
                    drop(derived.insert(kept.to_owned(), json!(text)));
                }
                _ => {}
            }
        }
        if let Some(space) = reference["xmlNamespace"]["uri"].as_str() {
            derived.insert("namespace".to_owned(), json!(space));
        }
        for (field, kept) in [
            // The SDK makes one up where nobody gives one.
            ("idempotencyToken", "token"),
            ("jsonvalue", "json"),
            ("flattened", "flat"),
            ("xmlAttribute", "attribute"),
            ("eventstream", "events"),
        ] {
            if reference[field] == true {
                derived.insert(kept.to_owned(), json!(true));
            }
        }
        if derived.is_empty() {
            return Ok(shape.into());
        }
        derived.insert("shape".to_owned(), shape.into());
        Ok(Value::Object(derived))
    }
}
