//! Runs a cluster: starts its programs, tells when all are ready, and ends them together.

use super::logs::{Logs, Written};
use super::plan::Program;
use super::watch::{Event, Order, Surroundings, watch};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, interval_at};

/// How long a start takes before it is said who is waited for.
const SLOW_START: Duration = Duration::from_secs(10);

/// Where a program stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NotStarted,
    Starting,
    /// Ready, or, when it has died since, about to be started again.
    Up,
    Stopping,
    Ended,
}

/// A cluster that runs.
struct Up {
    programs: Vec<Program>,
    states: Vec<State>,
    orders: Vec<Option<UnboundedSender<Order>>>,
    /// What becomes of programs, by their place.
    events: UnboundedReceiver<(usize, Event)>,
    tell: UnboundedSender<(usize, Event)>,
    logs: Logs,
    /// Holds the sockets on which programs say that they are ready.
    notify: TempDir,
    /// Whether all have been ready.
    was_ready: bool,
    is_stopping: bool,
    /// Whether all that have ended did so in order.
    is_clean: bool,
    /// Why the cluster cannot run.
    failure: Option<Failure>,
}

/// Runs programs in a folder until a signal ends them, or one of them cannot start; `welcome` is said when all are ready.
pub(crate) async fn up(programs: Vec<Program>, folder: &Path, welcome: &str) -> Result<ExitCode, Failure> {
    let mut interrupts = Interrupts::new()?;
    let names: Vec<&str> = programs.iter().map(|program| &*program.name).collect();
    let (logs, written) = Logs::start(&names).map_err(Failure::running("cannot start a thread"))?;
    let notify = tempfile::Builder::new().prefix("pylm-up-").tempdir();
    let (tell, events) = unbounded_channel();
    let mut up = Up {
        states: vec![State::NotStarted; programs.len()],
        orders: programs.iter().map(|_| None).collect(),
        programs,
        events,
        tell,
        logs,
        notify: notify.map_err(Failure::running("cannot make a temporary folder"))?,
        was_ready: false,
        is_stopping: false,
        is_clean: true,
        failure: None,
    };
    up.start(folder, true);
    let mut slow = interval_at(Instant::now() + SLOW_START, SLOW_START);
    while !up.has_ended() {
        tokio::select! {
            Some((at, event)) = up.events.recv() => up.take(at, event),
            _ = interrupts.next() => up.interrupt(),
            _ = slow.tick(), if !up.was_ready && !up.is_stopping => up.say_who_is_waited_for(),
        }
        up.go_on(folder, welcome);
    }
    up.finish(written).await
}

impl Up {
    /// Starts the nodes, or the worker hosts.
    fn start(&mut self, folder: &Path, nodes: bool) {
        for at in 0..self.programs.len() {
            if self.programs[at].is_node() != nodes {
                continue;
            }
            let (orders, received) = unbounded_channel();
            let around = Surroundings {
                at,
                folder: folder.to_owned(),
                notify: self.notify.path().join(at.to_string()),
                logs: self.logs.clone(),
                orders: received,
                events: self.tell.clone(),
            };
            tokio::spawn(watch(self.programs[at].clone(), around));
            self.orders[at] = Some(orders);
            self.states[at] = State::Starting;
        }
    }

    fn take(&mut self, at: usize, event: Event) {
        let name = &self.programs[at].name;
        match event {
            Event::Ready if self.states[at] == State::Starting => self.states[at] = State::Up,
            Event::Ready if self.states[at] == State::Up => self.logs.say(&format!("{name} is ready again")),
            Event::Ready => {}
            Event::NotStarted { is_refused, words } => {
                let failure = if is_refused { Failure::Usage } else { Failure::Running };
                self.failure.get_or_insert_with(|| failure(format!("{name} cannot start: {words}")));
                self.states[at] = State::Ended;
                self.is_stopping = true;
            }
            Event::Ended { is_clean } => {
                self.is_clean &= is_clean;
                self.states[at] = State::Ended;
            }
        }
    }

