//! Jobs: integrations that wait for the end of what they start (`.sync`).
//!
//! A table. Each job is started by one operation and looked at by another until
//! its status says that it has ended; what is left of the look is the result.
//! Source: developer guide, the pages of the integrations; the status values
//! are those of the services' models.

use serde_json::{Map, Value, json};

/// How a job is started, watched and stopped.
pub(super) struct Job {
    /// As in a resource, without the pattern: `batch:submitJob`.
    pub(super) resource: &'static str,
    /// The operation that starts it, where it is not the resource's.
    pub(super) start: Option<&'static str>,
    /// The operation that tells its status.
    pub(super) look: &'static str,
    /// The arguments of the look, from the task's arguments and the answer of the start.
    pub(super) look_arguments: Facts,
    /// Where in the answer the status is.
    pub(super) status: &'static str,
    /// Status values of a good end.
    pub(super) succeeded: &'static [&'static str],
    /// Status values of a bad end. With all others the job runs.
    pub(super) failed: &'static [&'static str],
    /// What of the answer is the result.
    pub(super) result: Part,
    /// The operation that stops it, with its arguments.
    pub(super) stop: Option<(&'static str, Facts)>,
}

/// Arguments from those of the task and the answer of its start.
pub(super) type Facts = fn(&Value, &Value) -> Value;

/// A part of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// All of it.
    All,
    /// What is at a pointer.
    At(&'static str),
    /// What is at a pointer, in an object under a name.
    Named(&'static str, &'static str),
}

/// How a look found a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    Runs,
    Succeeded(Value),
    Failed(Value),
}

impl Job {
    /// The job of a resource, `batch:submitJob.sync` or `….sync:2`.
    pub(super) fn of(resource: &str) -> Option<&'static Self> {
        let (start, _) = resource.split_once(".sync")?;
        JOBS.iter().find(|job| job.resource == start)
    }

    /// What an answer of the look says.
    pub(super) fn state(&self, answer: &Value) -> State {
        let status = answer.pointer(self.status).and_then(Value::as_str).unwrap_or_default();
        let good = self.succeeded.contains(&status);
        if !good && !self.failed.contains(&status) {
            return State::Runs;
        }
        let result = self.result(answer);
        if good && !self.has_failed_inside(answer) { State::Succeeded(result) } else { State::Failed(result) }
    }

    fn result(&self, answer: &Value) -> Value {
        let at = |pointer: &str| answer.pointer(pointer).cloned().unwrap_or_default();
        match self.result {
            Part::All => answer.clone(),
            Part::At(pointer) => at(pointer),
            Part::Named(pointer, name) => Value::Object(Map::from_iter([(name.to_owned(), at(pointer))])),
        }
    }

    /// A task of ECS stops in one way: whether its containers did well is in their exit codes.
    fn has_failed_inside(&self, answer: &Value) -> bool {
        if self.resource != "ecs:runTask" {
            return false;
        }
        let containers = answer.pointer("/Tasks/0/Containers").and_then(Value::as_array);
        containers.is_none_or(|containers| containers.iter().any(|container| container["ExitCode"] != 0))
    }
}

/// A field of an object.
fn of(value: &Value, field: &str) -> Value {
    value.get(field).cloned().unwrap_or_default()
}

/// The first task that ECS started.
fn task_arn(answer: &Value) -> Value {
    answer.pointer("/Tasks/0/TaskArn").cloned().unwrap_or_default()
}

/// A job of `SageMaker`: `createXJob` is looked at by `describeXJob`, by its name.
macro_rules! sagemaker {
    ($create:literal, $look:literal, $name:literal, $status:literal, $stop:literal) => {
        Job {
            resource: concat!("sagemaker:", $create),
            start: None,
            look: $look,
            look_arguments: |task, _| json!({ $name: of(task, $name) }),
            status: concat!("/", $status),
            succeeded: &["Completed"],
            failed: &["Failed", "Stopped"],
            result: Part::All,
            stop: Some(($stop, |task, _| json!({ $name: of(task, $name) }))),
        }
    };
}

