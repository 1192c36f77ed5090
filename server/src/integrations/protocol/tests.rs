//! One service of every protocol. What is sent and read is what botocore
//! 1.44.5 sends and reads for the same arguments.

use serde_json::json;

use super::super::arguments;
use super::*;

fn sent(name: &str, action: &str, given: &Value) -> Request {
    let service = Service::load(name).unwrap();
    let (operation_name, operation) = service.operation(action).unwrap();
    let arguments = arguments::request(&service, operation.input, given, &|| "token".to_owned()).unwrap();
    request(&service, operation_name, operation, &arguments)
}

fn read(name: &str, action: &str, headers: &[(&str, &str)], body: &str, style: Style) -> Value {
    let service = Service::load(name).unwrap();
    let (_, operation) = service.operation(action).unwrap();
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let response = Response { status: 200, headers, body: body.as_bytes().to_vec() };
    answer(&service, operation, &response, style).unwrap()
}

fn refused(name: &str, status: u16, headers: &[(&str, &str)], body: &str) -> Refusal {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let response = Response { status, headers, body: body.as_bytes().to_vec() };
    refusal(&Service::load(name).unwrap(), &response)
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.clone()).unwrap()
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[test]
fn json_requests_name_the_operation_in_a_header() {
    let item = json!({ "id": { "S": "1" }, "raw": { "B": "bytes" } });
    let put = sent("dynamodb", "putItem", &json!({ "TableName": "t", "Item": item }));
    assert_eq!((&*put.method, &*put.path), ("POST", "/"));
    assert_eq!(header(&put, "x-amz-target"), Some("DynamoDB_20120810.PutItem"));
    assert_eq!(header(&put, "content-type"), Some("application/x-amz-json-1.0"));
    assert_eq!(body(&put), r#"{"TableName":"t","Item":{"id":{"S":"1"},"raw":{"B":"Ynl0ZXM="}}}"#);
    let logs = sent("cloudwatchlogs", "describeLogGroups", &json!({}));
    assert_eq!(header(&logs, "content-type"), Some("application/x-amz-json-1.1"));
    assert_eq!(body(&logs), "{}");
    let events = json!({ "Entries": [{ "Time": "2026-01-31T10:00:00Z", "Source": "s" }] });
    assert_eq!(
        body(&sent("eventbridge", "putEvents", &events)),
        r#"{"Entries":[{"Time":1769853600,"Source":"s"}]}"#
    );
}

#[test]
fn json_answers_get_the_names_of_results() {
    let text = r#"{"executionArn":"arn","startDate":1.5E9,"other":1}"#;
    assert_eq!(
        read("sfn", "startExecution", &[], text, Style::Sdk),
        json!({ "ExecutionArn": "arn", "StartDate": "2017-07-14T02:40:00Z" })
    );
    assert_eq!(
        read("sfn", "startExecution", &[], text, Style::Optimised),
        json!({ "ExecutionArn": "arn", "StartDate": 1_500_000_000_000_i64 })
    );
    assert_eq!(read("dynamodb", "putItem", &[], "", Style::Sdk), json!({}));
    let item = r#"{"Item":{"b":{"B":"Ynl0ZXM="},"c":{"B":"/w=="},"n":{"NULL":true}}}"#;
    assert_eq!(
        read("dynamodb", "getItem", &[], item, Style::Optimised),
        json!({ "Item": { "b": { "B": "bytes" }, "c": { "B": "/w==" }, "n": { "NULL": true } } })
    );
}

#[test]
fn forms_spell_the_place_of_every_value() {
    let attributes = json!({ "a": { "DataType": "String", "StringValue": "x y" } });
    let publish = sent(
        "sns",
        "publish",
        &json!({ "TopicArn": "arn:t", "Message": {"m": 1}, "MessageAttributes": attributes }),
    );
    assert_eq!(
        body(&publish),
        "Action=Publish&Version=2010-03-31&TopicArn=arn%3At&Message=%7B%22m%22%3A1%7D\
         &MessageAttributes.entry.1.Name=a&MessageAttributes.entry.1.Value.DataType=String\
         &MessageAttributes.entry.1.Value.StringValue=x%20y"
    );
    let tags = json!({ "UserName": "u", "Tags": [{ "Key": "k", "Value": "v" }] });
    assert!(
        body(&sent("iam", "createUser", &tags))
            .ends_with("&UserName=u&Tags.member.1.Key=k&Tags.member.1.Value=v")
    );
    let run = json!({ "ImageId": "ami", "MinCount": 1, "MaxCount": 1, "SecurityGroupIds": ["a", "b"] });
    let run = body(&sent("ec2", "runInstances", &run));
    assert!(run.contains("&SecurityGroupId.1=a&SecurityGroupId.2=b"), "{run}");
    assert!(run.contains("Version=2016-11-15") && run.contains("&ClientToken=token"), "{run}");
}

#[test]
fn xml_answers_of_forms_are_read() {
    let text = "<PublishResponse xmlns=\"u\"><PublishResult><MessageId>1</MessageId></PublishResult>\
                <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>";
    assert_eq!(read("sns", "publish", &[], text, Style::Optimised), json!({ "MessageId": "1" }));
    let text = "<DescribeInstancesResponse><requestId>r</requestId><reservationSet><item><instancesSet><item>\
                <instanceId>i-1</instanceId><amiLaunchIndex>0</amiLaunchIndex><ebsOptimized>false</ebsOptimized>\
                <launchTime>2026-01-31T10:00:00.000Z</launchTime></item></instancesSet></item></reservationSet>\
                </DescribeInstancesResponse>";
    assert_eq!(
        read("ec2", "describeInstances", &[], text, Style::Sdk),
        json!({ "Reservations": [{ "Instances": [{
            "AmiLaunchIndex": 0, "EbsOptimized": false, "InstanceId": "i-1", "LaunchTime": "2026-01-31T10:00:00Z"
        }] }] })
    );
    let text = "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes><entry><key>Owner</key>\
                <value>a&amp;b&#33;</value></entry></Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>";
    assert_eq!(
        read("sns", "getTopicAttributes", &[], text, Style::Sdk),
        json!({ "Attributes": { "Owner": "a&b!" } })
    );
    let text = "<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances><DBInstance>\
                <DBInstanceIdentifier>d</DBInstanceIdentifier></DBInstance></DBInstances>\
                </DescribeDBInstancesResult></DescribeDBInstancesResponse>";
    assert_eq!(
        read("rds", "describeDBInstances", &[], text, Style::Sdk),
        json!({ "DbInstances": [{ "DbInstanceIdentifier": "d" }] })
    );
}

#[test]
fn rest_requests_have_parts_everywhere() {
    let put = sent(
        "s3",
        "putObject",
        &json!({
            "Bucket": "b", "Key": "a folder/k+", "Body": { "Dict": "Value" }, "ContentType": "text/csv",
            "Metadata": { "Owner": "me" }, "Expires": "2026-01-31T10:00:00Z"
        }),
    );
    assert_eq!((&*put.method, &*put.path), ("PUT", "/b/a%20folder/k%2B"));
    assert_eq!(body(&put), r#"{"Dict":"Value"}"#);
    assert_eq!(header(&put, "content-type"), Some("text/csv"));
    assert_eq!(header(&put, "x-amz-meta-owner"), Some("me"));
    let list = sent("s3", "listObjectsV2", &json!({ "Bucket": "b", "Prefix": "p/", "MaxKeys": 2 }));
    assert_eq!((&*list.method, &*list.path), ("GET", "/b"));
    let pairs: Vec<String> = list.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert!(
        ["list-type=2", "prefix=p/", "max-keys=2"].iter().all(|pair| pairs.contains(&(*pair).to_owned())),
        "{pairs:?}"
    );
    let delete = sent(
        "s3",
        "deleteObjects",
        &json!({ "Bucket": "b", "Delete": { "Objects": [{ "Key": "a<b" }], "Quiet": true } }),
    );
    assert_eq!(
        body(&delete),
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a&lt;b</Key></Object><Quiet>true</Quiet></Delete>"
    );
    let invoke = sent(
        "lambda",
        "invoke",
        &json!({ "FunctionName": "f", "Payload": { "a": 1 }, "InvocationType": "Event" }),
    );
    assert_eq!(invoke.path, "/2015-03-31/functions/f/invocations");
    assert_eq!(
        (body(&invoke), header(&invoke, "x-amz-invocation-type")),
        (r#"{"a":1}"#.to_owned(), Some("Event"))
    );
    let job = sent("batch", "submitJob", &json!({ "JobName": "n", "JobQueue": "q", "JobDefinition": "d" }));
    assert_eq!(body(&job), r#"{"jobName":"n","jobQueue":"q","jobDefinition":"d"}"#);
    let list = sent("lambda", "listFunctions", &json!({ "MaxItems": 1 }));
    assert_eq!((list.body.len(), &*list.query), (0, &[("MaxItems".to_owned(), "1".to_owned())][..]));
}

#[test]
fn rest_answers_have_parts_everywhere() {
    let headers = [
        ("Content-Length", "9"),
        ("ETag", "\"e\""),
        ("Last-Modified", "Sat, 31 Jan 2026 10:00:00 GMT"),
        ("x-amz-meta-owner", "me"),
        ("x-amz-checksum-crc32", "9NvfIQ=="),
    ];
    let got = read("s3", "getObject", &headers, "text data", Style::Sdk);
    assert_eq!(
        got.to_string(),
        json!({
            "ChecksumCRC32": "9NvfIQ==", "ContentLength": 9, "ETag": "\"e\"",
            "LastModified": "2026-01-31T10:00:00Z", "Metadata": { "owner": "me" }, "Body": "text data"
        })
        .to_string()
    );
    assert_eq!(read("s3", "putObject", &[("ETag", "\"e\"")], "", Style::Sdk), json!({ "ETag": "\"e\"" }));
    let text = "<ListBucketResult><Name>b</Name><KeyCount>2</KeyCount><IsTruncated>false</IsTruncated>\
                <Contents><Key>1</Key><Size>3</Size></Contents><Contents><Key>2</Key><Size>4</Size></Contents></ListBucketResult>";
    assert_eq!(
        read("s3", "listObjectsV2", &[], text, Style::Sdk),
        json!({
            "Contents": [{ "Key": "1", "Size": 3 }, { "Key": "2", "Size": 4 }],
            "IsTruncated": false, "KeyCount": 2, "Name": "b"
        })
    );
    let invoked =
        read("lambda", "invoke", &[("X-Amz-Executed-Version", "$LATEST")], r#"{"a":1}"#, Style::Sdk);
    assert_eq!(invoked, json!({ "ExecutedVersion": "$LATEST", "StatusCode": 200, "Payload": "{\"a\":1}" }));
}

#[test]
fn errors_are_read_in_every_protocol() {
    let id = [("x-amzn-RequestId", "r")];
    let error = refused(
        "dynamodb",
        400,
        &id,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"m"}"#,
    );
    assert_eq!(
        (&*error.code, error.message.as_deref(), &*error.request_id),
        ("ResourceNotFoundException", Some("m"), "r")
    );
    let error = refused(
        "lambda",
        404,
        &[("x-amzn-errortype", "ResourceNotFoundException:http://x")],
        r#"{"Message":"m"}"#,
    );
    assert_eq!((&*error.code, error.message.as_deref()), ("ResourceNotFoundException", Some("m")));
    let error = refused(
        "sns",
        404,
        &[],
        "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>",
    );
    assert_eq!((&*error.code, &*error.request_id, error.status), ("NotFound", "r", 404));
    let error = refused(
        "ec2",
        400,
        &[],
        "<Response><Errors><Error><Code>InvalidID</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>",
    );
    assert_eq!((&*error.code, &*error.request_id), ("InvalidID", "r"));
    let error = refused(
        "s3",
        404,
        &[],
        "<Error><Code>NoSuchKey</Code><Message>m</Message><RequestId>r</RequestId><HostId>h</HostId></Error>",
    );
    assert_eq!(
        (&*error.code, &*error.request_id, error.extended_request_id.as_deref()),
        ("NoSuchKey", "r", Some("h"))
    );
    let error = refused(
        "sqs",
        400,
        &[("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender")],
        r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}"#,
    );
    assert_eq!(error.query_code.as_deref(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    assert_eq!(refused("s3", 502, &[], "<html>oops").code, "");
}

#[test]
fn hostile_xml_is_refused() {
    let deep = "<a>".repeat(100_000);
    assert!(xml::parse(deep.as_bytes()).unwrap_err().contains("levels"));
    let doctype = "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>";
    assert!(xml::parse(doctype.as_bytes()).unwrap_err().contains("document type"));
    assert!(xml::parse(b"<a>&x;</a>").is_err());
    assert!(xml::parse(b"<a><b></a>").is_err());
    assert!(xml::parse(b"<a>").is_err());
    let attributes: Vec<String> = (0..300).map(|number| format!("a{number}=\"1\"")).collect();
    let attributes = format!(" {}", attributes.join(" "));
    assert!(xml::parse(format!("<a{attributes}/>").as_bytes()).unwrap_err().contains("attributes"));
}
