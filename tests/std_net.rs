//! The blocking adapter: over scripted transports that read and write as little as they like, and over TCP on the
//! loopback interface.

use std::{
    collections::VecDeque,
    error::Error as _,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use sockless::{
    Accept, ClientRequest, CloseCode, CloseFrame, ClosedBy, Config, Connection, Event, HandshakeError, ProtocolError,
    RequestError, SendError,
    adapter::{
        AsMessage, Error, Message, MessageRef,
        std_net::{self, Incoming, WebSocket},
    },
    frame::Role,
};
use support::{feed, frame, frames, open, peer_of};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// How long a test waits for the network before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A transport that does what a script says. Read to its end, it is at its end; written to its end, it takes everything.
#[derive(Debug, Default)]
struct Script {
    reads: VecDeque<Result<Vec<u8>, ErrorKind>>,
    /// How many bytes a write takes.
    writes: VecDeque<Result<usize, ErrorKind>>,
    written: Vec<u8>,
    /// How often something was written.
    calls: usize,
}

impl Script {
    fn reading(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            reads: pieces.into_iter().map(Ok).collect(),
            ..Self::default()
        }
    }

    fn writing(writes: impl IntoIterator<Item = Result<usize, ErrorKind>>) -> Self {
        Self {
            writes: writes.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.reads.pop_front() {
            None => Ok(0),
            Some(Err(kind)) => Err(kind.into()),
            Some(Ok(mut bytes)) => {
                let rest = bytes.split_off(buf.len().min(bytes.len()));
                buf[..bytes.len()].copy_from_slice(&bytes);
                if !rest.is_empty() {
                    self.reads.push_front(Ok(rest));
                }
                Ok(bytes.len())
            }
        }
    }
}

impl Write for Script {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = match self.writes.pop_front() {
            None => buf.len(),
            Some(Ok(n)) => n.min(buf.len()),
            Some(Err(kind)) => return Err(kind.into()),
        };
        self.written.extend_from_slice(&buf[..n]);
        self.calls += 1;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client's transport with a server behind it that accepts everything and echoes; both directions carry so many bytes
/// at a time.
struct Echo {
    server: Connection,
    to_client: VecDeque<u8>,
    piece: usize,
}

impl Read for Echo {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(self.piece).min(self.to_client.len());
        for slot in &mut buf[..n] {
            *slot = self.to_client.pop_front().unwrap();
        }
        Ok(n)
    }
}

impl Write for Echo {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(self.piece);
        let outcome = feed(&mut self.server, &buf[..n]);
        assert_eq!(outcome.error, None);
        let mut out = outcome.out;
        for event in outcome.events {
            match event {
                Event::Text(text) => self.server.send_text(&text, &mut out).unwrap(),
                Event::Binary(data) => self.server.send_binary(&data, &mut out).unwrap(),
                _ => {}
            }
        }
        self.to_client.extend(out);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An open WebSocket over a scripted transport.
fn over(role: Role, script: Script) -> WebSocket<Script> {
    WebSocket::upgraded(script, open(role, Config::default()), Config::default())
}

fn close(sender: Role, code: u16) -> Vec<u8> {
    frame(sender, 0x88, &code.to_be_bytes())
}

fn io_kind(error: &Error) -> Option<ErrorKind> {
    match error {
        Error::Io(error) => Some(error.kind()),
        _ => None,
    }
}

/// Whether it is the error of a timeout.
fn is_timeout(error: &Error) -> bool {
    matches!(io_kind(error), Some(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

fn binary(data: &[u8]) -> Message {
    Message::Binary(data.to_vec())
}

/// The message, or the protocol error.
fn received(result: Result<Option<Message>, Error>) -> Result<Option<Message>, ProtocolError> {
    result.map_err(|error| match error {
        Error::Protocol(error) => error,
        other => panic!("{other:?}"),
    })
}

// Reading

/// R104: however few bytes a read yields, the messages are the same, and after them the clean end, again and again.
#[test]
fn s6_2_short_reads() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x81, "aé€😀".as_bytes()),
            frame(peer, 0x02, &[7; 200]),
            frame(peer, 0x89, b"ping"),
            frame(peer, 0x80, &[8; 100]),
            frame(peer, 0x82, b""),
            close(peer, 1000),
        ]
        .concat();
        for piece in (1..40).chain([100, input.len()]) {
            let mut ws = over(role, Script::reading(input.chunks(piece).map(<[u8]>::to_vec)));
            let message = [&[7; 200][..], &[8; 100]].concat();
            assert_eq!(ws.recv().unwrap(), Some(text("aé€😀")), "{piece}");
            assert_eq!(ws.recv().unwrap(), Some(binary(&message)), "{piece}");
            assert_eq!(ws.recv().unwrap(), Some(binary(b"")), "{piece}");
            for _ in 0..3 {
                assert_eq!(ws.recv().unwrap(), None, "{piece}");
            }
            let closure = ws.closure().unwrap();
            assert!(closure.is_clean() && closure.by == ClosedBy::Peer);
            let replies = frames(role, &ws.get_ref().written);
            assert_eq!(replies, [(0x8A, b"ping".to_vec()), (0x88, vec![0x03, 0xE8])], "{piece}");
        }
    }
}

/// R104: a message larger than what is read at a time.
#[test]
fn s6_2_large_messages() {
    for role in ROLES {
        let payload: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        let mut ws = over(role, Script::reading([frame(peer_of(role), 0x82, &payload)]));
        assert_eq!(ws.recv().unwrap(), Some(Message::Binary(payload)));
    }
}

/// A read that is interrupted is repeated.
#[test]
fn reads_that_are_interrupted_are_repeated() {
    let mut script = Script::reading([frame(Role::Client, 0x81, b"text")]);
    script.reads.push_front(Err(ErrorKind::Interrupted));
    script.reads.push_front(Err(ErrorKind::Interrupted));
    assert_eq!(over(Role::Server, script).recv().unwrap(), Some(text("text")));
}

/// R104: a read that times out, or would block, at any byte: the caller hears of it, calls again, and nothing is lost and
/// nothing comes twice.
#[test]
fn s6_2_reads_that_time_out_are_resumed() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [
            frame(peer, 0x81, b"one"),
            frame(peer, 0x01, b"t"),
            frame(peer, 0x89, b"ping"),
            frame(peer, 0x80, b"wo"),
            close(peer, 1000),
        ]
        .concat();
        for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
            for cut in 0..=input.len() {
                let (front, back) = input.split_at(cut);
                let mut script = Script::default();
                for bytes in [front, back].into_iter().filter(|bytes| !bytes.is_empty()) {
                    script.reads.push_back(Ok(bytes.to_vec()));
                }
                script.reads.insert(usize::from(cut > 0), Err(kind));
                let mut ws = over(role, script);
                let (mut messages, mut timeouts) = (Vec::new(), 0);
                loop {
                    match ws.recv() {
                        Ok(Some(message)) => messages.push(message),
                        Ok(None) => break,
                        Err(error) => {
                            assert_eq!(io_kind(&error), Some(kind));
                            timeouts += 1;
                        }
                    }
                }
                assert_eq!(messages, [text("one"), text("two")], "cut at {cut}");
                // Behind the Close nothing is read any more.
                assert_eq!(timeouts, usize::from(cut < input.len()), "cut at {cut}");
                let replies = frames(role, &ws.get_ref().written);
                assert_eq!(
                    replies,
                    [(0x8A, b"ping".to_vec()), (0x88, vec![0x03, 0xE8])],
                    "cut at {cut}"
                );
            }
        }
    }
}

