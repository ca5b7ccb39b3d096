//! Compressed messages (RFC 7692, sections 6, 7.2 and 8), and the ways in which implementations have failed at them.

use sockless::{
    Config, Connection, Delivery, Event, MessageKind, ProtocolError, Role,
    deflate::{DeflateConfig, DeflateParams, DeflatePool, WindowBits},
    handshake::Negotiated,
};
use support::{ROLES, feed, feed_bytewise, feed_cut, frame, frames, inflates_too_big, peer_of, reserved_bits};

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// "Hello" once more, referring to the first.
const AGAIN: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];

fn params(bits: u8, no_context_takeover: bool) -> DeflateParams {
    let bits = WindowBits::new(bits).unwrap();
    DeflateParams {
        server_no_context_takeover: no_context_takeover,
        client_no_context_takeover: no_context_takeover,
        server_max_window_bits: bits,
        client_max_window_bits: bits,
    }
}

fn settings() -> Config {
    Config::new().deflate(DeflateConfig::new().threshold(0))
}

fn open_with(role: Role, params: DeflateParams, config: Config) -> Connection {
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(params);
    support::upgraded(role, &negotiated, config)
}

/// An end of a connection on which everything is negotiated as by default.
fn open(role: Role) -> Connection {
    open_with(role, params(15, false), settings())
}

fn chunks(config: Config) -> Config {
    config.delivery(Delivery::Chunks)
}

fn text(text: &str) -> Event<'static> {
    Event::Text(text.to_owned().into())
}

/// The events of a message, whole and byte by byte, which have to be the same.
#[track_caller]
fn receive(make: impl Fn() -> Connection, input: &[u8]) -> support::Outcome {
    let whole = feed(&mut make(), input);
    assert_eq!(whole, feed_bytewise(&mut make(), input));
    whole
}

/// Chunks joined: kind, bytes, whether the message ended.
fn joined(events: &[Event<'_>]) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut ended = false;
    for event in events {
        let Event::Chunk(chunk) = event else {
            panic!("{event:?}")
        };
        assert!(!ended);
        bytes.extend_from_slice(chunk.as_bytes());
        ended = chunk.message_end;
    }
    (bytes, ended)
}

/// Bytes that do not repeat.
fn noise(len: usize, mut seed: u32) -> Vec<u8> {
    std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        (seed >> 24) as u8
    })
    .take(len)
    .collect()
}

/// A text like those that connections carry, a little different each time.
fn json(len: usize, seed: usize) -> String {
    let mut text = String::new();
    let mut n = seed;
    while text.len() < len {
        n += 1;
        text += &format!(
            "{{\"id\":{n},\"price\":{}.{:02},\"name\":\"größe {}\"}},",
            n * 37 % 1009,
            n % 100,
            n % 7
        );
    }
    let end = (0..=len).rev().find(|end| text.is_char_boundary(*end)).unwrap();
    text.truncate(end);
    text
}

/// A stored block that is not final.
fn stored(data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap();
    [&[0x00][..], &len.to_le_bytes(), &(!len).to_le_bytes(), data].concat()
}

