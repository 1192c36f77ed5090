//! `TestState`: the form of its request and answer. What it does is the engine's.

use engine::test_state::{
    FieldValidationMode, InspectionLevel, Mock, MockError, StateConfiguration, TestStateInput,
};

use super::Api;
use super::error::{Answer, ApiError};
use super::parameters::Parameters;

pub(super) fn test(api: &Api, parameters: Parameters<'_>) -> Answer {
    let request = TestStateInput {
        definition: parameters.required("definition").to_owned(),
        role_arn: parameters.owned("roleArn"),
        input: parameters.owned("input"),
        inspection_level: match parameters.text("inspectionLevel") {
            Some("DEBUG") => InspectionLevel::Debug,
            Some("TRACE") => InspectionLevel::Trace,
            _ => InspectionLevel::Info,
        },
        reveal_secrets: parameters.flag("revealSecrets").unwrap_or_default(),
        variables: parameters.owned("variables"),
        state_name: parameters.owned("stateName"),
        mock: parameters.structure("mock").map(mocked),
        context: parameters.owned("context"),
        state_configuration: parameters
            .structure("stateConfiguration")
            .map(configuration)
            .unwrap_or_default(),
    };
    let answer = api.engine.test_state(&request);
    let answer = answer.map_err(|error| ApiError::new(error.code, error.message))?;
    serde_json::to_value(answer).map_err(ApiError::internal)
}

fn mocked(given: Parameters<'_>) -> Mock {
    Mock {
        result: given.owned("result"),
        error_output: given
            .structure("errorOutput")
            .map(|error| MockError { error: error.owned("error"), cause: error.owned("cause") }),
        field_validation_mode: match given.text("fieldValidationMode") {
            Some("PRESENT") => FieldValidationMode::Present,
            Some("NONE") => FieldValidationMode::None,
            _ => FieldValidationMode::Strict,
        },
    }
}

fn configuration(given: Parameters<'_>) -> StateConfiguration {
    let retries = given.number("retrierRetryCount").unwrap_or_default();
    StateConfiguration {
        retrier_retry_count: u32::try_from(retries).unwrap_or(u32::MAX),
        error_caused_by_state: given.owned("errorCausedByState"),
        map_iteration_failure_count: given.number("mapIterationFailureCount"),
        map_item_reader_data: given.owned("mapItemReaderData"),
    }
}
