//! Messages that one thread makes for hooks, one after the other, with neither an allocation nor an atomic operation for each.
//!
//! Names lie in one buffer, cache keys and small payloads in another. How many payloads refer to a buffer, its lender counts in a
//! plain number for as long as it gets them back; what a plugin clones or drops is counted atomically.

use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicIsize, Ordering};

use bytes::Bytes;

use crate::abi::{BufferOwner, BufferTable, Message, Payload, Text};

/// Payloads up to this size are copied for a hook, larger ones are counted.
const COPIED: usize = 1 << 10;

/// The size of the buffer for keys and small payloads. A payload that a plugin keeps for long keeps the whole buffer.
const BUFFER: usize = 4 << 10;

/// The longest text or payload in the buffer: a payload, or a key with numbers.
const LONGEST: usize = COPIED + 2 * NUMBER;

/// The longest number, with a slash.
const NUMBER: usize = 21;

/// What the count of a buffer begins with: more than there can be payloads.
const ALL: isize = isize::MAX / 2;

/// Bytes that payloads refer to.
struct Buffer {
    /// While there is a lender: [`ALL`], more by what was cloned and less by what was dropped. After that: the payloads.
    count: AtomicIsize,
    bytes: *mut [u8],
}

/// The one that gives payloads of a buffer out, and takes them back.
struct Lender {
    buffer: NonNull<Buffer>,
    /// Payloads that were given out, less those that were taken back.
    lent: isize,
}

impl Lender {
    fn new(bytes: Box<[u8]>) -> Lender {
        let buffer = Buffer { count: AtomicIsize::new(ALL), bytes: Box::into_raw(bytes) };
        Lender { buffer: NonNull::from(Box::leak(Box::new(buffer))), lent: 0 }
    }

    #[inline]
    fn buffer(&self) -> &Buffer {
        // SAFETY: the lender's own share of the count keeps the buffer.
        unsafe { self.buffer.as_ref() }
    }

    /// A payload of a part of the buffer.
    ///
    /// # Safety
    ///
    /// The part is within the buffer, and is not written while anybody may have the payload.
    #[inline]
    unsafe fn lend(&mut self, part: Range<usize>) -> Payload {
        let start = self.buffer().bytes.cast::<u8>();
        // SAFETY: the part is within the buffer, as the caller promises.
        let bytes = unsafe { std::slice::from_raw_parts(start.add(part.start), part.len()) };
        if bytes.is_empty() {
            return Payload::empty();
        }
        self.lent += 1;
        // SAFETY: the buffer is there until `LENT` has counted every payload down.
        unsafe { Payload::from_parts(bytes, self.buffer.as_ptr().cast_const().cast(), &LENT) }
    }

    /// Whether a payload is of this buffer.
    #[inline]
    fn is_of(&self, payload: &Payload) -> bool {
        let (owner, table) = payload.owner();
        owner == self.buffer.as_ptr().cast_const().cast() && std::ptr::eq(table, &LENT)
    }

    /// The same payload once more, where it is of this buffer.
    #[inline]
    fn lend_again(&mut self, payload: &Payload) -> Option<Payload> {
        self.is_of(payload).then(|| {
            self.lent += 1;
            let (owner, table) = payload.owner();
            // SAFETY: the bytes are those of a payload that is there.
            unsafe { Payload::from_parts(payload, owner, table) }
        })
    }

    /// Drops a payload, without an atomic operation where it is of this buffer.
    #[inline]
    fn take_back(&mut self, payload: Payload) {
        if self.is_of(&payload) {
            self.lent -= 1;
            std::mem::forget(payload);
        }
    }

    /// Whether there is no payload of the buffer any more.
    #[inline]
    fn is_alone(&self) -> bool {
        self.buffer().count.load(Ordering::Acquire) + self.lent == ALL
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        // SAFETY: what is left of the count then is what is still lent.
        unsafe { count_down(self.buffer, ALL - self.lent) }
    }
}

/// Gives back a share of the count, and frees the buffer with the last.
///
/// # Safety
///
/// The share belongs to the caller, who does not use the buffer again.
unsafe fn count_down(buffer: NonNull<Buffer>, share: isize) {
    // SAFETY: the share keeps the buffer until here.
    if unsafe { buffer.as_ref() }.count.fetch_sub(share, Ordering::AcqRel) == share {
        // SAFETY: both are of `Lender::new`, and nobody else has them any more.
        let buffer = unsafe { Box::from_raw(buffer.as_ptr()) };
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(buffer.bytes) });
    }
}

/// The owner is a [`Buffer`].
static LENT: BufferTable = {
    unsafe extern "C" fn clone(data: *const u8, _: usize, owner: *const ()) -> BufferOwner {
        // SAFETY: the payload that is cloned keeps the buffer.
        unsafe { &*owner.cast::<Buffer>() }.count.fetch_add(1, Ordering::Relaxed);
        BufferOwner { data, owner }
    }
    unsafe extern "C" fn drop(_: *const u8, _: usize, owner: *const ()) {
        // SAFETY: the payload has one share, and is not used again.
        unsafe { count_down(NonNull::new_unchecked(owner.cast::<Buffer>().cast_mut()), 1) }
    }
    BufferTable { shared: true, clone, drop }
};

