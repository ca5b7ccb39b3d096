//! Messages: RFC 6455, sections 5.4 (fragmentation), 5.6 (data frames), 6 (sending and receiving),
//! 8.1 (UTF-8) and 10.4 (limits).

use std::{borrow::Cow, num::NonZeroUsize, str};

use sockless::{
    CloseCode, Config, Connection, Delivery, Event, Message, MessageKind, ProtocolError, Role, SendError, State,
    utf8::Validator,
};
use support::{
    KEY, Length, Outcome, ROLES, feed, feed_bytewise, feed_cut, fragmented_control_frame, frame, frames, header,
    interleaved_message, open, peer_of, too_big,
};

const KINDS: [(MessageKind, u8); 2] = [(MessageKind::Text, 0x1), (MessageKind::Binary, 0x2)];

/// Code points of one, two, three and four bytes.
const TEXT: &str = "aé€😀";

fn chunk_delivery() -> Config {
    Config::new().delivery(Delivery::Chunks)
}

/// Receives `input` in one piece and byte by byte, asserts that both outcomes are equal, and
/// returns the outcome.
fn receive(role: Role, config: &Config, input: &[u8]) -> Outcome {
    let whole = feed(&mut open(role, config.clone()), input);
    let bytewise = feed_bytewise(&mut open(role, config.clone()), input);
    assert_eq!(whole, bytewise, "{role:?}: {input:02x?}");
    whole
}

/// An event with chunk delivery.
#[derive(Debug, PartialEq, Eq)]
enum Delivered {
    /// The kind of the message, the payload, and whether the frame and the message end.
    Chunk(MessageKind, Vec<u8>, bool, bool),
    Other(Event<'static>),
}

/// The events, with the chunks of each frame joined.
fn join_chunks(events: Vec<Event<'static>>) -> Vec<Delivered> {
    let mut delivered = Vec::new();
    for event in events {
        let Event::Chunk(chunk) = event else {
            delivered.push(Delivered::Other(event));
            continue;
        };
        let (bytes, frame_end, message_end) = (chunk.as_bytes(), chunk.frame_end, chunk.message_end);
        assert!(frame_end || !bytes.is_empty(), "an empty chunk ends a frame");
        assert!(frame_end || !message_end, "a message ends with a frame");
        match delivered.last_mut() {
            Some(Delivered::Chunk(kind, joined, end @ false, last)) => {
                assert_eq!(*kind, chunk.kind());
                joined.extend_from_slice(bytes);
                (*end, *last) = (frame_end, message_end);
            }
            _ => delivered.push(Delivered::Chunk(chunk.kind(), bytes.to_vec(), frame_end, message_end)),
        }
    }
    delivered
}

/// Like [`receive`] with chunk delivery: the joined chunks are the same.
fn receive_chunks(role: Role, config: &Config, input: &[u8]) -> (Vec<Delivered>, Option<ProtocolError>, Vec<u8>) {
    assert_eq!(*config, config.clone().delivery(Delivery::Chunks));
    let whole = feed(&mut open(role, config.clone()), input);
    let bytewise = feed_bytewise(&mut open(role, config.clone()), input);
    let whole = (join_chunks(whole.events), whole.error, whole.out);
    let bytewise = (join_chunks(bytewise.events), bytewise.error, bytewise.out);
    assert_eq!(whole, bytewise, "{role:?}: {input:02x?}");
    whole
}

/// The error of `input`, which is the same with either delivery, in one piece and byte by byte.
fn error(role: Role, config: &Config, input: &[u8]) -> Option<ProtocolError> {
    let outcome = receive(role, &config.clone().delivery(Delivery::Messages), input);
    let (_, error, out) = receive_chunks(role, &config.clone().delivery(Delivery::Chunks), input);
    assert_eq!((outcome.error, outcome.out), (error, out), "{role:?}: {input:02x?}");
    error
}

/// The frames of a message whose fragments end at `cuts`. The last one has FIN.
fn message(sender: Role, opcode: u8, payload: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut fragments = Vec::new();
    let (mut from, mut first) = (0, opcode);
    for &cut in cuts {
        fragments.push(frame(sender, first, &payload[from..cut]));
        (from, first) = (cut, 0x0);
    }
    fragments.push(frame(sender, 0x80 | first, &payload[from..]));
    fragments
}

/// All ways to cut `len` bytes at `n` places. Parts may be empty.
fn all_cuts(len: usize, n: usize) -> Vec<Vec<usize>> {
    let Some(n) = n.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let with_last = |last: usize| {
        all_cuts(last, n).into_iter().map(move |mut cuts| {
            cuts.push(last);
            cuts
        })
    };
    (0..=len).flat_map(with_last).collect()
}

/// The event of a message.
fn message_event(kind: MessageKind, data: &[u8]) -> Event<'static> {
    match kind {
        MessageKind::Text => Event::Text(String::from_utf8(data.to_vec()).unwrap().into()),
        MessageKind::Binary => Event::Binary(data.to_vec().into()),
    }
}

/// R072 R078 R079 R080 R098 R104: A message in fragments is one message, and the same one for any
/// fragments: empty fragments, and fragments that end inside a character, included.
#[test]
fn s5_4_a_message_may_have_any_fragments() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for n in 0..=3 {
                for cuts in all_cuts(TEXT.len(), n) {
                    let input = message(peer_of(role), opcode, TEXT.as_bytes(), &cuts).concat();
                    let outcome = receive(role, &Config::default(), &input);
                    let row = format!("{role:?} {kind:?}, cut at {cuts:?}");
                    assert_eq!(outcome.events, [message_event(kind, TEXT.as_bytes())], "{row}");
                    assert_eq!((outcome.error, outcome.out), (None, Vec::new()), "{row}");
                }
            }
        }
    }
}

/// R078: A message may consist of empty fragments only.
#[test]
fn s5_4_fragments_may_be_empty() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for n in 0..20 {
                let input = message(peer_of(role), opcode, b"", &vec![0; n]).concat();
                let outcome = receive(role, &Config::default(), &input);
                assert_eq!(
                    outcome.events,
                    [message_event(kind, b"")],
                    "{role:?} {kind:?}: {n} fragments and the last"
                );
            }
        }
    }
}

/// R073: "The fragments of one message MUST NOT be interleaved between the fragments of another",
/// also if the fragments so far are empty.
#[test]
fn s5_4_a_data_frame_inside_a_message_fails_the_connection() {
    for role in ROLES {
        for opcode in [0x01, 0x02] {
            for payload in [&b"first"[..], b""] {
                for continuations in 0..3 {
                    let mut before = frame(peer_of(role), opcode, payload);
                    for _ in 0..continuations {
                        before.extend(frame(peer_of(role), 0x00, b""));
                    }
                    for intruder in [0x01, 0x02, 0x81, 0x82] {
                        let input = [&before[..], &frame(peer_of(role), intruder, b"x")].concat();
                        let row = format!("{role:?}: {intruder:02x} after {before:02x?}");
                        assert_eq!(
                            error(role, &Config::default(), &input),
                            Some(interleaved_message(intruder)),
                            "{row}"
                        );
                        let outcome = receive(role, &Config::default(), &input);
                        assert_eq!(outcome.events, [], "{row}");
                        assert_eq!(frames(role, &outcome.out), [(0x88, vec![0x03, 0xEA])], "{row}");
                        // An input of exactly the second frame makes no difference.
                        let in_two = feed_cut(&mut open(role, Config::default()), &input, &[before.len()]);
                        assert_eq!(outcome, in_two, "{row}");
                    }
                }
            }
        }
    }
}

