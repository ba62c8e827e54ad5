//! Preparing a process that moves many or large messages.
#![allow(unsafe_code)]

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets glibc keep and reuse the memory of large messages, which it would otherwise give back to the kernel and ask
/// for anew, page by page, for each. Costs up to 128 MiB of memory kept. Does nothing with another C library.
///
/// Call it once, before the threads start.
pub fn tune_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The largest that glibc accepts on 64 bits.
        const MMAP_FROM: libc::c_int = 32 << 20;
        const TRIM_FROM: libc::c_int = 128 << 20;
        // SAFETY: both only set numbers of the allocator. A refusal leaves the defaults, which are slower but sound.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_FROM);
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_FROM);
        }
    }
}

/// Raises the number of files this process may have open as far as it is allowed to, and returns it; `None` is no
/// limit. A connection needs one, a socket one or two.
///
/// # Errors
///
/// When the system refuses, which leaves the limit as it was.
pub fn raise_file_limit() -> io::Result<Option<u64>> {
    let mut limit = getrlimit(Resource::Nofile);
    // macOS calls its limit infinite, yet refuses what is above this.
    let highest = if cfg!(target_os = "macos") {
        Some(limit.maximum.map_or(10_240, |maximum| maximum.min(10_240)))
    } else {
        limit.maximum
    };
    let is_lower = match (limit.current, highest) {
        (Some(current), Some(highest)) => current < highest,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_lower {
        limit.current = highest;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(limit.current)
}
