//! Which web worker gets the next call, from what became of the calls before. Pure: time is an argument.

use crate::supervisor::Backoff;
use std::time::{Duration, Instant};

/// The pause after a worker said that it is busy, which doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, also where the worker asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What became of a call, or of an attempt to connect, as far as it tells something of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It answered, whatever it said.
    Answered,
    /// It said that it is busy, and for how long.
    Busy(Option<Duration>),
    /// It did not answer in time.
    Silent,
    /// There is no connection to it, or none any more.
    Lost,
    /// It takes connections.
    Reachable,
    /// Nothing: nobody waited for its answer.
    Unknown,
}

/// Who gets a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// This one.
    Worker(usize),
    /// Nobody now; somebody at this moment, or when there is news.
    Later(Option<Instant>),
    /// Nobody: none can be reached.
    Nobody,
}

/// How far a worker is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It answers, and gets all calls that it may have.
    Up,
    /// It gets one call, and more when it has answered that.
    Trial,
    /// It is busy, and gets nothing before this moment; then one call.
    Paused(Instant),
    /// It cannot be reached.
    Lost,
}

/// One worker.
#[derive(Debug)]
struct Worker {
    state: State,
    /// Calls that are under way.
    calls: usize,
    pauses: Backoff,
}

/// What is known of all workers.
#[derive(Debug)]
pub(super) struct Health {
    workers: Vec<Worker>,
    /// The most calls that a worker gets at one time.
    most_calls: usize,
}

impl Health {
    /// That many workers, none of which was reached yet.
    pub(super) fn new(workers: usize, most_calls: usize) -> Self {
        let pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let worker = || Worker { state: State::Lost, calls: 0, pauses: pauses.clone() };
        Health { workers: std::iter::repeat_with(worker).take(workers).collect(), most_calls }
    }

    /// Who gets a call, which is under way then: who has fewest, and rather not the one to `avoid`.
    pub(super) fn choose(&mut self, avoid: Option<usize>, now: Instant) -> Choice {
        let most_calls = self.most_calls;
        let free = |worker: &Worker| match worker.state {
            State::Up => worker.calls < most_calls,
            State::Trial => worker.calls == 0,
            State::Paused(until) => worker.calls == 0 && until <= now,
            State::Lost => false,
        };
        let candidates = self.workers.iter_mut().enumerate().filter(|(_, worker)| free(worker));
        if let Some((index, worker)) =
            candidates.min_by_key(|(index, worker)| (Some(*index) == avoid, worker.calls))
        {
            worker.calls += 1;
            return Choice::Worker(index);
        }
        if !self.any_reachable() {
            return Choice::Nobody;
        }
        let pauses = self.workers.iter().filter_map(|worker| match worker.state {
            State::Paused(until) if worker.calls == 0 => Some(until),
            _ => None,
        });
        Choice::Later(pauses.min())
    }

    /// A call has ended.
    pub(super) fn end_call(&mut self, worker: usize, news: News, now: Instant) {
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.calls -= 1;
        }
        self.hear(worker, news, now);
    }

    /// There is news of a worker.
    pub(super) fn hear(&mut self, worker: usize, news: News, now: Instant) {
        let Some(worker) = self.workers.get_mut(worker) else { return };
        worker.state = match (news, worker.state) {
            (News::Answered, _) => {
                worker.pauses.reset();
                State::Up
            }
            (News::Busy(asked), State::Up | State::Trial) => State::Paused(now + worker.pause(asked)),
            // Several calls hear of the same trouble: it counts once.
            (News::Busy(asked), State::Paused(until)) if until <= now => {
                State::Paused(now + worker.pause(asked))
            }
            (News::Silent, State::Up) => State::Trial,
            (News::Lost, _) => State::Lost,
            (News::Reachable, State::Lost) => State::Trial,
            (_, state) => state,
        };
    }

    /// Whether a worker cannot be reached.
    pub(super) fn is_lost(&self, worker: usize) -> bool {
        self.workers.get(worker).is_some_and(|worker| worker.state == State::Lost)
    }

    /// Whether any worker can be reached.
    pub(super) fn any_reachable(&self) -> bool {
        self.workers.iter().any(|worker| worker.state != State::Lost)
    }
}

