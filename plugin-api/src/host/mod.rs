//! The caller's side of the ABI: safe types over a plugin's tables, for programs that load plugins.
#![allow(unsafe_code)]

mod bytes;
mod call;
mod desk;
mod error;
mod events;
mod function;
mod hooks;
mod instance;
mod services;

pub use call::{Call, Current, current};
pub use desk::{Desk, Names, is_same};
pub use error::{CallError, CallErrorKind, LayoutError, StartError};
pub use events::{Event, EventField, Events, Value};
pub use function::{Outcome, Results};
pub use hooks::{Items, Joining};
pub use instance::{Instance, Root};
pub use services::{NoServices, ServiceError, Services};
