//! ZeroMQ frames and sockets, without copies and without losing what cannot be sent yet.
//!
//! The zmq crate takes a message by value and drops it when the socket is full, and copies what arrives as a
//! multipart. This crate sits directly on the declarations of `zmq-sys` instead, the stock ones included:
//!
//! - [`Frame`] owns one `zmq_msg_t`; large buffers go in and out of it without a copy.
//! - [`Socket`] never blocks: [`Socket::recv`] takes a whole multipart or nothing, [`Socket::send`] hands over a
//!   whole multipart or leaves every frame with the caller.
//! - [`Poller`] sleeps until one of many sockets has news; [`Waker`] ends that sleep from another thread.
//! - [`Monitor`] tells what happens to a socket's connections.
//! - [`TcpConnection`] is one of those connections as the kernel knows it, half frames included.
//! - [`peer_of`] tells which user of this machine has the other end of a connection.
//! - [`tune_allocator`] and [`raise_file_limit`] prepare a process that moves many or large messages; [`settle_process`] and
//!   [`ProcessState`] keep it from what it inherits, and from what foreign code in it changes; [`run_below_init`] is for containers.
//! - [`version`] tells what a program is made of.
//!
//! All of the workspace's `unsafe` that concerns ZeroMQ is here.

mod context;
mod cut;
mod descriptors;
mod endpoint;
mod error;
mod frame;
mod init;
mod kind;
mod monitor;
mod options;
mod owner;
mod poller;
mod process;
mod security;
mod socket;
mod tcp;
mod transfer;
mod tuning;
mod user;
mod version;

pub use context::Context;
pub use cut::{Cut, why_cut};
pub use endpoint::look_up;
pub use error::SendError;
pub use frame::{Frame, Frames};
pub use init::run_below_init;
pub use kind::SocketKind;
pub use monitor::{Monitor, MonitorEvent, MonitorEventKind};
pub use options::{KeepAlive, Options};
pub use owner::{Peer, Uid, check as check_owners, foreign_listener, own_address, peer as peer_of};
pub use poller::{Key, Poller, Waker};
pub use process::{ProcessState, is_ignored, settle_process};
pub use security::{CurveKey, CurveKeyError, CurveKeyPair, Security, curve_available};
pub use socket::{Events, Socket};
pub use tcp::TcpConnection;
pub use tuning::{raise_file_limit, tune_allocator};
pub use user::{own_uid, uid_of, user_name};
pub use version::version;
