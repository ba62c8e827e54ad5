//! A chain of nodes that follows from a seed: what each is, what it does, and which of them are pylm's.

use pylm_tests::flow::{Part, Workers};
use pylm_tests::garbage::Random;

use crate::{MESSAGES, model};

/// Names of nodes, none of which begins as another one does: pylm compares only the beginning of a topic.
const NAMES: [&str; 4] = ["first", "second", "third", "last"];

/// What each node follows.
const FROM: [&[(&str, &str)]; 4] =
    [&[], &[("first", "first")], &[("second", "second")], &[("third", "third")]];

/// What the workers of each node are called.
const WORKERS: [&str; 4] = ["workers of first", "workers of second", "workers of third", "workers of last"];

/// One message becomes so many at most, so that no publisher of pylm's has 1,000 waiting, beyond which it drops results.
const CROWD: usize = 36;

/// What a node does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    PassOn,
    FailSome,
    ZeroSome,
    KeepSome,
    PassTwo,
    VarySome,
    ZeroAnd,
}

impl Function {
    /// What the two sides call it.
    pub fn name(self) -> &'static str {
        match self {
            Function::PassOn => "pass_on",
            Function::FailSome => "fail_some",
            Function::ZeroSome => "zero_some",
            Function::KeepSome => "keep_some",
            Function::PassTwo => "pass_two",
            Function::VarySome => "vary_some",
            Function::ZeroAnd => "zero_and",
        }
    }
}

/// Where a node's functions run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the node: pylm's Server, Pipeline or Sink.
    Node { sink: bool },
    /// At pylm's Workers, or our hosts.
    Workers,
    /// At pylm's MuxWorkers, or our hosts.
    MuxWorkers,
}

/// What a gather hook does with some results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sift {
    LeavesOut,
    Doubles,
}

/// One node.
#[derive(Debug)]
pub struct Stage {
    pub place: Place,
    pub function: Function,
    pub scatters: bool,
    pub sift: Option<Sift>,
    pub is_python: bool,
    pub has_python_workers: bool,
}

impl Stage {
    fn of(random: &mut Random, is_first: bool, is_last: bool) -> Self {
        use Function::{FailSome, KeepSome, PassOn, PassTwo, VarySome, ZeroAnd, ZeroSome};
        let place = match random.below(4) {
            0 => Place::Node { sink: random.below(2) == 0 },
            1 => Place::Workers,
            _ => Place::MuxWorkers,
        };
        // A Server or Worker that gives nothing is one that ends, and so is a MuxWorker that fails.
        let functions: &[Function] = match place {
            Place::Node { .. } if is_first => &[PassOn, FailSome, ZeroSome],
            Place::Node { .. } => &[PassOn, FailSome, ZeroSome, KeepSome],
            Place::Workers => &[PassOn, FailSome, ZeroSome],
            Place::MuxWorkers => &[PassOn, KeepSome, PassTwo, VarySome, ZeroAnd],
        };
        let has_workers = !matches!(place, Place::Node { .. });
        let sift = match random.below(4) {
            0 => Some(Sift::LeavesOut),
            // What pylm's gather gives twice on the way counts as two stages.
            1 if is_last => Some(Sift::Doubles),
            _ => None,
        };
        Stage {
            place,
            function: functions[random.below(functions.len() as u64) as usize],
            scatters: has_workers && random.below(3) == 0,
            sift: sift.filter(|_| has_workers),
            is_python: random.below(2) == 0,
            has_python_workers: has_workers && random.below(2) == 0,
        }
    }

    /// How many messages scatter makes of each.
    pub fn copies(&self) -> usize {
        if self.scatters { 3 } else { 1 }
    }
}

/// All of them, in the order in which a message passes.
#[derive(Debug)]
pub struct Chain {
    pub stages: Vec<Stage>,
}

