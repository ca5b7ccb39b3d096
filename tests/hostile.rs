//! Known failures of WebSocket implementations on open connections. Each test has the number of its
//! failure mode in `docs/FAILURE-MODES.md`.
//!
//! The modes of compression are in `deflate.rs`, F14 to F26 (the handshake) in
//! `hostile_handshake.rs`, F34 and F35 in `adapters/`. The tests measure memory and count calls,
//! and do not measure time.

use allocation_counter::{AllocationInfo, measure};
use sockless::{
    ClientRequest, CloseCode, CloseFrame, ClosedBy, Config, Connection, Delivery, Event, MessageKind, ProtocolError,
    Role, SendError, State, mask,
};
use support::{
    KEY, Length, ROLES, control_frame_too_long, feed, feed_bytewise, feed_cut, fragmented_control_frame, frame, frames,
    header,
    heads::request_and,
    interleaved_message, non_minimal_length, open,
    pair::{Endpoint, Pair},
    peer_of,
    random::Rng,
    reserved_bits, reserved_opcode, too_big,
};

/// A configuration without limits.
fn unlimited() -> Config {
    Config::new().max_message_size(u64::MAX).max_fragments(u32::MAX)
}

/// The header of a frame of `sender`, with its key, without a payload.
fn header_with_key(sender: Role, first: u8, form: Length, len: u64) -> Vec<u8> {
    let mut bytes = header(first, sender == Role::Client, form, len);
    if sender == Role::Client {
        bytes.extend([0; 4]);
    }
    bytes
}

/// Receives `input` in pieces and drops the events and the replies. Returns the number of events,
/// the number of calls, and the allocations.
fn receive_and_measure(connection: &mut Connection, input: &mut [u8], piece: usize) -> (usize, usize, AllocationInfo) {
    let (mut events, mut calls) = (0, 0);
    let mut out = Vec::with_capacity(4096);
    let info = measure(|| {
        for piece in input.chunks_mut(piece) {
            let mut rest = piece;
            loop {
                calls += 1;
                out.clear();
                match connection.receive(&mut rest, &mut out) {
                    Ok(Some(event)) => drop(event),
                    Ok(None) | Err(_) => break,
                }
                events += 1;
            }
        }
    });
    (events, calls, info)
}

// Length, allocation, complexity

/// R065 R137 R138: A length that is negative or wraps in some integer type is refused, or received
/// as what it is. With limits or without, no memory is reserved for it.
#[test]
fn f01_huge_lengths() {
    for role in ROLES {
        for len in [1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX] {
            for (config, limited) in [(Config::default(), true), (unlimited(), false)] {
                for first in [0x81, 0x82, 0x01] {
                    let mut bytes = header_with_key(peer_of(role), first, Length::Long, len);
                    bytes.extend([b'x'; 20]);
                    let expected = if len >> 63 == 1 {
                        Some(ProtocolError::LengthOverflow)
                    } else {
                        limited.then_some(too_big(len, 16 << 20))
                    };
                    let row = format!("{role:?}: {len:x}, limited: {limited}");
                    for outcome in [
                        feed(&mut open(role, config.clone()), &bytes),
                        feed_bytewise(&mut open(role, config.clone()), &bytes),
                    ] {
                        assert_eq!((outcome.error, &outcome.events[..]), (expected, &[][..]), "{row}");
                    }
                    let (events, _, info) =
                        receive_and_measure(&mut open(role, config.clone()), &mut bytes, usize::MAX);
                    assert_eq!(events, 0, "{row}");
                    assert!(info.bytes_total < 70 << 10, "{row}: {info:?}");
                }
            }
        }
    }
}

/// R137: The sum of the lengths of a message does not wrap.
#[test]
fn f02_the_sum_of_lengths_does_not_wrap() {
    const MAX: u64 = (1 << 63) - 1;
    for role in ROLES {
        let peer = peer_of(role);
        for (limit, len, expected) in [
            (u64::MAX, u64::MAX, Some(ProtocolError::LengthOverflow)),
            (u64::MAX, MAX, None),
            (MAX + 1, MAX, None),
            (MAX, MAX, Some(too_big(MAX + 1, MAX))),
            (MAX, MAX - 1, None),
            (10, MAX, Some(too_big(MAX + 1, 10))),
            (10, u64::MAX, Some(ProtocolError::LengthOverflow)),
        ] {
            let config = Config::new().max_message_size(limit);
            let input = [frame(peer, 0x02, b"x"), header_with_key(peer, 0x80, Length::Long, len)].concat();
            let outcome = feed(&mut open(role, config), &input);
            assert_eq!(outcome.error, expected, "{role:?}: limit {limit:x}, length {len:x}");
        }
    }
}

/// R065: The length of a message in progress does not wrap when `into_parts` returns it as one
/// frame.
#[test]
fn f02_into_parts_of_a_huge_message_does_not_wrap() {
    for role in ROLES {
        let peer = peer_of(role);
        let mut connection = open(role, unlimited());
        let largest = header_with_key(peer, 0x80, Length::Long, (1 << 63) - 1);
        feed(&mut connection, &[&frame(peer, 0x02, b"x")[..], &largest].concat());
        let unread = connection.into_parts().unread;
        let outcome = feed(&mut open(role, unlimited()), &unread);
        assert_eq!(outcome.error, None, "{role:?}: {unread:02x?}");
    }
}