/// R116 R110: the end of the transport without a Close is an error, at every byte, and stays one.
#[test]
fn s7_2_1_the_transport_ends_without_a_close() {
    for role in ROLES {
        let input = [frame(peer_of(role), 0x01, b"be"), frame(peer_of(role), 0x80, b"gun")].concat();
        for end in 0..=input.len() {
            let mut ws = over(role, Script::reading([input[..end].to_vec()]));
            let first = received(ws.recv());
            if end == input.len() {
                assert_eq!(first, Ok(Some(text("begun"))));
            } else {
                assert_eq!(first, Err(ProtocolError::UnexpectedEof), "{role:?}: {end}");
            }
            for _ in 0..2 {
                assert_eq!(
                    received(ws.recv()),
                    Err(ProtocolError::UnexpectedEof),
                    "{role:?}: {end}"
                );
            }
            let closure = ws.closure().unwrap();
            assert_eq!((closure.by, closure.code()), (ClosedBy::Transport, CloseCode::ABNORMAL));
        }
    }
}

/// R116: a transport that breaks inside a frame is an error of its own kind.
#[test]
fn s7_2_1_the_transport_is_reset() {
    for role in ROLES {
        let input = frame(peer_of(role), 0x81, b"text");
        for end in 0..input.len() {
            let mut script = Script::reading([input[..end].to_vec()].into_iter().filter(|bytes| !bytes.is_empty()));
            script.reads.push_back(Err(ErrorKind::ConnectionReset));
            let mut ws = over(role, script);
            let error = ws.recv().unwrap_err();
            assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{role:?}: {end}");
            assert!(error.source().is_some() && error.to_string().contains("reset"));
        }
    }
}

/// R110 R116: with that the connection has failed: 1006, and nothing more can be sent.
#[test]
fn s7_2_1_a_reset_fails_the_connection() {
    for role in ROLES {
        let mut script = Script::default();
        script.reads.push_back(Err(ErrorKind::ConnectionReset));
        let mut ws = over(role, script);
        assert_eq!(io_kind(&ws.recv().unwrap_err()), Some(ErrorKind::ConnectionReset));
        let closure = ws.closure().expect("a connection that is lost is closed");
        assert_eq!((closure.by, closure.code()), (ClosedBy::Transport, CloseCode::ABNORMAL));
        assert!(matches!(ws.feed("more"), Err(SendError::Closing)));
    }
}

/// R112 R113 R140: what the peer does wrong is an error, after the Close that it is due was written; and it stays one.
#[test]
fn s7_1_7_a_violation_is_answered_and_reported() {
    for role in ROLES {
        let peer = peer_of(role);
        for (bytes, error, code) in [
            (frame(peer, 0x83, b""), ProtocolError::ReservedOpcode, [0x03, 0xEA]),
            (frame(peer, 0x81, b"\xFF"), ProtocolError::InvalidUtf8, [0x03, 0xEF]),
        ] {
            let good = frame(peer, 0x81, b"good");
            let behind = frame(peer, 0x81, b"behind");
            let mut ws = over(role, Script::reading([[good, bytes, behind.clone()].concat(), behind]));
            assert_eq!(received(ws.recv()), Ok(Some(text("good"))));
            for _ in 0..3 {
                assert_eq!(received(ws.recv()), Err(error), "{role:?}");
            }
            assert_eq!(frames(role, &ws.get_ref().written), [(0x88, code.to_vec())]);
            assert!(matches!(ws.send("more"), Err(Error::Send(SendError::Closing))));
        }
    }
}

// Writing

/// Sends one of everything, and how that looks on the wire.
fn send_everything(ws: &mut WebSocket<Script>, large: &[u8]) -> Result<(), Error> {
    ws.send("text")?;
    ws.send(large)?;
    ws.ping(b"ping")?;
    ws.close(CloseCode::NORMAL, "bye")
}

fn everything_sent(large: &[u8]) -> Vec<(u8, Vec<u8>)> {
    vec![
        (0x81, b"text".to_vec()),
        (0x82, large.to_vec()),
        (0x89, b"ping".to_vec()),
        (0x88, b"\x03\xE8bye".to_vec()),
    ]
}

/// However few bytes a write takes, all are written, once, in order (F34: payload lost when only the header fitted).
#[test]
fn f34_short_writes_of_every_length() {
    for role in ROLES {
        let large = vec![7; 300];
        for n in (1..60).chain([299, 300, 301, 302, 303, 304, 305]) {
            let mut ws = over(role, Script::writing(std::iter::repeat_n(Ok(n), 1000)));
            send_everything(&mut ws, &large).unwrap();
            assert_eq!(
                frames(role, &ws.get_ref().written),
                everything_sent(&large),
                "{role:?}: {n} at a time"
            );
        }
    }
}

/// A write that stops after any number of bytes goes on there: nothing is lost, nothing is written twice, and no
/// half frame stands between two (F35).
#[test]
fn f35_an_interrupted_write_goes_on_where_it_stopped() {
    for role in ROLES {
        for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
            for n in 0..12 {
                let mut script = Script::writing(if n > 0 { vec![Ok(n), Err(kind)] } else { vec![Err(kind)] });
                script
                    .writes
                    .extend([Err(kind), Ok(1), Err(ErrorKind::Interrupted), Err(kind)]);
                let mut ws = over(role, script);
                let mut errors = 0;
                // The message is in the output: what is called again is not `send` but `flush`.
                let mut result = ws.send("interrupted");
                while let Err(error) = result {
                    assert_eq!(io_kind(&error), Some(kind), "{role:?}: {n}");
                    errors += 1;
                    result = ws.flush().map_err(Error::from);
                }
                assert_eq!(errors, 3, "{role:?}: {n}");
                ws.send("next").unwrap();
                let expected = [(0x81, b"interrupted".to_vec()), (0x81, b"next".to_vec())];
                assert_eq!(frames(role, &ws.get_ref().written), expected, "{role:?}: {n}");
            }
        }
    }
}

/// The next message, ping or close takes along what an interrupted write has left.
#[test]
fn f35_what_is_left_is_written_first() {
    for role in ROLES {
        type Next = fn(&mut WebSocket<Script>) -> Result<(), Error>;
        let next: [(Next, u8); 4] = [
            (|ws| ws.send("next"), 0x81),
            (|ws| ws.ping(b"next"), 0x89),
            (|ws| ws.close(CloseCode::NORMAL, "next"), 0x88),
            (|ws| ws.recv().map(|_| ()), 0x8A),
        ];
        for (next, first) in next {
            for n in 1..7 {
                let mut script = Script::writing([Ok(n), Err(ErrorKind::WouldBlock)]);
                script.reads.push_back(Ok([
                    frame(peer_of(role), 0x89, b"next"),
                    frame(peer_of(role), 0x81, b"text"),
                ]
                .concat()));
                let mut ws = over(role, script);
                assert!(is_timeout(&ws.send("first").unwrap_err()));
                next(&mut ws).unwrap();
                let written = frames(role, &ws.get_ref().written);
                assert_eq!(written[0], (0x81, b"first".to_vec()), "{role:?}: {first:02x}, {n}");
                assert_eq!((written.len(), written[1].0), (2, first), "{role:?}: {first:02x}, {n}");
            }
        }
    }
}

