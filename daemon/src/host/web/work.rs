//! The slots: each takes one call, and answers it before it takes another.

use super::WebHost;
use super::held::Share;
use super::refusal::Refusal;
use crate::host::palm::{self, with_payload};
use bytes::Bytes;
use pylm_plugin_host::{Function, Outcome, ServiceError, Services};
use pylm_protocol::palm::PalmMessage;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Acquire;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// A call on its way to a slot.
pub(super) struct Task {
    /// The PalmMessage.
    pub(super) body: Bytes,
    /// The place of its function among the host's.
    pub(super) function: usize,
    /// The caller has hung up.
    pub(super) cancelled: Arc<AtomicBool>,
    /// Takes the answer: a PalmMessage, or nothing where the function gave none.
    pub(super) answer: oneshot::Sender<Result<Option<Vec<u8>>, Refusal>>,
    /// The slot that it has, and the bytes; given back when the function has ended, whether or not anybody waits for it.
    pub(super) _slot: OwnedSemaphorePermit,
    pub(super) _share: Share,
}

/// Works on calls until nobody can make any more.
pub(super) fn run(tasks: &Mutex<Receiver<Task>>, host: &WebHost) {
    loop {
        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(task) = next else { return };
        if task.cancelled.load(Acquire) {
            continue;
        }
        let answer = call(&task, host);
        if let Err(refusal) = &answer {
            tracing::debug!(why = refusal.text(), "a call has no result");
        }
        // A caller that has hung up needs no answer.
        let _ = task.answer.send(answer);
    }
}

fn call(task: &Task, host: &WebHost) -> Result<Option<Vec<u8>>, Refusal> {
    let message = PalmMessage::decode(&task.body).map_err(|error| Refusal::not_a_call(error.to_string()))?;
    let function = host.functions.get(task.function);
    let function = function.ok_or_else(|| Refusal::unknown_function(message.function))?;
    let result = one_result(function, &message, task, host)?;
    Ok(result.map(|payload| with_payload(&task.body, &payload).unwrap_or_default()))
}

/// The function's only result, if it gives one.
fn one_result(
    function: &Function,
    message: &PalmMessage<'_>,
    task: &Task,
    host: &WebHost,
) -> Result<Option<Bytes>, Refusal> {
    let call = palm::call(message, &NoNode, &task.cancelled, &host.name);
    let result = match function.call(&call, message.payload)? {
        Outcome::Nothing => None,
        Outcome::One(result) => Some(result.into_bytes()),
        Outcome::Many(mut results) => {
            let first = results.next().transpose()?;
            if results.next().transpose()?.is_some() {
                return Err(Refusal::several_results());
            }
            first.map(|result| result.into_bytes())
        }
    };
    match result {
        Some(result) if result.len() as u64 > host.max_message => {
            Err(Refusal::result_too_large(result.len(), host.max_message))
        }
        result => Ok(result),
    }
}

/// What a function can ask of a host that serves no node.
struct NoNode;

impl NoNode {
    fn refuse<T>() -> Result<T, ServiceError> {
        let why = "this worker is served over HTTP and has no node, so there is no cache; serve the function with --db";
        Err(ServiceError(why.to_owned()))
    }
}

impl Services for NoNode {
    fn cache_get(&self, _: &str) -> Result<Option<Bytes>, ServiceError> {
        Self::refuse()
    }

    fn cache_set(&self, _: &str, _: &[u8]) -> Result<(), ServiceError> {
        Self::refuse()
    }

    fn cache_delete(&self, _: &str) -> Result<(), ServiceError> {
        Self::refuse()
    }
}
