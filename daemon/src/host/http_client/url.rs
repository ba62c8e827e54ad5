//! Where a web worker is.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use std::fmt;
use std::str::FromStr;

/// The URL of a web worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl {
    uri: Uri,
    /// Path and query, as a request names them.
    target: Uri,
    /// The host as a request names it.
    host: HeaderValue,
    /// Host and port, for a connection.
    address: String,
}

impl WebUrl {
    /// A call of this worker.
    pub(super) fn post(&self, message: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(message));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        request
    }

    /// `HOST:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl FromStr for WebUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it has the form http://HOST[:PORT][/PATH]";
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        let authority = uri.authority().ok_or(FORM)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err("only http:// is spoken; give the address of a proxy that speaks https to it");
            }
            _ => return Err(FORM),
        }
        if authority.as_str().contains('@') {
            return Err("a web worker is called without user and password");
        }
        let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        let has_port = authority.as_str() != authority.host();
        if authority.host().is_empty() || has_port != authority.port_u16().is_some() {
            return Err(FORM);
        }
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{}{query}", uri.path()).parse().map_err(|_| FORM)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| FORM)?;
        Ok(WebUrl { target, host, address, uri })
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_and_port() {
        let address = |text: &str| text.parse::<WebUrl>().map(|url| url.address().to_owned());
        assert_eq!(address("http://worker.example/"), Ok("worker.example:80".to_owned()));
        assert_eq!(address("http://127.0.0.1:8888/call?a=b"), Ok("127.0.0.1:8888".to_owned()));
        assert_eq!(address("http://[::1]:8888"), Ok("[::1]:8888".to_owned()));
        for wrong in [
            "",
            "worker",
            "worker:8888",
            "http://",
            "/path",
            "https://worker",
            "ftp://worker",
            "http://a@b/",
            "http://a:99999/",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
        let post = "http://worker.example:81?a=b".parse::<WebUrl>().unwrap().post(Bytes::new());
        assert_eq!(
            (post.uri().to_string(), &post.headers()[HOST]),
            ("/?a=b".to_owned(), &HeaderValue::from_static("worker.example:81"))
        );
    }
}
