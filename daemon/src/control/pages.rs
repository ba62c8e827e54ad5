//! The pages: what is answered at which path.

use super::metrics;
use super::view::View;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// The dashboard, whole: it loads nothing but `/status`.
const DASHBOARD: &str = include_str!("dashboard.html");
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn routes(view: View) -> Router {
    Router::new()
        .route("/", get(|| async { page(StatusCode::OK, HTML, DASHBOARD) }))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics_page))
        .route("/status", get(status))
        .fallback(|| async { no_such_page() })
        .with_state(view)
}

/// Whether what the node has is worked on.
async fn health(State(view): State<View>) -> Response {
    match view.look().await {
        Ok(node) => match &node.trouble {
            None => page(StatusCode::OK, TEXT, "well\n"),
            Some(trouble) => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{trouble}\n")),
        },
        Err(blind) => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{blind}\n")),
    }
}

/// Whether the node takes new messages.
async fn ready(State(view): State<View>) -> Response {
    let unready = match view.look().await {
        Ok(node) if node.draining => "the node is draining: it takes nothing new".to_owned(),
        Ok(node) => match node.journal.as_ref().and_then(|journal| journal.trouble.as_ref()) {
            None => return page(StatusCode::OK, TEXT, "ready\n"),
            Some(trouble) => format!("no new messages are accepted: {trouble}"),
        },
        Err(blind) => blind.to_string(),
    };
    page(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{unready}\n"))
}

async fn metrics_page(State(view): State<View>) -> Response {
    match view.look().await {
        Ok(node) => match metrics::text(node) {
            Ok(text) => page(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        Err(blind) => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{blind}\n")),
    }
}

/// What `pylm status --json` shows.
async fn status(State(view): State<View>) -> Response {
    match view.look().await {
        Ok(node) => match serde_json::to_vec(&*node) {
            Ok(json) => page(StatusCode::OK, "application/json", json),
            Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        Err(blind) => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{blind}\n")),
    }
}

fn no_such_page() -> Response {
    page(StatusCode::NOT_FOUND, TEXT, "there are /, /health, /ready, /metrics and /status\n")
}

fn page(status: StatusCode, kind: &'static str, body: impl IntoResponse) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}
