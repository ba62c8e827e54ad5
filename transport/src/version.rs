//! What a program is made of, for `--version`.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::OnceLock;

/// The version of a program of this release, `0.1.0 (libzmq 4.3.5)`, with the commit before libzmq where the build was told one in
/// `PYLMD_COMMIT`, as `dist/build` does.
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let commit =
            option_env!("PYLMD_COMMIT").map(|commit| format!("commit {commit}, ")).unwrap_or_default();
        format!("{} ({commit}libzmq {})", env!("CARGO_PKG_VERSION"), libzmq())
    })
}

fn libzmq() -> String {
    let (mut major, mut minor, mut patch): (c_int, c_int, c_int) = (0, 0, 0);
    // SAFETY: the three places are there for as long as the call lasts.
    unsafe { zmq_sys::zmq_version(&raw mut major, &raw mut minor, &raw mut patch) };
    format!("{major}.{minor}.{patch}")
}
