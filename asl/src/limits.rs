//! Every limit of AWS Step Functions that the language or its execution can
//! meet, as named constants with their source.
//!
//! "Quotas" is the page "Step Functions service quotas" of the developer
//! guide, "model" the service model of the API (`states`, 2016-11-23),
//! "specification" the Amazon States Language specification, "measured" a
//! measurement against the real service. Limits that are ours alone say so.

/// Input or output of a task, a state or an execution, in bytes of UTF-8 JSON text. Quotas: 256 KiB.
pub const PAYLOAD_BYTES_MAX: usize = 262_144;
/// One variable, in bytes of its JSON text. Quotas: 256 KiB.
pub const VARIABLE_BYTES_MAX: usize = 262_144;
/// All variables of one `Assign`, in bytes. Quotas: 256 KiB.
pub const ASSIGN_BYTES_MAX: usize = 262_144;
/// All variables an execution holds, in bytes. Quotas: 10 MiB.
pub const VARIABLES_BYTES_MAX: usize = 10_485_760;
/// The name of a variable, in Unicode characters. Developer guide, "Passing data with variables": 80.
pub const VARIABLE_NAME_CHARS_MAX: usize = 80;
/// A state machine definition, in bytes. Model, `Definition`: 1 MiB.
pub const DEFINITION_BYTES_MAX: usize = 1_048_576;
/// The name of a state, in Unicode characters. Specification: 80.
pub const STATE_NAME_CHARS_MAX: usize = 80;
/// The name of an execution or a state machine, in characters. Model, `Name`: 80.
pub const EXECUTION_NAME_CHARS_MAX: usize = 80;
/// Registered state machines. Quotas: 100,000.
pub const STATE_MACHINES_MAX: usize = 100_000;
/// Registered activities. Quotas: 100,000.
pub const ACTIVITIES_MAX: usize = 100_000;
/// Published versions of a state machine. Quotas: 1,000.
pub const VERSIONS_MAX: usize = 1_000;
/// Aliases of a state machine. Quotas: 100.
pub const ALIASES_MAX: usize = 100;
/// Tags of a resource. Quotas: 50.
pub const TAGS_MAX: usize = 50;
/// The error of a failure, in characters. Model, `SensitiveError`: 256.
pub const ERROR_CHARS_MAX: usize = 256;
/// The cause of a failure, in characters. Model, `SensitiveCause`: 32,768.
pub const CAUSE_CHARS_MAX: usize = 32_768;
/// Events in the history of one execution. Quotas: 25,000.
pub const HISTORY_EVENTS_MAX: usize = 25_000;
/// The name of a function, in characters. Lambda model, `FunctionName`: 64 without what an ARN has around it.
pub const FUNCTION_NAME_CHARS_MAX: usize = 64;
/// `MaxItems` of `ListFunctions`. Lambda model, `MaxListItems`.
pub const FUNCTIONS_LIST_ITEMS: std::ops::RangeInclusive<usize> = 1..=10_000;
/// `Handler` of a function, in characters. Lambda model.
pub const FUNCTION_HANDLER_CHARS_MAX: usize = 128;
/// `MemorySize` of a function, in MB. Lambda quotas: 128 to 10,240; 128 unless it is said.
pub const FUNCTION_MEMORY_MIB: std::ops::RangeInclusive<u32> = 128..=10_240;
/// `Timeout` of a function, in seconds. Lambda quotas: 1 to 900; 3 unless it is said.
pub const FUNCTION_TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 1..=900;
/// `Timeout` of a function of which none is said, in seconds. Lambda developer guide.
pub const FUNCTION_TIMEOUT_SECONDS_DEFAULT: u64 = 3;
/// How long a function's process may take to get ready, in seconds. Lambda developer guide, "Init phase".
pub const FUNCTION_INIT_SECONDS_MAX: u64 = 10;
/// The environment variables of a function together, in bytes. Lambda quotas: 4 KB.
pub const FUNCTION_ENVIRONMENT_BYTES_MAX: usize = 4096;
/// A function's configuration in a file, in bytes. Ours: what AWS's fields may hold together is far less.
pub const FUNCTION_CONFIGURATION_BYTES_MAX: u64 = 65_536;
/// A function's zip, in bytes. Lambda quotas: 50 MB zipped, for direct upload.
pub const FUNCTION_ZIP_BYTES_MAX: u64 = 52_428_800;
/// What a function's zip unpacks to, in bytes. Lambda quotas: 250 MB unzipped.
pub const FUNCTION_UNZIPPED_BYTES_MAX: u64 = 262_144_000;
/// Entries of a function's zip. Ours: a large Node.js function has some ten thousand files.
pub const FUNCTION_ZIP_ENTRIES_MAX: usize = 50_000;
/// How much larger than itself a zip may unpack to, beyond the first megabyte. Ours: programs reach 4, text 20.
pub const FUNCTION_ZIP_RATIO_MAX: u64 = 100;
/// Calls of functions that nobody waits for and that have not taken place yet. Ours: their payloads may have 1 MB each.
pub const FUNCTION_EVENTS_MAX: usize = 1_000;
/// Functions of one folder. Ours.
pub const FUNCTIONS_MAX: usize = 1_000;
/// Functions of a page of `ListFunctions`. API reference: "a maximum of 50 items in each response".
pub const FUNCTIONS_PAGE_MAX: usize = 50;
/// Payload of a call of a function that waits, in bytes. Lambda quotas: 6 MB.
pub const INVOKE_PAYLOAD_BYTES_MAX: usize = 6_291_456;
/// Payload of a call of a function that does not wait, in bytes. Lambda quotas: 1 MB.
pub const INVOKE_EVENT_BYTES_MAX: usize = 1_048_576;
/// `ClientContext` of a call of a function, in bytes before base64. API reference, `Invoke`: 3,583.
pub const INVOKE_CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
/// Duration of a Standard execution, in seconds. Quotas: 1 year.
pub const STANDARD_EXECUTION_SECONDS_MAX: u64 = 31_536_000;
/// Duration of an Express execution, in seconds. Quotas: 5 minutes.
pub const EXPRESS_EXECUTION_SECONDS_MAX: u64 = 300;
/// How long after its end an execution can be redriven, in seconds. Quotas: 14 days.
pub const REDRIVE_WINDOW_SECONDS: u64 = 1_209_600;
/// Events after which an execution cannot be redriven any more. Developer guide, "Redriving executions".
pub const REDRIVE_HISTORY_EVENTS_MAX: usize = 24_999;
/// The first moment at which an execution that can be redriven may have started, in milliseconds since the
/// epoch. Developer guide, "Redriving executions": 15 November 2023; that the day begins in UTC is ours.
pub const REDRIVE_STARTED_FROM_MILLIS: i64 = 1_700_006_400_000;
/// Redrives of one Map Run. Developer guide, "Redriving Map Runs": 1,000.
pub const MAP_RUN_REDRIVES_MAX: u32 = 1_000;
/// Client tokens of an execution's redrives that are remembered. API reference, `RedriveExecution`: the last 10.
pub const REDRIVE_CLIENT_TOKENS_MAX: usize = 10;
/// How long the client token of a redrive is remembered, in seconds. API reference, `RedriveExecution`: 15 minutes.
pub const REDRIVE_CLIENT_TOKEN_SECONDS: u64 = 900;
/// Executions that may be open at a time. Quotas: 1,000,000 open executions.
pub const OPEN_EXECUTIONS_MAX: usize = 1_000_000;
/// How long a test of a state may run, in seconds. API reference, `TestState`: five minutes.
pub const TEST_STATE_SECONDS_MAX: u64 = 300;
/// `TimeoutSeconds`, `HeartbeatSeconds` and the seconds of a Wait, in seconds. Specification: 99,999,999.
pub const TIMEOUT_SECONDS_MAX: u64 = 99_999_999;
/// `MaxAttempts` of a retrier. Specification: 99,999,999.
pub const RETRY_ATTEMPTS_MAX: u64 = 99_999_999;
/// `MaxAttempts` of a retrier that names none. Specification: 3.
pub const RETRY_ATTEMPTS_DEFAULT: u64 = 3;
/// `IntervalSeconds` of a retrier, in seconds. Specification: 99,999,999.
pub const RETRY_INTERVAL_SECONDS_MAX: u64 = 99_999_999;
/// `IntervalSeconds` of a retrier that names none, in seconds. Specification: 1.
pub const RETRY_INTERVAL_SECONDS_DEFAULT: u64 = 1;
/// `BackoffRate` of a retrier that names none. Specification: 2.0.
pub const RETRY_BACKOFF_RATE_DEFAULT: f64 = 2.0;
/// `BackoffRate` of a retrier at least. Specification: 1.0.
pub const RETRY_BACKOFF_RATE_MIN: f64 = 1.0;
/// `MaxDelaySeconds` of a retrier, in seconds. Developer guide, "Handling errors": less than 31,622,400.
pub const RETRY_DELAY_SECONDS_MAX: u64 = 31_622_399;
/// Iterations of an inline Map that run at a time, whatever `MaxConcurrency` says. Developer guide, "Map state": 40.
pub const INLINE_MAP_CONCURRENCY_MAX: usize = 40;
/// `MaxConcurrency` and `ToleratedFailureCount` of a Map. Ours: what fits a signed 32-bit number; AWS documents none.
pub const MAP_COUNT_MAX: u64 = 2_147_483_647;
/// `MaxItems` of an item reader, and items of one batch. Developer guide, item readers: 100,000,000.
pub const MAP_ITEMS_MAX: u64 = 100_000_000;
/// `MaxInputBytesPerBatch`, in bytes. Developer guide, item batchers: 256 KiB.
pub const BATCH_INPUT_BYTES_MAX: u64 = 262_144;
/// `Label` of a distributed Map, in characters. Recorded: 40.
pub const MAP_LABEL_CHARS_MAX: usize = 40;
/// Levels of `States` inside `States`. Ours: AWS answers `TOO_DEEPLY_NESTED` at an undocumented depth.
pub const STATES_DEPTH_MAX: usize = 32;
/// Levels of arrays and objects in a definition. Ours: the real limit is not documented; this one bounds the reader.
pub const DEFINITION_JSON_DEPTH_MAX: usize = 256;
/// Steps the fields of one stay in a state may take together, in JSONPath, intrinsic functions and JSONata.
/// Ours: AWS documents no time, and nothing may hang; as many take a second or two.
pub const STATE_STEPS_MAX: u64 = JSONATA_STEPS_MAX;
/// Bytes that are hashed or compared, or items that are compared, in the time of one step. Ours, from the time of hashes.
pub const STATE_SIZE_PER_STEP: usize = 32;
/// What the fields of one stay in a state may make together, in bytes of memory. Ours: the payloads a state can
/// hand on take 10 MiB of memory each at most, and the longest sequence of JSONata 60 MiB.
pub const STATE_BYTES_MAX: usize = 67_108_864;
/// The inputs of all iterations of a Map that `TestState` shows, in bytes of JSON text. Ours: a run makes them one
/// after the other, a test has to hold all of them.
pub const TEST_STATE_ITEMS_BYTES_MAX: usize = 16_777_216;
/// What one transition of an execution makes, in bytes of memory, before it pauses until that is durable. Ours: a
/// burst of states that wait for nothing can be as long as a history, with a payload of 256 KiB in each event.
pub const TRANSITION_BYTES_MAX: usize = 33_554_432;
/// Steps of one transition of an execution, of all its states together, before it pauses: stops, time-outs and other
/// executions have their turn then. Ours: as many take some tenths of a second.
pub const TRANSITION_STEPS_MAX: u64 = 4_000_000;
/// Levels of arrays and objects of a payload. Ours: JSON readers stop at 128, and what cannot be read back must not
/// be written into a journal.
pub const PAYLOAD_DEPTH_MAX: usize = 127;
/// Comparisons of names the advice on one document may cost. Ours: a definition with thousands of faults is not
/// made slow by guesses at what was meant.
pub const ADVICE_COMPARISONS_MAX: usize = 50_000;
/// Levels of evaluation of one JSONata expression. Measured: 100.
pub const JSONATA_DEPTH_MAX: usize = 100;
/// Elements of one JSONata range or sequence. Measured: `[1..873782]` works, one more is refused.
pub const JSONATA_SEQUENCE_ITEMS_MAX: usize = 873_782;
/// Elements of `$range`. Measured: 360,145.
pub const JSONATA_RANGE_FUNCTION_ITEMS_MAX: usize = 360_145;
/// One string made by a JSONata expression, in UTF-16 units. Measured: 2^22 works, 2^23 is refused.
pub const JSONATA_STRING_UNITS_MAX: usize = 4_194_304;
/// What one evaluation may return, in bytes of JSON text. Ours, from the measured memory budget of about 10 MiB.
pub const JSONATA_OUTPUT_BYTES_MAX: usize = 10_485_760;
/// Steps of one evaluation: nodes evaluated and items looked at. Ours: AWS documents no time, and nothing may
/// hang; as many take a second or two.
pub const JSONATA_STEPS_MAX: u64 = 20_000_000;
/// Steps that a frame, a function or a part of one takes beside the node that makes it. Ours, from the time of
/// their allocations.
pub const JSONATA_FRAME_STEPS: usize = 2;
/// Steps that an item of a path takes that binds variables, beside one for each variable. Ours, as those of a frame.
pub const JSONATA_TUPLE_STEPS: usize = 3;
/// Steps that a key takes that a group meets for the first time: it is put into two objects and their indexes. Ours.
pub const JSONATA_GROUP_STEPS: usize = 8;
/// Steps that an item takes that a group gets: its key is looked for in the index of all, and it is kept. Ours.
pub const JSONATA_GROUPED_STEPS: usize = 3;
/// Steps that a match takes beside its search: an object, an array and their texts. Ours.
pub const JSONATA_MATCH_STEPS: usize = 6;
/// Frames and variables that are looked at for a variable in the time of one step. Ours.
pub const JSONATA_VARIABLE_PLACES_PER_STEP: usize = 16;
/// Bytes of text that are compared in the time of one step. Ours.
pub const JSONATA_COMPARED_BYTES_PER_STEP: usize = 128;
/// What the values of one evaluation hold at a time, in bytes as the allocator hands them out. Ours, far above AWS's
/// budget of about 10 MiB (measured), whose way of counting is not known: with the JSON made of the result, which
/// comes into being beside them, one evaluation stays below 300 MiB.
pub const JSONATA_BYTES_MAX: usize = 134_217_728;
/// Levels of arrays and objects in what one evaluation returns. Ours: JSON readers stop at 128, and the
/// result ends up inside other documents.
pub const JSONATA_RESULT_DEPTH_MAX: usize = 120;
/// Levels of arrays and objects that functions and operators of JSONata go down into a value. Ours: bounds their
/// recursion. Such values only come into being while an expression runs.
pub const JSONATA_VALUE_DEPTH_MAX: usize = 250;
/// Elements of a range before JSONata itself refuses it, with D2014. JSONata documentation, "Range operator": 10 million.
pub const JSONATA_RANGE_ITEMS_MAX: f64 = 1e7;
/// Parameters of a signature times arguments of a call. Ours: bounds the search for a way to place them.
pub const JSONATA_SIGNATURE_PLACES_MAX: usize = 10_000;
/// Levels of brackets and operands in one expression. Ours: an evaluation ends at 100, and the stack of a thread is
/// not endless.
pub const JSONATA_NESTING_MAX: usize = 300;
/// Levels an expression's tree may grow to before what is far below is let go. Ours: whoever walks a tree can be
/// sure that the stack is deep enough.
pub const JSONATA_TREE_DEPTH_MAX: usize = 300;
/// Levels that are kept then. Ours: an evaluation ends at 100, so that nothing below can ever be seen.
pub const JSONATA_TREE_DEPTH_KEPT: usize = 150;
/// Steps looked at for the meaning of all `%` of one expression. Ours: `a.%.%.%…` looks further and further back.
pub const JSONATA_PARENT_STEPS_MAX: usize = 1_000_000;
/// Frames an evaluation notes as captured by functions before it looks which of them still live. Ours.
pub const JSONATA_CAPTURED_FRAMES_MIN: usize = 1_024;
/// Length of one expression, in bytes. Ours: an expression is part of a definition.
pub const JSONATA_SOURCE_BYTES_MAX: usize = 262_144;
/// Child executions of a Map Run that run at a time, whatever `MaxConcurrency` says. Developer guide, "Distributed Map": 10,000.
pub const MAP_RUN_CONCURRENCY_MAX: usize = 10_000;
/// The headers of a text-delimited file, in bytes. Developer guide, "ItemReader": 10 KiB.
pub const CSV_HEADER_BYTES_MAX: usize = 10_240;
/// The footer of a Parquet file, in bytes. Developer guide, "ItemReader": 5 MB.
pub const PARQUET_FOOTER_BYTES_MAX: u64 = 5_242_880;
/// A row group of a Parquet file, in bytes. Developer guide, "ItemReader": 256 MB.
pub const PARQUET_ROW_GROUP_BYTES_MAX: u64 = 268_435_456;
/// Values of a column that a row of a Parquet file has, on average of a row group. Ours: so many numbers of one digit
/// are as long as a payload may be, and a file of some bytes can hold any number of equal ones.
pub const PARQUET_ROW_VALUES_MAX: u64 = 131_072;
/// One item as it is read, before `ItemSelector` makes it smaller, in bytes. Ours: bounds the reader.
pub const ITEM_BYTES_MAX: usize = 8_388_608;
/// One result file of a Map Run, in bytes. Developer guide, "ResultWriter": 5 GB.
pub const RESULT_FILE_BYTES_MAX: u64 = 5_368_709_120;
/// The list of files in a manifest, in bytes. Ours: bounds the reader.
pub const MANIFEST_BYTES_MAX: u64 = 67_108_864;
/// Length of one JSONPath, in bytes. Ours: a path is part of a definition.
pub const JSONPATH_SOURCE_BYTES_MAX: usize = 262_144;
/// Steps of one JSONPath, and of each path in its filters. Ours: bounds the recursion of an evaluation.
pub const JSONPATH_TOKENS_MAX: usize = 256;
/// Levels of filters, parentheses and functions in one JSONPath. Ours: bounds the recursion of the parser.
pub const JSONPATH_DEPTH_MAX: usize = 32;
/// Values one evaluation of a JSONPath may look at. Ours: AWS documents none, and nothing may hang.
pub const JSONPATH_STEPS_MAX: usize = 2_000_000;
/// What one evaluation of a JSONPath may copy, in bytes of memory. Ours: as much as all fields of a state may make.
pub const JSONPATH_RESULT_BYTES_MAX: usize = STATE_BYTES_MAX;
/// A regular expression in a JSONPath, in bytes. Ours.
pub const JSONPATH_PATTERN_BYTES_MAX: usize = 4_096;
/// Length of one intrinsic function with its arguments, in bytes. Ours: a call is part of a definition.
pub const INTRINSIC_SOURCE_BYTES_MAX: usize = 262_144;
/// Instructions one match of a regular expression in a JSONPath may take. Ours: enough for one that is linear
/// in a text of 256 KiB, and less than a tenth of a second.
pub const JSONPATH_PATTERN_INSTRUCTIONS_MAX: u64 = 10_000_000;
/// Intrinsic functions in each other. Developer guide, "Intrinsic functions": 10.
pub const INTRINSIC_DEPTH_MAX: usize = 10;
/// The argument of `States.Base64Encode`, `States.Base64Decode` and `States.Hash`, in characters. Developer
/// guide, "Intrinsic functions": 10,000.
pub const INTRINSIC_DATA_CHARS_MAX: usize = 10_000;
/// Items of `States.ArrayRange`. Developer guide, "Intrinsic functions": 1,000.
pub const INTRINSIC_RANGE_ITEMS_MAX: usize = 1_000;
/// What one intrinsic function may make, in bytes. Ours: twice what a state can pass on.
pub const INTRINSIC_RESULT_BYTES_MAX: usize = 2 * PAYLOAD_BYTES_MAX;
/// What the regular expression of a picture of `$toMillis` may take when it is compiled, in bytes. Ours.
pub const JSONATA_PICTURE_PROGRAM_BYTES_MAX: usize = 4_194_304;
/// Instructions one search for a regular expression in JSONata may take. Ours: enough for one that is linear in
/// the longest text, and less than a second; lookaround and backreferences can take exponential time.
pub const JSONATA_REGEX_INSTRUCTIONS_MAX: u64 = 50_000_000;
/// Instructions of one compiled regular expression. Ours: `a{1000}{1000}` is short to write.
pub const REGEX_INSTRUCTIONS_MAX: usize = 65_536;
/// Instructions of a compiled regular expression that is kept from one use to the next, beside four for each
/// byte of its pattern. Ours: so that what a definition holds follows from its length.
pub const REGEX_KEPT_INSTRUCTIONS_MAX: usize = 64;
/// Levels of groups or classes in one regular expression. Ours: reading and compiling are recursive.
pub const REGEX_DEPTH_MAX: usize = 100;
/// Ways that one search may leave open at a time. Ours: at most 64 MiB.
pub const REGEX_WAYS_MAX: usize = 4_194_304;
/// Instructions times slots of a regular expression that is searched in lockstep. Ours: at most 8 MiB twice.
pub const REGEX_LOCKSTEP_SLOTS_MAX: usize = 2_097_152;
/// Instructions of a regular expression that take the time of one step of an evaluation. Measured: one takes
/// about 10 ns, a step 50 to 100.
pub const REGEX_INSTRUCTIONS_PER_STEP: u64 = 6;
/// How long an execution is kept after its end. Quotas, "Execution history retention time": 90 days.
pub const EXECUTION_RETENTION_SECONDS: u64 = 90 * 86_400;
/// The body of a request to the Step Functions API, in bytes. Quotas: 1 MB "including the request header"; AWS's front
/// end refuses bodies by the number in its message, 1 MiB and 1 KiB.
pub const REQUEST_BYTES_MAX: usize = 1_049_600;
/// The events of one page of a history, in bytes of JSON text. API reference, `maxResults`: there may be fewer events
/// than asked for; the number is ours.
pub const HISTORY_PAGE_BYTES_MAX: usize = 4_194_304;
/// Items of a page of a list when nobody says how many. Model, `maxResults`: 100.
pub const PAGE_ITEMS_DEFAULT: usize = 100;
/// How long `GetActivityTask` waits for a task, in seconds. API reference: 60.
pub const ACTIVITY_POLL_SECONDS: u64 = 60;
/// Workers that wait for tasks of one activity. Quotas: 1,000 pollers calling `GetActivityTask` per ARN.
pub const ACTIVITY_POLLERS_MAX: usize = 1_000;
/// Tests of states that run at a time. Ours: without a mock each may wait for a task for five minutes.
pub const TEST_STATES_RUNNING_MAX: usize = 16;
/// Connections of an endpoint at a time; more wait to be accepted. Ours.
pub const CONNECTIONS_MAX: usize = 4_096;
/// The first line and the headers of a request, in bytes. Ours: a signed request has about 1 KiB of them.
pub const REQUEST_HEAD_BYTES_MAX: usize = 32_768;
/// Headers of a request. Ours: AWS's clients send about fifteen.
pub const REQUEST_HEADERS_MAX: usize = 64;
/// How long a connection may take to send the head of its next request, in seconds. Ours.
pub const REQUEST_HEAD_SECONDS_MAX: u64 = 60;
/// How long the body of a request may take, in seconds. Ours.
pub const REQUEST_BODY_SECONDS_MAX: u64 = 30;
/// What is read, at most, of a body that is refused for its size, so that its sender comes to read the answer, in
/// bytes. Ours: four requests.
pub const REFUSED_BODY_BYTES_MAX: usize = 4_194_304;
/// How long a body is read whose announced size is refused, in seconds. Ours: to be told soon is better.
pub const REFUSED_BODY_SECONDS_MAX: u64 = 1;
/// How long who reads an answer may take for [`ANSWER_BYTES_MIN`] of it, in seconds. Ours.
pub const ANSWER_SECONDS_MAX: u64 = 30;
/// What who reads an answer takes of it in [`ANSWER_SECONDS_MAX`] at least, in bytes. Ours: nobody is that slow.
pub const ANSWER_BYTES_MIN: u64 = 65_536;
/// What waits to be written to the files of log groups, in bytes of text. Ours: more is left out and counted.
pub const LOG_QUEUE_BYTES_MAX: usize = 33_554_432;
/// One file of a log group, in bytes; the one before it is kept beside it. Ours.
pub const LOG_FILE_BYTES_MAX: u64 = 268_435_456;

