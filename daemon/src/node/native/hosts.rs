//! What native worker hosts say: results, ends of leases, and how much more they take.

use super::Violation;
use super::sessions::SessionKey;
use crate::node::bounds::{LEASE_RESULT_BYTES, LEASE_RESULTS};
use crate::node::ledger::{LeaseEnd, LeaseKey};
use crate::node::router::Router;
use pylm_protocol::Record;
use slotmap::KeyData;
use std::time::Instant;

/// Results of one lease after which its host hears of room for more.
const ROOM_STEP: u64 = LEASE_RESULTS / 4;

impl Router {
    #[inline]
    pub(super) fn carry_out_hosts(
        &mut self,
        session: SessionKey,
        record: Record<'_>,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(host) = self.sessions.get_mut(session).and_then(|session| session.host) else {
            return Ok(());
        };
        let lease_key = |lease| LeaseKey::from(KeyData::from_ffi(lease));
        match record {
            Record::LeaseReply { lease, payload } => {
                let lease = lease_key(lease);
                self.take_result(host, lease, 0, payload.0);
                self.take_end(host, lease, LeaseEnd::Done(1));
                self.sessions.take_end(session);
            }
            Record::LeaseResult { lease, place, payload } => {
                let index = match place.0.as_slice() {
                    [] => 0,
                    [index] => *index,
                    _ => return Err(Violation("a host's result has a place of one number".into())),
                };
                let length = payload.0.len() as u64;
                self.take_result(host, lease_key(lease), index, payload.0);
                // The host hears now and then that there is room for more, always before it has used up what it has.
                if (index + 1).is_multiple_of(ROOM_STEP) || length >= LEASE_RESULT_BYTES / ROOM_STEP {
                    self.give_room(host, lease_key(lease));
                }
            }
            Record::LeaseDone { lease, results } => {
                self.take_end(host, lease_key(lease), LeaseEnd::Done(results));
                self.sessions.take_end(session);
            }
            Record::LeaseFailed { lease, code, text, .. } => {
                self.take_failure(host, lease_key(lease), code, text);
                self.sessions.take_end(session);
            }
            Record::Released { lease } => {
                self.take_end(host, lease_key(lease), LeaseEnd::Released);
                self.sessions.take_end(session);
            }
            Record::Limit { limit, limit_bytes } => {
                self.ledger.set_limit(host, limit, limit_bytes, now);
                self.undispatched = true;
            }
            other => return Err(Violation::of(&other)),
        }
        Ok(())
    }
}
