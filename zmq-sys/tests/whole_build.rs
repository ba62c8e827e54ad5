//! Proves that libzmq was built with what the system offers, not against an empty `platform.hpp`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::ffi::{c_int, c_void};

#[test]
fn the_version_is_4_3_5() {
    assert_eq!(zmq::version(), (4, 3, 5));
}

#[test]
fn the_draft_options_are_there() {
    assert_eq!(zmq::has("draft"), Some(true));

    let context = zmq::Context::new();
    let mut socket = context.socket(zmq::ROUTER).unwrap();
    for (option, value) in [
        (zmq_sys::ZMQ_ROUTER_NOTIFY, zmq_sys::ZMQ_NOTIFY_DISCONNECT),
        (zmq_sys::ZMQ_IN_BATCH_SIZE, 48 * 1024),
        (zmq_sys::ZMQ_OUT_BATCH_SIZE, 48 * 1024),
    ] {
        let value = value as c_int;
        // SAFETY: the socket lives, and the value is an int of the given size.
        let outcome = unsafe {
            zmq_sys::zmq_setsockopt(
                socket.as_mut_ptr(),
                option as c_int,
                (&raw const value).cast::<c_void>(),
                size_of::<c_int>(),
            )
        };
        assert_eq!(outcome, 0, "option {option} is unknown");
    }
}

#[test]
fn curve_is_there_exactly_when_asked_for() {
    assert_eq!(zmq::has("curve"), Some(cfg!(feature = "curve")));
}

#[cfg(feature = "curve")]
#[test]
fn a_curve_server_is_heard_by_a_client_that_knows_its_key() {
    let keys = zmq::CurveKeyPair::new().unwrap();
    let client_keys = zmq::CurveKeyPair::new().unwrap();
    let context = zmq::Context::new();

    let server = context.socket(zmq::PULL).unwrap();
    server.set_curve_server(true).unwrap();
    server.set_curve_secretkey(&keys.secret_key).unwrap();
    server.set_rcvtimeo(10_000).unwrap();
    server.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = server.get_last_endpoint().unwrap().unwrap();

    let client = context.socket(zmq::PUSH).unwrap();
    client.set_curve_serverkey(&keys.public_key).unwrap();
    client.set_curve_publickey(&client_keys.public_key).unwrap();
    client.set_curve_secretkey(&client_keys.secret_key).unwrap();
    client.connect(&endpoint).unwrap();
    client.send("sealed", 0).unwrap();

    assert_eq!(server.recv_bytes(0).unwrap(), b"sealed");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::c_int;
    use std::fs;
    use std::net::TcpListener;
    use std::os::fd::RawFd;

    fn open_files() -> Vec<(RawFd, String)> {
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .filter_map(|entry| {
                let fd = entry.file_name().to_str()?.parse().ok()?;
                let target = fs::read_link(entry.path()).ok()?;
                Some((fd, target.to_string_lossy().into_owned()))
            })
            .collect()
    }

    fn option_of(fd: RawFd, level: c_int, option: c_int) -> Option<c_int> {
        let mut value: c_int = -1;
        let mut size = size_of::<c_int>() as libc::socklen_t;
        // SAFETY: value and size are live and belong together; an fd that was closed meanwhile only fails.
        let outcome = unsafe { libc::getsockopt(fd, level, option, (&raw mut value).cast(), &raw mut size) };
        (outcome == 0).then_some(value)
    }

    #[test]
    fn io_threads_have_names() {
        let context = zmq::Context::new();
        let _socket = context.socket(zmq::PULL).unwrap();

        // A thread names itself once it runs, which may be after the socket is there.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let named = fs::read_dir("/proc/self/task").unwrap().flatten().any(|task| {
                fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("ZMQbg/IO"))
            });
            if named {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "no thread is called ZMQbg/IO");
            std::thread::yield_now();
        }
    }

    #[test]
    fn threads_are_woken_through_eventfds() {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PULL).unwrap();
        let fd = socket.get_fd().unwrap();

        let target = open_files().into_iter().find(|(open, _)| *open == fd).map(|(_, target)| target);

        assert_eq!(target.as_deref(), Some("anon_inode:[eventfd]"));
    }

    #[test]
    fn tcp_keepalive_reaches_the_kernel() {
        const IDLE: i32 = 7_717;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let context = zmq::Context::new();
        let socket = context.socket(zmq::DEALER).unwrap();
        socket.set_linger(0).unwrap();
        socket.set_tcp_keepalive(1).unwrap();
        socket.set_tcp_keepalive_idle(IDLE).unwrap();
        socket.connect(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
        let _accepted = listener.accept().unwrap();

        // libzmq sets the options after the connection is there, from its own thread.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !open_files().iter().any(|(fd, target)| {
            target.starts_with("socket:")
                && option_of(*fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE) == Some(1)
                && option_of(*fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) == Some(IDLE)
        }) {
            assert!(std::time::Instant::now() < deadline, "no connection has keepalive");
            std::thread::yield_now();
        }
    }

    #[test]
    fn timers_follow_the_monotonic_clock() {
        // SAFETY: libzmq's stopwatch is a heap cell that holds its clock's microseconds at the start.
        let started = unsafe {
            let watch = zmq_sys::zmq_stopwatch_start();
            let started = *watch.cast::<u64>();
            zmq_sys::zmq_stopwatch_stop(watch);
            started
        };
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is a live timespec.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) }, 0);

        let apart = (now.tv_sec as u64).abs_diff(started / 1_000_000);
        assert!(apart < 60, "libzmq's clock is {apart} s away from the monotonic one");
    }
}
