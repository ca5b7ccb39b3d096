//! Messages: RFC 6455, sections 5.4 (fragmentation), 5.6 (data frames), 6 (sending and receiving), 8.1 (UTF-8) and
//! 10.4 (limits).

use std::{borrow::Cow, num::NonZeroUsize, str};

use sockless::{
    CloseCode, Config, Connection, Delivery, Event, Message, MessageKind, ProtocolError, Role, SendError, State,
    utf8::{InvalidUtf8, Validator},
};
use support::{
    KEY, Length, Outcome, ROLES, feed, feed_bytewise, feed_cut, frame, frames, header, open, peer_of, too_big,
};

const KINDS: [(MessageKind, u8); 2] = [(MessageKind::Text, 0x1), (MessageKind::Binary, 0x2)];

/// Code points of one to four bytes.
const TEXT: &str = "aé€😀";

fn in_chunks() -> Config {
    Config::new().delivery(Delivery::Chunks)
}

/// What becomes of `input`, the same in one piece and byte by byte.
fn receive(role: Role, config: &Config, input: &[u8]) -> Outcome {
    let whole = feed(&mut open(role, config.clone()), input);
    let bytewise = feed_bytewise(&mut open(role, config.clone()), input);
    assert_eq!(whole, bytewise, "{role:?}: {input:02x?}");
    whole
}

/// An event in chunk delivery.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// MessageKind, payload, end of the frame, end of the message.
    Chunk(MessageKind, Vec<u8>, bool, bool),
    Other(Event<'static>),
}

/// The events, with adjacent chunks of a frame joined.
fn joined(events: Vec<Event<'static>>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for event in events {
        let Event::Chunk(chunk) = event else {
            seen.push(Seen::Other(event));
            continue;
        };
        let (bytes, frame_end, message_end) = (chunk.as_bytes(), chunk.frame_end, chunk.message_end);
        assert!(frame_end || !bytes.is_empty(), "only the end of a frame may be empty");
        assert!(frame_end || !message_end, "a message ends with a frame");
        match seen.last_mut() {
            Some(Seen::Chunk(kind, joined, end @ false, last)) => {
                assert_eq!(*kind, chunk.kind());
                joined.extend_from_slice(bytes);
                (*end, *last) = (frame_end, message_end);
            }
            _ => seen.push(Seen::Chunk(chunk.kind(), bytes.to_vec(), frame_end, message_end)),
        }
    }
    seen
}

/// The same as [`receive`] in chunk delivery: there, the joined chunks are the same.
fn receive_chunks(role: Role, config: &Config, input: &[u8]) -> (Vec<Seen>, Option<ProtocolError>, Vec<u8>) {
    assert_eq!(*config, config.clone().delivery(Delivery::Chunks));
    let whole = feed(&mut open(role, config.clone()), input);
    let bytewise = feed_bytewise(&mut open(role, config.clone()), input);
    let whole = (joined(whole.events), whole.error, whole.out);
    let bytewise = (joined(bytewise.events), bytewise.error, bytewise.out);
    assert_eq!(whole, bytewise, "{role:?}: {input:02x?}");
    whole
}

/// The error in either delivery, from `input` in one piece or byte by byte.
fn error(role: Role, config: &Config, input: &[u8]) -> Option<ProtocolError> {
    let outcome = receive(role, &config.clone().delivery(Delivery::Messages), input);
    let (_, error, out) = receive_chunks(role, &config.clone().delivery(Delivery::Chunks), input);
    assert_eq!((outcome.error, outcome.out), (error, out), "{role:?}: {input:02x?}");
    error
}

/// A message in fragments that end at `cuts`; the last one has FIN.
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

/// All ways to cut `len` bytes at `n` places, so that there may be empty parts.
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

/// The event of a whole message.
fn whole(kind: MessageKind, data: &[u8]) -> Event<'static> {
    match kind {
        MessageKind::Text => Event::Text(String::from_utf8(data.to_vec()).unwrap().into()),
        MessageKind::Binary => Event::Binary(data.to_vec().into()),
    }
}

