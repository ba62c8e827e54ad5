//! One frame of a message, in the form in which libzmq sends and receives it.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::fmt;
use std::ops::Deref;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::slice;

use bytes::Bytes;
use zmq_sys::zmq_msg_t;

use crate::TcpConnection;

/// From this size on a buffer is handed to libzmq instead of copied: below, the copy costs less than the bookkeeping.
const SEND_WITHOUT_COPY: usize = 4 * 1024;

/// Below this size a received frame is copied out, because it lies in a receive block that it would keep alive.
const KEEP_WITHOUT_COPY: usize = 4 * 1024;

/// A whole multipart message, first frame first. Meant to be used again and again.
pub type Frames = Vec<Frame>;

/// An owned frame of a ZeroMQ message: any number of bytes.
pub struct Frame {
    msg: zmq_msg_t,
}

// SAFETY: libzmq allows a message to be used by one thread after the other; contents shared between messages are
// counted atomically.
unsafe impl Send for Frame {}

// SAFETY: everything that takes `&Frame` only reads.
unsafe impl Sync for Frame {}

impl Frame {
    /// A frame of no bytes, as stands between an envelope and its content.
    #[inline]
    #[must_use]
    pub fn empty() -> Self {
        let mut msg = zmq_msg_t::default();
        // SAFETY: `msg` is writable and holds no message yet. Cannot fail.
        unsafe { zmq_sys::zmq_msg_init(&raw mut msg) };
        Self { msg }
    }

