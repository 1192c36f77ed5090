//! Against moto's S3 where the project's Python tools are installed; said loudly where not.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use rusty_s3::Credentials;

use super::super::{ObjectError, ObjectRef, Store};
use super::{S3, S3Action as _, SIGNATURE_LIFETIME, Settings};

struct Moto {
    process: Child,
    endpoint: String,
}

impl Moto {
    fn start() -> Option<Self> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/python/bin/moto_server");
        if !std::path::Path::new(program).exists() {
            eprintln!("\n*** NOT TESTED AGAINST S3: {program} is not installed ***\n");
            return None;
        }
        // Port 0: the server takes a free one and says which.
        let mut process = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let line = log.by_ref().map(Result::unwrap).find(|line| line.contains("Running on http://")).unwrap();
        let endpoint = line.rsplit_once(' ').unwrap().1.trim_end_matches("\u{1b}[0m").to_owned();
        std::thread::spawn(move || log.for_each(drop));
        Some(Self { process, endpoint })
    }

    fn settings(&self) -> Settings {
        Settings {
            region: "eu-central-1".into(),
            endpoint: Some(self.endpoint.clone()),
            credentials: Credentials::new_with_token("key", "secret-canary", "token"),
        }
    }

    fn store(&self, location: &str) -> Store {
        let s3 = S3::new(location, self.settings()).unwrap();
        let url = s3.bucket.create_bucket(&s3.credentials).sign(SIGNATURE_LIFETIME);
        let constraint = "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>";
        let _ = s3.agent.put(url.as_str()).send(constraint).unwrap();
        Store::over_s3("staging", s3)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn put(store: &Store, key: &str, content: &[u8]) -> ObjectRef {
    let mut writer = store.create(key).unwrap();
    writer.write_all(content).unwrap();
    writer.finish(Some(1)).unwrap()
}

fn read(store: &Store, object: &ObjectRef) -> Vec<u8> {
    let mut content = Vec::new();
    store.get(object).unwrap().read_to_end(&mut content).unwrap();
    content
}

#[test]
fn objects_are_the_same_as_in_a_directory() {
    let Some(moto) = Moto::start() else { return };
    let store = moto.store("my-bucket/some/prefix");
    let large = vec![b'x'; 3_000_000];
    for (key, content) in
        [("a/b.csv", &b"a,b\n"[..]), ("empty", b""), ("über 'x' & $(y)=1+2%20.csv", b"?"), ("large", &large)]
    {
        let object = put(&store, key, content);
        assert_eq!(read(&store, &object), content, "{key}");
        assert_eq!(put(&store, key, content), object);
    }

    let old = put(&store, "changing", b"one");
    let new = put(&store, "changing", b"two");
    assert_eq!(read(&store, &new), b"two");
    assert!(matches!(store.get(&old), Err(ObjectError::Changed { .. })));

    let missing = ObjectRef { key: "missing".into(), ..old };
    let error = store.get(&missing).unwrap_err();
    assert!(matches!(error, ObjectError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("s3://my-bucket/some/prefix/missing"), "{error}");
    assert!(!format!("{store:?}").contains("secret-canary"));
}

#[test]
fn a_bucket_that_is_not_there_is_an_error() {
    let Some(moto) = Moto::start() else { return };
    let s3 = S3::new("no-such-bucket", moto.settings()).unwrap();
    let error = Store::over_s3("staging", s3).create("a").unwrap().finish(None).unwrap_err();
    assert!(error.to_string().contains("S3 answered 404 (NoSuchBucket)"), "{error}");
}

#[test]
fn a_store_that_does_not_answer_is_passing() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = Settings {
        region: "eu-central-1".into(),
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        credentials: Credentials::new("key", "secret-canary"),
    };
    let store = Store::over_s3("staging", S3::new("bucket", settings).unwrap());
    let error = store.create("a").unwrap().finish(None).unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("s3://bucket/a"), "{error}");
    assert!(!error.to_string().contains("secret-canary"), "{error}");
}
