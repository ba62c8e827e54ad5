//! Messages that took down every host they were tried at: kept with their payload and the reason, for `pylm failed`.

use super::ledger::{Part, PartOf};
use super::router::Router;
use bytes::Bytes;
use pylm_journal::Record;
use pylm_status::{FAILED_KEY, FailedMessage};
use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

/// How many are kept.
const MOST: usize = 1_000;

/// Those that are kept, the oldest first, bounded in number and in bytes.
#[derive(Debug)]
pub struct FailedMessages {
    kept: VecDeque<Kept>,
    /// All of them as JSON, from when somebody asks for that until one comes or goes.
    listed: Option<Bytes>,
    /// Bytes of their payloads.
    bytes: u64,
    bound: u64,
}

/// One that is kept, in the form in which it is told: a line of JSON, and behind it the payload.
#[derive(Debug)]
struct Kept {
    message: FailedMessage,
    told: Bytes,
}

impl Kept {
    fn new(message: FailedMessage, payload: &[u8]) -> Self {
        let mut told = serde_json::to_vec(&message).unwrap_or_default();
        told.reserve_exact(1 + payload.len());
        told.push(b'\n');
        told.extend_from_slice(payload);
        Kept { message, told: told.into() }
    }

    /// Takes one back from the form in which it is told.
    fn read(told: Bytes) -> serde_json::Result<Self> {
        let (line, _) = FailedMessage::split(&told);
        Ok(Kept { message: serde_json::from_slice(line)?, told })
    }

    fn bytes(&self) -> u64 {
        self.told.len() as u64
    }
}

impl FailedMessages {
    /// None; up to `bound` bytes of payload.
    pub fn new(bound: u64) -> Self {
        FailedMessages { kept: VecDeque::new(), listed: None, bytes: 0, bound }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Keeps one; the ids of older ones that have to go for that.
    fn push(&mut self, kept: Kept) -> Vec<String> {
        self.bytes += kept.bytes();
        self.listed = None;
        let place = self.kept.partition_point(|earlier| earlier.message.at <= kept.message.at);
        self.kept.insert(place, kept);
        let mut dropped = Vec::new();
        while self.kept.len() > 1 && (self.kept.len() > MOST || self.bytes > self.bound) {
            dropped.extend(self.take(0));
        }
        dropped
    }

    /// Forgets one; whether it was there.
    fn remove(&mut self, id: &str) -> bool {
        let place = self.kept.iter().position(|kept| kept.message.id == id);
        place.is_some_and(|place| self.take(place).is_some())
    }

    fn take(&mut self, place: usize) -> Option<String> {
        let kept = self.kept.remove(place)?;
        self.bytes -= kept.bytes();
        self.listed = None;
        Some(kept.message.id)
    }

    /// All of them, as JSON.
    fn list(&mut self) -> Bytes {
        let list = || {
            let messages: Vec<_> = self.kept.iter().map(|kept| &kept.message).collect();
            serde_json::to_vec(&messages).unwrap_or_default().into()
        };
        self.listed.get_or_insert_with(list).clone()
    }

    /// One of them: a line of JSON, and its payload.
    fn get(&self, id: &str) -> Option<Bytes> {
        self.kept.iter().find(|kept| kept.message.id == id).map(|kept| kept.told.clone())
    }
}

/// The id of the message that a reserved key names.
fn id_of(key: &str) -> Option<&str> {
    key.strip_prefix(FAILED_KEY)?.strip_prefix('/')
}

fn key_of(id: &str) -> Box<str> {
    format!("{FAILED_KEY}/{id}").into()
}

/// Whether a key of the cache belongs to messages that have failed.
pub fn is_failed_key(key: &str) -> bool {
    key == FAILED_KEY || id_of(key).is_some()
}

impl Router {
    /// Keeps a part that failed with this code and text.
    pub(super) fn keep_failed(&mut self, part: &PartOf<Part>, code: &str, text: &str) {
        let header = &part.body.header;
        let id = part.identity.cache_key(header.job);
        let message = FailedMessage {
            id: id.clone(),
            function: header.function.as_str().to_owned(),
            stage: header.stage,
            pipeline: header.pipeline.as_str().to_owned(),
            client: header.client.as_str().to_owned(),
            cache: part.body.cache.as_deref().unwrap_or_default().to_owned(),
            code: code.to_owned(),
            text: text.to_owned(),
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            bytes: part.body.payload.len() as u64,
        };
        tracing::warn!(id, function = message.function, text, "a message is kept for `pylm failed`");
        let kept = Kept::new(message, &part.body.payload);
        self.keep(Record::CacheSet { key: key_of(&id), value: kept.told.clone() });
        for dropped in self.failed.push(kept) {
            tracing::warn!(id = dropped, "the oldest message that was kept is dropped; see --failed-bytes");
            self.keep(Record::CacheDelete { key: key_of(&dropped) });
        }
    }

