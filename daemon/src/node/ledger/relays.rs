//! Results that go on to other nodes: a part of its own for each follower of their topic, until the follower has ended it.

use super::{FunctionKey, Ledger, MessageKey};
use crate::node::message::{Identity, Message};
use pylm_protocol::Place;
use std::collections::HashMap;
use std::time::Instant;

/// What a part is that is not for a function, but for a node that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// The place of the result that goes on.
    pub place: Place,
    /// That result counts only together with the end of its message, and so does what becomes of it.
    pub held: bool,
    /// Its topic is its client: when nobody listens there, it goes back to where it came from.
    pub to_client: bool,
}

/// Steps of a place before those that tell of the follower: part, result, what gather made, and what route made of that.
const OWN_STEPS: usize = 4;

impl Relay {
    /// The place of a follower's result among all results of the message.
    pub(super) fn place(&self, follower: u32, nested: &Place) -> Place {
        let mut steps = self.place.0.clone();
        steps.resize(OWN_STEPS, 0);
        steps.push(u64::from(follower));
        steps.extend(&nested.0);
        Place(steps)
    }
}

/// Who follows which topic.
#[derive(Debug, Default)]
pub(super) struct Topics(HashMap<Box<str>, Vec<Follower>>);

#[derive(Debug)]
struct Follower {
    /// The same in each run of it; none while what waits for the topic waits for anybody.
    name: Option<Box<str>>,
    key: FunctionKey,
}

/// A number for a follower's name that is the same in every run of every node (FNV-1a), and never 0.
fn number(name: &str) -> u32 {
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash | 1
}

impl Ledger {
    /// Whether anybody follows a topic, or something waits for it.
    pub fn knows_topic(&self, topic: &str) -> bool {
        self.topics.0.contains_key(topic)
    }

    /// The key under which a follower gets what is published under a topic.
    pub(super) fn follow(&mut self, topic: &str, follower: &str, now: Instant) -> FunctionKey {
        let followers = self.topics.0.entry(topic.into()).or_default();
        if let Some(known) = followers.iter().find(|known| known.name.as_deref() == Some(follower)) {
            return known.key;
        }
        let key = match followers.iter_mut().find(|known| known.name.is_none()) {
            Some(nobody) => {
                nobody.name = Some(follower.into());
                nobody.key
            }
            None => {
                let key = self.functions.add_follower(topic, now);
                followers.push(Follower { name: Some(follower.into()), key });
                key
            }
        };
        self.functions.set_follower(key, number(follower));
        key
    }

    /// Hands a result to everybody who follows a topic; as long as nobody does, it waits for the first.
    pub fn relay(
        &mut self,
        message: MessageKey,
        identity: Identity,
        topic: &str,
        relay: &Relay,
        body: &Message,
        now: Instant,
    ) {
        let Some(key) = self.entries.message(message).map(|open| open.job) else { return };
        let Some(job) = self.jobs.get_mut(key) else { return };
        if !self.topics.0.contains_key(topic) {
            let nobody = Follower { name: None, key: self.functions.add_follower(topic, now) };
            self.topics.0.insert(topic.into(), vec![nobody]);
        }
        for follower in self.topics.0.get(topic).into_iter().flatten() {
            let part = self.entries.add_relay(message, identity, follower.key, body.clone(), relay.clone());
            let Some(part) = part else { return };
            job.open_parts += 1;
            job.open_bytes += body.payload.len();
            job.relays += 1;
            job.relay_bytes += body.payload.len();
            job.enrol(part.0, &self.entries);
            let lane = self.functions.lane(key, follower.key, job.terms.priority, &mut job.lanes);
            self.functions.push_back(lane, part);
        }
    }

    /// Forgets a follower that was not there for too long.
    pub(super) fn forget_follower(&mut self, key: FunctionKey, topic: &str) {
        if let Some(followers) = self.topics.0.get_mut(topic) {
            followers.retain(|follower| follower.key != key);
            if followers.is_empty() {
                self.topics.0.remove(topic);
            }
        }
        self.functions.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_followers_are_apart_from_each_other_and_from_those_of_the_node() {
        let relay = |steps: &[u64]| Relay { place: Place::new(steps), held: false, to_client: false };
        let (one, other) = (number("a tcp://127.0.0.1:1"), number("a tcp://127.0.0.1:2"));
        assert_ne!(one, other);
        let places = [
            relay(&[1]).place(one, &Place::new(&[2])),
            relay(&[1, 2]).place(one, &Place::default()),
            relay(&[1]).place(other, &Place::new(&[2])),
            relay(&[]).place(one, &Place::default()),
            Place::new(&[1, 2, 0, 5]),
        ];
        for (index, place) in places.iter().enumerate() {
            assert!(!places[..index].contains(place), "{place:?}");
        }
    }
}