/// How often an operation of the API may be called: calls at once, and calls a second. Quotas, "API action
/// throttling", in US East (N. Virginia); `TestState` and `RedriveExecution` as measured by others; operations that
/// are not on the page have the numbers of their kind. `StartSyncExecution` has none.
pub const CALL_RATES: [(&str, u32, u32); 36] = [
    ("CreateActivity", 100, 1),
    ("CreateStateMachine", 100, 1),
    ("CreateStateMachineAlias", 100, 1),
    ("DeleteActivity", 100, 1),
    ("DeleteStateMachine", 100, 1),
    ("DeleteStateMachineAlias", 100, 1),
    ("DeleteStateMachineVersion", 100, 1),
    ("DescribeActivity", 200, 1),
    ("DescribeExecution", 300, 15),
    ("DescribeMapRun", 200, 1),
    ("DescribeStateMachine", 200, 20),
    ("DescribeStateMachineAlias", 200, 1),
    ("DescribeStateMachineForExecution", 200, 1),
    ("GetActivityTask", 3_000, 500),
    ("GetExecutionHistory", 400, 20),
    ("ListActivities", 100, 10),
    ("ListExecutions", 200, 5),
    ("ListMapRuns", 100, 1),
    ("ListStateMachineAliases", 100, 1),
    ("ListStateMachineVersions", 100, 1),
    ("ListStateMachines", 100, 5),
    ("ListTagsForResource", 100, 1),
    ("PublishStateMachineVersion", 100, 1),
    ("RedriveExecution", 1_300, 300),
    ("SendTaskFailure", 3_000, 500),
    ("SendTaskHeartbeat", 3_000, 500),
    ("SendTaskSuccess", 3_000, 500),
    ("StartExecution", 1_300, 300),
    ("StopExecution", 1_000, 200),
    ("TagResource", 200, 1),
    ("TestState", 50, 10),
    ("UntagResource", 200, 1),
    ("UpdateMapRun", 100, 1),
    ("UpdateStateMachine", 100, 1),
    ("UpdateStateMachineAlias", 100, 1),
    ("ValidateStateMachineDefinition", 100, 1),
];
/// The same of `StartExecution` of an Express workflow. Quotas: 6,000 and 6,000 a second.
pub const EXPRESS_START_RATE: (u32, u32) = (6_000, 6_000);

