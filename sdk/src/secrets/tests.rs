//! Against moto's Secrets Manager, and against a server that says what it is told.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;

use serde_json::Value;

use super::*;
use crate::aws::moto::Moto;
use crate::lambda::Resources;

const CANARY: &str = "canary-of-a-password";
const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:coreview-AbCdEf";

fn settings(endpoint: &str) -> Settings {
    Settings {
        endpoint: Some(endpoint.to_owned()),
        credentials: Credentials {
            access_key_id: "key".into(),
            secret_access_key: CANARY.into(),
            session_token: Some(CANARY.into()),
        },
    }
}

/// An operation on moto, in the region of `ARN`.
fn operate(moto: &Moto, operation: &str, body: &Value) -> Value {
    let service = Service::of(&SecretArn::parse(ARN).unwrap(), settings(&moto.endpoint)).unwrap();
    let (status, answer) = service.call(operation, body).unwrap();
    assert_eq!(status, StatusCode::OK, "{operation}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

fn create(moto: &Moto, secret: &Value) -> String {
    operate(moto, "CreateSecret", secret)["ARN"].as_str().unwrap().to_owned()
}

#[test]
fn moto_gives_values_and_reasons() {
    let Some(moto) = Moto::start() else { return };
    let manager = SecretsManager::with(settings(&moto.endpoint));
    let error = |arn: &str| {
        let error = manager.value(arn).unwrap_err();
        assert!(!format!("{error} {error:?} {manager:?}").contains(CANARY), "{error:?}");
        error
    };

    let text = format!("postgres://writer:{CANARY}@host/db?a=\"ü\"&b=\\\n");
    let arn = create(&moto, &json!({ "Name": "text", "SecretString": text }));
    assert_eq!(manager.value(&arn).unwrap(), text);

    let empty = create(&moto, &json!({ "Name": "empty" }));
    let reason = error(&empty);
    assert!(matches!(reason, SecretError::NoValue { .. }), "{reason:?}");
    let advice = format!("`aws secretsmanager put-secret-value --secret-id {empty} --secret-string");
    assert!(reason.to_string().contains(&advice), "{reason}");
    operate(&moto, "PutSecretValue", &json!({ "SecretId": empty, "SecretString": "now" }));
    assert_eq!(manager.value(&empty).unwrap(), "now");

    let bytes = create(&moto, &json!({ "Name": "bytes", "SecretBinary": "Y2FuYXJ5" }));
    assert!(matches!(error(&bytes), SecretError::NotText { .. }));

    let gone = create(&moto, &json!({ "Name": "gone", "SecretString": CANARY }));
    operate(&moto, "DeleteSecret", &json!({ "SecretId": gone }));
    assert!(matches!(error(&gone), SecretError::Deleted { .. }));

    assert!(matches!(error(ARN), SecretError::NotFound { .. }));
    // The region is the ARN's: the same name is not there in another.
    let elsewhere = arn.replace("eu-central-1", "us-east-1");
    assert!(matches!(error(&elsewhere), SecretError::NotFound { .. }));
}

#[test]
fn a_value_is_kept_for_minutes() {
    let Some(moto) = Moto::start() else { return };
    let manager = SecretsManager::with(settings(&moto.endpoint));
    let arn = create(&moto, &json!({ "Name": "rotated", "SecretString": "old" }));
    let start = Instant::now();
    assert_eq!(manager.value_at(&arn, start).unwrap(), "old");
    operate(&moto, "PutSecretValue", &json!({ "SecretId": arn, "SecretString": "new" }));
    let almost = KEPT.checked_sub(Duration::from_millis(1)).unwrap();
    assert_eq!(manager.clone().value_at(&arn, start + almost).unwrap(), "old");
    assert_eq!(manager.value_at(&arn, start + KEPT).unwrap(), "new");
    drop(moto);
    assert_eq!(manager.value_at(&arn, start + KEPT).unwrap(), "new");
}

#[test]
fn the_environment_says_where_a_secret_is() {
    let Some(moto) = Moto::start() else { return };
    let arn = create(&moto, &json!({ "Name": "core-view", "SecretString": CANARY }));
    // A process of its own, because a test cannot set its environment.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "secrets::tests::child_reads_its_secret", "--ignored", "--nocapture"])
        .env_remove("AWS_ENDPOINT_URL_SECRETS_MANAGER")
        .env("STEPWRIGHT_SECRET_CORE_VIEW_ARN", arn)
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_SESSION_TOKEN", "token")
        .env("AWS_ENDPOINT_URL", &moto.endpoint);
    let output = child.output().unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    assert!(!told.contains(CANARY), "{told}");

    let output = child.env_remove("AWS_ACCESS_KEY_ID").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("secret `core-view`: the environment has no AWS_ACCESS_KEY_ID"), "{told}");
}

#[test]
#[ignore = "is the child process of the_environment_says_where_a_secret_is"]
fn child_reads_its_secret() {
    let resources = Resources::from_env();
    let value = resources.secret_value("core-view").unwrap_or_else(|failure| panic!("{failure}"));
    assert!(value == CANARY);
    println!("{resources:?}");
}

/// A server that gives these answers, one per connection, and hands over what it was asked.
fn answering(answers: &'static [(u16, &'static str)]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(b"}") {
                let count = stream.read(&mut buffer).unwrap();
                assert_ne!(count, 0, "the request ended early");
                request.extend_from_slice(&buffer[..count]);
            }
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Told\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
            asked.send(String::from_utf8(request).unwrap()).unwrap();
        }
    });
    (endpoint, requests)
}

