//! Addresses as people write them: where a node's sockets are, and where HTTP is spoken.
//!
//! Every program reads them here, before it starts anything; what is read is written in one way from then on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host: an IPv4 or IPv6 address, a name, or `*`, which is every address of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host(String);

/// Where a socket is bound, or where it connects to: over TCP, or over a file of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// `tcp://HOST:PORT`; port 0 lets the system choose.
    Tcp {
        /// The host.
        host: Host,
        /// The port.
        port: u16,
    },
    /// `ipc://PATH`, or `ipc://@NAME` without a file.
    Ipc(String),
}

/// Where HTTP is spoken: `HOST:PORT`, also written `http://HOST:PORT/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpAddress {
    /// The host.
    pub host: Host,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// Why a text is no address: what is wrong with it, and what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}; write it as in {example}")]
pub struct AddressError {
    cause: String,
    example: String,
}

const EXAMPLE: &str = "tcp://127.0.0.1:5559";
const HTTP_EXAMPLE: &str = "127.0.0.1:8080";
const HOST_EXAMPLE: &str = "127.0.0.1, [::1] or node1.example";

impl AddressError {
    fn new(cause: impl Into<String>, example: impl Into<String>) -> Self {
        AddressError { cause: cause.into(), example: example.into() }
    }

    /// What is wrong, without the example.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What it should look like.
    pub fn example(&self) -> &str {
        &self.example
    }
}

impl Host {
    /// This machine, over IPv4.
    pub fn loopback() -> Host {
        Host("127.0.0.1".into())
    }

    /// The text without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an IPv6 address.
    pub fn is_ipv6(&self) -> bool {
        self.0.contains(':')
    }

    /// Whether it stands for every address of this machine.
    pub fn is_wildcard(&self) -> bool {
        matches!(&*self.0, "0.0.0.0" | "*" | "::")
    }

    /// Whether it is an address, and not a name.
    pub fn is_address(&self) -> bool {
        self.is_wildcard() || self.is_ipv6() || self.0.parse::<Ipv4Addr>().is_ok()
    }

    /// Whether only this machine reaches what is bound there; a name is looked up nowhere.
    pub fn is_loopback(&self) -> bool {
        let address = || self.0.parse::<IpAddr>().ok();
        matches!(&*self.0, "localhost" | "localhost.")
            || address().is_some_and(|ip| ip.to_canonical().is_loopback())
    }

    /// The host at which this machine reaches what is bound there.
    #[must_use]
    pub fn local(&self) -> Host {
        match &*self.0 {
            "0.0.0.0" | "*" => Host::loopback(),
            "::" => Host("::1".into()),
            _ => self.clone(),
        }
    }

    fn read(text: &str) -> Result<Host, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = bare.unwrap_or(text);
        if host.contains(':') {
            let (address, zone) =
                host.split_once('%').map_or((host, None), |(address, zone)| (address, Some(zone)));
            let is_zone = |zone: &str| !zone.is_empty() && zone.chars().all(is_of_a_name);
            match address.parse::<Ipv6Addr>() {
                Ok(address) if zone.is_none_or(is_zone) => {
                    Ok(Host(zone.map_or(address.to_string(), |zone| format!("{address}%{zone}"))))
                }
                _ => Err(format!("{host:?} is no IPv6 address")),
            }
        } else if host.is_empty() {
            Err("it has no host".into())
        } else if bare.is_some() {
            Err(format!("{host:?} in brackets is no IPv6 address"))
        } else if host == "*" || host.chars().all(is_of_a_name) {
            Ok(Host(host.to_owned()))
        } else {
            Err(format!("{host:?} is no name of a host"))
        }
    }
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_')
}

impl FromStr for Host {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.contains("://") {
            return Err(AddressError::new("a host is wanted, and not an address", HOST_EXAMPLE));
        }
        Host::read(text).map_err(|cause| AddressError::new(cause, HOST_EXAMPLE))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ipv6() { write!(f, "[{}]", self.0) } else { f.write_str(&self.0) }
    }
}

impl Address {
    /// The address of this port on this host.
    pub fn tcp(host: &Host, port: u16) -> Self {
        Address::Tcp { host: host.clone(), port }
    }

    /// Its host, where it has one.
    pub fn host(&self) -> Option<&Host> {
        match self {
            Address::Tcp { host, .. } => Some(host),
            Address::Ipc(_) => None,
        }
    }

