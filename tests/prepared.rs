//! `PreparedMessage`: one encoding for many connections, with the rules of any message.

use allocation_counter::measure;
use proptest::{collection::vec, prelude::*, test_runner::Config as Cases};
use sockless::{
    Accept, ClientRequest, CloseCode, Config, Connection, Event, Message, MessageKind, PreparedMessage, Role,
    SendError, State,
};
use support::{ROLES, feed, frame, frames, open};

const FIN_TEXT: u8 = 0x81;
const FIN_BINARY: u8 = 0x82;

proptest! {
    #![proptest_config(Cases { failure_persistence: None, ..Cases::with_cases(200) })]

    /// R061 R069 R103: What is sent is what any other call sends, in one frame, in both roles; a
    /// client masks it with a fresh key each time.
    #[test]
    fn a_prepared_message_is_sent_as_any_other(data in vec(any::<u8>(), 0..70_000), text in "\\PC{0,300}") {
        let binary = PreparedMessage::binary(&data);
        let words = PreparedMessage::text(&text);
        prop_assert_eq!((binary.kind(), binary.payload()), (MessageKind::Binary, &data[..]));
        prop_assert_eq!((words.kind(), words.payload()), (MessageKind::Text, text.as_bytes()));
        for role in ROLES {
            let (mut prepared, mut usual) = (open(role, Config::default()), open(role, Config::default()));
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            for _ in 0..2 {
                prepared.send_prepared(&binary, &mut out).unwrap();
                prepared.send_prepared(&words, &mut out).unwrap();
                usual.send_binary(&data, &mut expected).unwrap();
                usual.send_text(&text, &mut expected).unwrap();
            }
            prop_assert!(out == expected, "{:?}", role);
        }
        let mut server = open(Role::Server, Config::default());
        prop_assert!(server.prepared_frame(&binary).unwrap() == frame(Role::Server, FIN_BINARY, &data));
        prop_assert!(server.prepared_frame(&words).unwrap() == frame(Role::Server, FIN_TEXT, text.as_bytes()));
    }
}

/// What was received can be passed on to many, whichever kind it is.
#[test]
fn a_message_that_was_received_can_be_prepared() {
    for message in [Message::text("hello"), Message::binary(&b"\0\xFF"[..])] {
        let prepared = PreparedMessage::from(&message);
        assert_eq!(
            (prepared.kind(), prepared.payload()),
            (message.kind(), message.as_bytes())
        );
    }
}

/// A clone is the same message, and nothing of the payload is shown.
#[test]
fn a_prepared_message_shows_no_payload() {
    let message = PreparedMessage::text("a secret").clone();
    assert_eq!(message.payload(), b"a secret");
    assert_eq!(
        format!("{message:?}"),
        "PreparedMessage { kind: Text, payload: 8 bytes, .. }"
    );
}

#[cfg(feature = "std")]
#[test]
fn threads_can_share_a_prepared_message() {
    fn check<T: Send + Sync + 'static>() {}
    check::<PreparedMessage>();
}

/// A way to send a prepared message.
type SendWith = fn(&mut Connection, &PreparedMessage, &mut Vec<u8>) -> Result<(), SendError>;

const WAYS: [(&str, SendWith); 2] = [
    ("send_prepared", |connection, message, out| {
        connection.send_prepared(message, out)
    }),
    ("prepared_frame", |connection, message, out| {
        out.extend_from_slice(connection.prepared_frame(message)?);
        Ok(())
    }),
];

