//! Connections that speak ZeroMQ's protocol by hand, as far as they like.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::address;

/// Greets as ZMTP 3.0 has it, without security, as a socket of this kind.
///
/// # Panics
/// Where nobody answers.
#[must_use]
#[track_caller]
pub fn greet(address: &str, kind: &str) -> TcpStream {
    let mut stream = address::connect(address);
    let mut greeting = vec![0; 64];
    greeting[0] = 0xff;
    greeting[8] = 1;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).unwrap();
    stream.read_exact(&mut greeting).unwrap();
    let ready =
        [&b"\x05READY\x0bSocket-Type"[..], &(kind.len() as u32).to_be_bytes(), kind.as_bytes()].concat();
    stream.write_all(&[&[4, ready.len() as u8][..], &ready].concat()).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut theirs = vec![0; head[1].into()];
    stream.read_exact(&mut theirs).unwrap();
    stream
}

/// Whether the other side has ended a connection. What it says is thrown away.
///
/// # Panics
/// Where the connection cannot be read without waiting.
pub fn is_cut(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}
