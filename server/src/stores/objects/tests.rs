//! The service, asked as the endpoint asks it; and the store, killed while it works.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::to_bytes;
use engine::SystemClock;
use tempfile::TempDir;

use super::*;

/// Remembers what it was told, or refuses to.
#[derive(Debug, Default)]
struct Told {
    events: Mutex<Vec<ObjectEvent>>,
    refuses: AtomicBool,
}

impl ObjectEvents for Told {
    fn raise(&self, event: &ObjectEvent) -> Result<(), NotRaised> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(NotRaised("not now".to_owned()));
        }
        self.events.lock().unwrap().push(event.clone());
        Ok(())
    }
}

impl Told {
    /// What happened, in short.
    fn lines(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        events.iter().map(|event| format!("{} {} {}", event.detail_type(), event.key, event.reason)).collect()
    }
}

fn open(root: &Path, events: Arc<dyn ObjectEvents>) -> Arc<Objects> {
    let options = ObjectsOptions {
        root: root.to_path_buf(),
        region: "us-east-1".into(),
        account: "123456789012".into(),
        authentication: Authentication::open(),
        events,
        clock: Arc::new(SystemClock),
        idle: Duration::from_secs(5),
    };
    Arc::new(Objects::open(options).unwrap())
}

/// A store with the bucket `drops`, in a folder with a secret beside it.
struct Store {
    folder: TempDir,
    told: Arc<Told>,
    objects: Arc<Objects>,
}

/// An answer: status, code or text, and its headers.
#[derive(Debug)]
struct Seen {
    status: u16,
    text: String,
    headers: axum::http::HeaderMap,
}

impl Seen {
    fn code(&self) -> &str {
        self.text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
            .map_or("", |(code, _)| code)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "s").unwrap();
        fs::create_dir_all(folder.path().join("objects/drops")).unwrap();
        let told = Arc::<Told>::default();
        let objects = open(&folder.path().join("objects"), Arc::clone(&told) as Arc<dyn ObjectEvents>);
        Self { folder, told, objects }
    }

    fn bucket(&self) -> Folder {
        Folder::new(self.folder.path().join("objects/drops"))
    }

    fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &[u8]) -> Seen {
        let request = axum::http::Request::builder().method(method).uri(uri).header("host", "localhost");
        let request = request.header("content-length", body.len());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let response = Arc::clone(&self.objects).answer(request).await;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = to_bytes(response.into_body(), 1 << 30).await.unwrap();
            Seen { status, text: String::from_utf8_lossy(&body).into_owned(), headers }
        })
    }

    fn put(&self, key: &str, content: &str) -> Seen {
        self.ask("PUT", &format!("/drops/{key}"), &[], content.as_bytes())
    }

    fn get(&self, key: &str) -> Seen {
        self.ask("GET", &format!("/drops/{key}"), &[], b"")
    }
}

