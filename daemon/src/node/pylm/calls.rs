//! The calls of a client that has a line of its own.
//!
//! A client makes a PUSH and a SUB for each call, and closes both with it. Nothing that it sends names the call, and the connections of
//! two may cross on the way: messages of one that was left are read when the next has begun. So each message is told by the
//! connection that it came over, and connections are counted: the n-th PUSH belongs to the n-th subscription. A call is over when its
//! PUSH is closed and a subscription has gone. A PUSH that has much to send is closed later; when none is for a while, it was the
//! subscription of the first call.
//!
//! What is published reaches all subscriptions of a client. So while a call is there, results of earlier ones wait.

use crate::node::bounds::PYLM_LEAVING;
use pylm_transport::{Frame, MonitorEvent, MonitorEventKind};
use std::collections::VecDeque;
use std::time::Instant;

/// The calls of one client. Numbers are never used again.
#[derive(Debug, Default)]
pub struct Calls {
    /// PUSH sockets that have come, the number of the latest call.
    begun: u64,
    /// Subscriptions that have come, the number of the latest call that listens.
    heard: u64,
    /// Subscriptions that have gone, of calls that are not known yet.
    gone: u64,
    /// Since when there are such.
    gone_since: Option<Instant>,
    /// Calls whose PUSH is closed, and of which it is not known that their subscription has gone.
    left: VecDeque<u64>,
    /// Calls up to this one are over.
    over: u64,
    /// Later ones that are over too.
    over_too: Vec<u64>,
    /// PUSH sockets of which messages may come.
    pushes: Vec<Push>,
}

/// The connection of a PUSH socket.
#[derive(Debug)]
struct Push {
    /// Its descriptor, which the next one may have when it is closed.
    fd: u32,
    /// The call that it is for; none before its handshake.
    call: Option<u64>,
    is_open: bool,
    /// A message that came over it: what libzmq notes of the connection stays in its place as long as one is there.
    first: Option<Frame>,
}

/// Larger messages are not kept to know a connection by.
const KEPT: usize = 64 << 10;

/// Where libzmq has noted over which connection a message came.
fn mark(frame: &Frame) -> Option<(usize, u32)> {
    let fd = frame.property(c"__fd")?;
    Some((fd.as_ptr().addr(), fd.parse().ok()?))
}

impl Calls {
    /// Hears of a PUSH socket; whether a call is over with that.
    pub fn push(&mut self, event: &MonitorEvent) -> bool {
        match event.kind {
            MonitorEventKind::Accepted => {
                self.pushes.push(Push { fd: event.value, call: None, is_open: true, first: None });
            }
            MonitorEventKind::HandshakeSucceeded => {
                self.begun += 1;
                if let Some(push) = self.pushes.iter_mut().find(|push| push.is_open && push.call.is_none()) {
                    push.call = Some(self.begun);
                }
            }
            MonitorEventKind::Disconnected => {
                let of = |push: &&mut Push| push.is_open && push.fd == event.value;
                if let Some(push) = self.pushes.iter_mut().find(of) {
                    push.is_open = false;
                    let call = push.call.filter(|call| !self.is_over(*call));
                    self.left.extend(call);
                }
                self.pushes.retain(|push| push.is_open || push.call.is_some());
                return self.end_calls();
            }
            _ => {}
        }
        false
    }

    /// Ends calls that have left, and whose subscriptions have gone.
    fn end_calls(&mut self) -> bool {
        let ended = self.left.len().min(self.gone as usize);
        self.gone -= ended as u64;
        self.over_too.extend(self.left.drain(..ended));
        ended > 0
    }

    /// Ends the first calls, of subscriptions that have gone and that no PUSH was closed with; whether there are any.
    pub fn end_unmatched(&mut self, now: Instant) -> bool {
        let is_late = |since| now.duration_since(since) >= PYLM_LEAVING;
        if self.gone == 0 || !self.gone_since.is_some_and(is_late) {
            return false;
        }
        let listening = self.over + 1..=self.heard;
        let first: Vec<_> = listening.filter(|call| !self.is_over(*call)).take(self.gone as usize).collect();
        self.over_too.extend(first);
        self.gone = 0;
        true
    }

    /// Whether a call is over.
    pub fn is_over(&self, call: u64) -> bool {
        call <= self.over || self.over_too.contains(&call)
    }

    fn end_up_to(&mut self, call: u64) {
        self.over = self.over.max(call);
        let over = self.over;
        self.over_too.retain(|call| *call > over);
        self.left.retain(|call| *call > over);
        self.gone = 0;
    }

    /// All that has come over connections that are closed was read.
    pub fn drained(&mut self, listens: bool) {
        self.pushes.retain(|push| push.is_open);
        if self.pushes.is_empty() && !listens {
            // Whatever was miscounted does not outlast the calls.
            self.begun = self.begun.max(self.heard);
            self.heard = self.begun;
            self.end_up_to(self.begun);
        }
    }

    /// Whether a connection is closed of which messages may be left.
    pub fn is_undrained(&self) -> bool {
        self.pushes.iter().any(|push| !push.is_open)
    }