    /// Takes back what the journal has kept under a reserved key.
    pub(super) fn recover_failed(&mut self, value: &Bytes) {
        match Kept::read(value.clone()) {
            Ok(kept) => {
                for dropped in self.failed.push(kept) {
                    self.keep(Record::CacheDelete { key: key_of(&dropped) });
                }
            }
            Err(error) => tracing::warn!(%error, "a message that had failed is not understood, and left out"),
        }
    }

    /// The value of a reserved key.
    pub(super) fn failed_value(&mut self, key: &str) -> Option<Bytes> {
        match id_of(key) {
            None => Some(self.failed.list()),
            Some(id) => self.failed.get(id),
        }
    }

    /// Forgets the message that a reserved key names; whether it was there.
    pub(super) fn drop_failed(&mut self, key: &str) -> bool {
        let was = id_of(key).is_some_and(|id| self.failed.remove(id));
        if was {
            self.keep(Record::CacheDelete { key: key.into() });
        }
        was
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> FailedMessage {
        FailedMessage {
            id: id.into(),
            function: "server.f".into(),
            code: "lost".into(),
            text: "why".into(),
            ..FailedMessage::default()
        }
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room_and_one_always_has_room() {
        let kept = |id, bytes: usize| Kept::new(message(id), &vec![b'x'; bytes]);
        let told = kept("a", 600).bytes();
        let mut failed = FailedMessages::new(2 * told - 1);
        assert!(failed.push(kept("a", 600)).is_empty());
        assert_eq!(failed.push(kept("b", 600)), ["a"]);
        assert_eq!(failed.push(kept("c", 10_000)), ["b"]);
        assert_eq!(failed.push(kept("d", 400)), ["c"]);
        assert!(failed.push(kept("e", 600)).is_empty());
        assert!(failed.remove("d") && !failed.remove("d"));
        assert_eq!((failed.len(), failed.bytes), (1, told));
    }

    #[test]
    fn one_is_told_as_a_line_and_its_payload() {
        let mut failed = FailedMessages::new(1_000);
        failed.push(Kept::new(message("a"), b"one\ntwo"));
        let value = failed.get("a").unwrap();
        let (line, payload) = value.split_at(value.iter().position(|&byte| byte == b'\n').unwrap());
        assert_eq!(serde_json::from_slice::<FailedMessage>(line).unwrap(), message("a"));
        assert_eq!(payload, b"\none\ntwo");
        assert!(failed.get("b").is_none());
        assert_eq!(Kept::read(value).unwrap().message, message("a"));
    }

    #[test]
    fn the_list_is_of_those_that_are_there() {
        let mut failed = FailedMessages::new(1_000);
        let listed = |failed: &mut FailedMessages| -> Vec<FailedMessage> {
            serde_json::from_slice(&failed.list()).unwrap()
        };
        failed.push(Kept::new(message("a"), b""));
        assert_eq!(listed(&mut failed), [message("a")]);
        failed.push(Kept::new(message("b"), b""));
        assert_eq!(listed(&mut failed), [message("a"), message("b")]);
        failed.remove("a");
        assert_eq!(listed(&mut failed), [message("b")]);
    }
}
