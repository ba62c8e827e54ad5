//! What a session may do: all of it for the own user on loopback, and for others what their grant says. It is asked when a session says
//! Hello, a job is opened, a function is offered and a cache call comes, and never for a message.

use super::snapshot::STATUS_KEY;
use pylm_access::{Date, Grant, GrantError, Role};
use pylm_protocol::{DISCOVERY_KEY, FunctionOffer};
use pylm_status::FAILED_KEY;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Keys by which peers find a node: whoever comes in may read them.
const OPEN_KEYS: [&str; 7] = [
    DISCOVERY_KEY,
    "name",
    "db_address",
    "pull_address",
    "pub_address",
    "worker_pull_address",
    "worker_push_address",
];
/// Stands before the identity of a job in a reserved key.
const JOBS: &str = "jobs/";

/// What a session may do.
#[derive(Debug, Clone)]
pub(crate) struct Permit(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// It is the own user's, on this machine.
    All,
    /// What a grant says; `None` where that is gone.
    Granted { grant: Arc<Grant>, is_there: bool, address: Option<IpAddr> },
}

impl Permit {
    /// The own user's.
    pub(crate) const ALL: Permit = Permit(Kind::All);

    /// That of a grant, used from an address.
    pub(crate) fn of(grant: Arc<Grant>, address: Option<IpAddr>) -> Self {
        Permit(Kind::Granted { grant, is_there: true, address })
    }

    /// The grant, if it is one's.
    pub(crate) fn grant(&self) -> Option<&Arc<Grant>> {
        match &self.0 {
            Kind::All => None,
            Kind::Granted { grant, .. } => Some(grant),
        }
    }

    /// The grant says something else now.
    pub(crate) fn renew(&mut self, new: Arc<Grant>) {
        if let Kind::Granted { grant, .. } = &mut self.0 {
            *grant = new;
        }
    }

    /// The node has no such grant any more.
    pub(crate) fn lose(&mut self) {
        if let Kind::Granted { is_there, .. } = &mut self.0 {
            *is_there = false;
        }
    }

    /// Whether it is good now.
    pub(crate) fn check(&self, now: Date) -> Result<(), GrantError> {
        match &self.0 {
            Kind::All => Ok(()),
            Kind::Granted { is_there: false, .. } => Err(GrantError::Gone),
            Kind::Granted { grant, address, .. } => grant.check(*address, now),
        }
    }

    /// A peer's id as the node knows it: whatever id a peer with another key says, it is another.
    pub(crate) fn peer(&self, said: Uuid) -> Uuid {
        match self.grant() {
            None => said,
            Some(grant) => Uuid::new_v5(&said, grant.key.as_bytes()),
        }
    }

    /// Whether it may be a client.
    pub(crate) fn check_client(&self) -> Result<(), GrantError> {
        self.role(
            "being a client",
            &[Role::Client, Role::Observer, Role::Operator],
            "client, observer or operator",
        )
    }

