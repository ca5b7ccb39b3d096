//! What may be sent between the peer's Close frame and the answer to it, with manual replies (RFC
//! 6455, section 5.5.1).

use sockless::{CloseCode, Config, Connection, Event, MessageKind, Role, SendError, State};
use support::{ROLES, feed, frame, frames, open, peer_of, without_fast_paths};

const BINARY: MessageKind = MessageKind::Binary;
const TEXT: MessageKind = MessageKind::Text;

/// A connection with manual replies that has received a Close frame, and, if `begun`, has sent the
/// first fragment of a binary message before. Its output is not returned.
fn close_received(role: Role, begun: bool) -> [Connection; 2] {
    let make = || open(role, Config::new().auto_close(false));
    [make(), without_fast_paths(make())].map(|mut connection| {
        if begun {
            connection
                .send_fragment(BINARY, b"one", false, &mut Vec::new())
                .unwrap();
        }
        let outcome = feed(&mut connection, &frame(peer_of(role), 0x88, &1000_u16.to_be_bytes()));
        assert!(matches!(outcome.events[..], [Event::Close(Some(_))]));
        assert_eq!((connection.state(), outcome.out), (State::Closing, vec![]));
        connection
    })
}

/// Asserts that everything but fragments and the answer to the Close frame is refused.
#[track_caller]
fn assert_nothing_else_is_sent(connection: &mut Connection) {
    let mut out = Vec::new();
    let closing = Err(SendError::Closing);
    assert_eq!(connection.send_text("x", &mut out), closing);
    assert_eq!(connection.send_binary(b"x", &mut out), closing);
    assert_eq!(connection.ping(b"", &mut out), closing);
    assert_eq!(connection.pong(b"", &mut out), closing);
    if connection.role() == Role::Server {
        assert_eq!(connection.send_header(BINARY, 1, &mut out), closing);
    }
    assert_eq!(out, []);
}

/// R206: A message in progress is continued and finished, then the Close frame is answered, and the
/// connection ends cleanly.
#[test]
fn s5_5_1_a_message_in_progress_is_finished_before_the_close() {
    for role in ROLES {
        for mut connection in close_received(role, true) {
            let mut out = Vec::new();
            assert_nothing_else_is_sent(&mut connection);
            connection.send_fragment(BINARY, b"two", false, &mut out).unwrap();
            assert_nothing_else_is_sent(&mut connection);
            assert_eq!(
                connection.send_fragment(TEXT, b"x", true, &mut out),
                Err(SendError::KindChanged)
            );
            connection.send_fragment(BINARY, b"three", true, &mut out).unwrap();
            assert_eq!(connection.state(), State::Closing);
            assert_nothing_else_is_sent(&mut connection);
            connection.close(CloseCode::NORMAL, "", &mut out).unwrap();
            let expected = [
                (0x00, b"two".to_vec()),
                (0x80, b"three".to_vec()),
                (0x88, 1000_u16.to_be_bytes().to_vec()),
            ];
            assert_eq!(frames(role, &out), expected);
            assert_eq!(connection.state(), State::Closed);
            assert!(connection.close_status().unwrap().is_clean());
        }
    }
}

/// R206: No message begins after the peer's Close frame: not the first one, and not one after that
/// which was finished.
#[test]
fn s5_5_1_no_message_begins_after_a_received_close() {
    for role in ROLES {
        for begun in [false, true] {
            for mut connection in close_received(role, begun) {
                if begun {
                    connection.send_fragment(BINARY, b"", true, &mut Vec::new()).unwrap();
                }
                let mut out = Vec::new();
                for fin in [false, true] {
                    for kind in [TEXT, BINARY] {
                        assert_eq!(
                            connection.send_fragment(kind, b"x", fin, &mut out),
                            Err(SendError::Closing)
                        );
                    }
                }
                assert_eq!(out, []);
            }
        }
    }
}

