//! Client and worker of a NATS server, in its text protocol, as cheap as they can be.
//!
//! Without JetStream, workers are a queue group. With it, messages are published to a stream, which confirms each; workers are the queue
//! group of one durable consumer, and acknowledge each message when its result is on its way.

use super::directory::Named as _;
use super::flight::Slot;
use super::link::{Link, payload, slot_of};
use super::{Client, NatsWorker, say};
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Where messages are published.
const JOBS: &str = "bench.jobs";
/// Where results are.
const RESULTS: &str = "results";
/// Where the stream confirms, and answers requests.
const REPLIES: &str = "replies";
/// Where a stream's consumer hands messages out.
const WORK: &str = "work";
/// Messages that workers may have out at most.
const ACK_PENDING: u32 = 20_000;

/// A message that was received.
struct Message {
    subject: Vec<u8>,
    reply: Option<Vec<u8>>,
    payload: Bytes,
}

/// A connection, with what was read and not yet taken.
struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    at: usize,
    output: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        let mut connection = Connection { stream, input: Vec::new(), at: 0, output: Vec::new() };
        connection.command("CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"1\",\"protocol\":1}");
        Ok(connection)
    }

    fn command(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    fn publish(&mut self, subject: &[u8], reply: Option<&str>, payload: &[u8]) {
        self.output.extend_from_slice(b"PUB ");
        self.output.extend_from_slice(subject);
        self.output.push(b' ');
        if let Some(reply) = reply {
            self.output.extend_from_slice(reply.as_bytes());
            self.output.push(b' ');
        }
        let _ = write!(self.output, "{}\r\n", payload.len());
        self.output.extend_from_slice(payload);
        self.output.extend_from_slice(b"\r\n");
    }

    fn flush(&mut self) -> Result<()> {
        if !self.output.is_empty() {
            self.stream.set_nonblocking(false)?;
            self.stream.write_all(&self.output)?;
            self.output.clear();
        }
        Ok(())
    }

    /// Reads what is here, or waits for so long (`None`: for ever).
    fn fill(&mut self, wait: Option<Option<Duration>>) -> Result<bool> {
        if self.at > 0 {
            self.input.drain(..self.at);
            self.at = 0;
        }
        self.stream.set_nonblocking(wait.is_none())?;
        if let Some(wait) = wait {
            self.stream.set_read_timeout(wait)?;
        }
        let before = self.input.len();
        self.input.resize(before + (256 << 10), 0);
        let outcome = self.stream.read(&mut self.input[before..]);
        let read = match outcome {
            Ok(0) => bail!("the NATS server has closed the connection"),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(error.into()),
        };
        self.input.truncate(before + read);
        Ok(read > 0)
    }

    /// The next message that is wholly here.
    fn take(&mut self) -> Result<Option<Message>> {
        loop {
            let rest = &self.input[self.at..];
            let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
            let line = &rest[..end];
            if let Some(fields) = line.strip_prefix(b"MSG ") {
                let fields: Vec<&[u8]> = fields.split(|byte| *byte == b' ').collect();
                let length =
                    fields.last().and_then(|length| std::str::from_utf8(length).ok()?.parse::<usize>().ok());
                let length = length.context("a MSG without a length")?;
                let start = end + 2;
                if rest.len() < start + length + 2 {
                    return Ok(None);
                }
                let message = Message {
                    subject: fields[0].to_vec(),
                    reply: (fields.len() == 4).then(|| fields[2].to_vec()),
                    payload: Bytes::copy_from_slice(&rest[start..start + length]),
                };
                self.at += start + length + 2;
                return Ok(Some(message));
            }
            if line.starts_with(b"-ERR") {
                bail!("the NATS server says {}", String::from_utf8_lossy(line));
            }
            let is_ping = line == b"PING";
            self.at += end + 2;
            if is_ping {
                self.command("PONG");
                self.flush()?;
            }
        }
    }

    /// Asks JetStream for something, and waits for its answer.
    fn request(&mut self, subject: &str, body: &str) -> Result<()> {
        self.publish(subject.as_bytes(), Some(REPLIES), body.as_bytes());
        self.flush()?;
        loop {
            match self.take()? {
                Some(message) if message.subject == REPLIES.as_bytes() => {
                    let said = String::from_utf8_lossy(&message.payload).into_owned();
                    return if said.contains("\"error\"") {
                        bail!("JetStream refuses: {said}")
                    } else {
                        Ok(())
                    };
                }
                Some(_) => {}
                None => {
                    self.fill(Some(Some(Duration::from_secs(10))))?;
                }
            }
        }
    }
}