/// R087 R102: A prepared message is permitted in the states in which any message is, and refused
/// with the same error otherwise; then nothing has changed.
#[test]
fn s6_1_the_state_is_checked_as_for_any_message() {
    let message = PreparedMessage::text("hello");
    for (name, send) in WAYS {
        // Before the connection is open.
        let (mut request, mut response, mut out) = (Vec::new(), Vec::new(), Vec::new());
        let url = ClientRequest::new("ws://example.com/").unwrap();
        let mut client = Connection::client(&url, Config::default(), [7; 32], &mut request).unwrap();
        let mut server = Connection::server(Config::default());
        assert_eq!(send(&mut server, &message, &mut out), Err(SendError::NotOpen), "{name}");
        assert_eq!(
            client.send_prepared(&message, &mut out),
            Err(SendError::NotOpen),
            "{name}"
        );
        let event = server.receive(&mut &mut request[..], &mut response).unwrap();
        let Some(Event::Request(asked)) = event else {
            panic!("{event:?}")
        };
        assert_eq!(send(&mut server, &message, &mut out), Err(SendError::NotOpen), "{name}");
        server.accept(&asked, &Accept::new(), &mut response).unwrap();
        assert_eq!(out, []);
        assert_eq!(send(&mut server, &message, &mut out), Ok(()), "{name}");
        out.clear();

        // Between fragments.
        server
            .send_fragment(MessageKind::Text, b"begun", false, &mut out)
            .unwrap();
        let len = out.len();
        assert_eq!(
            send(&mut server, &message, &mut out),
            Err(SendError::MessageInProgress),
            "{name}"
        );
        assert_eq!(out.len(), len);
        server
            .send_fragment(MessageKind::Text, b"ended", true, &mut out)
            .unwrap();
        assert_eq!(send(&mut server, &message, &mut out), Ok(()), "{name}");
        assert_eq!(frames(Role::Server, &out).len(), 3);
        out.clear();

        // After a Close frame in either direction, and after a failure.
        server.close(CloseCode::NORMAL, "", &mut out).unwrap();
        out.clear();
        assert_eq!(send(&mut server, &message, &mut out), Err(SendError::Closing), "{name}");
        let mut server = open(Role::Server, Config::new().auto_close(false));
        feed(&mut server, &frame(Role::Client, 0x88, b""));
        assert_eq!(server.state(), State::Closing);
        assert_eq!(send(&mut server, &message, &mut out), Err(SendError::Closing), "{name}");
        let mut server = open(Role::Server, Config::default());
        feed(&mut server, &frame(Role::Server, FIN_TEXT, b"not masked"));
        assert_eq!(send(&mut server, &message, &mut out), Err(SendError::Closing), "{name}");
        assert_eq!(out, []);
    }
}

/// R069 R070: A client cannot send a frame that is not masked, and masks with a fresh key.
#[test]
fn s5_3_a_client_masks_a_prepared_message_with_a_fresh_key() {
    let message = PreparedMessage::binary(&[0; 100]);
    let mut client = open(Role::Client, Config::default());
    assert_eq!(client.prepared_frame(&message), Err(SendError::MaskRequired));
    let mut out = Vec::new();
    client.send_prepared(&message, &mut out).unwrap();
    client.send_prepared(&message, &mut out).unwrap();
    let (first, second) = out.split_at(out.len() / 2);
    assert_ne!(first[2..6], second[2..6], "the keys differ");
    assert_eq!(frames(Role::Client, &out), vec![(FIN_BINARY, vec![0; 100]); 2]);
}

/// `fragment_size` does not divide it: the frame is the same for all connections.
#[test]
fn a_prepared_message_is_one_frame() {
    for role in ROLES {
        let mut connection = open(role, Config::new().fragment_size(std::num::NonZeroUsize::new(10)));
        let mut out = Vec::new();
        connection
            .send_prepared(&PreparedMessage::binary(&[7; 100]), &mut out)
            .unwrap();
        assert_eq!(frames(role, &out), [(FIN_BINARY, vec![7; 100])]);
    }
}

