//! Strategies of proptest: conversations, and conversations with damage.

use proptest::{collection::vec, prelude::*};
use sockless::Role;

use support::{
    Length, frame, header,
    laws::{
        conversation::Conversation,
        options::{Cursor, Options},
    },
    peer_of,
};

/// The configuration of a property test with `count` cases. A failing case is shrunk and printed,
/// and no file is written.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(count)
    }
}

/// Input for a law: options, and then what the peer of `receiver` sends.
pub(crate) fn input(receiver: Role) -> impl Strategy<Value = Vec<u8>> {
    (any::<[u8; Options::LEN]>(), stream(receiver)).prop_map(move |(mut options, stream)| {
        options[0] = options[0] & !1 | u8::from(receiver == Role::Client);
        [&options[..], &stream].concat()
    })
}

/// The same without damage.
pub(crate) fn valid_input(receiver: Role) -> impl Strategy<Value = Vec<u8>> {
    (any::<[u8; Options::LEN]>(), conversation()).prop_map(move |(mut options, conversation)| {
        options[0] = options[0] & !1 | u8::from(receiver == Role::Client);
        [&options[..], &conversation.encoded_frames(peer_of(receiver)).concat()].concat()
    })
}

pub(crate) fn conversation() -> impl Strategy<Value = Conversation> {
    conversation_bytes().prop_map(|bytes| Conversation::read(&mut Cursor::new(&bytes)))
}

/// The bytes from which a conversation is generated.
pub(crate) fn conversation_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..80)
}

/// What `receiver` receives: a conversation, perhaps with damage at a few places.
pub(crate) fn stream(receiver: Role) -> impl Strategy<Value = Vec<u8>> {
    (
        conversation(),
        vec(any::<(u8, u16, u8)>(), 0..3),
        vec(any::<(u8, u16, u8)>(), 0..3),
    )
        .prop_map(move |(conversation, frame_damage, byte_damage)| {
            let mut frames = conversation.encoded_frames(peer_of(receiver));
            for (kind, at, value) in frame_damage {
                damage_frames(receiver, &mut frames, kind, at, value);
            }
            let mut bytes = frames.concat();
            for (kind, at, value) in byte_damage {
                damage_bytes(&mut bytes, kind, at, value);
            }
            bytes
        })
}

/// The options of a law that starts with an opening handshake from the raw bytes.
pub(crate) fn with_arbitrary_opening(mut options: [u8; Options::LEN]) -> [u8; Options::LEN] {
    options[1] |= 3;
    options
}

/// The head of a request or a response with valid and invalid lines, and bytes after it.
pub(crate) fn opening(receiver: Role) -> impl Strategy<Value = Vec<u8>> {
    let lines: &[&str] = match receiver {
        Role::Server => &[
            "Host: example.com",
            "Upgrade: websocket",
            "Connection: keep-alive, Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Version: 8",
            "Sec-WebSocket-Protocol: a, b",
            "Sec-WebSocket-Extensions: x; y=\"z\"",
            "Content-Length: 3",
            "X: \u{1}",
            "no colon",
        ],
        Role::Client => &[
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "Content-Length: 5",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: chunked",
            "Location: /",
            "X: \u{1}",
            "no colon",
        ],
    };
    let first = match receiver {
        Role::Server => &[
            "GET / HTTP/1.1",
            "GET /",
            "POST / HTTP/1.1",
            "GET / HTTP/1.0",
            "\u{16}\u{3}",
        ][..],
        Role::Client => &[
            "HTTP/1.1 101 X",
            "HTTP/1.1 404",
            "HTTP/1.1 100 Continue",
            "HTTP/1.0 200 OK",
            "SSH-2",
        ][..],
    };
    let line = prop::sample::select(lines);
    let end = prop::sample::select(&["\r\n", "\n"][..]);
    let head = (prop::sample::select(first), vec(line, 0..12), end).prop_map(|(first, lines, end)| {
        let head = [&[first][..], &lines, &["", ""]].concat();
        head.join(end).into_bytes()
    });
    let body = prop_oneof![
        Just(b"5\r\nhello\r\n0\r\n\r\n".to_vec()),
        Just(b"5;x=y\r\nhelloFFFFFFFFFFFFFFFF\r\n".to_vec()),
        stream(receiver),
    ];
    vec((head, body), 1..3).prop_map(|heads| {
        let parts = heads.into_iter().map(|(head, body)| [head, body].concat());
        parts.collect::<Vec<_>>().concat()
    })
}

