//! A monitor tells of connections, and never stands in anybody's way.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::thread;
use std::time::{Duration, Instant};

use pylm_transport::{Context, Monitor, MonitorEvent, MonitorEventKind, Options, SocketKind};

const LONG: Duration = Duration::from_secs(10);

fn wait_for(monitor: &Monitor, kind: MonitorEventKind) -> MonitorEvent {
    let deadline = Instant::now() + LONG;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let event = monitor.wait_event(Some(left)).unwrap();
        let event = event.unwrap_or_else(|| panic!("{kind:?} is not told of"));
        if event.kind == kind {
            return event;
        }
    }
}

#[test]
fn both_sides_are_told_of_a_connection_and_of_its_end() {
    let context = Context::new().unwrap();
    let pull = context.socket(SocketKind::Pull, &Options::default()).unwrap();
    let accepting = pull.monitor().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:0").unwrap();
    assert_eq!(wait_for(&accepting, MonitorEventKind::Listening).endpoint, endpoint);
    assert_eq!(accepting.next_event(), None);

    let push = context.socket(SocketKind::Push, &Options::default()).unwrap();
    let connecting = push.monitor().unwrap();
    push.connect(&endpoint).unwrap();
    assert_eq!(wait_for(&connecting, MonitorEventKind::Connected).endpoint, endpoint);
    wait_for(&connecting, MonitorEventKind::HandshakeSucceeded);
    wait_for(&accepting, MonitorEventKind::Accepted);
    wait_for(&accepting, MonitorEventKind::HandshakeSucceeded);

    drop(pull);
    wait_for(&connecting, MonitorEventKind::Disconnected);
    wait_for(&connecting, MonitorEventKind::ConnectRetried);
}

#[test]
fn a_monitor_that_nobody_reads_stops_nothing() {
    let context = Context::new().unwrap();
    let pull = context.socket(SocketKind::Pull, &Options::default()).unwrap();
    let _unread = pull.monitor().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:0").unwrap();
    for _ in 0..800 {
        // Each connection makes at least three events.
        let push = context.socket(SocketKind::Push, &Options::default()).unwrap();
        push.connect(&endpoint).unwrap();
        push.send_one(pylm_transport::Frame::copy_from(b"x")).map_err(|(error, _)| error).unwrap();
        assert!(pull.wait_readable(Some(LONG)).unwrap(), "the context stands still");
        assert!(pull.recv(&mut Vec::new()).unwrap());
    }
}

#[test]
fn socket_and_monitor_may_go_in_any_order_while_peers_come_and_go() {
    let (done, ended) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let context = Context::new().unwrap();
        for round in 0..200 {
            let pull = context.socket(SocketKind::Pull, &Options::default()).unwrap();
            let monitor = pull.monitor().unwrap();
            let endpoint = pull.bind("tcp://127.0.0.1:0").unwrap();
            let push = context.socket(SocketKind::Push, &Options::default()).unwrap();
            push.connect(&endpoint).unwrap();
            if round % 2 == 0 {
                wait_for(&monitor, MonitorEventKind::Accepted);
            }
            match round % 4 {
                0 => drop((monitor, push, pull)),
                1 => drop((pull, monitor, push)),
                2 => drop((push, monitor, pull)),
                _ => {
                    pull.stop_monitor();
                    let _again = pull.monitor().unwrap();
                    drop((pull, push, monitor));
                }
            }
        }
        drop(context);
        done.send(()).unwrap();
    });
    ended.recv_timeout(3 * LONG).expect("a monitor hangs its context");
}
