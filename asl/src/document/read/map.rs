//! Reads Map states, inline and distributed.

use super::super::flow::StateFlow;
use super::super::model::{
    Distributed, ExecutionType, InputType, ItemBatcher, ItemReader, Items, ManifestType, Map,
    NumberOrExpression, OutputType, PercentageOrExpression, QueryLanguage, ResultWriter, SubMachine,
    Transformation,
};
use super::super::source::NodeKind;
use super::Reader;
use super::expression::Place;
use super::fields::{Allowed, Fields};
use crate::diagnostic::{Code, Severity};
use crate::limits;
use crate::template::Template;

/// The fields of a Map in both languages.
pub(super) const BOTH: &[&str] = &[
    "Assign",
    "Catch",
    "Comment",
    "End",
    "ItemBatcher",
    "ItemProcessor",
    "ItemReader",
    "ItemSelector",
    "Iterator",
    "Label",
    "MaxConcurrency",
    "Next",
    "QueryLanguage",
    "ResultWriter",
    "Retry",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
    "Type",
];
/// The fields of a Map in JSONPath.
pub(super) const JSONPATH: &[&str] = &[
    "InputPath",
    "ItemsPath",
    "MaxConcurrencyPath",
    "OutputPath",
    "Parameters",
    "ResultPath",
    "ResultSelector",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
];
/// The fields of a Map in distributed mode.
const DISTRIBUTED: [&str; 4] = ["ItemBatcher", "ItemReader", "Label", "ResultWriter"];

const PROCESSOR: Allowed =
    Allowed { both: &["Comment", "ProcessorConfig", "StartAt", "States"], jsonpath: &[], jsonata: &[] };
const CONFIG: Allowed = Allowed { both: &["ExecutionType", "Mode"], jsonpath: &[], jsonata: &[] };
const READER: Allowed =
    Allowed { both: &["ReaderConfig", "Resource"], jsonpath: &["Parameters"], jsonata: &["Arguments"] };
const READER_CONFIG: Allowed = Allowed {
    both: &[
        "CSVDelimiter",
        "CSVHeaderLocation",
        "CSVHeaders",
        "InputType",
        "ItemsPointer",
        "ManifestType",
        "MaxItems",
        "Transformation",
    ],
    jsonpath: &["MaxItemsPath"],
    jsonata: &[],
};
const BATCHER: Allowed = Allowed {
    both: &["BatchInput", "MaxInputBytesPerBatch", "MaxItemsPerBatch"],
    jsonpath: &["MaxInputBytesPerBatchPath", "MaxItemsPerBatchPath"],
    jsonata: &[],
};
const WRITER: Allowed =
    Allowed { both: &["Resource", "WriterConfig"], jsonpath: &["Parameters"], jsonata: &["Arguments"] };
const WRITER_CONFIG: Allowed =
    Allowed { both: &["OutputType", "Transformation"], jsonpath: &[], jsonata: &[] };

/// `CSVDelimiter` by name. Developer guide, the page on item readers.
const DELIMITERS: &[(&str, char)] =
    &[("COMMA", ','), ("PIPE", '|'), ("SEMICOLON", ';'), ("SPACE", ' '), ("TAB", '\t')];
const INPUT_TYPES: &[(&str, InputType)] = &[
    ("CSV", InputType::Csv),
    ("JSON", InputType::Json),
    ("JSONL", InputType::JsonLines),
    ("PARQUET", InputType::Parquet),
    ("MANIFEST", InputType::Manifest),
];

/// What `ProcessorConfig` says.
#[derive(Clone, Copy)]
enum Mode {
    Inline,
    Distributed(ExecutionType),
}

