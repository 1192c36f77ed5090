//! Why a call has no answer, and how Step Functions says it.
//!
//! Step Functions calls services with AWS's SDKs for Java: optimised
//! integrations with version 1, `aws-sdk` integrations with version 2. Names
//! and texts are those of their exceptions. Recorded on AWS.

use engine::TaskOutcome;
use engine::services::{About, Operation, Service};

use super::naming::{class_name, exception_name};

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// The service said no.
    Refused(Box<Refusal>),
    /// Nobody answered, or nothing that can be read.
    Unanswered(String),
    /// The arguments do not fit the operation.
    Arguments(String),
    /// The answer is larger than a result may be.
    TooLarge,
    /// Nothing says where the service is or who we are.
    NotConfigured(String),
    /// A failure in words of its own: error and cause.
    Failed(String, String),
}

/// What a service says when it refuses a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The name of the error, as it is in the answer.
    pub(super) code: String,
    /// Its name in the query protocol, where the service tells it.
    pub(super) query_code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) status: u16,
    pub(super) request_id: String,
    /// Of S3.
    pub(super) extended_request_id: Option<String>,
}

impl Refusal {
    /// Whether another attempt may succeed.
    pub(super) fn is_passing(&self) -> bool {
        self.status >= 500 || self.status == 429 || self.code.contains("Throttl")
    }
}

/// How an integration speaks of a service.
#[derive(Debug, Clone, Copy)]
pub(super) enum Voice<'a> {
    /// An `aws-sdk` integration.
    Sdk,
    /// An optimised one, by its name in resources: `sqs`.
    Optimised(&'a str),
}

/// What optimised integrations call a service: in resources, in errors, in causes.
/// Recorded on AWS: `dynamodb`, `events` (its errors), `lambda`, `sns`, `states`.
/// The others: names of the clients in the SDK for Java, version 1.
const OPTIMISED: &[(&str, &str, &str)] = &[
    ("athena", "Athena", "AmazonAthena"),
    ("batch", "Batch", "AWSBatch"),
    ("bedrock", "Bedrock", "AmazonBedrock"),
    ("codebuild", "CodeBuild", "AWSCodeBuild"),
    ("databrew", "GlueDataBrew", "AWSGlueDataBrew"),
    ("dynamodb", "DynamoDB", "AmazonDynamoDBv2"),
    ("ecs", "ECS", "AmazonECS"),
    ("eks", "EKS", "AmazonEKS"),
    ("elasticmapreduce", "ElasticMapReduce", "AmazonElasticMapReduce"),
    ("emr-containers", "EMRContainers", "AmazonEMRContainers"),
    ("emr-serverless", "EMRServerless", "AWSEMRServerless"),
    ("events", "EventBridge", "AmazonEventBridge"),
    ("glue", "Glue", "AWSGlue"),
    ("lambda", "Lambda", "AWSLambda"),
    ("mediaconvert", "MediaConvert", "AWSMediaConvert"),
    ("sagemaker", "SageMaker", "AmazonSageMaker"),
    ("sns", "SNS", "AmazonSNS"),
    ("sqs", "SQS", "AmazonSQS"),
    ("states", "StepFunctions", "AWSStepFunctions"),
];

impl Voice<'_> {
    /// What errors begin with.
    pub(super) fn prefix(self, about: &About) -> String {
        match self {
            Self::Sdk => class_name(&about.id),
            Self::Optimised(name) => {
                optimised(name).map_or_else(|| class_name(&about.id), |(prefix, _)| prefix.to_owned())
            }
        }
    }

    /// What causes call the service.
    fn service(self, about: &About) -> String {
        match self {
            Self::Sdk => class_name(&about.id),
            Self::Optimised(name) => {
                optimised(name).map_or_else(|| class_name(&about.id), |(_, client)| client.to_owned())
            }
        }
    }

    /// What the task is called when its result is too large.
    fn task(self, about: &About) -> String {
        match self {
            Self::Sdk => format!("aws-sdk:{}", about.id.to_lowercase().replace([' ', '-'], "")),
            Self::Optimised(name) => name.to_owned(),
        }
    }

    /// The class of an error.
    fn class(self, service: &Service, operation: Option<&Operation>, refusal: &Refusal) -> String {
        let known = modelled(service, operation, &refusal.code);
        match (self, known) {
            (Self::Sdk, Some(name)) => exception_name(name),
            (Self::Sdk, None) => format!("{}Exception", class_name(&service.about.id)),
            (Self::Optimised(_), Some(name)) if name.ends_with("Exception") => name.to_owned(),
            (Self::Optimised(_), Some(name)) => format!("{name}Exception"),
            (Self::Optimised("dynamodb"), None) => "AmazonDynamoDBException".to_owned(),
            (Self::Optimised(_), None) => format!("{}Exception", self.service(&service.about)),
        }
    }

    /// How the service's refusal is told.
    fn cause(self, about: &About, refusal: &Refusal) -> String {
        let message = refusal.message.as_deref().unwrap_or("null");
        let (service, status, id) = (self.service(about), refusal.status, &refusal.request_id);
        match self {
            Self::Sdk => {
                let extended = refusal.extended_request_id.as_deref();
                let extended = extended.map(|id| format!(", Extended Request ID: {id}")).unwrap_or_default();
                format!(
                    "{message} (Service: {service}, Status Code: {status}, Request ID: {id}{extended}) (SDK Attempt Count: 1)"
                )
            }
            Self::Optimised(_) => {
                let code = refusal.query_code.as_ref().unwrap_or(&refusal.code);
                format!(
                    "{message} (Service: {service}; Status Code: {status}; Error Code: {code}; Request ID: {id}; Proxy: null)"
                )
            }
        }
    }

    /// What the task fails with.
    pub(super) fn outcome(
        self,
        service: &Service,
        operation: Option<&Operation>,
        problem: Problem,
    ) -> TaskOutcome {
        let about = &service.about;
        let prefixed = |class: &str| format!("{}.{class}", self.prefix(about));
        let (error, cause) = match problem {
            Problem::Refused(refusal) => {
                (prefixed(&self.class(service, operation, &refusal)), self.cause(about, &refusal))
            }
            Problem::Unanswered(why) => {
                (prefixed("SdkClientException"), format!("Unable to execute HTTP request: {why}"))
            }
            Problem::Arguments(why) => ("States.Runtime".to_owned(), why),
            Problem::TooLarge => (
                "States.DataLimitExceeded".to_owned(),
                format!(
                    "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
                    self.task(about)
                ),
            ),
            Problem::NotConfigured(why) => ("States.TaskFailed".to_owned(), why),
            Problem::Failed(error, cause) => (error, cause),
        };
        TaskOutcome::Failed { error, cause }
    }
}

