//! Local worker hosts of a node: started, watched and ended together with it.

use super::options::PluginSetting;
use crate::service::NOTIFY_SOCKET;
use crate::settings::ENV_PREFIX;
use crate::supervisor::{ChildSpec, Supervisor, Surroundings};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A child whose thread that moves messages was silent for so long is stuck.
const SILENCE: Duration = Duration::from_secs(10);
/// The variable that a worker host shares with its node: where plugins are looked for.
const PLUGIN_PATH: &str = "PYLMD_PLUGIN_PATH";

/// What local worker hosts are started with.
#[derive(Debug, Clone)]
pub struct LocalWorkers {
    /// How many.
    pub count: usize,
    /// The node's name: theirs are `NAME-1`, `NAME-2`, ….
    pub node: String,
    /// An address at which they reach the node's cache service.
    pub db: String,
    /// Where the plugins are; with a slash in each, so that nothing is looked up again.
    pub plugins: Vec<PathBuf>,
    /// Settings of plugins.
    pub settings: Vec<PluginSetting>,
    /// Further arguments, such as `--log`.
    pub args: Vec<OsString>,
    /// What the node was started with.
    pub surroundings: Surroundings,
}

impl LocalWorkers {
    /// Starts them all. The program is the `pylm-worker` beside this one.
    ///
    /// # Errors
    /// When there is no such program, or the system gives no thread.
    pub fn start(&self) -> io::Result<Vec<Supervisor>> {
        let program = std::env::current_exe()?.with_file_name("pylm-worker");
        if !program.is_file() {
            let why = format!("{} is not there; install it beside pylmd", program.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        (1..=self.count).map(|number| Supervisor::start(self.spec(number, &program))).collect()
    }

    /// Ends them all: each finishes what it has begun, and is killed when that takes longer than `grace` from now.
    pub fn stop(workers: Vec<Supervisor>, grace: Duration) {
        let end = Instant::now() + grace;
        workers.iter().for_each(|worker| worker.stop_soon(end.saturating_duration_since(Instant::now())));
        for worker in workers {
            worker.wait();
        }
    }

    /// One that does the work itself: it is supervised by this process already.
    fn spec(&self, number: usize, program: &Path) -> ChildSpec {
        let name = format!("{}-{number}", self.node);
        let mut args: Vec<OsString> = vec!["--supervised".into()];
        args.extend(["--db", &self.db, "--name", &name].map(OsString::from));
        args.extend(
            self.plugins.iter().flat_map(|plugin| ["--plugin".into(), plugin.clone().into_os_string()]),
        );
        args.extend(self.settings.iter().flat_map(|set| ["--set".into(), OsString::from(set.to_string())]));
        args.extend(self.args.iter().cloned());
        // The node's variables and file are not the workers', and neither is whoever wants to know how the node is.
        let is_left_out = |name: &OsString| {
            (name.to_string_lossy().starts_with(ENV_PREFIX) && name != PLUGIN_PATH) || name == NOTIFY_SOCKET
        };
        let surroundings = self.surroundings.clone().without(is_left_out);
        ChildSpec { name, program: program.to_owned(), args, surroundings, silence: SILENCE, on_ready: None }
    }
}