    /// The call that a message is of; none where that is over.
    pub fn of(&mut self, frame: &mut Frame) -> Option<u64> {
        let place = match &self.pushes[..] {
            [Push { first: Some(_), .. }] => Some(0),
            _ => self.place_of(frame),
        };
        let call = place.and_then(|place| self.pushes[place].call).unwrap_or(self.begun);
        (call == 0 || !self.is_over(call)).then_some(call)
    }

    /// Which connection a message came over.
    fn place_of(&mut self, frame: &mut Frame) -> Option<usize> {
        let (mark_of_frame, fd) = mark(frame)?;
        let is_known =
            |push: &Push| push.first.as_ref().and_then(mark).is_some_and(|(known, _)| known == mark_of_frame);
        if let Some(place) = self.pushes.iter().position(is_known) {
            return Some(place);
        }
        let place = self.pushes.iter().rposition(|push| push.fd == fd && push.first.is_none())?;
        if frame.len() <= KEPT {
            self.pushes[place].first = Some(frame.share());
        }
        Some(place)
    }

    /// Whether the subscription of a call has come, as far as can be known.
    pub fn is_heard(&self, call: u64) -> bool {
        self.heard >= call
    }

    /// Whether a later call than this one listens.
    pub fn is_behind(&self, call: u64) -> bool {
        (call + 1..=self.heard).any(|later| !self.is_over(later))
    }

    /// A subscription has come (`true`) or gone.
    pub fn subscription(&mut self, came: bool, listens: bool, now: Instant) {
        if came {
            self.heard += 1;
            return;
        }
        self.gone += 1;
        self.gone_since = Some(now);
        self.end_calls();
        if !listens {
            self.end_up_to(self.heard);
        }
        if self.pushes.is_empty() {
            self.drained(listens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: MonitorEventKind, value: u32) -> MonitorEvent {
        MonitorEvent { kind, endpoint: String::new(), value }
    }

    fn connect(calls: &mut Calls, fd: u32) {
        calls.push(&event(MonitorEventKind::Accepted, fd));
        calls.push(&event(MonitorEventKind::HandshakeSucceeded, 0));
    }

    fn message() -> Frame {
        Frame::copy_from(b"message")
    }

    #[test]
    fn calls_are_numbered_and_no_number_is_used_again() {
        let mut calls = Calls::default();
        for call in 1..=3 {
            connect(&mut calls, 7);
            assert_eq!(calls.of(&mut message()), Some(call));
            assert!(!calls.is_heard(call));
            calls.subscription(true, true, Instant::now());
            assert!(calls.is_heard(call));
            calls.push(&event(MonitorEventKind::Disconnected, 7));
            calls.subscription(false, false, Instant::now());
            assert!(calls.is_over(call));
            assert_eq!(calls.of(&mut message()), None, "what is read when its call is over");
            assert!(calls.is_undrained());
            calls.drained(false);
        }
    }

    #[test]
    fn a_call_within_another_ends_alone() {
        let mut calls = Calls::default();
        for fd in [7, 8] {
            connect(&mut calls, fd);
            calls.subscription(true, true, Instant::now());
        }
        assert!(calls.is_behind(1) && !calls.is_behind(2));
        calls.subscription(false, true, Instant::now());
        assert!(!calls.is_over(1) && !calls.is_over(2));
        assert!(calls.push(&event(MonitorEventKind::Disconnected, 8)));
        assert!(!calls.is_over(1) && calls.is_over(2) && !calls.is_behind(1));
    }

    #[test]
    fn a_call_that_was_left_while_it_sends_is_over_after_a_while() {
        let mut calls = Calls::default();
        for fd in [7, 8] {
            connect(&mut calls, fd);
            calls.subscription(true, true, Instant::now());
        }
        let now = Instant::now();
        calls.subscription(false, true, now);
        assert!(!calls.end_unmatched(now) && calls.end_unmatched(now + PYLM_LEAVING));
        assert!(calls.is_over(1) && !calls.is_over(2) && !calls.end_unmatched(now + PYLM_LEAVING));
    }

    #[test]
    fn who_only_knocks_begins_no_call() {
        let mut calls = Calls::default();
        calls.push(&event(MonitorEventKind::Accepted, 7));
        calls.push(&event(MonitorEventKind::Disconnected, 7));
        assert!(!calls.is_undrained());
        connect(&mut calls, 7);
        assert_eq!(calls.of(&mut message()), Some(1));
    }

    #[test]
    fn what_was_miscounted_does_not_outlast_the_calls() {
        let mut calls = Calls::default();
        connect(&mut calls, 7);
        connect(&mut calls, 8);
        calls.subscription(true, true, Instant::now());
        for fd in [7, 8] {
            calls.push(&event(MonitorEventKind::Disconnected, fd));
        }
        calls.subscription(false, false, Instant::now());
        calls.drained(false);
        connect(&mut calls, 7);
        assert_eq!(calls.of(&mut message()), Some(3));
        calls.subscription(true, true, Instant::now());
        assert!(calls.is_heard(3));
    }
}
