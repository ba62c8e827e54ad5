//! The end of jobs: cancelled, or forgotten when their clients need them no more.

use super::egress::Client;
use super::ledger::{EndedMessage, JobKey, MessageKey};
use super::router::Router;
use pylm_journal::Record;

impl Router {
    /// Ends what has not ended of a job.
    pub(crate) fn cancel(&mut self, job: JobKey) {
        let cancelled = self.ledger.cancel_job(job);
        if let Some(Client::Pylm(stream)) = self.clients.get(job) {
            let line = &mut self.lines[stream.line];
            line.open -= cancelled.messages.len() as u64;
            line.open_bytes -= cancelled.bytes;
        }
        cancelled.messages.iter().for_each(|&message| self.forget_in_hooks(message));
        self.abandoned.extend(cancelled.abandoned);
    }

    /// Forgets a job; what has not ended of it is cancelled.
    pub(crate) fn close(&mut self, job: JobKey) {
        self.cancel(job);
        self.ledger.close_job(job);
        self.starved.retain(|(of, ..)| *of != job);
        if let Some(scatterer) = &mut self.scatterer {
            scatterer.close(job);
        }
        match self.clients.remove(job) {
            Some(Client::Native(stream)) => {
                self.jobs_by_identity.remove(&stream.identity);
                self.keep(Record::Closed { job: stream.identity });
                if let Some(session) = stream.session.and_then(|session| self.sessions.get_mut(session)) {
                    session.jobs.remove(stream.number);
                }
            }
            Some(Client::Pylm(stream)) => {
                self.jobs_by_identity.remove(&stream.header.job);
                if stream.waiting() > 0 {
                    tracing::info!(
                        client = &*stream.client,
                        results = stream.waiting(),
                        "results that nobody listens for are dropped"
                    );
                }
                self.lines[stream.line].backed_up -= usize::from(stream.backed_up);
                self.directory.remove(&stream.client, job);
            }
            Some(Client::Followed(_)) | None => {}
        }
    }

    /// Takes a message that has ended out of the books of the sockets it came by.
    pub(super) fn count_off(&mut self, message: &EndedMessage) {
        if let Some(Client::Pylm(stream)) = self.clients.get(message.job) {
            let line = &mut self.lines[stream.line];
            line.open -= 1;
            line.open_bytes -= message.bytes;
        }
    }

    pub(super) fn forget_in_hooks(&mut self, key: MessageKey) {
        if let Some(scatterer) = &mut self.scatterer {
            scatterer.forget(key);
        }
        if let Some(gatherer) = &mut self.gatherer {
            gatherer.forget(key);
        }
    }
}
