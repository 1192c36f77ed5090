use std::io::Write;
use std::sync::Arc;

use asl::{OutputType, Transformation};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::results::Results;
use super::*;
use crate::machine::{Payload, Status};
use crate::object_store::{MemoryStore, NoStore, ObjectStore};

const ARN: &str = "arn:aws:states:us-east-1:123456789012:mapRun:m/L:0b0d-uuid";

fn store(objects: &[(&str, &[u8])]) -> MemoryStore {
    let store = MemoryStore::new();
    store.create_bucket("b");
    for (key, content) in objects {
        store.insert("b", key, *content);
    }
    store
}

fn read(store: &MemoryStore, dataset: Dataset, max_items: u64) -> Result<Vec<Item>, String> {
    let store: Arc<dyn ObjectStore> = Arc::new(store.clone());
    let request = ReadRequest { bucket: "b".into(), dataset, max_items };
    let stream = request.open(&store).map_err(|error| error.to_string())?;
    stream.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn values(content: &[u8], format: Format) -> Result<Vec<Value>, String> {
    let dataset = Dataset::Object { key: "k".into(), version_id: None, format };
    Ok(read(&store(&[("k", content)]), dataset, u64::MAX)?.iter().map(Item::input).collect())
}

fn csv(content: &str, headers: Option<&[&str]>) -> String {
    csv_with(content, b',', headers).unwrap()
}

fn csv_with(content: &str, delimiter: u8, headers: Option<&[&str]>) -> Result<String, String> {
    let headers = headers.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Ok(Value::Array(values(content.as_bytes(), Format::Csv { delimiter, headers })?).to_string())
}

fn json_values(content: &str, pointer: Option<&str>) -> Result<Vec<Value>, String> {
    values(content.as_bytes(), Format::Json { pointer: pointer.map(str::to_owned) })
}

#[test]
fn csv_rows_become_objects() {
    // Blanks are a value, nothing is an empty string, what is too long is cut. Recorded on AWS.
    assert_eq!(
        csv("A,B\n1,2\n,,,\ntrue,'x'\n3,\n   \n", None),
        r#"[{"A":"1","B":"2"},{"A":"","B":""},{"A":"true","B":"'x'"},{"A":"3","B":""},{"A":"   ","B":""}]"#
    );
    assert_eq!(csv("1,2\n3\n", Some(&["H"])), r#"[{"H":"1"},{"H":"3"}]"#);
    assert_eq!(csv("H,\r\n1,2,3", None), r#"[{"":"2","H":"1"}]"#);
    assert_eq!(csv("\u{feff}A\n\n1\n\n\n2", None), r#"[{"A":"1"},{"A":"2"}]"#);
    assert_eq!(csv("", None), "[]");
    assert_eq!(csv("A,B\n", None), "[]");
    assert_eq!(csv("A,A\n1,2\n", None), r#"[{"A":"2"}]"#);
}

#[test]
fn csv_fields_come_in_the_order_of_a_java_hash_map() {
    assert_eq!(csv("0,True,{}\na,b,c", None), r#"[{"0":"a","{}":"c","True":"b"}]"#);
    assert_eq!(csv("H1,\na,b", None), r#"[{"":"b","H1":"a"}]"#);
    // 13 names do not fit into 16 buckets; in 32 the lower case letters are in order again.
    let names: Vec<String> = ('a'..='m').map(String::from).collect();
    let row: String = csv(&format!("{}\n1", names.join(",")), None);
    assert!(row.starts_with(r#"[{"a":"1","b":"","c":"""#), "{row}");
}

#[test]
fn csv_quotes_and_backslashes() {
    assert_eq!(csv("A,B\n\"x,\ny\",\"say \"\"hi\"\"\"\n", None), r#"[{"A":"x,\ny","B":"say \"hi\""}]"#);
    assert_eq!(csv("A,B\n\"say \\\"hi\\\"\",C:\\\\dir\n", None), r#"[{"A":"say \"hi\"","B":"C:\\dir"}]"#);
    assert_eq!(csv("A,B\nx\\,y,\\n\n", None), r#"[{"A":"x,y","B":"n"}]"#);
    assert_eq!(csv("A,B\nx\"y,2\n", None), r#"[{"A":"x\"y","B":"2"}]"#);
    let error = csv_with("A\n\"open", b',', None).unwrap_err();
    assert_eq!(error, "The items could not be read from S3://b/k: row 2 ends inside of double quotes.");
}

#[test]
fn csv_delimiters_and_large_headers() {
    for delimiter in [b',', b'|', b';', b' ', b'\t'] {
        let text = format!("A{0}B\n1{0}2", char::from(delimiter));
        assert_eq!(csv_with(&text, delimiter, None).unwrap(), r#"[{"A":"1","B":"2"}]"#);
    }
    let error = csv_with(&format!("{}\n1", "h".repeat(10_241)), b',', None).unwrap_err();
    assert!(error.contains("its headers have more than 10240 bytes"), "{error}");
}

/// Empty fields have no bytes, and take memory all the same.
#[test]
fn csv_rows_of_nothing_but_delimiters_have_an_end() {
    let commas = ",".repeat(asl::limits::ITEM_BYTES_MAX + 1);
    let error = csv_with(&format!("A\n{commas}"), b',', None).unwrap_err();
    assert!(error.contains("row 2 is longer than 8388608 bytes"), "{error}");
    let error = csv_with(&format!("{}\n1", ",".repeat(10_241)), b',', None).unwrap_err();
    assert!(error.contains("its headers have more than 10240 bytes"), "{error}");
    let many: Vec<String> = (0..200_000).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(csv("1", Some(&many)).contains(r#""199999":"""#), "as many headers as a definition can hold");
}

#[test]
fn json_arrays_objects_and_pointers() {
    assert_eq!(
        json_values(" [1, \"a]\" , {\"x\":[{}]}, null]", None).unwrap(),
        [json!(1), json!("a]"), json!({"x":[{}]}), json!(null)]
    );
    assert_eq!(json_values("[]", None).unwrap(), [] as [Value; 0]);
    assert_eq!(
        json_values(r#"{"a": 1, "b\"": [2]}"#, None).unwrap(),
        [json!({"Key": "a", "Value": 1}), json!({"Key": "b\"", "Value": [2]})]
    );
    let nested = r#"{"skip": {"items": [9]}, "data": [{}, {"a/b": [1, 2], "rest": 3}]} "#;
    assert_eq!(json_values(nested, Some("/data/1/a~1b")).unwrap(), [json!(1), json!(2)]);
    let error = json_values(nested, Some("/data/2")).unwrap_err();
    assert_eq!(error, "The items could not be read from S3://b/k: ItemsPointer finds no '2'.");
    let error = json_values(nested, Some("/data/1/rest")).unwrap_err();
    assert!(error.ends_with("neither a JSON array nor a JSON object where the items should be."), "{error}");
}

#[test]
fn what_is_not_json_is_told() {
    for (text, problem) in [
        ("", "it is empty"),
        ("3", "neither a JSON array"),
        ("[1]\n[2]", "it goes on behind the array or object"),
        ("[1 2]", "a comma is missing"),
        ("[1, 2", "in the middle of an array"),
        ("[1, {\"a\": ", "in the middle of a value"),
        ("[tru]", "item 0 is not JSON"),
        ("{1: 2}", "a field's name is missing"),
        ("{\"a\" 2}", "a colon is missing"),
        ("[1,]", "item 1 is not JSON"),
    ] {
        let error = json_values(text, None).unwrap_err();
        assert!(error.contains(problem), "{text}: {error}");
    }
    let deep = format!("[{}{}]", "[".repeat(5_000), "]".repeat(5_000));
    assert!(json_values(&deep, None).unwrap_err().contains("recursion limit"));
}

#[test]
fn json_lines() {
    let lines = b"{\"a\":1}\r\n\n  \n[2]\n\"x\"";
    assert_eq!(values(lines, Format::JsonLines).unwrap(), [json!({"a":1}), json!([2]), json!("x")]);
    let error = values(b"1\n\n{", Format::JsonLines).unwrap_err();
    assert!(error.contains("line 3 is not JSON"), "{error}");
    assert!(values(b"", Format::JsonLines).unwrap().is_empty());
}

#[test]
fn max_items_and_positions() {
    let store = store(&[("k", b"[0,1,2,3,4]")]);
    let dataset =
        Dataset::Object { key: "k".into(), version_id: None, format: Format::Json { pointer: None } };
    assert_eq!(read(&store, dataset.clone(), 2).unwrap().len(), 2);
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let request = ReadRequest { bucket: "b".into(), dataset, max_items: 4 };
    let mut stream = request.open(&store).unwrap();
    stream.skip_to(3).unwrap();
    assert_eq!((stream.next().unwrap().unwrap().value, stream.position()), (json!(3), 4));
    assert!(stream.next().is_none(), "MaxItems counts from the start of the dataset");
}

#[test]
fn lists_of_objects() {
    let store = store(&[("p/1", b"[1,2]"), ("p/2", b"{\"k\":3}"), ("p/dir/", b""), ("q", b"[9]")]);
    let listed = read(&store, Dataset::List { prefix: "p/".into() }, u64::MAX).unwrap();
    assert_eq!(listed.len(), 3);
    let first = &listed[0];
    assert_eq!(
        (&*first.source, &first.value["Key"], &first.value["Size"]),
        ("S3://b", &json!("p/1"), &json!(5))
    );
    let names: Vec<_> = first.value.as_object().unwrap().keys().collect();
    assert_eq!(names, ["Etag", "Key", "LastModified", "Size", "StorageClass"]);
    let format = Format::Json { pointer: None };
    let loaded = read(&store, Dataset::Load { prefix: "p/".into(), format }, 3).unwrap();
    let inputs: Vec<_> = loaded.iter().map(|item| (&*item.source, item.input())).collect();
    let third = json!({"Key": "k", "Value": 3});
    assert_eq!(inputs, [("S3://b/p/1", json!(1)), ("S3://b/p/1", json!(2)), ("S3://b/p/2", third)]);
    assert!(read(&store, Dataset::List { prefix: "none".into() }, 9).unwrap().is_empty());
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn inventories() {
    let manifest = json!({
        "sourceBucket": "src", "destinationBucket": "arn:aws:s3:::b", "version": "2016-11-30",
        "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "data/1.csv.gz", "size": 1, "MD5checksum": "x"}, {"key": "data/2.csv.gz"}]
    });
    let store = store(&[
        ("inv/manifest.json", manifest.to_string().as_bytes()),
        ("data/1.csv.gz", &gzip("\"src\",\"a.txt\",\"10\"\n\"src\",\"b.txt\",\"0\"\n")),
        ("data/2.csv.gz", &gzip("\"src\",\"c.txt\",\"7\"\n")),
    ]);
    let dataset = Dataset::Inventory { key: "inv/manifest.json".into(), version_id: None };
    let items = read(&store, dataset.clone(), u64::MAX).unwrap();
    assert_eq!(items.len(), 3);
    assert_eq!(items[2].value, json!({"Bucket": "src", "Key": "c.txt", "Size": "7"}));
    let orc = manifest.to_string().replace("CSV", "ORC");
    store.insert("b", "inv/manifest.json", orc);
    let error = read(&store, dataset, u64::MAX).unwrap_err();
    assert!(error.contains("inventories in the format ORC cannot be read"), "{error}");
}

#[test]
fn athena_manifests() {
    let store = store(&[
        ("m.csv", b"s3://b/out/1.gz\ns3://b/out/2\n"),
        ("out/1.gz", &gzip("{\"a\":1}\n{\"a\":2}\n")),
        ("out/2", b"{\"a\":3}\n"),
    ]);
    let dataset =
        |key: &str| Dataset::AthenaData { key: key.into(), version_id: None, format: Format::JsonLines };
    let items = read(&store, dataset("m.csv"), u64::MAX).unwrap();
    assert_eq!(items.iter().map(|item| &item.value["a"]).collect::<Vec<_>>(), [1, 2, 3]);
    store.insert("b", "bad.csv", "out/1.gz\n");
    assert!(
        read(&store, dataset("bad.csv"), 9).unwrap_err().contains("'out/1.gz' is not the URI of an object")
    );
    store.insert("b", "gone.csv", "s3://b/out/2\ns3://b/gone\n");
    let error = read(&store, dataset("gone.csv"), 9).unwrap_err();
    assert!(
        error.contains("The specified key does not exist. (NoSuchKey; bucket 'b', key 'gone')"),
        "{error}"
    );
}

#[cfg(feature = "parquet")]
fn parquet_file(rows: &[(i32, &str)]) -> Vec<u8> {
    use ::parquet::data_type::{ByteArrayType, Int32Type};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    let schema = "message s { REQUIRED INT32 id; OPTIONAL BYTE_ARRAY name (UTF8); }";
    let schema = Arc::new(::parquet::schema::parser::parse_message_type(schema).unwrap());
    let compression = ::parquet::basic::Compression::SNAPPY;
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut file, schema, properties).unwrap();
    for half in rows.chunks(rows.len().div_ceil(2).max(1)) {
        let mut group = writer.next_row_group().unwrap();
        let ids: Vec<i32> = half.iter().map(|row| row.0).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&ids, None, None).unwrap();
        column.close().unwrap();
        let levels: Vec<i16> = half.iter().map(|row| i16::from(!row.1.is_empty())).collect();
        let names: Vec<_> = half.iter().filter(|row| !row.1.is_empty()).map(|row| row.1.into()).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&names, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    file
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_rows_become_objects() {
    let file = parquet_file(&[(1, "one"), (2, ""), (3, "three")]);
    let expected =
        [json!({"id":1,"name":"one"}), json!({"id":2,"name":null}), json!({"id":3,"name":"three"})];
    assert_eq!(values(&file, Format::Parquet).unwrap(), expected);
    for broken in [&b""[..], b"PAR1", b"hello, world", b"\xff\xff\xff\xffPAR1", b"\x04\0\0\0PAR1"] {
        let error = values(broken, Format::Parquet).unwrap_err();
        assert!(error.starts_with("The items could not be read from S3://b/k: "), "{error}");
    }
}

/// A file with one row: a list of numbers below so many groups.
#[cfg(feature = "parquet")]
fn parquet_list(groups: usize, length: usize) -> Vec<u8> {
    use ::parquet::data_type::Int32Type;
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    let schema = format!(
        "message s {{ {}REPEATED INT32 n;{} }}",
        "REQUIRED group g {".repeat(groups),
        "}".repeat(groups)
    );
    let schema = Arc::new(::parquet::schema::parser::parse_message_type(&schema).unwrap());
    let mut file = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut file, schema, Arc::new(WriterProperties::default())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let repeated: Vec<i16> = (0..length).map(|index| i16::from(index > 0)).collect();
    column
        .typed::<Int32Type>()
        .write_batch(&vec![7; length], Some(&vec![1; length]), Some(&repeated))
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    file
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_are_as_deep_and_wide_as_payloads() {
    assert_eq!(values(&parquet_list(1, 3), Format::Parquet).unwrap(), [json!({"g": {"n": [7, 7, 7]}})]);
    let deep = values(&parquet_list(200, 3), Format::Parquet).unwrap_err();
    assert!(deep.ends_with("its schema has more than 127 levels."), "{deep}");
    let wide = values(&parquet_list(1, 200_000), Format::Parquet).unwrap_err();
    assert!(wide.ends_with("more than 131072 values of a column on average."), "{wide}");
}

#[test]
fn a_missing_store_or_bucket_is_told() {
    let store: Arc<dyn ObjectStore> = Arc::new(NoStore);
    let dataset = Dataset::Object { key: "k".into(), version_id: None, format: Format::JsonLines };
    let request = ReadRequest { bucket: "b".into(), dataset, max_items: 1 };
    let error = request.open(&store).unwrap_err().to_string();
    assert_eq!(
        error,
        "The items could not be read from Amazon S3: The specified bucket does not exist (NoSuchBucket; bucket 'b')"
    );
}

fn batches(batcher: &Batcher, items: &[Payload]) -> Result<Vec<Batch>, usize> {
    let mut done = Vec::new();
    let mut filling = batcher.begin();
    for item in items {
        loop {
            match batcher.push(&mut filling, item) {
                Pushed::Added => break,
                Pushed::Full => done.push(std::mem::replace(&mut filling, batcher.begin()).finish()),
                Pushed::TooLarge(bytes) => return Err(bytes),
            }
        }
    }
    if filling.items() > 0 {
        done.push(filling.finish());
    }
    Ok(done)
}

#[test]
fn items_in_batches() {
    let items: Vec<Payload> = (0..5).map(|number| Payload::from_value(json!({ "n": number }))).collect();
    let input = Payload::from_value(json!({"factCheck": "December 2022"}));
    let of_two = batches(&Batcher::new(2, 0, Some(input)), &items).unwrap();
    let texts: Vec<_> = of_two.iter().map(|batch| batch.input.text()).collect();
    assert_eq!(texts.len(), 3);
    assert_eq!(texts[0], r#"{"BatchInput":{"factCheck":"December 2022"},"Items":[{"n":0},{"n":1}]}"#);
    assert_eq!(texts[2], r#"{"BatchInput":{"factCheck":"December 2022"},"Items":[{"n":4}]}"#);
    let all = batches(&Batcher::new(0, 0, None), &items).unwrap();
    assert_eq!((all.len(), all[0].items), (1, 5));
    let by_bytes = batches(&Batcher::new(0, 28, None), &items).unwrap();
    assert_eq!(by_bytes.iter().map(|batch| batch.input.len()).collect::<Vec<_>>(), [27, 27, 19]);
    assert_eq!(batches(&Batcher::new(0, 18, None), &items), Err(19), "one item alone does not fit");
}

fn child(number: usize, status: Status, output: Option<Value>) -> ChildResult {
    let failed = status != Status::Succeeded;
    ChildResult {
        execution_arn: format!("arn:aws:states:us-east-1:123456789012:execution:m/L:c{number}"),
        state_machine_arn: "arn:aws:states:us-east-1:123456789012:stateMachine:m/L".into(),
        name: format!("c{number}"),
        status,
        input: format!("{{\"n\":{number}}}"),
        output: output.map(Payload::from_value),
        error: failed.then(|| "My.Error".into()),
        cause: failed.then(|| "because".into()),
        start_millis: 1_000,
        stop_millis: Some(2_500),
        redrive_count: u32::from(failed) * 2,
    }
}

fn children() -> Vec<ChildResult> {
    vec![
        child(0, Status::Succeeded, Some(json!([1, 2]))),
        child(1, Status::Failed, None),
        child(2, Status::Succeeded, Some(json!({"a": 3}))),
    ]
}

fn iterate(children: &[ChildResult]) -> Results<'_> {
    Box::new(children.iter().cloned().map(Ok))
}

fn format(output_type: OutputType, transformation: Transformation) -> ResultFormat {
    ResultFormat { output_type, transformation }
}

#[test]
fn result_files_and_their_manifest() {
    let store = store(&[]);
    let destination = Destination::new(&json!({"Bucket": "b", "Prefix": "jobs/"}), ARN).unwrap();
    let children = children();
    let plain = format(OutputType::Json, Transformation::None);
    let written = write_results(&store, &destination, plain, 1 << 20, || iterate(&children)).unwrap();
    assert_eq!(written, Written { manifest_key: "jobs/0b0d-uuid/manifest.json".into(), results: 3 });
    let content = |file: &str| -> Value {
        serde_json::from_slice(&store.content("b", &format!("jobs/0b0d-uuid/{file}")).unwrap()).unwrap()
    };
    let manifest = content("manifest.json");
    assert_eq!((&manifest["DestinationBucket"], &manifest["MapRunArn"]), (&json!("b"), &json!(ARN)));
    let files = manifest["ResultFiles"].as_object().unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["FAILED", "PENDING", "SUCCEEDED"]);
    let size = store.content("b", "jobs/0b0d-uuid/SUCCEEDED_0.json").unwrap().len();
    assert_eq!(files["SUCCEEDED"], json!([{"Key": "jobs/0b0d-uuid/SUCCEEDED_0.json", "Size": size}]));
    let succeeded = content("SUCCEEDED_0.json");
    assert_eq!(succeeded.as_array().unwrap().len(), 2);
    assert_eq!(
        succeeded[0],
        json!({
            "ExecutionArn": "arn:aws:states:us-east-1:123456789012:execution:m/L:c0",
            "Input": "{\"n\":0}", "InputDetails": {"Included": true}, "Name": "c0",
            "Output": "[1,2]", "OutputDetails": {"Included": true}, "RedriveCount": 0,
            "RedriveStatus": "NOT_REDRIVABLE",
            "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
            "StartDate": "1970-01-01T00:00:01.000Z",
            "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m/L",
            "Status": "SUCCEEDED", "StopDate": "1970-01-01T00:00:02.500Z"
        })
    );
    let failed = content("FAILED_0.json");
    assert_eq!(
        (&failed[0]["Error"], &failed[0]["Cause"], &failed[0]["Status"]),
        (&json!("My.Error"), &json!("because"), &json!("FAILED"))
    );
    assert_eq!(failed[0]["RedriveCount"], 2, "as often as it was redriven");
    assert_eq!(files["PENDING"], json!([]));
}

#[test]
fn result_files_are_split_and_transformed() {
    let destination = Destination::new(&json!({"Bucket": "b"}), ARN).unwrap();
    let children = children();
    let file = |format: ResultFormat, bytes_max: u64, name: &str| {
        let store = store(&[]);
        write_results(&store, &destination, format, bytes_max, || iterate(&children)).unwrap();
        let content = store.content("b", &format!("0b0d-uuid/{name}"));
        (content.map(|content| String::from_utf8(content).unwrap()), store.keys("b").len())
    };
    let json_of = |transformation| format(OutputType::Json, transformation);
    let lines_of = |transformation| format(OutputType::JsonLines, transformation);
    assert_eq!(
        file(json_of(Transformation::Compact), 99, "SUCCEEDED_0.json").0.unwrap(),
        r#"[[1,2],{"a":3}]"#
    );
    assert_eq!(file(json_of(Transformation::Flatten), 99, "SUCCEEDED_0.json").0.unwrap(), r#"[1,2,{"a":3}]"#);
    assert_eq!(
        file(lines_of(Transformation::Compact), 99, "SUCCEEDED_0.jsonl").0.unwrap(),
        "[1,2]\n{\"a\":3}\n"
    );
    assert_eq!(
        file(lines_of(Transformation::Flatten), 99, "SUCCEEDED_0.jsonl").0.unwrap(),
        "1\n2\n{\"a\":3}\n"
    );
    let (second, files) = file(json_of(Transformation::Compact), 8, "SUCCEEDED_1.json");
    assert_eq!((second.unwrap().as_str(), files), (r#"[{"a":3}]"#, 4));
    let failed = file(json_of(Transformation::Compact), 9_999, "FAILED_0.json").0.unwrap();
    assert!(
        failed.starts_with(r#"[{"Cause":"because","Error":"My.Error","#),
        "failures are never transformed"
    );
}

#[test]
fn results_that_cannot_be_written_or_read() {
    let destination = Destination::new(&json!({"Bucket": "none"}), ARN).unwrap();
    let children = children();
    let plain = format(OutputType::Json, Transformation::None);
    let error = write_results(&store(&[]), &destination, plain, 99, || iterate(&children)).unwrap_err();
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");
    let destination = Destination::new(&json!({"Bucket": "b"}), ARN).unwrap();
    let broken =
        || -> Results<'_> { Box::new(children.iter().cloned().map(Ok).chain([Err("journal".to_owned())])) };
    let error = write_results(&store(&[]), &destination, plain, 9_999, broken).unwrap_err();
    assert!(matches!(error, WriteError::Results(_)), "{error}");
    assert!(Destination::new(&json!({"Prefix": "p"}), ARN).is_err());
}

#[test]
fn results_in_the_output_of_the_state() {
    let succeeded: Vec<_> =
        children().into_iter().filter(|child| child.status == Status::Succeeded).collect();
    let collect = |format, bytes_max| collect_results(iterate(&succeeded), format, bytes_max).unwrap();
    let text = |format| collect(format, 9_999).unwrap().text().to_owned();
    assert_eq!(text(format(OutputType::Json, Transformation::Compact)), r#"[[1,2],{"a":3}]"#);
    assert_eq!(text(format(OutputType::Json, Transformation::Flatten)), r#"[1,2,{"a":3}]"#);
    assert_eq!(text(format(OutputType::JsonLines, Transformation::Flatten)), r#""1\n2\n{\"a\":3}""#);
    assert_eq!(collect(format(OutputType::Json, Transformation::Compact), 14), None);
    assert_eq!(
        collect_results(iterate(&[]), format(OutputType::Json, Transformation::Compact), 9)
            .unwrap()
            .unwrap()
            .text(),
        "[]"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        "[ -~\"\\\\\u{e9}\u{1f600}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\]{0,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The items behind the first `position` ones, when the bucket has become another one meanwhile.
fn go_on(
    before: &MemoryStore,
    after: &MemoryStore,
    dataset: &Dataset,
    position: usize,
) -> Result<String, String> {
    let first = read(before, dataset.clone(), u64::MAX)?;
    let place = first[position - 1].place.clone().unwrap();
    let place = serde_json::from_str(&serde_json::to_string(&place).unwrap()).unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(after.clone());
    let request = ReadRequest { bucket: "b".into(), dataset: dataset.clone(), max_items: u64::MAX };
    let stream = request.open_behind(&store, position as u64, &place).map_err(|error| error.to_string())?;
    assert_eq!(stream.position(), position as u64);
    let rest = stream.collect::<Result<Vec<Item>, _>>().map_err(|error| error.to_string())?;
    Ok(Value::Array(rest.iter().map(Item::input).collect()).to_string())
}

#[test]
fn a_list_that_has_grown_goes_on_behind_the_last_item() {
    let files: [(&str, &[u8]); 2] = [("p/b", b"\"b0\"\n\"b1\"\n\"b2\""), ("p/d", b"\"d0\"")];
    let grown: [(&str, &[u8]); 4] = [("p/a", b"\"a0\""), files[0], ("p/c", b"\"c0\""), files[1]];
    let changed: [(&str, &[u8]); 2] = [("p/b", b"\"b0\""), files[1]];
    let load = Dataset::Load { prefix: "p/".into(), format: Format::JsonLines };
    assert_eq!(go_on(&store(&files), &store(&grown), &load, 2).unwrap(), r#"["b2","c0","d0"]"#);
    assert_eq!(go_on(&store(&files), &store(&grown), &load, 3).unwrap(), r#"["c0","d0"]"#);
    assert_eq!(go_on(&store(&files), &store(&files[..1]), &load, 3).unwrap(), "[]");
    for other in [&changed[..], &files[1..]] {
        let error = go_on(&store(&files), &store(other), &load, 2).unwrap_err();
        assert!(error.starts_with("S3://b/p/b has changed since"), "{error}");
    }
    let list = Dataset::List { prefix: "p/".into() };
    let keys = |text: String| text.matches("p/").count();
    assert_eq!(keys(go_on(&store(&files), &store(&grown), &list, 1).unwrap()), 2, "c and d");
    assert_eq!(keys(go_on(&store(&files), &store(&files[1..]), &list, 1).unwrap()), 1, "d");
}

#[test]
fn the_files_of_a_manifest_must_stay_as_they_are() {
    let manifest: (&str, &[u8]) = ("m", b"s3://b/x\ns3://b/y\ns3://b/x\n");
    let files: [(&str, &[u8]); 3] = [manifest, ("x", b"1\n2"), ("y", b"3\n4")];
    let dataset = Dataset::AthenaData { key: "m".into(), version_id: None, format: Format::JsonLines };
    assert_eq!(go_on(&store(&files), &store(&files), &dataset, 1).unwrap(), "[2,3,4,1,2]");
    assert_eq!(go_on(&store(&files), &store(&files), &dataset, 5).unwrap(), "[2]", "x comes twice");
    let changed = store(&[manifest, ("x", b"1\n2"), ("y", b"3\n4\n5")]);
    assert_eq!(go_on(&store(&files), &changed, &dataset, 1).unwrap(), "[2,3,4,5,1,2]", "not begun yet");
    let error = go_on(&store(&files), &changed, &dataset, 3).unwrap_err();
    assert!(error.starts_with("S3://b/y has changed since"), "{error}");
}

proptest! {
    #[test]
    fn streamed_json_is_read_json(items in prop::collection::vec(any_json(), 0..8), pretty: bool) {
        let array = Value::Array(items.clone());
        let text = if pretty { serde_json::to_string_pretty(&array).unwrap() } else { array.to_string() };
        prop_assert_eq!(json_values(&text, None).unwrap(), items.clone());
        let nested = json!({"before": items, "x": {"y": array}}).to_string();
        prop_assert_eq!(json_values(&nested, Some("/x/y")).unwrap(), items.clone());
        let lines = items.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        prop_assert_eq!(values(lines.as_bytes(), Format::JsonLines).unwrap(), items);
    }

    #[test]
    fn quoted_csv_is_read_back(rows in prop::collection::vec(prop::collection::vec("[ -~\n\u{e9}]{0,6}", 3), 1..6)) {
        let quoted = |field: &String| format!("\"{}\"", field.replace('\\', "\\\\").replace('"', "\"\""));
        let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
        let text = rows.iter().map(line).collect::<Vec<_>>().join("\n");
        let headers = ["a", "b", "c"].map(str::to_owned).to_vec();
        let read = values(text.as_bytes(), Format::Csv { delimiter: b',', headers: Some(headers) }).unwrap();
        let expected: Vec<Value> = rows.iter().map(|row| json!({"a": row[0], "b": row[1], "c": row[2]})).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\",:\\\\0-9a-z \n]{0,80}") {
        for content in [&bytes[..], text.as_bytes()] {
            for format in [
                Format::Csv { delimiter: b',', headers: None },
                Format::Json { pointer: None },
                Format::Json { pointer: Some("/a/0".into()) },
                Format::JsonLines,
                Format::Parquet,
            ] {
                // What comes out does not matter: that it ends does.
                let _ = values(content, format);
            }
        }
    }

    #[test]
    fn batches_hold_every_item_once_and_keep_their_limits(
        sizes in prop::collection::vec(0_usize..40, 0..30), items_max in 0_u64..5, bytes_max in 60_u64..200,
    ) {
        let items: Vec<Payload> = sizes.iter().map(|size| Payload::from_value(json!("x".repeat(*size)))).collect();
        let batches = batches(&Batcher::new(items_max, bytes_max, None), &items).unwrap();
        let mut held = Vec::new();
        for batch in &batches {
            let inside = batch.input.value()["Items"].as_array().unwrap().clone();
            prop_assert!(!inside.is_empty() && batch.items == inside.len() as u64);
            prop_assert!(items_max == 0 || batch.items <= items_max);
            prop_assert!(batch.input.len() as u64 <= bytes_max);
            held.extend(inside);
        }
        let given: Vec<Value> = items.iter().map(|item| item.value().clone()).collect();
        prop_assert_eq!(held, given);
    }

    #[test]
    fn a_dataset_goes_on_from_any_position(count in 0_usize..20, position in 0_usize..25, max_items in 1_u64..25) {
        let text = Value::Array((0..count).map(Value::from).collect()).to_string();
        let store: Arc<dyn ObjectStore> = Arc::new(store(&[("k", text.as_bytes())]));
        let dataset = Dataset::Object { key: "k".into(), version_id: None, format: Format::Json { pointer: None } };
        let request = ReadRequest { bucket: "b".into(), dataset, max_items };
        let all: Vec<Item> = request.open(&store).unwrap().collect::<Result<_, _>>().unwrap();
        let mut stream = request.open(&store).unwrap();
        stream.skip_to(position as u64).unwrap();
        let rest: Vec<Item> = stream.collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&all[position.min(all.len())..], &rest[..]);
    }
}