/// R176 R177 R180 R183 R184 R185 R165 R168: the RFC's examples (7.2.3): fixed, stored, several blocks, BFINAL, an empty
/// message (F38, F39).
#[test]
fn f38_f39_the_examples_of_the_rfc() {
    for role in ROLES {
        for (payload, expected) in [
            (&HELLO[..], "Hello"),
            (
                &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
                "Hello",
            ),
            (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello"),
            (
                &[
                    0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
                ],
                "Hello",
            ),
            (&[0x00], ""),
            // Not in the RFC: without the empty block behind BFINAL, and without a byte.
            (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello"),
            (&[], ""),
        ] {
            let one = frame(peer_of(role), 0xC1, payload);
            // Twice, and a reference to it: whatever it was, it leaves the stream in order.
            let again = frame(peer_of(role), 0xC1, &AGAIN);
            let outcome = receive(|| open(role), &[&one[..], &one].concat());
            assert_eq!(
                outcome.events,
                [text(expected), text(expected)],
                "{role:?} {payload:x?}"
            );
            if expected == "Hello" {
                let outcome = receive(|| open(role), &[&one[..], &again, &one, &again].concat());
                assert_eq!(outcome.events, vec![text("Hello"); 4], "{role:?} {payload:x?}");
            }
        }
    }
}

/// R173 R179 R165 R170: what is sent is exact to the byte where the RFC is: the tail removed, the second message referring to
/// the first (F41).
#[test]
fn f41_hello_twice() {
    for role in ROLES {
        let (mut connection, mut out) = (open(role), Vec::new());
        connection.send_text("Hello", &mut out).unwrap();
        connection.send_text("Hello", &mut out).unwrap();
        // The first is no smaller than plain, and goes out plain; the window knows nothing of it.
        assert_eq!(
            frames(role, &out),
            [(0x81, b"Hello".to_vec()), (0x81, b"Hello".to_vec())]
        );
        out.clear();
        // In fragments there is no way back, so that the RFC's bytes appear.
        for _ in 0..2 {
            connection
                .send_fragment(MessageKind::Text, b"Hello", false, &mut out)
                .unwrap();
            connection
                .send_fragment(MessageKind::Text, b"", true, &mut out)
                .unwrap();
        }
        let tail = [0x00, 0x00, 0xff, 0xff];
        let found = frames(role, &out);
        assert_eq!(
            found[0],
            (0x41, [&HELLO[..], &tail].concat()),
            "only the first frame has RSV1"
        );
        assert_eq!((found[1].0, found[3].0), (0x80, 0x80));
        assert_eq!(found[2], (0x41, [&AGAIN[..], &tail].concat()));
    }
}

/// R170 R171 R174 R165 (F48): fragments, made by hand and by size, of all sizes around the limits of what fits.
#[test]
fn f48_fragments_of_a_compressed_message() {
    for role in ROLES {
        for len in [0, 1, 5, 100, 4096, 70_000] {
            let message = json(len, 3);
            for cut in [0, 1, len / 2, len] {
                let (mut sender, mut out) = (open(role), Vec::new());
                for _ in 0..2 {
                    let (front, back) = message.as_bytes().split_at(cut.min(message.len()));
                    sender.send_fragment(MessageKind::Text, front, false, &mut out).unwrap();
                    sender.ping(b"between", &mut out).unwrap();
                    sender.send_fragment(MessageKind::Text, back, true, &mut out).unwrap();
                }
                let outcome = feed(&mut open(peer_of(role)), &out);
                let ping = Event::Ping(b"between"[..].into());
                let expected = [ping.clone(), text(&message), ping.clone(), text(&message)];
                assert_eq!(outcome.events, expected, "{role:?} {len} {cut}");
                for (first, payload) in frames(role, &out) {
                    assert!(first & 0x40 == 0 || first == 0x41);
                    assert!(
                        first & 0x0F != 9 || payload == b"between",
                        "control frames are not compressed"
                    );
                }
            }
            let config = settings().fragment_size(std::num::NonZeroUsize::new(100));
            let (mut sender, mut out) = (open_with(role, params(15, false), config), Vec::new());
            sender.send_text(&message, &mut out).unwrap();
            assert!(frames(role, &out).iter().all(|(_, payload)| payload.len() <= 100));
            assert!(frames(role, &out).iter().skip(1).all(|(first, _)| first & 0x40 == 0));
            assert_eq!(
                feed(&mut open(peer_of(role)), &out).events,
                [text(&message)],
                "{role:?} {len}"
            );
        }
    }
}

/// R166 R167 R172 R063 (F28): RSV1 belongs on the first frame of a message, and nowhere else; control frames between
/// fragments change nothing.
#[test]
fn s6_rsv1_is_for_the_first_frame_alone() {
    for role in ROLES {
        let peer = peer_of(role);
        let first = frame(peer, 0x41, &HELLO[..3]);
        for bad in [0xC9, 0xCA, 0xC8, 0xC0, 0x40, 0xA1, 0x91, 0xE1, 0xF2, 0xB0] {
            let expected = reserved_bits(bad);
            let bad = frame(peer, bad, b"");
            for before in [&[][..], &first] {
                let outcome = receive(|| open(role), &[before, &bad].concat());
                assert_eq!(outcome.error, Some(expected), "{role:?} {bad:x?}");
                assert_eq!(outcome.events, []);
            }
        }
        let ping = frame(peer, 0x89, b"ping");
        let last = frame(peer, 0x80, &HELLO[3..]);
        let plain = frame(peer, 0x81, b"plain");
        let outcome = receive(|| open(role), &[&first[..], &ping, &last, &plain].concat());
        assert_eq!(outcome.events[1..], [text("Hello"), text("plain")]);
    }
}

/// R165 R181 (F40, F42): plain messages and pings between compressed ones do not touch the window.
#[test]
fn f40_the_window_is_that_of_compressed_messages() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0xC1, &HELLO),
            frame(peer, 0x81, &[b'x'; 300]),
            frame(peer, 0x89, &[b'y'; 100]),
            frame(peer, 0xC1, &AGAIN),
        ]
        .concat();
        let outcome = receive(|| open(role), &input);
        assert_eq!(outcome.events[0], text("Hello"));
        assert_eq!(outcome.events[3], text("Hello"));
        // And on our side: a message that is sent plain is not referred to.
        let (mut sender, mut out) = (open(role), Vec::new());
        let random = noise(500, 1);
        for _ in 0..3 {
            sender.send_binary(&random, &mut out).unwrap();
            sender.send_text(&json(500, 1), &mut out).unwrap();
            sender.set_compression(false);
            sender.send_text(&json(500, 1), &mut out).unwrap();
            sender.set_compression(true);
        }
        let heads: Vec<u8> = frames(role, &out).iter().map(|(first, _)| *first).collect();
        assert_eq!(heads, [0x82, 0xC1, 0x81].repeat(3));
        let outcome = feed(&mut open(peer), &out);
        assert_eq!(outcome.events.len(), 9);
        for three in outcome.events.chunks(3) {
            assert_eq!(three[0], Event::Binary(random.clone().into()));
            assert_eq!(three[1..], [text(&json(500, 1)), text(&json(500, 1))]);
        }
    }
}

