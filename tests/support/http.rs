//! A client of HTTP/1.1, down to its bytes: it can stop in the middle of a request, and hang up in the middle of an answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long one read may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection. Dropped, it hangs up.
pub struct Connection {
    reader: BufReader<TcpStream>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, whole.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Ask once, over a connection of its own. `head` are more lines of the request's head, each ended.
///
/// # Panics
/// Where there is no answer.
#[must_use]
#[track_caller]
pub fn request(address: &str, method: &str, path: &str, head: &str, body: Option<&[u8]>) -> Answer {
    let mut connection = Connection::open(address);
    connection.ask(method, path, head, body);
    connection.answer()
}

/// POST a body to a path, and nothing more.
///
/// # Panics
/// Where there is no answer.
#[must_use]
#[track_caller]
pub fn post(address: &str, path: &str, body: impl AsRef<[u8]>) -> Answer {
    request(address, "POST", path, "", Some(body.as_ref()))
}

impl Connection {
    /// Connect.
    ///
    /// # Panics
    /// Where nobody listens.
    #[must_use]
    #[track_caller]
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("no {address}: {error}"));
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.set_write_timeout(Some(PATIENCE));
        Self { reader: BufReader::new(stream) }
    }

    /// Send bytes as they are.
    ///
    /// # Panics
    /// Where the connection does not take them.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.reader.get_mut().write_all(bytes) {
            panic!("cannot send: {error}");
        }
    }

    /// Send a request, with a body if there is one.
    #[track_caller]
    pub fn ask(&mut self, method: &str, path: &str, head: &str, body: Option<&[u8]>) {
        let length = body.map_or_else(String::new, |body| format!("Content-Length: {}\r\n", body.len()));
        let head = format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\n{length}{head}\r\n");
        self.send(&[head.as_bytes(), body.unwrap_or_default()].concat());
    }

    /// The status and the headers of the next answer. Its body is to be read next.
    ///
    /// # Panics
    /// Where none comes.
    #[must_use]
    #[track_caller]
    pub fn head(&mut self) -> Answer {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            match line.split_once(':') {
                Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_owned())),
                None => return Answer { status, headers, body: Vec::new() },
            }
        }
    }

    /// The next answer, whole.
    ///
    /// # Panics
    /// Where none comes.
    #[must_use]
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if answer.header("transfer-encoding") == "chunked" {
            while let Some(chunk) = self.chunk() {
                answer.body.extend(chunk);
            }
        } else {
            let length = answer.header("content-length").parse().unwrap_or(0);
            answer.body = self.bytes(length);
        }
        answer
    }

    /// The next chunk of a chunked body; `None` behind the last.
    ///
    /// # Panics
    /// Where the body breaks off.
    #[must_use]
    #[track_caller]
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line();
        let length = usize::from_str_radix(line.trim(), 16);
        let length = length.unwrap_or_else(|_| panic!("not the length of a chunk: {line:?}"));
        let chunk = self.bytes(length);
        let end = self.line();
        assert_eq!(end, "", "more than the chunk");
        (length > 0).then_some(chunk)
    }

    /// Whether the other side has hung up, and left nothing to be read.
    #[must_use]
    pub fn is_closed(&mut self) -> bool {
        self.reader.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(1..) => line.trim_end_matches(['\r', '\n']).to_owned(),
            Ok(0) => panic!("the connection was closed"),
            Err(error) => panic!("no line came: {error}"),
        }
    }

    #[track_caller]
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        match self.reader.read_exact(&mut bytes) {
            Ok(()) => bytes,
            Err(error) => panic!("{length} bytes did not come: {error}"),
        }
    }
}
