//! What crosses the border between a host and a plugin: the frozen tables of version 1.
//!
//! Nothing outside this folder names `abi_stable`. A type here never changes after a release: a later version adds a new
//! root that holds this one, and a host tries the newest first.
#![allow(unsafe_code, missing_docs)]

mod context;
mod message;
mod outcome;
mod payload;
mod root;
mod shims;
#[cfg(feature = "host")]
mod upgrade;

pub use abi_stable::library::LibHeader;
pub use abi_stable::std_types::{ROption, RResult, RSlice, RStr, RString};
pub use context::{Clock, Context, RawServices, ServicesV1};
pub use message::Message;
pub use outcome::{
    RawFailure, RawFailureKind, RawIter, RawIterTable, RawJoin, RawJoinTable, RawNext, RawOutcome, RawReply,
    RawRoute, RawStarted,
};
pub use payload::{BufferOwner, BufferTable, Payload, Text};
pub use root::{
    FunctionV1, GatherV1, HostV1, JoinV1, PluginV1, PluginV1Ref, RawEvent, RawField, RawState, RawValue,
    RouteV1, ScatterV1, Setting,
};
pub use shims::{Lifecycle, concat, function, gather, header, join, route, scatter};
#[cfg(feature = "host")]
pub use upgrade::{root, upgrade};
