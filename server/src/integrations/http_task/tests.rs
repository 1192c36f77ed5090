//! Against a server in this process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use super::*;

/// A request as it arrived: its first line and headers, and its body.
type Arrived = (Vec<String>, String);

/// Answers requests, one connection each, with the given texts; tells where it is and what arrived.
fn server(answers: Vec<String>) -> (String, Receiver<Arrived>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = channel();
    let own = address.clone();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => head.push(line.to_owned()),
                }
            }
            let length = head
                .iter()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or_default()];
            reader.read_exact(&mut body).unwrap();
            stream.write_all(answer.replace("{self}", &own).as_bytes()).unwrap();
            sender.send((head, String::from_utf8(body).unwrap())).unwrap();
        }
    });
    (address, receiver)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

const ARN: &str = "arn:aws:events:us-east-1:123456789012:connection/my-api/81210c42";

fn settings(hosts: &str, connection: &Value) -> AwsSettings {
    let environment =
        [(HTTP_HOSTS, hosts.to_owned()), ("STEPWRIGHT_CONNECTION_MY_API", connection.to_string())];
    let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    AwsSettings::new(environment, "us-east-1")
}

fn basic() -> Value {
    json!({
        "AuthorizationType": "BASIC",
        "AuthParameters": { "BasicAuthParameters": { "Username": "Aladdin", "Password": "open sesame" } }
    })
}

#[expect(clippy::needless_pass_by_value, reason = "called with literals")]
fn run(settings: &AwsSettings, arguments: Value) -> Result<Value, Problem> {
    HttpTasks::new(settings).run(settings, &arguments).map(|text| serde_json::from_str(&text).unwrap())
}

fn failed(result: Result<Value, Problem>) -> (String, String) {
    match result {
        Err(Problem::Failed(error, cause)) => (error, cause),
        other => panic!("{other:?}"),
    }
}

fn task(address: &str) -> Value {
    json!({ "ApiEndpoint": format!("http://{address}/v1/customers"), "Method": "POST", "Authentication": { "ConnectionArn": ARN } })
}

fn with(mut task: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut task, more) else { panic!() };
    fields.extend(more);
    task
}

