//! One message as a writer, fragments, and prepared messages: whole connections and halves.

use std::io::{self, ErrorKind, Write};

use sockless::{
    CloseCode, Delivery, MessageKind, PreparedMessage, Role, SendError,
    adapter::{
        Error,
        std_net::{WebSocket, Writer},
    },
};
use support::ROLES;

use super::shared_script::{SharedScript, halves, inner, joined, whole};
use super::{ScriptedTransport, io_kind, is_timeout};

/// A connection, or its writing half.
#[allow(clippy::large_enum_variant, reason = "there are two of them")]
enum Sending {
    Whole(WebSocket<SharedScript>),
    Half(Writer<SharedScript>),
}

impl Sending {
    fn all(role: Role, script: impl Fn() -> ScriptedTransport) -> [(Self, SharedScript); 2] {
        let (first, second) = (SharedScript::new(script()), SharedScript::new(script()));
        [
            (Self::Whole(whole(role, Delivery::Messages, &first)), first),
            (Self::Half(halves(role, Delivery::Messages, &second).1), second),
        ]
    }

    /// Begins a message, and writes to it.
    fn write(&mut self, kind: MessageKind, pieces: &[&[u8]], finishes: bool) -> Result<(), Error> {
        let mut writer = match self {
            Self::Whole(ws) => ws.writer(kind)?,
            Self::Half(half) => half.writer(kind)?,
        };
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                match writer.write(rest) {
                    Ok(len) => rest = &rest[len..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if finishes { writer.finish() } else { Ok(()) }
    }

    fn send(&mut self, message: &str) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.send(message),
            Self::Half(half) => half.send(message),
        }
    }

    fn send_fragment(&mut self, kind: MessageKind, data: &[u8], fin: bool) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.send_fragment(kind, data, fin),
            Self::Half(half) => half.send_fragment(kind, data, fin),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Whole(ws) => ws.flush(),
            Self::Half(half) => half.flush(),
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.close(CloseCode::NORMAL, ""),
            Self::Half(half) => half.close(CloseCode::NORMAL, ""),
        }
    }

    fn pending_bytes(&self) -> usize {
        match self {
            Self::Whole(ws) => ws.pending_bytes(),
            Self::Half(half) => half.pending_bytes(),
        }
    }
}

/// A writer sends what is written, in fragments of at most 16 KiB, and a short message in one
/// frame.
#[test]
fn a_message_is_a_writer() {
    for role in ROLES {
        for len in [0, 1, 16_383, 16_384, 16_385, 32_768, 100_000] {
            let data: Vec<u8> = (0..len).map(|i: usize| (i % 251) as u8).collect();
            for piece in [1000, 16_384, 40_000, 200_000] {
                for (mut connection, script) in Sending::all(role, ScriptedTransport::default) {
                    let pieces: Vec<&[u8]> = data.chunks(piece).collect();
                    connection.write(MessageKind::Binary, &pieces, true).unwrap();
                    let sent = script.frames(role);
                    assert_eq!(sent.len(), len.div_ceil(16 << 10).max(1), "{len} by {piece}");
                    assert!(joined(&sent, 2) == data, "{len} by {piece}");
                    connection.send("next").unwrap();
                    assert_eq!(script.frames(role).last().unwrap(), &(0x81, b"next".to_vec()));
                }
            }
        }
    }
}

/// With writes that time out anywhere, each byte is sent once.
#[test]
fn a_writer_continues_after_a_timeout() {
    let data: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    for n in [1, 100, 16_388, 16_389, 50_000] {
        let script = || {
            let writes = (0..1000).map(|i| if i % 2 == 0 { Ok(n) } else { Err(ErrorKind::WouldBlock) });
            ScriptedTransport::writing(writes)
        };
        for (mut connection, script) in Sending::all(Role::Server, script) {
            let finished = connection.write(MessageKind::Binary, &[&data], true);
            if let Err(error) = finished {
                assert!(is_timeout(&error), "{error:?}");
                while connection.flush().is_err() {}
            }
            assert!(joined(&script.frames(Role::Server), 2) == data, "{n}");
            assert_eq!(connection.pending_bytes(), 0);
        }
    }
}