impl Worker {
    fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let own = self.pauses.next_delay();
        asked.map_or(own, |asked| asked.clamp(own, LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(workers: usize, most_calls: usize, now: Instant) -> Health {
        let mut health = Health::new(workers, most_calls);
        for worker in 0..workers {
            health.hear(worker, News::Reachable, now);
            health.hear(worker, News::Answered, now);
        }
        health
    }

    fn choices(health: &mut Health, count: usize, now: Instant) -> Vec<Choice> {
        (0..count).map(|_| health.choose(None, now)).collect()
    }

    #[test]
    fn calls_go_to_who_has_fewest_up_to_the_limit() {
        let now = Instant::now();
        let mut health = up(2, 2, now);
        let [first, second] = [0, 1].map(Choice::Worker);
        assert_eq!(choices(&mut health, 5, now), [first, second, first, second, Choice::Later(None)]);
        health.end_call(1, News::Answered, now);
        assert_eq!(health.choose(Some(1), now), second);
        health.end_call(0, News::Unknown, now);
        health.end_call(1, News::Answered, now);
        assert_eq!(health.choose(Some(0), now), second);
    }

    #[test]
    fn who_was_never_reached_gets_nothing_and_then_one_call_until_it_answers() {
        let now = Instant::now();
        let mut health = Health::new(1, 4);
        assert_eq!(health.choose(None, now), Choice::Nobody);
        health.hear(0, News::Reachable, now);
        assert_eq!(choices(&mut health, 2, now), [Choice::Worker(0), Choice::Later(None)]);
        health.end_call(0, News::Answered, now);
        assert_eq!(choices(&mut health, 3, now), [Choice::Worker(0); 3]);
    }

    #[test]
    fn who_is_lost_gets_nothing_until_it_is_reachable_again() {
        let now = Instant::now();
        let mut health = up(2, 2, now);
        assert_eq!(health.choose(None, now), Choice::Worker(0));
        health.end_call(0, News::Lost, now);
        assert!(health.is_lost(0) && health.any_reachable());
        assert_eq!(choices(&mut health, 3, now), [Choice::Worker(1), Choice::Worker(1), Choice::Later(None)]);
        health.end_call(1, News::Lost, now);
        assert_eq!(health.choose(None, now), Choice::Nobody);
        health.hear(0, News::Reachable, now);
        assert_eq!(choices(&mut health, 2, now), [Choice::Worker(0), Choice::Later(None)]);
    }

    #[test]
    fn who_is_busy_gets_nothing_for_a_while_that_grows_and_then_one_call() {
        let now = Instant::now();
        let mut health = up(1, 2, now);
        health.choose(None, now);
        health.choose(None, now);
        health.end_call(0, News::Busy(None), now);
        health.end_call(0, News::Busy(None), now);
        let Choice::Later(Some(until)) = health.choose(None, now) else { panic!("it gets a call") };
        assert!(until > now && until <= now + FIRST_PAUSE);
        assert_eq!(choices(&mut health, 2, until), [Choice::Worker(0), Choice::Later(None)]);
        health.end_call(0, News::Busy(Some(Duration::from_secs(1))), until);
        assert_eq!(health.choose(None, until), Choice::Later(Some(until + Duration::from_secs(1))));
        let hours = Some(Duration::from_secs(7200));
        let later = until + Duration::from_secs(1);
        health.hear(0, News::Busy(hours), later);
        assert_eq!(health.choose(None, later), Choice::Later(Some(later + LONGEST_PAUSE)));
    }

    #[test]
    fn who_is_silent_gets_one_call_until_it_answers() {
        let now = Instant::now();
        let mut health = up(1, 3, now);
        health.choose(None, now);
        health.end_call(0, News::Silent, now);
        assert_eq!(choices(&mut health, 2, now), [Choice::Worker(0), Choice::Later(None)]);
        health.end_call(0, News::Answered, now);
        assert_eq!(choices(&mut health, 2, now), [Choice::Worker(0); 2]);
    }
}
