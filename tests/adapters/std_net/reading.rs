//! Reading from a scripted transport: short reads, interruptions, timeouts, ends.

use std::{error::Error as _, io::ErrorKind};

use sockless::{CloseCode, ClosedBy, Event, Message, ProtocolError, Role, SendError, adapter::Error};
use support::{ROLES, frame, frames, peer_of, reserved_opcode};

use super::{ScriptedTransport, binary, close, closed_with, io_kind, open_over, received, text};

/// R104: with reads of any length, the messages are the same. After them, every call returns the
/// clean end.
#[test]
fn s6_2_short_reads_yield_the_same_messages() {
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
            let mut ws = open_over(
                role,
                ScriptedTransport::reading(input.chunks(piece).map(<[u8]>::to_vec)),
            );
            let message = [&[7; 200][..], &[8; 100]].concat();
            assert_eq!(ws.recv().unwrap(), Some(text("aé€😀")), "{piece}");
            assert_eq!(ws.recv().unwrap(), Some(binary(&message)), "{piece}");
            assert_eq!(ws.recv().unwrap(), Some(binary(b"")), "{piece}");
            for _ in 0..3 {
                assert_eq!(ws.recv().unwrap(), None, "{piece}");
            }
            let status = ws.close_status().unwrap();
            assert!(status.is_clean() && status.by == ClosedBy::Peer);
            let replies = frames(role, &ws.get_ref().written);
            assert_eq!(replies, [(0x8A, b"ping".to_vec()), (0x88, vec![0x03, 0xE8])], "{piece}");
        }
    }
}

/// R104: a message longer than one read is received.
#[test]
fn s6_2_a_message_longer_than_one_read_is_received() {
    for role in ROLES {
        let payload: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        let mut ws = open_over(role, ScriptedTransport::reading([frame(peer_of(role), 0x82, &payload)]));
        assert_eq!(ws.recv().unwrap(), Some(Message::from(payload)));
    }
}

/// An interrupted read is repeated.
#[test]
fn an_interrupted_read_is_repeated() {
    let mut script = ScriptedTransport::reading([frame(Role::Client, 0x81, b"text")]);
    script.reads.push_front(Err(ErrorKind::Interrupted));
    script.reads.push_front(Err(ErrorKind::Interrupted));
    assert_eq!(open_over(Role::Server, script).recv().unwrap(), Some(text("text")));
}