/// R074: A continuation frame needs a message in progress: at the start, after a message and after
/// a control frame it fails the connection.
#[test]
fn s5_4_a_continuation_outside_a_message_fails_the_connection() {
    for role in ROLES {
        let peer = peer_of(role);
        for before in [
            Vec::new(),
            frame(peer, 0x81, b"whole"),
            frame(peer, 0x82, b""),
            message(peer, 0x1, b"in two", &[2]).concat(),
            message(peer, 0x2, b"", &[0]).concat(),
            frame(peer, 0x89, b"ping"),
        ] {
            for first in [0x00, 0x80] {
                for payload in [&b""[..], b"more"] {
                    let input = [&before[..], &frame(peer, first, payload)].concat();
                    let outcome = receive(role, &Config::default(), &input);
                    let row = format!("{role:?}: {first:02x} after {before:02x?}");
                    assert_eq!(outcome.error, Some(ProtocolError::UnexpectedContinuation), "{row}");
                    let in_two = feed_cut(&mut open(role, Config::default()), &input, &[before.len()]);
                    assert_eq!(outcome, in_two, "{row}");
                    let close = frames(role, &outcome.out).pop();
                    assert_eq!(close, Some((0x88, vec![0x03, 0xEA])), "{row}");
                }
            }
        }
    }
}

/// R075 R077 R093: Control frames between fragments are processed in place, and do not change the
/// message.
#[test]
fn s5_4_control_frames_may_come_between_fragments() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for cuts in all_cuts(TEXT.len(), 2) {
                let fragments = message(peer_of(role), opcode, TEXT.as_bytes(), &cuts);
                for (ping_at, pong_at) in [(0, 1), (1, 1), (1, 0)] {
                    let mut input = Vec::new();
                    for (i, fragment) in fragments.iter().enumerate() {
                        input.extend(fragment);
                        if i == ping_at {
                            input.extend(frame(peer_of(role), 0x89, b"ping"));
                        }
                        if i == pong_at {
                            input.extend(frame(peer_of(role), 0x8A, b""));
                        }
                    }
                    let row = format!("{role:?} {kind:?}, cut at {cuts:?}, ping after {ping_at}, pong after {pong_at}");
                    let outcome = receive(role, &Config::default(), &input);
                    let (ping, pong) = (Event::Ping(b"ping"[..].into()), Event::Pong(b""[..].into()));
                    let mut expected = if ping_at <= pong_at {
                        vec![ping, pong]
                    } else {
                        vec![pong, ping]
                    };
                    expected.push(message_event(kind, TEXT.as_bytes()));
                    assert_eq!(outcome.events, expected, "{row}");
                    assert_eq!(frames(role, &outcome.out), [(0x8A, b"ping".to_vec())], "{row}");
                }
            }
        }
    }
}

/// R075 R094: A Ping inside a message is answered before the message ends.
#[test]
fn s5_4_a_ping_inside_a_message_is_answered_at_once() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let peer = peer_of(role);
        feed(&mut connection, &frame(peer, 0x01, b"begun"));
        let outcome = feed(&mut connection, &frame(peer, 0x89, b"now"));
        assert_eq!(frames(role, &outcome.out), [(0x8A, b"now".to_vec())]);
        let outcome = feed(&mut connection, &frame(peer, 0x80, b""));
        assert_eq!(outcome.events, [Event::Text("begun".into())]);
    }
}

/// R075 R088: A Close frame between two fragments closes the connection. The incomplete message is
/// not delivered.
#[test]
fn s5_4_a_close_inside_a_message_ends_the_message() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x01, b"begun"),
            frame(peer, 0x88, &[0x03, 0xE8]),
            frame(peer, 0x80, b"rest"),
        ];
        let outcome = receive(role, &Config::default(), &input.concat());
        assert!(
            matches!(outcome.events[..], [Event::Close(Some(_))]),
            "{:?}",
            outcome.events
        );
        assert_eq!(frames(role, &outcome.out), [(0x88, vec![0x03, 0xE8])]);
    }
}

/// R076: "Control frames themselves MUST NOT be fragmented."
#[test]
fn s5_4_a_fragmented_control_frame_fails_the_connection() {
    for role in ROLES {
        let begun = frame(peer_of(role), 0x01, b"begun");
        for before in [&[][..], &begun] {
            for first in [0x08, 0x09, 0x0A] {
                for payload in [&b""[..], b"\x03\xE8", &[b'x'; 125]] {
                    let input = [before, &frame(peer_of(role), first, payload)].concat();
                    let outcome = receive(role, &Config::default(), &input);
                    let row = format!("{role:?}: {first:02x} after {before:02x?}");
                    assert_eq!(outcome.error, Some(fragmented_control_frame(first)), "{row}");
                    assert_eq!(frames(role, &outcome.out), [(0x88, vec![0x03, 0xEA])], "{row}");
                }
            }
        }
    }
}

/// R072 R103: A message is sent in the fragments that the caller gives. The first frame has the
/// opcode, the last has FIN.
#[test]
fn s5_4_fragments_are_sent_as_they_are_given() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for n in 0..=3 {
                for cuts in all_cuts(TEXT.len(), n) {
                    let mut connection = open(role, Config::default());
                    let mut out = Vec::new();
                    let mut from = 0;
                    for &cut in &cuts {
                        let fragment = &TEXT.as_bytes()[from..cut];
                        connection.send_fragment(kind, fragment, false, &mut out).unwrap();
                        from = cut;
                    }
                    let last = &TEXT.as_bytes()[from..];
                    connection.send_fragment(kind, last, true, &mut out).unwrap();
                    let row = format!("{role:?} {kind:?}, cut at {cuts:?}");
                    let expected = message(role, opcode, TEXT.as_bytes(), &cuts).concat();
                    assert_eq!(frames(role, &out), frames(role, &expected), "{row}");
                    let outcome = receive(peer_of(role), &Config::default(), &out);
                    assert_eq!(outcome.events, [message_event(kind, TEXT.as_bytes())], "{row}");
                    // The next message starts with its own opcode.
                    out.clear();
                    connection.send_binary(b"next", &mut out).unwrap();
                    assert_eq!(frames(role, &out), [(0x82, b"next".to_vec())], "{row}");
                }
            }
        }
    }
}

