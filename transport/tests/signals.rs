//! A signal does not disturb a socket. Alone in its program, because a signal handler is the whole process's.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unsafe_code)]

use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pylm_transport::{Context, Frame, Frames, Options, Poller, SendError, SocketKind};

const LONG: Duration = Duration::from_secs(20);

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_signal: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn signals_interrupt_neither_sending_nor_receiving_nor_sleeping() {
    // SAFETY: a zeroed sigaction is a valid one, and the handler only counts. Without SA_RESTART, so that system
    // calls really are interrupted.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
    let context = Context::new().unwrap();
    let narrow = Options { send_high_water_mark: 2, receive_high_water_mark: 2, ..Options::default() };
    let pull = context.socket(SocketKind::Pull, &narrow).unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:0").unwrap();
    let push = context.socket(SocketKind::Push, &narrow).unwrap();
    push.connect(&endpoint).unwrap();
    let total = 20_000_u32;

    let sender = thread::spawn(move || {
        for number in 0..total {
            let mut frames = vec![Frame::copy_from(&number.to_ne_bytes()), Frame::copy_from(&[0; 500])];
            loop {
                match push.send(&mut frames) {
                    Ok(()) => break,
                    Err(SendError::Full) => assert!(push.wait_writable(Some(LONG)).unwrap()),
                    Err(error) => panic!("{error}"),
                }
            }
        }
        push
    });
    let receiver = thread::spawn(move || {
        let mut poller = Poller::new().unwrap();
        poller.add(pull.fd(), 0).unwrap();
        let mut ready = Vec::new();
        let mut frames = Frames::new();
        for number in 0..total {
            while !pull.recv(&mut frames).unwrap() {
                ready.clear();
                poller.wait(Some(LONG), &mut ready).unwrap();
                assert!(!ready.is_empty(), "no message within {LONG:?}");
            }
            assert_eq!(frames[0][..], number.to_ne_bytes());
        }
        pull
    });

    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Acquire) {
                for thread in [&sender, &receiver] {
                    // SAFETY: the thread is not joined yet, so its handle is good.
                    unsafe { libc::pthread_kill(thread.as_pthread_t(), libc::SIGUSR1) };
                }
                thread::sleep(Duration::from_micros(50));
            }
        });
        while !(sender.is_finished() && receiver.is_finished()) {
            thread::sleep(Duration::from_millis(1));
        }
        ended.store(true, Ordering::Release);
    });
    sender.join().unwrap();
    receiver.join().unwrap();
    assert!(SIGNALS.load(Ordering::Relaxed) > 100, "the threads were hardly interrupted");
}