#[test]
fn an_object_is_put_told_read_and_deleted() {
    let store = Store::new();
    let put = store.ask(
        "PUT",
        "/drops/a/b%20c.txt",
        &[("content-type", "text/plain"), ("x-amz-meta-Who", "me")],
        b"hello",
    );
    assert_eq!((put.status, put.header("etag")), (200, "\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(fs::read_to_string(store.bucket().root().join("a/b c.txt")).unwrap(), "hello");
    let got = store.get("a/b%20c.txt");
    assert_eq!((got.status, got.text.as_str()), (200, "hello"));
    assert_eq!((got.header("content-type"), got.header("x-amz-meta-who")), ("text/plain", "me"));
    assert_eq!((got.header("content-length"), got.header("etag")), ("5", put.header("etag")));
    let head = store.ask("HEAD", "/drops/a/b%20c.txt", &[], b"");
    assert_eq!((head.status, head.header("content-length"), head.text.as_str()), (200, "5", ""));
    let none = store.ask("HEAD", "/drops/none", &[], b"");
    assert_eq!((none.status, none.text.as_str()), (404, ""));
    assert_eq!(store.ask("DELETE", "/drops/a/b%20c.txt", &[], b"").status, 204);
    assert_eq!(store.ask("DELETE", "/drops/a/b%20c.txt", &[], b"").status, 204);
    assert_eq!(store.get("a/b%20c.txt").code(), "NoSuchKey");
    assert_eq!(
        store.told.lines(),
        ["Object Created a/b c.txt PutObject", "Object Deleted a/b c.txt DeleteObject"]
    );
    let events = store.told.events.lock().unwrap();
    assert!(events[0].sequencer < events[1].sequencer);
    assert_eq!(files_left(&store.bucket()), Vec::<String>::new());
}

/// What lies in a bucket's folder that is no object and no lock.
fn files_left(folder: &Folder) -> Vec<String> {
    let mut left = Vec::new();
    for area in ["about", "incoming", "intents", "uploads"] {
        let mut folders = vec![folder.ours(area)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { left.push(path.display().to_string()) }
            }
        }
    }
    left
}

#[test]
fn conditions_of_writes_and_reads() {
    let store = Store::new();
    let put = |headers: &[(&str, &str)]| store.ask("PUT", "/drops/a", headers, b"x");
    assert_eq!(put(&[("if-match", "\"none\"")]).code(), "NoSuchKey");
    assert_eq!(put(&[("if-none-match", "*")]).status, 200);
    assert_eq!(put(&[("if-none-match", "*")]).code(), "PreconditionFailed");
    assert_eq!(put(&[("if-match", "\"other\"")]).code(), "PreconditionFailed");
    let etag = store.get("a").header("etag").to_owned();
    assert_eq!(put(&[("if-match", &etag)]).status, 200);
    let get = |headers: &[(&str, &str)]| store.ask("GET", "/drops/a", headers, b"");
    assert_eq!(get(&[("if-none-match", &etag)]).status, 304);
    assert_eq!(get(&[("if-match", "\"other\"")]).code(), "PreconditionFailed");
    let modified = get(&[]).header("last-modified").to_owned();
    assert_eq!(get(&[("if-modified-since", &modified)]).status, 304);
    assert_eq!(get(&[("if-unmodified-since", &modified)]).status, 200);
    assert_eq!(get(&[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")]).status, 412);
}

#[test]
fn what_is_promised_of_a_body_is_checked() {
    let store = Store::new();
    let put = |headers: &[(&str, &str)], body: &[u8]| store.ask("PUT", "/drops/a", headers, body);
    for (name, good, bad, code) in [
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==", "XUFAKrxLKna5cZ2REBfFkQ==", "BadDigest"),
        ("x-amz-checksum-crc32", "NhCmhg==", "NhCmhw==", "BadDigest"),
        (
            "x-amz-content-sha256",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9825",
            "XAmzContentSHA256Mismatch",
        ),
    ] {
        assert_eq!(put(&[(name, good)], b"hello").status, 200, "{name}");
        assert_eq!(put(&[(name, bad)], b"hello").code(), code);
    }
    let chunked = |trailer: &str| {
        let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{trailer}\r\n\r\n");
        let headers = [
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("content-encoding", "gzip,aws-chunked"),
            ("x-amz-decoded-content-length", "5"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        put(&headers, body.as_bytes())
    };
    assert_eq!(chunked("NhCmhw==").code(), "BadDigest");
    assert_eq!(chunked("NhCmhg==").status, 200);
    let got = store.ask("GET", "/drops/a", &[("x-amz-checksum-mode", "ENABLED")], b"");
    assert_eq!((got.text.as_str(), got.header("content-encoding")), ("hello", "gzip"));
    assert_eq!(got.header("x-amz-checksum-crc32"), "NhCmhg==");
    let short = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "6"),
    ];
    assert_eq!(put(&short, b"5\r\nhello\r\n0\r\n\r\n").code(), "IncompleteBody");
    let large = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "5368709121"),
    ];
    assert_eq!(put(&large, b"hello").code(), "EntityTooLarge");
}

#[test]
fn no_request_leaves_its_bucket() {
    let store = Store::new();
    let before = || {
        let mut names: Vec<_> =
            fs::read_dir(store.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let names = before();
    for key in [
        "../../secret",
        "..%2f..%2fsecret",
        "%2e%2e/%2e%2e/secret",
        "%2E%2E%5c%2E%2E%5csecret",
        "a/../../../secret",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "nul%00byte",
        "a//b",
        "a/",
        "a",
        ".stepwright/lock",
        ".stepwright/intents/x",
        "%252e%252e%252fsecret",
        "%0d%0aset-cookie:x",
        "con",
        "%EF%BC%8E%EF%BC%8E/secret",
    ] {
        let decoded = String::from_utf8(sigv4::decoded(key)).unwrap();
        let before = store.get(key);
        assert!(before.code() == "NoSuchKey" || before.text == decoded, "{key}: {}", before.text);
        assert_eq!(store.put(key, &decoded).status, 200, "{key}");
        assert_eq!(store.get(key).text, decoded);
    }
    for (uri, code) in [
        ("/../secret", "NoSuchBucket"),
        ("/%2e%2e/secret", "NoSuchBucket"),
        ("/..%2fsecret/x", "NoSuchBucket"),
        ("/./drops/a", "NoSuchBucket"),
        ("/.stepwright/x", "NoSuchBucket"),
        ("/drops%00/x", "NoSuchBucket"),
        ("/drops/%ff", "InvalidURI"),
    ] {
        assert_eq!(store.ask("GET", uri, &[], b"").code(), code, "{uri}");
        assert_eq!(store.ask("PUT", uri, &[], b"x").code(), code, "{uri}");
    }
    for uri in ["/..", "/%2e%2e", "/.stepwright", "/a%2fb", "/%00%00%00"] {
        assert_eq!(store.ask("PUT", uri, &[], b"").code(), "InvalidBucketName", "{uri}");
        assert_eq!(store.ask("DELETE", uri, &[], b"").code(), "NoSuchBucket", "{uri}");
    }
    for id in ["..", "..%2f..", "00000000000000000000000000000000", ""] {
        let uri = format!("/drops/a?uploadId={id}&partNumber=1");
        assert_eq!(store.ask("PUT", &uri, &[], b"x").code(), "NoSuchUpload", "{id}");
        assert_eq!(store.ask("DELETE", &uri, &[], b"").code(), "NoSuchUpload", "{id}");
    }
    let copy = store.ask("PUT", "/drops/copy", &[("x-amz-copy-source", "/drops/../../secret")], b"");
    assert_eq!(copy.status, 200, "an object of this name is there");
    assert_eq!(store.get("copy").text, "../../secret");
    let copy = store.ask("PUT", "/drops/copy", &[("x-amz-copy-source", "../secret")], b"");
    assert_eq!(copy.code(), "NoSuchBucket");
    assert_eq!(before(), names);
    assert_eq!(fs::read_to_string(store.folder.path().join("secret")).unwrap(), "s");
}

#[test]
fn errors_are_those_of_s3() {
    let store = Store::new();
    let long = "x".repeat(1025);
    for (method, uri, status, code) in [
        ("GET", "/none/a", 404, "NoSuchBucket"),
        ("GET", "/drops/a?versionId=1", 400, "InvalidArgument"),
        ("GET", &format!("/drops/{long}"), 400, "KeyTooLongError"),
        ("PUT", "/Drops", 400, "InvalidBucketName"),
        ("PUT", "/drops", 200, ""),
        ("DELETE", "/none", 404, "NoSuchBucket"),
        ("GET", "/drops?list-type=2&max-keys=-1", 400, "InvalidArgument"),
        ("GET", "/drops?list-type=2&continuation-token=x", 400, "InvalidArgument"),
        ("GET", "/drops?list-type=2&encoding-type=x", 400, "InvalidArgument"),
        ("GET", "/drops?policy", 404, "NoSuchBucketPolicy"),
        ("GET", "/drops?versioning", 200, ""),
        ("PUT", "/drops?cors", 501, "NotImplemented"),
        ("PUT", "/drops/a?acl", 501, "NotImplemented"),
        ("POST", "/drops/a", 405, "MethodNotAllowed"),
        ("POST", "/drops", 405, "MethodNotAllowed"),
        ("PATCH", "/drops/a", 405, "MethodNotAllowed"),
        ("POST", "/drops?delete", 400, "MalformedXML"),
        ("PUT", "/drops/a?uploadId=1&partNumber=0", 400, "InvalidArgument"),
    ] {
        let seen = store.ask(method, uri, &[], b"");
        assert_eq!((seen.status, seen.code()), (status, code), "{method} {uri}");
    }
    store.put("a", "0123456789");
    let range = |range: &str| store.ask("GET", "/drops/a", &[("range", range)], b"");
    assert_eq!((range("bytes=2-4").status, range("bytes=2-4").text.as_str()), (206, "234"));
    assert_eq!(range("bytes=2-4").header("content-range"), "bytes 2-4/10");
    assert_eq!((range("bytes=10-").status, range("bytes=10-").code()), (416, "InvalidRange"));
    let tagged = store.ask("PUT", "/drops/a", &[("x-amz-tagging", "a=b")], b"x");
    assert_eq!((tagged.status, tagged.code()), (501, "NotImplemented"));
    let bomb = b"<!DOCTYPE x [<!ENTITY a \"b\">]><Delete><Object><Key>&a;</Key></Object></Delete>";
    assert_eq!(store.ask("POST", "/drops?delete", &[], bomb).code(), "MalformedXML");
}

#[test]
fn an_upload_in_parts() {
    let store = Store::new();
    let begun = store.ask("POST", "/drops/large?uploads", &[("x-amz-checksum-algorithm", "CRC64NVME")], b"");
    let id = begun.text.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0.to_owned();
    let part = |number: u32, content: &[u8]| {
        let uri = format!("/drops/large?uploadId={id}&partNumber={number}");
        let seen = store.ask("PUT", &uri, &[("x-amz-sdk-checksum-algorithm", "CRC64NVME")], content);
        assert_eq!(seen.status, 200, "{}", seen.text);
        seen.header("etag").to_owned()
    };
    let full = vec![7; 5 << 20];
    part(1, b"replaced");
    let (first, second, third) = (part(1, &full), part(2, b"small"), part(10_000, b"last"));
    let complete = |parts: &[(u32, &str)]| {
        let parts = parts.iter().map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        });
        let body =
            format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>());
        store.ask("POST", &format!("/drops/large?uploadId={id}"), &[], body.as_bytes())
    };
    assert_eq!(complete(&[]).code(), "MalformedXML");
    assert_eq!(complete(&[(2, &second), (1, &first)]).code(), "InvalidPartOrder");
    assert_eq!(complete(&[(1, "\"other\"")]).code(), "InvalidPart");
    assert_eq!(complete(&[(1, &first), (3, &third)]).code(), "InvalidPart");
    assert_eq!(complete(&[(1, &first), (2, &second), (10_000, &third)]).code(), "EntityTooSmall");
    assert_eq!(store.get("large").code(), "NoSuchKey");
    let done = complete(&[(1, &first), (10_000, &third)]);
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(done.text.contains("-2&quot;") && done.text.contains("FULL_OBJECT"), "{}", done.text);
    assert_eq!(complete(&[(1, &first)]).code(), "NoSuchUpload");
    let got = store.get("large");
    assert_eq!(got.text.len(), (5 << 20) + 4);
    assert!(got.text.ends_with("last"));
    let last = store.ask("GET", "/drops/large?partNumber=2", &[], b"");
    assert_eq!((last.status, last.text.as_str(), last.header("x-amz-mp-parts-count")), (206, "last", "2"));
    assert_eq!(store.told.lines(), ["Object Created large CompleteMultipartUpload"]);
    assert_eq!(files_left(&store.bucket()).len(), 1, "what is known of the object");
}

/// An upload of one part: its id, and what completes it.
fn upload(store: &Store) -> (String, String) {
    let begun = store.ask("POST", "/drops/large?uploads", &[], b"");
    let id = begun.text.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0.to_owned();
    let part = store.ask("PUT", &format!("/drops/large?uploadId={id}&partNumber=1"), &[], b"part");
    let etag = part.header("etag");
    let parts = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
    (id, format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"))
}

fn complete(store: &Store, (id, body): &(String, String)) -> Seen {
    store.ask("POST", &format!("/drops/large?uploadId={id}"), &[], body.as_bytes())
}

#[test]
fn an_upload_that_is_completed_again_and_again_is_one_object_and_one_event() {
    let store = Store::new();
    let upload = upload(&store);
    let answers: Vec<Seen> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| complete(&store, &upload))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    for answer in answers {
        assert!(answer.status == 200 && answer.text.contains("-1&quot;"), "{}", answer.text);
    }
    assert_eq!(complete(&store, &upload).status, 200, "who did not hear the answer asks again");
    assert_eq!(store.told.lines(), ["Object Created large CompleteMultipartUpload"]);
}

#[test]
fn an_upload_is_one_event_also_when_it_is_killed_behind_the_change() {
    let store = Store::new();
    let upload = upload(&store);
    let root = store.folder.path().join("objects");
    let place = store.bucket().ours("uploads").join(&upload.0);
    let files: Vec<_> =
        store::files(&place).unwrap().into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let deaf = open(&root, Arc::new(Told { refuses: true.into(), ..Told::default() }));
    let silent = Store { objects: deaf, folder: store.folder, told: Arc::clone(&store.told) };
    assert_eq!(complete(&silent, &upload).code(), "InternalError");
    // As if it had been killed before the upload was taken away.
    fs::create_dir_all(&place).unwrap();
    for (content, path) in files {
        fs::write(path, content).unwrap();
    }
    let told = Arc::<Told>::default();
    let objects = open(&root, Arc::clone(&told) as Arc<dyn ObjectEvents>);
    let again = Store { objects, folder: silent.folder, told: Arc::clone(&told) };
    assert_eq!(complete(&again, &upload).code(), "NoSuchUpload");
    assert_eq!(told.lines(), ["Object Created large CompleteMultipartUpload"]);
    assert_eq!(again.get("large").text, "part");
}

#[test]
fn an_upload_whose_event_was_not_taken_is_known_to_who_asks_again() {
    let store = Store::new();
    let upload = upload(&store);
    store.told.refuses.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(complete(&store, &upload).code(), "InternalError");
    }
    assert_eq!(store.get("large").text, "part", "it is there, and not acknowledged");
    // A start that finds this goes on, and it is told whenever that can be.
    let told = Arc::new(Told { refuses: true.into(), ..Told::default() });
    let again = open(&store.folder.path().join("objects"), Arc::clone(&told) as Arc<dyn ObjectEvents>);
    drop(again);
    store.told.refuses.store(false, Ordering::SeqCst);
    assert_eq!(complete(&store, &upload).status, 200);
    assert_eq!(complete(&store, &upload).status, 200);
    assert_eq!(store.told.lines(), ["Object Created large CompleteMultipartUpload"]);
    let listed = store.ask("GET", "/drops?uploads", &[], b"").text;
    assert!(!listed.contains(&upload.0), "{listed}");
}

