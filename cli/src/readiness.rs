//! Hearing from a program that it is ready, and where it is: on a socket of its own, as from a service of systemd. Its log is for people,
//! and anything may stand there.

use serde_json::{Map, Value};
use std::io;
use std::path::Path;
use tokio::net::UnixDatagram;

/// The variable that names the socket to the program.
pub(crate) const VARIABLE: &str = "NOTIFY_SOCKET";

/// What a program tells of itself when it is ready: names and addresses.
pub(crate) type Fields = Map<String, Value>;

/// The longest word; what is longer is cut, and then its fields are not understood.
const LONGEST: usize = 256 << 10;

/// Where a program says that it is ready.
#[derive(Debug)]
pub(crate) struct Readiness(UnixDatagram);

impl Readiness {
    /// Listens at a path, which is to be given to the program.
    pub(crate) fn listen(path: &Path) -> io::Result<Self> {
        UnixDatagram::bind(path).map(Readiness)
    }

    /// Waits for the next time that the program says so.
    pub(crate) async fn next(&self) -> io::Result<Fields> {
        let mut said = vec![0; LONGEST];
        loop {
            let length = self.0.recv(&mut said).await?;
            if let Some(fields) = fields(&said[..length]) {
                return Ok(fields);
            }
        }
    }
}

/// The fields of a word that says so.
fn fields(said: &[u8]) -> Option<Fields> {
    let lines = || said.split(|&byte| byte == b'\n');
    if !lines().any(|line| line == b"READY=1") {
        return None;
    }
    let json = lines().find_map(|line| line.strip_prefix(b"X_PYLMD="));
    Some(json.and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_tells_of_readiness_and_of_addresses() {
        let told = fields(b"READY=1\nX_PYLMD={\"db\":\"tcp://h:1\"}").unwrap();
        assert_eq!(told["db"], "tcp://h:1");
        assert_eq!(fields(b"READY=1\n"), Some(Fields::new()));
        assert_eq!(fields(b"STOPPING=1"), None);
        assert_eq!(fields(b"X_PYLMD={\"db\":\"READY=1\"}"), None);
    }
}
