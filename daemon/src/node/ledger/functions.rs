//! Which function is offered by whom, and who waits for it: one lane for each job, served in turns. A follower of a topic
//! is to its parts what a function is to its.
//!
//! Turns are fair in the way of start-time fair queueing (Goyal, Vin and Cheng, 1996): every part moves its lane on in the
//! function's time, the lane that is furthest behind is next, and one that was empty begins where the others are. A job of
//! priority P moves on 2^P times more slowly, so that it gets that many times as much, and nobody starves.

use super::{FunctionKey, HostKey, JobKey, LaneKey, PRIORITY, PartKey};
use slotmap::SlotMap;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// One job's queue for one function.
#[derive(Debug)]
struct Lane {
    job: JobKey,
    function: FunctionKey,
    waiting: VecDeque<PartKey>,
    /// Those of them that have been dropped meanwhile, as far as is known.
    dropped: usize,
    /// It is among the function's turns.
    queued: bool,
    /// The job has waited in vain for somebody to offer the function: what it has still to come does not wait again.
    given_up: bool,
    /// What each of its parts costs in the function's time: half as much with each step of priority.
    stride: u64,
    /// Where it stands in the function's time.
    time: u64,
}

/// A lane's turn: when it is due in the function's time, and how many were queued before.
type Turn = Reverse<(u64, u64, LaneKey)>;

/// A function that is offered or waited for.
#[derive(Debug)]
pub(super) struct Function {
    name: Box<str>,
    /// The hosts that offer it.
    pub(super) hosts: Vec<HostKey>,
    /// Lanes with parts, the next one on top.
    turns: BinaryHeap<Turn>,
    /// The time of the turn that was served last.
    time: u64,
    /// Turns that were ever queued.
    queued: u64,
    /// Parts that are to be tried alone.
    pub(super) alone: VecDeque<PartKey>,
    /// How many lanes it has: it is kept as long as there are any.
    lanes: usize,
    /// Its results count only all together.
    atomic: bool,
    /// It is a follower of a topic; its number, or 0 as long as there is none.
    follower: Option<u32>,
    /// Hosts that offered it, were lost, and are expected back.
    pub(super) absent: usize,
    /// Until when no part is tried that was alone at a host that was lost: others have their turn.
    pub(super) spared_until: Option<Instant>,
    /// Since when nobody offers it.
    pub(super) unoffered: Option<Instant>,
    /// The longest time that a lease of it took.
    pub(super) longest: Duration,
}

impl Function {
    pub(super) fn waits(&self) -> bool {
        !self.turns.is_empty() || !self.alone.is_empty()
    }

    /// The function's name, or the follower's topic.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its results count only all together.
    pub(super) fn is_atomic(&self) -> bool {
        self.atomic
    }

    /// Whether it is a follower of a topic.
    pub(super) fn is_follower(&self) -> bool {
        self.follower.is_some()
    }

    fn new(name: &str, follower: Option<u32>, now: Instant) -> Self {
        Function {
            name: name.into(),
            hosts: Vec::new(),
            turns: BinaryHeap::new(),
            time: 0,
            queued: 0,
            alone: VecDeque::new(),
            lanes: 0,
            atomic: false,
            follower,
            absent: 0,
            spared_until: None,
            unoffered: Some(now),
            longest: Duration::ZERO,
        }
    }
}

/// All functions and lanes.
#[derive(Debug, Default)]
pub(super) struct Functions {
    functions: SlotMap<FunctionKey, Function>,
    by_name: HashMap<Box<str>, FunctionKey>,
    lanes: SlotMap<LaneKey, Lane>,
    /// The function that was looked up last: most look-ups are for the same.
    last: Option<FunctionKey>,
    /// Hosts that take any function that nobody offers.
    pub(super) any: Vec<HostKey>,
    /// How many lanes were given up.
    given_up: usize,
    /// Parts came into lanes that were given up.
    pub(super) hopeless: bool,
    /// Something may go to a host that could not when hosts were given something last: it is set by whatever makes that so.
    pub(super) dispatchable: bool,
}

/// Parts of one lane that are taken before the next lane has its turn.
pub(super) const TURN: usize = 16;
/// What a part of a job without priority costs in the function's time. It is divided by 2 with each step of priority.
const STRIDE: u64 = 1 << PRIORITY;

