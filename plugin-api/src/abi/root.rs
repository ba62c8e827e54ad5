//! The root module of a plugin, version 1, and the table that the host hands over at start.

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{ROption, RResult, RSlice, RStr};

use super::{Context, Message, RawFailure, RawJoin, RawOutcome, RawRoute, RawStarted};

/// One setting, as `KEY=VALUE` gave it.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Setting<'a> {
    pub key: RStr<'a>,
    pub value: RStr<'a>,
}

/// The started plugin's state, or null where it has none.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, StableAbi)]
pub struct RawState(pub *const ());

/// A value of an event's field.
#[repr(u8)]
#[derive(Clone, Copy, StableAbi)]
pub enum RawValue<'a> {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    Text(RStr<'a>),
}

/// A field of an event.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RawField<'a> {
    pub name: RStr<'a>,
    pub value: RawValue<'a>,
}

/// An event of `tracing` or `log` inside the plugin. Levels go from 1 (error) to 5 (trace).
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RawEvent<'a> {
    /// The address of the event's callsite, unique in the process; 0 where there is none.
    pub callsite: usize,
    pub level: u8,
    pub target: RStr<'a>,
    pub file: RStr<'a>,
    pub line: u32,
    pub message: RStr<'a>,
    pub fields: RSlice<'a, RawField<'a>>,
}

/// What the host hands over at start. `data` and the functions stay valid until the process ends.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct HostV1 {
    pub data: *const (),
    pub enabled: unsafe extern "C" fn(data: *const (), level: u8, target: RStr<'_>) -> bool,
    pub event: unsafe extern "C" fn(data: *const (), event: &RawEvent<'_>),
    /// Whether the plugin shares its host's globals, as in a test of its own.
    pub in_process: bool,
}

// SAFETY: the host promises that its functions may be called from any thread.
unsafe impl Send for HostV1 {}
// SAFETY: as above.
unsafe impl Sync for HostV1 {}

/// A function.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct FunctionV1 {
    pub name: RStr<'static>,
    pub call: unsafe extern "C" fn(RawState, &Context, RSlice<'_, u8>) -> RawOutcome,
}

/// A scatter hook.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct ScatterV1 {
    pub name: RStr<'static>,
    pub run: unsafe extern "C" fn(RawState, Message) -> RawStarted<Message>,
}

/// A gather hook; the iterator may borrow the parent.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct GatherV1 {
    pub name: RStr<'static>,
    pub run: unsafe extern "C" fn(RawState, &Message, Message) -> RawStarted<Message>,
}

/// A join hook; the join borrows neither the parent nor the state.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct JoinV1 {
    pub name: RStr<'static>,
    pub run: unsafe extern "C" fn(RawState, &Message) -> RResult<RawJoin, RawFailure>,
}

/// A route hook.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RouteV1 {
    pub name: RStr<'static>,
    pub run: unsafe extern "C" fn(RawState, Message) -> RawStarted<RawRoute>,
}

/// The root module of a plugin. Frozen.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginV1Ref)))]
#[sabi(missing_field(panic))]
pub struct PluginV1 {
    pub start: extern "C" fn(RSlice<'_, Setting<'_>>, &'static HostV1) -> RResult<RawState, RawFailure>,
    pub stop: unsafe extern "C" fn(RawState) -> ROption<RawFailure>,
    pub functions: RSlice<'static, FunctionV1>,
    pub scatters: RSlice<'static, ScatterV1>,
    pub gathers: RSlice<'static, GatherV1>,
    pub joins: RSlice<'static, JoinV1>,
    #[sabi(last_prefix_field)]
    pub routes: RSlice<'static, RouteV1>,
}

impl RootModule for PluginV1Ref {
    abi_stable::declare_root_module_statics! {PluginV1Ref}
    const BASE_NAME: &'static str = "pylmd_plugin";
    const NAME: &'static str = "pylmd_plugin";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}