/// A server copies nothing for a vectored write, and allocates nothing for either way.
#[test]
fn a_prepared_message_costs_no_allocation() {
    let message = PreparedMessage::binary(&[7; 1000]);
    let mut servers: Vec<_> = (0..100).map(|_| open(Role::Server, Config::default())).collect();
    let mut out = Vec::with_capacity(200_000);
    let mut frames = Vec::with_capacity(100);
    let sending = measure(|| {
        for server in &mut servers {
            server.send_prepared(&message, &mut out).unwrap();
            frames.push(server.prepared_frame(&message).unwrap());
        }
    });
    assert_eq!(sending.count_total, 0);
    assert_eq!(out.len(), 100 * 1004);
    let first = frames[0].as_ptr();
    assert!(
        frames.iter().all(|frame| frame.as_ptr() == first),
        "all borrow one frame"
    );
}

#[cfg(feature = "deflate")]
mod deflate {
    use sockless::deflate::DeflateConfig;
    use support::{params, with_deflate};

    use super::*;

    const RSV1: u8 = 0x40;

    fn pair(bits: u8, no_context_takeover: bool, config: DeflateConfig) -> [Connection; 2] {
        let negotiated = with_deflate(params(bits, no_context_takeover));
        ROLES.map(|role| support::upgraded(role, &negotiated, Config::new().deflate(config.clone())))
    }

    fn news(number: usize) -> String {
        format!("{{\"symbol\":\"ACME\",\"number\":{number},\"price\":12.{number},\"currency\":\"EUR\"}}").repeat(4)
    }

    fn receive(connection: &mut Connection, bytes: &[u8]) -> Vec<String> {
        let outcome = feed(connection, bytes);
        assert_eq!(outcome.error, None);
        let text = |event| match event {
            Event::Text(text) => text.into_owned(),
            event => panic!("{event:?}"),
        };
        outcome.events.into_iter().map(text).collect()
    }

    fn is_compressed(role: Role, bytes: &[u8]) -> bool {
        let frames = frames(role, bytes);
        let [(first, _)] = &frames[..] else {
            panic!("{frames:?}")
        };
        first & RSV1 > 0
    }

    /// Section 6 of RFC 7692: It is compressed only if that makes it shorter.
    #[test]
    fn s6_a_prepared_message_is_compressed_only_if_it_gets_shorter() {
        let mut lengths = std::collections::BTreeSet::new();
        for unit in ["a", "ab", "abc", "abcd", "abcde", "abcdefgh"] {
            for len in 1..40 {
                let text = unit.repeat(len).split_off(unit.len() * len - len);
                let [mut server, _] = pair(15, true, DeflateConfig::new().threshold(0));
                let mut out = Vec::new();
                server.send_prepared(&PreparedMessage::text(&text), &mut out).unwrap();
                let [(first, payload)] = &frames(Role::Server, &out)[..] else {
                    panic!("{text}")
                };
                // So is any other message.
                let [mut usual, _] = pair(15, true, DeflateConfig::new().threshold(0));
                let mut expected = Vec::new();
                usual.send_text(&text, &mut expected).unwrap();
                assert_eq!(out, expected, "{text}");
                assert_eq!(first & RSV1 > 0, payload.len() < text.len(), "{text}");
                lengths.insert(text.len() - payload.len());
            }
        }
        assert!(lengths.contains(&0) && lengths.contains(&1), "{lengths:?}");
    }

    /// R165 R173 R178: It is compressed once for each size of the window, what comes out is the
    /// same for all connections, and every peer inflates it, in both roles, with takeover and
    /// without, between other messages.
    #[test]
    fn s7_2_1_a_prepared_message_is_compressed_once_and_inflates_everywhere() {
        for role in ROLES {
            for no_context_takeover in [false, true] {
                for bits in 8..=15 {
                    let config = DeflateConfig::new().threshold(10);
                    let message = PreparedMessage::text(&news(1));
                    let mut compressions = 0;
                    for _ in 0..3 {
                        let mut pair = pair(bits, no_context_takeover, config.clone());
                        if role == Role::Client {
                            pair.reverse();
                        }
                        let [sender, receiver] = &mut pair;
                        let mut out = Vec::with_capacity(4096);
                        let sending = measure(|| sender.send_prepared(&message, &mut out).unwrap());
                        compressions += usize::from(sending.count_total > 0);
                        assert!(is_compressed(role, &out) && out.len() < news(1).len());
                        sender.send_text(&news(2), &mut out).unwrap();
                        sender.send_prepared(&message, &mut out).unwrap();
                        sender.send_text(&news(3), &mut out).unwrap();
                        sender.send_text(&news(1), &mut out).unwrap();
                        sender.send_prepared(&message, &mut out).unwrap();
                        sender.send_text(&news(2), &mut out).unwrap();
                        let expected = [1, 2, 1, 3, 1, 1, 2].map(news);
                        assert_eq!(receive(receiver, &out), expected, "{bits} bits, {no_context_takeover}");
                    }
                    assert_eq!(compressions, 1, "{bits} bits");
                }
            }
        }
    }

