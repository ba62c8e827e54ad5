//! What can be chosen for a client and for each of its jobs.

use crate::state::window::Window;
use pylm_access::{AccessFile, FileError, store};
use pylm_protocol::{DEFAULT_MAX_MESSAGE, MOST_OUTPUTS};
use std::time::Duration;

/// The address at which a node listens unless it is told otherwise.
pub const DEFAULT_ADDRESS: &str = "tcp://127.0.0.1:5559";

const DEFAULT_PATIENCE: Duration = Duration::from_secs(5);
const DEFAULT_WINDOW: u64 = 32_768;
const DEFAULT_WINDOW_BYTES: u64 = 64 << 20;

/// How to connect to a node.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub(crate) address: String,
    pub(crate) name: String,
    pub(crate) software: String,
    pub(crate) patience: Duration,
    pub(crate) max_message: u64,
    pub(crate) session: Option<String>,
    pub(crate) access: Option<AccessFile>,
}

impl ClientOptions {
    /// For the node whose db socket is at this address, such as [`DEFAULT_ADDRESS`].
    pub fn new(address: impl Into<String>) -> Self {
        ClientOptions {
            address: address.into(),
            name: "client".into(),
            software: concat!("pylm-client ", env!("CARGO_PKG_VERSION")).into(),
            patience: DEFAULT_PATIENCE,
            max_message: DEFAULT_MAX_MESSAGE,
            session: None,
            access: None,
        }
    }

    /// For the encrypted door of the node that an access file is for, with the key that it holds.
    pub fn with_access(access: AccessFile) -> Self {
        let address = access.addresses.first().cloned().unwrap_or_default();
        ClientOptions { access: Some(access), ..Self::new(address) }
    }

    /// For the node at this address: at its encrypted door where there is an access file for that in the user's own folder
    /// (`$XDG_CONFIG_HOME/pylm/access`), and at its db socket where there is none.
    ///
    /// # Errors
    ///
    /// When that file cannot be read, or when others can read it.
    pub fn found(address: impl Into<String>) -> Result<Self, FileError> {
        let address = address.into();
        match store::access_folder().and_then(|folder| AccessFile::find(&folder, &address)) {
            Some(file) => AccessFile::load(&file).map(Self::with_access),
            None => Ok(Self::new(address)),
        }
    }

    /// Where the node is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// By what name the node's logs call this client; `client` unless said otherwise.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Program and version, for the node's logs.
    #[must_use]
    pub fn software(mut self, software: impl Into<String>) -> Self {
        self.software = software.into();
        self
    }

    /// How long to wait for the node's first greeting; 5 s unless said otherwise. A connection that is lost later is tried
    /// again for as long as the client lives.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Works in a session of this name, which other clients may share: it is the `pipeline` of all jobs that name none, and
    /// stands before the keys that [`set`](crate::Cache::set) stores, as with pylm; `get` and `delete` take whole keys.
    #[must_use]
    pub fn session(mut self, name: impl Into<String>) -> Self {
        self.session = Some(name.into());
        self
    }

    /// The largest result to accept, in bytes; 128 MiB unless said otherwise.
    #[must_use]
    pub fn max_message(mut self, bytes: u64) -> Self {
        self.max_message = bytes.max(1);
        self
    }
}

/// How a job is to be done.
#[derive(Debug, Clone)]
pub struct JobOptions {
    pub(crate) pipeline: Option<String>,
    pub(crate) ordered: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) priority: u32,
    pub(crate) retries: u32,
    pub(crate) window: Window,
    pub(crate) outputs: Window,
}

impl Default for JobOptions {
    fn default() -> Self {
        let window = Window { messages: DEFAULT_WINDOW, bytes: DEFAULT_WINDOW_BYTES };
        JobOptions {
            pipeline: None,
            ordered: false,
            timeout: None,
            deadline: None,
            priority: 0,
            retries: 0,
            window,
            outputs: window,
        }
    }
}

impl JobOptions {
    /// The defaults: outputs as they come, no limit of time.
    pub fn new() -> Self {
        Self::default()
    }

    /// The `pipeline` field of the job's messages, which functions can read; the client's session, or else the job's identity,
    /// unless said otherwise.
    #[must_use]
    pub fn pipeline(mut self, pipeline: impl Into<String>) -> Self {
        self.pipeline = Some(pipeline.into());
        self
    }

    /// Whether outputs come in the order of their messages. Outputs of later messages then wait, in memory, for those of
    /// earlier ones; submitting stays at most a window ahead of the oldest message that has not ended.
    #[must_use]
    pub fn ordered(mut self, ordered: bool) -> Self {
        self.ordered = ordered;
        self
    }

    /// How long each message may take; it then fails with code `timeout`.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long all of the job may take, from now on; what has not ended then fails with code `timeout`.
    #[must_use]
    pub fn deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// How much of what several jobs wait for this one gets: with each step from 0, the default, to 10, twice as much. None
    /// starves.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Self {
        self.priority = priority;
        self
    }

    /// How often what fails is run again, a message or the part of one that scatter made; 0 unless said otherwise. The delay
    /// is about 100 ms at first, doubles each time, and is at most 30 s. What fails for good, as a function can say of an
    /// error, is not run again.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How many messages, and bytes of their payload, the job holds at most from `send` to their end: 32,768 and 64 MiB
    /// unless said otherwise. The node may allow less to be under way.
    #[must_use]
    pub fn window(mut self, messages: u64, bytes: u64) -> Self {
        self.window = Window { messages: messages.max(1), bytes: bytes.max(1) };
        self
    }

    /// How many outputs, and bytes of them, wait for the application at most: 32,768 and 64 MiB unless said otherwise. An
    /// application that takes none holds its job back, and nobody else's. A node keeps 131,072 and 256 MiB for a job at most.
    #[must_use]
    pub fn output_window(mut self, outputs: u64, bytes: u64) -> Self {
        let (most, most_bytes) = MOST_OUTPUTS;
        self.outputs = Window { messages: outputs.clamp(1, most), bytes: bytes.clamp(1, most_bytes) };
        self
    }
}
