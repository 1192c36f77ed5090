//! The inputs of child executions, one after the other, and what becomes of
//! their results.

use std::sync::Arc;

use asl::limits::{PAYLOAD_BYTES_MAX, RESULT_FILE_BYTES_MAX};
use asl::{OutputType, Transformation};
use serde_json::{Value, json};

use crate::items::{
    Batcher, Destination, Filling, Item, Place, Pushed, ReadError, ReadRequest, ResultFormat, Results,
    collect_results, write_results,
};
use crate::machine::{Failure, MapRunOutcome, MapRunPlan, Nature, Payload, SOURCE_OF_STATE_DATA, errors};
use crate::object_store::ObjectStore;

/// What one child execution gets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChildInput {
    pub(crate) input: Payload,
    /// How many items are in it.
    pub(crate) items: u64,
    /// Where the last of them is in a dataset of several objects.
    pub(crate) place: Option<Place>,
}

/// Reads items, applies `ItemSelector`, and puts batches together.
pub(crate) struct ChildInputs {
    plan: Arc<MapRunPlan>,
    items: Box<dyn Iterator<Item = Result<Item, ReadError>> + Send>,
    fingerprint: Option<String>,
    batcher: Option<Batcher>,
    /// An item that did not fit into the batch before.
    kept: Option<(Payload, Option<Place>)>,
    index: u64,
    source: Arc<str>,
}

impl ChildInputs {
    /// Opens the dataset of a plan at a position. `fingerprint`: what it has
    /// to be, if children were started from it before; `place`: that of the last
    /// item they got.
    pub(crate) fn open(
        plan: &Arc<MapRunPlan>,
        store: &Arc<dyn ObjectStore>,
        position: u64,
        fingerprint: Option<&str>,
        place: Option<&Place>,
    ) -> Result<Self, Failure> {
        let mut inputs = Self {
            batcher: plan.batcher(),
            plan: Arc::clone(plan),
            items: Box::new(std::iter::empty()),
            fingerprint: None,
            kept: None,
            index: position,
            source: SOURCE_OF_STATE_DATA.into(),
        };
        let Some(reader) = plan.distributed().and_then(|distributed| distributed.item_reader.as_ref()) else {
            let skipped = usize::try_from(position).unwrap_or(usize::MAX);
            inputs.items = Box::new(given(&plan.items, &inputs.source).skip(skipped));
            return Ok(inputs);
        };
        let arguments = plan.run.reader_arguments.as_ref().map_or(&Value::Null, Payload::value);
        let request =
            ReadRequest::new(reader, arguments, plan.run.max_items).map_err(|error| unread(&error))?;
        inputs.source = request.source_uri();
        let opened = match place {
            Some(place) => request.open_behind(store, position, place),
            None => request.open(store),
        };
        let mut stream = opened.map_err(|error| unread(&error))?;
        inputs.fingerprint = stream.fingerprint().map(str::to_owned);
        if fingerprint.is_some() && fingerprint != stream.fingerprint() {
            return Err(unread(&ReadError::Changed { source_uri: request.source_uri() }));
        }
        stream.skip_to(position).map_err(|error| unread(&error))?;
        inputs.items = Box::new(stream);
        Ok(inputs)
    }

    /// What changes when the dataset does.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The input of the next child; `None` = all items are taken.
    pub(crate) fn next(&mut self, now_millis: i64) -> Result<Option<ChildInput>, Failure> {
        match self.batcher.clone() {
            Some(batcher) => self.next_batch(&batcher, now_millis),
            None => match self.selected(now_millis)? {
                Some((input, _)) if input.len() > PAYLOAD_BYTES_MAX => {
                    Err(self.too_large(input.len(), PAYLOAD_BYTES_MAX))
                }
                Some((input, place)) => Ok(Some(ChildInput { input, items: 1, place })),
                None => Ok(None),
            },
        }
    }

