//! The routing thread: waits for sockets and hooks, and carries each message one stage further.

use super::bounds::{IDLE_TICK, LINGER, LINGER_NATIVE, RETRY, TICK};
use super::cache::Cache;
use super::config::NodeConfig;
use super::doors::{Door, Sockets};
use super::egress::Client;
use super::failed::FailedMessages;
use super::follow::Followed;
use super::gather::Gatherer;
use super::halves::Connections;
use super::hosts::Host;
use super::keeper::Keeper;
use super::ledger::{HostKey, JobKey, LeaseKey, Ledger, Rules};
use super::message::Pen;
use super::native::sessions::{SessionKey, Sessions};
use super::pylm::clients::{Directory, Line};
use super::pylm::ports::Ports;
use super::pylm::pushed::Pushed;
use super::pylm::service::Replies;
use super::pylm::tempo::Tempos;
use super::pylm::tracking::RunMark;
use super::pylm::workers::WorkerPort;
use super::reading::Source;
use super::route::NextHeaders;
use super::running::{Addresses, Command, Request, StartError};
use super::scatter::Scatterer;
use super::sealed::SealedDoor;
use super::snapshot::{STATUS_KEY, Shared};
use super::sockets::{Bound, bind, bind_pylm};
use pylm_protocol::Record;
use pylm_transport::{Context, Frames, Monitor, Poller, SocketKind, Waker};
use slotmap::SecondaryMap;
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// All that the routing thread owns.
#[derive(Debug)]
pub struct Router {
    pub(crate) config: NodeConfig,
    pub(crate) db: Bound,
    /// Tells who connects to it.
    pub(crate) db_monitor: Monitor,
    /// The encrypted door, if there is one.
    pub(crate) sealed: Option<SealedDoor>,
    /// Connections to the doors that have said no Hello.
    pub(crate) strangers: Connections,
    pub(crate) worker_pull: Bound,
    /// Tells who connects to it.
    pub(crate) worker_pull_monitor: Monitor,
    /// Connections that pylm peers push over.
    pub(crate) pushed: Pushed,
    /// The sockets of pylm clients; the first is shared.
    pub(crate) lines: Vec<Line>,
    /// The sockets of pylm workers; the first is shared.
    pub(crate) workers: Vec<WorkerPort>,
    pub(crate) sessions: Sessions,
    /// Sessions with calls that wait until the answers to earlier ones are read.
    pub(crate) calling: Vec<SessionKey>,
    /// Replies of the cache service that pylm peers have not read.
    pub(crate) replies: Replies,
    pub(crate) ledger: Ledger,
    pub(crate) cache: Cache,
    /// The journal, where there is one.
    pub(crate) keeper: Option<Keeper>,
    pub(crate) hosts: SecondaryMap<HostKey, Host>,
    pub(crate) hosts_by_peer: HashMap<Uuid, HostKey>,
    pub(crate) clients: SecondaryMap<JobKey, Client>,
    /// Those of clients, native or not.
    pub(crate) jobs_by_identity: HashMap<Uuid, JobKey>,
    pub(crate) directory: Directory,
    /// Messages of pylm clients that were read and not taken yet.
    pub(crate) pulled: Frames,
    /// What is known of the functions of pylm workers.
    pub(crate) tempos: Tempos,
    /// When pylm workers are to be looked after next.
    pub(crate) next_look: Option<Instant>,
    /// Jobs with outputs to be sent.
    pub(crate) dirty: Vec<JobKey>,
    /// Jobs whose pylm client, or earlier node, took no more, and pylm jobs whose client has not subscribed.
    pub(crate) waiting: Vec<JobKey>,
    /// Leases whose results nobody waits for any more.
    pub(crate) abandoned: Vec<(HostKey, LeaseKey)>,
    /// Leases of many results that wait for room, with their jobs and hosts.
    pub(crate) starved: Vec<(JobKey, HostKey, LeaseKey)>,
    /// The earlier nodes that messages come from.
    pub(crate) followed: Vec<Followed>,
    /// The headers of results that go on.
    pub(crate) next_headers: NextHeaders,
    /// How many moves of the ledger there were when slow hosts were looked for last.
    pub(crate) moves_at_withdrawal: u64,
    /// There may be room for leases that wait for it.
    pub(crate) room_made: bool,
    pub(crate) scatterer: Option<Scatterer>,
    pub(crate) gatherer: Option<Gatherer>,
    /// This run of the node.
    pub(crate) run: Uuid,
    /// The same, as messages to pylm workers carry it, beside the place of the socket that they went by.
    pub(crate) run_mark: RunMark,
    /// Since when it runs.
    pub(crate) started: Instant,
    pub(crate) draining: bool,
    /// Until when functions may be missing, as the node goes on with messages of an earlier run.
    pub(crate) awaits_hosts_until: Option<Instant>,
    pub(crate) garbage: u64,
    /// The last snapshot, for all who ask within a moment.
    pub(crate) shared: Option<Shared>,
    /// Messages that took down every host.
    pub(crate) failed: FailedMessages,
    pub(super) db_ready: bool,
    pub(super) db_monitor_ready: bool,
    pub(super) worker_pull_ready: bool,
    pub(super) worker_pull_monitor_ready: bool,
    poller: Poller,
    pub(super) sources: Vec<Source>,
    inbox: Receiver<Request>,
    pub(super) frames: Frames,
    /// The same for what earlier nodes send.
    pub(super) followed_frames: Frames,
    /// Writes messages to pylm peers.
    pub(crate) pen: Pen,
    /// Room for leases that an answer closes.
    pub(crate) closed: Vec<LeaseKey>,
    // Last, so that every socket is closed before it.
    pub(super) context: Context,
}

