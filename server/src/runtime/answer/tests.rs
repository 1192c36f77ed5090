use super::*;

const CALL: CallIdentity<'static> = CallIdentity {
    request_id: "6f747c46-1111-4222-8333-944445555666",
    trace_id: "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
    version: "$LATEST",
    date: "Fri, 21 Nov 2025 10:00:00 GMT",
};

fn cause(answer: Answer) -> (String, Value) {
    match answer.into_outcome(Form::Optimised, &CALL) {
        TaskOutcome::Failed { error, cause } => (error, serde_json::from_str(&cause).expect("cause is JSON")),
        TaskOutcome::Succeeded(text) => panic!("expected a failure, got {text}"),
    }
}

#[test]
fn a_result_has_the_shape_and_order_of_the_real_service() {
    let TaskOutcome::Succeeded(text) =
        Answer::from_response(b"{\"b\":1,\"a\":1.50}".to_vec()).into_outcome(Form::Optimised, &CALL)
    else {
        panic!("a payload is a success")
    };
    let value: Value = serde_json::from_str(&text).expect("the result is JSON");
    let keys: Vec<&String> = value.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["ExecutedVersion", "Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode"]);
    assert!(text.contains("\"Payload\":{\"b\":1,\"a\":1.50}"), "payload text is kept: {text}");
    assert_eq!(value["SdkHttpMetadata"]["HttpStatusCode"], 200);
    assert_eq!(value["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"], "16");
    assert_eq!(value["SdkHttpMetadata"]["AllHttpHeaders"]["x-amzn-RequestId"], json!([CALL.request_id]));
    assert_eq!(value["StatusCode"], 200);
}

#[test]
fn failures_carry_the_error_object_as_cause() {
    let (error, cause_json) = cause(Answer::timed_out(CALL.request_id, Duration::from_secs(3)));
    assert_eq!(error, "Sandbox.Timedout");
    assert_eq!(
        cause_json["errorMessage"],
        "RequestId: 6f747c46-1111-4222-8333-944445555666 Error: Task timed out after 3.00 seconds"
    );
    let (error, cause_json) = cause(Answer::exited("r", Some("exit status 101")));
    assert_eq!(error, "Runtime.ExitError");
    assert_eq!(cause_json["errorMessage"], "RequestId: r Error: Runtime exited with error: exit status 101");
    let (error, cause_json) = cause(Answer::exited("r", None));
    assert_eq!(error, "Runtime.ExitError");
    assert_eq!(cause_json["errorMessage"], "RequestId: r Error: Runtime exited without providing a reason");
    let (error, _) = cause(Answer::response_too_large());
    assert_eq!(error, "Function.ResponseSizeTooLarge");
    let (error, _) = cause(Answer::from_response(b"{not json".to_vec()));
    assert_eq!(error, "Runtime.InvalidResponse");
}

#[test]
fn a_function_error_keeps_its_name_and_text() {
    let body = br#"{"errorType":"ParseError.Malformed","errorMessage":"line 3: no such column"}"#;
    let answer = Answer::from_error(body, Some("Unhandled"));
    assert_eq!(
        answer,
        Answer::FunctionError {
            error_type: "ParseError.Malformed".to_owned(),
            document: String::from_utf8(body.to_vec()).expect("text"),
        }
    );
    assert!(matches!(
        Answer::from_error(b"{}", Some("Runtime.Bad")),
        Answer::FunctionError { error_type, .. } if error_type == "Runtime.Bad"
    ));
    assert!(matches!(
        Answer::from_error(b"oops", None),
        Answer::FunctionError { error_type, document } if error_type == "Lambda.Unknown" && document.ends_with("oops")
    ));
}

#[test]
fn a_function_as_resource_gives_what_it_returns() {
    let outcome = Answer::from_response(b"[1.50]".to_vec()).into_outcome(Form::Direct, &CALL);
    assert_eq!(outcome, TaskOutcome::Succeeded("[1.50]".to_owned()));
}

#[test]
fn a_call_nobody_waits_for_has_no_payload() {
    let TaskOutcome::Succeeded(text) = accepted(202, &CALL) else { panic!("a success") };
    let value: Value = serde_json::from_str(&text).expect("the result is JSON");
    assert_eq!((&value["StatusCode"], &value["Payload"]), (&json!(202), &Value::Null));
    assert_eq!(value["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"], "0");
}

#[test]
fn what_lambda_refuses_is_said_in_its_words() {
    let TaskOutcome::Failed { error, cause } = throttled("r") else { panic!("a failure") };
    assert_eq!(error, "Lambda.TooManyRequestsException");
    assert_eq!(
        cause,
        "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; \
         Request ID: r; Proxy: null)"
    );
    let function = Identifier::of("f:PROD");
    let TaskOutcome::Failed { cause, .. } = function_not_found("us-east-1", "123456789012", function, "r")
    else {
        panic!("a failure")
    };
    assert!(
        cause.starts_with(
            "Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:PROD (Service"
        ),
        "{cause}"
    );
}
