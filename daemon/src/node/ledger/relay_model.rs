//! Results that go on, against a simple model: over any order of events, each follower's results are passed on once, in
//! whatever order each of its leases gives them, and every message ends once.

use super::*;
use crate::node::message::{Header, Identity, Message};
use bytes::Bytes;
use proptest::prelude::*;
use pylm_protocol::{FunctionOffer, Place};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const TOPIC: FunctionOffer<'static> = FunctionOffer::topic("first");
const FOLLOWERS: [&str; 2] = ["one", "other"];
/// Results of each lease.
const RESULTS: u64 = 3;

#[derive(Debug, Clone)]
enum Event {
    Submit { held: bool },
    Dispatch,
    Result { lease: usize, result: usize },
    Finish { lease: usize },
    Lose { follower: usize, may_return: bool },
    Come { follower: usize },
}

fn event() -> impl Strategy<Value = Event> {
    let which = 0usize..64;
    prop_oneof![
        3 => any::<bool>().prop_map(|held| Event::Submit { held }),
        5 => Just(Event::Dispatch),
        8 => (which.clone(), which.clone()).prop_map(|(lease, result)| Event::Result { lease, result }),
        4 => which.clone().prop_map(|lease| Event::Finish { lease }),
        1 => (which.clone(), any::<bool>()).prop_map(|(follower, may_return)| Event::Lose { follower, may_return }),
        2 => which.prop_map(|follower| Event::Come { follower }),
    ]
}

/// A lease that is out, and the results that it has yet to give.
#[derive(Debug)]
struct Out {
    host: HostKey,
    lease: LeaseKey,
    left: Vec<u64>,
}

struct World {
    ledger: Ledger,
    now: Instant,
    job: JobKey,
    next: u64,
    hosts: [Option<HostKey>; 2],
    out: Vec<Out>,
    /// How often each result of each message was passed on.
    passed: BTreeMap<(MessageKey, Place), u32>,
    ended: u64,
}

impl World {
    fn new() -> Self {
        // A follower that dies is to be no suspect here: what suspects are is another model's to check.
        let mut ledger = Ledger::new(Rules { max_attempts: u32::MAX, gathers: false });
        let job = ledger.open_job(Terms::default());
        let now = Instant::now();
        let (hosts, out, passed) = ([None; 2], Vec::new(), BTreeMap::new());
        World { ledger, now, job, next: 0, hosts, out, passed, ended: 0 }
    }

    fn come(&mut self, follower: usize) {
        let place = follower % FOLLOWERS.len();
        if self.hosts[place].is_none() {
            let host = self.ledger.add_host(8, 1 << 20, Some(&[TOPIC]), FOLLOWERS[place], self.now);
            self.hosts[place] = Some(host);
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Submit { held } => self.submit(held),
            Event::Dispatch => {
                let out = &mut self.out;
                let is_known = self.ledger.may_dispatch();
                self.ledger.dispatch(|assignment| {
                    assert!(is_known, "the ledger does not know that something may go to a host");
                    let (host, lease) = (assignment.host, assignment.lease);
                    out.push(Out { host, lease, left: (0..RESULTS).collect() });
                });
            }
            Event::Result { lease, result } => {
                if !self.out.is_empty() {
                    let lease = lease % self.out.len();
                    self.result(lease, result);
                }
            }
            Event::Finish { lease } => {
                if !self.out.is_empty() {
                    let lease = lease % self.out.len();
                    while !self.out[lease].left.is_empty() {
                        self.result(lease, 0);
                    }
                    self.finish(lease);
                }
            }
            Event::Lose { follower, may_return } => {
                if let Some(host) = self.hosts[follower % FOLLOWERS.len()].take() {
                    assert!(self.ledger.lose_host(host, may_return, self.now).is_empty());
                    self.out.retain(|out| out.host != host);
                }
            }
            Event::Come { follower } => self.come(follower),
        }
    }