impl Functions {
    /// The function of this name.
    pub(super) fn intern(&mut self, name: &str, now: Instant) -> FunctionKey {
        if let Some(last) = self.last
            && self.functions.get(last).is_some_and(|function| &*function.name == name)
        {
            return last;
        }
        let key = match self.by_name.get(name) {
            Some(&key) => key,
            None => {
                let key = self.functions.insert(Function::new(name, None, now));
                self.by_name.insert(name.into(), key);
                key
            }
        };
        self.last = Some(key);
        key
    }

    /// A follower of a topic, of whom nothing is known yet.
    pub(super) fn add_follower(&mut self, topic: &str, now: Instant) -> FunctionKey {
        self.functions.insert(Function::new(topic, Some(0), now))
    }

    /// A follower has this number from now on.
    pub(super) fn set_follower(&mut self, key: FunctionKey, number: u32) {
        if let Some(function) = self.functions.get_mut(key) {
            function.follower = Some(number);
        }
    }

    /// The number of a follower; `None` of a function.
    #[inline]
    pub(super) fn follower(&self, key: FunctionKey) -> Option<u32> {
        self.functions.get(key).and_then(|function| function.follower)
    }

    pub(super) fn get(&self, function: FunctionKey) -> Option<&Function> {
        self.functions.get(function)
    }

