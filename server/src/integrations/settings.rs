//! Where AWS's services are and who we are there, as AWS's SDKs find it out.
//!
//! Sources: AWS SDKs and Tools Reference Guide, "Service-specific endpoints",
//! "AWS access keys", "Process credential provider", "Shared config file".
//! Refused: single sign-on, roles to be assumed, instance metadata.
//!
//! One thing is different: AWS itself is called only for services that
//! [`REAL_SERVICES`] lists. A definition that is tried out on a laptop must not
//! reach production because the shell has a profile of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::services::About;
use serde_json::Value;
use sigv4::Credentials;

use super::problem::Problem;

/// The variable that lists services of AWS itself that may be called, by their
/// names in `aws-sdk` resources: `sqs,dynamodb`, or `all`.
pub const REAL_SERVICES: &str = "STEPWRIGHT_AWS_SERVICES";

/// How long `credential_process` may take.
const PROCESS_TIMEOUT: Duration = Duration::from_mins(1);

/// Credentials of a process are asked for again when they are as old as this, or
/// expire within [`EXPIRY_MARGIN_SECONDS`].
const CREDENTIALS_KEPT: Duration = Duration::from_mins(15);

/// AWS's SDKs renew credentials some minutes before they expire.
const EXPIRY_MARGIN_SECONDS: i64 = 300;

/// Services that are served beside the engine: their ids in the SDKs.
const OWN_SERVICES: [&str; 5] = ["SQS", "EventBridge", "S3", "Scheduler", "Pipes"];

/// How long a call waits until they are served: tasks go on while the endpoint opens.
const OWN_OPENING: Duration = Duration::from_secs(30);

/// The endpoint of this process, which serves some services itself: where tasks find them
/// when nobody says that they are elsewhere. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct OwnEndpoint(Arc<(Mutex<Option<Own>>, Condvar)>);

#[derive(Debug, Clone)]
struct Own {
    url: String,
    credentials: Option<Credentials>,
}

impl OwnEndpoint {
    /// It is there, and wants these keys if any: id and secret.
    pub fn open(&self, url: &str, keys: Option<(String, String)>) {
        let credentials = keys.map(|(access_key_id, secret_access_key)| Credentials {
            access_key_id,
            secret_access_key,
            session_token: None,
        });
        let own = Own { url: url.trim_end_matches('/').to_owned(), credentials };
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(own);
        self.0.1.notify_all();
    }

    /// Waits until it is there.
    fn get(&self) -> Option<Own> {
        let own = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(own, OWN_OPENING, |own| own.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Its keys, if a URL is its own.
    fn credentials(&self, url: &str) -> Option<Credentials> {
        let own = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        own.credentials.filter(|_| own.url == url)
    }
}

/// Settings of one profile: its keys, and those of the service sections it names.
type Section = BTreeMap<String, String>;

/// What the environment and the shared files of AWS's tools say.
pub struct AwsSettings {
    environment: BTreeMap<String, String>,
    /// The profile in the config file and in the credentials file.
    config: Section,
    credentials: Section,
    /// Service → its settings, from the `services` section that the profile names.
    services: BTreeMap<String, Section>,
    default_region: String,
    kept: Mutex<Option<(Credentials, Instant)>>,
    own: Option<OwnEndpoint>,
    has_silent_bus: bool,
}

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Without a slash at its end.
    pub(super) url: String,
    /// For signatures.
    pub(super) region: String,
}

impl AwsSettings {
    /// What the environment of this process and the files it names say.
    /// `default_region` counts where nothing else says one.
    pub fn from_environment(default_region: &str) -> Self {
        Self::new(std::env::vars().collect(), default_region)
    }