/// R093: a reply that cannot be written at once is written later, and the event behind it is not lost.
#[test]
fn f35_an_interrupted_reply_loses_no_event() {
    for role in ROLES {
        let peer = peer_of(role);
        for n in 0..4 {
            let mut script = Script::writing(if n > 0 {
                vec![Ok(n), Err(ErrorKind::WouldBlock)]
            } else {
                vec![Err(ErrorKind::WouldBlock)]
            });
            let input = [
                frame(peer, 0x89, b"ping"),
                frame(peer, 0x81, b"text"),
                close(peer, 1000),
            ];
            script.reads.push_back(Ok(input.concat()));
            let mut ws = over(role, script);
            let (mut events, mut timeouts) = (Vec::new(), 0);
            loop {
                match ws.recv_event() {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(error) => {
                        assert!(is_timeout(&error));
                        timeouts += 1;
                    }
                }
            }
            let expected = [
                Event::Ping(b"ping"[..].into()),
                Event::Text("text".into()),
                Event::Close(Some(CloseFrame::new(1000, ""))),
            ];
            assert!(timeouts <= 1);
            let replies = [(0x8A, b"ping".to_vec()), (0x88, vec![0x03, 0xE8])];
            assert_eq!(frames(role, &ws.get_ref().written), replies, "{role:?}: {n}");
            assert_eq!(events, expected, "{role:?}: {n}");
        }
    }
}

/// A transport that keeps what is written until it is flushed, as TLS does.
struct Buffered {
    kept: Vec<u8>,
    sent: Vec<u8>,
    timeouts: usize,
}

impl Read for Buffered {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Buffered {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.kept.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(left) = self.timeouts.checked_sub(1) {
            self.timeouts = left;
            return Err(ErrorKind::TimedOut.into());
        }
        self.sent.append(&mut self.kept);
        Ok(())
    }
}

/// A flush of the transport itself that is interrupted is repeated, though every byte was written (F35).
#[test]
fn f35_an_interrupted_flush_of_the_transport_goes_on() {
    for timeouts in 0..3 {
        let stream = Buffered {
            kept: Vec::new(),
            sent: Vec::new(),
            timeouts,
        };
        let mut ws = WebSocket::upgraded(stream, open(Role::Server, Config::default()), Config::default());
        let mut errors = 0;
        let mut result = ws.send("text");
        while let Err(error) = result {
            assert!(is_timeout(&error), "{error:?}");
            errors += 1;
            result = ws.flush().map_err(Error::from);
        }
        assert_eq!(errors, timeouts);
        assert_eq!(
            frames(Role::Server, &ws.get_ref().sent),
            [(0x81, b"text".to_vec())],
            "{timeouts} timeouts"
        );
    }
}

/// R102: a transport that takes nothing is an error, and no endless loop.
#[test]
fn a_transport_that_takes_nothing_is_an_error() {
    let mut ws = over(Role::Server, Script::writing([Ok(3), Ok(0)]));
    let error = ws.send("text").unwrap_err();
    assert_eq!(io_kind(&error), Some(ErrorKind::WriteZero));
    ws.flush().unwrap();
    assert_eq!(frames(Role::Server, &ws.get_ref().written), [(0x81, b"text".to_vec())]);
}

/// R094: what is fed is written together, before `recv` blocks; a reply does not wait for it.
#[test]
fn messages_that_are_fed_are_written_at_once() {
    for role in ROLES {
        let mut ws = over(role, Script::reading([frame(peer_of(role), 0x81, b"text")]));
        ws.feed("one").unwrap();
        ws.feed(&b"two"[..]).unwrap();
        assert_eq!(ws.get_ref().calls, 0);
        assert_eq!(ws.recv().unwrap(), Some(text("text")));
        assert_eq!(ws.get_ref().calls, 1, "in one write");
        let expected = [(0x81, b"one".to_vec()), (0x82, b"two".to_vec())];
        assert_eq!(frames(role, &ws.get_ref().written), expected);

        let input = [frame(peer_of(role), 0x81, b"a"), frame(peer_of(role), 0x81, b"b")].concat();
        let mut ws = over(role, Script::reading([input]));
        for _ in 0..2 {
            let message = ws.recv().unwrap().unwrap();
            ws.feed(message).unwrap();
        }
        assert_eq!(ws.get_ref().calls, 0, "nothing blocks yet");
        assert_eq!(received(ws.recv()), Err(ProtocolError::UnexpectedEof));
        assert_eq!(ws.get_ref().calls, 1, "two answers to one read");
    }
}

/// R102: what may not be sent is an error of the caller, and nothing is written.
#[test]
fn s6_1_wrong_commands_write_nothing() {
    let mut ws = over(Role::Server, Script::default());
    let wrong = [
        (ws.ping(&[0; 126]).unwrap_err(), SendError::ControlFrameTooLong),
        (
            ws.close(CloseCode::ABNORMAL, "").unwrap_err(),
            SendError::InvalidCloseCode,
        ),
        (ws.close(None, "why").unwrap_err(), SendError::ReasonWithoutCode),
    ];
    for (error, expected) in wrong {
        assert!(matches!(error, Error::Send(found) if found == expected), "{error:?}");
        assert_eq!(error.to_string(), expected.to_string());
    }
    ws.close(None, "").unwrap();
    assert!(matches!(ws.feed("late"), Err(SendError::Closing)));
    assert_eq!(frames(Role::Server, &ws.get_ref().written), [(0x88, Vec::new())]);
}

// The handshake

/// A client's handshake and conversation, a few bytes at a time in both directions.
#[test]
fn a_client_over_a_slow_transport() {
    for piece in [1, 2, 3, 7, 50, usize::MAX] {
        let echo = Echo {
            server: Connection::server(Config::default()),
            to_client: VecDeque::new(),
            piece,
        };
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let (mut ws, response) = WebSocket::client(echo, &request, Config::default()).unwrap();
        assert_eq!(response.status(), 101);
        ws.send("echo").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(text("echo")), "{piece}");
        ws.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(ws.recv().unwrap(), None, "{piece}");
        assert!(ws.closure().unwrap().is_clean());
    }
}

/// A server's handshake, with frames right behind the request, in any pieces.
#[test]
fn a_server_over_a_slow_transport() {
    let input = [
        REQUEST.as_bytes(),
        &frame(Role::Client, 0x81, b"early"),
        &close(Role::Client, 1000),
    ]
    .concat();
    for piece in [1, 2, 5, 100, REQUEST.len(), REQUEST.len() + 1, input.len()] {
        let script = Script::reading(input.chunks(piece).map(<[u8]>::to_vec));
        let incoming = Incoming::new(script, Config::default()).unwrap();
        assert_eq!(incoming.request().target(), "/");
        let mut ws = incoming.accept(&Accept::new()).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(text("early")), "{piece}");
        assert_eq!(ws.recv().unwrap(), None, "{piece}");
        let written = &ws.get_ref().written;
        assert!(written.starts_with(b"HTTP/1.1 101 "));
        let end = written.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(
            frames(Role::Server, &written[end..]),
            [(0x88, vec![0x03, 0xE8])],
            "{piece}"
        );
    }
}

