//! Names of users, as the system knows them.
#![allow(unsafe_code)]

use crate::Uid;
use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;

/// Room for the longest entry that is read.
const ROOM: usize = 16 << 10;

/// The number of the user with this name, if there is one.
#[must_use]
pub fn uid_of(name: &str) -> Option<Uid> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends with a zero; the rest is as `look_up` gives it.
    look_up(
        |entry, room, len, found| unsafe { libc::getpwnam_r(name.as_ptr(), entry, room, len, found) },
        |entry| entry.pw_uid,
    )
}

/// The user of this process.
#[must_use]
pub fn own_uid() -> Uid {
    rustix::process::geteuid().as_raw()
}

/// What a user is called: by name, or else by number.
#[must_use]
pub fn user_name(uid: Uid) -> String {
    // SAFETY: all of it is as `look_up` gives it.
    let name = look_up(
        |entry, room, len, found| unsafe { libc::getpwuid_r(uid, entry, room, len, found) },
        |entry| {
            // SAFETY: the system has put a string there that ends with a zero.
            unsafe { CStr::from_ptr(entry.pw_name) }.to_string_lossy().into_owned()
        },
    );
    name.unwrap_or_else(|| uid.to_string())
}

/// Asks the system's list of users by one of its functions.
fn look_up<T>(
    ask: impl FnOnce(*mut libc::passwd, *mut c_char, usize, *mut *mut libc::passwd) -> libc::c_int,
    read: impl FnOnce(&libc::passwd) -> T,
) -> Option<T> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut room: Vec<c_char> = vec![0; ROOM];
    let mut found = ptr::null_mut();
    let outcome = ask(entry.as_mut_ptr(), room.as_mut_ptr(), room.len(), &raw mut found);
    // SAFETY: where something was found it is `entry`, which is whole then, and points into `room`.
    (outcome == 0).then(|| unsafe { found.as_ref() }.map(read)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_name_and_by_number() {
        assert_eq!(uid_of("root"), Some(0));
        assert_eq!(user_name(0), "root");
        assert_eq!(uid_of("no such user"), None);
        assert_eq!(uid_of("a\0b"), None);
        assert_eq!(user_name(4_000_000_123), "4000000123");
    }
}
