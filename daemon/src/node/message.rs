//! The one value that travels the whole way through a node.

use bytes::Bytes;
use pylm_protocol::palm::{Call, PalmFields, Tracking};
use pylm_transport::Frame;
use std::ops::Deref;
use std::sync::Arc;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// Text as shared bytes, which hooks and frames take without a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name(Bytes);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// How many nodes it has passed.
    pub hops: u32,
    /// Its client is one of pylm's that does not listen where it has sent its messages to: results leave where it does.
    pub elsewhere: bool,
}

impl Header {
    /// What is to be called at this stage.
    pub fn call(&self) -> Option<Call<'_>> {
        Call::of(self.function.as_str(), self.stage)
    }
}

/// A key of the cache, in one word where messages wait: few are given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheKey(Arc<Box<str>>);

impl Deref for CacheKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl CacheKey {
    /// Whether the two are one key, and not only alike.
    pub fn is_shared_with(&self, other: &CacheKey) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<&str> for CacheKey {
    fn from(key: &str) -> Self {
        CacheKey(Arc::new(key.into()))
    }
}

/// A message, a part, or a result.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it shares with others.
    pub header: Arc<Header>,
    /// The cache key that it was given; without one, [`Identity::cache_key`] is its key.
    pub cache: Option<CacheKey>,
    /// The data, as it was received.
    pub payload: Bytes,
}

impl Message {
    /// The same message with other data.
    pub fn with_payload(&self, payload: Bytes) -> Self {
        Message { header: Arc::clone(&self.header), cache: self.cache.clone(), payload }
    }

    /// The message as a PalmMessage, in a frame.
    pub fn to_palm(&self, identity: Identity, tracking: Option<Tracking>, pen: &mut Pen) -> Frame {
        pen.hold(&self.header);
        let Pen { head, key, out, .. } = pen;
        let palm = self.fields(identity, tracking, key);
        if self.payload.len() >= LARGE {
            let mut out = Vec::with_capacity(head.len() + palm.cache.len() + self.payload.len() + TAIL);
            out.extend_from_slice(head);
            palm.encode_tail(&mut out);
            return Frame::from_vec(out);
        }
        out.clear();
        out.extend_from_slice(head);
        palm.encode_tail(out);
        Frame::copy_from(out)
    }

    /// The same of an answer that came in `frame`. A large one goes on as it is, where it says just this: pylm's clients pass over the
    /// tracking behind it.
    pub fn answer_to_palm(
        &self,
        frame: &mut Frame,
        identity: Identity,
        tracking: Tracking,
        pen: &mut Pen,
    ) -> Frame {
        if self.payload.len() >= LARGE && self.is_written_in(frame, identity, tracking, pen) {
            frame.share()
        } else {
            self.to_palm(identity, None, pen)
        }
    }

    /// Whether a frame that the payload was read from is, byte for byte, what [`to_palm`](Self::to_palm) writes.
    fn is_written_in(&self, frame: &[u8], identity: Identity, tracking: Tracking, pen: &mut Pen) -> bool {
        pen.hold(&self.header);
        let Pen { head, key, out, .. } = pen;
        let palm = self.fields(identity, Some(tracking), key);
        out.clear();
        out.extend_from_slice(head);
        palm.encode_before_payload(out);
        let before = out.len();
        palm.encode_tracking(out);
        let (before, behind) = out.split_at(before);
        frame.len() == out.len() + self.payload.len() && frame.starts_with(before) && frame.ends_with(behind)
    }

    /// What is written behind the head.
    #[inline]
    fn fields<'a>(
        &'a self,
        identity: Identity,
        tracking: Option<Tracking>,
        key: &'a mut [u8; CACHE_KEY],
    ) -> PalmFields<'a> {
        let cache = match &self.cache {
            Some(cache) => cache.as_bytes(),
            None => identity.write_behind_job(key),
        };
        PalmFields { cache, payload: &self.payload, tracking, ..PalmFields::default() }
    }
}

/// Writes PalmMessages. What the messages of one header have in common is written once for all that follow each other.
#[derive(Debug)]
pub struct Pen {
    /// The header that was written last.
    header: Option<Arc<Header>>,
    /// Its fields.
    head: Vec<u8>,
    /// A cache key that begins with its job.
    key: [u8; CACHE_KEY],
    /// Room to write in.
    out: Vec<u8>,
}

impl Default for Pen {
    fn default() -> Self {
        Pen { header: None, head: Vec::new(), key: [0; CACHE_KEY], out: Vec::new() }
    }
}

impl Pen {
    #[inline]
    fn hold(&mut self, header: &Arc<Header>) {
        if self.header.as_ref().is_none_or(|held| !Arc::ptr_eq(held, header)) {
            self.write_head(header);
        }
    }

    fn write_head(&mut self, header: &Arc<Header>) {
        self.head.clear();
        let palm = PalmFields {
            pipeline: header.pipeline.as_bytes(),
            client: header.client.as_bytes(),
            stage: header.stage,
            function: header.function.as_bytes(),
            ..PalmFields::default()
        };
        palm.encode_head(&mut self.head);
        header.job.as_hyphenated().encode_lower(&mut self.key);
        self.header = Some(Arc::clone(header));
    }
}

/// More than tags, lengths and tracking of a PalmMessage take behind its head.
const TAIL: usize = 64;