    pub(super) fn get_mut(&mut self, function: FunctionKey) -> Option<&mut Function> {
        self.functions.get_mut(function)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (FunctionKey, &Function)> {
        self.functions.iter()
    }

    /// A host says that a function's results count only all together.
    pub(super) fn set_atomic(&mut self, function: FunctionKey, atomic: bool) {
        if let Some(function) = self.functions.get_mut(function) {
            function.atomic = atomic;
        }
    }

    /// The hosts that a function's parts may go to.
    pub(super) fn hosts(&self, function: FunctionKey) -> &[HostKey] {
        match self.functions.get(function) {
            Some(function) if !function.hosts.is_empty() || function.is_follower() => &function.hosts,
            _ => &self.any,
        }
    }

    /// A host offers these functions, or any that nobody offers.
    pub(super) fn offer(&mut self, host: HostKey, functions: Option<&[FunctionKey]>) {
        self.dispatchable = true;
        if self.given_up > 0 {
            self.hope(functions);
        }
        match functions {
            None => self.any.push(host),
            Some(functions) => {
                for &function in functions {
                    if let Some(function) = self.functions.get_mut(function) {
                        function.hosts.push(host);
                        function.unoffered = None;
                    }
                }
            }
        }
    }

    /// A host offers nothing any more.
    pub(super) fn withdraw(&mut self, host: HostKey, functions: Option<&[FunctionKey]>, now: Instant) {
        // Without it, a function may be one for hosts that take any.
        self.dispatchable = true;
        match functions {
            None => self.any.retain(|&other| other != host),
            Some(functions) => {
                for &key in functions {
                    if let Some(function) = self.functions.get_mut(key) {
                        function.hosts.retain(|&other| other != host);
                        if function.hosts.is_empty() {
                            function.unoffered = Some(now);
                        }
                    }
                    self.sweep(key);
                }
            }
        }
        if self.any.is_empty() {
            let hostless = |function: &&mut Function| function.hosts.is_empty() && !function.is_follower();
            for function in self.functions.values_mut().filter(hostless) {
                function.unoffered = Some(now);
            }
        }
    }

    /// A host that offers it is expected back.
    pub(super) fn expect(&mut self, function: FunctionKey) {
        if let Some(function) = self.functions.get_mut(function) {
            function.absent += 1;
        }
    }

    /// A host that offered it is back, or does not come back.
    pub(super) fn expect_no_more(&mut self, key: FunctionKey) {
        self.dispatchable = true;
        if let Some(function) = self.functions.get_mut(key) {
            function.absent = function.absent.saturating_sub(1);
        }
        self.sweep(key);
    }

    /// No part of it that was alone at a host that was lost is tried before that time.
    pub(super) fn spare(&mut self, function: FunctionKey, until: Instant) {
        if let Some(function) = self.functions.get_mut(function) {
            function.spared_until = Some(until);
        }
    }

    /// The lane of a job for a function; `lanes` are the job's.
    pub(super) fn lane(
        &mut self,
        job: JobKey,
        function: FunctionKey,
        priority: u32,
        lanes: &mut Vec<LaneKey>,
    ) -> LaneKey {
        let known =
            lanes.iter().find(|&&lane| self.lanes.get(lane).is_some_and(|lane| lane.function == function));
        if let Some(&lane) = known {
            return lane;
        }
        let stride = STRIDE >> priority.min(PRIORITY);
        let lane = Lane {
            job,
            function,
            waiting: VecDeque::new(),
            dropped: 0,
            queued: false,
            given_up: false,
            stride,
            time: 0,
        };
        let lane = self.lanes.insert(lane);
        lanes.push(lane);
        if let Some(function) = self.functions.get_mut(function) {
            function.lanes += 1;
        }
        lane
    }

    pub(super) fn push_back(&mut self, lane: LaneKey, part: PartKey) {
        if let Some(entry) = self.lanes.get_mut(lane) {
            entry.waiting.push_back(part);
            self.hopeless |= entry.given_up;
        }
        self.queue(lane);
    }

    /// Puts a part back to where it is next.
    pub(super) fn push_front(&mut self, lane: LaneKey, part: PartKey) {
        if let Some(entry) = self.lanes.get_mut(lane) {
            entry.waiting.push_front(part);
        }
        self.queue(lane);
    }

    /// A part is to be tried alone.
    pub(super) fn push_alone(&mut self, function: FunctionKey, part: PartKey) {
        self.dispatchable = true;
        if let Some(function) = self.functions.get_mut(function) {
            function.alone.push_back(part);
        }
    }

    /// Gives a lane with parts its turns.
    pub(super) fn queue(&mut self, lane: LaneKey) {
        self.dispatchable = true;
        let Some(entry) = self.lanes.get_mut(lane) else { return };
        if !entry.queued && !entry.waiting.is_empty() {
            entry.queued = true;
            if let Some(function) = self.functions.get_mut(entry.function) {
                entry.time = entry.time.max(function.time);
                function.turns.push(Reverse((entry.time, function.queued, lane)));
                function.queued += 1;
            }
        }
    }

    /// The lane whose turn it is, and its job.
    pub(super) fn turn(&self, function: FunctionKey) -> Option<(LaneKey, JobKey)> {
        let &Reverse((_, _, lane)) = self.functions.get(function)?.turns.peek()?;
        Some((lane, self.lanes.get(lane)?.job))
    }

    /// The next part of a lane.
    pub(super) fn pop(&mut self, lane: LaneKey) -> Option<PartKey> {
        self.lanes.get_mut(lane)?.waiting.pop_front()
    }

    /// Ends a lane's turn, in which so many parts were given; one that is empty or held back gets no other until it is queued
    /// again.
    pub(super) fn end_turn(&mut self, function: FunctionKey, given: u64, held: bool) {
        let Some(function) = self.functions.get_mut(function) else { return };
        let Some(Reverse((time, _, lane))) = function.turns.pop() else { return };
        function.time = function.time.max(time);
        let Some(entry) = self.lanes.get_mut(lane) else { return };
        entry.time += given * entry.stride;
        entry.queued = false;
        if !held {
            self.queue(lane);
        }
    }

    /// Drops everything that waits in a lane.
    pub(super) fn clear(&mut self, lane: LaneKey) {
        // A host that was kept free for something that waited is free for others.
        self.dispatchable = true;
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.waiting.clear();
            lane.dropped = 0;
        }
    }

    /// A part was dropped that may wait in one of these lanes. When many have been, those that are not `there` any more are taken out.
    pub(super) fn pass_over(
        &mut self,
        lanes: &[LaneKey],
        function: FunctionKey,
        there: impl Fn(PartKey) -> bool,
    ) {
        const FEW: usize = 1_024;
        let of_function =
            |lane: &&LaneKey| self.lanes.get(**lane).is_some_and(|lane| lane.function == function);
        let Some(lane) = lanes.iter().find(of_function).and_then(|&lane| self.lanes.get_mut(lane)) else {
            return;
        };
        lane.dropped = (lane.dropped + 1).min(lane.waiting.len());
        if lane.dropped > FEW.max(lane.waiting.len() / 2) {
            lane.waiting.retain(|&part| there(part));
            lane.dropped = 0;
        }
    }