#[test]
fn an_event_that_was_not_taken_is_raised_again_without_a_start() {
    let store = Store::new();
    store.told.refuses.store(true, Ordering::SeqCst);
    assert_eq!(store.put("a", "one").code(), "InternalError");
    assert_eq!(store.put("b", "two").code(), "InternalError");
    store.told.refuses.store(false, Ordering::SeqCst);
    let begun = std::time::Instant::now();
    while store.told.lines().len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", store.told.lines());
        std::thread::yield_now();
    }
    let mut lines = store.told.lines();
    lines.sort();
    assert_eq!(lines, ["Object Created a PutObject", "Object Created b PutObject"]);
}

#[test]
fn an_upload_that_cannot_be_read_keeps_nothing_from_starting() {
    let store = Store::new();
    let (broken, kept) = (upload(&store), upload(&store));
    fs::write(store.bucket().ours("uploads").join(&broken.0).join("upload"), "{").unwrap();
    let root = store.folder.path().join("objects");
    let objects = open(&root, Arc::clone(&store.told) as Arc<dyn ObjectEvents>);
    let again = Store { objects, folder: store.folder, told: store.told };
    let listed = again.ask("GET", "/drops?uploads", &[], b"").text;
    assert!(listed.contains(&kept.0) && !listed.contains(&broken.0), "{listed}");
    assert_eq!(complete(&again, &kept).status, 200);
    assert_eq!(complete(&again, &broken).code(), "InternalError");
}