/// R072 R078 R079 R080 R098 R104: however a message is fragmented, empty fragments and cuts inside of characters included,
/// it is one message, and the same one.
#[test]
fn s5_4_a_message_may_come_in_any_fragments() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for n in 0..=3 {
                for cuts in all_cuts(TEXT.len(), n) {
                    let input = message(peer_of(role), opcode, TEXT.as_bytes(), &cuts).concat();
                    let outcome = receive(role, &Config::default(), &input);
                    let row = format!("{role:?} {kind:?}, cut at {cuts:?}");
                    assert_eq!(outcome.events, [whole(kind, TEXT.as_bytes())], "{row}");
                    assert_eq!((outcome.error, outcome.out), (None, Vec::new()), "{row}");
                }
            }
        }
    }
}

/// R078: a message may be nothing but empty fragments.
#[test]
fn s5_4_fragments_may_be_empty() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for n in 0..20 {
                let input = message(peer_of(role), opcode, b"", &vec![0; n]).concat();
                let outcome = receive(role, &Config::default(), &input);
                assert_eq!(outcome.events, [whole(kind, b"")], "{role:?} {kind:?}: {n} and one");
            }
        }
    }
}

/// R073: "the fragments of one message MUST NOT be interleaved between the fragments of another", also if there is
/// nothing in them yet.
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
                            Some(ProtocolError::InterleavedMessage),
                            "{row}"
                        );
                        let outcome = receive(role, &Config::default(), &input);
                        assert_eq!(outcome.events, [], "{row}");
                        assert_eq!(frames(role, &outcome.out), [(0x88, vec![0x03, 0xEA])], "{row}");
                        // A frame that is all of an input is no different.
                        let in_two = feed_cut(&mut open(role, Config::default()), &input, &[before.len()]);
                        assert_eq!(outcome, in_two, "{row}");
                    }
                }
            }
        }
    }
}

/// R074: a continuation continues something: not at the start, not after a message, not after a control frame.
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

/// R075 R077 R093: control frames come between fragments, are handled there, and the message is what it was.
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
                    expected.push(whole(kind, TEXT.as_bytes()));
                    assert_eq!(outcome.events, expected, "{row}");
                    assert_eq!(frames(role, &outcome.out), [(0x8A, b"ping".to_vec())], "{row}");
                }
            }
        }
    }
}

/// R075 R094: the Pong is in the output before the message has ended.
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

/// R075 R088: a Close between two fragments closes; what there is of the message is no message.
#[test]
fn s5_4_a_close_inside_a_message_is_a_close() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x01, b"begun"),
            frame(peer, 0x88, &[0x03, 0xE8]),
            frame(peer, 0x80, b"never"),
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
                    assert_eq!(outcome.error, Some(ProtocolError::FragmentedControlFrame), "{row}");
                    assert_eq!(frames(role, &outcome.out), [(0x88, vec![0x03, 0xEA])], "{row}");
                }
            }
        }
    }
}

/// R072 R103: a message is sent in as many fragments as the caller makes of it; the first names the kind, the last has FIN.
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
                    assert_eq!(outcome.events, [whole(kind, TEXT.as_bytes())], "{row}");
                    // The next message begins anew.
                    out.clear();
                    connection.send_binary(b"next", &mut out).unwrap();
                    assert_eq!(frames(role, &out), [(0x82, b"next".to_vec())], "{row}");
                }
            }
        }
    }
}

