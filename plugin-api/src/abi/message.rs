//! The message as hooks see it.

use abi_stable::StableAbi;

use super::{Payload, Text};

/// A message on its way through a node.
///
/// A clone counts references and copies no payload. The `with_…` methods replace one part and keep the rest.
#[repr(C)]
#[derive(Clone, Debug, Default, PartialEq, Eq, StableAbi)]
pub struct Message {
    pipeline: Text,
    client: Text,
    function: Text,
    cache: Text,
    payload: Payload,
    stage: i64,
}

impl Message {
    /// A message with a function and a payload, and nothing else; for tests and for what a hook makes up.
    pub fn new(function: impl Into<Text>, payload: impl Into<Payload>) -> Message {
        Message::default().with_function(function).with_payload(payload)
    }

    /// The job that the message belongs to, as its client named it.
    #[inline]
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// The client that sent the message.
    #[inline]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The step within a pipelined call, from 0.
    #[inline]
    pub fn stage(&self) -> i64 {
        self.stage
    }

    /// What the message asks for: `server.function`, one for each stage.
    #[inline]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The key of a cache entry, for functions that take one; often empty.
    #[inline]
    pub fn cache(&self) -> &str {
        &self.cache
    }

    /// What the message carries.
    #[inline]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The payload alone, without a copy.
    pub fn into_payload(self) -> Payload {
        self.payload
    }

    /// The same message with another pipeline.
    #[must_use]
    pub fn with_pipeline(mut self, pipeline: impl Into<Text>) -> Message {
        self.pipeline = pipeline.into();
        self
    }

    /// The same message from another client.
    #[must_use]
    pub fn with_client(mut self, client: impl Into<Text>) -> Message {
        self.client = client.into();
        self
    }

    /// The same message at another stage.
    #[must_use]
    pub fn with_stage(mut self, stage: i64) -> Message {
        self.stage = stage;
        self
    }

    /// The same message for another function.
    #[must_use]
    pub fn with_function(mut self, function: impl Into<Text>) -> Message {
        self.function = function.into();
        self
    }

    /// The same message with another cache key.
    #[must_use]
    pub fn with_cache(mut self, cache: impl Into<Text>) -> Message {
        self.cache = cache.into();
        self
    }

    /// The same message with another payload.
    #[must_use]
    pub fn with_payload(mut self, payload: impl Into<Payload>) -> Message {
        self.payload = payload.into();
        self
    }

    /// A message of its names, in the order in which they are declared, its payload and its stage.
    #[cfg(feature = "host")]
    #[inline]
    pub(crate) fn from_parts(names: [Text; 4], payload: Payload, stage: i64) -> Message {
        let [pipeline, client, function, cache] = names;
        Message { pipeline, client, function, cache, payload, stage }
    }

    /// The names and the payload, in the order in which they are declared.
    #[cfg(feature = "host")]
    #[inline]
    pub(crate) fn into_parts(self) -> ([Text; 4], Payload) {
        let Message { pipeline, client, function, cache, payload, stage: _ } = self;
        ([pipeline, client, function, cache], payload)
    }
}
