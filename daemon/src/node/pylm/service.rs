//! The cache service in pylm's way: a request is a PalmMessage, the reply one raw frame.
//!
//! Every request is answered, at once: a REQ that gets no reply hangs for ever.

use super::clients::Line;
use super::workers::WorkerPort;
use crate::node::Router;
use crate::node::bounds::PYLM_SUBSCRIPTION;
use crate::node::doors::{Door, Sockets};
use crate::node::permit::Permit;
use crate::node::unread::Unread;
use bytes::Bytes;
use pylm_access::{Date, GrantError};
use pylm_protocol::DISCOVERY_KEY;
use pylm_protocol::palm::PalmMessage;
use pylm_transport::{Frame, Frames};
use std::collections::HashMap;
use std::time::Instant;

/// Replies that pylm peers have not read, by their connections. Who reads has none here for longer than a tick.
#[derive(Debug, Default)]
pub(crate) struct Replies(HashMap<(Door, Bytes), Unread>);

impl Replies {
    fn to(&mut self, door: Door, route: &[u8]) -> &Unread {
        self.0.entry((door, Bytes::copy_from_slice(route))).or_default()
    }

    /// Forgets those who have read all of theirs.
    pub(crate) fn forget_read(&mut self) {
        self.0.retain(|_, unread| unread.answers() > 0);
    }
}

impl Router {
    /// Answers one request of a REQ socket: `[route, "", request]`.
    pub(crate) fn serve(&mut self, door: Door, frames: &mut Frames, now: Instant) {
        if frames.first().is_some_and(|route| self.replies.to(door, route).is_full()) {
            return self.garbage("db", "requests of a peer that reads no replies");
        }
        let reply = match frames.pop() {
            Some(request) if frames.len() == 2 => {
                let permit = self.permit_of(door, &request);
                self.serve_request(permit, &request.into_bytes(), now)
            }
            _ => {
                self.garbage("db", "a request that is not one frame");
                frames.truncate(2);
                Bytes::new()
            }
        };
        let reply = match frames.first() {
            Some(route) => self.replies.to(door, route).frame(reply, 1),
            None => Frame::empty(),
        };
        frames.push(reply);
        let Some(socket) = Sockets::of(&self.db, self.sealed.as_ref()).at(door) else { return };
        if let Err(error) = socket.send(frames) {
            tracing::debug!(%error, "a reply of the cache service could not be sent");
        }
    }

    fn serve_request(&mut self, permit: Result<Permit, GrantError>, request: &Bytes, now: Instant) -> Bytes {
        let message = match PalmMessage::decode(request) {
            Ok(message) => message,
            Err(error) => {
                self.garbage("db", &error.to_string());
                return Bytes::new();
            }
        };
        let instruction = message.function.rsplit_once('.').map_or("", |(_, instruction)| instruction);
        if let Err(why) = permit.and_then(|permit| may(&permit, instruction, &message)) {
            tracing::warn!(client = message.client, %why, "a request to the cache is refused");
            return Bytes::new();
        }
        match instruction {
            "get" => match std::str::from_utf8(message.payload) {
                Ok(key) => self.get(message.client, key, now).unwrap_or_default(),
                Err(_) => Bytes::new(),
            },
            "set" => {
                let value = request.slice(message.payload_range(request));
                match self.set_value(message.cache, value) {
                    Ok(key) => key.into(),
                    Err(error) => {
                        tracing::warn!(client = message.client, %error, "a value was not stored");
                        Bytes::new()
                    }
                }
            }
            "delete" => {
                let key = std::str::from_utf8(message.payload).unwrap_or_default();
                match self.delete_value(key) {
                    Ok(_) => Bytes::copy_from_slice(key.as_bytes()),
                    Err(error) => {
                        tracing::warn!(client = message.client, %error, "a value was not deleted");
                        Bytes::new()
                    }
                }
            }
            _ => {
                self.garbage("db", "an instruction that the cache service does not know");
                Bytes::new()
            }
        }
    }

    /// A value; the addresses that a peer asks for are its own, as far as there are any.
    fn get(&mut self, peer: &str, key: &str, now: Instant) -> Option<Bytes> {
        let address = match key {
            "pull_address" => self.line_of(peer, now).pull.address.clone(),
            "pub_address" => {
                let line = self.line_of(peer, now);
                line.listener = Some(peer.into());
                line.publisher.address.clone()
            }
            "worker_push_address" => self.worker_port_of(peer, now).push.address.clone(),
            _ => return self.value(key, now),
        };
        Some(address.into())
    }

    /// The sockets of a client: those it was given before, free ones, or those that all share.
    fn line_of(&mut self, client: &str, now: Instant) -> &mut Line {
        let used = |line: &Line| !line.topics.is_empty() || line.open > 0;
        let place = choose(client, now, self.lines.iter_mut().map(|line| (used(line), &mut line.owner)));
        &mut self.lines[place]
    }

    /// The socket of a worker: the one it was given before, a free one, or the one that all share.
    fn worker_port_of(&mut self, worker: &str, now: Instant) -> &WorkerPort {
        let place =
            choose(worker, now, self.workers.iter_mut().map(|port| (port.connections > 0, &mut port.owner)));
        &self.workers[place]
    }
}

/// Whether a peer may make a request of the cache. How a node is found is told also to those whose grant is not good any more: they hear
/// why in answer to their Hello.
fn may(permit: &Permit, instruction: &str, message: &PalmMessage<'_>) -> Result<(), GrantError> {
    let key = || std::str::from_utf8(message.payload).unwrap_or_default();
    if instruction == "get" && key() == DISCOVERY_KEY {
        return Ok(());
    }
    permit.check(Date::now())?;
    match instruction {
        "get" => permit.check_read(key()),
        "set" => permit.check_write(message.cache),
        _ => permit.check_write(key()),
    }
}

/// Who was given a socket, and when.
type Owner = Option<(Box<str>, Instant)>;

/// Which of these `peer` gets: each is in use or not, and may have an owner. The first one is shared.
fn choose<'a>(peer: &str, now: Instant, places: impl Iterator<Item = (bool, &'a mut Owner)>) -> usize {
    if peer.is_empty() {
        return 0;
    }
    let mut free: Option<(usize, Option<Instant>, &mut Owner)> = None;
    for (place, (used, owner)) in places.enumerate().skip(1) {
        let since = owner.as_ref().map(|(_, since)| *since);
        if let Some((name, since)) = owner
            && **name == *peer
        {
            *since = now;
            return place;
        }
        // One that was given to somebody who may yet come, or who is there, is not free.
        if used || since.is_some_and(|since| now.duration_since(since) < PYLM_SUBSCRIPTION) {
            continue;
        }
        if free.as_ref().is_none_or(|(_, oldest, _)| since < *oldest) {
            free = Some((place, since, owner));
        }
    }
    let Some((place, _, owner)) = free else { return 0 };
    *owner = Some((peer.into(), now));
    place
}