/// With a transport that takes nothing once in a while, each byte is sent once: a write does not
/// fail for bytes that the writer holds.
#[test]
fn a_writer_continues_after_a_write_of_zero_bytes() {
    fn write_all(mut writer: impl Write, mut data: &[u8]) {
        while !data.is_empty() {
            match writer.write(data) {
                Ok(len) => data = &data[len..],
                Err(error) => assert_eq!(error.kind(), ErrorKind::WriteZero),
            }
        }
    }
    let data: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    for n in [100, 16_388, 16_389, 50_000] {
        for len in [1000, 200_000] {
            let script = || ScriptedTransport::writing((0..5000).map(|i| Ok(if i % 2 == 0 { n } else { 0 })));
            for (mut connection, script) in Sending::all(Role::Server, script) {
                let finished = match &mut connection {
                    Sending::Whole(ws) => {
                        let mut writer = ws.writer(MessageKind::Binary).unwrap();
                        data.chunks(len).for_each(|piece| write_all(&mut writer, piece));
                        writer.finish()
                    }
                    Sending::Half(half) => {
                        let mut writer = half.writer(MessageKind::Binary).unwrap();
                        data.chunks(len).for_each(|piece| write_all(&mut writer, piece));
                        writer.finish()
                    }
                };
                if let Err(error) = finished {
                    assert_eq!(io_kind(&error), Some(ErrorKind::WriteZero));
                    while connection.flush().is_err() {}
                }
                let sent = joined(&script.frames(Role::Server), 2);
                assert!(sent == data, "{n}, {len}: {} bytes", sent.len());
            }
        }
    }
}

/// A writer to a peer that takes nothing holds at most what `high_water` allows, and one fragment.
#[test]
fn a_writer_holds_a_bounded_output() {
    for (mut connection, _) in Sending::all(Role::Server, || {
        ScriptedTransport::writing(std::iter::repeat_n(Err(ErrorKind::WouldBlock), 1000))
    }) {
        let mut writer = match &mut connection {
            Sending::Whole(ws) => ws.writer(MessageKind::Binary).unwrap(),
            Sending::Half(half) => half.writer(MessageKind::Binary).unwrap(),
        };
        let (mut taken, mut errors) = (0, 0);
        for _ in 0..100 {
            match writer.write(&[7; 10_000]) {
                Ok(len) => taken += len,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    errors += 1;
                }
            }
        }
        drop(writer);
        assert!(
            errors > 50 && taken < (64 << 10) + 3 * (16 << 10),
            "{errors} errors, {taken} taken"
        );
        assert!(connection.pending_bytes() < (64 << 10) + 2 * (16 << 10));
    }
}

/// `flush` sends what is held as a fragment.
#[test]
fn a_flush_of_a_writer_sends_a_fragment() {
    let script = SharedScript::default();
    let mut ws = whole(Role::Server, Delivery::Messages, &script);
    let mut writer = ws.writer(MessageKind::Text).unwrap();
    // In the middle of a code point.
    writer.write_all(b"one \xC3").unwrap();
    writer.flush().unwrap();
    writer.flush().unwrap();
    assert_eq!(script.frames(Role::Server), [(0x01, b"one \xC3".to_vec())]);
    writer.write_all(b"\xA9").unwrap();
    writer.finish().unwrap();
    assert_eq!(joined(&script.frames(Role::Server), 1), "one é".as_bytes());
}

/// A writer that is dropped before it has sent anything leaves nothing behind.
#[test]
fn a_writer_dropped_before_its_first_fragment_sends_nothing() {
    for (mut connection, script) in Sending::all(Role::Server, ScriptedTransport::default) {
        connection.write(MessageKind::Binary, &[&[7; 16_000]], false).unwrap();
        connection.send("next").unwrap();
        assert_eq!(script.frames(Role::Server), [(0x81, b"next".to_vec())]);
    }
}

/// A writer that is dropped after a fragment leaves a message in progress: no other message can be
/// sent, in any way, until it is ended; control frames can.
#[test]
fn a_writer_dropped_unfinished_leaves_its_message_in_progress() {
    for ends in [false, true] {
        for (mut connection, script) in Sending::all(Role::Server, ScriptedTransport::default) {
            connection.write(MessageKind::Binary, &[&[7; 20_000]], false).unwrap();
            assert!(matches!(
                connection.send("no"),
                Err(Error::Send(SendError::MessageInProgress))
            ));
            let other = connection.write(MessageKind::Binary, &[b"no"], true);
            assert!(
                matches!(other, Err(Error::Send(SendError::MessageInProgress))),
                "{other:?}"
            );
            let other = connection.send_fragment(MessageKind::Text, b"no", true);
            assert!(matches!(other, Err(Error::Send(SendError::KindChanged))), "{other:?}");
            if ends {
                connection.send_fragment(MessageKind::Binary, b"end", true).unwrap();
                connection.send("next").unwrap();
            }
            connection.close().unwrap();
            let sent: Vec<(u8, usize)> = script
                .frames(Role::Server)
                .iter()
                .map(|(first, payload)| (*first, payload.len()))
                .collect();
            match ends {
                true => assert_eq!(sent, [(0x02, 16_384), (0x80, 3), (0x81, 4), (0x88, 2)]),
                false => assert_eq!(sent, [(0x02, 16_384), (0x88, 2)]),
            }
        }
    }
}

