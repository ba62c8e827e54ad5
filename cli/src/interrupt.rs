//! Signals that ask the program to end.

use crate::failure::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGINT, SIGTERM and SIGHUP, which from now on end nothing by themselves. One that is ignored stays so: `nohup` asked
/// for it.
pub(crate) struct Interrupts {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

impl Interrupts {
    /// Takes the signals over. Needs a runtime.
    pub(crate) fn new() -> Result<Self, Failure> {
        let listen = |kind: SignalKind| {
            let is_ignored = pylm_transport::is_ignored(kind.as_raw_value());
            let heard = (!is_ignored).then(|| signal(kind)).transpose();
            heard.map_err(Failure::running("cannot listen to signals"))
        };
        Ok(Interrupts {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// The next signal's number.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            () = heard(&mut self.interrupt) => 2,
            () = heard(&mut self.terminate) => 15,
            () = heard(&mut self.hang_up) => 1,
        }
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => signal.recv().await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}
