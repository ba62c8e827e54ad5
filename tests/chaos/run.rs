//! One run: all who take part are started, struck as planned, left in peace, and asked for their sums.

use std::any::Any;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicI32;
use std::thread;
use std::time::{Duration, Instant};

use pylm_tests::chaos::{Poison, Report};
use pylm_tests::machine::Machine;
use pylm_tests::programs::{Profile, programs};
use pylm_tests::proxy::{Passage, Proxy};
use pylm_tests::sealed::access;
use serde_json::Value;

use crate::client::{Client, Task};
use crate::host::Host;
use crate::node::{Addresses, LOCALS, Node, strike_local};
use crate::plan::{Cast, Event, Plan, Target, Trouble};
use crate::stage::Stage;

/// Hosts and clients; the first ones of each have a proxy before the node, and the last host a machine of its own.
const HOSTS: usize = 3;
const CLIENTS: usize = 3;
const DOOMED: usize = 1;
const PROXIED: [usize; 2] = [2, 2];
/// How long the last messages, those of killed clients, may take to end.
const SETTLE: Duration = Duration::from_secs(60);

/// What is wrong with the messages of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Nothing.
    Ordinary,
    /// Some crash their host, and some hang.
    Poison,
}

/// Does the run of a seed for so long, and gives what clients report.
///
/// # Panics
/// Where something is not as it should be; what was done is in the stage's folder.
pub fn run(stage: &Stage, seed: u64, length: Duration, load: Load) -> Vec<Report> {
    let machine = Machine::new();
    let cast = Cast {
        locals: LOCALS,
        hosts: HOSTS,
        links: PROXIED.iter().sum(),
        clients: CLIENTS,
        doomed: DOOMED,
        machines: machine.iter().count(),
    };
    let plan = Plan::new(seed, length, cast);
    stage.tell(format_args!("seed {seed}, {load:?}, {length:?}, {:?}", stage.profile));
    let addresses = Addresses::new();
    // Of another machine, a host comes in at the encrypted door.
    let file = stage.folder.join("far.toml");
    if let Some(machine) = &machine {
        let (door, file) = (machine.reach(addresses.door()), file.to_string_lossy());
        access(&Node::state(stage), &["new", "far", "--role", "host", "--address", &door, "-o", &file]);
    }
    let node_id = AtomicI32::new(0);
    let mut node = Node::start(stage, &addresses, &node_id);
    let proxies: Vec<_> = (0..cast.links).map(|_| Proxy::before(addresses.db())).collect();
    let db_for = |kind: usize, number: usize| match number < PROXIED[kind] {
        true => &*proxies[PROXIED[..kind].iter().sum::<usize>() + number].address,
        false => addresses.db(),
    };
    let host = |number| match &machine {
        Some(machine) if number == HOSTS - 1 => Host::start_on(stage, number, &file, machine),
        _ => Host::start(stage, number, db_for(0, number)),
    };
    let mut hosts: Vec<_> = (0..HOSTS).map(host).collect();
    let client = |name: String, number: usize, db: &str| {
        let owner = seed.wrapping_mul(1 << 20) + 1_000 * (number as u64 + 1);
        Client::start(stage, name, owner, db, task(load, number, length))
    };
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|number| client(format!("client-{number}"), number, db_for(1, number))).collect();
    let mut doomed: Vec<_> = (0..DOOMED)
        .map(|number| client(format!("doomed-{number}"), CLIENTS + number, addresses.db()))
        .collect();

    let failures: Vec<String> = thread::scope(|scope| {
        let [mut nodes, mut hosts, mut clients, mut doomed] = [
            std::slice::from_mut(&mut node).iter_mut().map(Victim::Node).collect::<Vec<_>>(),
            hosts.iter_mut().map(Victim::Host).collect(),
            clients.iter_mut().map(Victim::Client).collect(),
            doomed.iter_mut().map(Victim::Client).collect(),
        ]
        .map(Vec::into_iter);
        let mut threads = Vec::new();
        for (target, events) in plan.targets() {
            let victim = match target {
                Target::Node => nodes.next(),
                Target::Host(_) => hosts.next(),
                Target::Client(_) => clients.next(),
                Target::Doomed(_) => doomed.next(),
                Target::Local(number) => Some(Victim::Local(*number, &node_id)),
                Target::Link(number) => Some(Victim::Link(&proxies[*number])),
                Target::Machine(_) => machine.as_ref().map(Victim::Machine),
            };
            let act = move || {
                let _end = EndOnPanic(stage);
                let mut victim = victim.unwrap();
                for event in events.iter().take_while(|event| stage.wait_until(event.at)) {
                    stage.tell(format_args!("> {event}"));
                    victim.strike(stage, event);
                    stage.tell(format_args!("< {} {:?}", event.target, event.trouble));
                }
            };
            threads.push((target, scope.spawn(act)));
        }
        let ended = threads.into_iter().map(|(target, thread)| (target, thread.join()));
        ended.filter_map(|(target, end)| Some(format!("{target}: {}", said(&*end.err()?)))).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    stage.tell("nobody is struck any more");

    let reports: Vec<_> =
        clients.into_iter().map(|client| or_explain(stage, &addresses, || client.report())).collect();
    for client in &mut doomed {
        client.kill();
    }
    or_explain(stage, &addresses, || wait_until_settled(stage, addresses.db()));
    for heir in doomed.iter().flat_map(Client::heirs) {
        or_explain(stage, &addresses, || heir.report());
    }
    for host in &mut hosts {
        host.end();
    }
    let account = node.end();
    assert_eq!(account.under_way, 0, "{account:?}");
    node.assert_no_orphans();
    check_journal(stage);
    reports
}

/// What a client is to do; each number is another kind of job.
fn task(load: Load, number: usize, length: Duration) -> Task {
    let function = if number == 1 { "atomic_chaos" } else { "chaos" };
    let ordered = number == 2;
    let lasts = length + Duration::from_secs(1);
    let ordinary = Task {
        function,
        lasts,
        pace: Duration::from_millis(if number == 0 { 0 } else { 3 }),
        window: 500,
        ordered,
        timeout: None,
        poison: Poison::default(),
    };
    let [crash, hang] = match number {
        0 => [10, 0],
        1 => [0, 10],
        _ => [10, 10],
    };
    match load {
        Load::Ordinary => ordinary,
        // Few messages, since one that crashes its host does so five times. Those that hang have to wait for their time.
        Load::Poison => Task {
            pace: Duration::from_millis(100),
            window: 100,
            timeout: (hang > 0).then_some(Duration::from_secs(10)),
            poison: Poison { crash, hang },
            ..ordinary
        },
    }
}

/// Somebody who can be struck.
enum Victim<'a, 'b> {
    Node(&'a mut Node<'b>),
    Host(&'a mut Host<'b>),
    Client(&'a mut Client<'b>),
    Local(usize, &'a AtomicI32),
    Link(&'a Proxy),
    Machine(&'a Machine),
}

impl Victim<'_, '_> {
    fn strike(&mut self, stage: &Stage, event: &Event) {
        match self {
            Victim::Node(node) => node.strike(event),
            Victim::Host(host) => host.strike(event),
            Victim::Client(client) => client.strike(event),
            Victim::Local(number, node) => strike_local(stage, node, *number, event),
            Victim::Link(proxy) => {
                let passage = match event.trouble {
                    Trouble::Slow(delay) => Passage::Slow(Duration::from_millis(delay)),
                    Trouble::Stall => Passage::Stalled,
                    Trouble::Refuse => Passage::Refused,
                    _ => return proxy.cut(),
                };
                proxy.set(passage);
                stage.wait(event.lasts);
                proxy.set(Passage::Free);
            }
            Victim::Machine(machine) => {
                let Trouble::Unplug(end) = event.trouble else {
                    unreachable!("{:?} does not happen to a machine", event.trouble)
                };
                machine.unplug(end);
                stage.wait(event.lasts);
                machine.plug_in(end);
            }
        }
    }
}

/// Tells the others that it is over when its thread panics.
struct EndOnPanic<'a>(&'a Stage);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        }
    }
}

