//! The encrypted door (`--listen`): a ROUTER of its own, which takes no routing ids from peers, the keys that it lets in, and what each may do.
//!
//! Keys are looked at when libzmq asks, before a connection is there; grants when a session says Hello, and when they have changed.

use super::config::NodeConfig;
use super::native::sessions::SessionKey;
use super::router::Router;
use super::sockets::{BindError, Bound, advertised, options};
use crate::gate;
use pylm_access::store::{Stamp, StateFolder};
use pylm_access::{Date, FileError, Grant, GrantError, Grants, PublicKey, SecretKey, zap};
use pylm_protocol::{Address, Record, codes};
use pylm_transport::{
    Context, CurveKeyPair, Frame, Frames, Monitor, Options, Security, Socket, SocketKind, Waker,
};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// What libzmq calls the door when it asks.
const DOMAIN: &str = "pylmd";
/// Where it asks (ZeroMQ's RFC 27).
const ZAP: &str = "inproc://zeromq.zap.01";
/// Questions that are answered before anything else gets its turn.
const QUESTIONS: usize = 64;
/// The time between two looks at the files of grants.
const LOOK: Duration = Duration::from_millis(300);

/// Where the encrypted door is, and where its keys are.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// The address.
    pub address: Address,
    /// The node's key and grants.
    pub state: StateFolder,
}

/// A node's encrypted door.
#[derive(Debug)]
pub(crate) struct SealedDoor {
    pub(crate) bound: Bound,
    /// Tells who connects to it.
    pub(crate) monitor: Monitor,
    /// Where libzmq asks whether a key may come in.
    pub(crate) zap: Socket,
    grants: Arc<Grants>,
    pub(super) ready: bool,
    pub(super) zap_ready: bool,
    pub(super) monitor_ready: bool,
}

/// Why the encrypted door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// Its key or grants cannot be used.
    #[error("--state-dir: {0}")]
    State(#[from] FileError),
    /// Its address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// libzmq refuses.
    #[error("cannot open the encrypted door: {0}")]
    System(#[from] io::Error),
}

/// Reads grants anew when their files change, until it is dropped.
#[derive(Debug)]
pub(crate) struct GrantsWatch {
    _end: Sender<()>,
}

impl GrantsWatch {
    /// Begins; what has changed is sent, and the receiver woken.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(
        state: StateFolder,
        tell: impl Fn(Arc<Grants>) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (end, ended) = channel();
        let watch = move || watch(&state, &ended, tell);
        std::thread::Builder::new().name("grants".into()).spawn(watch)?;
        Ok(GrantsWatch { _end: end })
    }
}

fn watch(state: &StateFolder, ended: &Receiver<()>, tell: impl Fn(Arc<Grants>) -> bool) {
    let mut known = Stamp::default();
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let stamp = state.stamp();
        if stamp == known {
            continue;
        }
        match load(state) {
            Ok(grants) => {
                known = stamp;
                if !tell(grants) {
                    return;
                }
            }
            // Those that are known go on to count.
            Err(error) => tracing::error!(%error, "the grants cannot be read"),
        }
    }
}

/// All grants; those that cannot be read are told, and allow nothing.
fn load(state: &StateFolder) -> Result<Arc<Grants>, FileError> {
    let (grants, wrong) = state.grants()?;
    for error in wrong {
        tracing::error!(%error, "a grant cannot be read, and allows nothing");
    }
    Ok(Arc::new(grants))
}

impl SealedDoor {
    /// Opens it.
    pub(crate) fn open(
        context: &Context,
        config: &NodeConfig,
        listen: &ListenConfig,
    ) -> Result<Self, SealedError> {
        let generate = || Ok(SecretKey::from_bytes(*CurveKeyPair::generate()?.secret.as_bytes()));
        listen.state.make()?;
        let key = listen.state.node_key(generate)?;
        let grants = load(&listen.state)?;
        // Before the first peer can come: without somebody to ask, libzmq would let everybody in.
        let zap = context.socket(SocketKind::Router, &Options::default())?;
        zap.bind(ZAP)?;
        let security = Security::server(*key.as_bytes(), DOMAIN);
        let options = Options { router_handover: false, security, ..options(config) };
        let socket = context.socket(SocketKind::Router, &options)?;
        let monitor = socket.monitor_accepts()?;
        let flag = "listen";
        let address = &listen.address;
        let endpoint = socket.bind(&address.to_string());
        let endpoint = endpoint.map_err(|why| BindError::Address { flag, address: address.clone(), why })?;
        if let Some(at) = endpoint.strip_prefix("tcp://").and_then(|at| at.parse().ok()) {
            gate::leave_to_keys(at);
        }
        let at: Address = endpoint.parse().unwrap_or_else(|_| address.clone());
        let local = at.local().to_string();
        let address = advertised(&at, config.advertise.as_ref()).to_string();
        listen.state.keep_addresses(std::slice::from_ref(&address))?;
        Ok(SealedDoor {
            bound: Bound { socket, address, local },
            monitor,
            zap,
            grants,
            ready: true,
            zap_ready: true,
            monitor_ready: true,
        })
    }

