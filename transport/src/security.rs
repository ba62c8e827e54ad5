//! CURVE: encrypted connections between peers that know each other by their keys.
#![allow(unsafe_code)]

use std::ffi::{CString, c_int};
use std::fmt;
use std::io;
use std::str::FromStr;

use crate::Socket;
use crate::error::last_error;

/// Length of a key in its Z85 form, which is printable.
const Z85: usize = 40;

/// Who may connect to a socket, or what it connects as.
#[derive(Clone, Debug, Default)]
pub enum Security {
    /// No encryption, and anybody may connect.
    #[default]
    None,
    /// Accept encrypted connections only.
    ///
    /// Every client that knows the server's public key may connect, unless a ZAP handler (a REP or ROUTER at
    /// `inproc://zeromq.zap.01` of the same context) answers for the domain; it must be there before the first peer.
    CurveServer {
        /// The server's own secret key.
        secret_key: CurveKey,
        /// What the ZAP handler is asked for; empty to ask nobody.
        zap_domain: String,
    },
    /// Make encrypted connections only, to the server with this key.
    CurveClient {
        /// The public key of the server.
        server_key: CurveKey,
        /// The client's own keys.
        keys: CurveKeyPair,
    },
}

impl Security {
    /// A server with this secret key, of which the ZAP handler is asked for this domain.
    #[must_use]
    pub fn server(secret_key: [u8; 32], zap_domain: &str) -> Self {
        Self::CurveServer { secret_key: CurveKey(secret_key), zap_domain: zap_domain.to_owned() }
    }

    /// The peer with this secret key, to the server with that public key.
    ///
    /// # Errors
    ///
    /// When this libzmq was built without CURVE.
    pub fn client(server_key: [u8; 32], secret_key: [u8; 32]) -> io::Result<Self> {
        let keys = CurveKeyPair::from_secret(CurveKey(secret_key))?;
        Ok(Self::CurveClient { server_key: CurveKey(server_key), keys })
    }

    /// The public key as which it connects, if it is a client's.
    #[must_use]
    pub fn client_key(&self) -> Option<[u8; 32]> {
        match self {
            Self::CurveClient { keys, .. } => Some(keys.public.0),
            Self::None | Self::CurveServer { .. } => None,
        }
    }

    pub(crate) fn apply(&self, socket: &Socket) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::CurveServer { secret_key, zap_domain } => {
                socket.set_int(zmq_sys::ZMQ_CURVE_SERVER as c_int, 1)?;
                socket.set_bytes(zmq_sys::ZMQ_CURVE_SECRETKEY as c_int, &secret_key.0)?;
                if !zap_domain.is_empty() {
                    socket.set_bytes(zmq_sys::ZMQ_ZAP_DOMAIN as c_int, zap_domain.as_bytes())?;
                }
                Ok(())
            }
            Self::CurveClient { server_key, keys } => {
                socket.set_bytes(zmq_sys::ZMQ_CURVE_SERVERKEY as c_int, &server_key.0)?;
                socket.set_bytes(zmq_sys::ZMQ_CURVE_PUBLICKEY as c_int, &keys.public.0)?;
                socket.set_bytes(zmq_sys::ZMQ_CURVE_SECRETKEY as c_int, &keys.secret.0)
            }
        }
    }
}

/// Whether this libzmq was built with CURVE. The stock one is not.
#[must_use]
pub fn curve_available() -> bool {
    // SAFETY: the name ends with a zero.
    unsafe { zmq_sys::zmq_has(c"curve".as_ptr()) == 1 }
}

/// A public or a secret key: 32 bytes, or 40 characters in Z85. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CurveKey([u8; 32]);

/// A text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a CURVE key is 40 characters of Z85; make one with `CurveKeyPair::generate`")]
pub struct CurveKeyError;

impl CurveKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, as ZAP hands them on.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 40 printable characters.
    #[must_use]
    pub fn to_z85(&self) -> String {
        let mut text = [0_u8; Z85 + 1];
        // SAFETY: 32 bytes are read, and 40 characters and a zero written.
        unsafe { zmq_sys::zmq_z85_encode(text.as_mut_ptr().cast(), self.0.as_ptr(), self.0.len()) };
        String::from_utf8_lossy(&text[..Z85]).into_owned()
    }
}

impl FromStr for CurveKey {
    type Err = CurveKeyError;

    fn from_str(text: &str) -> Result<Self, CurveKeyError> {
        let text = CString::new(text).map_err(|_| CurveKeyError)?;
        if text.as_bytes().len() != Z85 {
            return Err(CurveKeyError);
        }
        let mut bytes = [0; 32];
        // SAFETY: 40 characters and a zero are read, and 32 bytes written.
        let decoded = unsafe { zmq_sys::zmq_z85_decode(bytes.as_mut_ptr(), text.as_ptr()) };
        if decoded.is_null() { Err(CurveKeyError) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Debug for CurveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurveKey(..)")
    }
}

/// A public key with the secret key that belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct CurveKeyPair {
    /// What others may know.
    pub public: CurveKey,
    /// What only its owner may know.
    pub secret: CurveKey,
}

impl CurveKeyPair {
    /// The keys of which this is the secret one.
    ///
    /// # Errors
    ///
    /// When this libzmq was built without CURVE.
    pub fn from_secret(secret: CurveKey) -> io::Result<Self> {
        let z85 = CString::new(secret.to_z85())?;
        let mut public = [0_u8; Z85 + 1];
        // SAFETY: 40 characters and a zero are read, and as many written.
        match unsafe { zmq_sys::zmq_curve_public(public.as_mut_ptr().cast(), z85.as_ptr()) } {
            0 => Ok(Self { public: decode(&public)?, secret }),
            _ => Err(last_error()),
        }
    }

    /// Fresh keys.
    ///
    /// # Errors
    ///
    /// When this libzmq was built without CURVE.
    pub fn generate() -> io::Result<Self> {
        let (mut public, mut secret) = ([0_u8; Z85 + 1], [0_u8; Z85 + 1]);
        // SAFETY: each has room for 40 characters and a zero.
        match unsafe { zmq_sys::zmq_curve_keypair(public.as_mut_ptr().cast(), secret.as_mut_ptr().cast()) } {
            0 => Ok(Self { public: decode(&public)?, secret: decode(&secret)? }),
            _ => Err(last_error()),
        }
    }
}

fn decode(text: &[u8; Z85 + 1]) -> io::Result<CurveKey> {
    let text = String::from_utf8_lossy(&text[..Z85]);
    text.parse().map_err(|error: CurveKeyError| io::Error::new(io::ErrorKind::InvalidData, error))
}
