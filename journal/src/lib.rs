//! The journal of a pylmd node: what it has accepted and what it owes, on disk, so that a crash loses none of it.
//!
//! A node hands [records](Record) over in batches, and is told when they are durable; its thread never waits for the disk. What
//! comes together while the disk works is written next, and costs one wait for all (group commit). When the node starts again,
//! [`Journal::open`] gives back what is [still needed](Recovered).
//!
//! A journal is a folder of *segments*, files of 64 MiB that are only ever appended to. `docs/journal.md` tells operators what it
//! keeps, and the modules here tell the format: `segment`, `frame` and `codec`.

mod alive;
mod check;
mod cleaner;
mod codec;
mod damage;
mod disk;
mod encoder;
mod error;
mod export;
#[cfg(test)]
mod faults;
mod folder;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod job;
mod journal;
mod numbers;
mod record;
mod recovered;
mod replay;
mod scan;
mod segment;
mod segments;
mod status;
mod writer;

pub use check::Summary;
pub use damage::Damage;
pub use error::Error;
pub use export::{ExportError, export};
pub use journal::{Journal, Options, Unwritten};
pub use record::{JobHeader, Output, Record};
pub use recovered::{KeptOutput, Recovered, RecoveredJob, UnfinishedMessage};
pub use status::Status;