/// R072 R103: A message longer than `fragment_size` is sent in frames of that size, the last of
/// which may be smaller. The capacity of the output and earlier fragments of the caller make no
/// difference.
#[test]
fn s5_4_messages_are_fragmented_by_size() {
    let text = TEXT.repeat(4);
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for size in 1..=text.len() + 1 {
                let config = Config::new().fragment_size(NonZeroUsize::new(size));
                let mut connection = open(role, config);
                for capacity in [0, 10_000] {
                    for len in text.char_indices().map(|(at, _)| at).chain([text.len()]) {
                        let data = &text[..len];
                        let mut out = Vec::with_capacity(capacity);
                        match kind {
                            MessageKind::Text => connection.send_text(data, &mut out).unwrap(),
                            MessageKind::Binary => connection.send_binary(data.as_bytes(), &mut out).unwrap(),
                        }
                        let row = format!("{role:?} {kind:?}: {len} bytes in frames of {size}, capacity {capacity}");
                        let cuts: Vec<usize> = (1..len.div_ceil(size)).map(|i| i * size).collect();
                        let expected = message(role, opcode, data.as_bytes(), &cuts).concat();
                        assert_eq!(frames(role, &out), frames(role, &expected), "{row}");
                        let outcome = receive(peer_of(role), &Config::default(), &out);
                        assert_eq!(outcome.events, [message_event(kind, data.as_bytes())], "{row}");
                    }
                    connection.send_fragment(kind, b"x", true, &mut Vec::new()).unwrap();
                }
            }
        }
    }
}

/// R076 R085: `fragment_size` does not apply to control frames.
#[test]
fn s5_4_control_frames_are_not_fragmented_by_size() {
    for role in ROLES {
        let config = Config::new().fragment_size(NonZeroUsize::new(1));
        let mut connection = open(role, config);
        let mut out = Vec::new();
        connection.ping(b"ping", &mut out).unwrap();
        connection.pong(b"pong", &mut out).unwrap();
        out.extend(feed(&mut connection, &frame(peer_of(role), 0x89, b"??")).out);
        connection.close(CloseCode::NORMAL, "bye", &mut out).unwrap();
        let expected = [
            (0x89, b"ping".to_vec()),
            (0x8A, b"pong".to_vec()),
            (0x8A, b"??".to_vec()),
            (0x88, b"\x03\xE8bye".to_vec()),
        ];
        assert_eq!(frames(role, &out), expected);
    }
}

/// R077: While a message is being sent, no other message can be sent. The refused command changes
/// nothing.
#[test]
fn s5_4_a_second_message_is_not_sent_inside_a_message() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for (first, capacity) in [(&b"first"[..], 0), (b"", 1000), (b"first", 1000)] {
                let other = if kind == MessageKind::Text {
                    MessageKind::Binary
                } else {
                    MessageKind::Text
                };
                let mut connection = open(role, Config::default());
                let mut out = Vec::with_capacity(capacity);
                connection.send_fragment(kind, first, false, &mut out).unwrap();
                let (sent, before) = (out.len(), format!("{connection:?}"));
                let refused = Err(SendError::MessageInProgress);
                assert_eq!(connection.send_text("x", &mut out), refused);
                assert_eq!(connection.send_binary(b"x", &mut out), refused);
                let header = connection.send_header(kind, 1, &mut out);
                assert_eq!(
                    header,
                    if role == Role::Server {
                        refused
                    } else {
                        Err(SendError::MaskRequired)
                    }
                );
                for fin in [false, true] {
                    let fragment = connection.send_fragment(other, b"x", fin, &mut out);
                    assert_eq!(fragment, Err(SendError::KindChanged));
                }
                assert_eq!((out.len(), format!("{connection:?}")), (sent, before));
                connection.send_fragment(kind, b"last", true, &mut out).unwrap();
                assert_eq!(frames(role, &out), [(opcode, first.to_vec()), (0x80, b"last".to_vec())]);
            }
        }
    }
}

/// R075 R093: Control frames are sent between fragments: those of the caller, and automatic
/// replies.
#[test]
fn s5_4_control_frames_are_sent_between_fragments() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let mut out = Vec::new();
        connection
            .send_fragment(MessageKind::Text, b"one ", false, &mut out)
            .unwrap();
        connection.ping(b"ping", &mut out).unwrap();
        connection
            .send_fragment(MessageKind::Text, b"two ", false, &mut out)
            .unwrap();
        out.extend(feed(&mut connection, &frame(peer_of(role), 0x89, b"?")).out);
        connection
            .send_fragment(MessageKind::Text, b"three", true, &mut out)
            .unwrap();
        let expected = [
            (0x01, b"one ".to_vec()),
            (0x89, b"ping".to_vec()),
            (0x00, b"two ".to_vec()),
            (0x8A, b"?".to_vec()),
            (0x80, b"three".to_vec()),
        ];
        assert_eq!(frames(role, &out), expected);
        let outcome = receive(peer_of(role), &Config::default(), &out);
        let expected = [
            Event::Ping(b"ping"[..].into()),
            Event::Pong(b"?"[..].into()),
            Event::Text("one two three".into()),
        ];
        assert_eq!(outcome.events, expected);
    }
}

/// R067 R103: A server can send the header of a message alone, and the caller writes the payload.
#[test]
fn s5_2_a_server_sends_a_header_alone() {
    for (kind, opcode) in KINDS {
        for (len, form) in [
            (0, Length::Short),
            (125, Length::Short),
            (126, Length::Medium),
            (65_535, Length::Medium),
            (65_536, Length::Long),
            ((1 << 63) - 1, Length::Long),
        ] {
            let mut out = Vec::new();
            open(Role::Server, Config::default())
                .send_header(kind, len, &mut out)
                .unwrap();
            assert_eq!(out, header(0x80 | opcode, false, form, len), "{kind:?}: {len}");
            if len <= 65_536 {
                let payload = vec![b'x'; usize::try_from(len).unwrap()];
                let outcome = receive(Role::Client, &Config::default(), &[&out[..], &payload].concat());
                assert_eq!(outcome.events, [message_event(kind, &payload)], "{kind:?}: {len}");
            }
        }
        for len in [1 << 63, u64::MAX] {
            let mut out = Vec::new();
            let sent = open(Role::Server, Config::default()).send_header(kind, len, &mut out);
            assert_eq!((sent, out.len()), (Err(SendError::PayloadTooLong { len }), 0), "{len}");
        }
    }
}