    /// What a given environment says. Files that are not there say nothing.
    pub fn new(environment: BTreeMap<String, String>, default_region: &str) -> Self {
        // An empty variable counts as none, as in AWS's own clients.
        let environment: BTreeMap<String, String> =
            environment.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let home = environment.get("HOME").map(PathBuf::from);
        let file = |variable: &str, name: &str| {
            let named = environment.get(variable).map(PathBuf::from);
            let usual = home.as_ref().map(|home| home.join(".aws").join(name));
            named.or(usual).map(|path| sections(&path)).unwrap_or_default()
        };
        let config = file("AWS_CONFIG_FILE", "config");
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let profile = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].iter().find_map(|name| environment.get(*name));
        let profile = profile.map_or("default", String::as_str);
        let of_profile = config.get(&format!("profile {profile}")).or_else(|| config.get(profile));
        let of_profile = of_profile.cloned().unwrap_or_default();
        let services = of_profile.plain.get("services");
        let services = services.and_then(|name| config.get(&format!("services {name}")));
        Self {
            services: services.map(|section| section.nested.clone()).unwrap_or_default(),
            config: of_profile.plain,
            credentials: credentials.get(profile).map(|section| section.plain.clone()).unwrap_or_default(),
            environment,
            default_region: default_region.to_owned(),
            kept: Mutex::default(),
            own: None,
            has_silent_bus: false,
        }
    }

    /// With an endpoint of this process for the services it serves.
    #[must_use]
    pub fn with_own_endpoint(self, own: OwnEndpoint) -> Self {
        Self { own: Some(own), ..self }
    }

    /// With the default event bus of an account where nobody has a rule: what is put on it is
    /// accepted, and nobody hears it. Unless somebody says where the bus is.
    #[must_use]
    pub fn with_silent_bus(self) -> Self {
        Self { has_silent_bus: true, ..self }
    }

    /// Whether events are put where nobody hears them.
    pub(super) fn is_silent_bus(&self, about: &About) -> bool {
        self.has_silent_bus && about.id == "EventBridge" && !self.names_endpoint(about)
    }

    /// The endpoint of this process, where it serves a service.
    fn own(&self, about: &About) -> Option<&OwnEndpoint> {
        self.own.as_ref().filter(|_| OWN_SERVICES.contains(&about.id.as_str()))
    }

