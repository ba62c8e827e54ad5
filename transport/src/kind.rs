//! The kinds of sockets.

use std::ffi::c_int;

/// The kinds of ZeroMQ sockets, named as in its reference.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    Pair,
    Pub,
    Sub,
    Req,
    Rep,
    Dealer,
    Router,
    Pull,
    Push,
    Xpub,
    Xsub,
    Stream,
}

impl SocketKind {
    pub(crate) fn as_raw(self) -> c_int {
        let raw = match self {
            Self::Pair => zmq_sys::ZMQ_PAIR,
            Self::Pub => zmq_sys::ZMQ_PUB,
            Self::Sub => zmq_sys::ZMQ_SUB,
            Self::Req => zmq_sys::ZMQ_REQ,
            Self::Rep => zmq_sys::ZMQ_REP,
            Self::Dealer => zmq_sys::ZMQ_DEALER,
            Self::Router => zmq_sys::ZMQ_ROUTER,
            Self::Pull => zmq_sys::ZMQ_PULL,
            Self::Push => zmq_sys::ZMQ_PUSH,
            Self::Xpub => zmq_sys::ZMQ_XPUB,
            Self::Xsub => zmq_sys::ZMQ_XSUB,
            Self::Stream => zmq_sys::ZMQ_STREAM,
        };
        raw as c_int
    }

    /// Whether a later part of a multipart can be refused after the first was taken: these kinds write into the pipe
    /// of a peer that may go meanwhile. The others refuse the first part or none.
    pub(crate) fn may_break_off(self) -> bool {
        matches!(self, Self::Pair | Self::Push | Self::Dealer | Self::Req)
    }

    /// Whether libzmq, after such a break, drops what is left of the multipart until it sees a last part.
    pub(crate) fn drops_the_rest(self) -> bool {
        matches!(self, Self::Push | Self::Dealer | Self::Req)
    }
}
