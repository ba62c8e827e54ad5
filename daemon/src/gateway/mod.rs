//! The HTTP gateway: functions as URLs. It is a client in the node's own process, which opens a job for each request, and
//! drops it when the caller hangs up.
//!
//! It has threads of its own, and speaks the native protocol to the node's db socket as any client does, so it never stands in
//! the way of the routing thread.

mod body;
mod call;
mod connections;
mod flags;
mod load;
mod outputs;
mod refusal;
mod reply;
mod target;

pub use flags::GatewayFlags;

use crate::binding::remedy;
use crate::service::Stop;
use call::Calls;
use pylm_client::{Client, ClientOptions, Status};
use pylm_protocol::HttpAddress;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Threads that serve HTTP, at most. More would take the cores from the functions.
const THREADS: usize = 4;

/// Time between two looks whether something has ended.
const LOOK: Duration = Duration::from_millis(5);

/// What a gateway is told before it starts.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where it listens.
    pub address: HttpAddress,
    /// The node's name, which `_` stands for.
    pub node: String,
    /// The node's db socket.
    pub db: String,
    /// The largest body and the largest result, in bytes.
    pub max_message: u64,
    /// How long a call may take.
    pub timeout: Option<Duration>,
    /// Calls under way at once.
    pub requests: usize,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Its address could not be bound.
    #[error("cannot listen at --gateway {address}; {}", remedy(source))]
    Bind {
        /// The address as it was given.
        address: HttpAddress,
        /// What the system says.
        source: io::Error,
    },
    /// The node did not answer.
    #[error("the gateway cannot reach its own node")]
    Node(#[from] pylm_client::Error),
    /// The system gave no threads.
    #[error("cannot start the gateway's threads")]
    Threads(#[source] io::Error),
}

/// How far the gateway is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Calls are taken.
    Open,
    /// New calls are turned away, those under way go on.
    Draining,
    /// The node has ended, or is to end at once: nothing more will come.
    Over,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    clients: Vec<Client>,
    stage: watch::Sender<Stage>,
    server: JoinHandle<()>,
    runtime: Runtime,
}

impl Gateway {
    /// Binds the address, connects to the node, and serves.
    ///
    /// # Errors
    /// When the address cannot be bound, the node does not answer, or the system has no threads to give.
    pub fn start(config: GatewayConfig) -> Result<Self, GatewayError> {
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("gateway")
            .enable_all()
            .build()
            .map_err(GatewayError::Threads)?;
        let (stage, stages) = watch::channel(Stage::Open);
        let (listener, address, clients) = runtime.block_on(async {
            let listener = connections::bind(&config.address.to_string())
                .await
                .map_err(|source| GatewayError::Bind { address: config.address.clone(), source })?;
            let address = listener
                .local_addr()
                .map_err(|source| GatewayError::Bind { address: config.address.clone(), source })?;
            let mut clients = Vec::new();
            // As many as take that many calls at once, each of which is a job.
            for _ in 0..config.requests.div_ceil(pylm_protocol::OPEN_JOBS).max(1) {
                clients.push(Client::connect(options(&config)).await?);
            }
            Ok::<_, GatewayError>((listener, address, clients))
        })?;
        let calls = Arc::new(Calls::new(&config, clients.clone(), stages.clone()));
        let server = runtime.spawn(connections::serve(listener, call::routes(calls), stages));
        Ok(Gateway { address, clients, stage, server, runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that turns new calls away from now on, and ends those under way where that is asked for; it may be used from
    /// any thread.
    pub fn control(&self) -> impl Fn(Stop) + Send + 'static {
        let stage = self.stage.clone();
        move |stop| {
            stage.send_replace(match stop {
                Stop::Drain => Stage::Draining,
                Stop::Now => Stage::Over,
            });
        }
    }

    /// Ends the gateway of a node that has ended: calls that the node has answered get until `end` to take their answers, unless
    /// all was to end at once; the others are told.
    pub fn end(self, end: Instant) {
        let wait = |until: Instant, is_over: &dyn Fn() -> bool| {
            while !is_over() && Instant::now() < until {
                std::thread::sleep(LOOK);
            }
        };
        // What the node said last has been read when the loss of its connection is known.
        let soon = Instant::now() + Duration::from_secs(1);
        let end = if *self.stage.borrow() == Stage::Over { soon } else { end.max(soon) };
        let is_in_touch = |client: &Client| client.status() == Status::Connected;
        wait(soon, &|| !self.clients.iter().any(is_in_touch));
        self.stage.send_replace(Stage::Over);
        wait(end, &|| self.server.is_finished());
        if !self.server.is_finished() {
            tracing::warn!("not every caller of the gateway has taken its answer within --drain-limit");
        }
        self.runtime.shutdown_background();
    }
}

fn options(config: &GatewayConfig) -> ClientOptions {
    ClientOptions::new(&config.db)
        .name("gateway")
        .software(concat!("pylmd ", env!("CARGO_PKG_VERSION")))
        .max_message(config.max_message)
}
