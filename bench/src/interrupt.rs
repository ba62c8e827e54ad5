//! Ctrl-C and SIGTERM: what was started does not outlive this program.

use anyhow::{Context as _, Result};
use std::process::exit;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell reports of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Watches for both from a thread of its own. The contenders' processes have groups of their own, which a terminal does not
/// reach.
pub fn end_children_with_us() -> Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build().context("cannot wait for signals")?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let watch = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        pylm_tests::process::kill_all();
        exit(INTERRUPTED);
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).context("cannot start a thread")?;
    Ok(())
}