/// R098: A fragment of a text may end inside a character, and the message may not. Other bytes than
/// UTF-8 are refused.
#[test]
fn s5_6_only_utf8_is_sent_as_text() {
    let broken: [&[u8]; 5] = [b"\x80", b"\xC0\x80", b"\xED\xA0\x80", b"\xF4\x90", b"ok\xFF"];
    for role in ROLES {
        for cut in 0..=TEXT.len() {
            let mut connection = open(role, Config::default());
            let mut out = Vec::new();
            let (first, rest) = TEXT.as_bytes().split_at(cut);
            connection
                .send_fragment(MessageKind::Text, first, false, &mut out)
                .unwrap();
            let (sent, before) = (out.len(), format!("{connection:?}"));
            let is_inside_character = str::from_utf8(first).is_err();
            for fragment in broken {
                // After the start of a character, a continuation byte may be valid.
                if str::from_utf8(&[first, fragment].concat()).is_err_and(|error| error.error_len().is_some()) {
                    for fin in [false, true] {
                        let refused = connection.send_fragment(MessageKind::Text, fragment, fin, &mut out);
                        assert_eq!(
                            refused,
                            Err(SendError::InvalidUtf8),
                            "{fragment:02x?} after {cut} bytes"
                        );
                    }
                }
            }
            let end = connection.send_fragment(MessageKind::Text, b"\xE2\x82", true, &mut out);
            assert_eq!(end, Err(SendError::InvalidUtf8), "{cut}");
            if is_inside_character {
                let end = connection.send_fragment(MessageKind::Text, b"", true, &mut out);
                assert_eq!(end, Err(SendError::InvalidUtf8), "{cut}");
            }
            assert_eq!(
                (out.len(), format!("{connection:?}")),
                (sent, before),
                "{cut}: the refused commands changed something"
            );
            connection
                .send_fragment(MessageKind::Text, rest, true, &mut out)
                .unwrap();
            assert_eq!(
                receive(peer_of(role), &Config::default(), &out).events,
                [Event::Text(TEXT.into())]
            );
        }
    }
}

