//! Finding out what serves at an address: a node of ours, or one of pylm's.

use super::HostError;
use super::db::Db;
use super::life::Life;
use crate::supervisor::Backoff;
use pylm_client::why_refused;
use pylm_protocol::{DISCOVERY_KEY, MAJOR};
use pylm_transport::{Context, Security};
use std::thread;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// The patience with the first request, which grows with each that follows.
const FIRST_PATIENCE: Duration = Duration::from_millis(500);
/// The longest patience with a request.
const LONGEST_PATIENCE: Duration = Duration::from_secs(10);
/// How often the log says that nobody answers.
const REPORT: Duration = Duration::from_secs(30);

/// What serves at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// It speaks the native protocol.
    Native,
    /// It speaks pylm's only.
    Pylm,
}

/// Asks until there is an answer; `None` when the host is to end before.
pub(super) fn discover(
    context: &Context,
    (address, security): (&str, &Security),
    client: &str,
    life: &mut Life,
) -> Result<Option<Server>, HostError> {
    let mut patience = Backoff::new(FIRST_PATIENCE, LONGEST_PATIENCE);
    let mut reported: Option<Instant> = None;
    while life.pulse(Instant::now()) {
        let db = Db::connect(context, address, security)?;
        let mut go_on = || life.pulse(Instant::now());
        if let Some(version) = db.get(client, DISCOVERY_KEY, patience.next_delay(), &mut go_on)? {
            return server(&version).map(Some);
        }
        if let Some(why) = db.was_cut().and_then(|event| why_refused(address, security, event)) {
            return Err(HostError::Final(why));
        }
        if reported.is_none_or(|reported| reported.elapsed() >= REPORT) {
            reported = Some(Instant::now());
            info!(db = address, "nobody answers yet");
            tell_whether_found(address.to_owned());
        }
    }
    Ok(None)
}

/// Looks the node's host up, which may take longer than this host may be silent. A node need not be there yet, and neither need its
/// name.
fn tell_whether_found(address: String) {
    let look = move || {
        if let Err(error) = pylm_transport::look_up(&address) {
            warn!(db = address, %error, "the host of the node is not found");
        }
    };
    // Where there is no thread, the next report is soon enough.
    let _ = thread::Builder::new().name("resolver".into()).spawn(look);
}

/// Asks once, and waits a little for the answer.
pub(super) fn ask(
    context: &Context,
    address: &str,
    client: &str,
    life: &mut Life,
) -> Result<Option<Server>, HostError> {
    let mut go_on = || life.pulse(Instant::now());
    let answer = Db::connect(context, address, &Security::None)?.get(
        client,
        DISCOVERY_KEY,
        FIRST_PATIENCE,
        &mut go_on,
    )?;
    answer.map(|version| server(&version)).transpose()
}

fn server(version: &[u8]) -> Result<Server, HostError> {
    let text = String::from_utf8_lossy(version);
    match text.split('.').next().unwrap_or_default().parse::<u8>() {
        _ if text.is_empty() => Ok(Server::Pylm),
        Ok(MAJOR) => Ok(Server::Native),
        _ => Err(HostError::Final(format!(
            "the node speaks version {text:?} of the native protocol, this host {MAJOR}; use releases of the same major version"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_tells_what_serves() {
        assert_eq!(server(b"1.0").unwrap(), Server::Native);
        assert_eq!(server(b"1.7").unwrap(), Server::Native);
        assert_eq!(server(b"").unwrap(), Server::Pylm);
        assert!(matches!(server(b"2.0"), Err(HostError::Final(_))));
        assert!(matches!(server(b"what?"), Err(HostError::Final(_))));
    }
}
