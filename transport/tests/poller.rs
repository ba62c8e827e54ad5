//! Nobody sleeps while a message waits.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use pylm_transport::{Context, Frame, Frames, Options, Poller, SendError, Socket, SocketKind};

const LONG: Duration = Duration::from_secs(20);

/// Runs the documented loop over `sockets`, giving each whole message to `on_message`, until that breaks.
fn serve(sockets: &[Socket], mut on_message: impl FnMut(&Socket, &mut Frames) -> ControlFlow<()>) {
    let mut poller = Poller::new().unwrap();
    for (key, socket) in sockets.iter().enumerate() {
        poller.add(socket.fd(), key).unwrap();
    }
    let mut ready: Vec<usize> = (0..sockets.len()).collect();
    let mut frames = Frames::new();
    loop {
        while let Some(key) = ready.pop() {
            while sockets[key].recv(&mut frames).unwrap() {
                if on_message(&sockets[key], &mut frames).is_break() {
                    return;
                }
            }
        }
        poller.wait(Some(LONG), &mut ready).unwrap();
        assert!(!ready.is_empty(), "nothing came within {LONG:?}: a message was slept through");
    }
}

fn ping_pong(endpoints: &str, pairs: usize, in_flight: usize, messages: usize) {
    let context = Context::new().unwrap();
    let options = Options { send_high_water_mark: 0, receive_high_water_mark: 0, ..Options::default() };
    let (left, right): (Vec<Socket>, Vec<Socket>) = (0..pairs)
        .map(|index| {
            let left = context.socket(SocketKind::Dealer, &options).unwrap();
            let right = context.socket(SocketKind::Dealer, &options).unwrap();
            let endpoint = left.bind(&endpoints.replace('#', &index.to_string())).unwrap();
            right.connect(&endpoint).unwrap();
            (left, right)
        })
        .unzip();

    let last: &[u8] = b"last";
    thread::scope(|scope| {
        // The sockets of the left stay open until the right has done: it may send on all of them until `last` is back.
        let left = scope.spawn(move || {
            serve(&left, |socket, frames| {
                let is_last = &frames[1][..] == last;
                socket.send(frames).unwrap();
                if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            left
        });
        for socket in &right {
            for number in 0..in_flight as u64 {
                socket
                    .send(&mut vec![Frame::copy_from(&number.to_ne_bytes()), Frame::copy_from(b"ping")])
                    .unwrap();
            }
        }
        let mut answered = 0;
        let mut ended = false;
        serve(&right, |socket, frames| {
            if &frames[1][..] == last {
                return ControlFlow::Break(());
            }
            answered += 1;
            if answered >= messages && !ended {
                ended = true;
                frames[1] = Frame::copy_from(last);
            }
            socket.send(frames).unwrap();
            ControlFlow::Continue(())
        });
        assert!(answered >= messages);
        left.join().unwrap();
    });
}

#[test]
fn a_hundred_thousand_messages_over_many_tcp_sockets_never_stall() {
    ping_pong("tcp://127.0.0.1:0", 40, 4, 100_000);
}

#[test]
fn one_message_at_a_time_never_stalls() {
    ping_pong("tcp://127.0.0.1:0", 1, 1, 20_000);
}

#[test]
fn inproc_sockets_never_stall_either() {
    ping_pong("inproc://pair-#", 10, 3, 100_000);
}

#[test]
fn a_full_socket_becomes_ready_when_its_peer_reads() {
    let context = Context::new().unwrap();
    let narrow = Options { send_high_water_mark: 1, receive_high_water_mark: 1, ..Options::default() };
    let push = context.socket(SocketKind::Push, &narrow).unwrap();
    let pull = context.socket(SocketKind::Pull, &narrow).unwrap();
    push.bind("inproc://narrow").unwrap();
    pull.connect("inproc://narrow").unwrap();
    let total = 20_000_u32;

    thread::scope(|scope| {
        let push = push;
        scope.spawn(move || {
            let mut poller = Poller::new().unwrap();
            poller.add(push.fd(), 3).unwrap();
            let mut ready = Vec::new();
            for number in 0..total {
                let mut frame = Frame::copy_from(&number.to_ne_bytes());
                while let Err((error, kept)) = push.send_one(frame) {
                    assert!(matches!(error, SendError::Full));
                    frame = kept;
                    if !push.events().unwrap().writable {
                        ready.clear();
                        poller.wait(Some(LONG), &mut ready).unwrap();
                        assert_eq!(ready, [3], "room was made and not told of");
                    }
                }
            }
            push.set_linger(LONG).unwrap();
        });
        let mut frames = Frames::new();
        for number in 0..total {
            assert!(pull.wait_readable(Some(LONG)).unwrap());
            assert!(pull.recv(&mut frames).unwrap());
            assert_eq!(frames[0][..], number.to_ne_bytes());
        }
    });
}

#[test]
fn a_waker_ends_the_sleep_from_another_thread() {
    let mut poller = Poller::new().unwrap();
    let waker = poller.waker();
    let started = Instant::now();
    let other = thread::spawn(move || waker.wake().unwrap());
    let mut ready = Vec::new();
    poller.wait(Some(LONG), &mut ready).unwrap();
    other.join().unwrap();
    assert!(started.elapsed() < LONG);
    assert!(ready.is_empty());
}

#[test]
fn a_wake_before_the_sleep_is_not_lost() {
    let mut poller = Poller::new().unwrap();
    poller.waker().wake().unwrap();
    let started = Instant::now();
    poller.wait(Some(LONG), &mut Vec::new()).unwrap();
    assert!(started.elapsed() < LONG);
}

#[test]
fn a_timeout_ends_the_sleep_and_a_removed_socket_does_not() {
    let context = Context::new().unwrap();
    let pull = context.socket(SocketKind::Pull, &Options::default()).unwrap();
    let push = context.socket(SocketKind::Push, &Options::default()).unwrap();
    pull.bind("inproc://removed").unwrap();
    push.connect("inproc://removed").unwrap();
    let mut poller = Poller::new().unwrap();
    poller.add(pull.fd(), 0).unwrap();
    poller.remove(pull.fd()).unwrap();
    push.send_one(Frame::copy_from(b"unheard")).map_err(|(error, _)| error).unwrap();

    let mut ready = Vec::new();
    let started = Instant::now();
    poller.wait(Some(Duration::from_millis(20)), &mut ready).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(20));
    assert!(ready.is_empty());
    assert!(poller.remove(pull.fd()).is_err(), "it was removed already");
}

#[test]
fn a_waker_ends_the_wait_of_a_poller_that_spins_each_time() {
    let mut poller = Poller::new().unwrap();
    // Short enough that some calls come while it spins, and some while it sleeps.
    poller.set_spin(Duration::from_micros(50));
    let (waker, (told, tell)) = (poller.waker(), std::sync::mpsc::channel());
    let other = thread::spawn(move || {
        while tell.recv().is_ok_and(|pause: Duration| {
            thread::sleep(pause);
            waker.wake().is_ok()
        }) {}
    });
    let begun = Instant::now();
    for round in 0..200 {
        told.send(Duration::from_micros(round % 100)).unwrap();
        let mut ready = Vec::new();
        poller.wait(Some(LONG), &mut ready).unwrap();
        assert!(ready.is_empty());
    }
    drop(told);
    other.join().unwrap();
    assert!(begun.elapsed() < LONG, "a wake was slept through");
}
