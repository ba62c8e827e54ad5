//! Route: gives each result its topic, and sends it that way: to the client it belongs to, or on to the nodes that follow.

use super::bounds::HOPS;
use super::egress::Client;
use super::hook::Desk;
use super::ledger::{MessageKey, Relay};
use super::message::{Header, Identity, Message};
use super::router::Router;
use pylm_plugin_host::{CallError, PluginSet};
use pylm_protocol::Place;
use pylm_protocol::codes::LOOP;
use std::sync::Arc;
use std::time::Instant;

/// Where a result is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// No hook said: to the next node where this one is pipelined, else to the client.
    Unsaid,
    /// To the client it belongs to.
    Client,
    /// To whoever follows this.
    Named(String),
}

/// A result on its way out.
#[derive(Debug)]
pub struct Routed {
    /// Where it is to go.
    pub topic: Topic,
    /// A hook has set the stage for the next node; otherwise it is counted here.
    pub staged: bool,
    /// The result.
    pub message: Message,
}

impl Routed {
    /// A result that no hook has seen.
    pub fn unsaid(message: Message) -> Self {
        Routed { topic: Topic::Unsaid, staged: false, message }
    }
}

/// What the route hooks make of a result.
pub fn route(
    plugins: &PluginSet,
    desk: &mut Desk,
    message: &Message,
    identity: Identity,
    mut each: impl FnMut(Routed),
) -> Result<(), CallError> {
    let key = desk.key(message, identity);
    let shown = desk.show(message, &key);
    for routed in plugins.route(&shown) {
        let (topic, routed) = routed?;
        let own = *topic == *message.header.client.as_str();
        let topic = if own { Topic::Client } else { Topic::Named(topic.to_string()) };
        let staged = routed.stage() != message.header.stage;
        each(Routed { topic, staged, message: desk.take(routed, message, &key) });
    }
    desk.take_back(shown, &message.header);
    desk.take_key_back(key);
    Ok(())
}

/// Headers that were made for the next node, beside those they were made of: hosts know headers by their address, so that the
/// same is to be used for many messages.
#[derive(Debug, Default)]
pub struct NextHeaders(Vec<(Arc<Header>, Arc<Header>)>);

impl NextHeaders {
    const KEPT: usize = 16;

    /// The header of a result for the next node.
    fn of(&mut self, header: &Arc<Header>, staged: bool, elsewhere: bool) -> Arc<Header> {
        let stage = header.stage + i64::from(!staged);
        let fits = |next: &Header| next.elsewhere == elsewhere && next.stage == stage;
        let known = self.0.iter().find(|(of, next)| Arc::ptr_eq(of, header) && fits(next));
        if let Some((_, next)) = known {
            return Arc::clone(next);
        }
        let next = Header { stage, elsewhere, hops: header.hops + 1, ..Header::clone(header) };
        // A hook's header is made anew for each message.
        if let Some((_, known)) = self.0.iter().find(|(_, known)| **known == next) {
            return Arc::clone(known);
        }
        if self.0.len() >= Self::KEPT {
            self.0.remove(0);
        }
        let next = Arc::new(next);
        self.0.push((Arc::clone(header), Arc::clone(&next)));
        next
    }
}

impl Router {
    /// Sends a result where it is to go.
    pub(crate) fn forward(
        &mut self,
        key: MessageKey,
        identity: Identity,
        place: Place,
        held: bool,
        routed: Routed,
    ) {
        let Routed { topic, staged, message } = routed;
        let topic = match topic {
            Topic::Named(topic) => topic,
            Topic::Unsaid if self.config.pipelined => self.config.name.clone(),
            Topic::Unsaid | Topic::Client if message.header.elsewhere => {
                let relay = Relay { place, held, to_client: true };
                let topic = message.header.client.as_str().to_owned();
                return self.relay(key, identity, &topic, &relay, &message);
            }
            Topic::Unsaid | Topic::Client => return self.emit(key, identity, place, held, message),
        };
        if message.header.hops >= HOPS {
            let text =
                format!("it has passed {HOPS} nodes; is there a loop of nodes that follow each other?");
            return self.fail(key, LOOP, &text);
        }
        let elsewhere = message.header.elsewhere || self.listens_elsewhere(key);
        let header = self.next_headers.of(&message.header, staged, elsewhere);
        let message = Message { header, ..message };
        self.relay(key, identity, &topic, &Relay { place, held, to_client: false }, &message);
    }

    /// Hands a result to everybody who follows a topic.
    fn relay(&mut self, key: MessageKey, identity: Identity, topic: &str, relay: &Relay, message: &Message) {
        let now = Instant::now();
        if !self.ledger.knows_topic(topic) {
            for line in 0..self.lines.len() {
                self.follow_by_subscription(line, topic, now);
            }
        }
        self.ledger.relay(key, identity, topic, relay, message, now);
    }

    /// Whether a message is of a pylm client that does not listen at this node: its results leave where it does.
    fn listens_elsewhere(&self, key: MessageKey) -> bool {
        let Some(open) = self.ledger.message(key) else { return false };
        match self.clients.get(open.job) {
            Some(Client::Pylm(stream)) => {
                let asked = self.lines[stream.line].listener.as_deref() == Some(&*stream.client);
                !asked && self.publisher_of(stream).is_none()
            }
            _ => false,
        }
    }
}
