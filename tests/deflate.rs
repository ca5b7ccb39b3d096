//! Compressed messages (RFC 7692, sections 6, 7.2 and 8), and known failures of implementations
//! with them.

use sockless::{
    Config, Connection, Delivery, Event, MessageKind, ProtocolError, Role,
    deflate::{DeflateConfig, DeflateParams, DeflatePool},
};
use support::{
    ROLES, feed, feed_bytewise, feed_cut, frame, frames, inflates_too_big, params, peer_of, reserved_bits, with_deflate,
};

/// "Hello", compressed (RFC 7692, section 7.2.3.1).
pub(super) const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// "Hello" a second time, as a reference to the first.
const HELLO_AGAIN: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];

/// A configuration that compresses messages of any size.
pub(super) fn compress_all() -> Config {
    Config::new().deflate(DeflateConfig::new().threshold(0))
}

pub(super) fn upgraded(role: Role, params: DeflateParams, config: Config) -> Connection {
    support::upgraded(role, &with_deflate(params), config)
}

/// An open connection with the default parameters.
pub(super) fn open(role: Role) -> Connection {
    upgraded(role, params(15, false), compress_all())
}

pub(super) fn with_chunks(config: Config) -> Config {
    config.delivery(Delivery::Chunks)
}

pub(super) fn text_event(text: &str) -> Event<'static> {
    Event::Text(text.to_owned().into())
}

/// Receives `input` in one piece and byte by byte, asserts that both outcomes are equal, and
/// returns the outcome.
#[track_caller]
fn receive(make: impl Fn() -> Connection, input: &[u8]) -> support::Outcome {
    let whole = feed(&mut make(), input);
    assert_eq!(whole, feed_bytewise(&mut make(), input));
    whole
}

/// The bytes of the chunks of a message, and whether the message has ended.
fn join_chunks(events: &[Event<'_>]) -> (Vec<u8>, bool) {
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
pub(super) fn incompressible(len: usize, mut seed: u32) -> Vec<u8> {
    std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        (seed >> 24) as u8
    })
    .take(len)
    .collect()
}

/// A text like those of typical messages, which differs with the seed.
pub(super) fn json(len: usize, seed: usize) -> String {
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
pub(super) fn stored_block(data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap();
    [&[0x00][..], &len.to_le_bytes(), &(!len).to_le_bytes(), data].concat()
}

/// R176 R177 R180 R183 R184 R185 R165 R168: The examples of section 7.2.3: a fixed block, a stored
/// block, several blocks, BFINAL, and an empty message (F38, F39).
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
            // Not in the RFC: without the empty block after BFINAL, and without any byte.
            (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello"),
            (&[], ""),
        ] {
            let one = frame(peer_of(role), 0xC1, payload);
            // The message twice, and a reference to it: the stream stays valid after each form.
            let again = frame(peer_of(role), 0xC1, &HELLO_AGAIN);
            let outcome = receive(|| open(role), &[&one[..], &one].concat());
            assert_eq!(
                outcome.events,
                [text_event(expected), text_event(expected)],
                "{role:?} {payload:x?}"
            );
            if expected == "Hello" {
                let outcome = receive(|| open(role), &[&one[..], &again, &one, &again].concat());
                assert_eq!(outcome.events, vec![text_event("Hello"); 4], "{role:?} {payload:x?}");
            }
        }
    }
}

/// R173 R179 R165 R170: The sent bytes equal those of the RFC's examples: the tail is removed, and
/// the second message refers to the first (F41).
#[test]
fn f41_the_tail_is_removed_and_the_window_is_kept() {
    for role in ROLES {
        let (mut connection, mut out) = (open(role), Vec::new());
        connection.send_text("Hello", &mut out).unwrap();
        connection.send_text("Hello", &mut out).unwrap();
        // Compressed, the message is no smaller, so it is sent uncompressed, and is not in the
        // window.
        assert_eq!(
            frames(role, &out),
            [(0x81, b"Hello".to_vec()), (0x81, b"Hello".to_vec())]
        );
        out.clear();
        // Fragments are always sent compressed, as the bytes of the RFC's examples.
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
        assert_eq!(found[2], (0x41, [&HELLO_AGAIN[..], &tail].concat()));
    }
}

