//! `send_in_place` and `send_fragment_header`: the payload stays in the buffer of the caller.

use std::str;

use allocation_counter::measure;
use proptest::{collection::vec, prelude::*, test_runner::Config as Cases};
use sockless::{Config, Connection, MessageKind, Role, SendError, frame::Header};
use support::{ROLES, feed, frame, frames, open};

const ROOM: usize = Header::MAX_LEN;

/// The room for a header, and the payload.
fn with_room(payload: &[u8]) -> Vec<u8> {
    [&[0xEE; ROOM], payload].concat()
}

fn send_any(connection: &mut Connection, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
    match kind {
        MessageKind::Text => connection.send_text(str::from_utf8(payload).unwrap(), out),
        MessageKind::Binary => connection.send_binary(payload, out),
    }
    .unwrap();
}

proptest! {
    #![proptest_config(Cases { failure_persistence: None, ..Cases::with_cases(200) })]

    /// R061 R069 R103: The bytes are those of any other call, in both roles, with the same keys.
    #[test]
    fn a_message_in_place_is_sent_as_any_other(data in vec(any::<u8>(), 0..70_000), text in "\\PC{0,300}") {
        for role in ROLES {
            let [mut in_place, mut by_header, mut usual] = [(); 3].map(|()| open(role, Config::default()));
            let (mut out, mut headers, mut expected) = (Vec::new(), Vec::new(), Vec::new());
            for (kind, payload) in [
                (MessageKind::Binary, &data[..]),
                (MessageKind::Text, text.as_bytes()),
                (MessageKind::Binary, &data[..]),
            ] {
                send_any(&mut usual, kind, payload, &mut expected);
                out.extend_from_slice(in_place.send_in_place(kind, &mut with_room(payload)).unwrap());
                let mut payload = payload.to_vec();
                by_header.send_fragment_header(kind, &mut payload, true, &mut headers).unwrap();
                headers.extend_from_slice(&payload);
            }
            prop_assert!(out == expected, "in place, {:?}", role);
            prop_assert!(headers == expected, "header, {:?}", role);
        }
    }

    /// R075 R076: So are fragments, and each may be sent either way.
    #[test]
    fn fragments_in_place_are_sent_as_any_other(
        parts in vec((vec(any::<u8>(), 0..300), any::<bool>()), 1..8),
        is_text in any::<bool>(),
    ) {
        let kind = if is_text { MessageKind::Text } else { MessageKind::Binary };
        for role in ROLES {
            let [mut in_place, mut usual] = [(); 2].map(|()| open(role, Config::default()));
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            for (index, (part, is_in_place)) in parts.iter().enumerate() {
                let fin = index + 1 == parts.len();
                let mut payload = part.clone();
                let sent = usual.send_fragment(kind, part, fin, &mut expected);
                if *is_in_place {
                    let also = in_place.send_fragment_header(kind, &mut payload, fin, &mut out);
                    prop_assert_eq!(sent, also);
                    match also {
                        Ok(()) => out.extend_from_slice(&payload),
                        Err(_) => prop_assert_eq!(&payload, part, "the payload is unchanged"),
                    }
                } else {
                    prop_assert_eq!(sent, in_place.send_fragment(kind, part, fin, &mut out));
                }
            }
            prop_assert!(out == expected, "{:?}", role);
        }
    }
}

/// R098: What cannot be sent changes neither the connection nor the buffer.
#[test]
fn a_refused_message_changes_nothing() {
    let not_utf8 = with_room(b"ok\xFF");
    let too_short = vec![1; ROOM - 1];
    for role in ROLES {
        for (kind, buf, error) in [
            (MessageKind::Text, &not_utf8, SendError::InvalidUtf8),
            (
                MessageKind::Binary,
                &too_short,
                SendError::NoRoomForHeader { len: ROOM - 1 },
            ),
            (MessageKind::Text, &Vec::new(), SendError::NoRoomForHeader { len: 0 }),
        ] {
            let mut connection = open(role, Config::default());
            let (before, mut sent) = (format!("{connection:?}"), buf.clone());
            assert_eq!(connection.send_in_place(kind, &mut sent), Err(error));
            assert_eq!((format!("{connection:?}"), &sent), (before, buf));
        }
        let mut connection = open(role, Config::default());
        connection
            .send_fragment(MessageKind::Binary, b"begun", false, &mut Vec::new())
            .unwrap();
        let mut buf = with_room(b"x");
        assert_eq!(
            connection.send_in_place(MessageKind::Binary, &mut buf),
            Err(SendError::MessageInProgress)
        );
        assert_eq!(buf, with_room(b"x"));
    }
}

