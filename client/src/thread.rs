//! The client's thread: the only one that touches its sockets, and the one that runs its [session](crate::state).

use crate::Error;
use crate::connection::Connection;
use crate::desk::{CacheWaiter, Desk, Order, Status};
use crate::pipe::Pipe;
use crate::refusal::why_refused;
use crate::state::job::Job;
use crate::state::session::{Break, Introduction, Session};
use bytes::Bytes;
use pylm_protocol::link::{Backoff, largest_frame};
use pylm_transport::{Context, Poller, Security};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use uuid::Uuid;

/// ZeroMQ messages that are received before anything else gets its turn.
const RECEIVE_BUDGET: usize = 64;

/// How long the node may not hear of outputs that were taken while nothing else happens.
const IDLE_ACKNOWLEDGE: Duration = Duration::from_millis(100);

/// How long the last words may take to leave.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The caller that waits for the first connection.
pub(crate) struct FirstConnection {
    pub(crate) until: Instant,
    pub(crate) patience: Duration,
    pub(crate) reply: oneshot::Sender<Result<(), Error>>,
}

/// Everything that the client's thread owns.
pub(crate) struct ClientThread {
    address: String,
    /// What it comes in with.
    security: Security,
    /// Whether the name of its host was looked up.
    is_looked_up: bool,
    max_message: u64,
    context: Context,
    poller: Poller,
    desk: Arc<Desk>,
    session: Session<CacheWaiter>,
    pipes: BTreeMap<u32, Arc<Pipe>>,
    /// Jobs whose outputs have come further than the node knows that they were taken.
    behind: BTreeSet<u32>,
    connection: Option<Connection>,
    backoff: Backoff,
    attempt_at: Instant,
    last_cause: String,
    first: Option<FirstConnection>,
    /// Kept to use their room again.
    orders: Vec<Order>,
    frames: Vec<Bytes>,
    touched: Vec<u32>,
    ready: Vec<usize>,
}

/// How the thread ends.
enum End {
    /// It was asked to, by someone who may wait for it.
    Asked(Option<oneshot::Sender<()>>),
    /// It cannot go on.
    Broken(Error),
}

impl ClientThread {
    pub(crate) fn new(
        introduction: Introduction,
        security: Security,
        poller: Poller,
        desk: Arc<Desk>,
        first: FirstConnection,
    ) -> Result<Self, Error> {
        let now = Instant::now();
        Ok(ClientThread {
            address: introduction.address.clone(),
            security,
            is_looked_up: false,
            max_message: introduction.max_message,
            context: Context::shared().map_err(Error::system("make a ZeroMQ context"))?,
            poller,
            desk,
            session: Session::new(introduction, now),
            pipes: BTreeMap::new(),
            behind: BTreeSet::new(),
            connection: None,
            backoff: Backoff::default(),
            attempt_at: now,
            last_cause: "the connection was not made in time".into(),
            first: Some(first),
            orders: Vec::new(),
            frames: Vec::new(),
            touched: Vec::new(),
            ready: Vec::new(),
        })
    }

    /// Runs until it is asked to stop, or the node ends it for good.
    pub(crate) fn run(mut self) {
        let end = loop {
            if let Err(end) = self.turn() {
                break end;
            }
        };
        let (error, done) = match end {
            End::Asked(done) => (Error::Stopped, done),
            End::Broken(error) => (error, None),
        };
        self.close_all(&error);
        self.say_goodbye(done.is_some());
        // Whoever asked for the end hears of it when the node has the last words.
        drop(done);
    }

    fn turn(&mut self) -> Result<(), End> {
        self.take_orders()?;
        self.connect(Instant::now())?;
        self.receive(Instant::now())?;
        self.transmit(Instant::now())?;
        self.deliver();
        self.sleep()
    }

    fn take_orders(&mut self) -> Result<(), End> {
        let mut orders = std::mem::take(&mut self.orders);
        self.desk.take(&mut orders);
        let mut end = Ok(());
        for order in orders.drain(..) {
            match order {
                Order::Open(number, terms, pipe) => {
                    self.session.add_job(number, Job::new(number, *terms));
                    self.pipes.insert(number, pipe);
                }
                Order::Look(number) => self.look(number),
                Order::Call(call, waiter) => self.session.call(call, waiter),
                Order::Stop(done) => end = Err(End::Asked(done)),
            }
        }
        self.orders = orders;
        end
    }