/// A request that breaks a rule is answered and is an error.
#[test]
fn an_invalid_request_is_answered() {
    let script = Script::reading([b"PUT / HTTP/1.1\r\n\r\n".to_vec()]);
    let error = Incoming::new(script, Config::default()).unwrap_err();
    let expected = ProtocolError::Request(RequestError::Method);
    assert!(
        matches!(error, Error::Protocol(found) if found == expected),
        "{error:?}"
    );
}

/// R116: a transport that ends or breaks inside of the handshake, for a server and for a client.
#[test]
fn the_transport_ends_during_the_handshake() {
    for end in 0..REQUEST.len() {
        let front = REQUEST.as_bytes()[..end].to_vec();
        let script = Script::reading([front.clone()].into_iter().filter(|bytes| !bytes.is_empty()));
        let error = Incoming::new(script, Config::default()).unwrap_err();
        assert!(
            matches!(error, Error::Protocol(ProtocolError::UnexpectedEof)),
            "{end}: {error:?}"
        );
        let mut script = Script::reading([front].into_iter().filter(|bytes| !bytes.is_empty()));
        script.reads.push_back(Err(ErrorKind::ConnectionReset));
        let error = Incoming::new(script, Config::default()).unwrap_err();
        assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{end}");
    }
    let request = ClientRequest::new("ws://example.com/").unwrap();
    for front in [
        "",
        "HTTP/1.1 1",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
    ] {
        let script = Script::reading([front.into()].into_iter().filter(|bytes: &Vec<u8>| !bytes.is_empty()));
        let error = WebSocket::client(script, &request, Config::default()).unwrap_err();
        assert!(
            matches!(error, Error::Protocol(ProtocolError::UnexpectedEof)),
            "{front}: {error:?}"
        );
    }
}

/// A handshake that was refused: status, headers and body are there.
#[test]
fn a_refusal_is_an_error_with_an_answer() {
    let response = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nnope";
    for piece in [1, 10, response.len()] {
        let script = Script::reading(response.as_bytes().chunks(piece).map(<[u8]>::to_vec));
        let request = ClientRequest::new("ws://example.com/").unwrap();
        let error = WebSocket::client(script, &request, Config::default()).unwrap_err();
        assert!(error.to_string().contains("401"), "{error}");
        let Error::Refused(refusal) = error else {
            panic!("{error:?}");
        };
        assert_eq!(refusal.response.status(), 401);
        assert_eq!(refusal.response.headers().get("www-authenticate"), Some(&b"Basic"[..]));
        assert_eq!((&refusal.body[..], refusal.is_complete), (&b"nope"[..], true));
    }
}

/// A refusal whose body ends with the transport, or is cut by its end, arrives with its body: from the whole connection,
/// and from a half of one that another has begun.
#[test]
fn a_refusal_ends_with_the_transport() {
    for (length, is_complete) in [("", true), ("Content-Length: 10\r\n", false)] {
        let response = format!("HTTP/1.1 403 Forbidden\r\n{length}\r\ngo away");
        for piece in [1, 10, response.len()] {
            let script = || Script::reading(response.as_bytes().chunks(piece).map(<[u8]>::to_vec));
            let request = ClientRequest::new("ws://example.com/").unwrap();
            let Err(Error::Refused(whole)) = WebSocket::client(script(), &request, Config::default()) else {
                panic!()
            };
            let engine = Connection::client(&request, Config::default(), [7; 32], &mut Vec::new()).unwrap();
            let ws = WebSocket::upgraded(script(), engine, Config::default());
            let (mut reader, _writer) = ws.split_with(|script| Ok((script, io::sink()))).unwrap();
            let Ok(Some(Event::Refused(half))) = reader.recv_event() else {
                panic!()
            };
            for refusal in [whole, half] {
                assert_eq!(refusal.response.status(), 403);
                assert_eq!((&refusal.body[..], refusal.is_complete), (&b"go away"[..], is_complete));
            }
        }
    }
}

/// An acceptance that cannot be sent is an error; so is a URL that is none, and one that needs TLS.
#[test]
fn what_cannot_be_asked_or_answered_is_an_error() {
    let script = Script::reading([REQUEST.into()]);
    let incoming = Incoming::new(script, Config::default()).unwrap();
    let error = incoming.accept(&Accept::new().subprotocol(Some("chat"))).unwrap_err();
    assert!(
        matches!(error, Error::Handshake(HandshakeError::SubprotocolNotOffered)),
        "{error:?}"
    );
    assert!(error.source().is_some());
    let error = std_net::connect("http://127.0.0.1:1/").unwrap_err();
    assert!(matches!(error, Error::Handshake(HandshakeError::Url)), "{error:?}");
    let error = std_net::connect("wss://127.0.0.1:1/").unwrap_err();
    assert_eq!(io_kind(&error), Some(ErrorKind::Unsupported));
}

/// Who takes the stream over gets what was read and not processed: whole frames, and the message in progress.
#[test]
fn a_takeover_gets_what_was_not_processed() {
    for role in ROLES {
        let peer = peer_of(role);
        let rest = [frame(peer, 0x81, b"two"), frame(peer, 0x01, b"thr"), vec![0x80]].concat();
        let input = [&frame(peer, 0x81, b"one")[..], &rest].concat();
        let mut ws = over(role, Script::reading([input.clone()]));
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        let (_, unread) = ws.into_parts();
        assert_eq!(unread, rest, "not looked at yet");

        let mut script = Script::reading([input]);
        script.reads.push_back(Err(ErrorKind::WouldBlock));
        let mut ws = over(role, script);
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        assert_eq!(ws.recv().unwrap(), Some(text("two")));
        assert!(is_timeout(&ws.recv().unwrap_err()));
        let (script, unread) = ws.into_parts();
        assert_eq!(script.reads.len(), 0, "read already");
        let next = [&unread[..], &frame(peer, 0x80, b"ee")[1..]].concat();
        let mut ws = over(role, Script::reading([next]));
        assert_eq!(ws.recv().unwrap(), Some(text("three")));
    }
}

/// What whoever did the handshake has read too much is part of the stream.
#[test]
fn what_was_read_ahead_comes_first() {
    let large = vec![7; 40_000];
    let mut ahead = frame(Role::Client, 0x82, &large);
    let (half, message) = (
        frame(Role::Client, 0x01, b"over "),
        frame(Role::Client, 0x80, b"the seam"),
    );
    ahead.extend(half);
    let script = Script::reading([message]);
    let engine = open(Role::Server, Config::default());
    let mut ws = WebSocket::upgraded(script, engine, Config::default()).read_ahead(&ahead);
    assert_eq!(ws.recv().unwrap(), Some(binary(&large)));
    assert_eq!(ws.recv().unwrap(), Some(text("over the seam")));
}