impl Chain {
    /// The chain of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed << 32);
        loop {
            let nodes = 1 + random.below(NAMES.len() as u64) as usize;
            let stage = |place| Stage::of(&mut random, place == 0, place + 1 == nodes);
            let chain = Chain { stages: (0..nodes).map(stage).collect() };
            let payloads: Vec<_> = (0..MESSAGES).map(|number| format!("c{number}")).collect();
            let is_crowded = payloads.iter().any(|payload| model::crowd(&chain, payload) > CROWD);
            // Where a MuxWorker never gives anything, our node goes on at a message a second only.
            if !is_crowded && !model::is_silent(&chain, payloads) {
                return chain;
            }
        }
    }

    /// The flow that it is.
    pub fn parts(&self) -> Vec<Part> {
        let stages = self.stages.iter().enumerate();
        stages.map(|(place, stage)| part(stage, place, place + 1 < self.stages.len())).collect()
    }

    /// The labels of what is pylm's.
    pub fn pythons(&self) -> Vec<&'static str> {
        let stages = self.stages.iter().enumerate();
        let labels = stages.flat_map(|(place, stage)| {
            let node = stage.is_python.then_some(NAMES[place]);
            node.into_iter().chain(stage.has_python_workers.then_some(WORKERS[place]))
        });
        labels.collect()
    }

    /// What is called at each node.
    pub fn call(&self) -> Vec<String> {
        let stages = self.stages.iter().enumerate();
        stages.map(|(place, stage)| format!("{}.{}", NAMES[place], stage.function.name())).collect()
    }

    /// Whether what a client's call has left may reach its next one: as soon as somebody else than the node that it sends to
    /// publishes its results, or that is pylm's.
    pub fn mixes_calls(&self) -> bool {
        self.stages.len() > 1 || self.stages[0].is_python
    }
}

fn part(stage: &Stage, place: usize, pipelined: bool) -> Part {
    let label = NAMES[place];
    let (ours, python): (&'static [&'static str], _) = match stage.place {
        Place::Node { sink } => {
            let script = match (place, sink) {
                (0, _) => "server.py",
                (_, true) => "sink.py",
                (_, false) => "pipeline.py",
            };
            (&["--plugin", "foretold"], (script, &[] as &'static [&'static str]))
        }
        _ => {
            let (ours, args) = shape(stage);
            (ours, (if place == 0 { "master.py" } else { "hub.py" }, args))
        }
    };
    let script = match stage.place {
        Place::Node { .. } => None,
        Place::Workers => Some("worker.py"),
        Place::MuxWorkers => Some("mux_worker.py"),
    };
    let workers =
        script.map(|script| Workers { label: WORKERS[place], plugin: "foretold", python: (script, &[]) });
    Part { label, name: label, from: FROM[place], pipelined, ours, python, workers }
}

/// The hooks of a node with workers, in the words of both sides. A MuxWorker may give nothing for any message, and nothing tells then that
/// they have ended: our node is told how long to wait, so that it ends.
fn shape(stage: &Stage) -> (&'static [&'static str], &'static [&'static str]) {
    match (stage.scatters, stage.sift) {
        (false, None) => (&["--pylm-silence", "2s"], &[]),
        (true, None) => (&["--pylm-silence", "2s", "--plugin", "scatter3"], &["--copies", "3"]),
        (false, Some(Sift::LeavesOut)) => {
            (&["--pylm-silence", "2s", "--plugin", "sift"], &["--sift", "leaves-out"])
        }
        (true, Some(Sift::LeavesOut)) => (
            &["--pylm-silence", "2s", "--plugin", "scatter3", "--plugin", "sift"],
            &["--copies", "3", "--sift", "leaves-out"],
        ),
        (false, Some(Sift::Doubles)) => (
            &["--pylm-silence", "2s", "--plugin", "sift", "--set", "sift.doubles=true"],
            &["--sift", "doubles"],
        ),
        (true, Some(Sift::Doubles)) => (
            &[
                "--pylm-silence",
                "2s",
                "--plugin",
                "scatter3",
                "--plugin",
                "sift",
                "--set",
                "sift.doubles=true",
            ],
            &["--copies", "3", "--sift", "doubles"],
        ),
    }
}