/// R100: A binary message may hold any bytes, sent and received.
#[test]
fn s5_6_binary_is_opaque() {
    let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    for role in ROLES {
        for cuts in [&[][..], &[1], &[128, 256, 256, 300]] {
            let input = message(peer_of(role), 0x2, &all, cuts).concat();
            let outcome = receive(role, &Config::default(), &input);
            assert_eq!(
                outcome.events,
                [message_event(MessageKind::Binary, &all)],
                "{role:?}, cut at {cuts:?}"
            );
            let (delivered, ..) = receive_chunks(role, &chunk_delivery(), &input);
            let bytes: Vec<u8> = delivered
                .into_iter()
                .flat_map(|event| match event {
                    Delivered::Chunk(MessageKind::Binary, data, ..) => data,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(bytes, all, "{role:?}, cut at {cuts:?}");
        }
        let mut out = Vec::new();
        open(role, Config::default()).send_binary(&all, &mut out).unwrap();
        assert_eq!(frames(role, &out), [(0x82, all.clone())]);
    }
}

/// Byte sequences that are not a part of valid UTF-8, whatever follows.
const INVALID: [&[u8]; 40] = [
    // continuation bytes without a first byte
    b"\x80",
    b"\xBF",
    b"\x8F\xBF",
    // a first byte without its continuation bytes
    b"\xC3\x41",
    b"\xC3\xC3\xA9",
    b"\xE2\x41",
    b"\xE2\x82\x41",
    b"\xE2\x82\xE2\x82\xAC",
    b"\xF0\x41",
    b"\xF0\x9F\x41",
    b"\xF0\x9F\x98\x41",
    b"\xF0\x9F\x98\xF0",
    // overlong forms
    b"\xC0\x80",
    b"\xC0\xAF",
    b"\xC1\xBF",
    b"\xE0\x80\x80",
    b"\xE0\x80\xAF",
    b"\xE0\x9F\xBF",
    b"\xF0\x80\x80\x80",
    b"\xF0\x80\x80\xAF",
    b"\xF0\x82\x82\xAC",
    b"\xF0\x8F\xBF\xBF",
    // surrogates
    b"\xED\xA0\x80",
    b"\xED\xAD\xBF",
    b"\xED\xAE\x80",
    b"\xED\xB0\x80",
    b"\xED\xBF\xBF",
    b"\xED\xA0\xBD\xED\xB8\x80",
    // above U+10FFFF
    b"\xF4\x90\x80\x80",
    b"\xF4\xBF\xBF\xBF",
    b"\xF5\x80\x80\x80",
    b"\xF7\xBF\xBF\xBF",
    b"\xF8\x88\x80\x80\x80",
    b"\xFB\xBF\xBF\xBF\xBF",
    b"\xFC\x84\x80\x80\x80\x80",
    b"\xFD\xBF\xBF\xBF\xBF\xBF",
    // bytes that never occur in UTF-8
    b"\xFE",
    b"\xFF",
    b"\xFF\xFE",
    b"\xEF\xBB\xFF",
];

/// The length of the shortest prefix of `text` that is not the start of valid UTF-8.
fn first_invalid_prefix(text: &[u8]) -> usize {
    (1..=text.len())
        .find(|&n| str::from_utf8(&text[..n]).is_err_and(|error| error.error_len().is_some()))
        .unwrap()
}

/// R099 R126: Invalid UTF-8 fails the connection with the code 1007 at the byte that makes it
/// certain, long before the end of the frame, wherever the input is cut, and with either delivery.
#[test]
fn s8_1_invalid_utf8_fails_the_connection_at_once() {
    for role in ROLES {
        for invalid in INVALID {
            for before in ["", "ok", TEXT] {
                let text = [before.as_bytes(), invalid].concat();
                let broken = first_invalid_prefix(&text);
                let masked = text
                    .iter()
                    .zip(KEY.iter().cycle())
                    .map(|(byte, key)| byte ^ key)
                    .collect();
                let mut input = header(0x81, role == Role::Server, Length::Medium, 1000);
                let payload: Vec<u8> = match role {
                    Role::Server => {
                        input.extend(KEY);
                        masked
                    }
                    Role::Client => text.clone(),
                };
                let row = format!("{role:?}: {text:02x?}");
                input.extend(&payload[..broken - 1]);
                assert_eq!(
                    error(role, &Config::default(), &input),
                    None,
                    "{row}: it may still become UTF-8"
                );
                input.push(payload[broken - 1]);
                assert_eq!(
                    error(role, &Config::default(), &input),
                    Some(ProtocolError::InvalidUtf8),
                    "{row}"
                );
                let outcome = receive(role, &Config::default(), &input);
                assert_eq!(outcome.events, [], "{row}");
                assert_eq!(frames(role, &outcome.out), [(0x88, vec![0x03, 0xEF])], "{row}");
            }
        }
    }
}

/// R098 R099: Invalid UTF-8 also fails in a message of several fragments, cut at every place, and
/// in a complete one.
#[test]
fn s8_1_invalid_utf8_fails_in_any_fragments() {
    for role in ROLES {
        for invalid in INVALID {
            for (before, after) in [("", ""), (TEXT, "after")] {
                let text = [before.as_bytes(), invalid, after.as_bytes()].concat();
                for n in 0..=2 {
                    for cuts in all_cuts(text.len(), n) {
                        let input = message(peer_of(role), 0x1, &text, &cuts).concat();
                        let row = format!("{role:?}: {text:02x?}, cut at {cuts:?}");
                        if n < 2 || after.is_empty() {
                            let found = error(role, &Config::default(), &input);
                            assert_eq!(found, Some(ProtocolError::InvalidUtf8), "{row}");
                        } else {
                            let outcome = feed(&mut open(role, Config::default()), &input);
                            assert_eq!(outcome.error, Some(ProtocolError::InvalidUtf8), "{row}");
                        }
                    }
                }
            }
        }
    }
}

/// R098 R099: A fragment may end inside a character, and a message may not. The next message does
/// not complete the character.
#[test]
fn s8_1_a_text_that_ends_inside_a_character_fails_at_its_end() {
    for role in ROLES {
        let peer = peer_of(role);
        for cut in (1..TEXT.len()).filter(|cut| !TEXT.is_char_boundary(*cut)) {
            let (begun, missing) = TEXT.as_bytes().split_at(cut);
            for n in 0..=2 {
                for cuts in all_cuts(begun.len(), n) {
                    let input = message(peer, 0x1, begun, &cuts).concat();
                    let found = error(role, &Config::default(), &input);
                    assert_eq!(
                        found,
                        Some(ProtocolError::InvalidUtf8),
                        "{role:?}: {begun:02x?}, cut at {cuts:?}"
                    );
                }
            }
            let open_end = frame(peer, 0x01, begun);
            assert_eq!(
                error(role, &Config::default(), &open_end),
                None,
                "{role:?}: {begun:02x?}"
            );
            let continued = [&open_end[..], &frame(peer, 0x00, b""), &frame(peer, 0x80, missing)].concat();
            assert_eq!(
                receive(role, &Config::default(), &continued).events,
                [Event::Text(TEXT.into())]
            );
            let ends = [&open_end[..], &frame(peer, 0x80, b""), &frame(peer, 0x81, missing)].concat();
            assert_eq!(error(role, &Config::default(), &ends), Some(ProtocolError::InvalidUtf8));
        }
    }
}

/// R098 R099: The first and the last code point of each length and range are text.
#[test]
fn s8_1_every_code_point_is_text() {
    let text =
        "\0\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FDD0}\u{FEFF}\u{FFFD}\u{FFFE}\u{FFFF}\u{10000}\u{10FFFF}";
    for role in ROLES {
        for cut in 0..=text.len() {
            let input = message(peer_of(role), 0x1, text.as_bytes(), &[cut]).concat();
            assert_eq!(
                receive(role, &Config::default(), &input).events,
                [Event::Text(text.into())]
            );
            assert_eq!(error(role, &Config::default(), &input), None);
        }
    }
}

/// R099: The validator and the standard library agree for all sequences of four boundary bytes,
/// wherever they are cut: on what is text, on what may become text, and on the first invalid byte.
#[test]
fn s8_1_the_validator_agrees_with_the_standard_library() {
    const BYTES: [u8; 23] = [
        0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0,
        0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
    ];
    let mut text = [0; 4];
    for i in 0..BYTES.len().pow(4) {
        let mut rest = i;
        for byte in &mut text {
            *byte = BYTES[rest % BYTES.len()];
            rest /= BYTES.len();
        }
        let (valid, error_len) = match str::from_utf8(&text) {
            Ok(_) => (4, None),
            Err(error) => (error.valid_up_to(), error.error_len()),
        };
        let cut = i % 5;
        let mut validator = Validator::new();
        let first = validator.push(&text[..cut]);
        let second = first.result.is_ok().then(|| validator.push(&text[cut..]));
        let found = second.map_or(first.result, |second| second.result);
        assert_eq!(found.is_err(), error_len.is_some(), "{text:02x?}, cut at {cut}");
        let mut joined = String::from(first.text);
        if let Some(second) = second {
            joined.extend(second.split);
            joined.push_str(second.text);
        }
        assert_eq!(joined.as_bytes(), &text[..valid], "{text:02x?}, cut at {cut}");
        if found.is_ok() {
            assert_eq!(validator.unfinished(), &text[valid..], "{text:02x?}, cut at {cut}");
            let complete = valid == text.len();
            assert_eq!(validator.missing() == 0, complete, "{text:02x?}, cut at {cut}");
            assert_eq!(validator.finish().is_ok(), complete);
            assert_eq!(validator.missing(), 0, "a new text starts");
        }
    }
}

/// R080 R104: A chunk has the kind of its message, and says whether a frame ends with it and
/// whether the message ends with it.
#[test]
fn s6_2_chunks_have_the_kind_and_the_ends() {
    for role in ROLES {
        let peer = peer_of(role);
        for (kind, opcode) in KINDS {
            let input = [
                frame(peer, 0x80 | opcode, b"whole"),
                frame(peer, 0x80 | opcode, b""),
                frame(peer, opcode, b""),
                frame(peer, 0x00, b"in"),
                frame(peer, 0x89, b"ping"),
                frame(peer, 0x00, b""),
                frame(peer, 0x80, b"parts"),
                frame(peer, opcode, b"x"),
                frame(peer, 0x80, b""),
                frame(peer, 0x88, b""),
            ]
            .concat();
            let chunk =
                |data: &[u8], frame_end, message_end| Delivered::Chunk(kind, data.to_vec(), frame_end, message_end);
            let expected = [
                chunk(b"whole", true, true),
                chunk(b"", true, true),
                chunk(b"", true, false),
                chunk(b"in", true, false),
                Delivered::Other(Event::Ping(b"ping"[..].into())),
                chunk(b"", true, false),
                chunk(b"parts", true, true),
                chunk(b"x", true, false),
                chunk(b"", true, true),
                Delivered::Other(Event::Close(None)),
            ];
            let (delivered, error, out) = receive_chunks(role, &chunk_delivery(), &input);
            assert_eq!((&delivered[..], error), (&expected[..], None), "{role:?} {kind:?}");
            assert_eq!(frames(role, &out), [(0x8A, b"ping".to_vec()), (0x88, Vec::new())]);
            for first in 0..input.len() {
                for second in (first..input.len()).step_by(3) {
                    let outcome = feed_cut(&mut open(role, chunk_delivery()), &input, &[first, second]);
                    assert_eq!(
                        join_chunks(outcome.events),
                        expected,
                        "{role:?} {kind:?}, cut at {first}, {second}"
                    );
                }
            }
        }
    }
}

/// R104: With chunk delivery, the received part of a frame is delivered before the frame ends.
#[test]
fn s6_2_chunks_do_not_wait_for_the_end_of_a_frame() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            let mut connection = open(role, chunk_delivery());
            let input = frame(peer_of(role), 0x80 | opcode, b"abcdef");
            let head = input.len() - 6;
            let mut pieces = Vec::new();
            for (from, to) in [(0, head), (head, head + 1), (head + 1, head + 4), (head + 4, head + 6)] {
                pieces.push(join_chunks(feed(&mut connection, &input[from..to]).events));
            }
            let expected = [
                vec![],
                vec![Delivered::Chunk(kind, b"a".to_vec(), false, false)],
                vec![Delivered::Chunk(kind, b"bcd".to_vec(), false, false)],
                vec![Delivered::Chunk(kind, b"ef".to_vec(), true, true)],
            ];
            assert_eq!(pieces, expected, "{role:?}");
        }
    }
}

