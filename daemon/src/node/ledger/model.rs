//! The ledger against a simple model: over any order of events, every message ends once, each result is passed on once, and
//! every sum comes out.

use super::*;
use crate::node::bounds::SUSPECT_PAUSE;
use crate::node::message::{Header, Message};
use bytes::Bytes;
use proptest::prelude::*;
use pylm_protocol::{FunctionOffer, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const OFFER: FunctionOffer<'static> = FunctionOffer::function("f");

/// What may happen; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Event {
    Submit {
        job: usize,
        parts: u64,
    },
    Dispatch,
    Result {
        lease: usize,
    },
    Finish {
        lease: usize,
    },
    Fail {
        lease: usize,
        permanent: bool,
    },
    /// Time passes, and parts that were to be run again are.
    Wait,
    Withdraw,
    Release {
        lease: usize,
    },
    Lose {
        host: usize,
        may_return: bool,
    },
    AddHost {
        limit: u64,
    },
    Return {
        host: usize,
    },
    /// A host takes more than before.
    Raise {
        host: usize,
    },
    Hold {
        job: usize,
        held: bool,
    },
    Cancel {
        job: usize,
    },
    /// The time of a message is over.
    Expire {
        message: usize,
    },
    Late {
        lease: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let which = 0usize..64;
    prop_oneof![
        4 => (which.clone(), 1u64..4).prop_map(|(job, parts)| Event::Submit { job, parts }),
        6 => Just(Event::Dispatch),
        6 => which.clone().prop_map(|lease| Event::Result { lease }),
        6 => which.clone().prop_map(|lease| Event::Finish { lease }),
        2 => (which.clone(), any::<bool>()).prop_map(|(lease, permanent)| Event::Fail { lease, permanent }),
        1 => Just(Event::Wait),
        1 => Just(Event::Withdraw),
        1 => which.clone().prop_map(|lease| Event::Release { lease }),
        1 => (which.clone(), any::<bool>()).prop_map(|(host, may_return)| Event::Lose { host, may_return }),
        2 => (1u64..5).prop_map(|limit| Event::AddHost { limit }),
        1 => which.clone().prop_map(|host| Event::Return { host }),
        1 => which.clone().prop_map(|host| Event::Raise { host }),
        1 => (which.clone(), any::<bool>()).prop_map(|(job, held)| Event::Hold { job, held }),
        1 => which.clone().prop_map(|job| Event::Cancel { job }),
        1 => which.clone().prop_map(|message| Event::Expire { message }),
        2 => which.prop_map(|lease| Event::Late { lease }),
    ]
}

/// What is known of one lease outside of the ledger.
#[derive(Debug, Clone)]
struct Out {
    host: HostKey,
    key: LeaseKey,
    message: (JobKey, u64),
    part: u64,
    results: u64,
}

struct World {
    ledger: Ledger,
    now: Instant,
    jobs: Vec<JobKey>,
    next: BTreeMap<JobKey, u64>,
    hosts: Vec<HostKey>,
    lost: Vec<HostKey>,
    out: Vec<Out>,
    /// Leases of hosts that were lost, which may still answer.
    late: Vec<Out>,
    accepted: BTreeSet<(JobKey, u64)>,
    ended: BTreeSet<(JobKey, u64)>,
    passed: BTreeSet<((JobKey, u64), u64, u64)>,
    /// How often each part has failed.
    errors: BTreeMap<((JobKey, u64), u64), u32>,
    asked_back: BTreeSet<LeaseKey>,
}

/// How often the second job's messages are run again; those of the others are not.
const RETRIES: u32 = 2;
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl World {
    fn new() -> Self {
        let mut ledger = Ledger::new(Rules { max_attempts: 2, gathers: false });
        let terms =
            [Terms::default(), Terms { retries: RETRIES, priority: 0 }, Terms { retries: 0, priority: 2 }];
        let jobs = terms.map(|terms| ledger.open_job(terms)).into();
        World {
            ledger,
            now: Instant::now(),
            jobs,
            next: BTreeMap::new(),
            hosts: Vec::new(),
            lost: Vec::new(),
            out: Vec::new(),
            late: Vec::new(),
            accepted: BTreeSet::new(),
            ended: BTreeSet::new(),
            passed: BTreeSet::new(),
            errors: BTreeMap::new(),
            asked_back: BTreeSet::new(),
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Submit { job, parts } => self.submit(job, parts),
            Event::Dispatch => self.dispatch(),
            Event::Result { lease } => {
                if let Some(place) = pick(&self.out, lease) {
                    let mut out = self.out[place].clone();
                    self.result(&mut out);
                    self.out[place] = out;
                }
            }
            Event::Finish { lease } => {
                if let Some(place) = pick(&self.out, lease) {
                    let out = self.out.swap_remove(place);
                    self.finish(out);
                }
            }
            Event::Late { lease } => {
                if let Some(place) = pick(&self.late, lease) {
                    let mut out = self.late.swap_remove(place);
                    self.result(&mut out);
                    self.finish(out);
                }
            }
            Event::Fail { lease, permanent } => {
                if let Some(place) = pick(&self.out, lease) {
                    let out = self.out.swap_remove(place);
                    self.fail(out, permanent);
                }
            }
            Event::Wait => {
                self.now += RETRY_DELAY;
                self.ledger.resume(self.now);
            }
            Event::Withdraw => {
                for (host, key) in self.ledger.withdraw(self.ledger.moves()) {
                    assert!(self.asked_back.insert(key), "a lease is asked for twice");
                    assert!(self.out.iter().any(|out| out.host == host && out.key == key));
                }
            }
            Event::Release { lease } => {
                if let Some(place) = pick(&self.out, lease) {
                    let out = self.out.swap_remove(place);
                    let ended = self.ledger.end_lease(out.host, out.key, LeaseEnd::Released, &mut Vec::new());
                    assert!(matches!(ended, Ended::Nothing));
                }
            }
            Event::Lose { host, may_return } => self.lose(host, may_return),
            Event::AddHost { limit } => {
                self.hosts.push(self.ledger.add_host(limit, 1 << 20, Some(&[OFFER]), "host", self.now));
            }
            Event::Return { host } => {
                if let Some(place) = pick(&self.lost, host) {
                    let host = self.lost.swap_remove(place);
                    self.ledger.return_host(host, 2, 1 << 20, Some(&[OFFER]), "host", self.now);
                    self.hosts.push(host);
                }
            }
            Event::Expire { message } => {
                let open: Vec<_> = self.ledger.entries.messages().map(|(key, _)| key).collect();
                if let Some(place) = pick(&open, message) {
                    let at_hosts = self.ledger.leases_of(open[place]);
                    let open = open[place];
                    let entry = self.ledger.message(open).unwrap();
                    let message = (entry.job, entry.number);
                    let own = PartKey(open);
                    assert_eq!(sorted(at_hosts), self.at_hosts(|of| of == message));
                    self.end(open, Outcome::Failed);
                    let waits = self.ledger.entries.part(own).is_some_and(|part| part.lease.is_none());
                    assert!(!waits, "what waits of it is kept");
                }
            }
            Event::Raise { host } => {
                if let Some(place) = pick(&self.hosts, host) {
                    let host = self.hosts[place];
                    let limit = self.ledger.credit(host).unwrap().limit + 1;
                    self.ledger.set_limit(host, limit, 1 << 20, self.now);
                }
            }
            Event::Hold { job, held } => self.ledger.hold(self.jobs[job % 3], held),
            Event::Cancel { job } => {
                let job = self.jobs[job % 3];
                let of_job: Vec<_> = self.ledger.entries.messages().map(|(key, of)| (of.job, key)).collect();
                let of_job = of_job.into_iter().filter(|(of, _)| *of == job).map(|(_, key)| key);
                let listed = self.ledger.messages_of(job).collect();
                assert_eq!(sorted(of_job.collect()), sorted(listed));
                let parts = self.at_hosts(|(of, _)| of == job);
                let cancelled = self.ledger.cancel_job(job);
                assert_eq!(sorted(cancelled.abandoned), parts);
                let open: Vec<_> = self
                    .accepted
                    .iter()
                    .filter(|of| of.0 == job && !self.ended.contains(of))
                    .copied()
                    .collect();
                assert_eq!(cancelled.messages.len(), open.len());
                assert_eq!(self.ledger.messages_of(job).count(), 0);
                assert!(!self.ledger.entries.knows_job(job), "something of the job is left");
                self.ended.extend(open);
            }
        }
        self.check();
    }

    /// The leases that hosts have, of parts of some messages that have not ended.
    fn at_hosts(&self, of: impl Fn((JobKey, u64)) -> bool) -> Vec<(HostKey, LeaseKey)> {
        let is_there = |out: &&Out| of(out.message) && self.ledger.leased_part(out.key).is_some();
        sorted(self.out.iter().filter(is_there).map(|out| (out.host, out.key)).collect())
    }

    fn submit(&mut self, job: usize, parts: u64) {
        let job = self.jobs[job % 3];
        let number = self.next.entry(job).or_default();
        // Of every second message the parts are of another size than itself.
        let key = self.ledger.accept(job, *number, 1 + *number % 2, None, None).unwrap();
        self.accepted.insert((job, *number));
        *number += 1;
        let header = Header {
            pipeline: "p".into(),
            client: "c".into(),
            function: "s.f".into(),
            stage: 0,
            job: Uuid::nil(),
            ..Header::default()
        };
        let body = Message { header: Arc::new(header), cache: None, payload: Bytes::from_static(b"x") };
        let function = self.ledger.function("f", self.now);
        (0..parts).for_each(|_| self.ledger.add_part(key, function, body.clone()));
        assert_eq!(self.ledger.scattered(key), Settled::Open);
    }

    fn dispatch(&mut self) {
        let out = &mut self.out;
        let is_known = self.ledger.may_dispatch();
        self.ledger.dispatch(|assignment| {
            assert!(is_known, "the ledger does not know that something may go to a host");
            let identity = assignment.part.identity;
            out.push(Out {
                host: assignment.host,
                key: assignment.lease,
                message: (assignment.part.job, identity.number),
                part: identity.part,
                results: 0,
            });
        });
    }

    fn result(&mut self, out: &mut Out) {
        let result = LeaseResult { place: Place::new(&[out.results]), ..LeaseResult::default() };
        if let Some(passed) = self.ledger.result(out.host, out.key, result) {
            assert!(
                self.passed.insert((out.message, out.part, passed.index)),
                "a result was passed on twice"
            );
            // It is of no use to a message that has ended, and is not counted for it.
            assert_eq!(
                self.ledger.count_result(passed.message).is_some(),
                !self.ended.contains(&out.message)
            );
        }
        out.results += 1;
    }

    fn finish(&mut self, out: Out) {
        // Of every third message the only result ends everything at once, where it may.
        if out.message.1.is_multiple_of(3)
            && let Some((message, part)) = self.ledger.reply(out.host, out.key, |_| true)
        {
            assert_eq!(((message.job, message.number), part.identity.part), (out.message, out.part));
            assert_eq!((out.results, message.results), (0, 0));
            assert!(self.passed.insert((out.message, out.part, 0)), "a result was passed on twice");
            assert!(self.ended.insert(out.message), "a message has ended twice");
            return;
        }
        match self.ledger.end_lease(out.host, out.key, LeaseEnd::Done(out.results), &mut Vec::new()) {
            Ended::Nothing | Ended::Retry { .. } => {}
            Ended::Done { message, .. } => {
                if let Settled::Done(message) = self.ledger.settle(message) {
                    self.end(message, Outcome::Done);
                }
            }
            Ended::Failed(message) => self.end(message, Outcome::Failed),
            Ended::Inconsistent(part) => self.end(part.message, Outcome::Failed),
        }
    }

    fn fail(&mut self, out: Out, permanent: bool) {
        match self.ledger.end_lease(out.host, out.key, LeaseEnd::Failed { permanent }, &mut Vec::new()) {
            Ended::Failed(message) => {
                let retries = if out.message.0 == self.jobs[1] { RETRIES } else { 0 };
                let errors = self.errors.get(&(out.message, out.part)).copied().unwrap_or_default();
                assert!(permanent || errors == retries, "it failed after {errors} of {retries} retries");
                self.end(message, Outcome::Failed);
            }
            Ended::Retry { part, errors } => {
                assert!(!permanent);
                let before = self.errors.insert((out.message, out.part), errors).unwrap_or_default();
                assert_eq!(errors, before + 1);
                self.ledger.retry_at(part, self.now + RETRY_DELAY);
            }
            Ended::Nothing | Ended::Done { .. } | Ended::Inconsistent(_) => {}
        }
    }

    fn end(&mut self, message: MessageKey, outcome: Outcome) {
        if let Some(message) = self.ledger.end(message, outcome) {
            assert!(self.ended.insert((message.job, message.number)), "a message has ended twice");
        }
    }

    fn lose(&mut self, host: usize, may_return: bool) {
        let Some(place) = pick(&self.hosts, host) else { return };
        let host = self.hosts.swap_remove(place);
        for part in self.ledger.lose_host(host, may_return, self.now) {
            self.end(part.message, Outcome::Failed);
        }
        let (of_host, others) =
            std::mem::take(&mut self.out).into_iter().partition(|out: &Out| out.host == host);
        self.out = others;
        if may_return {
            self.late.extend::<Vec<Out>>(of_host);
            self.lost.push(host);
        }
    }

    fn check(&self) {
        let totals = self.ledger.totals();
        assert_eq!(totals.accepted, self.accepted.len() as u64);
        assert_eq!(totals.under_way, (self.accepted.len() - self.ended.len()) as u64);
        for &host in &self.hosts {
            let credit = self.ledger.credit(host).unwrap();
            let asked_back =
                self.out.iter().filter(|out| out.host == host && self.asked_back.contains(&out.key));
            assert_eq!(credit.asked_back, asked_back.count() as u64);
            assert_eq!(credit.leases, self.out.iter().filter(|out| out.host == host).count() as u64);
            assert!(credit.leases <= credit.limit.max(1), "a host has more than its limit");
        }
    }

    /// Hosts that answer everything come; whatever has not ended does.
    fn settle(&mut self) {
        let jobs = self.jobs.clone();
        jobs.into_iter().for_each(|job| self.ledger.hold(job, false));
        self.step(Event::AddHost { limit: 4 });
        self.step(Event::Wait);
        for _ in 0..10_000 {
            self.step(Event::Dispatch);
            if self.out.is_empty() {
                break;
            }
            self.step(Event::Result { lease: 0 });
            self.step(Event::Finish { lease: 0 });
        }
        assert_eq!(self.accepted, self.ended, "not everything has ended");
        assert_eq!(self.ledger.entries.count(), (0, 0), "parts are left over");
        assert!(self.jobs.iter().all(|&job| self.ledger.job(job).unwrap().bytes == 0), "bytes are left over");
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list
}

fn pick<T>(among: &[T], choice: usize) -> Option<usize> {
    (!among.is_empty()).then(|| choice % among.len())
}

proptest! {
    #[test]
    fn every_message_ends_once_and_every_sum_comes_out(events in proptest::collection::vec(event(), 1..200)) {
        let mut world = World::new();
        events.into_iter().for_each(|event| world.step(event));
        world.settle();
    }
}

#[test]
fn a_host_that_was_free_for_a_message_whose_time_was_over_gets_other_work() {
    let mut world = World::new();
    world.submit(0, 1);
    for _ in 0..2 {
        world.step(Event::AddHost { limit: 1 });
        world.step(Event::Dispatch);
        world.step(Event::Lose { host: 0, may_return: false });
    }
    let suspect = world.ledger.entries.messages().next().unwrap().0;
    world.end(suspect, Outcome::Failed);
    world.step(Event::AddHost { limit: 1 });
    world.step(Event::Dispatch);
    world.submit(0, 1);
    world.step(Event::Dispatch);
    assert_eq!(world.out.len(), 1, "the host stands idle");
}

#[test]
fn a_function_that_nobody_offers_fails_after_the_wait_and_leaves_nothing_behind() {
    let mut world = World::new();
    world.submit(0, 3);
    let wait = Duration::from_secs(5);
    assert!(world.ledger.expire_unoffered(wait, world.now).is_empty());
    let failed = world.ledger.expire_unoffered(wait, world.now + wait);
    assert_eq!(failed.len(), 3);
    for unoffered in failed {
        assert_eq!(unoffered.name, "f");
        world.end(unoffered.part.message, Outcome::Failed);
    }
    // The job has waited: what else it calls there fails at once, and another job has a wait of its own.
    world.submit(0, 2);
    world.submit(1, 1);
    assert!(world.ledger.has_hopeless());
    let later = world.now + wait;
    let failed = world.ledger.expire_unoffered(wait, later);
    assert_eq!(failed.len(), 2);
    failed.into_iter().for_each(|unoffered| world.end(unoffered.part.message, Outcome::Failed));
    let failed = world.ledger.expire_unoffered(wait, later + wait);
    assert_eq!(failed.len(), 1);
    failed.into_iter().for_each(|unoffered| world.end(unoffered.part.message, Outcome::Failed));
    world.check();
    assert_eq!(world.accepted, world.ended);

    // A host that offers it after all ends that.
    world.step(Event::AddHost { limit: 1 });
    world.submit(0, 1);
    assert!(!world.ledger.has_hopeless());
    world.step(Event::Dispatch);
    assert_eq!(world.out.len(), 1);
    world.step(Event::Finish { lease: 0 });
}

#[test]
fn a_message_that_takes_down_every_host_fails_and_its_neighbours_do_not() {
    let mut world = World::new();
    world.step(Event::AddHost { limit: 4 });
    (0..6).for_each(|_| world.submit(0, 1));
    let poison = (world.jobs[0], 2);
    for _ in 0..100 {
        world.step(Event::Dispatch);
        if world.out.is_empty() {
            break;
        }
        if world.out.iter().any(|out| out.message == poison) {
            world.step(Event::Lose { host: 0, may_return: false });
            world.step(Event::AddHost { limit: 4 });
        } else {
            world.step(Event::Finish { lease: 0 });
        }
    }
    let counts = world.ledger.totals();
    assert_eq!((counts.done, counts.failed, counts.under_way), (5, 1, 0));
}

#[test]
fn a_host_that_was_kept_free_in_vain_gets_work_again() {
    let mut world = World::new();
    world.submit(0, 1);
    let suspect = (world.jobs[0], 0);
    world.step(Event::AddHost { limit: 1 });
    world.step(Event::Dispatch);
    world.step(Event::Lose { host: 0, may_return: false });
    world.step(Event::AddHost { limit: 1 });
    world.step(Event::Dispatch);
    let last = world.hosts[0];
    // Two others get busy before the suspect loses its second host, and is to be alone at one of them.
    (0..2).for_each(|_| world.step(Event::AddHost { limit: 1 }));
    (0..2).for_each(|_| world.submit(1, 1));
    world.step(Event::Dispatch);
    world.step(Event::Lose {
        host: world.hosts.iter().position(|&host| host == last).unwrap(),
        may_return: false,
    });
    world.step(Event::Dispatch);
    let is_kept = |host: &&HostKey| world.ledger.credit(**host).unwrap().alone == credit::Alone::Awaited;
    let kept = *world.hosts.iter().find(is_kept).unwrap();
    // The other one is free first, and has it.
    let at = |world: &World, is_kept: bool| {
        world.out.iter().position(|out| (out.host == kept) == is_kept).unwrap()
    };
    world.step(Event::Finish { lease: at(&world, false) });
    world.step(Event::Dispatch);
    assert_eq!(world.out[at(&world, false)].message, suspect);
    world.step(Event::Finish { lease: at(&world, true) });
    world.submit(2, 1);
    world.step(Event::Dispatch);
    assert!(world.out.iter().any(|out| out.host == kept), "the host that was kept free stands idle");
}

#[test]
fn a_host_for_any_function_offers_none_while_its_limit_is_zero() {
    let mut world = World::new();
    let wait = Duration::from_secs(5);
    let host = world.ledger.add_host(0, 1 << 20, None, "host", world.now);
    world.hosts.push(host);
    world.submit(0, 1);
    assert_eq!(world.ledger.expire_unoffered(wait, world.now + wait).len(), 1);

    world.submit(1, 1);
    let later = world.now + 2 * wait;
    world.ledger.set_limit(host, 1, 1 << 20, later);
    assert!(world.ledger.expire_unoffered(wait, later + wait).is_empty());
    world.ledger.set_limit(host, 0, 1 << 20, later + wait);
    world.step(Event::Dispatch);
    assert!(world.out.is_empty());
    // The wait begins anew when nobody offers the function any more.
    assert!(world.ledger.expire_unoffered(wait, later + wait).is_empty());
    world.ledger.set_limit(host, 1, 1 << 20, later + wait);
    world.step(Event::Dispatch);
    assert_eq!(world.out.len(), 1);
    world.step(Event::Finish { lease: 0 });
}

#[test]
fn jobs_take_turns() {
    let mut world = World::new();
    (0..200).for_each(|_| world.submit(0, 1));
    (0..20).for_each(|_| world.submit(1, 1));
    world.step(Event::AddHost { limit: 64 });
    world.step(Event::Dispatch);
    let second = world.jobs[1];
    assert_eq!(world.out.len(), 64);
    assert_eq!(world.out.iter().filter(|out| out.message.0 == second).count(), 20);
}

#[test]
fn the_least_loaded_host_is_next() {
    let mut world = World::new();
    world.step(Event::AddHost { limit: 100 });
    world.step(Event::AddHost { limit: 100 });
    (0..100).for_each(|_| world.submit(0, 1));
    world.step(Event::Dispatch);
    let first = world.hosts[0];
    let share = world.out.iter().filter(|out| out.host == first).count();
    assert!((40..=60).contains(&share), "one of two hosts got {share} of 100");
}

#[test]
fn what_fails_is_run_again_after_its_delay_as_often_as_its_job_asks_for() {
    let mut world = World::new();
    world.step(Event::AddHost { limit: 4 });
    world.submit(1, 1);
    for _ in 0..RETRIES {
        world.step(Event::Dispatch);
        world.step(Event::Fail { lease: 0, permanent: false });
        world.step(Event::Dispatch);
        assert!(world.out.is_empty(), "it was run again at once");
        assert_eq!(world.ledger.retrying().get(&world.jobs[1]), Some(&1));
        world.step(Event::Wait);
    }
    world.step(Event::Dispatch);
    world.step(Event::Fail { lease: 0, permanent: false });
    assert_eq!(world.ledger.totals().failed, 1);
    assert!(world.ledger.retrying().is_empty());
}

#[test]
fn what_a_slow_host_has_not_begun_goes_to_an_idle_one() {
    let mut world = World::new();
    world.step(Event::AddHost { limit: 8 });
    (0..8).for_each(|_| world.submit(0, 1));
    world.step(Event::Dispatch);
    world.step(Event::AddHost { limit: 8 });
    world.step(Event::Withdraw);
    assert_eq!(world.asked_back.len(), 4);
    let asked: Vec<_> = world.asked_back.iter().copied().collect();
    for key in asked {
        let lease = world.out.iter().position(|out| out.key == key).unwrap();
        // The latest ones.
        assert!(world.out[lease].message.1 >= 4);
        world.step(Event::Release { lease });
    }
    world.step(Event::Dispatch);
    let idle = world.hosts[1];
    assert_eq!(world.out.iter().filter(|out| out.host == idle).count(), 4);
    // They share by now.
    world.asked_back.clear();
    world.step(Event::Withdraw);
    assert!(world.asked_back.is_empty());
}

/// How many of the first `count` leases go to each of two jobs, both of which have more.
fn shares(first: usize, second: usize, count: u64) -> (usize, usize) {
    let mut world = World::new();
    (0..count).for_each(|_| world.submit(first, 1));
    (0..count).for_each(|_| world.submit(second, 1));
    world.step(Event::AddHost { limit: count });
    world.step(Event::Dispatch);
    let of = |job: usize| world.out.iter().filter(|out| out.message.0 == world.jobs[job]).count();
    (of(first), of(second))
}

#[test]
fn priority_is_a_larger_share_and_nobody_starves() {
    let (plain, other) = shares(0, 1, 1_000);
    assert!(plain.abs_diff(other) <= 16, "{plain} and {other}");
    // The third job's priority is 2.
    let (plain, urgent) = shares(0, 2, 1_000);
    assert!((150..=250).contains(&plain), "{plain} and {urgent}");
}

#[test]
fn a_job_that_comes_late_is_next_and_has_nothing_saved_up() {
    let mut world = World::new();
    world.step(Event::AddHost { limit: 400 });
    (0..400).for_each(|_| world.submit(0, 1));
    world.step(Event::Dispatch);
    (0..400).for_each(|_| world.submit(0, 1));
    (0..400).for_each(|_| world.submit(1, 1));
    while !world.out.is_empty() {
        world.step(Event::Finish { lease: 0 });
    }
    world.step(Event::Dispatch);
    let late = world.out.iter().filter(|out| out.message.0 == world.jobs[1]).count();
    assert!((180..=220).contains(&late), "{late} of 400");
}

#[test]
fn a_function_of_a_host_that_was_lost_is_not_unknown_until_that_is_given_up() {
    let mut world = World::new();
    let wait = Duration::from_secs(5);
    world.step(Event::AddHost { limit: 4 });
    world.step(Event::Lose { host: 0, may_return: true });
    world.submit(0, 1);
    let later = world.now + 2 * wait;
    assert!(world.ledger.expire_unoffered(wait, later).is_empty());
    world.ledger.expire_absent(4 * wait, later);
    assert!(world.ledger.expire_unoffered(wait, later).is_empty());
    world.ledger.expire_absent(2 * wait, later);
    assert_eq!(world.ledger.expire_unoffered(wait, later).len(), 1);
}

#[test]
fn a_host_that_comes_back_under_its_name_offers_what_it_did_and_tells_how_it_ended() {
    let mut world = World::new();
    world.step(Event::AddHost { limit: 4 });
    world.submit(0, 1);
    for _ in 0..3 {
        world.step(Event::Dispatch);
        world.step(Event::Lose { host: 0, may_return: true });
        world.step(Event::AddHost { limit: 4 });
        world.ledger.explain(world.hosts[0], "SIGABRT");
    }
    world.now += SUSPECT_PAUSE;
    world.step(Event::Dispatch);
    let cause = world.ledger.leased_part(world.out[0].key).unwrap().cause().unwrap();
    assert!(cause.contains("host \"host\" ended with SIGABRT"), "{cause}");
    // Nothing waited for it meanwhile, and it is offered all the same.
    world.step(Event::Finish { lease: 0 });
    world.step(Event::Lose { host: 0, may_return: true });
    world.step(Event::AddHost { limit: 4 });
    world.submit(0, 1);
    world.step(Event::Dispatch);
    assert_eq!(world.out.len(), 1);
}

#[test]
fn what_was_alone_at_a_lost_host_waits_while_others_go_on() {
    let mut world = World::new();
    world.submit(0, 1);
    for _ in 0..3 {
        world.step(Event::AddHost { limit: 1 });
        world.ledger.tell_time(world.now);
        world.step(Event::Dispatch);
        world.step(Event::Lose { host: 0, may_return: true });
    }
    world.step(Event::AddHost { limit: 1 });
    world.submit(1, 1);
    world.step(Event::Dispatch);
    assert_eq!(world.out[0].message.0, world.jobs[1], "the other one has its turn");
    world.step(Event::Finish { lease: 0 });
    world.now += SUSPECT_PAUSE;
    world.ledger.tell_time(world.now);
    assert!(world.ledger.has_suspects());
    world.step(Event::Dispatch);
    assert_eq!(world.out[0].message.0, world.jobs[0]);
}
