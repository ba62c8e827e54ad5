//! The program `pylmd`: a node, what stands beside it in its process, and their end.

use super::bounds::HOST_BYTES;
use super::flags::Flags;
use super::running::{Addresses, Command, Node, StartError};
use super::sealed::SealedError;
use super::sockets::BindError;
use crate::binding::is_not_here;
use crate::control::ControlError;
use crate::gate;
use crate::gateway::{Gateway, GatewayError};
use crate::host::options::{self, WorkerOptions};
use crate::host::{HttpWorkers, InlineHost, LocalWorkers, plugins};
use crate::logging;
use crate::service::{self, Stop};
use crate::settings;
use crate::supervisor::{Ended, Fields, Supervisor, Surroundings};
use anyhow::Context as _;
use clap::CommandFactory as _;
use pylm_plugin_host::PluginSet;
use pylm_transport::ProcessState;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const PROGRAM: &str = "pylmd";
/// Wrong usage, configuration or plugin.
const WRONG_USAGE: u8 = 2;

/// The least time between two lines about connections that were refused.
const TELL: Duration = Duration::from_secs(10);

/// The time between two looks at what ends a node from inside: its limit for draining, and its own worker hosts.
const WATCH: Duration = Duration::from_millis(500);

/// How long a node waits, before it is ready, for those that it follows.
const EARLIER: Duration = Duration::from_secs(2);

/// Runs the program `pylmd`.
pub fn main() -> ExitCode {
    pylm_transport::settle_process();
    if let Some(code) = pylm_transport::run_below_init() {
        return code;
    }
    let code = run();
    logging::finish();
    code
}

