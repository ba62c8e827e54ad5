//! Builds libzmq with what its own configure step would have found.
//!
//! zeromq-src compiles against an empty `platform.hpp`: without these definitions TCP keepalive is accepted and
//! ignored, timers follow the wall clock, wake-ups go through socket pairs, and I/O threads have no names.

use std::env;

/// Holds on every Unix that is built for.
const UNIX: &[&str] = &[
    "HAVE_CLOCK_GETTIME=1",
    "HAVE_FORK=1",
    "HAVE_IF_NAMETOINDEX=1",
    "HAVE_MKDTEMP=1",
    "HAVE_POSIX_MEMALIGN=1",
    "ZMQ_HAVE_IFADDRS=1",
    "ZMQ_HAVE_NOEXCEPT=1",
    "ZMQ_HAVE_O_CLOEXEC=1",
    "ZMQ_HAVE_SO_KEEPALIVE=1",
    "ZMQ_HAVE_TCP_KEEPCNT=1",
    "ZMQ_HAVE_TCP_KEEPINTVL=1",
];

const LINUX: &[&str] = &[
    "HAVE_ACCEPT4=1",
    "ZMQ_HAVE_BUSY_POLL=1",
    "ZMQ_HAVE_EVENTFD=1",
    "ZMQ_HAVE_EVENTFD_CLOEXEC=1",
    "ZMQ_HAVE_PTHREAD_SETNAME_2=1",
    "ZMQ_HAVE_PTHREAD_SET_AFFINITY=1",
    "ZMQ_HAVE_SOCK_CLOEXEC=1",
    "ZMQ_HAVE_SO_BINDTODEVICE=1",
    "ZMQ_HAVE_SO_PEERCRED=1",
    "ZMQ_HAVE_SO_PRIORITY=1",
    "ZMQ_HAVE_TCP_KEEPIDLE=1",
    "ZMQ_IOTHREAD_POLLER_USE_EPOLL_CLOEXEC=1",
];

const MACOS: &[&str] =
    &["ZMQ_HAVE_LOCAL_PEERCRED=1", "ZMQ_HAVE_PTHREAD_SETNAME_1=1", "ZMQ_HAVE_TCP_KEEPALIVE=1"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target_os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let target_arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();

    let mut defines: Vec<String> = match target_os.as_str() {
        "linux" => [UNIX, LINUX].concat(),
        "macos" => [UNIX, MACOS].concat(),
        _ => Vec::new(),
    }
    .into_iter()
    .map(str::to_owned)
    .collect();
    if !defines.is_empty() {
        let cache_line = if target_os == "macos" && target_arch == "aarch64" { 128 } else { 64 };
        defines.push(format!("ZMQ_CACHELINE_SIZE={cache_line}"));
        append_to_cxxflags(&defines);
    }

    zeromq_src::Build::new().enable_draft(true).with_libsodium(libsodium()).build();
}

/// Appends to the variable that the compiler driver would have read anyway, so that the user's flags stay.
fn append_to_cxxflags(defines: &[String]) {
    let target = env::var("TARGET").unwrap_or_default();
    let side = if env::var("HOST").is_ok_and(|host| host == target) { "HOST" } else { "TARGET" };
    let candidates = [
        format!("CXXFLAGS_{target}"),
        format!("CXXFLAGS_{}", target.replace(['-', '.'], "_")),
        format!("{side}_CXXFLAGS"),
        "CXXFLAGS".to_owned(),
    ];
    for name in &candidates {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let name = candidates.iter().find(|name| env::var_os(name).is_some()).unwrap_or(&candidates[3]);
    let mut flags = env::var(name).unwrap_or_default();
    for define in defines {
        flags.push_str(" -D");
        flags.push_str(define);
    }
    // SAFETY: the build script has one thread, and nothing holds a reference into the environment.
    unsafe { env::set_var(name, flags) };
}

/// Where the libsodium that the `curve` feature brings was installed.
fn libsodium() -> Option<zeromq_src::LibLocation> {
    env::var_os("CARGO_FEATURE_CURVE")?;
    match (env::var("DEP_SODIUM_LIB"), env::var("DEP_SODIUM_INCLUDE")) {
        (Ok(lib), Ok(include)) => Some(zeromq_src::LibLocation::new(lib, include)),
        _ => panic!(
            "libsodium-sys-stable did not say where its headers are: \
             unset SODIUM_LIB_DIR and SODIUM_USE_PKG_CONFIG so that it builds the source it carries"
        ),
    }
}
