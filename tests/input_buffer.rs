//! `InputBuffer`: the same events as from `Connection::receive`, borrowed, in bounded memory.

use std::borrow::Cow;

use allocation_counter::measure;
use proptest::{collection::vec, prelude::*, test_runner::Config as Cases};
use sockless::{
    Accept, ClientRequest, CloseCode, Config, Connection, Delivery, Event, InputBuffer, ProtocolError, Role, State,
};
use support::{Length, ROLES, content::Content, frame, header, open, peer_of, too_big};

const TEXT: u8 = 0x01;
const FIN_TEXT: u8 = 0x81;
const FIN_BINARY: u8 = 0x82;
const FIN_CONTINUATION: u8 = 0x80;
const FIN_PING: u8 = 0x89;
const SEGMENT: usize = 1460;
const MIB: usize = 1 << 20;
/// The length of a buffer that has not grown.
const READ: usize = (16 << 10) + 128;

/// Reads the front of `rest` into the room of the buffer, at most `max` bytes.
fn read(buffer: &mut InputBuffer, rest: &mut &[u8], max: usize) -> usize {
    let room = buffer.room();
    assert!(!room.is_empty(), "there is always room");
    let (front, after) = rest.split_at(rest.len().min(room.len()).min(max));
    room[..front.len()].copy_from_slice(front);
    *rest = after;
    buffer.filled(front.len());
    front.len()
}

/// Receives `bytes` in reads of at most `max` bytes, and calls `then` with each event.
fn receive(
    buffer: &mut InputBuffer,
    connection: &mut Connection,
    bytes: &[u8],
    max: usize,
    mut then: impl FnMut(&mut Connection, Event<'_>),
) -> Result<(), ProtocolError> {
    let (mut rest, mut out) = (bytes, Vec::new());
    while !rest.is_empty() {
        read(buffer, &mut rest, max);
        while let Some(event) = buffer.receive(connection, &mut out).map_err(|error| *error)? {
            then(connection, event);
        }
    }
    Ok(())
}

fn payload<'a>(event: &'a Event<'_>) -> &'a [u8] {
    match event {
        Event::Text(text) => text.as_bytes(),
        Event::Binary(data) => data,
        event => panic!("{event:?}"),
    }
}

const fn is_borrowed(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::Text(Cow::Borrowed(_)) | Event::Binary(Cow::Borrowed(_)) | Event::Ping(Cow::Borrowed(_))
    )
}

/// Receives `input` with [`Connection::receive`] and with a buffer, in the same pieces, and asserts
/// that the same is reported after each of them; or, for invalid text on a client, after the next
/// piece that does not fill the room.
fn assert_same(role: Role, config: &Config, input: &[u8], pieces: impl Iterator<Item = usize>, limit: usize) {
    let (mut plain, mut buffered) = (open(role, config.clone()), open(role, config.clone()));
    let mut buffer = InputBuffer::with_limit(limit);
    let (mut plain_out, mut buffered_out) = (Vec::new(), Vec::new());
    let mut rest = input;
    'pieces: for len in pieces {
        if rest.is_empty() {
            break;
        }
        let before = rest;
        let is_full = len >= buffer.room().len();
        let len = read(&mut buffer, &mut rest, len);
        let mut piece = before[..len].to_vec();
        let mut piece = &mut piece[..];
        loop {
            let expected = plain.receive(&mut piece, &mut plain_out);
            let actual = buffer.receive(&mut buffered, &mut buffered_out);
            let is_invalid = expected
                .as_ref()
                .is_err_and(|error| **error == ProtocolError::InvalidUtf8);
            if is_invalid && actual == Ok(None) && is_full && role == Role::Client {
                continue 'pieces;
            }
            assert!(
                actual == expected,
                "{len} bytes before the last {}: {actual:?} and not {expected:?}",
                rest.len()
            );
            match expected {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    assert!(plain_out == buffered_out);
                    return;
                }
            }
        }
        assert!(plain_out == buffered_out);
        assert!(buffer.unread_len() < limit.max(READ));
    }
}