/// A connection that was driven by hand before goes on with what it has received: also what came before it was accepted.
#[test]
fn a_connection_with_early_messages_goes_on() {
    let mut engine = Connection::server(Config::default());
    let mut head = REQUEST.as_bytes().to_vec();
    let Ok(Some(Event::Request(request))) = engine.receive(&mut &mut head[..], &mut Vec::new()) else {
        panic!("a request");
    };
    let mut early = frame(Role::Client, 0x81, b"early");
    assert_eq!(engine.receive(&mut &mut early[..], &mut Vec::new()), Ok(None));
    engine.accept(&request, &Accept::new(), &mut Vec::new()).unwrap();
    let mut script = Script::default();
    script.reads.push_back(Err(ErrorKind::WouldBlock));
    let mut ws = WebSocket::upgraded(script, engine, Config::default());
    assert_eq!(ws.recv().unwrap(), Some(text("early")));
}

/// The engine and the output are within reach; what is put there is written with the next call.
#[test]
fn the_engine_is_within_reach() {
    let mut ws = over(Role::Server, Script::default());
    let (engine, out) = ws.engine_mut();
    engine.pong(b"by hand", out).unwrap();
    ws.flush().unwrap();
    assert_eq!(
        frames(Role::Server, &ws.get_ref().written),
        [(0x8A, b"by hand".to_vec())]
    );
    assert!(format!("{ws:?}").starts_with("WebSocket"));
}

/// Strings are sent as text, bytes as binary, whatever holds them.
#[test]
fn messages_of_the_types_at_hand() {
    let mut ws = over(Role::Server, Script::default());
    ws.feed("str").unwrap();
    ws.feed(String::from("String")).unwrap();
    let string = String::from("&String");
    ws.feed(&string).unwrap();
    assert_eq!(string, "&String", "it was only lent");
    ws.feed(&b"slice"[..]).unwrap();
    ws.feed(b"array").unwrap();
    ws.feed(b"Vec".to_vec()).unwrap();
    ws.feed(text("Message")).unwrap();
    ws.send(binary(b"Message")).unwrap();
    let expected: [(u8, &[u8]); 8] = [
        (0x81, b"str"),
        (0x81, b"String"),
        (0x81, b"&String"),
        (0x82, b"slice"),
        (0x82, b"array"),
        (0x82, b"Vec"),
        (0x81, b"Message"),
        (0x82, b"Message"),
    ];
    let expected = expected.map(|(first, payload)| (first, payload.to_vec()));
    assert_eq!(frames(Role::Server, &ws.get_ref().written), expected);
}

// TCP

/// A listener on the loopback interface, and its URL.
fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    (listener, url)
}

/// The next connection, which does not wait for ever.
fn next(listener: &TcpListener) -> TcpStream {
    let (tcp, _) = listener.accept().unwrap();
    patient(tcp)
}

fn patient(tcp: TcpStream) -> TcpStream {
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    tcp
}

/// A connection of a client and a server.
fn pair() -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let (listener, url) = listen();
    thread::scope(|scope| {
        let server = scope.spawn(|| std_net::accept(next(&listener)).unwrap());
        let client = std_net::connect(&url).unwrap();
        patient(client.get_ref().try_clone().unwrap());
        (client, server.join().unwrap())
    })
}

/// A TCP connection of a client by hand, behind its handshake, and a server.
fn by_hand() -> (TcpStream, WebSocket<TcpStream>) {
    let (listener, _) = listen();
    let mut client = patient(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    client.write_all(REQUEST.as_bytes()).unwrap();
    let server = std_net::accept(next(&listener)).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    (client, server)
}

/// A conversation over TCP, in both directions, closed by either side.
#[test]
fn a_conversation_over_tcp() {
    for closer in ROLES {
        let (mut client, mut server) = pair();
        client.send("to the server").unwrap();
        assert_eq!(server.recv().unwrap(), Some(text("to the server")));
        let large = vec![7; 1 << 20];
        thread::scope(|scope| {
            scope.spawn(|| server.send(&large[..]).unwrap());
            assert_eq!(client.recv().unwrap(), Some(binary(&large)));
        });
        client.ping(b"?").unwrap();
        assert_eq!(server.recv_event().unwrap(), Some(Event::Ping(b"?"[..].into())));
        assert_eq!(client.recv_event().unwrap(), Some(Event::Pong(b"?"[..].into())));
        let (first, second) = match closer {
            Role::Client => (&mut client, &mut server),
            Role::Server => (&mut server, &mut client),
        };
        first.close(CloseCode(4000), "bye").unwrap();
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(second.recv().unwrap(), None));
            assert_eq!(first.recv().unwrap(), None);
        });
        let closed = first.closure().unwrap();
        assert!(closed.is_clean() && closed.by == ClosedBy::Us, "{closer:?}");
        let closed = second.closure().unwrap();
        assert!(closed.is_clean() && closed.by == ClosedBy::Peer, "{closer:?}");
        assert_eq!((closed.code(), closed.reason()), (CloseCode(4000), "bye"), "{closer:?}");
    }
}

/// R091: both close at once.
#[test]
fn s7_1_both_close_at_once_over_tcp() {
    let (mut client, mut server) = pair();
    client.close(CloseCode::NORMAL, "").unwrap();
    server.close(CloseCode::GOING_AWAY, "").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.recv().unwrap(), None));
        assert_eq!(client.recv().unwrap(), None);
    });
    assert_eq!(client.closure().unwrap().code(), CloseCode::GOING_AWAY);
    assert_eq!(server.closure().unwrap().code(), CloseCode::NORMAL);
}

/// Nagle's algorithm is off on both sides.
#[test]
fn nagles_algorithm_is_off() {
    let (client, server) = pair();
    assert!(client.get_ref().nodelay().unwrap());
    assert!(server.get_ref().nodelay().unwrap());
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let incoming = std_net::incoming(next(&listener), Config::default()).unwrap();
            let server = incoming.accept(&Accept::new()).unwrap();
            assert!(server.get_ref().nodelay().unwrap());
        });
        let request = ClientRequest::new(&url).unwrap();
        let (client, _) = std_net::connect_with(&request, Config::default()).unwrap();
        assert!(client.get_ref().nodelay().unwrap());
    });
}

/// A server that rejects: the client has its answer, and both are done.
#[test]
fn a_rejection_over_tcp() {
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let incoming = std_net::incoming(next(&listener), Config::default()).unwrap();
            incoming.reject(403, &[("X-Why", "because")], b"go away").unwrap();
        });
        let error = std_net::connect(&url).unwrap_err();
        let Error::Refused(refusal) = error else {
            panic!("{error:?}");
        };
        assert_eq!(refusal.response.status(), 403);
        assert_eq!(refusal.response.headers().get("x-why"), Some(&b"because"[..]));
        assert_eq!(refusal.body, b"go away");
    });
}

/// R106: a request that breaks a rule is answered, and the answer survives what the client has still sent.
#[test]
fn s7_1_1_the_answer_to_an_invalid_request_is_not_destroyed() {
    let (listener, _) = listen();
    let mut client = patient(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    client.write_all(b"PUT / HTTP/1.1\r\n\r\n").unwrap();
    client.write_all(&[b'x'; 64 << 10]).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let error = std_net::accept(next(&listener)).unwrap_err();
            assert!(matches!(
                error,
                Error::Protocol(ProtocolError::Request(RequestError::Method))
            ));
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("an orderly end, and no reset");
        assert!(answer.starts_with(b"HTTP/1.1 405 "));
        drop(client);
    });
}