/// Every job.
const JOBS: &[Job] = &[
    Job {
        resource: "states:startExecution",
        start: None,
        look: "describeExecution",
        look_arguments: |_, started| json!({ "ExecutionArn": of(started, "ExecutionArn") }),
        status: "/Status",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "TIMED_OUT", "ABORTED"],
        result: Part::All,
        stop: Some(("stopExecution", |_, started| json!({ "ExecutionArn": of(started, "ExecutionArn") }))),
    },
    Job {
        resource: "batch:submitJob",
        start: None,
        look: "describeJobs",
        look_arguments: |_, started| json!({ "Jobs": [of(started, "JobId")] }),
        status: "/Jobs/0/Status",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED"],
        result: Part::At("/Jobs/0"),
        stop: Some((
            "terminateJob",
            |_, started| json!({ "JobId": of(started, "JobId"), "Reason": "The execution that waits for it was stopped." }),
        )),
    },
    Job {
        resource: "ecs:runTask",
        start: None,
        look: "describeTasks",
        look_arguments: |task, started| json!({ "Cluster": of(task, "Cluster"), "Tasks": [task_arn(started)] }),
        status: "/Tasks/0/LastStatus",
        succeeded: &["STOPPED"],
        failed: &["DELETED"],
        result: Part::At("/Tasks/0"),
        stop: Some((
            "stopTask",
            |task, started| json!({ "Cluster": of(task, "Cluster"), "Task": task_arn(started) }),
        )),
    },
    Job {
        resource: "glue:startJobRun",
        start: None,
        look: "getJobRun",
        look_arguments: |task, started| json!({ "JobName": of(task, "JobName"), "RunId": of(started, "JobRunId") }),
        status: "/JobRun/JobRunState",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"],
        result: Part::At("/JobRun"),
        stop: Some((
            "batchStopJobRun",
            |task, started| json!({ "JobName": of(task, "JobName"), "JobRunIds": [of(started, "JobRunId")] }),
        )),
    },
    Job {
        resource: "athena:startQueryExecution",
        start: None,
        look: "getQueryExecution",
        look_arguments: |_, started| json!({ "QueryExecutionId": of(started, "QueryExecutionId") }),
        status: "/QueryExecution/Status/State",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "CANCELLED"],
        result: Part::All,
        stop: Some((
            "stopQueryExecution",
            |_, started| json!({ "QueryExecutionId": of(started, "QueryExecutionId") }),
        )),
    },
    Job {
        resource: "codebuild:startBuild",
        start: None,
        look: "batchGetBuilds",
        look_arguments: |_, started| json!({ "Ids": [of(&of(started, "Build"), "Id")] }),
        status: "/Builds/0/BuildStatus",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "FAULT", "TIMED_OUT", "STOPPED"],
        result: Part::Named("/Builds/0", "Build"),
        stop: Some(("stopBuild", |_, started| json!({ "Id": of(&of(started, "Build"), "Id") }))),
    },
    Job {
        resource: "codebuild:startBuildBatch",
        start: None,
        look: "batchGetBuildBatches",
        look_arguments: |_, started| json!({ "Ids": [of(&of(started, "BuildBatch"), "Id")] }),
        status: "/BuildBatches/0/BuildBatchStatus",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "FAULT", "TIMED_OUT", "STOPPED"],
        result: Part::Named("/BuildBatches/0", "BuildBatch"),
        stop: Some(("stopBuildBatch", |_, started| json!({ "Id": of(&of(started, "BuildBatch"), "Id") }))),
    },
    Job {
        resource: "elasticmapreduce:createCluster",
        start: Some("runJobFlow"),
        look: "describeCluster",
        look_arguments: |_, started| json!({ "ClusterId": of(started, "JobFlowId") }),
        status: "/Cluster/Status/State",
        succeeded: &["RUNNING", "WAITING", "TERMINATED"],
        failed: &["TERMINATED_WITH_ERRORS"],
        result: Part::All,
        stop: Some(("terminateJobFlows", |_, started| json!({ "JobFlowIds": [of(started, "JobFlowId")] }))),
    },
    Job {
        resource: "elasticmapreduce:terminateCluster",
        start: Some("terminateJobFlows"),
        look: "describeCluster",
        look_arguments: |task, _| json!({ "ClusterId": of(task, "ClusterId") }),
        status: "/Cluster/Status/State",
        succeeded: &["TERMINATED"],
        failed: &["TERMINATED_WITH_ERRORS"],
        result: Part::All,
        stop: None,
    },
    Job {
        resource: "elasticmapreduce:addStep",
        start: Some("addJobFlowSteps"),
        look: "describeStep",
        look_arguments: |task, started| {
            let step = started.pointer("/StepIds/0").cloned().unwrap_or_default();
            json!({ "ClusterId": of(task, "ClusterId"), "StepId": step })
        },
        status: "/Step/Status/State",
        succeeded: &["COMPLETED"],
        failed: &["CANCELLED", "FAILED", "INTERRUPTED"],
        result: Part::All,
        stop: Some((
            "cancelSteps",
            |task, started| json!({ "ClusterId": of(task, "ClusterId"), "StepIds": of(started, "StepIds") }),
        )),
    },
    Job {
        resource: "emr-containers:startJobRun",
        start: None,
        look: "describeJobRun",
        look_arguments: |task, started| json!({ "Id": of(started, "Id"), "VirtualClusterId": of(task, "VirtualClusterId") }),
        status: "/JobRun/State",
        succeeded: &["COMPLETED"],
        failed: &["FAILED", "CANCELLED"],
        result: Part::All,
        stop: Some((
            "cancelJobRun",
            |task, started| json!({ "Id": of(started, "Id"), "VirtualClusterId": of(task, "VirtualClusterId") }),
        )),
    },
    Job {
        resource: "emr-serverless:startJobRun",
        start: None,
        look: "getJobRun",
        look_arguments: |task, started| json!({ "ApplicationId": of(task, "ApplicationId"), "JobRunId": of(started, "JobRunId") }),
        status: "/JobRun/State",
        succeeded: &["SUCCESS"],
        failed: &["FAILED", "CANCELLED"],
        result: Part::All,
        stop: Some((
            "cancelJobRun",
            |task, started| json!({ "ApplicationId": of(task, "ApplicationId"), "JobRunId": of(started, "JobRunId") }),
        )),
    },
    Job {
        resource: "databrew:startJobRun",
        start: None,
        look: "describeJobRun",
        look_arguments: |task, started| json!({ "Name": of(task, "Name"), "RunId": of(started, "RunId") }),
        status: "/State",
        succeeded: &["SUCCEEDED"],
        failed: &["FAILED", "STOPPED", "TIMEOUT"],
        result: Part::All,
        stop: Some((
            "stopJobRun",
            |task, started| json!({ "Name": of(task, "Name"), "RunId": of(started, "RunId") }),
        )),
    },
    Job {
        resource: "mediaconvert:createJob",
        start: None,
        look: "getJob",
        look_arguments: |_, started| json!({ "Id": of(&of(started, "Job"), "Id") }),
        status: "/Job/Status",
        succeeded: &["COMPLETE"],
        failed: &["CANCELED", "ERROR"],
        result: Part::All,
        stop: Some(("cancelJob", |_, started| json!({ "Id": of(&of(started, "Job"), "Id") }))),
    },
    Job {
        resource: "bedrock:createModelCustomizationJob",
        start: None,
        look: "getModelCustomizationJob",
        look_arguments: |_, started| json!({ "JobIdentifier": of(started, "JobArn") }),
        status: "/Status",
        succeeded: &["Completed"],
        failed: &["Failed", "Stopped"],
        result: Part::All,
        stop: Some((
            "stopModelCustomizationJob",
            |_, started| json!({ "JobIdentifier": of(started, "JobArn") }),
        )),
    },
    Job {
        resource: "eks:createCluster",
        start: None,
        look: "describeCluster",
        look_arguments: |task, _| json!({ "Name": of(task, "Name") }),
        status: "/Cluster/Status",
        succeeded: &["ACTIVE"],
        failed: &["FAILED"],
        result: Part::All,
        stop: None,
    },
    Job {
        resource: "eks:createNodegroup",
        start: None,
        look: "describeNodegroup",
        look_arguments: |task, _| json!({ "ClusterName": of(task, "ClusterName"), "NodegroupName": of(task, "NodegroupName") }),
        status: "/Nodegroup/Status",
        succeeded: &["ACTIVE"],
        failed: &["CREATE_FAILED", "DEGRADED"],
        result: Part::All,
        stop: None,
    },
    sagemaker!(
        "createTrainingJob",
        "describeTrainingJob",
        "TrainingJobName",
        "TrainingJobStatus",
        "stopTrainingJob"
    ),
    sagemaker!(
        "createTransformJob",
        "describeTransformJob",
        "TransformJobName",
        "TransformJobStatus",
        "stopTransformJob"
    ),
    sagemaker!(
        "createProcessingJob",
        "describeProcessingJob",
        "ProcessingJobName",
        "ProcessingJobStatus",
        "stopProcessingJob"
    ),
    sagemaker!(
        "createHyperParameterTuningJob",
        "describeHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
        "stopHyperParameterTuningJob"
    ),
    sagemaker!(
        "createLabelingJob",
        "describeLabelingJob",
        "LabelingJobName",
        "LabelingJobStatus",
        "stopLabelingJob"
    ),
];

