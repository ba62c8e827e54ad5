//! How several results stand in one body: as the parts of a multipart, or as lines of JSON.

use super::kind_of;
use crate::gateway::refusal::Refusal;
use axum::body::Bytes;
use axum::http::HeaderValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use std::collections::VecDeque;
use uuid::Uuid;

/// How results are framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// `multipart/mixed`, with this boundary: results as they are.
    Parts(String),
    /// `application/x-ndjson`: each result as a line.
    Lines,
}

/// One line of JSON.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Text { text: &'a str },
    Bytes { base64: String },
    Done { done: u64 },
    Failed { code: &'a str, error: &'a str },
}

impl Framing {
    /// Parts with a boundary that no result can know.
    pub(super) fn parts() -> Self {
        Framing::Parts(Uuid::new_v4().simple().to_string())
    }

    pub(super) fn content_type(&self) -> HeaderValue {
        let lines = HeaderValue::from_static("application/x-ndjson");
        match self {
            Framing::Parts(boundary) => {
                HeaderValue::try_from(format!("multipart/mixed; boundary={boundary}")).unwrap_or(lines)
            }
            Framing::Lines => lines,
        }
    }

    /// Frames a result.
    pub(super) fn result(&self, payload: Bytes, into: &mut VecDeque<Bytes>) {
        match self {
            Framing::Parts(boundary) => {
                let (kind, length) = (kind_of(&payload), payload.len());
                let head =
                    format!("--{boundary}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
                into.extend([head.into(), payload, Bytes::from_static(b"\r\n")]);
            }
            Framing::Lines => into.push_back(line(&match std::str::from_utf8(&payload) {
                Ok(text) => Line::Text { text },
                Err(_) => Line::Bytes { base64: BASE64_STANDARD.encode(&payload) },
            })),
        }
    }

    /// Frames the end: the number of results, or an error, which comes too late for a status.
    pub(super) fn end(&self, end: &Result<u64, Refusal>, into: &mut VecDeque<Bytes>) {
        into.push_back(match (self, end) {
            (Framing::Parts(boundary), Ok(_)) => format!("--{boundary}--\r\n").into(),
            (Framing::Parts(boundary), Err(refusal)) => {
                let (code, text) = (refusal.code(), refusal.text());
                let length = text.len();
                format!(
                    "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
                     Pylm-Code: {code}\r\n\r\n{text}\r\n--{boundary}--\r\n"
                )
                .into()
            }
            (Framing::Lines, Ok(results)) => line(&Line::Done { done: *results }),
            (Framing::Lines, Err(refusal)) => {
                line(&Line::Failed { code: refusal.code(), error: refusal.text() })
            }
        });
    }
}

fn line(line: &Line<'_>) -> Bytes {
    // Strings and numbers can always be written.
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(framing: &Framing, end: Result<u64, Refusal>) -> String {
        let mut chunks = VecDeque::new();
        framing.result(Bytes::from_static(b"one \"1\""), &mut chunks);
        framing.result(Bytes::from_static(&[0xff, 0x00]), &mut chunks);
        framing.end(&end, &mut chunks);
        let bytes: Vec<u8> = chunks.into_iter().flatten().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn parts_carry_results_as_they_are() {
        let framing = Framing::Parts("B".into());
        assert_eq!(
            framed(&framing, Ok(2)),
            "--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 7\r\n\r\none \"1\"\r\n\
             --B\r\nContent-Type: application/octet-stream\r\nContent-Length: 2\r\n\r\n\u{fffd}\0\r\n--B--\r\n"
        );
        let failed = framed(&framing, Err(Refusal::failed("failed".into(), "no more".into())));
        assert!(failed.ends_with(
            "--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 7\r\nPylm-Code: failed\r\n\r\nno more\r\n--B--\r\n"
        ));
    }

    #[test]
    fn lines_carry_text_as_text_and_the_rest_as_base64() {
        assert_eq!(
            framed(&Framing::Lines, Ok(2)),
            "{\"text\":\"one \\\"1\\\"\"}\n{\"base64\":\"/wA=\"}\n{\"done\":2}\n"
        );
        let failed = framed(&Framing::Lines, Err(Refusal::ending()));
        assert!(failed.contains("\n{\"code\":\"unavailable\",\"error\":\"the node is ending"), "{failed}");
    }

    #[test]
    fn the_boundary_is_told_and_never_the_same() {
        let (one, other) = (Framing::parts().content_type(), Framing::parts().content_type());
        assert!(one.to_str().unwrap().starts_with("multipart/mixed; boundary="));
        assert_ne!(one, other);
    }
}
