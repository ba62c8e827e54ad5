//! Client and worker of a gearmand, in its binary protocol, as cheap as they can be.

use super::directory::Named as _;
use super::flight::Slot;
use super::link::{Link, payload, slot_of};
use super::{Client, say};
use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Packets of gearman's protocol, by their numbers.
mod packet {
    pub const CAN_DO: u32 = 1;
    pub const PRE_SLEEP: u32 = 4;
    pub const NOOP: u32 = 6;
    pub const SUBMIT_JOB: u32 = 7;
    pub const GRAB_JOB: u32 = 9;
    pub const NO_JOB: u32 = 10;
    pub const JOB_ASSIGN: u32 = 11;
    pub const WORK_COMPLETE: u32 = 13;
    pub const WORK_FAIL: u32 = 14;
    pub const ERROR: u32 = 19;
}

const HEADER: usize = 12;

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
        Ok(Connection { stream, input: Vec::new(), at: 0, output: Vec::new() })
    }

    fn say(&mut self, kind: u32, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len() + 1).sum::<usize>().saturating_sub(1);
        self.output.extend_from_slice(b"\0REQ");
        self.output.extend_from_slice(&kind.to_be_bytes());
        self.output.extend_from_slice(&(length as u32).to_be_bytes());
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.output.push(0);
            }
            self.output.extend_from_slice(part);
        }
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
        self.input.drain(..self.at);
        self.at = 0;
        self.stream.set_nonblocking(wait.is_none())?;
        if let Some(wait) = wait {
            self.stream.set_read_timeout(wait)?;
        }
        let before = self.input.len();
        self.input.resize(before + (256 << 10), 0);
        let read = match self.stream.read(&mut self.input[before..]) {
            Ok(0) => bail!("gearmand has closed the connection"),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(error.into()),
        };
        self.input.truncate(before + read);
        Ok(read > 0)
    }

    /// The next packet that is wholly here: its number, and its data.
    fn take(&mut self) -> Result<Option<(u32, &[u8])>> {
        let rest = &self.input[self.at..];
        let Some((head, _)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        ensure!(head.starts_with(b"\0RES"), "gearmand says something else than a packet");
        let number = |at: usize| head[at..].first_chunk().map_or(0, |number| u32::from_be_bytes(*number));
        let (kind, length) = (number(4), number(8) as usize);
        if rest.len() < HEADER + length {
            return Ok(None);
        }
        let start = self.at + HEADER;
        self.at = start + length;
        let data = &self.input[start..start + length];
        ensure!(kind != packet::ERROR, "gearmand refuses: {}", String::from_utf8_lossy(data));
        Ok(Some((kind, data)))
    }
}

/// What stands behind so many zero bytes.
fn behind(data: &[u8], zeros: usize) -> &[u8] {
    data.splitn(zeros + 1, |byte| *byte == 0).nth(zeros).unwrap_or_default()
}

/// A client: foreground jobs, over one connection.
pub struct GearmanLink {
    connection: Connection,
    messages: Vec<Bytes>,
    size: usize,
}

impl GearmanLink {
    pub fn new(options: &Client) -> Result<Self> {
        let connection = Connection::open(options.push.as_deref().named("--push")?)?;
        Ok(GearmanLink { connection, messages: Vec::new(), size: 0 })
    }
}

impl Link for GearmanLink {
    fn prepare(&mut self, slots: usize, size: usize) -> Result<()> {
        self.size = size;
        self.messages = (0..slots).map(|slot| payload(slot, size)).collect();
        Ok(())
    }

    fn send(&mut self, slot: Slot) -> Result<()> {
        self.connection.say(packet::SUBMIT_JOB, &[b"echo", b"", &self.messages[slot]]);
        if self.connection.output.len() > (64 << 10) { self.connection.flush() } else { Ok(()) }
    }

    fn receive(&mut self) -> Result<Option<Slot>> {
        let size = self.size;
        loop {
            match self.connection.take()? {
                Some((packet::WORK_COMPLETE, data)) => return slot_of(behind(data, 1), size).map(Some),
                Some((packet::WORK_FAIL, _)) => bail!("a job failed"),
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

/// A worker: echoes for ever, and asks for the next job together with each result.
pub fn work(server: &str) -> Result<()> {
    let mut connection = Connection::open(server)?;
    connection.say(packet::CAN_DO, &[b"echo"]);
    connection.say(packet::GRAB_JOB, &[]);
    connection.flush()?;
    say("worker ready")?;
    loop {
        enum Next {
            Answer(Vec<u8>, Vec<u8>),
            Sleep,
            Grab,
        }
        let next = match connection.take()? {
            Some((packet::JOB_ASSIGN, data)) => {
                let handle = data.split(|byte| *byte == 0).next().unwrap_or_default();
                Some(Next::Answer(handle.to_vec(), behind(data, 2).to_vec()))
            }
            Some((packet::NO_JOB, _)) => Some(Next::Sleep),
            Some((packet::NOOP, _)) => Some(Next::Grab),
            Some(_) => continue,
            None => None,
        };
        match next {
            Some(Next::Answer(handle, payload)) => {
                connection.say(packet::WORK_COMPLETE, &[&handle, &payload]);
                connection.say(packet::GRAB_JOB, &[]);
            }
            Some(Next::Sleep) => connection.say(packet::PRE_SLEEP, &[]),
            Some(Next::Grab) => connection.say(packet::GRAB_JOB, &[]),
            None => {
                connection.flush()?;
                connection.fill(Some(None))?;
            }
        }
    }
}