fn told(answers: &'static [(u16, &'static str)]) -> Result<String, SecretError> {
    let (endpoint, requests) = answering(answers);
    let outcome = SecretsManager::with(settings(&endpoint)).value(ARN);
    assert_eq!(requests.iter().count(), answers.len());
    outcome
}

#[test]
fn the_request_is_what_aws_expects() {
    let (endpoint, requests) = answering(&[(200, r#"{"SecretString":"value"}"#)]);
    let host = endpoint.strip_prefix("http://").unwrap().to_owned();
    // With or without the slash.
    let settings = settings(&format!("{endpoint}/"));
    assert_eq!(SecretsManager::with(settings).value(ARN).unwrap(), "value");
    let request = requests.recv().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST / HTTP/1.1"));
    let headers: BTreeMap<String, &str> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    assert_eq!(body, format!(r#"{{"SecretId":"{ARN}"}}"#));
    assert_eq!(headers["host"], host);
    assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
    assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
    let authorization = headers["authorization"];
    assert!(authorization.contains("/eu-central-1/secretsmanager/aws4_request, "), "{authorization}");
    let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, ";
    assert!(authorization.contains(signed), "{authorization}");
    assert_eq!(head.matches(CANARY).count(), 1, "the token once, the key never: {head}");
}

/// The signature is what botocore 1.44.5 computes for the same request and time.
#[test]
fn a_request_is_signed_as_by_aws_s_client() {
    let settings = Settings {
        endpoint: None,
        credentials: Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: Some("a/token+with=signs".into()),
        },
    };
    let service = Service::of(&SecretArn::parse(ARN).unwrap(), settings).unwrap();
    let body = json!({ "SecretId": ARN }).to_string();
    let headers = service.headers("GetSecretValue", &body, "2026-11-21T12:00:05.9Z".parse().unwrap());
    assert_eq!(
        headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-central-1/secretsmanager/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
         Signature=2bc3f0215556dcd54f727ee32d8aa3deab66513993a99595c512cfebceef97cb"
    );
}

#[test]
fn what_passes_is_tried_again() {
    let value = told(&[
        (500, ""),
        (400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#),
        (200, r#"{"SecretString":"at last"}"#),
    ]);
    assert_eq!(value.unwrap(), "at last");
    let error = told(&[(503, ""), (503, ""), (503, "<html>")]).unwrap_err();
    assert!(matches!(error, SecretError::Busy { status: 503, .. }), "{error:?}");
}

const DENIED: &[(u16, &str)] = &[(
    400,
    r#"{"__type":"AccessDeniedException","Message":"User: arn:aws:sts::1:assumed-role/step is not authorized"}"#,
)];

#[test]
fn a_refusal_says_what_to_do() {
    let cases: [(&'static [(u16, &str)], &str); 5] = [
        (DENIED, "its role needs secretsmanager:GetSecretValue"),
        (&[(400, r#"{"__type":"com.amazonaws#InvalidSignatureException","message":"expired"}"#)], "refused"),
        (&[(404, "<html>nobody here</html>")], "is not one of Secrets Manager"),
        (&[(200, r#"{"SecretString":{"canary-of-a-password":1}}"#)], "is not one of Secrets Manager"),
        (&[(307, "")], "is not one of Secrets Manager"),
    ];
    for (answers, expected) in cases {
        let error = told(answers).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains(ARN), "{error}");
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
    }
}

#[test]
fn nobody_there_is_passing() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let manager = SecretsManager::with(settings(&format!("http://127.0.0.1:{port}")));
    let error = manager.value(ARN).unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("VPC"), "{error}");
    assert!(!format!("{error} {error:?} {manager:?}").contains(CANARY), "{error:?}");
}

#[test]
fn arns_that_are_none_are_refused() {
    for arn in [
        "",
        "coreview",
        "arn:aws:s3:::bucket",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:",
        "arn:aws:secretsmanager::123456789012:secret:a",
        "arn:aws:secretsmanager:evil.example/#:123456789012:secret:a",
        "arn:elsewhere:secretsmanager:eu-central-1:123456789012:secret:a",
    ] {
        let mut settings = settings("");
        settings.endpoint = None;
        let error = SecretsManager::with(settings).value(arn).unwrap_err();
        assert!(matches!(error, SecretError::Arn { .. }), "{arn}: {error:?}");
    }
}

#[test]
fn endpoints_follow_the_partition() {
    for (partition, region, endpoint) in [
        ("aws", "eu-central-1", "https://secretsmanager.eu-central-1.amazonaws.com"),
        ("aws-us-gov", "us-gov-west-1", "https://secretsmanager.us-gov-west-1.amazonaws.com"),
        ("aws-cn", "cn-north-1", "https://secretsmanager.cn-north-1.amazonaws.com.cn"),
    ] {
        assert_eq!(SecretArn { partition, region }.endpoint().as_deref(), Some(endpoint));
    }
}

#[test]
fn endpoints_that_are_none_are_refused() {
    for endpoint in
        ["localhost:5000", "ftp://host", "http://host/path", "http://user:pw@host", "http://", "x y"]
    {
        let error = SecretsManager::with(settings(endpoint)).value(ARN).unwrap_err();
        assert!(matches!(error, SecretError::Endpoint { .. }), "{endpoint}: {error:?}");
    }
}
