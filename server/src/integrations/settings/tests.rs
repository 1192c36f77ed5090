use engine::services::Service;

use super::*;

const CONFIG: &str = "
# of a laptop
[default]
region = eu-west-1
[profile  local]
region = eu-central-1
endpoint_url = http://127.0.0.1:5000/
services = here   # a comment
credential_process = /bin/echo '{\"Version\": 1, \"AccessKeyId\": \"P\", \"SecretAccessKey\": \"S\"}'
[services here]
sqs =
  endpoint_url = http://127.0.0.1:9324
cloudwatch_logs =
  endpoint_url = http://127.0.0.1:9325
";

fn settings(files: &tempfile::TempDir, environment: &[(&str, &str)]) -> AwsSettings {
    let path = |name: &str| files.path().join(name).display().to_string();
    std::fs::write(path("config"), CONFIG).unwrap();
    std::fs::write(path("credentials"), "[default]\naws_access_key_id = A\naws_secret_access_key = B\n")
        .unwrap();
    let mut all: BTreeMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.insert("AWS_CONFIG_FILE".to_owned(), path("config"));
    all.insert("AWS_SHARED_CREDENTIALS_FILE".to_owned(), path("credentials"));
    AwsSettings::new(all, "us-east-1")
}

fn url(settings: &AwsSettings, service: &str) -> String {
    match settings.endpoint(&Service::load(service).unwrap().about) {
        Ok(endpoint) => endpoint.url,
        Err(problem) => format!("{problem:?}"),
    }
}

#[test]
fn endpoints_are_found_in_the_order_of_the_sdks() {
    let files = tempfile::tempdir().unwrap();
    let profile = ("AWS_PROFILE", "local");
    let local = settings(&files, &[profile]);
    assert_eq!(url(&local, "sqs"), "http://127.0.0.1:9324");
    assert_eq!(url(&local, "cloudwatchlogs"), "http://127.0.0.1:9325");
    assert_eq!(url(&local, "sns"), "http://127.0.0.1:5000");
    assert_eq!(local.region(), "eu-central-1");
    let global = settings(&files, &[profile, ("AWS_ENDPOINT_URL", "http://one:1")]);
    assert_eq!(url(&global, "sqs"), "http://one:1");
    let own =
        [profile, ("AWS_ENDPOINT_URL", "http://one:1"), ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://two:2")];
    assert_eq!(url(&settings(&files, &own), "cloudwatchlogs"), "http://two:2");
    let ignored = settings(&files, &[profile, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]);
    assert!(url(&ignored, "sqs").starts_with("NotConfigured"));
}

#[test]
fn aws_itself_is_called_only_where_it_is_listed() {
    let files = tempfile::tempdir().unwrap();
    let plain = settings(&files, &[]);
    assert!(
        url(&plain, "sqs").contains("Set AWS_ENDPOINT_URL_SQS (or AWS_ENDPOINT_URL)"),
        "{}",
        url(&plain, "sqs")
    );
    assert!(!plain.names_endpoint(&Service::load("sqs").unwrap().about));
    let listed = settings(&files, &[(REAL_SERVICES, "sqs, iam")]);
    assert_eq!(url(&listed, "sqs"), "https://sqs.eu-west-1.amazonaws.com");
    assert_eq!(url(&listed, "iam"), "https://iam.amazonaws.com");
    assert!(url(&listed, "sns").starts_with("NotConfigured"));
    // An endpoint of AWS in a profile is AWS, too.
    let hidden =
        settings(&files, &[("AWS_ENDPOINT_URL_SQS", "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com")]);
    assert!(url(&hidden, "sqs").starts_with("NotConfigured"));
    assert!(!is_of_aws("http://notamazonaws.com") && is_of_aws("https://x.lambda-url.eu-west-1.on.aws/a"));
}

#[test]
fn keys_come_from_environment_files_and_processes() {
    let files = tempfile::tempdir().unwrap();
    let id = |environment: &[(&str, &str)]| {
        settings(&files, environment).credentials("http://localhost").map(|found| found.access_key_id)
    };
    assert_eq!(id(&[("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "F")]).unwrap(), "E");
    assert_eq!(id(&[]).unwrap(), "A");
    assert_eq!(id(&[("AWS_PROFILE", "local")]).unwrap(), "P");
    assert_eq!(id(&[("AWS_PROFILE", "nobody")]).unwrap(), "stepwright");
    let none = settings(&files, &[("AWS_PROFILE", "nobody")]);
    assert!(none.credentials("https://sqs.eu-west-1.amazonaws.com").is_err());
    assert!(!format!("{none:?}").contains("nobody"));
}

#[test]
fn a_command_is_taken_apart_at_blanks_outside_of_quotes() {
    assert_eq!(words(r#"a "b c"  'd"e' ''"#), ["a", "b c", "d\"e", ""]);
}

#[test]
fn what_this_process_serves_is_there_unless_somebody_says_where_it_is() {
    let own = OwnEndpoint::default();
    own.open("http://127.0.0.1:4599/", Some(("ID".to_owned(), "SECRET".to_owned())));
    let settings = AwsSettings::new(BTreeMap::new(), "us-east-1").with_own_endpoint(own.clone());
    assert_eq!(url(&settings, "sqs"), "http://127.0.0.1:4599");
    assert_eq!(url(&settings, "eventbridge"), "http://127.0.0.1:4599");
    assert!(url(&settings, "dynamodb").contains("has no endpoint here"));
    let keys = settings.credentials("http://127.0.0.1:4599").unwrap();
    assert_eq!((keys.access_key_id.as_str(), keys.secret_access_key.as_str()), ("ID", "SECRET"));
    let elsewhere = [("AWS_ENDPOINT_URL_SQS".to_owned(), "http://127.0.0.1:9324".to_owned())];
    let settings = AwsSettings::new(elsewhere.into(), "us-east-1").with_own_endpoint(own);
    assert_eq!(url(&settings, "sqs"), "http://127.0.0.1:9324");
    assert_ne!(settings.credentials("http://127.0.0.1:9324").unwrap().access_key_id, "ID");
}
