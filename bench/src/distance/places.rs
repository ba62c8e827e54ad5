//! Which peer of the node is far away.

use super::{Found, Plan, load};
use crate::contender::own::{self, With};
use crate::contender::{START, part, wait_until_ready};
use crate::part::ask;
use crate::programs;
use anyhow::{Result, anyhow};
use clap::ValueEnum;
use pylm_tests::far::Link;
use pylm_tests::process::Process;
use pylm_transport::Context;
use std::ffi::OsString;
use std::fmt;
use std::thread;
use uuid::Uuid;

/// Which peer is far away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// The only worker host
    Host,
    /// The client
    Client,
    /// A node that follows, and runs functions itself
    Follower,
    /// The only pylm worker
    PylmWorker,
    /// The only web worker
    WebWorker,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 5] =
        [Place::Host, Place::Client, Place::Follower, Place::PylmWorker, Place::WebWorker];

    /// Whether functions that take so many microseconds tell anything of it. The pylm worker echoes, and so fast that nothing else is
    /// measured.
    pub fn does(self, work: u64) -> bool {
        matches!(self, Place::Host | Place::Follower | Place::WebWorker) || work == 0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// Measures, on a thread of its own: the processes' keeper panics where one does not do what it should, which is this
/// measurement's failure and not the run's.
pub fn measure(plan: Plan) -> Result<Found> {
    thread::spawn(move || match plan.place {
        Place::Host => host(plan),
        Place::Client => client(plan),
        Place::Follower => follower(plan),
        Place::PylmWorker => pylm_worker(plan),
        Place::WebWorker => web_worker(plan),
    })
    .join()
    .unwrap_or_else(|_| Err(anyhow!("a process failed")))
}

/// Slots of a host: as many as keep it busy without all of the cores, where functions sleep.
fn slots(plan: Plan) -> u32 {
    match plan.work.as_micros() {
        0..1_000 => 1,
        1_000..10_000 => 4,
        _ => 16,
    }
}

fn function(plan: Plan) -> &'static str {
    if plan.work.is_zero() { "server.echo" } else { "server.work" }
}

/// The setting of the plugin for how long its function takes.
fn work(plan: Plan) -> String {
    format!("bench-echo.work={}", plan.work.as_micros())
}

fn host(plan: Plan) -> Result<Found> {
    let (_node, db) = own::node(With::Nothing)?;
    let link = Link::to(&db, plan.distance);
    let _host = own::host(&link.address, 0, slots(plan), &["--set", &work(plan)]);
    load::run(plan, &db, function(plan), &link)
}

fn client(plan: Plan) -> Result<Found> {
    let (_node, db) = own::node(With::Nothing)?;
    let link = Link::to(&db, plan.distance);
    let _hosts = [0, 1].map(|number| own::host(&db, number, 1, &[]));
    load::run(plan, &link.address, function(plan), &link)
}

fn follower(plan: Plan) -> Result<Found> {
    let plugin = programs::release().plugin("bench-echo");
    let arguments = |words: &[&str]| {
        let words = words.iter().map(OsString::from);
        words.chain(["--inline".into(), "--plugin".into(), plugin.into()]).collect::<Vec<_>>()
    };
    let (_first, db) = own::node_with("first", arguments(&["--name", "first", "--pipelined"]))?;
    let link = Link::to(&db, plan.distance);
    let (from, work) = (format!("first={}", link.address), work(plan));
    let words = ["--name", "second", "--from", &from, "--set", &work];
    let (second, _) = own::node_with("second", arguments(&words))?;
    second.wait_for_line("follows a node", START);
    let function = function(plan).replace("server", "second");
    load::run(plan, &db, &format!("first.echo {function}"), &link)
}

fn pylm_worker(plan: Plan) -> Result<Found> {
    let (_node, db) = own::node(With::Nothing)?;
    let (context, worker) = (Context::new()?, Uuid::new_v4().to_string());
    let to_worker = Link::to(&ask(&context, &db, &worker, "worker_push_address")?, plan.distance);
    let from_worker = Link::to(&ask(&context, &db, &worker, "worker_pull_address")?, plan.distance);
    let addresses = [format!("--pull={}", to_worker.address), format!("--push={}", from_worker.address)];
    let worker = part("worker", "palm-worker", &addresses)?.start();
    wait_until_ready(&worker);
    load::run(plan, &db, function(plan), &to_worker)
}

fn web_worker(plan: Plan) -> Result<Found> {
    let program = programs::release();
    let mut worker = Process::plan("worker", program.program("pylm-worker"))
        .args(["--http", "127.0.0.1:0", "--name", "worker", "--set", &work(plan)])
        .args(["--slots", &slots(plan).to_string()])
        .arg("--plugin")
        .arg(program.plugin("bench-echo"))
        .start();
    let ready = worker.wait_until_ready(START);
    let link = Link::to(&ready.field("http"), plan.distance);
    let url = link.address.replace("tcp://", "http://");
    let (_node, db) = own::node_with("pylmd", vec!["--http-worker".into(), url.into()])?;
    load::run(plan, &db, function(plan), &link)
}
