//! The fast paths: each reports the same as the general path, and is not taken where a rule forbids
//! it.
//!
//! The laws in `support/laws` compare both paths for any input. Each test here checks one rule with
//! the smallest input.

use sockless::{
    Accept, CloseCode, Config, Connection, Delivery, Event, MessageKind, ProtocolError, Role, SendError, frame::Header,
};
use support::{
    KEY, Length, REQUEST, ROLES, feed, feed_bytewise, fragmented_control_frame, frame, header, interleaved_message,
    non_minimal_length, open, peer_of, reserved_bits, too_big, without_fast_paths,
};

/// The connection with fast paths and without.
fn with_and_without_fast_paths(connection: impl Fn() -> Connection) -> [Connection; 2] {
    [connection(), without_fast_paths(connection())]
}

/// If [`without_fast_paths`] did nothing, each test here would compare a path with itself. Where a
/// fast path waits for the rest of a message, the general path takes what there is. The unit test
/// of `connection` asks for every fast path.
#[test]
fn disabled_fast_paths_are_not_taken() {
    for role in ROLES {
        let begun = &frame(peer_of(role), 0x82, &[1; 300])[..20];
        for (mut connection, is_fast) in with_and_without_fast_paths(|| open(role, Config::default()))
            .into_iter()
            .zip([true, false])
        {
            let (mut bytes, mut out) = (begun.to_vec(), Vec::new());
            let mut input = &mut bytes[..];
            assert_eq!(connection.wanted(input) > 1, is_fast, "{role:?}: all that is missing");
            assert_eq!(connection.receive_whole(&mut input, &mut out), Ok(None));
            assert_eq!(
                input.is_empty(),
                !is_fast,
                "{role:?}: the fast path leaves what is not whole"
            );
            connection.receive(&mut input, &mut out).unwrap();
            assert_eq!(connection.wanted(&[]) > 1, is_fast, "{role:?}: the rest of the frame");
        }
    }
}

/// They remain disabled when an acceptance replaces the settings.
#[test]
fn disabled_fast_paths_remain_so_after_the_handshake() {
    const ROUTE: Config = Config::new().max_message_size(1000);
    for (mut server, is_fast) in with_and_without_fast_paths(|| Connection::server(Config::default()))
        .into_iter()
        .zip([true, false])
    {
        let (mut bytes, mut out) = (REQUEST.as_bytes().to_vec(), Vec::new());
        let Some(Event::Request(request)) = server.receive(&mut &mut bytes[..], &mut out).unwrap() else {
            panic!("expected a request")
        };
        let accept = Accept::new().any_origin().config(&ROUTE);
        server.accept(&request, &accept, &mut out).unwrap();
        assert_eq!(server.wanted(&frame(Role::Client, 0x82, &[1; 300])[..20]) > 1, is_fast);
    }
}