/// Damages whole frames, so that the bytes after the damage are still read as frames.
fn damage_frames(receiver: Role, frames: &mut Vec<Vec<u8>>, kind: u8, at: u16, value: u8) {
    let at = usize::from(at) % (frames.len() + 1);
    let sender = peer_of(receiver);
    match kind % 8 {
        // Any first byte: opcode, reserved bits, FIN.
        0 | 1 => frames.insert(at, frame(sender, value, b"\xF0\x9F")),
        // Any Close frame, with a reason that may be invalid.
        2 => frames.insert(
            at,
            frame(sender, 0x88, &[kind / 8, value, b'x', value][..usize::from(value) % 5]),
        ),
        // A frame with the wrong mask bit.
        3 => frames.insert(at, frame(receiver, 0x80 | (value % 16), b"other role")),
        // Any length in its longest form, which may be large or not minimal.
        4 => {
            let len = u64::MAX >> (value % 64);
            let header = header(0x81 + value % 2, sender == Role::Client, Length::Long, len);
            frames.insert(at, [&header[..], &[kind; 20]].concat());
        }
        _ if at == frames.len() => {}
        5 => drop(frames.remove(at)),
        6 => frames.insert(at, frames[at].clone()),
        _ => frames[at][0] ^= 1 << (value % 8),
    }
}

pub(crate) fn damage_bytes(bytes: &mut Vec<u8>, kind: u8, at: u16, value: u8) {
    let at = usize::from(at) % (bytes.len() + 1);
    match kind % 6 {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, value),
        2 => {
            let end = bytes.len().min(at + usize::from(value % 32));
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        _ if at == bytes.len() => {}
        3 => bytes[at] ^= 1 << (value % 8),
        4 => bytes[at] = value,
        _ => drop(bytes.remove(at)),
    }
}

/// Short streams for `receiver`, each with something that a cut could break.
pub(crate) fn short_streams(receiver: Role) -> Vec<Vec<u8>> {
    let sender = peer_of(receiver);
    let frame = |first: u8, payload: &[u8]| frame(sender, first, payload);
    let header = |first: u8, form, len| header(first, sender == Role::Client, form, len);
    let mut streams = vec![
        frame(0x81, b"Hello"),
        frame(0x82, b""),
        [frame(0x81, b""), frame(0x82, b"\x00")].concat(),
        frame(0x81, "𝄞\u{10FFFF}".as_bytes()),
        // A code point over two frames, with a control frame between them.
        [frame(0x01, b"a\xF0\x9D"), frame(0x89, b"?"), frame(0x80, b"\x84\x9E")].concat(),
        [frame(0x01, b""), frame(0x00, b""), frame(0x80, "€".as_bytes())].concat(),
        [
            frame(0x02, b"\xFF"),
            frame(0x8A, b""),
            frame(0x00, b""),
            frame(0x80, b"\xFE"),
        ]
        .concat(),
        [frame(0x89, b""), frame(0x89, b"12345")].concat(),
        [frame(0x88, "\u{3}\u{E8}bye €".as_bytes()), frame(0x81, b"late")].concat(),
        [frame(0x01, b"a"), frame(0x88, b"")].concat(),
        // Invalid text: at once, later, at the end of a message, after valid text in the same
        // frame.
        frame(0x81, b"\xC0\xAF"),
        frame(0x81, b"ab\xED\xA0\x80cd"),
        frame(0x81, b"ok\xF4\x90\x80\x80"),
        [frame(0x01, b"ok\xE2\x82"), frame(0x80, b"")].concat(),
        [frame(0x01, b"ok\xE2\x82"), frame(0x80, b"x")].concat(),
        frame(0x81, b"ok\xE2"),
        // Invalid Close frames.
        frame(0x88, b"\x03"),
        frame(0x88, b"\x03\xED"),
        frame(0x88, b"\x03\xE8\xFF"),
        // Invalid headers: bits, opcodes, sequence, lengths.
        [frame(0x81, b"."), frame(0xC1, b".")].concat(),
        frame(0x83, b"."),
        frame(0x09, b"."),
        [frame(0x81, b"."), frame(0x80, b".")].concat(),
        [frame(0x01, b"."), frame(0x81, b".")].concat(),
        header(0x89, Length::Medium, 126),
        header(0x82, Length::Medium, 125),
        header(0x82, Length::Long, 65_535),
        // A whole message with a length that is not in its shortest form.
        [header(0x81, Length::Medium, 2), vec![0; 6]].concat(),
        [header(0x81, Length::Long, 2), vec![0; 6]].concat(),
        header(0x82, Length::Long, 1 << 63),
        header(0x82, Length::Long, u64::MAX >> 1),
        // A frame with the wrong mask bit.
        [frame(0x81, b"."), support::frame(receiver, 0x81, b".")].concat(),
        // A length of 16 bits.
        frame(0x82, &[7; 126]),
    ];
    let several = streams[..5].concat();
    streams.push(several);
    streams
}