/// A message of the kind and length, as frames; and, for text, an error at a place in it.
#[derive(Clone, Debug)]
struct Sent {
    content: Content,
    len: usize,
    /// How many frames.
    frames: usize,
    invalid_at: Option<usize>,
    ping: bool,
}

impl Sent {
    fn encode(&self, sender: Role, bytes: &mut Vec<u8>) {
        let mut payload = self.content.message(3, self.len);
        if let Some(at) = self.invalid_at.filter(|&at| at < self.len) {
            payload[at] = 0xFF;
        }
        let first = match self.content {
            Content::Binary => 0x02,
            _ => TEXT,
        };
        let size = self.len.div_ceil(self.frames).max(1);
        let mut pieces = payload.chunks(size).peekable();
        if self.len == 0 {
            bytes.extend(frame(sender, first | 0x80, &[]));
        }
        let mut opcode = first;
        while let Some(piece) = pieces.next() {
            let fin = if pieces.peek().is_none() { 0x80 } else { 0 };
            bytes.extend(frame(sender, opcode | fin, piece));
            opcode = 0;
            if self.ping {
                bytes.extend(frame(sender, FIN_PING, b"between"));
            }
        }
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let content = prop::sample::select(&Content::ALL[..]);
    let len = prop_oneof![
        0..300_usize,
        900..1100_usize,
        (READ - 30)..(READ + 30),
        1000..70_000_usize
    ];
    (
        content,
        len,
        prop_oneof![3 => Just(1_usize), 1 => 2..5_usize],
        any::<u16>(),
        any::<u8>(),
    )
        .prop_map(|(content, len, frames, at, bits)| Sent {
            content,
            len,
            frames,
            invalid_at: (bits % 8 == 0).then_some(at.into()),
            ping: bits & 8 > 0,
        })
}

proptest! {
    #![proptest_config(Cases { failure_persistence: None, ..Cases::with_cases(300) })]

    /// R068 R071 R079 R105: Messages of any length, in any reads, are received as with
    /// `Connection::receive`, read for read, with every limit on the buffer.
    #[test]
    fn the_events_are_those_of_receive_in_any_cut(
        messages in vec(sent(), 1..6),
        reads in vec(prop_oneof![1..20_usize, 1..3000_usize, 1..70_000_usize], 1..20),
        server in any::<bool>(),
        chunks in any::<bool>(),
        limit in prop_oneof![Just(usize::MAX), 0..70_000_usize],
        max_message_size in prop_oneof![4 => Just(1_u64 << 20), 1 => 0..70_000_u64],
    ) {
        let role = if server { Role::Server } else { Role::Client };
        let mut bytes = Vec::new();
        for message in &messages {
            message.encode(peer_of(role), &mut bytes);
        }
        let delivery = if chunks { Delivery::Chunks } else { Delivery::Messages };
        let config = Config::new().delivery(delivery).max_message_size(max_message_size);
        assert_same(role, &config, &bytes, reads.into_iter().cycle(), limit);
    }
}

/// R068 R071: The same for sizes around that of a read, in reads of one size.
#[test]
fn messages_around_the_length_of_a_read_are_received_in_any_reads() {
    for role in ROLES {
        for content in Content::ALL {
            for len in [
                0,
                1,
                125,
                126,
                1023,
                1024,
                1025,
                15 << 10,
                READ - 9,
                READ - 8,
                READ - 4,
                READ,
                17 << 10,
                70_000,
            ] {
                let mut bytes = Vec::new();
                for _ in 0..3 {
                    let first = if content == Content::Binary {
                        FIN_BINARY
                    } else {
                        FIN_TEXT
                    };
                    bytes.extend(frame(peer_of(role), first, &content.message(1, len)));
                }
                for max in [97, SEGMENT, READ, usize::MAX] {
                    assert_same(role, &Config::default(), &bytes, std::iter::repeat(max), usize::MAX);
                }
            }
        }
    }
}

/// A message in one frame is borrowed, however it arrives; text that is not ASCII unless more than
/// 1 KiB of it arrives before the rest, and is masked or arrives in reads that do not fill the
/// room.
#[test]
fn a_message_in_pieces_is_borrowed_from_the_buffer() {
    for role in ROLES {
        for (content, len, max, borrowed) in [
            (Content::Binary, MIB, SEGMENT, true),
            (Content::Binary, MIB, usize::MAX, true),
            (Content::Ascii, MIB, SEGMENT, true),
            (Content::Ascii, MIB, usize::MAX, true),
            (Content::Ascii, 3000, 1, true),
            (Content::Binary, 3000, 1, true),
            (Content::Chinese, 1024, 1, true),
            (Content::Mixed, 1024, 100, true),
            (Content::Chinese, 16 << 10, usize::MAX, true),
            (Content::Chinese, 16 << 10, SEGMENT, false),
            (Content::Mixed, MIB, usize::MAX, role == Role::Client),
            (Content::Mixed, MIB, READ / 2, false),
        ] {
            let (mut connection, mut buffer) = (open(role, Config::default()), InputBuffer::new());
            let message = content.message(0, len);
            let first = if content == Content::Binary {
                FIN_BINARY
            } else {
                FIN_TEXT
            };
            let bytes = frame(peer_of(role), first, &message).repeat(2);
            let mut count = 0;
            receive(&mut buffer, &mut connection, &bytes, max, |_, event| {
                assert!(payload(&event) == message);
                assert_eq!(is_borrowed(&event), borrowed, "{role:?}: {content:?} {len} by {max}");
                count += 1;
            })
            .unwrap();
            assert_eq!((count, buffer.unread_len()), (2, 0));
        }
    }
}

/// R099: Invalid text is refused at its first byte, long before the message is complete, wherever
/// it is and however it arrives.
#[test]
fn s8_1_invalid_text_fails_before_the_message_is_complete() {
    const BAD: [&[u8]; 4] = [b"\xFF", b"\xED\xA0", b"\xC3(", b"\xF4\x90"];
    for role in ROLES {
        for len in [1000, 4000, 300_000] {
            for content in Content::TEXT {
                for at in [0, 1, 500, 900, 3500, 200_000].into_iter().filter(|at| at + 10 < len) {
                    for bad in BAD {
                        let mut message = content.message(0, len);
                        let at = (0..=at).rev().find(|&at| std::str::from_utf8(&message[..at]).is_ok());
                        let at = at.unwrap();
                        message[at..at + bad.len()].copy_from_slice(bad);
                        let bytes = frame(peer_of(role), FIN_TEXT, &message);
                        let fails_at = bytes.len() - len + at + bad.len();
                        let (mut connection, mut buffer) = (open(role, Config::default()), InputBuffer::new());
                        let (before, after) = bytes.split_at(fails_at - 1);
                        let none = |_: &mut Connection, event: Event<'_>| panic!("{event:?}");
                        receive(&mut buffer, &mut connection, before, 700, none).unwrap();
                        let error = receive(&mut buffer, &mut connection, &after[..1], 1, none);
                        assert_eq!(error, Err(ProtocolError::InvalidUtf8), "{content:?} {len} {at}");
                        assert_eq!(connection.state(), State::Closed);
                        // Later calls return the same error.
                        let error = receive(&mut buffer, &mut connection, &after[1..2], 1, none);
                        assert_eq!(error, Err(ProtocolError::InvalidUtf8));
                    }
                }
            }
        }
    }
}

/// R099: On a client, invalid text is refused at the latest after a read that does not fill the
/// room, and when the message is complete.
#[test]
fn s8_1_invalid_text_fails_before_a_client_waits() {
    let mut message = vec![b'a'; 300_000];
    message[20_000] = 0xFF;
    let bytes = frame(Role::Server, FIN_TEXT, &message);
    for full_reads in 2..7 {
        let (mut connection, mut buffer) = (open(Role::Client, Config::default()), InputBuffer::new());
        let (mut rest, mut out) = (&bytes[..], Vec::new());
        for _ in 0..full_reads {
            let len = read(&mut buffer, &mut rest, usize::MAX);
            assert!(len <= 64 << 10);
            assert_eq!(buffer.receive(&mut connection, &mut out), Ok(None));
        }
        let room = buffer.room().len();
        read(&mut buffer, &mut rest, room - 1);
        let error = buffer.receive(&mut connection, &mut out).unwrap_err();
        assert_eq!(*error, ProtocolError::InvalidUtf8, "after {full_reads} full reads");
    }
    let (mut connection, mut buffer) = (open(Role::Client, Config::default()), InputBuffer::new());
    let error = receive(&mut buffer, &mut connection, &bytes, usize::MAX, |_, event| {
        panic!("{event:?}")
    });
    assert_eq!(error, Err(ProtocolError::InvalidUtf8));
}

/// R098 R099: A text that ends inside a code point is refused.
#[test]
fn s8_1_a_text_that_ends_inside_a_code_point_fails() {
    for role in ROLES {
        for len in [100, 1024, 5000, 40_000] {
            let mut message = vec![b'a'; len];
            message[len - 2..].copy_from_slice(b"\xE2\x82");
            let bytes = frame(peer_of(role), FIN_TEXT, &message);
            for max in [7, SEGMENT, usize::MAX] {
                let (mut connection, mut buffer) = (open(role, Config::default()), InputBuffer::new());
                let error = receive(&mut buffer, &mut connection, &bytes, max, |_, event| {
                    panic!("{event:?}")
                });
                assert_eq!(error, Err(ProtocolError::InvalidUtf8));
            }
        }
    }
}

/// R137 R138: The buffer grows with what has arrived, never with a length that is only announced,
/// and shrinks after the message.
#[test]
fn memory_grows_with_what_has_arrived_and_shrinks_again() {
    const LEN: usize = 8 * MIB;
    let message = vec![7; LEN];
    let bytes = frame(Role::Client, FIN_BINARY, &message);
    for max in [SEGMENT, 64 << 10, usize::MAX] {
        let mut connection = open(Role::Server, Config::default());
        let mut out = Vec::new();
        let mut buffer = InputBuffer::new();
        assert_eq!(measure(|| buffer = InputBuffer::new()).count_total, 0);
        let mut held = 0;
        let (mut rest, mut count) = (&bytes[..], 0);
        while !rest.is_empty() {
            held += measure(|| _ = read(&mut buffer, &mut rest, max)).bytes_current;
            let arrived = bytes.len() - rest.len();
            let bound = READ.max(2 * arrived).min(bytes.len());
            assert!(held as usize <= bound, "{held} bytes after {arrived}");
            let receiving = measure(|| {
                while buffer.receive(&mut connection, &mut out).unwrap().is_some() {
                    count += 1;
                }
            });
            assert_eq!(receiving.count_total, 0, "nothing is copied into the connection");
        }
        assert_eq!((count, held as usize), (1, bytes.len()));
        held += measure(|| _ = buffer.room()).bytes_current;
        assert_eq!(held as usize, READ, "one long message does not keep the memory");
        held += measure(|| buffer.release()).bytes_current;
        assert_eq!(held, 0, "nothing is unread, so nothing is held");
    }
}

/// A second long message in a row keeps the memory, so that a stream of them allocates nothing. A
/// read without one frees it.
#[test]
fn a_stream_of_long_messages_allocates_nothing() {
    for role in ROLES {
        for max in [SEGMENT, 64 << 10, usize::MAX] {
            let long = frame(peer_of(role), FIN_BINARY, &vec![7; MIB]);
            let (mut connection, mut buffer) = (open(role, Config::default()), InputBuffer::new());
            let mut out = Vec::new();
            let mut run = |bytes: &[u8], buffer: &mut InputBuffer| {
                measure(|| {
                    let mut rest = bytes;
                    while !rest.is_empty() {
                        read(buffer, &mut rest, max);
                        while buffer.receive(&mut connection, &mut out).unwrap().is_some() {}
                    }
                    buffer.room();
                })
            };
            run(&long.repeat(3), &mut buffer);
            let steady = run(&long.repeat(20), &mut buffer);
            assert_eq!(steady.count_total, 0, "{role:?} by {max}: {steady:?}");
            let after = run(&frame(peer_of(role), FIN_BINARY, b"short"), &mut buffer);
            assert_eq!(after.bytes_current, READ as i64 - long.len() as i64);
            let alone = run(&long, &mut buffer);
            assert_eq!(alone.bytes_current, 0, "the long message before is not the last one");
            let steady = run(&frame(peer_of(role), FIN_BINARY, &[7; 700]).repeat(1000), &mut buffer);
            assert_eq!(steady.count_total, 0, "short messages never allocate");
        }
    }
}

/// What is unread is moved rarely: the cost is linear in what is read, for any size of messages and
/// of reads.
#[test]
fn what_is_unread_is_moved_rarely() {
    for role in ROLES {
        for len in [1, 125, 1000, 8 << 10, 8184, 15 << 10, 16 << 10, 17 << 10, 40_000] {
            let message = frame(peer_of(role), FIN_BINARY, &vec![7; len]);
            let bytes = message.repeat((1 << 18) / len.max(16) + 1);
            for max in [1, 7, 100, SEGMENT, 5000, usize::MAX] {
                let (mut connection, mut buffer) = (open(role, Config::default()), InputBuffer::new());
                let (mut rest, mut out, mut moved) = (&bytes[..], Vec::new(), 0);
                let mut expected = 0;
                while !rest.is_empty() {
                    let unread = buffer.unread_len();
                    let room = buffer.room().as_ptr() as usize;
                    if room != expected && unread > 0 {
                        moved += unread;
                    }
                    expected = room + read(&mut buffer, &mut rest, max);
                    while buffer.receive(&mut connection, &mut out).unwrap().is_some() {}
                }
                assert!(
                    moved <= bytes.len() + READ,
                    "{role:?}: {moved} bytes of {} moved, messages of {len} by {max}",
                    bytes.len()
                );
                if max == SEGMENT && len <= 1000 {
                    assert!(moved < bytes.len() / 8, "{moved} of {} moved", bytes.len());
                }
            }
        }
    }
}

/// Where little room is left, an incomplete message is moved, so that the next read is long; also
/// after another incomplete one that left room.
#[test]
fn reads_stay_long() {
    let message = frame(Role::Server, FIN_BINARY, &[7; 100]);
    let bytes = message.repeat(400);
    let (mut connection, mut buffer, mut out) = (open(Role::Client, Config::default()), InputBuffer::new(), Vec::new());
    let (mut rest, mut arrived) = (&bytes[..], 0);
    for (len, room) in [(READ - 240, READ - 54), (10, READ - 64), (READ - 364, READ - 96)] {
        arrived += read(&mut buffer, &mut rest, len);
        while buffer.receive(&mut connection, &mut out).unwrap().is_some() {}
        assert_eq!(buffer.unread_len(), arrived % message.len());
        assert_eq!(buffer.room().len(), room);
    }
}

/// There is room also for a caller that reads twice before it receives, until the buffer is full
/// and after that.
#[test]
fn there_is_room_before_what_was_read_is_received() {
    for len in [100, 10_000, 100_000] {
        let bytes = frame(Role::Server, FIN_BINARY, &vec![7; len]);
        let (mut connection, mut buffer, mut out) =
            (open(Role::Client, Config::default()), InputBuffer::new(), Vec::new());
        let mut rest = &bytes[..];
        read(&mut buffer, &mut rest, 50);
        assert!(buffer.receive(&mut connection, &mut out).unwrap().is_none());
        while !rest.is_empty() {
            assert!(read(&mut buffer, &mut rest, usize::MAX) > 0, "{len}");
        }
        assert!(!buffer.room().is_empty());
        let event = buffer.receive(&mut connection, &mut out).unwrap();
        assert_eq!(event, Some(Event::Binary(vec![7; len].into())));
    }
}

/// R137 R138: `max_message_size` holds, and a buffer with a limit never grows beyond it: a longer
/// message is assembled.
#[test]
fn limits_hold() {
    let bytes = frame(Role::Client, FIN_BINARY, &[7; 100_000]);
    let mut connection = open(Role::Server, Config::new().max_message_size(99_999));
    let mut buffer = InputBuffer::new();
    let error = receive(&mut buffer, &mut connection, &bytes[..14], usize::MAX, |_, event| {
        panic!("{event:?}")
    });
    assert_eq!(error, Err(too_big(100_000, 99_999)));

    for limit in [0, READ, 50_000, 100_013, 100_014] {
        let mut connection = open(Role::Server, Config::default());
        let (mut buffer, mut count, mut held) = (InputBuffer::with_limit(limit), 0, 0);
        let mut rest = &bytes[..];
        let mut out = Vec::new();
        while !rest.is_empty() {
            held += measure(|| _ = read(&mut buffer, &mut rest, SEGMENT)).bytes_current;
            assert!(held as usize <= limit.max(READ));
            while let Some(event) = buffer.receive(&mut connection, &mut out).unwrap() {
                assert_eq!(is_borrowed(&event), limit >= bytes.len(), "{limit}");
                assert!(payload(&event) == [7; 100_000]);
                count += 1;
            }
        }
        assert_eq!(count, 1);
    }
}

/// Bytes that are read and not reported can be passed on: they are as they arrived, with what was
/// unmasked in the buffer masked again.
#[test]
fn unread_bytes_are_as_they_arrived() {
    for role in ROLES {
        for len in [100, 1000, 30_000] {
            for first in [FIN_BINARY, FIN_TEXT] {
                let bytes = frame(peer_of(role), first, &vec![b'x'; len]);
                for at in [1, 2, 5, 10, 50, 99, bytes.len() - 1] {
                    let (mut connection, mut buffer) = (open(role, Config::default()), InputBuffer::new());
                    receive(&mut buffer, &mut connection, &bytes[..at], 13, |_, event| {
                        panic!("{event:?}")
                    })
                    .unwrap();
                    assert_eq!(buffer.unread_len(), at);
                    let parts = connection.into_parts();
                    assert!(parts.unread.is_empty() && parts.lossless);
                    assert!(buffer.into_unread() == bytes[..at], "{role:?} {len} {at}");
                }
            }
        }
    }
}

/// `receive_all` leaves nothing in the buffer, so that another connection can use it.
#[test]
fn a_buffer_can_serve_one_connection_after_another() {
    for role in ROLES {
        for (content, len) in [(Content::Ascii, 300), (Content::Mixed, 900), (Content::Binary, 40_000)] {
            let first = if content == Content::Binary {
                FIN_BINARY
            } else {
                FIN_TEXT
            };
            let message = content.message(0, len);
            let bytes = frame(peer_of(role), first, &message);
            let mut connections = [open(role, Config::default()), open(role, Config::default())];
            let (mut buffer, mut out, mut count) = (InputBuffer::new(), Vec::new(), 0);
            for piece in bytes.chunks(257) {
                for connection in &mut connections {
                    let mut rest = piece;
                    while !rest.is_empty() {
                        read(&mut buffer, &mut rest, 100);
                        // What a loop had begun with the other call.
                        let mut event = buffer.receive(connection, &mut out).unwrap();
                        if event.is_none() {
                            event = buffer.receive_all(connection, &mut out).unwrap();
                        }
                        count += usize::from(event.is_some_and(|event| payload(&event) == message));
                        assert_eq!(buffer.unread_len(), 0);
                    }
                }
            }
            assert_eq!(count, 2, "{role:?} {content:?}");
        }
    }
}

/// `receive_all` takes one event after another.
#[test]
fn all_messages_of_a_read_are_received() {
    for role in ROLES {
        let bytes = [&b"one"[..], b"two", b"three"]
            .map(|text| frame(peer_of(role), FIN_TEXT, text))
            .concat();
        let (mut connection, mut buffer, mut out) = (open(role, Config::default()), InputBuffer::new(), Vec::new());
        read(&mut buffer, &mut &bytes[..], bytes.len());
        for text in [&b"one"[..], b"two", b"three"] {
            let event = buffer.receive_all(&mut connection, &mut out).unwrap().unwrap();
            assert_eq!(payload(&event), text);
        }
        assert_eq!(buffer.receive_all(&mut connection, &mut out), Ok(None));
        assert_eq!(buffer.unread_len(), 0);
    }
}

/// A connection that its caller ends in the middle of a message.
#[test]
fn a_message_in_progress_survives_a_close_frame_and_ends_with_the_connection() {
    for role in ROLES {
        let message = vec![7; 50_000];
        let bytes = frame(peer_of(role), FIN_BINARY, &message);
        let (front, back) = bytes.split_at(20_000);
        let none = |_: &mut Connection, event: Event<'_>| panic!("{event:?}");

        // After our Close frame, messages are received.
        let (mut connection, mut buffer) = (open(role, Config::default()), InputBuffer::new());
        receive(&mut buffer, &mut connection, front, SEGMENT, none).unwrap();
        connection.close(CloseCode::NORMAL, "", &mut Vec::new()).unwrap();
        let mut count = 0;
        receive(&mut buffer, &mut connection, back, SEGMENT, |_, event| {
            assert!(is_borrowed(&event) && payload(&event) == message);
            count += 1;
        })
        .unwrap();
        assert_eq!(count, 1);

        // After the end of the transport, nothing is.
        let (mut connection, mut buffer) = (open(role, Config::default()), InputBuffer::new());
        receive(&mut buffer, &mut connection, front, SEGMENT, none).unwrap();
        assert_eq!(connection.receive_eof(), Err(Box::new(ProtocolError::UnexpectedEof)));
        let error = receive(&mut buffer, &mut connection, back, SEGMENT, none);
        assert_eq!(error, Err(ProtocolError::UnexpectedEof));
    }
}

/// A caller that reads before it has received everything loses nothing, and `filled` cannot pass
/// the end of the room.
#[test]
fn wrong_calls_lose_nothing() {
    let bytes = frame(Role::Client, FIN_BINARY, &[7; 1000]).repeat(200);
    let long = frame(Role::Client, FIN_BINARY, &[7; 100_000]);
    let bytes = [bytes, long].concat();
    let (mut connection, mut buffer) = (open(Role::Server, Config::default()), InputBuffer::new());
    let (mut rest, mut out, mut count) = (&bytes[..], Vec::new(), 0);
    while !rest.is_empty() {
        read(&mut buffer, &mut rest, usize::MAX);
        if rest.len() % 3 == 0 {
            count += usize::from(buffer.receive(&mut connection, &mut out).unwrap().is_some());
        }
    }
    while buffer.receive(&mut connection, &mut out).unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 201);

