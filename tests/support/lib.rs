//! What the end-to-end tests share: built programs, a Python environment, and processes that end with their test.
//!
//! Everything here is for tests, and fails as an assertion does: by a panic at the caller's line that says what was
//! expected. A test that panics prints the output of its processes; see [`process`].

pub mod account;
pub mod address;
pub mod capture;
pub mod chaos;
pub mod checked_job;
pub mod deadline;
pub mod far;
pub mod flow;
pub mod garbage;
pub mod http;
pub mod machine;
pub mod mangling;
pub mod network;
pub mod node;
pub mod package;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod pylm;
pub mod python;
pub mod raw;
pub mod ready;
pub mod sealed;
pub mod skip;
pub mod waiting;
pub mod web;
pub mod zmtp;
