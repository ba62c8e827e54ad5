//! The worker host: runs the functions of plugins for a node, natively or in pylm's way, or for whoever calls over HTTP (`web`).
//!
//! One thread moves messages (`native`, or `pylm` where the node is a Python one), and never waits for anything but
//! news; a thread for each slot runs functions. They meet in `shared`. Leases come to the slots in parcels
//! (`parcel`, `queue`); each slot packs what comes of them (`outbox`), and what was sent is kept until the node has
//! taken it (`untaken`).

mod cache;
mod calls;
mod db;
mod discovery;
mod http_client;
mod inline;
mod life;
mod limit;
mod local;
mod native;
pub mod options;
mod outbox;
mod palm;
mod parcel;
pub mod plugins;
mod program;
mod pylm;
mod queue;
mod room;
mod shared;
mod slot;
mod untaken;
mod web;

pub use http_client::{HttpWorkers, WebUrl};
pub use inline::InlineHost;
pub use local::LocalWorkers;
pub use program::main;

use discovery::Server;
use life::Life;
use native::Native;
use pylm_plugin_host::Function;
use pylm_protocol::refusal::not_encrypted;
use pylm_protocol::strings::NAME;
use pylm_transport::{Context, Poller, Security, Waker};
use shared::Shared;
use std::io;
use std::thread;
use std::time::Duration;

/// Why a host ended that was not told to.
#[derive(Debug, thiserror::Error)]
enum HostError {
    /// No further attempt can help, as things are.
    #[error("{0}")]
    Final(String),
    /// The node wants no further attempt.
    #[error("{0}")]
    Dismissed(String),
    /// The system refused something.
    #[error("the system refused what a worker host needs: {0}")]
    System(#[from] io::Error),
}

/// A host that is about to serve.
struct Host {
    /// The address of the node's cache service.
    db: String,
    /// What it comes in with there.
    security: Security,
    name: String,
    slots: usize,
    /// The stack of each slot, in bytes.
    stack: usize,
    /// The most bytes of payload that may be out at this host.
    limit_bytes: u64,
    /// The largest payload that it takes, in bytes.
    max_message: u64,
    /// How long a function may go on when nobody wants its results.
    grace: Duration,
    /// For how long the thread that moves messages asks for news before it sleeps.
    spin: Duration,
    functions: Vec<Function>,
}

impl Host {
    /// Whether a node would take all that it is told by name.
    fn check_names(&self) -> Result<(), HostError> {
        let functions = self.functions.iter().map(Function::name);
        let checked = functions.chain([&*self.name]).try_for_each(|name| NAME.check(name));
        checked.map_err(|error| HostError::Final(error.to_string()))
    }

    /// Serves the node, whatever it is, until the host is told to end, and what was begun is finished.
    fn serve(self, begin: impl FnOnce(Waker) -> io::Result<Life>) -> Result<(), HostError> {
        self.check_names()?;
        pylm_transport::tune_allocator();
        pylm_transport::raise_file_limit()?;
        let mut poller = Poller::new()?;
        poller.set_spin(self.spin);
        let mut life = begin(poller.waker())?;
        let context = Context::new()?;
        let shared = Shared::new(self.name, self.functions, self.slots, poller.waker());
        match discovery::discover(&context, (&self.db, &self.security), &shared.name, &mut life)? {
            None => Ok(()),
            Some(Server::Native) => thread::scope(|scope| {
                for slot in 0..self.slots {
                    let shared = &shared;
                    thread_of_slot(slot, self.stack).spawn_scoped(scope, move || slot::run(slot, shared))?;
                }
                let limits = (self.limit_bytes, self.max_message);
                let host = Native::new(
                    (&self.db, &self.security),
                    &shared,
                    limits,
                    self.grace,
                    &mut life,
                    &mut poller,
                );
                let served = host.serve(&context);
                shared.queue.close();
                served
            }),
            // Whoever has a key does not go on without encryption.
            Some(Server::Pylm) if self.security.client_key().is_some() => {
                Err(HostError::Final(not_encrypted(&self.db)))
            }
            Some(Server::Pylm) => {
                let desk = pylm::Desk::new(self.slots);
                thread::scope(|scope| {
                    for slot in 0..self.slots {
                        let (desk, shared) = (&desk, &shared);
                        thread_of_slot(slot, self.stack)
                            .spawn_scoped(scope, move || pylm::work(desk, shared))?;
                    }
                    let served = pylm::serve(&context, &self.db, &shared, &desk, &mut life, &mut poller);
                    desk.close();
                    served
                })
            }
        }
    }
}

/// A thread that runs functions.
fn thread_of_slot(slot: usize, stack: usize) -> thread::Builder {
    thread::Builder::new().name(format!("slot {}", slot + 1)).stack_size(stack)
}