    fn next_batch(&mut self, batcher: &Batcher, now_millis: i64) -> Result<Option<ChildInput>, Failure> {
        let mut batch: Filling = batcher.begin();
        let mut last = None;
        while !batcher.is_full(&batch) {
            let (item, place) = match self.kept.take() {
                Some(item) => item,
                None => match self.selected(now_millis)? {
                    Some(item) => item,
                    None => break,
                },
            };
            match batcher.push(&mut batch, &item) {
                Pushed::Added => last = place,
                Pushed::Full => {
                    self.kept = Some((item, place));
                    break;
                }
                Pushed::TooLarge(bytes) => return Err(self.too_large(bytes, batcher.bytes_max())),
            }
        }
        if batch.items() == 0 {
            return Ok(None);
        }
        let batch = batch.finish();
        Ok(Some(ChildInput { input: batch.input, items: batch.items, place: last }))
    }

    fn selected(&mut self, now_millis: i64) -> Result<Option<(Payload, Option<Place>)>, Failure> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let item = item.map_err(|error| unread(&error))?;
        let input = self.plan.select(&item, self.index, now_millis)?;
        self.index += 1;
        Ok(Some((input, item.place)))
    }

    fn too_large(&self, bytes: usize, most: usize) -> Failure {
        Failure::item_too_large(self.index.saturating_sub(1), &self.source, bytes, most)
    }
}

fn unread(error: &ReadError) -> Failure {
    Failure::new(Nature::Raised, errors::ITEM_READER_FAILED, error.to_string())
}

/// The items in the state's data.
fn given(items: &Payload, source: &Arc<str>) -> impl Iterator<Item = Result<Item, ReadError>> + Send + use<> {
    let entries: Vec<(Option<String>, Value)> = match items.value().clone() {
        Value::Array(items) => items.into_iter().map(|item| (None, item)).collect(),
        Value::Object(items) => items.into_iter().map(|(key, item)| (Some(key), item)).collect(),
        _ => Vec::new(),
    };
    let source = Arc::clone(source);
    entries
        .into_iter()
        .map(move |(key, value)| Ok(Item { key, value, source: Arc::clone(&source), place: None }))
}

/// Writes or collects the results of a Map Run that has succeeded, or (what
/// there is of them) of one that failed. `results` is called for each pass.
pub(crate) fn results_outcome<'a>(
    plan: &MapRunPlan,
    store: &dyn ObjectStore,
    failure: Option<&Failure>,
    mut results: impl FnMut() -> Results<'a>,
) -> MapRunOutcome {
    let writer = plan.distributed().and_then(|distributed| distributed.result_writer.as_ref());
    let format = writer.map_or(
        ResultFormat { output_type: OutputType::Json, transformation: Transformation::Compact },
        |writer| ResultFormat { output_type: writer.output_type, transformation: writer.transformation },
    );
    let failed = |cause: String| {
        let first = failure.cloned();
        first.unwrap_or_else(|| Failure::new(Nature::Raised, errors::RESULT_WRITER_FAILED, cause))
    };
    if writer.is_none_or(|writer| writer.resource.is_none()) {
        if let Some(failure) = failure {
            return MapRunOutcome::Failed(failure.clone());
        }
        return match collect_results(results(), format, PAYLOAD_BYTES_MAX) {
            Ok(Some(output)) => MapRunOutcome::Succeeded(output),
            Ok(None) => MapRunOutcome::Failed(Failure::output_too_large(plan.state_name())),
            Err(error) => MapRunOutcome::Failed(failed(error.to_string())),
        };
    }
    let arguments = plan.run.writer_arguments.as_ref().map_or(&Value::Null, Payload::value);
    let destination = match Destination::new(arguments, &plan.run.arn) {
        Ok(destination) => destination,
        Err(cause) => return MapRunOutcome::Failed(failed(cause)),
    };
    match (write_results(store, &destination, format, RESULT_FILE_BYTES_MAX, results), failure) {
        (_, Some(failure)) => MapRunOutcome::Failed(failure.clone()),
        (Err(error), None) => MapRunOutcome::Failed(failed(error.to_string())),
        (Ok(written), None) => MapRunOutcome::Succeeded(Payload::from_value(json!({
            "MapRunArn": &*plan.run.arn,
            "ResultWriterDetails": { "Bucket": destination.bucket, "Key": written.manifest_key },
        }))),
    }
}
