//! The messages of pylmd, as bytes: pylm's [`PalmMessage`](palm) and the [records](record) and [batches](batch) of the
//! native protocol that `docs/protocol.md` specifies; and the addresses and names that stand in them, as people write them.
//!
//! Everything here is pure: bytes in, values out. No input makes it panic, and decoding copies no payload.

pub mod address;
pub mod batch;
pub mod codes;
#[doc(hidden)]
pub mod fuzzing;
pub mod link;
pub mod name;
mod nearest;
pub mod palm;
pub mod record;
pub mod refusal;
pub mod strings;
pub mod varint;
pub mod visible;

pub use address::{Address, AddressError, Host, HttpAddress};
pub use batch::{BatchReader, BatchWriter};
pub use link::{IDLE_HEARTBEAT, IDLE_PATIENCE};
pub use name::{Name, NameError};
pub use nearest::nearest;
pub use record::{FunctionOffer, JobState, Payload, Place, Record, Role};
pub use varint::DecodeError;
pub use visible::{visible, visible_lines};

use std::time::{Duration, Instant};

/// The major version of the native protocol: peers of another one do not understand each other.
pub const MAJOR: u8 = 1;

/// The minor version of the native protocol: the lower one of two peers' is spoken.
pub const MINOR: u64 = 1;

/// The minor version that is spoken with a peer of this one.
pub fn spoken_minor(peer: u64) -> u64 {
    Ord::min(peer, MINOR)
}

/// When the milliseconds that a record gives are over, counted from `now`; 0 is no limit.
pub fn deadline(now: Instant, milliseconds: u64) -> Option<Instant> {
    if milliseconds == 0 { None } else { now.checked_add(Duration::from_millis(milliseconds)) }
}

/// The cache key under which a node tells the version of the native protocol it speaks, as `MAJOR.MINOR`.
pub const DISCOVERY_KEY: &str = "native_protocol";

/// Jobs that one client may have open at a node at once.
pub const OPEN_JOBS: usize = 4_096;

/// The most outputs of one job, and the most bytes of them, that a node sends without having heard that they were taken.
pub const MOST_OUTPUTS: (u64, u64) = (1 << 17, 256 << 20);

/// The default of `--max-message`: the largest payload that a node takes, in bytes.
pub const DEFAULT_MAX_MESSAGE: u64 = 128 << 20;