/// R106 R107 R092: after the closing handshake the server ends the transport at once; what the client has sent behind its
/// Close does not turn that into a reset.
#[test]
fn s7_1_1_the_transport_is_closed_in_an_orderly_way() {
    let (mut client, mut server) = by_hand();
    client.write_all(&close(Role::Client, 1000)).unwrap();
    client.write_all(&frame(Role::Client, 0x82, &[0; 64 << 10])).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(server.recv().unwrap(), None);
            drop(server);
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("an orderly end, and no reset");
        assert_eq!(frames(Role::Server, &answer), [(0x88, vec![0x03, 0xE8])]);
        drop(client);
    });
}

/// R106 R113: a violation is answered with a Close that survives what the peer has still sent.
#[test]
fn s7_1_1_the_answer_to_a_violation_is_not_destroyed() {
    let (mut client, mut server) = by_hand();
    client.write_all(&frame(Role::Client, 0x83, b"")).unwrap();
    client.write_all(&frame(Role::Client, 0x82, &[0; 64 << 10])).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(received(server.recv()), Err(ProtocolError::ReservedOpcode));
            drop(server);
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("an orderly end, and no reset");
        assert_eq!(frames(Role::Server, &answer), [(0x88, vec![0x03, 0xEA])]);
        drop(client);
    });
}

/// R115 R107: a client waits for the server to end the transport, though not for ever.
#[test]
fn s7_1_1_a_client_waits_for_the_server() {
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut tcp = next(&listener);
            let mut engine = Connection::server(Config::default());
            let mut bytes = [0; 4096];
            let mut seen = Vec::new();
            while engine.closure().is_none() {
                let n = tcp.read(&mut bytes).unwrap();
                let outcome = feed(&mut engine, &bytes[..n]);
                seen.extend(outcome.events);
                tcp.write_all(&outcome.out).unwrap();
            }
            // The client has our Close, and does not end the transport before us.
            tcp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let error = tcp.read(&mut bytes).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{error}"
            );
            tcp.shutdown(Shutdown::Write).unwrap();
            tcp.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(tcp.read(&mut bytes).unwrap(), 0, "now it does");
        });
        let mut client = std_net::connect(&url).unwrap();
        client.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(client.recv().unwrap(), None);
        assert!(client.closure().unwrap().is_clean());
    });
}

/// R116: the peer is gone: in the middle of the handshake, between frames, and inside a frame.
#[test]
fn s7_2_1_the_peer_goes_away_over_tcp() {
    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| drop(next(&listener)));
        let error = std_net::connect(&url).unwrap_err();
        let gone = matches!(error, Error::Protocol(ProtocolError::UnexpectedEof));
        let reset = matches!(
            io_kind(&error),
            Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        );
        assert!(gone || reset, "{error:?}");
    });
    for bytes in [&b""[..], &frame(Role::Client, 0x81, b"text")[..7]] {
        let (mut client, mut server) = by_hand();
        client.write_all(bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(received(server.recv()), Err(ProtocolError::UnexpectedEof));
    }
}

/// R116: a reset inside a frame, and one inside the handshake.
#[test]
fn s7_2_1_the_transport_is_reset_over_tcp() {
    let (mut client, mut server) = by_hand();
    client.write_all(&frame(Role::Client, 0x81, b"text")[..7]).unwrap();
    server.send("unread").unwrap();
    client.peek(&mut [0]).unwrap();
    // What a process does that closes a socket with bytes in it that it has not read.
    drop(client);
    let error = server.recv().unwrap_err();
    assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{error:?}");

    let (listener, url) = listen();
    thread::scope(|scope| {
        scope.spawn(|| next(&listener).peek(&mut [0]).unwrap());
        let error = std_net::connect(&url).unwrap_err();
        assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{error:?}");
    });
}

/// R104: a read timeout of the socket in the middle of a message: the next call goes on.
#[test]
fn s6_2_timeouts_over_tcp() {
    let (mut client, mut server) = by_hand();
    server
        .get_ref()
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    for byte in frame(Role::Client, 0x81, b"text") {
        assert!(is_timeout(&server.recv().unwrap_err()));
        client.write_all(&[byte]).unwrap();
    }
    server.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(server.recv().unwrap(), Some(text("text")));
}

/// A write timeout in the middle of a large message: the next flush goes on, and the peer gets all of it, once.
#[test]
fn f35_write_timeouts_over_tcp() {
    let (client, mut server) = by_hand();
    server
        .get_ref()
        .set_write_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let large = vec![7; 16 << 20];
    assert!(is_timeout(&server.send(&large[..]).unwrap_err()));
    thread::scope(|scope| {
        scope.spawn(move || {
            while let Err(error) = server.flush() {
                assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "{error}"
                );
            }
            server.get_ref().set_write_timeout(Some(PATIENCE)).unwrap();
            server.send("next").unwrap();
            server.get_ref().shutdown(Shutdown::Write).unwrap();
        });
        let mut bytes = Vec::new();
        (&client).read_to_end(&mut bytes).unwrap();
        let expected = [(0x82, large.clone()), (0x81, b"next".to_vec())];
        assert!(frames(Role::Server, &bytes) == expected, "{} bytes", bytes.len());
    });
}

// Halves

