//! Hosts as the node speaks to them: native ones through their session, pylm workers through a socket of their own.

use super::bounds::{CONTEXTS, LEASE_RESULT_BYTES, LEASE_RESULTS};
use super::ledger::Assignment;
use super::message::Header;
use super::native::sessions::{SessionKey, Sessions};
use super::pylm::followers::Subscribers;
use pylm_protocol::batch::Assign;
use pylm_protocol::record::LISTENS_ELSEWHERE;
use pylm_protocol::strings::{CALL, KEY, NAME};
use pylm_protocol::{FunctionOffer, Record};
use slotmap::Key;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// Somebody who takes leases.
#[derive(Debug)]
pub enum Host {
    /// A native worker host.
    Native(NativeHost),
    /// Whoever is connected to this PUSH socket for pylm workers.
    Pylm(usize),
    /// Those who follow a topic in pylm's way.
    Subscribers(Subscribers),
}

/// A header's address, and the index of a function.
type ContextKey = (usize, u32);

/// A native worker host.
#[derive(Debug)]
pub struct NativeHost {
    /// The peer, the same over all of its connections.
    pub peer: Uuid,
    /// What it called itself in its last Hello.
    pub name: Box<str>,
    /// Its session; none while it is away.
    pub session: Option<SessionKey>,
    /// The largest payload that it takes, in bytes.
    max_message: u64,
    functions: HashMap<Box<str>, u32>,
    contexts: HashMap<ContextKey, u32>,
    /// Keeps the headers, by whose address contexts are found, where they are.
    headers: Vec<Arc<Header>>,
    last: Option<(ContextKey, u32)>,
    next_context: u32,
}

impl NativeHost {
    /// A host that has just said Hello.
    pub fn new(
        (peer, session): (Uuid, SessionKey),
        name: &str,
        max_message: u64,
        functions: &[FunctionOffer<'_>],
    ) -> Self {
        let functions =
            functions.iter().zip(0..).map(|(function, index)| (function.name.into(), index)).collect();
        NativeHost {
            peer,
            name: name.into(),
            session: Some(session),
            max_message,
            functions,
            contexts: HashMap::new(),
            headers: Vec::new(),
            last: None,
            next_context: 0,
        }
    }

    /// Gives a part to the host.
    ///
    /// # Errors
    /// When the host does not take it, nor would take it ever, with the reason.
    #[inline]
    pub fn assign(
        &mut self,
        assignment: &Assignment<'_>,
        now: Instant,
        sessions: &mut Sessions,
    ) -> Result<(), String> {
        let Some(session) = self.session else { return Ok(()) };
        let part = &assignment.part;
        if part.body.payload.len() as u64 > self.max_message {
            return Err(self.too_large(part.body.payload.len()));
        }
        let context = self.context(session, &part.body.header, assignment.function, sessions)?;
        // What goes on keeps its key, which another node would not derive.
        let own_key = part.relay().filter(|_| part.body.cache.is_none());
        let own_key = own_key.map(|_| part.identity.cache_key(part.body.header.job));
        let cache = own_key.as_deref().or(part.body.cache.as_deref()).unwrap_or_default();
        KEY.check_length(cache.len()).map_err(|error| error.to_string())?;
        let assign = Assign {
            lease: assignment.lease.data().as_ffi(),
            context,
            number: part.identity.number,
            part: part.identity.part,
            attempt: part.attempt,
            timeout: assignment
                .deadline
                .map_or(0, |deadline| (deadline.saturating_duration_since(now).as_millis() as u64).max(1)),
            cache,
        };
        sessions.write(session, |batch| batch.assign(assign, &part.body.payload));
        Ok(())
    }

    #[cold]
    fn too_large(&self, size: usize) -> String {
        let (name, most) = (&self.name, self.max_message);
        format!(
            "the payload has {size} bytes, and the host {name} takes {most}; see --max-message of pylm-worker"
        )
    }

    /// The context of these, which the host is told if it does not know it.
    #[inline]
    fn context(
        &mut self,
        session: SessionKey,
        header: &Arc<Header>,
        function: &str,
        sessions: &mut Sessions,
    ) -> Result<u32, String> {
        let function_index = match self.functions.len() {
            1 => 0,
            _ => self.functions.get(function).copied().unwrap_or_default(),
        };
        let key = (Arc::as_ptr(header).addr(), function_index);
        if let Some((last, context)) = self.last
            && last == key
        {
            return Ok(context);
        }
        let context = match self.contexts.get(&key) {
            Some(&context) => context,
            None => self.tell_context(session, key, header, sessions)?,
        };
        self.last = Some((key, context));
        Ok(context)
    }

    fn tell_context(
        &mut self,
        session: SessionKey,
        key: ContextKey,
        header: &Arc<Header>,
        sessions: &mut Sessions,
    ) -> Result<u32, String> {
        // Hooks may have changed them.
        for (bound, text) in [(NAME, &header.pipeline), (NAME, &header.client), (CALL, &header.function)] {
            bound.check(text.as_str()).map_err(|error| error.to_string())?;
        }
        if self.contexts.len() >= CONTEXTS {
            for (_, context) in self.contexts.drain() {
                sessions.say(session, &Record::Forget { context });
            }
            self.headers.clear();
        }
        let context = self.next_context;
        self.next_context += 1;
        self.contexts.insert(key, context);
        self.headers.push(Arc::clone(header));
        sessions.say(
            session,
            &Record::Context {
                context,
                function: key.1,
                job: header.job,
                pipeline: header.pipeline.as_str(),
                client: header.client.as_str(),
                functions: header.function.as_str(),
                stage: header.stage.cast_unsigned(),
                hops: u64::from(header.hops),
                results: LEASE_RESULTS,
                results_bytes: LEASE_RESULT_BYTES,
                flags: if header.elsewhere { LISTENS_ELSEWHERE } else { 0 },
            },
        );
        Ok(context)
    }
}
