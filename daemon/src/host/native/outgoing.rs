//! What waits to be sent over one connection to the node.

use super::super::outbox::frames;
use pylm_protocol::BatchWriter;
use pylm_protocol::link::Pulse;
use pylm_transport::Frames;
use std::collections::VecDeque;

/// Batches on their way to the node, in order.
#[derive(Default)]
pub(super) struct Outgoing(VecDeque<Frames>);

impl Outgoing {
    /// Queues a batch, behind its announcement where it needs one.
    pub(super) fn push(&mut self, batch: Frames, pulse: &Pulse) {
        let bytes = batch.iter().map(|frame| frame.len()).sum();
        if let Some(announcement) = pulse.announce(bytes) {
            let mut before = BatchWriter::new();
            before.push(&announcement);
            self.0.push_back(frames(&mut before));
        }
        self.0.push_back(batch);
    }

    /// Queues what was written, if anything was.
    pub(super) fn push_written(&mut self, writer: &mut BatchWriter, pulse: &Pulse) {
        if !writer.is_empty() {
            self.push(frames(writer), pulse);
        }
    }

    /// What is to be sent next.
    pub(super) fn front_mut(&mut self) -> Option<&mut Frames> {
        self.0.front_mut()
    }

    /// The front one is gone.
    pub(super) fn sent(&mut self) {
        self.0.pop_front();
    }

    /// Whether all was sent.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
