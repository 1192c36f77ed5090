//! `dev`: the embedded engine as a server that AWS's clients speak to.
//!
//! This is where everything that shares the endpoint is put together; what it
//! consists of is in `server::http`.

mod triggers;
mod watch;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Engine, SystemClock};
use serde_json::{Map, Value, json};
use server::http::{
    Authentication, Credentials, Functions, JsonApi, JsonProtocol, Limits, Own, Probes, RestProtocol, Server,
    ServerOptions, Service, States, Throttle, generate_credentials,
};
use server::stores::objects::{Objects, ObjectsOptions};
use server::{Api, Metrics, OwnEndpoint, Stores};
use tokio::signal::unix::{SignalKind, signal};

use crate::address::Address;
use crate::arguments::{self, Dev, Format};
use crate::data::{DataDir, from_engine, from_stores};
use crate::local_engine::{LocalEngine, check_coreview};
use crate::problem::Problem;
use crate::project::{Application, Seen};
use crate::terminal::{Ink, Terminal};
use crate::text;
use triggers::Triggers;
use watch::Watch;

/// How long answers that are under way may take when the server ends.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether the engine still works.
const LOOK: Duration = Duration::from_millis(500);
/// What `--credentials` takes for keys of its own making.
const GENERATE: &str = "generate";

/// Serves until Ctrl-C.
pub(crate) fn dev(arguments: &Dev, terminal: Terminal) -> Result<u8, Problem> {
    check_coreview(arguments.coreview.as_deref())?;
    if let Err(error) = server::lift_process_limits() {
        tracing::warn!(%error, "the limits of this process stay as they are");
    }
    let listen = addresses(&arguments.listen)?;
    let credentials = arguments.credentials.as_deref().map(credentials).transpose()?;
    let application = application(arguments, terminal)?;
    // As the sources are now: a change while this starts is a change.
    let watched = application.as_ref().filter(|_| arguments.watch);
    let watched = watched.map(|application| application.sources().look());
    let data = DataDir::create(&arguments.data.dir)?;
    let coreview = arguments.coreview.clone().unwrap_or_else(|| data.default_coreview());
    let triggers = arguments.triggers.as_deref().map(triggers::read).transpose()?;
    let metrics = Arc::<Metrics>::default();
    let (observer, own) = (metrics.clone(), OwnEndpoint::default());
    let local = LocalEngine::open_observed(
        application.as_ref(),
        &arguments.functions,
        data,
        coreview,
        Some(observer),
        Some(own.clone()),
    )?;
    let serving = Serving { arguments, terminal, local: &local, credentials, watched, own, triggers };
    let done = serving.run(application.as_ref(), listen, &metrics);
    local.close();
    done
}

/// The project's application; without a project the engine alone serves.
fn application(arguments: &Dev, terminal: Terminal) -> Result<Option<Application>, Problem> {
    if arguments.no_app {
        // In the shell it may stand for the other verbs; beside --no-app it can only be a mistake.
        let from_shell = std::env::var_os("STEPWRIGHT_APP").map(PathBuf::from);
        return match &arguments.build.app {
            Some(app) if Some(app) != from_shell.as_ref() => Err(Problem::Usage {
                message: format!("--app {} and --no-app contradict each other", app.display()),
                hint: "leave out one of them".to_owned(),
            }),
            _ => Ok(None),
        };
    }
    match Application::ready(&arguments.build, terminal, true) {
        Ok(application) => Ok(Some(application)),
        Err(Problem::NoProject { .. } | Problem::NoApp { .. }) if arguments.build.app.is_none() => {
            terminal.remark(
                "no project is here: state machines come by the API, functions from --functions only",
            );
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

fn addresses(listen: &str) -> Result<Vec<SocketAddr>, Problem> {
    let refused = |detail: String| Problem::Usage {
        message: format!("the value of --listen, {listen}, is no address: {detail}"),
        hint: "--listen takes ADDRESS:PORT, such as 127.0.0.1:4599 or localhost:0; port 0 takes any"
            .to_owned(),
    };
    let found: Vec<SocketAddr> =
        listen.to_socket_addrs().map_err(|error| refused(error.to_string()))?.collect();
    if found.is_empty() { Err(refused("nothing has this name".to_owned())) } else { Ok(found) }
}

fn credentials(given: &str) -> Result<Credentials, Problem> {
    if given == GENERATE {
        return generate_credentials().map_err(|error| Problem::Journal { detail: error.to_string() });
    }
    match given.split_once(':') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => Ok(Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: secret.to_owned(),
            session_token: None,
        }),
        // What was given may be a secret: it is not repeated.
        _ => Err(Problem::Usage {
            message: "the value of --credentials is no pair of keys".to_owned(),
            hint: "--credentials takes KEY_ID:SECRET, better from the environment (STEPWRIGHT_CREDENTIALS), or `generate`"
                .to_owned(),
        }),
    }
}

struct Serving<'a> {
    arguments: &'a Dev,
    terminal: Terminal,
    local: &'a LocalEngine,
    credentials: Option<Credentials>,
    /// The sources of the application before it was served, if they are watched.
    watched: Option<Seen>,
    /// Where tasks of executions find what is served here.
    own: OwnEndpoint,
    /// What starts executions, from a file.
    triggers: Option<Triggers>,
}

