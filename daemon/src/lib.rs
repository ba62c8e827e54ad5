//! The node ([`node`]) with its HTTP gateway ([`gateway`]), and the worker host ([`host`]): the library behind the programs `pylmd` and `pylm-worker`.

#![warn(clippy::print_stderr, reason = "it panics where nobody takes what is written")]

mod binding;
mod control;
mod crowd;
mod entrance;
mod gate;
pub mod gateway;
#[cfg(test)]
#[path = "../../cli/src/help.rs"]
mod help;
pub mod host;
pub mod logging;
pub mod node;
pub mod service;
pub mod settings;
pub mod supervisor;

#[cfg(test)]
fn commands() -> [clap::Command; 2] {
    [node::command(), <host::options::WorkerOptions as clap::CommandFactory>::command()]
}
