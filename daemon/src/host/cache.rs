//! The cache as functions see it.

use super::calls::{Answer, Ask};
use super::shared::Shared;
use bytes::Bytes;
use pylm_plugin_host::{ServiceError, Services};
use pylm_protocol::strings::KEY;

/// What a function can ask of its host.
pub(super) struct HostServices<'a>(pub(super) &'a Shared);

impl HostServices<'_> {
    fn ask(&self, ask: Ask) -> Answer {
        let (Ask::Get { key } | Ask::Set { key, .. } | Ask::Delete { key }) = &ask;
        if let Err(error) = KEY.check(key) {
            return Answer::Refused(error.to_string());
        }
        self.0.calls.ask(ask, || self.0.signal())
    }
}

impl Services for HostServices<'_> {
    fn cache_get(&self, key: &str) -> Result<Option<Bytes>, ServiceError> {
        match self.ask(Ask::Get { key: key.to_owned() }) {
            Answer::Done(value) => Ok(Some(value)),
            Answer::NoSuchKey => Ok(None),
            Answer::Refused(why) => Err(ServiceError(why)),
        }
    }

    fn cache_set(&self, key: &str, value: &[u8]) -> Result<(), ServiceError> {
        match self.ask(Ask::Set { key: key.to_owned(), value: Bytes::copy_from_slice(value) }) {
            Answer::Done(_) | Answer::NoSuchKey => Ok(()),
            Answer::Refused(why) => Err(ServiceError(why)),
        }
    }

    fn cache_delete(&self, key: &str) -> Result<(), ServiceError> {
        match self.ask(Ask::Delete { key: key.to_owned() }) {
            Answer::Done(_) | Answer::NoSuchKey => Ok(()),
            Answer::Refused(why) => Err(ServiceError(why)),
        }
    }
}
