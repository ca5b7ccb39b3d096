//! One message as a reader or a writer, fragments, and the lending receive: whole connections and
//! halves.

use std::{
    io::{self, BufRead, ErrorKind, Read, Write},
    sync::{Arc, Mutex},
};

use sockless::{
    Chunk, CloseCode, Config, Delivery, Event, Message, MessageKind, PreparedMessage, ProtocolError, Role, SendError,
    adapter::{
        Error,
        std_net::{Reader, WebSocket, Writer},
    },
};
use support::{ROLES, frame, frames, open, peer_of};

use super::{ScriptedTransport, binary, close, closed_with, io_kind, is_timeout, text};

/// A scripted transport of which halves have one handle each.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedScript(Arc<Mutex<ScriptedTransport>>);

impl SharedScript {
    pub(super) fn new(script: ScriptedTransport) -> Self {
        Self(Arc::new(Mutex::new(script)))
    }

    /// The frames that `role` has written.
    pub(super) fn frames(&self, role: Role) -> Vec<(u8, Vec<u8>)> {
        frames(role, &self.0.lock().unwrap().written)
    }
}

impl Read for SharedScript {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().read(buf)
    }
}

impl Write for SharedScript {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Halves = (Reader<SharedScript, SharedScript>, Writer<SharedScript>);

/// Opens a connection over a script.
pub(super) fn whole(role: Role, delivery: Delivery, script: &SharedScript) -> WebSocket<SharedScript> {
    let engine = open(role, Config::new().delivery(delivery));
    WebSocket::upgraded(script.clone(), engine, Config::default())
}

pub(super) fn halves(role: Role, delivery: Delivery, script: &SharedScript) -> Halves {
    let ws = whole(role, delivery, script);
    ws.split_with(|stream| Ok((stream.clone(), stream))).unwrap()
}

/// Cuts bytes into reads.
pub(super) fn reads(input: &[u8], len: usize) -> SharedScript {
    SharedScript::new(ScriptedTransport::reading(input.chunks(len).map(<[u8]>::to_vec)))
}

/// The error of the adapter in an I/O error.
fn inner(error: &io::Error) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

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

/// The only message among frames, of which the first has the given first byte.
fn joined(frames: &[(u8, Vec<u8>)], opcode: u8) -> Vec<u8> {
    for (at, (first, payload)) in frames.iter().enumerate() {
        let fin = if at + 1 == frames.len() { 0x80 } else { 0 };
        assert_eq!(
            *first,
            fin | if at == 0 { opcode } else { 0 },
            "frame {at} of {}",
            frames.len()
        );
        assert!(payload.len() <= 16 << 10);
    }
    frames.iter().flat_map(|(_, payload)| payload.clone()).collect()
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

/// Halves are joined again: nothing that was read, fed or begun is lost.
#[test]
fn halves_are_reunited() {
    let input = [
        frame(Role::Client, 0x81, b"one"),
        frame(Role::Client, 0x81, b"two"),
        frame(Role::Client, 0x81, b"three"),
    ]
    .concat();
    let script = reads(&input, 100);
    let (mut reader, writer) = halves(Role::Server, Delivery::Messages, &script);
    assert_eq!(reader.recv().unwrap(), Some(text("one")));
    writer.send_fragment(MessageKind::Binary, b"be", false).unwrap();
    let clone = writer.clone();
    let (reader, writer) = WebSocket::reunite_with(reader, writer, |stream, _| stream).unwrap_err();
    drop(clone);
    let (_, stranger) = halves(Role::Server, Delivery::Messages, &script);
    let (mut reader, stranger) = WebSocket::reunite_with(reader, stranger, |stream, _| stream).unwrap_err();
    drop(stranger);
    assert_eq!(reader.recv().unwrap(), Some(text("two")));
    let mut ws = WebSocket::reunite_with(reader, writer, |stream, _| stream).unwrap();
    ws.send_fragment(MessageKind::Binary, b"gun", true).unwrap();
    ws.feed("fed").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(text("three")));
    assert_eq!(ws.pending_bytes(), 5);
    let (reader, writer) = ws.split_with(|stream| Ok((stream.clone(), stream))).unwrap();
    let ws = WebSocket::reunite_with(reader, writer, |_, stream: SharedScript| stream).unwrap();
    let parts = ws.into_parts();
    assert_eq!(frames(Role::Server, &parts.unsent), [(0x81, b"fed".to_vec())]);
    assert_eq!(joined(&script.frames(Role::Server), 2), b"begun");
}

/// A message that was begun before a split can be ended after it, and the reverse.
#[test]
fn a_message_in_progress_survives_a_split() {
    let script = SharedScript::default();
    let mut ws = whole(Role::Server, Delivery::Messages, &script);
    ws.send_fragment(MessageKind::Binary, b"be", false).unwrap();
    let (_reader, writer) = ws.split_with(|stream| Ok((stream.clone(), stream))).unwrap();
    assert!(matches!(
        writer.send(binary(b"no")),
        Err(Error::Send(SendError::MessageInProgress))
    ));
    writer.send_fragment(MessageKind::Binary, b"gun", true).unwrap();
    assert_eq!(joined(&script.frames(Role::Server), 2), b"begun");
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

/// Compression is turned off and on for single messages, whole and in halves.
#[cfg(feature = "deflate")]
#[test]
fn compression_is_set_by_message() {
    use sockless::deflate::DeflateConfig;

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
