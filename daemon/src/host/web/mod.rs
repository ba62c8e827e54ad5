//! A worker host that serves over HTTP, as pylm's web workers do: a POST whose body is a PalmMessage is answered by one with
//! the function's result.
//!
//! One thread moves bytes (`server`, `exchange`), and refuses what no function has to see; a thread for each slot runs functions
//! (`work`). What goes wrong is an HTTP status with a text (`refusal`).

mod exchange;
mod held;
mod refusal;
mod server;
mod work;

pub(super) use refusal::{CODE, PERMANENT};

use super::{HostError, thread_of_slot};
use crate::service;
use crate::supervisor::{Fields, ParentLink};
use exchange::Calls;
use pylm_plugin_host::Function;
use pylm_protocol::HttpAddress;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tracing::info;

/// A host that is about to serve over HTTP.
pub(super) struct WebHost {
    /// Where to listen.
    pub(super) address: HttpAddress,
    pub(super) name: String,
    pub(super) slots: usize,
    /// The stack of each slot, in bytes.
    pub(super) stack: usize,
    /// How long a call waits for a slot.
    pub(super) wait: Duration,
    /// The largest body of a call, and the largest result, in bytes.
    pub(super) max_message: u64,
    /// The most bytes of all calls that are here at one time, beside one.
    pub(super) limit_bytes: u64,
    pub(super) functions: Vec<Function>,
}

impl WebHost {
    /// Serves until the process is told to end, and what was begun is finished.
    pub(super) fn serve(self, parent: &ParentLink) -> Result<(), HostError> {
        pylm_transport::tune_allocator();
        pylm_transport::raise_file_limit()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let stopping = Arc::clone(&stop);
        let drain = move || stopping.notify_one();
        parent.on_drain(drain.clone());
        service::watch_signals_of_parent(drain)?;
        let listener = runtime.block_on(self.listen())?;
        let address = listener.local_addr()?;

        let (sender, tasks) = std::sync::mpsc::channel();
        let tasks = Mutex::new(tasks);
        let host = Arc::new(self);
        thread::scope(|scope| {
            for slot in 0..host.slots {
                let (tasks, host) = (&tasks, &*host);
                thread_of_slot(slot, host.stack).spawn_scoped(scope, move || work::run(tasks, host))?;
            }
            let names: Vec<&str> = host.functions.iter().map(Function::name).collect();
            let (name, slots, http) = (&*host.name, host.slots, format!("http://{address}"));
            info!(name, http, slots, functions = names.join(" "), "ready");
            parent.ready(Fields::from_iter([
                ("name".to_owned(), name.into()),
                ("http".to_owned(), http.into()),
                ("slots".to_owned(), slots.into()),
                ("functions".to_owned(), names.into()),
            ]));
            let calls = Arc::new(Calls::new(Arc::clone(&host), sender));
            runtime.block_on(server::serve(listener, calls, parent, &stop));
            // The slots end when nobody can give them anything any more.
            drop(runtime);
            Ok(())
        })
    }

    async fn listen(&self) -> Result<TcpListener, HostError> {
        TcpListener::bind(self.address.to_string()).await.map_err(|error| {
            HostError::Final(format!(
                "cannot listen at {}: {error}; --http takes an address of this machine, and a port that is free",
                self.address
            ))
        })
    }
}