/// R072 R103: a message longer than `fragment_size` is cut into frames of that size, the last one perhaps smaller, with room
/// for it in the output or without, and behind fragments of one's own.
#[test]
fn s5_4_messages_are_fragmented_by_size() {
    let text = TEXT.repeat(4);
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for size in 1..=text.len() + 1 {
                let config = Config::new().fragment_size(NonZeroUsize::new(size));
                let mut connection = open(role, config);
                for room in [0, 10_000] {
                    for len in text.char_indices().map(|(at, _)| at).chain([text.len()]) {
                        let data = &text[..len];
                        let mut out = Vec::with_capacity(room);
                        match kind {
                            MessageKind::Text => connection.send_text(data, &mut out).unwrap(),
                            MessageKind::Binary => connection.send_binary(data.as_bytes(), &mut out).unwrap(),
                        }
                        let row = format!("{role:?} {kind:?}: {len} bytes in frames of {size}, room for {room}");
                        let cuts: Vec<usize> = (1..len.div_ceil(size)).map(|i| i * size).collect();
                        let expected = message(role, opcode, data.as_bytes(), &cuts).concat();
                        assert_eq!(frames(role, &out), frames(role, &expected), "{row}");
                        let outcome = receive(peer_of(role), &Config::default(), &out);
                        assert_eq!(outcome.events, [whole(kind, data.as_bytes())], "{row}");
                    }
                    connection.send_fragment(kind, b"x", true, &mut Vec::new()).unwrap();
                }
            }
        }
    }
}

/// R076 R085: `fragment_size` does not fragment control frames.
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

/// R077: while a message is in progress no other one can be sent; the refusal changes nothing.
#[test]
fn s5_4_messages_are_not_interleaved() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            for (first, room) in [(&b"first"[..], 0), (b"", 1000), (b"first", 1000)] {
                let other = if kind == MessageKind::Text {
                    MessageKind::Binary
                } else {
                    MessageKind::Text
                };
                let mut connection = open(role, Config::default());
                let mut out = Vec::with_capacity(room);
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

/// R075 R093: control frames are sent between fragments: by command, and in answer to the peer.
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

/// R067 R103: the header alone of a message whose payload the caller writes itself.
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
                assert_eq!(outcome.events, [whole(kind, &payload)], "{kind:?}: {len}");
            }
        }
        for len in [1 << 63, u64::MAX] {
            let mut out = Vec::new();
            let sent = open(Role::Server, Config::default()).send_header(kind, len, &mut out);
            assert_eq!((sent, out.len()), (Err(SendError::PayloadTooLong { len }), 0), "{len}");
        }
    }
}

