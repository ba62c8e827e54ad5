//! What will happen, all of it made in advance from one seed: who is struck, when, how, and for how long.

use std::fmt;
use std::time::Duration;

use pylm_tests::checked_job::mixed;
use pylm_tests::machine::End;

/// How many of each kind there are.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Worker hosts that the node has started (`--workers`).
    pub locals: usize,
    /// Worker hosts that the suite has started.
    pub hosts: usize,
    /// Links with a proxy on them.
    pub links: usize,
    /// Clients that are never killed.
    pub clients: usize,
    /// Clients that are killed, and whose jobs nobody comes back for.
    pub doomed: usize,
    /// Machines with a host on them, as far as they can be made here.
    pub machines: usize,
}

/// Who is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The node.
    Node,
    /// A worker host that the node has started.
    Local(usize),
    /// A worker host that the suite has started.
    Host(usize),
    /// A link with a proxy on it.
    Link(usize),
    /// A client that is never killed.
    Client(usize),
    /// A client that is killed.
    Doomed(usize),
    /// A machine with a host on it.
    Machine(usize),
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// SIGKILL, and started again after the time. A host dies with its child.
    Kill,
    /// SIGKILL for the child of a host, which the host starts again.
    KillChild,
    /// SIGTERM, and started again when it has ended.
    Replace,
    /// SIGSTOP, and SIGCONT after the time; a host together with its child.
    Freeze,
    /// The same for the child of a host alone.
    FreezeChild,
    /// The node's files cannot grow.
    FullDisk,
    /// Every connection over the link is cut.
    Cut,
    /// Each piece of up to 64 KiB takes so many milliseconds longer.
    Slow(u64),
    /// Nothing passes.
    Stall,
    /// No connection stands.
    Refuse,
    /// Nothing passes the cable of a machine, and nobody hears of that.
    Unplug(End),
}

/// Something that will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, from the start.
    pub at: Duration,
    /// Who is struck.
    pub target: Target,
    /// How.
    pub trouble: Trouble,
    /// For how long.
    pub lasts: Duration,
}

/// The events of one run, by their target, each list in the order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan(Vec<(Target, Vec<Event>)>);

impl Plan {
    /// The plan of a seed: events that begin within `length`.
    pub fn new(seed: u64, length: Duration, cast: Cast) -> Self {
        let all = |count: usize, target: fn(usize) -> Target| (0..count).map(target);
        let targets = all(1, |_| Target::Node)
            .chain(all(cast.locals, Target::Local))
            .chain(all(cast.hosts, Target::Host))
            .chain(all(cast.links, Target::Link))
            .chain(all(cast.clients, Target::Client))
            .chain(all(cast.doomed, Target::Doomed))
            // The last ones, so that nothing else changes where there are none.
            .chain(all(cast.machines, Target::Machine));
        let mut random = Random(mixed(seed));
        Self(targets.map(|target| (target, events(target, length, &mut random))).collect())
    }

    /// What happens to whom.
    pub fn targets(&self) -> &[(Target, Vec<Event>)] {
        &self.0
    }
}

/// One after the other, with some peace between them.
fn events(target: Target, length: Duration, random: &mut Random) -> Vec<Event> {
    let mut events = Vec::new();
    let peace = match target {
        Target::Node => 6_000,
        Target::Local(_) | Target::Link(_) | Target::Machine(_) => 8_000,
        Target::Host(_) => 7_000,
        Target::Client(_) | Target::Doomed(_) => 12_000,
    };
    let mut at = 1_000 + random.below(peace);
    while Duration::from_millis(at) < length {
        let (trouble, lasts) = trouble(target, random);
        let event =
            Event { at: Duration::from_millis(at), target, trouble, lasts: Duration::from_millis(lasts) };
        events.push(event);
        at += lasts + 300 + random.below(2 * peace);
    }
    events
}

/// What happens to somebody, and for how many milliseconds.
fn trouble(target: Target, random: &mut Random) -> (Trouble, u64) {
    let lot = random.below(100);
    match target {
        Target::Node => match lot {
            0..40 => (Trouble::Kill, random.below(1_500)),
            40..60 => (Trouble::Replace, random.below(500)),
            60..80 => (Trouble::Freeze, silence(random)),
            _ => (Trouble::FullDisk, 500 + random.below(3_500)),
        },
        Target::Host(_) => match lot {
            0..30 => (Trouble::Kill, random.below(2_000)),
            30..50 => (Trouble::Replace, random.below(500)),
            50..65 => (Trouble::KillChild, 0),
            65..85 => (Trouble::Freeze, silence(random)),
            _ => (Trouble::FreezeChild, silence(random)),
        },
        Target::Local(_) if lot < 60 => (Trouble::KillChild, 0),
        Target::Local(_) => (Trouble::FreezeChild, silence(random)),
        Target::Link(_) => match lot {
            0..40 => (Trouble::Cut, 0),
            40..65 => (Trouble::Slow(1 + random.below(100)), random.below(5_000)),
            65..85 => (Trouble::Stall, silence(random)),
            _ => (Trouble::Refuse, random.below(4_000)),
        },
        Target::Client(_) => (Trouble::Freeze, silence(random)),
        Target::Doomed(_) => (Trouble::Kill, random.below(2_000)),
        Target::Machine(_) if lot < 50 => (Trouble::Unplug(End::Theirs), silence(random)),
        Target::Machine(_) => (Trouble::Unplug(End::Ours), silence(random)),
    }
}

/// Shorter or longer than the 5 s after which a silent peer is given up.
fn silence(random: &mut Random) -> u64 {
    match random.below(2) {
        0 => 50 + random.below(3_000),
        _ => 5_200 + random.below(2_500),
    }
}

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mixed(self.0) % bound
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Local(number) => write!(f, "local-host-{number}"),
            Self::Host(number) => write!(f, "host-{number}"),
            Self::Link(number) => write!(f, "link-{number}"),
            Self::Client(number) => write!(f, "client-{number}"),
            Self::Doomed(number) => write!(f, "doomed-{number}"),
            Self::Machine(number) => write!(f, "machine-{number}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, target, trouble, lasts } = self;
        write!(f, "{:7.3} {target} {trouble:?} for {:.3} s", at.as_secs_f64(), lasts.as_secs_f64())
    }
}

#[test]
fn a_plan_follows_from_its_seed() {
    let cast = Cast { locals: 2, hosts: 3, links: 4, clients: 2, doomed: 1, machines: 1 };
    let length = Duration::from_secs(60);
    assert_eq!(Plan::new(1, length, cast), Plan::new(1, length, cast));
    assert_ne!(Plan::new(1, length, cast), Plan::new(2, length, cast));
}