/// Text that is not UTF-8 is an error of the writer, and no invalid frame is sent.
#[test]
fn text_of_a_writer_is_checked() {
    for (mut connection, script) in Sending::all(Role::Server, ScriptedTransport::default) {
        let invalid = [&[b'a'; 16_384][..], b"\xFF", &[b'a'; 20_000]].concat();
        let Err(Error::Io(error)) = connection.write(MessageKind::Text, &[&invalid], true) else {
            panic!();
        };
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(matches!(inner(&error), Error::Send(SendError::InvalidUtf8)));
        connection.send_fragment(MessageKind::Text, b"", true).unwrap();
        // It ends inside a code point.
        let unfinished = connection.write(MessageKind::Text, &[b"\xC3"], true);
        assert!(
            matches!(unfinished, Err(Error::Send(SendError::InvalidUtf8))),
            "{unfinished:?}"
        );
        connection.send("next").unwrap();
        let sent = script.frames(Role::Server);
        let text: Vec<u8> = sent.iter().flat_map(|(_, payload)| payload.clone()).collect();
        assert!(String::from_utf8(text).unwrap().ends_with("next"));
        assert_eq!(sent.len(), 3);
    }
}

/// A transport that fails in the middle of a message: an error of the writer, and of all that is
/// sent after it.
#[test]
fn a_reset_in_mid_message_is_an_error_of_the_writer() {
    for (mut connection, _) in Sending::all(Role::Server, || {
        ScriptedTransport::writing([Ok(10_000), Err(ErrorKind::ConnectionReset)])
    }) {
        let error = connection
            .write(MessageKind::Binary, &[&[7; 100_000]], true)
            .unwrap_err();
        assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset));
        assert!(connection.close().is_err());
        assert_eq!(connection.pending_bytes(), 0);
    }
}

/// While a clone writes a message, nothing of another message comes between its fragments: the
/// others get an error, control frames pass. After it, they can send.
#[test]
fn other_writers_do_not_interleave() {
    let script = SharedScript::default();
    let (_reader, writer) = halves(Role::Server, Delivery::Messages, &script);
    let other = writer.clone();
    for sends_first in [false, true] {
        let mut message = writer.writer(MessageKind::Binary).unwrap();
        if sends_first {
            message.write_all(&[7; 20_000]).unwrap();
        }
        for other in [&other, &writer] {
            assert!(matches!(
                other.send("no"),
                Err(Error::Send(SendError::MessageInProgress))
            ));
            assert_eq!(other.feed("no"), Err(SendError::MessageInProgress));
            assert_eq!(
                other.writer(MessageKind::Binary).unwrap_err(),
                SendError::MessageInProgress
            );
            let fragment = other.send_fragment(MessageKind::Binary, b"no", true);
            assert!(matches!(fragment, Err(Error::Send(SendError::MessageInProgress))));
        }
        other.ping(b"?").unwrap();
        message.write_all(&[8; 20_000]).unwrap();
        message.finish().unwrap();
        other.send("next").unwrap();
    }
    // The same for fragments: only the clone that has begun the message continues it.
    writer.send_fragment(MessageKind::Text, b"one", false).unwrap();
    let fragment = other.send_fragment(MessageKind::Text, b"no", false);
    assert!(matches!(fragment, Err(Error::Send(SendError::MessageInProgress))));
    writer.send_fragment(MessageKind::Text, b"two", true).unwrap();
    other.send_fragment(MessageKind::Text, b"left", false).unwrap();
    // If it is dropped, another can end the message.
    drop(other);
    assert!(matches!(
        writer.send("no"),
        Err(Error::Send(SendError::MessageInProgress))
    ));
    writer.send_fragment(MessageKind::Text, b"", true).unwrap();
    writer.send("last").unwrap();

    let sent = script.frames(Role::Server);
    let first: Vec<u8> = sent.iter().map(|(first, _)| *first).collect();
    let expected = [
        0x89, 0x02, 0x80, 0x81, 0x02, 0x89, 0x00, 0x80, 0x81, 0x01, 0x80, 0x01, 0x80, 0x81,
    ];
    assert_eq!(first, expected);
    assert!(
        sent.iter()
            .all(|(_, payload)| !payload.windows(2).any(|bytes| bytes == b"no"))
    );
}