/// The model of a service in which a job's operations are; `bedrock`'s jobs are not where its models run.
pub(super) fn model(service: &str) -> &str {
    match service {
        "bedrock" => "bedrock",
        service => engine::services::called_by_integration(service),
    }
}

/// EMR's integrations have parameters of their own.
pub(super) fn start_arguments(resource: &str, arguments: &Value) -> Value {
    match resource {
        "elasticmapreduce:addStep" => {
            json!({ "JobFlowId": of(arguments, "ClusterId"), "Steps": [of(arguments, "Step")] })
        }
        "elasticmapreduce:terminateCluster" => json!({ "JobFlowIds": [of(arguments, "ClusterId")] }),
        _ => arguments.clone(),
    }
}

/// Recorded on AWS: the texts of a child execution's input and output are read by `.sync:2`.
pub(super) fn with_texts_read(mut described: Value) -> Value {
    for field in ["Input", "Output"] {
        let read =
            described.get(field).and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
        if let (Some(read), Some(fields)) = (read, described.as_object_mut()) {
            let read: Value = read;
            fields.insert(field.to_owned(), read);
        }
    }
    described
}

#[cfg(test)]
mod tests {
    use engine::services::{Service, Shape};

    use super::*;

    /// The shape at a pointer of an answer.
    fn shape_at<'s>(service: &'s Service, output: usize, pointer: &str) -> &'s Shape {
        let mut shape = service.shape(output).unwrap();
        for step in pointer.split('/').skip(1) {
            shape = match shape {
                Shape::Structure(structure) => {
                    let found = structure
                        .members
                        .iter()
                        .find(|(name, _)| engine::services::capitalised(name) == step);
                    let (_, member) = found.unwrap_or_else(|| panic!("no {step} in {pointer}"));
                    service.shape(member.shape()).unwrap()
                }
                Shape::List { list, .. } => service.shape(list.item).unwrap(),
                other => panic!("{pointer}: {other:?}"),
            };
        }
        shape
    }

    #[test]
    fn every_job_is_of_operations_and_status_values_that_exist() {
        for job in JOBS {
            let (name, action) = job.resource.split_once(':').unwrap();
            let service = Service::load(model(name)).unwrap_or_else(|| panic!("{name}"));
            for operation in
                [Some(job.start.unwrap_or(action)), Some(job.look), job.stop.map(|(stop, _)| stop)]
            {
                let operation = operation.unwrap_or(job.look);
                assert!(service.operation(operation).is_some(), "{}: {operation}", job.resource);
            }
            let output = service.operation(job.look).unwrap().1.output.unwrap();
            if let Shape::Enum(values) = shape_at(&service, output, job.status) {
                for status in job.succeeded.iter().chain(job.failed) {
                    assert!(
                        values.iter().any(|value| value == status),
                        "{}: {status} of {values:?}",
                        job.resource
                    );
                }
            }
            if let Part::At(pointer) | Part::Named(pointer, _) = job.result {
                shape_at(&service, output, pointer);
            }
            let names = (job.look_arguments)(&json!({}), &json!({}));
            let input = service.structure(service.operation(job.look).unwrap().1.input.unwrap()).unwrap();
            for name in names.as_object().unwrap().keys() {
                assert!(
                    input.members.keys().any(|member| member.eq_ignore_ascii_case(name)),
                    "{}: {name}",
                    job.resource
                );
            }
        }
    }

    #[test]
    fn a_look_tells_how_a_job_is() {
        let batch = Job::of("batch:submitJob.sync").unwrap();
        assert_eq!(batch.state(&json!({ "Jobs": [{ "Status": "RUNNABLE" }] })), State::Runs);
        let done = json!({ "Status": "SUCCEEDED", "JobId": "1" });
        assert_eq!(batch.state(&json!({ "Jobs": [done.clone()] })), State::Succeeded(done));
        let ecs = Job::of("ecs:runTask.sync").unwrap();
        let stopped = |code: i32| json!({ "Tasks": [{ "LastStatus": "STOPPED", "Containers": [{ "ExitCode": code }] }] });
        assert!(matches!(ecs.state(&stopped(0)), State::Succeeded(_)));
        assert!(matches!(ecs.state(&stopped(1)), State::Failed(_)));
        assert!(
            Job::of("states:startExecution.sync:2").is_some() && Job::of("sqs:sendMessage.sync").is_none()
        );
        let read = with_texts_read(json!({ "Input": "{\"a\":1}", "Output": "x" }));
        assert_eq!(read, json!({ "Input": { "a": 1 }, "Output": "x" }));
    }
}
