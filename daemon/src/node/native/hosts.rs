//! What native worker hosts say: results, ends of leases, and how much more they take.

use super::Violation;
use super::sessions::SessionKey;
use crate::node::bounds::{LEASE_RESULT_BYTES, LEASE_RESULTS};
use crate::node::dispatch::Reply;
use crate::node::ledger::{HostKey, LeaseEnd, LeaseKey, LeaseResult};
use crate::node::router::Router;
use bytes::Bytes;
use pylm_protocol::Record;
use pylm_protocol::record::{HELD_UNTIL_END, PERMANENT};
use slotmap::KeyData;
use std::time::Instant;

/// Results of one lease after which its host hears of room for more.
const ROOM_STEP: u64 = LEASE_RESULTS / 4;

/// The key that a host has a lease by.
#[inline]
pub(super) fn lease_key(lease: u64) -> LeaseKey {
    LeaseKey::from(KeyData::from_ffi(lease))
}

impl Router {
    /// Takes a lease's only result, and its end.
    #[inline]
    pub(super) fn take_only(&mut self, host: HostKey, session: SessionKey, lease: LeaseKey, payload: Bytes) {
        self.sessions.take_end(session, payload.len());
        if let Err(payload) = self.take_reply(host, lease, payload, Reply::Native) {
            let only = LeaseResult { only: true, payload, ..LeaseResult::default() };
            self.take_result(host, lease, only);
            self.take_end(host, lease, LeaseEnd::Done(1));
        }
    }

    pub(super) fn carry_out_hosts(
        &mut self,
        session: SessionKey,
        record: Record<'_>,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(host) = self.sessions.get_mut(session).and_then(|session| session.host) else {
            return Ok(());
        };
        match record {
            Record::LeaseReply { lease, payload } => {
                self.take_only(host, session, lease_key(lease), payload.0)
            }
            Record::LeaseResult { lease, place, payload, flags } => {
                let lease = lease_key(lease);
                let length = payload.0.len() as u64;
                let held = flags & HELD_UNTIL_END != 0;
                let before = self.ledger.lease_results(lease);
                self.take_result(host, lease, LeaseResult { place, held, only: false, payload: payload.0 });
                // The host hears now and then that there is room for more, always before it has used up what it has.
                let results = before.unwrap_or_default() + 1;
                if results.is_multiple_of(ROOM_STEP) || length >= LEASE_RESULT_BYTES / ROOM_STEP {
                    self.give_room(host, lease);
                }
            }
            Record::LeaseDone { lease, results } => {
                self.take_end(host, lease_key(lease), LeaseEnd::Done(results));
                self.sessions.take_end(session, 0);
            }
            Record::LeaseFailed { lease, code, text, flags, .. } => {
                let permanent = flags & PERMANENT != 0;
                self.take_failure(host, lease_key(lease), permanent, code, text);
                self.sessions.take_end(session, 0);
            }
            Record::Released { lease } => {
                self.take_end(host, lease_key(lease), LeaseEnd::Released);
                self.sessions.take_end(session, 0);
            }
            Record::Limit { limit, limit_bytes, travelling } => {
                self.ledger.set_limit(host, limit, limit_bytes, now);
                self.ledger.set_travelling(host, travelling.min(limit));
            }
            Record::Predecessor { how } => self.ledger.explain(host, how),
            other => return Err(Violation::of(&other)),
        }
        Ok(())
    }
}
