//! Following a node of pylm's: a subscription to its publisher, which tells nothing of what was lost.

use super::{Followed, State};
use crate::node::bounds::TURN;
use crate::node::router::Router;
use pylm_protocol::link::largest_frame;
use pylm_transport::{Options, SocketKind};
use std::io;
use std::time::Instant;

impl Router {
    /// Subscribes at the address that a node of pylm's has named.
    pub(super) fn subscribe(&mut self, place: usize, publisher: &str) -> io::Result<()> {
        let followed = &self.followed[place];
        let topic = followed.from.topic.clone();
        let options =
            Options { max_message_size: Some(largest_frame(self.config.max_message)), ..Options::default() };
        let socket = self.context.socket(SocketKind::Sub, &options)?;
        socket.subscribe(topic.as_bytes())?;
        socket.connect(publisher)?;
        if let State::Linked(link) = &followed.state {
            self.unwatch(link.socket.fd());
            self.unwatch(link.monitor.fd());
        }
        self.watch(socket.fd(), crate::node::reading::Source::Followed(place))?;
        tracing::info!(topic, publisher, "follows a node of pylm's, which can lose messages on the way");
        let followed = &mut self.followed[place];
        followed.state = State::Subscribed(socket);
        followed.ready = true;
        Ok(())
    }

    /// Reads a subscription until it is empty or has had its turn; whether it may have more.
    pub(super) fn read_subscription(&mut self, place: usize, now: Instant) -> bool {
        let mut frames = std::mem::take(&mut self.followed_frames);
        let mut more = true;
        for _ in 0..TURN {
            let Followed { from, state: State::Subscribed(socket), .. } = &self.followed[place] else {
                break;
            };
            more = match socket.recv(&mut frames) {
                Ok(more) => more,
                Err(error) => {
                    tracing::error!(%error, "a subscription cannot be read");
                    false
                }
            };
            if !more {
                break;
            }
            let [topic, _] = frames.as_slice() else {
                self.garbage("from", "a published message that is not a topic and one frame");
                continue;
            };
            // Subscriptions match by prefix; topics are whole.
            if **topic == *from.topic.as_bytes() {
                frames.remove(0);
                self.receive_message(0, &mut frames, now);
            }
        }
        self.followed_frames = frames;
        more
    }
}
