//! Why nothing can listen at an address, and what to do about it: the same for every socket of every kind.

use std::io;

/// What to do when an address cannot be bound.
pub(crate) fn remedy(why: &io::Error) -> &'static str {
    if is_not_here(why) {
        "give an address of this machine, as in 127.0.0.1 or [::1], or 0.0.0.0 for all of them"
    } else if why.kind() == io::ErrorKind::PermissionDenied {
        "give a port above 1023, or let this user bind lower ones"
    } else {
        "choose another address, or end the program that has this one"
    }
}

/// Whether the address is none of this machine, which no other attempt will mend.
pub(crate) fn is_not_here(why: &io::Error) -> bool {
    // The resolver has no numbers for what it says.
    why.kind() == io::ErrorKind::AddrNotAvailable
        || matches!(why.raw_os_error(), None | Some(libc::ENODEV | libc::EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_this_machine_is_told_from_what_is_taken() {
        let missing = ("no.such.host.invalid", 0);
        let missing = std::net::ToSocketAddrs::to_socket_addrs(&missing).unwrap_err();
        assert!(is_not_here(&missing), "{missing:?}");
        assert!(is_not_here(&std::net::TcpListener::bind("192.0.2.1:0").unwrap_err()));
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = std::net::TcpListener::bind(taken.local_addr().unwrap()).unwrap_err();
        assert!(!is_not_here(&error) && remedy(&error).contains("another address"), "{error:?}");
    }
}
