//! What can go wrong, each with what to do next.

use pylm_protocol::strings::TooLong;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a call of this library did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The node's address is none that can be connected to.
    #[error("cannot connect to {address}: {why}; give an address such as tcp://127.0.0.1:5559")]
    Address {
        /// The address as it was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// No node answered in time.
    #[error(
        "no node answered at {address} within {} s ({cause}); start one with `pylmd`, or give the address of its db socket",
        patience.as_secs_f32()
    )]
    NoAnswer {
        /// The node's address.
        address: String,
        /// How long the client tried.
        patience: Duration,
        /// What happened to the last attempt.
        cause: String,
    },
    /// Something answered that does not speak the native protocol.
    #[error("the peer at {address} is no pylmd node; give the address of the db socket of one")]
    NotNative {
        /// The node's address.
        address: String,
    },
    /// The node speaks another version of the native protocol.
    #[error(
        "the node speaks version {theirs} of the native protocol, this client {}; use those of one release",
        pylm_protocol::MAJOR
    )]
    Version {
        /// The node's version, `MAJOR.MINOR`.
        theirs: String,
    },
    /// The node ended the session for good.
    #[error("the node refuses this client: {code}: {text}; connect a new client once that is mended")]
    Refused {
        /// One of the final codes of the protocol.
        code: String,
        /// The node's words.
        text: String,
    },
    /// The node lets this user, or this key, not in.
    #[error("{0}")]
    NotAdmitted(String),
    /// The job was cancelled, here or at the node.
    #[error("the job was cancelled; open a new one to submit more")]
    Cancelled,
    /// The job was finished already.
    #[error("the job was finished; open a new one to submit more")]
    Finished,
    /// There is no job to attach to: it has ended, was closed, or never was.
    #[error("the node has no such job any more; `pylm jobs` lists those that it has")]
    NoSuchJob,
    /// The client of the job that is to be attached to is there.
    #[error("the client of the job is still connected, and gets its results itself; cancel or end it first")]
    JobInUse,
    /// What is left of the job that was attached to has been taken, and is perhaps not all of it.
    #[error(
        "the node's journal was damaged: more messages of the job than are told of may be lost; send again those without results"
    )]
    JobIncomplete,
    /// The payload is larger than the node takes. It was not submitted, and has no number.
    #[error(
        "the payload has {size} bytes, and the node takes {limit}; split it, or raise the node's --max-message"
    )]
    TooLarge {
        /// The payload's size, in bytes.
        size: u64,
        /// The largest size that the node takes.
        limit: u64,
    },
    /// A name, a cache key or a list of functions is longer than a node takes.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The message of an [`eval`](crate::Client::eval) failed.
    #[error("{code}: {text}")]
    Failed {
        /// One of the codes of the protocol.
        code: String,
        /// What happened.
        text: String,
    },
    /// The cache refuses a change.
    #[error("the cache refuses: {0}")]
    CacheRefused(String),
    /// The client's grant does not allow this key.
    #[error("{0}")]
    CacheNotGranted(String),
    /// The system refuses what the client's thread needs.
    #[error("{doing}: {source}; look at the limits of this process")]
    System {
        /// What was to be done.
        doing: &'static str,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// The client's thread is gone.
    #[error("the client has stopped; connect a new one")]
    Stopped,
}

impl Error {
    pub(crate) fn address(address: &str, why: impl ToString) -> Error {
        Error::Address { address: address.to_owned(), why: why.to_string() }
    }

    pub(crate) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::System { doing, source: Arc::new(source) }
    }
}