/// R098: A chunk of text holds whole characters, also where a frame or an input ends inside one.
#[test]
fn s5_6_chunks_of_text_end_between_characters() {
    let text = TEXT.repeat(2);
    for role in ROLES {
        for n in 0..=2 {
            for cuts in all_cuts(text.len(), n) {
                let input = message(peer_of(role), 0x1, text.as_bytes(), &cuts).concat();
                let (delivered, error, _) = receive_chunks(role, &chunk_delivery(), &input);
                let row = format!("{role:?}, cut at {cuts:?}");
                assert_eq!(error, None, "{row}");
                let mut from = 0;
                let ends = cuts.iter().copied().chain([text.len()]);
                let expected: Vec<Delivered> = ends
                    .enumerate()
                    .map(|(i, end)| {
                        // The start of a character is delivered with the frame that completes it.
                        let end = (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap();
                        let data = text.as_bytes()[from.min(end)..end].to_vec();
                        from = end;
                        Delivered::Chunk(MessageKind::Text, data, true, i == cuts.len())
                    })
                    .collect();
                assert_eq!(delivered, expected, "{row}");
            }
        }
    }
}

/// R098: A chunk is borrowed from the input, except a character that spans two inputs.
#[test]
fn s5_6_chunks_are_borrowed_except_a_character_in_two_inputs() {
    for role in ROLES {
        let input = frame(peer_of(role), 0x81, "é€".as_bytes());
        let head = input.len() - 5;
        let mut connection = open(role, chunk_delivery());
        let mut first = input[..head + 1].to_vec();
        assert_eq!(connection.receive(&mut &mut first[..], &mut Vec::new()), Ok(None));
        let mut second = input[head + 1..].to_vec();
        let mut rest = &mut second[..];
        let mut texts = Vec::new();
        while let Some(event) = connection.receive(&mut rest, &mut Vec::new()).unwrap() {
            match event {
                Event::Chunk(chunk) => match chunk.data {
                    Message::Text(Cow::Owned(text)) => texts.push(("owned", text)),
                    Message::Text(Cow::Borrowed(text)) => texts.push(("borrowed", text.to_owned())),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(texts, [("owned", "é".to_owned()), ("borrowed", "€".to_owned())]);
    }
}

/// R099 R114: With chunk delivery, the valid text before an invalid byte is delivered. Then the
/// connection fails, and nothing is delivered any more.
#[test]
fn s8_1_valid_text_is_delivered_before_the_error() {
    for role in ROLES {
        for invalid in INVALID {
            for n in 0..=1 {
                let text = [TEXT.as_bytes(), invalid, b"after"].concat();
                for cuts in all_cuts(text.len(), n) {
                    let input = message(peer_of(role), 0x1, &text, &cuts).concat();
                    let (delivered, error, out) = receive_chunks(role, &chunk_delivery(), &input);
                    let row = format!("{role:?}: {text:02x?}, cut at {cuts:?}");
                    assert_eq!(error, Some(ProtocolError::InvalidUtf8), "{row}");
                    assert_eq!(frames(role, &out), [(0x88, vec![0x03, 0xEF])], "{row}");
                    let mut bytes = Vec::new();
                    for event in delivered {
                        match event {
                            Delivered::Chunk(MessageKind::Text, data, _, false) => bytes.extend(data),
                            other => panic!("{row}: {other:?}"),
                        }
                    }
                    let valid = str::from_utf8(&text).unwrap_err().valid_up_to();
                    assert_eq!(bytes, &text[..valid], "{row}");
                }
            }
        }
        // The error does not need more input, and it is final.
        let mut connection = open(role, chunk_delivery());
        let mut input = frame(peer_of(role), 0x01, b"ok\xFF");
        let mut rest = &mut input[..];
        let mut out = Vec::new();
        assert!(matches!(
            connection.receive(&mut rest, &mut out),
            Ok(Some(Event::Chunk(_)))
        ));
        for _ in 0..3 {
            let found = connection.receive(&mut rest, &mut out);
            assert_eq!(found, Err(Box::new(ProtocolError::InvalidUtf8)));
        }
        assert_eq!(connection.state(), State::Closed);
        assert_eq!(frames(role, &out).len(), 1);
    }
}

/// R104 R105: A message that is whole in the input is borrowed from it, unmasked in place, without
/// an allocation.
#[test]
fn s6_2_a_message_in_one_input_is_borrowed() {
    for role in ROLES {
        let peer = peer_of(role);
        for (kind, input) in [
            (MessageKind::Text, frame(peer, 0x81, TEXT.as_bytes())),
            (MessageKind::Binary, frame(peer, 0x82, TEXT.as_bytes())),
            (MessageKind::Binary, frame(peer, 0x82, &[7; 126])),
            (MessageKind::Binary, frame(peer, 0x82, &[7; 65_536])),
            // Empty fragments before the payload make no difference.
            (MessageKind::Text, message(peer, 0x1, TEXT.as_bytes(), &[0, 0]).concat()),
        ] {
            let mut connection = open(role, Config::default());
            let mut input = input;
            let mut out = Vec::new();
            let mut borrowed = None;
            let info = allocation_counter::measure(|| {
                let mut rest = &mut input[..];
                let event = connection.receive(&mut rest, &mut out).unwrap();
                borrowed = match event {
                    Some(Event::Text(Cow::Borrowed(_))) => Some(MessageKind::Text),
                    Some(Event::Binary(Cow::Borrowed(_))) => Some(MessageKind::Binary),
                    _ => None,
                };
            });
            assert_eq!(borrowed, Some(kind), "{role:?}");
            assert_eq!(info.count_total, 0, "{role:?} {kind:?}");
        }
    }
}

/// R105: The caller can send while it holds an event.
#[test]
fn s6_2_an_event_does_not_borrow_the_connection() {
    for role in ROLES {
        let mut connection = open(role, Config::default());
        let mut input = [
            frame(peer_of(role), 0x81, TEXT.as_bytes()),
            frame(peer_of(role), 0x82, b"\xFF"),
        ]
        .concat();
        let mut rest = &mut input[..];
        let mut out = Vec::new();
        let first = connection.receive(&mut rest, &mut out).unwrap();
        let second = connection.receive(&mut rest, &mut out).unwrap();
        let (Some(Event::Text(text)), Some(Event::Binary(data))) = (first, second) else {
            panic!("expected two messages");
        };
        connection.send_binary(&data, &mut out).unwrap();
        connection.send_text(&text, &mut out).unwrap();
        assert_eq!(
            frames(role, &out),
            [(0x82, b"\xFF".to_vec()), (0x81, TEXT.as_bytes().to_vec())]
        );
    }
}

/// R137 R126: A message of the maximum size is accepted. One more byte fails with the code 1009, in
/// any fragments and with either delivery, as soon as a header announces it.
#[test]
fn s10_4_the_size_of_a_message_is_limited() {
    const LIMIT: usize = 10;
    for role in ROLES {
        for (kind, opcode) in KINDS {
            let config = Config::new().max_message_size(LIMIT as u64);
            for (len, n) in [
                (LIMIT - 1, 0),
                (LIMIT, 0),
                (LIMIT + 1, 0),
                (LIMIT, 1),
                (LIMIT + 1, 1),
                (LIMIT - 1, 2),
                (LIMIT, 2),
                (LIMIT + 1, 2),
            ] {
                let payload = vec![b'x'; len];
                for cuts in all_cuts(len, n) {
                    let fragments = message(peer_of(role), opcode, &payload, &cuts);
                    let row = format!("{role:?} {kind:?}: {len} bytes, cut at {cuts:?}");
                    let ping = frame(peer_of(role), 0x89, &[b'p'; 125]);
                    let input = fragments.join(&ping[..]);
                    let expected = (len > LIMIT).then_some(too_big(len as u64, LIMIT as u64));
                    assert_eq!(error(role, &config, &input), expected, "{row}");
                    if len <= LIMIT {
                        let mut events = receive(role, &config, &input).events;
                        assert_eq!(events.pop(), Some(message_event(kind, &payload)), "{row}");
                    }
                }
            }
            // The header that exceeds the limit is enough.
            let bytes = frame(peer_of(role), 0x80 | opcode, &[b'x'; LIMIT + 1]);
            let head = &bytes[..bytes.len() - LIMIT - 1];
            let outcome = receive(role, &config, head);
            let expected = too_big(LIMIT as u64 + 1, LIMIT as u64);
            assert_eq!(outcome.error, Some(expected), "{role:?} {kind:?}");
            assert_eq!(frames(role, &outcome.out), [(0x88, vec![0x03, 0xF1])]);
            assert_eq!(error(role, &config, &head[..head.len() - 1]), None);
        }
    }
}

/// R137: The limit applies to each message separately. A limit of 0 permits empty messages.
#[test]
fn s10_4_the_size_limit_applies_to_each_message() {
    for role in ROLES {
        let peer = peer_of(role);
        let config = Config::new().max_message_size(4);
        let input = [
            frame(peer, 0x82, &[1; 4]),
            message(peer, 0x2, &[2; 4], &[1, 2, 3]).concat(),
            frame(peer, 0x82, &[3; 4]),
            frame(peer, 0x81, b"four"),
        ]
        .concat();
        assert_eq!(receive(role, &config, &input).events.len(), 4);
        assert_eq!(error(role, &config, &input), None);
        let config = config.max_message_size(0);
        assert_eq!(
            receive(role, &config, &frame(peer, 0x81, b"")).events,
            [Event::Text("".into())]
        );
        assert_eq!(error(role, &config, &frame(peer, 0x81, b"x")), Some(too_big(1, 0)));
    }
}

/// R137 R126: A message may have the maximum number of frames, empty ones included. One more fails
/// with the code 1008.
#[test]
fn s10_4_the_number_of_fragments_is_limited() {
    for role in ROLES {
        let peer = peer_of(role);
        for (kind, opcode) in KINDS {
            for max_fragments in 1..5 {
                let config = Config::new().max_fragments(max_fragments);
                let limit = usize::try_from(max_fragments).unwrap();
                for payload in [&b""[..], b"abcdef"] {
                    for fragments in 1..limit + 3 {
                        let cuts: Vec<usize> = (1..fragments).map(|i| i.min(payload.len())).collect();
                        // Two messages: each has its own count. Control frames are not counted.
                        let ping = frame(peer, 0x89, b"");
                        let input = message(peer, opcode, payload, &cuts).join(&ping[..]).repeat(2);
                        let expected =
                            (fragments > limit).then_some(ProtocolError::TooManyFragments { limit: max_fragments });
                        let row = format!("{role:?} {kind:?}: {fragments} of {limit}, {payload:?}");
                        assert_eq!(error(role, &config, &input), expected, "{row}");
                        let mut outcome = receive(role, &config, &input);
                        if expected.is_some() {
                            let close = frames(role, &outcome.out).pop();
                            assert_eq!(close, Some((0x88, vec![0x03, 0xF0])), "{row}");
                        } else {
                            assert_eq!(outcome.events.pop(), Some(message_event(kind, payload)), "{row}");
                        }
                    }
                }
            }
            let config = Config::new().max_fragments(0);
            let input = frame(peer, 0x80 | opcode, b"x");
            assert_eq!(
                error(role, &config, &input),
                Some(ProtocolError::TooManyFragments { limit: 0 })
            );
        }
    }
}

/// R137: The default configuration has both limits.
#[test]
fn s10_4_the_limits_have_defaults() {
    let config = Config::default();
    assert_eq!(config, Config::new().max_message_size(16 << 20).max_fragments(131_072));
    for role in ROLES {
        let masked = role == Role::Server;
        for (len, expected) in [
            (16 << 20, None),
            ((16 << 20) + 1, Some(too_big((16 << 20) + 1, 16 << 20))),
        ] {
            let mut input = header(0x82, masked, Length::Long, len);
            if masked {
                input.extend(KEY);
            }
            assert_eq!(error(role, &config, &input), expected, "{role:?}: {len}");
        }
    }
}

/// Receives `pieces` one by one and drops the events. Measures the allocations, except those of the
/// output.
fn allocations(connection: &mut Connection, pieces: &mut [&mut [u8]]) -> allocation_counter::AllocationInfo {
    let mut out = Vec::with_capacity(1024);
    allocation_counter::measure(|| {
        for piece in pieces {
            let mut rest = &mut **piece;
            while let Some(event) = connection.receive(&mut rest, &mut out).unwrap() {
                drop(event);
            }
        }
    })
}

/// R138: A header reserves no memory. The first byte of a payload reserves at most 64 KiB.
#[test]
fn s10_4_nothing_is_reserved_for_announced_lengths() {
    for role in ROLES {
        let masked = role == Role::Server;
        for (kind, opcode) in KINDS {
            for len in [1 << 16, 1 << 24, 1 << 32, 1 << 62, (1 << 63) - 1] {
                let config = Config::new().max_message_size(u64::MAX);
                let mut head = header(0x80 | opcode, masked, Length::Long, len);
                if masked {
                    head.extend([0; 4]);
                }
                let mut connection = open(role, config);
                let info = allocations(&mut connection, &mut [&mut head[..]]);
                assert_eq!(info.count_total, 0, "{role:?} {kind:?}: {len}");
                let info = allocations(&mut connection, &mut [&mut [b'x'][..]]);
                assert!(info.bytes_total <= 1 + (64 << 10), "{role:?} {kind:?}: {len}: {info:?}");
            }
        }
        // Many small frames.
        let config = Config::new().max_message_size(u64::MAX);
        let mut connection = open(role, config);
        let mut heads = Vec::new();
        for first in [0x02, 0x00, 0x00, 0x00] {
            heads.extend(header(first, masked, Length::Short, 1));
            heads.extend_from_slice(if masked { &[0; 5] } else { &[0] });
        }
        let info = allocations(&mut connection, &mut [&mut heads[..]]);
        assert!(info.bytes_max < 64, "{role:?}: {info:?}");
    }
}

/// R138: While a message is assembled, at most twice the received bytes and 64 KiB are held, for
/// any pieces and frames. The buffer grows a few times, and not with each piece.
#[test]
fn s10_4_memory_is_bounded_by_what_was_received() {
    const LEN: usize = 1 << 20;
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for (frame_len, piece) in [(LEN, 1000), (LEN, 60_000), (1000, LEN), (100, 700), (70_000, 999)] {
                let config = Config::new().max_message_size(LEN as u64);
                let cuts: Vec<usize> = (1..LEN.div_ceil(frame_len)).map(|i| i * frame_len).collect();
                let mut input = message(peer_of(role), opcode, &vec![b'x'; LEN], &cuts).concat();
                let without_end = input.len() - 1;
                let mut connection = open(role, config);
                let mut pieces: Vec<&mut [u8]> = input[..without_end].chunks_mut(piece).collect();
                let info = allocations(&mut connection, &mut pieces);
                let row = format!("{role:?} {kind:?} in frames of {frame_len}, pieces of {piece}: {info:?}");
                let held = usize::try_from(info.bytes_current).unwrap();
                assert!(held <= 2 * LEN + (64 << 10), "{row}");
                // While the buffer grows, the old allocation and the new one exist.
                assert!(info.bytes_max <= 3 * LEN as u64 + (64 << 10), "{row}");
                assert!(info.count_total < 40, "{row}");
            }
        }
    }
}

/// R138: The bound holds after every piece, the first ones included, however small the pieces are.
#[test]
fn s10_4_memory_is_bounded_after_every_piece() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            let mut head = header(0x80 | opcode, role == Role::Server, Length::Long, 1 << 20);
            if role == Role::Server {
                head.extend([0; 4]);
            }
            for piece in [1, 3, 1000, 50_000] {
                let mut connection = open(role, Config::default());
                allocations(&mut connection, &mut [&mut head.clone()[..]]);
                let (mut received, mut held) = (head.len(), 0);
                for _ in 0..10 {
                    let info = allocations(&mut connection, &mut [&mut vec![b'x'; piece][..]]);
                    received += piece;
                    held += info.bytes_current;
                    let most = i64::try_from(2 * received + (64 << 10)).unwrap();
                    assert!(held <= most, "{role:?} {kind:?}: {held} bytes are held for {received}");
                }
            }
        }
    }
}

