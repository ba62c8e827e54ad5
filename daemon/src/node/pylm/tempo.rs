//! What is known of the functions of pylm workers, from what they did: how long a message takes, how many results it gives.
//!
//! Nobody tells, so it is guessed. No result hangs on a guess: it says when a worker gets more to do, and when a message counts as
//! ended of which nothing proves it.

use crate::node::bounds::{PYLM_DOUBT, PYLM_QUIET, PYLM_SINGLE};
use crate::node::ledger::FunctionKey;
use std::collections::HashMap;
use std::time::Duration;

/// Functions that something is remembered of; what is known of the others is known of all of them together.
const KNOWN: usize = 1_024;

/// Which function, among those that something is known of.
pub type TempoKey = usize;

/// How a function does.
#[derive(Debug, Default)]
pub struct Tempo {
    /// It is said that it gives one result for each message.
    is_single: bool,
    /// It is said that a message takes so long at most.
    most: Option<Duration>,
    /// What a message takes.
    each: Option<Duration>,
    /// The longest time between two results of one message.
    gap: Duration,
    /// Messages with one result, since one had several.
    singles: u32,
    /// It has given several results for a message.
    several: bool,
    /// The most messages in a row that gave none.
    silent: u32,
}

impl Tempo {
    /// Of so many messages that took so long, the last one gave a result and the others none.
    pub fn answered(&mut self, messages: u32, took: Duration) {
        let each = took / messages.max(1);
        self.each = Some(self.each.map_or(each, |known| (known * 7 + each) / 8));
        self.silent = self.silent.max(messages.saturating_sub(1));
    }

    /// A message had one more result, so long after the one before.
    pub fn answered_again(&mut self, gap: Duration) {
        self.several = true;
        self.singles = 0;
        self.gap = self.gap.max(gap);
    }

    /// A message had one result.
    pub fn was_single(&mut self) {
        self.singles = self.singles.saturating_add(1);
    }

    /// What a message takes, as far as is known.
    pub fn each(&self) -> Duration {
        self.most.or(self.each).unwrap_or_default()
    }

    /// Whether its first result is taken for the only one, as long as no other comes.
    pub fn seems_single(&self) -> bool {
        self.is_single || (!self.several && self.singles >= PYLM_SINGLE)
    }

    /// Whether it is said that there is no other.
    pub fn is_single(&self) -> bool {
        self.is_single
    }

    /// After how long without a result a worker is taken to have done a message that has given none, where it has passed over
    /// `doubt` others since it last gave one.
    pub fn step(&self, doubt: u32) -> Duration {
        if let Some(most) = self.most {
            return most;
        }
        let (shortest, longest) = PYLM_DOUBT.into_inner();
        let each = self.each.unwrap_or_default();
        let usual = if self.silent == 0 { 0 } else { 2 * self.silent + 4 };
        if doubt < usual {
            return each;
        }
        let base = shortest.max(8 * each);
        (base * (1 << (doubt - usual).min(8))).min(longest.max(base))
    }

    /// After how long without another result a message has had all of its results. Where its client is told of the end (`told`), what
    /// comes later is lost: that it gave one result each time until now is no proof, and it is no sooner than that.
    pub fn quiet(&self, told: Option<Duration>) -> Duration {
        if told.is_none() && !self.several && self.singles >= PYLM_SINGLE {
            return PYLM_QUIET;
        }
        let unknown = if self.several { PYLM_QUIET } else { 5 * PYLM_QUIET };
        let usual = 4 * self.gap.max(self.each.unwrap_or_default());
        unknown.max(usual).max(told.unwrap_or_default())
    }

    /// After how long a message has ended that gave nothing until the worker was taken to have passed it over, where the function is known to
    /// do that; `told` as for [`quiet`](Self::quiet).
    pub fn silence(&self, told: Option<Duration>) -> Option<Duration> {
        if self.most.is_some() {
            return Some(Duration::ZERO);
        }
        let each = self.each.filter(|_| self.silent > 0)?;
        Some((5 * PYLM_QUIET).max(8 * each).max(told.unwrap_or_default()))
    }
}

/// What the node was told of how long it waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a message that gives nothing, where its function is not known to do that.
    pub silence: Duration,
    /// For another result, at least, where a client is told of the end of its message.
    pub quiet: Duration,
}