    let mut buffer = InputBuffer::new();
    buffer.filled(usize::MAX);
    assert_eq!(buffer.unread_len(), 0);
    buffer.room();
    buffer.filled(usize::MAX);
    assert_eq!(buffer.unread_len(), READ);
    buffer.release();
    assert_eq!(buffer.unread_len(), READ, "unread bytes are not released");
}

/// A whole connection through buffers: the opening handshake, messages, Pings, fragments, and the
/// closing handshake, in reads of any size.
#[test]
fn a_whole_connection_works_through_a_buffer() {
    for max in [1, 7, SEGMENT, usize::MAX] {
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        let mut client = Connection::client(&request, Config::default(), [7; 32], &mut to_server).unwrap();
        let mut server = Connection::server(Config::default());
        let (mut client_input, mut server_input) = (InputBuffer::new(), InputBuffer::new());
        let message = "hello ".repeat(10_000);
        let (mut opened, mut echoed) = (0, 0);
        loop {
            let mut rest = &std::mem::take(&mut to_server)[..];
            while !rest.is_empty() {
                read(&mut server_input, &mut rest, max);
                while let Some(event) = server_input.receive(&mut server, &mut to_client).unwrap() {
                    match event {
                        Event::Request(request) => server.accept(&request, &Accept::new(), &mut to_client).unwrap(),
                        Event::Text(text) => {
                            server.ping(b"?", &mut to_client).unwrap();
                            server.send_text(&text, &mut to_client).unwrap();
                        }
                        _ => {}
                    }
                }
            }
            let mut rest = &std::mem::take(&mut to_client)[..];
            while !rest.is_empty() {
                read(&mut client_input, &mut rest, max);
                while let Some(event) = client_input.receive(&mut client, &mut to_server).unwrap() {
                    match event {
                        Event::Open(_) => {
                            opened += 1;
                            client.send_text(&message, &mut to_server).unwrap();
                            client.send_text(&message, &mut to_server).unwrap();
                        }
                        Event::Text(text) => {
                            assert!(text == message);
                            echoed += 1;
                            if echoed == 2 {
                                client.close(CloseCode::NORMAL, "", &mut to_server).unwrap();
                            }
                        }
                        _ => {}
                    }
                }
            }
            if to_server.is_empty() && to_client.is_empty() {
                break;
            }
        }
        assert_eq!((opened, echoed), (1, 2));
        assert!(server.close_status().unwrap().is_clean() && client.close_status().unwrap().is_clean());
    }
}