impl Serving<'_> {
    fn run(
        &self,
        application: Option<&Application>,
        listen: Vec<SocketAddr>,
        metrics: &Arc<Metrics>,
    ) -> Result<u8, Problem> {
        let deployed = deploy(&self.local.engine, application)?;
        let stores = Stores::open(self.local.data.journal(), &self.local.engine, Arc::new(SystemClock));
        let stores = stores.map_err(|error| from_stores(&error))?;
        let declared = application.map(|application| &application.manifest);
        let put =
            declared.map_or(Ok(()), |manifest| triggers::put_declared(&stores, &self.local.engine, manifest));
        // What the file says of something that is declared holds: it comes last.
        let put = put.and_then(|()| self.triggers.as_ref().map_or(Ok(()), |triggers| triggers.put(&stores)));
        let served = put.and_then(|()| self.serve(application, listen, metrics, &stores, &deployed));
        stores.close();
        served
    }

    fn serve(
        &self,
        application: Option<&Application>,
        listen: Vec<SocketAddr>,
        metrics: &Arc<Metrics>,
        stores: &Stores,
        deployed: &[Value],
    ) -> Result<u8, Problem> {
        let authentication = match &self.credentials {
            Some(credentials) => Authentication::keys([credentials.clone()], Arc::new(SystemClock)),
            None => Authentication::open(),
        };
        let limits = Limits::default();
        let options = ServerOptions {
            listen,
            names: self.arguments.allow_host.clone(),
            limits,
            is_authenticated: !authentication.is_open(),
            services: self.services(metrics, stores, authentication, limits)?,
        };
        let server = Server::start(options).map_err(|source| Problem::Endpoint { source })?;
        let address = Address::of(&self.local.engine, server.addresses(), self.credentials.as_ref());
        stores.serve_at(&address.endpoint);
        let keys = self.credentials.as_ref();
        self.own.open(
            &address.endpoint,
            keys.map(|keys| (keys.access_key_id.clone(), keys.secret_access_key.clone())),
        );
        let noted = address.write(self.local.data.journal());
        let ended = noted.and_then(|noted| {
            self.announce(&address, application, deployed);
            let _watch = self.watch(application, stores)?;
            let ended = self.wait();
            noted.remove();
            ended
        });
        server.shutdown(GRACE);
        ended
    }

    /// Everything that answers, in the order in which it is asked whether a request is its own.
    fn services(
        &self,
        metrics: &Arc<Metrics>,
        stores: &Stores,
        authentication: Authentication,
        limits: Limits,
    ) -> Result<Vec<Arc<dyn Service>>, Problem> {
        let engine = &self.local.engine;
        let api = Api::new(engine.clone());
        let throttle = self.arguments.throttle.map(|arguments::Throttle::Aws| Throttle::aws(Instant::now()));
        let states = States::new(api.clone(), Arc::clone(metrics)).with_throttle(throttle);
        let mut apis: Vec<Arc<dyn JsonApi>> = vec![Arc::new(states), Arc::new(Own::new(api))];
        apis.extend(stores.json_apis());
        let objects = self.objects(stores, authentication.clone(), limits)?;
        let probes = Probes::new(engine.clone(), Arc::clone(metrics), authentication.clone());
        let looked_at = stores.clone();
        Ok(vec![
            Arc::new(probes.and(move || looked_at.problem())),
            Arc::new(Functions::new(self.local.host.clone(), authentication.clone(), limits.body_time)),
            Arc::new(RestProtocol::new(stores.rest_apis(), authentication.clone(), limits.body_time)),
            Arc::new(JsonProtocol::new(apis, authentication, limits.body_time)),
            // Takes what nobody else does.
            Arc::new(objects),
        ])
    }

    /// The buckets that the engine and the steps use.
    fn objects(
        &self,
        stores: &Stores,
        authentication: Authentication,
        limits: Limits,
    ) -> Result<Objects, Problem> {
        let (region, account) = self.local.engine.region_and_account();
        let options = ObjectsOptions {
            root: self.local.data.objects(),
            region: region.to_owned(),
            account: account.to_owned(),
            authentication,
            events: Arc::new(stores.clone()),
            clock: Arc::new(SystemClock),
            idle: limits.body_time,
        };
        Objects::open(options).map_err(|error| Problem::Journal { detail: error.to_string() })
    }

    fn watch(&self, application: Option<&Application>, stores: &Stores) -> Result<Option<Watch>, Problem> {
        let Some((application, seen)) = application.zip(self.watched.clone()) else { return Ok(None) };
        let build = self.arguments.build.clone();
        Watch::start((self.local, stores), application, seen, build, self.terminal).map(Some)
    }

    fn announce(&self, address: &Address, application: Option<&Application>, deployed: &[Value]) {
        let environment = address.environment();
        // Without what may stand before the host: a password, perhaps.
        for (name, value) in elsewhere(&environment, |name| std::env::var(name).ok()) {
            self.terminal.note(&format!(
                "{name} is {} in this shell: tasks of executions go there, and not to {}. `unset {name}` before \
                 the start if that was another `stepwright dev`",
                text::safe(value.rsplit_once('@').map_or(&*value, |(_, place)| place)),
                address.endpoint
            ));
        }
        let declared =
            application.map(|application| triggers::declared(&application.manifest)).unwrap_or_default();
        if self.terminal.format != Format::Text {
            let environment: Map<String, Value> =
                environment.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
            let document = json!({
                "endpoint": address.endpoint,
                "region": address.region,
                "data": self.local.data.journal(),
                "environment": environment,
                "stateMachines": deployed,
                "functions": self.local.functions(),
                "triggers": declared,
            });
            // One line in both forms: scripts wait for it.
            return self.terminal.data(&document.to_string());
        }
        let (paint, engine) = (self.terminal.err, &self.local.engine);
        self.terminal.remark(&format!("{} {}", paint.ink(Ink::Good, "serving"), address.endpoint));
        for machine in deployed {
            let arn = machine.get("stateMachineArn").and_then(Value::as_str).unwrap_or_default();
            self.terminal.remark(&format!("  {}", text::safe(arn)));
        }
        for trigger in &declared {
            let said = |member: &str| trigger.get(member).and_then(Value::as_str).unwrap_or_default();
            let (by, starts) = (text::safe(said("by")), text::safe(said("starts")));
            self.terminal.remark(&format!("  {by} starts {starts}"));
        }
        for name in self.local.functions() {
            self.terminal.remark(&format!("  function {}", text::safe(name)));
        }
        let open = engine.open_executions().len();
        if open > 0 {
            self.terminal.remark(&format!("going on with {}", crate::redrive::executions(open)));
        }
        for (name, value) in environment {
            self.terminal.data(&format!("export {name}={}", quoted(&value)));
        }
        self.terminal.remark(&format!(
            "StartSyncExecution and TestState of AWS SDKs that do not know the last line need a line in the hosts \
             file:\n  {}\nCtrl-C ends it",
            address.hosts_line()
        ));
    }

    /// Until Ctrl-C, or somebody ends the process, or the engine stops by itself.
    fn wait(&self) -> Result<u8, Problem> {
        let failed = |source: std::io::Error| Problem::Journal { detail: format!("no signals: {source}") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        runtime.block_on(async {
            let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
            let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
            loop {
                tokio::select! {
                    _ = interrupted.recv() => return Ok(0),
                    _ = terminated.recv() => return Ok(0),
                    () = tokio::time::sleep(LOOK) => {
                        if let Some(reason) = self.local.engine.stopped() {
                            return Err(Problem::Journal { detail: reason });
                        }
                    }
                }
            }
        })
    }
}

