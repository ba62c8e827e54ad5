//! Whom the gate lets in over loopback, and over sockets of the file system: the user whose process this is, root, and who was allowed.
//! Others are cut before anything of theirs is read, whoever listens.

use pylm_transport::{Peer, Uid, check_owners, own_address, own_uid, peer_of, uid_of, user_name};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

const ROOT: Uid = 0;
/// Users of whom is kept how often each was cut; the rest are counted together.
const NAMED: usize = 64;

/// Whom it lets in. Nobody but the own user and root, as long as nothing else was said.
static GUARD: OnceLock<Guard> = OnceLock::new();
/// Connections that were cut, by their user; `None` where that was not known, as they had gone again.
static CUT: Mutex<BTreeMap<Option<Uid>, u64>> = Mutex::new(BTreeMap::new());

/// Addresses where keys are asked for.
static KEYED: Mutex<Vec<SocketAddr>> = Mutex::new(Vec::new());

/// A user of this machine: the value of `--allow-user`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(Uid);

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let by_number = || text.parse().ok();
        let none =
            || format!("this machine has no user {text:?}; give a name or a number, as `id` shows them");
        uid_of(text).or_else(by_number).map(User).ok_or_else(none)
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&user_name(self.0))
    }
}

#[derive(Debug)]
enum Guard {
    Only(Vec<Uid>),
    Everybody,
}

impl Guard {
    fn of(users: &[User]) -> Self {
        let own = own_uid();
        Guard::Only(users.iter().map(|user| user.0).chain([own, ROOT]).collect())
    }

    fn admits(&self, peer: Peer) -> bool {
        match (self, peer) {
            (Guard::Everybody, _) | (_, Peer::Elsewhere) => true,
            (Guard::Only(users), Peer::Here(user)) => user.is_some_and(|user| users.contains(&user)),
        }
    }
}

/// From now on these users are let in, too. To be called before anything listens, and once.
///
/// # Errors
/// When the system does not tell whose a connection is: then nobody is let in over loopback.
pub fn admit(users: &[User]) -> io::Result<()> {
    let outcome = check_owners();
    GUARD.get_or_init(|| Guard::of(users));
    outcome
}

/// From now on every user of this machine is let in. To be called in place of [`admit`].
pub fn admit_everybody() {
    GUARD.get_or_init(|| Guard::Everybody);
}

/// Who connects at this address is let in, whoever it is: there, keys are asked for.
pub fn leave_to_keys(address: SocketAddr) {
    KEYED.lock().unwrap_or_else(PoisonError::into_inner).push(address);
}

fn is_left_to_keys(listener: BorrowedFd<'_>) -> bool {
    let keyed = KEYED.lock().unwrap_or_else(PoisonError::into_inner);
    own_address(listener).is_some_and(|address| keyed.contains(&address))
}

/// Whether whoever has made this connection is let in; who is not is counted.
pub(super) fn admits((connection, listener): (BorrowedFd<'_>, BorrowedFd<'_>)) -> bool {
    let peer = peer_of(connection);
    let is_admitted = GUARD.get_or_init(|| Guard::of(&[])).admits(peer);
    if !is_admitted && is_left_to_keys(listener) {
        return true;
    }
    if let (false, Peer::Here(user)) = (is_admitted, peer) {
        let mut cut = CUT.lock().unwrap_or_else(PoisonError::into_inner);
        let user = user.filter(|_| cut.len() < NAMED || cut.contains_key(&user));
        *cut.entry(user).or_default() += 1;
    }
    is_admitted
}

/// How many connections were cut because of their user, ever.
pub fn cut() -> u64 {
    CUT.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
}

/// Users whose connections were cut, with how many of each.
pub fn cut_users() -> Vec<(String, u64)> {
    let cut = CUT.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let named = |user: Option<Uid>| user.map_or_else(|| "unknown".to_owned(), user_name);
    cut.into_iter().map(|(user, count)| (named(user), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_given_by_name_or_by_number() {
        assert_eq!("root".parse(), Ok(User(0)));
        assert_eq!("65533".parse(), Ok(User(65_533)));
        assert_eq!(User(0).to_string(), "root");
        for wrong in ["", "no such user", "-1", "root:root"] {
            assert!(wrong.parse::<User>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn over_loopback_comes_in_who_is_known_and_allowed() {
        let own = own_uid();
        let guard = Guard::of(&[User(1_234)]);
        for user in [own, ROOT, 1_234] {
            assert!(guard.admits(Peer::Here(Some(user))));
        }
        assert!(!guard.admits(Peer::Here(Some(1_235))) && !guard.admits(Peer::Here(None)));
        assert!(guard.admits(Peer::Elsewhere));
        assert!(
            Guard::Everybody.admits(Peer::Here(Some(1_235))) && Guard::Everybody.admits(Peer::Here(None))
        );
    }
}