    /// Its port, where it has one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::Tcp { port, .. } => Some(*port),
            Address::Ipc(_) => None,
        }
    }

    /// The address at which this machine reaches what is bound there.
    #[must_use]
    pub fn local(&self) -> Address {
        match self {
            Address::Tcp { host, port } => Address::Tcp { host: host.local(), port: *port },
            Address::Ipc(_) => self.clone(),
        }
    }

    /// Reads an address to connect to: one of which host and port are known.
    ///
    /// # Errors
    /// When it is none, or one that only a socket of one's own can be bound to.
    pub fn of_peer(text: &str) -> Result<Address, AddressError> {
        match text.parse()? {
            Address::Tcp { port: 0, .. } => Err(AddressError::new("nobody can connect to port 0", EXAMPLE)),
            Address::Tcp { host, .. } if host.as_str() == "*" => {
                Err(AddressError::new("nobody can connect to *, which is every address", EXAMPLE))
            }
            address => Ok(address),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |cause: String| AddressError::new(cause, EXAMPLE);
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(match host_and_port(text) {
                Ok((host, port)) => {
                    AddressError::new("tcp:// is missing before it", format!("tcp://{host}:{port}"))
                }
                Err(cause) => wrong(cause),
            });
        };
        match &*scheme.to_ascii_lowercase() {
            "tcp" => {
                let (host, port) = host_and_port(rest).map_err(wrong)?;
                Ok(Address::Tcp { host, port })
            }
            "ipc" if rest.is_empty() => Err(AddressError::new("it has no path", "ipc:///run/pylmd/server")),
            "ipc" if rest.chars().any(char::is_control) => {
                Err(wrong("its path cannot be that of a socket".into()))
            }
            "ipc" => Ok(Address::Ipc(rest.to_owned())),
            "http" | "https" => Err(wrong("a node's sockets do not speak HTTP".into())),
            _ => Err(wrong(format!("nothing is known of {scheme:?}"))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Address::Ipc(path) => write!(f, "ipc://{path}"),
        }
    }
}

impl FromStr for HttpAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if !scheme.eq_ignore_ascii_case("http") {
            let cause = format!("only HTTP is spoken here, and not {scheme:?}");
            return Err(AddressError::new(cause, HTTP_EXAMPLE));
        }
        // A port alone is the likeliest slip: the example is what was meant.
        if let Ok(port) = port(rest) {
            return Err(AddressError::new("it has no host", format!("127.0.0.1:{port}")));
        }
        let (host, port) = host_and_port(rest).map_err(|cause| AddressError::new(cause, HTTP_EXAMPLE))?;
        match host.as_str() {
            "*" => Err(AddressError::new("* is no host of HTTP", format!("0.0.0.0:{port} or [::]:{port}"))),
            _ => Ok(HttpAddress { host, port }),
        }
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn host_and_port(text: &str) -> Result<(Host, u16), String> {
    if text.contains('/') {
        return Err("it has a path behind its port".into());
    }
    let (host, number) = match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
            return Err("an IPv6 address stands in brackets, as in [::1]:5559".into());
        }
        Some((host, number)) if host.starts_with('[') == host.ends_with(']') => (host, number),
        Some(_) if text.ends_with(']') => return Err("it has no port".into()),
        Some(_) => return Err("its brackets do not match".into()),
        None => return Err("it has no port".into()),
    };
    Ok((Host::read(host)?, port(number)?))
}