/// A frame whose length has any form.
fn frame_with_length_form(sender: Role, first: u8, form: Length, payload: &[u8]) -> Vec<u8> {
    let masked = sender == Role::Client;
    let mut bytes = header(first, masked, form, payload.len() as u64);
    let key = if masked { KEY } else { [0; 4] };
    bytes.extend_from_slice(if masked { &KEY } else { &[] });
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// R066: A length that is not in its shortest form fails the connection, also if the message is
/// whole in the input.
#[test]
fn every_path_refuses_a_length_that_is_not_minimal() {
    for role in ROLES {
        let peer = peer_of(role);
        for first in [0x81, 0x82] {
            for (form, len) in [
                (Length::Medium, 0),
                (Length::Medium, 125),
                (Length::Long, 0),
                (Length::Long, 125),
                (Length::Long, 126),
                (Length::Long, 0xFFFF),
            ] {
                let bytes = frame_with_length_form(peer, first, form, &vec![b'x'; len]);
                let error = non_minimal_length(if form == Length::Medium { 16 } else { 64 });
                for mut connection in with_and_without_fast_paths(|| open(role, Config::default())) {
                    let outcome = feed(&mut connection, &bytes);
                    assert_eq!(outcome.error, Some(error), "{role:?} {form:?} {len}");
                    assert_eq!(outcome.events, [], "{role:?} {form:?} {len}");
                }
                // `wanted` does not wait for the rest of an invalid frame.
                for mut connection in with_and_without_fast_paths(|| open(role, Config::default())) {
                    for end in 1..bytes.len().min(14) {
                        let wanted = connection.wanted(&bytes[..end]);
                        assert!(wanted <= 14, "{wanted} bytes after {end} of {form:?} {len}");
                    }
                    let mut bytes = bytes.clone();
                    let found = connection.receive_whole(&mut &mut bytes[..], &mut Vec::new());
                    assert_eq!(found, Err(Box::new(error)));
                }
            }
            // The shortest length of each form.
            for (form, len) in [(Length::Short, 125), (Length::Medium, 126), (Length::Long, 0x1_0000)] {
                let bytes = frame_with_length_form(peer, first, form, &vec![b'x'; len]);
                for mut connection in with_and_without_fast_paths(|| open(role, Config::default())) {
                    assert_eq!(feed(&mut connection, &bytes).events.len(), 1, "{role:?} {form:?}");
                }
            }
        }
    }
}

/// R060 R062: Every path checks the mask bit.
#[test]
fn every_path_checks_the_mask_bit() {
    for role in ROLES {
        let expected = match role {
            Role::Server => ProtocolError::UnmaskedFrame,
            Role::Client => ProtocolError::MaskedFrame,
        };
        for mut connection in with_and_without_fast_paths(|| open(role, Config::default())) {
            let outcome = feed(&mut connection, &frame(role, 0x82, b"wrong role"));
            assert_eq!((outcome.error, outcome.events), (Some(expected), vec![]), "{role:?}");
        }
    }
}

/// R063: Every path refuses reserved bits, RSV1 included.
#[test]
fn every_path_refuses_reserved_bits() {
    for role in ROLES {
        for first in [0xC1, 0xC2, 0xA1, 0x92, 0xF2] {
            for mut connection in with_and_without_fast_paths(|| open(role, Config::default())) {
                let mut bytes = frame(peer_of(role), first, b"whole");
                let before = bytes.clone();
                let found = connection.receive(&mut &mut bytes[..], &mut Vec::new());
                assert_eq!(found, Err(Box::new(reserved_bits(first))), "{role:?} {first:02x}");
                assert_eq!(bytes, before, "an input that is not consumed is not changed");
            }
        }
    }
}

/// R137: Every path applies the limit on the size of a message, exactly.
#[test]
fn every_path_has_the_size_limit() {
    for role in ROLES {
        for first in [0x81, 0x82] {
            let config = || Config::new().max_message_size(200);
            for (len, error) in [(200, None), (201, Some(too_big(201, 200)))] {
                let bytes = frame(peer_of(role), first, &vec![b'x'; len]);
                for mut connection in with_and_without_fast_paths(|| open(role, config())) {
                    let outcome = feed(&mut connection, &bytes);
                    assert_eq!(
                        (outcome.error, outcome.events.len()),
                        (error, usize::from(error.is_none()))
                    );
                }
            }
        }
    }
}

/// R137 R187: A compressed message of one frame that inflates to more than the limit fails, on
/// every path and with either delivery.
#[cfg(feature = "deflate")]
#[test]
fn a_compressed_message_of_one_frame_is_limited() {
    use support::{inflates_too_big, params, upgraded, with_deflate};

    let negotiated = with_deflate(params(15, true));
    for role in ROLES {
        // RFC 7692, section 7.2.3.1: "Hello".
        let hello = frame(peer_of(role), 0xC1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        for delivery in [Delivery::Messages, Delivery::Chunks] {
            for (limit, within_limit) in [(5, true), (4, false), (0, false)] {
                let config = Config::new().max_message_size(limit).delivery(delivery);
                for mut connection in with_and_without_fast_paths(|| upgraded(role, &negotiated, config.clone())) {
                    let outcome = feed(&mut connection, &hello);
                    let error = (!within_limit).then(|| inflates_too_big(limit));
                    assert_eq!(outcome.error, error, "{role:?} {delivery:?} {limit}");
                    if delivery == Delivery::Messages {
                        assert_eq!(outcome.events.len(), usize::from(within_limit), "{role:?} {limit}");
                    }
                }
            }
        }
        // Its length must have the shortest form, and RSV1 does not permit another reserved bit.
        for (bytes, error) in [
            (
                frame_with_length_form(peer_of(role), 0xC1, Length::Medium, &[0]),
                non_minimal_length(16),
            ),
            (
                frame_with_length_form(peer_of(role), 0xE1, Length::Short, &[0]),
                reserved_bits(0xE1),
            ),
        ] {
            for mut connection in with_and_without_fast_paths(|| upgraded(role, &negotiated, Config::default())) {
                assert_eq!(feed(&mut connection, &bytes).error, Some(error), "{role:?}");
            }
        }
    }
}

/// R082: The header of a fragmented control frame is not decoded, whatever follows its first byte.
#[test]
fn a_header_of_a_fragmented_control_frame_does_not_decode() {
    for first in [0x08, 0x09, 0x0A, 0x48, 0x79] {
        for rest in [&[][..], &[0], &[125], &[0xFF], &[126, 0, 1]] {
            let bytes = [&[first], rest].concat();
            assert_eq!(
                Header::decode(&bytes),
                Err(fragmented_control_frame(first)),
                "{bytes:02x?}"
            );
        }
    }
}

/// R079 R080: Bytes that look like a whole message are not one while another message or a frame is
/// in progress.
#[test]
fn a_whole_frame_inside_a_message_is_not_a_message() {
    for role in ROLES {
        let peer = peer_of(role);
        let whole = frame(peer, 0x82, b"whole");
        for delivery in [Delivery::Messages, Delivery::Chunks] {
            let config = || Config::new().delivery(delivery);
            for begun in [
                frame(peer, 0x02, b"begun"),
                frame(peer, 0x02, b""),
                [frame(peer, 0x02, b"begun"), frame(peer, 0x00, b"")].concat(),
                [frame(peer, 0x02, b""), frame(peer, 0x89, b"ping")].concat(),
            ] {
                for mut connection in with_and_without_fast_paths(|| open(role, config())) {
                    feed(&mut connection, &begun);
                    let outcome = feed(&mut connection, &whole);
                    assert_eq!(outcome.error, Some(interleaved_message(0x82)), "{role:?} {delivery:?}");
                    assert_eq!(outcome.events, [], "{role:?} {delivery:?}");
                }
            }
            // Inside a frame, the bytes are payload.
            for mut connection in with_and_without_fast_paths(|| open(role, config())) {
                let mut bytes = header(0x82, peer == Role::Client, Length::Short, 30);
                bytes.extend_from_slice(if peer == Role::Client { &KEY } else { &[] });
                feed(&mut connection, &bytes);
                let outcome = feed(&mut connection, &whole);
                assert_eq!(outcome.error, None);
                assert!(
                    outcome.events.iter().all(|event| matches!(event, Event::Chunk(_))),
                    "{outcome:?}"
                );
            }
        }
    }
}

/// R063 R066 R079 R137: A whole fragment of a message in progress breaks the same rules on every
/// path, and is limited in the same way.
#[test]
fn every_path_has_the_rules_on_whole_fragments() {
    let config = || Config::new().max_message_size(1000).max_fragments(4);
    for role in ROLES {
        let peer = peer_of(role);
        let begun = [frame(peer, 0x02, b"first"), frame(peer, 0x00, b"second")].concat();
        let third = |first, payload: &[u8]| frame(peer, first, payload);
        let error_of_mask = match role {
            Role::Server => ProtocolError::UnmaskedFrame,
            Role::Client => ProtocolError::MaskedFrame,
        };
        for (fragments, error, len) in [
            (third(0x80, b"last"), None, Some(15)),
            (third(0x80, &[0; 989]), None, Some(1000)),
            (third(0x80, &[0; 990]), Some(too_big(1001, 1000)), None),
            ([third(0x00, b"3"), third(0x80, b"4")].concat(), None, Some(13)),
            (
                [third(0x00, b""), third(0x00, b""), third(0x80, b"")].concat(),
                Some(ProtocolError::TooManyFragments { limit: 4 }),
                None,
            ),
            (third(0xC0, b"3"), Some(reserved_bits(0xC0)), None),
            (third(0x82, b"3"), Some(interleaved_message(0x82)), None),
            (frame(role, 0x80, b"3"), Some(error_of_mask), None),
            (
                frame_with_length_form(peer, 0x80, Length::Medium, b"3"),
                Some(non_minimal_length(16)),
                None,
            ),
            ([third(0x89, b"ping"), third(0x80, b"last")].concat(), None, Some(15)),
        ] {
            // With the message before them in one input, and alone.
            for cut in [0, begun.len()] {
                for mut connection in with_and_without_fast_paths(|| open(role, config())) {
                    let bytes = [&begun[..], &fragments].concat();
                    let (front, back) = bytes.split_at(cut);
                    feed(&mut connection, front);
                    let outcome = feed(&mut connection, back);
                    assert_eq!(outcome.error, error, "{role:?} {fragments:02x?}");
                    let message = outcome.events.iter().find_map(|event| match event {
                        Event::Binary(data) => Some(data.len()),
                        _ => None,
                    });
                    assert_eq!(message, len, "{role:?} {fragments:02x?}");
                }
            }
        }
    }
}

/// With chunk delivery, a whole message is one chunk.
#[test]
fn a_whole_message_is_a_chunk_with_chunk_delivery() {
    for role in ROLES {
        for mut connection in with_and_without_fast_paths(|| open(role, Config::new().delivery(Delivery::Chunks))) {
            let outcome = feed(&mut connection, &frame(peer_of(role), 0x81, b"text"));
            let [Event::Chunk(chunk)] = &outcome.events[..] else {
                panic!("{outcome:?}")
            };
            assert_eq!((chunk.as_bytes(), chunk.message_end), (&b"text"[..], true));
        }
    }
}

/// Every path applies the limit on fragments: with a limit of 0, the first frame of a message
/// fails.
#[test]
fn every_path_has_the_fragment_limit() {
    for role in ROLES {
        for mut connection in with_and_without_fast_paths(|| open(role, Config::new().max_fragments(0))) {
            let outcome = feed(&mut connection, &frame(peer_of(role), 0x82, b"one"));
            assert_eq!(outcome.error, Some(ProtocolError::TooManyFragments { limit: 0 }));
        }
    }
}

/// The path for receiving is computed after each change of its conditions. An assertion at each
/// entry of the engine checks it.
#[test]
fn the_receive_path_is_current_after_every_call() {
    let out = &mut Vec::new();
    // The opening handshake in any two pieces, with frames before the response.
    let early = [REQUEST.as_bytes(), &frame(Role::Client, 0x81, b"early")].concat();
    let mut server = Connection::server(Config::default());
    let mut seen = 0;
    for cut in 1..early.len() {
        seen = seen.max(
            feed(&mut Connection::server(Config::default()), &early[..cut])
                .events
                .len(),
        );
    }
    assert_eq!(seen, 1, "only the request is reported");
    assert_eq!(feed(&mut server, &early).events.len(), 2);
    assert_eq!(feed(&mut server, &frame(Role::Client, 0x81, b"later")).events.len(), 1);

    for role in ROLES {
        let peer = peer_of(role);
        let mut connection = open(role, Config::default());
        assert!(
            connection.wanted(&[]) == 2,
            "the connection is open, and between messages"
        );
        // A message in pieces, a whole message, and fragments with a Ping between them.
        let script = [
            frame(peer, 0x82, &[1; 300]),
            frame(peer, 0x81, b"whole"),
            frame(peer, 0x01, b"frag"),
            frame(peer, 0x89, b"ping"),
            frame(peer, 0x80, b"ment"),
            frame(peer, 0x02, b""),
            frame(peer, 0x80, b""),
            frame(peer, 0x82, b"last"),
        ]
        .concat();
        let outcome = feed_bytewise(&mut connection, &script);
        assert_eq!((outcome.events.len(), outcome.error), (6, None), "{role:?}");
        let outcome = feed(&mut connection, &script);
        assert_eq!((outcome.events.len(), outcome.error), (6, None), "{role:?}");
        // A sent Close frame, a message, the peer's Close frame, and a message after it.
        connection.close(CloseCode::NORMAL, "", out).unwrap();
        assert_eq!(feed(&mut connection, &frame(peer, 0x82, b"still")).events.len(), 1);
        assert_eq!(feed(&mut connection, &frame(peer, 0x88, &[0x03, 0xE8])).events.len(), 1);
        assert_eq!(feed(&mut connection, &frame(peer, 0x82, b"late")).events, []);
        // A failure on each path.
        for begun in [
            &[][..],
            &frame(peer, 0x82, &[0; 300])[..20],
            &frame(peer, 0x02, b"x")[..],
        ] {
            let mut connection = open(role, Config::default());
            feed(&mut connection, begun);
            feed(&mut connection, &[0xFF; 400]);
            let error = feed(&mut connection, b"more").error;
            assert_eq!(feed(&mut connection, b"and more").error, error);
        }
    }
}

/// The path for sending is computed after each change of its conditions.
#[test]
fn the_send_path_is_current_after_every_call() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let out = &mut Vec::with_capacity(1 << 16);
        connection.send_text("one frame", out).unwrap();
        connection
            .send_fragment(MessageKind::Text, b"begun", false, out)
            .unwrap();
        assert_eq!(
            connection.send_text("between", out),
            Err(SendError::MessageInProgress),
            "{role:?}"
        );
        connection
            .send_fragment(MessageKind::Text, b"ended", true, out)
            .unwrap();
        connection.send_binary(b"one frame again", out).unwrap();
        // A message of one fragment.
        connection
            .send_fragment(MessageKind::Binary, b"alone", true, out)
            .unwrap();
        connection.send_binary(b"one frame again", out).unwrap();
        // Automatic fragmentation.
        let size = std::num::NonZeroUsize::new(4);
        let mut connection = open(role, Config::new().fragment_size(size));
        let out = &mut Vec::with_capacity(1 << 16);
        connection.send_text("three frames", out).unwrap();
        assert_eq!(support::frames(role, out).len(), 3);
    }
}

