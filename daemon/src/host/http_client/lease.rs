//! One lease: called at one web worker after the other, until one has done it or it has had all its attempts.

use super::call::{Caller, Verdict};
use super::health::Choice;
use super::workers::Workers;
use crate::host::slot::{End, Key, Lease};
use crate::supervisor::Backoff;
use bytes::Bytes;
use pylm_protocol::codes;
use pylm_protocol::palm::PalmMessage;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// The delay before the second attempt, which doubles with each that follows.
const FIRST_DELAY: Duration = Duration::from_millis(50);
/// The longest delay before an attempt.
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// How long a slot waits before it looks whether anybody still wants the message.
const LOOK: Duration = Duration::from_millis(50);

/// How often a message is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How many calls a message is worth.
    pub(super) attempts: u32,
}

/// Has a lease worked on.
///
/// A call that reaches a worker costs an attempt, since the function may have run; one that reaches nobody costs none. When
/// nobody can be reached, the message goes back to the node, which gives it to another host, or to this one when it takes
/// some again.
pub(super) fn run(lease: &Lease<'_>, key: &mut Key, workers: &Workers, caller: &Caller, rules: Rules) -> End {
    let task = lease.task;
    let message = message(lease, key);
    let most = lease.shared.max_message.load(Relaxed);
    let mut delays = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
    let identity = || format!("{}{}/{}", lease.parcel.context.key_prefix, task.number, task.part);
    let mut attempts = workers.tried.take(identity);
    let mut last: Option<String> = None;
    let mut avoid = None;
    loop {
        if task.cancelled.load(Acquire) {
            return failed(codes::CANCELLED, true, "nobody wants its result any more".to_owned());
        }
        let left = task.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            let text = match &last {
                Some(why) => format!("its time was over; the last attempt: {why}"),
                None => "its time was over before it was begun".to_owned(),
            };
            return failed(codes::TIMEOUT, true, text);
        }
        let worker = match workers.choose(avoid, LOOK) {
            Choice::Worker(worker) => worker,
            Choice::Later(_) => continue,
            Choice::Nobody => {
                if attempts > 0 {
                    workers.tried.remember(identity(), attempts);
                }
                return End::Released;
            }
        };
        let url = workers.url(worker);
        let (verdict, news) = caller.call((worker, url), message.clone(), most, left, &task.cancelled);
        workers.end_call(worker, news);
        let (code, why) = match verdict {
            Verdict::Result(payload) => return End::One(payload.into()),
            Verdict::Nothing => return End::Done { results: 0 },
            Verdict::Failed { code, is_permanent, text } => return failed(code, is_permanent, text),
            Verdict::TooLarge => {
                let text =
                    format!("{url} gave a result of more than {most} bytes (the node's --max-message)");
                return failed(codes::TOO_LARGE, true, text);
            }
            Verdict::Cancelled => continue,
            Verdict::NotReached { text } => {
                tracing::debug!(%url, why = text, "a web worker is not there");
                continue;
            }
            Verdict::Again { code, text } => (code, text),
        };
        tracing::debug!(%url, why, "a call to a web worker came to nothing");
        attempts += 1;
        avoid = Some(worker);
        if attempts >= rules.attempts {
            let text = format!(
                "the web worker at {url}: {why} (after {attempts} attempts; see --http-worker-attempts)"
            );
            return failed(code, false, text);
        }
        last = Some(format!("the web worker at {url}: {why}"));
        thread::sleep(delays.next_delay());
    }
}

/// The message as pylm's HttpConnection sends it.
fn message(lease: &Lease<'_>, key: &mut Key) -> Bytes {
    let context = &*lease.parcel.context;
    let message = PalmMessage {
        pipeline: &context.pipeline,
        client: &context.client,
        stage: context.stage,
        function: &context.functions,
        cache: key.of(lease.task),
        payload: lease.parcel.payload(lease.task),
        tracking: None,
    };
    Bytes::from(message.encode())
}

fn failed(code: &'static str, permanent: bool, text: String) -> End {
    End::Failed { results: 0, permanent, code, text }
}
