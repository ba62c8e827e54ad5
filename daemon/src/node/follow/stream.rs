//! What the messages of an earlier node owe it: the results of its leases, and their ends.

use crate::node::bounds::{FOLLOW_OUTBOX, FOLLOW_OUTBOX_BYTES};
use crate::node::ledger::{JobKey, MessageKey};
use crate::node::message::Header;
use crate::node::native::stream::Output;
use pylm_protocol::record::{HELD_UNTIL_END, PERMANENT};
use pylm_protocol::{BatchWriter, Payload, Record};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How many results, and bytes of them, a lease has yielded, and may yield.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// How many results there is room for beyond those that were taken.
    window: u64,
    sent: u64,
    sent_bytes: u64,
    results: u64,
    results_bytes: u64,
}

/// The outputs of the leases of one context, which is a job here. A message's number is its lease.
#[derive(Debug)]
pub struct FollowedStream {
    /// Which of the nodes that this one follows.
    pub place: usize,
    /// What its messages share.
    pub header: Arc<Header>,
    first_room: Room,
    rooms: HashMap<u64, Room>,
    outputs: VecDeque<Output>,
    bytes: u64,
    /// It is among those to be flushed.
    pub dirty: bool,
}

impl FollowedStream {
    /// A context with no leases; each may yield so much at first.
    pub fn new(place: usize, header: Arc<Header>, results: u64, results_bytes: u64) -> Self {
        FollowedStream {
            place,
            header,
            first_room: Room { window: results, sent: 0, sent_bytes: 0, results, results_bytes },
            rooms: HashMap::new(),
            outputs: VecDeque::new(),
            bytes: 0,
            dirty: false,
        }
    }

    /// Queues an output. The end of a message whose only result still waits becomes one record with it.
    pub fn push(&mut self, output: Output) {
        if let Some(last) = self.outputs.back_mut()
            && last.merge(&output)
        {
            return;
        }
        self.bytes += output.bytes();
        self.outputs.push_back(output);
    }

    /// A lease may yield so much in all.
    pub fn give_room(&mut self, lease: u64, results: u64, results_bytes: u64) {
        let room = self.rooms.entry(lease).or_insert(self.first_room);
        (room.results, room.results_bytes) = (results, results_bytes);
    }

    /// Nobody wants the outputs of a lease any more.
    pub fn forget(&mut self, lease: u64) {
        self.rooms.remove(&lease);
        self.outputs.retain(|output| output.number() != lease);
        self.bytes = self.outputs.iter().map(Output::bytes).sum();
    }

    /// Writes what there is room for, until the batch is full; whether more could be written. Leases that end go out of
    /// `leases`.
    pub fn fill(&mut self, batch: &mut BatchWriter, leases: &mut HashMap<u64, (JobKey, MessageKey)>) -> bool {
        while let Some(output) = self.outputs.front() {
            if batch.is_full() {
                return true;
            }
            let bytes = output.bytes();
            match output {
                Output::Result { number, place, held, payload } => {
                    let room = self.rooms.entry(*number).or_insert(self.first_room);
                    let has_room = room.sent < room.results && room.sent_bytes + bytes <= room.results_bytes;
                    // When all before it were taken, one result has room, however large.
                    let is_alone = room.sent <= room.results.saturating_sub(room.window);
                    if !has_room && !is_alone {
                        return false;
                    }
                    room.sent += 1;
                    room.sent_bytes += bytes;
                    batch.push(&Record::LeaseResult {
                        lease: *number,
                        place: place.clone(),
                        payload: Payload(payload.clone()),
                        flags: if *held { HELD_UNTIL_END } else { 0 },
                    });
                }
                Output::Reply { number, payload } => {
                    leases.remove(number);
                    batch.lease_reply(*number, payload, bytes::Bytes::clone);
                }
                Output::Done { number, results } => {
                    leases.remove(number);
                    self.rooms.remove(number);
                    batch.push(&Record::LeaseDone { lease: *number, results: *results });
                }
                Output::Failed(failure) => {
                    leases.remove(&failure.number);
                    self.rooms.remove(&failure.number);
                    batch.push(&Record::LeaseFailed {
                        lease: failure.number,
                        results: failure.results,
                        flags: if failure.permanent { PERMANENT } else { 0 },
                        code: &failure.code,
                        text: &failure.text,
                    });
                }
            }
            self.bytes -= bytes;
            self.outputs.pop_front();
        }
        false
    }