/// R067: The high bytes of a 64-bit length are not dropped.
#[test]
fn f03_a_length_over_32_bits() {
    for role in ROLES {
        for len in [(1 << 32) + 5, (1 << 40) + 5, (5 << 32) + 5] {
            let mut input = header_with_key(peer_of(role), 0x82, Length::Long, len);
            input.extend(b"12345");
            // The bytes after the first five are payload, not a frame.
            input.extend(frame(peer_of(role), 0x89, b"ping"));
            let config = Config::new().max_message_size(u64::MAX).delivery(Delivery::Chunks);
            let outcome = feed(&mut open(role, config), &input);
            let [Event::Chunk(chunk)] = &outcome.events[..] else {
                panic!("{role:?}: {len:x}: {:?}", outcome.events);
            };
            assert!(!chunk.frame_end && chunk.as_bytes().len() > 5, "{role:?}: {len:x}");
            let outcome = feed(&mut open(role, unlimited()), &input);
            assert_eq!(
                (&outcome.events[..], outcome.out.len()),
                (&[][..], 0),
                "{role:?}: {len:x}"
            );
        }
    }
}

/// R138: The header of any frame allocates nothing.
#[test]
fn f04_memory_for_announced_lengths() {
    for role in ROLES {
        for (first, form, len) in [
            (0x81, Length::Short, 125),
            (0x82, Length::Medium, 65_535),
            (0x81, Length::Long, 16 << 20),
            (0x02, Length::Long, 16 << 20),
            (0x88, Length::Short, 125),
            (0x89, Length::Short, 125),
        ] {
            let mut bytes = header_with_key(peer_of(role), first, form, len);
            for piece in [1, usize::MAX] {
                let (_, _, info) = receive_and_measure(&mut open(role, Config::default()), &mut bytes, piece);
                assert_eq!(info.count_total, 0, "{role:?}: {first:02x}, {len}");
            }
        }
    }
}

/// R137: The size limit applies to the message, not to each frame: a message without an end fails
/// at the limit.
#[test]
fn f05_endless_fragments() {
    for role in ROLES {
        let config = Config::new().max_message_size(10_000);
        let mut input = frame(peer_of(role), 0x02, &[b'x'; 999]);
        for _ in 0..1000 {
            input.extend(frame(peer_of(role), 0x00, &[b'x'; 999]));
        }
        let mut connection = open(role, config);
        let (events, _, info) = receive_and_measure(&mut connection, &mut input, 500);
        assert_eq!(events, 0);
        let error = connection.close_status().unwrap().error;
        assert_eq!(error, Some(too_big(11 * 999, 10_000)));
        assert!(info.bytes_max < 3 * 10_000 + (64 << 10), "{role:?}: {info:?}");
    }
}

/// R078 R137 R138: A million empty fragments allocate nothing, and the default limit stops them.
#[test]
fn f06_a_million_empty_fragments() {
    const MILLION: usize = 1_000_000;
    for role in ROLES {
        for (opcode, million) in [(0x01, MILLION), (0x02, MILLION / 5)] {
            let begin = frame(peer_of(role), opcode, b"");
            let more = frame(peer_of(role), 0x00, b"");
            let mut input = [&begin[..], &more.repeat(million)].concat();
            let mut connection = open(role, unlimited());
            let (events, calls, info) = receive_and_measure(&mut connection, &mut input.clone(), usize::MAX);
            assert_eq!((events, calls, info.bytes_total), (0, 1, 0), "{role:?}");
            let outcome = feed(&mut connection, &frame(peer_of(role), 0x80, b""));
            assert_eq!(outcome.events.len(), 1, "the message is empty");

            let mut connection = open(role, Config::default());
            let mut rest = &mut input[..];
            let mut out = Vec::new();
            let found = connection.receive(&mut rest, &mut out);
            assert_eq!(found, Err(Box::new(ProtocolError::TooManyFragments { limit: 131_072 })));
            let left = (million + 1 - 131_073) * more.len();
            assert_eq!(
                rest.len(),
                left,
                "{role:?}: receiving stops at the first frame over the limit"
            );
            assert_eq!(frames(role, &out), [(0x88, vec![0x03, 0xF0])]);
        }
    }
}

/// R068 R138: A megabyte in single bytes takes a call for each byte, and a few allocations of
/// doubling size, for any number of frames.
#[test]
fn f07_single_bytes_of_a_large_frame() {
    const LEN: usize = 1 << 20;
    for role in ROLES {
        for (opcode, frame_len) in [(0x1, LEN), (0x2, LEN), (0x2, 4)] {
            let mut input = Vec::new();
            let payload = vec![b'x'; frame_len];
            for i in 0..LEN / frame_len {
                let first = if i == 0 { opcode } else { 0 };
                let fin = if i + 1 == LEN / frame_len { 0x80 } else { 0 };
                input.extend(frame(peer_of(role), fin | first, &payload));
            }
            let config = Config::new().max_fragments(u32::MAX);
            let (events, calls, info) = receive_and_measure(&mut open(role, config), &mut input, 1);
            assert_eq!((events, calls), (1, input.len() + 1), "{role:?}, frames of {frame_len}");
            assert!(
                info.bytes_total < 5 * LEN as u64,
                "{role:?}, frames of {frame_len}: {info:?}"
            );
            assert!(info.count_total < 40, "{role:?}, frames of {frame_len}: {info:?}");
        }
    }
}

