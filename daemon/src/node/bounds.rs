//! Every bound of the node, in one place; `docs/bounds.md` is the table for users. A bound always admits one message.

use std::time::Duration;

/// Messages of one job without an end. Enough to keep the wire full; more would only push each other out of the caches.
pub const WINDOW: u64 = 4_096;
/// The same, with those that are on their way to or from far clients and hosts.
pub const MOST_WINDOW: u64 = 131_072;
/// Bytes of their payloads.
pub const WINDOW_BYTES: u64 = 64 << 20;
/// Parts of one job that scatter may have made and that have not ended.
pub const ROOM: usize = 4_096;
/// Bytes of their payloads.
pub const ROOM_BYTES: usize = 64 << 20;
/// Results of one lease that a host may send before the node says that there is room for more.
pub const LEASE_RESULTS: u64 = 256;
/// Bytes of them.
pub const LEASE_RESULT_BYTES: u64 = 8 << 20;
/// Results that wait for a pylm client, beyond which its job is held back.
pub const PYLM_OUTBOX: usize = 4_096;
/// Bytes of them.
pub const PYLM_OUTBOX_BYTES: usize = 16 << 20;
/// Leases out at one pylm worker, at first and at most: it adapts to the worker's pace in between.
pub const PYLM_LIMIT: std::ops::RangeInclusive<u64> = 4..=2_048;
/// The same, of those beside that are on their way to a far worker and back.
pub const PYLM_TRAVELLING: u64 = 32_768;
/// Bytes out at one host that says nothing of its own, and at each pylm worker.
pub const HOST_BYTES: u64 = 64 << 20;
/// Work that a pylm worker is given ahead.
pub const WORK_AHEAD: Duration = Duration::from_millis(5);
/// ZeroMQ messages that libzmq may keep for one peer. Windows and limits bound what is under way, not this.
pub const HIGH_WATER_MARK: u32 = 10_000;
/// Frames of pylm peers, which do not know how large theirs may be: as large as protobuf lets them be. Beyond that libzmq would end the
/// connection, and what is behind such a frame would be lost with it; so it is read, and refused.
pub const PYLM_FRAME: u64 = 2 << 30;
/// Bytes of half messages of all pylm peers together, or of all native ones, or so many times the largest frame of a native one where that
/// is more: the rest is cut.
pub const HALVES: u64 = 64 << 20;
/// Such frames, of pylm peers.
pub const HALVES_OF_PYLM_PEERS: u64 = 8;
/// Such frames, of native peers: they were let in, and what is cut has to be sent, and perhaps run, again.
pub const HALVES_OF_NATIVE_PEERS: u64 = 32;
/// Half a message of a peer may come no further for so long.
pub const STANDING: Duration = Duration::from_secs(60);
/// The same, of who has said no Hello.
pub const STANDING_STRANGER: Duration = Duration::from_secs(10);
/// ZeroMQ messages that are read from one socket before the next one has its turn.
pub const TURN: usize = 512;
/// Messages that a node takes from an earlier one at a time.
pub const FOLLOW_LIMIT: u64 = 1_024;
/// Outputs that wait for an earlier node, for one context, beyond which nothing more of it is dispatched.
pub const FOLLOW_OUTBOX: usize = 1_024;
/// Bytes of them.
pub const FOLLOW_OUTBOX_BYTES: u64 = 16 << 20;
/// Nodes that a message may pass: beyond that, they follow each other in a circle.
pub const HOPS: u32 = 64;
/// Messages out at those who follow a topic in pylm's way, until the socket has taken them.
pub const SUBSCRIBER_LIMIT: u64 = 256;
/// How long what a host offered that was lost without a word is not unknown: it is being started again.
pub const ABSENCE: Duration = Duration::from_secs(30);
/// For how long no message is tried alone that was alone at a host that was lost, after each such loss. A host is started again within a
/// second, so that others have most of the time even where there is only one.
pub const SUSPECT_PAUSE: Duration = Duration::from_secs(3);
/// Who connects has so long for libzmq's greeting.
pub const GREETING: Duration = Duration::from_secs(5);
/// Jobs that one session may have open.
pub const JOBS: usize = pylm_protocol::OPEN_JOBS;
/// Functions that one host may offer, or topics that it may follow.
pub const OFFERS: usize = 4_096;
/// Calls of one session, or requests of one pylm peer, whose answers it has not read.
pub const CALLS: usize = 1_024;
/// Bytes of such answers; and of values that a session has set and that wait behind them.
pub const UNREAD_BYTES: usize = 64 << 20;
/// Contexts that a host is told before it is to forget them.
pub const CONTEXTS: usize = 1_024;
/// A pylm worker that has answered once may have more results of the same message until it was quiet for so long, at least.
pub const PYLM_QUIET: Duration = Duration::from_millis(200);
/// Time without a result after which a pylm worker is taken to have passed a message over; it grows with each that follows.
pub const PYLM_DOUBT: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(1);
/// Messages at one pylm worker of which nothing proves that they are over, beyond those that it waits with.
pub const PYLM_UNPROVEN: usize = 2_048;
/// Answers, one for each message, after which a function of pylm workers counts as one that gives one.
pub const PYLM_SINGLE: u32 = 8;
/// Results wait so long for a pylm client that has not subscribed, or not any more.
pub const PYLM_SUBSCRIPTION: Duration = Duration::from_secs(60);
/// Time between two looks at everything that is a matter of time.
pub const TICK: Duration = Duration::from_millis(50);
/// The same while nothing is under way.
pub const IDLE_TICK: Duration = Duration::from_millis(200);
/// Time after which a pylm client that took no more is tried again.
pub const RETRY: Duration = Duration::from_millis(2);
/// The delay before a function that has failed is run again for the first time, where a job asks for retries; it doubles with
/// each that follows.
pub const RETRY_DELAY: Duration = Duration::from_millis(100);
/// The longest of these delays.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(30);
/// Results that wait for gather, join and route hooks; beyond that, nothing is dispatched.
pub const GATHER: usize = 8_192;
/// Bytes of them.
pub const GATHER_BYTES: usize = 64 << 20;
/// How long the sockets of a node that has drained go on sending what they have taken.
pub const LINGER: Duration = Duration::from_secs(5);
/// The same for the socket of native peers, who have acknowledged everything by then: only last words are under way. With
/// a connection that breaks at that moment, libzmq waits all of it, and for nothing.
pub const LINGER_NATIVE: Duration = Duration::from_millis(250);
/// A pylm client's PUSH is closed so long after the subscription of the same call, at most, unless it has more to send.
pub const PYLM_LEAVING: Duration = Duration::from_secs(1);
/// The first results of a pylm client's call wait so long for the call's own subscription, when another one is there.
pub const PYLM_CROSSING: Duration = Duration::from_secs(2);
