//! Writing to a scripted transport: short writes, interruptions, timeouts; and invalid commands.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Read, Write},
    rc::Rc,
};

use sockless::{
    CloseCode, CloseFrame, Config, Event, ProtocolError, Role, SendError,
    adapter::{Error, Settings, std_net::WebSocket},
};
use support::{ROLES, frame, frames, open, peer_of};

use super::{ScriptedTransport, binary, close, io_kind, is_timeout, open_over, received, text};

/// Sends a text, a binary message, a Ping and a Close frame.
fn send_one_of_each(ws: &mut WebSocket<ScriptedTransport>, large: &[u8]) -> Result<(), Error> {
    ws.send("text")?;
    ws.send(large)?;
    ws.ping(b"ping")?;
    ws.close(CloseCode::NORMAL, "bye")
}

/// Returns the frames that [`send_one_of_each`] sends.
fn one_of_each(large: &[u8]) -> Vec<(u8, Vec<u8>)> {
    vec![
        (0x81, b"text".to_vec()),
        (0x82, large.to_vec()),
        (0x89, b"ping".to_vec()),
        (0x88, b"\x03\xE8bye".to_vec()),
    ]
}

/// With writes of any length, everything is written once and in order (F34: the payload is lost
/// when only the header fits).
#[test]
fn f34_short_writes_lose_nothing() {
    for role in ROLES {
        let large = vec![7; 300];
        for n in (1..60).chain([299, 300, 301, 302, 303, 304, 305]) {
            let mut ws = open_over(role, ScriptedTransport::writing(std::iter::repeat_n(Ok(n), 1000)));
            send_one_of_each(&mut ws, &large).unwrap();
            assert_eq!(
                frames(role, &ws.get_ref().written),
                one_of_each(&large),
                "{role:?}: {n} at a time"
            );
        }
    }
}

