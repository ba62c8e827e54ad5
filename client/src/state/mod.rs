//! The client's side of the native protocol as pure state: records in, records out, time as an argument.
//!
//! A [`Session`](session::Session) is one client over all of its connections; it holds [jobs](job::Job), and those hold the
//! messages that have not ended. No socket, thread, clock or lock is needed here, so properties can be tested without them.

pub(crate) mod backlog;
pub(crate) mod calls;
pub(crate) mod job;
mod jobs;
#[cfg(test)]
mod model;
pub(crate) mod places;
pub(crate) mod session;
pub(crate) mod window;
