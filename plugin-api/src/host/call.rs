//! One call: what the function is told, and which call the current thread is in.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::services::{self, Services};
use crate::abi::{Context, ROption, RStr};

/// What a function is told about its call.
pub struct Call<'a> {
    context: Context,
    lifetime: PhantomData<&'a ()>,
}

impl<'a> Call<'a> {
    /// A call with no names, number 0, attempt 1 and no deadline. `cancelled` turns true when nobody wants the answer.
    pub fn new(services: &'a dyn Services, cancelled: &'a AtomicBool) -> Call<'a> {
        let empty = RStr::from_str("");
        Call {
            context: Context {
                pipeline: empty,
                client: empty,
                function: empty,
                cache_key: empty,
                worker: empty,
                stage: 0,
                number: 0,
                attempt: 1,
                deadline: ROption::RNone,
                cancelled,
                services: services::erase(services),
                table: &services::TABLE,
            },
            lifetime: PhantomData,
        }
    }

    /// The job, as its client named it.
    #[must_use]
    pub fn pipeline(mut self, pipeline: &'a str) -> Call<'a> {
        self.context.pipeline = text(pipeline);
        self
    }

    /// The client.
    #[must_use]
    pub fn client(mut self, client: &'a str) -> Call<'a> {
        self.context.client = text(client);
        self
    }

    /// The step within a pipelined call.
    #[must_use]
    pub fn stage(mut self, stage: i64) -> Call<'a> {
        self.context.stage = stage;
        self
    }

    /// `server.function`, one for each stage.
    #[must_use]
    pub fn function(mut self, function: &'a str) -> Call<'a> {
        self.context.function = text(function);
        self
    }

    /// The cache key of the message.
    #[must_use]
    pub fn cache_key(mut self, key: &'a str) -> Call<'a> {
        self.context.cache_key = text(key);
        self
    }

    /// The name of the worker host or node.
    #[must_use]
    pub fn worker(mut self, worker: &'a str) -> Call<'a> {
        self.context.worker = text(worker);
        self
    }

    /// The message's number in its job.
    #[must_use]
    pub fn number(mut self, number: u64) -> Call<'a> {
        self.context.number = number;
        self
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Call<'a> {
        self.context.attempt = attempt;
        self
    }

    /// The moment after which nobody waits for the answer.
    #[must_use]
    pub fn deadline(mut self, deadline: Option<Instant>) -> Call<'a> {
        self.context.deadline = deadline.map(services::clock).into();
        self
    }

    /// The same, as the function sees it.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }
}

/// Text that the call outlives.
fn text(text: &str) -> RStr<'static> {
    // SAFETY: `Call<'a>` ends before the text does, and `Context` gives it out for no longer than itself is borrowed.
    unsafe { std::mem::transmute::<RStr<'_>, RStr<'static>>(RStr::from_str(text)) }
}

thread_local! {
    static CURRENT: Cell<Place> = const { Cell::new(Place { name: None, context: std::ptr::null() }) };
}

#[derive(Clone, Copy)]
struct Place {
    name: Option<&'static str>,
    context: *const Context,
}

/// What the current thread runs in a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current<'a> {
    /// The name of the function or hook.
    pub name: &'static str,
    /// The client and the number of the message, where it is a function that runs.
    pub message: Option<(&'a str, u64)>,
}

/// Tells `look` what the current thread runs in a plugin, if anything.
pub fn current<T>(look: impl FnOnce(Option<Current<'_>>) -> T) -> T {
    let place = CURRENT.get();
    let Some(name) = place.name else { return look(None) };
    // SAFETY: `Running` keeps the context alive for as long as it stands in `CURRENT`.
    let context = unsafe { place.context.as_ref() };
    look(Some(Current { name, message: context.map(|context| (context.client(), context.number())) }))
}

/// Marks the current thread as running something, until dropped.
pub(super) struct Running<'a> {
    before: Place,
    lifetime: PhantomData<(&'a Context, *const ())>,
}

impl<'a> Running<'a> {
    #[inline]
    pub(super) fn enter(name: &'static str, context: Option<&'a Context>) -> Running<'a> {
        let now = Place { name: Some(name), context: context.map_or(std::ptr::null(), std::ptr::from_ref) };
        Running { before: CURRENT.replace(now), lifetime: PhantomData }
    }
}

impl Drop for Running<'_> {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}
