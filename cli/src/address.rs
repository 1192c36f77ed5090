//! Where a running `stepwright dev` is: a file in the data folder, for the owner
//! only, which the other verbs read to ask the engine that holds the journal.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use engine::Engine;
use serde::{Deserialize, Serialize};
use server::http::Credentials;

use crate::problem::Problem;

const FILE: &str = "endpoint.json";
/// Clients want keys, also where nobody looks at them.
const ANY_KEY: &str = "local";

/// Where a server is, and how to call it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Address {
    pub(crate) endpoint: String,
    pub(crate) region: String,
    /// Where to connect to.
    pub(crate) socket: SocketAddr,
    #[serde(flatten)]
    keys: Option<Keys>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The file while it is there.
pub(crate) struct Noted(PathBuf);

impl Noted {
    pub(crate) fn remove(self) {
        // A file that stays behind names a server that does not answer.
        let _ = fs::remove_file(self.0);
    }
}

impl Address {
    /// Of a server that listens on these addresses.
    pub(crate) fn of(engine: &Engine, listening: &[SocketAddr], credentials: Option<&Credentials>) -> Self {
        let first = listening.iter().find(|address| address.is_ipv4()).or(listening.first());
        let mut socket = first.copied().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        if socket.ip().is_unspecified() {
            // Every address of this machine: from here the nearest is taken.
            socket.set_ip(match socket.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let keys = credentials.map(|credentials| Keys {
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: credentials.secret_access_key.clone(),
        });
        let region = engine.region_and_account().0.to_owned();
        Self { endpoint: format!("http://{socket}"), region, socket, keys }
    }

    /// Writes the file.
    pub(crate) fn write(&self, folder: &Path) -> Result<Noted, Problem> {
        let path = folder.join(FILE);
        let not_written = |source| Problem::NotWritten { path: path.clone(), source };
        // A file of before may have other permissions.
        let _ = fs::remove_file(&path);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(not_written)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| not_written(error.into()))?;
        writeln!(file, "{text}").map_err(not_written)?;
        Ok(Noted(path))
    }

    /// Reads the file of a folder, if there is one.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// What callers sign with, if they have to.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        self.keys.as_ref().map(|keys| Credentials {
            access_key_id: keys.access_key_id.clone(),
            secret_access_key: keys.secret_access_key.clone(),
            session_token: None,
        })
    }

    /// What AWS's clients read.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let key = |of: fn(&Keys) -> &String| self.keys.as_ref().map_or(ANY_KEY, |keys| of(keys)).to_owned();
        vec![
            ("AWS_ENDPOINT_URL_SFN", self.endpoint.clone()),
            ("AWS_ENDPOINT_URL_S3", self.endpoint.clone()),
            ("AWS_ENDPOINT_URL_LAMBDA", self.endpoint.clone()),
            ("AWS_ENDPOINT_URL_SQS", self.endpoint.clone()),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", self.endpoint.clone()),
            ("AWS_ENDPOINT_URL_SCHEDULER", self.endpoint.clone()),
            ("AWS_ENDPOINT_URL_PIPES", self.endpoint.clone()),
            ("AWS_REGION", self.region.clone()),
            ("AWS_DEFAULT_REGION", self.region.clone()),
            ("AWS_ACCESS_KEY_ID", key(|keys| &keys.access_key_id)),
            ("AWS_SECRET_ACCESS_KEY", key(|keys| &keys.secret_access_key)),
            ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true".to_owned()),
        ]
    }

    /// The line for clients that put `sync-` before the host whatever they are told.
    pub(crate) fn hosts_line(&self) -> String {
        format!("{}  sync-{}", self.socket.ip(), self.socket.ip())
    }
}