    /// Whether there is more to do at once.
    pub(super) fn has_more(&self) -> bool {
        self.ready || self.zap_ready || self.monitor_ready
    }

    /// Answers what libzmq asks; whether there may be more.
    fn answer(&mut self) -> bool {
        let mut frames = Frames::new();
        for _ in 0..QUESTIONS {
            match self.zap.recv(&mut frames) {
                Ok(true) => self.answer_one(&mut frames),
                Ok(false) => return false,
                Err(error) => {
                    tracing::error!(%error, "the keys of peers cannot be looked at");
                    return false;
                }
            }
        }
        true
    }

    /// Whoever has a grant comes in, also one that is not good any more: then Hello is answered with a sentence.
    fn answer_one(&self, frames: &mut Frames) {
        let bytes: Vec<&[u8]> = frames.iter().skip(2).map(|frame| &**frame).collect();
        let answer = match zap::read(&bytes) {
            Ok(question) => {
                let key = Some(&question.key).filter(|key| self.grants.of(key).is_some());
                if key.is_none() {
                    tracing::warn!(key = %question.key, "a peer is refused: the node has no grant for its key");
                }
                zap::answer(question.id, key)
            }
            Err(zap::Unfit::NoKey) => zap::answer(bytes.get(1).copied().unwrap_or_default(), None),
            // There is nobody who waits.
            Err(zap::Unfit::NoRequest) => return,
        };
        frames.truncate(2);
        frames.extend(answer.map(Frame::from_vec));
        if let Err(error) = self.zap.send(frames) {
            tracing::error!(%error, "a peer's key was looked at in vain");
        }
    }

    /// The grant of whoever sent a frame, good or not.
    pub(crate) fn grant_of(&self, frame: &Frame) -> Result<Arc<Grant>, GrantError> {
        let key = frame.property(c"User-Id").and_then(|key| key.parse::<PublicKey>().ok());
        let grant = key.and_then(|key| self.grants.of(&key));
        grant.cloned().ok_or(GrantError::Gone)
    }
}

/// The address that a frame came from.
pub(crate) fn address_of(frame: &Frame) -> Option<IpAddr> {
    frame.property(c"Peer-Address")?.parse().ok()
}

impl Router {
    /// Looks at the keys of those who want to come in.
    pub(super) fn answer_doors(&mut self) {
        if let Some(sealed) = self.sealed.as_mut().filter(|sealed| sealed.zap_ready) {
            sealed.zap_ready = sealed.answer();
        }
    }

    /// Grants have changed: sessions that may not be there any more end.
    pub(super) fn take_grants(&mut self, grants: Arc<Grants>, now: Instant) {
        tracing::info!(grants = grants.len(), "the grants are read anew");
        let Some(sealed) = &mut self.sealed else { return };
        sealed.grants = grants;
        for key in self.sessions.keys() {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            let Some(old) = session.permit.grant() else { continue };
            match sealed.grants.of(&old.key) {
                Some(new) => session.permit.renew(Arc::clone(new)),
                None => session.permit.lose(),
            }
        }
        self.end_forbidden(now);
    }

    /// Ends the sessions whose grants are not good any more, and of those who have more under way than theirs allows: the window that they
    /// were told is less, but a peer may not keep to it.
    pub(super) fn end_forbidden(&mut self, now: Instant) {
        if self.sealed.is_none() {
            return;
        }
        for (key, error) in self.sessions.forbidden(Date::now()) {
            let (name, why) = (self.sessions.name(key).unwrap_or_default(), error.to_string());
            tracing::warn!(peer = name, why, "a session is ended: its grant is not good any more");
            self.reset_session(key, codes::RESET_REFUSED, &why, now);
        }
        let under_way = |job| self.ledger.job(job).map_or(0, |job| job.counts.under_way);
        for key in self.sessions.greedy(under_way) {
            tracing::warn!(
                peer = self.sessions.name(key),
                "a session is ended: more is under way than its grant allows"
            );
            let text = "more messages of a job are under way than the grant allows";
            self.reset_session(key, codes::RESET_REFUSED, text, now);
        }
    }

    /// Ends a session, and tells its peer why.
    pub(super) fn reset_session(&mut self, key: SessionKey, code: &str, text: &str, now: Instant) {
        let sockets = super::doors::Sockets::of(&self.db, self.sealed.as_ref());
        self.sessions.last_words(key, &sockets, &Record::Reset { code, text });
        self.sessions.cut_soon(key, now);
        self.lose_session(key, "it was ended here", now);
    }
}

/// Sends what was read anew to the routing thread.
pub(crate) fn teller(
    requests: Sender<super::running::Request>,
    waker: Waker,
) -> impl Fn(Arc<Grants>) -> bool + Send + 'static {
    move |grants| requests.send(super::running::Request::Grants(grants)).is_ok() && waker.wake().is_ok()
}
