//! Reading: which sockets may have more, whose turn it is, and what is not read for now.

use super::bounds::TURN;
use super::doors::{Door, Sockets};
use super::follow::Followed;
use super::hosts::Host;
use super::pylm::clients::Line;
use super::pylm::workers::WorkerPort;
use super::router::Router;
use super::sealed::SealedDoor;
use pylm_transport::{Frames, Socket};
use std::time::Instant;

/// What a poller's key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Db,
    DbMonitor,
    Sealed,
    SealedMonitor,
    Zap,
    WorkerPull,
    WorkerPullMonitor,
    Pull(usize),
    Publisher(usize),
    PullMonitor(usize),
    Monitor(usize),
    Followed(usize),
    FollowedMonitor(usize),
}

impl Router {
    /// A socket has something to tell: that has to be taken from its descriptor, also while it is not to be read.
    pub(super) fn wake(&mut self, key: usize) {
        let Some(&source) = self.sources.get(key) else { return };
        let (flag, events) = match source {
            Source::Db => (&mut self.db_ready, self.db.socket.events()),
            Source::DbMonitor => {
                self.db_monitor_ready = true;
                return;
            }
            Source::Sealed | Source::SealedMonitor | Source::Zap => return self.wake_sealed(source),
            Source::WorkerPull => (&mut self.worker_pull_ready, self.worker_pull.socket.events()),
            Source::WorkerPullMonitor => {
                self.worker_pull_monitor_ready = true;
                return;
            }
            Source::Pull(place) => {
                let line = &mut self.lines[place];
                (&mut line.pull_ready, line.pull.socket.events())
            }
            Source::Publisher(place) => {
                let line = &mut self.lines[place];
                (&mut line.publisher_ready, line.publisher.socket.events())
            }
            Source::PullMonitor(place) => {
                self.lines[place].monitor_ready = true;
                return;
            }
            Source::Followed(place) => {
                let followed = &mut self.followed[place];
                let Some(socket) = followed.socket() else { return };
                let events = socket.events();
                (&mut followed.ready, events)
            }
            Source::FollowedMonitor(place) => {
                self.followed[place].monitor_ready = true;
                return;
            }
            Source::Monitor(place) => {
                self.workers[place].monitor_ready = true;
                return;
            }
        };
        *flag |= events.is_ok_and(|events| events.readable);
    }

    fn wake_sealed(&mut self, source: Source) {
        let Some(sealed) = &mut self.sealed else { return };
        let (flag, events) = match source {
            Source::Sealed => (&mut sealed.ready, sealed.bound.socket.events()),
            Source::Zap => (&mut sealed.zap_ready, sealed.zap.events()),
            _ => {
                sealed.monitor_ready = true;
                return;
            }
        };
        *flag |= events.is_ok_and(|events| events.readable);
    }

    /// Reads what came in at the encrypted door.
    fn read_sealed(&mut self, frames: &mut Frames, now: Instant) {
        self.answer_doors();
        let Some(sealed) = &mut self.sealed else { return };
        if std::mem::take(&mut sealed.monitor_ready) {
            self.read_door_monitors(now);
        }
        if self.sealed.as_ref().is_some_and(|sealed| sealed.ready) {
            let more = self.take_turn(
                frames,
                |router| Sockets::of(&router.db, router.sealed.as_ref()).at(Door::Sealed),
                |router, frames| router.receive(Door::Sealed, frames, now),
            );
            if let Some(sealed) = &mut self.sealed {
                sealed.ready = more;
            }
        }
    }

    /// Whether there is more to do at once: a socket that is to be read may have more, or sending has made room for more.
    pub(super) fn has_more(&self) -> bool {
        self.db_ready
            || self.db_monitor_ready
            || self.sealed.as_ref().is_some_and(SealedDoor::has_more)
            || self.may_dispatch()
            || self.worker_pull_ready
            || self.worker_pull_monitor_ready
            || self.lines.iter().any(|line| {
                line.publisher_ready || line.monitor_ready || (line.pull_ready && self.reads(line))
            })
            || self.workers.iter().any(|worker| worker.monitor_ready)
            || self.followed.iter().enumerate().any(|(place, followed)| {
                followed.monitor_ready || (followed.ready && self.reads_followed(place))
            })
    }

