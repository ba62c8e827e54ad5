//! Finds, checks and loads plugins, and runs their functions and hooks.
//!
//! A plugin's file is read once: what is inspected is what is copied, and the copy is what is loaded. Nothing of a plugin
//! runs before its descriptor was checked, and no loaded file is ever unloaded.

mod bundle;
mod chain;
mod copy;
mod descriptor;
mod error;
mod file;
mod function;
#[doc(hidden)]
pub mod fuzzing;
mod load;
mod logs;
mod search;
mod set;

pub use chain::{JoinState, Parts, Routes};
pub use descriptor::{ApiVersion, Descriptor, FunctionInfo, HookInfo, HookKind, PanicStrategy, SettingInfo};
pub use error::{Code, LoadError};
pub use file::{admit, inspect};
pub use function::Function;
pub use load::{Plugin, check, load};
pub use search::{Origin, Search};
pub use set::PluginSet;

pub use pylm_plugin_api::host::{
    Call, CallError, CallErrorKind, Desk, Names, NoServices, Outcome, Results, ServiceError, Services,
    is_same,
};
pub use pylm_plugin_api::{Message, Payload, Text};
