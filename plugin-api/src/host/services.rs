//! What the host does for a function that asks.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::OnceLock;
use std::time::Instant;

use abi::{Clock, Payload, ROption, RResult, RSlice, RStr, RawReply, RawServices, ServicesV1};
use bytes::Bytes;

use crate::abi;

/// The services of a host, for the length of a call.
pub trait Services: Sync {
    /// The value of a key, or `None` where it is not set.
    ///
    /// # Errors
    ///
    /// If the cache cannot be reached.
    fn cache_get(&self, key: &str) -> Result<Option<Bytes>, ServiceError>;

    /// Sets a key.
    ///
    /// # Errors
    ///
    /// If the cache cannot be reached, is full, or holds the key read-only.
    fn cache_set(&self, key: &str, value: &[u8]) -> Result<(), ServiceError>;

    /// Removes a key, if it is set.
    ///
    /// # Errors
    ///
    /// If the cache cannot be reached, or holds the key read-only.
    fn cache_delete(&self, key: &str) -> Result<(), ServiceError>;
}

/// Why a service gave no answer, in words for the function's author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError(pub String);

impl fmt::Display for ServiceError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for ServiceError {}

/// The services of a host that has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoServices;

impl NoServices {
    fn none<T>() -> Result<T, ServiceError> {
        Err(ServiceError("there is no cache here".to_owned()))
    }
}

impl Services for NoServices {
    fn cache_get(&self, _: &str) -> Result<Option<Bytes>, ServiceError> {
        Self::none()
    }

    fn cache_set(&self, _: &str, _: &[u8]) -> Result<(), ServiceError> {
        Self::none()
    }

    fn cache_delete(&self, _: &str) -> Result<(), ServiceError> {
        Self::none()
    }
}

/// The table of this host.
pub(super) static TABLE: ServicesV1 = ServicesV1 { now, cache_get, cache_set, cache_delete };

/// The services as two words.
pub(super) fn erase(services: &dyn Services) -> RawServices {
    // SAFETY: a reference to a trait object is two words, and `reveal` is the only one that looks into them.
    unsafe { std::mem::transmute::<&dyn Services, RawServices>(services) }
}

/// The services that were erased.
///
/// # Safety
///
/// `raw` came from `erase`, and the services live for `'a`.
unsafe fn reveal<'a>(raw: RawServices) -> &'a dyn Services {
    // SAFETY: as the caller promises.
    unsafe { std::mem::transmute::<RawServices, &'a dyn Services>(raw) }
}

/// A moment on the clock that calls use.
pub(super) fn clock(moment: Instant) -> Clock {
    u64::try_from(moment.saturating_duration_since(epoch()).as_nanos()).unwrap_or(u64::MAX)
}

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

extern "C" fn now() -> Clock {
    clock(Instant::now())
}

unsafe extern "C" fn cache_get(raw: RawServices, key: RStr<'_>) -> RawReply<ROption<Payload>> {
    // SAFETY: the plugin passes on what the call gave it, while the call lasts.
    let services = unsafe { reveal(raw) };
    guard(|| services.cache_get(key.into()).map(|value| value.map(Payload::from).into()))
}

unsafe extern "C" fn cache_set(raw: RawServices, key: RStr<'_>, value: RSlice<'_, u8>) -> RawReply<()> {
    // SAFETY: as above.
    let services = unsafe { reveal(raw) };
    guard(|| services.cache_set(key.into(), value.into()))
}

unsafe extern "C" fn cache_delete(raw: RawServices, key: RStr<'_>) -> RawReply<()> {
    // SAFETY: as above.
    let services = unsafe { reveal(raw) };
    guard(|| services.cache_delete(key.into()))
}

/// A panic of the host must not cross the border either.
fn guard<T>(work: impl FnOnce() -> Result<T, ServiceError>) -> RawReply<T> {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => RResult::ROk(value),
        Ok(Err(ServiceError(text))) => RResult::RErr(text.into()),
        Err(payload) => {
            std::mem::forget(payload);
            RResult::RErr("the host panicked in this service; its log says more".into())
        }
    }
}
