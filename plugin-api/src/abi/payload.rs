//! Bytes and text that are shared across the border without a copy.

use std::borrow::Cow;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Bound, Deref, RangeBounds};
use std::sync::Arc;

use abi_stable::StableAbi;

/// Up to this size a buffer is copied rather than counted: that is cheaper than one more allocation.
const COPIED: usize = 128;

/// Who keeps a buffer's bytes, and where they lie; what a clone gives back.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct BufferOwner {
    pub data: *const u8,
    pub owner: *const (),
}

/// How the side that made a buffer clones and frees it.
#[repr(C)]
#[derive(StableAbi)]
pub struct BufferTable {
    /// Whether clones lie at the same place, so that `drop` takes any part of the buffer.
    pub shared: bool,
    pub clone: unsafe extern "C" fn(data: *const u8, len: usize, owner: *const ()) -> BufferOwner,
    pub drop: unsafe extern "C" fn(data: *const u8, len: usize, owner: *const ()),
}

/// Bytes that a message carries or a function answers.
///
/// Clones and slices share the same memory, whichever side of the border allocated it; only small buffers are copied.
#[repr(C)]
#[derive(StableAbi)]
pub struct Payload {
    data: *const u8,
    len: usize,
    owner: *const (),
    table: &'static BufferTable,
}

// SAFETY: the bytes are never written, and every table's owner is counted atomically or not shared at all.
unsafe impl Send for Payload {}
// SAFETY: as above.
unsafe impl Sync for Payload {}

impl Payload {
    /// A payload of no bytes; allocates nothing.
    #[inline]
    pub const fn empty() -> Payload {
        Payload::from_static(b"")
    }

    /// A payload over bytes that live as long as the program; allocates nothing.
    pub const fn from_static(bytes: &'static [u8]) -> Payload {
        Payload { data: bytes.as_ptr(), len: bytes.len(), owner: std::ptr::null(), table: &STATIC }
    }

    /// The part of this payload in `range` (bytes), sharing the same memory.
    ///
    /// # Panics
    ///
    /// If the range is not within the payload.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Payload {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&end) => end + 1,
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.len,
        };
        let part = &self[start..end];
        if !self.table.shared {
            return Payload::from(part);
        }
        let (data, len) = (part.as_ptr(), part.len());
        let mut whole = ManuallyDrop::new(self.clone());
        (whole.data, whole.len) = (data, len);
        ManuallyDrop::into_inner(whole)
    }

    /// A payload kept by an owner of the host's own kind.
    ///
    /// # Safety
    ///
    /// `data` and `len` must name bytes that stay valid and unchanged until `table.drop` is called with the same values,
    /// and `table` must be able to clone and drop `owner` from any thread.
    #[cfg(feature = "host")]
    #[inline]
    pub(crate) unsafe fn from_parts(bytes: &[u8], owner: *const (), table: &'static BufferTable) -> Payload {
        Payload { data: bytes.as_ptr(), len: bytes.len(), owner, table }
    }

    /// The owner and the table that [`Payload::from_parts`] was given.
    #[cfg(feature = "host")]
    #[inline]
    pub(crate) fn owner(&self) -> (*const (), &'static BufferTable) {
        (self.owner, self.table)
    }
}