fn run() -> ExitCode {
    let surroundings = Surroundings::now();
    let (mut flags, origins) = match settings::parse::<Flags>(
        settings::ENV_PREFIX,
        &WorkerOptions::command(),
        std::env::args_os(),
    ) {
        Ok(parsed) => parsed,
        Err(error) => return error.report(PROGRAM),
    };
    match flags.pages.print::<Flags>() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => {
            logging::last_words(PROGRAM, format_args!("cannot write to standard output: {error}"));
            return ExitCode::FAILURE;
        }
    }
    if let Err(error) = logging::start(&flags.log, None) {
        logging::last_words(PROGRAM, error);
        return ExitCode::from(WRONG_USAGE);
    }
    // Whatever plugins make of the working folder.
    if let (Some(journal), Some(folder)) = (&mut flags.journal, &surroundings.folder) {
        *journal = folder.join(&*journal);
    }
    let plugins = match plugins::load(&flags.plugin, &flags.plugin_dir, &flags.set, &origins) {
        Ok(plugins) => plugins,
        Err(error) => {
            logging::last_words(PROGRAM, error);
            return ExitCode::from(WRONG_USAGE);
        }
    };
    if flags.inline && plugins.functions().next().is_none() {
        let why = "--inline runs functions, and no plugin has any; name one with --plugin";
        logging::last_words(PROGRAM, why);
        return ExitCode::from(WRONG_USAGE);
    }
    match flags.run(plugins, surroundings) {
        Ok(code) => code,
        Err(error) => {
            logging::last_words(PROGRAM, format_args!("{error:#}"));
            if is_wrong_usage(&error) { ExitCode::from(WRONG_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether the next attempt will fail too, unless something is told otherwise.
fn is_wrong_usage(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(StartError::Journal(_)) => return true,
        Some(StartError::Bind(BindError::Address { why, .. })) => return is_not_here(why),
        Some(StartError::Bind(BindError::Open { .. } | BindError::Untold(_))) => return true,
        Some(StartError::Sealed(SealedError::State(_))) => return true,
        Some(StartError::Sealed(SealedError::Bind(BindError::Address { why, .. }))) => {
            return is_not_here(why);
        }
        _ => {}
    }
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(ControlError::Bind { source, .. }), _) | (_, Some(GatewayError::Bind { source, .. })) => {
            is_not_here(source)
        }
        _ => false,
    }
}

/// Tells of connections that were refused.
#[derive(Default)]
struct Refused {
    count: u64,
    told: Option<Instant>,
    /// Because of their user.
    cut: u64,
    told_of_users: Option<Instant>,
}

impl Refused {
    fn tell(&mut self) {
        self.tell_of_users();
        let count = gate::refused();
        let is_quiet = self.told.is_some_and(|told| told.elapsed() < TELL);
        if count > self.count && !is_quiet {
            let more = count - self.count;
            tracing::warn!(
                more,
                count,
                "connections are refused: this process may have no more files open; see ulimit -n"
            );
            (self.count, self.told) = (count, Some(Instant::now()));
        }
    }

    fn tell_of_users(&mut self) {
        let is_quiet = self.told_of_users.is_some_and(|told| told.elapsed() < TELL);
        if gate::cut() == self.cut || is_quiet {
            return;
        }
        (self.cut, self.told_of_users) = (gate::cut(), Some(Instant::now()));
        for (user, count) in gate::cut_users() {
            tracing::warn!(
                user,
                count,
                "connections of another user are cut; to let this user in, start with --allow-user"
            );
        }
    }
}

/// An address, unless the socket is nowhere.
fn told(address: &str) -> Option<&str> {
    (!address.is_empty()).then_some(address)
}

impl Flags {
    fn run(&self, plugins: PluginSet, surroundings: Surroundings) -> anyhow::Result<ExitCode> {
        pylm_transport::tune_allocator();
        if let Err(error) = pylm_transport::raise_file_limit() {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
        gate::has_room(gate::NODE)?;
        // What plugins do at their start is theirs; how this process hears signals is not.
        pylm_transport::settle_process();
        let functions: Vec<_> = plugins.functions().cloned().collect();
        let offers = !functions.is_empty();
        let names: Vec<_> = plugins.plugins().iter().map(|plugin| plugin.name().to_owned()).collect();
        let files = plugins.plugins().iter().map(|plugin| plugin.path().to_owned()).collect();
        self.open_doors()?;
        self.look_up_earlier_nodes();
        let mut config = self.node(plugins);
        if let Err(why) = self.use_keys(&mut config) {
            logging::last_words(PROGRAM, why);
            return Ok(ExitCode::from(WRONG_USAGE));
        }
        let node = Node::start(config)?;
        let control = node.control();
        let http = self.control.start(node.onlooker())?;
        let gateway = self.gateway.start(&self.name, &node.local_db, self.max_message.bytes())?;
        let control_gateway = gateway.as_ref().map(Gateway::control);
        service::watch_signals(move |stop| {
            service::notify_stopping();
            if let Some(control_gateway) = &control_gateway {
                control_gateway(stop);
            }
            control(match stop {
                Stop::Drain => Command::Drain,
                Stop::Now => Command::Stop,
            });
        })
        .context("cannot watch for signals")?;
        let addresses = node.addresses.clone();
        let process = ProcessState::now();
        let workers = self.start_workers(&node.local_db, files, surroundings)?;
        let (max_message, stack) = (self.max_message.bytes(), options::stack(self.stack));
        let inline =
            self.inline.then(|| InlineHost::start(&self.name, &node.local_db, max_message, stack, functions));
        let inline = inline.transpose().context("cannot start the threads for --inline")?;
        self.start_http_workers(&node.local_db)?;
        gate::has_room(0)?;
        for from in node.wait_for_earlier_nodes(EARLIER) {
            tracing::warn!(
                from,
                "an earlier node is away, or has not answered: what it publishes until it does, this node does not get"
            );
        }
        let http = http.map(|address| address.to_string());
        let gateway_at = gateway.as_ref().map(|gateway| gateway.address().to_string());
        tracing::info!(
            name = &*self.name,
            plugins = names.join(","),
            db = addresses.db,
            pull = told(&addresses.pull),
            pub = told(&addresses.pub_),
            worker_pull = told(&addresses.worker_pull),
            worker_push = told(&addresses.worker_push),
            listen = addresses.listen,
            http,
            gateway = gateway_at,
            "ready"
        );
        service::notify_ready(&self.fields(&addresses, names, http, gateway_at));
        if offers && self.workers == 0 && !self.inline {
            tracing::info!(
                "functions of plugins run in worker hosts: start pylm-worker with them, or give --workers or --inline"
            );
        }
        self.watch(node, workers, inline, gateway, &process)
    }

    /// Nodes that are followed need not be there yet, and neither need their names.
    fn look_up_earlier_nodes(&self) {
        for from in &self.from {
            if let Err(error) = pylm_transport::look_up(&from.address.to_string()) {
                tracing::warn!(from = %from.address, %error, "the host of an earlier node is not found, and tried again");
            }
        }
    }

    /// What there is to know of the node when it is ready.
    fn fields(
        &self,
        addresses: &Addresses,
        plugins: Vec<String>,
        http: Option<String>,
        gateway: Option<String>,
    ) -> Fields {
        let Addresses { pull, pub_, worker_pull, worker_push, db, listen } = addresses;
        let all = [("name", &*self.name), ("db", db), ("pull", pull), ("pub", pub_)];
        let workers = [("worker_pull", &**worker_pull), ("worker_push", worker_push)];
        let beside =
            [("http", http.as_deref()), ("gateway", gateway.as_deref()), ("listen", listen.as_deref())];
        let beside = beside.into_iter().filter_map(|(key, value)| Some((key, value?)));
        // Sockets that are nowhere have no address.
        let all = all.into_iter().chain(workers).filter(|(_, value)| !value.is_empty()).chain(beside);
        let mut fields: Fields = all.map(|(key, value)| (key.to_owned(), value.into())).collect();
        fields.insert("plugins".to_owned(), plugins.into());
        fields
    }

    fn start_workers(
        &self,
        db: &str,
        plugins: Vec<PathBuf>,
        surroundings: Surroundings,
    ) -> anyhow::Result<Vec<Supervisor>> {
        let workers = LocalWorkers {
            count: usize::from(self.workers),
            node: self.name.to_string(),
            db: db.to_owned(),
            plugins,
            settings: self.set.clone(),
            args: self.worker_args(),
            surroundings,
        };
        if workers.count == 0 {
            return Ok(Vec::new());
        }
        workers.start().context("cannot start worker hosts")
    }

    /// What the worker hosts are told as the node was.
    fn worker_args(&self) -> Vec<OsString> {
        let flag = |name: &str, value: &dyn Display| OsString::from(format!("--{name}={value}"));
        vec![
            flag("log", &self.log.log),
            flag("log-format", &self.log.log_format),
            flag("grace", &self.worker_grace),
            flag("max-message", &self.max_message),
            flag("stack", &options::stack(self.stack)),
        ]
    }

    fn start_http_workers(&self, db: &str) -> anyhow::Result<()> {
        if self.http_worker.is_empty() {
            return Ok(());
        }
        let workers = HttpWorkers {
            db: db.to_owned(),
            name: format!("{}-http", self.name),
            urls: self.http_worker.clone(),
            calls: usize::from(self.http_worker_calls),
            timeout: self.http_worker_timeout.into(),
            attempts: self.http_worker_attempts,
            limit_bytes: HOST_BYTES,
            max_message: self.max_message.bytes(),
        };
        workers.start().context("cannot start calling web workers")
    }

    /// Waits for the end of the node, and of its worker hosts.
    fn watch(
        &self,
        node: Node,
        workers: Vec<Supervisor>,
        inline: Option<InlineHost>,
        gateway: Option<Gateway>,
        process: &ProcessState,
    ) -> anyhow::Result<ExitCode> {
        let control = node.control();
        let limit = self.drain_limit.duration();
        let mut draining_since = None;
        let mut told = false;
        let mut refused = Refused::default();
        let mut refused_hosts = RefusedHosts::default();
        while !node.wait(WATCH) {
            refused.tell();
            if node.is_draining() {
                let since: Instant = *draining_since.get_or_insert_with(Instant::now);
                let over = since.elapsed() > limit;
                if over && !std::mem::replace(&mut told, true) {
                    tracing::warn!(
                        limit = %self.drain_limit,
                        "not everything has ended within --drain-limit"
                    );
                    control(Command::Stop);
                }
            }
            if inline.as_ref().is_some_and(InlineHost::has_ended) {
                control(Command::Stop);
            }
            for what in process.restore() {
                tracing::warn!("a plugin has changed {what}, which was put back");
            }
            refused_hosts.tell(&workers);
            if !workers.is_empty() && refused_hosts.0.len() == workers.len() && !node.is_draining() {
                tracing::error!("no worker host can run, the node ends");
                control(Command::Stop);
                node.join();
                return Ok(ExitCode::from(WRONG_USAGE));
            }
        }
        if let Some(gateway) = gateway {
            gateway.end(draining_since.unwrap_or_else(Instant::now) + limit);
        }
        LocalWorkers::stop(workers, Duration::from_secs(5));
        inline.into_iter().for_each(|inline| inline.stop(Duration::from_secs(1)));
        Ok(if node.join() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Worker hosts of the node that cannot start, and have never served.
#[derive(Default)]
struct RefusedHosts(HashSet<String>);

impl RefusedHosts {
    /// Says of each why it cannot, once.
    fn tell(&mut self, workers: &[Supervisor]) {
        for worker in workers {
            if let Some(Ended::Refused(why)) = worker.ended()
                && self.0.insert(worker.name().to_owned())
            {
                tracing::error!(host = worker.name(), why, "a worker host cannot start");
            }
        }
    }
}
