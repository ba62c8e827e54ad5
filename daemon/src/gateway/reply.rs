//! The answer to a call: one result is the body; several are framed, in the way the caller asks for.

mod framing;

use super::outputs::Outputs;
use super::refusal::Refusal;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use framing::Framing;
use futures_util::stream;
use std::collections::VecDeque;
use std::convert::Infallible;

/// Keeps browsers from taking a result for a page.
const NO_SNIFFING: (HeaderName, HeaderValue) =
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// How a caller takes results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// As they come, as parts of one body.
    Parts,
    /// As they come, as lines of JSON.
    Lines,
    /// One as it is; several as parts.
    Any,
    /// One, and no more.
    One,
}

impl Wish {
    fn of(headers: &HeaderMap) -> Self {
        let fields = headers.get_all(header::ACCEPT).iter().filter_map(|field| field.to_str().ok());
        let mut wish = Wish::One;
        let mut is_empty = true;
        for range in fields.flat_map(|field| field.split(',')) {
            let range = range.split(';').next().unwrap_or_default().trim();
            is_empty &= range.is_empty();
            if range.eq_ignore_ascii_case("multipart/mixed") {
                return Wish::Parts;
            } else if range.eq_ignore_ascii_case("application/x-ndjson") {
                return Wish::Lines;
            } else if range == "*/*" || range.eq_ignore_ascii_case("multipart/*") {
                wish = Wish::Any;
            }
        }
        if is_empty { Wish::Any } else { wish }
    }
}

/// Waits until it is known what the answer is, and gives it.
pub(super) async fn reply(headers: &HeaderMap, mut outputs: Outputs) -> Result<Response, Refusal> {
    let wish = Wish::of(headers);
    let first = outputs.next().await?;
    match wish {
        Wish::Parts => return Ok(streamed(Framing::parts(), [first].into(), outputs)),
        Wish::Lines => return Ok(streamed(Framing::Lines, [first].into(), outputs)),
        Wish::Any | Wish::One => {}
    }
    let Some(first) = first else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    match outputs.next().await? {
        None => Ok(single(first)),
        Some(second) if wish == Wish::Any => {
            Ok(streamed(Framing::parts(), [Some(first), Some(second)].into(), outputs))
        }
        Some(_) => Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "there are several results; accept multipart/mixed or application/x-ndjson",
        )),
    }
}

fn single(payload: Bytes) -> Response {
    let kind = HeaderValue::from_static(kind_of(&payload));
    ([(header::CONTENT_TYPE, kind), NO_SNIFFING], payload).into_response()
}

/// Text is called so, as in pylm's gateway; other bytes would be spoiled by whoever reads them as text.
fn kind_of(payload: &[u8]) -> &'static str {
    match std::str::from_utf8(payload) {
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    }
}

/// A body that is written while results come.
struct Streamed {
    framing: Framing,
    /// Results that have come, and `None` for the end, to be framed.
    came: VecDeque<Option<Bytes>>,
    /// What is framed, to be written.
    chunks: VecDeque<Bytes>,
    count: u64,
    /// `None` when there are no more.
    outputs: Option<Outputs>,
}

impl Streamed {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                return Some(chunk);
            }
            let next = match self.came.pop_front() {
                Some(output) => Ok(output),
                None => self.outputs.as_mut()?.next().await,
            };
            match next {
                Ok(Some(payload)) => {
                    self.count += 1;
                    self.framing.result(payload, &mut self.chunks);
                }
                Ok(None) => self.end(Ok(self.count)),
                Err(refusal) => self.end(Err(refusal)),
            }
        }
    }

    fn end(&mut self, end: Result<u64, Refusal>) {
        self.outputs = None;
        self.framing.end(&end, &mut self.chunks);
    }
}

fn streamed(framing: Framing, came: VecDeque<Option<Bytes>>, outputs: Outputs) -> Response {
    let kind = framing.content_type();
    let chunks = VecDeque::new();
    let streamed = Streamed { framing, came, chunks, count: 0, outputs: Some(outputs) };
    let body = stream::unfold(streamed, |mut streamed| async {
        streamed.next().await.map(|chunk| (Ok::<_, Infallible>(chunk), streamed))
    });
    ([(header::CONTENT_TYPE, kind), NO_SNIFFING], Body::from_stream(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_accepts_says_how_it_takes_several_results() {
        let wish = |fields: &[&str]| {
            let fields = fields.iter().map(|field| (header::ACCEPT, field.parse().unwrap()));
            Wish::of(&HeaderMap::from_iter(fields.take(1)))
        };
        assert_eq!(wish(&[]), Wish::Any);
        assert_eq!(wish(&[""]), Wish::Any);
        assert_eq!(wish(&["*/*"]), Wish::Any);
        assert_eq!(wish(&["text/html, application/xml;q=0.9, */*;q=0.8"]), Wish::Any);
        assert_eq!(wish(&["text/plain"]), Wish::One);
        assert_eq!(wish(&["text/plain, Multipart/Mixed;q=0.5"]), Wish::Parts);
        assert_eq!(wish(&["application/x-ndjson, */*"]), Wish::Lines);
    }

    #[test]
    fn only_text_is_called_text() {
        assert_eq!(kind_of("naïve".as_bytes()), "text/plain; charset=utf-8");
        assert_eq!(kind_of(b""), "text/plain; charset=utf-8");
        assert_eq!(kind_of(&[0xff, 0]), "application/octet-stream");
    }
}
