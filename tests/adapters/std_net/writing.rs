//! What is written, over a scripted transport: short writes, interruptions, timeouts; and what may not be sent.

use std::io::{self, ErrorKind, Read, Write};

use sockless::{
    CloseCode, CloseFrame, Config, Event, ProtocolError, Role, SendError,
    adapter::{Error, std_net::WebSocket},
};
use support::{ROLES, frame, frames, open, peer_of};

use super::{Script, binary, close, io_kind, is_timeout, over, received, text};

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
    for (error, expected) in wrong {
        assert!(matches!(error, Error::Send(found) if found == expected), "{error:?}");
        assert_eq!(error.to_string(), expected.to_string());
    }
    ws.close(None, "").unwrap();
    assert!(matches!(ws.feed("late"), Err(SendError::Closing)));
    assert_eq!(frames(Role::Server, &ws.get_ref().written), [(0x88, Vec::new())]);
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