    /// Whether so much waits that nothing more is to be made.
    pub fn is_backed_up(&self) -> bool {
        self.outputs.len() >= FOLLOW_OUTBOX || self.bytes >= FOLLOW_OUTBOX_BYTES
    }

    /// How many outputs wait.
    pub fn waiting(&self) -> usize {
        self.outputs.len()
    }

    /// The bytes of them.
    pub fn waiting_bytes(&self) -> u64 {
        self.bytes
    }

    /// How many may wait, and bytes of them, before its job is held back.
    pub fn window(&self) -> (u64, u64) {
        (FOLLOW_OUTBOX as u64, FOLLOW_OUTBOX_BYTES)
    }

    /// Whether nothing waits.
    pub fn is_flushed(&self) -> bool {
        self.outputs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use pylm_protocol::{BatchReader, Place};

    fn written(stream: &mut FollowedStream) -> Vec<&'static str> {
        let (mut batch, mut leases) = (BatchWriter::new(), HashMap::new());
        assert!(!stream.fill(&mut batch, &mut leases));
        if batch.is_empty() {
            return Vec::new();
        }
        let (frame, _) = batch.take();
        let frame = Bytes::from(frame);
        let mut reader = BatchReader::new(&frame, &[]).unwrap();
        std::iter::from_fn(|| reader.next_record().unwrap().map(|record| record.name())).collect()
    }

    #[test]
    fn a_lease_waits_for_room_and_its_end_waits_with_it() {
        let mut stream = FollowedStream::new(0, Arc::default(), 2, 100);
        let result = |index: u64| Output::Result {
            number: 7,
            place: Place::new(&[0, index + 1]),
            held: false,
            payload: Bytes::from_static(b"x"),
        };
        (0..3).for_each(|index| stream.push(result(index)));
        stream.push(Output::Done { number: 7, results: 3 });
        assert_eq!(written(&mut stream), ["LeaseResult", "LeaseResult"]);
        assert!(written(&mut stream).is_empty() && !stream.is_flushed());
        stream.give_room(7, 4, 100);
        assert_eq!(written(&mut stream), ["LeaseResult", "LeaseDone"]);
        assert!(stream.is_flushed());
    }

    #[test]
    fn the_only_result_and_its_end_are_one_record() {
        let mut stream = FollowedStream::new(0, Arc::default(), 2, 100);
        let (place, payload) = (Place::default(), Bytes::from_static(b"x"));
        stream.push(Output::Result { number: 1, place, held: false, payload });
        stream.push(Output::Done { number: 1, results: 1 });
        assert_eq!(written(&mut stream), ["LeaseReply"]);
    }

    #[test]
    fn what_waits_for_an_earlier_node_is_bounded_in_number_and_in_bytes() {
        for (count, size) in [(FOLLOW_OUTBOX as u64, 1), (16, 1 << 20)] {
            let mut stream = FollowedStream::new(0, Arc::default(), u64::MAX, u64::MAX);
            let payload = Bytes::from(vec![7; size]);
            for number in 0..count {
                assert!(!stream.is_backed_up(), "at {number} of {count}");
                let place = Place::default();
                stream.push(Output::Result { number, place, held: false, payload: payload.clone() });
            }
            assert!(stream.is_backed_up());
            let (mut batch, mut leases) = (BatchWriter::new(), HashMap::new());
            while stream.fill(&mut batch, &mut leases) {
                batch.take();
            }
            assert!(!stream.is_backed_up() && stream.is_flushed());
            assert_eq!(stream.waiting_bytes(), 0);
        }
    }
}