/// A write that times out after any number of bytes continues there: nothing is lost or duplicated,
/// and no incomplete frame is between two others (F35).
#[test]
fn f35_a_write_continues_after_a_timeout() {
    for role in ROLES {
        for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
            for n in 0..12 {
                let mut script =
                    ScriptedTransport::writing(if n > 0 { vec![Ok(n), Err(kind)] } else { vec![Err(kind)] });
                script
                    .writes
                    .extend([Err(kind), Ok(1), Err(ErrorKind::Interrupted), Err(kind)]);
                let mut ws = open_over(role, script);
                let mut errors = 0;
                // The message is in the output: the call to repeat is `flush` and not `send`.
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

/// The next message, Ping, Close frame or reply is written after the rest of a write that timed
/// out.
#[test]
fn f35_the_rest_of_a_timed_out_write_is_written_first() {
    for role in ROLES {
        type Next = fn(&mut WebSocket<ScriptedTransport>) -> Result<(), Error>;
        let next: [(Next, u8); 4] = [
            (|ws| ws.send("next"), 0x81),
            (|ws| ws.ping(b"next"), 0x89),
            (|ws| ws.close(CloseCode::NORMAL, "next"), 0x88),
            (|ws| ws.recv().map(|_| ()), 0x8A),
        ];
        for (next, first) in next {
            for n in 1..7 {
                let mut script = ScriptedTransport::writing([Ok(n), Err(ErrorKind::WouldBlock)]);
                script.reads.push_back(Ok([
                    frame(peer_of(role), 0x89, b"next"),
                    frame(peer_of(role), 0x81, b"text"),
                ]
                .concat()));
                let mut ws = open_over(role, script);
                assert!(is_timeout(&ws.send("first").unwrap_err()));
                next(&mut ws).unwrap();
                let written = frames(role, &ws.get_ref().written);
                assert_eq!(written[0], (0x81, b"first".to_vec()), "{role:?}: {first:02x}, {n}");
                assert_eq!((written.len(), written[1].0), (2, first), "{role:?}: {first:02x}, {n}");
            }
        }
    }
}

/// R093: a reply that cannot be written at once is written later, and the event after it is not
/// lost.
#[test]
fn f35_a_timed_out_reply_loses_no_event() {
    for role in ROLES {
        let peer = peer_of(role);
        for n in 0..4 {
            let mut script = ScriptedTransport::writing(if n > 0 {
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
            let mut ws = open_over(role, script);
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

/// A transport with a write buffer, such as a TLS stream. Its first flushes time out.
struct Buffered {
    write_buffer: Vec<u8>,
    sent: Vec<u8>,
    flush_timeouts: usize,
}

impl Read for Buffered {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Buffered {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_buffer.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(remaining) = self.flush_timeouts.checked_sub(1) {
            self.flush_timeouts = remaining;
            return Err(ErrorKind::TimedOut.into());
        }
        self.sent.append(&mut self.write_buffer);
        Ok(())
    }
}

/// A flush of the transport that times out is repeated, although every byte was written (F35).
#[test]
fn f35_a_timed_out_flush_is_repeated() {
    for flush_timeouts in 0..3 {
        let stream = Buffered {
            write_buffer: Vec::new(),
            sent: Vec::new(),
            flush_timeouts,
        };
        let mut ws = WebSocket::upgraded(stream, open(Role::Server, Config::default()), Config::default());
        let mut errors = 0;
        let mut result = ws.send("text");
        while let Err(error) = result {
            assert!(is_timeout(&error), "{error:?}");
            errors += 1;
            result = ws.flush().map_err(Error::from);
        }
        assert_eq!(errors, flush_timeouts);
        assert_eq!(
            frames(Role::Server, &ws.get_ref().sent),
            [(0x81, b"text".to_vec())],
            "{flush_timeouts} timeouts"
        );
    }
}

/// A transport that takes nothing until it is released, and then everything. Clones share it.
#[derive(Clone, Default)]
struct Stalled(Rc<RefCell<Option<Vec<u8>>>>);

impl Stalled {
    fn release(&self) {
        *self.0.borrow_mut() = Some(Vec::new());
    }

    fn written_len(&self) -> usize {
        self.0.borrow().as_ref().map_or(0, Vec::len)
    }
}

impl Read for Stalled {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Stalled {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut *self.0.borrow_mut() {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(written) => written.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// F68: 200,000 Pings and Pongs that time out: the output stays within the high-water mark and one
/// frame, in a whole connection and in halves.
#[test]
fn f68_pings_that_time_out_are_bounded() {
    const HIGH_WATER: usize = 1000;
    let stalled = |stream: &Stalled| {
        let settings = Settings::new().high_water(HIGH_WATER);
        WebSocket::upgraded(stream.clone(), open(Role::Server, Config::default()), settings)
    };
    let bound = HIGH_WATER..HIGH_WATER + 127;
    let stream = Stalled::default();
    let mut ws = stalled(&stream);
    for _ in 0..100_000 {
        assert!(is_timeout(&ws.ping(&[1; 125]).unwrap_err()));
        assert!(is_timeout(&ws.pong(&[1; 125]).unwrap_err()));
    }
    stream.release();
    ws.flush().unwrap();
    assert!(bound.contains(&stream.written_len()), "{}", stream.written_len());

    let stream = Stalled::default();
    let halves = |stream| Ok((io::empty(), stream));
    let (_reader, writer) = stalled(&stream).split_with(halves).unwrap();
    for _ in 0..100_000 {
        assert!(is_timeout(&writer.ping(&[1; 125]).unwrap_err()));
        assert!(is_timeout(&writer.pong(&[1; 125]).unwrap_err()));
    }
    stream.release();
    writer.flush().unwrap();
    assert!(bound.contains(&stream.written_len()), "{}", stream.written_len());
}

/// R102: a write that returns 0 is an error and not an endless loop.
#[test]
fn a_write_of_zero_bytes_is_an_error() {
    let mut ws = open_over(Role::Server, ScriptedTransport::writing([Ok(3), Ok(0)]));
    let error = ws.send("text").unwrap_err();
    assert_eq!(io_kind(&error), Some(ErrorKind::WriteZero));
    ws.flush().unwrap();
    assert_eq!(frames(Role::Server, &ws.get_ref().written), [(0x81, b"text".to_vec())]);
}

/// R094: messages that were fed are written in one write, before `recv` blocks.
#[test]
fn fed_messages_are_written_in_one_write() {
    for role in ROLES {
        let mut ws = open_over(role, ScriptedTransport::reading([frame(peer_of(role), 0x81, b"text")]));
        ws.feed("one").unwrap();
        ws.feed(&b"two"[..]).unwrap();
        assert_eq!(ws.get_ref().write_calls, 0);
        assert_eq!(ws.recv().unwrap(), Some(text("text")));
        assert_eq!(ws.get_ref().write_calls, 1, "one write for both messages");
        let expected = [(0x81, b"one".to_vec()), (0x82, b"two".to_vec())];
        assert_eq!(frames(role, &ws.get_ref().written), expected);

        let input = [frame(peer_of(role), 0x81, b"a"), frame(peer_of(role), 0x81, b"b")].concat();
        let mut ws = open_over(role, ScriptedTransport::reading([input]));
        for _ in 0..2 {
            let message = ws.recv().unwrap().unwrap();
            ws.feed(message).unwrap();
        }
        assert_eq!(ws.get_ref().write_calls, 0, "`recv` has not blocked yet");
        assert_eq!(received(ws.recv()), Err(ProtocolError::UnexpectedEof));
        assert_eq!(ws.get_ref().write_calls, 1, "one write for both messages of one read");
    }
}

/// R102: an invalid command is a `SendError`, and nothing is written.
#[test]
fn s6_1_invalid_commands_write_nothing() {
    let mut ws = open_over(Role::Server, ScriptedTransport::default());
    let invalid = [
        (
            ws.ping(&[0; 126]).unwrap_err(),
            SendError::ControlFrameTooLong { len: 126 },
        ),
        (
            ws.close(CloseCode::ABNORMAL, "").unwrap_err(),
            SendError::InvalidCloseCode {
                code: CloseCode::ABNORMAL,
            },
        ),
        (ws.close(None, "why").unwrap_err(), SendError::ReasonWithoutCode),
    ];
    for (error, expected) in invalid {
        assert!(matches!(error, Error::Send(found) if found == expected), "{error:?}");
        assert_eq!(error.to_string(), expected.to_string());
    }
    ws.close(None, "").unwrap();
    assert!(matches!(ws.feed("late"), Err(SendError::Closing)));
    assert_eq!(frames(Role::Server, &ws.get_ref().written), [(0x88, Vec::new())]);
}

/// String types are sent as text, byte types as binary messages.
#[test]
fn string_and_byte_types_can_be_sent() {
    let mut ws = open_over(Role::Server, ScriptedTransport::default());
    ws.feed("str").unwrap();
    ws.feed(String::from("String")).unwrap();
    let string = String::from("&String");
    ws.feed(&string).unwrap();
    assert_eq!(string, "&String", "the string was borrowed");
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