    /// The region.
    pub(super) fn region(&self) -> &str {
        let named = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| self.environment.get(*name));
        named.or_else(|| self.config.get("region")).map_or(&*self.default_region, String::as_str)
    }

    /// A variable of the environment.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// Whether somebody said where a service is.
    pub(super) fn names_endpoint(&self, about: &About) -> bool {
        self.configured(about).is_some() || self.may_be_real(about) || self.own(about).is_some()
    }

    /// Whether somebody said where this one service is, and not only where all are.
    pub(super) fn names_own_endpoint(&self, about: &About) -> bool {
        let name = service_name(about);
        let mut listed = self.variable(REAL_SERVICES).unwrap_or_default().split(',');
        self.of_service(about).is_some() || listed.any(|listed| listed.trim() == name)
    }

    /// Where a service is.
    pub(super) fn endpoint(&self, about: &About) -> Result<Endpoint, Problem> {
        let region = self.region().to_owned();
        if let Some(url) = self.configured(about) {
            let url = url.trim_end_matches('/').to_owned();
            if is_of_aws(&url) && !self.may_be_real(about) {
                return Err(not_allowed(about));
            }
            return Ok(Endpoint { url, region });
        }
        if !self.may_be_real(about) {
            let own = self.own(about).and_then(OwnEndpoint::get);
            return own.map(|own| Endpoint { url: own.url, region }).ok_or_else(|| not_allowed(about));
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        match &about.global {
            // S3 has a host in every region beside its old one.
            Some(host) if !["s3", "sts"].contains(&about.endpoint.as_str()) => {
                Ok(Endpoint { url: format!("https://{host}"), region: "us-east-1".to_owned() })
            }
            _ => Ok(Endpoint { url: format!("https://{}.{region}.{domain}", about.endpoint), region }),
        }
    }

    /// The endpoint somebody configured. Precedence: AWS's reference guide.
    fn configured(&self, about: &About) -> Option<&str> {
        let ignored = self.variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
        let ignored =
            ignored.or_else(|| self.config.get("ignore_configured_endpoint_urls").map(String::as_str));
        if ignored.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        self.variable(&own_variable(about))
            .or_else(|| self.variable("AWS_ENDPOINT_URL"))
            .or_else(|| self.in_section(about))
            .or_else(|| self.config.get("endpoint_url").map(String::as_str))
    }

    /// The endpoint configured for this one service.
    fn of_service(&self, about: &About) -> Option<&str> {
        self.variable(&own_variable(about)).or_else(|| self.in_section(about))
    }

    /// The endpoint in the profile's section of services.
    fn in_section(&self, about: &About) -> Option<&str> {
        let id = about.id.replace([' ', '-'], "_").to_lowercase();
        self.services.get(&id)?.get("endpoint_url").map(String::as_str)
    }

    fn may_be_real(&self, about: &About) -> bool {
        self.lists(&service_name(about))
    }

    /// Whether a service of AWS itself may be called.
    pub(super) fn lists(&self, name: &str) -> bool {
        let mut listed = self.variable(REAL_SERVICES).unwrap_or_default().split(',').map(str::trim);
        listed.any(|listed| listed == "all" || listed.eq_ignore_ascii_case(name))
    }

    /// The keys to sign requests to an endpoint with.
    pub(super) fn credentials(&self, endpoint: &str) -> Result<Credentials, Problem> {
        if let Some(own) = self.own.as_ref().and_then(|own| own.credentials(endpoint)) {
            return Ok(own);
        }
        let environment = |name: &str| self.environment.get(name).cloned();
        let of_section = |section: &Section| {
            Some(Credentials {
                access_key_id: section.get("aws_access_key_id")?.clone(),
                secret_access_key: section.get("aws_secret_access_key")?.clone(),
                session_token: section.get("aws_session_token").cloned(),
            })
        };
        if let (Some(access_key_id), Some(secret_access_key)) =
            (environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"))
        {
            let session_token = environment("AWS_SESSION_TOKEN");
            return Ok(Credentials { access_key_id, secret_access_key, session_token });
        }
        if let Some(found) = of_section(&self.credentials).or_else(|| of_section(&self.config)) {
            return Ok(found);
        }
        let process =
            self.credentials.get("credential_process").or_else(|| self.config.get("credential_process"));
        if let Some(command) = process {
            return self.of_process(command);
        }
        if is_of_aws(endpoint) {
            return Err(Problem::NotConfigured(
                "There are no AWS credentials here. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                 AWS_PROFILE to a profile with keys or a credential_process."
                    .to_owned(),
            ));
        }
        // What simulates AWS takes any keys, but wants a signature.
        let any = || "stepwright".to_owned();
        Ok(Credentials { access_key_id: any(), secret_access_key: any(), session_token: None })
    }

    /// What `credential_process` prints. Kept for some minutes.
    fn of_process(&self, command: &str) -> Result<Credentials, Problem> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((credentials, until)) = &*kept
            && Instant::now() < *until
        {
            return Ok(credentials.clone());
        }
        let failed = |why: &str| Problem::NotConfigured(format!("credential_process `{command}` {why}."));
        let printed = printed(command).map_err(|why| failed(&why))?;
        let printed: Value =
            serde_json::from_slice(&printed).map_err(|_| failed("did not print a JSON document"))?;
        let text = |field: &str| printed.get(field).and_then(Value::as_str).map(str::to_owned);
        let (Some(access_key_id), Some(secret_access_key)) = (text("AccessKeyId"), text("SecretAccessKey"))
        else {
            return Err(failed("did not print AccessKeyId and SecretAccessKey"));
        };
        let expires = text("Expiration").and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let left = expires.map_or(CREDENTIALS_KEPT, |expires| {
            let seconds = expires.as_second() - jiff::Timestamp::now().as_second() - EXPIRY_MARGIN_SECONDS;
            Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
        });
        let credentials =
            Credentials { access_key_id, secret_access_key, session_token: text("SessionToken") };
        *kept = Some((credentials.clone(), Instant::now() + left.min(CREDENTIALS_KEPT)));
        Ok(credentials)
    }
}

