//! The step `take_in`: what arrived, as references that cannot change any more.

use std::io::Write as _;

use feed::Drops;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stepwright::objects::{Arrival, ObjectRef};
use stepwright::{Shape, StepError, Write, step};

use crate::customer::MESSAGES_FOLDER;
use crate::failure::of_objects;
use crate::hash::framed_sha256;

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct TakeInRequest {
    /// Files.
    pub files: Vec<Arrival>,
    /// The customer's `customer.toml`.
    pub configuration: Arrival,
    /// Messages: the text of a JSON object each.
    #[serde(default)]
    pub messages: Vec<String>,
}

/// What was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Shape)]
pub struct TakenIn {
    /// The files, each once, and last the messages as a file of JSON Lines.
    pub files: Vec<ObjectRef>,
    /// The customer's `customer.toml`.
    pub configuration: ObjectRef,
}

/// Why it could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "TakeIn"]
pub enum TakeInError {
    /// A message is not a JSON object.
    #[message("{detail}")]
    BadMessage {
        /// Which one, and what it is.
        detail: String,
    },
    /// An object cannot be read or written, or is not there.
    #[message("{detail}")]
    StorageFailed {
        /// What happened and what to do.
        detail: String,
    },
}

of_objects!(TakeInError);

/// Takes in what arrived: reads and hashes files of which only their arrival was
/// told, and makes one file of messages. The same twice is the same once.
#[step(memory = 512, timeout = 900)]
pub async fn take_in(request: TakeInRequest, drops: Write<Drops>) -> Result<TakenIn, TakeInError> {
    let mut files: Vec<ObjectRef> = vec![];
    for arrival in &request.files {
        let file = drops.arrived(arrival)?;
        // An event may be told twice.
        if !files.contains(&file) {
            files.push(file);
        }
    }
    if !request.messages.is_empty() {
        files.push(write_messages(&request.messages, &drops)?);
    }
    Ok(TakenIn { files, configuration: drops.arrived(&request.configuration)? })
}

/// One message a line, in a file named by its content.
fn write_messages(messages: &[String], drops: &Write<Drops>) -> Result<ObjectRef, TakeInError> {
    let mut lines = String::new();
    for (message, number) in messages.iter().zip(1..) {
        let bad = |problem: String| TakeInError::BadMessage {
            detail: format!("message {number} is {problem}; correct who sends it, then send it again"),
        };
        // Only what a program would read otherwise is left out: line breaks between values.
        let value: Box<RawValue> =
            serde_json::from_str(message).map_err(|error| bad(format!("not JSON ({error})")))?;
        if !value.get().starts_with('{') {
            return Err(bad("not a JSON object".to_owned()));
        }
        lines.push_str(&one_line(value.get()));
        lines.push('\n');
    }
    let hash = framed_sha256([&*lines]);
    let mut object = drops.create(&format!("{MESSAGES_FOLDER}/{hash}.jsonl"))?;
    object.write_all(lines.as_bytes()).map_err(|error| TakeInError::StorageFailed {
        detail: format!("cannot write the messages: {error}; the step is tried again"),
    })?;
    let mut file = object.finish(None)?;
    file.rows = Some(messages.len() as u64);
    Ok(file)
}

/// JSON on one line. A line break inside of a text is always escaped.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn arrivals_become_references_and_messages_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let location = format!("file://{}", dir.path().display());
        let drops = || Write::<Drops>::at(&location).unwrap();
        let put = |key: &str, text: &str| {
            let mut object = drops().create(key).unwrap();
            object.write_all(text.as_bytes()).unwrap();
            object.finish(None).unwrap()
        };
        let told = |key: &str| Arrival {
            bucket: "drops".into(),
            key: key.into(),
            version_id: None,
            sha256: None,
            bytes: None,
        };
        let (a, customer) = (put("in/a.csv", "x\n"), put("customer.toml", "y\n"));
        let request = TakeInRequest {
            files: vec![told("in/a.csv"), a.clone().into()],
            configuration: told("customer.toml"),
            messages: vec!["{\"id\": 1,\n \"text\": \"a\\nb\"}".into(), " {\"id\":2} ".into()],
        };
        let taken = TakeIn::handle(request.clone(), drops()).await.unwrap();
        assert_eq!(taken.configuration, customer);
        assert_eq!(taken.files.len(), 2);
        assert_eq!(taken.files[0], a);
        let messages = &taken.files[1];
        assert_eq!((messages.key.get(..9), messages.rows), (Some("messages/"), Some(2)));
        let text = std::io::read_to_string(drops().get(messages).unwrap()).unwrap();
        assert_eq!(text, "{\"id\": 1,  \"text\": \"a\\nb\"}\n{\"id\":2}\n");
        assert_eq!(TakeIn::handle(request.clone(), drops()).await.unwrap(), taken);

        for bad in ["[1]", "nonsense", "{\"a\":1} {\"b\":2}", ""] {
            let request = TakeInRequest { messages: vec!["{}".into(), bad.into()], ..request.clone() };
            let error = TakeIn::handle(request, drops()).await.unwrap_err();
            assert!(matches!(error, TakeInError::BadMessage { .. }), "{error}");
            assert!(error.to_string().starts_with("message 2 is not"), "{error}");
        }
        let gone = TakeInRequest { files: vec![told("in/b.csv")], ..request };
        let error = TakeIn::handle(gone, drops()).await.unwrap_err();
        assert!(error.to_string().contains("`in/b.csv` is not in bucket `drops`"), "{error}");
    }
}