/// R149 R152 R178: without takeover each message decodes alone, and may be referred to by none.
#[test]
fn s7_1_1_no_context_takeover_forgets() {
    for role in ROLES {
        let forgetful = || open_with(role, params(15, true), settings());
        let mut out = Vec::new();
        let mut sender = forgetful();
        for seed in 0..4 {
            sender.send_text(&json(700, seed / 2), &mut out).unwrap();
        }
        let sent = frames(role, &out);
        assert_eq!(
            (&sent[0], &sent[2]),
            (&sent[1], &sent[3]),
            "the same message is the same bytes"
        );
        for (at, (first, payload)) in sent.iter().enumerate() {
            let alone = feed(&mut open(peer_of(role)), &frame(role, *first, payload));
            assert_eq!(alone.events, [text(&json(700, at / 2))]);
        }
        let peer = peer_of(role);
        let outcome = receive(
            forgetful,
            &[frame(peer, 0xC1, &HELLO), frame(peer, 0xC1, &AGAIN)].concat(),
        );
        assert_eq!(outcome.events, [text("Hello")]);
        assert_eq!(outcome.error, Some(ProtocolError::InvalidDeflate));
    }
}

/// R162 R164 R175 R182 R147 (F43): windows of every size: what is sent decodes in such a window; what is received may reach
/// back to its end, and no further.
#[test]
fn f43_windows_of_every_size() {
    for bits in 8..=15 {
        let window = 1 << bits;
        for (takeover, level) in [(true, 1), (true, 6), (false, 6), (true, 9)] {
            let config = Config::new().deflate(DeflateConfig::new().threshold(0).level(level));
            let negotiated = params(bits, !takeover);
            let mut sender = open_with(Role::Server, negotiated, config);
            let mut receiver = open_with(Role::Client, negotiated, settings());
            // Repeats just within and just beyond the window, within messages and between them.
            for distance in [window / 2, window - 1, window, window + 1, window + window / 5] {
                let marker = noise(64, 7);
                let message = [
                    &marker[..],
                    &noise(distance - 64, 9),
                    &marker,
                    &vec![b'a'; 300],
                    &marker,
                ]
                .concat();
                for message in [&message[..], &marker, &json(3000, 1).into_bytes()] {
                    let mut out = Vec::new();
                    sender.send_binary(message, &mut out).unwrap();
                    let outcome = feed(&mut receiver, &out);
                    let expected = [Event::Binary(message.into())];
                    assert!(
                        outcome.events == expected,
                        "{bits} {takeover} {level} {distance}: {:?}",
                        outcome.error
                    );
                }
            }
        }
        // A match at the greatest distance, and one beyond it, as a fixed block.
        for (distance, fits) in [(window, true), (window + 1, false)] {
            if distance > 32_768 {
                continue;
            }
            let data = noise(window + 1, 5);
            let mut blocks = Vec::new();
            for piece in data.chunks(60_000) {
                blocks.extend(stored(piece));
            }
            blocks.extend(fixed_match(distance));
            let mut message = Vec::new();
            for (at, piece) in blocks.chunks(125).enumerate() {
                message.extend(frame(Role::Client, if at == 0 { 0x42 } else { 0x00 }, piece));
            }
            message.extend(frame(Role::Client, 0x80, &[]));
            let make = || open_with(Role::Server, params(bits, false), settings());
            let outcome = receive(make, &message);
            if fits {
                let from = data.len() - distance;
                let expected = [&data[..], &data[from..from + 3]].concat();
                assert!(
                    outcome.events == [Event::Binary(expected.into())],
                    "{bits}: {:?}",
                    outcome.error
                );
            } else {
                assert_eq!(outcome.error, Some(ProtocolError::InvalidDeflate), "{bits}");
            }
        }
    }
}

/// A fixed block with one match of three bytes at a distance, and then the header of an empty stored block.
fn fixed_match(distance: usize) -> Vec<u8> {
    let (mut bytes, mut filled) = (Vec::new(), 0);
    let mut put = |value: usize, len: usize, huffman: bool| {
        for at in 0..len {
            let bit = if huffman { value >> (len - 1 - at) } else { value >> at } & 1;
            if filled % 8 == 0 {
                bytes.push(0);
            }
            *bytes.last_mut().unwrap() |= (bit as u8) << (filled % 8);
            filled += 1;
        }
    };
    put(0, 1, false);
    put(1, 2, false);
    // Length 3 is symbol 257, seven bits in the fixed code.
    put(1, 7, true);
    let (mut code, mut base, mut extra) = (0, 1, 0);
    while base + (1 << extra) <= distance {
        base += 1 << extra;
        code += 1;
        extra = if code < 4 { 0 } else { code / 2 - 1 };
    }
    put(code, 5, true);
    put(distance - base, extra, false);
    // End of block, and the empty stored block whose length is the tail.
    put(0, 7, true);
    put(0, 3, false);
    bytes
}