    /// R178: What was compressed for a large window is not sent to a peer that has a small one.
    #[test]
    fn s7_1_2_a_prepared_message_is_compressed_for_each_window() {
        // The second half repeats the first, at a distance that only large windows reach.
        let mut state = 1_u32;
        let half: String = (0..3000)
            .map(|_| {
                state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                char::from(b'a' + (state >> 16) as u8 % 16)
            })
            .collect();
        let text = half.repeat(2);
        let message = PreparedMessage::text(&text);
        let mut lengths = Vec::new();
        for bits in (8..=15).rev() {
            let [mut server, mut client] = pair(bits, true, DeflateConfig::new().threshold(10));
            let mut out = Vec::new();
            server.send_prepared(&message, &mut out).unwrap();
            assert!(is_compressed(Role::Server, &out), "{bits} bits");
            lengths.push(out.len());
            assert_eq!(receive(&mut client, &out), [&*text], "{bits} bits");
        }
        assert!(lengths[0] < lengths[7], "{lengths:?}");
    }

    /// R179 R181: With takeover: compressed while the connection has compressed nothing of its own,
    /// plain after that, and its own messages still refer to each other.
    #[test]
    fn s7_1_1_with_takeover_a_prepared_message_leaves_the_window_in_step() {
        let [mut server, mut client] = pair(15, false, DeflateConfig::new());
        let message = PreparedMessage::text(&news(1));
        let mut send = |server: &mut Connection, send: &dyn Fn(&mut Connection, &mut Vec<u8>)| {
            let mut out = Vec::new();
            send(server, &mut out);
            receive(&mut client, &out);
            (is_compressed(Role::Server, &out), out.len())
        };
        let prepared = |server: &mut Connection, out: &mut Vec<u8>| server.send_prepared(&message, out).unwrap();
        let own = |server: &mut Connection, out: &mut Vec<u8>| server.send_text(&news(7), out).unwrap();
        assert!(send(&mut server, &prepared).0 && send(&mut server, &prepared).0);
        let (compressed, first) = send(&mut server, &own);
        assert!(compressed);
        assert!(
            !send(&mut server, &prepared).0,
            "a compressed one would come between its own"
        );
        let (compressed, second) = send(&mut server, &own);
        assert!(
            compressed && second * 3 < first,
            "{second} after {first}: the window was kept"
        );
    }

    /// A fragment that is compressed has a history too, and a message that was not sent has none.
    #[test]
    fn the_history_is_what_was_sent() {
        let [mut server, mut client] = pair(15, false, DeflateConfig::new().threshold(0));
        let message = PreparedMessage::text(&news(1));
        let mut out = Vec::new();
        // No smaller, so sent as it is.
        server.send_text("x", &mut out).unwrap();
        server.send_prepared(&message, &mut out).unwrap();
        server
            .send_fragment(MessageKind::Text, news(2).as_bytes(), false, &mut out)
            .unwrap();
        server.send_fragment(MessageKind::Text, b"", true, &mut out).unwrap();
        server.send_prepared(&message, &mut out).unwrap();
        server.send_text(&news(2), &mut out).unwrap();
        let first: Vec<u8> = frames(Role::Server, &out).into_iter().map(|(first, _)| first).collect();
        assert_eq!(first, [0x81, 0xC1, 0x41, 0x80, 0x81, 0xC1]);
        let expected = ["x".to_owned(), news(1), news(2), news(1), news(2)];
        assert_eq!(receive(&mut client, &out), expected);
    }

