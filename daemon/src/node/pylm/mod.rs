//! pylm's wire: the sockets that its peers are given, and what is particular to them.

pub mod clients;
mod errors;
pub mod followers;
pub mod ports;
pub mod service;
pub mod workers;
