//! A host for the tests of a plugin: each case runs in the process of the test, and through the library as it is built.
//!
//! ```ignore
//! #[test]
//! fn shout_answers_in_upper_case() {
//!     pylm_plugin_api::both_ways!(|host| {
//!         let plugin = host.start(&[]).unwrap();
//!         assert_eq!(plugin.call("shout", b"abc").unwrap(), [b"ABC"]);
//!     });
//! }
//! ```
//!
//! The crate of the plugin needs, under `[dev-dependencies]`, `pylm-plugin-api` with the feature `testing`.

mod cache;
mod library;
mod plugin;

pub use cache::Cache;
pub use plugin::{CallBuilder, Plugin};

use std::sync::Arc;

use crate::__private::Exported;
use crate::host::{Event, Events, Root, StartError};

/// One of the two ways in which a plugin runs.
pub struct Host {
    root: Root,
    way: &'static str,
}

impl Host {
    /// Starts the plugin with settings of key and value.
    ///
    /// # Errors
    ///
    /// If the settings are wrong, or the plugin refuses or panics.
    pub fn start(&self, settings: &[(&str, &str)]) -> Result<Plugin, StartError> {
        let settings: Vec<(String, String)> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.root.start(&settings, Arc::new(Silent)).map(Plugin::new)
    }

    /// Which way this is, for messages of the test.
    pub fn way(&self) -> &'static str {
        self.way
    }
}

/// Runs a case for the plugin of this crate, in the process and through the built library.
#[macro_export]
#[allow(clippy::crate_in_macro_def, reason = "it is the plugin's crate that is meant")]
macro_rules! both_ways {
    ($case:expr) => {
        $crate::testing::both_ways(crate::__pylm_plugin(), $case)
    };
}

/// Runs a case in both ways; [`both_ways!`](crate::both_ways) names the plugin for it.
///
/// # Panics
///
/// If the library cannot be built or loaded, and where the case does.
#[doc(hidden)]
pub fn both_ways(plugin: Exported, case: impl Fn(&Host)) {
    let ways = [("in the process", Root::in_process(plugin)), ("through the library", library::root(plugin))];
    for (way, root) in ways {
        match root {
            Ok(root) => case(&Host { root, way }),
            Err(error) => panic!("{way}: {error}: {}", error.0),
        }
    }
}

/// Tests say by themselves what they expect of logs.
struct Silent;

impl Events for Silent {
    fn enabled(&self, _: u8, _: &str) -> bool {
        false
    }

    fn event(&self, _: &Event<'_>) {}
}
