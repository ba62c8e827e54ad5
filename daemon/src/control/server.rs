//! The control plane's connections: few, and none for long without a request.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections at one time; further ones wait in the system's queue.
const CONNECTIONS: usize = 64;
/// How long a head may take, and a connection be idle.
const IDLE: Duration = Duration::from_secs(15);
/// How long a connection is served: one that does not read its answer is not to hold its place.
const LIFE: Duration = Duration::from_secs(300);
/// The pause after the system gave no connection, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves for as long as the process runs.
pub(super) async fn serve(listener: TcpListener, routes: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection to --http could not be taken");
                sleep(PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            if let Ok(Err(error)) = timeout(LIFE, connection).await {
                tracing::debug!(%error, "a connection to --http has gone");
            }
            drop(place);
        });
    }
}
