//! Functions that go on though nobody wants their results any more. A thread cannot be ended from outside, a process can: after
//! a grace time the host gives back everything else, and ends, to be started again.

use super::Native;
use super::session::Session;
use pylm_protocol::Record;
use pylm_protocol::link::Pulse;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tracing::error;

/// How often is looked for them.
const LOOK: Duration = Duration::from_millis(100);

/// What is known of leases that were begun and are not wanted any more.
#[derive(Debug)]
pub(super) struct Overlong {
    /// How long they may go on.
    grace: Duration,
    /// When each was abandoned, in which session, and its number.
    abandoned: VecDeque<(Instant, u32, u64)>,
    looked: Instant,
    /// One was found.
    pub(super) is_found: bool,
}

impl Overlong {
    pub(super) fn new(grace: Duration) -> Self {
        Overlong { grace, abandoned: VecDeque::new(), looked: Instant::now(), is_found: false }
    }

    /// A lease that was begun is not wanted any more.
    pub(super) fn abandon(&mut self, session: u32, lease: u64, now: Instant) {
        self.abandoned.push_back((now, session, lease));
    }
}

impl Native<'_> {
    /// Whether this process has to end because of a function that goes on for too long.
    pub(super) fn has_overlong(&mut self, pulse: &Pulse, session: &mut Session, now: Instant) -> bool {
        if !self.overlong.is_found && now.duration_since(self.overlong.looked) >= LOOK {
            self.overlong.looked = now;
            self.overlong.is_found = self.find_overlong(now);
            if self.overlong.is_found {
                self.give_all_back(pulse, session, now);
            }
        }
        self.overlong.is_found
    }

    fn find_overlong(&mut self, now: Instant) -> bool {
        let Overlong { grace, abandoned, .. } = &mut self.overlong;
        let live = &self.live;
        let is_over = |since: Instant| now.saturating_duration_since(since) >= *grace;
        let is_begun = |session, lease| live.find(session, lease).is_some_and(|task| task.is_begun());
        abandoned.retain(|&(_, session, lease)| is_begun(session, lease));
        let found = abandoned.front().is_some_and(|&(since, ..)| is_over(since))
            || live.begun().any(|task| task.deadline.is_some_and(is_over));
        if !found || self.life.ends_processes() {
            return found;
        }
        // Once is enough: there it stays.
        *grace = Duration::MAX;
        error!(
            "a function goes on though nobody wants its results; it keeps its slot, since it runs in the node itself"
        );
        false
    }

    /// What has ended is told, and everything else is given back, begun or not: it is to run elsewhere.
    fn give_all_back(&mut self, pulse: &Pulse, session: &mut Session, now: Instant) {
        error!("a function goes on though nobody wants its results: this process ends, and is started again");
        self.fetch(now, true);
        self.collect(pulse, session);
        // What slots end from here on is nobody's.
        self.shared.next_run();
        for task in self.live.leases(session.books.given.session).filter(|task| task.is_begun()) {
            session.ends.push(&Record::Released { lease: task.lease });
            session.ends_count += 1;
        }
    }
}
