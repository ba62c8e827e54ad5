//! What a service manager expects: signals that end the program in order, and word when it is ready.

use crate::supervisor::Fields;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::thread;
use tokio::signal::unix::{SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The first SIGTERM or SIGINT: take nothing new, finish what is under way, end.
    Drain,
    /// Any further one: end at once.
    Now,
}

/// Calls `on_stop` on a thread of its own for each SIGTERM and SIGINT, from now on.
///
/// # Errors
/// When the system gives no thread or refuses the signal handlers.
pub fn watch_signals(mut on_stop: impl FnMut(Stop) + Send + 'static) -> io::Result<()> {
    let mut stop = Stop::Drain;
    watch(move |_| {
        on_stop(stop);
        stop = Stop::Now;
    })
}

/// As [`watch_signals`], for a child whose parent decides: calls `on_terminate` for SIGTERM, and ignores SIGINT, which a
/// terminal sends to parents and children alike.
///
/// # Errors
/// As [`watch_signals`].
pub fn watch_signals_of_parent(mut on_terminate: impl FnMut() + Send + 'static) -> io::Result<()> {
    watch(move |kind| {
        if kind == SignalKind::terminate() {
            on_terminate();
        }
    })
}

fn watch(mut on_signal: impl FnMut(SignalKind) + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut terminate, mut interrupt) = {
        let _in_runtime = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    Some(()) = terminate.recv() => on_signal(SignalKind::terminate()),
                    Some(()) = interrupt.recv() => on_signal(SignalKind::interrupt()),
                    else => return,
                }
            }
        });
    })?;
    Ok(())
}

/// The variable that names the socket of whoever wants to know how the program is.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// Tells the service manager (systemd's `NOTIFY_SOCKET`), or whoever else has started the program, that it is ready, and beside
/// that its names and addresses, as JSON; without one, does nothing.
pub fn notify_ready(fields: &Fields) {
    let fields = serde_json::to_string(fields).unwrap_or_default();
    notify(&format!("READY=1\nX_PYLMD={fields}"));
}

/// Tells the service manager that the program is stopping.
pub fn notify_stopping() {
    notify("STOPPING=1");
}

fn notify(state: &str) {
    let Some(path) = std::env::var_os(NOTIFY_SOCKET).filter(|path| !path.is_empty()) else { return };
    if let Err(error) = send_to(&path, state.as_bytes()) {
        tracing::warn!(state, ?path, %error, "the service manager was not told");
    }
}

fn send_to(path: &std::ffi::OsStr, state: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // Whoever tells may have a signal to carry out: it waits for no manager that does not read.
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::ffi::OsStrExt;
        if let Some(name) = path.as_bytes().strip_prefix(b"@") {
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            return socket.send_to_addr(state, &address).map(drop);
        }
    }
    socket.send_to(state, path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_hears_at_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        send_to(path.as_os_str(), b"READY=1").unwrap();
        let mut told = [0; 16];
        let length = manager.recv(&mut told).unwrap();
        assert_eq!(&told[..length], b"READY=1");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_service_manager_hears_at_an_abstract_name() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("pylmd-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        send_to(std::ffi::OsStr::new(&format!("@{name}")), b"STOPPING=1").unwrap();
        let mut told = [0; 16];
        let length = manager.recv(&mut told).unwrap();
        assert_eq!(&told[..length], b"STOPPING=1");
    }
}