impl Reader<'_> {
    pub(super) fn map(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Map> {
        let items = self.map_items(fields, flow);
        let (item_selector, item_selector_field) = self.item_selector(fields, flow);
        let any = 0..=limits::MAP_COUNT_MAX;
        let max_concurrency = self.number(fields, "MaxConcurrency", any.clone(), flow);
        // Accepted by AWS for inline maps, too, where they mean nothing.
        let tolerated_failure_count = self.number(fields, "ToleratedFailureCount", any, flow);
        let tolerated_failure_percentage = self.percentage(fields, flow);
        let processor = self.processor(fields, flow);
        let is_distributed = matches!(processor, Some((Mode::Distributed(_), _)));
        let distributed = if is_distributed { self.distributed(fields, flow) } else { None };
        if matches!(processor, Some((Mode::Inline, _))) {
            for key in DISTRIBUTED.into_iter().filter(|key| fields.has(key)) {
                self.schema_at_key(format!("Field '{key}' is not supported"), fields, key);
                self.advise(Some(format!(
                    "only a distributed Map has `{key}`: add \"ProcessorConfig\": {{\"Mode\": \"DISTRIBUTED\", \
                     \"ExecutionType\": \"STANDARD\"}} to its ItemProcessor"
                )));
            }
        }
        let (mode, processor) = processor?;
        let distributed = match mode {
            Mode::Inline => None,
            Mode::Distributed(execution_type) => {
                Some(Box::new(Distributed { execution_type, ..distributed? }))
            }
        };
        Some(Map {
            items: items?,
            item_selector,
            item_selector_field,
            max_concurrency,
            tolerated_failure_count,
            tolerated_failure_percentage,
            processor: processor?,
            distributed,
        })
    }

    fn map_items(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Items> {
        if flow.language == QueryLanguage::JsonPath {
            let Some(at) = fields.at("ItemsPath") else { return Some(Items::Input) };
            return self.items_path(&at, flow).map(Items::Path);
        }
        let Some(at) = fields.at("Items") else { return Some(Items::Input) };
        match &at.node.kind {
            NodeKind::Array(_) | NodeKind::Object(_) => {
                self.template(&at, Place::Before, flow).map(Items::Template)
            }
            _ => self
                .whole_expression(&at, Place::Before, flow)
                .map(|expression| Items::Template(Template::Expression(expression))),
        }
    }

    /// `ItemSelector` or, of old and in JSONPath only, `Parameters`; and which of them.
    fn item_selector(
        &mut self,
        fields: &Fields<'_>,
        flow: &mut StateFlow,
    ) -> (Option<Template>, &'static str) {
        match flow.language {
            QueryLanguage::Jsonata => {
                (self.optional_template(fields, "ItemSelector", Place::Before, flow), "ItemSelector")
            }
            QueryLanguage::JsonPath => {
                self.exclusive(fields, &["ItemSelector", "Parameters"]);
                let key = if fields.has("Parameters") { "Parameters" } else { "ItemSelector" };
                (self.object_template(fields, key, Place::Before, flow), key)
            }
        }
    }

    fn percentage(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<PercentageOrExpression> {
        let key = "ToleratedFailurePercentage";
        if let Some(at) = fields.at(key)
            && let NodeKind::Number(number) = &at.node.kind
        {
            self.exclusive(fields, &[key, "ToleratedFailurePercentagePath"]);
            match number.as_f64() {
                Some(value) if value > 100.0 => self.schema("Maximum value is 100", &at),
                Some(value) if value >= 0.0 => return Some(PercentageOrExpression::Number(value)),
                _ => self.schema("Minimum value is 0", &at),
            }
            return None;
        }
        Some(match self.number(fields, key, 0..=100, flow)? {
            NumberOrExpression::Expression(expression) => PercentageOrExpression::Expression(expression),
            NumberOrExpression::Path(path) => PercentageOrExpression::Path(path),
            NumberOrExpression::Number(_) => return None,
        })
    }

    /// The processor and its mode; the mode also when the processor has errors.
    fn processor(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<(Mode, Option<SubMachine>)> {
        if !self.exclusive(fields, &["ItemProcessor", "Iterator"]) {
            return None;
        }
        let key = if fields.has("Iterator") { "Iterator" } else { "ItemProcessor" };
        if !self.require(fields, &[key]) {
            return None;
        }
        let processor = self.optional_object(fields, key)?;
        self.allow(&processor, flow.language, &PROCESSOR);
        let mode = self.mode(&processor, flow);
        let is_distributed = matches!(mode, Some(Mode::Distributed(_)));
        let outside = self.is_express;
        // The children are executions of their own, with a type of their own.
        self.is_express = match mode {
            Some(Mode::Distributed(child)) => child == ExecutionType::Express,
            _ => outside,
        };
        let machine = self.inner(&processor, flow, is_distributed);
        self.is_express = outside;
        Some((mode?, machine))
    }

    fn mode(&mut self, processor: &Fields<'_>, flow: &StateFlow) -> Option<Mode> {
        let Some(at) = processor.at("ProcessorConfig") else { return Some(Mode::Inline) };
        let config = self.object(&at)?;
        self.allow(&config, flow.language, &CONFIG);
        let types = &[("STANDARD", ExecutionType::Standard), ("EXPRESS", ExecutionType::Express)];
        let execution_type = self.choice(&config, "ExecutionType", types);
        let is_distributed = if config.has("Mode") {
            self.choice(&config, "Mode", &[("INLINE", false), ("DISTRIBUTED", true)])?
        } else {
            false
        };
        if !is_distributed {
            return Some(Mode::Inline);
        }
        if self.is_express
            && let Some(at) = config.at("Mode")
        {
            self.schema("Express state machine does not support the 'DISTRIBUTED' mode of Map", &at);
        }
        self.require(&config, &["ExecutionType"]);
        Some(Mode::Distributed(execution_type.unwrap_or_default()))
    }

    fn distributed(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<Distributed> {
        let label = self.label(fields);
        let item_reader =
            self.optional_object(fields, "ItemReader").map(|reader| self.item_reader(&reader, flow));
        let item_batcher =
            self.optional_object(fields, "ItemBatcher").map(|batcher| self.item_batcher(&batcher, flow));
        let result_writer =
            self.optional_object(fields, "ResultWriter").map(|writer| self.result_writer(&writer, flow));
        Some(Distributed {
            execution_type: ExecutionType::default(),
            label,
            item_reader: match item_reader {
                Some(reader) => Some(reader?),
                None => None,
            },
            item_batcher,
            result_writer: match result_writer {
                Some(writer) => Some(writer?),
                None => None,
            },
        })
    }

    /// `Label`: becomes part of ARNs. Developer guide, "Distributed mode".
    fn label(&mut self, fields: &Fields<'_>) -> Option<String> {
        let at = fields.at("Label")?;
        let label = self.text(&at)?;
        let bad = label.chars().find(|character| limits::is_invalid_in_name(*character));
        let message = if label.is_empty() {
            "Label cannot be empty".to_owned()
        } else if label.chars().count() > limits::MAP_LABEL_CHARS_MAX {
            format!("Label cannot exceed {} characters", limits::MAP_LABEL_CHARS_MAX)
        } else if let Some(bad) = bad {
            format!("Label contains invalid character: {}", quoted(bad))
        } else {
            if !self.labels.insert(label.clone()) {
                let message = format!("Duplicate Map Label: {label}");
                self.report(Severity::Error, Code::DuplicateLabelName, message, &at);
            }
            return Some(label);
        };
        self.report(Severity::Error, Code::InvalidLabelName, message, &at);
        None
    }

    fn item_reader(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<ItemReader> {
        self.allow(fields, flow.language, &READER);
        self.require(fields, &["Resource"]);
        let resource = self.s3_resource(fields, &["getObject", "listObjectsV2"]);
        let arguments = self.arguments(fields, flow);
        self.called(fields, flow.language);
        let config = self.optional_object(fields, "ReaderConfig");
        let mut reader = ItemReader {
            resource: resource?,
            arguments,
            input_type: None,
            load_and_flatten: false,
            csv_delimiter: ',',
            csv_headers: None,
            manifest_type: None,
            items_pointer: None,
            max_items: None,
        };
        if let Some(config) = &config {
            self.reader_config(config, flow, &mut reader);
        }
        if reader.resource.ends_with("getObject") && !fields.has("ReaderConfig") {
            self.require(fields, &["ReaderConfig"]);
        }
        Some(reader)
    }

    fn reader_config(&mut self, config: &Fields<'_>, flow: &mut StateFlow, reader: &mut ItemReader) {
        self.allow(config, flow.language, &READER_CONFIG);
        reader.input_type = self.choice(config, "InputType", INPUT_TYPES);
        let manifests =
            &[("S3_INVENTORY", ManifestType::S3Inventory), ("ATHENA_DATA", ManifestType::AthenaData)];
        reader.manifest_type = self.choice(config, "ManifestType", manifests);
        let transformations = &[("NONE", false), ("LOAD_AND_FLATTEN", true)];
        reader.load_and_flatten = self.choice(config, "Transformation", transformations).unwrap_or(false);
        if let Some(delimiter) = self.choice(config, "CSVDelimiter", DELIMITERS) {
            reader.csv_delimiter = delimiter;
        }
        let needs_type = reader.resource.ends_with("getObject") || reader.load_and_flatten;
        if needs_type && reader.manifest_type.is_none() {
            self.require(config, &["InputType"]);
        }
        let is_csv = reader.input_type == Some(InputType::Csv) && reader.manifest_type.is_none();
        self.csv_headers(config, is_csv, reader);
        reader.items_pointer = self.items_pointer(config);
        reader.max_items = self.number(config, "MaxItems", 0..=limits::MAP_ITEMS_MAX, flow);
    }

    fn csv_headers(&mut self, config: &Fields<'_>, is_csv: bool, reader: &mut ItemReader) {
        let given = self.choice(config, "CSVHeaderLocation", &[("FIRST_ROW", false), ("GIVEN", true)]);
        if is_csv {
            self.require(config, &["CSVHeaderLocation"]);
        }
        if given == Some(true) && !self.require(config, &["CSVHeaders"]) {
            return;
        }
        let Some(at) = config.at("CSVHeaders") else { return };
        let Some(items) = self.filled_array(&at) else { return };
        let headers: Vec<Option<String>> =
            items.iter().enumerate().map(|(index, item)| self.text(&at.item(index, item))).collect();
        if given == Some(true) {
            reader.csv_headers = headers.into_iter().collect();
        }
    }

    /// A JSON Pointer.
    fn items_pointer(&mut self, config: &Fields<'_>) -> Option<String> {
        let at = config.at("ItemsPointer")?;
        let pointer = self.text(&at)?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            self.schema("Value must be a valid JSON Pointer, which starts with '/'", &at);
            let names = pointer.trim_start_matches(['$', '.']).replace('.', "/");
            self.advise(Some(format!("write \"/{}\"", super::shortened(&names))));
            return None;
        }
        Some(pointer)
    }

    fn item_batcher(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> ItemBatcher {
        self.allow(fields, flow.language, &BATCHER);
        let bytes = 1..=limits::BATCH_INPUT_BYTES_MAX;
        let batcher = ItemBatcher {
            max_items_per_batch: self.number(fields, "MaxItemsPerBatch", 1..=limits::MAP_ITEMS_MAX, flow),
            max_input_bytes_per_batch: self.number(fields, "MaxInputBytesPerBatch", bytes, flow),
            batch_input: self.object_template(fields, "BatchInput", Place::Before, flow),
        };
        let sizes = [
            "MaxItemsPerBatch",
            "MaxItemsPerBatchPath",
            "MaxInputBytesPerBatch",
            "MaxInputBytesPerBatchPath",
        ];
        if !sizes.iter().any(|key| fields.has(key)) {
            let message = "One of these fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch]";
            self.schema(message, &fields.at);
            self.advise(Some("say how large a batch is: \"MaxItemsPerBatch\": 100"));
        }
        batcher
    }

    fn result_writer(&mut self, fields: &Fields<'_>, flow: &mut StateFlow) -> Option<ResultWriter> {
        self.allow(fields, flow.language, &WRITER);
        if fields.is_empty() {
            self.schema("Value cannot be empty", &fields.at);
            return None;
        }
        let arguments_key = match flow.language {
            QueryLanguage::JsonPath => "Parameters",
            QueryLanguage::Jsonata => "Arguments",
        };
        // Results are written with both, or only formatted with neither.
        if fields.has("Resource") || fields.has(arguments_key) {
            self.require(fields, &["Resource", arguments_key]);
        }
        let resource = self.s3_resource(fields, &["putObject"]);
        let arguments = self.arguments(fields, flow);
        self.called(fields, flow.language);
        let (mut output_type, mut transformation) = (OutputType::Json, Transformation::None);
        if let Some(config) = self.optional_object(fields, "WriterConfig") {
            self.allow(&config, flow.language, &WRITER_CONFIG);
            let types = &[("JSON", OutputType::Json), ("JSONL", OutputType::JsonLines)];
            output_type = self.choice(&config, "OutputType", types).unwrap_or_default();
            let transformations = &[
                ("NONE", Transformation::None),
                ("COMPACT", Transformation::Compact),
                ("FLATTEN", Transformation::Flatten),
            ];
            transformation = self.choice(&config, "Transformation", transformations).unwrap_or_default();
        }
        Some(ResultWriter { resource, arguments, output_type, transformation })
    }

    fn s3_resource(&mut self, fields: &Fields<'_>, actions: &[&str]) -> Option<String> {
        let at = fields.at("Resource")?;
        let resource = self.text(&at)?;
        let is_known = super::resource::s3_action(&resource).is_some_and(|action| actions.contains(&action));
        if !is_known {
            let message = format!(
                "The resource provided {resource} is not recognized. The value is not a valid resource ARN, \
                 or the resource is not available in this region."
            );
            self.schema(message, &at);
            let known: Vec<String> =
                actions.iter().map(|action| format!("arn:aws:states:::s3:{action}")).collect();
            self.advise(Some(format!("write \"{}\"", known.join("\" or \""))));
            return None;
        }
        Some(resource)
    }
}

/// A character between quotes, those that cannot be seen as escapes. AWS's form (recorded).
fn quoted(character: char) -> String {
    match character {
        '\'' => "\"'\"".to_owned(),
        '\\' => "'\\\\'".to_owned(),
        '\n' => "'\\n'".to_owned(),
        '\r' => "'\\r'".to_owned(),
        '\t' => "'\\t'".to_owned(),
        _ if character.is_control() || character.is_whitespace() && character != ' ' => {
            let code = u32::from(character);
            if code <= 0xff { format!("'\\x{code:02x}'") } else { format!("'\\u{code:04x}'") }
        }
        _ => format!("'{character}'"),
    }
}
