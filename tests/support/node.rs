//! Our own programs, running: the node on ports of its own choice, and worker hosts that serve it.

use std::path::Path;
use std::time::Duration;

use pylm_client::ClientOptions;
use pylm_client::blocking::Client;

use crate::address::{ANY_PORT, wait_until_free};
use crate::http::{Answer, request};
use crate::machine::Machine;
use crate::process::{Plan, Process};
use crate::programs::{Profile, programs};
use crate::ready::Ready;

/// How long a program may take until it says that it is ready.
pub(crate) const START: Duration = Duration::from_secs(30);

/// The flags that say where the sockets are.
const SOCKETS: [&str; 5] = ["--pull", "--pub", "--worker-pull", "--worker-push", "--db"];

/// A running `pylmd`, and where it can be reached.
pub struct Node {
    /// The process.
    pub process: Process,
    /// What it told of itself when it was ready.
    pub ready: Ready,
    /// Where pylm clients push their messages.
    pub pull: String,
    /// Where pylm clients subscribe to results.
    pub publish: String,
    /// Where pylm workers push their results.
    pub worker_pull: String,
    /// Where pylm workers pull their messages.
    pub worker_push: String,
    /// The cache service, and the native protocol.
    pub db: String,
}

impl Node {
    /// A debug build of `pylmd` with these arguments, ready; its ports are its own choice.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start(args: &[&str]) -> Self {
        Self::start_as(Profile::Debug, args)
    }

    /// As [`Node::start`], of another build.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_as(profile: Profile, args: &[&str]) -> Self {
        Self::start_at(profile, &SOCKETS.map(|flag| [flag, ANY_PORT]).concat(), args)
    }

    /// As [`Node::start`], with every socket at this host.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_on_host(host: &str, args: &[&str]) -> Self {
        let any = format!("tcp://{host}:0");
        Self::start_at(Profile::Debug, &SOCKETS.map(|flag| [flag, &*any]).concat(), args)
    }

    /// A node at the addresses that `self` has, for tests that start it again after its end.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_again(&self, profile: Profile, args: &[&str]) -> Self {
        let flags = [
            ["--pull", &*self.pull],
            ["--pub", &*self.publish],
            ["--worker-pull", &*self.worker_pull],
            ["--worker-push", &*self.worker_push],
            ["--db", &*self.db],
        ];
        // While no node has them, the system may have given one to another test, for a while.
        flags.iter().for_each(|[_, address]| wait_until_free(address));
        Self::start_at(profile, &flags.concat(), args)
    }

    /// A native client of it, connected.
    ///
    /// # Panics
    /// Where the node does not greet.
    #[must_use]
    #[track_caller]
    pub fn client(&self) -> Client {
        let options = ClientOptions::new(&*self.db).patience(START);
        Client::connect(options).unwrap_or_else(|error| panic!("no client: {error}"))
    }

    /// `pylm …` about this node, at its end: exit code and all output. The address of the node is put behind the arguments.
    ///
    /// # Panics
    /// Where it does not end within half a minute.
    #[must_use]
    #[track_caller]
    pub fn pylm(&self, args: &[&str]) -> (Option<i32>, String) {
        let program = programs(Profile::Debug).program("pylm");
        let mut process = Process::plan("pylm", program).args(args).args(["--db", &*self.db]).start();
        process.close_stdin();
        let code = process.wait(START).code();
        (code, [process.stdout_lines(), process.stderr_lines()].concat().join("\n"))
    }

    /// What `pylm status --json` tells of it.
    ///
    /// # Panics
    /// Where it does not answer.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> serde_json::Value {
        let (_, text) = self.pylm(&["status", "--json"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("no status: {error}: {text}"))
    }

    /// A page of its control plane; it needs `--http`.
    ///
    /// # Panics
    /// Where there is no answer.
    #[must_use]
    #[track_caller]
    pub fn page(&self, path: &str) -> Answer {
        request(&self.ready.field("http"), "GET", path, "", None)
    }

    #[track_caller]
    fn start_at(profile: Profile, addresses: &[&str], args: &[&str]) -> Self {
        let program = programs(profile).program("pylmd");
        let mut process = Process::plan("pylmd", program).args(addresses).args(args).start();
        let ready = process.wait_until_ready(START);
        // Sockets that are nowhere have no address.
        let field = |key| if key == "db" || ready.has(key) { ready.field(key) } else { String::new() };
        Self {
            pull: field("pull"),
            publish: field("pub"),
            worker_pull: field("worker_pull"),
            worker_push: field("worker_push"),
            db: field("db"),
            process,
            ready,
        }
    }
}

/// A running `pylm-worker`.
pub struct WorkerHost {
    /// The process: a supervisor, in one process group with the child that does the work.
    pub process: Process,
    /// What it told of itself when it was ready.
    pub ready: Ready,
}

impl WorkerHost {
    /// A debug build of `pylm-worker` called `name`, ready to serve the node at `db`, ours or pylm's.
    ///
    /// `plugins` are names or paths, as for `--plugin`; `args` are more arguments, such as `--slots 4`.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start(db: &str, plugins: &[&str], name: &str, args: &[&str]) -> Self {
        Self::start_as(Profile::Debug, db, plugins, name, args)
    }

    /// As [`WorkerHost::start`], of another build.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_as(profile: Profile, db: &str, plugins: &[&str], name: &str, args: &[&str]) -> Self {
        Self::start_plan(Process::plan(name, program(profile)).args(["--db", db]), plugins, name, args)
    }

    /// As [`WorkerHost::start`], on another machine, with an access file.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_on(machine: &Machine, access: &Path, plugins: &[&str], name: &str, args: &[&str]) -> Self {
        let plan = machine.plan(name, program(Profile::Debug)).arg("--access").arg(access);
        Self::start_plan(plan, plugins, name, args)
    }

    #[track_caller]
    fn start_plan(plan: Plan, plugins: &[&str], name: &str, args: &[&str]) -> Self {
        let mut process = plan
            .args(["--name", name])
            .args(plugins.iter().flat_map(|plugin| ["--plugin", plugin]))
            .args(args)
            .start();
        let ready = process.wait_until_ready(START);
        Self { process, ready }
    }
}

#[track_caller]
fn program(profile: Profile) -> &'static Path {
    programs(profile).program("pylm-worker")
}
