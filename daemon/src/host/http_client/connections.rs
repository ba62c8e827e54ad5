//! Connections to web workers, kept for the next call. There are never more than calls under way: a simple server that serves one
//! connection after the other would not see a call on another one.

use super::url::WebUrl;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next call; shorter than workers keep theirs.
const IDLE_TIME: Duration = Duration::from_secs(15);
/// How long an answered connection may take until it can be used again.
const READY_TIME: Duration = Duration::from_secs(1);

/// A connection.
pub(super) struct Connection(SendRequest<Full<Bytes>>);

/// Why a request had no answer.
pub(super) enum NoAnswer {
    /// There is no connection.
    NotReached(String),
    /// The connection broke when the request was on its way.
    Lost(hyper::Error),
}

/// The connections to one worker that nobody uses.
#[derive(Default)]
pub(super) struct Connections(Mutex<Vec<(Connection, Instant)>>);

impl Connections {
    /// Sends a request, and gives the answer's head and the connection that its body comes over.
    pub(super) async fn send(
        &self,
        url: &WebUrl,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Connection), NoAnswer> {
        while let Some(mut connection) = self.take_idle() {
            match connection.0.try_send_request(request).await {
                Ok(response) => return Ok((response, connection)),
                // The worker closed it meanwhile, and has seen nothing of the request.
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(NoAnswer::Lost(refused.into_error())),
                },
            }
        }
        let mut connection = connect(url).await.map_err(NoAnswer::NotReached)?;
        let response = connection.0.send_request(request).await.map_err(NoAnswer::Lost)?;
        Ok((response, connection))
    }

    /// Keeps a connection whose answer was read, if it takes another request.
    pub(super) async fn keep(&self, mut connection: Connection) {
        if let Ok(Ok(())) = timeout(READY_TIME, connection.0.ready()).await {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((connection, Instant::now()));
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The last one is the freshest: behind it, all are too old when it is.
        let (connection, _) = idle.pop().filter(|(_, since)| since.elapsed() < IDLE_TIME).or_else(|| {
            idle.clear();
            None
        })?;
        Some(connection)
    }
}

async fn connect(url: &WebUrl) -> Result<Connection, String> {
    let stream = match timeout(CONNECT_TIME, TcpStream::connect(url.address())).await {
        Ok(connected) => connected.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("no connection within {CONNECT_TIME:?}")),
    };
    // Without it, the end of a call would wait for the worker's acknowledgement of its beginning.
    let _ = stream.set_nodelay(true);
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a web worker broke");
        }
    });
    Ok(Connection(sender))
}
