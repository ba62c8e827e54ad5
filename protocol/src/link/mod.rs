//! The link: the rules of a native connection that node, follower, worker host and client share. When a side says something, when the
//! other counts as lost, what is announced, how large a frame may be, when to connect anew, and how far away the other side is.
//!
//! Pure: time is an argument, and so is what the kernel knows of the connection.

mod backoff;
mod pulse;
mod trip;

pub use backoff::Backoff;
pub use pulse::Pulse;
pub use trip::{Flow, Trip};

use crate::DEFAULT_MAX_MESSAGE;
use std::time::Duration;

/// Each side says something this often, unless a Welcome says something else.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// Who said nothing for so long is lost, unless a Welcome says something else.
pub const SILENCE: Duration = Duration::from_secs(5);

/// How often a client without jobs and its node say something to each other, instead of at every heartbeat.
pub const IDLE_HEARTBEAT: Duration = Duration::from_secs(30);

/// For how long each of them then asks not to be taken for lost, from each word on.
pub const IDLE_PATIENCE: Duration = Duration::from_secs(90);

/// The most patience that the other side may ask for.
pub const MOST_PATIENCE: Duration = Duration::from_secs(3_600);

/// The first minor version whose peers ask the kernel whether bytes come. To others, what takes long to cross is announced.
pub const ASKS_THE_KERNEL: u64 = 1;

/// What is smaller than that, in bytes, needs no announcement.
const ANNOUNCE_FROM: usize = 1 << 20;

/// The slowest link that an announcement reckons with, in bytes for each millisecond.
const SLOWEST: u64 = 100;

/// Room in a frame beside its payload, for records and headers.
pub const FRAME_ROOM: u64 = 1 << 20;

/// The largest frame that a side has to take whose largest payload is this.
pub const fn largest_frame(max_message: u64) -> u64 {
    max_message.saturating_add(FRAME_ROOM)
}

/// The largest payload that the other side takes, where it said this of it.
pub const fn max_message(said: u64) -> u64 {
    if said == 0 { DEFAULT_MAX_MESSAGE } else { said }
}
