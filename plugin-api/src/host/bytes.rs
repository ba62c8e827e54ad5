//! `Bytes` on the host's side of payloads and text, without copies in either direction.

use std::sync::Arc;

use bytes::Bytes;

use super::desk::is_lent;
use crate::abi::{BufferOwner, BufferTable, Payload, Text};

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Payload {
        if bytes.is_empty() {
            return Payload::empty();
        }
        let owner = Arc::into_raw(Arc::new(bytes));
        // SAFETY: the owner keeps the bytes, and `HELD` counts it.
        unsafe { Payload::from_parts(&*owner, owner.cast(), &HELD) }
    }
}

impl Payload {
    /// The same bytes as the host's own type, without a copy; what the host once made comes back as it was. Only what lies in the
    /// buffer of a [`Desk`](super::Desk) is copied.
    pub fn into_bytes(self) -> Bytes {
        if self.is_empty() {
            return Bytes::new();
        }
        if is_lent(&self) {
            return Bytes::copy_from_slice(&self);
        }
        own(&self).unwrap_or_else(|| Bytes::from_owner(self))
    }
}

impl Text {
    /// The same text as the host's own type, without a copy.
    pub fn into_bytes(self) -> Bytes {
        Payload::from(self).into_bytes()
    }
}

/// The host's own bytes behind a payload, if they are the host's.
fn own(payload: &Payload) -> Option<Bytes> {
    let (owner, table) = payload.owner();
    // SAFETY: only this file makes payloads with this table, and always over an `Arc<Bytes>` that they hold.
    std::ptr::eq(table, &HELD).then(|| unsafe { &*owner.cast::<Bytes>() }.slice_ref(payload))
}

/// The owner is an `Arc<Bytes>`.
static HELD: BufferTable = {
    unsafe extern "C" fn clone(data: *const u8, _: usize, owner: *const ()) -> BufferOwner {
        // SAFETY: the payload that is cloned holds a count of this owner.
        unsafe { Arc::increment_strong_count(owner.cast::<Bytes>()) };
        BufferOwner { data, owner }
    }
    unsafe extern "C" fn drop(_: *const u8, _: usize, owner: *const ()) {
        // SAFETY: this payload's count is given back once.
        std::mem::drop(unsafe { Arc::from_raw(owner.cast::<Bytes>()) });
    }
    BufferTable { shared: true, clone, drop }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_passes_through_comes_back_as_the_hosts_own_bytes() {
        let before = Bytes::from_static(b"a frame with a payload").slice(8..);
        let copies: Vec<Payload> = std::iter::repeat_n(Payload::from(before.clone()), 3).collect();
        for copy in copies {
            let copy = copy.into_bytes();
            assert_eq!((copy.as_ptr(), &copy), (before.as_ptr(), &before));
        }
    }

    #[test]
    fn a_slice_of_a_host_payload_stays_in_the_hosts_memory() {
        let whole = Bytes::from(vec![7; 4096]);
        let part = Payload::from(whole.clone()).slice(1000..2000).into_bytes();
        assert_eq!(part.as_ptr(), whole[1000..].as_ptr());
        assert_eq!(part.len(), 1000);
    }

    #[test]
    fn bytes_of_a_plugin_are_not_copied() {
        for len in [1, 100, 4096] {
            let bytes = vec![5; len];
            let at = bytes.as_ptr();
            let payload = Payload::from(bytes);
            let second = payload.clone();
            let taken = payload.into_bytes();
            assert_eq!(taken.as_ptr(), at);
            assert_eq!(taken, second.into_bytes());
        }
    }
}