/// R077 R093: thousands of messages in both directions at once, with pings in between: none is lost, none comes twice,
/// all are in order.
#[test]
fn halves_carry_thousands_of_messages_each_way() {
    const COUNT: usize = 3000;
    let (client, server) = pair();
    let (mut client, mut server) = (client.split().unwrap(), server.split().unwrap());
    thread::scope(|scope| {
        for (reader, writer) in [&mut client, &mut server] {
            scope.spawn(|| {
                for i in 0..COUNT {
                    if i % 10 == 0 {
                        writer.ping(&i.to_be_bytes()).unwrap();
                    }
                    // Of all sizes, the larger ones rarer.
                    let size = if i % 100 == 0 { 50_000 } else { i % 300 };
                    writer.send([&i.to_be_bytes()[..], &vec![7; size]].concat()).unwrap();
                }
            });
            scope.spawn(|| {
                let (mut messages, mut pongs, mut pings) = (0_usize, 0, 0);
                while (messages, pings, pongs) != (COUNT, COUNT / 10, COUNT / 10) {
                    match reader.recv_event().unwrap().unwrap() {
                        Event::Binary(data) => {
                            assert_eq!(&data[..8], messages.to_be_bytes());
                            messages += 1;
                        }
                        Event::Ping(data) => {
                            assert_eq!(&data[..], (10 * pings).to_be_bytes());
                            pings += 1;
                        }
                        Event::Pong(data) => {
                            assert_eq!(&data[..], (10 * pongs).to_be_bytes());
                            pongs += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    client.1.close(CloseCode::NORMAL, "").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.0.recv().unwrap(), None));
        assert_eq!(client.0.recv().unwrap(), None);
    });
    assert!(client.0.closure().unwrap().is_clean() && server.0.closure().unwrap().is_clean());
}

/// A message that lets the reader go when it is about to be sent.
struct Together<'a>(&'a [u8], &'a Barrier);

impl AsMessage for Together<'_> {
    fn as_message(&self) -> MessageRef<'_> {
        self.1.wait();
        MessageRef::Binary(self.0)
    }
}

/// Two ends that send a large message each, at the same time, do not wait for each other: the readers read,
/// whatever the writers do.
#[test]
fn halves_exchange_large_messages() {
    let large = vec![7; 8 << 20];
    for round in 0..8 {
        let (client, server) = pair();
        let barriers = [Barrier::new(2), Barrier::new(2)];
        thread::scope(|scope| {
            for (ws, barrier) in [client, server].into_iter().zip(&barriers) {
                // If each waits for the other to read, this ends it.
                ws.get_ref().set_write_timeout(Some(Duration::from_secs(20))).unwrap();
                let (mut reader, writer) = ws.split().unwrap();
                let large = &large[..];
                scope.spawn(move || writer.send(Together(large, barrier)).unwrap());
                scope.spawn(move || {
                    barrier.wait();
                    let message = reader.recv().unwrap_or_else(|error| panic!("round {round}: {error:?}"));
                    assert!(message == Some(binary(large)), "round {round}");
                });
            }
        });
    }
}

/// R093: a reader that only reads answers pings and the Close, whether there is a writer or not.
#[test]
fn a_reader_that_only_reads_answers() {
    for keep in [true, false] {
        let (mut client, server) = pair();
        let (mut reader, writer) = server.split().unwrap();
        let writer = keep.then_some(writer);
        thread::scope(|scope| {
            scope.spawn(move || {
                assert_eq!(reader.recv().unwrap(), Some(text("text")));
                assert_eq!(reader.recv().unwrap(), None);
                assert_eq!(reader.recv().unwrap(), None, "it stays closed");
            });
            for i in 0..100 {
                client.ping(&[i]).unwrap();
                assert_eq!(client.recv_event().unwrap(), Some(Event::Pong(vec![i].into())));
            }
            client.send("text").unwrap();
            client.close(CloseCode::NORMAL, "").unwrap();
            assert_eq!(client.recv().unwrap(), None);
            assert!(client.closure().unwrap().is_clean());
        });
        if let Some(writer) = writer {
            let error = writer.send("late").unwrap_err();
            assert!(matches!(error, Error::Send(SendError::Closing)), "{error:?}");
        }
    }
}

/// R077: clones of a writer write a message at a time: none is torn, and each clone's are in order.
#[test]
fn writers_share_a_connection() {
    const COUNT: u32 = 500;
    let (mut client, server) = pair();
    let (mut reader, writer) = server.split().unwrap();
    thread::scope(|scope| {
        for name in 0..4_u8 {
            let writer = writer.clone();
            scope.spawn(move || {
                for i in 0..COUNT {
                    let fill = vec![name; (i % 200) as usize];
                    writer.send([&[name][..], &i.to_be_bytes(), &fill].concat()).unwrap();
                }
            });
        }
        let mut counts = [0_u32; 4];
        for _ in 0..4 * COUNT {
            let Some(Message::Binary(data)) = client.recv().unwrap() else {
                panic!("a message");
            };
            let name = data[0];
            assert_eq!(data[1..5], counts[usize::from(name)].to_be_bytes());
            assert!(data[5..].iter().all(|byte| *byte == name));
            counts[usize::from(name)] += 1;
        }
        assert_eq!(counts, [COUNT; 4]);
        scope.spawn(move || assert_eq!(reader.recv().unwrap(), None));
        writer.close(CloseCode::NORMAL, "done").unwrap();
        assert_eq!(client.recv().unwrap(), None);
    });
    assert_eq!(client.closure().unwrap().reason(), "done");
}

/// R091 R115: the writer closes, the reader sees the end; and the other way round.
#[test]
fn halves_close_from_either_side() {
    let (mut client, server) = pair();
    let (mut reader, writer) = server.split().unwrap();
    writer.close(CloseCode(4001), "by us").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(client.recv().unwrap(), None));
        assert_eq!(reader.recv().unwrap(), None);
    });
    assert!(reader.closure().unwrap().is_clean());
    assert_eq!(client.closure().unwrap().code(), CloseCode(4001));

    let (client, mut server) = pair();
    let (mut reader, writer) = client.split().unwrap();
    server.close(CloseCode(4002), "by them").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.recv().unwrap(), None));
        assert_eq!(reader.recv().unwrap(), None);
    });
    assert_eq!(reader.closure().unwrap().code(), CloseCode(4002));
    assert!(matches!(writer.close(None, ""), Err(Error::Send(SendError::Closing))));
}

/// R112 R113: the reader finds a violation: it answers, and the writer hears of it.
#[test]
fn halves_fail_together() {
    let (mut client, server) = by_hand();
    let (mut reader, writer) = server.split().unwrap();
    client.write_all(&frame(Role::Client, 0x83, b"")).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..2 {
                assert_eq!(received(reader.recv()), Err(ProtocolError::ReservedOpcode));
            }
            assert!(matches!(writer.send("x"), Err(Error::Send(SendError::Closing))));
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(frames(Role::Server, &answer), [(0x88, vec![0x03, 0xEA])]);
        drop(client);
    });
}

/// One direction of a transport: what is read, or a record of what was written.
struct Half(Script, Option<mpsc::Sender<Vec<u8>>>);