#[test]
fn a_request_is_what_definition_and_connection_say() {
    let (address, arrived) = server(vec![answer(
        "201 Created",
        "Content-Type: application/json; charset=utf-8\r\nX-One: a\r\n",
        "{\"id\":1}",
    )]);
    let connection = json!({
        "AuthorizationType": "API_KEY",
        "AuthParameters": {
            "ApiKeyAuthParameters": { "ApiKeyName": "X-Key", "ApiKeyValue": "secret" },
            "InvocationHttpParameters": {
                "HeaderParameters": [{ "Key": "X-Both", "Value": "connection", "IsValueSecret": false }],
                "QueryStringParameters": [{ "Key": "q", "Value": "c d" }],
                "BodyParameters": [{ "Key": "account", "Value": "42" }]
            }
        }
    });
    let arguments = with(
        task(&address),
        json!({
            "Headers": { "X-Both": "definition", "X-Own": ["1", "2"] },
            "QueryParameters": { "q": "definition", "list": [1, true] },
            "RequestBody": { "name": "n", "account": "definition" }
        }),
    );
    let result = run(&settings(&address, &connection), arguments).unwrap();
    assert_eq!((&result["StatusCode"], &result["StatusText"]), (&json!(201), &json!("Created")));
    assert_eq!((&result["ResponseBody"], &result["Headers"]["x-one"]), (&json!({ "id": 1 }), &json!(["a"])));
    let (head, body) = arrived.recv().unwrap();
    assert_eq!(head[0], "POST /v1/customers?list=1&list=true&q=c%20d HTTP/1.1");
    let head: Vec<String> = head.iter().map(|line| line.to_lowercase()).collect();
    for line in [
        "x-key: secret",
        "x-both: connection",
        "x-own: 1, 2",
        "content-type: application/json",
        "user-agent: amazon|stepfunctions|httpinvoke|us-east-1",
        "range: bytes=0-262144",
    ] {
        assert!(head.contains(&line.to_owned()), "{line}: {head:?}");
    }
    assert_eq!(body, r#"{"name":"n","account":"42"}"#);
}

#[test]
fn a_body_can_be_a_form() {
    let (address, arrived) = server(vec![answer("200 OK", "Content-Type: text/plain\r\n", "{\"a\":1}")]);
    let transform = json!({ "RequestBodyEncoding": "URL_ENCODED", "RequestEncodingOptions": { "ArrayFormat": "BRACKETS" } });
    let arguments = with(task(&address), json!({ "RequestBody": { "a": [1, 2] }, "Transform": transform }));
    let result = run(&settings(&address, &basic()), arguments).unwrap();
    assert_eq!(result["ResponseBody"], "{\"a\":1}");
    let (head, body) = arrived.recv().unwrap();
    assert_eq!(body, "a[]=1&a[]=2");
    assert!(head.iter().any(|line| line == "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "{head:?}");
    assert!(head.iter().any(|line| line == "content-type: application/x-www-form-urlencoded"), "{head:?}");
}

#[test]
fn a_status_that_is_no_success_is_an_error() {
    let (address, _arrived) =
        server(vec![answer("404 Not Found", "", "{\"no\":1}"), answer("503 Busy", "", "")]);
    let settings = settings(&address, &basic());
    let (error, cause) = failed(run(&settings, task(&address)));
    assert_eq!((&*error, &*cause), ("States.Http.StatusCode.404", "{\"no\":1}"));
    let (error, cause) = failed(run(&settings, task(&address)));
    assert_eq!((&*error, &*cause), ("States.Http.StatusCode.503", "Service Unavailable"));
    // The server has gone.
    assert_eq!(failed(run(&settings, task(&address))).0, "States.Http.Socket");
}

#[test]
fn tokens_are_asked_for_kept_and_renewed() {
    let token =
        |token: &str| answer("200 OK", "", &json!({ "access_token": token, "expires_in": 3600 }).to_string());
    let fine = || answer("200 OK", "", "");
    let (address, arrived) = server(vec![
        token("first"),
        fine(),
        fine(),
        answer("401 Unauthorized", "", ""),
        token("second"),
        fine(),
    ]);
    let connection = json!({
        "AuthorizationType": "OAUTH_CLIENT_CREDENTIALS",
        "AuthParameters": { "OAuthParameters": {
            "AuthorizationEndpoint": format!("http://{address}/token"), "HttpMethod": "POST",
            "ClientParameters": { "ClientID": "me", "ClientSecret": "s&s" },
            "OAuthHttpParameters": { "BodyParameters": [{ "Key": "scope", "Value": "read" }] }
        } }
    });
    let settings = settings(&address, &connection);
    let tasks = HttpTasks::new(&settings);
    for _ in 0..3 {
        tasks.run(&settings, &task(&address)).unwrap();
    }
    let arrived: Vec<Arrived> = arrived.iter().collect();
    assert_eq!(arrived[0].1, "client_id=me&client_secret=s%26s&grant_type=client_credentials&scope=read");
    let tokens: Vec<&str> = arrived
        .iter()
        .filter_map(|(head, _)| head.iter().find_map(|line| line.strip_prefix("authorization: Bearer ")))
        .collect();
    assert_eq!(tokens, ["first", "first", "first", "second"]);
}

#[test]
fn addresses_inside_of_the_network_are_refused() {
    let (address, arrived) =
        server(vec![answer("302 Found", "Location: http://169.254.169.254/latest/meta-data/\r\n", "")]);
    let settings = settings(&address, &basic());
    let (error, cause) = failed(run(&settings, task(&address)));
    assert_eq!(error, "States.Runtime");
    assert!(cause.contains("169.254.169.254") && cause.contains(HTTP_HOSTS), "{cause}");
    drop(arrived);
    for url in ["https://127.0.0.1:1/", "https://169.254.169.254/", "https://[::1]/", "https://localhost/"] {
        let (error, cause) = failed(run(&settings, with(task(&address), json!({ "ApiEndpoint": url }))));
        assert_eq!(error, "States.Http.Socket", "{url}");
        assert!(cause.contains("not public"), "{url}: {cause}");
    }
}

#[test]
fn another_host_is_not_told_who_we_are() {
    let from: Uri = "https://a.example/x".parse().unwrap();
    let request = || Outgoing {
        method: "POST".to_owned(),
        url: "https://a.example/x".to_owned(),
        headers: vec![
            ("authorization".to_owned(), "secret".to_owned()),
            ("range".to_owned(), "r".to_owned()),
        ],
        query: vec![("key".to_owned(), "secret".to_owned())],
        body: b"secret".to_vec(),
    };
    let mut other = request();
    redirect(&mut other, &from, "https://b.example/y", 307);
    assert_eq!((other.headers.len(), other.query.len(), other.body.len()), (1, 0, 0));
    let mut same = request();
    redirect(&mut same, &from, "/y", 307);
    assert_eq!((&*same.url, same.headers.len(), same.body.len()), ("https://a.example/y", 2, 6));
    let mut plain = request();
    redirect(&mut plain, &from, "http://a.example/y", 303);
    assert_eq!((&*plain.method, plain.headers.len()), ("GET", 1));
}

#[test]
fn what_is_missing_is_told_without_secrets() {
    let settings = settings("", &json!({ "AuthorizationType": "BASIC", "AuthParameters": "secret" }));
    let (error, cause) = failed(run(&settings, task("x")));
    assert_eq!(error, "States.Runtime");
    assert!(cause.contains("STEPWRIGHT_CONNECTION_MY_API") && !cause.contains("secret"), "{cause}");
    let other = json!({ "ApiEndpoint": "https://x", "Method": "GET", "Authentication": { "ConnectionArn": ARN.replace("my-api", "Other.One") } });
    let (error, cause) = failed(run(&settings, other));
    assert_eq!(error, "Events.ConnectionResource.NotFound");
    assert!(cause.contains("Set STEPWRIGHT_CONNECTION_OTHER_ONE"), "{cause}");
    assert!(
        failed(run(&settings, json!({ "ApiEndpoint": "https://x", "Method": "GET" })))
            .1
            .contains("ConnectionArn")
    );
    let reserved = with(task("127.0.0.1:1"), json!({ "Headers": { "Host": "x" } }));
    let settings = self::settings("127.0.0.1", &basic());
    assert!(failed(run(&settings, reserved)).1.contains("'host' cannot be set"));
}
