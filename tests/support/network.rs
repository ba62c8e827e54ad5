//! A network of a test's own, where it may use any port: a Linux network namespace with nothing but a loopback interface.

use std::process::{Command, Stdio};
use std::thread;

use crate::skip::skip;

/// Set in a process that is in a network of its own.
const INSIDE: &str = "PYLM_TESTS_INSIDE";

/// Says at once whether a namespace can be made.
const MAKE: &str = "ip link set lo up";

/// Runs `test` in a network of its own: in another process, which runs just the calling test of this binary.
///
/// Where no such network can be made, the test is skipped, and says so.
///
/// # Panics
/// Where the test does, there.
#[track_caller]
pub fn in_own_network(test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let Some(unshare) = unshare() else {
        return skip(
            "no network of its own can be made here: that takes Linux, `unshare`, `ip`, and the right to use them",
        );
    };
    let name = thread::current().name().unwrap_or_default().to_owned();
    let program = std::env::current_exe().unwrap_or_else(|error| panic!("this test has no file: {error}"));
    let status = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-c", &format!("{MAKE} && exec \"$@\""), "sh"])
        .arg(program)
        .args(["--exact", &name, "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .status();
    let status = status.unwrap_or_else(|error| panic!("unshare: {error}"));
    assert!(status.success(), "in a network of its own: {status}");
}

/// The flags with which `unshare` makes a namespace here: as root, or else as root of a namespace of users.
fn unshare() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--net"], &["--net", "--map-root-user"]];
    ways.into_iter().find(|way| {
        let quiet =
            Command::new("unshare").args(*way).args(["sh", "-c", MAKE]).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    })
}