/// R138: With chunk delivery nothing is assembled, however long the message is.
#[test]
fn s10_4_chunk_delivery_allocates_nothing() {
    for role in ROLES {
        for (_, opcode) in KINDS {
            let mut input = message(peer_of(role), opcode, &vec![b'x'; 1 << 20], &[3, 70_000]).concat();
            let mut pieces: Vec<&mut [u8]> = input.chunks_mut(4096).collect();
            let info = allocations(&mut open(role, chunk_delivery()), &mut pieces);
            assert_eq!(info.count_total, 0, "{role:?}");
        }
    }
}

/// R138: `recycle` returns the allocation of an assembled message: further messages that span
/// inputs allocate nothing.
#[test]
fn s10_4_recycled_allocations_are_used_again() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            let mut connection = open(role, Config::default());
            let mut out = Vec::new();
            let one = message(peer_of(role), opcode, &[b'x'; 5000], &[1000, 1000, 4000]).concat();
            for round in 0..4 {
                let mut input = one.clone();
                let mut messages = 0;
                let info = allocation_counter::measure(|| {
                    for piece in input.chunks_mut(700) {
                        let mut rest = piece;
                        while let Some(event) = connection.receive(&mut rest, &mut out).unwrap() {
                            messages += 1;
                            connection.recycle(event);
                        }
                    }
                });
                assert_eq!(messages, 1);
                assert_eq!(info.count_total > 0, round == 0, "{role:?} {kind:?}, round {round}");
            }
        }
    }
}