/// A message of a queue with its attributes, and all messages of a batch together, in bytes. SQS developer guide,
/// "Amazon SQS message quotas": 1 MiB (1,048,576 bytes) since August 2025.
pub const QUEUE_MESSAGE_BYTES_MAX: usize = 1_048_576;
/// The smallest `MaximumMessageSize` of a queue. API reference, `SetQueueAttributes`: 1,024 bytes.
pub const QUEUE_MESSAGE_BYTES_MIN: i64 = 1_024;
/// A request to a queue, in bytes. Ours: ten messages that hold 1 MiB together, each byte written as an escape.
pub const QUEUE_REQUEST_BYTES_MAX: usize = 8_388_608;
/// Entries of a batch, and messages of a receive. SQS developer guide, "Amazon SQS message quotas": 10.
pub const QUEUE_BATCH_ENTRIES_MAX: usize = 10;
/// Attributes of a message. SQS developer guide, "Amazon SQS message quotas": 10.
pub const QUEUE_MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// How long a message can be delayed. SQS developer guide, "Amazon SQS message quotas": 15 minutes.
pub const QUEUE_DELAY_SECONDS_MAX: i64 = 900;
/// How short a queue can keep messages. SQS developer guide, "Amazon SQS message quotas": one minute.
pub const QUEUE_RETENTION_SECONDS_MIN: i64 = 60;
/// How long a queue can keep messages. SQS developer guide, "Amazon SQS message quotas": 14 days.
pub const QUEUE_RETENTION_SECONDS_MAX: i64 = 1_209_600;
/// How long a received message can stay invisible. SQS developer guide, "Amazon SQS message quotas": 12 hours.
pub const QUEUE_VISIBILITY_SECONDS_MAX: i64 = 43_200;
/// How long a receive can wait. API reference, `ReceiveMessage`: 20 seconds.
pub const QUEUE_WAIT_SECONDS_MAX: i64 = 20;
/// The largest `maxReceiveCount`. SQS developer guide, "Dead-letter queues": 1,000.
pub const QUEUE_RECEIVE_COUNT_MAX: i64 = 1_000;
/// Messages of a queue that are received and not yet deleted. SQS developer guide, "Amazon SQS message quotas": 120,000.
pub const QUEUE_IN_FLIGHT_MAX: i64 = 120_000;
/// How long a deduplication id is known. SQS developer guide, "Exactly-once processing": 5 minutes.
pub const QUEUE_DEDUPLICATION_SECONDS: i64 = 300;
/// The name of a queue, and the id of an entry of a batch, in bytes. API reference, `CreateQueue` and
/// `SendMessageBatchRequestEntry`: 80 characters, all of them ASCII.
pub const QUEUE_NAME_BYTES_MAX: usize = 80;
/// A message group id and a message deduplication id, in bytes. API reference, `SendMessage`: 128 characters, all of them
/// ASCII.
pub const QUEUE_MESSAGE_IDS_BYTES_MAX: usize = 128;
/// The name of a message attribute, in bytes. SQS developer guide, "Amazon SQS message attributes": 256 characters, all of
/// them ASCII.
pub const QUEUE_ATTRIBUTE_NAME_BYTES_MAX: usize = 256;
/// How short a data key can be used again. API reference, `SetQueueAttributes`: 60 seconds.
pub const QUEUE_DATA_KEY_SECONDS_MIN: i64 = 60;
/// How long a data key can be used again. API reference, `SetQueueAttributes`: 24 hours.
pub const QUEUE_DATA_KEY_SECONDS_MAX: i64 = 86_400;
/// Queues in one answer of a list. API reference, `ListQueues`: 1,000.
pub const QUEUE_LIST_MAX: usize = 1_000;
/// Messages that are moved out of a dead-letter queue in a second. API reference, `StartMessageMoveTask`: 500.
pub const QUEUE_MOVES_PER_SECOND_MAX: i64 = 500;
/// Moves in one answer of a list. API reference, `ListMessageMoveTasks`: 10.
pub const QUEUE_MOVES_LIST_MAX: i64 = 10;
/// Tags of a queue. SQS developer guide, "Amazon SQS queue quotas": 50.
pub const QUEUE_TAGS_MAX: usize = 50;
/// Entries of a `PutEvents`. API reference, `PutEvents`: 10.
pub const EVENTS_ENTRIES_MAX: usize = 10;
/// An event as it is put, and all events of a request together, in bytes. `EventBridge` user guide, "Calculating
/// `PutEvents` event entry size": 256 KB.
pub const EVENT_BYTES_MAX: usize = 262_144;
/// An event pattern, in bytes. Model, `EventPattern`: 4,096.
pub const EVENT_PATTERN_BYTES_MAX: usize = 4_096;
/// Rules of an event bus. `EventBridge` quotas: 300.
pub const EVENT_RULES_MAX: usize = 300;
/// Targets of a rule. `EventBridge` quotas: 5.
pub const EVENT_TARGETS_MAX: usize = 5;
/// Event buses. `EventBridge` quotas: 100.
pub const EVENT_BUSES_MAX: usize = 100;
/// Attempts to bring an event to a target beside the first, unless its policy says fewer. `EventBridge` user guide,
/// "Retry policy": 185.
pub const DELIVERY_RETRIES_MAX: i64 = 185;
/// How long it is tried to bring an event to a target, unless its policy says less. `EventBridge` user guide,
/// "Retry policy": 24 hours.
pub const DELIVERY_AGE_SECONDS_MAX: i64 = 86_400;
/// Schedules. `EventBridge` Scheduler quotas: 1,000,000; ours is what one machine fires in a minute.
pub const SCHEDULES_MAX: usize = 10_000;
/// Groups of schedules. `EventBridge` Scheduler quotas: 500.
pub const SCHEDULE_GROUPS_MAX: usize = 500;
/// Pipes. `EventBridge` Pipes quotas: 1,000; ours, because each has a thread.
pub const PIPES_MAX: usize = 100;