/// R098: a fragment of text may end inside a character; the message may not, and nothing else than UTF-8 is sent.
#[test]
fn s5_6_what_is_sent_as_text_is_utf8() {
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
            let inside = str::from_utf8(first).is_err();
            for fragment in broken {
                // Behind the beginning of a character, a continuation byte may be in order.
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
            if inside {
                let end = connection.send_fragment(MessageKind::Text, b"", true, &mut out);
                assert_eq!(end, Err(SendError::InvalidUtf8), "{cut}");
            }
            assert_eq!(
                (out.len(), format!("{connection:?}")),
                (sent, before),
                "{cut}: nothing has changed"
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

/// R100: binary is opaque, sent and received: every byte, in any order, text or not.
#[test]
fn s5_6_binary_is_opaque() {
    let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    for role in ROLES {
        for cuts in [&[][..], &[1], &[128, 256, 256, 300]] {
            let input = message(peer_of(role), 0x2, &all, cuts).concat();
            let outcome = receive(role, &Config::default(), &input);
            assert_eq!(
                outcome.events,
                [whole(MessageKind::Binary, &all)],
                "{role:?}, cut at {cuts:?}"
            );
            let (seen, ..) = receive_chunks(role, &in_chunks(), &input);
            let bytes: Vec<u8> = seen
                .into_iter()
                .flat_map(|seen| match seen {
                    Seen::Chunk(MessageKind::Binary, data, ..) => data,
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

/// Byte sequences that cannot be in UTF-8, whatever follows.
const INVALID: [&[u8]; 40] = [
    // continuation bytes that continue nothing
    b"\x80",
    b"\xBF",
    b"\x8F\xBF",
    // a first byte that is followed by something else
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
    // never a byte of UTF-8
    b"\xFE",
    b"\xFF",
    b"\xFF\xFE",
    b"\xEF\xBB\xFF",
];

/// How many bytes of `text` it takes to know that it is not UTF-8, whatever follows.
fn broken_after(text: &[u8]) -> usize {
    (1..=text.len())
        .find(|&n| str::from_utf8(&text[..n]).is_err_and(|error| error.error_len().is_some()))
        .unwrap()
}

/// R099 R126: invalid UTF-8 fails the connection with 1007 at the byte that makes it certain, in a frame that is far from
/// its end; wherever it is cut, and in both deliveries.
#[test]
fn s8_1_invalid_utf8_fails_the_connection_at_once() {
    for role in ROLES {
        for invalid in INVALID {
            for before in ["", "ok", TEXT] {
                let text = [before.as_bytes(), invalid].concat();
                let broken = broken_after(&text);
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
                    "{row}: it may still be UTF-8"
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

/// R098 R099: the same in a message of several fragments, cut at every place, and in one that is complete.
#[test]
fn s8_1_invalid_utf8_fails_in_any_fragments() {
    for role in ROLES {
        for invalid in INVALID {
            for (before, behind) in [("", ""), (TEXT, "behind")] {
                let text = [before.as_bytes(), invalid, behind.as_bytes()].concat();
                for n in 0..=2 {
                    for cuts in all_cuts(text.len(), n) {
                        let input = message(peer_of(role), 0x1, &text, &cuts).concat();
                        let row = format!("{role:?}: {text:02x?}, cut at {cuts:?}");
                        if n < 2 || behind.is_empty() {
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

/// R098 R099: a message must not end inside a character; a fragment may. What is missing does not come from the next
/// message.
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
            let goes_on = [&open_end[..], &frame(peer, 0x00, b""), &frame(peer, 0x80, missing)].concat();
            assert_eq!(
                receive(role, &Config::default(), &goes_on).events,
                [Event::Text(TEXT.into())]
            );
            let ends = [&open_end[..], &frame(peer, 0x80, b""), &frame(peer, 0x81, missing)].concat();
            assert_eq!(error(role, &Config::default(), &ends), Some(ProtocolError::InvalidUtf8));
        }
    }
}

/// R098 R099: the limits of what a code point may be, from both sides.
#[test]
fn s8_1_all_of_unicode_is_text() {
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

/// R099: the validator agrees with the standard library on the bytes at which something changes, wherever they are cut:
/// what is text, what may become text, and where it breaks.
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
        let (valid, certain) = match str::from_utf8(&text) {
            Ok(_) => (4, None),
            Err(error) => (error.valid_up_to(), error.error_len()),
        };
        let cut = i % 5;
        let mut validator = Validator::new();
        let first = validator.push(&text[..cut]);
        let second = first.result.is_ok().then(|| validator.push(&text[cut..]));
        let found = second.map_or(first.result, |second| second.result);
        assert_eq!(found.is_err(), certain.is_some(), "{text:02x?}, cut at {cut}");
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
            assert_eq!(validator.finish(), if complete { Ok(()) } else { Err(InvalidUtf8) });
            assert_eq!(validator.missing(), 0, "a new text begins");
        }
    }
}

/// R080 R104: chunks say which kind the message is, where its frames end and where it ends itself.
#[test]
fn s6_2_chunks_show_kinds_and_ends() {
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
            let chunk = |data: &[u8], frame_end, message_end| Seen::Chunk(kind, data.to_vec(), frame_end, message_end);
            let expected = [
                chunk(b"whole", true, true),
                chunk(b"", true, true),
                chunk(b"", true, false),
                chunk(b"in", true, false),
                Seen::Other(Event::Ping(b"ping"[..].into())),
                chunk(b"", true, false),
                chunk(b"parts", true, true),
                chunk(b"x", true, false),
                chunk(b"", true, true),
                Seen::Other(Event::Close(None)),
            ];
            let (seen, error, out) = receive_chunks(role, &in_chunks(), &input);
            assert_eq!((&seen[..], error), (&expected[..], None), "{role:?} {kind:?}");
            assert_eq!(frames(role, &out), [(0x8A, b"ping".to_vec()), (0x88, Vec::new())]);
            for first in 0..input.len() {
                for second in (first..input.len()).step_by(3) {
                    let outcome = feed_cut(&mut open(role, in_chunks()), &input, &[first, second]);
                    assert_eq!(
                        joined(outcome.events),
                        expected,
                        "{role:?} {kind:?}, cut at {first}, {second}"
                    );
                }
            }
        }
    }
}

/// R104: what has arrived of a frame is delivered at once, before its end, in chunk delivery.
#[test]
fn s6_2_chunks_do_not_wait_for_the_end_of_a_frame() {
    for role in ROLES {
        for (kind, opcode) in KINDS {
            let mut connection = open(role, in_chunks());
            let input = frame(peer_of(role), 0x80 | opcode, b"abcdef");
            let head = input.len() - 6;
            let mut pieces = Vec::new();
            for (from, to) in [(0, head), (head, head + 1), (head + 1, head + 4), (head + 4, head + 6)] {
                pieces.push(joined(feed(&mut connection, &input[from..to]).events));
            }
            let expected = [
                vec![],
                vec![Seen::Chunk(kind, b"a".to_vec(), false, false)],
                vec![Seen::Chunk(kind, b"bcd".to_vec(), false, false)],
                vec![Seen::Chunk(kind, b"ef".to_vec(), true, true)],
            ];
            assert_eq!(pieces, expected, "{role:?}");
        }
    }
}

/// R098: chunks of text are text: cut at characters, also where a frame or an input ends inside one.
#[test]
fn s5_6_chunks_of_text_end_between_characters() {
    let text = TEXT.repeat(2);
    for role in ROLES {
        for n in 0..=2 {
            for cuts in all_cuts(text.len(), n) {
                let input = message(peer_of(role), 0x1, text.as_bytes(), &cuts).concat();
                let (seen, error, _) = receive_chunks(role, &in_chunks(), &input);
                let row = format!("{role:?}, cut at {cuts:?}");
                assert_eq!(error, None, "{row}");
                let mut from = 0;
                let ends = cuts.iter().copied().chain([text.len()]);
                let expected: Vec<Seen> = ends
                    .enumerate()
                    .map(|(i, end)| {
                        // What belongs to a character that goes on comes with the frame that completes it.
                        let end = (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap();
                        let data = text.as_bytes()[from.min(end)..end].to_vec();
                        from = end;
                        Seen::Chunk(MessageKind::Text, data, true, i == cuts.len())
                    })
                    .collect();
                assert_eq!(seen, expected, "{row}");
            }
        }
    }
}

/// R098: a character that spans inputs is the only text that is not lent.
#[test]
fn s5_6_chunks_are_lent_but_for_a_character_in_two_inputs() {
    for role in ROLES {
        let input = frame(peer_of(role), 0x81, "é€".as_bytes());
        let head = input.len() - 5;
        let mut connection = open(role, in_chunks());
        let mut first = input[..head + 1].to_vec();
        assert_eq!(connection.receive(&mut &mut first[..], &mut Vec::new()), Ok(None));
        let mut second = input[head + 1..].to_vec();
        let mut rest = &mut second[..];
        let mut texts = Vec::new();
        while let Some(event) = connection.receive(&mut rest, &mut Vec::new()).unwrap() {
            match event {
                Event::Chunk(chunk) => match chunk.data {
                    Message::Text(Cow::Owned(text)) => texts.push(("owned", text)),
                    Message::Text(Cow::Borrowed(text)) => texts.push(("lent", text.to_owned())),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(texts, [("owned", "é".to_owned()), ("lent", "€".to_owned())]);
    }
}

/// R099 R114: in chunk delivery, what is valid is delivered, and then the connection fails; nothing follows.
#[test]
fn s8_1_valid_text_is_delivered_before_the_error() {
    for role in ROLES {
        for invalid in INVALID {
            for n in 0..=1 {
                let text = [TEXT.as_bytes(), invalid, b"behind"].concat();
                for cuts in all_cuts(text.len(), n) {
                    let input = message(peer_of(role), 0x1, &text, &cuts).concat();
                    let (seen, error, out) = receive_chunks(role, &in_chunks(), &input);
                    let row = format!("{role:?}: {text:02x?}, cut at {cuts:?}");
                    assert_eq!(error, Some(ProtocolError::InvalidUtf8), "{row}");
                    assert_eq!(frames(role, &out), [(0x88, vec![0x03, 0xEF])], "{row}");
                    let mut delivered = Vec::new();
                    for seen in seen {
                        match seen {
                            Seen::Chunk(MessageKind::Text, data, _, false) => delivered.extend(data),
                            other => panic!("{row}: {other:?}"),
                        }
                    }
                    let valid = str::from_utf8(&text).unwrap_err().valid_up_to();
                    assert_eq!(delivered, &text[..valid], "{row}");
                }
            }
        }
        // The error does not need more input, and it is final.
        let mut connection = open(role, in_chunks());
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

/// R104 R105: a message that lies whole in the input is lent from it, unmasked in place, and allocates nothing.
#[test]
fn s6_2_a_whole_message_is_lent() {
    for role in ROLES {
        let peer = peer_of(role);
        for (kind, input) in [
            (MessageKind::Text, frame(peer, 0x81, TEXT.as_bytes())),
            (MessageKind::Binary, frame(peer, 0x82, TEXT.as_bytes())),
            (MessageKind::Binary, frame(peer, 0x82, &[7; 126])),
            (MessageKind::Binary, frame(peer, 0x82, &[7; 65_536])),
            // Empty fragments do not make it less whole.
            (MessageKind::Text, message(peer, 0x1, TEXT.as_bytes(), &[0, 0]).concat()),
        ] {
            let mut connection = open(role, Config::default());
            let mut input = input;
            let mut out = Vec::new();
            let mut lent = None;
            let info = allocation_counter::measure(|| {
                let mut rest = &mut input[..];
                let event = connection.receive(&mut rest, &mut out).unwrap();
                lent = match event {
                    Some(Event::Text(Cow::Borrowed(_))) => Some(MessageKind::Text),
                    Some(Event::Binary(Cow::Borrowed(_))) => Some(MessageKind::Binary),
                    _ => None,
                };
            });
            assert_eq!(lent, Some(kind), "{role:?}");
            assert_eq!(info.count_total, 0, "{role:?} {kind:?}");
        }
    }
}

/// R105: a server echoes what it has unmasked, while it holds what it received.
#[test]
fn s6_2_an_event_does_not_lock_the_connection() {
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
            panic!("two messages");
        };
        connection.send_binary(&data, &mut out).unwrap();
        connection.send_text(&text, &mut out).unwrap();
        assert_eq!(
            frames(role, &out),
            [(0x82, b"\xFF".to_vec()), (0x81, TEXT.as_bytes().to_vec())]
        );
    }
}

/// R137 R126: a message of the limit is accepted, and one byte more fails with 1009, in any frames and either delivery, as
/// soon as a header announces it.
#[test]
fn s10_4_messages_are_limited_in_size() {
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
                        assert_eq!(events.pop(), Some(whole(kind, &payload)), "{row}");
                    }
                }
            }
            // The first header that passes the limit is enough.
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

/// R137: the limit is for each message anew; and a limit of nothing lets empty messages through.
#[test]
fn s10_4_the_size_limit_counts_one_message() {
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

/// R137 R126: a message may come in so many frames, empty ones included, and in no more; 1008 says so.
#[test]
fn s10_4_messages_are_limited_in_fragments() {
    for role in ROLES {
        let peer = peer_of(role);
        for (kind, opcode) in KINDS {
            for max_fragments in 1..5 {
                let config = Config::new().max_fragments(max_fragments);
                let limit = usize::try_from(max_fragments).unwrap();
                for payload in [&b""[..], b"abcdef"] {
                    for fragments in 1..limit + 3 {
                        let cuts: Vec<usize> = (1..fragments).map(|i| i.min(payload.len())).collect();
                        // Two of them: the count begins anew. Control frames do not count.
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
                            assert_eq!(outcome.events.pop(), Some(whole(kind, payload)), "{row}");
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

/// R137: every limit is on by default.
#[test]
fn s10_4_limits_are_on_by_default() {
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

/// Feeds `pieces` one by one, drops what is delivered, and measures what is allocated, but for the output.
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

/// R138: a header is a claim and reserves nothing; with the first byte of a payload come 64 KiB at most.
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
        // The other way round: many small claims.
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

/// R138: while a message is assembled, no more than twice what was received and 64 KiB are held, in however many pieces
/// and frames it comes; growing copies the message a few times, not once for each piece.
#[test]
fn s10_4_memory_grows_with_what_was_received() {
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
                // Copied to a larger place, the old one is there until the new one is filled.
                assert!(info.bytes_max <= 3 * LEN as u64 + (64 << 10), "{row}");
                assert!(info.count_total < 40, "{row}");
            }
        }
    }
}

/// R138: that holds at every moment, for the first bytes too, however small the pieces.
#[test]
fn s10_4_memory_is_bounded_by_what_was_received_at_every_moment() {
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

/// R138: in chunk delivery nothing is assembled, however long the message.
#[test]
fn s10_4_chunks_need_no_memory() {
    for role in ROLES {
        for (_, opcode) in KINDS {
            let mut input = message(peer_of(role), opcode, &vec![b'x'; 1 << 20], &[3, 70_000]).concat();
            let mut pieces: Vec<&mut [u8]> = input.chunks_mut(4096).collect();
            let info = allocations(&mut open(role, in_chunks()), &mut pieces);
            assert_eq!(info.count_total, 0, "{role:?}");
        }
    }
}

/// R138: what was assembled comes back with `recycle`, and a steady stream of messages that span inputs allocates nothing.
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

/// R138: an allocation serves either kind, goes to the larger one, and what was lent is not kept.
#[test]
fn s10_4_recycling_takes_what_is_useful() {
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
    assert_eq!(allocated, 0, "the larger one was kept, for the other kind");
    // From another connection, while a message is assembled, and more than once: harmless.
    let mut other = open(Role::Server, Config::default());
    other.recycle(event);
    let begun = frame(Role::Client, 0x01, b"be");
    assert_eq!(feed(&mut other, &begun).events, []);
    other.recycle(Event::Text("gone".into()));
    other.recycle(Event::Text("gone".into()));
    let ended = feed(&mut other, &frame(Role::Client, 0x80, b"gun"));
    assert_eq!(ended.events, [Event::Text("begun".into())]);
}

/// R138: a message that began with an empty fragment and was lent does not stand in the way of the next allocation.
#[test]
fn s10_4_recycling_works_after_a_message_that_was_lent() {
    let spanning = || message(Role::Client, 0x2, &[b'x'; 3000], &[1]).concat();
    let mut server = open(Role::Server, Config::default());
    let large = feed(&mut server, &spanning()).events.remove(0);
    let mut lent = message(Role::Client, 0x1, b"lent", &[0]).concat();
    let event = server.receive(&mut &mut lent[..], &mut Vec::new());
    assert!(matches!(event, Ok(Some(Event::Text(Cow::Borrowed("lent"))))));
    server.recycle(large);
    let mut input = spanning();
    let info = allocations(&mut server, &mut [&mut input[..]]);
    assert_eq!(info.count_total, 0);
}