    fn reads(&self, line: &Line) -> bool {
        !self.draining && !line.is_full(self.ledger.travelling())
    }

    /// Whether something waits that no socket will tell of.
    pub(super) fn is_stalled(&self) -> bool {
        self.sessions.is_stalled()
            || !self.calling.is_empty()
            || self.waiting.iter().any(|&job| self.is_there(job))
            || self.workers.iter().any(WorkerPort::is_stalled)
            || self.followed.iter().any(Followed::is_stalled)
            || self
                .hosts
                .values()
                .any(|host| matches!(host, Host::Subscribers(subscribers) if subscribers.is_stalled()))
    }

    /// Reads every socket until it is empty, or has had its turn.
    pub(super) fn read(&mut self, now: Instant) {
        let mut frames = std::mem::take(&mut self.frames);
        for place in 0..self.workers.len() {
            if std::mem::take(&mut self.workers[place].monitor_ready) {
                self.read_monitor(place, now);
            }
        }
        self.read_followed(now);
        if std::mem::take(&mut self.db_monitor_ready) {
            self.read_door_monitors(now);
        }
        if self.sealed.is_some() {
            self.read_sealed(&mut frames, now);
        }
        if self.db_ready {
            self.db_ready = self.take_turn(
                &mut frames,
                |router| Some(&router.db.socket),
                |router, frames| {
                    router.receive(Door::Plain, frames, now);
                },
            );
        }
        // Before the messages that came over them, connections are counted.
        if std::mem::take(&mut self.worker_pull_monitor_ready) || self.worker_pull_ready {
            self.read_worker_pull_monitor(now);
        }
        if self.worker_pull_ready {
            self.worker_pull_ready = self.take_turn(
                &mut frames,
                |router| Some(&router.worker_pull.socket),
                |router, frames| {
                    router.count_answer(frames);
                    router.receive_answer(frames, now);
                },
            );
        }
        for place in 0..self.lines.len() {
            if self.lines[place].publisher_ready {
                let more = self.take_turn(
                    &mut frames,
                    |router| Some(&router.lines[place].publisher.socket),
                    |router, frames| {
                        router.receive_subscription(place, frames, now);
                    },
                );
                self.lines[place].publisher_ready = more;
            }
            // Before the messages that came over them, connections are counted.
            if std::mem::take(&mut self.lines[place].monitor_ready) || self.lines[place].pull_ready {
                self.read_pull_monitor(place, now);
            }
            if self.lines[place].pull_ready && self.reads(&self.lines[place]) {
                self.read_pull(place, &mut frames, now);
            }
        }
        self.frames = frames;
    }

    /// Reads what pylm clients have pushed.
    fn read_pull(&mut self, place: usize, frames: &mut Frames, now: Instant) {
        let more = self.take_turn(
            frames,
            |router| Some(&router.lines[place].pull.socket),
            |router, frames| {
                router.pushed.take(place, frames);
                match place {
                    0 => router.receive_message(place, frames, now),
                    _ if frames.len() == 1 => router.pulled.append(frames),
                    _ => router.garbage("pull", "a message of several frames"),
                }
            },
        );
        self.lines[place].pull_ready = more;
        if place > 0 {
            self.receive_pulled(place, now);
        }
    }

    /// Reads a socket until it is empty or has had its turn; whether it may have more.
    fn take_turn(
        &mut self,
        frames: &mut Frames,
        socket: impl Fn(&Self) -> Option<&Socket>,
        mut each: impl FnMut(&mut Self, &mut Frames),
    ) -> bool {
        for _ in 0..TURN {
            let Some(socket) = socket(self) else { return false };
            match socket.recv(frames) {
                Ok(true) => each(self, frames),
                Ok(false) => return false,
                Err(error) => {
                    tracing::error!(%error, "a socket cannot be read");
                    return false;
                }
            }
        }
        true
    }
}
