//! pylm's wire: the sockets that its peers are given, and what is particular to them.

mod answers;
mod calls;
pub mod clients;
mod errors;
pub mod followers;
pub mod late;
mod pace;
pub mod ports;
pub(crate) mod pushed;
pub mod service;
pub mod tempo;
pub mod tracking;
pub mod workers;