/// R170 R171 R174 R165 (F48): Fragments of the caller and fragments by size, of several sizes
/// around internal limits.
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
                let expected = [ping.clone(), text_event(&message), ping.clone(), text_event(&message)];
                assert_eq!(outcome.events, expected, "{role:?} {len} {cut}");
                for (first, payload) in frames(role, &out) {
                    assert!(first & 0x40 == 0 || first == 0x41);
                    assert!(
                        first & 0x0F != 9 || payload == b"between",
                        "control frames are not compressed"
                    );
                }
            }
            let config = compress_all().fragment_size(std::num::NonZeroUsize::new(100));
            let (mut sender, mut out) = (upgraded(role, params(15, false), config), Vec::new());
            sender.send_text(&message, &mut out).unwrap();
            assert!(frames(role, &out).iter().all(|(_, payload)| payload.len() <= 100));
            assert!(frames(role, &out).iter().skip(1).all(|(first, _)| first & 0x40 == 0));
            assert_eq!(
                feed(&mut open(peer_of(role)), &out).events,
                [text_event(&message)],
                "{role:?} {len}"
            );
        }
    }
}

/// R166 R167 R172 R063 (F28): RSV1 is allowed on the first frame of a message only. Control frames
/// between fragments change nothing.
#[test]
fn s6_rsv1_is_allowed_on_the_first_frame_only() {
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
        assert_eq!(outcome.events[1..], [text_event("Hello"), text_event("plain")]);
    }
}

/// R165 R181 (F40, F42): Uncompressed messages and Pings between compressed messages do not change
/// the window.
#[test]
fn f40_uncompressed_messages_do_not_change_the_window() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0xC1, &HELLO),
            frame(peer, 0x81, &[b'x'; 300]),
            frame(peer, 0x89, &[b'y'; 100]),
            frame(peer, 0xC1, &HELLO_AGAIN),
        ]
        .concat();
        let outcome = receive(|| open(role), &input);
        assert_eq!(outcome.events[0], text_event("Hello"));
        assert_eq!(outcome.events[3], text_event("Hello"));
        // A sender does not refer to a message that was sent uncompressed.
        let (mut sender, mut out) = (open(role), Vec::new());
        let random = incompressible(500, 1);
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
            assert_eq!(three[1..], [text_event(&json(500, 1)), text_event(&json(500, 1))]);
        }
    }
}

/// R149 R152 R178: Without context takeover, each message is decoded on its own, and a reference to
/// an earlier message is an error.
#[test]
fn s7_1_1_without_context_takeover_messages_are_independent() {
    for role in ROLES {
        let without_takeover = || upgraded(role, params(15, true), compress_all());
        let mut out = Vec::new();
        let mut sender = without_takeover();
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
            assert_eq!(alone.events, [text_event(&json(700, at / 2))]);
        }
        let peer = peer_of(role);
        let outcome = receive(
            without_takeover,
            &[frame(peer, 0xC1, &HELLO), frame(peer, 0xC1, &HELLO_AGAIN)].concat(),
        );
        assert_eq!(outcome.events, [text_event("Hello")]);
        assert_eq!(outcome.error, Some(ProtocolError::InvalidDeflate));
    }
}