/// A Close frame may come between the fragments of a message. Then the writer has its error.
#[test]
fn a_close_ends_a_message_of_a_writer() {
    let script = SharedScript::default();
    let (_reader, writer) = halves(Role::Server, Delivery::Messages, &script);
    let mut message = writer.writer(MessageKind::Binary).unwrap();
    message.write_all(&[7; 20_000]).unwrap();
    writer.clone().close(CloseCode::GOING_AWAY, "").unwrap();
    let error = message.write_all(&[7; 40_000]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(matches!(inner(&error), Error::Send(SendError::Closing)));
    assert!(matches!(message.finish(), Err(Error::Send(SendError::Closing))));
    assert_eq!(writer.writer(MessageKind::Text).unwrap_err(), SendError::Closing);
    assert_eq!(script.frames(Role::Server).len(), 2);
    assert_eq!(
        writer
            .close_status()
            .unwrap()
            .sent
            .as_ref()
            .unwrap()
            .as_ref()
            .unwrap()
            .code,
        CloseCode::GOING_AWAY
    );
}

/// The output that is not written is counted, whole and in halves: what was fed, and what an
/// interrupted call has left.
#[test]
fn pending_bytes_are_what_is_not_written() {
    for (mut connection, script) in Sending::all(Role::Server, || {
        ScriptedTransport::writing([Ok(3), Err(ErrorKind::WouldBlock)])
    }) {
        assert_eq!(connection.pending_bytes(), 0);
        match &mut connection {
            Sending::Whole(ws) => ws.feed("12345678").unwrap(),
            Sending::Half(half) => half.feed("12345678").unwrap(),
        }
        assert_eq!(connection.pending_bytes(), 10);
        assert_eq!(connection.flush().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(connection.pending_bytes(), 7);
        connection.send("next").unwrap();
        assert_eq!(connection.pending_bytes(), 0);
        assert_eq!(script.frames(Role::Server).len(), 2);
    }
}

/// A prepared message is sent like others, whole and in halves; not into another message, and not
/// after a Close frame.
#[test]
fn a_prepared_message_is_sent() {
    let news = PreparedMessage::text("news");
    for role in ROLES {
        let (first, second) = (SharedScript::default(), SharedScript::default());
        let mut ws = whole(role, Delivery::Messages, &first);
        ws.feed_prepared(&news).unwrap();
        assert!(ws.pending_bytes() > 4);
        ws.send_prepared(&news).unwrap();
        ws.send_fragment(MessageKind::Text, b"begun", false).unwrap();
        assert_eq!(ws.feed_prepared(&news), Err(SendError::MessageInProgress));
        ws.close(None, "").unwrap();
        assert!(matches!(ws.send_prepared(&news), Err(Error::Send(SendError::Closing))));

        let (_reader, writer) = halves(role, Delivery::Messages, &second);
        writer.feed_prepared(&news).unwrap();
        writer.send_prepared(&news).unwrap();
        let message = writer.writer(MessageKind::Text).unwrap();
        assert!(matches!(
            writer.send_prepared(&news),
            Err(Error::Send(SendError::MessageInProgress))
        ));
        assert_eq!(writer.feed_prepared(&news), Err(SendError::MessageInProgress));
        message.finish().unwrap();
        for script in [first, second] {
            assert_eq!(
                script.frames(role)[..2],
                [(0x81, b"news".to_vec()), (0x81, b"news".to_vec())]
            );
        }
    }
}

/// Compression is turned off and on for single messages, whole and in halves.
#[cfg(feature = "deflate")]
#[test]
fn compression_is_set_by_message() {
    use sockless::{Config, deflate::DeflateConfig};

    use support::params;

    use crate::deflate::upgraded;

    for in_halves in [false, true] {
        let script = SharedScript::default();
        let config = Config::new().deflate(DeflateConfig::new());
        let engine = upgraded(Role::Server, params(15, true), config);
        let mut ws = WebSocket::upgraded(script.clone(), engine, Config::default());
        let text = "a".repeat(1000);
        if in_halves {
            let (_reader, writer) = ws.split_with(|stream| Ok((stream.clone(), stream))).unwrap();
            writer.set_compression(false);
            writer.send(&text).unwrap();
            writer.set_compression(true);
            writer.send(&text).unwrap();
        } else {
            ws.set_compression(false);
            ws.send(&text).unwrap();
            ws.set_compression(true);
            ws.send(&text).unwrap();
        }
        let first: Vec<u8> = script.frames(Role::Server).iter().map(|(first, _)| *first).collect();
        assert_eq!(first, [0x81, 0xC1]);
    }
}
