//! Serving a Python Master or Hub in pylm's way: one message at a time for each slot.

mod service;
mod slots;

use super::HostError;
use super::db::Db;
use super::life::{BEAT, Life};
use super::shared::Shared;
use crate::supervisor::Backoff;
use pylm_transport::{Context, Frame, Frames, Options, Poller, Security, SendError, Socket, SocketKind};
use service::CacheService;
pub(super) use slots::{Desk, run as work};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tracing::{info, warn};
use uuid::Uuid;

/// Keys under which a Master tells where its workers connect to.
const PUSH_KEY: &str = "worker_push_address";
const PULL_KEY: &str = "worker_pull_address";

const PULL: usize = 0;
const PUSH: usize = 1;
const DB: usize = 2;

/// How long a host that is ending goes on taking what the Master had dealt to it already.
const LEFTOVERS: Duration = Duration::from_secs(5);
/// Nothing more comes when nothing came for so long.
const QUIET: Duration = Duration::from_millis(200);
/// How long results may take to leave at the end.
const LINGER: Duration = Duration::from_secs(10);

/// Serves until the host is told to end, and has finished. The waker of `poller` is the one that `shared` wakes.
pub(super) fn serve(
    context: &Context,
    db: &str,
    shared: &Shared,
    desk: &Desk,
    life: &mut Life,
    poller: &mut Poller,
) -> Result<(), HostError> {
    let client = Uuid::new_v4().to_string();
    let Some((push, pull)) = addresses(context, db, &client, life)? else { return Ok(()) };
    let options = Options {
        receive_high_water_mark: 1,
        max_message_size: Some(pylm_protocol::DEFAULT_MAX_MESSAGE + (1 << 20)),
        linger: LINGER,
        ..Options::default()
    };
    let source = context.socket(SocketKind::Pull, &options)?;
    source.connect(&push)?;
    let target = context.socket(SocketKind::Push, &options)?;
    target.connect(&pull)?;
    poller.add(source.fd(), PULL)?;
    poller.add(target.fd(), PUSH)?;

    let functions: Vec<&str> = shared.functions.iter().map(|function| function.name()).collect();
    let functions = functions.join(" ");
    info!(name = shared.name, db, native = false, slots = shared.outboxes.len(), functions, "ready");
    life.ready(|| shared.fields(db, None));
    let cache = CacheService::new(context, db, &client);
    Turns { source, target, desk, shared, cache, answers: VecDeque::new(), heard: Instant::now() }
        .run(life, poller)
}

/// Asks where the workers connect to, until there is an answer; `None` when the host is to end before.
fn addresses(
    context: &Context,
    db: &str,
    client: &str,
    life: &mut Life,
) -> Result<Option<(String, String)>, HostError> {
    let mut patience = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while life.pulse(Instant::now()) {
        let connection = Db::connect(context, db, &Security::None)?;
        let mut found = Vec::new();
        for key in [PUSH_KEY, PULL_KEY] {
            let mut go_on = || life.pulse(Instant::now());
            let Some(value) = connection.get(client, key, patience.next_delay(), &mut go_on)? else { break };
            match String::from_utf8(value.to_vec()) {
                Ok(address) if !address.is_empty() => found.push(address),
                _ => {
                    let why = format!(
                        "what serves at {db} has no {key}, so it takes no workers; is it a Master or a Hub?"
                    );
                    return Err(HostError::Final(why));
                }
            }
        }
        if let (Some(pull), Some(push)) = (found.pop(), found.pop()) {
            return Ok(Some((push, pull)));
        }
    }
    Ok(None)
}

/// The thread that moves messages.
struct Turns<'a> {
    source: Socket,
    target: Socket,
    desk: &'a Desk,
    shared: &'a Shared,
    cache: CacheService<'a>,
    /// Answers that the Master has no room for yet.
    answers: VecDeque<Frame>,
    /// When the last message came.
    heard: Instant,
}

impl Turns<'_> {
    fn run(mut self, life: &mut Life, poller: &mut Poller) -> Result<(), HostError> {
        let mut frames = Frames::new();
        let mut ready = Vec::new();
        let mut leaving_since = None;
        loop {
            let now = Instant::now();
            if !life.pulse(now) && leaving_since.is_none() {
                leaving_since = Some(now);
                info!("ending: what the master has dealt to this worker is finished");
            }
            self.shared.take_signal();
            self.desk.take_answers(&mut self.answers);
            self.send()?;
            self.cache.turn(&self.shared.calls, poller, DB, now)?;
            let mut is_full = true;
            while self.desk.has_room() {
                if !self.source.recv(&mut frames)? {
                    is_full = false;
                    break;
                }
                self.heard = now;
                match frames.len() {
                    1 => self.desk.put(frames.drain(..).map(Frame::into_bytes)),
                    count => warn!(frames = count, "a message of several frames is none of pylm's"),
                }
            }
            if let Some(since) = leaving_since
                && self.desk.is_idle()
                && self.answers.is_empty()
                && !is_full
            {
                let is_quiet = now.duration_since(self.heard.max(since)) >= QUIET;
                if is_quiet || now.duration_since(since) >= LEFTOVERS {
                    return Ok(());
                }
            }
            let timeout = if leaving_since.is_some() { QUIET / 4 } else { BEAT };
            ready.clear();
            poller.wait(Some(timeout.min(self.cache.timeout(now))), &mut ready)?;
        }
    }

    fn send(&mut self) -> Result<(), HostError> {
        while let Some(answer) = self.answers.pop_front() {
            match self.target.send_one(answer) {
                Ok(()) => {}
                Err((SendError::Full | SendError::NoPeer, answer)) => {
                    self.answers.push_front(answer);
                    break;
                }
                Err((SendError::Other(error), _)) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