/// R104: a read that times out or would block, at any byte, is an error. When the caller calls
/// again, nothing is lost or duplicated.
#[test]
fn s6_2_a_read_continues_after_a_timeout() {
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
                let mut script = ScriptedTransport::default();
                for bytes in [front, back].into_iter().filter(|bytes| !bytes.is_empty()) {
                    script.reads.push_back(Ok(bytes.to_vec()));
                }
                script.reads.insert(usize::from(cut > 0), Err(kind));
                let mut ws = open_over(role, script);
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
                // After the Close frame, nothing is read.
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

/// R116 R110: the end of the transport without a Close frame, at every byte, is an error of this
/// call and of all later ones.
#[test]
fn s7_2_1_the_end_of_the_transport_without_a_close_is_an_error() {
    for role in ROLES {
        let input = [frame(peer_of(role), 0x01, b"be"), frame(peer_of(role), 0x80, b"gun")].concat();
        for end in 0..=input.len() {
            let mut ws = open_over(role, ScriptedTransport::reading([input[..end].to_vec()]));
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
            let status = ws.close_status().unwrap();
            assert_eq!((status.by, status.code()), (ClosedBy::Transport, CloseCode::ABNORMAL));
        }
    }
}

/// R116: a reset of the transport inside a frame is an I/O error.
#[test]
fn s7_2_1_a_reset_is_an_io_error() {
    for role in ROLES {
        let input = frame(peer_of(role), 0x81, b"text");
        for end in 0..input.len() {
            let mut script =
                ScriptedTransport::reading([input[..end].to_vec()].into_iter().filter(|bytes| !bytes.is_empty()));
            script.reads.push_back(Err(ErrorKind::ConnectionReset));
            let mut ws = open_over(role, script);
            let error = ws.recv().unwrap_err();
            assert_eq!(io_kind(&error), Some(ErrorKind::ConnectionReset), "{role:?}: {end}");
            assert!(error.source().is_none() && error.to_string().contains("reset"));
        }
    }
}

/// R110 R116: a reset fails the connection: the close code is 1006, and nothing more can be sent.
#[test]
fn s7_2_1_a_reset_fails_the_connection() {
    for role in ROLES {
        let mut script = ScriptedTransport::default();
        script.reads.push_back(Err(ErrorKind::ConnectionReset));
        let mut ws = open_over(role, script);
        assert_eq!(io_kind(&ws.recv().unwrap_err()), Some(ErrorKind::ConnectionReset));
        let status = ws.close_status().expect("a failed connection has a close status");
        assert_eq!((status.by, status.code()), (ClosedBy::Transport, CloseCode::ABNORMAL));
        assert!(matches!(ws.feed("more"), Err(SendError::Closing)));
    }
}

/// R112 R113 R140: a violation is answered with a Close frame, and then is an error of this call
/// and of all later ones.
#[test]
fn s7_1_7_a_violation_is_answered_and_reported() {
    for role in ROLES {
        let peer = peer_of(role);
        for (bytes, error, code) in [
            (frame(peer, 0x83, b""), reserved_opcode(0x83), [0x03, 0xEA]),
            (frame(peer, 0x81, b"\xFF"), ProtocolError::InvalidUtf8, [0x03, 0xEF]),
        ] {
            let valid = frame(peer, 0x81, b"valid");
            let after = frame(peer, 0x81, b"after");
            let mut ws = open_over(
                role,
                ScriptedTransport::reading([[valid, bytes, after.clone()].concat(), after]),
            );
            assert_eq!(received(ws.recv()), Ok(Some(text("valid"))));
            for _ in 0..3 {
                assert_eq!(received(ws.recv()), Err(error), "{role:?}");
            }
            assert_eq!(frames(role, &ws.get_ref().written), [(0x88, code.to_vec())]);
            assert!(matches!(ws.send("more"), Err(Error::Send(SendError::Closing))));
        }
    }
}

/// F75: The peer closes because it failed, or because it refused a message: that is an error, each
/// time, in both roles. After a success, or a close that the application has asked for, there is
/// none.
#[test]
fn f75_a_close_that_is_no_success_is_an_error() {
    for role in ROLES {
        for code in [1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 4999] {
            let input = close(peer_of(role), code);
            let mut ws = open_over(role, ScriptedTransport::reading([input.clone()]));
            for _ in 0..3 {
                assert_eq!(closed_with(&ws.recv()), Some(CloseCode(code)));
            }
            let mut ws = open_over(role, ScriptedTransport::reading([input.clone()]));
            assert!(matches!(ws.recv_event().unwrap(), Some(Event::Close(Some(_)))));
            assert_eq!(closed_with(&ws.recv_event()), Some(CloseCode(code)));

            // The application closes first: with that code, or with another.
            let mut ws = open_over(role, ScriptedTransport::reading([input.clone()]));
            ws.close(CloseCode(code), "").unwrap();
            assert_eq!(ws.recv().unwrap(), None);
            let mut ws = open_over(role, ScriptedTransport::reading([input]));
            ws.close(CloseCode::NORMAL, "").unwrap();
            assert_eq!(closed_with(&ws.recv()), Some(CloseCode(code)));
        }
        for code in [&1000_u16.to_be_bytes()[..], &1001_u16.to_be_bytes(), b""] {
            let script = ScriptedTransport::reading([frame(peer_of(role), 0x88, code)]);
            assert_eq!(open_over(role, script).recv().unwrap(), None);
        }
    }
}