/// R138: The same for the head of a handshake. If each byte caused a new search, the test would
/// take hours.
#[test]
fn f07_single_bytes_of_a_large_head() {
    const LEN: usize = 1 << 20;
    let config = || Config::new().max_head_size(2 * LEN);
    let request = ClientRequest::new("ws://example.com/").unwrap();
    let client = Connection::client(&request, config(), [1; 32], &mut Vec::new()).unwrap();
    for (mut connection, line) in [
        (Connection::server(config()), "GET / HTTP/1.1\r\nX: "),
        (client, "HTTP/1.1 101 Switching Protocols\r\nX: "),
    ] {
        let mut input = line.as_bytes().to_vec();
        input.resize(LEN, b'x');
        let (events, calls, info) = receive_and_measure(&mut connection, &mut input, 1);
        assert_eq!((events, calls), (0, LEN));
        assert_eq!(connection.state(), State::Opening);
        assert!(info.bytes_total < 5 * LEN as u64, "{info:?}");
    }
}

/// R104: A million frames in one input are a million events, one for each call, without recursion.
#[test]
fn f08_a_million_frames_in_one_input() {
    const MILLION: usize = 1_000_000;
    for role in ROLES {
        let two = [frame(peer_of(role), 0x81, b""), frame(peer_of(role), 0x8A, b"")].concat();
        let mut input = two.repeat(MILLION / 2);
        let (events, calls, info) = receive_and_measure(&mut open(role, Config::default()), &mut input, usize::MAX);
        assert_eq!((events, calls, info.count_total), (MILLION, MILLION + 1, 0), "{role:?}");
    }
}

/// R075 R137: Control frames do not count towards the size of a message, also if they are larger
/// than its limit.
#[test]
fn f09_control_frames_do_not_count_towards_the_message() {
    for role in ROLES {
        let peer = peer_of(role);
        let config = Config::new().max_message_size(10);
        let ping = vec![b'p'; 125];
        let close = CloseFrame::new(CloseCode::NORMAL, "x".repeat(123));
        let body = [&[0x03, 0xE8][..], close.reason.as_bytes()].concat();
        let input = [
            frame(peer, 0x01, b"12345678"),
            frame(peer, 0x89, &ping),
            frame(peer, 0x00, b"90"),
            frame(peer, 0x8A, &ping),
            frame(peer, 0x80, b""),
            frame(peer, 0x88, &body),
        ]
        .concat();
        let outcome = feed(&mut open(role, config.clone()), &input);
        let expected = [
            Event::Ping(ping.clone().into()),
            Event::Pong(ping.clone().into()),
            Event::Text("1234567890".into()),
            Event::Close(Some(close)),
        ];
        assert_eq!((outcome.error, &outcome.events[..]), (None, &expected[..]), "{role:?}");
        assert_eq!(feed_bytewise(&mut open(role, config), &input), outcome, "{role:?}");
    }
}

/// Valid frames with a few random bytes inserted.
fn almost_valid_frames(rng: &mut Rng, sender: Role) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.below(12) {
        let first = [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8A][rng.below(9)];
        let payload: Vec<u8> = (0..rng.below(130)).map(|_| b'a' + rng.byte() % 26).collect();
        bytes.extend(frame(sender, first, &payload));
    }
    for _ in 0..rng.below(3) {
        let at = rng.below(bytes.len() + 1);
        bytes.insert(at, rng.byte());
    }
    bytes
}

/// R104 R139: Each call consumes input and reports an event, or has consumed all input. A loop of
/// calls therefore ends.
#[test]
fn f12_every_call_makes_progress() {
    let mut rng = Rng(12);
    for round in 0..4000 {
        for role in ROLES {
            let mut input = almost_valid_frames(&mut rng, peer_of(role));
            let config = Config::new().delivery(if round % 2 == 0 {
                Delivery::Messages
            } else {
                Delivery::Chunks
            });
            let mut connection = open(role, config);
            let piece = 1 + rng.below(300);
            let mut out = Vec::new();
            'input: for piece in input.chunks_mut(piece) {
                let mut rest = piece;
                loop {
                    let before = rest.len();
                    match connection.receive(&mut rest, &mut out) {
                        Ok(Some(event)) => {
                            drop(event);
                            assert!(rest.len() < before, "round {round}: an event consumed no input");
                        }
                        Ok(None) => {
                            assert!(rest.is_empty(), "round {round}: input is left");
                            break;
                        }
                        Err(_) => {
                            assert_eq!(connection.state(), State::Closed, "round {round}");
                            break 'input;
                        }
                    }
                }
            }
        }
    }
}

