//! Connections: taken while there is room for them, and finished when the host ends.

use super::exchange::Calls;
use crate::crowd::{Crowd, Member};
use crate::host::life::BEAT;
use crate::supervisor::ParentLink;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{debug, info, warn};

/// Connections at one time; for one more, the quietest goes.
const MOST_CONNECTIONS: usize = 1024;
/// How long a head may take, and a connection be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// The pause after the system gave no connection, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, and finishes the calls that are here then. Gives signs of life all the time.
pub(super) async fn serve(listener: TcpListener, calls: Arc<Calls>, parent: &ParentLink, stop: &Notify) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ending = GracefulShutdown::new();
    let mut crowd = Crowd::new(MOST_CONNECTIONS);
    loop {
        tokio::select! {
            () = stop.notified() => break,
            _ = beat.tick() => parent.beat(),
            stream = accept(&listener) => {
                let member = Member::new();
                let (calls, asked) = (Arc::clone(&calls), member.clone());
                let service = service_fn(move |request| {
                    let (calls, asking) = (Arc::clone(&calls), asked.ask());
                    async move {
                        let answer = calls.answer(request).await;
                        drop(asking);
                        answer
                    }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
                let connection = ending.watch(http.serve_connection(TokioIo::new(stream), service));
                crowd.serve(member, async move {
                    if let Err(error) = connection.await {
                        debug!(%error, "a connection broke");
                    }
                });
            }
        }
    }
    drop(listener);
    info!("ending: what is begun is finished");
    calls.refuse_what_waits();
    let finished = ending.shutdown();
    tokio::pin!(finished);
    loop {
        tokio::select! {
            () = &mut finished => return,
            _ = beat.tick() => parent.beat(),
        }
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it, small answers would wait for the caller's acknowledgement of what went before.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            // It was gone, or refused, before it was looked at.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                warn!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
            }
        }
    }
}
