//! The step `take_in`: what arrived, as references that cannot change any more.

use std::io::Write as _;

use feed::Drops;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwright::objects::{Arrival, ObjectRef};
use stepwright::{Shape, StepError, Write, step};

use crate::customer::MESSAGES_FOLDER;
use crate::failure::of_objects;
use crate::hash::framed_sha256;

/// Files of one execution, its messages among them. Ours: what becomes of each has to fit into a
/// state's payload.
const FILES_MAX: usize = 100;

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
    #[schemars(length(max = 100))]
    pub files: Vec<ObjectRef>,
    /// The customer's `customer.toml`.
    pub configuration: ObjectRef,
}

/// Why it could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "TakeIn"]
pub enum TakeInError {
    /// There are more files than an execution can carry.
    #[message("{detail}")]
    TooMany {
        /// How many, and how many are possible.
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
/// told, and makes one file of messages, each on its line. The same twice is the same once.
#[step(memory = 512, timeout = 900)]
pub async fn take_in(request: TakeInRequest, drops: Write<Drops>) -> Result<TakenIn, TakeInError> {
    if request.files.len() >= FILES_MAX {
        return Err(TakeInError::TooMany {
            detail: format!(
                "{} files were given; fewer than {FILES_MAX} are possible: start an execution for each part of them",
                request.files.len()
            ),
        });
    }
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
    for message in messages {
        lines.push_str(&one_line(message));
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

/// A message on a line of its own. In JSON a line break is never part of a value; what is no JSON
/// is for the parser to reject, like a bad line of a file.
fn one_line(message: &str) -> String {
    if message.trim().is_empty() {
        return "\"\"".to_owned();
    }
    message.trim().replace(['\n', '\r'], " ")
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

        // What is no contract is one line as well: it is rejected where rows are.
        let odd = ["[1]", "no\nsense", ""].map(String::from).to_vec();
        let taken =
            TakeIn::handle(TakeInRequest { messages: odd, ..request.clone() }, drops()).await.unwrap();
        let file = taken.files.last().unwrap();
        let text = std::io::read_to_string(drops().get(file).unwrap()).unwrap();
        assert_eq!(text, "[1]\nno sense\n\"\"\n");
        assert_eq!(file.rows, Some(3));
        let gone = TakeInRequest { files: vec![told("in/b.csv")], ..request };
        let error = TakeIn::handle(gone, drops()).await.unwrap_err();
        assert!(error.to_string().contains("`in/b.csv` is not in bucket `drops`"), "{error}");
    }
}