impl Router {
    pub(crate) fn new(config: NodeConfig, inbox: Receiver<Request>) -> Result<Self, StartError> {
        let mut poller = Poller::new()?;
        poller.set_spin(config.spin);
        let run = Uuid::new_v4();
        // Before peers can come: what they are told is in it.
        let journal = config.journal.as_deref();
        let journal = journal.map(|folder| Keeper::open(folder, run, poller.waker())).transpose()?;
        let (keeper, recovered) = journal.unzip();
        let context = Context::new()?;
        let db = bind(&context, SocketKind::Router, &config, "db", &config.db)?;
        let db_monitor = db.socket.monitor_accepts()?;
        let sealed =
            config.listen.as_ref().map(|listen| SealedDoor::open(&context, &config, listen)).transpose()?;
        let worker_pull = bind_pylm(&context, SocketKind::Pull, &config, "worker-pull", &config.worker_pull)?;
        let worker_pull_monitor = worker_pull.socket.monitor_accepts()?;
        let ports = Ports::bind(&context, &config)?;
        let now = Instant::now();
        let mut lines = Vec::with_capacity(ports.clients.len());
        for (pull, publisher) in ports.clients {
            let monitor = pull.socket.monitor()?;
            lines.push(Line::new(pull, publisher, monitor));
        }
        let mut workers = Vec::with_capacity(ports.workers.len());
        for push in ports.workers {
            let monitor = push.socket.monitor()?;
            workers.push(WorkerPort::new(push, monitor, now));
        }
        let mut sources = Vec::new();
        let mut watch = |fd, source| {
            sources.push(source);
            poller.add(fd, sources.len() - 1)
        };
        watch(db.socket.fd(), Source::Db)?;
        watch(db_monitor.fd(), Source::DbMonitor)?;
        if let Some(sealed) = &sealed {
            watch(sealed.bound.socket.fd(), Source::Sealed)?;
            watch(sealed.monitor.fd(), Source::SealedMonitor)?;
            watch(sealed.zap.fd(), Source::Zap)?;
        }
        watch(worker_pull.socket.fd(), Source::WorkerPull)?;
        watch(worker_pull_monitor.fd(), Source::WorkerPullMonitor)?;
        for (place, line) in lines.iter().enumerate() {
            watch(line.pull.socket.fd(), Source::Pull(place))?;
            watch(line.publisher.socket.fd(), Source::Publisher(place))?;
            watch(line.monitor.fd(), Source::PullMonitor(place))?;
        }
        for (place, worker) in workers.iter().enumerate() {
            watch(worker.monitor.fd(), Source::Monitor(place))?;
        }
        let followed = config.from.iter().map(|from| Followed::new(from.clone(), now)).collect();
        let scatterer = Scatterer::start(&config.plugins, config.stack, poller.waker())?;
        let gatherer = Gatherer::start(&config.plugins, config.stack, poller.waker())?;
        let rules = Rules { max_attempts: config.max_attempts, gathers: gatherer.is_some() };
        let mut router = Router {
            ledger: Ledger::new(rules),
            cache: Cache::new(config.cache_bytes),
            keeper,
            failed: FailedMessages::new(config.failed_bytes),
            tempos: Tempos::new(&config.pylm_single, &config.pylm_pace),
            next_look: None,
            pulled: Frames::new(),
            config,
            db,
            db_monitor,
            sealed,
            strangers: Connections::default(),
            worker_pull,
            worker_pull_monitor,
            pushed: Pushed::new(lines.len()),
            lines,
            workers,
            sessions: Sessions::default(),
            calling: Vec::new(),
            replies: Replies::default(),
            hosts: SecondaryMap::new(),
            hosts_by_peer: HashMap::new(),
            clients: SecondaryMap::new(),
            jobs_by_identity: HashMap::new(),
            directory: Directory::default(),
            dirty: Vec::new(),
            waiting: Vec::new(),
            abandoned: Vec::new(),
            starved: Vec::new(),
            followed,
            next_headers: NextHeaders::default(),
            moves_at_withdrawal: 0,
            room_made: false,
            scatterer,
            gatherer,
            run,
            run_mark: RunMark::of(run),
            started: now,
            draining: false,
            awaits_hosts_until: None,
            garbage: 0,
            shared: None,
            db_ready: true,
            db_monitor_ready: true,
            worker_pull_ready: true,
            worker_pull_monitor_ready: true,
            poller,
            sources,
            inbox,
            frames: Frames::new(),
            followed_frames: Frames::new(),
            pen: Pen::default(),
            closed: Vec::new(),
            context,
        };
        router.ledger.tell_time(now);
        router.preset_cache();
        if let Some(recovered) = recovered {
            router.recover(recovered, now);
        }
        Ok(router)
    }

