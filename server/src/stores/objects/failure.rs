//! What is refused, in S3's words. API reference, "Error responses".

use std::io;

use axum::http::StatusCode;
use tokio::task::JoinError;

use super::xml::Xml;
use crate::http::SignatureError;
use crate::http::body::BodyError;

/// An error of S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) status: u16,
    pub(super) message: String,
    /// Further elements of the answer.
    pub(super) details: Vec<(&'static str, String)>,
    /// Whether what is left of the body is not read.
    pub(super) closes: bool,
}

impl Failure {
    pub(super) fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), details: Vec::new(), closes: false }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    #[must_use]
    pub(super) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new("InvalidRequest", 400, message)
    }

    pub(super) fn invalid_argument(message: impl Into<String>, name: &str, value: &str) -> Self {
        Self::new("InvalidArgument", 400, message).with("ArgumentName", name).with("ArgumentValue", value)
    }

    /// A signature that is not accepted.
    pub(super) fn of(error: SignatureError) -> Self {
        Self::new(error.code, error.http_status, error.message)
    }

    pub(super) fn other_body() -> Self {
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        Self::new("XAmzContentSHA256Mismatch", 400, message)
    }

    pub(super) fn access_denied(message: impl Into<String>) -> Self {
        Self::new("AccessDenied", 403, message)
    }

    pub(super) fn no_such_bucket(bucket: &str) -> Self {
        Self::new("NoSuchBucket", 404, "The specified bucket does not exist").with("BucketName", bucket)
    }

    pub(super) fn no_such_key(key: &str) -> Self {
        Self::new("NoSuchKey", 404, "The specified key does not exist.").with("Key", key)
    }

    pub(super) fn no_such_upload(id: &str) -> Self {
        let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have \
                       been aborted or completed.";
        Self::new("NoSuchUpload", 404, message).with("UploadId", id)
    }

    pub(super) fn precondition(condition: &str) -> Self {
        Self::new("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold")
            .with("Condition", condition)
    }

    pub(super) fn malformed_xml() -> Self {
        let message =
            "The XML you provided was not well-formed or did not validate against our published schema";
        Self::new("MalformedXML", 400, message)
    }

    pub(super) fn incomplete_body() -> Self {
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        Self::new("IncompleteBody", 400, message).closing()
    }

    pub(super) fn timeout() -> Self {
        let message = "Your socket connection to the server was not read from or written to within the timeout \
                       period. Idle connections will be closed.";
        Self::new("RequestTimeout", 400, message).closing()
    }

    pub(super) fn not_implemented(what: &str) -> Self {
        let message =
            format!("A header or query you provided implies functionality that is not implemented: {what}");
        Self::new("NotImplemented", 501, message)
    }

    pub(super) fn method_not_allowed(method: &str) -> Self {
        Self::new("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
            .with("Method", method)
    }

    /// Ours: the cause is for the log, not for callers.
    pub(super) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "the object store failed");
        Self::new("InternalError", 500, "We encountered an internal error. Please try again.")
    }

    /// The answer's body.
    pub(super) fn document(&self, resource: &str, request_id: &str) -> String {
        let mut xml = Xml::default();
        xml.open("Error").element("Code", self.code).element("Message", &self.message);
        for (name, value) in &self.details {
            xml.element(name, value);
        }
        xml.element("Resource", resource).element("RequestId", request_id).element("HostId", request_id);
        xml.close("Error").document()
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Also of a symbolic link in a bucket's folder.
            io::ErrorKind::PermissionDenied => Self::access_denied("Access Denied"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                tracing::error!(%error, "the object store is full");
                Self::new(
                    "ServiceUnavailable",
                    503,
                    "There is no space left on the device of the object store.",
                )
            }
            _ => Self::internal(&error),
        }
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::malformed_xml().closing(),
            BodyError::TooSlow => Self::timeout(),
            BodyError::Broken => Self::incomplete_body(),
        }
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        Self::internal(&error)
    }
}
