//! Why a call has no result, as an HTTP status with a text; the reason a node knows by its code.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use pylm_plugin_host::{CallError, CallErrorKind};
use pylm_protocol::codes;

/// The header with the code of an error that is the message's own: no other worker would do better.
pub(in crate::host) const CODE: &str = "pylm-code";
/// The header that marks an error as permanent: no other attempt would do better.
pub(in crate::host) const PERMANENT: &str = "pylm-permanent";

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    /// The code of a failed message, where the message itself is why.
    code: Option<&'static str>,
    is_permanent: bool,
    text: String,
}

impl Refusal {
    /// What came is no call.
    pub(super) fn not_a_call(text: String) -> Self {
        Refusal { code: Some(codes::NO_FUNCTION), ..Self::plain(StatusCode::BAD_REQUEST, text) }
    }

    /// No plugin has the function.
    pub(super) fn unknown_function(function: &str) -> Self {
        let text = format!("this worker has no function for {function:?}");
        Refusal { code: Some(codes::UNKNOWN_FUNCTION), ..Self::plain(StatusCode::NOT_FOUND, text) }
    }

    /// The call is larger than this worker takes.
    pub(super) fn too_large(most: u64) -> Self {
        let text = format!("the call is larger than {most} bytes (the worker's --max-message)");
        Refusal { code: Some(codes::TOO_LARGE), ..Self::plain(StatusCode::PAYLOAD_TOO_LARGE, text) }
    }

    /// The result is larger than an answer may be.
    pub(super) fn result_too_large(bytes: usize, most: u64) -> Self {
        let text = format!("a result of {bytes} bytes; the worker gives up to {most} (its --max-message)");
        Refusal { code: Some(codes::TOO_LARGE), is_permanent: true, ..Self::failed(text) }
    }

    /// The function gave several results, and an answer has room for one.
    pub(super) fn several_results() -> Self {
        let text =
            "the function gave several results, and an answer over HTTP has room for one; serve it with --db";
        Refusal { is_permanent: true, ..Self::failed(text.to_owned()) }
    }

    /// Anything but a POST.
    pub(super) fn method() -> Self {
        let text = "a call is the POST of a PalmMessage".to_owned();
        Self::plain(StatusCode::METHOD_NOT_ALLOWED, text)
    }

    /// The body came too slowly, or not whole.
    pub(super) fn slow() -> Self {
        let text = "the body came too slowly".to_owned();
        Self::plain(StatusCode::REQUEST_TIMEOUT, text)
    }

    /// The body broke off.
    pub(super) fn broken(error: &hyper::Error) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, format!("the body did not come whole: {error}"))
    }

    /// There is too much to do: another worker, or a later attempt, may do better.
    pub(super) fn busy(text: String) -> Self {
        Self::plain(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    fn failed(text: String) -> Self {
        Refusal { code: Some(codes::FAILED), ..Self::plain(StatusCode::INTERNAL_SERVER_ERROR, text) }
    }

    fn plain(status: StatusCode, text: String) -> Self {
        Refusal { status, code: None, is_permanent: false, text }
    }

    /// What was wrong, in words.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The answer that says so.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Some(code) = self.code {
            headers.insert(CODE, HeaderValue::from_static(code));
        }
        if self.is_permanent {
            headers.insert(PERMANENT, HeaderValue::from_static("true"));
        }
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
            StatusCode::SERVICE_UNAVAILABLE => {
                drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => {}
        }
        response
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        let code = match error.kind {
            CallErrorKind::Failed => codes::FAILED,
            CallErrorKind::Panicked => codes::PANICKED,
        };
        Refusal { code: Some(code), is_permanent: error.permanent, ..Self::failed(error.message) }
    }
}
