//! What the node says, record by record.

use super::super::calls::Answer;
use super::super::parcel::{Data, LeaseContext, Parcel, Task};
use super::Native;
use super::connection::Connection;
use super::session::{Over, Session};
use bytes::Bytes;
use pylm_protocol::batch::Assign;
use pylm_protocol::link::{self, Pulse};
use pylm_protocol::record::PERMANENT;
use pylm_protocol::{BatchReader, Record, codes, deadline};
use pylm_transport::{Frame, Frames};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tracing::{debug, info};
use uuid::Uuid;

/// Statuses of an Answer.
const DONE: u32 = 0;
const NO_SUCH_KEY: u32 = 1;

/// Leases of the batch that is being read, on their way into the queue.
struct Sorting<'a> {
    frame: &'a Bytes,
    /// How many leases make a parcel.
    size: usize,
    context: Option<(u32, Arc<LeaseContext>)>,
    tasks: Vec<Task>,
    parcels: Vec<Arc<Parcel>>,
}

impl Native<'_> {
    /// Does what a message of the node says.
    pub(super) fn take_in(
        &mut self,
        connection: &mut Connection,
        session: &mut Session,
        frames: &mut Frames,
        now: Instant,
    ) -> Result<(), Over> {
        let mut frames = frames.drain(..).map(Frame::into_bytes);
        let batch = frames.next().unwrap_or_default();
        let attachments: Vec<Bytes> = frames.collect();
        let not_understood = |error| Over::Lost(format!("the node said what this host cannot read: {error}"));
        let mut reader = BatchReader::new(&batch, &attachments).map_err(not_understood)?;
        let mut sorting = Sorting {
            frame: &batch,
            size: self.pace.parcel(),
            context: None,
            tasks: Vec::new(),
            parcels: Vec::new(),
        };
        loop {
            // First and apart, the record of which every message has one.
            while let Some((assign, payload)) = reader.next_assign() {
                self.assign(session, &mut sorting, assign, Data::InFrame(payload), now);
            }
            match reader.next_record().map_err(not_understood)? {
                None => break,
                Some(Record::Assign { lease, context, number, part, attempt, timeout, cache, payload }) => {
                    let assign = Assign { lease, context, number, part, attempt, timeout, cache };
                    self.assign(session, &mut sorting, assign, Data::Apart(payload.0), now);
                }
                Some(record) => {
                    self.deliver(session, &mut sorting);
                    self.obey(connection, session, record, now)?;
                }
            }
        }
        self.deliver(session, &mut sorting);
        Ok(())
    }

    #[inline]
    fn assign(
        &mut self,
        session: &mut Session,
        sorting: &mut Sorting<'_>,
        assign: Assign<'_>,
        payload: Data,
        now: Instant,
    ) {
        let Assign { lease, context, .. } = assign;
        if session.is_leaving {
            return session.end(&Record::Released { lease });
        }
        let is_other = sorting.context.as_ref().is_none_or(|(known, _)| *known != context);
        if is_other || sorting.tasks.len() >= sorting.size {
            sorting.pack(session);
        }
        if is_other {
            let Some(known) = session.books.contexts.get(&context) else {
                sorting.context = None;
                let text = "the node gave no context for this lease";
                return session.end(&Record::LeaseFailed {
                    lease,
                    results: 0,
                    flags: PERMANENT,
                    code: codes::NO_FUNCTION,
                    text,
                });
            };
            sorting.context = Some((context, Arc::clone(known)));
        }
        sorting.tasks.push(Task::new(&assign, deadline(now, assign.timeout), payload));
    }

    /// Queues what was sorted so far.
    fn deliver(&mut self, session: &Session, sorting: &mut Sorting<'_>) {
        sorting.pack(session);
        self.live.extend(&sorting.parcels);
        self.shared.queue.push(&mut sorting.parcels);
    }

    fn obey(
        &mut self,
        connection: &mut Connection,
        session: &mut Session,
        record: Record<'_>,
        now: Instant,
    ) -> Result<(), Over> {
        let given = session.books.given.session;
        match record {
            Record::Context {
                flags: _,
                context,
                function,
                job,
                pipeline,
                client,
                functions,
                stage,
                hops: _,
                results,
                results_bytes,
            } => {
                let described = LeaseContext {
                    function: function as usize,
                    key_prefix: LeaseContext::key_prefix(job),
                    pipeline: pipeline.to_owned(),
                    client: client.to_owned(),
                    functions: functions.to_owned(),
                    stage: stage.cast_signed(),
                    results,
                    results_bytes,
                };
                session.books.contexts.insert(context, Arc::new(described));
            }
            Record::Forget { context } => drop(session.books.contexts.remove(&context)),
            Record::Taken { leases } => {
                self.untaken.taken(leases).map_err(|error| Over::Lost(error.to_string()))?;
            }
            Record::Withdraw { lease } => {
                if self.live.find(given, lease).is_some_and(Task::withdraw) {
                    session.end(&Record::Released { lease });
                }
            }
            Record::Abandon { lease } => {
                let Some(task) = self.live.find(given, lease) else { return Ok(()) };
                if task.withdraw() {
                    session.end(&Record::Released { lease });
                } else if task.cancel() {
                    self.shared.gates.close(lease);
                    self.overlong.abandon(given, lease, now);
                }
            }
            Record::Room { lease, results, results_bytes } => {
                let task = self.live.find(given, lease);
                if let Some(task) = task.filter(|task| task.is_open()) {
                    self.shared.gates.raise(given, lease, results, results_bytes);
                    if !task.is_open() {
                        self.shared.gates.end(given, lease);
                    }
                }
            }
            Record::Answer { call, status, payload } => {
                let answer = match status {
                    DONE => Answer::Done(payload.0),
                    NO_SUCH_KEY => Answer::NoSuchKey,
                    _ => Answer::Refused(String::from_utf8_lossy(&payload.0).into_owned()),
                };
                self.shared.calls.answer(call, answer);
            }
            Record::Welcome { minor, node, name, heartbeat, silence, max_message } => {
                self.is_welcome = true;
                connection.pulse.set_rhythm(heartbeat, silence);
                connection.speak(minor);
                self.shared.max_message.store(link::max_message(max_message), Relaxed);
                self.welcome(&connection.pulse, session, node, name);
            }
            Record::Heartbeat { patience } => connection.pulse.be_patient(patience, now),
            Record::Ping { time } => session.control.push(&Record::Pong { time }),
            Record::Pong { time } => self.pace.hear(time, now),
            Record::Goodbye {} => {
                if !std::mem::replace(&mut session.is_ending, true) {
                    info!(db = self.address, "the node is ending");
                }
            }
            Record::Reset { code, text } => {
                let why = format!("the node said {code:?}: {text}");
                return Err(if codes::is_final(code) { Over::Final(why) } else { Over::Lost(why) });
            }
            other => return Err(Over::Lost(format!("the node sent a record {} to a host", other.name()))),
        }
        Ok(())
    }

    fn welcome(&mut self, pulse: &Pulse, session: &mut Session, node: Uuid, node_name: &str) {
        self.backoff.reset();
        self.has_node_ended = false;
        if self.node == Some(node) {
            let again = self.untaken.send_again();
            again.into_iter().for_each(|frames| session.books.outgoing.push(frames, pulse));
        } else {
            if self.node.replace(node).is_some() {
                self.shared.next_run();
            }
            self.untaken.clear();
        }
        session.books.given.run = self.shared.run();
        let (name, db) = (&*self.shared.name, self.address);
        if self.was_ready {
            info!(name, db, node = node_name, "connected again");
            return;
        }
        self.was_ready = true;
        if !self.life.ready(|| self.shared.fields(db, Some(node_name))) {
            return debug!(name, db, "the node knows its own host");
        }
        let functions: Vec<&str> = self.shared.functions.iter().map(|function| function.name()).collect();
        let functions = functions.join(" ");
        info!(
            name,
            db,
            node = node_name,
            native = true,
            slots = self.shared.outboxes.len(),
            functions,
            "ready"
        );
    }
}

impl Sorting<'_> {
    fn pack(&mut self, session: &Session) {
        if let Some((_, context)) = &self.context
            && !self.tasks.is_empty()
        {
            let next = Vec::with_capacity(self.tasks.len());
            let tasks = std::mem::replace(&mut self.tasks, next);
            let parcel = Parcel::new(Arc::clone(context), session.books.given, self.frame.clone(), tasks);
            self.parcels.push(Arc::new(parcel));
        }
    }
}

impl Session {
    /// Ends a lease that no slot has seen.
    fn end(&mut self, end: &Record<'_>) {
        self.ends.push(end);
        self.ends_count += 1;
    }
}
