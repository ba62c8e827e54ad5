//! All plugins of a program, in the order given.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use pylm_plugin_api::Message;
use pylm_plugin_api::host::{CallError, Instance};

use crate::chain::{Hook, JoinState, Parts, Routes};
use crate::error::{Code, LoadError};
use crate::function::Function;
use crate::load::Plugin;

/// Plugins whose functions add up and whose hooks run in order. Clones are the same set.
#[derive(Clone, Default)]
pub struct PluginSet(Arc<Set>);

#[derive(Default)]
struct Set {
    plugins: Vec<Plugin>,
    functions: BTreeMap<String, Function>,
    scatters: Vec<Hook>,
    gathers: Vec<Hook>,
    joins: Vec<Hook>,
    routes: Vec<Hook>,
}

impl PluginSet {
    /// A set of plugins.
    ///
    /// # Errors
    ///
    /// [`Code::DuplicateFunction`], if two plugins have a function of one name.
    pub fn new(plugins: Vec<Plugin>) -> Result<PluginSet, LoadError> {
        let mut functions = BTreeMap::new();
        for function in plugins.iter().flat_map(Function::of) {
            match functions.entry(function.name().to_owned()) {
                Entry::Vacant(place) => {
                    place.insert(function);
                }
                Entry::Occupied(there) => return Err(duplicate(there.get(), &function)),
            }
        }
        let hooks = |count: fn(&Instance) -> usize| -> Vec<Hook> {
            let all = plugins.iter().map(Plugin::instance);
            all.flat_map(|instance| {
                (0..count(instance)).map(|index| Hook { instance: Arc::clone(instance), index })
            })
            .collect()
        };
        let scatters = hooks(Instance::scatters);
        let gathers = hooks(Instance::gathers);
        let joins = hooks(Instance::joins);
        let routes = hooks(Instance::routes);
        Ok(PluginSet(Arc::new(Set { plugins, functions, scatters, gathers, joins, routes })))
    }

    /// The plugins, in the order given.
    pub fn plugins(&self) -> &[Plugin] {
        &self.0.plugins
    }

    /// The function of a name.
    pub fn function(&self, name: &str) -> Option<Function> {
        self.0.functions.get(name).cloned()
    }

    /// All functions, sorted by name.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.0.functions.values()
    }

    /// Whether a plugin scatters.
    #[inline]
    pub fn has_scatter(&self) -> bool {
        !self.0.scatters.is_empty()
    }

    /// Whether a plugin gathers.
    #[inline]
    pub fn has_gather(&self) -> bool {
        !self.0.gathers.is_empty()
    }

    /// Whether a plugin joins.
    #[inline]
    pub fn has_join(&self) -> bool {
        !self.0.joins.is_empty()
    }

    /// Whether a plugin routes.
    #[inline]
    pub fn has_route(&self) -> bool {
        !self.0.routes.is_empty()
    }

    /// The parts of a client's message; the message itself where nobody scatters.
    #[inline]
    pub fn scatter(&self, message: Message) -> Parts<'_> {
        Parts::scatter(&self.0.scatters, message)
    }

    /// What becomes of one result of a parent; the result itself where nobody gathers.
    #[inline]
    pub fn gather<'a>(&'a self, parent: &'a Message, result: Message) -> Parts<'a> {
        Parts::gather(&self.0.gathers, parent, result)
    }

    /// A join for a parent; `None` where nobody joins.
    ///
    /// # Errors
    ///
    /// If the hook panics.
    pub fn join(&self, parent: &Message) -> Result<Option<JoinState<'_>>, CallError> {
        JoinState::new(&self.0.joins, parent)
    }

    /// Where a result goes; every route hook adds to it, and there is nothing where nobody routes.
    pub fn route<'a>(&'a self, message: &'a Message) -> Routes<'a> {
        Routes::new(&self.0.routes, message)
    }
}

impl std::fmt::Debug for PluginSet {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(&self.0.plugins).finish()
    }
}

fn duplicate(there: &Function, second: &Function) -> LoadError {
    let (first, path) = (there.plugin().path(), second.plugin().path());
    let cause = format!("exports a function {:?}, and so does {}", second.name(), first.display());
    LoadError::new(Code::DuplicateFunction, path, cause, "leave one of the two out")
}
