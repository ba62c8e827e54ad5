//! libzmq 4.3.5, built whole and linked statically, under the declarations that the zmq crate uses.
//!
//! Takes the place of the stock `zmq-sys` inside this workspace, through `[patch.crates-io]`, for the zmq crate too.
//! libzmq's own reference describes what is declared here.
#![allow(non_camel_case_types)]

mod constants;
pub mod errno;
mod functions;

pub use constants::*;
pub use functions::*;
pub use std::os::fd::RawFd;

// Links libsodium, which libzmq calls.
#[cfg(feature = "curve")]
use libsodium_sys as _;

use std::ffi::{c_int, c_short, c_uchar, c_void};

/// A message: 64 bytes whose meaning only libzmq knows. It must not be moved between threads while in a call, and
/// has to be initialized by one of the `zmq_msg_init` functions.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct zmq_msg_t {
    pub __: [c_uchar; 64],
}

impl Default for zmq_msg_t {
    fn default() -> Self {
        Self { __: [0; 64] }
    }
}

/// One entry of `zmq_poll`: a socket, or a file descriptor where `socket` is null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct zmq_pollitem_t {
    pub socket: *mut c_void,
    pub fd: RawFd,
    pub events: c_short,
    pub revents: c_short,
}

/// What `zmq_msg_init_data` calls, with the data and the hint, from any thread, once the data is not needed any more.
pub type zmq_free_fn = Option<unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void)>;

const _: () = assert!(size_of::<zmq_msg_t>() == 64 && align_of::<zmq_msg_t>() == 8);
const _: () = assert!(size_of::<c_int>() == 4);