/// Payloads from this size on are written where they stay, smaller ones are copied once more, which is less than an allocation.
const LARGE: usize = 4 << 10;

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
        let mut key = [0; CACHE_KEY];
        job.as_hyphenated().encode_lower(&mut key);
        String::from_utf8_lossy(self.write_behind_job(&mut key)).into_owned()
    }

    /// The cache key, where the job is written already.
    #[inline]
    fn write_behind_job(self, key: &mut [u8; CACHE_KEY]) -> &[u8] {
        let mut end = Hyphenated::LENGTH;
        for number in [self.number, self.part] {
            key[end] = b'/';
            let digits = number.checked_ilog10().unwrap_or_default() as usize + 1;
            let mut rest = number;
            for digit in key[end + 1..=end + digits].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            end += 1 + digits;
        }
        &key[..end]
    }
}

/// The longest cache key of this form: a UUID and two numbers.
const CACHE_KEY: usize = Hyphenated::LENGTH + 2 * 21;

#[cfg(test)]
mod tests {
    use super::*;
    use pylm_protocol::palm::PalmMessage;

    #[test]
    fn a_cache_key_names_job_message_and_part() {
        let key = |number, part| Identity { number, part }.cache_key(Uuid::nil());
        assert_eq!(key(0, 0), "00000000-0000-0000-0000-000000000000/0/0");
        assert_eq!(key(1_234_567_890, 10), "00000000-0000-0000-0000-000000000000/1234567890/10");
        assert!(key(u64::MAX, u64::MAX).ends_with("/18446744073709551615/18446744073709551615"));
    }

    const IDENTITY: Identity = Identity { number: 7, part: 1 };
    const TRACKING: Tracking = Tracking { lease: 3, node: 5 };
    const TRACKED: [u8; 20] = *b"\x81\x01\x03\0\0\0\0\0\0\0\x89\x01\x05\0\0\0\0\0\0\0";

    fn sent(cache: Option<&str>) -> Message {
        let header = Header {
            pipeline: "pipeline".into(),
            client: "client".into(),
            function: "server.first server.second".into(),
            stage: 1,
            ..Header::default()
        };
        Message {
            header: Arc::new(header),
            cache: cache.map(CacheKey::from),
            payload: Bytes::from_static(b"question"),
        }
    }

    /// Whether an answer goes to the client in its own frame; what the client reads is the same either way. The worker has the
    /// message read, changes it, and writes it with `behind` at its end.
    fn goes_on(
        message: &Message,
        length: usize,
        change: impl FnOnce(&mut PalmMessage<'_>),
        behind: &[u8],
    ) -> bool {
        let mut pen = Pen::default();
        let question = message.to_palm(IDENTITY, Some(TRACKING), &mut pen);
        let payload = vec![b'x'; length];
        let mut answer = PalmMessage { payload: &payload, ..PalmMessage::decode(&question).unwrap() };
        assert_eq!(answer.tracking.take(), Some(TRACKING));
        change(&mut answer);
        let mut frame = Frame::from_vec([&answer.encode(), behind].concat());
        let result = message.with_payload(Bytes::from(payload.clone()));
        let palm = result.answer_to_palm(&mut frame, IDENTITY, TRACKING, &mut pen);
        let anew = result.to_palm(IDENTITY, None, &mut pen);
        let is_same = palm.as_ptr() == frame.as_ptr();
        assert_eq!(*palm, *if is_same { [&anew, behind].concat() } else { anew.to_vec() });
        is_same
    }

    #[test]
    fn a_large_answer_in_which_only_the_payload_is_new_goes_on_as_it_is() {
        for cache in [None, Some("key")] {
            for length in [LARGE, LARGE + 1, 1 << 20] {
                assert!(goes_on(&sent(cache), length, |_| {}, &TRACKED));
            }
        }
        let of_no_words = Message { header: Arc::default(), ..sent(None) };
        assert!(goes_on(&of_no_words, LARGE, |_| {}, &TRACKED));
    }

    #[test]
    fn an_answer_that_says_more_or_something_else_is_written_anew() {
        let changed = |change: fn(&mut PalmMessage<'_>)| goes_on(&sent(Some("key")), LARGE, change, &TRACKED);
        assert!(!changed(|answer| answer.pipeline = "Pipeline"));
        assert!(!changed(|answer| answer.client = ""));
        assert!(!changed(|answer| answer.stage = 2));
        assert!(!changed(|answer| answer.stage = 0));
        assert!(!changed(|answer| answer.function = "server.first server.another"));
        assert!(!changed(|answer| answer.cache = "another"));
        assert!(!changed(|answer| answer.cache = ""));

        let ends = |behind: &[&[u8]]| goes_on(&sent(None), LARGE, |_| {}, &behind.concat());
        assert!(!ends(&[]));
        assert!(!ends(&[&TRACKED, b"\xa0\x01\x01"]), "another field");
        assert!(!ends(&[b"\xa0\x01\x01", &TRACKED]), "another field before the tracking");
        assert!(!ends(&[b"\x18\x02", &TRACKED]), "another stage behind the payload");
        assert!(!ends(&[&TRACKED[10..], &TRACKED[..10]]), "another order");
        assert!(!ends(&[&TRACKED[..12], &[0; 8]]), "another run");
    }

    #[test]
    fn a_small_answer_is_written_anew() {
        assert!(!goes_on(&sent(None), LARGE - 1, |_| {}, &TRACKED));
        assert!(!goes_on(&sent(None), 0, |_| {}, &TRACKED));
    }
}