/// If compression is negotiated, the first message after the handshake is compressed.
#[cfg(feature = "deflate")]
#[test]
fn the_send_path_is_current_after_a_negotiation() {
    use sockless::deflate::DeflateConfig;

    let config = || Config::new().deflate(DeflateConfig::new().threshold(0));
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let request = REQUEST.replace("\r\n\r\n", &format!("\r\n{offer}"));
    let (mut bytes, mut out) = (request.into_bytes(), Vec::with_capacity(1 << 16));
    let mut server = Connection::server(config());
    let mut input = &mut bytes[..];
    let Some(Event::Request(request)) = server.receive(&mut input, &mut out).unwrap() else {
        panic!("expected a request")
    };
    server.accept(&request, &Accept::new(), &mut out).unwrap();
    out.clear();
    server.send_text(&"again and ".repeat(20), &mut out).unwrap();
    let [(first, payload)] = &support::frames(Role::Server, &out)[..] else {
        panic!("expected one frame")
    };
    assert_eq!(*first, 0xC1, "RSV1 is set: the message is compressed");
    assert!(payload.len() < 200);
    // Fragments, compressed and not, whose states are asserted against each other. The first
    // fragment decides.
    for (compressed, first) in [(true, 0x41), (false, 0x01)] {
        out.clear();
        server.set_compression(compressed);
        server
            .send_fragment(MessageKind::Text, b"begun", false, &mut out)
            .unwrap();
        server.set_compression(!compressed);
        assert_eq!(server.send_text("between", &mut out), Err(SendError::MessageInProgress));
        server.ping(b"", &mut out).unwrap();
        server.send_fragment(MessageKind::Text, b"", false, &mut out).unwrap();
        server
            .send_fragment(MessageKind::Text, b"ended", true, &mut out)
            .unwrap();
        let firsts: Vec<u8> = support::frames(Role::Server, &out)
            .iter()
            .map(|(first, _)| *first)
            .collect();
        assert_eq!(firsts, [first, 0x89, 0x00, 0x80]);
        server
            .send_fragment(MessageKind::Text, b"alone", true, &mut out)
            .unwrap();
        server.send_text("whole", &mut out).unwrap();
    }
}
