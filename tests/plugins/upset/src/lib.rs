//! A function that changes what belongs to its whole process.
#![allow(unsafe_code, reason = "that is what is tested")]

use pylm_plugin_api::prelude::*;
use rustix::process::{Resource, Rlimit, chdir, getrlimit, setrlimit};

/// Leaves signals, limits, umask and working folder as no function should, and echoes.
#[function]
fn upset(payload: &[u8]) -> Result<Vec<u8>, Failure> {
    for signal in [libc::SIGTERM, libc::SIGCHLD, libc::SIGPIPE] {
        // SAFETY: no handler is set: the signals are ignored.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // SAFETY: it takes any number, and cannot fail.
    unsafe { libc::umask(0) };
    chdir("/").map_err(Failure::new)?;
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(96), ..files }).map_err(Failure::new)?;
    Ok(payload.to_vec())
}

export_plugin!(upset);
