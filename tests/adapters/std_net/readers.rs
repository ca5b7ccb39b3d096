//! One message as a reader, and messages that are borrowed: whole connections and halves.

use std::io::{self, BufRead, ErrorKind, Read};

use sockless::{
    Chunk, CloseCode, Config, Delivery, Event, Message, MessageKind, ProtocolError, Role,
    adapter::{
        Error,
        std_net::{Reader, WebSocket},
    },
};
use support::{ROLES, frame, open, peer_of, too_big};

use super::shared_script::{SharedScript, halves, inner, reads, whole};
use super::{ScriptedTransport, close, closed_with, io_kind};

/// A connection, or its reading half.
#[allow(clippy::large_enum_variant, reason = "there are two of them")]
enum Receiving {
    Whole(WebSocket<SharedScript>),
    Half(Reader<SharedScript, SharedScript>),
}

impl Receiving {
    fn all(role: Role, delivery: Delivery, script: impl Fn() -> SharedScript) -> [(Self, SharedScript); 2] {
        let (first, second) = (script(), script());
        let (reader, _writer) = halves(role, delivery, &second);
        [
            (Self::Whole(whole(role, delivery, &first)), first),
            (Self::Half(reader), second),
        ]
    }

    /// Reads the next message with a buffer of `len` bytes, and at most `max` bytes of it.
    fn read(&mut self, len: usize, max: usize) -> Result<Option<(MessageKind, Vec<u8>)>, Error> {
        fn read(mut reader: impl Read, len: usize, max: usize) -> io::Result<Vec<u8>> {
            let (mut all, mut buf) = (Vec::new(), vec![0; len]);
            while all.len() < max {
                let len = len.min(max - all.len());
                match reader.read(&mut buf[..len]) {
                    Ok(0) => break,
                    Ok(n) => all.extend_from_slice(&buf[..n]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(all)
        }
        Ok(match self {
            Self::Whole(ws) => match ws.reader()? {
                Some(reader) => Some((reader.kind(), read(reader, len, max)?)),
                None => None,
            },
            Self::Half(half) => match half.reader()? {
                Some(reader) => Some((reader.kind(), read(reader, len, max)?)),
                None => None,
            },
        })
    }

    fn recv_chunk(&mut self) -> Result<Option<Chunk<'static>>, Error> {
        match self {
            Self::Whole(ws) => ws.recv_chunk(),
            Self::Half(half) => half.recv_chunk(),
        }
    }

    fn recv_event(&mut self) -> Result<Option<Event<'static>>, Error> {
        match self {
            Self::Whole(ws) => ws.recv_event(),
            Self::Half(half) => half.recv_event(),
        }
    }
}

/// A text in two fragments with a Ping between them, an empty message, a binary message, the end.
fn conversation(peer: Role) -> Vec<u8> {
    [
        frame(peer, 0x01, "begin é".as_bytes()),
        frame(peer, 0x89, b"?"),
        frame(peer, 0x80, " end".as_bytes()),
        frame(peer, 0x82, b""),
        frame(peer, 0x82, &[7; 300]),
        close(peer, 1000),
    ]
    .concat()
}

/// Messages are read as they arrive, with any cut and any buffer, in both deliveries.
#[test]
fn a_message_is_a_reader() {
    for (role, delivery) in ROLES
        .into_iter()
        .flat_map(|role| [Delivery::Chunks, Delivery::Messages].map(|delivery| (role, delivery)))
    {
        let input = conversation(peer_of(role));
        for cut in [1, 2, 3, 7, input.len()] {
            for (mut connection, script) in Receiving::all(role, delivery, || reads(&input, cut)) {
                for len in [1, 1000] {
                    if len == 1 {
                        let (kind, data) = connection.read(len, usize::MAX).unwrap().unwrap();
                        assert_eq!((kind, &*data), (MessageKind::Text, "begin é end".as_bytes()), "{cut}");
                        continue;
                    }
                    assert_eq!(connection.read(len, usize::MAX).unwrap().unwrap().1, b"");
                    assert_eq!(connection.read(len, usize::MAX).unwrap().unwrap().1, [7; 300]);
                }
                assert!(connection.read(1, 1).unwrap().is_none());
                assert_eq!(
                    script.frames(role),
                    [(0x8A, b"?".to_vec()), (0x88, vec![0x03, 0xE8])],
                    "{cut}"
                );
            }
        }
    }
}

/// Lines of a text message, over any cut.
#[test]
fn a_reader_is_buffered() {
    for cut in 1..20 {
        let script = reads(&frame(Role::Client, 0x81, b"one\ntwo\nthree"), cut);
        let mut ws = whole(Role::Server, Delivery::Chunks, &script);
        let reader = ws.reader().unwrap().unwrap();
        assert!(reader.is_text() && format!("{reader:?}").contains("Text"));
        let lines: Vec<String> = reader.lines().map(Result::unwrap).collect();
        assert_eq!(lines, ["one", "two", "three"]);
    }
}

/// A reader that is dropped at any byte of its message: the next call skips the rest, nothing comes
/// twice or out of order, and a Ping in the skipped part is answered, and reported by `recv_event`.
#[test]
fn a_reader_dropped_in_mid_message_skips_the_rest() {
    let peer = Role::Client;
    let input = conversation(peer);
    for cut in [1, 3, 8, input.len()] {
        for read in 0..=12 {
            for next in 0..3 {
                for (mut connection, script) in Receiving::all(Role::Server, Delivery::Chunks, || reads(&input, cut)) {
                    let (_, data) = connection.read(5, read).unwrap().unwrap();
                    assert_eq!(data, "begin é end".as_bytes()[..read]);
                    match next {
                        0 => {
                            assert_eq!(
                                connection.read(9, usize::MAX).unwrap().unwrap(),
                                (MessageKind::Binary, vec![])
                            );
                        }
                        1 => {
                            let chunk = connection.recv_chunk().unwrap().unwrap();
                            assert!(chunk.message_end && chunk.as_bytes().is_empty(), "{chunk:?}");
                        }
                        _ => {
                            let mut events = Vec::new();
                            loop {
                                match connection.recv_event().unwrap().unwrap() {
                                    Event::Chunk(chunk) => {
                                        assert!(chunk.message_end && chunk.as_bytes().is_empty(), "{chunk:?}");
                                        break;
                                    }
                                    event => events.push(event),
                                }
                            }
                            // A reader that was read beyond it has answered it.
                            let ping = Event::Ping(b"?"[..].into());
                            assert!(events == [ping] || events.is_empty() && read > 8, "{read}: {events:?}");
                        }
                    }
                    assert_eq!(connection.read(1000, usize::MAX).unwrap().unwrap().1, [7; 300]);
                    assert!(
                        connection
                            .recv_event()
                            .unwrap()
                            .is_some_and(|event| matches!(event, Event::Close(_)))
                    );
                    assert!(connection.recv_chunk().unwrap().is_none());
                    assert_eq!(script.frames(Role::Server).len(), 2, "a Pong and a Close frame");
                }
            }
        }
    }
}

/// What is skipped is still checked, and counts for the limits: text that is not UTF-8, and a
/// message that is too large, fail the connection.
#[test]
fn what_a_dropped_reader_skips_is_checked() {
    let input = [frame(Role::Client, 0x01, b"begin"), frame(Role::Client, 0x80, b"\xFF")].concat();
    let mut ws = whole(Role::Server, Delivery::Chunks, &reads(&input, 4));
    assert!(ws.reader().unwrap().is_some());
    let error = ws.recv_chunk().unwrap_err();
    assert!(matches!(error, Error::Protocol(error) if *error == ProtocolError::InvalidUtf8));
    let input = [
        frame(Role::Client, 0x02, b"begin"),
        frame(Role::Client, 0x80, b"too large"),
    ]
    .concat();
    let engine = open(
        Role::Server,
        Config::new().delivery(Delivery::Chunks).max_message_size(10),
    );
    let mut ws = WebSocket::upgraded(reads(&input, 4), engine, Config::default());
    assert!(ws.reader().unwrap().is_some());
    let error = ws.recv_chunk().unwrap_err();
    assert!(
        matches!(error, Error::Protocol(error) if *error == too_big(14, 10)),
        "the message is too large"
    );
}

/// `recv_chunk` and a reader share a message: what one has returned, the other does not.
#[test]
fn a_reader_continues_after_chunks() {
    let input = [
        frame(Role::Client, 0x02, b"one"),
        frame(Role::Client, 0x00, b"two"),
        frame(Role::Client, 0x80, b"three"),
        frame(Role::Client, 0x82, b"next"),
    ]
    .concat();
    for (mut connection, _) in Receiving::all(Role::Server, Delivery::Chunks, || reads(&input, 100)) {
        assert_eq!(connection.recv_chunk().unwrap().unwrap().as_bytes(), b"one");
        assert_eq!(connection.read(100, usize::MAX).unwrap().unwrap().1, b"twothree");
        assert_eq!(connection.read(100, usize::MAX).unwrap().unwrap().1, b"next");
    }
}

/// How a connection can end in the middle of a message: each end has its error, in the reader and
/// after it.
#[test]
fn an_end_in_mid_message_is_an_error_of_the_reader() {
    let begin = frame(Role::Client, 0x01, b"begin");
    let script = |rest: Vec<u8>| {
        move || {
            let begin = frame(Role::Client, 0x01, b"begin");
            SharedScript::new(ScriptedTransport::reading(
                [begin, rest.clone()].into_iter().filter(|bytes| !bytes.is_empty()),
            ))
        }
    };
    let read = |connection: &mut Receiving| match connection.read(3, usize::MAX) {
        Err(Error::Io(error)) => error,
        other => panic!("{other:?}"),
    };
    // The peer closes well: it has ended well, and the message has not.
    for (mut connection, _) in Receiving::all(Role::Server, Delivery::Chunks, script(close(Role::Client, 1000))) {
        let error = read(&mut connection);
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("before the end of the message"), "{error}");
        assert!(connection.recv_chunk().unwrap().is_none());
    }
    for (mut connection, _) in Receiving::all(Role::Server, Delivery::Chunks, script(close(Role::Client, 1011))) {
        let error = read(&mut connection);
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert!(matches!(inner(&error), Error::Closed(status) if status.code() == CloseCode::INTERNAL_ERROR));
        assert_eq!(closed_with(&connection.recv_chunk()), Some(CloseCode::INTERNAL_ERROR));
    }
    for (mut connection, _) in Receiving::all(Role::Server, Delivery::Chunks, script(Vec::new())) {
        let error = read(&mut connection);
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(matches!(inner(&error), Error::Protocol(error) if **error == ProtocolError::UnexpectedEof));
    }
    // A violation: what was valid is read before.
    let invalid = frame(Role::Client, 0x80, b"more\xFF");
    for (mut connection, script) in Receiving::all(Role::Server, Delivery::Chunks, script(invalid)) {
        let (_, data) = connection.read(3, 9).unwrap().unwrap();
        assert_eq!(data, b"beginmore");
        assert!(matches!(connection.recv_chunk(), Err(Error::Protocol(error)) if *error == ProtocolError::InvalidUtf8));
        assert_eq!(script.frames(Role::Server), [(0x88, vec![0x03, 0xEF])]);
    }
    let reset = || {
        let mut script = ScriptedTransport::reading([begin.clone()]);
        script.reads.push_back(Err(ErrorKind::ConnectionReset));
        SharedScript::new(script)
    };
    for (mut connection, _) in Receiving::all(Role::Server, Delivery::Chunks, reset) {
        assert_eq!(read(&mut connection).kind(), ErrorKind::ConnectionReset);
    }
}

