//! Flows: nodes that follow each other, with their workers, each part of which can be ours or pylm's.

use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::account::Account;
use crate::address::wait_for_peers;
use crate::node::{Node, WorkerHost};
use crate::process::Process;
use crate::programs::{Profile, programs};
use crate::pylm::{self, PylmNode};

/// How long a client's job, a connection or a line in a log may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The names of each node's workers.
const WORKERS: [&str; 2] = ["worker1", "worker2"];

/// One node of a flow, in the words of both sides.
pub struct Part {
    /// What the flow calls it, since several nodes may have one name.
    pub label: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Topics, and the labels of the earlier nodes that publish under them; none where messages come from clients.
    pub from: &'static [(&'static str, &'static str)],
    /// Whether nodes follow it.
    pub pipelined: bool,
    /// More arguments of our `pylmd`: plugins and settings.
    pub ours: &'static [&'static str],
    /// The script in `tests/python` that runs pylm's node, and more arguments of it.
    pub python: (&'static str, &'static [&'static str]),
    /// Its workers; without them, functions run in the node.
    pub workers: Option<Workers>,
}

/// A Server whose results go on.
pub const FIRST: Part = Part {
    label: "first",
    name: "first",
    from: &[],
    pipelined: true,
    ours: &["--plugin", "stamp", "--set", "stamp.text=first "],
    python: ("server.py", &["--text", "first "]),
    workers: None,
};

/// A Pipeline behind it, whose results go to the client.
pub const LAST: Part = Part {
    label: "last",
    name: "last",
    from: &[("first", "first")],
    pipelined: false,
    ours: &["--plugin", "stamp", "--set", "stamp.text=last "],
    python: ("pipeline.py", &["--text", "last "]),
    workers: None,
};

/// The two workers of a node, in the words of both sides.
#[derive(Clone, Copy)]
pub struct Workers {
    /// What the flow calls them.
    pub label: &'static str,
    /// The plugin that our worker hosts load.
    pub plugin: &'static str,
    /// The script in `tests/python` that runs pylm's worker, and more arguments of it.
    pub python: (&'static str, &'static [&'static str]),
}

/// Which parts and workers run on the unmodified Python package.
#[derive(Clone, Copy, Debug)]
pub enum Mix<'a> {
    /// None.
    Ours,
    /// The one with this label.
    Swapped(&'a str),
    /// Those with these labels.
    Mixed(&'a [&'a str]),
    /// All of them.
    Python,
}

impl Mix<'_> {
    fn is_python(self, label: &str) -> bool {
        match self {
            Mix::Ours => false,
            Mix::Swapped(swapped) => swapped == label,
            Mix::Mixed(labels) => labels.contains(&label),
            Mix::Python => true,
        }
    }
}

/// A running flow.
pub struct Flow {
    nodes: Vec<Running>,
    workers: Vec<Process>,
}

struct Running {
    label: &'static str,
    name: &'static str,
    python: bool,
    process: Process,
    publish: String,
    worker_push: String,
    db: String,
}

impl Flow {
    /// Start the parts in their order, each when those that it follows are ready.
    ///
    /// # Panics
    /// Where one does not get ready, or `mix` names none of them.
    #[must_use]
    #[track_caller]
    pub fn start(parts: &[Part], mix: Mix<'_>) -> Self {
        if let Mix::Swapped(label) = mix {
            let workers = |part: &Part| part.workers.is_some_and(|workers| workers.label == label);
            let known = parts.iter().any(|part| part.label == label || workers(part));
            assert!(known, "no part is called {label}");
        }
        let mut flow = Self { nodes: Vec::new(), workers: Vec::new() };
        for part in parts {
            flow.add(part, mix);
        }
        flow.wait_for_links(parts);
        flow
    }

    #[track_caller]
    fn add(&mut self, part: &Part, mix: Mix<'_>) {
        let python = mix.is_python(part.label);
        let node = if python { self.start_python(part) } else { self.start_ours(part) };
        if let Some(Workers { label, plugin, python: (script, args) }) = part.workers {
            for name in WORKERS {
                self.workers.push(if mix.is_python(label) {
                    pylm::serving(name, script, &node.db, args)
                } else {
                    WorkerHost::start(&node.db, &[plugin], name, &[]).process
                });
            }
            if python {
                // pylm deals messages only among the workers that are there.
                wait_for_peers(&node.worker_push, WORKERS.len(), PATIENCE);
            }
        }
        self.nodes.push(node);
    }

    #[track_caller]
    fn start_ours(&self, part: &Part) -> Running {
        let mut args = vec!["--name".to_owned(), part.name.to_owned()];
        args.extend(
            part.from
                .iter()
                .flat_map(|(topic, label)| ["--from".to_owned(), format!("{topic}={}", self.node(label).db)]),
        );
        args.extend(part.workers.is_none().then(|| "--inline".to_owned()));
        args.extend(part.pipelined.then(|| "--pipelined".to_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).chain(part.ours.iter().copied()).collect();
        let Node { process, publish, worker_push, db, .. } = Node::start(&args);
        Running { label: part.label, name: part.name, python: false, process, publish, worker_push, db }
    }

    #[track_caller]
    fn start_python(&self, part: &Part) -> Running {
        let mut args = vec!["--name".to_owned(), part.name.to_owned()];
        args.extend(part.from.iter().flat_map(|(topic, label)| {
            ["--from".to_owned(), format!("{topic}={}", self.node(label).publish)]
        }));
        args.extend(part.pipelined.then(|| "--pipelined".to_owned()));
        let (script, more) = part.python;
        let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let PylmNode { process, publish, worker_push, db, .. } = pylm::node(script, &args);
        Running { label: part.label, name: part.name, python: true, process, publish, worker_push, db }
    }

    #[track_caller]
    fn node(&self, label: &str) -> &Running {
        let found = self.nodes.iter().find(|node| node.label == label);
        found.unwrap_or_else(|| panic!("no node before this one is called {label}"))
    }

    /// Our side of a link says when it stands. pylm's does not, and what is published before that is lost.
    #[track_caller]
    fn wait_for_links(&self, parts: &[Part]) {
        for (part, node) in parts.iter().zip(&self.nodes) {
            if !node.python && !part.from.is_empty() {
                let links = part.from.len();
                wait_for_lines([&node.process], "follows a node", &(links..=links));
            }
        }
        for node in &self.nodes {
            let follows = |part: &&Part| part.from.iter().any(|(_, label)| *label == node.label);
            let followers = parts.iter().filter(follows).map(|part| self.node(part.label));
            let subscribers = followers.filter(|follower| node.python || follower.python).count();
            if subscribers > 0 {
                wait_for_peers(&node.publish, subscribers, PATIENCE);
            }
        }
    }

    /// What a pylm client prints, which knows the cache of the first node, and listens to the last one.
    ///
    /// # Panics
    /// Where it does not end well.
    #[must_use]
    #[track_caller]
    pub fn python_client(&self, args: &[&str]) -> Vec<String> {
        let mut client = self.start_client("client.py", args);
        client.wait_for_success(PATIENCE);
        client.stdout_lines()
    }

    /// Start a script that is such a client.
    #[must_use]
    #[track_caller]
    pub fn start_client(&self, script: &str, args: &[&str]) -> Process {
        let (first, last) = (&self.nodes[0], &self.nodes[self.nodes.len() - 1]);
        let mut flags = vec!["--db", &*first.db, "--server", first.name];
        if self.nodes.len() > 1 {
            flags.extend(["--sub", &last.publish]);
        }
        if self.nodes.iter().any(|node| node.python) {
            // pylm's nodes drop results that are faster than the client's subscription.
            flags.extend(["--send-after", "0.5"]);
        }
        pylm::script("client", script, &[&flags, args].concat())
    }

    /// End our nodes, the first one first, each when all that it has taken has ended; what they counted.
    ///
    /// # Panics
    /// Where one does not end well.
    #[track_caller]
    pub fn end(mut self) -> Vec<Account> {
        let ours = self.nodes.iter_mut().filter(|node| !node.python);
        let end = |node: &mut Running| {
            node.process.signal(Signal::TERM);
            node.process.wait_for_success(PATIENCE);
            Account::of(&node.process)
        };
        ours.map(end).collect()
    }

    /// Run our command `pylm` on the first node to its end: what to do, and its standard input.
    #[must_use]
    #[track_caller]
    pub fn native_client(&self, args: &[&str], input: &[u8]) -> Process {
        let program = programs(Profile::Debug).program("pylm");
        let mut client = Process::plan("pylm", program).args(args).args(["--db", &self.nodes[0].db]).start();
        client.write_stdin(input);
        client.close_stdin();
        client.wait(PATIENCE);
        client
    }

    /// Wait until the nodes and workers have written so many lines with this text.
    ///
    /// # Panics
    /// When it takes too long, or there are more.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str, count: &RangeInclusive<usize>) {
        let nodes = self.nodes.iter().map(|node| &node.process);
        wait_for_lines(nodes.chain(&self.workers), text, count);
    }
}

#[track_caller]
fn wait_for_lines<'a>(
    processes: impl IntoIterator<Item = &'a Process>,
    text: &str,
    count: &RangeInclusive<usize>,
) {
    let processes: Vec<&Process> = processes.into_iter().collect();
    let end = Instant::now() + PATIENCE;
    loop {
        let lines =
            processes.iter().flat_map(|process| [process.stdout_lines(), process.stderr_lines()].concat());
        let found = lines.filter(|line| line.contains(text)).count();
        if count.contains(&found) {
            return;
        }
        let waiting = found < *count.start() && Instant::now() < end;
        assert!(waiting, "{found} lines with {text:?} were written, not {count:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
