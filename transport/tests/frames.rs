//! What a frame holds, and who frees it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pylm_transport::{Context, Frame, Frames, Options, SocketKind};

const LONG: Duration = Duration::from_secs(10);

/// Bytes that count how often they are freed.
struct Counted {
    bytes: Vec<u8>,
    freed: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted(len: usize) -> (Bytes, Arc<AtomicUsize>) {
    let freed = Arc::new(AtomicUsize::new(0));
    (Bytes::from_owner(Counted { bytes: vec![7; len], freed: Arc::clone(&freed) }), freed)
}

#[test]
fn every_way_in_holds_the_same_bytes() {
    for len in [0, 1, 29, 33, 34, 4095, 4096, 16 * 1024 - 1, 16 * 1024, 1 << 20] {
        let bytes: Vec<u8> = (0..len).map(|index| index as u8).collect();

        assert_eq!(&Frame::copy_from(&bytes)[..], bytes);
        assert_eq!(&Frame::from_vec(bytes.clone())[..], bytes);
        assert_eq!(&Frame::from_bytes(Bytes::from(bytes.clone()))[..], bytes);
        assert_eq!(Frame::from_vec(bytes.clone()).into_bytes(), bytes);
    }
}

#[test]
fn large_buffers_are_not_copied() {
    let vec = vec![1_u8; 64 * 1024];
    let address = vec.as_ptr();
    let frame = Frame::from_vec(vec);
    assert_eq!(frame.as_ptr(), address);
    let bytes = frame.into_bytes();
    assert_eq!(bytes.as_ptr(), address);
    assert_eq!(Frame::from_bytes(bytes).as_ptr(), address);
}

#[test]
fn a_dropped_frame_frees_its_owner_once() {
    for len in [10, 1 << 20] {
        let (bytes, freed) = counted(len);
        let frame = Frame::from_bytes(bytes);
        let waits_in_frame = usize::from(len <= 16 * 1024);
        assert_eq!(freed.load(Ordering::SeqCst), waits_in_frame, "only what was copied is free already");
        drop(frame);
        assert_eq!(freed.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn the_last_of_shared_frames_frees_the_owner() {
    let (bytes, freed) = counted(1 << 20);
    let mut frame = Frame::from_bytes(bytes);
    let second = frame.share();
    assert_eq!(second.as_ptr(), frame.as_ptr());
    drop(frame);
    assert_eq!(freed.load(Ordering::SeqCst), 0);
    assert!(second.iter().all(|byte| *byte == 7));
    drop(second);
    assert_eq!(freed.load(Ordering::SeqCst), 1);
}

#[test]
fn a_sent_frame_frees_its_owner_once() {
    let context = Context::new().unwrap();
    let pull = context.socket(SocketKind::Pull, &Options::default()).unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:0").unwrap();
    let push = context.socket(SocketKind::Push, &Options::default()).unwrap();
    push.connect(&endpoint).unwrap();

    let (bytes, freed) = counted(1 << 20);
    push.send_one(Frame::from_bytes(bytes)).map_err(|(error, _)| error).unwrap();
    assert!(pull.wait_readable(Some(LONG)).unwrap());
    let mut frames = Frames::new();
    assert!(pull.recv(&mut frames).unwrap());
    assert_eq!(frames[0].len(), 1 << 20);

    // The I/O thread frees it once the kernel has taken the last byte, which may be after it was read.
    let deadline = Instant::now() + LONG;
    while freed.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "the owner is never freed");
        std::thread::yield_now();
    }
    drop((push, pull, context));
    assert_eq!(freed.load(Ordering::SeqCst), 1);
}

#[test]
fn an_unsent_frame_is_freed_with_its_socket() {
    let context = Context::new().unwrap();
    let push = context.socket(SocketKind::Push, &Options::default()).unwrap();
    // Nobody listens there, so the message waits inside the socket.
    push.connect("tcp://127.0.0.1:1").unwrap();
    let (bytes, freed) = counted(1 << 20);
    push.send_one(Frame::from_bytes(bytes)).map_err(|(error, _)| error).unwrap();
    assert_eq!(freed.load(Ordering::SeqCst), 0);

    drop(push);
    drop(context);
    assert_eq!(freed.load(Ordering::SeqCst), 1);
}

#[test]
fn a_received_frame_knows_its_peer() {
    let context = Context::new().unwrap();
    let pull = context.socket(SocketKind::Pull, &Options::default()).unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:0").unwrap();
    let push = context.socket(SocketKind::Push, &Options::default()).unwrap();
    push.connect(&endpoint).unwrap();
    push.send_one(Frame::copy_from(b"hello")).map_err(|(error, _)| error).unwrap();
    assert!(pull.wait_readable(Some(LONG)).unwrap());
    let mut frames = Frames::new();
    assert!(pull.recv(&mut frames).unwrap());

    assert_eq!(frames[0].property(c"Peer-Address"), Some("127.0.0.1"));
    assert_eq!(frames[0].property(c"Nothing"), None);
    assert_eq!(format!("{frames:?}"), "[Frame(5 bytes)]");
}