/// A read that times out in the middle of a message continues; so does `reader` itself.
#[test]
fn a_reader_continues_after_a_timeout() {
    let input = frame(Role::Client, 0x81, b"hello");
    for cut in 1..input.len() {
        let script = || {
            let mut script = ScriptedTransport::reading([input[..cut].to_vec(), input[cut..].to_vec()]);
            script.reads.insert(1, Err(ErrorKind::WouldBlock));
            SharedScript::new(script)
        };
        for (mut connection, _) in Receiving::all(Role::Server, Delivery::Chunks, script) {
            let (_, data) = match connection.read(2, usize::MAX) {
                Err(error) => {
                    assert_eq!(io_kind(&error), Some(ErrorKind::WouldBlock));
                    connection.read(2, usize::MAX).unwrap().unwrap()
                }
                Ok(message) => message.unwrap(),
            };
            assert_eq!(data, b"hello");
        }
    }
}

/// `recv_with` passes each message once, borrowed from the input: no allocation for it. In halves,
/// it can be answered from within.
#[test]
fn recv_with_borrows_messages() {
    let messages = [
        frame(Role::Client, 0x81, b"one"),
        frame(Role::Client, 0x89, b"?"),
        frame(Role::Client, 0x82, &[7; 5000]),
        close(Role::Client, 1000),
    ]
    .concat();
    for cut in [1, 10, 100_000] {
        let mut ws = whole(Role::Server, Delivery::Messages, &reads(&messages, cut));
        assert_eq!(
            ws.recv_with(|message| message == Message::from("one")).unwrap(),
            Some(true)
        );
        let len = ws.recv_with(|message| {
            let is_borrowed = matches!(message, Message::Binary(std::borrow::Cow::Borrowed(_)));
            (is_borrowed, message.len())
        });
        assert_eq!(len.unwrap(), Some((true, 5000)), "in reads of {cut} bytes");
        assert_eq!(ws.recv_with(|_| ()).unwrap(), None);
    }
    let script = reads(&messages, 100_000);
    let (mut reader, writer) = halves(Role::Server, Delivery::Messages, &script);
    while reader
        .recv_with(|message| writer.send(message).unwrap())
        .unwrap()
        .is_some()
    {}
    let sent: Vec<u8> = script.frames(Role::Server).iter().map(|(first, _)| *first).collect();
    assert_eq!(sent, [0x81, 0x8A, 0x82, 0x88]);

    let mut ws = whole(Role::Server, Delivery::Chunks, &reads(&messages, 100));
    assert_eq!(
        io_kind(&ws.recv_with(|_| ()).unwrap_err()),
        Some(ErrorKind::InvalidInput)
    );
}

