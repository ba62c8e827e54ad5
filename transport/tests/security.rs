//! Keys, and what a server does with a client that has none.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use pylm_transport::CurveKey;

#[test]
fn a_key_survives_its_printable_form() {
    let key = CurveKey::from_bytes(std::array::from_fn(|index| index as u8 * 7));
    assert_eq!(key.to_z85().len(), 40);
    assert_eq!(key.to_z85().parse::<CurveKey>().unwrap(), key);
    assert_eq!(format!("{key:?}"), "CurveKey(..)");
}

#[test]
fn what_is_no_key_is_refused() {
    for text in ["", "short", &"0".repeat(41), &"~".repeat(40), "0123456789\0"] {
        assert!(text.parse::<CurveKey>().is_err(), "{text:?} is taken for a key");
    }
}

mod encrypted {
    use std::time::Duration;

    use pylm_transport::{
        Context, CurveKeyPair, Frame, Frames, MonitorEventKind, Options, Security, SocketKind,
        curve_available,
    };

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn only_a_client_that_knows_the_servers_key_is_heard() {
        assert!(curve_available());
        let (server_keys, keys) = (CurveKeyPair::generate().unwrap(), CurveKeyPair::generate().unwrap());
        let context = Context::new().unwrap();
        let security = Security::CurveServer { secret_key: server_keys.secret, zap_domain: String::new() };
        let pull = context.socket(SocketKind::Pull, &Options { security, ..Options::default() }).unwrap();
        let monitor = pull.monitor().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:0").unwrap();
        let say = |security: Security, word: &[u8]| {
            let push = context.socket(SocketKind::Push, &Options { security, ..Options::default() }).unwrap();
            push.connect(&endpoint).unwrap();
            push.send_one(Frame::copy_from(word)).map_err(|(error, _)| error).unwrap();
            push
        };

        let _plain = say(Security::None, b"plain");
        loop {
            let event = monitor.wait_event(Some(LONG)).unwrap().expect("the plain client is not refused");
            if event.kind == MonitorEventKind::HandshakeFailedProtocol {
                break;
            }
        }
        let _sealed = say(Security::CurveClient { server_key: server_keys.public, keys }, b"sealed");
        assert!(pull.wait_readable(Some(LONG)).unwrap());
        let mut frames = Frames::new();
        assert!(pull.recv(&mut frames).unwrap());
        assert_eq!(&frames[0][..], b"sealed");
    }
}
