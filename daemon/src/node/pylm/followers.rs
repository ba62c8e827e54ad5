//! Followers that listen in pylm's way: who has subscribed to a topic, at one XPUB, is one host that takes all it is sent.

use crate::node::bounds::{HOST_BYTES, SUBSCRIBER_LIMIT};
use crate::node::hosts::Host;
use crate::node::ledger::{LeaseEnd, LeaseKey};
use crate::node::router::Router;
use crate::node::sockets::Bound;
use pylm_protocol::FunctionOffer;
use pylm_transport::{Frame, SendError};
use std::collections::VecDeque;
use std::time::Instant;

/// The subscribers of one topic at one XPUB. PUB tells nothing of what becomes of a message: a lease ends when the socket has
/// taken it.
#[derive(Debug)]
pub struct Subscribers {
    /// The line whose XPUB they listen at.
    pub line: usize,
    topic: Box<[u8]>,
    backlog: VecDeque<(LeaseKey, Frame)>,
}

impl Subscribers {
    /// Takes a message, to be published with the next flush.
    pub fn push(&mut self, lease: LeaseKey, palm: Frame) {
        self.backlog.push_back((lease, palm));
    }

    /// Publishes what the socket takes, and gives the leases that have ended with it.
    fn flush(&mut self, publisher: &Bound, published: &mut Vec<LeaseKey>) {
        while let Some((lease, palm)) = self.backlog.pop_front() {
            let mut frames = vec![Frame::copy_from(&self.topic), palm];
            match publisher.socket.send(&mut frames) {
                Ok(()) => published.push(lease),
                Err(SendError::Full | SendError::NoPeer) => {
                    frames.pop().into_iter().for_each(|palm| self.backlog.push_front((lease, palm)));
                    return;
                }
                Err(SendError::Other(error)) => {
                    tracing::error!(%error, "a message could not be published");
                    published.push(lease);
                }
            }
        }
    }

    /// Whether messages wait for the socket.
    pub fn is_stalled(&self) -> bool {
        !self.backlog.is_empty()
    }
}

impl Router {
    /// Makes those who have subscribed to a topic at a line its followers, if there are any.
    pub(crate) fn follow_by_subscription(&mut self, place: usize, topic: &str, now: Instant) {
        let line = &mut self.lines[place];
        if !line.topics.contains_key(topic.as_bytes()) || line.followers.contains_key(topic.as_bytes()) {
            return;
        }
        let offer = [FunctionOffer::topic(topic)];
        let name = &line.publisher.address;
        let host = self.ledger.add_host(SUBSCRIBER_LIMIT, HOST_BYTES, Some(&offer), name, now);
        line.followers.insert(topic.as_bytes().into(), host);
        let topic = topic.as_bytes().into();
        self.hosts
            .insert(host, Host::Subscribers(Subscribers { line: place, topic, backlog: VecDeque::new() }));
    }

    /// The subscriptions to a topic at a line have changed.
    pub(crate) fn update_followers(&mut self, place: usize, topic: &str, now: Instant) {
        if self.lines[place].topics.contains_key(topic.as_bytes()) {
            if self.ledger.knows_topic(topic) {
                self.follow_by_subscription(place, topic, now);
            }
        } else if let Some(host) = self.lines[place].followers.remove(topic.as_bytes()) {
            self.lose_host(host, false, now);
            self.hosts.remove(host);
        }
    }

    /// Publishes what waits for those who follow in pylm's way.
    pub(crate) fn flush_followers(&mut self) {
        let mut published = Vec::new();
        for place in 0..self.lines.len() {
            if self.lines[place].followers.is_empty() {
                continue;
            }
            let hosts: Vec<_> = self.lines[place].followers.values().copied().collect();
            for host in hosts {
                let Some(Host::Subscribers(subscribers)) = self.hosts.get_mut(host) else { continue };
                let line = &mut self.lines[place];
                subscribers.flush(&line.publisher, &mut published);
                // Sending takes news from the socket's descriptor that nobody will tell of again.
                line.publisher_ready |= line.publisher.socket.events().is_ok_and(|events| events.readable);
                published.drain(..).for_each(|lease| self.take_end(host, lease, LeaseEnd::Done(0)));
            }
        }
    }
}