/// Fragments with Pings between them, and a message with a length that only its header announces.
#[test]
fn other_frames_are_taken_as_they_arrive() {
    for role in ROLES {
        let peer = peer_of(role);
        let bytes = [
            frame(peer, TEXT, b"frag"),
            frame(peer, FIN_PING, b"?"),
            frame(peer, FIN_CONTINUATION, b"ment"),
        ]
        .concat();
        let (mut connection, mut buffer) = (open(role, Config::default()), InputBuffer::new());
        let mut seen = Vec::new();
        receive(&mut buffer, &mut connection, &bytes, 1, |_, event| {
            seen.push(event.into_owned());
        })
        .unwrap();
        assert_eq!(seen, [Event::Ping(b"?"[..].into()), Event::Text("fragment".into())]);

        let announced = header(FIN_BINARY, role == Role::Server, Length::Long, u64::MAX >> 1);
        let (mut connection, mut buffer) = (open(role, Config::new().max_message_size(u64::MAX)), InputBuffer::new());
        let mut bytes = announced;
        bytes.extend_from_slice(&[0; 100]);
        receive(&mut buffer, &mut connection, &bytes, 50, |_, event| panic!("{event:?}")).unwrap();
        let held = measure(|| _ = buffer.room());
        assert_eq!(held.count_total, 0, "an announced length reserves nothing");
    }
}