    /// Whether it may offer functions, or follow topics.
    pub(crate) fn check_offers(&self, offers: &[FunctionOffer<'_>]) -> Result<(), GrantError> {
        let Some(grant) = self.grant() else { return Ok(()) };
        if offers.iter().any(|offer| offer.topic) {
            self.role("following", &[Role::Follower], "follower")?;
        } else {
            self.role("running functions", &[Role::Host], "host")?;
        }
        offers.iter().try_for_each(|offer| match offer.topic {
            true => grant.check_topic(offer.name),
            false => grant.check_function(offer.name),
        })
    }

    /// Whether it may open a job of this priority that calls these functions, each as `SERVER.FUNCTION`.
    pub(crate) fn check_job(&self, functions: &str, priority: u64) -> Result<(), GrantError> {
        let Some(grant) = self.grant() else { return Ok(()) };
        self.role("opening jobs", &[Role::Client, Role::Operator], "client or operator")?;
        grant.check_priority(priority)?;
        let names =
            functions.split(' ').filter_map(|call| call.split_once('.').map(|(_, function)| function));
        names.into_iter().try_for_each(|function| grant.check_function(function))
    }

    /// Whether it may attach to a job that a client with this key has opened; `None`: the own user's.
    pub(crate) fn may_attach(&self, owner: Option<&Arc<Grant>>) -> bool {
        match self.grant() {
            None => true,
            Some(grant) => grant.role == Role::Operator || owner.is_some_and(|owner| owner.key == grant.key),
        }
    }

    /// The most messages of a job that may be under way.
    pub(crate) fn most_under_way(&self) -> u64 {
        self.grant().and_then(|grant| grant.most_under_way).unwrap_or(u64::MAX)
    }

    /// Whether it may read a key of the cache.
    pub(crate) fn check_read(&self, key: &str) -> Result<(), GrantError> {
        let Some(grant) = self.grant() else { return Ok(()) };
        if OPEN_KEYS.contains(&key) {
            return Ok(());
        }
        if key == STATUS_KEY {
            return self.role(
                "seeing how the node is",
                &[Role::Observer, Role::Operator],
                "observer or operator",
            );
        }
        self.check_own_cache(key)?;
        grant.check_read(key)
    }

    /// Whether it may set or delete a key of the cache.
    pub(crate) fn check_write(&self, key: &str) -> Result<(), GrantError> {
        let Some(grant) = self.grant() else { return Ok(()) };
        self.check_own_cache(key)?;
        grant.check_write(key)
    }

    /// Observers see no values, and what others have is for operators.
    fn check_own_cache(&self, key: &str) -> Result<(), GrantError> {
        let is_of_failed =
            key == FAILED_KEY || key.strip_prefix(FAILED_KEY).is_some_and(|rest| rest.starts_with('/'));
        if key.starts_with(JOBS) || is_of_failed {
            return self.role("others' jobs and messages", &[Role::Operator], "operator");
        }
        self.role("the cache", &[Role::Client, Role::Host, Role::Operator], "client, host or operator")
    }

    fn role(&self, wanted: &'static str, roles: &[Role], needed: &'static str) -> Result<(), GrantError> {
        self.grant().map_or(Ok(()), |grant| grant.check_role(wanted, roles, needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylm_access::{Globs, Prefixes, PublicKey};

    fn permit(role: Role) -> Permit {
        let mut grant = Grant::new("alice", PublicKey::from_bytes([1; 32]), role);
        grant.functions = Globs::new(vec!["count".into()]);
        grant.cache_read = Prefixes::new(vec!["a/".into()]);
        grant.cache_write = Prefixes::new(vec!["a/b".into()]);
        grant.highest_priority = Some(2);
        Permit::of(Arc::new(grant), None)
    }

    #[test]
    fn each_role_does_its_own() {
        let (function, topic) = ([FunctionOffer::function("count")], [FunctionOffer::topic("first")]);
        for (role, client, job, offers, follows, status) in [
            (Role::Client, true, true, false, false, false),
            (Role::Host, false, false, true, false, false),
            (Role::Follower, false, false, false, true, false),
            (Role::Observer, true, false, false, false, true),
            (Role::Operator, true, true, false, false, true),
        ] {
            let permit = permit(role);
            assert_eq!(permit.check_client().is_ok(), client, "{role}");
            assert_eq!(permit.check_job("server.count", 0).is_ok(), job, "{role}");
            assert_eq!(permit.check_offers(&function).is_ok(), offers, "{role}");
            assert_eq!(permit.check_offers(&topic).is_ok(), follows, "{role}");
            assert_eq!(permit.check_read(STATUS_KEY).is_ok(), status, "{role}");
            assert!(permit.check_read(DISCOVERY_KEY).is_ok(), "{role}");
            for key in ["failed", "failed/x", "jobs/x"] {
                let expected = role == Role::Operator;
                assert!(
                    permit.check_write(key).is_ok() <= expected && permit.check_read(key).is_ok() <= expected,
                    "{role}"
                );
            }
        }
    }

    #[test]
    fn a_grant_holds_within_its_lists() {
        let permit = permit(Role::Client);
        assert!(permit.check_job("server.count other.count", 2).is_ok());
        assert!(
            permit.check_job("server.count server.delete", 0).is_err()
                && permit.check_job("server.count", 3).is_err()
        );
        assert!(permit.check_read("a/x").is_ok() && permit.check_read("b").is_err());
        assert!(permit.check_write("a/bc").is_ok() && permit.check_write("a/x").is_err());
        assert!(
            Permit::ALL.check_job("server.delete", 10).is_ok() && Permit::ALL.check_write("failed/x").is_ok()
        );
    }

    #[test]
    fn whoever_has_another_key_is_another_peer_whatever_id_is_said() {
        let said = Uuid::new_v4();
        let [one, other] = [[1; 32], [2; 32]]
            .map(|key| Permit::of(Arc::new(Grant::new("x", PublicKey::from_bytes(key), Role::Client)), None));
        assert_eq!(one.peer(said), one.peer(said));
        assert!(
            one.peer(said) != other.peer(said) && one.peer(said) != said && Permit::ALL.peer(said) == said
        );
        assert!(one.may_attach(one.grant()) && !one.may_attach(other.grant()) && !one.may_attach(None));
        assert!(Permit::ALL.may_attach(None) && Permit::ALL.may_attach(one.grant()));
    }

    #[test]
    fn a_grant_that_is_gone_or_changed_counts_at_once() {
        let mut permit = permit(Role::Client);
        assert_eq!(permit.check(Date::now()), Ok(()));
        let revoked = Grant { revoked: Some(Date::now()), ..(**permit.grant().unwrap()).clone() };
        permit.renew(Arc::new(revoked));
        assert!(matches!(permit.check(Date::now()), Err(GrantError::Revoked { .. })));
        permit.lose();
        assert_eq!(permit.check(Date::now()), Err(GrantError::Gone));
    }
}
