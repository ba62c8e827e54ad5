//! One request: from its head to its answer.

use super::load::Load;
use super::outputs::Outputs;
use super::refusal::Refusal;
use super::{GatewayConfig, Stage, body, reply, target};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use pylm_client::{Client, JobOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout;

/// Results that wait for a caller who reads slowly, and bytes of them.
const WINDOW: (u64, u64) = (256, 1 << 20);

/// The node ends what takes too long by its own clock; the gateway does only where nothing is heard of that.
const PATIENCE: Duration = Duration::from_secs(1);

/// What all calls share.
#[derive(Debug)]
pub(super) struct Calls {
    node: String,
    clients: Vec<Client>,
    /// Whose turn it is.
    turn: AtomicUsize,
    load: Arc<Load>,
    max_message: u64,
    timeout: Option<Duration>,
    stages: watch::Receiver<Stage>,
}

/// What can be asked for.
pub(super) fn routes(calls: Arc<Calls>) -> Router {
    let function = || -> MethodRouter<Arc<Calls>> {
        // Where GET alone is named, HEAD would run the function too.
        on(MethodFilter::GET.or(MethodFilter::POST), call).head(wrong_method).fallback(wrong_method)
    };
    Router::new()
        .route("/{function}", function())
        .route("/{function}/", function())
        .fallback(nothing_there)
        .with_state(calls)
}

async fn nothing_there() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "nothing is here; ask for /FUNCTION or /SERVER.FUNCTION")
}

async fn wrong_method() -> Response {
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "functions take GET and POST");
    ([(header::ALLOW, HeaderValue::from_static("GET, POST"))], refusal).into_response()
}

async fn call(
    State(calls): State<Arc<Calls>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let begun = Instant::now();
    let response = calls.call(&path, &headers, body).await.unwrap_or_else(IntoResponse::into_response);
    let (status, seconds) = (response.status().as_u16(), begun.elapsed().as_secs_f32());
    tracing::debug!(path, status, seconds, "a call over HTTP was answered");
    response
}

impl Calls {
    pub(super) fn new(config: &GatewayConfig, clients: Vec<Client>, stages: watch::Receiver<Stage>) -> Self {
        Calls {
            node: config.node.clone(),
            clients,
            turn: AtomicUsize::new(0),
            load: Load::new(config.requests),
            max_message: config.max_message,
            timeout: config.timeout,
            stages,
        }
    }

    async fn call(&self, path: &str, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
        if *self.stages.borrow() != Stage::Open {
            return Err(Refusal::ending());
        }
        let mut admission = self.load.admit().ok_or_else(Refusal::too_many)?;
        let allowed = target::timeout(headers, self.timeout)?;
        let read = body::read(headers, body, self.max_message, &mut admission);
        let payload = within(allowed, read).await?;

        let options = JobOptions::new().timeout(allowed).output_window(WINDOW.0, WINDOW.1);
        let (sender, results) = self.client().job(&target::function(path, &self.node), options);
        sender.send(payload).await.map_err(|error| Refusal::client(&error))?;
        sender.finish();
        let deadline =
            allowed.and_then(|allowed| tokio::time::Instant::now().checked_add(allowed + PATIENCE));
        let outputs = Outputs::new(results, self.stages.clone(), deadline, admission);
        reply::reply(headers, outputs).await
    }

    fn client(&self) -> &Client {
        &self.clients[self.turn.fetch_add(1, Ordering::Relaxed) % self.clients.len()]
    }
}

/// Waits for a body, which is to come within the time of its call.
async fn within<T>(
    allowed: Option<Duration>,
    read: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let Some(allowed) = allowed else { return read.await };
    timeout(allowed, read).await.unwrap_or_else(|_| {
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time; see --gateway-timeout"))
    })
}