/// Compressed messages are taken as they arrive too.
#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_are_received_through_a_buffer() {
    let negotiated = support::with_deflate(support::params(15, false));
    let message = "again and again ".repeat(3000);
    for max in [1, 50, usize::MAX] {
        let mut client = support::upgraded(Role::Client, &negotiated, Config::default());
        let mut server = support::upgraded(Role::Server, &negotiated, Config::default());
        let (mut bytes, mut count) = (Vec::new(), 0);
        for _ in 0..3 {
            client.send_text(&message, &mut bytes).unwrap();
        }
        assert!(bytes.len() < message.len());
        receive(&mut InputBuffer::new(), &mut server, &bytes, max, |_, event| {
            assert!(payload(&event) == message.as_bytes());
            count += 1;
        })
        .unwrap();
        assert_eq!(count, 3);
    }
}

/// R060 R062: A message whose mask is wrong fails before it is complete: the buffer does not keep
/// it.
#[test]
fn s5_1_a_wrong_mask_fails_before_the_message_is_complete() {
    for role in ROLES {
        let (mut buffer, mut connection) = (InputBuffer::default(), open(role, Config::new()));
        let wrong = frame(role, 0x82, &[0; 1000]);
        assert_eq!(read(&mut buffer, &mut &wrong[..], 20), 20);
        let error = *buffer.receive(&mut connection, &mut Vec::new()).unwrap_err();
        let expected = match role {
            Role::Server => ProtocolError::UnmaskedFrame,
            Role::Client => ProtocolError::MaskedFrame,
        };
        assert_eq!(error, expected);
    }
}