/// Whether a payload lies in a buffer that others use too, so that it is not to be kept for long.
#[inline]
pub(super) fn is_lent(payload: &Payload) -> bool {
    std::ptr::eq(payload.owner().1, &LENT)
}

/// The names that many messages have in common.
pub struct Names {
    lender: Lender,
    /// Where pipeline, client and function end.
    ends: [usize; 3],
}

impl Names {
    /// These names.
    pub fn new(pipeline: &str, client: &str, function: &str) -> Names {
        let all = [pipeline, client, function].concat();
        let client_end = pipeline.len() + client.len();
        let ends = [pipeline.len(), client_end, all.len()];
        Names { lender: Lender::new(all.into_bytes().into()), ends }
    }

    #[inline]
    fn lend(&mut self) -> [Text; 3] {
        let [first, second, third] = self.ends;
        [0..first, first..second, second..third].map(|part| {
            // SAFETY: the buffer holds three whole strings one after the other, and is never written again.
            unsafe { Text::from_payload(self.lender.lend(part)) }
        })
    }

    #[inline]
    fn take_back(&mut self, names: [Text; 3]) {
        if names.iter().all(|name| self.lender.is_of(name.as_payload())) {
            self.lender.lent -= 3;
            std::mem::forget(names);
        } else {
            names.into_iter().for_each(|name| self.lender.take_back(name.into()));
        }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Names").field("lent", &self.lender.lent).finish_non_exhaustive()
    }
}

/// Where a thread makes messages for hooks, and takes them back when hooks are done with them.
pub struct Desk {
    lender: Lender,
    /// How much of the buffer is written.
    used: usize,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk { lender: Lender::new(vec![0; BUFFER].into()), used: 0 }
    }
}

impl Desk {
    /// A message.
    #[inline]
    pub fn message(&mut self, names: &mut Names, stage: i64, cache: Text, payload: &Bytes) -> Message {
        let [pipeline, client, function] = names.lend();
        let payload = if payload.len() <= COPIED { self.lend(&[payload]) } else { payload.clone().into() };
        Message::from_parts([pipeline, client, function, cache], payload, stage)
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> Text {
        let payload = self.lend(&[text.as_bytes()]);
        // SAFETY: it was text.
        unsafe { Text::from_payload(payload) }
    }

    /// A text of `start` and two numbers, with a slash before each.
    #[inline]
    pub fn numbered(&mut self, start: &str, numbers: [u64; 2]) -> Text {
        let mut room = [0; 2 * NUMBER];
        let mut begin = room.len();
        for number in numbers.into_iter().rev() {
            let mut rest = number;
            loop {
                begin -= 1;
                room[begin] = b'0' + (rest % 10) as u8;
                rest /= 10;
                if rest == 0 {
                    break;
                }
            }
            begin -= 1;
            room[begin] = b'/';
        }
        let payload = self.lend(&[start.as_bytes(), &room[begin..]]);
        // SAFETY: text, digits and slashes are text.
        unsafe { Text::from_payload(payload) }
    }

    /// The same text once more.
    #[inline]
    pub fn again(&mut self, text: &Text) -> Text {
        match self.lender.lend_again(text.as_payload()) {
            // SAFETY: it was text.
            Some(payload) => unsafe { Text::from_payload(payload) },
            None => text.clone(),
        }
    }

    /// A payload of these bytes, in the buffer where they are few.
    #[inline]
    fn lend(&mut self, bytes: &[&[u8]]) -> Payload {
        let length: usize = bytes.iter().map(|bytes| bytes.len()).sum();
        if length > LONGEST {
            return Payload::from(bytes.concat());
        }
        if self.lender.is_alone() {
            self.used = 0;
        } else if self.used + length > BUFFER {
            *self = Desk::default();
        }
        let part = self.used..self.used + length;
        for bytes in bytes {
            // SAFETY: it is within the buffer, and no payload was made of it, or none of these is left.
            unsafe {
                let start = self.lender.buffer().bytes.cast::<u8>().add(self.used);
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len());
            }
            self.used += bytes.len();
        }
        // SAFETY: as above; it is not written again before all payloads are gone.
        unsafe { self.lender.lend(part) }
    }

    /// Drops a text.
    #[inline]
    pub fn take_text_back(&mut self, text: Text) {
        self.lender.take_back(text.into());
    }

    /// Drops a message that hooks are done with.
    #[inline]
    pub fn take_back(&mut self, names: &mut Names, message: Message) {
        let payload = self.take_names_back(names, message);
        self.lender.take_back(payload);
    }

    /// The payload of a message that hooks are done with.
    #[inline]
    pub fn take_payload(&mut self, names: &mut Names, message: Message) -> Bytes {
        let payload = self.take_names_back(names, message);
        if !is_lent(&payload) {
            return payload.into_bytes();
        }
        let copy = Bytes::copy_from_slice(&payload);
        self.lender.take_back(payload);
        copy
    }

