//! Messages as hooks see them, and back.

use super::message::{Header, Identity, Message, Name};
use pylm_plugin_host::{CallError, Names, Text, is_same};
use std::sync::Arc;

/// Where a thread of hooks shows them messages, and takes what they give.
#[derive(Debug, Default)]
pub struct Desk {
    desk: pylm_plugin_host::Desk,
    /// Headers of late, for hooks.
    known: Vec<Known>,
    /// Where among these the last one is.
    last: usize,
}

/// A header, as it is written for hooks.
#[derive(Debug)]
struct Known {
    header: Arc<Header>,
    names: Names,
    /// How cache keys begin.
    job: String,
}

/// How many headers a desk keeps.
const KEPT: usize = 16;

impl Desk {
    /// The cache key of a message: it has one in any case for hooks, as pylm's expect.
    #[inline]
    pub fn key(&mut self, message: &Message, identity: Identity) -> Text {
        match &message.cache {
            Some(key) => self.desk.text(key),
            None => {
                let place = self.place(&message.header);
                self.desk.numbered(&self.known[place].job, [identity.number, identity.part])
            }
        }
    }

    /// A message for a hook, with its cache key.
    #[inline]
    pub fn show(&mut self, message: &Message, key: &Text) -> pylm_plugin_host::Message {
        let place = self.place(&message.header);
        let key = self.desk.again(key);
        self.desk.message(&mut self.known[place].names, message.header.stage, key, &message.payload)
    }

    /// Where a header is.
    #[inline]
    fn place(&mut self, header: &Arc<Header>) -> usize {
        let is_it = |known: &Known| Arc::ptr_eq(&known.header, header);
        if !self.known.get(self.last).is_some_and(is_it) {
            self.last = self.known.iter().position(is_it).unwrap_or_else(|| self.keep(header));
        }
        self.last
    }

    fn keep(&mut self, header: &Arc<Header>) -> usize {
        if self.known.len() >= KEPT {
            self.known.remove(0);
        }
        let names = Names::new(header.pipeline.as_str(), header.client.as_str(), header.function.as_str());
        self.known.push(Known { header: Arc::clone(header), names, job: header.job.to_string() });
        self.known.len() - 1
    }

    /// Takes what a hook made of `original`, which it saw with this key; `None` where it is the same.
    #[inline]
    pub fn take_changed(
        &mut self,
        message: pylm_plugin_host::Message,
        original: &Message,
        key: &Text,
    ) -> Option<Message> {
        let header = changed_header(&message, &original.header);
        let same_key =
            is_key(message.cache(), key) || (original.cache.is_none() && message.cache().is_empty());
        let same_payload = is_same(message.payload(), &original.payload);
        let place = self.place(&original.header);
        let names = &mut self.known[place].names;
        if header.is_none() && same_key && same_payload {
            self.desk.take_back(names, message);
            return None;
        }
        let header = header.unwrap_or_else(|| Arc::clone(&original.header));
        let cache = if same_key { original.cache.clone() } else { Some(message.cache().into()) };
        let payload = if same_payload {
            self.desk.take_back(names, message);
            original.payload.clone()
        } else {
            self.desk.take_payload(names, message)
        };
        Some(Message { header, cache, payload })
    }

    /// Takes what a hook made of `original`; what it left as it was is shared with that.
    pub fn take(&mut self, message: pylm_plugin_host::Message, original: &Message, key: &Text) -> Message {
        self.take_changed(message, original, key).unwrap_or_else(|| original.clone())
    }

    /// Drops a message of this header that hooks have only looked at.
    #[inline]
    pub fn take_back(&mut self, message: pylm_plugin_host::Message, header: &Arc<Header>) {
        let place = self.place(header);
        self.desk.take_back(&mut self.known[place].names, message);
    }

    /// Drops a key that nothing will be compared with any more.
    #[inline]
    pub fn take_key_back(&mut self, key: Text) {
        self.desk.take_text_back(key);
    }
}

/// Whether a hook has left the key as it was. As long as the key is there, nothing else lies in its place.
#[inline]
fn is_key(cache: &str, key: &Text) -> bool {
    std::ptr::eq(cache, &**key) || *cache == **key
}

