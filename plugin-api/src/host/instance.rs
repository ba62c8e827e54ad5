//! A plugin's root module, and a started instance of it.

use std::sync::Arc;

use super::call::{Call, Running};
use super::error::{CallError, LayoutError, StartError};
use super::events::{self, Events};
use super::function::Outcome;
use super::hooks::{Items, Joining};
use crate::__private::Exported;
use crate::abi::{LibHeader, Message, PluginV1Ref, RResult, RSlice, RawRoute, RawState, Setting};

/// The root module of a plugin.
#[derive(Clone, Copy)]
pub struct Root {
    module: PluginV1Ref,
    in_process: bool,
}

impl Root {
    /// The root module behind the symbol [`ROOT_SYMBOL`](crate::descriptor::ROOT_SYMBOL) of a loaded library.
    ///
    /// # Errors
    ///
    /// If the tables are not those of version 1.
    ///
    /// # Safety
    ///
    /// `symbol` is the address of that symbol, in a library that is never unloaded.
    pub unsafe fn from_symbol(symbol: *const ()) -> Result<Root, LayoutError> {
        // SAFETY: the header is at the symbol, and `abi_stable` checks what it finds before it reads more.
        let header = unsafe { crate::abi::upgrade(symbol) }.map_err(LayoutError)?;
        Root::from_header(header, false)
    }

    /// The root module of a plugin that is part of this program.
    ///
    /// # Errors
    ///
    /// If the tables are not those of version 1, which cannot be within one build.
    pub fn in_process(plugin: Exported) -> Result<Root, LayoutError> {
        Root::from_header(plugin.header, true)
    }

    fn from_header(header: &'static LibHeader, in_process: bool) -> Result<Root, LayoutError> {
        let module = crate::abi::root(header).map_err(LayoutError)?;
        Ok(Root { module, in_process })
    }

    /// Starts an instance with settings of key and value.
    ///
    /// # Errors
    ///
    /// If the settings are wrong, or the plugin refuses or panics.
    pub fn start(
        self,
        settings: &[(String, String)],
        events: Arc<dyn Events>,
    ) -> Result<Arc<Instance>, StartError> {
        let settings: Vec<Setting<'_>> = settings
            .iter()
            .map(|(key, value)| Setting { key: key.as_str().into(), value: value.as_str().into() })
            .collect();
        let host = events::table(events, self.in_process);
        match (self.module.start())(RSlice::from(settings.as_slice()), host) {
            RResult::ROk(state) => Ok(Arc::new(Instance { module: self.module, state })),
            RResult::RErr(failure) => Err(failure.into()),
        }
    }
}

/// A started plugin. Dropping it drops the plugin's state; its code stays in memory.
///
/// The indices below are positions in the plugin's tables.
pub struct Instance {
    module: PluginV1Ref,
    state: RawState,
}

// SAFETY: the state is `Send` and `Sync`, which the plugin's macros demand of it.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Instance {
    /// The functions' names.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = &'static str> {
        self.module.functions().as_slice().iter().map(|function| function.name.as_str())
    }

    /// How many scatter hooks there are.
    pub fn scatters(&self) -> usize {
        self.module.scatters().len()
    }

    /// How many gather hooks there are.
    pub fn gathers(&self) -> usize {
        self.module.gathers().len()
    }

    /// How many join hooks there are.
    pub fn joins(&self) -> usize {
        self.module.joins().len()
    }

    /// How many route hooks there are.
    pub fn routes(&self) -> usize {
        self.module.routes().len()
    }

    /// Calls a function. What it answers may borrow the call and the payload.
    ///
    /// # Errors
    ///
    /// If the function returns an error or panics.
    ///
    /// # Panics
    ///
    /// If there is no function of this index.
    #[inline]
    pub fn call<'a>(
        &'a self,
        index: usize,
        call: &'a Call<'a>,
        payload: &'a [u8],
    ) -> Result<Outcome<'a>, CallError> {
        let function = &self.module.functions().as_slice()[index];
        let name = function.name.as_str();
        let _running = Running::enter(name, Some(call.context()));
        // SAFETY: the state is that of this module, and it is not stopped before `self` is dropped.
        let raw = unsafe { (function.call)(self.state, call.context(), payload.into()) };
        Outcome::from_raw(raw, name, call.context())
    }

    /// Runs a scatter hook.
    ///
    /// # Errors
    ///
    /// If the hook returns an error or panics before it gives an iterator.
    ///
    /// # Panics
    ///
    /// If there is no hook of this index; likewise below.
    #[inline]
    pub fn scatter(&self, index: usize, message: Message) -> Result<Items<'_, Message>, CallError> {
        let hook = &self.module.scatters().as_slice()[index];
        let name = hook.name.as_str();
        let _running = Running::enter(name, None);
        // SAFETY: as in `call`; `Items` does not outlive the instance.
        let started = unsafe { (hook.run)(self.state, message) };
        Ok(Items::new(started.into_result()?, name))
    }

    /// Runs a gather hook.
    ///
    /// # Errors
    ///
    /// As [`Instance::scatter`].
    #[inline]
    pub fn gather<'a>(
        &'a self,
        index: usize,
        parent: &'a Message,
        result: Message,
    ) -> Result<Items<'a, Message>, CallError> {
        let hook = &self.module.gathers().as_slice()[index];
        let name = hook.name.as_str();
        let _running = Running::enter(name, None);
        // SAFETY: as in `call`; `Items` outlives neither the instance nor the parent.
        let started = unsafe { (hook.run)(self.state, parent, result) };
        Ok(Items::new(started.into_result()?, name))
    }

    /// Runs a join hook.
    ///
    /// # Errors
    ///
    /// If the hook panics.
    pub fn join(&self, index: usize, parent: &Message) -> Result<Joining<'_>, CallError> {
        let hook = &self.module.joins().as_slice()[index];
        let name = hook.name.as_str();
        let _running = Running::enter(name, None);
        // SAFETY: as in `call`; the join borrows nothing.
        let started = unsafe { (hook.run)(self.state, parent) };
        Ok(Joining::new(started.into_result()?, name))
    }

    /// Runs a route hook.
    ///
    /// # Errors
    ///
    /// As [`Instance::scatter`].
    pub fn route(&self, index: usize, result: Message) -> Result<Items<'_, RawRoute>, CallError> {
        let hook = &self.module.routes().as_slice()[index];
        let name = hook.name.as_str();
        let _running = Running::enter(name, None);
        // SAFETY: as in `call`; `Items` does not outlive the instance.
        let started = unsafe { (hook.run)(self.state, result) };
        Ok(Items::new(started.into_result()?, name))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _running = Running::enter("stop", None);
        // SAFETY: this is the last use of the state. A panic is in the log by now, since the plugin's hook sends it there.
        let _ = unsafe { (self.module.stop())(self.state) };
    }
}