/// R138: A recycled allocation serves both kinds of message. The larger one is kept, and a borrowed
/// message is not.
#[test]
fn s10_4_recycle_keeps_the_larger_allocation() {
    let fill = |connection: &mut Connection, opcode, len| {
        let mut input = message(Role::Client, opcode, &vec![b'x'; len], &[1]).concat();
        let mut event = None;
        let info = allocation_counter::measure(|| {
            let mut rest = &mut input[..];
            event = connection
                .receive(&mut rest, &mut Vec::new())
                .unwrap()
                .map(Event::into_owned);
        });
        (event.unwrap(), info.count_total)
    };
    let mut server = open(Role::Server, Config::default());
    let (large, _) = fill(&mut server, 0x1, 3000);
    let (small, _) = fill(&mut server, 0x2, 10);
    server.recycle(large);
    server.recycle(small);
    server.recycle(Event::Binary(Cow::Borrowed(&[0; 9000])));
    server.recycle(Event::Ping(vec![0; 9000].into()));
    let (event, allocated) = fill(&mut server, 0x2, 3000);
    assert_eq!(allocated, 0, "the larger allocation serves the other kind");
    // `recycle` accepts events of another connection, while a message is assembled, and repeatedly.
    let mut other = open(Role::Server, Config::default());
    other.recycle(event);
    let begun = frame(Role::Client, 0x01, b"be");
    assert_eq!(feed(&mut other, &begun).events, []);
    other.recycle(Event::Text("other".into()));
    other.recycle(Event::Text("other".into()));
    let ended = feed(&mut other, &frame(Role::Client, 0x80, b"gun"));
    assert_eq!(ended.events, [Event::Text("begun".into())]);
}

/// R138: A borrowed message that began with an empty fragment does not prevent the use of a
/// recycled allocation.
#[test]
fn s10_4_recycle_works_after_a_borrowed_message() {
    let spanning = || message(Role::Client, 0x2, &[b'x'; 3000], &[1]).concat();
    let mut server = open(Role::Server, Config::default());
    let large = feed(&mut server, &spanning()).events.remove(0);
    let mut borrowed = message(Role::Client, 0x1, b"text", &[0]).concat();
    let event = server.receive(&mut &mut borrowed[..], &mut Vec::new());
    assert!(matches!(event, Ok(Some(Event::Text(Cow::Borrowed("text"))))));
    server.recycle(large);
    let mut input = spanning();
    let info = allocations(&mut server, &mut [&mut input[..]]);
    assert_eq!(info.count_total, 0);
}
