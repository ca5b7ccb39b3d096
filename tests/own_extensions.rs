//! Extensions that the caller implements (RFC 6455, section 9): how they are negotiated, and where
//! reserved bits may be set.

use proptest::{collection::vec, prelude::*};
use sockless::{
    Accept, ClientRequest, Config, Connection, Delivery, Event, MessageKind, ProtocolError, Role, SendError,
    error::{LocalHandshakeError, ResponseError},
    frame::ReservedBits,
    handshake::{Extension, Negotiated},
};
use support::{
    ROLES, feed, feed_cut, frame, frames,
    heads::{dial, plain, request_with, response_with, undecided},
    laws::endpoint::join_chunks,
    peer_of, quoted, reserved_bits, upgraded, without_fast_paths,
};

use crate::streams::cases;

const NONE: ReservedBits = ReservedBits::NONE;
const RSV1: ReservedBits = ReservedBits::RSV1;
const RSV2: ReservedBits = ReservedBits::RSV2;
const RSV3: ReservedBits = ReservedBits::RSV3;

/// The sets of reserved bits, in the order of the number that they are in a first byte.
fn sets() -> [ReservedBits; 8] {
    std::array::from_fn(|number| ReservedBits {
        rsv1: number & 4 > 0,
        rsv2: number & 2 > 0,
        rsv3: number & 1 > 0,
    })
}

/// The bits in a first byte.
fn of(first: u8) -> ReservedBits {
    sets()[usize::from(first / 16 % 8)]
}

fn in_first_byte(bits: ReservedBits) -> u8 {
    u8::from(bits.rsv1) * 64 + u8::from(bits.rsv2) * 32 + u8::from(bits.rsv3) * 16
}

fn is_subset(bits: ReservedBits, of: ReservedBits) -> bool {
    bits.without(of).is_empty()
}

fn negotiated(reserved: ReservedBits) -> Negotiated {
    let mut negotiated = Negotiated::default();
    negotiated.reserved = reserved;
    negotiated
}

fn open(role: Role, reserved: ReservedBits, config: Config) -> Connection {
    upgraded(role, &negotiated(reserved), config)
}

fn chunks() -> Config {
    Config::new().delivery(Delivery::Chunks)
}