/// The header that a hook gave a message; `None` where it is the same.
#[inline]
fn changed_header(message: &pylm_plugin_host::Message, header: &Header) -> Option<Arc<Header>> {
    let same = message.stage() == header.stage
        && message.function().as_bytes() == header.function.as_bytes()
        && message.pipeline().as_bytes() == header.pipeline.as_bytes()
        && message.client().as_bytes() == header.client.as_bytes();
    (!same).then(|| {
        Arc::new(Header {
            pipeline: Name::from(message.pipeline()),
            function: Name::from(message.function()),
            stage: message.stage(),
            // Whose result it is does not change: topics are given by route.
            ..Header::clone(header)
        })
    })
}

/// What a failing hook tells the client.
pub fn failure(hook: &str, error: &CallError) -> String {
    format!("{hook}: {error}")
}

#[cfg(test)]
mod tests {
    use super::super::message::CacheKey;
    use super::*;
    use bytes::Bytes;
    use uuid::Uuid;

    const FIRST: Identity = Identity { number: 7, part: 0 };

    fn message(client: &str, cache: Option<&str>, payload: &[u8]) -> Message {
        let header = Header {
            pipeline: "p".into(),
            client: client.into(),
            function: "s.f".into(),
            job: Uuid::max(),
            ..Header::default()
        };
        Message {
            header: Arc::new(header),
            cache: cache.map(CacheKey::from),
            payload: Bytes::copy_from_slice(payload),
        }
    }

    #[test]
    fn a_message_that_is_passed_on_is_the_same() {
        let mut desk = Desk::default();
        for cache in [None, Some("key")] {
            for size in [0, 16, 5_000] {
                let original = message("c", cache, &vec![b'x'; size]);
                let key = desk.key(&original, FIRST);
                assert_eq!(*key, *cache.map_or_else(|| FIRST.cache_key(Uuid::max()), String::from));
                let shown = desk.show(&original, &key);
                assert_eq!(shown.cache(), &*key);
                assert!(desk.take_changed(shown, &original, &key).is_none());
                let unnamed = desk.show(&original, &key).with_cache("");
                assert_eq!(desk.take_changed(unnamed, &original, &key).is_some(), cache.is_some());
            }
        }
    }

    #[test]
    fn what_a_hook_changes_is_taken_and_the_rest_is_shared() {
        let mut desk = Desk::default();
        let original = message("c", None, b"payload");
        let key = desk.key(&original, FIRST);
        let shown = desk.show(&original, &key).with_payload("other");
        let taken = desk.take(shown, &original, &key);
        assert!(Arc::ptr_eq(&taken.header, &original.header));
        assert_eq!((taken.cache, &taken.payload[..]), (None, &b"other"[..]));

        let shown = desk.show(&original, &key);
        let part = shown.payload().slice(..3);
        let taken = desk.take(shown.with_payload(part).with_cache("mine"), &original, &key);
        assert_eq!((taken.cache.as_deref(), &taken.payload[..]), (Some("mine"), &b"pay"[..]));

        let shown = desk.show(&original, &key).with_function("s.g").with_client("another");
        let taken = desk.take(shown, &original, &key);
        assert_eq!(taken.header.function.as_str(), "s.g");
        assert_eq!(taken.header.client.as_str(), "c", "whose result it is does not change");
        assert_eq!(taken.payload, original.payload);
    }

    #[test]
    fn a_part_of_another_message_is_not_taken_for_the_message_itself() {
        let mut desk = Desk::default();
        let [first, second] = [message("c", None, b"first"), message("c", None, b"other")];
        let key = desk.key(&first, FIRST);
        drop(desk.show(&first, &key));
        let second_key = desk.key(&second, Identity { number: 8, part: 0 });
        let shown = desk.show(&second, &second_key);
        let taken = desk.take(shown, &first, &key);
        assert_eq!(taken.payload, second.payload);
        assert_eq!(taken.cache.as_deref(), Some(&*second_key));
    }

    #[test]
    fn messages_of_more_clients_than_are_kept_have_the_right_names() {
        let mut desk = Desk::default();
        let clients: Vec<_> = (0..3 * KEPT).map(|client| message(&client.to_string(), None, b"x")).collect();
        for round in 0..3 {
            for (client, original) in clients.iter().enumerate().skip(round) {
                let key = desk.key(original, FIRST);
                let shown = desk.show(original, &key);
                assert_eq!(shown.client(), client.to_string());
                assert!(desk.take_changed(shown, original, &key).is_none());
            }
        }
    }
}
