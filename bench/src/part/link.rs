//! What a load is run over: one contender's way to send a message and to get its result.

use super::flight::Slot;
use crate::workload::NUMBER_BYTES;
use anyhow::{Result, bail};
use bytes::Bytes;
use std::time::Duration;

/// A client's side of a contender.
pub trait Link {
    /// Makes the messages of all slots, of this many bytes each; called once, first.
    fn prepare(&mut self, slots: usize, size: usize) -> Result<()>;

    /// Sends the message of a slot.
    fn send(&mut self, slot: Slot) -> Result<()>;

    /// The slot of a result that is here.
    fn receive(&mut self) -> Result<Option<Slot>>;

    /// Sleeps until a result is here, for `limit` at most; to be called when [`receive`](Link::receive) found none.
    fn wait(&mut self, limit: Duration) -> Result<()>;
}

/// The payload of a slot.
pub fn payload(slot: Slot, size: usize) -> Bytes {
    let mut payload = vec![0x5a; size];
    payload[..NUMBER_BYTES].copy_from_slice(&(slot as u64).to_le_bytes());
    payload.into()
}

/// The slot of a payload that came back.
#[inline]
pub fn slot_of(payload: &[u8], size: usize) -> Result<Slot> {
    match payload.first_chunk() {
        Some(number) if payload.len() == size => Ok(u64::from_le_bytes(*number) as Slot),
        _ => bail!("a result of {} bytes came instead of one of {size}", payload.len()),
    }
}