    /// What peers discover the node by.
    fn preset_cache(&mut self) {
        let addresses = self.addresses();
        let version = format!("{}.{}", pylm_protocol::MAJOR, pylm_protocol::MINOR);
        for (key, value) in [
            ("name", self.config.name.as_str()),
            ("db_address", &addresses.db),
            ("pull_address", &addresses.pull),
            ("pub_address", &addresses.pub_),
            ("worker_pull_address", &addresses.worker_pull),
            ("worker_push_address", &addresses.worker_push),
            (pylm_protocol::DISCOVERY_KEY, &version),
            // Its value is made when it is asked for.
            (STATUS_KEY, ""),
        ] {
            self.cache.preset(key, value);
        }
    }

    pub(crate) fn addresses(&self) -> Addresses {
        Addresses {
            listen: self.sealed.as_ref().map(|sealed| sealed.bound.address.clone()),
            pull: self.lines[0].pull.address.clone(),
            pub_: self.lines[0].publisher.address.clone(),
            worker_pull: self.worker_pull.address.clone(),
            worker_push: self.workers[0].push.address.clone(),
            db: self.db.address.clone(),
        }
    }

    /// Watches one more descriptor.
    pub(super) fn watch(&mut self, fd: RawFd, source: Source) -> std::io::Result<()> {
        let key = match self.sources.iter().position(|&other| other == source) {
            Some(key) => key,
            None => {
                self.sources.push(source);
                self.sources.len() - 1
            }
        };
        self.poller.add(fd, key)
    }

    /// Watches a descriptor no more.
    pub(super) fn unwatch(&self, fd: RawFd) {
        if let Err(error) = self.poller.remove(fd) {
            tracing::error!(%error, "a socket is watched for no reason");
        }
    }

    pub(crate) fn waker(&self) -> Waker {
        self.poller.waker()
    }

    /// Routes until the node is told to end; whether nothing was under way then.
    pub(crate) fn run(&mut self) -> bool {
        let is_all_ended = self.route();
        self.close_journal() && is_all_ended
    }

