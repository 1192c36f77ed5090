//! `dev`: the embedded engine as a server that AWS's clients speak to.
//!
//! This is where everything that shares the endpoint is put together; what it
//! consists of is in `server::http`.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use engine::SystemClock;
use serde_json::{Map, Value, json};
use server::http::{
    Authentication, Credentials, JsonApi, JsonProtocol, Limits, Own, Probes, Server, ServerOptions, Service,
    States,
};
use server::stores::objects::{NoEvents, Objects, ObjectsOptions};
use server::{Api, Metrics};
use tokio::signal::unix::{SignalKind, signal};

use crate::address::Address;
use crate::arguments::{Dev, Format};
use crate::data::{DataDir, from_engine};
use crate::local_engine::{LocalEngine, check_coreview};
use crate::problem::Problem;
use crate::project::Application;
use crate::terminal::{Ink, Terminal};
use crate::text;

/// How long answers that are under way may take when the server ends.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether the engine still works.
const LOOK: Duration = Duration::from_millis(500);
/// What `--credentials` takes for keys of its own making.
const GENERATE: &str = "generate";

/// Serves until Ctrl-C.
pub(crate) fn dev(arguments: &Dev, terminal: Terminal) -> Result<u8, Problem> {
    check_coreview(arguments.coreview.as_deref())?;
    let listen = addresses(&arguments.listen)?;
    let credentials = arguments.credentials.as_deref().map(credentials).transpose()?;
    let application = application(arguments, terminal)?;
    let data = DataDir::create(&arguments.data.dir)?;
    let coreview = arguments.coreview.clone().unwrap_or_else(|| data.default_coreview());
    let metrics = Arc::<Metrics>::default();
    let local = LocalEngine::open_observed(application.as_ref(), data, coreview, Some(metrics.clone()))?;
    let serving = Serving { arguments, terminal, local: &local, credentials };
    let done = serving.run(application.as_ref(), listen, &metrics);
    local.close();
    done
}

/// The project's application; without a project the engine alone serves.
fn application(arguments: &Dev, terminal: Terminal) -> Result<Option<Application>, Problem> {
    if arguments.no_app {
        return Ok(None);
    }
    match Application::ready(&arguments.build, terminal, true) {
        Ok(application) => Ok(Some(application)),
        Err(Problem::NoProject { .. } | Problem::NoApp { .. }) if arguments.build.app.is_none() => {
            terminal.remark("no project is here: state machines come by the API, functions there are none");
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
        return Credentials::generate().map_err(|error| Problem::Journal { detail: error.to_string() });
    }
    match given.split_once(':') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => Ok(Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: secret.to_owned(),
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
}

impl Serving<'_> {
    fn run(
        &self,
        application: Option<&Application>,
        listen: Vec<SocketAddr>,
        metrics: &Arc<Metrics>,
    ) -> Result<u8, Problem> {
        let deployed = self.deploy(application)?;
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
            services: self.services(metrics, authentication, limits)?,
        };
        let server = Server::start(options).map_err(|source| Problem::Endpoint { source })?;
        let address = Address::of(&self.local.engine, server.addresses(), self.credentials.as_ref());
        let noted = address.write(self.local.data.journal());
        let ended = noted.and_then(|noted| {
            self.announce(&address, &deployed);
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
        authentication: Authentication,
        limits: Limits,
    ) -> Result<Vec<Arc<dyn Service>>, Problem> {
        let engine = &self.local.engine;
        let api = Api::new(engine.clone());
        let apis: Vec<Arc<dyn JsonApi>> =
            vec![Arc::new(States::new(api.clone(), Arc::clone(metrics))), Arc::new(Own::new(api))];
        let objects = self.objects(authentication.clone(), limits)?;
        Ok(vec![
            Arc::new(Probes::new(engine.clone(), Arc::clone(metrics), authentication.clone())),
            Arc::new(JsonProtocol::new(apis, authentication, limits.body_time)),
            // Takes what nobody else does.
            Arc::new(objects),
        ])
    }

    /// The buckets that the engine and the steps use.
    fn objects(&self, authentication: Authentication, limits: Limits) -> Result<Objects, Problem> {
        let (region, account) = self.local.engine.region_and_account();
        let options = ObjectsOptions {
            root: self.local.data.objects(),
            region: region.to_owned(),
            account: account.to_owned(),
            authentication,
            events: Arc::new(NoEvents),
            clock: Arc::new(SystemClock),
            idle: limits.body_time,
        };
        Objects::open(options).map_err(|error| Problem::Journal { detail: error.to_string() })
    }

    /// The workflows of the project as state machines, made or updated by their names.
    fn deploy(&self, application: Option<&Application>) -> Result<Vec<Value>, Problem> {
        let mut deployed = Vec::new();
        for workflow in application.into_iter().flat_map(|application| &application.manifest.workflows) {
            let put = self.local.engine.put_state_machine(&workflow.name, &workflow.definition, None);
            let put = put.map_err(from_engine)?;
            deployed.push(json!({
                "name": workflow.name,
                "stateMachineArn": put.state_machine_arn,
                "changed": put.changed,
            }));
        }
        Ok(deployed)
    }

    fn announce(&self, address: &Address, deployed: &[Value]) {
        let environment = address.environment();
        if self.terminal.format != Format::Text {
            let environment: Map<String, Value> =
                environment.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
            let document = json!({
                "endpoint": address.endpoint,
                "region": address.region,
                "data": self.local.data.journal(),
                "environment": environment,
                "stateMachines": deployed,
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

/// As a shell takes it.
fn quoted(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:[]".contains(&byte);
    if value.bytes().all(is_plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', "'\\''")) }
}