/// R162 R164 R175 R182 R147 (F43): With windows of every size, sent messages are decoded with that
/// window, and received messages may refer to the whole window, and not further back.
#[test]
fn f43_windows_of_every_size() {
    for bits in 8..=15 {
        let window = 1 << bits;
        for (takeover, level) in [(true, 1), (true, 6), (false, 6), (true, 9)] {
            let config = Config::new().deflate(DeflateConfig::new().threshold(0).level(level));
            let negotiated = params(bits, !takeover);
            let mut sender = upgraded(Role::Server, negotiated, config);
            let mut receiver = upgraded(Role::Client, negotiated, compress_all());
            // Repetitions at the end of the window and beyond it, within a message and between
            // messages.
            for distance in [window / 2, window - 1, window, window + 1, window + window / 5] {
                let marker = incompressible(64, 7);
                let message = [
                    &marker[..],
                    &incompressible(distance - 64, 9),
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
        // A match at the greatest distance and a match beyond it, in a fixed block.
        for (distance, fits) in [(window, true), (window + 1, false)] {
            if distance > 32_768 {
                continue;
            }
            let data = incompressible(window + 1, 5);
            let mut blocks = Vec::new();
            for piece in data.chunks(60_000) {
                blocks.extend(stored_block(piece));
            }
            blocks.extend(fixed_block_with_match(distance));
            let mut message = Vec::new();
            for (at, piece) in blocks.chunks(125).enumerate() {
                message.extend(frame(Role::Client, if at == 0 { 0x42 } else { 0x00 }, piece));
            }
            message.extend(frame(Role::Client, 0x80, &[]));
            let make = || upgraded(Role::Server, params(bits, false), compress_all());
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

/// A fixed block with one match of three bytes at `distance`, and the header of an empty stored
/// block.
fn fixed_block_with_match(distance: usize) -> Vec<u8> {
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
    // The end of the block, and the start of an empty stored block, whose length is the tail.
    put(0, 7, true);
    put(0, 3, false);
    bytes
}

/// R187 (F36, F37, F10): The size limit applies to the inflated bytes, exactly, for any frames, and
/// bounds the memory.
#[test]
fn f36_f37_the_size_limit_applies_to_inflated_bytes() {
    const LIMIT: usize = 100_000;
    for role in ROLES {
        for (delivery, data) in [Delivery::Messages, Delivery::Chunks]
            .into_iter()
            .flat_map(|delivery| [(delivery, vec![0; LIMIT + 1]), (delivery, incompressible(LIMIT + 1, 3))])
        {
            for (len, fits) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false)] {
                let (mut sender, mut out) = (open(peer_of(role)), Vec::new());
                sender
                    .send_fragment(MessageKind::Binary, &data[..len / 2], false, &mut out)
                    .unwrap();
                sender
                    .send_fragment(MessageKind::Binary, &data[len / 2..len], true, &mut out)
                    .unwrap();
                let config = compress_all().max_message_size(LIMIT as u64).delivery(delivery);
                let mut receiver = upgraded(role, params(15, false), config);
                let mut piece = out.clone();
                let mut outcome = support::Outcome::default();
                let heap = allocation_counter::measure(|| outcome = feed(&mut receiver, &piece));
                piece.clear();
                assert!(heap.bytes_max < 8 * LIMIT as u64, "{heap:?}");
                let received = match delivery {
                    Delivery::Chunks => join_chunks(&outcome.events).0.len(),
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
                    (false, Delivery::Chunks) => assert_eq!(received, LIMIT, "exactly the limit is delivered"),
                    (false, _) => assert_eq!(received, 0),
                }
            }
        }
    }
}

/// R187 R138 (F36): A message with a compression ratio of 1000 holds no memory beyond the limit.
#[test]
fn f36_a_message_with_a_compression_ratio_of_a_thousand_is_bounded() {
    let (mut sender, mut bomb) = (open(Role::Client), Vec::new());
    sender.send_binary(&vec![0; 64 << 20], &mut bomb).unwrap();
    assert!(bomb.len() < 100_000);
    let config = compress_all().max_message_size(1 << 20);
    for config in [config.clone(), with_chunks(config)] {
        let mut receiver = upgraded(Role::Server, params(15, false), config);
        let heap = allocation_counter::measure(|| {
            let (mut input, mut out) = (&mut bomb.clone()[..], Vec::new());
            let error = loop {
                match receiver.receive(&mut input, &mut out) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("the message exceeds the limit"),
                    Err(error) => break error,
                }
            };
            assert_eq!(*error, inflates_too_big(1 << 20));
        });
        assert!(heap.bytes_max < 4 << 20, "{heap:?}");
    }
}

/// R169 R099 (F52): The inflated text has to be valid UTF-8. An error is reported at once, wherever
/// the text is cut.
#[test]
fn s6_inflated_text_is_validated() {
    for role in ROLES {
        let peer = peer_of(role);
        for (data, valid) in [
            ("größe 🎈".as_bytes(), true),
            (b"\xC3", false),
            (b"ok\xFF", false),
            (b"\xED\xA0\x80", false),
        ] {
            let message = frame(peer, 0xC1, &[&stored_block(data)[..], &[0]].concat());
            let outcome = receive(|| open(role), &message);
            assert_eq!(
                outcome.error,
                (!valid).then_some(ProtocolError::InvalidUtf8),
                "{data:x?}"
            );
            let outcome = feed(
                &mut upgraded(role, params(15, false), with_chunks(compress_all())),
                &message,
            );
            assert_eq!(
                outcome.error,
                (!valid).then_some(ProtocolError::InvalidUtf8),
                "{data:x?}"
            );
        }
        // An incomplete message.
        let mut early = frame(peer, 0x41, &stored_block(b"a\xFFb"));
        early.truncate(early.len() - 1);
        assert_eq!(feed(&mut open(role), &early).error, Some(ProtocolError::InvalidUtf8));
        // Code points that span blocks and frames.
        let text = "ä€🎈".repeat(20);
        for cut in 0..text.len() {
            let (front, back) = text.as_bytes().split_at(cut);
            let input = [
                frame(peer, 0x41, &stored_block(front)),
                frame(peer, 0x80, &[&stored_block(back)[..], &[0]].concat()),
            ]
            .concat();
            assert_eq!(feed(&mut open(role), &input).events, [Event::Text(text.clone().into())]);
            let events = feed(
                &mut upgraded(role, params(15, false), with_chunks(compress_all())),
                &input,
            )
            .events;
            assert_eq!(join_chunks(&events), (text.clone().into_bytes(), true), "{cut}");
        }
    }
}

/// R186 (F47): Data that is not valid DEFLATE fails the connection, wherever it is cut. Earlier
/// messages are delivered.
#[test]
fn f47_undecodable_data_fails_the_connection() {
    for (what, payload) in [
        ("a reserved block type", vec![0x06]),
        ("lengths that do not match", vec![0x00, 0x05, 0x00, 0x00, 0x00]),
        ("a distance before the start", HELLO_AGAIN.to_vec()),
        ("a truncated block", HELLO[..3].to_vec()),
        ("a truncated stored block", stored_block(b"Hello")[..7].to_vec()),
        ("a stored block without a header after it", stored_block(b"Hello")),
        (
            "the tail, which is not sent",
            [&HELLO[..], &[0x00, 0x00, 0xff, 0xff]].concat(),
        ),
        ("bytes after the last block", [&HELLO[..], &[0xff, 0xff]].concat()),
        (
            "code lengths that are no valid code",
            vec![0x04, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
    ] {
        for role in ROLES {
            let peer = peer_of(role);
            let input = [
                frame(peer, 0x81, b"before"),
                frame(peer, 0xC2, &payload),
                frame(peer, 0x81, b"after"),
            ]
            .concat();
            let outcome = receive(|| open(role), &input);
            assert_eq!(outcome.events, [text_event("before")], "{what}");
            assert_eq!(outcome.error, Some(ProtocolError::InvalidDeflate), "{what}");
            let close = frames(role, &outcome.out);
            assert_eq!(close, [(0x88, 1007_u16.to_be_bytes().to_vec())], "{what}");
        }
    }
}

/// R171 R165 (F29, F45): Several messages that are cut at every position have the same outcome,
/// also with chunk delivery.
#[test]
fn f45_the_result_does_not_depend_on_the_cuts() {
    for role in ROLES {
        let (mut sender, mut input) = (open(peer_of(role)), Vec::new());
        sender.send_text(&json(600, 1), &mut input).unwrap();
        sender
            .send_fragment(MessageKind::Binary, &incompressible(70, 1), false, &mut input)
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
                &mut upgraded(role, params(15, false), with_chunks(compress_all())),
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

/// R188: The caller chooses for each message whether it is compressed. Small messages are not
/// compressed.
#[test]
fn s8_the_caller_chooses_what_is_compressed() {
    let deflate = DeflateConfig::new().threshold(200);
    let config = Config::new().deflate(deflate.clone());
    let (mut sender, mut out) = (upgraded(Role::Server, params(15, false), config), Vec::new());
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
    let (mut sender, mut out) = (upgraded(Role::Server, params(15, false), config), Vec::new());
    sender.send_text(&json(900, 1), &mut out).unwrap();
    assert_eq!(frames(Role::Server, &out)[0].0, 0x81, "level 0 does not compress");
}

/// Section 6.1: messages are compressed whatever the capacity of the output, also after fragments.
#[test]
fn s6_1_the_capacity_of_the_output_does_not_change_the_frames() {
    for role in [Role::Server, Role::Client] {
        let sent = |room: usize| {
            let mut sender = upgraded(role, params(15, false), compress_all());
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

/// The memory of compression (F46): none before the first compressed message, and with `release`
/// only the window that context takeover needs after a message.
#[test]
fn f46_memory_depends_on_the_configuration() {
    for (takeover, release) in [(true, false), (true, true), (false, false), (false, true)] {
        let config = Config::new().deflate(DeflateConfig::new().threshold(0).release(release));
        let negotiated = params(12, !takeover);
        let mut idle = None;
        let created = allocation_counter::measure(|| {
            idle = Some((
                upgraded(Role::Server, negotiated, config.clone()),
                upgraded(Role::Server, negotiated, config.clone()),
            ));
        });
        assert_eq!(created.bytes_current, 0, "no memory before the first message");
        let (mut sender, mut receiver) = idle.unwrap();
        let mut out = Vec::with_capacity(1 << 16);
        let sending = allocation_counter::measure(|| sender.send_text(&json(20_000, 1), &mut out).unwrap());
        let mut client = upgraded(Role::Client, negotiated, compress_all());
        let (mut input, message) = (Vec::new(), json(20_000, 2));
        client.send_text(&message, &mut input).unwrap();
        let receiving = allocation_counter::measure(|| {
            let mut rest = &mut input[..];
            let event = receiver.receive(&mut rest, &mut out).unwrap();
            assert_eq!(event, Some(text_event(&message)));
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

/// `DeflateConfig::low_memory` (F46): the memory of what is sent follows the window. It is
/// documented there: `6 * 2^bits + 258` bytes, and with `release` and context takeover `2^bits`.
#[test]
fn f46_in_low_memory_the_deflater_follows_the_window() {
    // Fields of the deflater, and what the allocator is asked for beside its tables.
    const FIXED: i64 = 256;
    for bits in 8..=15 {
        let window = 1_i64 << bits.min(12);
        for (takeover, release) in [(true, false), (true, true), (false, false), (false, true)] {
            let deflate = DeflateConfig::new().threshold(0).low_memory(true).release(release);
            let mut sender = None;
            let open = || upgraded(Role::Server, params(bits, !takeover), Config::new().deflate(deflate));
            let created = allocation_counter::measure(|| sender = Some(open()));
            assert_eq!(created.bytes_current, 0, "no memory before the first message");
            let (mut sender, mut receiver) = (
                sender.unwrap(),
                upgraded(Role::Client, params(bits, !takeover), compress_all()),
            );
            let mut held = 0;
            for seed in 0..20 {
                let mut out = Vec::with_capacity(1 << 16);
                let message = json(if seed % 3 == 0 { 20_000 } else { 200 }, seed);
                let sending = allocation_counter::measure(|| sender.send_text(&message, &mut out).unwrap());
                held += sending.bytes_current;
                let most = match (takeover, release) {
                    (_, false) => 7 * window + 258 + FIXED,
                    (true, true) => window + FIXED,
                    (false, true) => FIXED,
                };
                assert!(held <= most, "{bits} {takeover} {release} {seed}: {held}");
                // The compressed message, while it grows.
                let peak = 7 * window + 258 + FIXED + 3 * out.len() as i64;
                assert!(sending.bytes_max as i64 <= peak, "{bits} {seed}: {sending:?}");
                assert_eq!(feed(&mut receiver, &out).events, [text_event(&message)]);
            }
            if release && takeover {
                let repeated = [json(150, 5), json(150, 5)].map(|message| {
                    let mut out = Vec::new();
                    sender.send_text(&message, &mut out).unwrap();
                    out.len()
                });
                assert!(repeated[1] < 20, "the window is kept: {repeated:?}");
            }
        }
    }
}

/// In low memory, a window of at most 12 bits is used, whatever was negotiated, and nothing else
/// changes: what was negotiated, and what is received.
#[test]
fn s7_1_2_in_low_memory_the_window_has_at_most_12_bits() {
    let config = Config::new().deflate(DeflateConfig::new().threshold(0).low_memory(true));
    for role in ROLES {
        let (repeated, other) = (incompressible(200, 3), incompressible(4096 - 200, 5));
        for (distance, is_found) in [(other.len(), true), (other.len() + 1, false)] {
            let mut sender = upgraded(role, params(15, false), config.clone());
            let mut out = Vec::new();
            sender
                .send_fragment(MessageKind::Binary, &repeated, false, &mut out)
                .unwrap();
            let between = [&other[..], &[0]].concat();
            sender
                .send_fragment(MessageKind::Binary, &between[..distance], false, &mut out)
                .unwrap();
            let before = out.len();
            sender
                .send_fragment(MessageKind::Binary, &repeated, true, &mut out)
                .unwrap();
            assert_eq!(out.len() - before < 50, is_found);
        }
        // The peer uses 15 bits.
        let mut peer = open(peer_of(role));
        let mut out = Vec::new();
        let far = [&repeated[..], &incompressible(20_000, 7), &repeated].concat();
        peer.send_fragment(MessageKind::Binary, &far, true, &mut out).unwrap();
        let outcome = feed(&mut upgraded(role, params(15, false), config.clone()), &out);
        assert_eq!(outcome.events, [Event::Binary(far.into())]);
    }
}

/// `DeflatePool` (F42, F46): many connections share the state of one, and do not affect each other.
#[test]
fn f42_a_pool_serves_many_connections() {
    for (bits, takeover) in [(15, false), (12, false), (12, true), (15, true)] {
        let negotiated = params(bits, !takeover);
        let mut pool = DeflatePool::new(1);
        let mut pairs: Vec<_> = (0..10)
            .map(|_| {
                (
                    upgraded(Role::Server, negotiated, compress_all()),
                    upgraded(Role::Client, negotiated, compress_all()),
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
                    [text_event(&message)],
                    "{bits} {takeover} {round} {at}"
                );
                client.return_deflate_state(&mut pool);
            }
        }
        let shown = format!("{pool:?}");
        let deflaters = usize::from(!takeover);
        // With zlib-rs, which inflates windows of 15 bits, the history is in the state.
        let inflaters = usize::from(!(takeover && bits == 15 && cfg!(feature = "zlib-rs")));
        let expected = format!("deflaters: {deflaters}, inflaters: {inflaters}");
        assert!(shown.contains(&expected), "{bits} {takeover}: {shown}");
    }
}

/// A connection that compresses nothing takes no state from a pool, nor does a sender that would
/// keep it.
#[test]
fn a_pool_keeps_state_that_a_connection_cannot_use() {
    let mut pool = DeflatePool::new(1);
    let [mut server, mut client] = ROLES.map(|role| upgraded(role, params(15, true), compress_all()));
    let mut out = Vec::new();
    server.send_text(&json(500, 1), &mut out).unwrap();
    feed(&mut client, &out);
    for connection in [&mut server, &mut client] {
        connection.return_deflate_state(&mut pool);
    }
    let full = format!("{pool:?}");
    assert!(full.contains("deflaters: 1") && full.contains("inflaters: 1"), "{full}");
    support::open(Role::Server, Config::new()).borrow_deflate_state(&mut pool);
    assert_eq!(format!("{pool:?}"), full);
    upgraded(Role::Server, params(15, false), compress_all()).borrow_deflate_state(&mut pool);
    assert!(format!("{pool:?}").contains("deflaters: 1"), "{pool:?}");
}

/// A pool gives its state to connections that return it, and not to a sender with context takeover.
/// It keeps the state that was used last. A borrowed inflater gets the history of its new
/// connection (F42).
#[test]
fn f42_a_pool_serves_connections_that_return_the_state() {
    let mut pool = DeflatePool::new(1);
    let used = |pool: &mut DeflatePool, bits: u8, takeover: bool, message: &str| {
        let mut server = upgraded(Role::Server, params(bits, !takeover), compress_all());
        server.borrow_deflate_state(pool);
        let mut out = Vec::new();
        server.send_text(message, &mut out).unwrap();
        server.return_deflate_state(pool);
    };
    used(&mut pool, 15, false, &json(500, 1));
    used(&mut pool, 15, true, &json(500, 1));
    assert!(
        format!("{pool:?}").contains("deflaters: 1"),
        "the state was not borrowed: {pool:?}"
    );
    used(&mut pool, 12, false, &json(500, 1));
    let again = allocation_counter::measure(|| used(&mut pool, 12, false, &json(500, 2)));
    assert!(
        again.bytes_max < 50_000,
        "the state of the last window size is kept: {again:?}"
    );

    // A deflater in low memory serves others of that kind. What it has compressed has no effect.
    let low_memory = || {
        let deflate = DeflateConfig::new().threshold(0).level(1).low_memory(true);
        upgraded(Role::Server, params(12, true), Config::new().deflate(deflate))
    };
    for seed in 0..10 {
        let message = json(500 * (10 - seed), seed * 1000);
        let (mut server, mut alone) = (low_memory(), Vec::new());
        server.send_text(&message, &mut alone).unwrap();
        let (mut server, mut shared) = (low_memory(), Vec::with_capacity(alone.len()));
        let sending = allocation_counter::measure(|| {
            server.borrow_deflate_state(&mut pool);
            server.send_text(&message, &mut shared).unwrap();
            server.return_deflate_state(&mut pool);
        });
        assert!(shared == alone, "{seed}");
        assert_eq!(sending.bytes_max > 20_000, seed == 0, "the state is kept: {sending:?}");
    }

    for bits in [15, 12] {
        // A connection that keeps only its window borrows an inflater that has inflated other
        // messages.
        let mut pool = DeflatePool::new(1);
        let mut other = upgraded(Role::Client, params(bits, true), compress_all());
        let config = Config::new().deflate(DeflateConfig::new().threshold(0).release(true));
        let negotiated = params(bits, false);
        let mut sender = upgraded(Role::Server, negotiated, compress_all());
        let mut receiver = upgraded(Role::Client, negotiated, config);
        for round in 0..3 {
            let message = json(800, round);
            let mut plain = upgraded(Role::Server, params(bits, true), compress_all());
            let mut out = Vec::new();
            plain.send_text(&json(700, 9), &mut out).unwrap();
            assert_eq!(feed(&mut other, &out).events, [text_event(&json(700, 9))]);
            other.return_deflate_state(&mut pool);
            let mut out = Vec::new();
            sender.send_text(&message, &mut out).unwrap();
            receiver.borrow_deflate_state(&mut pool);
            let inflaters = usize::from(bits == 15 && cfg!(feature = "zlib-rs"));
            assert!(
                format!("{pool:?}").contains(&format!("inflaters: {inflaters}")),
                "{pool:?}"
            );
            let outcome = feed(&mut receiver, &out);
            assert_eq!(
                (outcome.events, outcome.error),
                (vec![text_event(&message)], None),
                "{bits} {round}"
            );
        }
    }
}

/// A connection borrows state if it has none (F42), and returns what it has. The pool keeps no more
/// than its limit.
#[test]
fn f42_a_connection_with_state_borrows_none() {
    let negotiated = params(12, true);
    let pair = || [Role::Server, Role::Client].map(|role| upgraded(role, negotiated, compress_all()));
    let talk = |[server, client]: &mut [Connection; 2]| {
        let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
        server.send_text(&json(500, 1), &mut to_client).unwrap();
        client.send_text(&json(500, 2), &mut to_server).unwrap();
        assert_eq!(feed(client, &to_client).events, [text_event(&json(500, 1))]);
        assert_eq!(feed(server, &to_server).events, [text_event(&json(500, 2))]);
    };
    let assert_holds = |pool: &DeflatePool, count: usize| {
        let expected = format!("DeflatePool {{ deflaters: {count}, inflaters: {count}, max: 4 }}");
        assert_eq!(format!("{pool:?}"), expected);
    };
    let mut pool = DeflatePool::new(4);
    let mut connections = pair();
    for _ in 0..3 {
        for connection in &mut connections {
            connection.borrow_deflate_state(&mut pool);
        }
        assert_holds(&pool, 0);
        talk(&mut connections);
        for connection in &mut connections {
            connection.return_deflate_state(&mut pool);
        }
        assert_holds(&pool, 2);
    }
    for (before, after) in [(2, 4), (4, 4)] {
        let mut others = pair();
        talk(&mut others);
        for other in &mut others {
            other.borrow_deflate_state(&mut pool);
        }
        assert_holds(&pool, before);
        for other in &mut others {
            other.return_deflate_state(&mut pool);
        }
        assert_holds(&pool, after);
    }
}

/// State that is borrowed can be returned unused, and in the middle of a message it stays (F42).
#[test]
fn f42_state_is_returned_between_messages_only() {
    let mut pool = DeflatePool::new(1);
    for bits in [12, 15] {
        let [mut server, mut client] =
            [Role::Server, Role::Client].map(|role| upgraded(role, params(bits, true), compress_all()));
        let mut out = Vec::new();
        server
            .send_fragment(MessageKind::Text, b"in two ", false, &mut out)
            .unwrap();
        server.return_deflate_state(&mut pool);
        server
            .send_fragment(MessageKind::Text, b"fragments", true, &mut out)
            .unwrap();
        let (front, back) = out.split_at(out.len() - 3);
        assert_eq!(feed(&mut client, front).events, []);
        client.return_deflate_state(&mut pool);
        assert!(format!("{pool:?}").contains("deflaters: 0, inflaters: 0"), "{pool:?}");
        assert_eq!(feed(&mut client, back).events, [text_event("in two fragments")]);
        for _ in 0..2 {
            server.return_deflate_state(&mut pool);
            client.return_deflate_state(&mut pool);
            assert!(format!("{pool:?}").contains("deflaters: 1, inflaters: 1"), "{pool:?}");
            server.borrow_deflate_state(&mut pool);
            client.borrow_deflate_state(&mut pool);
            assert!(format!("{pool:?}").contains("deflaters: 0, inflaters: 0"), "{pool:?}");
        }
    }
}

/// State of another back end does not serve a window (F42).
#[test]
fn f42_state_serves_the_windows_of_its_back_end() {
    for (bits, other) in [(12, 15), (15, 12)] {
        let mut pool = DeflatePool::new(1);
        let [mut server, mut client] =
            [Role::Server, Role::Client].map(|role| upgraded(role, params(bits, true), compress_all()));
        let mut out = Vec::new();
        server.send_text(&json(500, 1), &mut out).unwrap();
        feed(&mut client, &out);
        client.return_deflate_state(&mut pool);
        let mut stranger = upgraded(Role::Client, params(other, true), compress_all());
        stranger.borrow_deflate_state(&mut pool);
        let left = usize::from(cfg!(feature = "zlib-rs"));
        assert!(format!("{pool:?}").contains(&format!("inflaters: {left}")), "{pool:?}");
    }
}

/// The window of a receiver grows with what it has received (F46).
#[test]
fn f46_a_window_grows_with_what_is_received() {
    let config = Config::new().deflate(DeflateConfig::new().threshold(0).release(true));
    let mut sender = upgraded(Role::Server, params(14, false), compress_all());
    let mut receiver = upgraded(Role::Client, params(14, false), config);
    let mut out = Vec::new();
    for number in 0..20 {
        sender
            .send_text(&format!("message message message {number}"), &mut out)
            .unwrap();
    }
    assert!(frames(Role::Server, &out).iter().all(|(first, _)| *first == 0xC1));
    let kept = allocation_counter::measure(|| {
        let mut input = &mut out[..];
        while receiver.receive(&mut input, &mut Vec::new()).unwrap().is_some() {}
    });
    assert!(kept.bytes_current <= (1 << 10) + 256, "{kept:?}");
}

/// F36: The limit on the compressed size counts what the headers announce, to the byte.
#[test]
fn f36_the_limit_on_the_compressed_size_is_exact() {
    for (excess, error) in [(0, None), (1, Some(inflates_too_big(1000)))] {
        let config = compress_all().max_message_size(1000);
        let mut connection = upgraded(Role::Client, params(12, false), config);
        // Twice the limit, 64 KiB, and 16 bytes of each frame.
        let len = 2 * 1000 + (64 << 10) + 16 + excess;
        let header = [&[0xC1, 127][..], &u64::to_be_bytes(len)].concat();
        assert_eq!(feed(&mut connection, &header).error, error);
    }
}

/// Empty blocks do not evade the limit (F36): the compressed size of a message is bounded too, in
/// any frames. Small fragments that are flushed one by one stay below the bound.
#[test]
fn f36_the_compressed_size_is_limited_too() {
    for size in [125, 4000] {
        let config = compress_all().max_message_size(1000);
        let mut connection = upgraded(Role::Server, params(12, false), config);
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
    // Fragments of two bytes, each flushed.
    let mut sender = open(Role::Client);
    let config = compress_all().max_message_size(40_000);
    let mut receiver = upgraded(Role::Server, params(15, false), config);
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

/// `Parts::lossless` is false inside a compressed message, and if later messages may refer to
/// earlier ones.
#[test]
fn parts_lossless_says_whether_state_is_lost() {
    let parts = |takeover: bool, cut: usize| {
        let negotiated = params(15, !takeover);
        let (mut sender, mut out) = (upgraded(Role::Client, negotiated, compress_all()), Vec::new());
        sender.send_text(&json(300, 1), &mut out).unwrap();
        let whole = out.len();
        let mut receiver = upgraded(Role::Server, negotiated, compress_all());
        let fed = feed(&mut receiver, &out[..if cut == 0 { whole } else { cut }]);
        assert_eq!(fed.error, None);
        receiver.into_parts()
    };
    assert!(parts(false, 0).lossless && parts(false, 0).unread.is_empty());
    assert!(!parts(true, 0).lossless);
    // Nothing can refer to an empty message.
    let mut receiver = upgraded(Role::Client, params(15, false), compress_all());
    assert_eq!(feed(&mut receiver, b"\xC1\x01\0").events, [text_event("")]);
    assert!(receiver.into_parts().lossless);
    for takeover in [false, true] {
        // In the header of a frame, nothing is inflated yet.
        assert!(parts(takeover, 3).lossless && parts(takeover, 3).unread.len() == 3);
        let within = parts(takeover, 40);
        assert!(!within.lossless && within.unread.is_empty(), "{within:?}");
    }
}

/// A large message leaves no large buffer (F46).
#[test]
fn f46_a_large_message_leaves_no_large_buffer() {
    let (mut sender, mut out) = (open(Role::Server), Vec::with_capacity(4 << 20));
    sender.send_text(&json(300, 1), &mut out).unwrap();
    let large = incompressible(3 << 20, 3);
    let kept = allocation_counter::measure(|| sender.send_binary(&large, &mut out).unwrap());
    assert!(kept.bytes_current < 1 << 16, "{kept:?}");
}

/// R162 R175: Another implementation inflates the messages of a sender with a window of any size.
#[test]
fn s7_2_1_another_implementation_reads_what_is_sent() {
    for bits in 8..=15 {
        let (mut sender, mut out) = (upgraded(Role::Server, params(bits, false), compress_all()), Vec::new());
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
        // An empty final block ends the stream.
        stream.extend([0x03, 0x00]);
        let plain = miniz_oxide::inflate::decompress_to_vec(&stream).unwrap();
        assert!(plain == messages.concat().into_bytes(), "{bits}");
    }
}
