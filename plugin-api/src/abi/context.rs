//! What a function is told about its call, and what it may ask of its host.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RResult, RSlice, RStr};

use super::{Payload, RawReply};
use crate::Failure;

/// Nanoseconds on a clock of the host's own; only differences mean anything.
pub type Clock = u64;

/// The host's object behind [`ServicesV1`]: two words, since a Rust trait object has two.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RawServices {
    pub first: *const (),
    pub second: *const (),
}

/// What a function may ask of its host. The host catches its own panics.
#[repr(C)]
#[derive(StableAbi)]
pub struct ServicesV1 {
    pub now: extern "C" fn() -> Clock,
    pub cache_get: unsafe extern "C" fn(RawServices, key: RStr<'_>) -> RawReply<ROption<Payload>>,
    pub cache_set: unsafe extern "C" fn(RawServices, key: RStr<'_>, value: RSlice<'_, u8>) -> RawReply<()>,
    pub cache_delete: unsafe extern "C" fn(RawServices, key: RStr<'_>) -> RawReply<()>,
}

/// One call of a function: the message's names, the attempt, and the services of the host.
///
/// Every method may be called from any thread for as long as the call lasts.
#[repr(C)]
#[derive(StableAbi)]
pub struct Context {
    // These live as long as the call does; the methods never give them out for longer than `&self`.
    pub(crate) pipeline: RStr<'static>,
    pub(crate) client: RStr<'static>,
    pub(crate) function: RStr<'static>,
    pub(crate) cache_key: RStr<'static>,
    pub(crate) worker: RStr<'static>,
    pub(crate) stage: i64,
    pub(crate) number: u64,
    pub(crate) attempt: u32,
    pub(crate) deadline: ROption<Clock>,
    pub(crate) cancelled: *const AtomicBool,
    pub(crate) services: RawServices,
    pub(crate) table: &'static ServicesV1,
}

// SAFETY: the host promises that its services and the flag may be used from any thread while the call lasts.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// The job that the message belongs to, as its client named it.
    pub fn pipeline(&self) -> &str {
        self.pipeline.into()
    }

    /// The client that sent the message.
    pub fn client(&self) -> &str {
        self.client.into()
    }

    /// The step within a pipelined call, from 0.
    pub fn stage(&self) -> i64 {
        self.stage
    }

    /// What the message asks for: `server.function`, one for each stage.
    pub fn function(&self) -> &str {
        self.function.into()
    }

    /// The cache key that came with the message; often empty.
    pub fn cache_key(&self) -> &str {
        self.cache_key.into()
    }

    /// The name of the worker host, or of the node under `--inline`.
    pub fn worker(&self) -> &str {
        self.worker.into()
    }

    /// The message's number in its job.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Which attempt this is: 1 unless an earlier one was lost with its worker host.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How long until nobody waits for the answer; zero when that moment has passed, `None` without a deadline.
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline.into_option()?;
        Some(Duration::from_nanos(deadline.saturating_sub((self.table.now)())))
    }

    /// The moment after which nobody waits for the answer.
    pub fn deadline(&self) -> Option<Instant> {
        self.time_left().and_then(|left| Instant::now().checked_add(left))
    }

    /// Whether the answer is no longer wanted: a long function looks now and then, and returns early with anything.
    pub fn cancelled(&self) -> bool {
        // SAFETY: the host keeps the flag for as long as the call lasts.
        unsafe { &*self.cancelled }.load(Ordering::Relaxed)
    }

    /// The value of a key in the node's cache, or `None` where the key is not set.
    ///
    /// # Errors
    ///
    /// If the cache cannot be reached.
    pub fn cache_get(&self, key: &str) -> Result<Option<Payload>, Failure> {
        // SAFETY: the table belongs to these services.
        let reply = unsafe { (self.table.cache_get)(self.services, key.into()) };
        match reply {
            RResult::ROk(value) => Ok(value.into_option()),
            RResult::RErr(text) => Err(Failure::new(text)),
        }
    }

    /// Sets a key in the node's cache, for every worker to see.
    ///
    /// # Errors
    ///
    /// If the cache cannot be reached, is full, or holds the key read-only.
    pub fn cache_set(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        // SAFETY: the table belongs to these services.
        let reply = unsafe { (self.table.cache_set)(self.services, key.into(), value.into()) };
        reply.into_result().map_err(Failure::new)
    }

    /// Removes a key from the node's cache; a key that is not set is no error.
    ///
    /// # Errors
    ///
    /// If the cache cannot be reached, or holds the key read-only.
    pub fn cache_delete(&self, key: &str) -> Result<(), Failure> {
        // SAFETY: the table belongs to these services.
        let reply = unsafe { (self.table.cache_delete)(self.services, key.into()) };
        reply.into_result().map_err(Failure::new)
    }
}