    /// The first signal ends all in order, any further one at once.
    fn interrupt(&mut self) {
        if std::mem::replace(&mut self.is_stopping, true) {
            self.logs.say("killing all that has not ended");
            self.is_clean = false;
            self.orders.iter().flatten().for_each(|orders| {
                let _ = orders.send(Order::Kill);
            });
        } else {
            self.logs.say("ending in order; a second signal ends all at once");
        }
    }

    /// Does what follows from the states.
    fn go_on(&mut self, folder: &Path, welcome: &str) {
        if self.is_stopping {
            for at in next_to_stop(&self.programs, &self.states) {
                self.states[at] = State::Stopping;
                if let Some(orders) = &self.orders[at] {
                    // It fails when the program has ended just now, which is said by an event.
                    let _ = orders.send(Order::Stop);
                }
            }
        } else if !self.was_ready && !self.states.contains(&State::Starting) {
            if self.states.contains(&State::NotStarted) {
                self.start(folder, false);
            } else {
                self.was_ready = true;
                self.logs.say(welcome);
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.is_stopping && self.states.iter().all(|state| matches!(state, State::NotStarted | State::Ended))
    }

    fn say_who_is_waited_for(&self) {
        let waiting = self.programs.iter().zip(&self.states).filter(|(_, state)| **state == State::Starting);
        let names: Vec<&str> = waiting.map(|(program, _)| &*program.name).collect();
        self.logs.say(&format!("still waiting until these are ready: {}", names.join(", ")));
    }

    async fn finish(self, written: Written) -> Result<ExitCode, Failure> {
        self.logs.finish(written).await;
        match self.failure {
            Some(failure) => Err(failure),
            None if self.is_clean => Ok(ExitCode::SUCCESS),
            None => Ok(ExitCode::FAILURE),
        }
    }
}

/// The programs that can be told to end now: those after which nothing comes to them any more. The first nodes end first,
/// while those that follow them, and worker hosts, still help to finish what is under way.
fn next_to_stop(programs: &[Program], states: &[State]) -> Vec<usize> {
    let runs = |at: &usize| matches!(states[*at], State::Starting | State::Up);
    let is_over = |at: &usize| matches!(states[*at], State::NotStarted | State::Ended);
    let running = || (0..programs.len()).filter(runs);
    let mut next: Vec<usize> = running().filter(|at| programs[*at].after.iter().all(is_over)).collect();
    if next.is_empty() && !states.contains(&State::Stopping) {
        // They follow each other: one has to be the first.
        next.extend(running().next());
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(program: &'static str, after: &[usize]) -> Program {
        let (name, args, grace) = (String::new(), Vec::new(), Duration::ZERO);
        Program { name, program, args, after: after.to_vec(), grace }
    }

    /// The order in which programs end that all end as soon as they are told.
    fn order(programs: &[Program]) -> Vec<Vec<usize>> {
        let mut states = vec![State::Up; programs.len()];
        let mut order = Vec::new();
        while states.contains(&State::Up) {
            let next = next_to_stop(programs, &states);
            next.iter().for_each(|at| states[*at] = State::Stopping);
            assert!(!next.is_empty() && next_to_stop(programs, &states).is_empty());
            next.iter().for_each(|at| states[*at] = State::Ended);
            order.push(next);
        }
        order
    }

    #[test]
    fn first_nodes_end_first_and_hosts_after_their_node() {
        let (node, host) = ("pylmd", "pylm-worker");
        let programs = [
            program(node, &[2]),
            program(node, &[2]),
            program(node, &[]),
            program(host, &[2]),
            program(host, &[0]),
        ];
        assert_eq!(order(&programs), [vec![2], vec![0, 1, 3], vec![4]]);
    }

    #[test]
    fn nodes_in_a_round_end_one_after_the_other() {
        let (node, host) = ("pylmd", "pylm-worker");
        let programs = [program(node, &[1]), program(node, &[0]), program(host, &[0])];
        assert_eq!(order(&programs), [vec![0], vec![1, 2]]);
    }
}