fn optimised(name: &str) -> Option<(&'static str, &'static str)> {
    OPTIMISED.iter().find(|(known, ..)| *known == name).map(|(_, prefix, client)| (*prefix, *client))
}

/// The error of an operation by its name in an answer.
fn modelled<'s>(service: &'s Service, operation: Option<&Operation>, code: &str) -> Option<&'s str> {
    let named = |shape: usize| {
        let structure = service.structure(shape)?;
        let name = structure.error.as_deref()?;
        (name == code || structure.code.as_deref() == Some(code)).then_some(name)
    };
    operation?.errors.iter().find_map(|shape| named(*shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(voice: Voice<'_>, name: &str, operation: &str, problem: Problem) -> (String, String) {
        let service = Service::load(name).unwrap();
        let operation = service.operation(operation).map(|(_, operation)| operation);
        match voice.outcome(&service, operation, problem) {
            TaskOutcome::Failed { error, cause } => (error, cause),
            TaskOutcome::Succeeded(output) => panic!("{output}"),
        }
    }

    fn refused(code: &str, status: u16) -> Problem {
        Problem::Refused(Box::new(Refusal {
            code: code.to_owned(),
            message: Some("No.".to_owned()),
            status,
            request_id: "1".to_owned(),
            ..Refusal::default()
        }))
    }

    #[test]
    fn sdk_integrations_speak_as_the_second_version() {
        let (error, cause) =
            said(Voice::Sdk, "dynamodb", "putItem", refused("ConditionalCheckFailedException", 400));
        assert_eq!(error, "DynamoDb.ConditionalCheckFailedException");
        assert_eq!(cause, "No. (Service: DynamoDb, Status Code: 400, Request ID: 1) (SDK Attempt Count: 1)");
        let (error, _) = said(Voice::Sdk, "dynamodb", "putItem", refused("ValidationException", 400));
        assert_eq!(error, "DynamoDb.DynamoDbException");
        assert_eq!(said(Voice::Sdk, "s3", "getObject", refused("NoSuchKey", 404)).0, "S3.NoSuchKeyException");
        assert_eq!(
            said(Voice::Sdk, "sfn", "sendTaskSuccess", refused("InvalidToken", 400)).0,
            "Sfn.InvalidTokenException"
        );
        let (error, cause) =
            said(Voice::Sdk, "s3", "getObject", Problem::Unanswered("Connection refused".to_owned()));
        assert_eq!(
            (&*error, &*cause),
            ("S3.SdkClientException", "Unable to execute HTTP request: Connection refused")
        );
        assert!(said(Voice::Sdk, "s3", "getObject", Problem::TooLarge).1.contains("'aws-sdk:s3'"));
    }

    #[test]
    fn optimised_integrations_speak_as_the_first() {
        let (error, cause) = said(Voice::Optimised("sns"), "sns", "publish", refused("NotFound", 404));
        assert_eq!(error, "SNS.NotFoundException");
        assert_eq!(
            cause,
            "No. (Service: AmazonSNS; Status Code: 404; Error Code: NotFound; Request ID: 1; Proxy: null)"
        );
        let dynamodb = Voice::Optimised("dynamodb");
        assert_eq!(
            said(dynamodb, "dynamodb", "putItem", refused("ValidationException", 400)).0,
            "DynamoDB.AmazonDynamoDBException"
        );
        assert_eq!(
            said(Voice::Optimised("sqs"), "sqs", "sendMessage", refused("AccessDenied", 403)).0,
            "SQS.AmazonSQSException"
        );
        let (error, _) = said(
            Voice::Optimised("states"),
            "sfn",
            "startExecution",
            refused("StateMachineDoesNotExist", 400),
        );
        assert_eq!(error, "StepFunctions.StateMachineDoesNotExistException");
    }
}