impl Deref for Payload {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: whoever made the payload keeps these bytes until it is dropped.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Clone for Payload {
    fn clone(&self) -> Payload {
        // SAFETY: the table belongs to this owner.
        let BufferOwner { data, owner } = unsafe { (self.table.clone)(self.data, self.len, self.owner) };
        Payload { data, len: self.len, owner, table: self.table }
    }
}

impl Drop for Payload {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the table belongs to this owner, which is not used again.
        unsafe { (self.table.drop)(self.data, self.len, self.owner) }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Payload {
        if bytes.is_empty() {
            return Payload::empty();
        }
        if bytes.capacity() > COPIED {
            let (data, len) = (bytes.as_ptr(), bytes.len());
            return Payload { data, len, owner: Arc::into_raw(Arc::new(bytes)).cast(), table: &SHARED };
        }
        let mut bytes = ManuallyDrop::new(bytes);
        let owner = std::ptr::without_provenance(bytes.capacity());
        Payload { data: bytes.as_mut_ptr(), len: bytes.len(), owner, table: &OWNED }
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Payload {
        Payload::from(bytes.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for Payload {
    fn from(bytes: [u8; N]) -> Payload {
        Payload::from(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(bytes: &[u8; N]) -> Payload {
        Payload::from(bytes.to_vec())
    }
}

impl From<Box<[u8]>> for Payload {
    fn from(bytes: Box<[u8]>) -> Payload {
        Payload::from(bytes.into_vec())
    }
}

impl From<Cow<'_, [u8]>> for Payload {
    fn from(bytes: Cow<'_, [u8]>) -> Payload {
        Payload::from(bytes.into_owned())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Payload {
        Payload::from(text.into_bytes())
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Payload {
        Payload::from(text.as_bytes())
    }
}

impl From<Text> for Payload {
    #[inline]
    fn from(text: Text) -> Payload {
        text.0
    }
}

impl Default for Payload {
    fn default() -> Payload {
        Payload::empty()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        **self == **other
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "b\"{}\"", self.escape_ascii())
    }
}

/// Text of a message, shared like a [`Payload`].
#[repr(transparent)]
#[derive(Clone, Default, PartialEq, Eq, StableAbi)]
pub struct Text(Payload);

impl Text {
    /// Text over bytes that are already known to be UTF-8.
    ///
    /// # Safety
    ///
    /// The bytes must be UTF-8.
    #[cfg(feature = "host")]
    #[inline]
    pub(crate) unsafe fn from_payload(payload: Payload) -> Text {
        Text(payload)
    }

    /// The bytes, still shared.
    #[cfg(feature = "host")]
    #[inline]
    pub(crate) fn as_payload(&self) -> &Payload {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        // SAFETY: every constructor takes UTF-8.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(Payload::from(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(Payload::from(text))
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Text {
        Text(Payload::from(text.into_owned()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, out)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, out)
    }
}

/// Bytes that live as long as the program.
static STATIC: BufferTable = {
    unsafe extern "C" fn clone(data: *const u8, _: usize, owner: *const ()) -> BufferOwner {
        BufferOwner { data, owner }
    }
    unsafe extern "C" fn drop(_: *const u8, _: usize, _: *const ()) {}
    BufferTable { shared: true, clone, drop }
};

/// A small vector that belongs to this payload alone; `owner` is its capacity.
static OWNED: BufferTable = {
    unsafe extern "C" fn clone(data: *const u8, len: usize, _: *const ()) -> BufferOwner {
        // SAFETY: the payload that is cloned keeps these bytes.
        let bytes = unsafe { std::slice::from_raw_parts(data, len) };
        let mut copy = ManuallyDrop::new(bytes.to_vec());
        BufferOwner { data: copy.as_mut_ptr(), owner: std::ptr::without_provenance(copy.capacity()) }
    }
    unsafe extern "C" fn drop(data: *const u8, len: usize, owner: *const ()) {
        // SAFETY: these are the parts of the vector that `From<Vec<u8>>` or `clone` took apart.
        std::mem::drop(unsafe { Vec::from_raw_parts(data.cast_mut(), len, owner.addr()) });
    }
    BufferTable { shared: false, clone, drop }
};

/// A vector that clones and slices share; `owner` is an `Arc<Vec<u8>>`.
static SHARED: BufferTable = {
    unsafe extern "C" fn clone(data: *const u8, _: usize, owner: *const ()) -> BufferOwner {
        // SAFETY: `owner` came from `Arc::into_raw`, and the payload that is cloned holds a count.
        unsafe { Arc::increment_strong_count(owner.cast::<Vec<u8>>()) };
        BufferOwner { data, owner }
    }
    unsafe extern "C" fn drop(_: *const u8, _: usize, owner: *const ()) {
        // SAFETY: `owner` came from `Arc::into_raw`, and this payload's count is given back once.
        std::mem::drop(unsafe { Arc::from_raw(owner.cast::<Vec<u8>>()) });
    }
    BufferTable { shared: true, clone, drop }
};