/// What a panic said.
pub fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

/// Does something; where it panics, what the node says of itself is written down first.
fn or_explain<T>(stage: &Stage, addresses: &Addresses, act: impl FnOnce() -> T) -> T {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let status = pylm(stage.profile, &["status", "--json", "--db", addresses.db()]);
        stage.tell(format_args!("the node says: {}", status.unwrap_or_else(|error| error)));
        std::panic::resume_unwind(panic)
    })
}

/// Waits until nothing is under way at the node, whose sum must come out at any time.
fn wait_until_settled(stage: &Stage, db: &str) {
    let end = Instant::now() + SETTLE;
    loop {
        let text =
            pylm(stage.profile, &["status", "--json", "--db", db]).unwrap_or_else(|error| panic!("{error}"));
        let status: Value = serde_json::from_str(&text).unwrap();
        let count = |key: &str| status["counts"][key].as_u64().unwrap();
        let sum: u64 = ["done", "failed", "cancelled", "under_way"].map(count).iter().sum();
        assert_eq!(count("accepted"), sum, "the sum does not come out: {text}");
        if count("under_way") == 0 {
            return stage.tell(format_args!("the node's sums: {}", status["counts"]));
        }
        assert!(Instant::now() < end, "messages are still under way: {text}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The journal must be whole.
fn check_journal(stage: &Stage) {
    let journal = Node::journal(stage);
    let summary = pylm(stage.profile, &["journal", "check", &path(&journal)]);
    stage.tell(format_args!("the journal: {summary:?}"));
    summary.unwrap_or_else(|error| panic!("{error}"));
}

/// What `pylm` says; where it fails, that is the error.
pub fn pylm(profile: Profile, arguments: &[&str]) -> Result<String, String> {
    let program = programs(profile).program("pylm");
    let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.success() {
        Ok(out)
    } else {
        Err(format!("pylm {arguments:?}: {}: {out}{err}", output.status))
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
