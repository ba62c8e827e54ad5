//! The jobs of a client: whose turn it is to send, and which have to wait until the node may know of more.
//!
//! A client may have thousands of short jobs at once, so nothing here looks at all of them, but after a lost connection.

use super::job::Job;
use pylm_protocol::{BatchWriter, OPEN_JOBS};
use std::collections::{BTreeMap, VecDeque};

/// All jobs that are not over, or whose end the node has not been told.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    jobs: BTreeMap<u32, Entry>,
    /// Jobs that may have something to send.
    turns: VecDeque<u32>,
    /// Jobs to be opened when the node knows fewer.
    waiting: VecDeque<u32>,
    /// Jobs that the node knows over the present connection.
    opened: usize,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    /// It is in `turns` or `waiting`.
    queued: bool,
}

impl Jobs {
    pub(crate) fn insert(&mut self, number: u32, job: Job) {
        self.jobs.insert(number, Entry { job, queued: true });
        self.turns.push_back(number);
    }

    /// A job that is about to change: it gets a turn to send what follows from that.
    #[inline]
    pub(crate) fn change(&mut self, number: u32) -> Option<&mut Job> {
        let entry = self.jobs.get_mut(&number)?;
        if !std::mem::replace(&mut entry.queued, true) {
            self.turns.push_back(number);
        }
        Some(&mut entry.job)
    }

    /// A job of which nothing changes that the node is to hear of.
    #[inline]
    pub(crate) fn get(&mut self, number: u32) -> Option<&mut Job> {
        self.jobs.get_mut(&number).map(|entry| &mut entry.job)
    }

    pub(crate) fn remove(&mut self, number: u32) {
        self.jobs.remove(&number);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The connection is gone: all jobs are to be opened again.
    pub(crate) fn disconnected(&mut self) {
        self.opened = 0;
        self.waiting.clear();
        self.turns.clear();
        for (&number, entry) in &mut self.jobs {
            entry.job.disconnected();
            entry.queued = true;
            self.turns.push_back(number);
        }
    }

    /// Fills the batch, in turns, so that no job waits for another's messages. Jobs that sent something, or need nothing
    /// more, are told in `touched`.
    pub(crate) fn transmit(
        &mut self,
        draining: bool,
        max_message: u64,
        writer: &mut BatchWriter,
        touched: &mut Vec<u32>,
    ) {
        while !writer.is_full() {
            let (number, has_waited) = match self.turns.pop_front() {
                Some(number) => (number, false),
                None if self.opened >= OPEN_JOBS => return,
                None => match self.waiting.pop_front() {
                    Some(number) => (number, true),
                    None => return,
                },
            };
            let Some(entry) = self.jobs.get_mut(&number) else { continue };
            let job = &mut entry.job;
            entry.queued = false;
            if !job.has_to_send(draining) {
                if job.is_closed() {
                    touched.push(number);
                }
                continue;
            }
            let was_known = job.is_known();
            if !was_known && !has_waited && (self.opened >= OPEN_JOBS || !self.waiting.is_empty()) {
                entry.queued = true;
                self.waiting.push_back(number);
                continue;
            }
            job.transmit(draining, max_message, writer);
            touched.push(number);
            if writer.is_full() {
                // There may be more of it.
                entry.queued = true;
                self.turns.push_back(number);
            }
            match (was_known, job.is_known()) {
                (false, true) => self.opened += 1,
                (true, false) => self.opened = self.opened.saturating_sub(1),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::backlog::Message;
    use crate::state::job::JobTerms;
    use crate::state::window::Window;
    use bytes::Bytes;
    use pylm_protocol::{BatchReader, JobState, Record};
    use uuid::Uuid;

    /// A job with one message, which is all of it.
    fn job(number: u32) -> Job {
        let outputs = Window { messages: 10, bytes: 10 };
        let identity = Uuid::new_v4();
        let terms = JobTerms {
            identity,
            attach: false,
            pipeline: "p".into(),
            function: "s.f".into(),
            timeout: 0,
            deadline: None,
            priority: 0,
            retries: 0,
            outputs,
        };
        let mut job = Job::new(number, terms);
        job.submit([Message { payload: Bytes::new(), cache: None }].into_iter());
        job.finish();
        job
    }

    #[derive(Default)]
    struct Harness {
        jobs: Jobs,
        /// What the node knows.
        open: std::collections::BTreeSet<u32>,
        most: usize,
        done: usize,
    }

    impl Harness {
        /// Sends all that is to be sent, and has the node answer every message at once if it is to.
        fn exchange(&mut self, answers: bool) {
            loop {
                let (mut writer, mut touched) = (BatchWriter::new(), Vec::new());
                self.jobs.transmit(false, 100, &mut writer, &mut touched);
                if writer.is_empty() {
                    return;
                }
                let (frame, attachments) = writer.take();
                let frame = Bytes::from(frame);
                let mut reader = BatchReader::new(&frame, &attachments).unwrap();
                while let Some(record) = reader.next_record().unwrap() {
                    match record {
                        Record::Open { job, .. } => {
                            assert!(self.open.insert(job));
                            let window = Window { messages: 10, bytes: 10 };
                            let job = self.jobs.change(job).unwrap();
                            job.opened(JobState::New, Uuid::from_u128(1), 0, window);
                        }
                        Record::Submit { job, number, .. } if answers => {
                            self.jobs.change(job).unwrap().reply(number, Bytes::new());
                        }
                        Record::Close { job } => {
                            assert!(self.open.remove(&job));
                            assert!(self.jobs.get(job).unwrap().is_closed());
                            self.jobs.remove(job);
                            self.done += 1;
                        }
                        _ => {}
                    }
                    self.most = self.most.max(self.open.len());
                }
            }
        }
    }

    #[test]
    fn the_node_never_knows_of_more_jobs_than_it_takes_and_each_has_its_turn() {
        let mut harness = Harness::default();
        let count = 3 * OPEN_JOBS as u32;
        (0..count).for_each(|number| harness.jobs.insert(number, job(number)));
        harness.exchange(false);
        assert_eq!(harness.most, OPEN_JOBS);
        // After a lost connection all are opened anew, and this time answered.
        harness.jobs.disconnected();
        harness.open.clear();
        harness.exchange(true);
        assert_eq!((harness.done, harness.most), (count as usize, OPEN_JOBS));
        assert!(harness.open.is_empty() && harness.jobs.jobs.is_empty());
    }

    #[test]
    fn a_job_that_waits_for_its_turn_can_be_cancelled() {
        let mut harness = Harness::default();
        let count = OPEN_JOBS as u32 + 2;
        (0..count).for_each(|number| harness.jobs.insert(number, job(number)));
        harness.exchange(false);
        harness.jobs.change(count - 2).unwrap().cancel();
        assert!(harness.jobs.get(count - 2).unwrap().is_closed());
        harness.jobs.remove(count - 2);
        harness.jobs.change(0).unwrap().reply(0, Bytes::new());
        harness.exchange(false);
        assert!(harness.open.contains(&(count - 1)));
    }
}
