//! The control plane's connections: few, and none for long without a request. Who comes is always heard, whoever else is connected.

use crate::crowd::{Crowd, Member};
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// Connections at one time; for one more, the quietest goes.
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
    let mut crowd = Crowd::new(CONNECTIONS);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // It was gone, or refused, before it was looked at.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                tracing::debug!(%error, "a connection to --http could not be taken");
                sleep(PAUSE).await;
                continue;
            }
        };
        let member = Member::new();
        let (pages, asked) = (TowerToHyperService::new(routes.clone()), member.clone());
        let service = service_fn(move |request| {
            let (asking, answer) = (asked.ask(), pages.call(request));
            async move {
                let answer = answer.await;
                drop(asking);
                answer
            }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        crowd.serve(member, async move {
            if let Ok(Err(error)) = timeout(LIFE, connection).await {
                tracing::debug!(%error, "a connection to --http has gone");
            }
        });
    }
}