    #[inline]
    fn take_names_back(&mut self, names: &mut Names, message: Message) -> Payload {
        let ([pipeline, client, function, cache], payload) = message.into_parts();
        names.take_back([pipeline, client, function]);
        self.lender.take_back(cache.into());
        payload
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Desk").field("lent", &self.lender.lent).finish_non_exhaustive()
    }
}

/// Whether a payload that a hook gives has the bytes that it was given. Many are not looked at, unless they lie at the same place.
#[inline]
pub fn is_same(payload: &Payload, before: &Bytes) -> bool {
    payload.len() == before.len()
        && (payload.as_ptr() == before.as_ptr() || (payload.len() <= COPIED && **payload == **before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new("job", "client", "server.function")
    }

    fn made(desk: &mut Desk, names: &mut Names) -> Message {
        let key = desk.text("key");
        desk.message(names, 2, key, &Bytes::from_static(b"payload"))
    }

    #[test]
    fn a_message_has_what_it_was_made_of() {
        let (mut desk, mut names) = (Desk::default(), names());
        let message = made(&mut desk, &mut names);
        let texts = [message.pipeline(), message.client(), message.function(), message.cache()];
        assert_eq!(texts, ["job", "client", "server.function", "key"]);
        assert_eq!((&message.payload()[..], message.stage()), (&b"payload"[..], 2));
        let empty = desk.message(&mut Names::new("", "", ""), 0, Text::default(), &Bytes::new());
        assert_eq!(empty, Message::default());
    }

    #[test]
    fn the_buffer_is_used_again_when_all_are_back_or_dropped() {
        let (mut desk, mut names) = (Desk::default(), names());
        let first = made(&mut desk, &mut names);
        let place = first.payload().as_ptr();
        desk.take_back(&mut names, first);
        let second = made(&mut desk, &mut names);
        assert_eq!(second.payload().as_ptr(), place);
        let clone = second.clone();
        std::thread::spawn(move || drop(second)).join().unwrap();
        let third = made(&mut desk, &mut names);
        assert_ne!(third.payload().as_ptr(), place, "a clone is still there");
        desk.take_back(&mut names, clone);
        desk.take_back(&mut names, third);
        assert_eq!(made(&mut desk, &mut names).payload().as_ptr(), place);
    }

    #[test]
    fn what_a_plugin_keeps_stays_as_it_is() {
        let (mut desk, mut names) = (Desk::default(), names());
        let numbered = |desk: &mut Desk, names: &mut Names, number: usize| {
            let payload = Bytes::from(format!("{number:0100}"));
            let key = desk.text(&format!("key {number}"));
            desk.message(names, 0, key, &payload)
        };
        let kept: Vec<_> = (0..200).map(|number| numbered(&mut desk, &mut names, number)).collect();
        (200..400).for_each(|number| drop(numbered(&mut desk, &mut names, number)));
        drop((desk, names));
        for (number, message) in kept.iter().enumerate() {
            assert_eq!(message.cache(), format!("key {number}"));
            assert_eq!(**message.payload(), *format!("{number:0100}").as_bytes());
            assert_eq!(message.function(), "server.function");
        }
    }

    #[test]
    fn a_large_payload_is_not_copied_and_a_small_one_keeps_no_buffer() {
        let (mut desk, mut names) = (Desk::default(), names());
        let large = Bytes::from(vec![7; COPIED + 1]);
        let message = desk.message(&mut names, 0, Text::default(), &large);
        assert_eq!(message.payload().as_ptr(), large.as_ptr());
        assert!(is_same(message.payload(), &large));
        assert_eq!(message.into_payload().into_bytes().as_ptr(), large.as_ptr());
        let message = made(&mut desk, &mut names);
        let taken = desk.take_payload(&mut names, message);
        let taken_apart = made(&mut desk, &mut names).into_payload().into_bytes();
        assert!(desk.lender.is_alone() && names.lender.is_alone());
        assert_eq!((&taken[..], &taken_apart[..]), (&b"payload"[..], &b"payload"[..]));
    }

    #[test]
    fn texts_of_any_length_and_numbers_of_any_size_are_written() {
        let mut desk = Desk::default();
        for start in [String::new(), "a".repeat(36), "a".repeat(COPIED + 1), "a".repeat(2 * BUFFER)] {
            let same = desk.text(&start);
            assert_eq!((&*same, &*desk.again(&same)), (&*start, &*start));
            for numbers in [[0, 0], [9, 10], [1_234_567_890, 1], [u64::MAX, u64::MAX]] {
                let text = desk.numbered(&start, numbers);
                assert_eq!(*text, format!("{start}/{}/{}", numbers[0], numbers[1]));
                desk.take_text_back(text);
            }
            desk.take_text_back(same);
        }
        assert!(desk.lender.is_alone());
    }

    #[test]
    fn messages_of_others_can_be_taken_back_too() {
        let (mut desk, mut names) = (Desk::default(), names());
        let others = made(&mut Desk::default(), &mut Names::new("a", "b", "c"));
        desk.take_back(&mut names, others);
        desk.take_back(&mut names, Message::new("f", vec![1; 500]));
        assert!(desk.lender.is_alone() && names.lender.is_alone());
    }
}
