//! ZAP (ZeroMQ's RFC 27): libzmq asks, before it lets a connection in, and holds it until there is an answer.

use crate::PublicKey;

/// The frames of a request before its credentials.
const HEAD: usize = 6;

/// What is asked: whether the owner of a key may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    /// Which question it is, to be given back.
    pub id: &'a [u8],
    /// Of which door.
    pub domain: &'a [u8],
    /// Whose key it is.
    pub key: PublicKey,
}

/// Why a request is answered with a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It is none: there is nobody to answer.
    NoRequest,
    /// It asks for something else than a key.
    NoKey,
}

/// Reads a request, without what a ROUTER puts before it: an empty frame, then version, id, domain, address, identity, mechanism and
/// credentials.
///
/// # Errors
/// When it is none, or not about a key of CURVE.
pub fn read<'a>(frames: &[&'a [u8]]) -> Result<Question<'a>, Unfit> {
    let [b"1.0", id, domain, _, _, mechanism, credentials @ ..] = frames else {
        return Err(Unfit::NoRequest);
    };
    debug_assert!(frames.len() >= HEAD);
    match (*mechanism, credentials) {
        (b"CURVE", [key]) => {
            let key = <[u8; 32]>::try_from(*key).map_err(|_| Unfit::NoKey)?;
            Ok(Question { id, domain, key: PublicKey::from_bytes(key) })
        }
        _ => Err(Unfit::NoKey),
    }
}

/// The frames of an answer: version, id, status, text, user, metadata. Whoever is let in is known by the text of the key from then on.
#[must_use]
pub fn answer(id: &[u8], admitted: Option<&PublicKey>) -> [Vec<u8>; 6] {
    let (status, text): (&[u8], &[u8]) = match admitted {
        Some(_) => (b"200", b"OK"),
        None => (b"400", b"unknown key"),
    };
    let user = admitted.map(PublicKey::to_string).unwrap_or_default();
    [b"1.0".to_vec(), id.to_vec(), status.to_vec(), text.to_vec(), user.into_bytes(), Vec::new()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [9; 32];

    fn request<'a>(mechanism: &'a [u8], credentials: &[&'a [u8]]) -> Vec<&'a [u8]> {
        [&[&b"1.0"[..], b"7", b"pylmd", b"10.0.0.1", b"", mechanism], credentials].concat()
    }

    #[test]
    fn a_key_is_asked_for_and_nothing_else() {
        let frames = request(b"CURVE", &[&KEY]);
        let question = read(&frames).unwrap();
        assert_eq!((question.id, question.domain), (&b"7"[..], &b"pylmd"[..]));
        assert_eq!(question.key, PublicKey::from_bytes(KEY));
        for unfit in [
            request(b"NULL", &[]),
            request(b"PLAIN", &[b"user", b"password"]),
            request(b"CURVE", &[]),
            request(b"CURVE", &[&KEY[1..]]),
            request(b"CURVE", &[&KEY, &KEY]),
        ] {
            assert_eq!(read(&unfit), Err(Unfit::NoKey));
        }
        assert_eq!(read(&[]), Err(Unfit::NoRequest));
        assert_eq!(read(&[&b"2.0"[..], b"", b"", b"", b"", b"CURVE", &KEY]), Err(Unfit::NoRequest));
    }

    #[test]
    fn the_answer_names_the_key() {
        let key = PublicKey::from_bytes(KEY);
        let admitted = answer(b"7", Some(&key));
        assert_eq!((&admitted[1][..], &admitted[2][..]), (&b"7"[..], &b"200"[..]));
        assert_eq!(String::from_utf8_lossy(&admitted[4]).parse::<PublicKey>().unwrap(), key);
        let refused = answer(b"8", None);
        assert_eq!((&refused[2][..], refused[4].len()), (&b"400"[..], 0));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_does_no_harm(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..9)) {
            let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            let _ = read(&frames);
        }
    }
}