#[test]
fn what_cannot_be_brought_to_an_end_is_named() {
    let store = Store::new();
    let intents = store.bucket().ours("intents");
    fs::create_dir_all(intents.parent().unwrap()).unwrap();
    fs::write(&intents, "").unwrap();
    let options = ObjectsOptions {
        root: store.folder.path().join("objects"),
        region: "us-east-1".into(),
        account: "123456789012".into(),
        authentication: Authentication::open(),
        events: Arc::new(NoEvents),
        clock: Arc::new(SystemClock),
        idle: Duration::from_secs(5),
    };
    let error = Objects::open(options).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: list changes: ", intents.display())), "{error}");
    assert!(error.contains("then start again"), "{error}");
}

#[test]
fn all_of_a_request_to_delete_is_read_before_anything_is_deleted() {
    let store = Store::new();
    store.put("a", "x");
    let body = b"<Delete><Object><Key>a</Key></Object><Object><Name>b</Name></Object></Delete>";
    assert_eq!(store.ask("POST", "/drops?delete", &[], body).code(), "MalformedXML");
    assert_eq!(store.get("a").text, "x");
}

#[test]
fn somebodys_file_is_not_deleted_with_its_bucket() {
    let store = Store::new();
    store.put("dir/key", "x");
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(store.bucket().root().join(path)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("dir"), mode(".stepwright")), (0o700, 0o700));
    store.ask("DELETE", "/drops/dir/key", &[], b"");
    let notes = store.bucket().root().join(".stepwright-notes");
    fs::create_dir(&notes).unwrap();
    assert_eq!(store.ask("DELETE", "/drops", &[], b"").code(), "BucketNotEmpty");
    fs::remove_dir(&notes).unwrap();
    assert_eq!(store.ask("DELETE", "/drops", &[], b"").status, 204);
}