    /// Takes what the application has put into a job's pipe.
    fn look(&mut self, number: u32) {
        let (Some(job), Some(pipe)) = (self.session.job(number), self.pipes.get(&number)) else { return };
        let mut intent = pipe.intent(Vec::new());
        job.submit(intent.messages.drain(..));
        if intent.finished {
            job.finish();
        }
        if intent.cancelled {
            job.cancel();
        }
        let (epoch, outputs) = pipe.taken();
        job.taken(epoch, outputs);
        self.touched.push(number);
    }

    /// Makes a connection when there is none.
    fn connect(&mut self, now: Instant) -> Result<(), End> {
        if let Some(first) = self.first.as_ref().filter(|first| first.until <= now) {
            return Err(End::Broken(Error::NoAnswer {
                address: self.address.clone(),
                patience: first.patience,
                cause: self.last_cause.clone(),
            }));
        }
        if self.connection.is_some() || now < self.attempt_at {
            return Ok(());
        }
        // Whoever waits for the first connection hears at once that there is no such host; later on there may be again.
        if self.first.is_some() && !std::mem::replace(&mut self.is_looked_up, true) {
            let outcome = pylm_transport::look_up(&self.address);
            outcome.map_err(|error| End::Broken(Error::address(&self.address, error)))?;
        }
        let largest = largest_frame(self.max_message);
        match Connection::new(&self.context, (&self.address, self.security.clone()), largest, &self.poller) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.session.connecting(now);
            }
            Err(error) if self.first.is_some() => {
                return Err(End::Broken(Error::address(&self.address, error)));
            }
            // For want of descriptors, which may pass.
            Err(error) => self.attempt_failed(error.to_string(), now),
        }
        Ok(())
    }

    /// Receives what has come, up to a budget, and then looks whether the connection still is of use.
    fn receive(&mut self, now: Instant) -> Result<(), End> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if connection.listen() {
            self.session.connected(connection.is_seen(), now);
        }
        let mut is_drained = false;
        let mut outcome = Ok(());
        for _ in 0..RECEIVE_BUDGET {
            match connection.receive(&mut self.frames) {
                Ok(true) => outcome = self.session.receive(&self.frames, now),
                Ok(false) => is_drained = true,
                Err(error) => outcome = Err(Break::Lost(error.to_string())),
            }
            if is_drained || outcome.is_err() {
                break;
            }
        }
        if is_drained && outcome.is_ok() {
            outcome = match connection.take_lost() {
                Some(cause) => Err(self.refusal().map_or(Break::Lost(cause), Break::Final)),
                None => self.session.check(now, || connection.idle()),
            };
        }
        self.after_receiving();
        match outcome {
            Ok(()) => Ok(()),
            Err(Break::Lost(cause)) => self.lost(cause, now),
            Err(Break::Final(error)) => Err(End::Broken(error)),
        }
    }

    /// Why the node has cut the connection before anything could be said, where that can be found out here.
    fn refusal(&self) -> Option<Error> {
        let event = self.connection.as_ref()?.was_cut()?;
        why_refused(&self.address, &self.security, event).map(Error::NotAdmitted)
    }

    fn after_receiving(&mut self) {
        self.desk.set_max_message(self.session.node_max_message());
        if self.session.is_up() && self.desk.status() != Status::Connected {
            self.desk.set_status(Status::Connected);
            self.backoff.reset();
            if let Some(first) = self.first.take() {
                let _ = first.reply.send(Ok(()));
            }
        }
        for (waiter, answer) in self.session.take_answers() {
            let _ = waiter.send(answer);
        }
        self.session.take_touched(&mut self.touched);
        for &number in &self.touched {
            acknowledge(&mut self.session, &self.pipes, number);
        }
    }

    /// The connection is of no more use: closes it, and plans the next.
    fn lost(&mut self, cause: String, now: Instant) -> Result<(), End> {
        self.session.disconnected();
        self.behind.clear();
        self.attempt_failed(cause, now);
        match self.connection.take() {
            Some(connection) => connection
                .close(Duration::ZERO, &self.poller)
                .map_err(|error| End::Broken(Error::system("close a connection")(error))),
            None => Ok(()),
        }
    }

    fn attempt_failed(&mut self, cause: String, now: Instant) {
        if self.first.is_none() {
            self.desk.set_status(Status::Reconnecting);
        }
        self.last_cause = cause;
        // A random id is as good a die as any.
        let die = f64::from(Uuid::new_v4().as_u128() as u32) / f64::from(u32::MAX);
        self.attempt_at = now + self.backoff.next_delay(die);
    }

    fn transmit(&mut self, now: Instant) -> Result<(), End> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let mut outcome = connection.flush();
        while let Ok(true) = outcome {
            let Some(outgoing) = self.session.transmit(now) else { break };
            outcome = connection.send(outgoing);
        }
        self.session.take_touched(&mut self.touched);
        match outcome {
            Ok(_) => Ok(()),
            Err(error) => self.lost(error.to_string(), now),
        }
    }

    /// Passes on what has come for each job, and closes those that are over.
    fn deliver(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for number in touched.drain(..) {
            let Some(job) = self.session.job_to_read(number) else { continue };
            if let Some(pipe) = self.pipes.get(&number) {
                let is_over = job.is_over();
                if is_over {
                    let why = if job.is_cancelled() { Error::Cancelled } else { Error::Finished };
                    job.submit(pipe.close_intake(why).into_iter());
                }
                deliver(job, pipe);
                if is_over {
                    pipe.close_outbox(job.outcome());
                    self.pipes.remove(&number);
                }
            }
            if job.is_behind() {
                self.behind.insert(number);
            } else {
                self.behind.remove(&number);
            }
            if job.is_closed() {
                self.session.remove_job(number);
            }
        }
        self.touched = touched;
    }

    /// Waits for something to do.
    fn sleep(&mut self) -> Result<(), End> {
        let is_ready = self.connection.as_ref().map_or(Ok(false), Connection::is_ready);
        if is_ready.map_err(|error| End::Broken(Error::system("ask a socket")(error)))?
            || self.desk.lie_down()
        {
            return Ok(());
        }
        let now = Instant::now();
        let is_behind = !self.behind.is_empty();
        let deadlines = [
            self.session.deadline(),
            self.first.as_ref().map(|first| first.until),
            self.connection.is_none().then_some(self.attempt_at),
            is_behind.then_some(now + IDLE_ACKNOWLEDGE),
        ];
        let timeout = deadlines.into_iter().flatten().min().map(|at| at.saturating_duration_since(now));
        self.ready.clear();
        let outcome = self.poller.wait(timeout, &mut self.ready);
        self.desk.get_up();
        if is_behind && self.ready.is_empty() {
            self.behind.iter().for_each(|&number| acknowledge(&mut self.session, &self.pipes, number));
        }
        outcome.map_err(|error| End::Broken(Error::system("wait for the socket")(error)))
    }

    /// Lets everybody know that nothing more will come.
    fn close_all(&mut self, error: &Error) {
        if let Some(first) = self.first.take() {
            let _ = first.reply.send(Err(error.clone()));
        }
        for order in self.desk.close(error) {
            if let Order::Open(number, _, pipe) = order {
                self.pipes.insert(number, pipe);
            }
        }
        for pipe in std::mem::take(&mut self.pipes).into_values() {
            pipe.close_intake(error.clone());
            pipe.close_outbox(Err(error.clone()));
        }
    }

    fn say_goodbye(&mut self, wait: bool) {
        let Some(mut connection) = self.connection.take() else { return };
        if let Some(goodbye) = self.session.goodbye()
            && connection.send(goodbye).is_ok()
            && wait
        {
            // What goes wrong here only shortens the wait.
            let _ = self.await_farewell(&mut connection);
        }
        let _ = connection.close(LAST_WORDS, &self.poller);
    }

    /// Waits until the node has read the last words, or cannot any more.
    fn await_farewell(&mut self, connection: &mut Connection) -> io::Result<()> {
        let until = Instant::now() + LAST_WORDS;
        loop {
            let now = Instant::now();
            connection.flush()?;
            while connection.receive(&mut self.frames)? {
                if self.session.receive(&self.frames, now).is_err() {
                    return Ok(());
                }
            }
            connection.listen();
            if self.session.has_left() || connection.take_lost().is_some() || now >= until {
                return Ok(());
            }
            if !connection.is_ready()? {
                self.ready.clear();
                self.poller.wait(Some(until - now), &mut self.ready)?;
            }
        }
    }
}

impl Drop for ClientThread {
    /// Where the thread did not come to its end, by a panic, nobody is left waiting.
    fn drop(&mut self) {
        self.close_all(&Error::Stopped);
    }
}

/// Tells the job how far the application has taken its outputs.
fn acknowledge(session: &mut Session<CacheWaiter>, pipes: &BTreeMap<u32, Arc<Pipe>>, number: u32) {
    if let (Some(job), Some(pipe)) = (session.job(number), pipes.get(&number)) {
        let (epoch, outputs) = pipe.taken();
        job.taken(epoch, outputs);
    }
}

/// Passes on what has come for a job.
fn deliver(job: &mut Job, pipe: &Pipe) {
    let freed = job.take_freed();
    if freed.messages > 0 {
        pipe.release(freed, job.oldest());
    }
    let (epoch, outputs) = job.came();
    let (deliveries, bytes) = job.take_deliveries();
    pipe.deliver(deliveries, bytes, epoch, outputs);
}