/// R060 R062 R063 R064 R066 R073 R074 R076 R082 R083 R084 R099 R137: Invalid input is distinguished
/// from incomplete input: the error is reported at the byte that breaks the rule, and not earlier.
#[test]
fn f13_invalid_is_not_incomplete() {
    for role in ROLES {
        let peer = peer_of(role);
        let masked = peer == Role::Client;
        let begun = frame(peer, 0x01, b"x");
        let wrong_mask = if masked {
            ProtocolError::UnmaskedFrame
        } else {
            ProtocolError::MaskedFrame
        };
        let text = |payload: &[u8]| {
            let mut bytes = header(0x81, masked, Length::Short, 125);
            let key = if masked { KEY } else { [0; 4] };
            bytes.extend_from_slice(if masked { &KEY } else { &[] });
            bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
            bytes
        };
        let rows: [(Vec<u8>, ProtocolError); 20] = [
            (vec![0xC1], reserved_bits(0xC1)),
            (vec![0x11], reserved_bits(0x11)),
            (vec![0x83], reserved_opcode(0x83)),
            (vec![0x0F], reserved_opcode(0x0F)),
            (vec![0x00], ProtocolError::UnexpectedContinuation),
            (vec![0x80], ProtocolError::UnexpectedContinuation),
            (vec![0x09], fragmented_control_frame(0x09)),
            ([&begun[..], &[0x01]].concat(), interleaved_message(0x01)),
            ([&begun[..], &[0x82]].concat(), interleaved_message(0x82)),
            (header(0x81, !masked, Length::Short, 5), wrong_mask),
            (header(0x89, masked, Length::Short, 126), control_frame_too_long(0x89)),
            (header(0x88, masked, Length::Short, 127), control_frame_too_long(0x88)),
            (header(0x82, masked, Length::Medium, 125), non_minimal_length(16)),
            (frame(peer, 0x88, b"x"), ProtocolError::TruncatedCloseCode),
            (
                frame(peer, 0x88, &[0x03, 0xED]),
                ProtocolError::InvalidCloseCode {
                    code: CloseCode::NO_STATUS,
                },
            ),
            (
                frame(peer, 0x88, &[0x03, 0xE8, 0xFF]),
                ProtocolError::InvalidCloseReason,
            ),
            (text(b"ok\xFF"), ProtocolError::InvalidUtf8),
            (text(b"\xED\xA0"), ProtocolError::InvalidUtf8),
            (header_with_key(peer, 0x82, Length::Medium, 1001), too_big(1001, 1000)),
            (
                [
                    &begun[..],
                    &frame(peer, 0x00, b""),
                    &header_with_key(peer, 0x00, Length::Short, 5),
                ]
                .concat(),
                ProtocolError::TooManyFragments { limit: 2 },
            ),
        ];
        let config = Config::new().max_message_size(1000).max_fragments(2);
        for (bytes, error) in rows {
            let row = format!("{role:?}: {bytes:02x?}");
            let before = feed(&mut open(role, config.clone()), &bytes[..bytes.len() - 1]);
            assert_eq!(before.error, None, "{row}: the error is reported too early");
            let whole = feed(&mut open(role, config.clone()), &bytes);
            assert_eq!(whole.error, Some(error), "{row}");
            assert_eq!(feed_bytewise(&mut open(role, config.clone()), &bytes), whole, "{row}");
        }
    }
}

// Framing and masking

/// R060 R062: A frame with the mask bit of the wrong direction fails, after a complete handshake.
#[test]
fn f27_masks_in_the_wrong_direction() {
    for (first, payload) in [
        (0x81, &b"text"[..]),
        (0x82, b""),
        (0x89, b"?"),
        (0x8A, b""),
        (0x88, b""),
    ] {
        let mut pair = Pair::open(Config::default(), Config::default());
        let to_server = feed(&mut pair.server.engine, &frame(Role::Server, first, payload));
        assert_eq!(to_server.error, Some(ProtocolError::UnmaskedFrame), "{first:02x}");
        assert_eq!(frames(Role::Server, &to_server.out), [(0x88, vec![0x03, 0xEA])]);
        let to_client = feed(&mut pair.client.engine, &frame(Role::Client, first, payload));
        assert_eq!(to_client.error, Some(ProtocolError::MaskedFrame), "{first:02x}");
        assert_eq!(frames(Role::Client, &to_client.out), [(0x88, vec![0x03, 0xEA])]);
    }
}

/// R063 R101: A reserved bit fails the connection on any frame.
#[test]
fn f28_reserved_bits_anywhere() {
    for role in ROLES {
        let peer = peer_of(role);
        let begun = frame(peer, 0x02, b"begun");
        for bits in 1..8 {
            for (before, first) in [
                (&[][..], 0x81),
                (&[], 0x02),
                (&[], 0x88),
                (&[], 0x89),
                (&[], 0x8A),
                (&begun[..], 0x80),
                (&begun[..], 0x00),
                (&begun[..], 0x8A),
            ] {
                let bad = frame(peer, first | bits << 4, b"\x03\xE8");
                let input = [before, &bad, &frame(peer, 0x81, b"later")].concat();
                let outcome = feed(&mut open(role, Config::default()), &input);
                assert_eq!(outcome.error, Some(reserved_bits(bad[0])), "{role:?}: {:02x}", bad[0]);
                assert_eq!(outcome.events, [], "{role:?}: {:02x}", bad[0]);
            }
        }
    }
}

/// R068 R137: A header that arrives in two pieces is counted once: the message is exactly at its
/// limits, and every cut has the same result.
#[test]
fn f29_headers_in_two_parts_count_once() {
    for role in ROLES {
        let peer = peer_of(role);
        for len in [3, 126, 65_536] {
            let config = Config::new().max_message_size(2 * len as u64).max_fragments(2);
            let payload = vec![b'x'; len];
            let first = frame(peer, 0x02, &payload);
            let input = [&first[..], &frame(peer, 0x80, &payload)].concat();
            let starts = [0, first.len()];
            for start in starts {
                for cut in start + 1..start + 16 {
                    let outcome = feed_cut(&mut open(role, config.clone()), &input, &[cut.min(input.len())]);
                    assert_eq!(outcome.error, None, "{role:?}: {len}, cut at {cut}");
                    let expected = Event::Binary(vec![b'x'; 2 * len].into());
                    assert_eq!(outcome.events, [expected], "{role:?}: {len}, cut at {cut}");
                }
            }
        }
    }
}