/// A steady stream of messages that `recv_with` receives allocates nothing.
#[test]
fn recv_with_does_not_allocate() {
    let message = frame(Role::Client, 0x82, &[7; 100]);
    let mut ws = whole(Role::Server, Delivery::Messages, &reads(&message.repeat(50), 100_000));
    ws.recv_with(|_| ()).unwrap();
    let allocated = allocation_counter::measure(|| {
        for _ in 1..50 {
            assert_eq!(ws.recv_with(|message| message.len()).unwrap(), Some(100));
        }
    });
    assert_eq!(allocated.count_total, 0);
}

/// The limit of messages can be changed, whole and in halves, from the next message on.
#[test]
fn the_limit_of_messages_is_changed() {
    let message = frame(Role::Client, 0x82, &[7; 100]);
    let input = message.repeat(2);
    let mut ws = whole(Role::Server, Delivery::Messages, &reads(&input, 106));
    assert!(ws.recv().unwrap().is_some());
    ws.set_max_message_size(99);
    assert!(matches!(ws.recv(), Err(Error::Protocol(error)) if error.close_code() == CloseCode::TOO_BIG));
    let (mut reader, _writer) = halves(Role::Server, Delivery::Chunks, &reads(&input, 106));
    assert!(reader.recv_chunk().unwrap().is_some());
    reader.set_max_message_size(99);
    assert!(matches!(reader.recv_chunk(), Err(Error::Protocol(error)) if error.close_code() == CloseCode::TOO_BIG));
}