    /// A part that was taken from a lane had been dropped before.
    pub(super) fn passed_over(&mut self, lane: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.dropped = lane.dropped.saturating_sub(1);
        }
    }

    /// How much waits in each lane: its job, its function, and how many parts.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (JobKey, FunctionKey, usize)> {
        let waiting = self.lanes.values().filter(|lane| lane.waiting.len() > lane.dropped);
        waiting.map(|lane| (lane.job, lane.function, lane.waiting.len() - lane.dropped))
    }

    /// Takes everything that waits for a function, with the lanes that it waited in.
    pub(super) fn take_waiting(&mut self, function: FunctionKey) -> (Vec<PartKey>, Vec<(JobKey, LaneKey)>) {
        let Some(entry) = self.functions.get_mut(function) else { return Default::default() };
        let mut waiting: Vec<_> = entry.alone.drain(..).collect();
        entry.turns.clear();
        let lanes: Vec<_> = self
            .lanes
            .iter_mut()
            .filter(|(_, lane)| lane.function == function)
            .map(|(key, lane)| {
                lane.queued = false;
                lane.dropped = 0;
                waiting.extend(lane.waiting.drain(..));
                (lane.job, key)
            })
            .collect();
        (waiting, lanes)
    }

    /// What else comes into a lane does not wait for somebody to offer the function.
    pub(super) fn give_up(&mut self, lane: LaneKey, now: Instant) {
        let Some(entry) = self.lanes.get_mut(lane) else { return };
        self.given_up += usize::from(!std::mem::replace(&mut entry.given_up, true));
        if let Some(function) = self.functions.get_mut(entry.function) {
            // Other jobs that call it have a wait of their own.
            function.unoffered = Some(now);
        }
    }

    /// Lanes for these functions, or for any, are as if they had never been given up.
    fn hope(&mut self, functions: Option<&[FunctionKey]>) {
        for lane in self.lanes.values_mut().filter(|lane| lane.given_up) {
            if functions.is_none_or(|functions| functions.contains(&lane.function)) {
                lane.given_up = false;
                self.given_up -= 1;
            }
        }
    }

    /// Takes what came into lanes that were given up, and whose function nobody offers still.
    pub(super) fn take_hopeless(&mut self) -> Vec<(PartKey, FunctionKey)> {
        let mut hopeless = Vec::new();
        if !std::mem::take(&mut self.hopeless) || !self.any.is_empty() {
            return hopeless;
        }
        for lane in self.lanes.values_mut().filter(|lane| lane.given_up) {
            if self.functions.get(lane.function).is_some_and(|function| function.hosts.is_empty()) {
                lane.dropped = 0;
                hopeless.extend(lane.waiting.drain(..).map(|part| (part, lane.function)));
            }
        }
        hopeless
    }

    pub(super) fn remove_lane(&mut self, lane: LaneKey) {
        let Some(lane_entry) = self.lanes.remove(lane) else { return };
        self.given_up -= usize::from(lane_entry.given_up);
        if let Some(function) = self.functions.get_mut(lane_entry.function) {
            function.lanes -= 1;
            if lane_entry.queued {
                function.turns.retain(|Reverse((_, _, other))| *other != lane);
            }
        }
        self.sweep(lane_entry.function);
    }

    /// Forgets a follower.
    pub(super) fn remove(&mut self, key: FunctionKey) {
        self.functions.remove(key);
    }

    /// Forgets a function that nobody offers or waits for: names come from outside, and are without bound. A follower is kept
    /// for a while, in which it may come back.
    fn sweep(&mut self, key: FunctionKey) {
        let unused = |function: &Function| {
            function.hosts.is_empty()
                && function.lanes == 0
                && function.absent == 0
                && !function.is_follower()
        };
        if self.functions.get(key).is_some_and(unused)
            && let Some(function) = self.functions.remove(key)
        {
            self.by_name.remove(&function.name);
        }
    }
}
