//! Keys of CURVE, as text: `pylm-public-…` and `pylm-secret-…`, and Z85, in which ZeroMQ writes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

const BYTES: usize = 32;
/// Characters of a key in Z85.
const Z85: usize = 40;
const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// What others may know of a peer or a node: it names the one who has the secret key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; BYTES]);

/// What only its owner may know. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; BYTES]);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It begins like nothing that is known.
    #[error("a key begins with {0}, or is 40 characters of Z85; `pylm access new` makes one")]
    Form(&'static str),
    /// It is the other kind of key.
    #[error(
        "this is a secret key, and the public one is wanted; keep it to yourself, and give what begins with pylm-public-"
    )]
    Secret,
    /// It is the other kind of key.
    #[error("this is a public key, and the secret one is wanted, which begins with pylm-secret-")]
    Public,
    /// A letter is wrong, or missing.
    #[error("a letter of this key is wrong or missing: its checksum does not fit; copy it once more")]
    Checksum,
    /// libzmq takes it for no key at all.
    #[error("a key of zeros is nobody's")]
    Zero,
}

const PUBLIC: &str = "pylm-public-";
const SECRET: &str = "pylm-secret-";

impl PublicKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as ZAP hands them on.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl SecretKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// As it is written into files that only their owner reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        write(SECRET, &self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write(PUBLIC, &self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with(SECRET) { Err(KeyError::Secret) } else { read(PUBLIC, text).map(Self) }
    }
}

impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with(PUBLIC) { Err(KeyError::Public) } else { read(SECRET, text).map(Self) }
    }
}

/// The kind, then the bytes and a checksum of both, in base64 for URLs.
fn write(kind: &str, bytes: &[u8; BYTES]) -> String {
    let checksum = checksum(kind, bytes);
    format!("{kind}{}", URL_SAFE_NO_PAD.encode([&bytes[..], &checksum].concat()))
}

fn checksum(kind: &str, bytes: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(kind.as_bytes());
    hasher.update(bytes);
    hasher.finalize().to_be_bytes()
}

fn read(kind: &'static str, text: &str) -> Result<[u8; BYTES], KeyError> {
    let bytes = match text.strip_prefix(kind) {
        Some(rest) => {
            let all = URL_SAFE_NO_PAD.decode(rest).map_err(|_| KeyError::Checksum)?;
            let (bytes, sum) = all.split_first_chunk::<BYTES>().ok_or(KeyError::Checksum)?;
            if sum != checksum(kind, bytes) {
                return Err(KeyError::Checksum);
            }
            *bytes
        }
        None => from_z85(text).ok_or(KeyError::Form(kind))?,
    };
    if bytes == [0; BYTES] { Err(KeyError::Zero) } else { Ok(bytes) }
}

/// Five letters are four bytes.
fn from_z85(text: &str) -> Option<[u8; BYTES]> {
    if text.len() != Z85 {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (word, letters) in bytes.chunks_exact_mut(4).zip(text.as_bytes().chunks_exact(5)) {
        let value = letters.iter().try_fold(0_u64, |value, letter| {
            let digit = ALPHABET.iter().position(|known| known == letter)?;
            Some(value * 85 + digit as u64)
        })?;
        word.copy_from_slice(&u32::try_from(value).ok()?.to_be_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn z85_is_read_as_zeromq_writes_it() {
        // The key of the tests in ZeroMQ's RFC 32 and of its CURVE examples.
        let text = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
        let key: PublicKey = text.parse().unwrap();
        assert_eq!(key.as_bytes()[..4], [0xbb, 0x88, 0x47, 0x1d]);
        for wrong in ["", &text[1..], "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI~", &"#".repeat(40)] {
            assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
        }
        assert_eq!("0".repeat(40).parse::<PublicKey>(), Err(KeyError::Zero));
    }

    #[test]
    fn a_key_says_what_it_is_and_the_wrong_kind_is_told() {
        let (public, secret) = (PublicKey::from_bytes([7; 32]), SecretKey::from_bytes([7; 32]));
        assert!(
            public.to_string().starts_with("pylm-public-") && secret.to_text().starts_with("pylm-secret-")
        );
        assert_eq!(secret.to_text().parse::<PublicKey>(), Err(KeyError::Secret));
        assert_eq!(public.to_string().parse::<SecretKey>(), Err(KeyError::Public));
        // With the name of the other kind, the checksum does not fit.
        let renamed = secret.to_text().replace("secret", "public");
        assert_eq!(renamed.parse::<PublicKey>(), Err(KeyError::Checksum));
        assert_eq!(format!("{secret:?}"), "SecretKey(..)");
    }

    proptest! {
        #[test]
        fn a_key_is_read_as_it_was_written(bytes in any::<[u8; 32]>()) {
            prop_assume!(bytes != [0; 32]);
            let (public, secret) = (PublicKey::from_bytes(bytes), SecretKey::from_bytes(bytes));
            prop_assert_eq!(format!(" {public}\n").parse::<PublicKey>().unwrap(), public);
            prop_assert_eq!(secret.to_text().parse::<SecretKey>().unwrap(), secret);
        }

        #[test]
        fn a_slip_is_found(bytes in any::<[u8; 32]>(), at in 12..60_usize, letter in "[A-Za-z0-9_-]") {
            let text = PublicKey::from_bytes(bytes).to_string();
            let mut slipped = text.clone();
            slipped.replace_range(at..=at, &letter);
            prop_assume!(slipped != text);
            prop_assert_eq!(slipped.parse::<PublicKey>(), Err(KeyError::Checksum));
            let mut short = text;
            short.remove(at);
            prop_assert_eq!(short.parse::<PublicKey>(), Err(KeyError::Checksum));
        }

        #[test]
        fn whatever_is_read_does_no_harm(text in ".{0,80}") {
            let _ = (text.parse::<PublicKey>(), text.parse::<SecretKey>());
        }
    }
}