/// R187 (F36, F37, F10): the limit acts on the inflated bytes, exactly, over any frames, and memory stays within the bound.
#[test]
fn f36_f37_bombs_stop_at_the_limit() {
    const LIMIT: usize = 100_000;
    for role in ROLES {
        for (delivery, data) in [Delivery::Messages, Delivery::Chunks]
            .into_iter()
            .flat_map(|delivery| [(delivery, vec![0; LIMIT + 1]), (delivery, noise(LIMIT + 1, 3))])
        {
            for (len, fits) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false)] {
                let (mut sender, mut out) = (open(peer_of(role)), Vec::new());
                sender
                    .send_fragment(MessageKind::Binary, &data[..len / 2], false, &mut out)
                    .unwrap();
                sender
                    .send_fragment(MessageKind::Binary, &data[len / 2..len], true, &mut out)
                    .unwrap();
                let config = settings().max_message_size(LIMIT as u64).delivery(delivery);
                let mut receiver = open_with(role, params(15, false), config);
                let mut piece = out.clone();
                let mut outcome = support::Outcome::default();
                let heap = allocation_counter::measure(|| outcome = feed(&mut receiver, &piece));
                piece.clear();
                assert!(heap.bytes_max < 8 * LIMIT as u64, "{heap:?}");
                let received = match delivery {
                    Delivery::Chunks => joined(&outcome.events).0.len(),
                    _ => outcome
                        .events
                        .iter()
                        .map(|event| matches!(event, Event::Binary(_)) as usize * len)
                        .sum(),
                };
                assert_eq!(
                    outcome.error,
                    (!fits).then_some(inflates_too_big(LIMIT as u64)),
                    "{delivery:?} {len}"
                );
                match (fits, delivery) {
                    (true, _) => assert_eq!(received, len),
                    (false, Delivery::Chunks) => assert_eq!(received, LIMIT, "up to the limit, to the byte"),
                    (false, _) => assert_eq!(received, 0),
                }
            }
        }
    }
}

/// R187 R138 (F36): a thousand to one: nothing beyond the limit is ever held.
#[test]
fn f36_a_bomb_of_a_thousand_to_one() {
    let (mut sender, mut bomb) = (open(Role::Client), Vec::new());
    sender.send_binary(&vec![0; 64 << 20], &mut bomb).unwrap();
    assert!(bomb.len() < 100_000);
    let config = settings().max_message_size(1 << 20);
    for config in [config.clone(), chunks(config)] {
        let mut receiver = open_with(Role::Server, params(15, false), config);
        let heap = allocation_counter::measure(|| {
            let (mut input, mut out) = (&mut bomb.clone()[..], Vec::new());
            let error = loop {
                match receiver.receive(&mut input, &mut out) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("it is too big"),
                    Err(error) => break error,
                }
            };
            assert_eq!(*error, inflates_too_big(1 << 20));
        });
        assert!(heap.bytes_max < 4 << 20, "{heap:?}");
    }
}

/// R169 R099 (F52): the rules of UTF-8 hold for the inflated text, fail-fast, and wherever it is cut.
#[test]
fn s6_text_is_valid_when_inflated() {
    for role in ROLES {
        let peer = peer_of(role);
        for (data, valid) in [
            ("größe 🎈".as_bytes(), true),
            (b"\xC3", false),
            (b"ok\xFF", false),
            (b"\xED\xA0\x80", false),
        ] {
            let message = frame(peer, 0xC1, &[&stored(data)[..], &[0]].concat());
            let outcome = receive(|| open(role), &message);
            assert_eq!(
                outcome.error,
                (!valid).then_some(ProtocolError::InvalidUtf8),
                "{data:x?}"
            );
            let outcome = feed(&mut open_with(role, params(15, false), chunks(settings())), &message);
            assert_eq!(
                outcome.error,
                (!valid).then_some(ProtocolError::InvalidUtf8),
                "{data:x?}"
            );
        }
        // In a message that does not end.
        let mut early = frame(peer, 0x41, &stored(b"a\xFFb"));
        early.truncate(early.len() - 1);
        assert_eq!(feed(&mut open(role), &early).error, Some(ProtocolError::InvalidUtf8));
        // Split inside code points, over blocks and frames.
        let text = "ä€🎈".repeat(20);
        for cut in 0..text.len() {
            let (front, back) = text.as_bytes().split_at(cut);
            let input = [
                frame(peer, 0x41, &stored(front)),
                frame(peer, 0x80, &[&stored(back)[..], &[0]].concat()),
            ]
            .concat();
            assert_eq!(feed(&mut open(role), &input).events, [Event::Text(text.clone().into())]);
            let events = feed(&mut open_with(role, params(15, false), chunks(settings())), &input).events;
            assert_eq!(joined(&events), (text.clone().into_bytes(), true), "{cut}");
        }
    }
}