/// `fragment_size` does not divide it, and nothing is allocated.
#[test]
fn a_message_in_place_is_one_frame_without_an_allocation() {
    for role in ROLES {
        let mut connection = open(role, Config::new().fragment_size(std::num::NonZeroUsize::new(10)));
        let (mut buf, mut payload) = (with_room(&[7; 1000]), vec![7; 1000]);
        let mut out = Vec::with_capacity(ROOM);
        let mut start = 0;
        let sending = measure(|| {
            start = ROOM + 1000 - connection.send_in_place(MessageKind::Binary, &mut buf).unwrap().len();
            connection
                .send_fragment_header(MessageKind::Binary, &mut payload, true, &mut out)
                .unwrap();
        });
        assert_eq!(sending.count_total, 0);
        let expected = [(0x82, vec![7; 1000])];
        assert_eq!(frames(role, &buf[start..]), expected);
        assert_eq!(frames(role, &[out, payload].concat()), expected);
    }
}

/// R070: Each frame of a client has a key of its own.
#[test]
fn s5_3_a_client_masks_each_message_in_place_with_a_fresh_key() {
    let mut client = open(Role::Client, Config::default());
    let keys: Vec<_> = (0..2)
        .map(|_| {
            let mut buf = with_room(&[0; 20]);
            client.send_in_place(MessageKind::Binary, &mut buf).unwrap()[2..6].to_vec()
        })
        .collect();
    assert_ne!(keys[0], keys[1]);
}

/// R106 R171: With permessage-deflate, the message is not compressed, and those around it are
/// received as they were sent. A compressed message in progress cannot be continued so.
#[cfg(feature = "deflate")]
#[test]
fn a_message_in_place_is_not_compressed() {
    use sockless::Event;
    use support::{params, peer_of};

    use crate::deflate::{compress_all, upgraded};

    let text = "compressible ".repeat(20);
    for role in ROLES {
        let [mut sender, mut receiver] =
            [role, peer_of(role)].map(|role| upgraded(role, params(15, false), compress_all()));
        let mut out = Vec::new();
        sender.send_text(&text, &mut out).unwrap();
        let mut buf = with_room(text.as_bytes());
        out.extend_from_slice(sender.send_in_place(MessageKind::Text, &mut buf).unwrap());
        sender.send_text(&text, &mut out).unwrap();

        // A message that began in place continues uncompressed.
        let mut payload = text.clone().into_bytes();
        sender
            .send_fragment_header(MessageKind::Text, &mut payload, false, &mut out)
            .unwrap();
        out.extend_from_slice(&payload);
        sender
            .send_fragment(MessageKind::Text, text.as_bytes(), true, &mut out)
            .unwrap();

        // And one that began compressed does not continue in place.
        sender
            .send_fragment(MessageKind::Text, text.as_bytes(), false, &mut out)
            .unwrap();
        let (before, len) = (format!("{sender:?}"), out.len());
        let mut payload = text.clone().into_bytes();
        assert_eq!(
            sender.send_fragment_header(MessageKind::Text, &mut payload, true, &mut out),
            Err(SendError::MessageCompressed)
        );
        assert_eq!(
            (format!("{sender:?}"), out.len(), &payload[..]),
            (before, len, text.as_bytes())
        );
        sender.send_fragment(MessageKind::Text, b"", true, &mut out).unwrap();

        let first_bytes: Vec<u8> = frames(role, &out).iter().map(|(first, _)| *first).collect();
        assert_eq!(first_bytes, [0xC1, 0x81, 0xC1, 0x01, 0x80, 0x41, 0x80]);
        let outcome = feed(&mut receiver, &out);
        let event = |text: &str| Event::Text(text.to_owned().into());
        assert_eq!(outcome.error, None);
        assert_eq!(
            outcome.events,
            [
                event(&text),
                event(&text),
                event(&text),
                event(&text.repeat(2)),
                event(&text)
            ]
        );
    }
}

/// A peer's frame between two calls changes nothing: a Ping is answered after what was sent.
#[test]
fn s5_5_2_a_ping_between_fragments_in_place_is_answered() {
    let mut server = open(Role::Server, Config::default());
    let mut out = Vec::new();
    let mut payload = *b"one";
    server
        .send_fragment_header(MessageKind::Text, &mut payload, false, &mut out)
        .unwrap();
    out.extend_from_slice(&payload);
    out.extend(feed(&mut server, &frame(Role::Client, 0x89, b"?")).out);
    server
        .send_fragment_header(MessageKind::Text, &mut [], true, &mut out)
        .unwrap();
    let expected = [(0x01, b"one".to_vec()), (0x8A, b"?".to_vec()), (0x80, Vec::new())];
    assert_eq!(frames(Role::Server, &out), expected);
}