/// The workflows of the project as state machines, made or updated by their names.
fn deploy(engine: &Engine, application: Option<&Application>) -> Result<Vec<Value>, Problem> {
    let mut deployed = Vec::new();
    for workflow in application.into_iter().flat_map(|application| &application.manifest.workflows) {
        let put = engine.put_state_machine(&workflow.name, &workflow.definition, None);
        let put = put.map_err(from_engine)?;
        deployed.push(json!({
            "name": workflow.name,
            "stateMachineArn": put.state_machine_arn,
            "changed": put.changed,
        }));
    }
    Ok(deployed)
}

/// The endpoints of services that are served here and that the shell has elsewhere.
fn elsewhere<'a>(
    environment: &'a [(&'static str, String)],
    variable: impl Fn(&str) -> Option<String> + 'a,
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    let endpoints = environment.iter().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_"));
    endpoints.filter_map(move |(name, here)| {
        let there = variable(name).filter(|there| !there.is_empty())?;
        (there.trim_end_matches('/') != here).then_some((*name, there))
    })
}

/// As a shell takes it.
fn quoted(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:[]".contains(&byte);
    if value.bytes().all(is_plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_another_server_are_noticed() {
        let here = "http://127.0.0.1:4599".to_owned();
        let environment = [
            ("AWS_ENDPOINT_URL_SQS", here.clone()),
            ("AWS_ENDPOINT_URL_S3", here),
            ("AWS_REGION", String::new()),
        ];
        let shell = |name: &str| match name {
            "AWS_ENDPOINT_URL_SQS" => Some("http://127.0.0.1:4710".to_owned()),
            "AWS_ENDPOINT_URL_S3" => Some("http://127.0.0.1:4599/".to_owned()),
            _ => Some("eu-west-1".to_owned()),
        };
        let found: Vec<_> = elsewhere(&environment, shell).collect();
        assert_eq!(found, [("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:4710".to_owned())]);
        assert_eq!(elsewhere(&environment, |_| None).count(), 0);
    }
}