#[test]
fn events_of_a_bucket_are_on_and_may_be_switched_on() {
    let store = Store::new();
    let put = |content: &str| {
        let body = format!("<NotificationConfiguration>{content}</NotificationConfiguration>");
        store.ask("PUT", "/drops?notification", &[], body.as_bytes())
    };
    assert_eq!(put("<EventBridgeConfiguration/>").status, 200);
    assert_eq!(put("").status, 200);
    let refused = put("<EventBridgeConfiguration/><QueueConfiguration><Queue>q</Queue></QueueConfiguration>");
    assert_eq!((refused.status, refused.code()), (501, "NotImplemented"));
    assert!(refused.text.contains("QueueConfiguration is not implemented: events"), "{}", refused.text);
    assert_eq!(store.ask("PUT", "/drops?notification", &[], b"").code(), "MalformedXML");
    let got = store.ask("GET", "/drops?notification", &[], b"");
    assert!(got.text.contains("<EventBridgeConfiguration></EventBridgeConfiguration>"), "{}", got.text);
}

#[test]
fn no_answer_has_a_character_that_no_xml_has() {
    let store = Store::new();
    let refused = store.ask("PUT", "/%00%01", &[], b"");
    assert_eq!(refused.code(), "InvalidBucketName");
    assert!(refused.text.contains("\u{fffd}&#x1;") && !refused.text.contains("&#x0;"), "{}", refused.text);
}