/// R186 (F47): what is not DEFLATE fails the connection, wherever it is cut, and what came before is delivered.
#[test]
fn f47_undecodable_data_fails_the_connection() {
    for (what, payload) in [
        ("a reserved block type", vec![0x06]),
        ("lengths that do not match", vec![0x00, 0x05, 0x00, 0x00, 0x00]),
        ("a distance before the start", AGAIN.to_vec()),
        ("a truncated block", HELLO[..3].to_vec()),
        ("a truncated stored block", stored(b"Hello")[..7].to_vec()),
        ("a stored block and no header behind it", stored(b"Hello")),
        (
            "the tail, though it is not sent",
            [&HELLO[..], &[0x00, 0x00, 0xff, 0xff]].concat(),
        ),
        ("garbage behind the last block", [&HELLO[..], &[0xff, 0xff]].concat()),
        (
            "code lengths that make no code",
            vec![0x04, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
    ] {
        for role in ROLES {
            let peer = peer_of(role);
            let input = [
                frame(peer, 0x81, b"before"),
                frame(peer, 0xC2, &payload),
                frame(peer, 0x81, b"behind"),
            ]
            .concat();
            let outcome = receive(|| open(role), &input);
            assert_eq!(outcome.events, [text("before")], "{what}");
            assert_eq!(outcome.error, Some(ProtocolError::InvalidDeflate), "{what}");
            let close = frames(role, &outcome.out);
            assert_eq!(close, [(0x88, 1007_u16.to_be_bytes().to_vec())], "{what}");
        }
    }
}

/// R171 R186 (F45, F47): a message that ends anywhere, or has a wrong bit anywhere, is judged the same in one piece, byte by
/// byte, and with its end in a frame of its own.
#[test]
fn f47_the_end_is_judged_the_same_in_any_pieces() {
    let (mut sender, mut out) = (open(Role::Server), Vec::new());
    sender.send_text(&json(90, 1), &mut out).unwrap();
    sender.send_text(&json(400, 5), &mut out).unwrap();
    let mut payloads: Vec<Vec<u8>> = frames(Role::Server, &out)
        .into_iter()
        .map(|(_, payload)| payload)
        .collect();
    payloads.truncate(1 + usize::from(payloads.len() > 1));
    payloads.push([&stored("größe".as_bytes())[..], &[0]].concat());
    // BFINAL, with and without the empty block behind it.
    payloads.push([&[HELLO[0] | 1], &HELLO[1..]].concat());
    payloads.push([&[HELLO[0] | 1], &HELLO[1..], &[0]].concat());
    let mut damaged = payloads.clone();
    for payload in &payloads {
        damaged.extend((0..payload.len()).map(|end| payload[..end].to_vec()));
        damaged.extend((0..=u8::MAX).step_by(5).map(|byte| [&payload[..], &[byte]].concat()));
        damaged.extend((0..8 * payload.len()).map(|bit| {
            let mut payload = payload.clone();
            payload[bit / 8] ^= 1 << (bit % 8);
            payload
        }));
    }
    for payload in &damaged {
        // The smaller limit is passed by some of what a damaged message is taken for.
        for limit in [500, 1 << 20] {
            let make = || {
                let config = settings().max_message_size(limit);
                open_with(Role::Client, params(15, false), config)
            };
            let behind = frame(Role::Server, 0x81, b"behind");
            let one = [&frame(Role::Server, 0xC1, payload)[..], &behind].concat();
            let whole = feed(&mut make(), &one);
            assert_eq!(feed_bytewise(&mut make(), &one), whole, "{payload:x?}");
            let (front, end) = (frame(Role::Server, 0x41, payload), frame(Role::Server, 0x80, b""));
            let apart = [&front[..], &end, &behind].concat();
            assert_eq!(feed(&mut make(), &apart), whole, "{payload:x?}");
            assert_eq!(feed_bytewise(&mut make(), &apart), whole, "{payload:x?}");
        }
    }
}

/// R165 R176 (F47): a block that lacks data does not get it from the tail, nor from what is put behind that: neither is
/// delivered, and no block ends with them, whatever their lengths.
#[test]
fn f47_the_tail_is_nobodys_data() {
    for data in [0, 10, 1000, 1020, 1024, 2044] {
        for lacking in [1, 3, 4, 5, 20, 24, 90] {
            for last in [0, 1] {
                let mut payload = stored(&vec![b'x'; data + lacking]);
                payload[0] |= last;
                payload.truncate(5 + data);
                let input = frame(Role::Server, 0xC2, &payload);
                for delivered in [
                    feed(&mut open(Role::Client), &input),
                    feed_bytewise(&mut open(Role::Client), &input),
                ] {
                    assert_eq!(
                        (delivered.events, delivered.error),
                        (vec![], Some(ProtocolError::InvalidDeflate))
                    );
                }
                let mut client = open_with(Role::Client, params(15, false), chunks(settings()));
                let delivered = feed(&mut client, &input);
                assert_eq!(
                    delivered.error,
                    Some(ProtocolError::InvalidDeflate),
                    "{data} of {}",
                    data + lacking
                );
                let bytes = delivered.events.iter().flat_map(|event| match event {
                    Event::Chunk(chunk) => chunk.as_bytes().to_vec(),
                    event => panic!("{event:?}"),
                });
                assert_eq!(bytes.collect::<Vec<_>>(), vec![b'x'; data]);
            }
        }
    }
}

/// R171 R165 (F29, F45): a conversation, cut at every position, and chunk delivery in any cut.
#[test]
fn f45_the_result_does_not_depend_on_the_cuts() {
    for role in ROLES {
        let (mut sender, mut input) = (open(peer_of(role)), Vec::new());
        sender.send_text(&json(600, 1), &mut input).unwrap();
        sender
            .send_fragment(MessageKind::Binary, &noise(70, 1), false, &mut input)
            .unwrap();
        sender.ping(b"p", &mut input).unwrap();
        sender
            .send_fragment(MessageKind::Binary, &[b'x'; 5000], true, &mut input)
            .unwrap();
        sender.send_text(&json(600, 1), &mut input).unwrap();
        let expected = feed(&mut open(role), &input);
        assert_eq!(expected.events.len(), 4);
        for cut in 0..=input.len() {
            assert_eq!(feed_cut(&mut open(role), &input, &[cut]), expected, "{cut}");
        }
        assert_eq!(feed_bytewise(&mut open(role), &input), expected);
        let in_chunks = |cuts: &[usize]| {
            let outcome = feed_cut(
                &mut open_with(role, params(15, false), chunks(settings())),
                &input,
                cuts,
            );
            let (mut joined, mut current) = (Vec::new(), Vec::new());
            for event in &outcome.events {
                match event {
                    Event::Chunk(chunk) => {
                        current.extend_from_slice(chunk.as_bytes());
                        if chunk.frame_end {
                            joined.push((chunk.kind(), std::mem::take(&mut current), chunk.message_end));
                        }
                    }
                    other => assert!(matches!(other, Event::Ping(_))),
                }
            }
            assert_eq!(outcome.error, None);
            (joined, outcome.out)
        };
        let whole = in_chunks(&[]);
        assert_eq!(whole.0.len(), 4);
        for cut in 0..=input.len() {
            assert_eq!(in_chunks(&[cut]), whole, "{cut}");
        }
    }
}

/// R188: the caller chooses for each message, and small ones are left alone.
#[test]
fn s8_the_caller_chooses_what_is_compressed() {
    let deflate = DeflateConfig::new().threshold(200);
    let config = Config::new().deflate(deflate.clone());
    let (mut sender, mut out) = (open_with(Role::Server, params(15, false), config), Vec::new());
    sender.send_text(&json(199, 1), &mut out).unwrap();
    sender.send_text(&json(200, 1), &mut out).unwrap();
    sender.set_compression(false);
    sender.send_text(&json(900, 1), &mut out).unwrap();
    sender.send_fragment(MessageKind::Text, b"se", false, &mut out).unwrap();
    sender.set_compression(true);
    sender
        .send_fragment(MessageKind::Text, b"cret", true, &mut out)
        .unwrap();
    sender.send_fragment(MessageKind::Text, b"a", false, &mut out).unwrap();
    sender.set_compression(false);
    sender.send_fragment(MessageKind::Text, b"b", true, &mut out).unwrap();
    let heads: Vec<u8> = frames(Role::Server, &out).iter().map(|(first, _)| *first).collect();
    assert_eq!(heads, [0x81, 0xC1, 0x81, 0x01, 0x80, 0x41, 0x80]);
    assert_eq!(feed(&mut open(Role::Client), &out).events.len(), 5);
    let config = Config::new().deflate(deflate.level(0));
    let (mut sender, mut out) = (open_with(Role::Server, params(15, false), config), Vec::new());
    sender.send_text(&json(900, 1), &mut out).unwrap();
    assert_eq!(frames(Role::Server, &out)[0].0, 0x81, "level 0 does not compress");
}

/// Section 6.1: messages are compressed whatever room the output has, behind fragments too.
#[test]
fn s6_1_messages_are_compressed_in_any_room() {
    for role in [Role::Server, Role::Client] {
        let sent = |room: usize| {
            let mut sender = open_with(role, params(15, false), settings());
            let mut out = Vec::with_capacity(room);
            sender.send_text(&json(900, 1), &mut out).unwrap();
            sender
                .send_fragment(MessageKind::Text, b"in fragments", true, &mut out)
                .unwrap();
            sender.send_text(&json(900, 2), &mut out).unwrap();
            out
        };
        let heads: Vec<u8> = frames(role, &sent(100_000)).iter().map(|(first, _)| *first).collect();
        assert_eq!((heads[0], heads[2]), (0xC1, 0xC1));
        assert!(sent(0) == sent(100_000));
    }
}

/// `DeflateConfig`, memory (F46): nothing before the first compressed message; with `release`, nothing after it but the
/// window that takeover needs.
#[test]
fn f46_memory_is_that_of_the_mode() {
    for (takeover, release) in [(true, false), (true, true), (false, false), (false, true)] {
        let config = Config::new().deflate(DeflateConfig::new().threshold(0).release(release));
        let negotiated = params(12, !takeover);
        let mut idle = None;
        let born = allocation_counter::measure(|| {
            idle = Some((
                open_with(Role::Server, negotiated, config.clone()),
                open_with(Role::Server, negotiated, config.clone()),
            ));
        });
        assert_eq!(born.bytes_current, 0, "nothing before it is needed");
        let (mut sender, mut receiver) = idle.unwrap();
        let mut out = Vec::with_capacity(1 << 16);
        let sending = allocation_counter::measure(|| sender.send_text(&json(20_000, 1), &mut out).unwrap());
        let mut client = open_with(Role::Client, negotiated, settings());
        let (mut input, message) = (Vec::new(), json(20_000, 2));
        client.send_text(&message, &mut input).unwrap();
        let receiving = allocation_counter::measure(|| {
            let mut rest = &mut input[..];
            let event = receiver.receive(&mut rest, &mut out).unwrap();
            assert_eq!(event, Some(text(&message)));
        });
        println!(
            "takeover {takeover:5}, release {release:5}: sending {:7} and {:6} idle, receiving {:6} and {:6} idle",
            sending.bytes_max, sending.bytes_current, receiving.bytes_max, receiving.bytes_current
        );
        if release {
            assert!(sending.bytes_current < 256, "{sending:?}");
            let window = if takeover { 1 << 12 } else { 0 };
            assert!(receiving.bytes_current <= window + 256, "{receiving:?}");
        } else {
            assert!(sending.bytes_current > 100_000 && receiving.bytes_current > 10_000);
        }
    }
}

/// `DeflatePool` (F42, F46): many connections take turns with the state of one, and stay apart.
#[test]
fn f42_a_pool_serves_many_connections() {
    for (bits, takeover) in [(15, false), (12, false), (12, true), (15, true)] {
        let negotiated = params(bits, !takeover);
        let mut pool = DeflatePool::new(1);
        let mut pairs: Vec<_> = (0..10)
            .map(|_| {
                (
                    open_with(Role::Server, negotiated, settings()),
                    open_with(Role::Client, negotiated, settings()),
                )
            })
            .collect();
        for round in 0..4 {
            for (at, (server, client)) in pairs.iter_mut().enumerate() {
                let message = json(2000, at * 10 + round / 2);
                let mut out = Vec::new();
                server.borrow_deflate_state(&mut pool);
                server.send_text(&message, &mut out).unwrap();
                server.return_deflate_state(&mut pool);
                client.borrow_deflate_state(&mut pool);
                assert_eq!(
                    feed(client, &out).events,
                    [text(&message)],
                    "{bits} {takeover} {round} {at}"
                );
                client.return_deflate_state(&mut pool);
            }
        }
        let shown = format!("{pool:?}");
        let deflaters = usize::from(!takeover);
        assert!(shown.contains(&format!("deflaters: {deflaters}")), "{shown}");
    }
}

/// A pool gives to those that give back: not to a sender with takeover; what was asked for last stays; and what is lent
/// remembers what its new owner received before, not the old one (F42).
#[test]
fn f42_a_pool_is_for_those_that_give_back() {
    let mut pool = DeflatePool::new(1);
    let used = |pool: &mut DeflatePool, bits: u8, takeover: bool, message: &str| {
        let mut server = open_with(Role::Server, params(bits, !takeover), settings());
        server.borrow_deflate_state(pool);
        let mut out = Vec::new();
        server.send_text(message, &mut out).unwrap();
        server.return_deflate_state(pool);
    };
    used(&mut pool, 15, false, &json(500, 1));
    used(&mut pool, 15, true, &json(500, 1));
    assert!(
        format!("{pool:?}").contains("deflaters: 1"),
        "it was not lent: {pool:?}"
    );
    used(&mut pool, 12, false, &json(500, 1));
    let again = allocation_counter::measure(|| used(&mut pool, 12, false, &json(500, 2)));
    assert!(
        again.bytes_max < 50_000,
        "that of the other window has made room: {again:?}"
    );

    for bits in [15, 12] {
        // An inflater that has seen other messages comes to a connection that keeps nothing but its window.
        let mut pool = DeflatePool::new(1);
        let mut other = open_with(Role::Client, params(bits, true), settings());
        let config = Config::new().deflate(DeflateConfig::new().threshold(0).release(true));
        let negotiated = params(bits, false);
        let mut sender = open_with(Role::Server, negotiated, settings());
        let mut receiver = open_with(Role::Client, negotiated, config);
        for round in 0..3 {
            let message = json(800, round);
            let mut plain = open_with(Role::Server, params(bits, true), settings());
            let mut out = Vec::new();
            plain.send_text(&json(700, 9), &mut out).unwrap();
            assert_eq!(feed(&mut other, &out).events, [text(&json(700, 9))]);
            other.return_deflate_state(&mut pool);
            let mut out = Vec::new();
            sender.send_text(&message, &mut out).unwrap();
            receiver.borrow_deflate_state(&mut pool);
            let outcome = feed(&mut receiver, &out);
            assert_eq!(
                (outcome.events, outcome.error),
                (vec![text(&message)], None),
                "{bits} {round}"
            );
        }
    }
}

/// F36: blocks that hold nothing are no way around the limit: what may be on the wire has a bound too, for each message and
/// in any frames; small fragments that are flushed one by one stay below it.
#[test]
fn f36_a_message_of_nothing_has_an_end() {
    for size in [125, 4000] {
        let config = settings().max_message_size(1000);
        let mut connection = open_with(Role::Server, params(12, false), config);
        let (mut fed, mut first) = (0, 0x42);
        let error = loop {
            // Empty stored blocks.
            let payload = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(size / 5);
            let outcome = feed(&mut connection, &frame(Role::Client, first, &payload));
            assert_eq!(outcome.events, []);
            if let Some(error) = outcome.error {
                break error;
            }
            (fed, first) = (fed + payload.len(), 0x00);
        };
        assert_eq!(error, inflates_too_big(1000));
        assert!((60_000..80_000).contains(&fed), "{fed}");
    }
    // Two bytes at a time, each flushed.
    let mut sender = open(Role::Client);
    let config = settings().max_message_size(40_000);
    let mut receiver = open_with(Role::Server, params(15, false), config);
    let mut out = Vec::new();
    for at in 0..20_000_u32 {
        let data = at.wrapping_mul(2_654_435_761).to_be_bytes();
        sender
            .send_fragment(MessageKind::Binary, &data[..2], at == 19_999, &mut out)
            .unwrap();
    }
    assert!(out.len() > 200_000);
    let outcome = feed(&mut receiver, &out);
    assert_eq!((outcome.events.len(), outcome.error), (1, None));
}

/// A takeover of the transport says whether it loses something: within a compressed message, and where later messages may
/// refer to earlier ones.
#[test]
fn a_takeover_is_lossless_or_says_so() {
    let parts = |takeover: bool, cut: usize| {
        let negotiated = params(15, !takeover);
        let (mut sender, mut out) = (open_with(Role::Client, negotiated, settings()), Vec::new());
        sender.send_text(&json(300, 1), &mut out).unwrap();
        let whole = out.len();
        let mut receiver = open_with(Role::Server, negotiated, settings());
        let fed = feed(&mut receiver, &out[..if cut == 0 { whole } else { cut }]);
        assert_eq!(fed.error, None);
        receiver.into_parts()
    };
    assert!(parts(false, 0).lossless && parts(false, 0).unread.is_empty());
    assert!(!parts(true, 0).lossless);
    for takeover in [false, true] {
        // In the header, nothing is inflated yet.
        assert!(parts(takeover, 3).lossless && parts(takeover, 3).unread.len() == 3);
        let within = parts(takeover, 40);
        assert!(!within.lossless && within.unread.is_empty(), "{within:?}");
    }
}

/// F46: a large message leaves no large buffer behind.
#[test]
fn f46_a_large_message_is_not_kept() {
    let (mut sender, mut out) = (open(Role::Server), Vec::with_capacity(4 << 20));
    sender.send_text(&json(300, 1), &mut out).unwrap();
    let large = noise(3 << 20, 3);
    let kept = allocation_counter::measure(|| sender.send_binary(&large, &mut out).unwrap());
    assert!(kept.bytes_current < 1 << 16, "{kept:?}");
}

/// R162 R175: what a sender without takeover or with a small window makes is also what an independent inflater reads.
#[test]
fn s7_2_1_another_implementation_reads_what_is_sent() {
    for bits in 8..=15 {
        let (mut sender, mut out) = (open_with(Role::Server, params(bits, false), settings()), Vec::new());
        let messages: Vec<String> = (0..6).map(|seed| json(5000 * seed + 100, seed / 2)).collect();
        for message in &messages {
            sender.send_text(message, &mut out).unwrap();
        }
        let mut stream = Vec::new();
        for (first, payload) in frames(Role::Server, &out) {
            assert_eq!(first, 0xC1);
            stream.extend(payload);
            stream.extend([0x00, 0x00, 0xff, 0xff]);
        }
        // An empty final block, so that it is a whole stream.
        stream.extend([0x03, 0x00]);
        let plain = miniz_oxide::inflate::decompress_to_vec(&stream).unwrap();
        assert!(plain == messages.concat().into_bytes(), "{bits}");
    }
}
