//! A function of a loaded plugin.

use std::fmt;

use pylm_plugin_api::host::{Call, CallError, Instance, Outcome};

use crate::load::Plugin;

/// A function that messages can name. Clones are the same one.
#[derive(Clone)]
pub struct Function {
    plugin: Plugin,
    index: usize,
    name: &'static str,
    atomic: bool,
}

impl Function {
    /// The functions of a plugin.
    pub(crate) fn of(plugin: &Plugin) -> impl Iterator<Item = Function> {
        plugin.instance().functions().enumerate().map(|(index, name)| {
            let atomic = plugin.descriptor().functions.iter().any(|info| info.name == name && info.atomic);
            Function { plugin: plugin.clone(), index, name, atomic }
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Whether a rerun may give other results, so that none may be passed on before the last.
    pub fn atomic(&self) -> bool {
        self.atomic
    }

    /// The plugin it belongs to.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Calls it on this thread. What it answers may borrow the call and the payload.
    ///
    /// # Errors
    ///
    /// If the function returns an error or panics.
    #[inline]
    pub fn call<'a>(&'a self, call: &'a Call<'a>, payload: &'a [u8]) -> Result<Outcome<'a>, CallError> {
        Instance::call(self.plugin.instance(), self.index, call, payload)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Function")
            .field("name", &self.name)
            .field("plugin", &self.plugin.name())
            .field("atomic", &self.atomic)
            .finish()
    }
}
