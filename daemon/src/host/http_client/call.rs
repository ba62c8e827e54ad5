//! One call: the POST of a PalmMessage, and what its answer means.

use super::connections::{Connections, NoAnswer};
use super::health::News;
use super::url::WebUrl;
use crate::host::web::{CODE, PERMANENT};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::{Response, StatusCode};
use pylm_protocol::codes;
use pylm_protocol::palm::PalmMessage;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Acquire;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

/// How often a call looks whether anybody still wants its answer.
const LOOK: Duration = Duration::from_millis(50);
/// What a PalmMessage holds beside its payload, generously.
const FIELDS: u64 = 64 << 10;
/// The most of an error's text that is kept, in bytes.
const MOST_TEXT: usize = 4096;

/// What a call comes to.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The result.
    Result(Bytes),
    /// The function gave none.
    Nothing,
    /// The message's own error: another attempt would meet it again.
    Failed { code: &'static str, is_permanent: bool, text: String },
    /// The result is larger than the node takes.
    TooLarge,
    /// The worker did not do it; another attempt may do better.
    Again { code: &'static str, text: String },
    /// The worker was not even reached.
    NotReached { text: String },
    /// Nobody wants the answer any more.
    Cancelled,
}

/// What calls are made with.
#[derive(Clone)]
pub(super) struct Caller {
    /// For each worker.
    connections: Arc<[Connections]>,
    runtime: Handle,
    time: Duration,
}

impl Caller {
    /// Calls of so many workers that may take so long each, over connections that `runtime` looks after.
    pub(super) fn new(runtime: Handle, time: Duration, workers: usize) -> Self {
        let connections = std::iter::repeat_with(Connections::default).take(workers).collect();
        Caller { connections, runtime, time }
    }

    /// Calls a worker, and waits for what comes of it; results are up to `most` bytes. A call is broken off when `cancelled`
    /// says so, or when it takes longer than `left`.
    pub(super) fn call(
        &self,
        (worker, url): (usize, &WebUrl),
        message: Bytes,
        most: u64,
        left: Option<Duration>,
        cancelled: &AtomicBool,
    ) -> (Verdict, News) {
        let nobody_waits = async {
            while !cancelled.load(Acquire) {
                sleep(LOOK).await;
            }
        };
        let time = left.map_or(self.time, |left| left.min(self.time));
        self.runtime.block_on(async {
            tokio::select! {
                answered = timeout(time, exchange(&self.connections[worker], url, message, most)) => {
                    answered.unwrap_or_else(|_| {
                        // A call that had less time than others tells nothing of the worker.
                        let news = if time < self.time { News::Unknown } else { News::Silent };
                        (again(codes::TIMEOUT, format!("it gave no answer within {time:?}")), news)
                    })
                }
                () = nobody_waits => (Verdict::Cancelled, News::Unknown),
            }
        })
    }
}

async fn exchange(connections: &Connections, url: &WebUrl, message: Bytes, most: u64) -> (Verdict, News) {
    let (response, connection) = match connections.send(url, url.post(message)).await {
        Ok(answered) => answered,
        Err(NoAnswer::NotReached(text)) => return (Verdict::NotReached { text }, News::Lost),
        Err(NoAnswer::Lost(error)) => return (again(codes::LOST, chain(&error)), News::Lost),
    };
    let (verdict, news) = read(response, most).await;
    if news != News::Lost {
        connections.keep(connection).await;
    }
    (verdict, news)
}

/// What an answer means.
async fn read(response: Response<Incoming>, most: u64) -> (Verdict, News) {
    let status = response.status();
    let busy = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    let news = match retry_after(&response) {
        asked if busy => News::Busy(asked),
        _ => News::Answered,
    };
    let verdict = match (status, own_code(&response)) {
        (StatusCode::NO_CONTENT, _) => Ok(Verdict::Nothing),
        _ if status.is_success() => result(response, most).await,
        (_, Some(code)) => {
            let is_permanent = response.headers().contains_key(PERMANENT) || status.is_client_error();
            text(response).await.map(|text| Verdict::Failed { code, is_permanent, text })
        }
        _ if busy || status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            described(response).await.map(|text| again(codes::FAILED, text))
        }
        _ => described(response).await.map(|text| Verdict::Failed {
            code: codes::FAILED,
            is_permanent: true,
            text,
        }),
    };
    match verdict {
        Ok(verdict) => (verdict, news),
        Err(error) => (again(codes::LOST, format!("its answer broke off: {error}")), News::Lost),
    }
}

fn again(code: &'static str, text: String) -> Verdict {
    Verdict::Again { code, text }
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The payload of the PalmMessage that was answered.
async fn result(response: Response<Incoming>, most: u64) -> Result<Verdict, Broken> {
    let limit = usize::try_from(most.saturating_add(FIELDS)).unwrap_or(usize::MAX);
    let body = match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(Verdict::TooLarge),
        Err(error) => return Err(error),
    };
    Ok(match PalmMessage::decode(&body) {
        // No worker that did its work leaves out what it was sent.
        _ if body.is_empty() => again(codes::FAILED, "it gave an empty answer".to_owned()),
        Ok(message) if message.payload.len() as u64 > most => Verdict::TooLarge,
        Ok(message) => Verdict::Result(body.slice(message.payload_range(&body))),
        Err(error) => again(codes::FAILED, format!("its answer is no PalmMessage: {error}")),
    })
}

/// Status and text of an answer that is no result.
async fn described(response: Response<Incoming>) -> Result<String, Broken> {
    let status = response.status();
    let text = text(response).await?;
    Ok(if text.is_empty() {
        format!("it answered {status}")
    } else {
        format!("it answered {status}: {text}")
    })
}

/// The text of an answer; a long one is cut.
async fn text(response: Response<Incoming>) -> Result<String, Broken> {
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        text.extend_from_slice(&frame?.into_data().unwrap_or_default());
        if text.len() > MOST_TEXT {
            text.truncate(MOST_TEXT);
            break;
        }
    }
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

/// The code that a worker of ours gives an error that is the message's own.
fn own_code(response: &Response<Incoming>) -> Option<&'static str> {
    let code = response.headers().get(CODE)?.to_str().ok()?;
    let known = [codes::PANICKED, codes::UNKNOWN_FUNCTION, codes::NO_FUNCTION, codes::TOO_LARGE];
    Some(known.into_iter().find(|known| *known == code).unwrap_or(codes::FAILED))
}

/// The seconds that a worker asks for before the next call.
fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// An error and its causes: the first alone says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
