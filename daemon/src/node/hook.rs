//! Messages as hooks see them, and back.

use super::message::{Header, Identity, Message, Name};
use pylm_plugin_host::{CallError, Fields};
use std::sync::Arc;

/// A message for a hook. It has a cache key in any case, as pylm's hooks expect.
pub fn to_plugin(message: &Message, identity: Identity) -> pylm_plugin_host::Message {
    let header = &message.header;
    let cache = match &message.cache {
        Some(key) => bytes::Bytes::copy_from_slice(key.as_bytes()),
        None => identity.cache_key(header.job).into(),
    };
    let fields = Fields {
        pipeline: header.pipeline.bytes(),
        client: header.client.bytes(),
        stage: header.stage,
        function: header.function.bytes(),
        cache,
        payload: message.payload.clone(),
    };
    // Every name was text when it came in.
    pylm_plugin_host::Message::try_from(fields).unwrap_or_default()
}

/// What a hook made of `original`; what it left as it was is shared with that.
pub fn from_plugin(message: pylm_plugin_host::Message, original: &Message, identity: Identity) -> Message {
    let header = &original.header;
    let same = message.pipeline() == header.pipeline.as_str()
        && message.client() == header.client.as_str()
        && message.stage() == header.stage
        && message.function() == header.function.as_str();
    let header = if same {
        Arc::clone(header)
    } else {
        Arc::new(Header {
            pipeline: Name::from(message.pipeline()),
            function: Name::from(message.function()),
            stage: message.stage(),
            // Whose result it is does not change: topics are given by route.
            ..Header::clone(header)
        })
    };
    let cache = match &original.cache {
        Some(key) if **key == *message.cache() => Some(Arc::clone(key)),
        None if message.cache().is_empty() || *message.cache() == identity.cache_key(header.job) => None,
        _ => Some(message.cache().into()),
    };
    Message { header, cache, payload: message.into_payload().into_bytes() }
}

/// What a failing hook tells the client.
pub fn failure(hook: &str, error: &CallError) -> String {
    format!("{hook}: {error}")
}
