//! The traits between the macros and the border. Authors meet them only in error messages.

use std::fmt::Display;

use crate::abi::{FunctionV1, GatherV1, JoinV1, Lifecycle, Message, RawIter, RawRoute, RouteV1, ScatterV1};
use crate::answer::{Answer, Fallible, Single};
use crate::config::{Config, NoConfig};
use crate::descriptor::Entry;
use crate::hook::{IntoItems, Join};
use crate::{Context, Failure};

/// How the state that functions and hooks of one plugin share comes to be.
pub trait Start {
    /// The state.
    type State: Send + Sync + 'static;
    /// What its start is configured with.
    type Config: Config;

    /// Starts the plugin.
    ///
    /// # Errors
    ///
    /// If the plugin refuses to start.
    fn start(config: Self::Config) -> Result<Self::State, Failure>;
}

/// The state of a plugin that has none.
pub struct Stateless;

impl Start for Stateless {
    type State = Stateless;
    type Config = NoConfig;

    fn start(_: NoConfig) -> Result<Stateless, Failure> {
        Ok(Stateless)
    }
}

/// What a `#[start]` may return: the state, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "`#[start]` returns the state or a `Result` of it, not `{Self}`",
    label = "write `Self`, or `Result<Self, …>`"
)]
pub trait IntoState<S, Marker> {
    #[doc(hidden)]
    fn into_state(self) -> Result<S, Failure>;
}

#[diagnostic::do_not_recommend]
impl<S> IntoState<S, Single> for S {
    fn into_state(self) -> Result<S, Failure> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<S, E: Display + 'static> IntoState<S, Fallible<Single>> for Result<S, E> {
    fn into_state(self) -> Result<S, Failure> {
        self.map_err(Failure::of)
    }
}

/// Something that has a name for messages and logs.
pub trait Named {
    /// The state it belongs to.
    type State: Send + Sync + 'static;
    /// Its name.
    const NAME: &'static str;
}

/// A `#[function]`.
pub trait Function: Named {
    /// Calls it.
    fn call<'a>(state: &'a Self::State, context: &'a Context, payload: &'a [u8]) -> Answer<'a>;
}

/// What a hook yields, on its way over the border.
pub struct Items<'a, T> {
    raw: RawIter<T>,
    borrows: std::marker::PhantomData<&'a ()>,
}

impl<'a, T> Items<'a, T> {
    /// The items of whatever a hook returned.
    ///
    /// # Errors
    ///
    /// If the hook returned an error.
    pub fn of<M>(returned: impl IntoItems<'a, T, M>) -> Result<Items<'a, T>, Failure> {
        Ok(Items { raw: RawIter::new(returned.into_items()?), borrows: std::marker::PhantomData })
    }

    pub(crate) fn into_raw(self) -> RawIter<T> {
        self.raw
    }
}

/// A `#[scatter]`.
pub trait Scatter: Named {
    /// Runs it.
    fn run<'a>(state: &'a Self::State, message: Message) -> Result<Items<'a, Message>, Failure>;
}

/// A `#[gather]`.
pub trait Gather: Named {
    /// Runs it.
    fn run<'a>(
        state: &'a Self::State,
        parent: &'a Message,
        result: Message,
    ) -> Result<Items<'a, Message>, Failure>;
}

/// A `#[join]`.
pub trait JoinHook: Named {
    /// Runs it.
    fn run(state: &Self::State, parent: &Message) -> impl Join + use<Self>;
}

/// A `#[route]`.
pub trait Route: Named {
    /// Runs it.
    fn run<'a>(state: &'a Self::State, message: Message) -> Result<Items<'a, RawRoute>, Failure>;
}

/// What one name in `export_plugin!` stands for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not marked as something that a plugin exports",
    label = "not marked",
    note = "write `#[function]`, `#[scatter]`, `#[gather]`, `#[join]` or `#[route]` above the function, or `#[state]` above the `impl` of a type; methods come with their type, and what stands in a module is `pub`"
)]
pub trait Export {
    /// All that it stands for.
    const EXPORTS: Exports;
}

/// What one name in `export_plugin!` stands for.
#[derive(Clone, Copy)]
pub struct Exports {
    /// How the plugin starts, where this is its state.
    pub state: Option<Lifecycle>,
    /// Functions.
    pub functions: &'static [FunctionV1],
    /// Scatter hooks.
    pub scatters: &'static [ScatterV1],
    /// Gather hooks.
    pub gathers: &'static [GatherV1],
    /// Join hooks.
    pub joins: &'static [JoinV1],
    /// Route hooks.
    pub routes: &'static [RouteV1],
    /// What the descriptor says of them.
    pub entries: &'static [Entry],
}

impl Exports {
    /// Nothing.
    pub const NONE: Exports = Exports {
        state: None,
        functions: &[],
        scatters: &[],
        gathers: &[],
        joins: &[],
        routes: &[],
        entries: &[],
    };

    /// What a type stands for; that it stands for nothing is told at its name.
    pub const fn of<T: Export>() -> Exports {
        T::EXPORTS
    }
}

/// All that a plugin exports.
pub trait Plugin {
    /// How it starts and stops.
    const STATE: Lifecycle;
    /// Functions.
    const FUNCTIONS: &'static [FunctionV1];
    /// Scatter hooks.
    const SCATTERS: &'static [ScatterV1];
    /// Gather hooks.
    const GATHERS: &'static [GatherV1];
    /// Join hooks.
    const JOINS: &'static [JoinV1];
    /// Route hooks.
    const ROUTES: &'static [RouteV1];
}

/// The one state among what a plugin exports.
///
/// # Panics
///
/// At compile time, if there are two.
pub const fn only_state(items: &[Exports]) -> Lifecycle {
    let mut found = None;
    let mut index = 0;
    while index < items.len() {
        if items[index].state.is_some() {
            assert!(found.is_none(), "a plugin has one state: export one `#[state]` only");
            found = items[index].state;
        }
        index += 1;
    }
    match found {
        Some(state) => state,
        None => Lifecycle::of::<Stateless>(),
    }
}

/// Defines how the lists of one kind are taken out of all that is exported.
macro_rules! lists {
    ($($name:ident: $element:ty),*) => {$(
        /// This list of each item.
        pub const fn $name<const N: usize>(items: &[Exports; N]) -> [&'static [$element]; N] {
            let mut lists: [&'static [$element]; N] = [&[]; N];
            let mut index = 0;
            while index < N {
                lists[index] = items[index].$name;
                index += 1;
            }
            lists
        }
    )*};
}

lists! {
    functions: FunctionV1, scatters: ScatterV1, gathers: GatherV1, joins: JoinV1, routes: RouteV1, entries: Entry
}

/// The number of elements in all lists.
pub const fn total<T>(lists: &[&[T]]) -> usize {
    let mut total = 0;
    let mut index = 0;
    while index < lists.len() {
        total += lists[index].len();
        index += 1;
    }
    total
}