impl Limits {
    /// The least time of quiet, for a message whose client is told of its end.
    pub fn of(self, tells_end: bool) -> Option<Duration> {
        tells_end.then_some(self.quiet)
    }
}

/// All of them.
#[derive(Debug)]
pub struct Tempos {
    all: Vec<Tempo>,
    by_name: HashMap<Box<str>, TempoKey>,
    /// Most messages call what the one before did.
    last: (FunctionKey, TempoKey),
}

impl Tempos {
    /// Nothing but which functions are said to give one result, and how long a message of others takes at most.
    pub fn new(singles: &[String], paces: &[(String, Duration)]) -> Self {
        let mut tempos =
            Tempos { all: vec![Tempo::default()], by_name: HashMap::new(), last: Default::default() };
        for name in singles {
            let key = tempos.key(name);
            tempos.all[key].is_single = true;
        }
        for (name, most) in paces {
            let key = tempos.key(name);
            tempos.all[key].most = Some(*most);
        }
        tempos
    }

    /// The function of this name and key.
    pub fn of(&mut self, function: FunctionKey, name: &str) -> TempoKey {
        if self.last.0 != function {
            self.last = (function, self.key(name));
        }
        self.last.1
    }

    fn key(&mut self, name: &str) -> TempoKey {
        if let Some(&key) = self.by_name.get(name) {
            return key;
        }
        if self.all.len() >= KNOWN {
            return 0;
        }
        self.all.push(Tempo::default());
        self.by_name.insert(name.into(), self.all.len() - 1);
        self.all.len() - 1
    }

    /// What is known of one.
    pub fn get(&mut self, key: TempoKey) -> &mut Tempo {
        &mut self.all[key]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_has_never_answered_is_passed_over_ever_more_slowly() {
        let tempo = Tempo::default();
        let steps: Vec<_> = (0..8).map(|doubt| tempo.step(doubt)).collect();
        assert!(steps.is_sorted() && steps[1] == 2 * steps[0]);
        assert_eq!(tempo.step(1_000), *PYLM_DOUBT.end());
        assert_eq!(tempo.silence(Some(SECOND)), None);
    }

    #[test]
    fn one_that_keeps_few_is_passed_over_at_its_pace() {
        let mut tempo = Tempo::default();
        tempo.answered(10, 20 * SECOND);
        assert_eq!((tempo.step(0), tempo.step(21)), (2 * SECOND, 2 * SECOND));
        assert!(tempo.step(22) >= 8 * SECOND);
        assert_eq!(tempo.silence(None), Some(16 * SECOND));
        assert_eq!(tempo.silence(Some(20 * SECOND)), Some(20 * SECOND));
    }

    #[test]
    fn one_result_is_taken_for_the_only_one_until_another_comes() {
        let mut tempo = Tempo::default();
        (0..PYLM_SINGLE).for_each(|_| tempo.was_single());
        assert!(tempo.seems_single());
        assert_eq!(tempo.quiet(None), PYLM_QUIET);
        assert_eq!(tempo.quiet(Some(2 * SECOND)), 2 * SECOND, "what comes later would be lost");
        tempo.answered_again(SECOND);
        assert!(!tempo.seems_single());
        assert_eq!(tempo.quiet(None), 4 * SECOND);
        (0..100).for_each(|_| tempo.was_single());
        assert!(!tempo.seems_single(), "it may give several again");
    }

    #[test]
    fn functions_are_told_apart_as_far_as_there_is_room() {
        let mut tempos = Tempos::new(&["one".to_owned()], &[("slow".to_owned(), SECOND)]);
        let slow = tempos.key("slow");
        let slow = tempos.get(slow);
        assert_eq!(
            (slow.step(0), slow.step(1_000), slow.silence(None)),
            (SECOND, SECOND, Some(Duration::ZERO))
        );
        let one = tempos.key("one");
        assert!(tempos.get(one).seems_single());
        let others: Vec<_> = (0..2 * KNOWN).map(|number| tempos.key(&number.to_string())).collect();
        assert_eq!(others[0], tempos.key("0"));
        assert_eq!((others[2 * KNOWN - 1], tempos.all.len()), (0, KNOWN));
    }
}