impl std::fmt::Debug for AwsSettings {
    /// Without the environment and the profile: they hold secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AwsSettings").field("region", &self.region()).finish_non_exhaustive()
    }
}

/// Why a service is not called.
fn not_allowed(about: &About) -> Problem {
    let (name, variable) = (service_name(about), own_variable(about));
    Problem::NotConfigured(format!(
        "The service {} has no endpoint here. Set {variable} (or AWS_ENDPOINT_URL) to where it is, e.g. \
         http://127.0.0.1:5000; AWS itself is called only if {REAL_SERVICES} lists `{name}`.",
        about.id
    ))
}

/// The name of a service in `aws-sdk` resources.
fn service_name(about: &About) -> String {
    about.id.to_lowercase().replace([' ', '-'], "")
}

/// The variable that says where a service is.
fn own_variable(about: &About) -> String {
    format!("AWS_ENDPOINT_URL_{}", about.id.replace([' ', '-'], "_").to_uppercase())
}

/// Whether a URL names a host of AWS.
pub(super) fn is_of_aws(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', ':', '?']).next();
    let host = host.unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    ["amazonaws.com", "amazonaws.com.cn", "api.aws", "on.aws"]
        .iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// What a command prints, if it ends well and in time.
fn printed(command: &str) -> Result<Vec<u8>, String> {
    let words = words(command);
    let (program, arguments) = words.split_first().ok_or("is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("does not start: {error}"))?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < PROCESS_TIMEOUT => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("took longer than {} seconds", PROCESS_TIMEOUT.as_secs()));
            }
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    };
    if !status.success() {
        return Err(format!("ended with {status}"));
    }
    let mut printed = Vec::new();
    let output = child.stdout.take().map(|mut output| std::io::Read::read_to_end(&mut output, &mut printed));
    output.transpose().map_err(|error| format!("cannot be read: {error}"))?;
    Ok(printed)
}

/// The words of a command; quotes hold them together.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut open) = (Vec::new(), String::new(), None, false);
    for character in command.chars() {
        match (character, quote) {
            (character, Some(end)) if character == end => quote = None,
            ('"' | '\'', None) => (quote, open) = (Some(character), true),
            (character, None) if character.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (character, _) => word.push(character),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

/// A section of a shared file.
#[derive(Debug, Clone, Default)]
struct FileSection {
    plain: Section,
    /// Keys without a value, with the indented lines below them.
    nested: BTreeMap<String, Section>,
}

/// The sections of a shared file by name; of a file that cannot be read none.
fn sections(path: &Path) -> BTreeMap<String, FileSection> {
    std::fs::read_to_string(path).map(|text| read_sections(&text)).unwrap_or_default()
}

fn read_sections(text: &str) -> BTreeMap<String, FileSection> {
    let mut sections: BTreeMap<String, FileSection> = BTreeMap::new();
    let (mut section, mut below) = (String::new(), None::<String>);
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.split_whitespace().collect::<Vec<_>>().join(" ");
            below = None;
            continue;
        }
        let Some((key, value)) = trimmed.split_once('=') else { continue };
        let key = key.trim().to_ascii_lowercase();
        let value = value.split(" #").next().unwrap_or_default().trim().to_owned();
        let entry = sections.entry(section.clone()).or_default();
        match &below {
            Some(service) if line.starts_with([' ', '\t']) => {
                entry.nested.entry(service.clone()).or_default().insert(key, value);
            }
            _ if value.is_empty() => below = Some(key),
            _ => {
                below = None;
                entry.plain.insert(key, value);
            }
        }
    }
    sections
}

#[cfg(test)]
mod tests;
