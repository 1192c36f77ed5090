//! Against moto's S3, and against a server that says what it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use super::super::{ObjectError, ObjectRef, Store};
use super::{S3, S3Action as _, SIGNATURE_LIFETIME, Settings};
use crate::aws::Credentials;
use crate::aws::moto::Moto;

fn settings(endpoint: &str) -> Settings {
    Settings {
        region: "eu-central-1".into(),
        endpoint: Some(endpoint.to_owned()),
        credentials: Credentials {
            access_key_id: "key".into(),
            secret_access_key: "secret-canary".into(),
            session_token: Some("token-canary".into()),
        },
    }
}

fn store(moto: &Moto, location: &str) -> Store {
    let s3 = S3::new(location, settings(&moto.endpoint)).unwrap();
    let url = s3.bucket.create_bucket(&s3.credentials).sign(SIGNATURE_LIFETIME);
    let constraint = "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>";
    let answer = s3.agent.put(url.as_str()).send(constraint).unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    Store::over_s3("staging", s3)
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
    let store = store(&moto, "my-bucket/some/prefix");
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
    assert!(!format!("{store:?}").contains("canary"));
}

#[test]
fn of_two_writers_one_is_first() {
    let Some(moto) = Moto::start() else { return };
    let store = store(&moto, "my-bucket/some/prefix");
    assert!(store.look("manifest.json").unwrap().is_none());
    let finish = |content: &[u8]| {
        let mut writer = store.create("manifest.json").unwrap();
        writer.write_all(content).unwrap();
        writer.finish_first(None).unwrap()
    };
    let first = finish(b"one").expect("nothing was there");
    assert_eq!((finish(b"two"), finish(b"one")), (None, None));
    assert_eq!(read(&store, &first), b"one");
    let mut looked = Vec::new();
    store.look("manifest.json").unwrap().unwrap().read_to_end(&mut looked).unwrap();
    assert_eq!(looked, b"one");
    assert_eq!(store.directory(), None);
}

#[test]
fn a_bucket_that_is_not_there_is_an_error() {
    let Some(moto) = Moto::start() else { return };
    let s3 = S3::new("no-such-bucket", settings(&moto.endpoint)).unwrap();
    let error = Store::over_s3("staging", s3).create("a").unwrap().finish(None).unwrap_err();
    assert!(error.to_string().contains("S3 answered 404 (NoSuchBucket)"), "{error}");
}

#[test]
fn a_store_that_does_not_answer_is_passing() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = settings(&format!("http://127.0.0.1:{port}"));
    let store = Store::over_s3("staging", S3::new("bucket", settings).unwrap());
    let error = store.create("a").unwrap().finish(None).unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("s3://bucket/a"), "{error}");
    assert!(!error.to_string().contains("secret-canary"), "{error}");
}

/// One who asks for an object of a bucket in another region is sent there: our
/// signature, and what we upload, must not go along.
#[test]
fn a_redirect_is_told_and_not_followed() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let answer = format!(
        "HTTP/1.1 301 Moved Permanently\r\nlocation: http://{}/\r\ncontent-length: 45\r\nconnection: close\r\n\r\n\
         <Error><Code>PermanentRedirect</Code></Error>",
        elsewhere.local_addr().unwrap()
    );
    let endpoint = format!("http://{}", server.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut connection, _) = server.accept().unwrap();
        let request = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
        request.take_while(|line| !line.is_empty()).for_each(drop);
        connection.write_all(answer.as_bytes()).unwrap();
    });
    let s3 = S3::new("bucket", settings(&endpoint)).unwrap();
    let error = s3.open("a", None).unwrap_err();
    serving.join().unwrap();
    assert_eq!(
        error.to_string(),
        "S3 answered 301 (PermanentRedirect); the bucket is in another region, or is not a bucket of this endpoint"
    );
    let nobody = elsewhere.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}
