//! Asking the cache service for addresses, as pylm's peers do.

use anyhow::{Context as _, Result, ensure};
use pylm_protocol::palm::PalmMessage;
use pylm_transport::{Context, Frame, Frames, Options, SocketKind};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// What the cache service at `db` has under `key`, for the peer with this id.
pub fn ask(context: &Context, db: &str, peer: &str, key: &str) -> Result<String> {
    let socket = context.socket(SocketKind::Req, &Options::default())?;
    socket.connect(db)?;
    let request =
        PalmMessage { client: peer, function: "_.get", payload: key.as_bytes(), ..PalmMessage::default() };
    let mut frames: Frames = vec![Frame::copy_from(&request.encode())];
    socket.wait_writable(Some(PATIENCE))?;
    socket.send(&mut frames)?;
    ensure!(socket.wait_readable(Some(PATIENCE))?, "{db} does not answer");
    socket.recv(&mut frames)?;
    let answer = frames.first().map(|frame| String::from_utf8(frame.to_vec())).transpose()?;
    let answer = answer.filter(|answer| !answer.is_empty());
    answer.with_context(|| format!("{db} has no {key}"))
}

/// An argument that a part needs and may not have.
pub trait Named<T> {
    fn named(self, name: &str) -> Result<T>;
}

impl<T> Named<T> for Option<T> {
    fn named(self, name: &str) -> Result<T> {
        self.with_context(|| format!("give {name}"))
    }
}
