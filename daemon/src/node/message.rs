//! The one value that travels the whole way through a node.

use bytes::Bytes;
use pylm_protocol::palm::{Call, PalmMessage, Tracking};
use std::fmt::Write as _;
use std::sync::Arc;
use uuid::Uuid;

/// Text as shared bytes, which hooks and frames take without a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name(Bytes);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text's bytes, shared.
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Name(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// What all messages of a job have in common, until a hook changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The id of the client's stream.
    pub pipeline: Name,
    /// The id of the client, the topic of its results on pylm's wire.
    pub client: Name,
    /// `server.function`, or several separated by spaces.
    pub function: Name,
    /// The step within a pipelined call.
    pub stage: i64,
    /// The job's identity.
    pub job: Uuid,
}

impl Header {
    /// What is to be called at this stage.
    pub fn call(&self) -> Option<Call<'_>> {
        Call::of(self.function.as_str(), self.stage)
    }
}

/// A message, a part, or a result.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it shares with others.
    pub header: Arc<Header>,
    /// The cache key that it was given; without one, [`Identity::cache_key`] is its key.
    pub cache: Option<Arc<str>>,
    /// The data, as it was received.
    pub payload: Bytes,
}

impl Message {
    /// The same message with other data.
    pub fn with_payload(&self, payload: Bytes) -> Self {
        Message { header: Arc::clone(&self.header), cache: self.cache.clone(), payload }
    }

    /// The message as a PalmMessage's bytes.
    pub fn to_palm(&self, identity: Identity, tracking: Option<Tracking>) -> Vec<u8> {
        let own_key = self.cache.is_none().then(|| identity.cache_key(self.header.job));
        let cache = self.cache.as_deref().or(own_key.as_deref()).unwrap_or_default();
        PalmMessage {
            pipeline: self.header.pipeline.as_str(),
            client: self.header.client.as_str(),
            stage: self.header.stage,
            function: self.header.function.as_str(),
            cache,
            payload: &self.payload,
            tracking,
        }
        .encode()
    }
}

/// Which message of its job, and which part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The message's number in its job.
    pub number: u64,
    /// The part's place in what scatter made of the message.
    pub part: u64,
}

impl Identity {
    /// The cache key of a message that was given none: `JOB/NUMBER/PART`, the same whenever it is run.
    pub fn cache_key(self, job: Uuid) -> String {
        let mut key = String::with_capacity(48);
        // Writing to a string cannot fail.
        let _ = write!(key, "{}/{}/{}", job.as_hyphenated(), self.number, self.part);
        key
    }
}
