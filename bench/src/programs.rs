//! The product's own programs and the plugins that are measured, built as they ship.

use pylm_tests::programs::{Profile, Programs, build};
use std::sync::OnceLock;

/// Built on the first call.
///
/// # Panics
/// Where they do not compile, with cargo's errors.
pub fn release() -> &'static Programs {
    static BUILT: OnceLock<Programs> = OnceLock::new();
    BUILT.get_or_init(|| {
        build(Profile::Release, &["-p", "pylm-bench", "-p", "pylmd", "-p", "bench-echo", "-p", "bench-pass"])
    })
}
