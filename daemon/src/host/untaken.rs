//! What was sent to the node, and is kept until the node has taken it.

use pylm_transport::Frames;
use std::collections::{HashMap, VecDeque};

/// Results and ends of leases, packed and ready to be sent.
#[derive(Debug)]
pub(super) struct Packed {
    /// The batch and its attachments.
    pub(super) frames: Frames,
    /// How many ends of leases it has.
    pub(super) ends: u64,
    /// The lease of which it holds results, where its end is in no earlier batch; others hold whole leases only.
    pub(super) stream: Option<u64>,
}

/// The node said that it has taken more ends than it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node has taken {taken} ends of leases, but was sent {sent}")]
pub(super) struct TakenTooMany {
    taken: u64,
    sent: u64,
}

/// All that the node has not taken. Ends are counted from the beginning of a session.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    kept: VecDeque<Kept>,
    /// Results of leases that have not ended.
    streams: HashMap<u64, Vec<Frames>>,
    sent: u64,
    taken: u64,
    /// How many sessions in a row began with all of this, and ended without any of it being taken.
    in_vain: u32,
}

/// So many sessions are lost with what is sent again, before it is taken to be the reason.
const MOST_IN_VAIN: u32 = 2;

#[derive(Debug)]
struct Kept {
    multiparts: Vec<Frames>,
    ends: u64,
}

fn share(frames: &mut Frames) -> Frames {
    frames.iter_mut().map(|frame| frame.share()).collect()
}

impl Untaken {
    /// Keeps what is about to be sent, and gives back what is to be sent.
    pub(super) fn keep(&mut self, mut packed: Packed) -> Frames {
        let frames = share(&mut packed.frames);
        match packed.stream {
            Some(lease) if packed.ends == 0 => {
                self.streams.entry(lease).or_default().push(packed.frames);
            }
            stream => {
                let mut multiparts = stream.and_then(|lease| self.streams.remove(&lease)).unwrap_or_default();
                multiparts.push(packed.frames);
                self.sent += packed.ends;
                self.kept.push_back(Kept { multiparts, ends: packed.ends });
            }
        }
        frames
    }

    /// Forgets what the node has taken: so many ends since the session began.
    pub(super) fn taken(&mut self, taken: u64) -> Result<(), TakenTooMany> {
        if taken > self.sent {
            return Err(TakenTooMany { taken, sent: self.sent });
        }
        while let Some(kept) = self.kept.front()
            && self.taken + kept.ends <= taken
        {
            self.taken += kept.ends;
            self.kept.pop_front();
            self.in_vain = 0;
        }
        Ok(())
    }

    /// A session of which the node has said Welcome is lost. What was sent again and again, and ended each of the last sessions, is
    /// forgotten: the node has given it to others, and ends it when they are lost by it too. Whether it is so.
    pub(super) fn lose(&mut self) -> bool {
        self.in_vain = if self.kept.is_empty() { 0 } else { self.in_vain + 1 };
        let is_hopeless = self.in_vain > MOST_IN_VAIN;
        if is_hopeless {
            self.clear();
        }
        is_hopeless
    }

    /// Begins a new session with the same run of the node: gives all that is to be sent again, in order.
    pub(super) fn send_again(&mut self) -> Vec<Frames> {
        self.taken = 0;
        self.sent = self.kept.iter().map(|kept| kept.ends).sum();
        let kept = self.kept.iter_mut().flat_map(|kept| kept.multiparts.iter_mut());
        kept.chain(self.streams.values_mut().flatten()).map(share).collect()
    }

    /// Forgets the results of a lease that will not end.
    pub(super) fn forget_stream(&mut self, lease: u64) {
        self.streams.remove(&lease);
    }

    /// Begins with nothing, for another run of the node.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether the node has taken all ends.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylm_transport::Frame;

    fn packed(name: &str, ends: u64, stream: Option<u64>) -> Packed {
        Packed { frames: vec![Frame::copy_from(name.as_bytes())], ends, stream }
    }

    fn names(multiparts: Vec<Frames>) -> Vec<String> {
        multiparts.iter().map(|frames| String::from_utf8(frames[0].to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_batch_is_kept_until_its_last_end_is_taken() {
        let mut untaken = Untaken::default();
        assert_eq!(names(vec![untaken.keep(packed("a", 3, None))]), ["a"]);
        untaken.keep(packed("b", 2, None));
        untaken.taken(4).unwrap();
        assert_eq!(names(untaken.send_again()), ["b"]);
        assert!(!untaken.is_empty());
        untaken.taken(2).unwrap();
        assert!(untaken.is_empty());
    }

    #[test]
    fn results_of_a_stream_are_kept_until_its_end_is_taken_and_hold_up_nothing_else() {
        let mut untaken = Untaken::default();
        untaken.keep(packed("first", 0, Some(7)));
        untaken.keep(packed("other", 1, None));
        untaken.taken(1).unwrap();
        assert!(untaken.is_empty());
        untaken.keep(packed("second", 0, Some(7)));
        assert_eq!(names(untaken.send_again()), ["first", "second"]);
        untaken.keep(packed("end", 1, Some(7)));
        assert_eq!(names(untaken.send_again()), ["first", "second", "end"]);
        untaken.taken(1).unwrap();
        assert_eq!(untaken.send_again().len(), 0);
    }

    #[test]
    fn what_ends_session_after_session_is_forgotten() {
        let mut untaken = Untaken::default();
        untaken.keep(packed("a", 1, None));
        untaken.keep(packed("b", 1, None));
        assert_eq!([untaken.lose(), untaken.lose()], [false; 2]);
        untaken.send_again();
        untaken.taken(1).unwrap();
        assert_eq!([untaken.lose(), untaken.lose()], [false; 2], "one of them was taken");
        assert!(untaken.lose() && untaken.is_empty());
        assert!(!untaken.lose(), "nothing is left that could be the reason");
    }

    #[test]
    fn a_count_past_what_was_sent_is_refused() {
        let mut untaken = Untaken::default();
        untaken.keep(packed("a", 1, None));
        assert_eq!(untaken.taken(2), Err(TakenTooMany { taken: 2, sent: 1 }));
        untaken.clear();
        assert!(untaken.taken(1).is_err());
    }
}
