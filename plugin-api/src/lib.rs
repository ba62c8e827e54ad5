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
pub use pylm_plugin_api_macros::{config, function, gather, join, route, scatter, state};

/// All that a plugin usually needs.
pub mod prelude {
    pub use crate::{
        Context, Failure, Join, Message, Payload, Text, config, export_plugin, function, gather, join, route,
        scatter, state,
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
    pub use crate::config::{Config, Key, NoConfig};
    pub use crate::descriptor::{Entry, Tag, Whole, identity, layout, records_len, settings};
    pub use crate::export::{
        Export, Function, Gather, IntoState, Items, JoinHook, Named, Plugin, Route, Scatter, Start,
        Stateless, only_state, total,
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

/// Names what a plugin exports: functions, hooks, and at most one state, whose methods come with it.
///
/// Stands once, in the root of the crate.
#[macro_export]
macro_rules! export_plugin {
    ($($item:path),+ $(,)?) => {
        #[doc(hidden)]
        pub fn __pylm_plugin() -> $crate::__private::Exported {
            use $crate::__private as pylm;

            struct All;

            macro_rules! lists {
                ($list:ident) => {
                    &[$(<$item as pylm::Export>::$list),+]
                };
            }

            impl pylm::Plugin for All {
                const STATE: pylm::Lifecycle = pylm::only_state(lists!(STATE));
                const FUNCTIONS: &'static [pylm::FunctionV1] =
                    &pylm::concat::<_, { pylm::total::<pylm::FunctionV1>(lists!(FUNCTIONS)) }>(lists!(FUNCTIONS));
                const SCATTERS: &'static [pylm::ScatterV1] =
                    &pylm::concat::<_, { pylm::total::<pylm::ScatterV1>(lists!(SCATTERS)) }>(lists!(SCATTERS));
                const GATHERS: &'static [pylm::GatherV1] =
                    &pylm::concat::<_, { pylm::total::<pylm::GatherV1>(lists!(GATHERS)) }>(lists!(GATHERS));
                const JOINS: &'static [pylm::JoinV1] =
                    &pylm::concat::<_, { pylm::total::<pylm::JoinV1>(lists!(JOINS)) }>(lists!(JOINS));
                const ROUTES: &'static [pylm::RouteV1] =
                    &pylm::concat::<_, { pylm::total::<pylm::RouteV1>(lists!(ROUTES)) }>(lists!(ROUTES));
            }

            const ENTRIES: &[&[pylm::Entry]] = &[
                &pylm::identity(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
                $(<$item as pylm::Export>::ENTRIES),+
            ];

            #[used]
            #[unsafe(no_mangle)]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__pylmd_meta"))]
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".pylmd.meta"))]
            #[allow(non_upper_case_globals)]
            pub static pylmd_plugin_descriptor: pylm::Whole<{ pylm::records_len(ENTRIES) }> =
                pylm::layout(cfg!(panic = "unwind"), ENTRIES);

            #[unsafe(no_mangle)]
            #[allow(non_upper_case_globals)]
            pub static pylmd_plugin_v1: pylm::LibHeader = pylm::header::<All>();

            pylm::Exported {
                header: &pylmd_plugin_v1,
                manifest_dir: env!("CARGO_MANIFEST_DIR"),
                package: env!("CARGO_PKG_NAME"),
            }
        }
    };
}
