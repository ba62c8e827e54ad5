//! An HTTP server that gives back each body, and does nothing else: what axum could reach at best.

use super::say;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use pylm_transport::raise_file_limit;
use tokio::net::TcpSocket;
use tokio::runtime::Builder;

/// As many as the gateway lets wait.
const BACKLOG: u32 = 4_096;

/// Serves at a port of the system's choice, until the process ends.
pub fn run() -> Result<()> {
    raise_file_limit().context("cannot raise the limit of open files")?;
    let runtime = Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        say(&format!("http-echo ready address={}", listener.local_addr()?))?;
        let routes = Router::new().route("/{function}", post(|body: Bytes| async { body }));
        axum::serve(listener, routes).await.context("cannot serve")
    })
}
