//! One call: from its body to its answer.

use super::WebHost;
use super::held::{Held, Share};
use super::refusal::Refusal;
use super::work::Task;
use crate::host::palm;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use pylm_protocol::palm::PalmMessage;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::Sender;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// Calls that wait for a slot.
const MOST_WAITING: usize = 1024;
/// How long a body may take beside what its length explains.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Senders slower than that are too slow, in bytes for each second.
const SLOWEST_SENDER: u64 = 64 << 10;
/// What a PalmMessage holds beside its payload, generously.
const FIELDS: u64 = 64 << 10;

/// All calls of a host.
pub(super) struct Calls {
    host: Arc<WebHost>,
    tasks: Sender<Task>,
    /// A permit for each slot.
    slots: Arc<Semaphore>,
    /// A permit for each call that may wait for a slot.
    waiting: Semaphore,
    /// Calls that wait for a slot have waited enough: the host is ending.
    ending: Semaphore,
    held: Arc<Held>,
    garbage: AtomicU64,
}

impl Calls {
    /// Calls to `host`, whose slots take `tasks`.
    pub(super) fn new(host: Arc<WebHost>, tasks: Sender<Task>) -> Self {
        Calls {
            tasks,
            slots: Arc::new(Semaphore::new(host.slots)),
            waiting: Semaphore::new(MOST_WAITING),
            ending: Semaphore::new(0),
            held: Held::new(host.limit_bytes),
            garbage: AtomicU64::new(0),
            host,
        }
    }

    /// Refuses all calls that wait for a slot, now and from now on.
    pub(super) fn refuse_what_waits(&self) {
        self.ending.close();
    }

    /// Answers a request.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(match self.result(request).await {
            Ok(Some(message)) => {
                let mut response = Response::new(Full::from(message));
                let kind = HeaderValue::from_static("application/octet-stream");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            Ok(None) => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            Err(refusal) => refusal.response(),
        })
    }

    async fn result(&self, request: Request<Incoming>) -> Result<Option<Vec<u8>>, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::method());
        }
        let (body, share) = self.read(request.into_body()).await?;
        let function = self.function(&body)?;
        let slot = self.slot().await?;
        let caller = Caller(Arc::default());
        let (answer, answered) = oneshot::channel();
        let cancelled = Arc::clone(&caller.0);
        let task = Task { body, function, cancelled, answer, _slot: slot, _share: share };
        let no_answer = |_| Refusal::busy("this worker is ending".to_owned());
        self.tasks.send(task).map_err(|_| no_answer(()))?;
        answered.await.map_err(|_| no_answer(()))?
    }

    /// Reads a body, as long as it is not too large and comes fast enough.
    async fn read(&self, mut body: Incoming) -> Result<(Bytes, Share), Refusal> {
        let most = self.host.max_message.saturating_add(FIELDS);
        let too_large = || Refusal::too_large(self.host.max_message);
        if body.size_hint().lower() > most {
            return Err(too_large());
        }
        let started = Instant::now();
        let mut share = self.held.share();
        let mut bytes = Vec::new();
        loop {
            let earned = Duration::from_millis(bytes.len() as u64 * 1000 / SLOWEST_SENDER);
            let frame = timeout_at(started + BODY_TIME + earned, body.frame()).await;
            let Some(frame) = frame.map_err(|_| Refusal::slow())? else { break };
            let Ok(data) = frame.map_err(|error| Refusal::broken(&error))?.into_data() else { continue };
            if bytes.len() as u64 + data.len() as u64 > most {
                return Err(too_large());
            }
            if !share.grow(data.len() as u64) {
                let text = "the calls that are here hold too many bytes (the worker's --limit-bytes)";
                return Err(Refusal::busy(text.to_owned()));
            }
            bytes.extend_from_slice(&data);
        }
        Ok((Bytes::from(bytes), share))
    }

    /// The place of the function that a message calls.
    fn function(&self, body: &Bytes) -> Result<usize, Refusal> {
        let message = PalmMessage::decode(body).map_err(|error| {
            let count = self.garbage.fetch_add(1, Relaxed) + 1;
            // A flood of garbage is not to become a flood of lines.
            if count.is_power_of_two() || count.is_multiple_of(10_000) {
                tracing::warn!(count, %error, "garbage: a body that is no PalmMessage");
            }
            Refusal::not_a_call(format!("the body is no PalmMessage: {error}"))
        })?;
        if message.payload.len() as u64 > self.host.max_message {
            return Err(Refusal::too_large(self.host.max_message));
        }
        if message.call().is_none() {
            let (function, stage) = (message.function, message.stage);
            let text = format!("{function:?} names no server.function for stage {stage}");
            return Err(Refusal::not_a_call(text));
        }
        let called = palm::called(&self.host.functions, &message);
        called.ok_or_else(|| Refusal::unknown_function(message.function))
    }

    /// A slot, as soon as there is one.
    async fn slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        let slots = self.host.slots;
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(Refusal::busy(format!("{MOST_WAITING} calls wait for {slots} slots")));
        };
        tokio::select! {
            slot = timeout(self.host.wait, Arc::clone(&self.slots).acquire_owned()) => match slot {
                Ok(Ok(slot)) => Ok(slot),
                Ok(Err(_)) | Err(_) => {
                    let wait = self.host.wait;
                    Err(Refusal::busy(format!("no slot of {slots} was free within {wait:?} (the worker's --http-wait)")))
                }
            },
            _ = self.ending.acquire() => Err(Refusal::busy("this worker is ending".to_owned())),
        }
    }
}

/// Whoever waits for an answer: dropped together with the connection when the caller hangs up.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}