    /// R188: The threshold, the level and `set_compression` of a connection hold, and a message
    /// that does not get smaller is not compressed; whichever connection is asked first.
    #[test]
    fn the_settings_of_the_connection_hold() {
        let message = PreparedMessage::text(&news(1));
        let sends_compressed = |config: DeflateConfig, enabled: bool, message: &PreparedMessage| {
            let [mut server, mut client] = pair(15, true, config);
            server.set_compression(enabled);
            let mut out = Vec::new();
            server.send_prepared(message, &mut out).unwrap();
            assert!(server.prepared_frame(message).unwrap() == out);
            assert_eq!(receive(&mut client, &out).len(), 1);
            is_compressed(Role::Server, &out)
        };
        for _ in 0..2 {
            assert!(!sends_compressed(DeflateConfig::new().threshold(1000), true, &message));
            assert!(!sends_compressed(DeflateConfig::new().level(0), true, &message));
            assert!(!sends_compressed(DeflateConfig::new(), false, &message));
            assert!(sends_compressed(DeflateConfig::new(), true, &message));
        }
        let random: String = (0..100_u32)
            .map(|at| char::from(b'!' + (at * at * 31 % 90) as u8))
            .collect();
        let message = PreparedMessage::text(&random[..20]);
        assert!(!sends_compressed(DeflateConfig::new().threshold(0), true, &message));
        assert!(!sends_compressed(
            DeflateConfig::new().threshold(0),
            true,
            &PreparedMessage::text("")
        ));
        // Not negotiated.
        let mut plain = open(Role::Server, Config::new().deflate(DeflateConfig::new()));
        let message = PreparedMessage::text(&news(1));
        assert!(plain.prepared_frame(&message).unwrap() == frame(Role::Server, FIN_TEXT, news(1).as_bytes()));
    }

    proptest! {
        #![proptest_config(Cases { failure_persistence: None, ..Cases::with_cases(100) })]

        /// Any order of prepared and other messages, fragments and switches arrives as it was sent.
        #[test]
        fn any_order_arrives_as_it_was_sent(
            steps in vec((0..6_u8, 0..4_usize), 1..40),
            bits in 8..=15_u8,
            no_context_takeover in any::<bool>(),
            release in any::<bool>(),
            server in any::<bool>(),
        ) {
            let role = if server { Role::Server } else { Role::Client };
            let mut pair = pair(bits, no_context_takeover, DeflateConfig::new().threshold(0).release(release));
            if role == Role::Client {
                pair.reverse();
            }
            let [sender, receiver] = &mut pair;
            let messages: Vec<_> = (0..4).map(|number| PreparedMessage::text(&news(number))).collect();
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            for (step, number) in steps {
                match step {
                    0 | 1 => sender.send_prepared(&messages[number], &mut out).unwrap(),
                    2 => sender.send_text(&news(number), &mut out).unwrap(),
                    3 => {
                        let text = news(number);
                        let (front, back) = text.as_bytes().split_at(number * 10);
                        sender.send_fragment(MessageKind::Text, front, false, &mut out).unwrap();
                        prop_assert_eq!(sender.send_prepared(&messages[0], &mut out), Err(SendError::MessageInProgress));
                        sender.send_fragment(MessageKind::Text, back, true, &mut out).unwrap();
                    }
                    4 => {
                        sender.set_compression(number > 0);
                        continue;
                    }
                    _ if role == Role::Server => {
                        let frame = sender.prepared_frame(&messages[number]).unwrap();
                        out.extend_from_slice(frame);
                    }
                    _ => continue,
                }
                expected.push(news(number));
            }
            prop_assert_eq!(receive(receiver, &out), expected);
        }
    }
}
