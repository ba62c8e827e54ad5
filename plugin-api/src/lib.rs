//! What a plugin of pylmd is written against.
//!
//! A plugin is a `cdylib` that exports functions, hooks, or both:
//!
//! ```
//! #![forbid(unsafe_code)]
//! use pylm_plugin_api::prelude::*;
//!
//! #[function]
//! fn shout(payload: &[u8]) -> Vec<u8> {
//!     payload.to_ascii_uppercase()
//! }
//!
//! #[scatter]
//! fn three(message: Message) -> impl Iterator<Item = Message> {
//!     std::iter::repeat_n(message, 3)
//! }
//!
//! export_plugin!(shout, three);
//! # fn main() {}
//! ```
//!
//! - [`macro@function`]: works on one payload, in a worker host or in the node.
//! - [`macro@scatter`], [`macro@gather`], [`macro@join`], [`macro@route`]: hooks, run by a node on the messages that pass.
//! - [`macro@state`]: a type whose methods are functions and hooks, started with a [`macro@config`].
//! - [`export_plugin!`]: names what the plugin exports.
//!
//! Panics that unwind end one message and never the process. Events of `tracing` and `log` reach the host's log.

#[doc(hidden)]
pub mod abi;
mod answer;
mod argument;
mod config;
#[doc(hidden)]
pub mod descriptor;
mod events;
#[doc(hidden)]
pub mod export;
mod failure;
mod hook;
#[cfg(feature = "host")]
pub mod host;
mod panics;
#[cfg(feature = "testing")]
pub mod testing;

pub use abi::{Context, Message, Payload, Text};
pub use answer::{IntoAnswer, IntoItem};
pub use config::{Config, Key};
pub use failure::Failure;
pub use hook::{IntoItems, Join};
mod macros;
pub use macros::*;

/// All that a plugin usually needs.
pub mod prelude {
    pub use crate::{
        Context, Failure, Join, Message, Payload, Text, config, export_plugin, function, gather, join, route,
        scatter, start, state,
    };
}

/// What the macros expand to.
#[doc(hidden)]
pub mod __private {
    pub use crate::abi::{
        FunctionV1, GatherV1, JoinV1, LibHeader, Lifecycle, RawRoute, RouteV1, ScatterV1, concat, function,
        gather, header, join, route, scatter,
    };
    pub use crate::answer::{Answer, IntoAnswer};
    pub use crate::argument::{ContextArgument, MessageArgument, ParentArgument, PayloadArgument};
    pub use crate::config::{Config, Key, NoConfig, setting};
    pub use crate::descriptor::{Entry, Tag, Whole, identity, layout, records_len, settings};
    pub use crate::export::{
        Export, Exports, Function, Gather, IntoState, Items, JoinHook, Named, Plugin, Route, Scatter, Start,
        Stateless, entries, functions, gathers, joins, only_state, routes, scatters, total,
    };
    pub use crate::hook::Join;
    pub use crate::{Context, Failure, Message};
    pub use serde;

    /// A plugin as seen from inside its own crate.
    #[derive(Clone, Copy)]
    pub struct Exported {
        /// Its root module.
        pub header: &'static LibHeader,
        /// The folder of its manifest.
        pub manifest_dir: &'static str,
        /// The name of its package.
        pub package: &'static str,
    }
}
