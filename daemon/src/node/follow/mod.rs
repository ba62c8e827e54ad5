//! Following: messages that come from earlier nodes (`--from`).
//!
//! To a native node this one is a worker host, whose only function is the topic that it follows: it takes leases, and ends them
//! when its own messages have ended. To a node of pylm's it is a subscriber.

mod link;
mod records;
pub(crate) mod stream;
mod subscription;

use super::config::From;
use super::egress::Client;
use super::ledger::JobKey;
use super::reading::Source;
use super::router::Router;
use crate::supervisor::random_fraction;
use link::{Link, Stage};
use pylm_protocol::link::Backoff;
use pylm_protocol::{DISCOVERY_KEY, Record};
use pylm_transport::{Monitor, Socket};
use std::io;
use std::time::Instant;
use uuid::Uuid;

/// An earlier node.
#[derive(Debug)]
pub struct Followed {
    /// The topic, and the address of its cache service.
    pub from: From,
    /// Names this node to it, whatever connection it comes over.
    peer: Uuid,
    /// How many connections were made.
    connections: u64,
    state: State,
    backoff: Backoff,
    /// More may wait in its socket.
    pub ready: bool,
    /// More may wait in its monitor.
    pub monitor_ready: bool,
}

/// How far it is.
#[derive(Debug)]
enum State {
    /// There is no connection, and none is made before that time.
    Away(Instant),
    /// There is a connection, or it is being made.
    Linked(Box<Link>),
    /// It is a node of pylm's, and this its publisher.
    Subscribed(Socket),
}

impl Followed {
    /// A node that is to be found.
    pub fn new(from: From, now: Instant) -> Self {
        Followed {
            from,
            peer: Uuid::new_v4(),
            connections: 0,
            state: State::Away(now),
            backoff: Backoff::default(),
            ready: false,
            monitor_ready: false,
        }
    }

    /// The connection, native or still to be found out.
    pub fn link(&mut self) -> Option<&mut Link> {
        match &mut self.state {
            State::Linked(link) => Some(link),
            _ => None,
        }
    }

    /// The socket that is read.
    pub fn socket(&self) -> Option<&Socket> {
        match &self.state {
            State::Away(_) => None,
            State::Linked(link) => Some(&link.socket),
            State::Subscribed(socket) => Some(socket),
        }
    }

    /// Whether nothing is known of it yet: neither has it said that it knows this node, nor that it is one of pylm's.
    fn is_away(&self) -> bool {
        match &self.state {
            State::Away(_) => true,
            State::Linked(link) => link.stage != Stage::Welcomed,
            State::Subscribed(_) => false,
        }
    }

    /// Whether something waits that its socket does not take.
    pub fn is_stalled(&self) -> bool {
        matches!(&self.state, State::Linked(link) if link.is_stalled())
    }
}

impl Router {
    /// The earlier nodes that have not answered.
    pub(super) fn away(&self) -> Vec<String> {
        let away = self.followed.iter().filter(|followed| followed.is_away());
        away.map(|followed| format!("{}={}", followed.from.topic, followed.from.address)).collect()
    }

    /// Looks after the connections to earlier nodes.
    pub(super) fn tick_followed(&mut self, now: Instant) {
        for place in 0..self.followed.len() {
            match &mut self.followed[place].state {
                State::Away(until) if *until <= now && !self.draining => {
                    if let Err(error) = self.seek(place, now) {
                        let followed = &mut self.followed[place];
                        let from = &followed.from.address;
                        tracing::error!(%from, %error, "the connection to an earlier node cannot be made");
                        followed.state = State::Away(now + followed.backoff.next_delay(random_fraction()));
                    }
                }
                State::Linked(link) => {
                    if link.is_silent(now) {
                        self.lose_followed(place, "nothing was heard from it for too long", now);
                        continue;
                    }
                    if link.is_due(now) {
                        let heartbeat = link.pulse.heartbeat(false);
                        link.say(&heartbeat);
                    }
                    let over = link.forgotten(&self.ledger, &self.clients);
                    over.into_iter().for_each(|job| self.close(job));
                }
                State::Away(_) | State::Subscribed(_) => {}
            }
        }
    }

