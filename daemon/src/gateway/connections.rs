//! The gateway's connections: accepted, served, and ended in order.

use super::Stage;
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Connections that wait to be accepted. Thousands may come at once; the system may allow fewer.
const BACKLOG: u32 = 4_096;

/// How long a connection may be idle, or take to send the head of a request. Longer than proxies keep idle connections, so that
/// it is not us who closes one that is about to be used.
const IDLE: Duration = Duration::from_secs(75);

/// How long a new connection may take to ask for something.
const FIRST: Duration = Duration::from_secs(10);

/// The longest head, and what is read ahead of a body, in bytes.
const BUFFER: usize = 64 << 10;

/// How long to wait when the process can have no more connections.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens at the first address behind the name that can be bound.
pub(super) async fn bind(address: &str) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "no address of that name");
    for address in tokio::net::lookup_host(address).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Serves until the node has ended, and then until the last connection has. While the gateway is draining, connections are still
/// accepted, so that callers are told.
pub(super) async fn serve(listener: TcpListener, routes: Router, stages: watch::Receiver<Stage>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(BUFFER);
    let mut connections = JoinSet::new();
    let mut refused: u64 = 0;
    let mut over = stages.clone();
    let over = over.wait_for(|stage| *stage == Stage::Over);
    tokio::pin!(over);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = &mut over => break,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(http.clone(), stream, routes.clone(), stages.clone()));
            }
            // It was gone before it was looked at.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                refused += 1;
                if refused.is_power_of_two() {
                    tracing::warn!(%error, count = refused, "the gateway cannot accept connections");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection to its end, which comes with the end of its request once the stage changes. One that is made while the
/// gateway is draining gets an answer first.
async fn connection(
    http: http1::Builder,
    stream: TcpStream,
    routes: Router,
    mut stages: watch::Receiver<Stage>,
) {
    // Answers are written whole; a stream's results are not to wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection of the gateway has gone");
    }
    stages.mark_unchanged();
    let asked = Arc::new(AtomicBool::new(false));
    let (first, pages) = (Arc::clone(&asked), TowerToHyperService::new(routes));
    let service = service_fn(move |request| {
        first.store(true, Relaxed);
        pages.call(request)
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let silent = sleep(FIRST);
    tokio::pin!(silent);
    loop {
        tokio::select! {
            () = &mut silent, if !asked.load(Relaxed) => {
                // It may have asked since it was looked at.
                if !asked.load(Relaxed) {
                    return;
                }
            }
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection of the gateway has gone");
                }
                return;
            }
            Ok(()) = stages.changed() => connection.as_mut().graceful_shutdown(),
        }
    }
}