/// R075: Control frames inside a message, whole or in pieces, change neither its bytes, nor its
/// kind, nor its incomplete character.
#[test]
fn f30_control_frames_inside_a_message() {
    for role in ROLES {
        let peer = peer_of(role);
        for control in [0x89, 0x8A] {
            for payload in [&b""[..], b"\x80\xFF", &[b'p'; 125]] {
                let control = frame(peer, control, payload);
                let input = [
                    frame(peer, 0x01, b"a\xE2"),
                    control.clone(),
                    frame(peer, 0x00, b"\x82"),
                    control.clone(),
                    frame(peer, 0x00, b""),
                    control.clone(),
                    frame(peer, 0x80, b"\xAC!"),
                    control.clone(),
                    frame(peer, 0x82, b"\xFF"),
                ]
                .concat();
                for first in 0..input.len().min(60) {
                    let outcome = feed_cut(&mut open(role, Config::default()), &input, &[first, first + 1]);
                    assert_eq!(outcome.error, None, "{role:?}: cut at {first}");
                    let messages: Vec<&Event<'_>> = outcome
                        .events
                        .iter()
                        .filter(|event| !matches!(event, Event::Ping(_) | Event::Pong(_)))
                        .collect();
                    let expected = [Event::Text("a€!".into()), Event::Binary(b"\xFF"[..].into())];
                    assert_eq!(
                        messages,
                        expected.iter().collect::<Vec<_>>(),
                        "{role:?}: cut at {first}"
                    );
                    assert_eq!(outcome.events.len(), 6, "{role:?}: cut at {first}");
                }
            }
        }
    }
}

/// R073 R078: An empty first fragment starts a message.
#[test]
fn f31_an_empty_first_fragment() {
    for role in ROLES {
        let peer = peer_of(role);
        for delivery in [Delivery::Messages, Delivery::Chunks] {
            let config = Config::new().delivery(delivery);
            for (first, then) in [(0x01, 0x81), (0x01, 0x82), (0x02, 0x81), (0x02, 0x02)] {
                let begun = frame(peer, first, b"");
                let input = [&begun[..], &frame(peer, then, b"x")].concat();
                for cuts in [&[][..], &[begun.len()]] {
                    let outcome = feed_cut(&mut open(role, config.clone()), &input, cuts);
                    let expected = Some(interleaved_message(then));
                    assert_eq!(outcome.error, expected, "{first:02x} {then:02x}, cut at {cuts:?}");
                }
            }
        }
        for (first, expected) in [(0x01, Event::Text("x".into())), (0x02, Event::Binary(b"x"[..].into()))] {
            let input = [frame(peer, first, b""), frame(peer, 0x80, b"x")].concat();
            assert_eq!(feed(&mut open(role, Config::default()), &input).events, [expected]);
        }
    }
}

/// R071: Masking changes its slice and nothing around it, for all lengths, all alignments, and all
/// rotations of the key.
#[test]
fn f32_masking_by_words() {
    for len in 0..=64 {
        for offset in 0..16 {
            for rotation in 0..4 {
                let mut key = KEY;
                key.rotate_left(rotation);
                let mut buf: Vec<u8> = (0..96).collect();
                let expected: Vec<u8> = (0..96_u8)
                    .map(|i| {
                        let at = usize::from(i);
                        let inside = (offset..offset + len).contains(&at);
                        if inside {
                            i ^ KEY[(at - offset + rotation) % 4]
                        } else {
                            i
                        }
                    })
                    .collect();
                let next = mask::apply(&mut buf[offset..offset + len], key);
                assert_eq!(buf, expected, "{len} bytes at {offset}, key rotated by {rotation}");
                key.rotate_left(len % 4);
                assert_eq!(next, key, "{len} bytes at {offset}, key rotated by {rotation}");
            }
        }
    }
}

/// R071 R105: The same through a connection: all lengths, at several offsets in the input, whole
/// and cut. The bytes around the payload do not change.
#[test]
fn f32_unmasking_inside_an_input() {
    for len in 0..=64_usize {
        for offset in 0..8 {
            let payload: Vec<u8> = (0..64).take(len).collect();
            // The first frame moves the second to another offset.
            let input = [
                frame(Role::Client, 0x82, &vec![1; offset]),
                frame(Role::Client, 0x82, &payload),
            ]
            .concat();
            let mut bytes = [&input[..], &[0xA5; 16]].concat();
            let (mut frames, after) = bytes.split_at_mut(input.len());
            let mut server = open(Role::Server, Config::default());
            let first = server.receive(&mut frames, &mut Vec::new()).unwrap();
            assert_eq!(first, Some(Event::Binary(vec![1; offset].into())));
            let second = server.receive(&mut frames, &mut Vec::new()).unwrap();
            assert_eq!(
                second,
                Some(Event::Binary(payload.clone().into())),
                "{len} bytes at {offset}"
            );
            assert_eq!(after, [0xA5; 16], "{len} bytes at {offset}");
            let cut = input.len() - len / 2;
            let outcome = feed_cut(&mut open(Role::Server, Config::default()), &input, &[cut]);
            assert_eq!(
                outcome.events[1],
                Event::Binary(payload.into()),
                "{len} bytes, cut at {cut}"
            );
        }
    }
}

/// The mask keys of the frames in `out`, in order.
fn keys(mut out: &[u8]) -> Vec<[u8; 4]> {
    let mut keys = Vec::new();
    while let [_, len, a, b, c, d, rest @ ..] = out {
        assert!(*len < 0x80 | 126, "a short frame");
        keys.push([*a, *b, *c, *d]);
        out = &rest[usize::from(len & 0x7F)..];
    }
    keys
}

