//! The functions behind the tables: each turns raw arguments into safe ones, and catches what panics.

use std::mem::MaybeUninit;

use abi_stable::library::{__call_root_module_loader, CheckTypeLayout, LibHeader, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::std_types::{ROption, RResult, RSlice, RStr};

use super::{
    Context, FunctionV1, GatherV1, HostV1, JoinV1, Message, PluginV1, PluginV1Ref, RawFailure,
    RawFailureKind, RawJoin, RawOutcome, RawRoute, RawStarted, RawState, RouteV1, ScatterV1, Setting,
};
use crate::config::{self, ConfigError};
use crate::export::{Function, Gather, JoinHook, Plugin, Route, Scatter, Start};
use crate::{Failure, events, panics};

/// How a plugin with a certain state starts and stops.
#[derive(Clone, Copy)]
pub struct Lifecycle {
    start: extern "C" fn(RSlice<'_, Setting<'_>>, &'static HostV1) -> RResult<RawState, RawFailure>,
    stop: unsafe extern "C" fn(RawState) -> ROption<RawFailure>,
}

impl Lifecycle {
    /// That of a plugin with this state.
    pub const fn of<S: Start>() -> Lifecycle {
        extern "C" fn start<S: Start>(
            settings: RSlice<'_, Setting<'_>>,
            host: &'static HostV1,
        ) -> RResult<RawState, RawFailure> {
            panics::catch(|| {
                panics::install_hook(host.in_process);
                events::forward_to(host);
                let settings: Vec<(&str, &str)> =
                    settings.iter().map(|setting| (setting.key.into(), setting.value.into())).collect();
                let config = config::read::<S::Config>(&settings)
                    .map_err(|ConfigError(text)| RawFailure::new(RawFailureKind::Setting, text))?;
                let state = S::start(config).map_err(RawFailure::from)?;
                Ok(RawState(Box::into_raw(Box::new(state)).cast_const().cast()))
            })
            .and_then(|started| started)
            .into()
        }

        unsafe extern "C" fn stop<S: Start>(state: RawState) -> ROption<RawFailure> {
            // SAFETY: `start` made the state, and the host stops it once, after every call.
            let state = unsafe { Box::from_raw(state.0.cast_mut().cast::<S::State>()) };
            panics::catch(move || drop(state)).err().into()
        }

        Lifecycle { start: start::<S>, stop: stop::<S> }
    }
}

impl RawState {
    /// The state behind the pointer.
    ///
    /// # Safety
    ///
    /// `S` is the type that `start` made, or a type of size zero; the state is not stopped within `'a`.
    unsafe fn get<'a, S: Send + Sync + 'static>(self) -> &'a S {
        // SAFETY: as the caller promises.
        unsafe { &*self.0.cast::<S>() }
    }
}

/// The table's entry for a function.
pub const fn function<F: Function>() -> FunctionV1 {
    unsafe extern "C" fn call<F: Function>(
        state: RawState,
        context: &Context,
        payload: RSlice<'_, u8>,
    ) -> RawOutcome {
        // SAFETY: the host calls between start and stop, and `export_plugin!` accepts one state only.
        let state = unsafe { state.get::<F::State>() };
        match panics::catch(|| F::call(state, context, payload.into()).into_raw()) {
            Ok(outcome) => outcome,
            Err(panic) => RawOutcome::Failed(panic),
        }
    }
    FunctionV1 { name: RStr::from_str(F::NAME), call: call::<F> }
}

/// The table's entry for a scatter hook.
pub const fn scatter<H: Scatter>() -> ScatterV1 {
    unsafe extern "C" fn run<H: Scatter>(state: RawState, message: Message) -> RawStarted<Message> {
        // SAFETY: as for functions.
        let state = unsafe { state.get::<H::State>() };
        started(|| Ok(H::run(state, message)?.into_raw()))
    }
    ScatterV1 { name: RStr::from_str(H::NAME), run: run::<H> }
}

/// The table's entry for a gather hook.
pub const fn gather<H: Gather>() -> GatherV1 {
    unsafe extern "C" fn run<H: Gather>(
        state: RawState,
        parent: &Message,
        result: Message,
    ) -> RawStarted<Message> {
        // SAFETY: as for functions.
        let state = unsafe { state.get::<H::State>() };
        started(|| Ok(H::run(state, parent, result)?.into_raw()))
    }
    GatherV1 { name: RStr::from_str(H::NAME), run: run::<H> }
}

/// The table's entry for a join hook.
pub const fn join<H: JoinHook>() -> JoinV1 {
    unsafe extern "C" fn run<H: JoinHook>(state: RawState, parent: &Message) -> RResult<RawJoin, RawFailure> {
        // SAFETY: as for functions.
        let state = unsafe { state.get::<H::State>() };
        started(|| Ok(RawJoin::new(H::run(state, parent))))
    }
    JoinV1 { name: RStr::from_str(H::NAME), run: run::<H> }
}

/// The table's entry for a route hook.
pub const fn route<H: Route>() -> RouteV1 {
    unsafe extern "C" fn run<H: Route>(state: RawState, message: Message) -> RawStarted<RawRoute> {
        // SAFETY: as for functions.
        let state = unsafe { state.get::<H::State>() };
        started(|| Ok(H::run(state, message)?.into_raw()))
    }
    RouteV1 { name: RStr::from_str(H::NAME), run: run::<H> }
}

fn started<T>(run: impl FnOnce() -> Result<T, Failure>) -> RResult<T, RawFailure> {
    match panics::catch(run) {
        Ok(Ok(value)) => RResult::ROk(value),
        Ok(Err(failure)) => RResult::RErr(failure.into()),
        Err(panic) => RResult::RErr(panic),
    }
}

/// The header of a plugin's root module, for the exported symbol.
pub const fn header<P: Plugin>() -> LibHeader {
    fn module<P: Plugin>() -> PluginV1Ref {
        let root = PluginV1 {
            start: P::STATE.start,
            stop: P::STATE.stop,
            functions: P::FUNCTIONS.into(),
            scatters: P::SCATTERS.into(),
            gathers: P::GATHERS.into(),
            joins: P::JOINS.into(),
            routes: P::ROUTES.into(),
        };
        root.leak_into_prefix()
    }
    extern "C" fn load<P: Plugin>() -> RootModuleResult {
        __call_root_module_loader(module::<P>)
    }
    // SAFETY: `load` returns what `module` made, which is a `PluginV1Ref`.
    unsafe { LibHeader::from_constructor::<PluginV1Ref>(load::<P>, CheckTypeLayout::Yes) }
}

/// All lists, one after the other; `N` is their total length.
///
/// # Panics
///
/// At compile time, if `N` is another number.
pub const fn concat<T: Copy, const N: usize>(lists: &[&[T]]) -> [T; N] {
    let mut all = [const { MaybeUninit::<T>::uninit() }; N];
    let (mut list, mut index) = (0, 0);
    while list < lists.len() {
        let mut within = 0;
        while within < lists[list].len() {
            all[index] = MaybeUninit::new(lists[list][within]);
            index += 1;
            within += 1;
        }
        list += 1;
    }
    assert!(index == N, "the length is the lists' total");
    // SAFETY: all N elements were written, and `MaybeUninit<T>` has the layout of `T`.
    unsafe { std::mem::transmute_copy::<[MaybeUninit<T>; N], [T; N]>(&all) }
}