#[test]
fn an_event_that_was_not_taken_is_raised_at_the_next_start() {
    let store = Store::new();
    let root = store.folder.path().join("objects");
    let deaf = Arc::new(Told { refuses: true.into(), ..Told::default() });
    let objects = open(&root, deaf);
    let silent = Store { objects, folder: store.folder, told: Arc::clone(&store.told) };
    assert_eq!(silent.put("a", "one").code(), "InternalError");
    assert_eq!(silent.get("a").text, "one", "it was written, and not acknowledged");
    let listening = Arc::<Told>::default();
    open(&root, Arc::clone(&listening) as Arc<dyn ObjectEvents>);
    assert_eq!(listening.lines(), ["Object Created a PutObject"]);
    open(&root, Arc::clone(&listening) as Arc<dyn ObjectEvents>);
    assert_eq!(listening.lines().len(), 1, "and no more");
    assert_eq!(silent.ask("DELETE", "/drops/a", &[], b"").code(), "InternalError");
    open(&root, Arc::clone(&listening) as Arc<dyn ObjectEvents>);
    assert_eq!(listening.lines()[1..], ["Object Deleted a DeleteObject"]);
    assert_eq!(files_left(&silent.bucket()), Vec::<String>::new());
}

#[test]
fn what_did_not_take_place_is_dropped_at_the_next_start() {
    let store = Store::new();
    store.put("a", "old");
    let folder = store.bucket();
    let about = files_left(&folder);
    // As a crash leaves it before the rename.
    let file = folder.incoming(intake::PUT).unwrap();
    let name = file.path().file_name().unwrap().to_str().unwrap().to_owned();
    file.keep().unwrap();
    let intent = serde_json::json!({
        "event": serde_json::to_value(&store.told.events.lock().unwrap()[0]).unwrap(),
        "stamp": [1_u64 << 60, 3], "before": null, "file": name,
    });
    fs::write(folder.ours("intents").join("000F-x"), intent.to_string()).unwrap();
    let told = Arc::<Told>::default();
    open(&store.folder.path().join("objects"), Arc::clone(&told) as Arc<dyn ObjectEvents>);
    assert_eq!((told.lines(), files_left(&folder)), (vec![], about));
    assert_eq!(store.get("a").text, "old");
}

