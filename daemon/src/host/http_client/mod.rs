//! Web workers as a worker host of the node: it takes leases natively, and has them worked on by POST of a PalmMessage, as
//! pylm's HttpConnection does.
//!
//! It offers any function that nobody else offers by name, and takes nothing while no web worker can be reached. A slot is one
//! call under way (`lease`); which web worker gets it is decided from what became of earlier calls (`health`, `workers`).

mod call;
mod connections;
mod health;
mod lease;
mod tried;
mod url;
mod workers;

pub use url::WebUrl;

use super::life::Life;
use super::native::Native;
use super::shared::Shared;
use super::slot;
use call::Caller;
use lease::Rules;
use pylm_transport::{Context, Poller};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use workers::Workers;

/// What the web workers of a node are used with.
#[derive(Debug, Clone)]
pub struct HttpWorkers {
    /// An address at which the node's cache service is reached.
    pub db: String,
    /// The host's name.
    pub name: String,
    /// Where the web workers are.
    pub urls: Vec<WebUrl>,
    /// How many calls each gets at one time.
    pub calls: usize,
    /// How long a call may take.
    pub timeout: Duration,
    /// How many calls a message is worth.
    pub attempts: u32,
    /// The most bytes of payload that may be out at this host.
    pub limit_bytes: u64,
    /// The largest payload that it takes, in bytes.
    pub max_message: u64,
}

impl HttpWorkers {
    /// Serves the node from now on, on threads of its own, until the process ends.
    ///
    /// # Errors
    /// When the system gives no threads or descriptors.
    pub fn start(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut poller = Poller::new()?;
        let slots = self.calls * self.urls.len();
        let shared = Shared::for_any_function(self.name.clone(), slots, poller.waker());
        let shared = Arc::new(shared);
        let workers = Arc::new(Workers::new(self.urls.clone(), self.calls, Arc::clone(&shared)));
        let caller = Caller::new(runtime.handle().clone(), self.timeout, self.urls.len());
        let spawn = |name: String| thread::Builder::new().name(name);
        {
            let workers = Arc::clone(&workers);
            spawn("web calls".into()).spawn(move || runtime.block_on(workers.look_for_lost_ones()))?;
        }
        let rules = Rules { attempts: self.attempts };
        for number in 0..slots {
            let (shared, workers, caller) = (Arc::clone(&shared), Arc::clone(&workers), caller.clone());
            spawn(format!("web slot {}", number + 1)).spawn(move || {
                slot::work(number, &shared, |lease, key| {
                    let end = lease::run(lease, key, &workers, &caller, rules);
                    let tells = !matches!(end, slot::End::Released);
                    lease.end(false, end);
                    tells
                });
            })?;
        }
        spawn("web workers".into()).spawn(move || {
            let mut life = Life::inside(Arc::default());
            let native = Native::new(
                (&self.db, &pylm_transport::Security::None),
                &shared,
                (self.limit_bytes, self.max_message),
                // Calls have a limit of their own.
                Duration::MAX,
                &mut life,
                &mut poller,
            );
            let served = Context::new().map_err(Into::into).and_then(|context| native.serve(&context));
            if let Err(error) = served {
                tracing::error!(%error, "web workers get nothing any more");
            }
            shared.queue.close();
        })?;
        Ok(())
    }
}
