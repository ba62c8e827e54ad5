//! Answers that are no results: which status an error has.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pylm_client::{Error, codes};
use std::borrow::Cow;

/// The header that tells the native protocol's code of an error.
pub(super) const CODE: HeaderName = HeaderName::from_static("pylm-code");

/// Why a caller gets no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    /// The native protocol's code, where the node has spoken.
    code: Option<Box<str>>,
    text: Cow<'static, str>,
}

impl Refusal {
    /// With this status and text.
    pub(super) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Refusal { status, code: None, text: text.into() }
    }

    /// A message that failed.
    pub(super) fn failed(code: Box<str>, text: Box<str>) -> Self {
        let status = match &*code {
            codes::UNKNOWN_FUNCTION | codes::NO_FUNCTION => StatusCode::NOT_FOUND,
            codes::TIMEOUT => StatusCode::GATEWAY_TIMEOUT,
            codes::LOST => StatusCode::BAD_GATEWAY,
            codes::CANCELLED => StatusCode::SERVICE_UNAVAILABLE,
            // A body that is too large does not get as far as the node: this is a result, or what scatter made.
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal { status, code: Some(code), text: text.into_string().into() }
    }

    /// What the client library says.
    pub(super) fn client(error: &Error) -> Self {
        let status = match error {
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Refusal::new(status, error.to_string())
    }

    pub(super) fn too_large(limit: u64) -> Self {
        let text = format!("the body has more than {limit} bytes; see --max-message");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    pub(super) fn too_many() -> Self {
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too much is under way; try again")
    }

    pub(super) fn late() -> Self {
        let code = Some(codes::TIMEOUT.into());
        let text = "its time was over; see --gateway-timeout".into();
        Refusal { status: StatusCode::GATEWAY_TIMEOUT, code, text }
    }

    pub(super) fn ending() -> Self {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the node is ending; try again, or another one")
    }

    /// The code for those who cannot be told a status any more.
    pub(super) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or("unavailable")
    }

    /// What happened, for people.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.text).into_response();
        let headers = response.headers_mut();
        if let Some(code) = self.code.and_then(|code| HeaderValue::from_str(&code).ok()) {
            headers.insert(CODE, code);
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: &str) -> u16 {
        Refusal::failed(code.into(), "text".into()).into_response().status().as_u16()
    }

    #[test]
    fn every_code_has_its_status() {
        let all = [
            codes::FAILED,
            codes::PANICKED,
            codes::UNKNOWN_FUNCTION,
            codes::NO_FUNCTION,
            codes::LOST,
            codes::TIMEOUT,
            codes::CANCELLED,
            codes::TOO_LARGE,
            codes::HOOK_FAILED,
            codes::INCONSISTENT,
            "from-a-later-version",
        ];
        assert_eq!(all.map(status), [500, 500, 404, 404, 502, 504, 503, 500, 500, 500, 500]);
    }

    #[test]
    fn who_may_try_again_is_told_so() {
        let response = Refusal::ending().into_response();
        assert_eq!(
            (&response.headers()["retry-after"], &response.headers()["connection"]),
            (&HeaderValue::from_static("1"), &HeaderValue::from_static("close"))
        );
        assert!(!Refusal::late().into_response().headers().contains_key("retry-after"));
    }
}