/// Appends each event to a file, durably.
#[derive(Debug)]
struct Noted(std::path::PathBuf);

impl ObjectEvents for Noted {
    fn raise(&self, event: &ObjectEvent) -> Result<(), NotRaised> {
        use std::io::Write as _;
        let mut file = fs::File::options().append(true).create(true).open(&self.0).unwrap();
        writeln!(file, "{} {} {}", event.id(), event.key, event.sequencer).unwrap();
        file.sync_all().map_err(|error| NotRaised(error.to_string()))
    }
}

const CHILD: &str = "STEPWRIGHT_TEST_OBJECTS";

/// Writes until it is killed; started by the test below, as a process of its own.
#[test]
fn writes_until_it_is_killed() {
    use std::io::Write as _;
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let folder = std::path::PathBuf::from(folder);
    let objects = open(&folder.join("objects"), Arc::new(Noted(folder.join("events"))));
    let store = Store { folder: tempfile::tempdir().unwrap(), told: Arc::default(), objects };
    let mut acknowledged =
        fs::File::options().append(true).create(true).open(folder.join("acknowledged")).unwrap();
    let start = fs::read_to_string(folder.join("acknowledged")).unwrap().lines().count();
    for number in start.. {
        let key = format!("k{}", number % 5);
        let put = store.put(&key, &format!("{number:08}").repeat(4_000));
        assert_eq!(put.status, 200, "{}", put.text);
        writeln!(acknowledged, "{key} {number:08}").unwrap();
    }
}

#[test]
fn what_was_acknowledged_is_there_and_told_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("objects/drops")).unwrap();
    let bucket = Folder::new(folder.path().join("objects/drops"));
    let mut acknowledged = Vec::new();
    for round in 0..12_usize {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stores::objects::tests::writes_until_it_is_killed", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // A different point each time: so many acknowledged, and some microseconds.
        let wanted = acknowledged.len() + 3 + round % 4;
        let lines = || fs::read_to_string(folder.path().join("acknowledged")).unwrap_or_default();
        while lines().lines().count() < wanted {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::yield_now();
        }
        std::thread::park_timeout(Duration::from_micros(u64::try_from(round * 997).unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
        let root = folder.path().join("objects");
        drop(open(&root, Arc::new(Noted(folder.path().join("events")))));
        acknowledged = lines().lines().map(str::to_owned).collect();
        let events = fs::read_to_string(folder.path().join("events")).unwrap();
        let ids: std::collections::BTreeSet<&str> =
            events.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(ids.len() >= acknowledged.len(), "{} events of {} objects", ids.len(), acknowledged.len());
        assert!(ids.len() <= acknowledged.len() + round + 1, "one not acknowledged a kill, at most");
        for key in ["k0", "k1", "k2", "k3", "k4"] {
            let last = acknowledged.iter().rev().find_map(|line| line.strip_prefix(&format!("{key} ")));
            let object = bucket.open(bucket::Key::new(key).unwrap()).unwrap();
            let Some(mut object) = object else {
                assert_eq!(last, None, "{key} was acknowledged");
                continue;
            };
            let content = std::io::read_to_string(&mut object.file).unwrap();
            let number = &content[..8];
            assert!(content == number.repeat(4_000), "{key} is whole");
            assert!(last.is_none_or(|last| number >= last), "{key}: {number} after {last:?}");
            let about = object.about.expect("what is known of it");
            assert_eq!(about.etag, hex_md5(content.as_bytes()));
            let sequencer = format!("{:018X}", object.stamp.modified_nanos);
            assert!(events.contains(&format!("{key} {sequencer}")), "{key} was told");
        }
        let left = files_left(&bucket);
        assert!(left.iter().all(|path| path.contains("/about/")) && left.len() <= 5, "{left:?}");
    }
}

fn hex_md5(content: &[u8]) -> String {
    sigv4::hex(&Md5::digest(content))
}
