//! Web workers: ours, HTTP as raw bytes to speak with them, and impostors that answer whatever a test says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pylm_protocol::palm::PalmMessage;

use crate::node::START;
use crate::process::Process;
use crate::programs::{Profile, programs};
use crate::ready::Ready;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `pylm-worker --http`.
pub struct WebWorker {
    /// The process: a supervisor, in one process group with the child that does the work.
    pub process: Process,
    /// What it told of itself when it was ready.
    pub ready: Ready,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl WebWorker {
    /// A debug build of `pylm-worker` called `name`, ready, on a port of its own choice; `args` are more arguments.
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start(plugins: &[&str], name: &str, args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", plugins, name, args)
    }

    /// As [`WebWorker::start`], at an address (`HOST:PORT`).
    ///
    /// # Panics
    /// Where it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_at(address: &str, plugins: &[&str], name: &str, args: &[&str]) -> Self {
        let program = programs(Profile::Debug).program("pylm-worker");
        let mut process = Process::plan(name, program)
            .args(["--http", address, "--name", name])
            .args(plugins.iter().flat_map(|plugin| ["--plugin", plugin]))
            .args(args)
            .start();
        let ready = process.wait_until_ready(START);
        let url = ready.field("http");
        Self { process, ready, url }
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Call a function, and wait for the answer.
    ///
    /// # Panics
    /// Where there is no answer.
    #[must_use]
    #[track_caller]
    pub fn call(&self, function: &str, payload: &[u8]) -> Answer {
        post(self.address(), &message(function, payload))
    }
}

/// The bytes of a message to `function`.
#[must_use]
pub fn message(function: &str, payload: &[u8]) -> Vec<u8> {
    PalmMessage { pipeline: "pipeline", client: "client", function, payload, ..PalmMessage::default() }
        .encode()
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The lines of the head behind the first, in lower case.
    pub headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The payload of the message that was answered.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    #[track_caller]
    pub fn payload(&self) -> Vec<u8> {
        assert_eq!(self.status, 200, "{}", self.text());
        let message =
            PalmMessage::decode(&self.body).unwrap_or_else(|error| panic!("no PalmMessage: {error}"));
        message.payload.to_vec()
    }

    /// Whether it has this header with this value.
    #[must_use]
    pub fn has(&self, header: &str) -> bool {
        self.headers.iter().any(|line| line == header)
    }

    /// Read one from a connection, to the connection's end.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    #[track_caller]
    pub fn read(stream: TcpStream) -> Self {
        Self::try_read(stream).unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// As [`Answer::read`], without a panic.
    ///
    /// # Errors
    /// Where there is none.
    pub fn try_read(mut stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.ok_or_else(|| io::Error::other("the answer has no head"))?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("the answer has no status"))?;
        Ok(Self { status, headers: lines.map(str::to_owned).collect(), body: bytes[end + 4..].to_vec() })
    }
}

/// Send a request of any kind, and read the answer.
///
/// # Panics
/// Where there is none.
#[must_use]
#[track_caller]
pub fn request(address: &str, head: &str, body: &[u8]) -> Answer {
    let mut stream = connect(address);
    let length = body.len();
    let head = format!("{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    // A worker that refuses closes its side before it has read everything.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    Answer::read(stream)
}

/// Post something, and read the answer.
///
/// # Panics
/// Where there is none.
#[must_use]
#[track_caller]
pub fn post(address: &str, body: &[u8]) -> Answer {
    request(address, "POST /", body)
}

/// Post something, and leave the answer for later.
///
/// # Panics
/// Where that fails.
#[must_use]
#[track_caller]
pub fn post_only(address: &str, body: &[u8]) -> TcpStream {
    let mut stream = connect(address);
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    sent.unwrap_or_else(|error| panic!("cannot post to {address}: {error}"));
    stream
}

/// A connection to `HOST:PORT`.
///
/// # Panics
/// Where nobody listens.
#[must_use]
#[track_caller]
pub fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).unwrap_or_else(|error| panic!("nobody listens on {address}: {error}"))
}

/// Somebody who listens where a web worker should, and answers what it is told.
pub struct Impostor {
    /// `http://127.0.0.1:PORT/`.
    pub url: String,
    calls: Arc<AtomicUsize>,
}

impl Impostor {
    /// Answers each call with these bytes and closes; with none, it keeps the connection and says nothing.
    ///
    /// # Panics
    /// Where the loopback interface has no port left.
    #[must_use]
    pub fn start(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.unwrap_or_else(|error| panic!("no free port on 127.0.0.1: {error}"));
        let port = listener.local_addr().map_or(0, |address| address.port());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        thread::spawn(move || {
            let mut kept = Vec::new();
            for mut stream in listener.incoming().map_while(Result::ok) {
                if !matches!(read_call(&stream), Ok(true)) {
                    continue;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let _ = stream.write_all(answer);
                if answer.is_empty() {
                    kept.push(stream);
                }
            }
        });
        Self { url: format!("http://127.0.0.1:{port}/"), calls }
    }

    /// How many calls it has had.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Read a request to its end; whether there was one, for a connection that only looks says nothing.
fn read_call(stream: &TcpStream) -> io::Result<bool> {
    let mut reader = BufReader::new(stream);
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(true)
}
