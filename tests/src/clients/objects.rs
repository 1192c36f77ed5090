//! AWS's clients on the objects of `stepwright dev`, and how much memory a large one takes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Served, script, tool};

fn seen(command: &mut std::process::Command) -> Value {
    let output = command.output().expect("the client starts");
    assert!(output.status.success(), "{}", crate::told(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn boto3_sees(served: &Served, python: &std::path::Path) {
    let mut seen = seen(served.client(python).arg(script("with_s3_boto3.py")));
    let sums = seen["sums"].take();
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] {
        assert_eq!(sums[algorithm], json!(["hello", true]), "{algorithm}");
    }
    assert_eq!(
        seen,
        json!({
            "buckets": ["drops"],
            "location": null,
            "versioning": null,
            "sums": null,
            "bad sum": ["BadDigest", 400],
            "head": [10, "text/plain", "no-cache", { "who": "me" }, true],
            "range": "234",
            "errors": [
                ["NoSuchKey", 404], ["NoSuchBucket", 404], ["404", 404], ["InvalidRange", 416],
                ["PreconditionFailed", 412], ["PreconditionFailed", 412], ["KeyTooLongError", 400],
                ["BucketNotEmpty", 409], ["NoSuchUpload", 404],
            ],
            "large": [true, true, { "parts": "yes" }],
            "large copy": true,
            "parts": 1,
            "uploads": 1,
            "uploads after": null,
            "copy": ["0123456789", "text/plain", { "who": "me" }],
            "keys": [
                "list", "list/", "list/../x", "list//", "list/0/0", "list/0/3", "list/0/6", "list/1/1",
                "list/1/4", "list/2/2", "list/2/5", "list/a\nb",
            ],
            "prefixes": ["list/../", "list//", "list/0/", "list/1/", "list/2/"],
            "presigned": "0123456789",
            "presigned put": "put",
            "deleted": 3,
            "left": 0,
            "gone": ["NoSuchBucket", 404],
        })
    );
}

#[test]
fn boto3() {
    let Some(python) = tool("python/bin/python") else { return };
    boto3_sees(&Served::start(&[]), &python);
}

#[test]
fn boto3_signs_and_strangers_do_not() {
    let Some(python) = tool("python/bin/python") else { return };
    let served = Served::start(&["--credentials", "generate"]);
    boto3_sees(&served, &python);
    let mut stranger = served.client(&python);
    stranger.arg(script("with_s3_boto3.py")).env("AWS_SECRET_ACCESS_KEY", "guessed");
    let said = String::from_utf8_lossy(&stranger.output().expect("the client starts").stderr).into_owned();
    assert!(said.contains("SignatureDoesNotMatch"), "{said}");
}

#[test]
fn aws_command_line() {
    let (Some(aws), Some(python)) = (tool("python/bin/aws"), tool("python/bin/python")) else { return };
    let served = Served::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = served.client("bash");
    client.arg(script("with_s3_cli.sh")).env("AWS", aws).env("PYTHON", python).current_dir(folder.path());
    assert_eq!(seen(&mut client), json!(["1 moved", "1 piped", "1 tree/deep/b c", "20000000 tree/large"]));
}

/// What is put over HTTP lies where steps read it, by its key; and the other way round.
#[test]
fn objects_lie_where_steps_look() {
    let Some(python) = tool("python/bin/python") else { return };
    let served = Served::start(&[]);
    let program = "import boto3, sys; s3 = boto3.client('s3')
s3.create_bucket(Bucket='staging'); s3.put_object(Bucket='staging', Key='a/b.csv', Body=b'1,2')
print('[1]')";
    seen(served.client(&python).args(["-c", program]));
    let bucket = served.folder.path().join("data/objects/staging");
    assert_eq!(std::fs::read_to_string(bucket.join("a/b.csv")).expect("the object"), "1,2");
    std::fs::create_dir(bucket.join("by-step")).expect("a folder");
    std::fs::write(bucket.join("by-step/c.csv"), "3,4").expect("written");
    let program = "import boto3, json; s3 = boto3.client('s3')
keys = [entry['Key'] for entry in s3.list_objects_v2(Bucket='staging')['Contents']]
print(json.dumps([keys, s3.get_object(Bucket='staging', Key='by-step/c.csv')['Body'].read().decode()]))";
    assert_eq!(
        seen(served.client(&python).args(["-c", program])),
        json!([["a/b.csv", "by-step/c.csv"], "3,4"])
    );
}

/// Resident memory of the server, at most, in KiB.
fn peak_kib(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.process.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn answer(stream: &mut TcpStream) -> String {
    let mut answer = [0; 4096];
    let count = stream.read(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

#[test]
fn a_large_object_takes_little_memory() {
    let served = Served::start(&[]);
    let address =
        served.announced["endpoint"].as_str().expect("a text").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).expect("a connection");
    write!(stream, "PUT /large-ones HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n").expect("sent");
    assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    let before = peak_kib(&served);
    let (piece, pieces) = (vec![b'x'; 1 << 20], 1_024);
    write!(
        stream,
        "PUT /large-ones/gigabyte HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
        piece.len() * pieces
    )
    .expect("sent");
    (0..pieces).for_each(|_| stream.write_all(&piece).expect("sent"));
    assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    let mut down = TcpStream::connect(&address).expect("a connection");
    write!(down, "GET /large-ones/gigabyte HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        .expect("sent");
    let count = std::io::copy(&mut down, &mut std::io::sink()).expect("the object");
    assert!(count > 1 << 30, "{count}");
    let grown = peak_kib(&served) - before;
    eprintln!("a gigabyte up and down: {grown} KiB more");
    assert!(grown < 64 << 10, "{grown} KiB more");
}
