//! Reading a request's body, within its bounds.

use super::load::Admission;
use super::refusal::Refusal;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::BytesMut;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

/// The payload of a request without a body, as pylm has it.
const NO_PAYLOAD: Bytes = Bytes::from_static(b"No Payload");

/// What is still read of a body that is too large, in bytes and time: a caller that is still sending might not see the answer of
/// a connection that is cut.
const DISCARD: u64 = 16 << 20;
/// As [`DISCARD`].
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Reads the body, of `limit` bytes at most.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: u64,
    admission: &mut Admission,
) -> Result<Bytes, Refusal> {
    let length = headers.get(header::CONTENT_LENGTH);
    if length.is_none() && !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(NO_PAYLOAD);
    }
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let mut chunks = body.into_data_stream();
    if length.is_some_and(|length: u64| length > limit) {
        // Who asks before it sends is not told to go on.
        if !headers.contains_key(header::EXPECT) {
            discard(chunks).await;
        }
        return Err(Refusal::too_large(limit));
    }
    let mut whole = Bytes::new();
    let mut parts = BytesMut::new();
    let mut size = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Refusal::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"))
        })?;
        size += chunk.len() as u64;
        if size > limit {
            discard(chunks).await;
            return Err(Refusal::too_large(limit));
        }
        if !admission.hold(chunk.len() as u64) {
            return Err(Refusal::too_many());
        }
        if whole.is_empty() && parts.is_empty() {
            whole = chunk;
        } else {
            if parts.is_empty() {
                parts.reserve(length.map_or(2 * size, |length| length.min(limit)) as usize);
                parts.extend_from_slice(&std::mem::take(&mut whole));
            }
            parts.extend_from_slice(&chunk);
        }
    }
    Ok(if parts.is_empty() { whole } else { parts.freeze() })
}

/// Reads on for a while, and forgets what comes.
async fn discard(mut chunks: BodyDataStream) {
    let read = async {
        let mut rest = DISCARD;
        while let Some(Ok(chunk)) = chunks.next().await
            && rest > 0
        {
            rest = rest.saturating_sub(chunk.len() as u64);
        }
    };
    let _ = timeout(DISCARD_TIME, read).await;
}
