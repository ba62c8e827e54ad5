//! What a job gives to its application.

use crate::state::backlog::Message;
use crate::state::job::Delivery;
use bytes::Bytes;
use pylm_protocol::Place;

/// One thing that happened to a message of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The message's number, as [`JobSender::send`](crate::JobSender::send) returned it.
    pub number: u64,
    /// What happened.
    pub event: Event,
}

/// What can happen to a message. Each gets any number of results, and then one end: done or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A result. No place of a message comes twice.
    Result {
        /// Where the result stands among those of its message: the same in every run of it.
        place: Place,
        /// The result's bytes.
        payload: Bytes,
    },
    /// The message is done.
    Done {
        /// How many results it had.
        results: u64,
    },
    /// The message failed.
    Failed {
        /// One of the [codes](pylm_protocol::codes) of the protocol, such as `failed` or `timeout`.
        code: Box<str>,
        /// What happened.
        text: Box<str>,
        /// What was submitted, to be repaired, kept, or submitted again.
        submitted: Submitted,
    },
}

/// A message as it was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its bytes.
    pub payload: Bytes,
    /// Its cache key, where it had one.
    pub cache: Option<Box<str>>,
}

impl Output {
    /// Whether this closes its message.
    pub fn is_end(&self) -> bool {
        !matches!(self.event, Event::Result { .. })
    }
}

/// Makes outputs of deliveries, most of which are one output.
#[derive(Debug, Default)]
pub(crate) struct Unpack {
    deliveries: std::vec::IntoIter<Delivery>,
    /// The end that follows the only result of this message.
    end_of: Option<u64>,
}

impl Unpack {
    /// Goes on with these deliveries; to be called when there are no more outputs.
    pub(crate) fn refill(&mut self, deliveries: Vec<Delivery>) {
        self.deliveries = deliveries.into_iter();
    }

    /// Whether there is an output.
    pub(crate) fn has_next(&self) -> bool {
        self.end_of.is_some() || self.deliveries.len() > 0
    }
}

impl Iterator for Unpack {
    type Item = Output;

    #[inline]
    fn next(&mut self) -> Option<Output> {
        if let Some(number) = self.end_of.take() {
            return Some(Output { number, event: Event::Done { results: 1 } });
        }
        Some(match self.deliveries.next()? {
            Delivery::Reply { number, payload } => {
                self.end_of = Some(number);
                Output { number, event: Event::Result { place: Place::default(), payload } }
            }
            Delivery::Result { number, place, payload } => {
                Output { number, event: Event::Result { place, payload } }
            }
            Delivery::Done { number, results } => Output { number, event: Event::Done { results } },
            Delivery::Failed { number, code, text, message: Message { payload, cache } } => Output {
                number,
                event: Event::Failed { code, text, submitted: Submitted { payload, cache } },
            },
        })
    }
}
