//! What a native client's job owes, as the journal has it.

use super::Keeper;
use super::deadline::Moment;
use crate::node::native::stream::{Failure, Output, Stream};
use pylm_journal::{JobHeader, Record};

impl Output {
    /// One that the journal has kept.
    pub(super) fn of_journal(number: u64, output: pylm_journal::Output) -> Self {
        match output {
            pylm_journal::Output::Result { place, held, payload } => {
                Output::Result { number, place, held, payload }
            }
            pylm_journal::Output::Reply { payload } => Output::Reply { number, payload },
            pylm_journal::Output::Done { results } => Output::Done { number, results },
            pylm_journal::Output::Failed { results, code, text } => {
                let failure =
                    Failure { number, results, permanent: true, code: code.into(), text: text.into() };
                Output::Failed(Box::new(failure))
            }
        }
    }

    /// The same, to be kept.
    fn to_journal(&self) -> pylm_journal::Output {
        match self {
            Output::Result { place, held, payload, .. } => {
                pylm_journal::Output::Result { place: place.clone(), held: *held, payload: payload.clone() }
            }
            Output::Reply { payload, .. } => pylm_journal::Output::Reply { payload: payload.clone() },
            Output::Done { results, .. } => pylm_journal::Output::Done { results: *results },
            Output::Failed(failure) => pylm_journal::Output::Failed {
                results: failure.results,
                code: failure.code.as_str().into(),
                text: failure.text.as_str().into(),
            },
        }
    }
}

impl Stream {
    /// Hands over what was not: new outputs, and what the client has acknowledged.
    pub fn keep(&mut self, keeper: &mut Keeper) {
        let job = self.identity;
        for (serial, output) in self.unkept() {
            let (serial, number, output) = (*serial, output.number(), output.to_journal());
            keeper.keep(Record::Output { job, serial, number, output });
        }
        if let Some(below) = self.newly_acknowledged() {
            keeper.keep(Record::Acknowledged { job, below });
        }
    }

    /// What its messages share.
    pub fn to_journal(&self) -> Box<JobHeader> {
        let (window, window_bytes) = self.window();
        Box::new(JobHeader {
            identity: self.identity,
            client: self.header.client.as_str().into(),
            pipeline: self.header.pipeline.as_str().into(),
            function: self.header.function.as_str().into(),
            stage: self.header.stage,
            flags: if self.incomplete { JobHeader::DAMAGED } else { 0 },
            window,
            window_bytes,
            timeout: self.timeout.map_or(0, |timeout| timeout.as_millis() as u64),
            max_message: self.max_message,
            priority: u64::from(self.terms.priority),
            retries: u64::from(self.terms.retries),
            deadline: Moment::now().to_journal(self.deadline),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::message::Header;
    use bytes::Bytes;
    use pylm_protocol::{BatchWriter, Place};
    use std::sync::Arc;
    use uuid::Uuid;

    fn stream() -> Stream {
        let mut stream = Stream::new(Uuid::nil(), Arc::new(Header::default()), None);
        stream.set_window(100, 100);
        stream
    }

    fn result(number: u64) -> Output {
        Output::Result { number, place: Place::default(), held: false, payload: Bytes::new() }
    }

    fn unkept(stream: &mut Stream) -> Vec<(u64, u64, bool)> {
        stream
            .unkept()
            .map(|(serial, output)| (*serial, output.number(), matches!(output, Output::Reply { .. })))
            .collect()
    }

    #[test]
    fn an_output_is_kept_once_and_does_not_change_afterwards() {
        let mut stream = stream();
        stream.push(result(7));
        stream.push(Output::Done { number: 7, results: 1 });
        stream.push(result(8));
        assert_eq!(unkept(&mut stream), [(0, 7, true), (1, 8, false)]);
        stream.push(Output::Done { number: 8, results: 1 });
        assert_eq!(unkept(&mut stream), [(2, 8, false)]);
        assert_eq!(unkept(&mut stream), []);
    }

    #[test]
    fn serials_go_on_where_an_earlier_run_has_ended_also_over_gaps() {
        let mut stream = stream();
        stream.restore(3, result(1));
        stream.restore(7, Output::Done { number: 1, results: 1 });
        stream.count_from(10);
        stream.push(result(2));
        assert_eq!(unkept(&mut stream), [(10, 2, false)]);
        assert_eq!(stream.newly_acknowledged(), None);
        assert!(!stream.fill(&mut BatchWriter::new()));
        stream.acknowledge(1);
        assert_eq!(stream.newly_acknowledged(), Some(4));
        stream.acknowledge(3);
        assert_eq!(stream.newly_acknowledged(), Some(11));
        assert_eq!(stream.newly_acknowledged(), None);
        assert!(stream.is_settled());
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let failure =
            Failure { number: 5, results: 2, permanent: true, code: "failed".into(), text: "why".into() };
        let held = Output::Result { number: 5, place: Place::new(&[1, 2]), held: true, payload: "x".into() };
        let reply = Output::Reply { number: 5, payload: "y".into() };
        let done = Output::Done { number: 5, results: 3 };
        for output in [held, reply, done, Output::Failed(Box::new(failure))] {
            let back = Output::of_journal(5, output.to_journal());
            assert_eq!(format!("{back:?}"), format!("{output:?}"));
        }
    }
}
