//! The process is prepared as promised.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use pylm_transport::{raise_file_limit, tune_allocator};
use rustix::process::{Resource, getrlimit};

#[test]
fn the_file_limit_is_raised_as_far_as_allowed() {
    let raised = raise_file_limit().unwrap();
    assert_eq!(raised, getrlimit(Resource::Nofile).current);
    if cfg!(target_os = "linux") {
        assert_eq!(raised, getrlimit(Resource::Nofile).maximum);
    }
    assert_eq!(raise_file_limit().unwrap(), raised, "a second call changes nothing");
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_large_buffer_is_taken_from_memory_that_was_there() {
    fn faults() -> u64 {
        // Of `/proc/self/stat`, behind the name in parentheses: the eighth field counts minor page faults.
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(7).unwrap().parse().unwrap()
    }
    const MIB: usize = 1 << 20;
    tune_allocator();
    drop(std::hint::black_box(vec![1_u8; MIB]));

    let before = faults();
    for _ in 0..50 {
        drop(std::hint::black_box(vec![1_u8; MIB]));
    }
    let pages = 50 * MIB as u64 / 4096;
    let faulted = faults() - before;
    assert!(faulted < pages / 4, "{faulted} of {pages} pages were fetched anew");
}