    /// A message whose only result goes on.
    fn submit(&mut self, held: bool) {
        let key = self.ledger.accept(self.job, self.next, 1, None, None).unwrap();
        let identity = Identity { number: self.next, part: 0 };
        self.next += 1;
        let body =
            Message { header: Arc::new(Header::default()), cache: None, payload: Bytes::from_static(b"x") };
        let relay = Relay { place: Place::default(), held, to_client: false };
        self.ledger.relay(key, identity, "first", &relay, &body, self.now);
        assert_eq!(self.ledger.scattered(key), Settled::Open);
    }

    fn result(&mut self, lease: usize, result: usize) {
        let out = &mut self.out[lease];
        if out.left.is_empty() {
            return;
        }
        let step = out.left.swap_remove(result % out.left.len());
        let place = Place::new(&[step, 1]);
        let passed = self.ledger.result(out.host, out.lease, LeaseResult { place, ..LeaseResult::default() });
        passed.into_iter().for_each(|passed| self.pass(passed));
    }

    fn pass(&mut self, passed: Passed) {
        let place = passed.relayed.expect("it comes from a follower");
        let times = self.passed.entry((passed.message, place)).or_default();
        *times += 1;
        assert_eq!(*times, 1, "a result was passed on twice");
    }

    fn finish(&mut self, lease: usize) {
        let out = self.out.swap_remove(lease);
        match self.ledger.end_lease(out.host, out.lease, LeaseEnd::Done(RESULTS), &mut Vec::new()) {
            Ended::Done { held, message } => {
                held.into_iter().for_each(|passed| self.pass(passed));
                if let Settled::Done(message) = self.ledger.settle(message) {
                    self.ledger.end(message, Outcome::Done).expect("a message has ended twice");
                    self.ended += 1;
                }
            }
            other => panic!("a lease that is out ended so: {other:?}"),
        }
    }

    /// The followers come and answer everything.
    fn settle(&mut self) {
        (0..FOLLOWERS.len()).for_each(|follower| self.come(follower));
        for _ in 0..10_000 {
            self.step(Event::Dispatch);
            if self.out.is_empty() {
                break;
            }
            self.step(Event::Finish { lease: 0 });
        }
        assert_eq!(self.ended, self.next, "not everything has ended");
        assert_eq!(self.ledger.entries.count(), (0, 0), "parts are left over");
        // A message went to the followers that there were when its result was made, or to the first that came.
        let of = |message: MessageKey| self.passed.keys().filter(|(of, _)| *of == message).count() as u64;
        for message in self.passed.keys().map(|(message, _)| *message) {
            assert!([RESULTS, 2 * RESULTS].contains(&of(message)), "{message:?} has {} results", of(message));
        }
    }
}

proptest! {
    #[test]
    fn each_result_of_each_follower_is_passed_on_once(events in proptest::collection::vec(event(), 1..200)) {
        let mut world = World::new();
        events.into_iter().for_each(|event| world.step(event));
        world.settle();
    }
}

#[test]
fn who_was_not_there_for_too_long_is_forgotten_and_what_waited_for_it_is_given_back() {
    let mut world = World::new();
    let wait = Duration::from_secs(5);
    world.submit(false);
    assert!(world.ledger.expire_unoffered(wait, world.now).is_empty());
    let unoffered = world.ledger.expire_unoffered(wait, world.now + wait);
    assert_eq!(unoffered.len(), 1);
    assert!(unoffered[0].part.relay().is_some() && unoffered[0].name == "first");
    assert!(!world.ledger.knows_topic("first"));
    world.come(0);
    world.step(Event::Lose { follower: 0, may_return: false });
    assert!(world.ledger.knows_topic("first"), "it may come back");
    world.ledger.expire_unoffered(wait, world.now + wait);
    assert!(!world.ledger.knows_topic("first"));
    assert_eq!(world.ledger.functions.iter().count(), 0);
}
