//! The counterpart of each of pylm's examples: all parts ours, each single part swapped for one of pylm's, and pylm alone.
//!
//! What pylm alone answers is the reference, by which the same answers of the mixtures mean something. Of pylm's own
//! examples all run with pylm itself but mux_parallel; see [`workers`]. The example http has tests in `http_workers`.

mod example;
mod gateway;
mod hubs;
mod pipelines;
mod servers;
mod streams;
mod workers;