/// R069 R070: No mask key is used twice: not for a fragment, a reply, a message that is sent again
/// after it was refused, or another connection.
#[test]
fn f33_keys_are_not_used_twice() {
    let mut all = Vec::new();
    for seed in 0..4 {
        let mut head = Vec::new();
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let mut client = Connection::client(&request, Config::default(), [seed; 32], &mut head).unwrap();
        let mut out = Vec::new();
        assert_eq!(client.send_text("again", &mut out), Err(SendError::NotOpen));
        let mut server = Connection::server(Config::default());
        let answer = feed(&mut server, &head).out;
        assert!(matches!(feed(&mut client, &answer).events[..], [Event::Open(_)]));
        for _ in 0..10 {
            client.send_text("again", &mut out).unwrap();
            client
                .send_fragment(MessageKind::Text, b"again", false, &mut out)
                .unwrap();
            assert_eq!(client.send_text("again", &mut out), Err(SendError::MessageInProgress));
            out.extend(feed(&mut client, &frame(Role::Server, 0x89, b"again")).out);
            client
                .send_fragment(MessageKind::Text, b"again", true, &mut out)
                .unwrap();
        }
        client.close(CloseCode::NORMAL, "again", &mut out).unwrap();
        let keys = keys(&out);
        assert_eq!(keys.len(), 41);
        all.extend(keys);
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

// Control frames, closing, errors, resources

/// R093 R096: The replies to many Pings are as long as the Pings (and a mask key each), and the
/// connection keeps none of them. A caller that stops reading while much output is pending
/// therefore has bounded memory.
#[test]
fn f49_a_flood_of_pings() {
    const MILLION: usize = 1_000_000;
    for role in ROLES {
        for payload in [&b""[..], b"x", &[b'x'; 125]] {
            let ping = frame(peer_of(role), 0x89, payload);
            let pong = frame(role, 0x8A, payload);
            assert!(pong.len() <= ping.len() + if role == Role::Client { 4 } else { 0 });
            let count = if payload.is_empty() { MILLION } else { MILLION / 100 };
            let mut input = ping.repeat(count);
            // The caller writes nothing: the output collects a Pong for each Ping, in order.
            let mut connection = open(role, Config::default());
            let mut out = Vec::with_capacity(count * pong.len());
            let mut pings = 0;
            let info = measure(|| {
                let mut rest = &mut input[..];
                while let Some(Event::Ping(_)) = connection.receive(&mut rest, &mut out).unwrap() {
                    pings += 1;
                }
            });
            assert_eq!(
                (pings, out.len()),
                (count, count * pong.len()),
                "{role:?}: {} bytes",
                payload.len()
            );
            assert_eq!(info.count_total, 0, "{role:?}: {} bytes", payload.len());
            let sample = &out[..100 * pong.len()];
            assert!(
                frames(role, sample)
                    .iter()
                    .all(|(first, data)| (*first, &data[..]) == (0x8A, payload))
            );
        }
    }
}

/// R095: A short frame after a long one has its own bytes only.
#[test]
fn f50_no_bytes_of_an_earlier_frame_are_sent() {
    for role in ROLES {
        for len in [0, 1, 2, 124] {
            let mut connection = open(role, Config::default());
            let mut out = Vec::new();
            connection.ping(&[b'A'; 125], &mut out).unwrap();
            out.extend(feed(&mut connection, &frame(peer_of(role), 0x89, &[b'B'; 125])).out);
            out.clear();
            connection.ping(&vec![b'c'; len], &mut out).unwrap();
            out.extend(feed(&mut connection, &frame(peer_of(role), 0x89, &vec![b'd'; len])).out);
            connection
                .close(CloseCode(4000), &"e".repeat(len.min(123)), &mut out)
                .unwrap();
            let close = [&[0x0F, 0xA0][..], &vec![b'e'; len.min(123)]].concat();
            let expected = [(0x89, vec![b'c'; len]), (0x8A, vec![b'd'; len]), (0x88, close)];
            assert_eq!(frames(role, &out), expected, "{role:?}: {len}");
        }
        // A second control frame in pieces has no bytes of the first.
        let mut connection = open(role, Config::default());
        feed_bytewise(&mut connection, &frame(peer_of(role), 0x89, &[b'A'; 125]));
        let outcome = feed_bytewise(&mut connection, &frame(peer_of(role), 0x89, b"b"));
        assert_eq!(outcome.events, [Event::Ping(b"b"[..].into())], "{role:?}");
    }
}

/// R085: A reason that is too long is refused: it is neither dropped nor cut inside a character.
#[test]
fn f51_a_close_reason_of_124_bytes() {
    for role in ROLES {
        let too_long = [
            "x".repeat(124),
            "é".repeat(62),
            "😀".repeat(31),
            "x".repeat(120) + "😀",
            "€".repeat(100),
        ];
        for reason in too_long {
            let mut connection = open(role, Config::default());
            let mut out = Vec::new();
            let sent = connection.close(CloseCode::NORMAL, &reason, &mut out);
            assert_eq!(
                (sent, out.len()),
                (Err(SendError::ReasonTooLong { len: reason.len() }), 0),
                "{role:?}: {reason}"
            );
            // The connection is still open, and a shorter reason is sent.
            connection.close(CloseCode::NORMAL, "shorter", &mut out).unwrap();
            assert_eq!(frames(role, &out), [(0x88, b"\x03\xE8shorter".to_vec())]);
        }
    }
}

/// R084 R098: Characters that are cut by the input, in a reason and in a text, at any two places,
/// have the same result.
#[test]
fn f52_characters_cut_by_the_input() {
    for role in ROLES {
        for (text, valid) in [
            ("é€😀".as_bytes(), true),
            (b"\xC3\xA9\xE2\x28\xAC", false),
            (b"ok\xF0\x9F\x98", false),
        ] {
            for first in [0x81, 0x88] {
                let payload = if first == 0x88 {
                    [&[0x03, 0xE8], text].concat()
                } else {
                    text.to_vec()
                };
                let input = frame(peer_of(role), first, &payload);
                let whole = feed(&mut open(role, Config::default()), &input);
                assert_eq!(whole.error.is_none(), valid, "{role:?}: {first:02x} {text:02x?}");
                for one in 1..input.len() {
                    for other in one..input.len() {
                        let outcome = feed_cut(&mut open(role, Config::default()), &input, &[one, other]);
                        assert_eq!(
                            outcome, whole,
                            "{role:?}: {first:02x} {text:02x?}, cut at {one}, {other}"
                        );
                    }
                }
            }
        }
    }
}

/// R119 R120 R121 R122 R123 R124: For every code, sending and receiving agree on whether it is
/// valid.
#[test]
fn f53_every_close_code() {
    let mut out = Vec::new();
    for sender in ROLES {
        let mut ends = [
            open(sender, Config::default()),
            open(peer_of(sender), Config::default()),
        ];
        for code in 0..=u16::MAX {
            let sent = ends[0].close(CloseCode(code), "", &mut out);
            let mut input = frame(sender, 0x88, &code.to_be_bytes());
            let received = ends[1].receive(&mut &mut input[..], &mut out);
            let (may_be_sent, may_be_received) = (sent.is_ok(), received.is_ok());
            out.clear();
            ends[1] = open(peer_of(sender), Config::default());
            if may_be_sent {
                ends[0] = open(sender, Config::default());
            }
            // The code 1010 is received by both roles, and sent by clients only.
            let agrees = may_be_sent == may_be_received || (code, sender) == (1010, Role::Server);
            assert!(
                agrees,
                "{sender:?}: {code} is sent: {may_be_sent}, received: {may_be_received}"
            );
            let is_valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            assert_eq!(may_be_received, is_valid, "{code}");
        }
    }
}

/// R110 R112: A local failure is reported as an error, and not as a Close frame of the peer. The
/// close status has both codes, the sent one and the received one.
#[test]
fn f54_a_failure_is_not_reported_as_a_close_of_the_peer() {
    for role in ROLES {
        let config = Config::new().max_message_size(10);
        let mut connection = open(role, config);
        let outcome = feed(&mut connection, &frame(peer_of(role), 0x82, &[0; 11]));
        assert_eq!((outcome.error, &outcome.events[..]), (Some(too_big(11, 10)), &[][..]));
        let status = connection.close_status().unwrap();
        assert_eq!(status.by, ClosedBy::Us);
        assert_eq!(status.sent, Some(Some(CloseFrame::new(CloseCode::TOO_BIG, ""))));
        assert_eq!((&status.received, status.code()), (&None, CloseCode::ABNORMAL));
        assert_eq!(status.error, Some(too_big(11, 10)));
    }
}

/// R139: No input causes a panic: errors are values, and a closed connection stays closed.
#[test]
fn f55_no_input_panics() {
    let mut rng = Rng(55);
    for round in 0..3000 {
        for role in ROLES {
            let bytes: Vec<u8> = if round % 3 == 0 {
                (0..rng.below(200)).map(|_| rng.byte()).collect()
            } else {
                almost_valid_frames(&mut rng, peer_of(role))
            };
            let mut connection = if round % 5 == 0 {
                match role {
                    Role::Server => Connection::server(Config::default()),
                    Role::Client => {
                        let request = ClientRequest::new("ws://example.com/").unwrap();
                        Connection::client(&request, Config::default(), [3; 32], &mut Vec::new()).unwrap()
                    }
                }
            } else {
                open(role, Config::default())
            };
            let outcome = feed(&mut connection, &bytes);
            let again = feed(&mut connection, &bytes);
            if let Some(error) = outcome.error {
                assert_eq!(again.error, Some(error), "round {round}");
                assert_eq!((again.events.len(), again.out.len()), (0, 0), "round {round}");
                assert_eq!(connection.receive_eof(), Err(Box::new(error)), "round {round}");
            }
            assert_eq!(
                connection.receive_eof().is_ok(),
                connection.close_status().is_none_or(|status| status.error.is_none())
            );
            assert_eq!(connection.state(), State::Closed, "round {round}");
        }
    }
}

/// Sends a Close frame, if the endpoint is open.
fn close(pair: &mut Pair, role: Role) {
    let Endpoint { engine, out, .. } = pair.endpoint(role);
    let was = engine.state();
    let closed = engine.close(CloseCode::NORMAL, "", out);
    assert_eq!(
        closed,
        if was == State::Open {
            Ok(())
        } else {
            Err(SendError::Closing)
        }
    );
}

/// R091 R107: In whatever order two endpoints close and their bytes arrive, each sends one Close
/// frame, reports one Close event, and ends cleanly.
#[test]
fn f56_two_closes_in_every_order() {
    const STEPS: [fn(&mut Pair); 6] = [
        |pair| close(pair, Role::Client),
        |pair| close(pair, Role::Server),
        |pair| pair.deliver(Role::Client, usize::MAX),
        |pair| pair.deliver(Role::Server, usize::MAX),
        |pair| pair.deliver(Role::Client, 3),
        |pair| pair.deliver(Role::Server, 3),
    ];
    for sequence in 0..STEPS.len().pow(5) {
        let mut pair = Pair::new(
            open(Role::Client, Config::default()),
            open(Role::Server, Config::default()),
        );
        let mut rest = sequence;
        for _ in 0..5 {
            STEPS[rest % STEPS.len()](&mut pair);
            rest /= STEPS.len();
        }
        close(&mut pair, Role::Client);
        pair.deliver_all();
        for role in ROLES {
            let end = pair.endpoint(role);
            assert_eq!(
                frames(role, &end.sent),
                [(0x88, vec![0x03, 0xE8])],
                "sequence {sequence}"
            );
            assert_eq!(end.error, None, "sequence {sequence}");
            let closes = end.events.iter().filter(|event| matches!(event, Event::Close(_)));
            assert_eq!(closes.count(), 1, "sequence {sequence}");
            assert!(end.engine.close_status().unwrap().is_clean(), "sequence {sequence}");
            assert_eq!(end.engine.state(), State::Closed, "sequence {sequence}");
        }
    }
}

/// R092 R093: All bytes after a Close frame are discarded: no event, no reply, no allocation.
#[test]
fn f57_data_after_a_close() {
    for role in ROLES {
        let peer = peer_of(role);
        let mut connection = open(role, Config::default());
        let ignored = [frame(peer, 0x81, b"text"), frame(peer, 0x89, b"ping"), vec![0xFF; 3]].concat();
        let mut input = [frame(peer, 0x88, b""), ignored.repeat(10_000)].concat();
        let mut out = Vec::with_capacity(64);
        let mut rest = &mut input[..];
        assert_eq!(connection.receive(&mut rest, &mut out), Ok(Some(Event::Close(None))));
        assert!(rest.is_empty(), "the input is consumed");
        let mut later = ignored.repeat(10_000);
        let mut rest = &mut later[..];
        let mut result = Ok(None);
        let info = measure(|| result = connection.receive(&mut rest, &mut out));
        assert_eq!((result, rest.len(), info.count_total), (Ok(None), 0, 0), "{role:?}");
        assert_eq!(frames(role, &out), [(0x88, Vec::new())], "{role:?}");
    }
}

/// Asserts that `shown` cannot move a cursor, end a line or change the direction of a text.
fn assert_printable(shown: &str) {
    let bad = |char: char| {
        char.is_control()
            || matches!(char, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
    };
    assert_eq!(shown.chars().find(|char| bad(*char)), None, "{}", shown.escape_debug());
}

const CONTROL_CHARACTERS: &str = "\x1B[2J\r\n\0\u{7F}\u{9B}\u{202E}\u{2028}\u{200B}\u{FEFF}\u{2066}\"\\";

/// R112: The debug output of an event, for a log, is escaped and truncated.
#[test]
fn f59_debug_output_of_events_is_escaped_and_truncated() {
    for role in ROLES {
        for delivery in [Delivery::Messages, Delivery::Chunks] {
            for len in [1, 1000] {
                let text = CONTROL_CHARACTERS.repeat(len);
                let payload = &text.as_bytes()[..text.len().min(120)];
                let peer = peer_of(role);
                let input = [
                    frame(peer, 0x81, text.as_bytes()),
                    frame(peer, 0x82, &[0x9B, 0xFF, 0x1B].repeat(len)),
                    frame(peer, 0x89, payload),
                    frame(peer, 0x8A, payload),
                    frame(
                        peer,
                        0x88,
                        &[&[0x03, 0xE8], CONTROL_CHARACTERS.repeat(4).as_bytes()].concat(),
                    ),
                ]
                .concat();
                let mut connection = open(role, Config::new().delivery(delivery));
                let outcome = feed(&mut connection, &input);
                assert_eq!(outcome.events.len(), 5);
                for event in outcome.events {
                    for shown in [format!("{event:?}"), format!("{event:#?}")] {
                        assert_printable(&shown.replace('\n', " ").replace("    ", " "));
                        assert!(shown.len() < 1200, "{} bytes: {shown}", shown.len());
                    }
                    if !matches!(event, Event::Close(_)) {
                        assert!(format!("{event:?}").len() < 500, "{event:?}");
                    }
                }
                let status = format!("{:?}", connection.close_status());
                assert_printable(&status);
                assert!(status.len() < 1200);
            }
        }
    }
}

/// R112: The error of a frame quotes nothing of its payload.
#[test]
fn f59_errors_of_frames_quote_no_payload() {
    for role in ROLES {
        for input in [
            frame(peer_of(role), 0x81, b"\x1B[2J\xFF"),
            frame(peer_of(role), 0x88, b"\x03\xE8\x1B[2J\xFF"),
            frame(peer_of(role), 0x83, CONTROL_CHARACTERS.as_bytes()),
        ] {
            let error = feed(&mut open(role, Config::default()), &input).error.unwrap();
            for shown in [format!("{error}"), format!("{error:?}")] {
                assert_printable(&shown);
                assert!(shown.is_ascii() && shown.len() < 120, "{shown}");
            }
        }
    }
}

/// R112: The debug output of a request or a response truncates its target, its names and its
/// values.
#[test]
fn f59_debug_output_of_heads_is_escaped_and_truncated() {
    let fill = "x".repeat(4000);
    let heads = [
        ("target", format!("/{fill}"), String::from("X: y")),
        ("name", String::from("/"), format!("X-{fill}: y")),
        ("value", String::from("/"), format!("X: \u{9B}{fill}")),
    ];
    for (what, target, line) in heads {
        let request = request_and(&format!("{line}\r\n")).replacen('/', &target, 1);
        let mut server = Connection::server(Config::default());
        let outcome = feed(&mut server, request.as_bytes());
        let shown = format!("{:?}", outcome.events);
        assert_printable(&shown);
        assert!(
            shown.len() < 1000,
            "a request with a long {what} is shown in {} bytes",
            shown.len()
        );
        let response = format!("HTTP/1.1 404 Not Found\r\nContent-Length: 4000\r\n{line}\r\n\r\n{fill}");
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let mut client = Connection::client(&request, Config::default(), [1; 32], &mut Vec::new()).unwrap();
        let outcome = feed(&mut client, response.as_bytes());
        let shown = format!("{:?}", outcome.events);
        assert_printable(&shown);
        assert!(
            shown.len() < 1000,
            "a refusal with a long {what} is shown in {} bytes",
            shown.len()
        );
    }
}