    fn route(&mut self) -> bool {
        let mut ready = Vec::new();
        let mut ticked = Instant::now();
        loop {
            let now = Instant::now();
            self.ledger.tell_time(now);
            match self.inbox.try_recv() {
                // Whoever asked may have gone meanwhile.
                Ok(Request::Look(reply)) => drop(reply.send(self.look(now))),
                Ok(Request::Away(reply)) => drop(reply.send(self.away())),
                Ok(Request::Grants(grants)) => self.take_grants(grants, now),
                Ok(Request::Obey(Command::Drain)) => self.drain(),
                Ok(Request::Obey(Command::Stop)) | Err(TryRecvError::Disconnected) => {
                    return self.say_goodbye(Duration::ZERO);
                }
                Err(TryRecvError::Empty) => {}
            }
            self.read(now);
            self.accept_waiting(now);
            self.answer_waiting(now);
            self.take_parts(now);
            self.take_gathered();
            if std::mem::take(&mut self.room_made) {
                self.give_room_to_starved();
            }
            self.look_after_workers(now);
            self.dispatch(now);
            self.flush(now);
            let next_tick = ticked + self.time_between_ticks();
            if now >= next_tick {
                ticked = now;
                self.tick(now);
            }
            if self.draining && self.is_drained() {
                break;
            }
            let timeout = if self.has_more() {
                Duration::ZERO
            } else if self.is_stalled() {
                RETRY
            } else {
                self.next_look.map_or(next_tick, |look| look.min(next_tick)).saturating_duration_since(now)
            };
            ready.clear();
            if let Err(error) = self.poller.wait(Some(timeout), &mut ready) {
                tracing::error!(%error, "the system cannot wait for sockets");
                break;
            }
            ready.iter().for_each(|&key| self.wake(key));
        }
        self.say_goodbye(LINGER)
    }

    /// Time passes more slowly for a node that has nothing to do: each tick wakes a thread.
    fn time_between_ticks(&self) -> Duration {
        let is_idle = self.ledger.totals().under_way == 0 && self.followed.is_empty() && !self.draining;
        if is_idle { IDLE_TICK } else { TICK }
    }

    /// Sends what this turn has brought together.
    fn flush(&mut self, now: Instant) {
        self.abandon();
        self.flush_clients(now);
        self.keep_turn();
        for key in self.sessions.flush(&Sockets::of(&self.db, self.sealed.as_ref()), now) {
            self.lose_session(key, "its connection is gone", now);
        }
        for worker in &mut self.workers {
            worker.flush();
        }
        self.flush_followers();
        self.flush_followed(now);
        // Sending takes news from the socket's descriptor that nobody will tell of again.
        self.db_ready |= self.db.socket.events().is_ok_and(|events| events.readable);
        if let Some(sealed) = &mut self.sealed {
            sealed.ready |= sealed.bound.socket.events().is_ok_and(|events| events.readable);
        }
    }

    /// Nothing new is accepted from here on.
    fn drain(&mut self) {
        if !self.draining {
            self.draining = true;
            tracing::info!(under_way = self.ledger.totals().under_way, "draining");
            for session in self.sessions.keys() {
                self.sessions.say(session, &Record::Goodbye {});
            }
            self.leave_followed();
        }
    }

    /// Whether everything that was accepted has ended, and clients that are there have had it.
    fn is_drained(&self) -> bool {
        self.ledger.totals().under_way == 0
            && !self.ledger.has_late()
            && self.clients.values().all(|client| self.is_served(client))
    }

    /// Tells peers, and lets the sockets send for so long what they have taken.
    fn say_goodbye(&mut self, linger: Duration) -> bool {
        let publishers = self.lines.iter().map(|line| &line.publisher.socket);
        let followed = self.followed.iter().filter_map(Followed::socket);
        let sockets = Sockets::of(&self.db, self.sealed.as_ref());
        let native = [Door::Plain, Door::Sealed].into_iter().filter_map(|door| sockets.at(door));
        let native = native.map(|socket| (socket, linger.min(LINGER_NATIVE)));
        let others = publishers.chain(followed).map(|socket| (socket, linger));
        for (socket, linger) in others.chain(native) {
            if let Err(error) = socket.set_linger(linger) {
                tracing::warn!(%error, "a socket does not wait for its peers");
            }
        }
        for session in self.sessions.keys() {
            self.sessions.last_words(session, &sockets, &Record::Goodbye {});
        }
        let totals = self.ledger.totals();
        tracing::info!(
            accepted = totals.accepted,
            done = totals.done,
            failed = totals.failed,
            cancelled = totals.cancelled,
            under_way = totals.under_way,
            "ended"
        );
        totals.under_way == 0
    }

    /// Counts what came in and makes no sense, and says so.
    pub(crate) fn garbage(&mut self, socket: &'static str, what: &str) {
        self.garbage += 1;
        // A flood of garbage is not to become a flood of lines.
        if self.garbage.is_power_of_two() || self.garbage.is_multiple_of(10_000) {
            tracing::warn!(socket, count = self.garbage, "garbage: {what}");
        }
    }
}
