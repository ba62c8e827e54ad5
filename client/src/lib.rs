//! Streams messages through a `pylmd` node, and their results back.
//!
//! ```no_run
//! # async fn example() -> Result<(), pylm_client::Error> {
//! use pylm_client::{Client, ClientOptions, DEFAULT_ADDRESS, Event, JobOptions};
//!
//! let client = Client::connect(ClientOptions::new(DEFAULT_ADDRESS)).await?;
//! let (sender, mut results) = client.job("server.shout", JobOptions::new());
//! for word in ["one", "two", "three"] {
//!     sender.send(word).await?;
//! }
//! sender.finish();
//! while let Some(output) = results.next().await? {
//!     match output.event {
//!         Event::Result { payload, .. } => println!("{}: {}", output.number, payload.escape_ascii()),
//!         Event::Done { .. } => {}
//!         Event::Failed { code, text, .. } => eprintln!("{} failed: {code}: {text}", output.number),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A job with more messages than its window has to be read while it is written: `send` waits for room, which results make.
//! Use two tasks, or two threads of [`blocking`].
//!
//! Every message that was sent gets its results, each once, and then one end, whatever happens to the connection, the
//! node or its worker hosts meanwhile: the client keeps what has not ended, connects again by itself, and drops what it has
//! had already. All of that is one thread of its own; the library needs no runtime.

pub mod blocking;
mod cache;
mod client;
mod connection;
mod desk;
mod error;
mod job;
mod options;
mod order;
mod output;
mod pipe;
mod refusal;
mod state;
mod thread;

pub use bytes::Bytes;
pub use cache::Cache;
pub use client::Client;
pub use desk::Status;
pub use error::Error;
pub use job::{JobResults, JobSender};
pub use options::{ClientOptions, DEFAULT_ADDRESS, JobOptions};
pub use output::{Event, Output, Submitted};
pub use pylm_access::{AccessFile, FileError};
pub use pylm_protocol::{Place, codes};
pub use refusal::why_refused;
pub use uuid::Uuid;