/// A port; `*` is 0, as ZeroMQ has it.
fn port(text: &str) -> Result<u16, String> {
    match text {
        "" => Err("it has no port".into()),
        "*" => Ok(0),
        _ if !text.bytes().all(|digit| digit.is_ascii_digit()) => Err(format!("{text:?} is no port")),
        _ => text.parse().map_err(|_| format!("the port {text} is larger than 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_in_one_way() {
        for (text, written) in [
            ("tcp://127.0.0.1:5559", "tcp://127.0.0.1:5559"),
            ("TCP://localhost.:05559", "tcp://localhost.:5559"),
            (" tcp://node1.example:5559 ", "tcp://node1.example:5559"),
            ("tcp://[::1]:5559", "tcp://[::1]:5559"),
            ("tcp://[0:0:0::1]:5559", "tcp://[::1]:5559"),
            ("tcp://[fe80::1%eth0]:1", "tcp://[fe80::1%eth0]:1"),
            ("tcp://*:*", "tcp://*:0"),
            ("tcp://eth0:5559", "tcp://eth0:5559"),
            ("ipc:///run/node", "ipc:///run/node"),
            ("ipc://@node", "ipc://@node"),
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()).as_deref(), Ok(written));
            assert_eq!(written.parse::<Address>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_its_cause_and_an_example() {
        for (text, cause) in [
            ("", "no port"),
            ("localhost", "no port"),
            ("127.0.0.1:6001", "write it as in tcp://127.0.0.1:6001"),
            ("5559", "no port"),
            ("tcp://", "no port"),
            ("tcp://:", "no host"),
            ("tcp://:5559", "no host"),
            ("tcp://127.0.0.1", "no port"),
            ("tcp://127.0.0.1:", "no port"),
            ("tcp://127.0.0.1:99999", "larger than 65535"),
            ("tcp://127.0.0.1:-1", "\"-1\" is no port"),
            ("tcp://127.0.0.1:+1", "\"+1\" is no port"),
            ("tcp://127.0.0.1:5559/path", "a path"),
            ("http://127.0.0.1:5559", "HTTP"),
            ("udp://127.0.0.1:5559", "\"udp\""),
            ("::1:5559", "brackets"),
            ("tcp://[::1:5559", "brackets"),
            ("tcp://[::1]", "no port"),
            ("tcp://[x]:1", "no IPv6 address"),
            ("tcp://[::g]:1", "no IPv6 address"),
            ("tcp://[::1%]:1", "no IPv6 address"),
            ("tcp://two words:1", "no name of a host"),
            ("ipc://", "no path"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(cause) && error.contains("; write it as in "), "{text}: {error}");
        }
    }

    #[test]
    fn one_connects_where_host_and_port_are_known() {
        assert!(Address::of_peer("tcp://127.0.0.1:5559").is_ok() && Address::of_peer("ipc://@node").is_ok());
        for text in ["tcp://127.0.0.1:0", "tcp://*:5559", "nothing"] {
            assert!(Address::of_peer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_may_stand_with_brackets_and_without() {
        for text in ["::1", "[::1]"] {
            let host: Host = text.parse().unwrap();
            assert_eq!((host.to_string().as_str(), host.as_str(), host.is_ipv6()), ("[::1]", "::1", true));
        }
        assert_eq!("*".parse::<Host>().unwrap().local().to_string(), "127.0.0.1");
        assert_eq!("[::]".parse::<Host>().unwrap().local().to_string(), "[::1]");
        assert_eq!("node".parse::<Host>().unwrap().local().to_string(), "node");
        for wrong in ["", "tcp://a", "a b", "a:1", "[a]"] {
            assert!(wrong.parse::<Host>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn loopback_is_told_from_what_others_reach() {
        for here in ["127.0.0.1", "127.9.8.7", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"] {
            assert!(here.parse::<Host>().unwrap().is_loopback(), "{here}");
        }
        for open in ["0.0.0.0", "*", "::", "10.0.0.1", "node1.example", "127.0.0.1.example", "lo"] {
            assert!(!open.parse::<Host>().unwrap().is_loopback(), "{open}");
        }
        let is_address = |host: &str| host.parse::<Host>().unwrap().is_address();
        assert!(is_address("10.0.0.1") && is_address("::1") && is_address("*"));
        assert!(!is_address("localhost") && !is_address("eth0"));
    }

    #[test]
    fn http_is_spoken_at_a_host_and_a_port() {
        for (text, written) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:0/", "[::1]:0"),
            ("localhost:80", "localhost:80"),
        ] {
            assert_eq!(
                text.parse::<HttpAddress>().map(|address| address.to_string()).as_deref(),
                Ok(written)
            );
        }
        let error = "8080".parse::<HttpAddress>().unwrap_err().to_string();
        assert!(error.contains("no host") && error.contains("127.0.0.1:8080"), "{error}");
        for wrong in ["", ":8080", "*:80", "https://a:1", "a:1/x", "a:65536", "a"] {
            assert!(wrong.parse::<HttpAddress>().is_err(), "{wrong}");
        }
    }
}