/// R063 R212: Each reserved bit is allowed on each frame of a message where it was negotiated;
/// anywhere else it fails the connection with 1002: not negotiated, on a control frame, and with a
/// reserved opcode. No fast path lets it pass.
#[test]
fn s9_reserved_bits_are_allowed_only_where_they_were_negotiated() {
    for role in ROLES {
        for allowed in sets() {
            for bits in sets() {
                for opcode in [0x80, 0x81, 0x82, 0x01, 0x88, 0x89, 0x8A, 0x83] {
                    let first = opcode | in_first_byte(bits);
                    let mut input = Vec::new();
                    if opcode == 0x80 {
                        input.extend(frame(peer_of(role), 0x01, b"abc"));
                    }
                    input.extend(frame(peer_of(role), first, b""));
                    let is_data = opcode & 0x0F < 3;
                    let expected = if !(bits.is_empty() || is_data && is_subset(bits, allowed)) {
                        Some(reserved_bits(first))
                    } else if opcode == 0x83 {
                        Some(support::reserved_opcode(first))
                    } else {
                        None
                    };
                    for config in [Config::new(), chunks()] {
                        let open = || open(role, allowed, config.clone());
                        for cut in 0..input.len() {
                            for mut connection in [open(), without_fast_paths(open())] {
                                let outcome = feed_cut(&mut connection, &input, &[cut]);
                                assert_eq!(outcome.error, expected, "{allowed:?} {first:x} {cut}");
                                if expected.is_some() {
                                    let close = (0x88, 1002_u16.to_be_bytes().to_vec());
                                    assert_eq!(frames(role, &outcome.out), [close]);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The frames of some messages with their reserved bits, as (first byte, payload).
fn messages() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let frame = (0..8_u8, vec(any::<u8>(), 0..20), any::<bool>());
    vec((vec(frame, 1..4), any::<bool>()), 1..5).prop_map(|messages| {
        let mut frames = Vec::new();
        for (fragments, pings) in messages {
            let last = fragments.len() - 1;
            for (at, (bits, payload, _)) in fragments.into_iter().enumerate() {
                let opcode = if at == 0 { 2 } else { 0 };
                let fin = if at == last { 0x80 } else { 0 };
                frames.push((fin | (bits * 16) | opcode, payload));
                if pings {
                    frames.push((0x89, b"?".to_vec()));
                }
            }
        }
        frames
    })
}

proptest! {
    #![proptest_config(cases(200))]

    /// R212: Chunks have the reserved bits of their frame, and a message those of all its frames,
    /// for any cut, with fast paths and without.
    #[test]
    fn s9_reserved_bits_are_seen(sent in messages(), cuts in vec(0..200_usize, 0..6), client: bool) {
        let role = if client { Role::Client } else { Role::Server };
        let all = sets()[7];
        let input: Vec<u8> = sent.iter().flat_map(|(first, payload)| frame(peer_of(role), *first, payload)).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();

        let connection = || open(role, all, chunks());
        for mut connection in [connection(), without_fast_paths(connection())] {
            let outcome = feed_cut(&mut connection, &input, &cuts);
            prop_assert_eq!(outcome.error, None);
            let chunks: Vec<(u8, Vec<u8>)> = join_chunks(outcome.events)
                .into_iter()
                .filter_map(|event| match event {
                    Event::Chunk(chunk) => Some((in_first_byte(chunk.reserved), chunk.as_bytes().to_vec())),
                    _ => None,
                })
                .collect();
            let data = sent.iter().filter(|(first, _)| first % 16 < 8);
            let expected: Vec<(u8, Vec<u8>)> =
                data.map(|(first, payload)| (in_first_byte(of(*first)), payload.clone())).collect();
            prop_assert_eq!(chunks, expected);
        }

        let mut expected = Vec::new();
        let mut bits = NONE;
        for (first, _) in sent.iter().filter(|(first, _)| first % 16 < 8) {
            bits = bits.union(of(*first));
            if *first >= 0x80 {
                expected.push(std::mem::take(&mut bits));
            }
        }
        let connection = || open(role, all, Config::new());
        for mut connection in [connection(), without_fast_paths(connection())] {
            let (mut found, mut out, mut from) = (Vec::new(), Vec::new(), 0);
            for to in cuts.iter().copied().chain([input.len()]) {
                let mut piece = input[from..to].to_vec();
                from = to;
                let mut rest = &mut piece[..];
                while let Some(event) = connection.receive(&mut rest, &mut out).unwrap() {
                    if let Event::Binary(_) = event {
                        found.push(connection.message_reserved_bits());
                    }
                }
            }
            prop_assert_eq!(&found, &expected);
        }
    }

    /// What a connection does not read itself, another reads with the same bits.
    #[test]
    fn s9_unread_frames_keep_their_reserved_bits(sent in messages(), cut in 0..200_usize, client: bool) {
        let role = if client { Role::Client } else { Role::Server };
        let all = sets()[7];
        let input: Vec<u8> = sent.iter().flat_map(|(first, payload)| frame(peer_of(role), *first, payload)).collect();
        let cut = cut.min(input.len());
        let bits = |input: &[u8]| {
            let (mut connection, mut bytes) = (open(role, all, Config::new()), input.to_vec());
            let (mut found, mut rest) = (Vec::new(), &mut bytes[..]);
            while let Some(event) = connection.receive(&mut rest, &mut Vec::new()).unwrap() {
                if let Event::Binary(_) = event {
                    found.push(connection.message_reserved_bits());
                }
            }
            (found, connection)
        };
        let (mut found, first) = bits(&input[..cut]);
        let (rest, _) = bits(&[&first.into_parts().unread[..], &input[cut..]].concat());
        found.extend(rest);
        prop_assert_eq!(found, bits(&input).0);
    }
}

/// R212: Bits that were negotiated are sent, on first and on later fragments; others are refused,
/// and nothing is sent.
#[test]
fn s9_only_negotiated_bits_are_sent() {
    for role in ROLES {
        for allowed in sets() {
            let make = || open(role, allowed, Config::new());
            for mut connection in [make(), without_fast_paths(make())] {
                for bits in sets() {
                    let mut out = Vec::new();
                    for (fin, first) in [(false, 0x01), (false, 0x00), (true, 0x80)] {
                        let refused = bits.without(allowed);
                        let sent = connection.send_fragment_with(MessageKind::Text, b"x", fin, bits, &mut out);
                        if !refused.is_empty() {
                            assert_eq!(sent, Err(SendError::ReservedBitsNotNegotiated { bits: refused }));
                            assert_eq!(out, []);
                            continue;
                        }
                        assert_eq!(sent, Ok(()));
                        let expected = (first | in_first_byte(bits), b"x".to_vec());
                        assert_eq!(frames(role, &out), [expected]);
                        out.clear();
                    }
                }
                // Plain messages have none.
                let mut out = Vec::new();
                connection.send_text("x", &mut out).unwrap();
                assert_eq!(frames(role, &out), [(0x81, b"x".to_vec())]);
            }
        }
    }
}

/// A client that offers, the server's answer to it, and the opening handshake between them.
fn handshake(request: &ClientRequest, accept: &Accept<'_>, config: &Config) -> (Connection, Connection, Vec<String>) {
    let (mut head, mut response) = (Vec::new(), Vec::new());
    let mut client = Connection::client(request, config.clone(), [7; 32], &mut head).unwrap();
    let (mut server, received) = undecided(config.clone(), &head);
    server.accept(&received, accept, &mut response).unwrap();
    let mut input = &mut response[..];
    let Some(Event::Open(response)) = client.receive(&mut input, &mut Vec::new()).unwrap() else {
        panic!()
    };
    let describe = |extension: Extension<'_>| {
        let params: Vec<String> = extension
            .params()
            .map(|(name, value)| format!("{name}={}", value.unwrap_or_default()))
            .collect();
        format!("{} {}", extension.name(), params.join(" ")).trim().to_owned()
    };
    let answers = response.extensions().map(describe).collect();
    (client, server, answers)
}

/// R212: An extension is offered, answered and used in both directions.
#[test]
fn s9_1_an_extension_is_negotiated() {
    let request = plain()
        .extension("x-own; level=3; fast", RSV2)
        .extension("x-other", RSV3);
    let mut head = Vec::new();
    Connection::client(&request, Config::new(), [7; 32], &mut head).unwrap();
    let (_, received) = undecided(Config::new(), &head);
    let names: Vec<&str> = received.extensions().map(|extension| extension.name()).collect();
    assert_eq!(names, ["x-own", "x-other"]);

    let answer = [("x-own; level=\"2\"", RSV2)];
    let (mut client, mut server, answers) = handshake(&request, &Accept::new().extensions(&answer), &chunks());
    assert_eq!(answers, ["x-own level=2"]);
    for (sender, receiver) in [(&mut client, &mut server)] {
        for _ in 0..2 {
            let mut out = Vec::new();
            sender
                .send_fragment_with(MessageKind::Text, b"x", true, RSV2, &mut out)
                .unwrap();
            let outcome = feed(receiver, &out);
            let [Event::Chunk(chunk)] = &outcome.events[..] else {
                panic!("{outcome:?}")
            };
            assert_eq!((chunk.reserved, chunk.as_bytes()), (RSV2, &b"x"[..]));
            std::mem::swap(sender, receiver);
        }
    }
    // The other one was offered and not accepted.
    for connection in [&mut client, &mut server] {
        let role = connection.role();
        let sent = connection.send_fragment_with(MessageKind::Text, b"x", true, RSV3, &mut Vec::new());
        assert_eq!(sent, Err(SendError::ReservedBitsNotNegotiated { bits: RSV3 }));
        let outcome = feed(connection, &frame(peer_of(role), 0x91, b"x"));
        assert_eq!(outcome.error, Some(reserved_bits(0x91)));
    }
}

/// R212: A server that accepts nothing of what was offered allows no bits, and neither does the
/// client.
#[test]
fn s9_1_an_offer_alone_allows_nothing() {
    let request = plain().extension("x-own", RSV2);
    let (mut client, mut server, answers) = handshake(&request, &Accept::new(), &Config::new());
    assert_eq!(answers, [""; 0]);
    for connection in [&mut client, &mut server] {
        let role = connection.role();
        let outcome = feed(connection, &frame(peer_of(role), 0xA1, b"x"));
        assert_eq!(outcome.error, Some(reserved_bits(0xA1)));
    }
}

/// R143 R212: A client fails on an answer that it did not offer, on one that comes twice, and on
/// two that use the same bit.
#[test]
fn s9_1_a_client_checks_the_answer() {
    let request = plain()
        .extension("x-a", RSV2)
        .extension("x-b", RSV2)
        .extension("x-c; d", NONE);
    let error = |answer: &str| {
        let mut client = dial(&request, &Config::new());
        let response = response_with("Sec-WebSocket-Extensions", &[answer]);
        match feed(&mut client, &response).error {
            Some(ProtocolError::Response(error)) => Some(error),
            None => None,
            other => panic!("{other:?}"),
        }
    };
    let name = quoted;
    for accepted in ["x-a", "x-b", "x-c", "x-a, x-c", "x-c; e=f, x-b"] {
        assert_eq!(error(accepted), None, "{accepted}");
    }
    for (answer, expected) in [
        ("x-d", ResponseError::ExtensionNotOffered { name: name("x-d") }),
        ("x-a, x-d", ResponseError::ExtensionNotOffered { name: name("x-d") }),
        ("X-A", ResponseError::ExtensionNotOffered { name: name("X-A") }),
        (
            "x-a, permessage-deflate",
            ResponseError::ExtensionNotOffered {
                name: name("permessage-deflate"),
            },
        ),
        ("x-a, x-a", ResponseError::RepeatedExtension { name: name("x-a") }),
        ("x-c, x-c; d", ResponseError::RepeatedExtension { name: name("x-c") }),
        ("x-a, x-b", ResponseError::ReservedBitConflict { name: name("x-b") }),
        ("x-a, ;", ResponseError::InvalidExtensions { value: name(";") }),
    ] {
        assert_eq!(error(answer), Some(expected), "{answer}");
    }
}

/// R212: A server accepts only what was offered, each once, and no bit twice. Nothing is sent
/// otherwise.
#[test]
fn s9_1_a_server_checks_its_answer() {
    let request = request_with("Sec-WebSocket-Extensions", &["x-a; b=c, x-d", "x-e"]);
    let error = |extensions: &[(&str, ReservedBits)]| {
        let (mut server, received) = undecided(Config::new(), &request);
        let mut out = Vec::new();
        let accept = Accept::new().extensions(extensions);
        let error = server.accept(&received, &accept, &mut out).err();
        assert_eq!(error.is_some(), out.is_empty());
        error
    };
    for accepted in [
        &[("x-a", RSV2)][..],
        &[("x-a; b=\"x\"", RSV2), ("x-e", RSV3.union(RSV1))],
        &[("x-d", NONE), ("x-e", NONE), ("x-a", sets()[7])],
    ] {
        assert_eq!(error(accepted), None, "{accepted:?}");
    }
    let text = quoted;
    for (answer, expected) in [
        (
            &[("x-b", NONE)][..],
            LocalHandshakeError::ExtensionNotOffered { name: text("x-b") },
        ),
        (
            &[("x-a", RSV2), ("x-d", RSV2.union(RSV3))],
            LocalHandshakeError::ReservedBitConflict { name: text("x-d") },
        ),
        (
            &[("x-a", RSV2), ("x-a; b", RSV3)],
            LocalHandshakeError::RepeatedExtension { name: text("x-a") },
        ),
    ] {
        assert_eq!(error(answer), Some(expected), "{answer:?}");
    }
    for invalid in ["", "x-a, x-d", "x-a; b=\"c d\"", "x-a\r\nX: y", ";", "x a"] {
        let expected = LocalHandshakeError::InvalidExtension {
            extension: text(invalid),
        };
        assert_eq!(error(&[(invalid, NONE)]), Some(expected));
        let request = plain().extension(invalid, NONE);
        let mut out = Vec::new();
        let made = Connection::client(&request, Config::new(), [7; 32], &mut out);
        assert_eq!((made.err(), out), (Some(expected), vec![]));
    }
}

/// R212: With another HTTP implementation, the caller reads the answer, and `Negotiated` has the
/// bits.
#[test]
fn s9_1_extensions_above_another_http_implementation() {
    let request = plain().extension("x-own; a=b", RSV2);
    let (fields, expected) = request.fields([1; 16], &Config::new()).unwrap();
    let field = fields
        .iter()
        .find(|(name, _)| name == "Sec-WebSocket-Extensions")
        .unwrap();
    assert_eq!(field.1, "x-own; a=b");
    let headers = fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let received = sockless::Request::from_list("GET", "/", headers).unwrap();
    let answer = [("x-own; c=d", RSV2)];
    let (fields, of_server) = received
        .acceptance(&Accept::new().extensions(&answer), &Config::new())
        .unwrap();
    let of_client = expected
        .check(fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
        .unwrap();
    assert_eq!(of_server.reserved, RSV2);
    assert_eq!(of_client.reserved, RSV2);
    let field = fields
        .iter()
        .find(|(name, _)| name == "Sec-WebSocket-Extensions")
        .unwrap();
    let extensions: Vec<_> = Extension::parse(field.1.as_bytes()).collect();
    assert_eq!(extensions.len(), 1);
    assert_eq!(extensions[0].name(), "x-own");
    assert_eq!(extensions[0].params().next(), Some(("c", Some("d".into()))));
    assert_eq!(Extension::parse(b"a, b; c, ;, d").count(), 2);
}

#[cfg(feature = "deflate")]
mod with_deflate {
    use sockless::deflate::DeflateConfig;

    use super::*;

    fn deflate() -> Config {
        chunks().deflate(DeflateConfig::new().threshold(0))
    }

    /// R212: Beside permessage-deflate, the payload of an extension is compressed; its own bits and
    /// the one of permessage-deflate do not mix.
    #[test]
    fn s9_an_extension_beside_permessage_deflate() {
        let request = plain().extension("x-own", RSV2);
        let answer = [("x-own", RSV2)];
        let (mut client, mut server, answers) = handshake(&request, &Accept::new().extensions(&answer), &deflate());
        assert_eq!(answers, ["x-own", "permessage-deflate"]);
        let mut out = Vec::new();
        let text = "abc".repeat(100);
        for (bits, fin) in [(RSV2, false), (NONE, false), (RSV2, true)] {
            client
                .send_fragment_with(MessageKind::Text, text.as_bytes(), fin, bits, &mut out)
                .unwrap();
        }
        client.send_text(&text, &mut out).unwrap();
        let firsts: Vec<u8> = frames(Role::Client, &out).iter().map(|(first, _)| *first).collect();
        assert_eq!(firsts, [0x61, 0x00, 0xA0, 0xC1]);
        let outcome = feed(&mut server, &out);
        assert_eq!(outcome.error, None);
        let found: Vec<ReservedBits> = join_chunks(outcome.events)
            .iter()
            .map(|event| match event {
                Event::Chunk(chunk) => {
                    assert_eq!(chunk.as_bytes(), text.as_bytes());
                    chunk.reserved
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, [RSV2, NONE, RSV2, NONE]);
        // The bit of permessage-deflate is not one of the extension's.
        let sent = client.send_fragment_with(MessageKind::Text, b"x", true, RSV1, &mut Vec::new());
        assert_eq!(sent, Err(SendError::ReservedBitsNotNegotiated { bits: RSV1 }));
        let input = [frame(Role::Client, 0x01, b""), frame(Role::Client, 0xC0, b"")].concat();
        assert_eq!(feed(&mut server, &input).error, Some(reserved_bits(0xC0)));
    }

    /// R212: A whole compressed message with bits of an extension is not taken by the fast path,
    /// which would lose them.
    #[test]
    fn s9_the_bits_of_a_whole_compressed_message() {
        let mut both = Negotiated::default();
        both.reserved = sets()[7];
        both.deflate = Some(support::params(15, false));
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        for role in ROLES {
            let make = || upgraded(role, &both, Config::new());
            for mut connection in [make(), without_fast_paths(make())] {
                for (first, bits) in [(0xE1, RSV2), (0xC1, NONE), (0xF1, RSV2.union(RSV3)), (0x81, NONE)] {
                    let payload = if first & 0x40 > 0 { &hello[..] } else { b"Hello" };
                    let outcome = feed(&mut connection, &frame(peer_of(role), first, payload));
                    assert_eq!(outcome.events, [Event::Text("Hello".into())]);
                    assert_eq!(connection.message_reserved_bits(), bits);
                }
            }
        }
    }

    /// R142 R143 R212: An extension that uses the first bit takes the place of permessage-deflate;
    /// a client fails if a server accepts both.
    #[test]
    fn s9_an_extension_with_the_first_bit() {
        let request = plain().extension("x-own", RSV1);
        let answer = [("x-own", RSV1)];
        let (mut client, mut server, answers) = handshake(&request, &Accept::new().extensions(&answer), &deflate());
        assert_eq!(answers, ["x-own"]);
        let mut out = Vec::new();
        client
            .send_fragment_with(MessageKind::Text, b"not compressed", false, RSV1, &mut out)
            .unwrap();
        client
            .send_fragment_with(MessageKind::Text, b".", true, RSV1, &mut out)
            .unwrap();
        let outcome = feed(&mut server, &out);
        assert_eq!((outcome.events.len(), outcome.error), (2, None));

        let response = response_with("Sec-WebSocket-Extensions", &["x-own, permessage-deflate"]);
        let error = feed(&mut dial(&request, &deflate()), &response).error;
        let conflict = ResponseError::ReservedBitConflict { name: quoted("x-own") };
        assert_eq!(error, Some(ProtocolError::Response(conflict)));
        // The same without the conflict, and permessage-deflate twice.
        let request = plain().extension("x-own", RSV2);
        assert_eq!(feed(&mut dial(&request, &deflate()), &response).error, None);
        let response = response_with(
            "Sec-WebSocket-Extensions",
            &["permessage-deflate, x-own, permessage-deflate"],
        );
        let repeated = ResponseError::RepeatedExtension {
            name: quoted("permessage-deflate"),
        };
        let error = feed(&mut dial(&request, &deflate()), &response).error;
        assert_eq!(error, Some(ProtocolError::Response(repeated)));
    }

    /// R212: permessage-deflate can be the caller's own, or the engine's, and not both.
    #[test]
    fn s9_permessage_deflate_of_the_caller() {
        let request = plain().extension("permessage-deflate", RSV1);
        let made = Connection::client(&request, deflate(), [7; 32], &mut Vec::new());
        let name = quoted("permessage-deflate");
        assert_eq!(made.err(), Some(LocalHandshakeError::RepeatedExtension { name }));
        // The server's configuration would accept it; its caller does.
        let mut head = Vec::new();
        Connection::client(&request, chunks(), [7; 32], &mut head).unwrap();
        let (mut server, received) = undecided(deflate(), &head);
        let answer = [("permessage-deflate", RSV1)];
        server
            .accept(&received, &Accept::new().extensions(&answer), &mut Vec::new())
            .unwrap();
        let outcome = feed(&mut server, &frame(Role::Client, 0xC2, b"\xFF\xFF"));
        let [Event::Chunk(chunk)] = &outcome.events[..] else {
            panic!("{outcome:?}")
        };
        assert_eq!((chunk.reserved, chunk.as_bytes()), (RSV1, &b"\xFF\xFF"[..]));
    }
}