/// A client.
pub struct NatsLink {
    connection: Connection,
    messages: Vec<Bytes>,
    size: usize,
    streams: bool,
}

impl NatsLink {
    pub fn new(options: &Client) -> Result<Self> {
        let mut connection = Connection::open(options.push.as_deref().named("--push")?)?;
        connection.command(&format!("SUB {RESULTS} 1"));
        connection.command(&format!("SUB {REPLIES} 2"));
        let storage = options.stream.clone();
        if let Some(storage) = &storage {
            let stream = format!(
                "{{\"name\":\"BENCH\",\"subjects\":[\"{JOBS}\"],\"retention\":\"workqueue\",\"storage\":\"{storage}\",\"num_replicas\":1}}"
            );
            connection.request("$JS.API.STREAM.CREATE.BENCH", &stream)?;
            let consumer = format!(
                "{{\"stream_name\":\"BENCH\",\"config\":{{\"durable_name\":\"W\",\"deliver_subject\":\"{WORK}\",\"deliver_group\":\"w\",\"ack_policy\":\"explicit\",\"max_ack_pending\":{ACK_PENDING}}}}}"
            );
            connection.request("$JS.API.CONSUMER.DURABLE.CREATE.BENCH.W", &consumer)?;
        }
        connection.flush()?;
        Ok(NatsLink { connection, messages: Vec::new(), size: 0, streams: storage.is_some() })
    }
}

impl Link for NatsLink {
    fn prepare(&mut self, slots: usize, size: usize) -> Result<()> {
        self.size = size;
        self.messages = (0..slots).map(|slot| payload(slot, size)).collect();
        Ok(())
    }

    fn send(&mut self, slot: Slot) -> Result<()> {
        let reply = self.streams.then_some(REPLIES);
        self.connection.publish(JOBS.as_bytes(), reply, &self.messages[slot]);
        if self.connection.output.len() > (64 << 10) { self.connection.flush() } else { Ok(()) }
    }

    fn receive(&mut self) -> Result<Option<Slot>> {
        loop {
            match self.connection.take()? {
                Some(message) if message.subject == RESULTS.as_bytes() => {
                    return slot_of(&message.payload, self.size).map(Some);
                }
                Some(message) if message.payload.starts_with(b"{\"error\"") => {
                    bail!("JetStream refuses: {}", String::from_utf8_lossy(&message.payload))
                }
                Some(_) => {}
                None => {
                    self.connection.flush()?;
                    if !self.connection.fill(None)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<()> {
        self.connection.flush()?;
        self.connection.fill(Some(Some(limit)))?;
        Ok(())
    }
}

/// A worker: echoes for ever.
pub fn work(options: &NatsWorker) -> Result<()> {
    let mut connection = Connection::open(&options.server)?;
    let (subject, group) = if options.streams { (WORK, "w") } else { (JOBS, "w") };
    connection.command(&format!("SUB {subject} {group} 1"));
    connection.flush()?;
    say("worker ready")?;
    loop {
        while let Some(message) = connection.take()? {
            connection.publish(RESULTS.as_bytes(), None, &message.payload);
            if let Some(reply) = message.reply.filter(|_| options.streams) {
                connection.publish(&reply, None, b"+ACK");
            }
        }
        connection.flush()?;
        connection.fill(Some(None))?;
    }
}