/// R206 R087: After this end's Close frame, the message in progress is over, whoever closed first.
#[test]
fn s5_5_1_no_fragment_is_sent_after_a_sent_close() {
    for role in ROLES {
        for mut connection in close_received(role, true) {
            connection.close(CloseCode::NORMAL, "", &mut Vec::new()).unwrap();
            let mut out = Vec::new();
            assert_eq!(
                connection.send_fragment(BINARY, b"x", true, &mut out),
                Err(SendError::Closing)
            );
            assert_eq!(out, []);
        }
        // This end closes first, and the peer's Close frame follows.
        let mut connection = open(role, Config::new().auto_close(false));
        let mut out = Vec::new();
        connection.send_fragment(BINARY, b"one", false, &mut out).unwrap();
        connection.close(CloseCode::NORMAL, "", &mut out).unwrap();
        for _ in 0..2 {
            assert_eq!(
                connection.send_fragment(BINARY, b"x", true, &mut Vec::new()),
                Err(SendError::Closing)
            );
            feed(&mut connection, &frame(peer_of(role), 0x88, &[]));
        }
    }
}

/// R206: With automatic replies, the Close frame was answered at once: nothing can be finished.
#[test]
fn s5_5_1_with_automatic_replies_nothing_is_finished() {
    for role in ROLES {
        let mut connection = open(role, Config::new());
        connection
            .send_fragment(BINARY, b"one", false, &mut Vec::new())
            .unwrap();
        feed(&mut connection, &frame(peer_of(role), 0x88, &[]));
        let mut out = Vec::new();
        assert_eq!(
            connection.send_fragment(BINARY, b"x", true, &mut out),
            Err(SendError::Closing)
        );
        assert_eq!(out, []);
    }
}

/// R206: The rules on the message hold to its end: a text is UTF-8 as a whole.
#[test]
fn s5_5_1_a_text_that_is_finished_is_valid() {
    for role in ROLES {
        let mut connection = open(role, Config::new().auto_close(false));
        let mut out = Vec::new();
        connection.send_fragment(TEXT, "ä".as_bytes(), false, &mut out).unwrap();
        connection.send_fragment(TEXT, &[0xC3], false, &mut out).unwrap();
        feed(&mut connection, &frame(peer_of(role), 0x88, &[]));
        out.clear();
        assert_eq!(
            connection.send_fragment(TEXT, b"x", true, &mut out),
            Err(SendError::InvalidUtf8)
        );
        assert_eq!(
            connection.send_fragment(TEXT, b"", true, &mut out),
            Err(SendError::InvalidUtf8)
        );
        connection.send_fragment(TEXT, &[0xA4], true, &mut out).unwrap();
        assert_eq!(frames(role, &out), [(0x80, vec![0xA4])]);
    }
}

/// R206: Once the transport has ended, nothing is finished.
#[test]
fn s5_5_1_nothing_is_finished_after_the_end_of_the_transport() {
    for role in ROLES {
        for mut connection in close_received(role, true) {
            connection.receive_eof().unwrap_err();
            let mut out = Vec::new();
            assert_eq!(
                connection.send_fragment(BINARY, b"x", true, &mut out),
                Err(SendError::Closing)
            );
            assert_eq!(out, []);
        }
    }
}

/// R206: A compressed message is finished compressed, and the peer reads it.
#[cfg(feature = "deflate")]
#[test]
fn s5_5_1_a_compressed_message_is_finished() {
    use sockless::deflate::DeflateConfig;
    use support::pair::Pair;

    let config = || Config::new().deflate(DeflateConfig::new().threshold(0));
    let mut pair = Pair::open(config(), config().auto_close(false));
    pair.server
        .engine
        .send_fragment(TEXT, b"hello ", false, &mut pair.server.out)
        .unwrap();
    pair.client
        .engine
        .close(CloseCode::NORMAL, "", &mut pair.client.out)
        .unwrap();
    pair.deliver_all();
    let [Event::Close(Some(_))] = &pair.server.take_events()[..] else {
        panic!()
    };
    let server = &mut pair.server;
    server
        .engine
        .send_fragment(TEXT, b"hello", true, &mut server.out)
        .unwrap();
    server.engine.close(CloseCode::NORMAL, "", &mut server.out).unwrap();
    pair.deliver_all();
    let events = pair.client.take_events();
    assert!(
        matches!(&events[..], [Event::Text(text), Event::Close(_)] if text == "hello hello"),
        "{events:?}"
    );
    assert!(pair.client.engine.close_status().unwrap().is_clean());
}
