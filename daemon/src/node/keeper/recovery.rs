//! A node goes on with what its journal has: jobs wait for their clients, unfinished messages run again, and the cache is as it was.

use super::deadline::Moment;
use crate::node::egress::Client;
use crate::node::failed::is_failed_key;
use crate::node::message::{Header, Message};
use crate::node::native::stream::{Output, Stream};
use crate::node::router::Router;
use pylm_journal::{Recovered, RecoveredJob};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Router {
    /// Goes on with what earlier runs have left.
    pub(crate) fn recover(&mut self, recovered: Recovered, now: Instant) {
        let Recovered { jobs, cache, lost, damaged, .. } = recovered;
        if damaged {
            tracing::warn!(
                records = lost,
                "parts of the journal are lost: clients that come back send again what they miss"
            );
        }
        let keys = cache.len();
        let mut refused = 0;
        for (key, value) in cache {
            if is_failed_key(&key) {
                self.recover_failed(&value);
                continue;
            }
            if let Err(error) = self.cache.set(&key, value) {
                refused += 1;
                tracing::debug!(key = &*key, %error, "a value was not taken back");
            }
        }
        if refused > 0 {
            tracing::warn!(
                keys = refused,
                "the cache does not take all of its values back: raise --cache-bytes"
            );
        }
        let (count, mut messages, mut outputs) = (jobs.len(), 0, 0);
        for job in jobs.into_values() {
            messages += job.messages.len();
            outputs += job.outputs.len();
            self.recover_job(job, damaged, now);
        }
        if messages > 0 {
            // Worker hosts may need longer than the node, as where the whole machine was started again.
            self.awaits_hosts_until = Some(now + self.config.client_grace);
        }
        if count > 0 || keys > 0 {
            tracing::info!(jobs = count, messages, outputs, keys, "going on with what the journal has");
        }
    }

    fn recover_job(&mut self, recovered: RecoveredJob, damaged: bool, now: Instant) {
        let RecoveredJob { header: terms, messages, outputs, lost, incomplete, .. } = recovered;
        let doubtful = damaged || terms.is_damaged();
        let header = Header {
            pipeline: (&*terms.pipeline).into(),
            client: (&*terms.client).into(),
            function: (&*terms.function).into(),
            stage: terms.stage,
            job: terms.identity,
            ..Header::default()
        };
        let refused = self.function_of(&header).err();
        let mut stream = Stream::new(terms.identity, Arc::new(header), refused.clone());
        stream.lost = Some(now);
        stream.set_window(terms.window, terms.window_bytes);
        stream.max_message = terms.max_message;
        stream.timeout = (terms.timeout > 0).then(|| Duration::from_millis(terms.timeout));
        stream.deadline = Moment::now().of_journal(terms.deadline);
        stream.set_terms(terms.priority, terms.retries);
        stream.next = recovered.next_number;
        stream.cancelled = recovered.cancelled;
        stream.doubtful = doubtful;
        stream.missing = lost;
        stream.incomplete = incomplete;
        if doubtful {
            // Which of the lower numbers the node has had, nobody knows for sure: the client sends again those without an end.
            let ended = outputs.values().filter(|kept| kept.output.is_end()).map(|kept| kept.number);
            stream.known = messages.keys().copied().chain(ended).collect();
            stream.next = 0;
        }
        for (serial, kept) in outputs {
            stream.restore(serial, Output::of_journal(kept.number, kept.output));
        }
        stream.count_from(recovered.next_serial);
        let header = Arc::clone(&stream.header);
        let job = self.ledger.open_job(stream.terms);
        let deadline = stream.deadline_of_next(now);
        self.clients.insert(job, Client::Native(Box::new(stream)));
        self.jobs_by_identity.insert(terms.identity, job);
        for (number, message) in messages {
            let cache = (!message.cache.is_empty()).then(|| (&*message.cache).into());
            let message = Message { header: Arc::clone(&header), cache, payload: message.payload };
            self.accept(job, number, message, refused.clone(), deadline, now);
        }
        self.touch(job);
    }
}