/// Characters that names of state machines and executions, and labels of distributed Maps, must
/// not have. API reference, `StartExecution`; developer guide, "Distributed mode": white space,
/// brackets, wildcards, special and control characters.
pub fn is_invalid_in_name(character: char) -> bool {
    character.is_whitespace() || character.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(character)
}

// --- Amazon S3, for the object store of `stepwright dev`. "S3" is the page
// "Amazon S3 multipart upload limits" of the S3 user guide unless said otherwise.

/// An object, in bytes. S3: 48.8 TiB (50 TB).
pub const OBJECT_BYTES_MAX: u64 = 53_687_091_200_000;
/// An object that is put or copied in one request, and a part of an upload, in bytes. S3: 5 GiB.
pub const OBJECT_PUT_BYTES_MAX: u64 = 5 << 30;
/// A part of an upload that is not the last, in bytes. S3: 5 MiB.
pub const OBJECT_PART_BYTES_MIN: u64 = 5 << 20;
/// The number of an upload's last part. S3: 10,000.
pub const OBJECT_PARTS_MAX: u32 = 10_000;
/// Entries of one page of a list, and objects of one `DeleteObjects`. S3 API reference: 1,000.
pub const OBJECT_PAGE_MAX: usize = 1_000;
/// Names and values of an object's own metadata, in bytes. S3 user guide, "Working with object metadata": 2 KB.
pub const OBJECT_METADATA_BYTES_MAX: usize = 2_048;
/// The document of a request, in bytes. Ours: 10,000 parts with their checksums take 2 MiB.
pub const OBJECT_DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// The name of a bucket, in characters. S3 user guide, "General purpose bucket naming rules": 3 to 63.
pub const BUCKET_NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=63;