impl Read for Half {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Half {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.0.write(buf)?;
        if let Some(record) = &self.1 {
            record.send(buf[..n].to_vec()).unwrap();
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Halves over scripts, and a record of what they write.
fn halves(
    ws: WebSocket<Script>,
    reads: Script,
    writes: Script,
) -> (
    std_net::Reader<Half, Half>,
    std_net::Writer<Half>,
    mpsc::Receiver<Vec<u8>>,
) {
    let (sender, record) = mpsc::channel();
    let (reader, writer) = ws
        .split_with(|_| Ok((Half(reads, None), Half(writes, Some(sender)))))
        .unwrap();
    (reader, writer, record)
}

/// R104: halves over any pair of streams; what was read before the split is not lost.
#[test]
fn halves_over_any_streams() {
    for role in ROLES {
        let peer = peer_of(role);
        let input = [frame(peer, 0x81, b"one"), frame(peer, 0x81, b"two")].concat();
        let mut ws = over(role, Script::reading([input]));
        assert_eq!(ws.recv().unwrap(), Some(text("one")));
        let reads = Script::reading(frame(peer, 0x81, b"three").chunks(2).map(<[u8]>::to_vec));
        let (mut reader, writer, record) = halves(ws, reads, Script::writing(vec![Ok(1); 8]));
        assert_eq!(reader.recv().unwrap(), Some(text("two")));
        assert_eq!(reader.recv().unwrap(), Some(text("three")));
        writer.send("answer").unwrap();
        for _ in 0..2 {
            assert_eq!(received(reader.recv()), Err(ProtocolError::UnexpectedEof));
        }
        let written: Vec<u8> = record.try_iter().flatten().collect();
        assert_eq!(frames(role, &written), [(0x81, b"answer".to_vec())]);
        assert!(format!("{reader:?} {writer:?}").starts_with("Reader"));
    }
}

/// What was fed before the split is written before the reader blocks, as [`WebSocket::recv`] does it.
#[test]
fn halves_write_what_was_fed_before() {
    let mut ws = over(Role::Server, Script::default());
    ws.feed("fed").unwrap();
    let (mut reader, _writer, record) = halves(ws, Script::default(), Script::default());
    assert_eq!(received(reader.recv()), Err(ProtocolError::UnexpectedEof));
    let written: Vec<u8> = record.try_iter().flatten().collect();
    assert_eq!(frames(Role::Server, &written), [(0x81, b"fed".to_vec())]);
}

/// A writer that is interrupted goes on with the next command of any of its clones, or of the reader (F35).
#[test]
fn f35_an_interrupted_writer_goes_on_where_it_stopped() {
    for role in ROLES {
        for n in 0..7 {
            for next in 0..3 {
                let reads = Script::reading([frame(peer_of(role), 0x89, b"next")]);
                let writes = Script::writing([Ok(n), Err(ErrorKind::TimedOut)].into_iter().skip(usize::from(n == 0)));
                let (mut reader, writer, record) = halves(over(role, Script::default()), reads, writes);
                assert!(is_timeout(&writer.send("first").unwrap_err()));
                let first = match next {
                    0 => writer.clone().send("next").map(|()| 0x81),
                    1 => writer.close(None, "").map(|()| 0x88),
                    _ => reader.recv_event().map(|_| 0x8A),
                };
                let written: Vec<u8> = record.try_iter().flatten().collect();
                let written = frames(role, &written);
                assert_eq!(written[0], (0x81, b"first".to_vec()), "{role:?}: {n}, {next}");
                assert_eq!(
                    (written.len(), written[1].0),
                    (2, first.unwrap()),
                    "{role:?}: {n}, {next}"
                );
            }
        }
    }
}

/// R093: a reply of the reader that is interrupted goes on when it reads on; none is lost, and no event with it (F35).
#[test]
fn f35_an_interrupted_reply_of_a_reader_goes_on() {
    for role in ROLES {
        let peer = peer_of(role);
        for n in 0..4 {
            let reads = Script::reading([frame(peer, 0x89, b"ping"), frame(peer, 0x81, b"text")]);
            let writes = Script::writing(if n > 0 {
                vec![Ok(n), Err(ErrorKind::WouldBlock)]
            } else {
                vec![Err(ErrorKind::WouldBlock)]
            });
            let (mut reader, _writer, record) = halves(over(role, Script::default()), reads, writes);
            let mut messages = Vec::new();
            loop {
                match reader.recv() {
                    Ok(message) => messages.extend(message),
                    Err(Error::Protocol(error)) => {
                        assert_eq!(error, ProtocolError::UnexpectedEof);
                        break;
                    }
                    Err(error) => assert!(is_timeout(&error), "{error:?}"),
                }
            }
            assert_eq!(messages, [text("text")], "{role:?}: {n}");
            let written: Vec<u8> = record.try_iter().flatten().collect();
            assert_eq!(frames(role, &written), [(0x8A, b"ping".to_vec())], "{role:?}: {n}");
        }
    }
}

/// R093: neither is the event lost that the reply answers.
#[test]
fn f35_an_interrupted_reply_of_a_reader_loses_no_event() {
    let reads = Script::reading([frame(Role::Client, 0x89, b"ping")]);
    let writes = Script::writing([Err(ErrorKind::WouldBlock)]);
    let (mut reader, writer, _record) = halves(over(Role::Server, Script::default()), reads, writes);
    let first = reader.recv_event();
    let event = match first {
        Ok(event) => event,
        Err(error) => {
            assert!(is_timeout(&error), "{error:?}");
            reader.recv_event().unwrap_or_default()
        }
    };
    assert_eq!(event, Some(Event::Ping(b"ping"[..].into())));
    drop(writer);
}

/// A transport whose writes wait until they are let go.
struct Gate {
    entered: mpsc::Sender<()>,
    open: mpsc::Receiver<()>,
    is_open: bool,
}

impl Write for Gate {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !self.is_open {
            self.entered.send(()).unwrap();
            self.open.recv().unwrap();
            self.is_open = true;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// So many bytes of pings, as fast as they are read.
struct Pings {
    frame: Vec<u8>,
    left: usize,
    taken: Arc<AtomicUsize>,
}

impl Read for Pings {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = (buf.len() / self.frame.len()).min(self.left);
        for slot in buf.chunks_exact_mut(self.frame.len()).take(n) {
            slot.copy_from_slice(&self.frame);
        }
        self.left -= n;
        self.taken.fetch_add(n, Ordering::SeqCst);
        Ok(n * self.frame.len())
    }
}

/// R096 R137: while the writer waits for a peer that does not read, a flood of pings from it does not fill the memory: the
/// reader stops reading when there is much to write (F49).
#[test]
fn f49_a_flood_of_pings_while_the_writer_waits() {
    const COUNT: usize = 64 << 10;
    let (entered, has_entered) = mpsc::channel();
    let (open_gate, gate) = mpsc::channel();
    let taken = Arc::new(AtomicUsize::new(0));
    let pings = Pings {
        frame: frame(Role::Client, 0x89, &[7; 125]),
        left: COUNT,
        taken: Arc::clone(&taken),
    };
    let gate = Gate {
        entered,
        open: gate,
        is_open: false,
    };
    let ws = over(Role::Server, Script::default());
    let (mut reader, writer) = ws.split_with(|_| Ok((pings, gate))).unwrap();
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || writer.send("waits").unwrap());
        has_entered.recv_timeout(PATIENCE).unwrap();
        scope.spawn(move || {
            while let Ok(Some(event)) = reader.recv_event() {
                assert!(matches!(event, Event::Ping(_)));
            }
            done.send(()).unwrap();
        });
        // Either it has read everything by now, or it has stopped.
        let _done = is_done.recv_timeout(Duration::from_secs(1));
        let bytes = taken.load(Ordering::SeqCst) * 131;
        open_gate.send(()).unwrap();
        assert!(
            bytes < 4 << 20,
            "{bytes} bytes of pings were read and answered while nothing was written"
        );
    });
}

/// R089 R106: the peer closes while the other thread is writing a large message: the message, and the answer to the Close
/// behind it, are written before the transport is closed.
#[test]
fn s5_5_1_a_close_waits_for_the_message_that_is_being_written() {
    let (client, server) = by_hand();
    let (mut reader, writer) = server.split().unwrap();
    let large = vec![7; 16 << 20];
    thread::scope(|scope| {
        let large = &large[..];
        scope.spawn(move || writer.send(large));
        // The first byte of the message: the writer is at work, and cannot end before somebody reads.
        client.peek(&mut [0]).unwrap();
        scope.spawn(move || reader.recv());
        (&client).write_all(&close(Role::Client, 1000)).unwrap();
        thread::sleep(Duration::from_millis(300));
        let mut bytes = Vec::new();
        (&client).read_to_end(&mut bytes).unwrap();
        client.shutdown(Shutdown::Both).unwrap();
        assert!(
            bytes.len() > large.len(),
            "{} bytes of a message of {} arrived",
            bytes.len(),
            large.len()
        );
        let found = frames(Role::Server, &bytes);
        assert!(found == [(0x82, large.to_vec()), (0x88, vec![0x03, 0xE8])]);
    });
}