    /// A frame with a copy of `bytes`.
    #[inline]
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Self {
        let mut msg = zmq_msg_t::default();
        // SAFETY: `msg` is writable and holds no message yet.
        if unsafe { zmq_sys::zmq_msg_init_size(&raw mut msg, bytes.len()) } != 0 {
            out_of_memory(bytes.len());
        }
        // SAFETY: the message was made for just as many bytes, which nothing else refers to.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), zmq_sys::zmq_msg_data(&raw mut msg).cast(), bytes.len());
        }
        Self { msg }
    }

    /// A frame with these bytes: handed over if there are many, copied if there are few.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        if bytes.len() < SEND_WITHOUT_COPY {
            return Self::copy_from(&bytes);
        }
        unsafe extern "C" fn free(data: *mut c_void, capacity: *mut c_void) {
            // SAFETY: pointer and capacity are those of the vector that `from_vec` gave up, and libzmq calls once.
            drop(unsafe { Vec::<u8>::from_raw_parts(data.cast(), 0, capacity.addr()) });
        }
        let mut bytes = std::mem::ManuallyDrop::new(bytes);
        let capacity = ptr::without_provenance_mut(bytes.capacity());
        // SAFETY: the buffer stays where it is until `free` gets it back.
        unsafe { Self::lend(bytes.as_mut_ptr(), bytes.len(), free, capacity) }
    }

    /// A frame with these bytes: shared if there are many, copied if there are few.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Self {
        if bytes.len() < SEND_WITHOUT_COPY { Self::copy_from(&bytes) } else { Self::lent(bytes) }
    }

    /// A frame that shares these bytes, however few they are: their owner lives until libzmq has no more need of them.
    #[must_use]
    pub fn lent(bytes: Bytes) -> Self {
        unsafe extern "C" fn free(_data: *mut c_void, owner: *mut c_void) {
            // SAFETY: the pointer comes from `Box::into_raw` in `lent`, and libzmq calls once.
            drop(unsafe { Box::<Bytes>::from_raw(owner.cast()) });
        }
        let (data, len) = (bytes.as_ptr().cast_mut(), bytes.len());
        let owner = Box::into_raw(Box::new(bytes));
        // SAFETY: the owner keeps the bytes in place until `free` drops it; a frame gives out no writable view.
        unsafe { Self::lend(data, len, free, owner.cast()) }
    }

    /// # Safety
    ///
    /// `data` must be readable for `len` bytes until `free` is called with it and `hint`, from any thread.
    unsafe fn lend(
        data: *mut u8,
        len: usize,
        free: unsafe extern "C" fn(*mut c_void, *mut c_void),
        hint: *mut c_void,
    ) -> Self {
        let mut msg = zmq_msg_t::default();
        // SAFETY: `msg` is writable and holds no message yet; the caller vouches for the rest.
        let outcome = unsafe { zmq_sys::zmq_msg_init_data(&raw mut msg, data.cast(), len, Some(free), hint) };
        if outcome != 0 {
            out_of_memory(len);
        }
        Self { msg }
    }

    /// How many bytes it has. Less work than to look at them.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: the message is initialized.
        unsafe { zmq_sys::zmq_msg_size(&raw const self.msg) }
    }

    /// Whether it has none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Another frame with the same bytes: copied if they are few (33 at most), else counted and shared.
    #[inline]
    #[must_use]
    pub fn share(&mut self) -> Self {
        let mut copy = Self::empty();
        // SAFETY: both are initialized messages. Fails only for a message that is not one.
        unsafe { zmq_sys::zmq_msg_copy(&raw mut copy.msg, &raw mut self.msg) };
        copy
    }

    /// The content as `Bytes`, which may wait for long: small frames are copied out of the block in which they
    /// arrived, so that none keeps a whole block alive; frames of 4 KiB and more are kept as they are.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.len() < KEEP_WITHOUT_COPY { Bytes::copy_from_slice(&self) } else { Bytes::from_owner(self) }
    }

    /// What libzmq knows about where a received frame came from, such as `c"Peer-Address"`, or `c"User-Id"` of a
    /// peer that was authenticated.
    #[must_use]
    pub fn property(&self, name: &CStr) -> Option<&str> {
        // SAFETY: the message is initialized and the name ends with a zero.
        let value =
            NonNull::new(unsafe { zmq_sys::zmq_msg_gets(&raw const self.msg, name.as_ptr()) }.cast_mut())?;
        // SAFETY: libzmq gives a string that ends with a zero and lives as long as the message.
        unsafe { CStr::from_ptr(value.as_ptr()) }.to_str().ok()
    }

    /// The connection that a received frame came over; none where that was no TCP connection, or is gone.
    #[must_use]
    pub fn connection(&self) -> Option<TcpConnection> {
        TcpConnection::of(self.descriptor()?)
    }

    /// The descriptor that the connection had in libzmq which a received frame came over.
    #[must_use]
    pub fn descriptor(&self) -> Option<RawFd> {
        self.property(c"__fd")?.parse().ok()
    }

    /// Whether further frames of the same multipart follow; only for a frame just received.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        // SAFETY: the message is initialized.
        unsafe { zmq_sys::zmq_msg_more(&raw const self.msg) != 0 }
    }

    #[inline]
    pub(crate) fn as_raw(&mut self) -> *mut zmq_msg_t {
        &raw mut self.msg
    }
}

#[cold]
fn out_of_memory(len: usize) -> ! {
    // The same end as that of every other allocation that fails.
    match std::alloc::Layout::array::<u8>(len) {
        Ok(layout) => std::alloc::handle_alloc_error(layout),
        Err(_) => panic!("a frame of {len} bytes is too large"),
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the message is initialized and not used any more. Fails only for a message that is not one.
        unsafe { zmq_sys::zmq_msg_close(&raw mut self.msg) };
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let msg = &raw const self.msg;
        // SAFETY: the message is initialized; `zmq_msg_data` does not write, whatever its signature says, and the
        // bytes stay in place while the frame is borrowed.
        unsafe {
            slice::from_raw_parts(zmq_sys::zmq_msg_data(msg.cast_mut()).cast(), zmq_sys::zmq_msg_size(msg))
        }
    }
}

impl AsRef<[u8]> for Frame {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.len())
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<&[u8]> for Frame {
    fn from(bytes: &[u8]) -> Self {
        Self::copy_from(bytes)
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_vec(bytes)
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self::from_bytes(bytes)
    }
}