    /// Begins to find out what serves at the address of an earlier node.
    fn seek(&mut self, place: usize, now: Instant) -> io::Result<()> {
        let followed = &self.followed[place];
        // The same after a restart, and another than that of a second node of the same name: all that follow a topic get all
        // of it. A port that the system chose is known only by now.
        let machine = rustix::system::uname();
        let machine = machine.nodename().to_string_lossy();
        let name = format!("{} {} {machine}", self.config.name, self.db.address);
        let who = (followed.peer, followed.connections);
        let link = Link::open(&self.context, &self.config, &followed.from, who, name, now)?;
        self.watch_followed(&link.socket, &link.monitor, place)?;
        let followed = &mut self.followed[place];
        followed.connections += 1;
        link.ask(DISCOVERY_KEY, followed.peer);
        followed.state = State::Linked(Box::new(link));
        (followed.ready, followed.monitor_ready) = (true, true);
        Ok(())
    }

    fn watch_followed(&mut self, socket: &Socket, monitor: &Monitor, place: usize) -> io::Result<()> {
        self.watch(socket.fd(), Source::Followed(place))?;
        self.watch(monitor.fd(), Source::FollowedMonitor(place))
    }

    /// Ends the connection to an earlier node, which has given to others what this one had of it by now.
    pub(super) fn lose_followed(&mut self, place: usize, why: &str, now: Instant) {
        let followed = &mut self.followed[place];
        let until = now + followed.backoff.next_delay(random_fraction());
        if let State::Linked(link) = std::mem::replace(&mut followed.state, State::Away(until)) {
            let from = &followed.from.address;
            tracing::warn!(
                %from,
                topic = followed.from.topic,
                why,
                "the connection to an earlier node is lost"
            );
            self.unwatch(link.socket.fd());
            self.unwatch(link.monitor.fd());
            for job in link.jobs() {
                self.close(job);
            }
        }
    }

    /// Hears whether the connections to an earlier node stand.
    fn read_followed_monitor(&mut self, place: usize, now: Instant) {
        if self.followed[place].link().is_some_and(|link| link.listen(now)) {
            self.lose_followed(place, "it has closed it, or is gone", now);
        }
    }

    /// Reads what earlier nodes send.
    pub(super) fn read_followed(&mut self, now: Instant) {
        for place in 0..self.followed.len() {
            if std::mem::take(&mut self.followed[place].monitor_ready) {
                self.read_followed_monitor(place, now);
            }
            if !self.followed[place].ready || !self.reads_followed(place) {
                continue;
            }
            self.followed[place].ready = match self.followed[place].state {
                State::Away(_) => false,
                State::Linked(_) => self.read_link(place, now),
                State::Subscribed(_) => self.read_subscription(place, now),
            };
        }
    }

    /// Whether an earlier node is to be read: one of pylm's only while there is room for its messages.
    pub(super) fn reads_followed(&self, place: usize) -> bool {
        match self.followed[place].state {
            State::Subscribed(_) => !self.draining && !self.lines[0].is_full(self.ledger.travelling()),
            _ => true,
        }
    }

    /// Sends earlier nodes what has become of their leases.
    pub(super) fn flush_followed(&mut self, now: Instant) {
        for place in 0..self.followed.len() {
            let Some(link) = self.followed[place].link() else { continue };
            if let Err(error) = link.flush(now) {
                self.lose_followed(place, &error.to_string(), now);
                continue;
            }
            // Sending takes news from the socket's descriptor that nobody will tell of again.
            self.followed[place].ready |= link_is_readable(&self.followed[place]);
        }
    }

    /// Takes no more leases.
    pub(super) fn leave_followed(&mut self) {
        for followed in &mut self.followed {
            if let Some(link) = followed.link()
                && link.stage == Stage::Welcomed
            {
                link.say(&Record::Goodbye {});
            }
        }
    }

    /// Writes what a job of an earlier node's owes it into the batch for that; whether so much waits that the job is to be held
    /// back.
    pub(super) fn fill_followed(&mut self, job: JobKey) -> bool {
        let Some(Client::Followed(stream)) = self.clients.get_mut(job) else { return false };
        if let Some(link) = self.followed[stream.place].link() {
            // What the socket does not take stays here, where it is bounded.
            if !link.is_stalled() {
                link.fill(stream);
            } else if !stream.is_flushed() && !std::mem::replace(&mut stream.dirty, true) {
                self.waiting.push(job);
            }
        }
        stream.is_backed_up()
    }
}

fn link_is_readable(followed: &Followed) -> bool {
    followed.socket().and_then(|socket| socket.events().ok()).is_some_and(|events| events.readable)
}
